--- profile.lua - settings of a tccli profile, ~/.tccli/NAME.configure: region, endpoints, language. Reads the file at first
--- use. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local text = require "qcimage.util.text"
local readFile = require "qcimage.credentials.read_file"

local M = {}

---@class qcimage.ProfileSettings
---@field source string the file, as messages name it
---@field get fun(field: "region"|"endpoint"|"stsEndpoint"|"language"): any, string|nil nil: not set; with a second value, a
--- problem that names the file: it cannot be read, or the value is invalid. Endpoints are parsed.
---@field load fun() reads the file now
---@field forget fun() makes the next get read the file again, unless files are read once

local LANGUAGES = { ["zh-CN"] = true, ["en-US"] = true }

-- An endpoint as tccli writes it: a host, or a URL. Those that tccli writes for everybody say nothing.
local function endpointOf(settings, service)
  local section = settings[service]
  local value = type(section) == "table" and section.endpoint
  if not value or value == "" or value == service .. ".tencentcloudapi.com" then
    return nil
  elseif type(value) ~= "string" then
    return nil, service .. ".endpoint is not text"
  end
  local endpoint, problem = endpoints.parse(value:find "://" and value or "https://" .. value)
  if not endpoint then
    return nil, ("%s.endpoint %s"):format(service, problem)
  elseif endpoint.version then
    return nil, service .. ".endpoint must have no path"
  end
  return endpoint
end

local function systemOf(settings)
  return type(settings._sys_param) == "table" and settings._sys_param or settings -- as old versions wrote it
end

local FIELDS = {
  region = function(settings)
    local region = systemOf(settings).region
    if region and type(region) ~= "string" then
      return nil, "region is not text"
    end
    return region ~= "" and region or nil
  end,
  endpoint = function(settings)
    return endpointOf(settings, "cvm")
  end,
  stsEndpoint = function(settings)
    return endpointOf(settings, "sts")
  end,
  language = function(settings)
    local language = systemOf(settings).language
    if language and language ~= "" and not LANGUAGES[language] then
      return nil, "language must be zh-CN or en-US"
    end
    return language ~= "" and language or nil
  end,
}

--- Settings of a profile.
---@param profile {home: string|nil, name: string, nameOf: string|nil, mustExist: boolean|nil, isEager: boolean|nil, pause: function|nil}
--- name: of the profile; nameOf: what messages call that which names it; mustExist: the file must exist; isEager: the
--- file is read once
---@return qcimage.ProfileSettings
function M.new(profile)
  local path = ("%s/.tccli/%s.configure"):format(profile.home or "~", profile.name)
  local shown = readFile.displayPath(path, profile.home)
  local known, values, problem -- contents of the file; values by field

  local function read()
    if not text.isFileName(profile.name) then
      return nil, ("%s %s is not a valid file name"):format(profile.nameOf or "profile", text.quote(profile.name))
    elseif not profile.home then
      return {}
    end
    local settings, said, why = readFile.readObject(path, profile.pause)
    if why == "missing" and not profile.mustExist then
      return {}
    elseif why == "missing" then
      return nil, ("%s %s (named by %s)"):format(shown, said, profile.nameOf)
    end
    return settings, not settings and ("%s %s"):format(shown, said) or nil
  end

  local function load()
    known, problem = read()
    values = {}
  end

  local function get(field)
    if not known and not (problem and profile.isEager) then
      load()
    end
    if not known then
      return nil, problem
    end
    if values[field] == nil then
      local value, said = FIELDS[field](known)
      if said then
        return nil, ("%s: %s"):format(shown, said)
      end
      values[field] = value or false
    end
    return values[field] or nil
  end

  return {
    source = shown,
    get = get,
    load = load,
    forget = function()
      if not profile.isEager then
        known = nil
      end
    end,
  }
end

return M
