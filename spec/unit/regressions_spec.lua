--- Covers faults that were found by hunting for them, each by its own name.

local core = require "qcimage.core"
local image = require "qcimage"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'
local LOST = { fail = "lost", sent = true, reason = "closed" }

local function quick(options, ...)
  local all = { maxAttempts = 3, sleep = function() end }
  for name, value in pairs(options) do
    all[name] = value
  end
  return stub.answering(all, ...)
end

describe("a clock", function()
  local function expired(date)
    local body = '{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r"}}'
    return { headers = { date = date }, body = body }
  end

  it("is not set by a Date that no time is", function()
    for _, date in ipairs {
      "Mon, 01 Jan 0001 00:00:00 GMT",
      "Fri, 31 Dec 9999 23:59:59 GMT",
      "Mon, 99 Jan 2024 99:99:99 GMT",
    } do
      local client = quick({ apiVersion = "3.0" }, expired(date), '{"Response":{"RequestId":"r"}}')
      client:modify { imageId = "img-1", imageName = "a" }
      assert(client:modify { imageId = "img-1", imageName = "a" })
    end
  end)

  it("that is right makes a nonce seen before of unknown fate", function()
    local now = core.time()
    local replay =
      { headers = { date = os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(now)) }, body = '{"code":4500}' }
    local client, requests = quick({}, replay, OK)
    local _, message, err = client:call("CreateImage", { instanceId = "ins-1", imageName = "a" })
    assert.equal(1, #requests)
    assert.equal("unknown", err.outcome)
    assert.matches("already seen this nonce", message)
    client = quick({ maxAttempts = 1 }, replay, '{"code":0,"imageSet":[{"unImgId":"img-1","imageName":"a"}]}')
    assert(client:modify { imageId = "img-1", imageName = "a" })
  end)
end)

