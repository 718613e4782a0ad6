--- What a client takes from the environment; credentials that a function gives, and clocks. Covers environment.lua and,
--- with it, options.lua and credentials/environment.lua.

local image = require "qcimage"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

-- Runs a program with nothing in its environment but a region and keys.
local function run(code)
  local keys = "TENCENTCLOUD_SECRET_ID=AKIDxxxxxxxx TENCENTCLOUD_SECRET_KEY=thesecretkey"
  return process.lua(code, ("-i PATH=%q TENCENTCLOUD_REGION=gz %s"):format(os.getenv "PATH", keys))
end

-- Signs with a client that finds these variables and, without `only`, also a region and keys.
local function sign(variables, only)
  local environment = { QCIMAGE_METADATA = "off" }
  if not only then
    environment.TENCENTCLOUD_SECRET_ID = "AKIDxxxxxxxx"
    environment.TENCENTCLOUD_SECRET_KEY = "thesecretkey"
    environment.TENCENTCLOUD_REGION = "gz"
  end
  for name, value in pairs(variables) do
    environment[name] = value
  end
  local getenv = os.getenv
  rawset(os, "getenv", function(name)
    return environment[name]
  end)
  local isMade, client = pcall(image.new)
  rawset(os, "getenv", getenv)
  assert(isMade, client)
  local action = environment.QCIMAGE_API_VERSION == "3.0" and "ModifyImageAttribute" or "ModifyImageAttributes"
  return client:sign(action, { imageId = "img-1" })
end

describe("the environment", function()
  it("gives the default client its credentials and region", function()
    local output = run [[
      local request = assert(require("qcimage").sign("ModifyImageAttributes", { imageId = "img-1" }))
      print(request.url)
      print(request.body)
    ]]
    assert.matches("https://image.api.qcloud.com/v2/index.php\n", output, 1, true)
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
      assert.matches("Token=thetoken", assert(sign { [name] = "thetoken" }).body, 1, true)
    end
    assert.is_nil(assert(sign { TENCENTCLOUD_TOKEN = "" }).body:find "Token")
  end)

  it("gives version and endpoint", function()
    local request = assert(sign { QCIMAGE_API_VERSION = "3.0" })
    assert.equal("https://cvm.tencentcloudapi.com/", request.url)
    assert.equal("ap-guangzhou", request.headers["X-TC-Region"])
    request = assert(sign { QCIMAGE_ENDPOINT = "http://127.0.0.1:8099" })
    assert.equal("http://127.0.0.1:8099/v2/index.php", request.url)
    -- a path that is the old API's says which version it is
    request = assert(sign { QCIMAGE_ENDPOINT = "https://x.example/v2/index.php" })
    assert.equal("https://x.example/v2/index.php", request.url)
  end)

  it("that lacks something is told, with all that was looked at", function()
    local function missing(variables)
      local _, message, err = sign(variables, true)
      assert.equal("notSent", err.outcome)
      return message, err
    end
    local message, err = missing { TENCENTCLOUD_REGION = "gz" }
    assert.equal("credentials", err.kind)
    assert.matches("TENCENTCLOUD_SECRET_ID is not set, TENCENTCLOUD_SECRET_KEY is not set", message, 1, true)
    message = missing {
      TENCENTCLOUD_REGION = "gz",
      TENCENTCLOUD_SECRET_ID = "AKIDxxxxxxxx",
      TENCENTCLOUD_SECRET_KEY = "",
    }
    assert.matches("TENCENTCLOUD_SECRET_KEY is empty, though TENCENTCLOUD_SECRET_ID is set", message, 1, true)
    assert.is_nil(message:find "SECRET_ID is not")
    message = missing {
      TENCENTCLOUD_REGION = "gz",
      TENCENTCLOUD_API_SECRET_ID = "x",
      TENCENTCLOUD_API_SECRET_KEY = "y",
    }
    assert.matches("no credentials", message, 1, true)
    message, err = missing { TENCENTCLOUD_SECRET_ID = "AKIDxxxxxxxx", TENCENTCLOUD_SECRET_KEY = "thesecretkey" }
    assert.equal("parameter", err.kind)
    assert.equal("region", err.field)
    assert.matches("no region: set option region or TENCENTCLOUD_REGION (the credentials", message, 1, true)
  end)

  it("with a fault is told by the variable's name, and never by its value", function()
    local function faulty(kind, variables, expected)
      local request, message, err = sign(variables)
      assert.is_nil(request)
      assert.equal(kind, err.kind)
      assert.equal("notSent", err.outcome)
      assert.is_truthy(variables[err.field], err.field)
      assert.matches(expected, message, 1, true)
      assert.is_nil(message:find "thesecret")
      assert.is_nil(message:find "Evil")
    end
    for _, case in ipairs {
      { "TENCENTCLOUD_SECRET_KEY", "thesecretkey\n", "begins or ends with white space" },
      { "TENCENTCLOUD_SECRET_KEY", "thesecret key", "contains white space" },
      { "TENCENTCLOUD_SECRET_ID", "  AKIDxxxxxxxx", "begins or ends with white space" },
      { "TENCENTCLOUD_SECRET_ID", "AKIDxxxxxxxx\r\nX-Evil: 1", "contains white space" },
      { "TENCENTCLOUD_SECRET_KEY", "thesecretkéy", "contains a character that is not allowed in a key" },
      { "TENCENTCLOUD_TOKEN", "thesecret\ttoken", "contains white space" },
    } do
      faulty("credentials", { [case[1]] = case[2] }, case[1] .. " " .. case[3])
    end
    for expected, variables in pairs {
      ['QCIMAGE_API_VERSION must be "2.0" or "3.0", not "3"'] = { QCIMAGE_API_VERSION = "3" },
      ["QCIMAGE_ENDPOINT must be a URL"] = { QCIMAGE_ENDPOINT = "127.0.0.1" },
      ["QCIMAGE_ENDPOINT is plain http to another machine"] = { QCIMAGE_ENDPOINT = "http://10.1.2.3" },
      ["QCIMAGE_ENDPOINT has the path of API 2.0, but QCIMAGE_API_VERSION is 3.0"] = {
        QCIMAGE_API_VERSION = "3.0",
        QCIMAGE_ENDPOINT = "https://x/v2/index.php",
      },
    } do
      faulty("parameter", variables, expected)
    end
  end)

  it("is read when a client is made, and options come before it", function()
    local output = run [[
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
      { { nil, "the vault is shut" }, "returned no credentials: the vault is shut" },
      { {}, "returned no credentials: no message" },
      { { { secretId = "AKIDxxxx" } }, "secretKey is not given" },
      { { { secretId = "AKIDxxxx", secretKey = "the secretkey" } }, "secretKey contains white space" },
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

describe("a snapshot of the environment", function()
  it("refuses a variable that it does not list, which no source of credentials would ever see", function()
    local environments = require "qcimage.util.environment"
    local snapshot = environments.snapshot()
    assert.is_nil(environments.value(snapshot, "TKE_PROVIDER_ID"))
    assert.error_matches(function()
      return environments.value(snapshot, "TENCENTCLOUD_CREDENTIAL_PROCESS")
    end, "TENCENTCLOUD_CREDENTIAL_PROCESS is not listed in util/environment.lua")
  end)
end)
