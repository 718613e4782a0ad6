local image = require "qcimage"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

-- Runs a program with nothing in its environment but what is given.
local function with(environment, code)
  return process.lua(code, ("-i PATH=%q QCIMAGE_METADATA=off %s"):format(os.getenv "PATH", environment))
end

local SIGN = [[
  local image = require "qcimage"
  local request, message, err = image.sign(os.getenv "ACTION" or "ModifyImageAttributes", { imageId = "img-1" })
  if not request then
    print(err.kind, err.outcome, err.field)
    print(message)
  else
    print(request.url)
    print(request.body)
    for name, value in pairs(request.headers) do print(name .. ": " .. value) end
  end
]]

local KEYS = "TENCENTCLOUD_SECRET_ID=AKIDxxxxxxxx TENCENTCLOUD_SECRET_KEY=thesecretkey "
local ALL = KEYS .. "TENCENTCLOUD_REGION=gz "

describe("the environment", function()
  it("gives the default client its credentials and region", function()
    local output = with(ALL, SIGN)
    assert.matches("https://image.api.qcloud.com/v2/index.php", output, 1, true)
    assert.matches("SecretId=AKIDxxxxxxxx", output, 1, true)
    assert.matches("Region=gz", output, 1, true)
    assert.is_nil(output:find "Token")
    assert.is_nil(output:find "thesecretkey")
  end)

  it("gives a token under each of its names", function()
    for _, name in ipairs {
      "TENCENTCLOUD_TOKEN",
      "TENCENTCLOUD_SESSION_TOKEN",
      "TENCENTCLOUD_SECURITY_TOKEN",
    } do
      assert.matches("Token=thetoken", with(ALL .. name .. "=thetoken", SIGN), 1, true)
    end
    assert.is_nil(with(ALL .. "TENCENTCLOUD_TOKEN=", SIGN):find "Token")
  end)

  it("gives version and endpoint", function()
    local output = with(ALL .. "QCIMAGE_API_VERSION=3.0 ACTION=ModifyImageAttribute", SIGN)
    assert.matches("https://cvm.tencentcloudapi.com/\n", output, 1, true)
    assert.matches("X%-TC%-Region: ap%-guangzhou", output)
    output = with(ALL .. "QCIMAGE_ENDPOINT=http://127.0.0.1:8099", SIGN)
    assert.matches("http://127.0.0.1:8099/v2/index.php", output, 1, true)
    -- a path that is the old API's says which version it is
    output = with(ALL .. "QCIMAGE_ENDPOINT=https://x.example/v2/index.php", SIGN)
    assert.matches("https://x.example/v2/index.php", output, 1, true)
  end)

  it("that lacks something is told, with all that was looked at", function()
    local output = with("TENCENTCLOUD_REGION=gz", SIGN)
    assert.matches("^credentials\tnotSent", output)
    assert.matches("TENCENTCLOUD_SECRET_ID is not set, TENCENTCLOUD_SECRET_KEY is not set", output, 1, true)
    output = with("TENCENTCLOUD_REGION=gz TENCENTCLOUD_SECRET_ID=AKIDxxxxxxxx TENCENTCLOUD_SECRET_KEY=", SIGN)
    assert.matches("TENCENTCLOUD_SECRET_KEY is empty, though TENCENTCLOUD_SECRET_ID is set", output, 1, true)
    assert.is_nil(output:find "SECRET_ID is not")
    output = with("TENCENTCLOUD_REGION=gz TENCENTCLOUD_API_SECRET_ID=x TENCENTCLOUD_API_SECRET_KEY=y", SIGN)
    assert.matches("no credentials", output, 1, true)
    output = with(KEYS, SIGN)
    assert.matches("^parameter\tnotSent\tregion", output)
    assert.matches("TENCENTCLOUD_REGION is not set", output, 1, true)
  end)

  it("with a fault is told by the variable's name, and never by its value", function()
    local cases = {
      { "TENCENTCLOUD_SECRET_KEY='thesecretkey\n'", "TENCENTCLOUD_SECRET_KEY has white space at an end" },
      { "TENCENTCLOUD_SECRET_KEY='thesecret key'", "TENCENTCLOUD_SECRET_KEY has white space in it" },
      { "TENCENTCLOUD_SECRET_ID='  AKIDxxxxxxxx'", "TENCENTCLOUD_SECRET_ID has white space at an end" },
      { "TENCENTCLOUD_SECRET_ID='AKIDxxxxxxxx\r\nX-Evil: 1'", "TENCENTCLOUD_SECRET_ID has white space in it" },
      { "TENCENTCLOUD_SECRET_KEY='thesecretkéy'", "TENCENTCLOUD_SECRET_KEY has a character that no key has" },
      { "TENCENTCLOUD_TOKEN='thesecret\ttoken'", "TENCENTCLOUD_TOKEN has white space in it" },
    }
    for _, case in ipairs(cases) do
      local output = with(ALL .. case[1], SIGN)
      assert.matches("^credentials\tnotSent\tTENCENTCLOUD_", output)
      assert.matches(case[2], output, 1, true)
      assert.is_nil(output:find "thesecret")
      assert.is_nil(output:find "Evil")
    end
    cases = {
      { "QCIMAGE_API_VERSION=3", 'QCIMAGE_API_VERSION must be "2.0" or "3.0", not "3"' },
      { "QCIMAGE_ENDPOINT=127.0.0.1", "QCIMAGE_ENDPOINT must be a URL" },
      { "QCIMAGE_ENDPOINT=http://10.1.2.3", "QCIMAGE_ENDPOINT is plain http to another machine" },
      {
        "QCIMAGE_API_VERSION=3.0 QCIMAGE_ENDPOINT=https://x/v2/index.php",
        "QCIMAGE_ENDPOINT has the path of API 2.0, but QCIMAGE_API_VERSION is 3.0",
      },
    }
    for _, case in ipairs(cases) do
      local output = with(ALL .. case[1], SIGN)
      assert.matches("^parameter\tnotSent\tQCIMAGE_", output)
      assert.matches(case[2], output, 1, true)
    end
  end)

  it("is read when a client is made, and options come before it", function()
    local output = with(
      ALL,
      [[
      local image = require "qcimage"
      local getenv = os.getenv
      os.getenv = function() error "not again" end
      local ok, client = pcall(image.new)
      assert(not ok)
      os.getenv = getenv
      client = image.new { region = "bj", secretId = "AKIDyyyyyyyy", secretKey = "another" }
      os.getenv = function() error "not again" end
      print(client:sign("ModifyImageAttributes", { imageId = "img-1" }).body)
    ]]
    )
    assert.matches("Region=bj&SecretId=AKIDyyyyyyyy", output, 1, true)
  end)
end)

