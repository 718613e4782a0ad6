--- environment.lua - credentials in variables of the environment, from a snapshot of it.
--- Pure. Part of qcimage, see LICENSE.

local keys = require "qcimage.credentials.keys"

local M = {}

local ID, KEY = "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"
local ROLE, SESSION = "TENCENTCLOUD_ROLE_ARN", "TENCENTCLOUD_ROLE_SESSION_NAME"

-- Names that others use: tccli; the Node SDK; the Terraform provider.
local TOKENS = { "TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN" }

--- Names of the variables that a snapshot must hold.
M.VARIABLES = { ID, KEY, TOKENS[1], TOKENS[2], TOKENS[3], ROLE, SESSION }

local function nonEmpty(value)
  return value ~= "" and value or nil
end

--- Whether the environment names credentials, be they whole or not.
---@param environment table<string, string>
---@return boolean
function M.isNamed(environment)
  return (nonEmpty(environment[ID]) or nonEmpty(environment[KEY]) or nonEmpty(environment[ROLE])) ~= nil
end

local function missing(environment)
  local list = {}
  for _, name in ipairs { ID, KEY } do
    if not nonEmpty(environment[name]) then
      list[#list + 1] = ("%s is %s"):format(name, environment[name] and "empty" or "not set")
    end
  end
  return #list > 0 and table.concat(list, ", ") or nil
end

--- A source of the variables. With TENCENTCLOUD_ROLE_ARN (tccli's, as is TENCENTCLOUD_ROLE_SESSION_NAME) the keys
--- assume that role.
---@param environment table<string, string>
---@param settings {stsEndpoint: string|nil}|nil
---@return qcimage.CredentialsSource
function M.new(environment, settings)
  local names = { secretId = ID, secretKey = KEY }
  local given = { secretId = environment[ID], secretKey = environment[KEY] }
  for _, name in ipairs(TOKENS) do
    if nonEmpty(environment[name]) then
      given.token, names.token = environment[name], name
      break
    end
  end
  local credentials, err
  local absent = missing(environment)
  if absent then
    local also = nonEmpty(environment[ROLE]) and ROLE or names.token
    local message = ("the environment: %s%s"):format(absent, also and (", but %s is set"):format(also) or "")
    local half = given.secretKey and nonEmpty(given.secretId) and KEY or ID
    credentials, err = keys.none(message, M.isNamed(environment), half)
  else
    credentials, err = keys.check(given, names, true)
  end
  local function fixed()
    return credentials, err
  end
  if not credentials or not nonEmpty(environment[ROLE]) then
    return fixed
  end
  -- loaded for those who need it
  return require("qcimage.credentials.assumerole").over(fixed, {
    roleArn = environment[ROLE],
    roleSessionName = nonEmpty(environment[SESSION]),
    endpoint = settings and settings.stsEndpoint,
    names = { roleArn = ROLE, roleSessionName = SESSION },
  })
end

return M
