--- What the service's codes mean: covers error_codes.lua, through the answers of a call.

local codes = require "qcimage.api.error_codes"
local stub = require "spec.support.stub"

-- Codes by what they mean: reason (- for none), outcome, and what another try needs. NeverHeardOf, InvalidSomethingNew
-- and Whatever are in no list of the service.
local MEANINGS = {
  ["- rejected"] = [[
    4000 4600 5200 5300 6100 ActionOffline DryRunOperation FailedOperation.AccountAlreadyExists
    FailedOperation.AccountIsYourSelf FailedOperation.BYOLImageShareFailed FailedOperation.IllegalTagKey
    FailedOperation.NotMasterAccount InvalidAction InvalidAction.NotFound InvalidFilterValue.LimitExceeded InvalidParameterValue
    InvalidParameterValue.LimitExceeded InvalidSomethingNew InvalidSomethingNew.Detail MissingParameter
    NoSuchProduct NoSuchVersion OperationDenied RegionAbilityLimit RequestSizeLimitExceeded ResourceInsufficient
    ResourcesSoldOut UnknownParameter UnsupportedOperation UnsupportedProtocol UnsupportedRegion]],
  ["- rejected later"] = "6200 InvalidAction.ActionUnavailable",
  ["permission rejected"] = [[
    4101 4102 4103 4106 4110 4300 5500 AuthFailure.CamRoleNameAuthenticateFailed AuthFailure.MFAFailure
    AuthFailure.UnauthorizedOperation InternalError.CAMInnerError
    InvalidParameterValue.InvalidBucketPermissionForExport InvalidRequest.Forbidden InvalidRequest.MFACheckFailed
    IpInBlacklist IpNotInWhitelist OperationDenied.InnerUserProhibitAction UnauthorizedOperation
    UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound UnauthorizedOperation.PermissionDenied
    UnauthorizedOperation.ResourceInUse]],
  ["signature rejected"] = "AuthFailure AuthFailure.NotFound AuthFailure.Other AuthFailure.ResourceInUse",
  ["signature rejected reread"] = "4100 AuthFailure.SignatureFailure InvalidParameter.SignatureFailure",
  ["signature rejected renew"] = [[
    4104 4105 AuthFailure.InvalidSecretId AuthFailure.SecretIdNotFound AuthFailure.TokenFailure
    InvalidParameter.SecretIdNotFound InvalidRequest.TokenCheckFailed UnauthorizedOperation.InvalidToken
    Whatever.SecretIdNotFound]],
  ["clock rejected clock"] = "4200 4500 AuthFailure.SignatureExpire InvalidRequest.ReplayAttack",
  ["throttled rejected later"] = [[
    4400 FailedOperation.RequestLimitExceeded FailedOperation.TooManyRequests InvalidRequest.LimitExceeded
    InvalidRequest.RequestConcurrencyExceeded LimitExceeded.ApiFreqLimitExceeded LimitExceeded.FreqLimit
    LimitExceeded.RateLimit LimitExceeded.RateLimitExceeded LimitExceeded.RequestLimit
    LimitExceeded.RequestLimitExceeded LimitExceeded.TooManyRequests RequestLimitExceeded
    RequestLimitExceeded.IPLimitExceeded]],
  ["busy rejected"] = [[
    LimitExceeded.ExportImageTaskLimitExceeded MutexOperation MutexOperation.TaskRunning
    OperationDenied.InstanceOperationInProgress ResourceInUse ResourceInUse.DiskRollbacking ResourceUnavailable
    ResourceUnavailable.SnapshotCreating ResourceUnavailable.SnapshotNotFound
    UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateRunning
    UnsupportedOperation.MutexOperation UnsupportedOperation.ResourceUnavailableNow]],
  ["busy unknown"] = "FailedOperation.OperationInProgress",
  ["busy unknown again"] = "InternalError.ResourceInUse",
  ["quota rejected"] = [[
    ImageQuotaLimitExceeded InvalidParameterValue.ImageOverQuota InvalidParameterValue.TagQuotaLimitExceeded
    LimitExceeded LimitExceeded.OutOfQuota LimitExceeded.OverQuota LimitExceeded.PolicyNotFound LimitExceeded.PreheatImageSnapshotOutOfQuota
    LimitExceeded.QuotaLimitExceeded OverQuota]],
  ["notFound rejected"] = [[
    5000 InvalidImageId.NotFound InvalidInstanceId.NotFound InvalidParameter.SnapshotNotFound
    InvalidParameterValue.BucketNotFound InvalidRegion.NotFound ResourceNotFound]],
  ["notFound unknown"] = "FailedOperation.ThingNotFound",
  ["imageState rejected"] = [[
    FailedOperation.InvalidImageState InvalidImageId.IncorrectState InvalidParameterValue.InvalidImageState]],
  ["sharedImage rejected"] = [[
    InvalidImageId.InShared InvalidParameterValue.InvalidImageIdIsShared
    UnsupportedOperation.SharedImageExportUnsupported UnsupportedOperation.SharedImageModifyUnsupported]],
  ["nameTaken rejected"] = "InvalidImageName.Duplicate",
  ["internal unknown"] = [[
    5100 5400 FailedOperation FailedOperation.QImageShareFailed InternalError.ResourceOpFailed]],
  ["internal unknown again"] = [[
    6000 InternalError InternalError.ImageNotFound InternalError.RequestLimit InternalServerError
    InternalServerError.Whatever ServiceUnavailable]],
  ["- unknown"] = "-1 4700 7000 NeverHeardOf NeverHeardOf.NotFound NeverHeardOf.RateLimit",
}

