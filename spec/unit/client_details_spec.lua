--- Details of calls that other specs touch in passing, each just within and just beyond.

local codes = require "qcimage.api.error_codes"
local emulators = require "spec.support.emulator"
local endpoints = require "qcimage.api.endpoints"
local environment = require "qcimage.util.environment"
local http1 = require "qcimage.transport.http1"
local retry = require "qcimage.call.retry"
local stub = require "spec.support.stub"
local text = require "qcimage.util.text"

local OK = '{"code":0,"message":""}'

describe("raw parameters of API 2.0", function()
  local function sign(params)
    return stub.client({}):sign("DescribeImages", params, { raw = true })
  end

  it("are named for what cannot travel", function()
    for _, value in ipairs { 0 / 0, math.huge, -math.huge } do
      local _, message, err = sign { Size = value }
      assert.equal("Size", err.field)
      assert.matches("Size is not a finite number", message)
    end
    local _, message, err = sign { Size = print }
    assert.equal("Size", err.field)
    assert.matches("Size cannot be a function", message)
  end)

  it("cannot be those that the client sets", function()
    for _, name in ipairs {
      "Action",
      "Region",
      "Timestamp",
      "Nonce",
      "SecretId",
      "SignatureMethod",
      "Token",
      "Signature",
    } do
      local _, message, err = sign { [name] = "x" }
      assert.equal(name, err.field)
      assert.matches("is a public parameter", message)
    end
    assert.is_truthy(sign { Version = "x" })
  end)

  it("may nest 16 levels", function()
    local function nested(levels)
      return levels == 0 and "x" or { a = nested(levels - 1) }
    end
    assert.is_truthy(sign { n = nested(16) })
    local _, message = sign { n = nested(17) }
    assert.matches("is nested too deeply", message)
    assert.matches("&list%.0%.a=1&list%.1%.a=2$", assert(sign { list = { { a = 1 }, { a = 2 } } }).stringToSign)
  end)

  it("travel as numbers are written", function()
    for value, written in pairs {
      [7] = "7",
      [-1] = "-1",
      [0.5] = "0.5",
      [2 ^ 40] = "1099511627776",
      [1e15] = "1000000000000000",
    } do
      assert.is_truthy(assert(sign { N = value }).stringToSign:find("&N=" .. written .. "&", 1, true), written)
    end
  end)
end)

describe("the items of a list", function()
  it("are texts that are not empty", function()
    local client = stub.answering({ apiVersion = "3.0" }, '{"Response":{"RequestId":"r"}}')
    for _, item in ipairs { "", 5, {}, true } do
      for _, case in ipairs {
        { "imageIds", { imageIds = { item }, destinationRegions = { "bj" } } },
        { "destinationRegions", { imageIds = { "img-1" }, destinationRegions = { "gz", item } } },
      } do
        local _, message, err = client:call("SyncImages", case[2])
        assert.equal(case[1], err and err.field, message)
      end
    end
    assert(client:call("SyncImages", { imageIds = { "img-1" }, destinationRegions = { "gz", "bj" } }))
  end)
end)

describe("an endpoint", function()
  it("has a port from 1 to 65535", function()
    for port, expected in pairs { ["1"] = 1, ["65535"] = 65535, ["0443"] = 443, ["00001"] = 1 } do
      assert.equal(expected, tonumber(endpoints.parse("https://x.test:" .. port).port))
    end
    for _, port in ipairs { "0", "65536", "99999", "000000", "-1", "x", "1.0" } do
      local endpoint, problem = endpoints.parse("https://x.test:" .. port)
      assert.is_nil(endpoint, port)
      assert.matches("port", problem)
    end
  end)
end)

describe("a status", function()
  local function failed(status, body, options)
    local all = { sleep = function() end }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    local client, requests = stub.answering(all, { status = status, body = body })
    local _, _, err = client:call("CreateImage", { instanceId = "ins-1", imageName = "a" })
    return err, #requests
  end

  it("429 says by itself that nothing was done, whatever code comes with it", function()
    for _, body in ipairs { '{"code":4000}', '{"code":6000}', '{"code":5100}', "<html>" } do
      local err, count = failed(429, body, { maxAttempts = 2 })
      assert.equal("rejected", err.outcome, body)
      assert.equal(2, count, body)
    end
    assert.equal("throttled", failed(429, '{"code":4000}').reason)
  end)

  it("408, 500 and above leave open what was done, whatever code comes with it", function()
    for _, status in ipairs { 408, 500, 502, 599 } do
      for _, body in ipairs { '{"code":4000}', '{"code":4400}', "<html>" } do
        local err, count = failed(status, body, { maxAttempts = 2 })
        assert.equal("unknown", err.outcome, body)
        assert.equal(1, count, body)
      end
    end
  end)

  it("of another kind leaves the code its meaning", function()
    for _, status in ipairs { 200, 400, 407, 409, 428, 430, 499 } do
      assert.equal("rejected", failed(status, '{"code":4000}').outcome, status)
      assert.is_nil(failed(status, '{"code":4000}').reason, status)
    end
  end)
end)

