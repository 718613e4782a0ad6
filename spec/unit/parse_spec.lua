--- What an answer, or none, makes of a call: covers call/parse.lua and api/error_codes.lua.

local stub = require "spec.support.stub"

local function modify(answer, options)
  local client = stub.answering(options, answer)
  return client:modify { imageId = "img-1", imageName = "web-01" }
end

local function succeeds(answer, options)
  local result, message = modify(answer, options)
  assert.is_nil(message)
  return result
end

local function fails(kind, reason, outcome, answer, options)
  local result, message, err = modify(answer, options)
  assert.is_nil(result)
  assert.equal(kind, err.kind)
  assert.equal(reason, err.reason)
  assert.equal(outcome, err.outcome)
  assert.equal(message, tostring(err))
  assert.is_string(message)
  assert.is_nil(message:find "[\r\n]")
  assert.is_nil(message:find "userdata")
  return err, message
end

local V3 = { apiVersion = "3.0" }
local ID = "00000000-0000-4000-8000-000000000004"

describe("an answer of API 2.0", function()
  it("succeeds with code 0, as a number or as text", function()
    for _, code in ipairs { "0", '"0"', "0.0" } do
      local result = succeeds(('{"code":%s,"message":"ok","codeDesc":"Success"}'):format(code))
      assert.equal(0, result.code)
      assert.equal("0", tostring(result.code))
      assert.equal("ok", result.message)
      assert.equal("Success", result.codeDesc)
    end
  end)

  it("may lack its message, or have null", function()
    assert.equal("", succeeds('{"code":0}').message)
    local result = succeeds '{"code":0,"message":null,"codeDesc":null}'
    assert.equal("", result.message)
    assert.is_nil(result.codeDesc)
  end)

  it("keeps whole numbers whole and long ids in its body", function()
    local result = succeeds '{"code":0,"message":"","totalCount":10000,"traceId":1234567890123456789}'
    assert.equal("10000", tostring(result.totalCount))
    assert.matches("1234567890123456789", result.body, 1, true)
    if math.type then
      assert.equal("integer", math.type(result.totalCount))
      assert.equal("integer", math.type(result.code))
    end
  end)

  it("tells a task's number from a trace id", function()
    local result = succeeds '{"code":0,"message":"","requestId":12345}'
    assert.equal(12345, result.taskId)
    assert.is_nil(result.requestId)
    result = succeeds '{"code":0,"message":"","requestId":"abc-1"}'
    assert.equal("abc-1", result.requestId)
    assert.is_nil(result.taskId)
  end)

  it("fails with its code, text and reason", function()
    local err, message = fails(
      "service",
      "notFound",
      "rejected",
      '{"code":5000,"message":"(100004)\\u955c\\u50cf\\u4e0d\\u5b58\\u5728","codeDesc":"ResourceNotFound"}'
    )
    assert.equal(5000, err.code)
    assert.equal("(100004)镜像不存在", err.serviceMessage)
    assert.equal("ResourceNotFound", err.codeDesc)
    assert.equal(200, err.httpStatus)
    assert.equal(
      "ModifyImageAttributes: 5000 (ResourceNotFound): (100004)镜像不存在 (in gz); nothing was changed",
      message
    )
    assert.equal(5100, fails("service", "internal", "unknown", '{"code":"5100","message":""}').code)
  end)

  it("says of each documented code whether the change may have been made", function()
    for code, expected in pairs {
      [4000] = { nil, "rejected" },
      [4100] = { "signature", "rejected" },
      [4104] = { "signature", "rejected" },
      [4101] = { "permission", "rejected" },
      [4400] = { "throttled", "rejected" },
      [4500] = { "clock", "unknown" }, -- without a Date it may be a nonce that was seen
      [5000] = { "notFound", "rejected" },
      [5100] = { "internal", "unknown" },
      [5400] = { "internal", "unknown" },
      [6000] = { "internal", "unknown" },
      [6100] = { nil, "rejected" },
      [4700] = { nil, "unknown" }, -- no document has it
      [-1] = { nil, "unknown" },
    } do
      local _, message = fails("service", expected[1], expected[2], ('{"code":%d,"message":"m"}'):format(code))
      if expected[2] == "unknown" then
        assert.matches("; the change may have been made$", message)
      else
        assert.matches("; nothing was changed", message)
      end
    end
  end)

  it("may have a message in no known encoding", function()
    local err, message = fails("service", nil, "rejected", '{"code":4000,"message":"\190\181\207\241 bad"}')
    assert.equal(4000, err.code)
    assert.equal("\190\181\207\241 bad", err.serviceMessage)
    assert.matches("%?%?%?%? bad", message)
  end)

  it("may have the shape of API 3.0, and the other way round", function()
    local err = fails(
      "service",
      "nameTaken",
      "rejected",
      '{"Response":{"Error":{"Code":"InvalidImageName.Duplicate","Message":"m"},"RequestId":"r-1"}}'
    )
    assert.equal("InvalidImageName.Duplicate", err.code)
    assert.equal("r-1", err.requestId)
    succeeds '{"Response":{"RequestId":"r-1"}}'
    err = fails("service", "signature", "rejected", '{"code":4100,"message":"m","codeDesc":"AuthFailure"}', V3)
    assert.equal(4100, err.code)
  end)
end)

