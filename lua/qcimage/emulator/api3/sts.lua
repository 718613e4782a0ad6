--- emulator/api3/sts.lua - the actions of the Security Token Service that clients get their keys from: temporary keys for
--- a role of an account, and the caller's identity.
--- Part of qcimage, see LICENSE.
---
--- cloud.tencent.com/document/api/1312/48197 (AssumeRole), /73068 (AssumeRoleWithWebIdentity), /61556
--- (GetCallerIdentity).

local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local refuse = abort.raise

local M = {}

local WRONG = "InvalidParameter.ParamError"

--- Seconds that temporary keys may live at most.
M.LONGEST = 43200

local SESSION = {
  type = "string",
  required = true,
  most = 128,
  code = WRONG,
  form = function(value)
    return #value >= 2 and value:find "^[A-Za-z0-9_+=,.@-]+$" ~= nil
  end,
}
local ARN = { type = "string", required = true }
local SECONDS = { type = "integer", least = 0, most = M.LONGEST, code = "InvalidParameter.OverTimeError" }
local TEXT = { type = "string" }

-- The account and the name of a role, in the three forms of its ARN.
local function roleOf(emulator, arn)
  local account, name = arn:match "^qcs::cam::uin/(%d+):roleName/([^/]+)$"
  if not account then
    account, name = arn:match "^qcs::cam::uin/(%d+):role/(.+)$"
  end
  if not account then
    refuse(WRONG, "RoleArn is not the ARN of a role: %s", text.show(arn, 200))
  elseif account ~= emulator.settings.accountId and not emulator.accounts:owns(account) then
    refuse("ResourceNotFound.RoleNotFound", "the account %s is not known here", account)
  end
  return account, name
end

local function issue(emulator, call)
  local values = call.values
  local account, name = roleOf(emulator, values.RoleArn)
  local seconds = values.DurationSeconds
  if not seconds or seconds == 0 then
    seconds = emulator.settings.keySeconds
  end
  local issued = emulator.accounts:issue({
    arn = ("qcs::sts:%s:assumed-role/%s/%s"):format(account, name, values.RoleSessionName),
    accountId = account,
    allow = call.account and call.account.allow, -- a role adds no permission
  }, emulator:now(), seconds)
  return {
    Credentials = { TmpSecretId = issued.secretId, TmpSecretKey = issued.secretKey, Token = issued.token },
    ExpiredTime = issued.expires,
    Expiration = text.isoTime(issued.expires),
  }
end

M.AssumeRole = {
  params = {
    RoleArn = ARN,
    RoleSessionName = SESSION,
    DurationSeconds = SECONDS,
    Policy = TEXT,
    ExternalId = TEXT,
    Tags = { type = "objects", fields = { Key = TEXT, Value = TEXT } },
    SourceIdentity = TEXT,
    SerialNumber = TEXT,
    TokenCode = TEXT,
  },
  run = issue,
}

M.AssumeRoleWithWebIdentity = {
  unsigned = true, -- it comes with "Authorization: SKIP"
  secret = "WebIdentityToken",
  params = {
    ProviderId = { type = "string", required = true },
    WebIdentityToken = { type = "string", required = true },
    RoleArn = ARN,
    RoleSessionName = SESSION,
    DurationSeconds = SECONDS,
  },
  run = issue,
}

M.GetCallerIdentity = {
  params = {},
  run = function(_, call)
    local account = call.accountId
    return {
      Arn = call.account.arn,
      AccountId = account,
      UserId = call.account.kind == "CAMUser" and account or call.account.arn:match "[^/]*$",
      PrincipalId = account,
      Type = call.account.kind,
    }
  end,
}

return M
