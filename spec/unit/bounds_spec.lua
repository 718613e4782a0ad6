--- Boundaries, each just within and just beyond: where a limit is said to be, there it is.
--- Covers util/limits.lua.

local emulators = require "spec.support.emulator"
local errors = require "qcimage.util.errors"
local guard = require "qcimage.emulator.replay_guard"
local httpdate = require "qcimage.util.http_date"
local image = require "qcimage"
local json = require "qcimage.util.json"
local limits = require "qcimage.util.limits"
local retry = require "qcimage.call.retry"
local stub = require "spec.support.stub"
local text = require "qcimage.util.text"

local OK = '{"code":0,"message":""}'
local NOW = 1700000000

-- A date as HTTP has it, seconds after NOW (less than 1,600).
local function date(seconds)
  local clock = 13 * 60 + 20 + seconds
  return ("Tue, 14 Nov 2023 22:%02d:%02d GMT"):format(math.floor(clock / 60), clock % 60)
end

describe("a retry", function()
  local LATER = errors.new { kind = "service", retry = "later", outcome = "rejected" }

  local function decided(changes)
    local state = {
      attempt = 1,
      maxAttempts = 3,
      left = 10,
      repeatable = true,
      retryBudget = retry.BUDGET,
      random = 0,
    }
    for name, value in pairs(changes) do
      state[name] = value
    end
    return retry.decide(state.err or LATER, state)
  end

  it("is made while the wait ends before the call's time does", function()
    assert.equal(2, (decided { retryAfter = 2, left = 2.001 }))
    assert.is_nil((decided { retryAfter = 2, left = 2 }))
    assert.is_nil((decided { retryAfter = 2, left = 1.999 }))
  end)

  it("is made while attempts are left", function()
    assert.equal(0, (decided { attempt = 2 }))
    assert.is_nil((decided { attempt = 3 }))
  end)

  it("waits a part of 0.25, 0.5, … 8 seconds, after a throttle of 1, 2, … 8", function()
    local again = errors.new { kind = "service", retry = "again", outcome = "unknown" }
    local function wait(attempt, err)
      return (decided { attempt = attempt, maxAttempts = 99, random = 0.5, err = err })
    end
    for attempt, most in ipairs { 0.25, 0.5, 1, 2, 4, 8, 8 } do
      assert.equal(most / 2, wait(attempt, again))
    end
    for attempt, most in ipairs { 1, 2, 4, 8, 8 } do
      assert.equal(most / 2, wait(attempt, LATER))
    end
  end)

  it("is paid from a store of 500: 5, or 10 after a timeout", function()
    local timeout = errors.new { kind = "network", reason = "timeout", outcome = "unknown" }
    assert.equal(500, retry.BUDGET)
    assert.equal(5, select(2, decided { retryBudget = 5 }))
    assert.is_nil((decided { retryBudget = 4 }))
    assert.equal(10, select(2, decided { retryBudget = 10, err = timeout }))
    assert.is_nil((decided { retryBudget = 9, err = timeout }))
    assert.equal(499, retry.refill(498))
    assert.equal(500, retry.refill(500))
    assert.equal(500, retry.refill(495, 10))
    assert.equal(25, retry.refill(15, 10))
  end)

  it("is asked for by Retry-After with up to nine digits, more are forever", function()
    assert.equal(999999999, httpdate.retryAfter("999999999", NOW))
    assert.equal(math.huge, httpdate.retryAfter("1000000000", NOW))
    assert.equal(60, httpdate.retryAfter(date(60), NOW))
    assert.equal(0, httpdate.retryAfter(date(0), NOW + 1))
  end)
end)

describe("a clock", function()
  -- What becomes of a refused nonce when the service's clock is off by some seconds.
  local function refused(off)
    local client, requests = stub.answering({
      maxAttempts = 2,
      clock = function()
        return NOW
      end,
      sleep = function() end,
    }, { body = '{"code":4500,"message":"replay"}', headers = { date = date(off) } }, OK)
    local _, message, err = client:call("CreateImage", { instanceId = "ins-1", imageName = "a" })
    return err and err.outcome or "success", #requests, message
  end

  it("that is less than 240 s off is right, and so the already seen this nonce", function()
    local outcome, requests = refused(239)
    assert.equal("unknown", outcome)
    assert.equal(1, requests)
  end)

  it("that is 240 s off is set, and the call made again", function()
    local outcome, requests = refused(240)
    assert.equal("success", outcome)
    assert.equal(2, requests)
  end)

  it("may tell a time up to the year 5138", function()
    local function at(time)
      local client = stub.client {
        clock = function()
          return time
        end,
      }
      return client:sign("DescribeImages")
    end
    assert.is_truthy(at(0))
    assert.is_truthy(at(1e11))
    for _, time in ipairs { 1e11 + 1, -1, 0 / 0, "1" } do
      local _, message, err = at(time)
      assert.equal("clock", err.field, message)
    end
  end)
end)

