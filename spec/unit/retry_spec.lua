--- Attempts and what comes between them: covers call/retry.lua, execute.lua, read_back.lua and clock.lua.
--- Covers util/backoff.lua, too.

local errors = require "qcimage.util.errors"
local retry = require "qcimage.call.retry"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'
local LOST = { fail = "lost", sent = true, reason = "closed" }
local REFUSED = { fail = "refused", sent = false, reason = "connect" }

local function state(changes)
  local all = {
    attempt = 1,
    maxAttempts = 3,
    left = 30,
    repeatable = true,
    retryBudget = retry.BUDGET,
    random = 0.5,
    skewCorrected = false,
  }
  for name, value in pairs(changes or {}) do
    all[name] = value
  end
  return all
end

local function network(reason, outcome)
  return errors.new { kind = "network", reason = reason, outcome = outcome or "unknown" }
end

local function service(need, outcome)
  return errors.new { kind = "service", retry = need, outcome = outcome or "rejected" }
end

describe("the retry policy", function()
  it("tries again what may pass by itself, and nothing else", function()
    for reason, expected in pairs {
      dns = true,
      connect = true,
      timeout = true,
      closed = true,
      tls = false,
      proxy = false,
    } do
      assert.equal(expected, retry.decide(network(reason), state()) ~= nil, reason)
    end
    for status, expected in pairs { [500] = true, [502] = true, [503] = true, [429] = true, [404] = false } do
      local err = errors.new { kind = "response", reason = "status", httpStatus = status, outcome = "unknown" }
      assert.equal(expected, retry.decide(err, state()) ~= nil, tostring(status))
    end
    assert.is_nil(retry.decide(errors.new { kind = "response", reason = "format", outcome = "unknown" }, state()))
    assert.is_nil(retry.decide(service(nil), state()))
    assert.is_nil(retry.decide(errors.notSent("parameter", "m"), state()))
  end)

  it("waits by full jitter, longer each time, up to a cap", function()
    assert.equal(0.125, retry.decide(network "closed", state()))
    assert.equal(0.25, retry.decide(network "closed", state { attempt = 2 }))
    assert.equal(0, retry.decide(network "closed", state { random = 0 }))
    assert.equal(4, retry.decide(network "closed", state { attempt = 50, maxAttempts = 100 }))
    assert.equal(0.5, retry.decide(service "later", state()))
  end)

  it("stops at the last attempt and when no time is left", function()
    assert.is_nil(retry.decide(network "closed", state { attempt = 3 }))
    assert.is_nil(retry.decide(network "closed", state { maxAttempts = 1 }))
    assert.is_nil(retry.decide(network "closed", state { left = 0.1 }))
    assert.is_nil(retry.decide(network "closed", state { left = -1 }))
  end)

  it("honours Retry-After within the time left", function()
    assert.equal(7, retry.decide(service "later", state { retryAfter = 7 }))
    assert.is_nil(retry.decide(service "later", state { retryAfter = 31 }))
  end)

  it("repeats an action that must not be repeated only when it did not happen", function()
    local once = state { repeatable = false }
    assert.is_nil(retry.decide(network "closed", once))
    assert.is_nil(retry.decide(service("again", "unknown"), once))
    assert.is_number(retry.decide(network("connect", "notSent"), once))
    assert.is_number(retry.decide(service "later", once))
    assert.equal(0, retry.decide(service "clock", state { repeatable = false, skewCorrected = true }))
  end)

  it("tries after a refused clock only with another clock", function()
    assert.is_nil(retry.decide(service "clock", state()))
    assert.equal(0, retry.decide(service "clock", state { skewCorrected = true }))
  end)

  it("does not wait for a connection that had died while idle", function()
    local err = network "closed"
    err.reused = true
    assert.equal(0, retry.decide(err, state()))
    assert.is_nil(retry.decide(err, state { repeatable = false }))
  end)

  it("takes from a store that successes fill", function()
    local _, cost = retry.decide(network "closed", state())
    assert.equal(5, cost)
    _, cost = retry.decide(network "timeout", state())
    assert.equal(10, cost)
    assert.is_nil(retry.decide(network "closed", state { retryBudget = 4 }))
    assert.equal(5, retry.refill(4))
    assert.equal(9, retry.refill(4, 5))
    assert.equal(retry.BUDGET, retry.refill(retry.BUDGET, 5))
  end)
end)

