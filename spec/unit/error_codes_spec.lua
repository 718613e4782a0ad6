--- What the service's codes mean: covers error_codes.lua, through the answers of a call.

local codes = require "qcimage.api.error_codes"
local stub = require "spec.support.stub"

local REJECTED, UNKNOWN = "rejected", "unknown"

describe("a code of API 3.0", function()
  local MEANINGS = {
    -- throttles, under all their names
    ["RequestLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["RequestLimitExceeded.IPLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.RateLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.RequestLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.RequestLimit"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.TooManyRequests"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.FreqLimit"] = { "throttled", REJECTED, "later" },
    ["LimitExceeded.ApiFreqLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["FailedOperation.RequestLimitExceeded"] = { "throttled", REJECTED, "later" },
    ["FailedOperation.TooManyRequests"] = { "throttled", REJECTED, "later" },
    ["InvalidRequest.LimitExceeded"] = { "throttled", REJECTED, "later" },
    ["InvalidRequest.RequestConcurrencyExceeded"] = { "throttled", REJECTED, "later" },
    -- the service's own failures
    ["InternalError"] = { "internal", UNKNOWN, "again" },
    ["InternalError.RequestLimit"] = { "internal", UNKNOWN, "again" },
    ["InternalServerError"] = { "internal", UNKNOWN, "again" },
    ["InternalServerError.Whatever"] = { "internal", UNKNOWN, "again" },
    ["ServiceUnavailable"] = { "internal", UNKNOWN, "again" },
    ["FailedOperation"] = { "internal", UNKNOWN },
    ["FailedOperation.QImageShareFailed"] = { "internal", UNKNOWN },
    ["FailedOperation.OperationInProgress"] = { "busy", UNKNOWN },
    ["FailedOperation.ThingNotFound"] = { "notFound", UNKNOWN },
    -- busy: later it may go
    ["OperationDenied.InstanceOperationInProgress"] = { "busy", REJECTED },
    ["MutexOperation"] = { "busy", REJECTED },
    ["MutexOperation.TaskRunning"] = { "busy", REJECTED },
    ["ResourceInUse.DiskRollbacking"] = { "busy", REJECTED },
    ["ResourceUnavailable"] = { "busy", REJECTED },
    ["ResourceUnavailable.SnapshotCreating"] = { "busy", REJECTED },
    ["UnsupportedOperation.InstanceStateRebooting"] = { "busy", REJECTED },
    ["LimitExceeded.ExportImageTaskLimitExceeded"] = { "busy", REJECTED },
    -- quota
    ["LimitExceeded"] = { "quota", REJECTED },
    ["LimitExceeded.PreheatImageSnapshotOutOfQuota"] = { "quota", REJECTED },
    ["ImageQuotaLimitExceeded"] = { "quota", REJECTED },
    ["InvalidParameterValue.TagQuotaLimitExceeded"] = { "quota", REJECTED },
    ["OverQuota"] = { "quota", REJECTED },
    -- too many values, not a quota
    ["InvalidFilterValue.LimitExceeded"] = { nil, REJECTED },
    ["InvalidParameterValue.LimitExceeded"] = { nil, REJECTED },
    -- not there
    ["InvalidImageId.NotFound"] = { "notFound", REJECTED },
    ["InvalidInstanceId.NotFound"] = { "notFound", REJECTED },
    ["InvalidParameter.SnapshotNotFound"] = { "notFound", REJECTED },
    ["InvalidParameterValue.BucketNotFound"] = { "notFound", REJECTED },
    ["InvalidRegion.NotFound"] = { "notFound", REJECTED },
    ["ResourceNotFound"] = { "notFound", REJECTED },
    -- the image
    ["InvalidImageId.InShared"] = { "sharedImage", REJECTED },
    ["InvalidImageId.IncorrectState"] = { "imageState", REJECTED },
    ["FailedOperation.InvalidImageState"] = { "imageState", REJECTED },
    ["InvalidImageName.Duplicate"] = { "nameTaken", REJECTED },
    ["UnsupportedOperation.SharedImageModifyUnsupported"] = { "sharedImage", REJECTED },
    -- rights
    ["UnauthorizedOperation.PermissionDenied"] = { "permission", REJECTED },
    ["OperationDenied.InnerUserProhibitAction"] = { "permission", REJECTED },
    ["InvalidParameterValue.InvalidBucketPermissionForExport"] = { "permission", REJECTED },
    ["AuthFailure.UnauthorizedOperation"] = { "permission", REJECTED },
    ["UnauthorizedOperation.MFANotFound"] = { "permission", REJECTED },
    ["UnauthorizedOperation.MFAExpired"] = { "permission", REJECTED },
    ["UnauthorizedOperation.ResourceInUse"] = { "permission", REJECTED },
    -- what a family means comes before what was not found
    ["InternalError.ImageNotFound"] = { "internal", UNKNOWN, "again" },
    ["ResourceUnavailable.SnapshotNotFound"] = { "busy", REJECTED },
    ["LimitExceeded.PolicyNotFound"] = { "quota", REJECTED },
    -- keys and tokens
    ["AuthFailure.SecretIdNotFound"] = { "signature", REJECTED, "renew" },
    ["AuthFailure.InvalidSecretId"] = { "signature", REJECTED, "renew" },
    ["AuthFailure.SignatureFailure"] = { "signature", REJECTED, "reread" },
    ["InvalidParameter.SignatureFailure"] = { "signature", REJECTED, "reread" },
    ["Whatever.SecretIdNotFound"] = { "signature", REJECTED, "renew" },
    ["AuthFailure.NotFound"] = { "signature", REJECTED },
    ["InvalidParameter.SecretIdNotFound"] = { "signature", REJECTED, "renew" },
    ["AuthFailure.TokenFailure"] = { "signature", REJECTED, "renew" },
    ["UnauthorizedOperation.InvalidToken"] = { "signature", REJECTED, "renew" },
    ["InvalidRequest.TokenCheckFailed"] = { "signature", REJECTED, "renew" },
    ["AuthFailure.SignatureExpire"] = { "clock", REJECTED, "clock" },
    -- the caller's fault, listed or not
    ["InvalidParameterValue"] = { nil, REJECTED },
    ["InvalidSomethingNew"] = { nil, REJECTED },
    ["InvalidSomethingNew.Detail"] = { nil, REJECTED },
    ["InvalidAction.NotFound"] = { nil, REJECTED },
    ["MissingParameter"] = { nil, REJECTED },
    -- unknown families
    ["NeverHeardOf"] = { nil, UNKNOWN },
    ["NeverHeardOf.RateLimit"] = { nil, UNKNOWN },
    ["NeverHeardOf.NotFound"] = { nil, UNKNOWN },
    [""] = { nil, UNKNOWN },
    ["."] = { nil, UNKNOWN },
  }

  it("means what its family and its details say", function()
    for code, expected in pairs(MEANINGS) do
      assert.same({ code, expected[1], expected[2], expected[3] }, { code, codes.meaning(code) })
    end
  end)

  it("is handed on with that meaning", function()
    local body = '{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r"}}'
    for code, expected in pairs(MEANINGS) do
      if code ~= "" then
        local _, _, err = stub.answering({ apiVersion = "3.0" }, body:format(code)):modify { imageId = "img-1" }
        assert.same({ code, "service", expected[1], expected[2] }, { err.code, err.kind, err.reason, err.outcome })
      end
    end
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

describe("a number of API 2.0", function()
  it("means what the list says, and nothing where it says nothing", function()
    for code, expected in pairs {
      [4000] = { nil, REJECTED },
      [4100] = { "signature", REJECTED, "reread" },
      [4104] = { "signature", REJECTED, "renew" },
      [4105] = { "signature", REJECTED, "renew" },
      [4400] = { "throttled", REJECTED, "later" },
      [5000] = { "notFound", REJECTED },
      [5400] = { "internal", UNKNOWN },
      [6000] = { "internal", UNKNOWN, "again" },
      [4700] = { nil, UNKNOWN },
      [-1] = { nil, UNKNOWN },
    } do
      assert.same({ code, expected[1], expected[2], expected[3] }, { code, codes.meaning(code) })
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
