--- provider.lua - the contract of credentials providers: valid credentials (SecretId, SecretKey, maybe a token), or an error;
--- static credentials; calls of providers, built-in or the user's.
--- Pure. Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local expiration = require "qcimage.credentials.expiration"
local callback = require "qcimage.util.callback"
local redact = require "qcimage.util.redact"

local M = {}

---@class qcimage.Credentials
---@field secretId string
---@field secretKey string
---@field token string|nil of temporary keys
---@field expires number|nil expiration of temporary keys, in Unix seconds
---@field source string|nil what they come from, for messages; nil: the user's options
---@field region string|nil region named by the source
---@field profile qcimage.ProfileSettings|nil settings of their tccli profile
---@field role {arn: string, source: string}|nil the assumed role that they belong to

---@class qcimage.CredentialsContext what a client passes to a provider
---@field now fun(): number Unix seconds of the service's clock
---@field monotonic fun(): number seconds
---@field sleep fun(seconds: number): boolean|nil, string|nil nil and a message: nothing can wait here
---@field random fun(): number from 0 to below 1
---@field background nil|fun(run: function): boolean runs a function apart from any call; false: not possible
---@field canWait boolean whether other calls run during a sleep: light threads, or a user's sleep that yields
---@field secondsLeft number until the deadline of the call
---@field refused qcimage.Credentials|nil keys that the service has refused: others are wanted
---@field refusedHow "renew"|"reread"|nil reread: id and key do not match, so only a source that somebody rewrites can help
---@field passed {source: string, why: string}[]|nil a chain adds the providers that it skipped
---@field metadata fun(request: table, seconds: number): table|nil, string|nil, table|nil a transport, never through a proxy
---@field call fun(action: string, params: table, how: table): table|nil, qcimage.Error|nil, qcimage.Credentials|nil, qcimage.Error|nil
--- calls STS, see sts.lua; also returns the credentials that signed the last attempt, or the error of their provider

--- A credentials provider. Without credentials it returns nil and an error of kind "credentials" ("unsupported": it cannot be
--- asked here). An error with `final` is authoritative: no other provider may replace this one, since it was named or exists.
--- The field `cause`: the error of the provider whose keys should sign a call of STS, or kind and code of that call's error.
---@alias qcimage.CredentialsProvider fun(context: qcimage.CredentialsContext): qcimage.Credentials|nil, qcimage.Error|nil

