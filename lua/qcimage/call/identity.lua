--- identity.lua - whose a call is, attempt by attempt: its credentials and their signer; and the region and the endpoint
--- that come with credentials, where nothing else names them.
--- Reaches the outside only through what the client holds. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local redact = require "qcimage.redact"
local text = require "qcimage.text"

local M = {}

-- What a source of credentials is told; see credentials/keys.lua.
local function contextOf(call, refused)
  return setmetatable(
    { secondsLeft = math.max(0, call.deadline - core.monotonic()), refused = refused },
    call.client.world
  )
end

-- Credentials for the call; or nil, and an error of its own.
local function ask(call, refused)
  local client = call.client
  local given, err = client.provider(client.asksForCredentials and contextOf(call, refused) or nil)
  if given then
    return given
  end
  local said = call.credentials and redact.call(err.message, call.credentials) or err.message -- by a function of the caller's
  return nil, errors.notSent(err.kind, ("%s: %s"):format(call.action.name, said), err.field)
end

-- The region, where neither an option nor the environment names one. Returns nil, or an error.
local function findRegion(call, given)
  local name = call.action.name
  local region, err = given.region, nil
  if not region then
    region, err = call.client.metadataRegion(contextOf(call))
  end
  if not region and err.kind == "unsupported" then
    return errors.notSent("unsupported", ("%s: %s"):format(name, err.message))
  elseif not region then
    local message = "%s: no region: looked at the option region (not given), at the environment"
      .. " (TENCENTCLOUD_REGION is not set), at the source of the credentials (it names none); %s"
    return errors.notSent("parameter", message:format(name, err.message), "region")
  elseif region:find(text.CONTROL) then
    local message = name .. ": the region that came with the credentials holds control characters (a line break?)"
    return errors.notSent("parameter", message, "region")
  end
  call.region = endpoints.region(region, call.version)
end

-- Takes what comes with credentials beside the keys. Returns nil, or an error.
local function take(call, given)
  if given.endpoint and call.endpoint.isDefault and call.version == "3.0" and not call.action.service then
    call.endpoint = endpoints.parse(given.endpoint) or call.endpoint -- its source has checked it
  end
  if not call.region then
    return findRegion(call, given)
  end
end

--- Finds the call's region before its first attempt, for those that have to wait for something there.
---@param call qcimage.Call
---@return qcimage.Error|nil err
function M.locate(call)
  if call.region then
    return nil
  end
  local given, err = ask(call)
  if not given then
    return err
  end
  call.fresh = given
  return take(call, given)
end

--- Gives the next attempt its credentials, which may be others than the last one had, and their signer.
---@param call qcimage.Call
---@return qcimage.Error|nil err
function M.authenticate(call)
  local action = call.action
  if action.unsigned then
    -- the parameter that stands for a key is kept out of messages as a key is
    call.credentials, call.signer = { secretKey = call.values[action.unsigned] or "" }, nil
    return nil
  end
  local given, err = call.fresh, nil
  call.fresh = nil
  if not given then
    given, err = ask(call)
  end
  err = err or take(call, given)
  if err then
    return err
  end
  local signer, fault = call.client.signerOf(given)
  if not signer then
    return errors.notSent("unsupported", ("%s: %s"):format(action.name, fault))
  end
  call.credentials, call.signer = given, signer
end

--- Whether the source of the credentials gives others after a token was refused; the next attempt takes those.
---@param call qcimage.Call
---@return boolean
function M.renew(call)
  if call.renewed or call.action.unsigned or not call.client.asksForCredentials then
    return false
  end
  call.renewed = true
  local last = call.credentials
  local given, err = ask(call, last)
  if not given then
    call.renewalProblem = err.message:gsub("^[^:]*: ", "") -- the action's name
    return false
  end
  call.fresh = given
  return given.secretId ~= last.secretId or given.secretKey ~= last.secretKey or given.token ~= last.token
end

return M
