--- redact.lua - removes secrets from foreign text by their values, in any spelling: the keys of a call, passwords of proxies.
--- core.redact finds them.
--- Pure. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local callback = require "qcimage.util.callback"

local M = {}

-- Bytes of a text that are searched; the rest is cut off. Far more than the service's longest refusal.
local LONGEST = 64 * 1024

-- Bytes: shorter secrets would be found in any text.
local SHORTEST = 4

-- Cuts a text at white space, which no secret contains.
local function cut(message)
  if #message > LONGEST then
    return (message:sub(1, LONGEST):match "^.*%s" or "") .. "..."
  end
  return message
end

--- Replaces each secret of a call by "***". Must be done before the text is cut, or part of a secret would remain.
---@param message string
---@param given table credentials
---@param signature string|nil
---@param logins string[]|nil of proxies, from `proxyPasswords`
---@return string
function M.secrets(message, given, signature, logins)
  local secrets = {}
  for _, secret in ipairs { given.secretKey, signature or "", given.token or "" } do
    -- With and without its padding, which is encoded in many ways.
    secrets[#secrets + 1] = secret
    secrets[#secrets + 1] = secret:match "^(.-)=+$"
  end
  for _, login in ipairs(logins or {}) do
    secrets[#secrets + 1] = login
  end
  return core.redact(cut(message), secrets)
end

--- Returns the signature at the end of a text.
---@param carrier string an Authorization header, a form or a URL
---@return string signature "": none
function M.signature(carrier)
  local found = (carrier:match "Signature=([^&]*)$" or ""):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  return found
end

--- Removes the secrets of an attempt.
---@param message string
---@param attempt qcimage.Attempt
---@return string
function M.forAttempt(message, attempt)
  local signature = attempt.carrier and M.signature(attempt.carrier)
  return M.secrets(message, attempt.credentials, signature, attempt.logins and attempt.logins())
end

-- Bytes of letters and digits in a row that may be a key: Tencent Cloud's have 32 and 36.
local KEY_BYTES = 16

--- Masks what may be a key in a callback's text, where the keys are unknown. Image ids, paths and request ids remain.
---@param message string
---@return string
function M.keys(message)
  return (
    cut(message):gsub("[A-Za-z0-9+_=]+", function(run)
      return #run >= KEY_BYTES and run:find "%d" and run:find "%a" and "***" or nil
    end)
  )
end

--- Converts what a callback threw or returned to one line without secrets.
---@param value any what it threw, or returned as a message
---@param attempt qcimage.Attempt|nil with known credentials
---@return string
function M.said(value, attempt)
  local message = callback.errorText(value)
  return attempt and M.forAttempt(message, attempt) or M.keys(message)
end

-- Adds user and password of a proxy's URL, in the forms that libcurl's messages or a proxy's page may contain.
local function addLogin(secrets, url)
  local login = url and (url:match "^[%w+.-]+://(.*)@" or url:match "^(.*)@")
  if not login or login == "" then
    return
  end
  local bare = login:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  for _, form in ipairs { login, bare, core.base64(bare), login:match ":(.*)" or "", bare:match ":(.*)" or "" } do
    if #form >= SHORTEST then
      secrets[#secrets + 1] = form
    end
  end
end

--- Returns the logins of the proxies that a client may use.
---@param proxy string|nil the option, a URL
---@param environment table<string, string> a snapshot
---@return string[] secrets for `removeProxyPasswords`
function M.proxyPasswords(proxy, environment)
  local secrets = {}
  addLogin(secrets, proxy)
  for _, name in ipairs(environments.PROXIES) do
    addLogin(secrets, environment[name])
  end
  return secrets
end

--- Replaces each login of a proxy by "***".
---@param message string
---@param secrets string[] from `proxyPasswords`
---@return string
function M.removeProxyPasswords(message, secrets)
  -- The pattern helps if the environment has changed since the secrets were collected.
  return (core.redact(cut(message), secrets):gsub("://[^/%s]*@", "://***@"))
end

return M
