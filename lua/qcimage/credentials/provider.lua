--- provider.lua - what every source of credentials gives: a SecretId, a SecretKey and maybe a token, checked and taken
--- together; and what it gives when it has none.
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
---@field expires number|nil Unix seconds: end of temporary keys
---@field source string|nil where they come from, as messages name it; nil: the caller's options
---@field region string|nil that the source names
---@field profile qcimage.ProfileSettings|nil settings of the tccli profile that they belong to
---@field role {arn: string, source: string}|nil that they are of, by AssumeRole

---@class qcimage.CredentialsContext what a client tells a source with each question
---@field now fun(): number Unix seconds, as the service counts them
---@field monotonic fun(): number seconds
---@field sleep fun(seconds: number): boolean|nil, string|nil nil and a message where nothing can wait
---@field random fun(): number from 0 to below 1
---@field background nil|fun(run: function): boolean runs a function apart from any call; false: it cannot
---@field canWait boolean whether others run while one sleeps: light threads, or a sleep of the caller's that yields
---@field secondsLeft number of the call that asks
---@field refused qcimage.Credentials|nil keys that the service has refused: others are wanted
---@field refusedHow "renew"|"reread"|nil reread: the keys do not fit together, so that a new question helps only where
--- somebody else writes them
---@field passed {source: string, why: string}[]|nil gets the sources that a chain passed over
---@field metadata fun(request: table, seconds: number): table|nil, string|nil, table|nil a transport, never through a proxy
---@field call fun(action: string, params: table, how: table): table|nil, qcimage.Error|nil, qcimage.Credentials|nil, qcimage.Error|nil a
--- call of STS, see sts.lua; with the credentials that signed it last, or their source's own error

--- A source of credentials. Without any it gives nil and an error of kind "credentials" (or "unsupported": it cannot be
--- asked here); with its field `final` set, no other source may stand in for it, since somebody named it. The field `cause`
--- says whose fault it is: the error of the source whose keys were to sign a call of STS, or kind and code of that call's.
---@alias qcimage.CredentialsSource fun(context: qcimage.CredentialsContext): qcimage.Credentials|nil, qcimage.Error|nil

-- So that no caller prints a secret by accident.
local Credentials = {
  __name = "qcimage.Credentials",
  __tostring = function(self)
    local id = self.secretId
    return ("qcimage.Credentials (%s)"):format(#id > 12 and id:sub(1, 4) .. "..." .. id:sub(-4) or "...")
  end,
}

-- Bytes: the largest that STS documents (cloud.tencent.com/document/api/1312/48195, "Credentials").
local LONGEST = { secretId = 1024, secretKey = 1024, token = 4096 }

-- As other clouds call the token: without it the service would refuse the key.
local OTHER_NAMES = { "sessionToken", "securityToken", "session_token", "security_token" }

-- Says what is wrong with a secret, never what it is.
local function fault(value, field)
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

--- Makes the error of a source without keys.
---@param message string
---@param final boolean|nil whether the source was named
---@param field string|nil name of the option or variable at fault
---@return nil, qcimage.Error
function M.noCredentials(message, final, field)
  local err = errors.notSent("credentials", message, field)
  err.final = final or nil
  return nil, err
end

--- Makes the error of a source that could not even ask here: nginx has no sockets or waits in this phase.
---@param message string
---@return nil, qcimage.Error
function M.cannotAsk(message)
  local err = errors.notSent("unsupported", message)
  err.final = true
  return nil, err
end

--- What messages name a source whose files are read once, or again.
---@param name string
---@param isEager boolean|nil
---@return string
function M.sourceOf(name, isEager)
  return isEager and name .. ", read when nginx started: reload nginx after a change" or name
end

-- What a source can say beside the keys. A function of the caller's says none of them but the end: region and endpoint
-- are options, which are checked.
local BESIDE = { "expires", "source", "region", "profile", "role" }

--- Checks what a source found. An empty token is no token, and so is a null of JSON's.
---@param given table {secretId, secretKey, token}
---@param names table<string, string>|nil how messages call the fields
---@param final boolean|nil no other source may be used instead
---@param beside table|nil what our own source says beside the keys: fields of qcimage.Credentials
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
    local problem = (field ~= "token" or token ~= nil) and fault(values[field], field)
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

--- Makes a provider of fixed values, which are copied now.
---@param given table {secretId, secretKey, token}
---@return qcimage.CredentialsSource
function M.static(given)
  local credentials, err = M.validate(given, nil, true)
  return function()
    return credentials, err
  end
end

local FUNCTION = "option credentials"

-- What a function of the caller's threw, or gave in place of a message: by mistake that may be a key, and a word by
-- itself is not shown.
local function shown(value)
  local message = callback.errorText(value)
  return message:find "%s" and redact.keys(message) or "a word, not shown because it may be a secret"
end

-- What a source returned, copied.
local function received(given, said)
  if getmetatable(given) == Credentials then
    return given
  elseif type(given) == "table" then
    return M.validate(given, nil, nil, { source = FUNCTION, expires = expiration.parse(given.expires) })
  elseif given then
    local problem = "the credentials provider returned a %s; expected a table with secretId and secretKey"
    return M.noCredentials(problem:format(type(given))) -- not what: it may be a secret
  elseif errors.is(said) and said.outcome == "notSent" and type(said.message) == "string" then
    return nil, said
  end
  return M.noCredentials(
    "the credentials provider returned no credentials: " .. (said == nil and "no message" or shown(said))
  )
end

--- Asks a source, ours or a function of the caller's, which may give a plain table or nil and a text.
---@param source function it may throw, and yield
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

--- Marks a source as one of ours, which shares its own questions and checks what it gives.
---@param source qcimage.CredentialsSource
---@return qcimage.CredentialsSource
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

--- Marks a source that calls a function of the user's, itself or through others.
---@param source qcimage.CredentialsSource
---@return qcimage.CredentialsSource
function M.markCallback(source)
  callbacks[source] = true
  return source
end

---@param source function
---@return boolean
function M.usesCallback(source)
  return callbacks[source] == true
end

--- Whether two are the same keys.
---@param one qcimage.Credentials
---@param other qcimage.Credentials
---@return boolean
function M.equal(one, other)
  return one.secretId == other.secretId and one.secretKey == other.secretKey and one.token == other.token
end

return M
