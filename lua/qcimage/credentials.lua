--- credentials.lua - where a call's SecretId, SecretKey and token come from.
--- A provider is a function that returns {secretId, secretKey, token}, or nil and a message.
--- Part of qcimage, see LICENSE.

local protect = require "qcimage.protect"

local M = {}

local VARIABLES = { secretId = "TENCENTCLOUD_SECRET_ID", secretKey = "TENCENTCLOUD_SECRET_KEY" }
local TOKENS = {
  "TENCENTCLOUD_TOKEN",
  "TENCENTCLOUD_SESSION_TOKEN",
  "TENCENTCLOUD_SECURITY_TOKEN",
}

-- So that no caller prints a secret by accident.
local Credentials = {
  __name = "qcimage.Credentials",
  __tostring = function(self)
    local id = self.secretId
    return ("qcimage.Credentials (%s)"):format(#id > 12 and id:sub(1, 4) .. "..." .. id:sub(-4) or "...")
  end,
}

-- Bytes: those of temporary ids and keys (src/limits.h) and tokens (data type Credentials of STS).
local LONGEST = { secretId = 1024, secretKey = 1024, token = 4096 }

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
  elseif value:find("^[ \t\r\n]") or value:find("[ \t\r\n]$") then
    return "has white space at an end (pasted with a line break?)"
  elseif value:find("[ \t\r\n]") then
    return "has white space in it"
  elseif value:find("[^\33-\126]") then
    return "has a character that no key has"
  end
  return nil
end

--- Checks what a provider gave. An empty token is no token.
---@param given table {secretId, secretKey, token}
---@param names table<string, string> how messages call the fields
---@return table|nil credentials with a safe tostring
---@return string|nil message
---@return string|nil field
function M.check(given, names)
  local token = given.token
  if token == "" or type(token) == "userdata" then -- JSON null
    token = nil
  end
  for _, other in ipairs(OTHER_NAMES) do -- as other clouds call it; without it the service would refuse the key
    if token == nil and given[other] ~= nil then
      return nil, ("token is not given, but %s is; name it token"):format(other), "token"
    end
  end
  for _, field in ipairs { "secretId", "secretKey", "token" } do
    local value = given[field]
    if field == "token" then
      value = token
    end
    if value ~= nil or field ~= "token" then
      local problem = fault(value, field)
      if problem then
        return nil, ("%s %s"):format(names[field] or field, problem), names[field] or field
      end
    end
  end
  return setmetatable(
    { secretId = given.secretId, secretKey = given.secretKey, token = token },
    Credentials
  )
end

--- A provider of fixed values.
---@param given table {secretId, secretKey, token}
---@param names table<string, string>
---@return function
function M.fixed(given, names)
  local credentials, message, field = M.check(given, names)
  return function()
    return credentials, message, field
  end
end

--- A provider of the environment's variables, from a snapshot.
---@param environment table<string, string>
---@return function
function M.environment(environment)
  local names = { secretId = VARIABLES.secretId, secretKey = VARIABLES.secretKey }
  local given = { secretId = environment[names.secretId], secretKey = environment[names.secretKey] }
  for _, name in ipairs(TOKENS) do
    if environment[name] and environment[name] ~= "" then
      given.token, names.token = environment[name], name
      break
    end
  end
  local missing = {}
  for _, field in ipairs { "secretId", "secretKey" } do
    if not given[field] or given[field] == "" then
      missing[#missing + 1] = ("%s is %s"):format(names[field], given[field] and "empty" or "not set")
    end
  end
  if #missing > 0 then
    local message = ("no credentials: looked at the options secretId, secretKey and credentials (not given)"
      .. " and at the environment (%s)"):format(table.concat(missing, ", "))
    return function()
      return nil, message
    end
  end
  return M.fixed(given, names)
end

--- A provider made of a client's options.
---@param options table
---@param environment table<string, string>
---@return function
function M.provider(options, environment)
  local source = options.credentials
  if source then
    if type(source) == "table" then
      return M.fixed(source, {})
    end
    return protect.wrap("the credentials provider", function()
      local given, message = source()
      if type(given) ~= "table" then
        return nil, "the credentials provider gave none: " .. protect.message(message or "no message")
      end
      return M.check(given, {})
    end)
  elseif options.secretId or options.secretKey or options.token then
    return M.fixed(options, {})
  end
  return M.environment(environment)
end

--- Names of the variables that a snapshot of the environment must hold.
M.VARIABLES = { VARIABLES.secretId, VARIABLES.secretKey, TOKENS[1], TOKENS[2], TOKENS[3] }

return M
