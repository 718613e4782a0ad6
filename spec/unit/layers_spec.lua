--- The layers of lua/: covers which file requires which, by the table in spec/support/layers.lua.

local layers = require "spec.support.layers"

describe("the layers", function()
  it("reach only those that they may", function()
    assert.same({}, layers.problems())
  end)

  it("are named for nothing: each that one may reach, it does", function()
    local reached = {}
    for _, one in ipairs(layers.requires()) do
      reached[one.from .. " " .. one.to] = true
    end
    for name, layer in pairs(layers.LAYERS) do
      for _, other in ipairs(layer.reaches) do
        assert.is_true(reached[name .. " " .. other], name .. " does not reach " .. other)
      end
    end
  end)

  it("are told from every form of require", function()
    local source = [[
      local a = require "qcimage.api.error_codes" -- not require "qcimage.a"
      local b = require("qcimage.client").new
      local ok = pcall(require, "qcimage.transport.curl")
      local http = version.loadNative "qcimage.http"
      local text, image = "qcimage.util.text", require "qcimage"
      require("qcimage.cli." .. name).run()
    ]]
    local found = {}
    for module in pairs(layers.required(source)) do
      found[#found + 1] = module
    end
    table.sort(found)
    assert.same({
      "qcimage",
      "qcimage.api.error_codes",
      "qcimage.cli",
      "qcimage.client",
      "qcimage.http",
      "qcimage.transport.curl",
      "qcimage.util.text", -- rather one too many than one too few
    }, found)
  end)

  it("refuse what may not be", function()
    local function problem(file, module)
      return layers.problem { file = file, module = module, from = layers.of(file), to = layers.of(module) }
    end
    assert.is_nil(problem("qcimage.call.parse", "qcimage.api.error_codes"))
    assert.matches("call may not reach transport", problem("qcimage.call.parse", "qcimage.transport.curl"))
    assert.matches("call may not reach public", problem("qcimage.call.parse", "qcimage"))
    assert.matches("shared may not reach api", problem("qcimage.util.text", "qcimage.api.error_codes"))
    assert.matches("emulator may not reach shared", problem("qcimage.emulator.api3.api", "qcimage.util.text"))
    assert.matches("cli may not reach emulator", problem("qcimage.cli.call", "qcimage.emulator.text"))
    assert.matches("qcimage.helpers belongs to no layer", problem("qcimage.helpers", "qcimage.util.text"))
    assert.matches("qcimage.helpers belongs to no layer", problem("qcimage.util.text", "qcimage.helpers"))
  end)
end)

-- The table of folders, in whichever of the documents for developers it stands.
local function folderTable()
  for _, path in ipairs { "docs/CONTRIBUTING.md", "docs/design.md" } do
    local file = io.open(path, "rb")
    local text = file and file:read "*a" or ""
    if file then
      file:close()
    end
    local rows = text:match "\n| where | what |\n[^\n]*\n(.-)\n\n"
    if rows then
      return rows .. "\n"
    end
  end
  error "no document has a table of folders"
end

describe("the table of folders", function()
  local listed = {}
  for first in folderTable():gmatch "|([^|]*)|[^\n]*\n" do
    for path in first:gmatch "`([^`]+)`" do
      listed[#listed + 1] = path
    end
  end

  it("names nothing that does not exist", function()
    for _, path in ipairs(listed) do
      local file = io.open(path .. (path:match "/$" and "." or ""), "rb")
      assert(file, path .. " does not exist"):close()
    end
  end)

  it("names every folder of lua/qcimage and of spec", function()
    local isListed, missing = {}, {}
    for _, path in ipairs(listed) do
      isListed[path] = true
    end
    local pipe = assert(io.popen "git ls-files -- lua src spec 2>/dev/null || find lua src spec -type f")
    for path in pipe:lines() do
      local folder = path:match "^lua/qcimage/[^/]+/" or path:match "^spec/[^/]+/" or path:match "^src/"
      if folder and not isListed[folder] then
        missing[folder] = true
      end
    end
    pipe:close()
    assert.same({}, missing)
  end)
end)

describe("a module of lua/", function()
  -- Covered by specs that are named for what a user does.
  local BY_USE = { "^apply", "^cli", "^emulator", "^limiter", "^tasks" }

  it("has a spec of its name, or one whose head names it", function()
    local heads, names, without = {}, {}, {}
    local pipe = assert(io.popen "ls spec/*/*_spec.lua")
    for path in pipe:lines() do
      local file = assert(io.open(path, "rb"))
      heads[#heads + 1] = "\n" .. (file:read "*a"):match "^[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n"
      names[path:match "([^/]+)_spec%.lua$"] = true
      file:close()
    end
    pipe:close()
    local text = table.concat(heads)
    pipe = assert(io.popen "find lua -name '*.lua'")
    for path in pipe:lines() do
      local short, base = path:gsub("^lua/qcimage/", ""), path:match "([^/]+)%.lua$"
      local isNamed = names[base] or text:find("%f[%w_]" .. base .. "%.lua") ~= nil
      for _, pattern in ipairs(BY_USE) do
        isNamed = isNamed or short:find(pattern) ~= nil
      end
      if not isNamed then
        without[#without + 1] = short
      end
    end
    pipe:close()
    assert.same({}, without)
  end)
end)
