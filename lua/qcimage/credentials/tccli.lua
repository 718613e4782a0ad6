--- tccli.lua - provider of tccli's credentials, ~/.tccli/PROFILE.credential: keys, temporary keys until they expire, a role to
--- assume, or the instance role. PROFILE.configure belongs to it, see profile.lua.
--- Never writes. Part of qcimage, see LICENSE.

local assumeRole = require "qcimage.credentials.assume_role"
local cvm = require "qcimage.credentials.cvm_role"
local expiration = require "qcimage.credentials.expiration"
local provider = require "qcimage.credentials.provider"
local profiles = require "qcimage.credentials.profile"
local reload = require "qcimage.credentials.reload"
local text = require "qcimage.util.text"
local readFile = require "qcimage.credentials.read_file"

local M = {}

---@class qcimage.TccliProfile
---@field home string|nil nil: HOME is not set
---@field profile string|nil by default "default"
---@field nameOf string|nil what names the profile, for messages
---@field settings qcimage.ProfileSettings|nil of the same profile; by default they are read
---@field isEager boolean|nil read the files now, and never again
---@field withoutRole boolean|nil the role of the file is replaced by another one
---@field metadata qcimage.Metadata|nil for the login "cvm-role"
---@field pause fun(seconds: number)|nil sleeps between attempts to read a file that is being written

-- Logins whose keys are in the file, and the command that renews them.
local KINDS = { default = "", oauth = "tccli auth login", sso = "tccli sso login" }

--- A profile's file of keys, as messages name it.
---@param name string
---@return string
function M.shown(name)
  return ("~/.tccli/%s.credential"):format(text.oneLine(name))
end

-- A value of a login; whether it is text, its user says.
local function given(value)
  return value ~= "" and value or nil
end

-- Returns the other fields of a profile's credentials.
local function besideOf(found, expires)
  return { expires = expires, profile = found.settings, source = provider.sourceOf(found.shown, found.isEager) }
end

-- A field of the file as messages name it, with its line.
local function placeOf(found, field)
  local at = found.contents:find(('"%s"'):format(field), 1, true)
  local line = at and (", line %d"):format(text.lineOf(found.contents, at)) or ""
  return ("%s%s: %s"):format(found.shown, line, field)
end

-- Makes the provider of keys in the file: permanent ones, or those of a browser login, which only tccli renews. The third
-- result: what is wrong with them.
local function keysSource(login, kind, found)
  local expires
  if kind ~= "default" then
    local inner = type(login[kind]) == "table" and login[kind] or {}
    expires = expiration.parse(login.expiresAt or inner.expiresAt)
    if not expires then
      return provider.failing(("%s: the %s login has no expiration time"):format(found.shown, kind), true), true
    end
  end
  local names = {}
  for _, field in ipairs { "secretId", "secretKey", "token" } do
    names[field] = placeOf(found, field)
  end
  local credentials, err = provider.validate({
    secretId = login.secretId,
    secretKey = login.secretKey,
    token = login.token,
  }, names, true, besideOf(found, expires))
  local function source(context)
    if expires and expires <= context.now() then
      local message = ("expired %s login in %s, log in again (%s)"):format(kind, found.shown, KINDS[kind])
      local _, mine = provider.noCredentials(message, true)
      mine.login = kind
      return nil, mine
    end
    return credentials, err
  end
  return source, true, err
end

-- The instance's role, with the profile's settings.
local function roleSource(profile, found)
  local role = cvm.new(profile.metadata)
  local function source(context)
    local current, err = role(context)
    if not current and err.kind == "unsupported" then
      return nil, err
    elseif not current then
      return provider.noCredentials(("%s names the instance's role: %s"):format(found.shown, err.message), true)
    end
    return provider.validate({
      secretId = current.secretId,
      secretKey = current.secretKey,
      token = current.token,
    }, nil, nil, besideOf(found, current.expires))
  end
  return source, false
end

-- Makes the provider of a login. Returns whether the file contains the keys itself.
local function sourceOf(login, profile, found)
  local kind = given(login.type) or "default"
  local role = not profile.withoutRole and given(login["role-arn"])
  local source, isFixed, err
  if kind == "cvm-role" then
    source, isFixed = roleSource(profile, found)
  elseif not KINDS[kind] then
    return provider.failing(("%s: unknown login type %s"):format(placeOf(found, "type"), text.quote(kind)), true), true
  elseif not given(login.secretId) and not given(login.secretKey) and not role then
    return provider.failing(found.shown .. " has neither secretId nor secretKey"), true
  else
    source, isFixed, err = keysSource(login, kind, found)
  end
  if err or not role then
    return source, isFixed
  end
  return assumeRole.new(source, {
    roleArn = role,
    roleSessionName = given(login["role-session-name"]),
    source = found.shown,
    names = { roleArn = placeOf(found, "role-arn"), roleSessionName = placeOf(found, "role-session-name") },
  }),
    false
end

local function load(profile, name, settings)
  local path = ("%s/.tccli/%s.credential"):format(profile.home, name)
  local shown = readFile.displayPath(path, profile.home)
  if profile.isEager then
    settings.load()
  else
    settings.forget()
  end
  local login, contents, why = readFile.readObject(path, profile.pause)
  if not login then
    return provider.failing(("%s %s"):format(shown, contents), why ~= "missing"), true
  elseif given(login.secretKey) then
    readFile.warnIfExposed(path, shown)
  end
  return sourceOf(
    login,
    profile,
    { shown = shown, contents = contents, settings = settings, isEager = profile.isEager }
  )
end

--- Makes a provider of a tccli profile.
---@param profile qcimage.TccliProfile
---@return qcimage.CredentialsProvider
function M.new(profile)
  local name = profile.profile or "default"
  if not text.isFileName(name) then
    local what = ("%s %s is not a valid file name"):format(profile.nameOf or "profile", text.quote(name))
    return provider.failing(what, true)
  elseif not profile.home then
    return provider.failing(("~/.tccli/%s.credential: HOME is not set"):format(name))
  end
  local settings = profile.settings
    or profiles.new {
      home = profile.home,
      name = name,
      nameOf = profile.nameOf,
      isEager = profile.isEager,
      pause = profile.pause,
    }
  return reload.new(function()
    return load(profile, name, settings)
  end, profile.isEager)
end

return M
