--- assume_role.lua - provider of temporary keys of a role: AssumeRole of STS. The keys are shared until they expire.
--- Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"
local refresh = require "qcimage.credentials.refresh"
local sts = require "qcimage.credentials.sts"
local text = require "qcimage.util.text"

local M = {}

---@class qcimage.Role
---@field roleArn string qcs::cam::uin/UIN:roleName/NAME
---@field roleSessionName string|nil 2 to 128 of A-Z a-z 0-9 _ + = , . @ -; by default one is made
---@field durationSeconds integer|nil lifetime of the keys; 7200 by default, at most 43200
---@field policy string|nil JSON: restricts the rights of the keys
---@field externalId string|nil required by the role's owner
---@field endpoint string|nil URL of another STS
---@field source string|nil what names the role, for messages
---@field names table<string, string>|nil names of the fields in messages

--- Makes a provider that assumes a role. Region and profile of the assuming keys apply to the role's keys, too.
---@param source qcimage.CredentialsProvider provider of the keys that sign the request
---@param role qcimage.Role
---@return qcimage.CredentialsProvider
function M.new(source, role)
  local field, problem = sts.validateRole(role)
  if problem then
    local name = role.names and role.names[field] or field
    return provider.failing(("%s %s; it is %s"):format(name, problem, text.quote(role[field])), true, name)
  end
  local usesCallback = provider.usesCallback(source)
  local made = sts.marked(refresh.new(function(context)
    return sts.fetch(context, "AssumeRole", {
      roleArn = role.roleArn,
      roleSessionName = role.roleSessionName or sts.sessionName(context),
      durationSeconds = role.durationSeconds,
      policy = role.policy,
      externalId = role.externalId,
    }, {
      source = source,
      endpoint = role.endpoint,
    }, function(base)
      return {
        region = base and base.region,
        profile = base and base.profile,
        source = base and base.source,
        role = { arn = role.roleArn, source = role.source },
      }
    end)
  end, { name = "AssumeRole", longest = sts.TIMEOUT, final = true, usesCallback = usesCallback }))
  return usesCallback and provider.markCallback(made) or made
end

return M