describe("a read-back", function()
  local OLD = '{"code":0,"totalCount":1,"imageSet":[{"unImgId":"img-1","imageName":"old","imageDescription":""}]}'
  local DENIED = '{"code":4101,"message":"no"}'

  it("compares with what was asked, not with what the caller's table says by then", function()
    local params = { imageId = "img-1", imageName = "new" }
    local client = quick({
      onAttempt = function()
        params.imageName = "old"
      end,
    }, LOST, DENIED, OLD)
    local _, _, err = client:modify(params)
    assert.equal("unknown", err.outcome)
    client = quick({}, LOST, DENIED, OLD)
    _, _, err = client:modify(setmetatable({ imageId = "img-1" }, { __index = { imageName = "new" } }))
    assert.equal("unknown", err.outcome)
  end)

  it("knows nothing by an image whose values were not to change", function()
    for _, name in ipairs { "", false } do
      local client = quick({}, LOST, DENIED, OLD)
      local _, _, err = client:modify { imageId = "img-1", imageName = name or nil }
      assert.equal("unknown", err.outcome)
    end
  end)

  it("does not add to an outage", function()
    local client, requests = quick({}, LOST, { fail = "refused", sent = false, reason = "connect" })
    client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(3, #requests)
  end)
end)

describe("a gateway", function()
  it("is not believed about what the service did", function()
    for _, body in ipairs { '{"code":5000,"message":"x"}', '{"code":4000}', '{"code":4400}', '{"code":502}' } do
      local client, requests = quick({}, { status = 504, body = body })
      local _, _, err = client:call("CreateImage", { instanceId = "ins-1", imageName = "a" })
      assert.equal("unknown", err.outcome)
      assert.equal(1, #requests)
      client, requests = quick({}, { status = 502, body = body }, OK)
      assert(client:describe())
      assert.equal(2, #requests)
    end
  end)

  it("that asks to slow down has passed nothing on", function()
    for _, body in ipairs { "<html>", '{"code":4400}' } do
      local client, requests = quick({}, { status = 429, body = body }, OK)
      client.random = function()
        return 0
      end
      assert(client:call("CreateImage", { instanceId = "ins-1", imageName = "a" }))
      assert.equal(2, #requests)
      local _, _, err = quick({ maxAttempts = 1 }, { status = 429, body = body }):modify { imageId = "img-1" }
      assert.equal("rejected", err.outcome)
    end
  end)

  it("cannot make a success of the old shape under API 3.0", function()
    local _, _, err = quick({ apiVersion = "3.0" }, '{"code":0,"msg":"please log in"}'):modify { imageId = "img-1" }
    assert.equal("unknown", err.outcome)
    assert.equal("format", err.reason)
  end)
end)

describe("a secret", function()
  it("that is cut for being too long a text leaves no part of itself", function()
    local token = ("t0k/en+"):rep(40) .. "=="
    local padded = ("x"):rep(100) .. token
    for _, answer in ipairs {
      { status = 502, body = padded },
      padded,
      { fail = ("x"):rep(450) .. token, reason = "closed" },
      { status = 200, headers = { ["content-encoding"] = token }, body = "" },
      '{"code":4100,"message":"' .. ("x"):rep(150) .. token:gsub("/", "\\/") .. '"}',
      { status = 502, body = ("x"):rep(80) .. token:gsub("/", "%%2f"):gsub("+", "%%2b") },
      '{"code":"' .. token .. '","codeDesc":"' .. token .. '","requestId":"' .. token .. '"}',
    } do
      local records = {}
      local client = quick({
        token = token,
        maxAttempts = 1,
        onAttempt = function(record)
          records[#records + 1] = tostring(record.code) .. tostring(record.requestId)
        end,
      }, answer)
      local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
      for _, seen in ipairs { message, err.serviceMessage or "", tostring(err.code), err.codeDesc or "", records[1] } do
        assert.is_nil(seen:find("t0k", 1, true), seen)
      end
    end
  end)

  it("given in place of a table is not shown", function()
    local ok, message = pcall(function()
      local _ = image.new "thesecretkey"
    end)
    assert.is_false(ok)
    assert.is_nil(message:find "thesecret")
  end)
end)

describe("a request too large for the signer", function()
  it("is a parameter's fault, returned", function()
    local many = {}
    for i = 1, 1100 do
      many[i] = "i" .. i
    end
    local client, requests = quick({}, OK)
    for _, call in ipairs {
      { "ModifyImageAttributes", { imageId = ("x"):rep(5e6) } },
      { "ModifyImageAttributes", { imageId = ("x"):rep(2e6) } },
      { "DescribeInstanceImageInfo", { uInstanceIds = many } },
    } do
      local _, message, err = client:call(call[1], call[2])
      assert.equal("parameter", err.kind, message)
      assert.is_true(#message < 300)
    end
    assert.equal(0, #requests)
    client = quick({ apiVersion = "3.0" }, OK)
    local _, _, err = client:modify { imageId = ("x"):rep(11e6) }
    assert.equal("parameter", err.kind)
    for _, number in ipairs { 0 / 0, 1 / 0 } do
      err = select(3, stub.client():call("X", { A = number }, { raw = true }))
      assert.equal("parameter", err.kind)
    end
  end)
end)

describe("a transport of anybody's", function()
  it("may give headers that are lists, numbers or nonsense", function()
    local headers = { date = { "x", "y" }, ["retry-after"] = 5, ["content-encoding"] = true, [1] = {} }
    assert(quick({}, { headers = headers, body = OK }):modify { imageId = "img-1" })
    local _, _, err = quick({ maxAttempts = 1 }, { headers = headers, body = '{"code":4400}' }):modify { imageId = "i" }
    assert.equal("throttled", err.reason)
    for _, status in ipairs { 0 / 0, 1 / 0, -1, 200.5 } do
      err = select(3, quick({ maxAttempts = 1 }, { status = status, body = OK }):modify { imageId = "i" })
      assert.equal("unknown", err.outcome)
    end
  end)

  it("is not asked when no time is left", function()
    local client, requests = stub.answering({
      nonce = function()
        core.sleep(0.02)
        return "1"
      end,
    }, OK)
    local _, _, err = client:modify({ imageId = "i" }, { timeout = 0.01 })
    assert.equal("notSent", err.outcome)
    assert.equal("timeout", err.reason)
    assert.equal(0, #requests)
  end)
end)

describe("each", function()
  it("does not end early when a page is missing", function()
    local full = {}
    for i = 1, 100 do
      full[i] = '{"unImgId":"img-' .. i .. '"}'
    end
    local first = '{"code":0,"totalCount":250,"imageSet":[' .. table.concat(full, ",") .. "]}"
    for _, second in ipairs { '{"code":0,"totalCount":250,"imageSet":[]}', '{"code":0,"totalCount":250}' } do
      local client = quick({}, first, second)
      local ok, message = pcall(function()
        for _ in client:each() do -- luacheck: ignore
        end
      end)
      assert.is_false(ok)
      assert.matches("totalCount is 250, but the page at offset 95 is empty", message)
    end
  end)
end)

describe("close", function()
  it("in a hook ends the call with an error, not with a throw", function()
    local client
    client = quick({
      onAttempt = function()
        client:close()
      end,
    }, LOST, OK)
    client.random = function()
      return 0
    end
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.matches("the client is closed", message)
    assert.equal("unknown", err.outcome)
  end)
end)

describe("a success", function()
  it("is one value", function()
    local client = quick({}, OK)
    assert.equal(1, select("#", client:modify { imageId = "img-1" }))
    assert.equal(1, select("#", client:sign("ModifyImageAttributes", { imageId = "img-1" })))
    assert.equal(1, select("#", client:each()))
  end)
end)

describe("a region with a line break", function()
  it("is told by the variable's name", function()
    local output = process.lua(
      [[
        local image = require "qcimage"
        local request, message, err = image.sign("ModifyImageAttributes", { imageId = "i" })
        print(request, err.kind, err.field, message)
      ]],
      "TENCENTCLOUD_SECRET_ID=AKIDxxxx TENCENTCLOUD_SECRET_KEY=key TENCENTCLOUD_REGION='gz\r\nX-Evil: 1'"
    )
    assert.matches(
      "^nil\tparameter\tTENCENTCLOUD_REGION\tModifyImageAttributes: TENCENTCLOUD_REGION contains control",
      output
    )
  end)
end)