describe("a credentials provider", function()
  it("is asked at each call", function()
    local count = 0
    local client = stub.client {
      credentials = function()
        count = count + 1
        return { secretId = "AKIDnumber" .. count, secretKey = "thesecretkey" }
      end,
    }
    for i = 1, 3 do
      local body = assert(client:sign("ModifyImageAttributes", { imageId = "img-1" })).body
      assert.equal("AKIDnumber" .. i, stub.form(body).SecretId)
    end
  end)

  it("that gives none is told, without what it said of secrets", function()
    for _, case in ipairs {
      { { nil, "the vault is shut" }, "gave none: the vault is shut" },
      { {}, "gave none: no message" },
      { { { secretId = "AKIDxxxx" } }, "secretKey is not given" },
      { { { secretId = "AKIDxxxx", secretKey = "the secretkey" } }, "secretKey has white space in it" },
    } do
      local client = stub.client {
        credentials = function()
          return case[1][1], case[1][2]
        end,
      }
      local _, message, err = client:modify { imageId = "img-1" }
      assert.equal("credentials", err.kind)
      assert.equal("notSent", err.outcome)
      assert.matches(case[2], message, 1, true)
      assert.is_nil(message:find "secretkey")
    end
  end)
end)

describe("a clock", function()
  it("gives whole seconds, in either version", function()
    for _, now in ipairs { 1700000000, 1700000000.123, 1700000000.999 } do
      local options = {
        clock = function()
          return now
        end,
      }
      local body = assert(stub.client(options):sign("ModifyImageAttributes", { imageId = "i" })).body
      assert.equal("1700000000", stub.form(body).Timestamp)
      options.apiVersion = "3.0"
      local headers = assert(stub.client(options):sign("ModifyImageAttribute", { imageId = "i" })).headers
      assert.equal("1700000000", headers["X-TC-Timestamp"])
    end
  end)

  it("that gives milliseconds, or nothing, is refused by name", function()
    for _, now in ipairs { 1700000000123, -1, 0 / 0, "1700000000", false } do
      local client, requests = stub.answering({
        clock = function()
          return now
        end,
      }, "{}")
      local _, message, err = client:modify { imageId = "img-1" }
      assert.equal("parameter", err.kind)
      assert.equal("clock", err.field)
      assert.matches("Unix time in seconds", message)
      assert.equal(0, #requests)
    end
  end)
end)

describe("verify = false", function()
  it("warns once on stderr", function()
    local output = process.lua [[
      local image = require "qcimage"
      image.new { verify = false }
      image.new { verify = false }
    ]]
    assert.equal("qcimage: verify = false: the server's certificate is not checked\n", output)
    assert.is_table(image)
  end)
end)
