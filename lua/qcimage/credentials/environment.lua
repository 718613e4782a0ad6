--- environment.lua - credentials in variables of the environment, from a snapshot of it.
--- Pure. Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local provider = require "qcimage.credentials.provider"

local M = {}

local ID, KEY = "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"
local ROLE, SESSION = "TENCENTCLOUD_ROLE_ARN", "TENCENTCLOUD_ROLE_SESSION_NAME"

-- Names used by tccli, by the Node SDK, and by the Terraform provider.
local TOKENS = { "TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN" }

local value = environments.value

--- What messages call it.
M.NAME = "the environment"

--- Whether the environment has keys, be they whole or not.
---@param environment table<string, string>
---@return boolean
function M.isConfigured(environment)
  return (value(environment, ID) or value(environment, KEY)) ~= nil
end

--- The role that the environment names, as assume_role.lua takes it.
---@param environment table<string, string>
---@return qcimage.Role|nil
function M.role(environment)
  return value(environment, ROLE)
      and {
        roleArn = environment[ROLE],
        roleSessionName = value(environment, SESSION),
        source = ROLE,
        names = { roleArn = ROLE, roleSessionName = SESSION },
      }
    or nil
end

-- What the environment lacks of a pair of keys, and the first name that it lacks; or nothing.
local function missing(environment, role)
  local lacks, has = {}, {}
  for _, name in ipairs { ID, KEY } do
    if value(environment, name) then
      has[#has + 1] = name
    else
      lacks[#lacks + 1] = ("%s is %s"):format(name, environment[name] and "empty" or "not set")
    end
  end
  has[#has + 1] = role and ROLE
  for _, name in ipairs(TOKENS) do
    if value(environment, name) then
      has[#has + 1] = name
    end
  end
  if #lacks > 0 then
    local message = "the environment: " .. table.concat(lacks, ", ")
    return #has > 0 and ("%s, though %s is set"):format(message, has[1]) or message, lacks[1]:match "^%S+"
  end
end

--- Makes a provider of the variables. With TENCENTCLOUD_ROLE_ARN (as in tccli, like TENCENTCLOUD_ROLE_SESSION_NAME) the keys
--- assume that role.
---@param environment table<string, string>
---@param withoutRole boolean|nil the role is applied elsewhere, or replaced
---@return qcimage.CredentialsProvider
---@return boolean|nil isFixed it always returns the same, and needs no context
function M.new(environment, withoutRole)
  local names = { secretId = ID, secretKey = KEY }
  local given = { secretId = environment[ID], secretKey = environment[KEY] }
  for _, name in ipairs(TOKENS) do
    if value(environment, name) then
      given.token, names.token = environment[name], name
      break
    end
  end
  local role = not withoutRole and M.role(environment) or nil
  local absent, name = missing(environment, role)
  if absent then
    return provider.failing(absent, role ~= nil or M.isConfigured(environment), name), true
  end
  local fixed, isValid = provider.fixed(given, names, { source = M.NAME })
  if not isValid or not role then
    return fixed, true
  end
  return require("qcimage.credentials.assume_role").new(fixed, role) -- loaded only when needed
end

return M
