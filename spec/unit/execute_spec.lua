--- What a call does when its answers leave something open: tokens that ended, clocks, times to wait, answers that
--- were all lost. Covers execute.lua, clock.lua, util/http_date.lua.
--- Covers call/prepare.lua and call/context.lua, too.

local httpdate = require "qcimage.util.http_date"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'
local OK3 = '{"Response":{"RequestId":"r"}}'
local LOST = { fail = "lost", sent = true, reason = "closed" }
local SEEN = '{"code":0,"totalCount":1,"requestId":"look","imageSet":[{"unImgId":"img-1","imageName":"a"}]}'

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

-- Credentials with a token that is another one at each call, until the last.
local function provider(...)
  local tokens, asked = { ... }, 0
  return function()
    asked = asked + 1
    return {
      secretId = stub.SECRET_ID,
      secretKey = stub.SECRET_KEY,
      token = tokens[math.min(asked, #tokens)],
    }
  end, function()
    return asked
  end
end

local function refusal(code)
  return ('{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r"}}'):format(code)
end

describe("a credentials function", function()
  it("is asked before each attempt", function()
    local source = provider("token-1", "token-2", "token-3")
    local client, requests = calling({ credentials = source }, '{"code":4400,"message":"slow"}', LOST, OK)
    assert(client:modify { imageId = "img-1", imageName = "a" })
    for i = 1, 3 do
      assert.equal("token-" .. i, stub.form(requests[i].body).Token)
    end
  end)

  it("is asked again after a refused token, and used once when it gives another", function()
    for _, code in ipairs {
      "AuthFailure.TokenFailure",
      "UnauthorizedOperation.InvalidToken",
      "InvalidRequest.TokenCheckFailed",
    } do
      local source, asked = provider("token-old", "token-new")
      local client, requests = calling({ apiVersion = "3.0", credentials = source }, refusal(code), OK3)
      assert(client:call("CreateImage", { instanceId = "i", imageName = "a" }))
      assert.equal("token-new", requests[2].headers["X-TC-Token"])
      assert.equal(2, asked())
      -- others, which are refused, too
      client, requests = calling({ apiVersion = "3.0", credentials = provider("1", "2", "3") }, refusal(code))
      local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
      assert.equal(2, #requests)
      assert.same({ "signature", "rejected" }, { err.reason, err.outcome })
      assert.is_nil(message:find "token%-")
      -- the same ones again
      client, requests = calling({ apiVersion = "3.0", credentials = provider "token-old" }, refusal(code))
      client:modify { imageId = "img-1", imageName = "a" }
      assert.equal(1, #requests)
      -- none to ask
      client, requests = calling({ apiVersion = "3.0", token = "token-old" }, refusal(code))
      client:modify { imageId = "img-1", imageName = "a" }
      assert.equal(1, #requests)
    end
    local client, requests = calling({ credentials = provider("token-old", "token-new") }, '{"code":4105}', OK)
    assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.equal("token-new", stub.form(requests[2].body).Token)
  end)

  it("that gives none at a later attempt leaves the fate as it was", function()
    for answer, outcome in pairs { [LOST] = "unknown", ['{"code":4400}'] = "rejected" } do
      local asked = 0
      local client = calling({
        credentials = function()
          asked = asked + 1
          if asked > 1 then
            return nil, "the file is gone"
          end
          return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
        end,
      }, answer)
      local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
      assert.same({ "credentials", outcome }, { err.kind, err.outcome })
      assert.matches("the file is gone", message)
      assert.equal(1, #err.attempts)
    end
  end)
end)

describe("a modify whose answers were all lost", function()
  it("is settled by a look at the image, where it was to be tried again", function()
    local client, requests = calling({}, LOST, LOST, LOST, SEEN)
    local result = assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.equal(4, #requests)
    assert.equal(3, #result.attempts)
    assert.is_true(result.attempts[3].readBack)
    assert.is_nil(result.requestId) -- no answer to the change ever came
    client = calling({}, LOST, LOST, LOST, (SEEN:gsub('"a"', '"b"')))
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("unknown", err.outcome)
    assert.matches("the change may have been made", message)
  end)

  it("keeps the request id of the change, not of the look", function()
    local client = calling({}, LOST, '{"code":4000,"message":"m","requestId":"change-2"}', SEEN)
    local result = assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.equal("change-2", result.requestId)
    assert.is_true(result.attempts[2].readBack)
    assert.equal("change-2", result.attempts[2].requestId)
  end)

  local REFUSED = '{"code":4000,"message":"m","requestId":"change-2"}'

  it("is read back however it ends in doubt", function()
    for name, case in pairs {
      ["one attempt"] = { { maxAttempts = 1 }, LOST },
      ["a gateway's page"] = { {}, { status = 200, body = "<html>" } },
      ["no body"] = { {}, { body = "" } },
      ["an operation that failed"] = { {}, '{"code":5100,"message":"m"}' },
      ["a refusal after a loss"] = { {}, LOST, REFUSED },
      ["no credentials after a loss"] = {
        {
          credentials = (function()
            local asked = 0
            return function()
              asked = asked + 1
              if asked == 2 then
                return nil, "the file is gone"
              end
              return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
            end
          end)(),
        },
        LOST,
      },
      ["a limiter that refuses after a loss"] = {
        {
          limiter = function(action)
            local wait = action == "DescribeImages" and 0 or nil
            return wait, "not again"
          end,
          maxAttempts = 1,
        },
        LOST,
      },
      ["no wait after a loss"] = {
        {
          sleep = function()
            error "no sleep here"
          end,
        },
        LOST,
      },
    } do
      local answers = { (unpack or table.unpack)(case, 2) } -- luacheck: ignore
      if case[1].limiter then -- it lets the change pass once
        local limiter, asked = case[1].limiter, 0
        case[1].maxAttempts = 2
        case[1].limiter = function(action)
          asked = asked + 1
          if asked == 1 then
            return 0
          end
          return limiter(action)
        end
      end
      answers[#answers + 1] = SEEN
      local client, requests = calling(case[1], (unpack or table.unpack)(answers)) -- luacheck: ignore
      local result, message = client:modify { imageId = "img-1", imageName = "a" }
      assert(result, name .. ": " .. tostring(message))
      assert.is_true(result.attempts[#result.attempts].readBack, name)
      assert.equal("DescribeImages", stub.form(requests[#requests].body).Action)
    end
  end)

  it("stays unknown where the image has other values, and where readBack is false", function()
    local client, requests = calling({ maxAttempts = 1 }, LOST, (SEEN:gsub('"a"', '"b"')))
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.same({ 2, "unknown" }, { #requests, err.outcome })
    assert.matches("the change may have been made", message)
    client, requests = calling({}, LOST, LOST, LOST, SEEN)
    _, _, err = client:modify({ imageId = "img-1", imageName = "a" }, { readBack = false })
    assert.same({ 3, "unknown" }, { #requests, err.outcome })
  end)

  it("has a second of the call's time for that, at most a tenth of it", function()
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
      client:modify { imageId = "img-1", imageName = "a" }
      assert.is_true(math.abs(timeout - kept - seconds[1]) < 0.02, timeout)
      assert.equal(2, #seconds)
      seconds = {}
      client:modify({ imageId = "img-1", imageName = "a" }, { readBack = false })
      client:call("CreateImage", { instanceId = "i", imageName = "a" })
      client:describe()
      assert.equal(3, #seconds)
      for i = 1, 3 do
        assert.is_true(timeout - seconds[i] < 0.02, timeout)
      end
    end
  end)

  it("is read back where the attempts took all the time that they had", function()
    local core = require "qcimage.core"
    local client = stub.client {
      timeout = 2,
      transport = function(request, seconds)
        if stub.form(request.body).Action == "DescribeImages" then
          return { status = 200, headers = {}, body = SEEN }
        end
        core.sleep(seconds)
        return nil, "no answer", { reason = "timeout" }
      end,
    }
    local began = core.monotonic()
    assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.is_true(core.monotonic() - began < 2.1)
  end)

  it("is not looked at when nothing reaches the service, when no time is left, or in an outage", function()
    local client, requests = calling({}, LOST, { fail = "refused", sent = false, reason = "connect" })
    local _, _, err = client:modify { imageId = "img-1", imageName = "a" }
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
    client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(3, #late)
    client, requests = calling({}, LOST, LOST, LOST, SEEN)
    client.retryBudget = 10
    _, _, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.same({ 3, "unknown" }, { #requests, err.outcome })
  end)

  it("gives back what its look took from the store of retries, where that was answered", function()
    local client = calling({ maxAttempts = 1 }, LOST, SEEN)
    client.retryBudget = 20
    assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.is_true(client.retryBudget >= 20)
    client = calling({ maxAttempts = 1 }, LOST)
    client.retryBudget = 20
    client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(15, client.retryBudget)
  end)
end)

describe("a Retry-After beyond the time left", function()
  it("is told", function()
    local client, requests = calling({ timeout = 5 }, {
      status = 429,
      headers = { ["retry-after"] = "120" },
      body = "",
    })
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(1, #requests)
    assert.equal(120, err.retryAfter)
    assert.matches("the service asks to wait 120 s, but only %d%.?%d* s remain; nothing was changed", message)
  end)
end)

describe("an empty store of retries", function()
  it("is told", function()
    local client = calling({}, LOST)
    client.retryBudget = 0
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.matches("not retried: the client's retry budget is exhausted", message)
    assert.equal(1, #err.attempts)
    client = calling({ maxAttempts = 1 }, LOST)
    client.retryBudget = 0
    _, message = client:modify { imageId = "img-1", imageName = "a" }
    assert.is_nil(message:find "store")
  end)
end)

describe("408", function()
  it("is tried again where that does no harm", function()
    for _, body in ipairs { "", "<html>", '{"code":4000,"message":"m"}' } do
      local client, requests = calling({}, { status = 408, body = body }, OK)
      assert(client:modify { imageId = "img-1", imageName = "a" })
      assert.equal(2, #requests)
      client, requests = calling({}, { status = 408, body = body }, OK)
      local _, _, err = client:call("CreateImage", { instanceId = "i", imageName = "a" })
      assert.same({ 1, "unknown" }, { #requests, err.outcome })
    end
  end)
end)

describe("an HTTP date", function()
  it("is read in each of its forms", function()
    local TIME = 1700000000
    for _, date in ipairs {
      "Tue, 14 Nov 2023 22:13:20 GMT",
      "Tuesday, 14-Nov-23 22:13:20 GMT",
      "Tue Nov 14 22:13:20 2023",
    } do
      assert.equal(TIME, httpdate.parse(date, TIME))
    end
    assert.equal(784111777, httpdate.parse("Sun Nov  6 08:49:37 1994", TIME))
    assert.equal(784111777, httpdate.parse("Sunday, 06-Nov-94 08:49:37 GMT", TIME))
    assert.equal(951782400, httpdate.parse "Tue, 29 Feb 2000 00:00:00 GMT")
    for _, wrong in ipairs { "", "now", "Tue, 14 Nov 2023 22:13:20", "14-Nov-23", "Tue, 14 Nix 2023 22:13:20 GMT" } do
      assert.is_nil(httpdate.parse(wrong, TIME))
    end
  end)

  it("in Retry-After counts from the answer's Date, or from our clock", function()
    for form, headers in pairs {
      seconds = { ["retry-after"] = "7" },
      dates = { ["retry-after"] = "Tue, 14 Nov 2023 22:13:27 GMT", date = "Tuesday, 14-Nov-23 22:13:20 GMT" },
      ourClock = { ["retry-after"] = "Tue Nov 14 22:13:27 2023" },
    } do
      local slept
      local client = calling({
        clock = function()
          return form == "ourClock" and 1700000000 or 1700005000
        end,
        sleep = function(seconds)
          slept = seconds
        end,
      }, { status = 429, headers = headers, body = "" }, OK)
      assert(client:modify { imageId = "img-1" })
      assert.is_true(math.abs(slept - 7) < 3, form)
      local _, _, err = stub.answering({}, { status = 429, headers = headers, body = "" }):modify { imageId = "img-1" }
      assert.is_number(err.retryAfter, form)
    end
  end)
end)

describe("a refused clock", function()
  local DATE = "Tue, 14 Nov 2023 22:13:20 GMT"

  it("is told with its offset in the last message, too", function()
    local client, requests = calling({
      apiVersion = "3.0",
      clock = function()
        return 1700000900
      end,
    }, { headers = { date = DATE }, body = refusal "AuthFailure.SignatureExpire" })
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(2, #requests)
    assert.equal("clock", err.reason)
    assert.matches("the clock is 900 s ahead of the service %(already corrected for%)", message)
  end)

  it("without a Date may be a nonce as well as the clock", function()
    for _, headers in ipairs { {}, { date = DATE } } do
      local client, requests = calling({
        clock = function()
          return 1700000000
        end,
      }, { headers = headers, body = '{"code":4500,"message":"m"}' })
      local _, message, err = client:call("CreateImage", { instanceId = "i", imageName = "a" })
      assert.equal(1, #requests)
      assert.equal("unknown", err.outcome)
      assert.matches("the service has already seen this nonce", message)
      local says = message:find("or the clock is wrong (the response has no Date)", 1, true) ~= nil
      assert.equal(not headers.date, says)
    end
  end)
end)

describe("without random bytes", function()
  it("API 3.0 needs no nonce, and API 2.0 is unsupported", function()
    local core = require "qcimage.core"
    local drawn = core.nonce
    core.nonce = function()
      return nil, "libcrypto has no random bytes"
    end
    local client3, client2 = calling({ apiVersion = "3.0" }, refusal "InternalError", OK3), calling({}, OK)
    core.nonce = drawn
    assert(client3:modify { imageId = "img-1" })
    local _, message, err = client2:modify { imageId = "img-1" }
    assert.same({ "unsupported", "notSent" }, { err.kind, err.outcome })
    assert.matches("no random bytes", message)
  end)
end)

describe("a call of STS, which belongs to no region", function()
  local REFUSAL = '{"Response":{"Error":{"Code":"ResourceNotFound.RoleNotFound","Message":"no"},"RequestId":"r"}}'
  local CALLS = {
    AssumeRoleWithWebIdentity = {
      providerId = "p",
      webIdentityToken = "a-token-of-the-pod",
      roleArn = "qcs::cam::uin/100000000001:roleName/x",
      roleSessionName = "abc",
    },
    GetCallerIdentity = {},
  }
  for action, params in pairs(CALLS) do
    it("needs none, and fails as any call does: " .. action, function()
      local transport, requests = stub.transport(REFUSAL)
      local client = require("qcimage").new {
        secretId = stub.SECRET_ID,
        secretKey = stub.SECRET_KEY,
        apiVersion = "3.0",
        metadata = false,
        transport = transport,
      }
      local result, message, err = client:call(action, params)
      assert.is_nil(result)
      assert.matches("(in ap-guangzhou)", message, 1, true)
      assert.equal("notFound", err.reason)
      assert.equal(1, #requests)
      assert.equal("ap-guangzhou", requests[1].headers["X-TC-Region"])
    end)
  end
end)
