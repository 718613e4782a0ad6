--- target.lua - resolves what options and environment say of a client's calls: API version, endpoint, region, and the
--- services that issue keys, each with its source. Invalid variables are returned as errors, since only options are misuse.
--- Pure. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local optionNames = require "qcimage.util.option_names"
local text = require "qcimage.util.text"

local M = {}

--- Options of a single API version.
local ONLY = {
  { "method", "GET", "2.0", "API 3.0 is called by POST" },
  { "signatureMethod", "HmacSHA1", "2.0", "API 3.0 signs by TC3-HMAC-SHA256" },
  { "language", nil, "3.0", "API 2.0 has no language parameter" },
}

---@class qcimage.Setting what an option or a variable says
---@field value any nil: neither says anything
---@field name string|nil in messages
---@field variable string|nil the variable's name
---@field option string|nil the option's name

-- Returns the setting of an option, or else of a variable of the environment.
local function setting(options, environment, option, variable)
  if options[option] ~= nil then
    return { value = options[option], name = optionNames.shown(option), option = option }
  end
  local value = environments.value(environment, variable)
  return value and { value = value, name = variable, variable = variable } or {}
end

-- Nil and the error of a setting: of an option, or of a variable of the environment.
local function refuse(problem, one)
  local err = errors.notSent("parameter", problem, one.variable or one.option)
  err.isOfEnvironment = one.variable ~= nil
  return nil, err
end

-- What follows the name of an endpoint that would send requests unencrypted.
local function plainProblem()
  return (" is plain http to another machine; use https, or set %s"):format(optionNames.shown "allowPlainHttp")
end

local function isTooPlain(endpoint, options)
  return endpoints.isExposed(endpoint) and not options.allowPlainHttp
end

-- Parses a URL without path; returns nil if it is not one.
local function bare(url)
  local endpoint = type(url) == "string" and endpoints.parse(url)
  return endpoint and not endpoint.version and endpoint or nil
end

--- Resolves the services that issue keys.
---@param options table validated
---@param environment table<string, string>
---@param metadataOption string|nil another name of the option metadata
---@return {metadata: string|false|nil, sts: qcimage.Endpoint|nil, stsName: string|nil}|nil metadata: URL; false: not used
---@return qcimage.Error|nil err its field names the variable or option; isOfEnvironment: a variable
function M.services(options, environment, metadataOption)
  local metadata = setting(options, environment, "metadata", "QCIMAGE_METADATA")
  metadata.name = metadata.option and optionNames.shown(metadataOption or metadata.option) or metadata.name
  local sts = setting(options, environment, "stsEndpoint", "QCIMAGE_STS_ENDPOINT")
  local address = metadata.value
  if address == "off" then
    address = false
  end
  local endpoint = sts.value and bare(sts.value)
  if address and not bare(address) then
    return refuse(metadata.name .. ' must be a URL without a path, or "off"', metadata)
  elseif sts.value and not endpoint then
    return refuse(sts.name .. " must be a URL without a path", sts)
  elseif endpoint and isTooPlain(endpoint, options) then
    return refuse(sts.name .. plainProblem(), sts)
  end
  return { metadata = address and address:gsub("/$", "") or address, sts = endpoint, stsName = sts.name }
end

-- Returns the endpoint of a setting, or nil and an error.
local function endpointOf(url, version, options, connectTo)
  local endpoint, problem = endpoints.parse(url.value)
  if not endpoint then
    return refuse(url.name .. " " .. problem, url)
  end
  endpoint = endpoints.via(endpoint, connectTo)
  if isTooPlain(endpoint, options) then
    return refuse(url.name .. plainProblem(), url)
  elseif endpoint.version and version.value and endpoint.version ~= version.value then
    problem = "%s has the path of API %s, but %s is %s"
    local _, err = refuse(
      problem:format(url.name, endpoint.version, version.name, version.value),
      url.variable and url or version.variable and version or url
    )
    err.pathVersion = endpoint.version
    return nil, err
  end
  return endpoint
end

-- Returns what is wrong with options in an API version, and the option's name; nil: nothing.
local function misfit(options, version)
  for _, only in ipairs(ONLY) do
    local name, value, where, why = only[1], only[2], only[3], only[4]
    if version ~= where and options[name] ~= nil and (value == nil or options[name] == value) then
      return ("%s cannot be used with API %s: %s"):format(optionNames.shown(name), version, why), name
    end
  end
end

---@class qcimage.Target
---@field version "2.0"|"3.0"
---@field versionName string what names it
---@field endpoint qcimage.Endpoint|nil nil: neither option nor environment names one
---@field endpointName string|nil what names it
---@field region qcimage.Setting as given
---@field connectTo {host: string, port: integer|nil}|nil
---@field metadata string|false|nil URL of the metadata service; false: it is not used
---@field sts qcimage.Endpoint|nil another STS
---@field stsName string|nil what names it

---@class qcimage.Preset defaults of the command
---@field apiVersion "3.0" the default
---@field versionName string
---@field readsProfile boolean settings and language of the tccli profile apply, whatever the source of the keys

local LIBRARY = { apiVersion = "2.0", versionName = "the default" }

--- Resolves API version, endpoint and region of a client's calls.
---@param options table validated
---@param environment table<string, string>
---@param preset qcimage.Preset|nil
---@return qcimage.Target|nil
---@return qcimage.Error|nil err its field names the variable or option; isOfEnvironment: a variable
function M.of(options, environment, preset)
  preset = preset or LIBRARY
  local version = setting(options, environment, "apiVersion", "QCIMAGE_API_VERSION")
  if version.value and version.value ~= "2.0" and version.value ~= "3.0" then
    return refuse(('%s must be "2.0" or "3.0", not %s'):format(version.name, text.quote(version.value)), version)
  end
  local connectTo = options.connectTo and endpoints.parseTarget(options.connectTo)
  local url = setting(options, environment, "endpoint", "QCIMAGE_ENDPOINT")
  local endpoint, err
  if url.value then
    endpoint, err = endpointOf(url, version, options, connectTo)
    if not endpoint then
      return nil, err
    end
  end
  local ofPath = endpoint and endpoint.version
  local resolved = version.value or ofPath or preset.apiVersion
  local problem, name = misfit(options, resolved)
  if problem then
    return refuse(problem, { option = name })
  end
  local target
  target, err = M.services(options, environment)
  if not target then
    return nil, err
  end
  target.version, target.endpoint, target.endpointName = resolved, endpoint, url.name
  target.versionName = version.name or ofPath and "the endpoint's path" or preset.versionName
  target.connectTo = connectTo
  target.region = setting(options, environment, "region", "TENCENTCLOUD_REGION")
  return target
end

return M
