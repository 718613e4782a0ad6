--- Faults in the environment, which is read when a client is made, and not again. Covers environment.lua and, with it,
--- options.lua and credentials/environment.lua. What variables give stands in the sessions client_options and credentials.

local image = require "qcimage"
local process = require "spec.support.process"

-- Signs with a client that found these variables, a region and keys when it was made.
local function sign(variables)
  local environment = {
    QCIMAGE_METADATA = "off",
    TENCENTCLOUD_SECRET_ID = "AKIDxxxxxxxx",
    TENCENTCLOUD_SECRET_KEY = "thesecretkey",
    TENCENTCLOUD_REGION = "gz",
  }
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

  it("without a region is told what would give one", function()
    local _, message, err = sign { TENCENTCLOUD_REGION = "" }
    assert.same({ "parameter", "region" }, { err.kind, err.field })
    assert.matches("no region: set option region or TENCENTCLOUD_REGION (the credentials", message, 1, true)
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
