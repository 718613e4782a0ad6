--- prepare.lua - prepares a call: looks up the action, validates the parameters, sets the deadline. Never waits.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local build = require "qcimage.call.build"
local validate = require "qcimage.call.validate"
local core = require "qcimage.core"
local errors = require "qcimage.util.errors"
local resolve = require "qcimage.call.resolve"
local limits = require "qcimage.util.limits"
local copyParams = require "qcimage.call.copy_params"
local optionNames = require "qcimage.util.option_names"
local text = require "qcimage.util.text"

local M = {}

-- Returns the action, or nil and an error.
local function actionOf(version, name, isRaw)
  local action = actions[version][name]
  if action then
    return action
  elseif isRaw and build.isActionName(name) then
    return { name = name, params = {} }
  end
  local setting = not isRaw and optionNames.setting "raw"
  local message = ("%s in API %s%s"):format(
    text.unknownName("action", name, actions[version]),
    version,
    setting and ("; %s sends it as it is"):format(setting) or ""
  )
  return nil, errors.notSent("parameter", message, "action")
end

-- Returns raw parameters, or nil and an error if a list among them has a hole.
local function regular(action, copy)
  local faulty
  for name, value in pairs(copy) do
    if type(name) == "string" and not copyParams.isRegular(value) and not (faulty and faulty < name) then
      faulty = name
    end
  end
  if faulty then
    local problem = ("%s must be a list without holes, or a table with names only"):format(text.oneLine(faulty, 40))
    return nil, errors.ofAction(action.name, "parameter", problem, faulty)
  end
  return copy
end

-- Returns the parameters by wire names, copied; or nil and an error.
local function valuesOf(client, action, params, isRaw)
  if isRaw or getmetatable(params) ~= nil then
    local copy, problem = copyParams.copy(params, isRaw and {} or action.params)
    if not copy then
      return nil, errors.ofAction(action.name, "parameter", "the parameter table " .. problem)
    elseif isRaw then
      return regular(action, copy)
    end
    params = copy
  end
  return validate.params(action, params, client)
end

--- Prepares a call.
---@param client table
---@param name string the action
---@param params table the caller's; copied before anything can wait
---@param options table checked
---@return qcimage.Call|nil call
---@return qcimage.Error|nil err
function M.call(client, name, params, options)
  local began = core.monotonic()
  if client.closed then
    return nil, errors.ofAction(name, "unsupported", "the client is closed")
  elseif client.configError then
    return nil, errors.notSent("parameter", client.configError.message, client.configError.field)
  end
  local action, err = actionOf(client.version, name, options.raw)
  if not action then
    return nil, err
  end
  local values
  values, err = valuesOf(client, action, params, options.raw)
  if not values then
    return nil, err
  end
  local timeout = options.timeout or client.options.timeout
  local readBackSeconds = 0
  if name == actions.modify[client.version] and not options.raw and options.readBack ~= false then
    local part = timeout * limits.readBackPart
    readBackSeconds = part < limits.readBack and part or limits.readBack
  end
  return {
    client = client,
    version = client.version,
    action = action,
    values = values,
    isRaw = options.raw,
    endpoint = resolve.destination(client, action),
    region = nil, -- set with the credentials, like the next
    regionSource = nil,
    wantedRegion = options.region,
    wantedRegionName = options.regionName,
    timeout = timeout,
    deadline = began + timeout,
    readBackSeconds = readBackSeconds,
    limiter = options.limiter or client.options.limiter,
    limiterWaitIsExtra = options.limiterWaitIsExtra,
    hasSlot = options.hasSlot,
    maxAttempts = options.maxAttempts or client.options.maxAttempts,
    attempts = {},
    attempt = nil, -- set later, like the next: preallocated, so that the table does not grow
    form = nil,
  }
end

return M
