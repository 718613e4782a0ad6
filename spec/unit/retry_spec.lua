--- Attempts and what comes between them: covers call/retry.lua, execute.lua, read_back.lua and clock.lua.
--- Covers call/prepare.lua, call/context.lua and util/backoff.lua, too. Which answers are tried again, and how long is waited,
--- stands in spec/fixtures/sessions/client_calls.txt, and at its edges in bounds_spec.

local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'
local LOST = { fail = "lost", sent = true, reason = "closed" }
local SEEN = '{"code":0,"totalCount":1,"requestId":"look","imageSet":[{"unImgId":"img-1","imageName":"a"}]}'
local RENAME = { imageId = "img-1", imageName = "a" }

local function calling(options, ...)
  local all = { maxAttempts = 3, sleep = function() end }
  for name, value in pairs(options) do
    all[name] = value
  end
  local client, requests = stub.answering(all, ...)
  client.random = function()
    return 0
  end
  return client, requests
end

describe("the wait before another attempt", function()
  it("is any of its range, so that clients that failed together do not come back together", function()
    local least, most = math.huge, 0
    for _ = 1, 40 do
      local client = stub.answering({
        maxAttempts = 2,
        sleep = function(seconds)
          least, most = math.min(least, seconds), math.max(most, seconds)
        end,
      }, '{"code":4400}', OK)
      assert(client:modify(RENAME))
    end
    assert.is_true(most - least > 0.1, ("%g to %g s"):format(least, most))
  end)
end)

describe("a modify whose answers were all lost", function()
  it("has a second of the call's time for a look at the image, at most a tenth of it", function()
    for timeout, kept in pairs { [30] = 1, [5] = 0.5, [0.5] = 0.05 } do
      local seconds = {}
      local client = stub.client {
        timeout = timeout,
        attemptTimeout = 60,
        transport = function(_, left)
          seconds[#seconds + 1] = left
          return nil, "lost", { reason = "closed" }
        end,
      }
      client:modify(RENAME)
      assert.is_true(math.abs(timeout - kept - seconds[1]) < 0.02, timeout)
      assert.equal(2, #seconds)
      seconds = {}
      client:modify(RENAME, { readBack = false })
      client:call("CreateImage", { instanceId = "i", imageName = "a" })
      client:describe()
      assert.equal(3, #seconds)
      for i = 1, 3 do
        assert.is_true(timeout - seconds[i] < 0.02, timeout)
      end
    end
  end)

  it("is read back where the attempts took all the time that they had", function()
    local clock = stub.clock()
    finally(clock.restore)
    local client = stub.client {
      timeout = 2,
      transport = function(request, seconds)
        if stub.form(request.body).Action == "DescribeImages" then
          return { status = 200, headers = {}, body = SEEN }
        end
        clock.sleep(seconds)
        return nil, "no answer", { reason = "timeout" }
      end,
    }
    assert(client:modify(RENAME))
    assert.equal(1001.8, clock.now)
  end)

  it("is not looked at when nothing reaches the service, when no time is left, or in an outage", function()
    local client, requests = calling({}, LOST, { fail = "refused", sent = false, reason = "connect" })
    local _, _, err = client:modify(RENAME)
    assert.same({ 3, "unknown" }, { #requests, err.outcome })
    local late = {}
    client = stub.client {
      maxAttempts = 3,
      sleep = function() end,
      timeout = 0.2,
      transport = function(_, seconds)
        late[#late + 1] = true
        require("qcimage.core").sleep(#late == 3 and seconds + 0.03 or 0)
        return nil, "lost", { reason = "closed" }
      end,
    }
    client.random = function()
      return 0
    end
    client:modify(RENAME)
    assert.equal(3, #late)
    client, requests = calling({}, LOST, LOST, LOST, SEEN)
    client.retryBudget = 10
    _, _, err = client:modify(RENAME)
    assert.same({ 3, "unknown" }, { #requests, err.outcome })
  end)
end)

describe("an outage", function()
  it("does not get three times its load: retries end with the client's budget, which is told", function()
    local client, requests = calling({}, LOST)
    client.retryBudget = 20
    local message
    for _ = 1, 10 do
      message = select(2, client:modify { imageId = "img-1" })
    end
    assert.equal(10 + 4, #requests)
    assert.matches("not retried: the client's retry budget is exhausted", message)
  end)
end)

describe("a refused clock", function()
  local SERVER = 1700000000
  local DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
  local EXPIRED = {
    headers = { date = DATE },
    body = '{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r"}}',
  }
  local REPLAY = { headers = { Date = DATE }, body = '{"code":4500,"message":"m"}' }
  local OK3 = '{"Response":{"RequestId":"r"}}'

  local function calledAt(now, options, ...)
    function options.clock()
      return now
    end
    return calling(options, ...)
  end

  it("is corrected by the service's Date, once, for all calls of the client", function()
    local client, requests = calledAt(SERVER + 900, { apiVersion = "3.0" }, EXPIRED, OK3)
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER + 900), requests[1].headers["X-TC-Timestamp"])
    assert.equal(tostring(SERVER), requests[2].headers["X-TC-Timestamp"])
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), requests[3].headers["X-TC-Timestamp"])
    client, requests = calledAt(SERVER - 900, {}, REPLAY, OK)
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), stub.form(requests[2].body).Timestamp)
    client, requests = calledAt(SERVER + 1, { apiVersion = "3.0" }, EXPIRED, OK3) -- at the edge of what the service accepts
    assert(client:modify { imageId = "img-1" })
    assert.equal(tostring(SERVER), requests[2].headers["X-TC-Timestamp"])
  end)
end)

describe("without random bytes", function()
  it("API 3.0 needs no nonce, and API 2.0 is unsupported", function()
    local core = require "qcimage.core"
    local drawn = core.nonce
    core.nonce = function()
      return nil, "libcrypto has no random bytes"
    end
    local answers = { { fail = "no", sent = false, reason = "dns" }, '{"Response":{"RequestId":"r"}}' }
    local client3, client2 = calling({ apiVersion = "3.0" }, answers[1], answers[2]), calling({}, OK)
    core.nonce = drawn
    assert.equal(2, #assert(client3:modify { imageId = "img-1" }).attempts)
    local _, message, err = client2:modify { imageId = "img-1" }
    assert.same({ "unsupported", "notSent" }, { err.kind, err.outcome })
    assert.matches("no random bytes", message)
  end)
end)
