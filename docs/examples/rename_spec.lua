-- Tests rename.lua without an account:  busted rename_spec.lua
local emulator = require "qcimage.emulator"

local program = assert(loadfile((debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "rename.lua"))

describe("rename.lua", function()
  local service, exit, print, written

  before_each(function()
    service = emulator.install { client = { apiVersion = "3.0" } }    -- the default client now talks to it
    exit, print, written = os.exit, _G.print, io.stderr
    os.exit = function(code)    -- ends the program, not the tests
      error { exitCode = code }
    end
    _G.print = function() end
    io.stderr = { write = function() end }
  end)

  after_each(function()
    emulator.uninstall()
    os.exit, _G.print, io.stderr = exit, print, written
  end)

  it("renames the image", function()
    program("img-12345678", "web-07")
    assert.equal("web-07", service:images()[1].imageName)
    assert.equal("descrip", service:images()[1].imageDescription)
  end)

  it("exits with 1 when the service refuses", function()
    local ok, ending = pcall(program, "img-12345678", "db-01")    -- another image has this name
    assert.same({ false, 1 }, { ok, ending.exitCode })
    assert.not_equal("db-01", service:images()[1].imageName)
  end)

  it("succeeds when the answer is lost, since the image shows the change", function()
    service:fault { kind = "dropAfter", action = "ModifyImageAttribute", count = 3 }
    program("img-12345678", "web-08")
    assert.equal("web-08", service:images()[1].imageName)
  end)

  it("exits with 2 when nobody can say what happened", function()
    service:fault { kind = "dropAfter", count = 9 }    -- of every answer, also of the one that reads back
    local ok, ending = pcall(program, "img-12345678", "web-09")
    assert.same({ false, 2 }, { ok, ending.exitCode })
  end)
end)
