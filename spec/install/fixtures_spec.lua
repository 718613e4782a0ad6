--- The fixtures of docs/testing.md for pytest, Go and Jest, as a reader copies them; each with a test that must fail, too.
-- packages: python3-pytest golang-go nodejs npm:spec/peers npm:spec/peers/jest

local process = require "spec.support.process"
local readme = require "spec.support.readme"

local PAGE = "docs/testing.md"

describe("the fixture for", function()
  local folder, environment

  before_each(function()
    folder = process.run("mktemp -d"):gsub("\n", "")
    process.run("mkdir " .. folder .. "/tmp") -- Go takes no module in the root of TMPDIR
    environment = ("cd %s; export TMPDIR=%s/tmp HOME=%s PATH=%s:$PATH;"):format(
      folder,
      folder,
      folder,
      process.commandFolder(folder)
    )
  end)

  after_each(function()
    process.run("rm -rf " .. folder)
  end)

  -- Writes a block of the page under the name in its first line, with other words in place of some.
  local function write(name, substitutions)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write((readme.block("// " .. name .. "\n", substitutions, PAGE)))
    file:close()
  end

  -- Runs a command there; nothing may be left running.
  local function run(command)
    local output, status = process.run(environment .. command .. " 2>&1")
    assert.equal("", (process.run(("ls -d %s/tmp/qcimage-emulator.* 2>/dev/null"):format(folder))), output)
    return status, output
  end

  it("pytest", function()
    local function test(substitutions)
      for name, text in pairs {
        ["conftest.py"] = readme.block("# conftest.py", {}, PAGE),
        ["test_images.py"] = readme.block("# test_images.py", substitutions, PAGE),
      } do
        local file = assert(io.open(folder .. "/" .. name, "wb"))
        file:write(text)
        file:close()
      end
      return run "/usr/bin/python3 -m pytest -q -p no:cacheprovider"
    end
    local status, output = test {}
    assert.equal(0, status, output)
    assert.matches("2 passed", output)
    assert.equal(1, (test { ['== "web-01"'] = '== "other"' }))
  end)

  it("Go", function()
    local function test(substitutions)
      write("emulator_test.go", substitutions)
      return run "printf 'module images\n\ngo 1.18\n' >go.mod; GOFLAGS=-mod=mod GOPROXY=off go test ./..."
    end
    local status, output = test {}
    assert.equal(0, status, output)
    assert.matches("ok%s+images", output)
    assert.equal(1, (test { ['"kind":"throttle"'] = '"kind":"nonsense"' }))
  end)

  it("Jest, with Tencent's client for Node", function()
    local root = process.run("pwd"):gsub("\n", "")
    local function test(substitutions)
      write "emulator.js"
      write("images.test.js", substitutions)
      return run(
        ("echo {} >package.json; export NODE_PATH=%s/build/peers/node_modules; "):format(root)
          .. ("node %s/build/jest/node_modules/jest/bin/jest.js --rootDir . --ci"):format(root)
      )
    end
    local status, output = test {}
    assert.equal(0, status, output)
    assert.matches("1 passed", output)
    assert.equal(1, (test { ['toBe("by-jest")'] = 'toBe("by-others")' }))
  end)
end)
