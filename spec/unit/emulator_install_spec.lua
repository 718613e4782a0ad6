--- The emulator behind the default client, for scripts that call qcimage's functions.

local emulator = require "qcimage.emulator"
local image = require "qcimage"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local stub = require "spec.support.stub"

local RENAME = { imageId = "img-12345678", imageName = "by-script" }

describe("an installed emulator", function()
  after_each(emulator.uninstall)

  it("answers the default client, and only that", function()
    local before = stub.answering({}, '{"code":0,"message":"the other"}')
    local service = emulator.install()
    assert.equal(0, image.modify(RENAME).code)
    assert.equal("by-script", service:images()[1].imageName)
    assert.equal("the other", before:modify(RENAME).message)
    assert.equal(1, #service:journal())
  end)

  it("gives the default client back", function()
    local mine = stub.answering({}, '{"code":0,"message":"mine"}')
    assert.is_nil(image.default(mine))
    emulator.install()
    assert.not_equal("mine", image.modify(RENAME).message)
    emulator.uninstall()
    assert.equal("mine", image.modify(RENAME).message)
    assert.equal(mine, image.default(false))
    assert.is_nil(image.default())
  end)

  it("is there until it is taken away, whatever the script closes", function()
    local service = emulator.install()
    image.close()
    assert.equal(0, image.modify(RENAME).code)
    assert.equal(1, #service:journal())
  end)

  it("takes the emulator's options, and the client's", function()
    local service = emulator.install {
      images = { { imageId = "img-0000000a", imageName = "a", region = "sh" } },
      secretId = "AKIDmine",
      secretKey = "sesame",
      token = "temporary",
      client = { apiVersion = "3.0", region = "ap-shanghai", maxAttempts = 1 },
    }
    assert.truthy(image.modify { imageId = "img-0000000a", imageName = "b" })
    local entry = service:journal()[1]
    assert.same({ "3.0", "ap-shanghai", "AKIDmine" }, { entry.api, entry.region, entry.secretId })
    service:fault { kind = "throttle" }
    local _, _, err = image.modify { imageId = "img-0000000a", imageName = "c" }
    assert.equal("throttled", err.reason)
  end)

  it("shares its clock with the client", function()
    local service = emulator.install {
      clock = function()
        return 1700000000
      end,
    }
    assert.equal(0, image.modify(RENAME).code)
    assert.equal(1700000000, service:journal()[1].time)
  end)

  it("raises misuse at the caller's line", function()
    local function raises(words, f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      local line = tonumber(message:match "emulator_install_spec%.lua:(%d+): ")
      local about = debug.getinfo(f, "S")
      assert.is_true(line ~= nil and line >= about.linedefined and line <= about.lastlinedefined, message)
      assert.truthy(message:find(words, 1, true), message)
    end
    raises("the emulator has no option iamges, did you mean images?", function()
      emulator.install { iamges = {} }
    end)
    raises("the emulator's options must be a table", function()
      emulator.install "3.0"
    end)
    raises("and client in them", function()
      emulator.install { client = "3.0" }
    end)
    raises("unknown option", function()
      emulator.install { client = { apiversion = "3.0" } }
    end)
    raises("must be one that image.new made", function()
      image.default {}
    end)
    emulator.install()
    raises("installed already", function()
      emulator.install()
    end)
    emulator.uninstall()
    emulator.uninstall() -- leaves what there is
  end)
end)

describe("the test of docs/testing.md", function()
  it("passes under busted, and fails when the script does not rename", function()
    local folder = process.run("mktemp -d"):gsub("\n", "")
    local function write(name, text)
      local file = assert(io.open(folder .. "/" .. name, "wb"))
      file:write(text)
      file:close()
    end
    write("rename_spec.lua", readme.block("emulator.install()", { ['rename.lua"\n'] = folder .. '/rename.lua"\n' }))
    local function busted()
      return process.run(("%s spec/support/run.lua %s/rename_spec.lua"):format(process.interpreter, folder))
    end
    write("rename.lua", readme.block "docs/examples/rename.lua")
    local output, status = busted()
    assert.truthy(output:find("1 success", 1, true), output)
    assert.equal(0, status)
    write("rename.lua", "")
    output, status = busted()
    assert.truthy(output:find("1 failure", 1, true), output)
    assert.not_equal(0, status)
    process.run("rm -rf " .. folder)
  end)
end)
