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
