--- resolve.lua - resolves, for each attempt, credentials and signer; and once per call, region and endpoint, which may come
--- with the credentials. Notes the source of each.
--- Reaches the outside only through the client. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.util.errors"
local optionNames = require "qcimage.util.option_names"
local redact = require "qcimage.util.redact"
local callContext = require "qcimage.call.context"
local text = require "qcimage.util.text"

local M = {}

-- Returns the context for a credentials provider; see credentials/provider.lua.
local function contextOf(call)
  local context = { secondsLeft = math.max(0, callContext.secondsLeft(call)) }
  local refused, how = call.client.refusals.current()
  if refused then
    context.refused, context.refusedHow = refused, how
  end
  if call.skipped then
    context.passed = call.passed
  end
  return setmetatable(context, call.client.providerContext)
end

--- Returns the credentials for a call; or nil, the call's error, and the provider's own error.
---@param call qcimage.Call
---@return qcimage.Credentials|nil
---@return qcimage.Error|nil err
---@return qcimage.Error|nil cause
function M.credentials(call)
  local client = call.client
  local given, err = client.provider(client.hasDynamicCredentials and contextOf(call) or nil)
  if given then
    if client.hasDynamicCredentials then
      client.refusals.answered(given)
    end
    return given
  end
  local last = call.attempt
  local said = last and redact.forAttempt(err.message, last) or err.message -- from a callback
  return nil, errors.ofAction(call.action.name, err.kind, said, err.field), err
end

-- Returns the public cloud's endpoint of an action, with the client's connectTo.
local function publicEndpoint(client, action, region)
  local endpoint = endpoints.default(client.version, action, region)
  return action.service and endpoint or endpoints.via(endpoint, client.target.connectTo)
end

-- Returns nil and an error of a call.
local function refuse(call, problem, field)
  return nil, errors.ofAction(call.action.name, "parameter", problem, field)
end

-- Notes a skipped source and the reason, for `explain`.
local function pass(call, field, source, why, isOutranked)
  if call.skipped and source then
    table.insert(call.skipped, { field = field, source = source, why = why, isOutranked = isOutranked })
  end
end

-- Returns the region named by the options, a pinned profile or the environment; its source; its field in errors. Nil: none
-- names one. False and a problem: the profile cannot be read.
local function namedRegion(client, wanted, wantedName)
  local setting = client.target.region
  if wanted ~= nil then
    return wanted, wantedName or optionNames.shown "region", "region"
  elseif setting.value ~= nil and not setting.variable then
    return setting.value, setting.name, "region"
  elseif client.isPinned then
    local region, problem = client.profile.get "region"
    if problem then
      return false, problem
    elseif region then
      return region, client.profile.source, "region"
    end
  end
  return setting.value, setting.name, setting.variable
end

--- Returns the region of a client's calls as far as it is known without credentials.
---@param client table
---@return string|nil region as sent
function M.regionOf(client)
  local region = namedRegion(client)
  return region and (endpoints.region(region, client.version) or region) or nil
end

--- Returns the endpoint of a client's calls as far as it is known without credentials.
---@param client table
---@return qcimage.Endpoint|nil
---@return boolean isPublic it is the public cloud's: credentials cannot name another
function M.endpointOf(client)
  local is3 = client.version == "3.0"
  local endpoint = client.target.endpoint or is3 and client.profile and client.profile.get "endpoint" or nil
  return endpoint, not endpoint and (not is3 or client.profile ~= nil or not client.hasDynamicCredentials)
end

-- Returns the named endpoint and its source. Nil: none is named. False and an error: it is invalid.
local function namedEndpoint(call, profile)
  local client, isService = call.client, call.action.service
  local target = client.target
  local named, source = target.endpoint, target.endpointName
  if isService then
    named, source = client.stsEndpoint, client.stsName
  end
  if named or not profile or call.version ~= "3.0" then
    return named, source
  end
  local endpoint, problem = profile.get(isService and "stsEndpoint" or "endpoint")
  if problem then
    return false, select(2, refuse(call, problem))
  elseif not endpoint then
    pass(call, "endpoint", profile.source, "names none")
    return nil
  end
  endpoint = endpoints.via(endpoint, not isService and target.connectTo or nil)
  if endpoints.isExposed(endpoint) and not client.options.allowPlainHttp then
    problem = ("%s: %s.endpoint is plain http to another machine"):format(profile.source, isService or "cvm")
    return false, select(2, refuse(call, problem))
  end
  return endpoint, profile.source