describe("a call", function()
  local function calling(options, ...)
    local all = {
      maxAttempts = 3,
      sleep = function(seconds)
        require("qcimage.core").sleep(math.min(seconds, 0.001))
      end,
    }
    for name, value in pairs(options) do
      all[name] = value
    end
    local client, requests = stub.answering(all, ...)
    client.random = function()
      return 0.004 -- waits of a millisecond
    end
    return client, requests
  end

  it("signs each attempt afresh", function()
    local time = 1700000000
    local client, requests = calling({
      clock = function()
        time = time + 7
        return time
      end,
    }, LOST, LOST, OK)
    local result = assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.equal(3, #requests)
    assert.equal(3, #result.attempts)
    assert.same({ "unknown", "unknown", "success" }, {
      result.attempts[1].outcome,
      result.attempts[2].outcome,
      result.attempts[3].outcome,
    })
    local seen = {}
    for _, request in ipairs(requests) do
      local params = stub.form(request.body)
      for _, name in ipairs { "Nonce", "Timestamp", "Signature" } do
        assert.is_nil(seen[params[name]])
        seen[params[name]] = true
      end
      assert.equal("a", params.imageName)
    end
  end)

  it("sends a fault of the caller once, and hands it on unchanged", function()
    for _, code in ipairs { 4000, 4100, 4104, 5000 } do
      local body = ('{"code":%d,"message":"m","requestId":"r-1"}'):format(code)
      local client, requests = calling({ maxAttempts = 5 }, body)
      local _, _, err = client:modify { imageId = "img-1" }
      assert.equal(1, #requests)
      assert.equal(code, err.code)
      assert.equal("r-1", err.requestId)
    end
    for _, code in ipairs {
      "InvalidImageId.Malformed",
      "InvalidImageId.NotFound",
      "InvalidImageName.Duplicate",
      "InvalidParameter.ValueTooLarge",
      "InvalidParameterValue",
      "AuthFailure.SignatureFailure",
      "AuthFailure.SecretIdNotFound",
      "UnauthorizedOperation",
    } do
      local body = '{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r-1"}}'
      local client, requests = calling({ maxAttempts = 5, apiVersion = "3.0" }, body:format(code))
      local _, _, err = client:modify { imageId = "img-1" }
      assert.equal(1, #requests)
      assert.equal(code, err.code)
      assert.equal("m", err.serviceMessage)
      assert.equal("r-1", err.requestId)
    end
  end)

  it("survives a gateway that is down for a while", function()
    local page = { status = 502, body = "<html>Bad Gateway</html>", headers = { ["content-type"] = "text/html" } }
    local client, requests = calling({}, page, page, OK)
    assert(client:modify { imageId = "img-1" })
    assert.equal(3, #requests)
    client, requests = calling({}, { status = 404, body = "<html>" })
    local _, message, err = client:modify { imageId = "img-1" }
    assert.equal(1, #requests)
    assert.equal(404, err.httpStatus)
    assert.matches("404", message)
  end)

  it("never repeats CreateImage after an answer was lost", function()
    local create = { instanceId = "ins-1", imageName = "a" }
    local client, requests = calling({}, LOST, OK)
    local _, message, err = client:call("CreateImage", create)
    assert.equal(1, #requests)
    assert.equal("unknown", err.outcome)
    assert.matches("the change may have been made", message)
    client, requests = calling({}, REFUSED, '{"code":4400,"message":"slow"}', OK)
    assert(client:call("CreateImage", create))
    assert.equal(3, #requests)
    client, requests = calling({}, '{"code":6000,"message":"internal"}', OK)
    _, _, err = client:call("CreateImage", create)
    assert.equal(1, #requests)
    assert.equal("unknown", err.outcome)
  end)

  it("ends at its timeout, however many attempts are left", function()
    local client, requests = calling({ maxAttempts = 100 }, LOST)
    client.random = function()
      return 0.999
    end
    local _, _, err = client:modify({ imageId = "img-1" }, { timeout = 0.2 })
    assert.equal("unknown", err.outcome)
    assert.is_true(#requests < 10)
    assert.is_true(requests[1].seconds <= 0.2)
  end)

  it("does not triple the load of an outage", function()
    local client, requests = calling({}, LOST)
    client.retryBudget = 20
    for _ = 1, 10 do
      client:modify { imageId = "img-1" }
    end
    assert.equal(10 + 4, #requests)
  end)

  it("tells a hook of each attempt, without secrets", function()
    local records = {}
    local client = calling({
      onAttempt = function(record)
        records[#records + 1] = record
      end,
      token = "thetoken-thetoken",
    }, LOST, '{"code":5000,"message":"m","requestId":"r-1"}', '{"code":0,"imageSet":[]}')
    client:modify({ imageId = "img-1", imageName = "a" }, { region = "bj" })
    local first, second = records[1], records[2]
    assert.equal("POST", first.method)
    assert.equal("image.api.qcloud.com", first.host)
    assert.equal("ModifyImageAttributes", first.action)
    assert.equal("bj", first.region)
    assert.equal(1, first.attempt)
    assert.is_number(first.duration)
    assert.equal("unknown", first.outcome)
    assert.equal(2, second.attempt)
    assert.equal("rejected", second.outcome)
    assert.equal(5000, second.code)
    assert.equal("r-1", second.requestId)
    assert.equal("DescribeImages", records[3].action)
    for _, record in ipairs(records) do
      for _, value in pairs(record) do
        assert.is_nil(tostring(value):find "thetoken")
        assert.is_nil(tostring(value):find(stub.SECRET_KEY, 1, true))
      end
    end
  end)

  it("keeps secrets that the service echoes out of its error", function()
    local signature
    local client = stub.client {
      token = "thetoken+/thetoken==",
      transport = function(request)
        signature = stub.form(request.body).Signature
        return {
          status = 200,
          headers = {},
          body = require("cjson").encode {
            code = 4100,
            message = ("sent %s %s thetoken%%2B%%2Fthetoken%%3D%%3D %s"):format(
              signature,
              "thetoken+/thetoken==",
              stub.SECRET_KEY
            ),
          },
        }
      end,
    }
    local _, message, err = client:modify { imageId = "img-1" }
    for _, text in ipairs { message, err.serviceMessage, tostring(err) } do
      assert.matches("sent %*%*%* %*%*%* %*%*%* %*%*%*", text)
      assert.is_nil(text:find(signature, 1, true))
    end
  end)
end)

describe("after an attempt of unknown fate", function()
  local TAKEN = '{"code":4000,"message":"taken"}'

  local function seen(name, description)
    local one = '{"unImgId":"img-1","imageName":"%s","imageDescription":"%s","status":2}'
    return '{"code":0,"totalCount":1,"imageSet":[' .. one:format(name, description) .. "]}"
  end

  local function calling(...)
    local client, requests = stub.answering({ maxAttempts = 3, sleep = function() end }, ...)
    client.random = function()
      return 0
    end
    return client, requests
  end

  it("a refusal is checked against the image itself", function()
    local client, requests = calling(LOST, TAKEN, seen("a", "d"))
    local result, message = client:modify { imageId = "img-1", imageName = "a", imageDescription = "d" }
    assert.is_nil(message)
    assert.equal(0, result.code)
    assert.equal(2, #result.attempts)
    assert.equal("DescribeImages", stub.form(requests[3].body).Action)
    assert.equal("img-1", stub.form(requests[3].body)["imageIds.0"])
  end)

  it("values that are not there leave the fate unknown", function()
    local client = calling(LOST, TAKEN, seen("b", "d"))
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("unknown", err.outcome)
    assert.equal(4000, err.code)
    assert.matches("the change may have been made", message)
    -- as does a look that fails
    client = calling(LOST, TAKEN, '{"code":4101,"message":"no"}')
    _, _, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("unknown", err.outcome)
    assert.equal(4000, err.code)
  end)

  it("a blank name asks for nothing", function()
    local client = calling(LOST, TAKEN, seen("other", "d"))
    assert(client:modify { imageId = "img-1", imageName = "", imageDescription = "d" })
  end)

  it("not even bytes that never left make it certain", function()
    local client = calling(LOST, REFUSED, REFUSED, REFUSED)
    local _, _, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("unknown", err.outcome)
    assert.equal("connect", err.reason)
  end)
end)

describe("a refused clock", function()
  local SERVER = 1700000000
  local DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
  local EXPIRED = {
    headers = { date = DATE },
    body = '{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r"}}',
  }
  local REPLAY = { headers = { date = DATE }, body = '{"code":4500,"message":"m"}' }
  local OK3 = '{"Response":{"RequestId":"r"}}'

  local function calling(local_time, options, ...)
    local all = {
      maxAttempts = 3,
      clock = function()
        return local_time
      end,
    }
    for name, value in pairs(options) do
      all[name] = value
    end
    return stub.answering(all, ...)
  end

  it("is corrected by the service's Date, once, for all calls of the client", function()
    local client, requests = calling(SERVER + 900, { apiVersion = "3.0" }, EXPIRED, OK3)
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER + 900), requests[1].headers["X-TC-Timestamp"])
    assert.equal(tostring(SERVER), requests[2].headers["X-TC-Timestamp"])
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), requests[3].headers["X-TC-Timestamp"])
    client, requests = calling(SERVER - 900, {}, REPLAY, OK)
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), stub.form(requests[2].body).Timestamp)
    client, requests = calling(SERVER + 1, { apiVersion = "3.0" }, EXPIRED, OK3) -- at the edge of what the service accepts
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), requests[2].headers["X-TC-Timestamp"])
  end)

  it("is told with the offset, and not tried with the same clock again", function()
    local client, requests = calling(SERVER + 900, { apiVersion = "3.0" }, EXPIRED)
    local _, _, err = client:modify { imageId = "img-1" }
    assert.equal(2, #requests)
    assert.equal("clock", err.reason)
    assert.equal("rejected", err.outcome)
    client, requests = calling(SERVER + 900, { apiVersion = "3.0", maxAttempts = 1 }, EXPIRED)
    local _, message = client:modify { imageId = "img-1" }
    assert.matches("the signing clock is 900 s ahead of the service", message)
    assert.equal(1, #requests)
    client = calling(SERVER - 900, { apiVersion = "3.0", maxAttempts = 1 }, EXPIRED)
    _, message = client:modify { imageId = "img-1" }
    assert.matches("900 s behind the service", message)
    -- a clock that was right after all
    client, requests = calling(SERVER, { apiVersion = "3.0" }, EXPIRED)
    client:modify { imageId = "img-1" }
    assert.equal(1, #requests)
    -- no Date to learn from
    client, requests = calling(SERVER, { apiVersion = "3.0" }, { body = EXPIRED.body })
    client:modify { imageId = "img-1" }
    assert.equal(1, #requests)
  end)

  it("may have been a nonce in API 2.0: one more try, with another", function()
    local client, requests = calling(SERVER, {}, REPLAY)
    local _, _, err = client:modify { imageId = "img-1" }
    assert.equal(2, #requests)
    assert.not_equal(stub.form(requests[1].body).Nonce, stub.form(requests[2].body).Nonce)
    assert.equal(4500, err.code)
  end)
end)
