--- file.lua - credentials in a file of sections, as Tencent's SDKs read it: ~/.tencentcloud/credentials.
---
---     [default]
---     secret_id = ...
---     secret_key = ...
---
--- A section may also have token, region, and role_arn (with role_session_name), which its keys then assume.
--- Part of qcimage, see LICENSE.

local ini = require "qcimage.credentials.ini"
local keys = require "qcimage.credentials.keys"
local reread = require "qcimage.credentials.reread"
local textfile = require "qcimage.credentials.textfile"

local M = {}

--- Where the file is looked for, in this order, when it is not named.
M.IN_HOME, M.FOR_ALL = "/.tencentcloud/credentials", "/etc/tencentcloud/credentials"

---@class qcimage.CredentialsFile
---@field path string|nil nil: HOME is not set
---@field home string|nil so that messages can say ~
---@field section string|nil by default "default"
---@field isNamed boolean|nil somebody named the file
---@field isProfile boolean|nil somebody named the section: once it is there, no other source may stand in for it
---@field isEager boolean|nil read the file now, and not again

local function nonEmpty(value)
  return value ~= "" and value or nil
end

-- What the section says, as a source; and whether that holds the keys itself.
local function sourceOf(fields, shown, final)
  local names = {}
  for field, key in pairs { secretId = "secret_id", secretKey = "secret_key", token = "token" } do
    names[field] = ("%s: %s"):format(shown, key)
  end
  local credentials, err = keys.check({
    secretId = fields.secret_id,
    secretKey = fields.secret_key,
    token = fields.token,
    region = nonEmpty(fields.region),
  }, names, final)
  local function fixed()
    return credentials, err
  end
  if not credentials or not nonEmpty(fields.role_arn) then
    return fixed, true
  end
  return require("qcimage.credentials.assumerole").over(fixed, {
    roleArn = fields.role_arn,
    roleSessionName = nonEmpty(fields.role_session_name),
    region = credentials.region,
    names = { roleArn = shown .. ": role_arn", roleSessionName = shown .. ": role_session_name" },
  }),
    false
end

local function load(settings)
  local shown = textfile.shown(settings.path, settings.home)
  local section = settings.section or "default"
  local contents, problem = textfile.read(settings.path)
  local fields, isMissing
  if contents then
    textfile.warn(settings.path, shown)
    fields, problem, isMissing = ini.section(contents, section)
    shown = fields and ("%s [%s]"):format(shown, section) or shown
  end
  local isFound = contents and not isMissing
  local final = settings.isNamed or isFound and settings.isProfile
  if not fields then
    return function()
      return keys.none(("%s %s"):format(shown, problem), final)
    end, true
  end
  return sourceOf(fields, shown, final)
end

--- A source of a file's section.
---@param settings qcimage.CredentialsFile
---@return qcimage.CredentialsSource
function M.new(settings)
  if not settings.path then
    return function()
      return keys.none("~" .. M.IN_HOME .. ": HOME is not set", settings.isNamed)
    end
  end
  return reread.new(function()
    return load(settings)
  end, settings.isEager)
end

return M
