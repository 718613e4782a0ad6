--- Boundaries of the emulator: settings, numbers of images, nesting, the spellings of a form.

local cjson = require "cjson"
local emulators = require "spec.support.emulator"
local json = require "qcimage.emulator.json"

describe("a setting", function()
  it("has a type, and a number its limits", function()
    local emulator = emulators.new()
    for name, values in pairs {
      rateLimit = { 0, 1, 1000000 },
      clockOffset = { -1e9, 0.5, 1e9 },
      createSeconds = { 0, 0.5, 1000000 },
      keySeconds = { 1, 1.5, 1000000 },
    } do
      for _, value in ipairs(values) do
        emulator:set { [name] = value }
      end
      for _, value in ipairs { "1", 1e9 + 1, -1e9 - 1, 0 / 0, true } do
        assert.has_error(function()
          emulator:set { [name] = value }
        end)
      end
    end
    assert.has_error(function()
      emulator:set { rateLimits = 1 }
    end)
    assert.has_error(function()
      emulator:set(5)
    end)
  end)

  it("counts from then on, until a reset", function()
    local emulator, _, v3 = emulators.new()
    emulator:set { rateLimit = 1, createSeconds = 7, clockOffset = 100 }
    assert.equal(emulators.NOW + 100, emulator:now())
    assert.is_nil(v3("DescribeImageQuota", "{}").Error)
    assert.equal("RequestLimitExceeded", v3("DescribeImageQuota", "{}").Error.Code)
    emulator:set { rateLimit = 0 }
    assert.is_nil(v3("DescribeImageQuota", "{}").Error)
    local id = v3("CreateImage", { ImageName = "made", InstanceId = "ins-stopped1" }).ImageId
    local function state()
      return v3("DescribeImages", { ImageIds = { id } }).ImageSet[1].ImageState
    end
    assert.equal("CREATING", state())
    emulator:set { clockOffset = 106 }
    assert.equal("CREATING", state())
    emulator:set { clockOffset = 107 }
    assert.equal("NORMAL", state())
  end)
end)

describe("the images of an account", function()
  -- The code that refuses one more image beside so many.
  local function refused(count, version)
    local images = {}
    for i = 1, count do
      images[i] = { imageId = ("img-%08d"):format(i), imageName = "n" .. i }
    end
    local _, v2, v3 = emulators.new { images = images }
    if version == "2.0" then
      return v2("CreateImage", { imageName = "made", instanceId = "ins-stopped1" }).code
    end
    local answer = v3("CreateImage", { ImageName = "made", InstanceId = "ins-stopped1" })
    return answer.Error and answer.Error.Code
  end

  it("are 500 in a region at most, 10 in API 2.0", function()
    assert.is_nil(refused(499))
    assert.equal("ImageQuotaLimitExceeded", refused(500))
    assert.equal(0, refused(9, "2.0"))
    assert.equal(5100, refused(10, "2.0"))
  end)
end)

describe("JSON of a request", function()
  it("may nest 32 levels, and holds no numbers that are none", function()
    local function nested(levels)
      return ("["):rep(levels) .. ("]"):rep(levels)
    end
    assert.is_table(json.decode(nested(32)))
    assert.is_nil(json.decode(nested(33)))
    for _, source in ipairs { "[NaN]", "[nan]", "[Infinity]", "[-Infinity]", "[0x10]" } do
      assert.is_nil(json.decode(source), source)
    end
  end)

  it("is a list, an object, or either where it is empty", function()
    assert.is_true(json.isList { 1 })
    assert.is_false(json.isList { a = 1 })
    assert.is_true(json.isList {})
    assert.is_true(json.isObject { a = 1 })
    assert.is_false(json.isObject { 1 })
    assert.is_true(json.isObject {})
  end)
end)

describe("faults by the path /_emulator/", function()
  it("come as one or as a list of any length", function()
    for count, body in pairs {
      [1] = '[{"kind":"throttle"}]',
      [2] = '[{"kind":"throttle"},{"kind":"dropAfter"}]',
      [3] = '[{"kind":"throttle"},{"kind":"dropAfter"},{"kind":"dropBefore"}]',
    } do
      local emulator = emulators.new()
      local response = emulator:handle {
        method = "POST",
        scheme = "http",
        host = emulators.HOST,
        path = "/_emulator/faults",
        query = "",
        headers = {},
        body = body,
      }
      assert.equal(200, response.status, response.body)
      assert.equal(count, #emulator.faults:list())
    end
  end)
end)

describe("a form of API 3.0", function()
  local function deleted(dryRun, nonce)
    local emulator = emulators.new()
    local response = emulator:handle(emulators.v1({
      Action = "DeleteImages",
      Version = "2017-03-12",
      Region = "ap-guangzhou",
      Timestamp = ("%d"):format(emulators.NOW),
      Nonce = nonce or "5",
      SecretId = emulators.SECRET_ID,
      ["ImageIds.0"] = "img-12345678",
      DryRun = dryRun,
    }, { path = "/" }))
    local answer = cjson.decode(response.body).Response
    return answer.Error and answer.Error.Code or "deleted", #emulator:images()
  end

  it("has booleans as clients write them", function()
    local before = #emulators.new():images()
    local dry = deleted "true"
    for _, written in ipairs { "true", "True", "TRUE", "1" } do
      assert.same({ dry, before }, { deleted(written) }, written)
    end
    for _, written in ipairs { "false", "False", "FALSE", "0" } do
      assert.same({ "deleted", before - 1 }, { deleted(written) }, written)
    end
    for _, written in ipairs { "yes", "2", "00" } do
      assert.same({ "InvalidParameter", before }, { deleted(written) }, written)
    end
  end)

  it("has a nonce of up to 20 digits", function()
    assert.equal("deleted", (deleted("false", ("9"):rep(20))))
    assert.equal("InvalidParameter", (deleted("false", ("9"):rep(21))))
  end)
end)
