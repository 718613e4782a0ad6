--- file.lua - provider of a file of sections, as Tencent's SDKs read it: ~/.tencentcloud/credentials.
---
---     [default]
---     secret_id = ...
---     secret_key = ...
---
--- A section may also have token, region, and role_arn (with role_session_name), which its keys then assume.
--- Part of qcimage, see LICENSE.

local ini = require "qcimage.credentials.ini"
local provider = require "qcimage.credentials.provider"
local reload = require "qcimage.credentials.reload"
local readFile = require "qcimage.credentials.read_file"

local M = {}

--- The default files, in order.
M.IN_HOME, M.FOR_ALL = "/.tencentcloud/credentials", "/etc/tencentcloud/credentials"

---@class qcimage.CredentialsFile
---@field path string|nil nil: HOME is not set
---@field home string|nil shown as ~ in messages
---@field section string|nil by default "default"
---@field isNamed boolean|nil the file was named: it must have the section, with keys
---@field isForAll boolean|nil the machine's file, which may be for other users than this one
---@field isEager boolean|nil read the file now, and never again
---@field withoutRole boolean|nil the role of the section is replaced by another one

local function nonEmpty(value)
  return value ~= "" and value or nil
end

-- Makes the provider of a section. Returns whether the section contains the keys itself.
local function sourceOf(fields, lines, shown, settings)
  local names = {}
  for field, key in pairs { secretId = "secret_id", secretKey = "secret_key", token = "token" } do
    names[field] = ("%s, line %d: %s"):format(shown, lines[key] or lines[""], key)
  end
  local role = not settings.withoutRole and nonEmpty(fields.role_arn)
  if not nonEmpty(fields.secret_id) and not nonEmpty(fields.secret_key) and not role then
    return provider.failing(shown .. " has neither secret_id nor secret_key", settings.isNamed), true
  end
  local fixed, isValid = provider.fixed(
    { secretId = fields.secret_id, secretKey = fields.secret_key, token = fields.token },
    names,
    { region = nonEmpty(fields.region), source = provider.sourceOf(shown, settings.isEager) }
  )
  if not isValid or not role then
    return fixed, true
  end
  return require("qcimage.credentials.assume_role").new(fixed, {
    roleArn = role,
    roleSessionName = nonEmpty(fields.role_session_name),
    source = shown,
    names = {
      roleArn = ("%s, line %d: role_arn"):format(shown, lines.role_arn),
      roleSessionName = ("%s, line %d: role_session_name"):format(shown, lines.role_session_name or 0),
    },
  }),
    false
end

local function load(settings)
  local shown = readFile.displayPath(settings.path, settings.home)
  local section = settings.section or "default"
  local contents, problem, why = readFile.read(settings.path)
  if not contents then
    local isPassed = why == "missing" or why == "barred" and settings.isForAll
    return provider.failing(("%s %s"):format(shown, problem), settings.isNamed or not isPassed), true
  end
  readFile.warnIfExposed(settings.path, shown)
  local fields, isMissing, lines
  fields, problem, isMissing, lines = ini.section(contents, section)
  if not fields then
    return provider.failing(("%s %s"):format(shown, problem), settings.isNamed or not isMissing), true
  end
  return sourceOf(fields, lines, ("%s [%s]"):format(shown, section), settings)
end

--- Makes a provider of a section.
---@param settings qcimage.CredentialsFile
---@return qcimage.CredentialsProvider
function M.new(settings)
  if not settings.path then
    return provider.failing("~" .. M.IN_HOME .. ": HOME is not set", settings.isNamed)
  end
  return reload.new(function()
    return load(settings)
  end, settings.isEager)
end

return M
