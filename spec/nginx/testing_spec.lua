--- docs/testing.md: its lines for curl and their answers, its state document and its fixtures for busted, as a reader
--- copies them. Its fixtures for pytest, Go and Jest are run by spec/install/fixtures_spec.lua.

local cjson = require "cjson"
local emulators = require "spec.support.emulator"
local faults = require "qcimage.emulator.faults"
local fields = require "qcimage.emulator.fields"
local options = require "qcimage.emulator.options"
local process = require "spec.support.process"
local readme = require "spec.support.readme"

local PAGE = "docs/testing.md"

describe("the page about testing", function()
  local folder, bin

  setup(function()
    folder = process.run("mktemp -d"):gsub("\n", "")
    bin = ("PATH=%s:$PATH"):format(process.commandFolder(folder))
  end)

  teardown(function()
    process.run("rm -rf " .. folder)
  end)

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end

  it("has lines for curl that answer as printed", function()
    local server = emulators.start()
    local count = 0
    for _, block in ipairs(readme.blocks(PAGE)) do
      if block.language == "console" then
        local line, answer = block.text:match "^%$ ([^\n]*)\n(.*)$"
        local output = process.run((readme.with(line, { ["127.0.0.1:8099"] = server.host })))
        assert.equal(answer, output .. "\n", line)
        count = count + 1
      end
    end
    server:stop()
    assert.equal(5, count)
  end)

  it("has a state document with which an emulator starts", function()
    local document = cjson.decode((readme.block('"accounts"', {}, PAGE)))
    local server = emulators.start { state = document }
    assert.equal("web-01", server:images()[1].imageName)
    local state = server:control("GET", "state")
    server:stop()
    assert.same({ 10, 0 }, { state.settings.rateLimit, state.settings.createSeconds })
    assert.same({ "Describe*" }, state.accounts.AKIDreader.allow)
  end)

  it("names every field and every kind of fault", function()
    local text = readme.text(PAGE)
    for _, named in ipairs { fields.IMAGE, fields.INSTANCE, options.STATE, faults.KINDS, faults.FIELDS } do
      for name in pairs(named) do
        assert.truthy(text:find("`" .. name, 1, true) or text:find(", `" .. name, 1, true), name)
      end
    end
  end)

  it("has a spec with the emulator in-process that passes, and fails when the script does not rename", function()
    write(
      "rename_spec.lua",
      readme.block("emulator.install()", { ['rename.lua"\n'] = folder .. '/rename.lua"\n' }, PAGE)
    )
    local function busted()
      return process.run(("%s spec/support/run.lua %s/rename_spec.lua"):format(process.interpreter, folder))
    end
    write("rename.lua", 'require("qcimage").modify { imageId = "img-12345678", imageName = "testName" }\n')
    local output, status = busted()
    assert.truthy(output:find("1 success", 1, true), output)
    assert.equal(0, status)
    write("rename.lua", "")
    assert.not_equal(0, (select(2, busted())))
    local _, program = process.lua(readme.block("service:fault", {}, PAGE))
    assert.equal(0, program)
  end)

  it("has a spec with the emulator over HTTP that passes, and leaves nothing running", function()
    write("command_spec.lua", readme.block("command_spec.lua", {}, PAGE))
    local output, status = process.run(
      ("env TMPDIR=%s %s %s spec/support/run.lua %s/command_spec.lua"):format(folder, bin, process.interpreter, folder)
    )
    assert.truthy(output:find("1 success", 1, true), output)
    assert.equal(0, status)
    assert.equal("", (process.run(("ls -d %s/qcimage-emulator.* 2>/dev/null"):format(folder))))
  end)
end)
