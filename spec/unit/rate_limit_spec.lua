--- A call and its client's limiter: when it is asked, what becomes of its answers, and that nothing is lost by it.

local calls = require "qcimage.call.execute"
local cloud = require "spec.support.cloud"
local credentials = require "qcimage.credentials"
local image = require "qcimage"
local limiters = require "qcimage.limiter"
local service = require "qcimage.emulator"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'
local LIST = '{"Response":{"TotalCount":0,"ImageSet":[],"RequestId":"r"}}'
local THROTTLED = '{"code":4400,"message":"too many"}'
local LOST = { fail = "lost", sent = true, reason = "closed" }
local RENAME = { imageId = "img-12345678", imageName = "a" }

-- A client whose limiter and sleep note what they are asked.
local function noting(options, ...)
  local notes = {}
  local all = {
    maxAttempts = 3,
    sleep = function(seconds)
      notes[#notes + 1] = { "sleep", seconds }
    end,
    limiter = {
      acquire = function(_, ...)
        notes[#notes + 1] = { "acquire", ... }
        return 0
      end,
      throttled = function(_, ...)
        notes[#notes + 1] = { "throttled", ... }
      end,
    },
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local client, requests = stub.answering(all, ...)
  client.random = function()
    return 0
  end
  return client, notes, requests
end

local function names(notes)
  local list = {}
  for i, note in ipairs(notes) do
    list[i] = note[1]
  end
  return table.concat(list, " ")
end

describe("the limiter of a client", function()
  it("is asked before each attempt, with action, region, time and version", function()
    finally(stub.clock().restore)
    local client, notes = noting({ timeout = 10 }, LOST, THROTTLED, OK)
    assert(client:modify(RENAME))
    assert.equal("acquire sleep acquire throttled sleep acquire", names(notes))
    assert.same({ "acquire", "ModifyImageAttributes", "gz" }, { notes[1][1], notes[1][2], notes[1][3] })
    assert.equal(9, notes[1][4]) -- a second is left for the attempt
    assert.equal("2.0", notes[1][5])
    assert.same({ "throttled", "ModifyImageAttributes", "gz", nil, "2.0" }, notes[4])
  end)

  it("is asked for pages, read-backs and polls", function()
    local page = '{"code":0,"message":"","totalCount":3,"imageSet":[{"imageId":"img-%d"}]}'
    local client, notes = noting(nil, page:format(1), page:format(2), page:format(3))
    for _ in client:each { limit = 1 } do
    end
    assert.equal("acquire acquire acquire", names(notes))
    assert.equal("DescribeImages", notes[3][2])

    local is =
      '{"code":0,"message":"","totalCount":1,"imageSet":[{"imageId":"img-12345678","imageName":"a","imageState":%q}]}'
    client, notes = noting({ maxAttempts = 2 }, LOST, '{"code":4000,"message":"taken"}', is:format "NORMAL")
    assert(client:modify(RENAME))
    assert.equal("acquire sleep acquire acquire", names(notes))
    assert.equal("DescribeImages", notes[4][2])

    client, notes = noting(nil, is:format "CREATING", is:format "NORMAL")
    assert(client:wait({ imageIds = { "img-12345678" } }, { waitTimeout = 60 }))
    assert.equal("acquire sleep acquire", names(notes))
  end)

  it("comes first, then its wait, credentials, clock, and the request", function()
    local order = {}
    local function step(name, result)
      return function()
        order[#order + 1] = name
        return result
      end
    end
    local client = image.new {
      region = "gz",
      limiter = step("limiter", 0.5),
      sleep = step "sleep",
      credentials = step("credentials", { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }),
      clock = step("clock", 1700000000),
      nonce = step("nonce", 1),
      transport = step("transport", { status = 200, headers = {}, body = OK }),
    }
    assert(client:modify(RENAME))
    assert.equal("limiter sleep credentials clock nonce transport", table.concat(order, " "))
    order = {}
    assert(client:sign("ModifyImageAttributes", RENAME))
    assert.equal("credentials clock nonce", table.concat(order, " "))
  end)

  it("has the credentials asked for once, where they come before it: its region is theirs or the instance's", function()
    local asked, notes = 0, {}
    local client = image.new {
      apiVersion = "3.0",
      transport = service.transport { metadata = true, instanceRegion = "ap-shanghai" },
      metadata = "http://metadata.test",
      credentials = function()
        asked = asked + 1
        return { secretId = service.SECRET_ID, secretKey = service.SECRET_KEY }
      end,
      limiter = function(_, region)
        notes[#notes + 1] = region
        return 0
      end,
    }
    assert(client:describe())
    assert.same({ 1, { "ap-shanghai" } }, { asked, notes })
  end)

  it("gives calls of STS places of their own, and each call those of its region", function()
    local transport, emulator = service.transport { metadata = true, instanceRegion = "ap-shanghai" }
    emulator:fault { kind = "throttle", action = "AssumeRole", count = 1 }
    local notes = {}
    local client = image.new {
      apiVersion = "3.0",
      transport = transport,
      metadata = "http://metadata.test",
      credentials = credentials.assumeRole {
        roleArn = cloud.ARN,
        credentials = credentials.cvm { address = "http://metadata.test" },
      },
      sleep = function() end,
      limiter = {
        acquire = function(_, action, region, _, version)
          notes[#notes + 1] = { action, region, version }
          return 0
        end,
        throttled = function(_, action, region)
          notes[#notes + 1] = { "throttled " .. action, region }
        end,
      },
    }
    assert(client:describe())
    assert.same({
      { "AssumeRole", "ap-guangzhou", "3.0" },
      { "throttled AssumeRole", "ap-guangzhou" },
      { "AssumeRole", "ap-guangzhou", "3.0" },
      { "DescribeImages", "ap-shanghai", "3.0" },
    }, notes)
  end)

  it("may be a function; its wait is waited", function()
    finally(stub.clock().restore)
    local client, notes, requests = noting({
      limiter = function(action, region, seconds, version)
        assert.same({ "ModifyImageAttributes", "gz", "2.0" }, { action, region, version })
        assert.equal(29, seconds)
        return 1.25
      end,
    }, THROTTLED, OK)
    assert(client:modify(RENAME))
    assert.same({ { "sleep", 1.25 }, { "sleep", 0 }, { "sleep", 1.25 } }, notes)
    assert.equal(2, #requests)
  end)

  it("leaves half of a short time to the attempt", function()
    finally(stub.clock().restore)
    local client, notes = noting({ timeout = 0.5 }, OK)
    assert(client:modify(RENAME))
    assert.equal(0.25, notes[1][4])
  end)

  it("refuses: nothing was sent", function()
    for _, answer in ipairs { { nil, "all taken" }, { nil }, { 29.5 }, { math.huge } } do
      local client, _, requests = noting({
        limiter = function()
          return answer[1], answer[2]
        end,
      }, OK)
      local result, message, err = client:modify(RENAME)
      assert.is_nil(result)
      assert.equal("service", err.kind)
      assert.equal("throttled", err.reason)
      assert.equal("notSent", err.outcome)
      assert.matches("^ModifyImageAttributes: rejected by the rate limiter: .+; nothing was sent$", message)
      assert.equal(0, #err.attempts)
      assert.equal(0, #requests)
    end
  end)

  it("refuses a later attempt: the fate is that of those before", function()
    for outcome, first in pairs { unknown = LOST, rejected = THROTTLED, notSent = { fail = "no", sent = false } } do
      local asked = 0
      local client = noting({
        limiter = function()
          asked = asked + 1
          return asked == 1 and 0 or nil, "all taken"
        end,
      }, first, OK)
      local result, _, err = client:modify(RENAME)
      assert.is_nil(result)
      assert.equal("throttled", err.reason)
      assert.equal(outcome, err.outcome)
      assert.equal(1, #err.attempts)
    end
  end)

  it("throws, or gives what is no wait: an error, nothing thrown", function()
    local function throw()
      error({}, 0)
    end
    for _, case in ipairs {
      { throw, "^ModifyImageAttributes: option limiter threw: table" },
      { { acquire = throw }, "^ModifyImageAttributes: option limiter threw: table" },
      {
        function()
          return "1"
        end,
        'returned "1"; expected seconds, or nil and a message',
      },
      {
        function()
          return -1
        end,
        "returned %-1; expected seconds",
      },
      {
        function()
          return 0 / 0
        end,
        "returned %-?nan; expected seconds",
      },
      {
        function()
          return false
        end,
        "returned false; expected seconds",
      },
    } do
      local client, _, requests = noting({ limiter = case[1] }, OK)
      local result, message, err = client:modify(RENAME)
      assert.is_nil(result)
      assert.matches(case[2], message)
      assert.equal("parameter", err.kind)
      assert.equal("limiter", err.field)
      assert.equal("notSent", err.outcome)
      assert.equal(0, #requests)
    end
  end)

  it("hears of throttles; what it throws there is kept aside", function()
    local heard = {}
    local limiter = {
      acquire = function()
        return 0
      end,
      throttled = function(_, ...)
        heard[#heard + 1] = { ... }
        error "no ear"
      end,
    }
    local throttled = { status = 429, headers = { ["retry-after"] = "7" }, body = "slow down" }
    local client = noting({ limiter = limiter, maxAttempts = 2, apiVersion = "3.0" }, throttled, LIST)
    local result = assert(client:describe())
    assert.matches("^the limiter's throttled threw: .*no ear$", result.hookError)
    assert.same({ { "DescribeImages", "ap-guangzhou", 7, "3.0" } }, heard)
    client = noting({ limiter = limiter, maxAttempts = 1 }, { status = 503, headers = {}, body = "" })
    client:describe()
    client = noting({ limiter = limiter, maxAttempts = 1 }, '{"code":4100,"message":"signature"}')
    client:describe()
    assert.equal(1, #heard)
  end)

  it("may yield on every Lua", function()
    local client = noting({
      limiter = function()
        return coroutine.yield "place"
      end,
    }, OK)
    local thread = coroutine.create(function()
      return client:modify(RENAME)
    end)
    local _, asked = coroutine.resume(thread)
    assert.equal("place", asked)
    local ok, result = coroutine.resume(thread, 0)
    assert.is_true(ok)
    assert.equal(0, result.code)
  end)

  it("waits for nothing where the wait fails", function()
    local client, _, requests = noting({
      limiter = function()
        return 1
      end,
      sleep = function()
        error "no bed"
      end,
    }, OK)
    local result, message, err = client:modify(RENAME)
    assert.is_nil(result)
    assert.matches("cannot wait for the rate limiter: option sleep threw: .*no bed; nothing was sent$", message)
    assert.equal("unsupported", err.kind)
    assert.equal("notSent", err.outcome)
    assert.equal(0, #requests)
  end)

  it("need not use up a call's time, where the call says so", function()
    local clock = stub.clock()
    finally(clock.restore)
    local client, _, requests = noting({
      timeout = 0.25,
      sleep = clock.sleep,
      limiter = function(_, _, seconds)
        assert.equal(60, seconds)
        return 0.5
      end,
    }, OK)
    assert(calls.run(client, "ModifyImageAttributes", RENAME, { limiterWaitIsExtra = true }))
    assert.equal(0.225, requests[1].seconds) -- a tenth is kept for reading the image back
  end)

  it("is a table with acquire, or a function", function()
    for _, value in ipairs { true, 1, "memory", {}, { acquire = true } } do
      assert.has_error(function()
        image.new { limiter = value }
      end, "option limiter must be a limiter: a function, or a table with a function acquire")
    end
  end)

  it("holds calls to the rate, and those who cannot wait take no place", function()
    local limiter = limiters.memory {
      rate = 1,
      clock = function()
        return 1000
      end,
    }
    local client, notes, requests = noting({ limiter = limiter }, OK)
    for _ = 1, 3 do
      assert(client:modify(RENAME))
    end
    for _ = 1, 20 do
      local _, message, err = client:modify(RENAME, { timeout = 2 })
      assert.equal("throttled", err.reason)
      assert.matches(
        "rejected by the rate limiter: no slot within %S+ s %(next slot in 3 s%); nothing was sent$",
        message
      )
    end
    assert(client:modify(RENAME))
    assert.same({ { "sleep", 1 }, { "sleep", 2 }, { "sleep", 3 } }, notes)
    assert.equal(4, #requests)
  end)
end)