-- Of those, the ones that say more.
local GONE = "6100 ActionOffline InvalidAction InvalidAction.NotFound NoSuchVersion"
local REPLAY = "4500 InvalidRequest.ReplayAttack"

local function isIn(list, code)
  return (" " .. list .. " "):find(" " .. code .. " ", 1, true) ~= nil
end

-- Calls a function with each code, and with what it means: reason, outcome, again.
local function each(run)
  for meaning, list in pairs(MEANINGS) do
    local reason, outcome, again = meaning:match "^(%S+) (%S+) ?(%S*)$"
    for word in list:gmatch "%S+" do
      run(tonumber(word) or word, reason ~= "-" and reason or nil, outcome, again ~= "" and again or nil)
    end
  end
end

describe("a code", function()
  it("means what is listed, or what its family and its details say", function()
    each(function(code, reason, outcome, again)
      assert.same({ code, reason, outcome, again }, { code, codes.meaning(code) })
    end)
    for _, code in ipairs { "", "." } do
      assert.same({ nil, "unknown" }, { codes.meaning(code) })
    end
  end)

  it("is handed on with that meaning", function()
    local BODIES = {
      number = { "2.0", '{"code":%d,"message":"m"}' },
      string = { "3.0", '{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r"}}' },
    }
    each(function(code, reason, outcome)
      local version, body = BODIES[type(code)][1], BODIES[type(code)][2]:format(code)
      local _, _, err = stub.answering({ apiVersion = version, maxAttempts = 1 }, body):modify { imageId = "img-1" }
      -- Where the nonce had been seen, the request may have come before.
      outcome = isIn(REPLAY, code) and "unknown" or outcome
      assert.same({ code, "service", reason, outcome }, { err.code, err.kind, err.reason, err.outcome })
    end)
  end)

  it("says that a version or an action is gone, that a nonce was seen, or that a dry run passed", function()
    each(function(code)
      assert.equal(isIn(GONE, code), codes.isGone(code), code)
      assert.equal(isIn(REPLAY, code), codes.isReplay(code), code)
      assert.equal(code == "DryRunOperation", codes.isDryRun(code), code)
    end)
  end)

  it("that is a throttle under another name is waited for, whatever the action", function()
    local body = '{"Response":{"Error":{"Code":"LimitExceeded.FreqLimit","Message":"m"},"RequestId":"r"}}'
    local client, requests = stub.answering(
      { apiVersion = "3.0", maxAttempts = 3, sleep = function() end },
      body,
      '{"Response":{"RequestId":"r","ImageId":"img-9"}}'
    )
    assert(client:call("CreateImage", { instanceId = "ins-1", imageName = "a" }))
    assert.equal(2, #requests)
  end)
end)

describe("refused credentials", function()
  it("are told apart by the code: an unknown id, a wrong pair, a token", function()
    for code, expected in pairs {
      [4100] = "pair",
      [4104] = "unknownId",
      [4105] = "token",
      ["AuthFailure.InvalidSecretId"] = "invalidId",
      ["AuthFailure.SecretIdNotFound"] = "unknownId",
      ["InvalidParameter.SecretIdNotFound"] = "unknownId",
      ["AuthFailure.SignatureFailure"] = "pair",
      ["AuthFailure.TokenFailure"] = "token",
      ["InvalidParameter.SignatureFailure"] = "pair",
      ["InvalidRequest.TokenCheckFailed"] = "token",
      ["UnauthorizedOperation.InvalidToken"] = "token",
      ["UnauthorizedOperation"] = false,
      [4000] = false,
    } do
      assert.equal(expected or nil, codes.keyFault(code), tostring(code))
    end
  end)
end)

describe("a state of an image", function()
  it("is ready, failed or passing", function()
    for state, expected in pairs {
      NORMAL = "ready",
      USING = "ready",
      CREATING = "passing",
      SYNCING = "passing",
      IMPORTING = "passing",
      BRANDNEW = "passing",
      CREATEFAILED = "failed",
      IMPORTFAILED = "failed",
      [77] = "passing",
    } do
      assert.equal(expected, codes.readiness(state), tostring(state))
    end
    assert.equal("ready", codes.readiness(nil))
  end)
end)