describe("an answer of API 3.0", function()
  it("succeeds without an Error, null counted as none", function()
    local result = succeeds(('{"Response":{"Error":null,"RequestId":"%s"}}'):format(ID), V3)
    assert.equal(0, result.code)
    assert.equal("", result.message)
    assert.equal(ID, result.requestId)
    assert.equal(ID, succeeds(('{"Response":{"RequestID":"%s"}}'):format(ID), V3).requestId)
  end)

  it("fails with its whole code, though parts are null", function()
    local err, message = fails(
      "service",
      "notFound",
      "rejected",
      '{"Response":{"Error":{"Code":"InvalidImageId.NotFound","Message":null},"RequestId":null}}',
      V3
    )
    assert.equal("InvalidImageId.NotFound", err.code)
    assert.equal("", err.serviceMessage)
    assert.is_nil(err.requestId)
    assert.equal("ModifyImageAttribute: InvalidImageId.NotFound (in ap-guangzhou); nothing was changed", "" .. message)
  end)

  it("is understood by its full code first, then by its family", function()
    for code, expected in pairs {
      ["AuthFailure.SignatureExpire"] = { "clock", "rejected" },
      ["AuthFailure.SignatureFailure"] = { "signature", "rejected" },
      ["AuthFailure.SecretIdNotFound"] = { "signature", "rejected" },
      ["AuthFailure.SomethingNew"] = { "signature", "rejected" },
      ["InvalidImageId.IncorrectState"] = { "imageState", "rejected" },
      ["InvalidImageId.Malformed"] = { nil, "rejected" },
      ["UnsupportedOperation.SharedImageModifyUnsupported"] = { "sharedImage", "rejected" },
      ["RequestLimitExceeded"] = { "throttled", "rejected" },
      ["RequestLimitExceeded.UinLimitExceeded"] = { "throttled", "rejected" },
      ["InternalError"] = { "internal", "unknown" },
      ["InternalError.Whatever"] = { "internal", "unknown" },
      ["ServiceUnavailable"] = { "internal", "unknown" },
      ["FailedOperation"] = { "internal", "unknown" },
      ["UnauthorizedOperation"] = { "permission", "rejected" },
      ["NeverHeardOf.It"] = { nil, "unknown" },
      ["InvalidImageNameXDuplicate"] = { nil, "rejected" },
    } do
      local err = fails(
        "service",
        expected[1],
        expected[2],
        ('{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r"}}'):format(code),
        V3
      )
      assert.equal(code, err.code)
    end
  end)
end)