end

-- Returns nil and the error of an invalid region, which names its source.
local function refuseRegion(call, source, problem, field)
  local isOption = call.wantedRegion ~= nil or call.client.target.region.option ~= nil
  local what = (isOption or field ~= "region") and source or "the region of " .. source
  return refuse(call, ("%s %s"):format(what, problem), field)
end

-- The error of a missing region.
local NOWHERE = "no region: set %s or TENCENTCLOUD_REGION (the credentials%s name none; %s)"

-- Returns the region of a call, its source and its field in errors; or nil and an error.
local function findRegion(call, given, profile)
  local client, setting = call.client, call.client.target.region
  local region, source, field = namedRegion(client, call.wantedRegion, call.wantedRegionName)
  if region == false then
    return refuse(call, source)
  elseif region then
    if call.skipped and source ~= setting.name then
      pass(call, "region", setting.name, ("%s takes precedence"):format(source), true)
    end
    return region, source, field
  elseif given.region then
    pass(call, "region", "TENCENTCLOUD_REGION", "is not set")
    return given.region, given.source, "region"
  end
  pass(call, "region", "TENCENTCLOUD_REGION", "is not set")
  if profile then
    local problem
    region, problem = profile.get "region"
    if problem then
      return refuse(call, problem)
    elseif region then
      return region, profile.source, "region"
    end
    pass(call, "region", profile.source, "names none")
  end
  local err
  region, err = client.metadataRegion(contextOf(call))
  if region then
    return region, "the metadata service", "region"
  elseif err.kind == "unsupported" then
    return nil, errors.ofAction(call.action.name, "unsupported", err.message)
  end
  local looked = profile and (" and %s"):format(profile.source) or ""
  local _, mine = refuse(call, NOWHERE:format(optionNames.shown "region", looked, err.message), "region")
  mine.missing = "region"
  return nil, mine
end

-- Returns the region of a call to another service (STS): any that it has, but no finance zone, which the public service is not
-- in. Results as in findRegion.
local function serviceRegion(call)
  local client = call.client
  local region, source = client.serviceRegion, client.serviceRegionName
  if not region then
    region, source = namedRegion(client, call.wantedRegion, call.wantedRegionName)
    if region == false then
      return refuse(call, source)
    end
  end
  local long = region and endpoints.regionName(region)
  if not long or endpoints.isFinance(long) then
    return endpoints.ANY_REGION, "the default"
  end
  return region, source, "region"
end

-- Sets the client's language from the command's profile. Returns true, or nil and an error.
local function readLanguage(call)
  local client = call.client
  local language, problem = client.profile.get "language"
  if problem then
    return refuse(call, problem)
  end
  client.options.language, client.readsLanguage = language, nil
  return true
end

--- Resolves endpoint and region of a call, once, with the settings that come with its credentials. Sets their sources, too.
---@param call qcimage.Call
---@param given qcimage.Credentials|table an empty table without credentials
---@return boolean|nil isResolved
---@return qcimage.Error|nil err
function M.endpointAndRegion(call, given)
  if call.regionSource then
    return true
  end
  local client, action = call.client, call.action
  if client.readsLanguage and not action.service then
    local isRead, err = readLanguage(call)
    if not isRead then
      return nil, err
    end
  end
  local profile = not action.unsigned and (given.profile or client.profile) or nil
  local endpoint, from = namedEndpoint(call, profile)
  if endpoint == false then
    return nil, from
  end
  call.endpoint = endpoint or call.endpoint -- otherwise the public cloud's
  if call.skipped then
    call.endpointSource = from
  end
  local region, source, field
  if action.service then
    region, source, field = serviceRegion(call)
  else
    region, source, field = findRegion(call, given, profile)
  end
  if not region then
    return nil, source
  end
  local name, problem = endpoints.region(region, call.version, not endpoint)
  if not name then
    return refuseRegion(call, source, problem, field)
  end
  if not endpoint and endpoints.isFinance(name) then -- finance zones have their own hosts
    call.endpoint = publicEndpoint(client, action, name)
  end
  call.region, call.regionSource = name, source
  return true
end

