--- cvm_role.lua - provider of the CVM instance role's temporary keys, and the instance's region: the metadata service
--- (cloud.tencent.com/document/product/213/4934 and /598/85616).
--- Plain HTTP inside the instance's network, the only way it is offered; sends through the context's `metadata`.
--- Part of qcimage, see LICENSE.

local optionNames = require "qcimage.util.option_names"
local backoff = require "qcimage.util.backoff"
local endpoints = require "qcimage.api.endpoints"
local expiration = require "qcimage.credentials.expiration"
local singleflight = require "qcimage.credentials.singleflight"
local json = require "qcimage.util.json"
local provider = require "qcimage.credentials.provider"
local redact = require "qcimage.util.redact"
local refresh = require "qcimage.credentials.refresh"
local text = require "qcimage.util.text"

local M = {}

-- The service's name, and its address for where no name server knows it.
local METADATA_HOST_URL, METADATA_IP_URL = "http://metadata.tencentyun.com", "http://169.254.0.23"

local ROLES = "/latest/meta-data/cam/security-credentials/"
local REGION = "/latest/meta-data/placement/region"

-- Seconds for all requests of one refresh: outside the cloud nothing responds, and the caller waits.
local LONGEST = 2

-- Seconds: the longest wait before the first retry, and before any.
local FIRST_WAIT, LONGEST_WAIT = 0.1, 0.4

local MOST_TRIES = 20 -- far more than time allows, unless sleep returns at once, as in tests

local LONGEST_NAME = 128 -- bytes, of a role

-- Sends one request, with retries while the service is overloaded. Returns the response; or nil, the problem, and the
-- detail of the transport's failure. Once it has responded, it exists, whatever becomes of a retry.
local function get(context, base, path, deadline)
  local endpoint = endpoints.parse(base)
  local status
  for try = 1, MOST_TRIES do
    local left = deadline - context.monotonic()
    if left <= 0 then
      break
    end
    local headers = { Host = endpoint.hostHeader, ["Accept-Encoding"] = "identity" }
    local response, message, detail = context.metadata(endpoints.request(endpoint, "GET", path, headers), left)
    if type(response) ~= "table" and not status then
      return nil, text.oneLine(redact.said(message)), type(detail) == "table" and detail or {}
    elseif type(response) ~= "table" then
      break
    elseif response.status ~= 429 and response.status < 500 then
      return response
    end
    status = response.status
    local wait = context.random() * backoff.seconds(try, FIRST_WAIT, LONGEST_WAIT)
    if wait >= deadline - context.monotonic() then
      break
    end
    local slept, problem = context.sleep(wait)
    if not slept then
      return nil, redact.said(problem), { kind = "unsupported" }
    end
  end
  if not status then
    return nil, ("no response within %d s"):format(LONGEST)
  end
  return nil, ("metadata status %d"):format(status), { isThere = true }
end

-- The text at a path of the service, by its name or its address; or nil and an error.
local function fetch(context, address, path, deadline, name)
  local response, problem, detail = get(context, address or METADATA_HOST_URL, path, deadline)
  if not response and detail and detail.kind == "unsupported" then
    return provider.cannotAsk(("%s: %s"):format(name, problem))
  elseif not response and detail and detail.sent == false and not address and context.monotonic() < deadline then
    local message
    response, message = get(context, METADATA_IP_URL, path, deadline)
    problem = not response and ("%s; and at its address: %s"):format(problem, message) or nil
  end
  if response and response.status == 200 then
    return response.body
  end
  -- A service that responds exists: no other provider may replace it.
  local isThere = response and response.status ~= 404 or not response and detail and detail.isThere
  local said = problem or ("metadata status %d"):format(response.status)
  local _, err = provider.noCredentials(("%s: %s"):format(name, said), isThere)
  err.httpStatus = response and response.status
  return nil, err
end

local function encode(name)
  return (name:gsub("[^A-Za-z0-9_.~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

-- Returns the first line of a response as the name of a role; nil if it cannot be one.
local function roleName(body)
  local name = body:match "^[ \t\r\n]*([^\r\n]*)"
  name = name:match "^.*[^ \t]"
  if not name or #name > LONGEST_NAME or name:find "[%z\1-\31\127<>{}]" then
    return nil
  end
  return name
end

local CVM_ROLE, SERVICE = "CVM role", "the metadata service"

local function fail(problem, final)
  return provider.noCredentials(("%s: %s"):format(CVM_ROLE, problem), final)
end

-- The role's document, as keys.
local function read(body, role)
  local document = json.decode(body)
  if type(document) ~= "table" then
    return fail(body == "" and "the response for the role is empty" or "the response for the role is not JSON", true)
  elseif document.Code ~= "Success" then
    local said = document.Message and ": " .. text.oneLine(tostring(document.Message)) or ""
    return fail(("the metadata service returned %s%s"):format(text.quote(document.Code), said), true)
  end
  return provider.temporary(
    { secretId = document.TmpSecretId, secretKey = document.TmpSecretKey, token = document.Token },
    expiration.parse(document.ExpiredTime, document.Expiration),
    { by = CVM_ROLE, source = ("%s %s"):format(CVM_ROLE, text.quote(role)) },
    { source = ("%s %s"):format(CVM_ROLE, text.oneLine(role)) }
  )
end

---@class qcimage.Metadata
---@field address string|false|nil URL of the service, without path; nil: the cloud's; false: it is not used
---@field roleName string|nil by default the instance's role

-- What messages say where the service is not to be asked.
local function disabled()
  local option = optionNames.setting "metadata" and "option metadata = false, or " or "" -- the command has none
  return ("%s is disabled (%sQCIMAGE_METADATA=off)"):format(SERVICE, option)
end

--- Makes a provider of the instance role.
---@param settings qcimage.Metadata|nil
---@return qcimage.CredentialsProvider
function M.new(settings)
  settings = settings or {}
  local address = settings.address
  if address == false then
    return function()
      return fail(disabled())
    end
  end
  return refresh.new(function(context)
    local deadline = context.monotonic() + math.min(LONGEST, context.secondsLeft)
    local role = settings.roleName
    if not role then
      local list, err = fetch(context, address, ROLES, deadline, CVM_ROLE)
      if not list and err.httpStatus == 404 then
        return fail "this instance has no role"
      elseif not list then
        return nil, err
      end
      role = roleName(list)
      if not role then
        return fail(list == "" and "the list of roles is empty" or "the list of roles contains no name")
      end
    end
    local body, err = fetch(context, address, ROLES .. encode(role), deadline, CVM_ROLE)
    if not body then
      err.final = err.final or role ~= settings.roleName or nil -- it has responded with the name: it exists
      return nil, err
    end
    return read(body, role)
  end, { name = CVM_ROLE, longest = LONGEST, final = true })
end

--- Makes a function that returns the instance's region, which it caches.
---@param settings qcimage.Metadata|nil
---@return fun(context: qcimage.CredentialsContext): string|nil, qcimage.Error|nil
function M.region(settings)
  local address = settings and settings.address
  local known
  local ask = singleflight.new(function(context)
    local deadline = context.monotonic() + math.min(LONGEST, context.secondsLeft)
    local body, err = fetch(context, address, REGION, deadline, SERVICE)
    local region = body and body:match "^%s*([a-z0-9-]+)%s*$"
    if not region then
      return nil, err or select(2, provider.noCredentials(SERVICE .. ": the response is not a region"))
    end
    known = region
    return region
  end, { name = SERVICE, longest = LONGEST })
  return function(context)
    if address == false then
      return provider.noCredentials(disabled())
    elseif known then
      return known
    end
    return ask(context)
  end
end

return M
