--- error_codes.lua - the service's error codes and image states as data: reason (one word), outcome, and which retries help.
--- No other file knows a code.
--- Pure. Undocumented families leave the outcome unknown, except Invalid…, which blames the request.
--- Part of qcimage, see LICENSE.
---
--- Sources: error codes of API 2.0 (cloud.tencent.com/document/api/213/6982), common codes of
--- API 3.0 (cloud.tencent.com/document/product/1388/114322), codes of the cvm image actions
--- (tencentcloud.com/document/product/213/33269 and its neighbours).

local M = {}

-- {reason, outcome, retry}; a missing reason is false. retry: "later": after a backoff, whatever the action; "again": only
-- idempotent actions; "clock": once, with another timestamp and nonce; "renew": once, if the provider returns other
-- credentials; "reread": the same, but a provider that caches credentials is asked only if they come from a file.
local REJECTED = "rejected"
local UNKNOWN = "unknown"
local LATER, AGAIN, CLOCK, RENEW, REREAD = "later", "again", "clock", "renew", "reread"

--- Numbers of API 2.0.
local NUMBERS = {
  [4000] = { false, REJECTED }, -- parameter missing or malformed
  [4100] = { "signature", REJECTED, REREAD },
  [4101] = { "permission", REJECTED },
  [4102] = { "permission", REJECTED },
  [4103] = { "permission", REJECTED },
  [4104] = { "signature", REJECTED, RENEW }, -- SecretId unknown
  [4105] = { "signature", REJECTED, RENEW }, -- token
  [4106] = { "permission", REJECTED }, -- multi-factor check
  [4110] = { "permission", REJECTED },
  [4200] = { "clock", REJECTED, CLOCK },
  [4300] = { "permission", REJECTED },
  [4400] = { "throttled", REJECTED, LATER },
  [4500] = { "clock", REJECTED, CLOCK }, -- nonce or timestamp
  [4600] = { false, REJECTED }, -- not HTTPS
  [5000] = { "notFound", REJECTED },
  [5100] = { "internal", UNKNOWN }, -- operation on the resource failed
  [5200] = { false, REJECTED },
  [5300] = { false, REJECTED },
  [5400] = { "internal", UNKNOWN }, -- partly done
  [5500] = { "permission", REJECTED },
  [6000] = { "internal", UNKNOWN, AGAIN },
  [6100] = { false, REJECTED }, -- no such action in this version
  [6200] = { false, REJECTED, LATER }, -- stopped for maintenance
}

