--- identity.lua - whose a call is, attempt by attempt: its credentials and their signer; and where it goes, since region
--- and endpoint may come with credentials, too.
--- Reaches the outside only through what the client holds. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local redact = require "qcimage.redact"
local state = require "qcimage.call.state"
local text = require "qcimage.text"

local M = {}

-- What a source of credentials is told; see credentials/keys.lua.
local function contextOf(call, refused)
  return setmetatable({ secondsLeft = math.max(0, state.left(call)), refused = refused }, call.client.world)
end

-- Credentials for the call; or nil, and an error of its own.
local function ask(call, refused)
  local client = call.client
  local given, err = client.provider(client.asksForCredentials and contextOf(call, refused) or nil)
  if given then
    return given
  end
  local last = call.attempt
  local said = last and redact.attempt(err.message, last) or err.message -- by a function of the caller's
  return nil, errors.notSent(err.kind, ("%s: %s"):format(call.action.name, said), err.field)
end

--- Where a call goes, as far as options and environment name it.
---@param client table
---@param action table from actions.lua
---@param region string|nil option of the call
---@return qcimage.Endpoint
---@return string|nil region as it travels
---@return string|nil regionFrom what named it, in words
function M.place(client, action, region)
  local version, given = client.version, client.endpoint
  if action.service then -- another one than the client's
    given = client.stsEndpoint
  end
  local from = region and "the call's option region" or client.region and client.regionFrom
  region = region or client.region or action.service and endpoints.ANY_REGION
  return given or endpoints.default(version, action), region and endpoints.region(region, version), from
end

-- Sets the region, where neither an option nor the environment names one. Returns true, or nil and an error.
local function findRegion(call, given)
  local name = call.action.name
  local region, err = given.region, nil
  if not region then
    region, err = call.client.metadataRegion(contextOf(call))
  end
  if not region and err.kind == "unsupported" then
    return nil, errors.notSent("unsupported", ("%s: %s"):format(name, err.message))
  elseif not region then
    local message = "%s: no region: looked at the option region (not given), at the environment"
      .. " (TENCENTCLOUD_REGION is not set), at the source of the credentials (it names none); %s"
    return nil, errors.notSent("parameter", message:format(name, err.message), "region")
  elseif region:find(text.CONTROL) then
    local message = name .. ": the region that came with the credentials holds control characters (a line break?)"
    return nil, errors.notSent("parameter", message, "region")
  end
  call.region = endpoints.region(region, call.version)
  call.regionFrom = given.region and "the source of the credentials" or "the metadata service"
  return true
end

-- Takes what comes with credentials beside the keys. Returns true, or nil and an error.
local function take(call, given)
  if given.endpoint and call.endpoint.isDefault and call.version == "3.0" and not call.action.service then
    call.endpoint = endpoints.parse(given.endpoint) or call.endpoint -- its source has checked it
  end
  if call.region then
    return true
  end
  return findRegion(call, given)
end

--- Finds the call's region before its first attempt, for those that have to wait for something there.
---@param call qcimage.Call
---@return boolean|nil isFound
---@return qcimage.Error|nil err
function M.locate(call)
  if call.region then
    return true
  end
  local given, err = ask(call)
  if not given then
    return nil, err
  end
  call.fresh = given
  return take(call, given)
end

--- Begins an attempt, with credentials, which may be others than the last one had, and their signer.
---@param call qcimage.Call
---@return qcimage.Attempt|nil
---@return qcimage.Error|nil err
function M.begin(call)
  local action = call.action
  if action.unsigned then
    -- the parameter that stands for a key is kept out of messages as a key is
    return { credentials = { secretKey = call.values[action.unsigned] or "" } }
  end
  local given, err = call.fresh, nil
  call.fresh = nil
  if not given then
    given, err = ask(call)
  end
  if not given then
    return nil, err
  end
  local isPlaced
  isPlaced, err = take(call, given)
  if not isPlaced then
    return nil, err
  end
  local signer, fault = call.client.signerOf(given)
  if not signer then
    return nil, errors.notSent("unsupported", ("%s: %s"):format(action.name, fault))
  end
  -- with room for what the next steps set, or the table would grow twice
  return {
    credentials = given,
    signer = signer,
    logins = call.client.logins,
    now = nil,
    offset = nil,
    time = nil,
    nonce = nil,
    carrier = nil,
  }
end

--- What a call knows of its secrets: its last attempt, or before the first one the credentials that it will take.
---@param call qcimage.Call
---@return table|nil credentials and what else of qcimage.Attempt is there; nil: nothing
function M.known(call)
  local given = call.fresh or not call.attempt and not call.client.asksForCredentials and call.client.provider()
  return given and { credentials = given, logins = call.client.logins } or call.attempt
end

--- Whether the source of the credentials gives others after a token was refused; the next attempt takes those.
---@param call qcimage.Call
---@return boolean
function M.renew(call)
  if call.renewed or call.action.unsigned or not call.client.asksForCredentials then
    return false
  end
  call.renewed = true
  local last = call.attempt.credentials
  local given, err = ask(call, last)
  if not given then
    call.renewalProblem = err.message:gsub("^[^:]*: ", "") -- the action's name
    return false
  end
  call.fresh = given
  return given.secretId ~= last.secretId or given.secretKey ~= last.secretKey or given.token ~= last.token
end

return M
