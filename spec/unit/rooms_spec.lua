--- The rooms of lua/: covers which file requires which, by the table in spec/support/rooms.lua.

local rooms = require "spec.support.rooms"

describe("the rooms", function()
  it("reach only those that they may", function()
    assert.same({}, rooms.problems())
  end)

  it("are named for nothing: each that one may reach, it does", function()
    local reached = {}
    for _, one in ipairs(rooms.requires()) do
      reached[one.from .. " " .. one.to] = true
    end
    for name, room in pairs(rooms.ROOMS) do
      for _, other in ipairs(room.reaches) do
        assert.is_true(reached[name .. " " .. other], name .. " does not reach " .. other)
      end
    end
  end)

  it("are told from every form of require", function()
    local source = [[
      local a = require "qcimage.api.codes" -- not require "qcimage.a"
      local b = require("qcimage.client").new
      local ok = pcall(require, "qcimage.transport.curl")
      local http = version.loadNative "qcimage.http"
      local text, image = "qcimage.util.text", require "qcimage"
      require("qcimage.cli." .. name).run()
    ]]
    local found = {}
    for module in pairs(rooms.required(source)) do
      found[#found + 1] = module
    end
    table.sort(found)
    assert.same({
      "qcimage",
      "qcimage.api.codes",
      "qcimage.cli",
      "qcimage.client",
      "qcimage.http",
      "qcimage.transport.curl",
      "qcimage.util.text", -- rather one too many than one too few
    }, found)
  end)

  it("refuse what may not be", function()
    local function problem(file, module)
      return rooms.problem { file = file, module = module, from = rooms.of(file), to = rooms.of(module) }
    end
    assert.is_nil(problem("qcimage.call.parse", "qcimage.api.codes"))
    assert.matches("call may not reach transport", problem("qcimage.call.parse", "qcimage.transport.curl"))
    assert.matches("call may not reach door", problem("qcimage.call.parse", "qcimage"))
    assert.matches("shared may not reach api", problem("qcimage.util.text", "qcimage.api.codes"))
    assert.matches("emulator may not reach shared", problem("qcimage.emulator.api3.api", "qcimage.util.text"))
    assert.matches("cli may not reach emulator", problem("qcimage.cli.call", "qcimage.emulator.text"))
    assert.matches("qcimage.helpers belongs to no room", problem("qcimage.helpers", "qcimage.util.text"))
    assert.matches("qcimage.helpers belongs to no room", problem("qcimage.util.text", "qcimage.helpers"))
  end)
end)