--- Codes of API 3.0 (and of API 2.0 with Version=2017-03-12) that are known in more detail than their parts say.
local WORDS = {
  ["AuthFailure.CamRoleNameAuthenticateFailed"] = { "permission", REJECTED },
  ["AuthFailure.MFAFailure"] = { "permission", REJECTED },
  ["AuthFailure.InvalidSecretId"] = { "signature", REJECTED, RENEW },
  ["AuthFailure.SignatureFailure"] = { "signature", REJECTED, REREAD },
  ["AuthFailure.SignatureExpire"] = { "clock", REJECTED, CLOCK },
  ["AuthFailure.TokenFailure"] = { "signature", REJECTED, RENEW },
  ["AuthFailure.UnauthorizedOperation"] = { "permission", REJECTED },
  ["FailedOperation.AccountAlreadyExists"] = { false, REJECTED },
  ["FailedOperation.AccountIsYourSelf"] = { false, REJECTED },
  ["FailedOperation.BYOLImageShareFailed"] = { false, REJECTED },
  ["FailedOperation.IllegalTagKey"] = { false, REJECTED },
  ["FailedOperation.InvalidImageState"] = { "imageState", REJECTED },
  ["FailedOperation.NotMasterAccount"] = { false, REJECTED },
  ["InternalError.CAMInnerError"] = { "permission", REJECTED },
  ["InternalError.ResourceOpFailed"] = { "internal", UNKNOWN }, -- as 5100
  ["InvalidAction.ActionUnavailable"] = { false, REJECTED, LATER }, -- as 6200
  ["InvalidAction.NotFound"] = { false, REJECTED },
  ["InvalidFilterValue.LimitExceeded"] = { false, REJECTED },
  ["InvalidImageId.InShared"] = { "sharedImage", REJECTED },
  ["InvalidImageId.IncorrectState"] = { "imageState", REJECTED },
  ["InvalidImageName.Duplicate"] = { "nameTaken", REJECTED },
  ["InvalidParameter.SignatureFailure"] = { "signature", REJECTED, REREAD },
  ["InvalidParameterValue.InvalidImageIdIsShared"] = { "sharedImage", REJECTED },
  ["InvalidParameterValue.InvalidImageState"] = { "imageState", REJECTED },
  ["InvalidRequest.Forbidden"] = { "permission", REJECTED },
  ["InvalidRequest.LimitExceeded"] = { "throttled", REJECTED, LATER },
  ["InvalidRequest.MFACheckFailed"] = { "permission", REJECTED },
  ["InvalidRequest.ReplayAttack"] = { "clock", REJECTED, CLOCK },
  ["InvalidRequest.RequestConcurrencyExceeded"] = { "throttled", REJECTED, LATER },
  ["InvalidRequest.TokenCheckFailed"] = { "signature", REJECTED, RENEW },
  ["OperationDenied.InnerUserProhibitAction"] = { "permission", REJECTED },
  ["UnauthorizedOperation.InvalidToken"] = { "signature", REJECTED, RENEW },
  ["UnsupportedOperation.SharedImageExportUnsupported"] = { "sharedImage", REJECTED },
  ["UnsupportedOperation.SharedImageModifyUnsupported"] = { "sharedImage", REJECTED },
}

--- Words before the first dot, for full codes that are not above.
local FAMILIES = {
  ActionOffline = { false, REJECTED },
  AuthFailure = { "signature", REJECTED },
  DryRunOperation = { false, REJECTED },
  FailedOperation = { "internal", UNKNOWN },
  ImageQuotaLimitExceeded = { "quota", REJECTED },
  InternalError = { "internal", UNKNOWN, AGAIN },
  InternalServerError = { "internal", UNKNOWN, AGAIN },
  IpInBlacklist = { "permission", REJECTED },
  IpNotInWhitelist = { "permission", REJECTED },
  LimitExceeded = { "quota", REJECTED },
  MissingParameter = { false, REJECTED },
  MutexOperation = { "busy", REJECTED },
  NoSuchProduct = { false, REJECTED },
  NoSuchVersion = { false, REJECTED },
  OperationDenied = { false, REJECTED },
  OverQuota = { "quota", REJECTED },
  RegionAbilityLimit = { false, REJECTED },
  RequestLimitExceeded = { "throttled", REJECTED, LATER },
  RequestSizeLimitExceeded = { false, REJECTED },
  ResourceInUse = { "busy", REJECTED },
  ResourceInsufficient = { false, REJECTED },
  ResourceNotFound = { "notFound", REJECTED },
  ResourceUnavailable = { "busy", REJECTED },
  ResourcesSoldOut = { false, REJECTED },
  ServiceUnavailable = { "internal", UNKNOWN, AGAIN },
  UnauthorizedOperation = { "permission", REJECTED },
  UnknownParameter = { false, REJECTED },
  UnsupportedOperation = { false, REJECTED },
  UnsupportedProtocol = { false, REJECTED },
  UnsupportedRegion = { false, REJECTED },
}

-- Details (the words after the first dot) that determine the reason in any family; in this order.
local DETAILS = {
  { "RequestLimit", "throttled" },
  { "RateLimit", "throttled" },
  { "FreqLimit", "throttled" },
  { "TooManyRequests", "throttled" },
  { "InProgress", "busy" },
  { "MutexOperation", "busy" },
  { "ResourceInUse", "busy" },
  { "ResourceUnavailable", "busy" },
  { "ExportImageTaskLimit", "busy" },
  { "^InstanceState", "busy" },
  { "QuotaLimitExceeded", "quota" },
  { "OverQuota", "quota" },
  { "OutOfQuota", "quota" },
  { "NotFound$", "notFound" },
  { "Permission", "permission" },
}

