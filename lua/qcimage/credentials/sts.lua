--- sts.lua - what the providers that call the Security Token Service share: its rules, its responses.
--- Sends nothing itself: the context's `call` does, see provider_context.lua.
--- Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local expiration = require "qcimage.credentials.expiration"
local provider = require "qcimage.credentials.provider"
local roles = require "qcimage.api.roles"

local M = {}

---@class qcimage.StsCall how STS is called
---@field source qcimage.CredentialsProvider|nil provider of the signing keys; nil: not signed
---@field endpoint string|nil URL of another STS
---@field region string|nil
---@field regionName string|nil what names the region
---@field secondsLeft number|nil set below

--- Seconds of a call, with its retries.
M.TIMEOUT = 10

--- The first that is wrong with a role, if anything is.
---@param role {roleArn: any, roleSessionName: any}
---@return string|nil name of the field
---@return string|nil problem
function M.validateRole(role)
  local problem = roles.arnProblem(role.roleArn)
  if problem then
    return "roleArn", problem
  end
  problem = role.roleSessionName ~= nil and roles.sessionProblem(role.roleSessionName) or nil
  return problem and "roleSessionName", problem
end

--- Returns a default session name. It contains no host or user name, which may be invalid there.
---@param context qcimage.CredentialsContext
---@return string
function M.sessionName(context)
  return ("qcimage-%.0f-%06.0f"):format(context.now(), math.floor(context.random() * 1e6))
end

--- Validates an endpoint of STS: https, or http to this machine.
---@param endpoint string URL, or only a host as in tccli's files
---@return string|nil url
---@return string|nil problem
function M.endpoint(endpoint)
  local url = endpoint:find "://" and endpoint or "https://" .. endpoint
  local parsed, problem = endpoints.parse(url)
  if not parsed then
    return nil, problem
  elseif parsed.scheme == "http" and not endpoints.isLoopback(parsed.host) then
    return nil, "is plain http to another machine"
  end
  return url
end

--- Marks the errors of a provider: they are of a role that could not be assumed.
---@param assume qcimage.CredentialsProvider
---@return qcimage.CredentialsProvider
function M.marked(assume)
  return function(context)
    local credentials, err = assume(context)
    if err then
      err.isOfRole = true
    end
    return credentials, err
  end
end

--- Fetches temporary keys.
---@param context qcimage.CredentialsContext
---@param action string "AssumeRole" or "AssumeRoleWithWebIdentity"
---@param params table<string, any> by the names of actions.lua
---@param how qcimage.StsCall
---@param besideOf fun(base: qcimage.Credentials|nil): table returns the other fields of the credentials, for
--- provider.validate; base: the signing credentials
---@return qcimage.Credentials|nil
---@return qcimage.Error|nil
function M.fetch(context, action, params, how, besideOf)
  how.region = how.region or endpoints.ANY_REGION
  how.secondsLeft = math.min(context.secondsLeft, M.TIMEOUT)
  local result, err, base, providerError = context.call(action, params, how)
  if not result then
    if err.kind == "unsupported" then
      return provider.cannotAsk(err.message)
    end
    local _, mine = provider.noCredentials(err.message, true)
    mine.cause = providerError or { kind = err.kind, code = err.code } -- not its body: responses of STS contain keys
    return nil, mine
  end
  local given = type(result.credentials) == "table" and result.credentials or {}
  return provider.temporary(
    { secretId = given.tmpSecretId, secretKey = given.tmpSecretKey, token = given.token },
    expiration.parse(result.expiredTime, result.expiration),
    { by = action },
    besideOf(base)
  )
end

return M
