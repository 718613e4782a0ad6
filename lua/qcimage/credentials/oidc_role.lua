--- oidc_role.lua - temporary keys of a pod in TKE, by the token that the cluster puts into a file for it:
--- AssumeRoleWithWebIdentity of STS (cloud.tencent.com/document/product/598/96013).
--- Reads the token's file at each question, since the cluster replaces it: inside nginx, too, where it is the one file
--- that a worker reads (a few KB in memory, some times a day). Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local provider = require "qcimage.credentials.provider"
local refresh = require "qcimage.credentials.refresh"
local roles = require "qcimage.api.roles"
local sts = require "qcimage.credentials.sts"
local readFile = require "qcimage.credentials.read_file"

local M = {}

--- What messages call it.
M.NAME = "TKE"

local REGION, PROVIDER = "TKE_REGION", "TKE_PROVIDER_ID"
local FILE, ROLE = "TKE_WEB_IDENTITY_TOKEN_FILE", "TKE_ROLE_ARN"

-- The cluster sets all of them.
local VARIABLES = { REGION, PROVIDER, FILE, ROLE }

local LONGEST_TOKEN = 16 * 1024 -- bytes

local function readToken(path)
  local contents, problem = readFile.read(path)
  if not contents then
    return provider.noCredentials(("TKE: the file %s (%s) %s"):format(path, FILE, problem), true, FILE)
  end
  local token = contents:match "^[ \t\r\n]*([^ \t\r\n]+)[ \t\r\n]*$"
  if not token or #token > LONGEST_TOKEN or token:find "[^\33-\126]" then
    local what = contents == "" and "is empty" or "contains no token"
    return provider.noCredentials(("TKE: the file %s (%s) %s"):format(path, FILE, what), true, FILE)
  end
  return token
end

-- Returns the error of incomplete variables; it is final if one of them is set.
local function incomplete(environment)
  local missing = {}
  for _, name in ipairs(VARIABLES) do
    if not environments.value(environment, name) then
      missing[#missing + 1] = name
    end
  end
  if #missing == #VARIABLES then
    return select(2, provider.noCredentials("TKE: not configured (TKE_ROLE_ARN, ... are not set)"))
  elseif #missing > 0 then
    local message = ("TKE: %s not set, although other TKE variables are"):format(table.concat(missing, ", "))
    return select(2, provider.noCredentials(message, true, missing[1]))
  end
  local problem = roles.arnProblem(environment[ROLE])
  return problem and select(2, provider.noCredentials(("%s %s"):format(ROLE, problem), true, ROLE))
end

--- Makes a provider of the web identity that a pod's environment names.
---@param environment table<string, string>
---@return qcimage.CredentialsProvider
function M.new(environment)
  local err = incomplete(environment)
  if err then
    return function()
      return nil, err
    end
  end
  return sts.marked(refresh.new(function(context)
    local token, problem = readToken(environment[FILE])
    if not token then
      return nil, problem
    end
    return sts.fetch(context, "AssumeRoleWithWebIdentity", {
      providerId = environment[PROVIDER],
      webIdentityToken = token,
      roleArn = environment[ROLE],
      roleSessionName = sts.sessionName(context),
    }, {
      region = environment[REGION],
      regionName = REGION,
    }, function()
      return { region = environment[REGION], source = M.NAME }
    end)
  end, { name = "AssumeRoleWithWebIdentity", longest = sts.TIMEOUT, final = true }))
end

return M