describe("the answer of a transport of the caller's", function()
  it("has a status of three digits and a body", function()
    for status, isOne in pairs { [99] = false, [100] = true, [999] = true, [1000] = false, [200.5] = false } do
      local _, _, err = stub.answering({}, { status = status, body = "x" }):modify { imageId = "img-1" }
      assert.equal("response", err.kind)
      assert.equal(isOne and "status" or "format", err.reason, status)
    end
  end)
end)

describe("a code", function()
  it("may come as digits in a text, of up to 15", function()
    local function code(written)
      local _, _, err = stub.answering({}, '{"code":"' .. written .. '"}'):modify { imageId = "img-1" }
      return err.code
    end
    assert.equal(4000, code "4000")
    assert.equal(-1, code "-1")
    assert.equal(123456789012345, code "123456789012345")
    assert.equal("1234567890123456", code "1234567890123456")
    assert.equal("busy", (codes.meaning "InternalError.ResourceInUse"))
    assert.equal("again", select(3, codes.meaning "InternalError.ResourceInUse"))
  end)
end)

describe("a read-back", function()
  it("after lost answers is paid from the store of retries, to its last", function()
    for tokens, looks in pairs { [retry.READ_BACK_COST] = true, [retry.READ_BACK_COST - 1] = false } do
      local client, requests
      client, requests = stub.answering({
        maxAttempts = 2,
        sleep = function() end,
        onAttempt = function()
          client.retryBudget = #requests == 2 and tokens or client.retryBudget
        end,
      }, { fail = "lost", reason = "closed" })
      local _, _, err = client:modify { imageId = "img-1", imageName = "a" }
      assert.equal("unknown", err.outcome)
      assert.equal(looks, #requests == 3, tokens)
    end
  end)
end)

describe("an answer's head", function()
  local function fed(bytes)
    local reader = http1.reader(1024)
    local done, problem, reason = reader:feed(bytes)
    return done, reason, problem
  end

  it("may have 64 KiB and 256 lines", function()
    local begins, ends = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", "\r\n\r\n"
    local room = 65536 - #begins - #ends
    assert.is_true((fed(begins .. ("x"):rep(room) .. ends)))
    assert.equal("tooLarge", select(2, fed(begins .. ("x"):rep(room + 1) .. ends)))
    local function lines(count) -- with the first, the length, and the empty one
      return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" .. ("X: y\r\n"):rep(count - 3) .. "\r\n"
    end
    assert.is_true((fed(lines(256))))
    assert.equal("tooLarge", select(2, fed(lines(257))))
  end)

  it("of 204, 304 and interim answers has no body behind it", function()
    for _, status in ipairs { "204", "304" } do
      assert.is_true((fed("HTTP/1.1 " .. status .. " X\r\nContent-Length: 5\r\n\r\n")))
    end
    for _, status in ipairs { "205", "305", "303", "203" } do
      assert.is_false((fed("HTTP/1.1 " .. status .. " X\r\nContent-Length: 5\r\n\r\n")))
      assert.is_true((fed("HTTP/1.1 " .. status .. " X\r\nContent-Length: 5\r\n\r\n12345")))
    end
    for _, status in ipairs { "100", "102", "199" } do
      assert.is_true((fed("HTTP/1.1 " .. status .. " X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
    end
    for _, status in ipairs { "099", "101" } do
      assert.equal("format", select(2, fed("HTTP/1.1 " .. status .. " X\r\n\r\n")))
    end
  end)
end)

describe("a name that is misspelt", function()
  it("is one letter away where it is short", function()
    assert.equal("limit", text.closest("lomit", { limit = 1 }))
    assert.equal("limit", text.closest("limt", { limit = 1 }))
    assert.equal("limit", text.closest("limiit", { limit = 1 }))
    assert.is_nil(text.closest("lomiit", { limiter = 1 }))
    assert.is_nil(text.closest("xxxit", { limit = 1 }))
  end)
end)

describe("credentials", function()
  it("show the ends of an id of more than 12 bytes, and nothing else", function()
    local keys = require "qcimage.credentials.provider"
    local function shown(id)
      return tostring(keys.validate { secretId = id, secretKey = "secretkey", token = "sectoken" })
    end
    assert.equal("qcimage.Credentials (AKID...cdef)", shown "AKID6789abcdef")
    assert.equal("qcimage.Credentials (AKID...9abc)", shown "AKID456789abc")
    assert.equal("qcimage.Credentials (...)", shown "AKID6789abcd")
  end)

  it("with the token under another name say so", function()
    for _, name in ipairs { "sessionToken", "securityToken", "session_token", "security_token" } do
      local client = stub.answering({
        credentials = function()
          return { secretId = "AKIDx", secretKey = "keykey", [name] = "t" }
        end,
      }, OK)
      local _, message, err = client:modify { imageId = "img-1" }
      assert.equal("credentials", err.kind)
      assert.is_truthy(message:find("token is not given, but " .. name .. " is", 1, true), message)
    end
  end)

  it("end at a time of this epoch, told as a number, digits, or ISO 8601", function()
    local expiry = require "qcimage.credentials.expiration"
    for _, case in ipairs {
      { 1700000000, 1700000000 },
      { 1700000000, "1700000000" },
      { 99999999999, "99999999999" },
      { nil, "999999999999" },
      { 1, 1 },
      { nil, 0 },
      { nil, -1 },
      { nil, 1e11 },
      { 1e11 - 1, 1e11 - 1 },
      { nil, "1.5" },
      { 1700000000, nil, "2023-11-14T22:13:20Z" },
      { 951868799, nil, "2000-02-29T23:59:59Z" },
      { 5, 5, "2023-11-14T22:13:20Z" },
      { nil, nil, "2023-13-14T22:13:20Z" },
      { nil, nil, "2023-00-14T22:13:20Z" },
      { nil, nil, "2023-11-14T22:13:20+08:00" },
    } do
      assert.equal(case[1], expiry.parse(case[2], case[3]), tostring(case[2] or case[3]))
    end
    for month = 1, 12 do
      local written = ("2023-%02d-15T00:00:00Z"):format(month)
      assert.equal(written, expiry.format(expiry.parse(nil, written)))
    end
  end)
end)

describe("the environment", function()
  it("is asked for these variables alone", function()
    local asked, getenv = {}, os.getenv
    rawset(os, "getenv", function(name)
      asked[name] = true
      return name
    end)
    local ok, snapshot = pcall(environment.snapshot)
    rawset(os, "getenv", getenv)
    assert.is_true(ok, snapshot)
    local names = "ALL_PROXY CURL_CA_BUNDLE HOME HTTPS_PROXY NO_PROXY QCIMAGE_API_VERSION QCIMAGE_ENDPOINT "
      .. "QCIMAGE_METADATA QCIMAGE_STS_ENDPOINT SSL_CERT_DIR SSL_CERT_FILE TCCLI_PROFILE TENCENTCLOUD_CREDENTIALS_FILE "
      .. "TENCENTCLOUD_REGION "
      .. "TENCENTCLOUD_ROLE_ARN TENCENTCLOUD_ROLE_SESSION_NAME TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY "
      .. "TENCENTCLOUD_SECURITY_TOKEN TENCENTCLOUD_SESSION_TOKEN TENCENTCLOUD_TOKEN TKE_PROVIDER_ID TKE_REGION "
      .. "TKE_ROLE_ARN TKE_WEB_IDENTITY_TOKEN_FILE all_proxy http_proxy https_proxy no_proxy"
    assert.equal(names, table.concat(text.keys(asked), " "))
    assert.equal(names, table.concat(text.keys(snapshot), " "))
  end)
end)

describe("what carries requests in plain Lua", function()
  it("is given the limits, or what the options say", function()
    local given
    local before = package.loaded["qcimage.transport.curl"]
    package.loaded["qcimage.transport.curl"] = {
      new = function(settings)
        given = settings
        return function()
          return { status = 200, headers = {}, body = OK }
        end, function() end
      end,
    }
    local function settings(options)
      assert(stub.client(options):modify { imageId = "img-1" })
      return given
    end
    local ok, problem = pcall(function()
      local own = settings {}
      assert.same(
        { 5, 4194304, 30, 30, true },
        { own.connectTimeout, own.maxResponseBytes, own.poolIdle, own.poolSize, own.verify }
      )
      assert.is_nil(own.caFile)
      assert.is_nil(own.proxy)
      own = settings {
        connectTimeout = 1,
        maxResponseBytes = 2,
        poolIdle = 3,
        poolSize = 4,
        caFile = "/ca.pem",
        proxy = "http://127.0.0.1:1",
      }
      assert.same(
        { 1, 2, 3, 4, "/ca.pem", "http://127.0.0.1:1" },
        { own.connectTimeout, own.maxResponseBytes, own.poolIdle, own.poolSize, own.caFile, own.proxy }
      )
    end)
    package.loaded["qcimage.transport.curl"] = before
    assert.is_true(ok, problem)
  end)
end)

describe("the emulator as a transport", function()
  it("waits as long as a fault says, and not longer than there is time", function()
    local slept = {}
    local transport, service = require("qcimage.emulator").transport {
      sleep = function(seconds)
        slept[#slept + 1] = seconds
      end,
    }
    local function modify(fault, timeout)
      slept = {}
      if fault then
        service:fault(fault)
      end
      local client = stub.client { transport = transport, attemptTimeout = timeout }
      local _, _, err = client:modify({ imageId = "img-12345678", imageDescription = "d" }, { readBack = false })
      return err and err.reason or "success", slept[1], #slept
    end
    assert.same({ "success", nil, 0 }, { modify(nil, 5) })
    assert.same({ "success", 0.5, 1 }, { modify({ kind = "delay", delay = 0.5 }, 5) })
    assert.same({ "success", 4.5, 1 }, { modify({ kind = "delay", delay = 4.5 }, 5) })
    assert.same({ "timeout", 5, 1 }, { modify({ kind = "delay", delay = 5 }, 5) })
    assert.same({ "closed", 0.5, 1 }, { modify({ kind = "dropAfter", delay = 0.5 }, 5) })
    local reason, seconds = modify({ kind = "trickle", pause = 0.01 }, 5)
    assert.equal("success", reason)
    assert.is_true(seconds > 0.1 and seconds < 5, seconds)
  end)
end)

describe("images at the emulator", function()
  it("that are deleted together are told apart", function()
    local function deleted(...)
      local _, v2 = emulators.new {
        images = { { imageId = "img-12345678" }, { imageId = "img-12345679", imageState = "CREATING" } },
      }
      local params = {}
      for i, id in ipairs { ... } do
        params["imageIds." .. i - 1] = id
      end
      local answer = v2("DeleteImages", params)
      return answer.code, answer.message
    end
    assert.same({ 0, "" }, { deleted "img-12345678" })
    assert.same({ 5100, "no image was deleted" }, { deleted("img-12345679", "img-nothere1") })
    assert.same({ 5400, "some images were not deleted" }, { deleted("img-12345678", "img-12345679") })
  end)

  it("are exported disk by disk, or their system disk alone", function()
    local function paths(params)
      local _, _, v3 = emulators.new {
        images = { { imageId = "img-12345678", snapshotIds = { "snap-a", "snap-b" } } },
      }
      params.BucketName, params.ImageIds = "b", { "img-12345678" }
      return v3("ExportImages", params).CosPaths
    end
    local system, data = "/img-12345678_system_snap-a.", "/img-12345678_data_snap-b."
    assert.same({ system .. "raw", data .. "raw" }, paths {})
    assert.same({ system .. "raw" }, paths { OnlyExportRootDisk = true })
    assert.same({ system .. "vmdk", data .. "vmdk" }, paths { ExportFormat = "VMDK", OnlyExportRootDisk = false })
    assert.same(
      { "/p_img-12345678_system_snap-a.raw" },
      paths { OnlyExportRootDisk = true, FileNamePrefixList = { "p" } }
    )
  end)

  local REASONS = {
    PUBLIC_IMAGE = "UnsupportedOperation.PublicImageExportUnsupported",
    MARKET_IMAGE = "UnsupportedOperation.MarketImageExportUnsupported",
    SHARED_IMAGE = "UnsupportedOperation.SharedImageExportUnsupported",
    RedHat = "UnsupportedOperation.RedHatImageExportUnsupported",
    Redhat = "UnsupportedOperation.RedHatImageExportUnsupported",
    Windows = "UnsupportedOperation.WindowsImageExportUnsupported",
  }

  it("are exported, but for these", function()
    for what, expected in pairs(REASONS) do
      local isType = what:find "_IMAGE$"
      local _, _, v3 = emulators.new {
        images = {
          { imageId = "img-12345678", imageType = isType and what or nil, platform = not isType and what or nil },
        },
      }
      local answer =
        v3("ExportImages", { BucketName = "b", ImageIds = { "img-12345678" }, FileNamePrefixList = { "p" } })
      assert.equal(expected, answer.Error and answer.Error.Code)
      assert.equal("rejected", (select(2, codes.meaning(expected))))
    end
  end)

  it("are copied under a name of their own, unless another has it", function()
    local function synced(name)
      local _, _, v3 = emulators.new {
        images = {
          { imageId = "img-12345678", imageName = "one", region = "ap-guangzhou" },
          { imageId = "img-12345679", imageName = "two", region = "ap-beijing" },
        },
      }
      local params = { ImageIds = { "img-12345678" }, DestinationRegions = { "ap-beijing" }, ImageName = name }
      local answer = v3("SyncImages", params)
      return answer.Error and answer.Error.Code
    end
    assert.is_nil(synced(nil))
    assert.is_nil(synced "three")
    assert.equal("InvalidImageName.Duplicate", synced "two")
  end)
end)
