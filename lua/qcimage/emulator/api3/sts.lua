--- emulator/api3/sts.lua - the Security Token Service, as far as clients get their keys from it: temporary keys for a
--- role of the account, and who one is.
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

-- The name of a role of this account, in the three forms of its ARN.
local function roleName(emulator, arn)
  local account, name = arn:match "^qcs::cam::uin/(%d+):roleName/([^/]+)$"
  if not account then
    account, name = arn:match "^qcs::cam::uin/(%d+):role/(.+)$"
  end
  if not account then
    refuse(WRONG, "RoleArn is not the ARN of a role: %s", text.show(arn, 200))
  elseif account ~= emulator.starting.accountId then
    refuse("ResourceNotFound.RoleNotFound", "the account %s is not known here", account)
  end
  return name
end

local function give(emulator, call)
  local values = call.values
  local name = roleName(emulator, values.RoleArn)
  local seconds = values.DurationSeconds
  if not seconds or seconds == 0 then
    seconds = emulator.keySeconds
  end
  local arn = ("qcs::sts:%s:assumed-role/%s/%s"):format(emulator.starting.accountId, name, values.RoleSessionName)
  local given = emulator.accounts:give(arn, emulator:now(), seconds)
  return {
    Credentials = { TmpSecretId = given.secretId, TmpSecretKey = given.secretKey, Token = given.token },
    ExpiredTime = given.expires,
    Expiration = os.date("!%Y-%m-%dT%H:%M:%SZ", given.expires),
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
  run = give,
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
  run = give,
}

M.GetCallerIdentity = {
  params = {},
  run = function(emulator, call)
    local account = emulator.starting.accountId
    return {
      Arn = call.identity.arn,
      AccountId = account,
      UserId = call.identity.kind == "CAMUser" and account or call.identity.arn:match "[^/]*$",
      PrincipalId = account,
      Type = call.identity.kind,
    }
  end,
}

return M
