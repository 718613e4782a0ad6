--- How Lua programs use a result and its error; and that a client shows no secret: covers errors.lua and client.lua.
--- Covers qcimage.lua.

local image = require "qcimage"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

describe("the error idioms of Lua", function()
  local client

  before_each(function()
    client = stub.answering({}, '{"code":4000,"message":"no"}')
  end)

  local TEXT = "ModifyImageAttributes: 4000: no; nothing was changed"

  it("work with assert in a program of its own", function() -- busted has another assert
    local output, status = process.lua [[
      local stub = require "spec.support.stub"
      local client = stub.answering({}, '{"code":4000,"message":"no"}')
      local ok, raised = pcall(function() assert(client:modify { imageId = "img-1" }) end)
      io.stderr:write(type(raised), " ", tostring(ok), " ", raised, "\n")
      assert(client:modify { imageId = "img-1" })
    ]]
    local shown = "stdin:%d: " .. TEXT:gsub("%p", "%%%0") .. "\n"
    assert.equal(1, status)
    assert.matches("^string false " .. shown .. ".*" .. shown .. "stack traceback", output)
  end)

  it("work with error, .. and tostring", function()
    local ok, raised
    local result, message, err = client:modify { imageId = "img-1" }
    assert.is_nil(result)
    assert.equal(TEXT, message)
    assert.equal("failed: " .. TEXT, "failed: " .. message)
    assert.equal(TEXT, tostring(err))
    assert.equal(TEXT, ("%s"):format(tostring(err)))
    ok, raised = pcall(error, message, 0)
    assert.is_false(ok)
    assert.equal(TEXT, raised)
    assert.equal(3, select("#", client:modify { imageId = "img-1" }))
    assert.equal(3, select("#", client:call("NoSuchAction", {})))
  end)

  it("give one value on success", function()
    client = stub.answering({}, '{"code":0}')
    local function count(...)
      local last = 0
      for i = 1, select("#", ...) do
        last = select(i, ...) ~= nil and i or last
      end
      return last
    end
    assert.equal(1, count(client:modify { imageId = "img-1" }))
    assert.equal(1, count(client:sign("ModifyImageAttributes", { imageId = "img-1" })))
    assert.equal(1, count(client:each()))
  end)

  it("show a failure of each that nothing catches, once, on every Lua; and none that something catches", function()
    for catch, times in pairs { ["read()"] = 1, ["pcall(read)"] = 0, ["xpcall(read, print)"] = 1 } do
      local output, status = process.lua(([[
        local client = require("spec.support.stub").answering({}, '{"code":4000,"message":"no"}')
        local function read()
          for _ in client:each() do end
        end
        %s
      ]]):format(catch))
      assert.equal(catch == "read()" and 1 or 0, status)
      assert.equal(times, select(2, output:gsub("DescribeImages: 4000: no", "")), output)
    end
  end)

  it("work with pcall around each", function()
    local ok, raised = pcall(function()
      for _ in client:each() do
        error "not reached"
      end
    end)
    assert.is_false(ok)
    assert.equal("rejected", raised.outcome)
    assert.equal("DescribeImages: 4000: no", tostring(raised))
    assert.equal("failed: DescribeImages: 4000: no.", "failed: " .. raised .. ".")
  end)

  it("reach through a coroutine", function()
    local thread = coroutine.wrap(function()
      return select(2, client:modify { imageId = "img-1" })
    end)
    assert.equal(TEXT, thread())
  end)

  it("leave no trace in _G", function()
    local before = {}
    for name in pairs(_G) do
      before[name] = true
    end
    package.loaded["qcimage"] = nil
    for name in pairs(package.loaded) do
      if name:find "^qcimage%.%l+$" and name ~= "qcimage.core" and name ~= "qcimage.http" then
        package.loaded[name] = nil
      end
    end
    assert.not_equal(image, require "qcimage")
    for name in pairs(_G) do
      assert.is_true(before[name] or false, name)
    end
  end)
end)

describe("close", function()
  it("gives true, again and again", function()
    local client = stub.client()
    assert.is_true(client:close())
    assert.is_true(client:close())
    local before = image.default(stub.client())
    assert.is_true(image.close())
    image.default(before or false)
    assert.is_true(image.close())
  end)
end)

describe("a client's tostring and its fields", function()
  it("show no secret", function()
    local client = stub.client { token = "thetoken-thetoken" }
    assert.equal("qcimage.Client (API 2.0, the public cloud)", tostring(client))
    local seen = {}
    local function walk(value)
      assert.is_nil(tostring(value):find(stub.SECRET_KEY, 1, true))
      assert.is_nil(tostring(value):find("thetoken-thetoken", 1, true))
      if type(value) == "table" and not seen[value] then
        seen[value] = true
        for key, item in pairs(value) do
          walk(key)
          walk(item)
        end
      end
    end
    walk(client)
    client:close()
    assert.matches("closed", tostring(client))
  end)
end)