-- Families in which such a detail means throttling, and so a rejection.
local THROTTLING = { LimitExceeded = true, FailedOperation = true, RequestLimitExceeded = true }

local THROTTLED = { "throttled", REJECTED, LATER }
local INVALID = { false, REJECTED }

local UNKNOWN_ID = { "signature", REJECTED, RENEW }

-- Reasons about the caller, whatever the other details say.
local OF_CALLER = { permission = true, signature = true }

-- Codes that are not listed: the family decides the outcome; the details the reason, unless the family has one.
local function byFamily(code)
  local family, detail = code:match("^([^.]*)%.?(.*)$")
  if detail == "SecretIdNotFound" then
    return UNKNOWN_ID
  end
  local entry = FAMILIES[family] or family:find("^Invalid") and INVALID
  local ofFamily = entry and family ~= "FailedOperation" and entry[1]
  for _, each in ipairs(OF_CALLER[ofFamily] and {} or DETAILS) do
    local reason = each[2]
    if detail:find(each[1]) and not (ofFamily and reason == "notFound") then
      if reason ~= "throttled" then
        return entry and { reason, entry[2], entry[3] } or nil
      elseif THROTTLING[family] then
        return THROTTLED
      end
    end
  end
  return entry
end

--- Interprets an error code of the service.
---@param code integer|string number of API 2.0 or word of API 3.0
---@return string|nil reason one word
---@return "rejected"|"unknown" outcome
---@return "later"|"again"|"clock"|"renew"|"reread"|nil retry what a retry needs; nil: none helps
function M.meaning(code)
  local entry
  if type(code) == "number" then
    entry = NUMBERS[code]
  else
    entry = WORDS[code] or byFamily(code)
  end
  if not entry then
    return nil, UNKNOWN
  end
  return entry[1] or nil, entry[2], entry[3]
end

local KEY_FAULTS = {
  [4100] = "pair",
  [4104] = "unknownId",
  [4105] = "token",
  ["AuthFailure.InvalidSecretId"] = "invalidId",
  ["AuthFailure.SignatureFailure"] = "pair",
  ["AuthFailure.TokenFailure"] = "token",
  ["InvalidParameter.SignatureFailure"] = "pair",
  ["InvalidRequest.TokenCheckFailed"] = "token",
  ["UnauthorizedOperation.InvalidToken"] = "token",
}

--- Returns what is wrong with refused credentials.
---@param code integer|string
---@return "unknownId"|"invalidId"|"pair"|"token"|nil pair: id and key do not match
function M.keyFault(code)
  return KEY_FAULTS[code] or tostring(code):find "%.SecretIdNotFound$" and "unknownId" or nil
end

--- Whether a code says that this API version, or the action in it, is gone.
---@param code integer|string
---@return boolean
function M.isGone(code)
  return code == 6100
    or code == "NoSuchVersion"
    or code == "ActionOffline"
    or code == "InvalidAction"
    or code == "InvalidAction.NotFound"
end

--- Returns whether a code may mean a replayed nonce, as well as a wrong clock.
---@param code integer|string
---@return boolean
function M.isReplay(code)
  return code == 4500 or code == "InvalidRequest.ReplayAttack"
end

--- Returns whether a code means an invalid or unavailable region.
---@param code integer|string
---@return boolean
function M.isOfRegion(code)
  local family = type(code) == "string" and code:match "^[^.]*"
  return family == "UnsupportedRegion" or family == "InvalidRegion" or family == "RegionAbilityLimit"
end

--- Returns whether a code means a successful dry run.
---@param code integer|string
---@return boolean
function M.isDryRun(code)
  return code == "DryRunOperation"
end

--- Returns whether an image in a state can be modified: "ready", "failed" (never again) or "passing". Undocumented states
--- count as passing; without a state, the service decides.
---@param state any
---@return "ready"|"failed"|"passing"
function M.readiness(state)
  if state == nil or state == "NORMAL" or state == "USING" then
    return "ready"
  end
  return tostring(state):find("FAILED", 1, true) and "failed" or "passing"
end

return M
