--- tccli.lua - credentials as tccli keeps them: ~/.tccli/PROFILE.credential, and PROFILE.configure for the region and
--- the endpoints. Of its logins: keys, temporary keys until their end, a role to assume, the instance's role.
--- Writes nothing. Part of qcimage, see LICENSE.

local assumerole = require "qcimage.credentials.assumerole"
local cvm = require "qcimage.credentials.cvm"
local expiry = require "qcimage.credentials.expiry"
local json = require "qcimage.json"
local keys = require "qcimage.credentials.keys"
local reread = require "qcimage.credentials.reread"
local sts = require "qcimage.credentials.sts"
local text = require "qcimage.text"
local textfile = require "qcimage.credentials.textfile"

local M = {}

---@class qcimage.TccliProfile
---@field home string|nil nil: HOME is not set
---@field profile string|nil by default "default"
---@field isNamed boolean|nil somebody named the profile: once it is there, no other source may stand in for it
---@field nameOf string|nil how messages call what named it
---@field isEager boolean|nil read the files now, and not again
---@field metadata qcimage.Metadata|nil for the login "cvm-role"
---@field stsEndpoint string|nil URL; it goes before what the profile names
---@field pause fun(seconds: number)|nil between two looks at a file that is being written

-- tccli writes its files in place, without a lock (TencentCloud/tencentcloud-cli#109), so half of one may be seen: looks,
-- and seconds between two.
local LOOKS, PAUSE = 21, 0.01

-- Logins whose keys stand in the file, and what renews those that end.
local KINDS = { default = "", oauth = "tccli auth login", sso = "tccli sso login" }

-- A JSON file as a table. Returns nil, the problem, whether the file is missing.
local function readJson(path, pause)
  local problem
  for look = 1, LOOKS do
    local contents, unread, isMissing = textfile.read(path)
    if not contents then
      return nil, unread, isMissing
    end
    local value, malformed = json.decode(contents)
    if type(value) == "table" then
      return value
    elseif not contents:find "%S" then
      problem = "is empty, or being written"
    elseif malformed then
      problem = "is no JSON, or being written: " .. text.clean(malformed)
    else
      return nil, "holds no object, so no keys"
    end
    if look < LOOKS and pause then
      pause(PAUSE)
    end
  end
  return nil, problem
end

-- A value of a login; whether it is text, its user says.
local function given(value)
  return value ~= "" and value or nil
end

local function nonEmpty(value)
  return type(value) == "string" and value ~= "" and value or nil
end

-- An endpoint of the settings as a URL. Those that tccli writes for everybody say nothing.
local function endpointOf(settings, service, shown)
  local section = settings[service]
  local endpoint = type(section) == "table" and nonEmpty(section.endpoint)
  if not endpoint or endpoint == service .. ".tencentcloudapi.com" then
    return nil
  end
  local url, problem = sts.endpoint(endpoint)
  if not url then
    return nil, ("%s: %s.endpoint %s"):format(shown, service, problem)
  end
  return url
end

-- PROFILE.configure: region and endpoints. A table without them where there is no such file.
local function readSettings(path, shown, pause)
  local settings, problem, isMissing = readJson(path, pause)
  if isMissing then
    return {}
  elseif not settings then
    return nil, ("%s %s"):format(shown, problem)
  end
  local system = type(settings._sys_param) == "table" and settings._sys_param or settings -- as old versions wrote it
  local region = nonEmpty(system.region)
  if region and region:find(text.CONTROL) then
    return nil, shown .. ": region holds control characters"
  end
  local service, serviceProblem = endpointOf(settings, "cvm", shown)
  local token, tokenProblem = endpointOf(settings, "sts", shown)
  if serviceProblem or tokenProblem then
    return nil, serviceProblem or tokenProblem
  end
  return { region = region, endpoint = service, stsEndpoint = token }
end

local function failing(message, final)
  return function()
    return keys.none(message, final)
  end, true
end

-- Keys that stand in the file: permanent ones, or those of a browser's login, which tccli renews and nobody else.
local function keysSource(login, kind, found)
  local expires
  if kind ~= "default" then
    local inner = type(login[kind]) == "table" and login[kind] or {}
    expires = expiry.of(login.expiresAt or inner.expiresAt)
    if not expires then
      return failing(("%s: the %s login does not say when it ends"):format(found.shown, kind), found.final)
    end
  end
  local names = {}
  for _, field in ipairs { "secretId", "secretKey", "token" } do
    names[field] = ("%s: %s"):format(found.shown, field)
  end
  local credentials, err = keys.check({
    secretId = login.secretId,
    secretKey = login.secretKey,
    token = login.token,
    expires = expires,
    region = found.settings.region,
    endpoint = found.settings.endpoint,
  }, names, found.final)
  local function source(context)
    if expires and expires <= context.now() then
      local message = ("expired %s login in %s, log in again (%s)"):format(kind, found.shown, KINDS[kind])
      return keys.none(message, found.final)
    end
    return credentials, err
  end
  return source, true
end

-- The instance's role, with the profile's region and endpoint.
local function roleSource(profile, found)
  local role = cvm.new(profile.metadata)
  local function source(context)
    local current, err = role(context)
    if not current and err.kind == "unsupported" then
      return nil, err
    elseif not current then
      return keys.none(("%s names the instance's role: %s"):format(found.shown, err.message), true)
    end
    return keys.check {
      secretId = current.secretId,
      secretKey = current.secretKey,
      token = current.token,
      expires = current.expires,
      region = found.settings.region,
      endpoint = found.settings.endpoint,
    }
  end
  return source, false
end

-- What a profile's login says, as a source; and whether that holds the keys itself.
local function sourceOf(login, profile, found)
  local kind = given(login.type) or "default"
  local source, isFixed
  if kind == "cvm-role" then
    source, isFixed = roleSource(profile, found)
  elseif KINDS[kind] then
    source, isFixed = keysSource(login, kind, found)
  else
    return failing(("%s: unknown type of login %s"):format(found.shown, text.show(kind)), found.final)
  end
  if not given(login["role-arn"]) then
    return source, isFixed
  end
  return assumerole.over(source, {
    roleArn = login["role-arn"],
    roleSessionName = given(login["role-session-name"]),
    endpoint = profile.stsEndpoint or found.settings.stsEndpoint,
    region = found.settings.region,
    serviceEndpoint = found.settings.endpoint,
    names = { roleArn = found.shown .. ": role-arn", roleSessionName = found.shown .. ": role-session-name" },
  }),
    false
end

local function load(profile, name)
  local base = ("%s/.tccli/%s"):format(profile.home, name)
  local path, settingsPath = base .. ".credential", base .. ".configure"
  local shown = textfile.shown(path, profile.home)
  local login, problem, isMissing = readJson(path, profile.pause)
  if not login then
    return failing(("%s %s"):format(shown, problem), not isMissing and profile.isNamed)
  end
  if nonEmpty(login.secretKey) then
    textfile.warn(path, shown)
  end
  local settings
  settings, problem = readSettings(settingsPath, textfile.shown(settingsPath, profile.home), profile.pause)
  if not settings then
    -- To pass over keys that are there would be to use others without a word.
    local hasKeys = given(login.secretKey) or login.type == "cvm-role"
    return failing(("%s; it belongs to the keys in %s"):format(problem, shown), hasKeys and true or profile.isNamed)
  end
  return sourceOf(login, profile, { shown = shown, settings = settings, final = profile.isNamed })
end

--- A source of a profile of tccli's.
---@param profile qcimage.TccliProfile
---@return qcimage.CredentialsSource
function M.new(profile)
  local name = profile.profile or "default"
  if not text.isFileName(name) then
    local what = ("%s %s cannot be the name of a file"):format(profile.nameOf or "profile", text.show(name))
    return (failing(what, true))
  elseif not profile.home then
    return (failing(("~/.tccli/%s.credential: HOME is not set"):format(name)))
  end
  return reread.new(function()
    return load(profile, name)
  end, profile.isEager)
end

return M
