--- The README's programs, as a reader copies them; and its tables against what the code knows. Its nginx blocks
--- are run by openresty_spec.lua, its installation by scripts/readme.

local emulators = require "spec.support.emulator"
local limits = require "qcimage.util.limits"
local options = require "qcimage.options"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local stub = require "spec.support.stub"

local KEYS = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s"):format(stub.SECRET_ID, stub.SECRET_KEY)

describe("the README's blocks", function()
  it("are all run by a spec or a script, or say why not", function()
    local parts, blocks = readme.asked(), readme.blocks()
    assert.is_true(#blocks > 8)
    for _, block in ipairs(blocks) do
      local isAsked = block.reason ~= nil
      for _, part in ipairs(parts) do
        isAsked = isAsked or block.text:find(part, 1, true) ~= nil
      end
      assert.is_true(isAsked, ("nothing runs the block at line %d of the README"):format(block.line))
    end
  end)

  it("lose their substitutions only with an error", function()
    assert.has_error(function()
      readme.block("imageDescription =", { ["no such text"] = "x" })
    end, "the block holds no no such text")
    assert.has_error(function()
      readme.block "no such text"
    end, "no block of the README holds no such text")
  end)
end)

describe("the README's first program", function()
  local emulator, folder

  setup(function()
    emulator = emulators.start()
    folder = process.run("mktemp -d"):gsub("\n", "")
    local file = assert(io.open(folder .. "/rename.lua", "wb"))
    file:write(readme.block "imageDescription =")
    file:close()
  end)

  teardown(function()
    emulator:stop()
    process.run("rm -rf " .. folder)
  end)

  -- The lines of the shell as printed: with keys, and this interpreter.
  local function shell(more)
    local lines = readme.block("lua5.4 rename.lua", {
      ["TENCENTCLOUD_SECRET_ID=… TENCENTCLOUD_SECRET_KEY=…"] = KEYS,
      ["lua5.4 rename.lua"] = ("%s %s/rename.lua"):format(process.interpreter, folder),
    })
    lines = more and readme.with(lines, more) or lines
    return process.run(("export QCIMAGE_ENDPOINT=%s\n%s"):format(emulator.url, lines))
  end

  it("renames an image over API 3.0 as printed", function()
    emulator:reset()
    assert.equal("0\t\n", (shell()))
    local journal = emulator:journal()
    assert.equal("3.0", journal[1].api)
    assert.is_true(journal[1].applied)
    assert.equal("testName", journal[1].params.ImageName)
  end)

  it("renames an image over API 2.0 without the line of the version", function()
    emulator:reset()
    assert.equal("0\t\n", (shell { ["export QCIMAGE_API_VERSION=3.0"] = "unset QCIMAGE_API_VERSION" }))
    local journal = emulator:journal()
    assert.equal("2.0", journal[1].api)
    assert.is_true(journal[1].applied)
  end)
end)

describe("the README's lines for the command", function()
  it("list, rename and show an image as printed", function()
    local emulator = emulators.start()
    local folder = process.run("mktemp -d"):gsub("\n", "")
    finally(function()
      emulator:stop()
      process.run("rm -rf " .. folder)
    end)
    emulator:setImages {
      { imageId = "img-12345678", imageName = "web-01", sharedWith = { "100000000001" } },
    }
    emulator:set { modifyShared = true }
    local lines = readme.block("qcimage modify", {
      ["TENCENTCLOUD_SECRET_ID=… TENCENTCLOUD_SECRET_KEY=…"] = KEYS,
      ["list.csv"] = folder .. "/list.csv",
      ["list.journal"] = folder .. "/list.journal",
    })
    local output, status = process.run(
      ('set -e; export QCIMAGE_ENDPOINT=%s; qcimage() { %s spec/support/qcimage.lua "$@"; }\n%s'):format(
        emulator.url,
        process.interpreter,
        lines
      )
    )
    assert.equal(0, status, output)
    assert.matches("img%-12345678  web%-01", output)
    assert.matches("100000000001", output)
    assert.matches('\nimg%-12345678  imageName  "testName" %-> "web%-02"\n', output)
    assert.matches("\n2     img%-12345678  ok      web%-02  %-\n", output)
    assert.matches("\n2     img%-12345678  ok      testName  %-\n", output)
    assert.equal("testName", emulator:images()[1].imageName)
    assert.equal("descrip", emulator:images()[1].imageDescription)
  end)
end)

describe("the README's program that waits for an image", function()
  it("tells its state", function()
    local install = 'require("qcimage.emulator").install()\n'
    assert.equal("NORMAL\n", (process.lua(install .. readme.block "waitTimeout =")))
  end)
end)

describe("the README's test with the emulator in-process", function()
  it("passes", function()
    local output, status = process.lua(readme.block "service:fault")
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)

-- Rows of the table under a heading row: {cells}.
local function rows(heading)
  local _, from = readme.text():find("\n| " .. heading .. "[^\n]*\n|[-|]+\n")
  assert(from, "the README has no table " .. heading)
  local list = {}
  for line in readme.text():sub(from + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "|" then
      break
    end
    local row = {}
    for cell in line:gmatch "|%s*([^|]*)" do
      row[#row + 1] = (cell:gsub("%s+$", ""))
    end
    list[#list + 1] = row
  end
  return list
end

local function words(text)
  local list = {}
  for word in text:gmatch '`"?([A-Za-z]+)' do
    list[#list + 1] = word
  end
  return list
end

describe("the README's tables", function()
  it("name each option of a client, and none that is not there", function()
    local named = {}
    for _, row in ipairs(rows "option of `image.new`") do
      for _, name in ipairs(words(row[1])) do
        named[name] = true
      end
    end
    for name in pairs(named) do
      assert.is_truthy(options.client[name], "there is no option " .. name)
    end
    for name in pairs(options.client) do
      -- told beside the option that it goes with
      assert.is_truthy(named[name] or readme.text():find("`" .. name .. "`", 1, true), "not in the README: " .. name)
    end
    for _, list in ipairs { options.call, options.wait } do
      for name in pairs(list) do
        assert.is_truthy(readme.text():find(name, 1, true), "not in the README: " .. name)
      end
    end
    for name in pairs(options.apply) do
      assert.is_truthy(readme.text():find(name, 1, true), "not in the README: " .. name)
    end
  end)

  it("tell the limits that hold", function()
    local defaults = {}
    for _, row in ipairs(rows "option of `image.new`") do
      local names, values = words(row[1]), {}
      for value in row[2]:gmatch "[^,]+" do
        values[#values + 1] = value
      end
      for i, name in ipairs(names) do
        defaults[name] = #values == #names and values[i] or nil
      end
    end
    for _, name in ipairs { "timeout", "attemptTimeout", "connectTimeout", "maxAttempts", "poolSize", "poolIdle" } do
      assert.equal(limits[name], tonumber(defaults[name]), name)
    end
    local most, inNginx = readme.text():match "`maxResponseBytes` | (%d+) MiB, in nginx (%d+) MiB"
    assert.equal(limits.responseBytes, tonumber(most) * 1024 * 1024)
    assert.equal(limits.nginxResponseBytes, tonumber(inNginx) * 1024 * 1024)
    local attempts, seconds = readme.text():match "up to `maxAttempts` %((%d+)%) within `timeout` %((%d+) s%)"
    assert.equal(limits.maxAttempts, tonumber(attempts))
    assert.equal(limits.timeout, tonumber(seconds))
    assert.equal(limits.longestPoolIdle, tonumber(readme.text():match "for how many seconds %(below (%d+)%)"))
  end)
end)