describe("an answer that is none", function()
  local function body(name)
    local head, text = stub.fixture("answers/" .. name .. ".http"):match "^(.-)\r\n\r\n(.*)$"
    local headers = {}
    for key, value in head:gmatch "\r\n([^:]+): ([^\r]*)" do
      headers[key:lower()] = value
    end
    return { status = tonumber(head:match " (%d%d%d)"), headers = headers, body = text }
  end

  it("is never a success, in either version", function()
    for _, options in ipairs { {}, V3 } do
      fails("response", "format", "unknown", body "200-empty", options)
      fails("response", "format", "unknown", body "200-object", options)
      local _, message = fails("response", "format", "unknown", body "200-html", options)
      assert.matches("Welcome to Example Wi%-Fi", message)
      for _, text in ipairs {
        "null",
        "5",
        '"code"',
        "[]",
        '[{"code":0}]',
        '{"code":null}',
        '{"code":0',
        '{"code":true}',
        '{"code":0.5}',
        '{"code":{}}',
        '{"code":""}',
        '{"Response":null}',
        '{"Response":[]}',
        '{"Response":{}}',
        '{"Response":{"RequestId":null}}',
        '{"Response":{"Error":{},"RequestId":"r"}}',
        '{"Response":{"Error":"x","RequestId":"r"}}',
        '{"Response":{"Error":{"Code":5},"RequestId":"r"}}',
        '{"code":0}}',
        "{code:0}",
        "\0",
        ("["):rep(5000) .. ("]"):rep(5000),
        ("["):rep(1000000),
      } do
        local err = fails("response", "format", "unknown", text, options)
        assert.is_true(#err.message < 400)
        assert.matches("unexpected response", err.message)
      end
    end
  end)

  it("is a success behind a byte order mark", function()
    succeeds(body "200-bom", V3)
  end)

  it("is a gateway's page by its status", function()
    local err, message = fails("response", "status", "unknown", body "502-html")
    assert.equal(502, err.httpStatus)
    assert.matches("HTTP status 502", message)
    assert.matches("502 Bad Gateway", message)
    fails("response", "status", "unknown", { status = 302, headers = { location = "http://x/" }, body = "" })
    -- a success that contradicts its status is none; a refusal is one with any status
    fails("response", "status", "unknown", { status = 500, body = '{"code":0,"message":""}' })
    err = fails("service", "signature", "rejected", { status = 401, body = '{"code":4100,"message":"no"}' })
    assert.equal(401, err.httpStatus)
  end)

  it("is refused by name when it is coded", function()
    local err, message = fails("response", "format", "unknown", body "gzip")
    assert.matches("content%-encoding gzip", message)
    assert.is_nil(message:find "invalid token")
    assert.equal("unknown", err.outcome)
  end)

  it("may come from a transport that breaks its promise", function()
    for _, answer in ipairs {
      { status = 200, body = 5 },
      { status = "200", body = "" },
      {},
    } do
      local client = stub.client {
        transport = function()
          return answer
        end,
      }
      local _, _, err = client:modify { imageId = "img-1" }
      assert.equal("response", err.kind)
      assert.equal("unknown", err.outcome)
    end
    local client = stub.client {
      transport = function() end,
    }
    local _, message, err = client:modify { imageId = "img-1" }
    assert.equal("network", err.kind)
    assert.equal("unknown", err.outcome)
    assert.is_string(message)
  end)
end)

describe("a failure of the network", function()
  it("says whether bytes can have left", function()
    local err, message = fails("network", "connect", "notSent", { fail = "refused", sent = false, reason = "connect" })
    assert.matches("refused; nothing was sent", message)
    assert.equal(1, #err.attempts)
    assert.equal("notSent", err.attempts[1].outcome)
    err, message = fails("network", "closed", "unknown", { fail = "reset", sent = true, reason = "closed" })
    assert.equal("closed", err.reason)
    assert.matches("reset; the change may have been made", message)
    fails("network", "closed", "unknown", { fail = "no word about it" })
    fails("response", "tooLarge", "unknown", { fail = "too much", sent = true, reason = "tooLarge" })
  end)

  it("says that API 2.0 is closed, at the public cloud's own host alone", function()
    local refused = { fail = "refused", sent = false, reason = "connect" }
    local gone = '{"code":6100,"message":"no such action"}'
    for _, answer in ipairs { refused, gone } do
      local _, message = modify(answer)
      assert.matches('closed API 2%.0 in 2023: set apiVersion = "3%.0"', message)
      _, message = modify(answer, { endpoint = "https://image.private.example" })
      assert.is_nil(message:find "closed API")
    end
    local _, message = modify(refused, V3)
    assert.is_nil(message:find "closed API")
    _, message = modify { fail = "reset", sent = true, reason = "closed" }
    assert.is_nil(message:find "closed API")
  end)
end)
