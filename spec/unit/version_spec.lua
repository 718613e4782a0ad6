--- One version everywhere, and no C module of another: covers version.lua.

local core = require "qcimage.core"
local http = require "qcimage.http"
local image = require "qcimage"
local process = require "spec.support.process"

local function first(name, pattern)
  local file = assert(io.open(name, "rb"))
  local text = file:read "*a"
  file:close()
  return assert(text:match(pattern), name .. " tells no version")
end

describe("the version", function()
  local version = first("CMakeLists.txt", "project%(qcimage VERSION (%d+%.%d+%.%d+)")

  it("is one, in the modules, the changelog and the rockspec", function()
    assert.equal(version, image._VERSION)
    assert.equal(version, core._VERSION)
    assert.equal(version, http._VERSION)
    assert.equal(version, first("CHANGELOG.md", "\n## %[([%d.]+)%] %- %d%d%d%d%-%d%d%-%d%d\n"))
    local rockspec = ("qcimage-%s-1.rockspec"):format(version)
    assert.equal(version .. "-1", first(rockspec, '\nversion = "([^"]*)"'))
  end)

  -- A C module as it was installed long ago stands in its place.
  local function among(name, old, code)
    return process.lua(([[
      local new = require "%s"
      local old = setmetatable({ _VERSION = %s }, { __index = new })
      if not old._VERSION or old._VERSION == new._VERSION then
        old = {}
        for key, value in pairs(new) do
          old[key] = value
        end
        old._VERSION = nil
      end
      package.loaded["%s"] = old
      print(pcall(function() %s end))
    ]]):format(name, old, name, code))
  end

  for _, case in ipairs {
    { "qcimage.core", 'require "qcimage"' },
    { "qcimage.core", 'require("qcimage.emulator").transport()' },
    { "qcimage.http", 'require "qcimage.transport.curl"' },
  } do
    local name, code = case[1], case[2]

    it(("of %s must be that of the Lua files (%s)"):format(name, code), function()
      local output = among(name, '"0.0.9"', code)
      assert.matches("^false\tqcimage: the Lua files are of version " .. version:gsub("%.", "%%."), output)
      assert.matches(name .. " is of version 0.0.9", output, 1, true)
      local isPlain51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit") -- which cannot say where it is
      local where = isPlain51 and "" or " %([^ ]*%.so%)"
      assert.matches("0%.0%.9" .. where .. ": install them together", output)

      output = among(name, "nil", code)
      assert.matches(name .. " is of an older one", output, 1, true)
    end)
  end
end)
