--- The public calls against the emulator, over HTTP and in-process: one script, both versions.

local core = require "qcimage.core"
local emulator = require "qcimage.emulator"
local served = require "spec.support.emulator"
local stub = require "spec.support.stub"

local function identity(options)
  local all = { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY, region = "gz" }
  for name, value in pairs(options) do
    all[name] = value
  end
  return require("qcimage").new(all)
end

describe("one script over either version", function()
  local server

  setup(function()
    server = served.start()
  end)

  teardown(function()
    server:stop()
  end)

  -- What the script prints.
  local function run(version)
    server:reset()
    local client = identity { endpoint = server.url, apiVersion = version }
    local lines = {}
    for _, params in ipairs {
      { imageId = "img-12345678", imageName = "testName", imageDescription = "descrip" },
      { imageId = "img-12345678", imageName = "db-01" },
      { imageId = "img-00000000", imageName = "other" },
      { imageId = "img-foreign1", imageName = "other" },
    } do
      local result, _, err = client:modify(params)
      lines[#lines + 1] = result and ("code %d"):format(result.code) or err.kind .. " " .. err.outcome
    end
    local image = assert(client:describe { imageIds = { "img-12345678" } }).imageSet[1]
    lines[#lines + 1] = image.imageName .. " " .. image.imageDescription
    client:close()
    return lines
  end

  it("prints the same", function()
    local expected = {
      "code 0",
      "service rejected",
      "service rejected",
      "service rejected",
      "testName descrip",
    }
    assert.same(expected, run "2.0")
    assert.same(expected, run "3.0")
  end)

  it("walks 250 images in pages, in order, once each, past a page that fails", function()
    local images, ids = {}, {}
    for i = 1, 250 do
      ids[i] = ("img-%08d"):format(i)
      images[i] = { imageId = ids[i], imageName = "n" .. i }
    end
    for _, version in ipairs { "2.0", "3.0" } do
      server:reset()
      server:setImages(images)
      server:fault { kind = "dropBefore", count = 1 }
      local client = identity { endpoint = server.url, apiVersion = version }
      local seen = {}
      for image in client:each { imageType = "PRIVATE_IMAGE" } do
        seen[#seen + 1] = image.imageId
      end
      client:close()
      assert.same(ids, seen)
    end
    server:reset()
  end)

  it("corrects its clock", function()
    for _, version in ipairs { "2.0", "3.0" } do
      server:reset()
      local client = identity {
        endpoint = server.url,
        apiVersion = version,
        clock = function()
          return core.time() + 3000
        end,
      }
      local result = assert(client:modify { imageId = "img-12345678", imageName = "a" })
      assert.equal(2, #result.attempts)
      assert.equal("clock", result.attempts[1].reason)
      assert.equal(1, #assert(client:modify({ imageId = "img-12345678", imageName = "b" })).attempts)
      client:close()
    end
  end)

  it("tells the truth of a change whose answer was lost", function()
    for _, version in ipairs { "2.0", "3.0" } do
      for kind, applied in pairs { dropAfter = true, dropBefore = false, errorAfter = true, errorBefore = false } do
        server:reset()
        server:fault { kind = kind, count = 1 }
        local client = identity { endpoint = server.url, apiVersion = version, maxAttempts = 1 }
        local params = { imageId = "img-12345678", imageName = "a" }
        local result, _, err = client:modify(params, { readBack = false })
        assert.is_nil(result)
        assert.equal("unknown", err.outcome)
        server:fault { kind = kind, count = 1 }
        result, _, err = client:modify(params) -- the image tells
        assert.equal(applied, result ~= nil)
        assert.equal(applied or "unknown", result and result.attempts[1].readBack or err.outcome)
        client:close()
        local name
        for _, image in ipairs(server:images()) do
          name = image.imageId == "img-12345678" and image.imageName or name
        end
        assert.equal(applied and "a" or "web-01", name)
      end
    end
  end)

  it("waits for an image that is being made", function()
    for _, version in ipairs { "2.0", "3.0" } do
      server:reset()
      server:set { createSeconds = 1 }
      local client = identity { endpoint = server.url, apiVersion = version }
      local made = assert(client:call("CreateImage", { instanceId = "ins-stopped1", imageName = "fresh" }))
      local id = made.imageId
      for image in client:each() do
        id = image.imageName == "fresh" and image.imageId or id
      end
      assert.is_string(id)
      local _, _, err = client:modify { imageId = id, imageName = "renamed" }
      assert.equal("service", err.kind)
      assert(client:wait({ imageIds = { id } }, { waitTimeout = 10 }))
      assert(client:modify { imageId = id, imageName = "renamed" })
      client:close()
    end
  end)
end)

describe("the emulator in-process", function()
  it("is a transport for tests without a network", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local transport, service = emulator.transport()
      local client = identity { transport = transport, apiVersion = version }
      assert(client:modify { imageId = "img-12345678", imageName = "testName" })
      assert.equal("testName", service:images()[1].imageName)
      local _, message, err = client:modify { imageId = "img-12345678", imageName = "db-01" }
      assert.equal("rejected", err.outcome)
      assert.matches("nothing was changed", message)
      assert.equal(2, #service:journal())
    end
  end)
end)