describe("a request", function()
  -- Signs it with a name of so many bytes. Returns its size, and the message where it was refused.
  local function sized(options, bytes, nonce)
    local client = stub.client {
      apiVersion = options.apiVersion,
      method = options.method,
      skipRules = true,
      clock = function()
        return NOW
      end,
      nonce = function()
        return nonce or "1234567890"
      end,
    }
    local action = options.apiVersion == "3.0" and "ModifyImageAttribute" or "ModifyImageAttributes"
    local request, message = client:sign(action, { imageId = "img-12345678", imageName = ("a"):rep(bytes) })
    if request then
      return #(request.body or request.url:match "%?(.*)$")
    end
    return tonumber(message:match "the request has (%d+) bytes; a %u+ may have"), message
  end

  it("may have as many bytes as its method and version allow, and not one more", function()
    for _, case in ipairs {
      { { method = "GET" }, 32768 },
      { {}, 1048576 },
      { { apiVersion = "3.0" }, 10485760 },
    } do
      local options, most = case[1], case[2]
      local nonce, base = 1000000000, sized(options, 1)
      local function isRefused(wanted)
        local bytes = wanted - base + 1
        while true do -- the escapes of a signature vary
          nonce = nonce + 1
          local size, message = sized(options, bytes, tostring(nonce))
          if size == wanted then
            return message ~= nil
          end
          bytes = bytes + wanted - size
        end
      end
      assert.is_false(isRefused(most))
      assert.is_true(isRefused(most + 1))
    end
  end)

  it("may have 4 MiB of parameters before it is measured", function()
    local _, message = sized({}, limits.formBytes - #"imageIdimg-12345678imageName")
    assert.matches("a POST may have 1048576", message)
    _, message = sized({}, limits.formBytes - #"imageIdimg-12345678imageName" + 1)
    assert.matches("4194305 bytes of parameters; it may have 4194304", message, 1, true)
  end)

  it("may have 1000 parameters", function()
    local function with(count)
      local ids = {}
      for i = 1, count do
        ids[i] = "i"
      end
      return stub.client({}):sign("DeleteImages", { imageIds = ids })
    end
    assert.is_truthy(with(1000))
    assert.matches("1001 parameters; it may have 1000", select(2, with(1001)))
  end)
end)

describe("an option", function()
  local function takes(options)
    return (pcall(image.new, options))
  end

  it("has its range", function()
    for name, range in pairs {
      timeout = { 0, 1e-3, 86400, 86400.5 },
      attemptTimeout = { 0, 1e-3, 86400, 86400.5 },
      connectTimeout = { 0, 1e-3, 86400, 86400.5 },
      maxAttempts = { 0, 1, 100, 101 },
      maxResponseBytes = { 0, 1, 2147483647, 2147483648 },
      poolSize = { 0, 1, 1000, 1001 },
      poolIdle = { 0, 1e-3, 59.9, 60 },
    } do
      assert.is_false(takes { [name] = range[1] }, name)
      assert.is_true(takes { [name] = range[2] }, name)
      assert.is_true(takes { [name] = range[3] }, name)
      assert.is_false(takes { [name] = range[4] }, name)
    end
    for _, name in ipairs { "maxAttempts", "maxResponseBytes", "poolSize" } do
      assert.is_false(takes { [name] = 1.5 }, name)
    end
  end)

  it("of a bulk change has its range, too", function()
    for rate, isTaken in pairs { [0.009] = false, [0.01] = true, [1000] = true, [1000.1] = false } do
      local client = stub.client { apiVersion = "3.0" }
      assert.equal(isTaken, (pcall(client.apply, client, {}, { rate = rate })), rate)
    end
  end)

  it("of a loop has its range, too", function()
    for concurrency, isTaken in pairs { [0] = false, [1] = true, [64] = true, [65] = false, [1.5] = false } do
      assert.equal(isTaken, (pcall(image.parallel, {}, print, { concurrency = concurrency })), concurrency)
    end
  end)

  it("has its words", function()
    for name, words in pairs {
      language = { "zh-CN", "en-US" },
      apiVersion = { "2.0", "3.0" },
    } do
      for _, word in ipairs(words) do
        assert.is_true(takes { [name] = word, apiVersion = name == "apiVersion" and word or "3.0" }, word)
      end
    end
    for _, word in ipairs { "en", "zh", "en-us", "EN-US" } do
      assert.is_false(takes { language = word, apiVersion = "3.0" }, word)
    end
    for _, word in ipairs { "GET", "POST" } do
      assert.is_true(takes { method = word }, word)
    end
    for _, word in ipairs { "HmacSHA256", "HmacSHA1" } do
      assert.is_true(takes { signatureMethod = word }, word)
    end
  end)
end)

describe("credentials", function()
  it("may have 1024 bytes of id and key and 4096 of token", function()
    local function signs(field, bytes)
      local all = { secretId = "AKIDx", secretKey = "keykey", token = "token" }
      all[field] = ("x"):rep(bytes)
      all.region = "gz"
      return image.new(all):sign("DescribeImages")
    end
    for field, most in pairs { secretId = 1024, secretKey = 1024, token = 4096 } do
      assert.is_truthy(signs(field, most), field)
      local _, message, err = signs(field, most + 1)
      assert.equal("credentials", err.kind)
      assert.matches("too long", message)
    end
  end)
end)

describe("a transport's failure", function()
  it("has a sentence that says what happened and with whom", function()
    for reason, pattern in pairs {
      dns = "find the address of H",
      connect = "cannot connect to H",
      tls = "TLS with H",
      timeout = "H did not respond in time",
      closed = "connection to H was closed before the response was complete",
      proxy = "the proxy did not connect to H",
      tooLarge = "the response of H is too large",
      format = "the response of H is not valid HTTP",
    } do
      assert.matches(pattern, errors.TRANSPORT[reason]:format "H")
    end
  end)
end)

describe("the emulator", function()
  local emulator, v3

  local function answered(code, action, body)
    local answer = v3(action, body)
    assert.equal(code, answer.Error and answer.Error.Code, action)
    return answer
  end

  before_each(function()
    local _
    emulator, _, v3 = emulators.new {
      images = {
        { imageId = "img-12345678", imageName = "in-use", imageState = "USING" },
        { imageId = "img-12345679", imageName = "quiet" },
      },
    }
  end)

  it("lets an image in use be renamed, and not deleted", function()
    answered(nil, "ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "new" })
    answered("InvalidImageId.IncorrectState", "DeleteImages", { ImageIds = { "img-12345678" } })
  end)

  it("takes families of 63 characters", function()
    local ID = "img-12345679"
    answered(nil, "ModifyImageAttribute", { ImageId = ID, ImageFamily = ("f"):rep(63) })
    answered(
      "InvalidParameterValue.InvalidImageFamily",
      "ModifyImageAttribute",
      { ImageId = ID, ImageFamily = ("f"):rep(64) }
    )
  end)

  it("tells each kind of fault from what it leaves behind", function()
    local ID = "img-12345679"
    local function renamed(name)
      local response = select(2, v3("ModifyImageAttribute", { ImageId = ID, ImageName = name }))
      for _, one in ipairs(emulator:images()) do
        if one.imageId == ID then
          return one.imageName == name, response
        end
      end
    end
    local applied, response
    for kind, expected in pairs {
      dropBefore = { false, drop = true },
      dropAfter = { true, drop = true },
      errorBefore = { false, code = "InternalError" },
      errorAfter = { true, code = "InternalError" },
      throttle = { false, code = "RequestLimitExceeded" },
    } do
      emulator:fault { kind = kind }
      applied, response = renamed(kind)
      assert.equal(expected[1], applied, kind)
      assert.equal(expected.drop, response.body == nil or nil, kind)
      if expected.code then
        assert.matches('"' .. expected.code, response.body, 1, true)
      end
      assert.is_true((renamed "as usual")) -- it was for one request
    end
    emulator:fault { kind = "status", status = 503, body = '{"busy":true}', count = 2 }
    for _ = 1, 2 do
      applied, response = renamed "no"
      assert.is_false(applied)
      assert.equal(503, response.status)
      assert.equal('{"busy":true}', response.body)
    end
    emulator:fault { kind = "delay", delay = 1.5 }
    applied, response = renamed "late"
    assert.is_true(applied)
    assert.equal(1.5, response.delay)
  end)
end)

describe("the emulator remembers", function()
  it("250,000 nonces of a window at most, the latest of them", function()
    assert.equal(250000, guard.MAX_NONCES)
    finally(function()
      guard.MAX_NONCES = 250000
    end)
    guard.MAX_NONCES = 3
    local seen = guard.new()
    for nonce = 1, 9 do
      assert.is_true(seen:takeNonce("id", ("n%d"):format(nonce), 3000, 3000))
    end
    assert.is_false(seen:takeNonce("id", "n4", 3000, 3000))
    assert.is_true(seen:takeNonce("id", "n3", 3000, 3000))
  end)

  it("1,000 temporary keys, those of a later state document, too", function()
    local emulator = emulators.new()
    local issued = {}
    local function issue(count)
      for _ = 1, count do
        issued[#issued + 1] = emulator.accounts:issue({ accountId = "1", arn = "a" }, 0, 60).secretId
      end
    end
    issue(1000)
    emulator:setState { accounts = emulator:state().accounts }
    assert.truthy(emulator.accounts:find(issued[1]))
    issue(2)
    for i, secretId in ipairs(issued) do
      assert.equal(i > 2, emulator.accounts:find(secretId) ~= nil, i)
    end
  end)
end)

describe("JSON", function()
  it("may nest 64 levels, either way", function()
    local function nested(levels)
      return ("["):rep(levels) .. ("]"):rep(levels)
    end
    assert.is_table(json.decode(nested(64)))
    assert.is_nil(json.decode(nested(65)))
    local function lists(levels)
      return levels == 0 and {} or { lists(levels - 1) }
    end
    assert.is_string(json.encode(lists(63)))
    assert.is_nil(json.encode(lists(64)))
  end)
end)

describe("a whole number in JSON", function()
  it("has up to 14 digits, wherever it stands", function()
    for _, number in ipairs { 99999999999999, -99999999999999, 0, 1e13 + 1 } do
      assert.is_string(json.encode { { n = number } })
    end
    for _, number in ipairs { 1e14, -1e14, 2 ^ 53 } do
      assert.is_nil(json.encode { { n = number } })
      assert.is_nil(json.encode { number })
    end
    assert.is_string(json.encode { 1e14 + 0.5 })
    local function within(levels, value)
      return levels == 0 and value or { within(levels - 1, value) }
    end
    assert.is_string(json.encode(within(64, 1)))
    assert.is_nil(json.encode(within(64, 1e14)))
  end)
end)

describe("a function that remembers names", function()
  it("remembers 1000 of up to 64 bytes", function()
    local asked = 0
    local longer = text.memoize(function(name)
      asked = asked + 1
      return name .. "!"
    end)
    local function askedFor(name)
      local before = asked
      assert.equal(name .. "!", longer(name))
      return asked - before
    end
    local long = ("x"):rep(64)
    assert.equal(1, askedFor(long))
    assert.equal(0, askedFor(long))
    for _ = 1, 2 do
      assert.equal(1, askedFor(long .. "x"))
    end
    for i = 2, 1000 do
      assert.equal(1, askedFor("name" .. i))
    end
    for _ = 1, 2 do
      assert.equal(1, askedFor "one more")
    end
    assert.equal(0, askedFor "name1000")
  end)

  it("remembers that something is not so, too", function()
    local asked = 0
    local is = text.memoize(function()
      asked = asked + 1
      return false
    end)
    assert.is_false(is "name")
    assert.is_false(is "name")
    assert.equal(1, asked)
  end)
end)

describe("what a message shows", function()
  it("is cut at 200 bytes, or at its limit, never in a character", function()
    assert.equal(("a"):rep(200), text.oneLine(("a"):rep(200)))
    assert.equal(("a"):rep(200) .. "...", text.oneLine(("a"):rep(201)))
    assert.equal("a...", text.oneLine("a中", 1))
    assert.equal("a...", text.oneLine("a中", 2))
    assert.equal("a...", text.oneLine("a中", 3))
    assert.equal("a中", text.oneLine("a中", 4))
    assert.equal("a b c?", text.oneLine "a \t\r\n b\nc\27")
    assert.equal("??", text.oneLine "\255\254")
    assert.equal('"' .. ("a"):rep(40) .. '..."', text.quote(("a"):rep(41)))
  end)

  it("names the nearest of the known names, up to a third of its letters away", function()
    local known = { imageName = 1, imageState = 1, region = 1 }
    for name, nearest in pairs {
      image_name = "imageName",
      ImageName = "imageName",
      imageNam = "imageName",
      imageNames = "imageName",
      imgName = "imageName",
      regoin = "region",
      ["re-gi on"] = "region",
    } do
      assert.equal(nearest, text.closest(name, known), name)
    end
    for _, name in ipairs { "", "xyz", "regxxx", ("region"):rep(11), 5 } do
      assert.is_nil(text.closest(name, known))
    end
    assert.equal(", did you mean region?", text.didYouMean("regi", known))
    assert.equal(": there are imageName, imageState, region", text.didYouMean("reg", known))
  end)
end)
