--- prepare.lua - puts together what a call needs before its first attempt: the action, checked parameters, the
--- endpoint, the region, the limits. Waits for nothing.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local build = require "qcimage.call.build"
local check = require "qcimage.call.check"
local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local limits = require "qcimage.limits"
local parameters = require "qcimage.call.parameters"
local text = require "qcimage.text"

local M = {}

---@class qcimage.Call
---@field client qcimage.Client
---@field version "2.0"|"3.0"
---@field action table from actions.lua
---@field wanted table|nil the parameters by their own names; nil where they are raw
---@field values table the parameters as they travel
---@field method "GET"|"POST"
---@field endpoint qcimage.Endpoint
---@field region string as it travels; where nothing named it, set in identity.lua
---@field signatureMethod "HmacSHA256"|"HmacSHA1"
---@field language string|nil
---@field userAgent string
---@field timeout number seconds for the whole call
---@field deadline number of core.monotonic
---@field turnIsExtra boolean|nil the limiter's waits do not use up the timeout
---@field maxAttempts integer
---@field attempts table[] records of what was tried
---@field hookError string|nil what onAttempt threw first
--- Of each attempt, set in identity.lua:
---@field credentials qcimage.Credentials
---@field signer userdata|nil
--- Of each attempt, set by build in attempts.lua:
---@field now number the client's clock
---@field offset number what was added to it
---@field time integer what was signed
---@field nonce string|nil
---@field redact fun(foreign: string): string
--- What the attempts so far tell, set in attempts.lua, identity.lua and clock.lua:
---@field mayHaveHappened boolean|nil an attempt's fate is unknown
---@field wasRefused boolean|nil an attempt was sent, and refused
---@field fresh table|nil credentials that the next attempt takes
---@field renewed boolean|nil credentials were asked for again after a refused token
---@field renewalProblem string|nil why there were none
---@field clockCorrected boolean|nil a clock was refused before
---@field clockOff number|nil seconds that the clock was found to be ahead of the service's

-- The action, or nil and an error.
local function actionOf(version, name, isRaw)
  local action = actions[version][name]
  if action then
    return action
  elseif isRaw and build.isActionName(name) then
    return { name = name, params = {} }
  end
  local message = ("%s in API %s%s"):format(
    text.unknown("action", name, actions[version]),
    version,
    isRaw and "" or "; raw = true sends it as it is"
  )
  return nil, errors.notSent("parameter", message, "action")
end

-- The parameters as they travel and by their own names, both of them copies; or nil and an error.
local function valuesOf(client, action, params, isRaw)
  local own, problem = parameters.own(params, isRaw and {} or action.params)
  if not own then
    return nil, errors.notSent("parameter", ("%s: %s"):format(action.name, problem))
  elseif isRaw then
    return own
  end
  local values, message, field = check.params(action, own, {
    version = client.version,
    skipRules = client.options.skipRules,
  })
  if not values then
    return nil, errors.notSent("parameter", message, field)
  end
  return values, own
end

--- Prepares a call.
---@param client table
---@param name string the action
---@param params table the caller's; copied before anything can wait
---@param options table checked
---@return qcimage.Call|nil call
---@return qcimage.Error|nil err
function M.call(client, name, params, options)
  local timeout = options.timeout or client.options.timeout or limits.timeout
  local deadline = core.monotonic() + timeout
  if client.closed then
    return nil, errors.notSent("unsupported", name .. ": the client is closed")
  elseif client.fault then
    return nil, errors.notSent("parameter", client.fault.message, client.fault.variable)
  end
  local version = client.version
  local action, err = actionOf(version, name, options.raw)
  if not action then
    return nil, err
  end
  local values, wanted = valuesOf(client, action, params, options.raw)
  if not values then
    return nil, wanted
  end
  local region = options.region or client.region
  return {
    client = client,
    version = version,
    action = action,
    wanted = wanted,
    values = values,
    method = client.options.method or "POST",
    endpoint = (action.service and client.stsEndpoint or not action.service and client.endpoint)
      or endpoints.default(version, action),
    region = region and endpoints.region(region, version),
    signatureMethod = client.options.signatureMethod or "HmacSHA256",
    language = client.options.language,
    userAgent = client.userAgent,
    timeout = timeout,
    deadline = deadline,
    turnIsExtra = options.turnIsExtra,
    maxAttempts = options.maxAttempts or client.options.maxAttempts or limits.maxAttempts,
    attempts = {},
  }
end

return M