-- tostring shows no secret.
local Credentials = {
  __name = "qcimage.Credentials",
  __tostring = function(self)
    local id = self.secretId
    return ("qcimage.Credentials (%s)"):format(#id > 12 and id:sub(1, 4) .. "..." .. id:sub(-4) or "...")
  end,
}

-- Bytes: the largest that STS documents (cloud.tencent.com/document/api/1312/48195, "Credentials").
local LONGEST = { secretId = 1024, secretKey = 1024, token = 4096 }

-- Names of the token in other clouds: without the token the service would refuse the key.
local OTHER_NAMES = { "sessionToken", "securityToken", "session_token", "security_token" }

-- Says what is wrong with a secret, never what it is.
local function secretProblem(value, field)
  if value == nil then
    return "is not given"
  elseif type(value) ~= "string" then
    return "is not text"
  elseif value == "" then
    return "is empty"
  elseif #value > LONGEST[field] then
    return "is too long"
  elseif value:find "^[ \t\r\n]" or value:find "[ \t\r\n]$" then
    return "begins or ends with white space (pasted with a line break?)"
  elseif value:find "[ \t\r\n]" then
    return "contains white space"
  elseif value:find "[^\33-\126]" then
    return "contains a character that is not allowed in a key"
  end
  return nil
end

--- Returns nil and the error of a provider without credentials.
---@param message string
---@param final boolean|nil no other provider may replace it
---@param field string|nil name of the option or variable
---@return nil, qcimage.Error
function M.noCredentials(message, final, field)
  local err = errors.notSent("credentials", message, field)
  err.final = final or nil
  return nil, err
end

--- Returns nil and the error of a provider that cannot be asked here: nginx has no sockets or waits in this phase.
---@param message string
---@return nil, qcimage.Error
function M.cannotAsk(message)
  local err = errors.notSent("unsupported", message)
  err.final = true
  return nil, err
end

--- Returns the name of a source, for messages: files that are read only once say so.
---@param name string
---@param isEager boolean|nil
---@return string
function M.sourceOf(name, isEager)
  return isEager and name .. ", read when nginx started: reload nginx after a change" or name
end

-- What built-in providers may return beside the keys. Of a user's function only the expiration counts: region and endpoint
-- are options.
local BESIDE = { "expires", "source", "region", "profile", "role" }

--- Validates credentials. An empty token, or JSON null, counts as absent.
---@param given table {secretId, secretKey, token}
---@param names table<string, string>|nil names of the fields in messages
---@param final boolean|nil no other provider may replace this one
---@param beside table|nil other fields of qcimage.Credentials, from a built-in provider
---@return qcimage.Credentials|nil
---@return qcimage.Error|nil
function M.validate(given, names, final, beside)
  names = names or {}
  local token = given.token
  if token == "" or type(token) == "userdata" then
    token = nil
  end
  for _, other in ipairs(OTHER_NAMES) do
    if token == nil and given[other] ~= nil then
      return M.noCredentials(("token is not given, but %s is; name it token"):format(other), final, "token")
    end
  end
  local values = { secretId = given.secretId, secretKey = given.secretKey, token = token }
  for _, field in ipairs { "secretId", "secretKey", "token" } do
    local problem = (field ~= "token" or token ~= nil) and secretProblem(values[field], field)
    if problem then
      local name = names[field] or field
      return M.noCredentials(("%s %s"):format(name, problem), final, name)
    end
  end
  for _, field in ipairs(beside and BESIDE or {}) do
    values[field] = beside[field]
  end
  return setmetatable(values, Credentials)
end

--- Makes a provider that has no credentials.
---@param message string
---@param final boolean|nil no other provider may replace it
---@param field string|nil name of the option or variable
---@return qcimage.CredentialsProvider
function M.failing(message, final, field)
  return function()
    return M.noCredentials(message, final, field)
  end
end

--- Makes a provider that always returns the same; the values are copied now.
---@param given table {secretId, secretKey, token}
---@param names table<string, string>|nil names of the fields in messages
---@param beside table|nil other fields of qcimage.Credentials
---@return qcimage.CredentialsProvider
---@return boolean isValid
function M.fixed(given, names, beside)
  local credentials, err = M.validate(given, names, true, beside)
  return function()
    return credentials, err
  end, credentials ~= nil
end

--- Makes a static provider, of credentials given by the program.
---@param given table {secretId, secretKey, token}
---@return qcimage.CredentialsProvider
function M.static(given)
  return (M.fixed(given))
end

--- Validates temporary keys that a service issued.
---@param given table {secretId, secretKey, token}
---@param expires number|nil expiration, in Unix seconds
---@param issued {by: string, source: string|nil} by: what issued them, for messages; source: the same with more detail
---@param beside table other fields of qcimage.Credentials
---@return qcimage.Credentials|nil
---@return qcimage.Error|nil
function M.temporary(given, expires, issued, beside)
  if not expires then
    return M.noCredentials(issued.by .. ": the response has no expiration time", true)
  elseif type(given.token) ~= "string" or given.token == "" then
    return M.noCredentials(issued.by .. ": the response has no Token", true)
  end
  local names = { secretId = "TmpSecretId", secretKey = "TmpSecretKey", token = "Token" }
  for field, name in pairs(names) do
    names[field] = ("%s: in the response, %s"):format(issued.source or issued.by, name)
  end
  beside.expires = expires
  return M.validate(given, names, true, beside)
end

local FUNCTION = "option credentials"

-- Shows what a callback threw or returned as a message. It may be a key by mistake, so a single word is not shown.
local function shown(value)
  local message = callback.errorText(value)
  return message:find "%s" and redact.keys(message) or "a word, not shown because it may be a secret"
end

-- Validates and copies what a provider returned.
local function received(given, said)
  if getmetatable(given) == Credentials then
    return given
  elseif type(given) == "table" then
    return M.validate(given, nil, nil, { source = FUNCTION, expires = expiration.parse(given.expires) })
  elseif given then
    local problem = "the credentials provider returned a %s; expected a table with secretId and secretKey"
    return M.noCredentials(problem:format(type(given))) -- without the value, which may be a secret
  elseif errors.is(said) and said.outcome == "notSent" and type(said.message) == "string" then
    return nil, said
  end
  return M.noCredentials(
    "the credentials provider returned no credentials: " .. (said == nil and "no message" or shown(said))
  )
end

--- Calls a provider, which may return a plain table, or nil and a text.
---@param source function may throw, and yield
---@param context qcimage.CredentialsContext
---@return qcimage.Credentials|nil
---@return qcimage.Error|nil
function M.call(source, context)
  local ok, given, err = callback.pcall(function()
    return received(source(context))
  end)
  if not ok then
    return M.noCredentials("the credentials provider threw: " .. shown(given))
  end
  return given, err
end

local ours = setmetatable({}, { __mode = "k" })

--- Marks a provider as built-in: it coalesces its own requests, and validates what it returns.
---@param source qcimage.CredentialsProvider
---@return qcimage.CredentialsProvider
function M.markBuiltIn(source)
  ours[source] = true
  return source
end

---@param source function
---@return boolean
function M.isBuiltIn(source)
  return ours[source] == true
end

local callbacks = setmetatable({}, { __mode = "k" })

--- Marks a provider that calls a callback, itself or through others.
---@param source qcimage.CredentialsProvider
---@return qcimage.CredentialsProvider
function M.markCallback(source)
  callbacks[source] = true
  return source
end

---@param source function
---@return boolean
function M.usesCallback(source)
  return callbacks[source] == true
end

--- Returns whether two are the same keys.
---@param one qcimage.Credentials
---@param other qcimage.Credentials
---@return boolean
function M.equal(one, other)
  return one.secretId == other.secretId and one.secretKey == other.secretKey and one.token == other.token
end

return M