--- Returns where a call would go by options and environment alone, for messages before it is resolved.
---@param client table
---@param action table from actions.lua
---@return qcimage.Endpoint
function M.destination(client, action)
  local named = client.target.endpoint
  if action.service then -- a service other than the client's
    named = client.stsEndpoint
  end
  return named or publicEndpoint(client, action)
end

--- Finds the call's region before its first attempt, for those that have to wait for something there.
---@param call qcimage.Call
---@return boolean|nil isFound
---@return qcimage.Error|nil err
function M.region(call)
  if call.region then
    return true
  end
  local named, source, field
  if call.action.service then
    named, source, field = serviceRegion(call)
  else
    named, source, field = namedRegion(call.client, call.wantedRegion, call.wantedRegionName)
  end
  if named then -- what waits needs no credentials, which could end meanwhile
    local problem
    call.region, problem = endpoints.region(named, call.version)
    if not call.region then
      return refuseRegion(call, source, problem, field)
    end
    return true
  end
  local given, err = M.credentials(call)
  if not given then
    return nil, err
  end
  call.fresh = given
  return M.endpointAndRegion(call, given)
end

--- Begins an attempt: resolves its credentials, which may differ from the last attempt's, and their signer.
---@param call qcimage.Call
---@return qcimage.Attempt|nil
---@return qcimage.Error|nil err
function M.newAttempt(call)
  local action = call.action
  local given, err = call.fresh, nil
  call.fresh = nil
  if action.unsigned then
    -- The parameter that replaces the key is kept out of messages like a key.
    given = { secretKey = call.values[action.unsigned] or "" }
  elseif not given then
    given, err = M.credentials(call)
  end
  if not given then
    return nil, err
  end
  local isPlaced
  isPlaced, err = M.endpointAndRegion(call, given)
  if not isPlaced then
    return nil, err
  elseif action.unsigned then
    return { credentials = given, logins = call.client.logins }
  end
  local signer, problem = call.client.getSigner(given)
  if not signer then
    return nil, errors.ofAction(action.name, "unsupported", problem)
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

--- Returns what is known of a call's secrets: the last attempt, or before the first one its credentials.
---@param call qcimage.Call
---@return table|nil credentials and other fields of qcimage.Attempt; nil: nothing is known
function M.known(call)
  local given = call.fresh or not call.attempt and not call.client.hasDynamicCredentials and call.client.provider()
  return given and { credentials = given, logins = call.client.logins } or call.attempt
end

-- Retries that replace a refused key: the provider is asked for another one, or only reads its file again.
local REPLACES = { renew = true, reread = true }

--- Notes that the service refused the credentials of an attempt, and refreshes them if another attempt is possible.
---@param call qcimage.Call
---@param err qcimage.Error of the attempt
---@return boolean isRenewed the next attempt has other credentials
function M.refreshCredentials(call, err)
  local client = call.client
  if not REPLACES[err.retry] or call.action.unsigned or not client.hasDynamicCredentials then
    return false
  end
  local last = call.attempt.credentials
  client.refusals.note(last, err.retry)
  if call.renewed or #call.attempts >= call.maxAttempts then
    return false
  end
  call.renewed = true
  local given, problem = M.credentials(call)
  if not given then
    call.renewalProblem = problem.problem
    return false
  end
  call.fresh = given
  return given.secretId ~= last.secretId or given.secretKey ~= last.secretKey or given.token ~= last.token
end

-- Returns whether a refusal is about the region. The service was seen to refuse an unknown region with a bare
-- InvalidParameterValue. The foreign text decides only this hint.
local function isOfRegion(err)
  if err.kind ~= "service" then
    return false
  end
  local said = text.lower(err.serviceMessage or "")
  return codes.isOfRegion(err.code)
    or err.outcome == "rejected" and (said:find("region", 1, true) or said:find("地域", 1, true)) ~= nil
end

--- Returns what a message adds: the region an image was looked for in, the refused region, or the source of refused keys.
---@param call qcimage.Call
---@param err qcimage.Error
---@return string|nil
function M.hint(call, err)
  if isOfRegion(err) then
    return ("in %s, from %s"):format(text.oneLine(call.region, 80), call.regionSource)
  elseif err.reason == "notFound" then -- the image is usually in another region
    return ("in %s"):format(text.oneLine(call.region, 80))
  elseif REPLACES[err.retry] and call.attempt.credentials.source then
    return ("keys from %s"):format(call.attempt.credentials.source)
  end
end

return M
