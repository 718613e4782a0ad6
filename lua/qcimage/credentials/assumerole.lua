--- assumerole.lua - temporary keys of a role that other keys may assume: AssumeRole of STS.
--- Asks once for as long as they live, whoever shares the source. Part of qcimage, see LICENSE.

local keys = require "qcimage.credentials.keys"
local refresh = require "qcimage.credentials.refresh"
local sts = require "qcimage.credentials.sts"

local M = {}

---@class qcimage.Role
---@field roleArn string qcs::cam::uin/UIN:roleName/NAME
---@field roleSessionName string|nil 2 to 128 of A-Z a-z 0-9 _ + = , . @ -; by default one is made
---@field durationSeconds integer|nil how long the keys shall live; 7200 by default, at most 43200
---@field policy string|nil JSON: rights that are left to the keys
---@field externalId string|nil what the role's owner demands
---@field endpoint string|nil URL of another STS
---@field region string|nil of the keys, where the source names one
---@field serviceEndpoint string|nil the keys' `endpoint`
---@field names table<string, string>|nil how messages call the fields

-- The first that is wrong with a role, as an error.
local function fault(role)
  local names = role.names or {}
  local problem = sts.refusal(role.roleArn, sts.arnProblem(role.roleArn), names.roleArn or "roleArn")
  if not problem and role.roleSessionName ~= nil then
    local name = role.roleSessionName
    problem = sts.refusal(name, sts.sessionProblem(name), names.roleSessionName or "roleSessionName")
  end
  return problem
end

--- A source that assumes a role.
---@param source qcimage.CredentialsSource gives the keys that sign the question
---@param role qcimage.Role
---@return qcimage.CredentialsSource
function M.over(source, role)
  local err = fault(role)
  if err then
    return function()
      return nil, err
    end
  end
  return refresh.new(function(context)
    local credentials, problem = sts.ask(context, "AssumeRole", {
      RoleArn = role.roleArn,
      RoleSessionName = role.roleSessionName or sts.sessionName(context),
      DurationSeconds = role.durationSeconds,
      Policy = role.policy,
      ExternalId = role.externalId,
    }, {
      source = function(inner)
        return keys.ask(source, inner)
      end,
      endpoint = role.endpoint,
    }, role.region)
    if credentials then
      credentials.endpoint = role.serviceEndpoint
    end
    return credentials, problem
  end, { name = "AssumeRole", longest = sts.LONGEST, final = true })
end

return M
