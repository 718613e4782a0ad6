--- codes.lua - what the service's error codes mean, as data: a reason (one word), whether the
--- request was refused or its fate is unknown, and which calls are worth another try.
--- Pure. A code or family that no document gives is not keyed on: its fate is unknown.
--- Part of qcimage, see LICENSE.
---
--- Sources: error codes of API 2.0 (cloud.tencent.com/document/api/213/6982), common codes of
--- API 3.0 (cloud.tencent.com/document/product/1388/114322), codes of the cvm image actions
--- (tencentcloud.com/document/product/213/33269 and its neighbours).

local M = {}

-- {reason, outcome, retry}; a missing reason is false. retry: "later" after a wait, whatever the
-- action; "again" for actions that may be repeated; "clock" once, with another time and nonce.
local REJECTED = "rejected"
local UNKNOWN = "unknown"
local LATER, AGAIN, CLOCK = "later", "again", "clock"

--- Numbers of API 2.0.
local NUMBERS = {
  [4000] = { false, REJECTED }, -- parameter missing or malformed
  [4100] = { "signature", REJECTED },
  [4101] = { "permission", REJECTED },
  [4102] = { "permission", REJECTED },
  [4103] = { "permission", REJECTED },
  [4104] = { "signature", REJECTED }, -- SecretId unknown
  [4105] = { "signature", REJECTED }, -- token
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

--- Words of API 3.0 (and of API 2.0 with Version=2017-03-12): full codes.
local WORDS = {
  ["AuthFailure.SignatureExpire"] = { "clock", REJECTED, CLOCK },
  ["AuthFailure.MFAFailure"] = { "permission", REJECTED },
  ["AuthFailure.UnauthorizedOperation"] = { "permission", REJECTED },
  ["AuthFailure.CamRoleNameAuthenticateFailed"] = { "permission", REJECTED },
  ["FailedOperation.AccountAlreadyExists"] = { false, REJECTED },
  ["FailedOperation.AccountIsYourSelf"] = { false, REJECTED },
  ["FailedOperation.BYOLImageShareFailed"] = { false, REJECTED },
  ["FailedOperation.IllegalTagKey"] = { false, REJECTED },
  ["FailedOperation.InvalidImageState"] = { "imageState", REJECTED },
  ["FailedOperation.NotMasterAccount"] = { false, REJECTED },
  ["InternalError.ResourceOpFailed"] = { "internal", UNKNOWN }, -- as 5100
  ["InvalidAction.ActionUnavailable"] = { false, REJECTED, LATER }, -- as 6200
  ["UnauthorizedOperation.InvalidToken"] = { "signature", REJECTED },
  ["InternalError.CAMInnerError"] = { "permission", REJECTED },
  ["InvalidImageId.IncorrectState"] = { "imageState", REJECTED },
  ["InvalidImageId.InShared"] = { "imageState", REJECTED },
  ["InvalidImageId.NotFound"] = { "notFound", REJECTED },
  ["InvalidImageName.Duplicate"] = { "nameTaken", REJECTED },
  ["InvalidInstanceId.NotFound"] = { "notFound", REJECTED },
  ["InvalidAccountId.NotFound"] = { "notFound", REJECTED },
  ["InvalidParameter.SecretIdNotFound"] = { "signature", REJECTED },
  ["InvalidParameter.SignatureFailure"] = { "signature", REJECTED },
  ["InvalidParameter.SnapshotNotFound"] = { "notFound", REJECTED },
  ["InvalidParameterValue.InvalidImageIdIsShared"] = { "sharedImage", REJECTED },
  ["InvalidParameterValue.InvalidImageState"] = { "imageState", REJECTED },
  ["InvalidRequest.Forbidden"] = { "permission", REJECTED },
  ["InvalidRequest.LimitExceeded"] = { "throttled", REJECTED, LATER },
  ["InvalidRequest.MFACheckFailed"] = { "permission", REJECTED },
  ["InvalidRequest.ReplayAttack"] = { "clock", REJECTED, CLOCK },
  ["InvalidRequest.RequestConcurrencyExceeded"] = { "throttled", REJECTED, LATER },
  ["InvalidRequest.TokenCheckFailed"] = { "signature", REJECTED },
  ["ResourceUnavailable.SnapshotCreating"] = { "imageState", REJECTED },
  ["UnsupportedOperation.SharedImageModifyUnsupported"] = { "sharedImage", REJECTED },
  ["UnsupportedOperation.SharedImageExportUnsupported"] = { "sharedImage", REJECTED },
}

--- Words before the first dot, for full codes that are not above.
local FAMILIES = {
  ActionOffline = { false, REJECTED },
  AuthFailure = { "signature", REJECTED },
  DryRunOperation = { false, REJECTED },
  FailedOperation = { "internal", UNKNOWN },
  ImageQuotaLimitExceeded = { false, REJECTED },
  InternalError = { "internal", UNKNOWN, AGAIN },
  InvalidAccount = { false, REJECTED },
  InvalidAccountId = { false, REJECTED },
  InvalidAccountIs = { false, REJECTED },
  InvalidAction = { false, REJECTED },
  InvalidFilter = { false, REJECTED },
  InvalidFilterValue = { false, REJECTED },
  InvalidImageId = { false, REJECTED },
  InvalidImageName = { false, REJECTED },
  InvalidImageOsType = { false, REJECTED },
  InvalidImageOsVersion = { false, REJECTED },
  InvalidInstance = { false, REJECTED },
  InvalidInstanceId = { false, REJECTED },
  InvalidInstanceType = { false, REJECTED },
  InvalidParameter = { false, REJECTED },
  InvalidParameterConflict = { false, REJECTED },
  InvalidParameterValue = { false, REJECTED },
  InvalidRegion = { false, REJECTED },
  InvalidRequest = { false, REJECTED },
  InvalidZone = { false, REJECTED },
  IpInBlacklist = { "permission", REJECTED },
  IpNotInWhitelist = { "permission", REJECTED },
  LimitExceeded = { false, REJECTED },
  MissingParameter = { false, REJECTED },
  MutexOperation = { "imageState", REJECTED },
  NoSuchProduct = { false, REJECTED },
  NoSuchVersion = { false, REJECTED },
  OperationDenied = { false, REJECTED },
  OverQuota = { false, REJECTED },
  RegionAbilityLimit = { false, REJECTED },
  RequestLimitExceeded = { "throttled", REJECTED, LATER },
  RequestSizeLimitExceeded = { false, REJECTED },
  ResourceInUse = { "imageState", REJECTED },
  ResourceInsufficient = { false, REJECTED },
  ResourceNotFound = { "notFound", REJECTED },
  ResourceUnavailable = { false, REJECTED },
  ResourcesSoldOut = { false, REJECTED },
  ServiceUnavailable = { "internal", UNKNOWN, AGAIN },
  UnauthorizedOperation = { "permission", REJECTED },
  UnknownParameter = { false, REJECTED },
  UnsupportedOperation = { false, REJECTED },
  UnsupportedProtocol = { false, REJECTED },
  UnsupportedRegion = { false, REJECTED },
}

--- What a code of the service means.
---@param code integer|string number of API 2.0 or word of API 3.0
---@return string|nil reason one word, where the code has one
---@return "rejected"|"unknown" outcome whether the request was refused for sure
---@return "later"|"again"|"clock"|nil retry what another try needs; nil: none helps
function M.meaning(code)
  local entry
  if type(code) == "number" then
    entry = NUMBERS[code]
  else
    entry = WORDS[code] or FAMILIES[code:match("^[^.]*")]
  end
  if not entry then
    return nil, UNKNOWN
  end
  return entry[1] or nil, entry[2], entry[3]
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

return M
