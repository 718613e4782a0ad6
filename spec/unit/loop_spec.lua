--- What a loop of `parallel` gives of work that throws, and how its tasks wait for each other: covers util/loop.lua,
--- util/signal.lua; and util/tables.lua.

local core = require "qcimage.core"
local image = require "qcimage"
local signals = require "qcimage.util.signal"
local tables = require "qcimage.util.tables"
local tasks = require "qcimage.util.tasks"

describe("work that throws", function()
  it("is a result: the value, and a message of one line that the error has, too", function()
    local function raise(value)
      error(value, 0)
    end
    local shown = {
      ["two\nlines"] = "the work threw: two lines",
      [7] = "the work threw: 7",
      [setmetatable({}, {
        __tostring = function()
          error "no"
        end,
      })] = "the work threw: a table",
      [("x"):rep(600)] = "the work threw: " .. ("x"):rep(500) .. "...",
    }
    for value, expected in pairs(shown) do
      for item, result, message, err in image.parallel({ value }, raise) do
        assert.equal(value, item)
        assert.is_nil(result)
        assert.equal(expected, message)
        assert.equal(expected, err.message)
        assert.same({ "thrown", "unknown", true }, { err.kind, err.outcome, rawequal(value, err.thrown) })
        assert.equal("string", type(err.traceback))
      end
    end
  end)
end)

describe("work that returns", function()
  it("has its three results handed on", function()
    local seen = { image.parallel({ 5 }, function(item)
      return nil, item + 1, item + 2
    end)() }
    assert.same({ 5, nil, 6, 7 }, seen)
  end)

  it("is handed on before anybody waits for what is still under way, and that wait uses no processor", function()
    if not tasks.isParallel() then
      return
    end
    local seen, sleep = {}, core.sleep
    rawset(core, "sleep", function(seconds)
      seen[#seen + 1] = "sleep"
      sleep(seconds)
    end)
    finally(function()
      rawset(core, "sleep", sleep)
    end)
    for item in
      image.parallel({ 1, 2, 3 }, function(item)
        return item > 1 or tasks.sleep(0.03)
      end)
    do
      seen[#seen + 1] = item
    end
    assert.same({ 2, 3, "sleep", 1 }, seen)
  end)
end)

describe("a signal", function()
  it("is not waited for where nobody can give it", function()
    local signal = signals.new()
    assert.same({ nil, "alone" }, { signal:wait() })
    for _, isNotified, why in
      image.parallel({ 1 }, function()
        return signal:wait()
      end)
    do
      assert.same({ nil, "alone" }, { isNotified, why })
    end
  end)

  it("wakes all that wait, once, and none whose time is over", function()
    if not tasks.isParallel() then
      return
    end
    local signal, seen = signals.new(), {}
    for item, isNotified in
      image.parallel({ 1, 2, 3, 4 }, function(item)
        if item == 1 then
          return signal:wait(0.01)
        elseif item == 4 then
          tasks.sleep(0.03)
          signal:notify()
          return signal:wait(0.01)
        end
        return signal:wait(5)
      end)
    do
      seen[item] = isNotified
    end
    assert.same({ false, true, true, false }, seen)
  end)
end)

describe("a copy of a table", function()
  it("has its fields, but for those that are changed", function()
    local base = { a = 1, b = 2 }
    assert.same({ a = 1, b = 3, c = 4 }, tables.copy(base, { b = 3, c = 4 }))
    assert.same({ a = 1, b = 2 }, tables.copy(base))
    assert.same({ a = 1, b = 2 }, base)
  end)
end)
