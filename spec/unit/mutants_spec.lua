--- The changes that scripts/mutate makes.

local mutants = require "spec.support.mutants"
local process = require "spec.support.process"

local load = rawget(_G, "loadstring") or load

local function changed(source)
  local list = {}
  for i, mutant in ipairs(mutants.of(source)) do
    list[i] = mutants.apply(source, mutant)
  end
  return list
end

describe("the changes of a source", function()
  it("are those of its operators, one by one", function()
    assert.same({
      "return function(n) return n <= 1 and not n or n - 2 end",
      "return function(n) return n < 2 and not n or n - 2 end",
      "return function(n) return n < 0 and not n or n - 2 end",
      "return function(n) return n < 1 or not n or n - 2 end",
      "return function(n) return n < 1 and  n or n - 2 end",
      "return function(n) return n < 1 and not n and n - 2 end",
      "return function(n) return n < 1 and not n or n + 2 end",
      "return function(n) return n < 1 and not n or n - 3 end",
      "return function(n) return n < 1 and not n or n - 1 end",
    }, changed "return function(n) return n < 1 and not n or n - 2 end")
    assert.same({ "x = math.max(a)" }, changed "x = math.min(a)")
    assert.same({ "x =  b == true", "x = not b ~= true", "x = not b == false" }, changed "x = not b == true")
  end)

  it("are words and entries of data, outside of functions alone", function()
    assert.same({ 'x = { a = "bx", "c d" }', 'x = {  "c d" }', 'x = { a = "b", }' }, changed 'x = { a = "b", "c d" }')
    for _, source in ipairs(changed 'x = { f = function() return { a = "b", c } end, y }') do
      assert.is_truthy(source == "x = {  y }" or source:find('{ a = "b", c }', 1, true), source)
    end
  end)

  it("are none that mean the same to Lua", function()
    assert.same({ "x = a:sub(2, b)" }, changed "x = a:sub(1, b)")
    assert.same({ "x = a:find(b, 2, true)", "x = a:find(b, 1, false)" }, changed "x = a:find(b, 1, true)")
    assert.same({ "error(a, 1)" }, changed "error(a, 0)")
    assert.same({ "error(a, 3)", "error(a, 1)" }, changed "error(a, 2)")
    assert.same({ "f(2)", "f(0)" }, changed "f(1)")
    assert.same({ "f(a, 1)", "f(a, -1)" }, changed "f(a, 0)")
  end)

  it("leave comments and texts alone", function()
    assert.same({}, changed "-- 1 < 2\n--[[ and or ]] x = \"3 > 4\" .. [==[ 5 == 6 ]==] .. '\\' not'")
  end)

  it("of our files can be loaded, and tell where they are", function()
    for name in process.run("find lua/qcimage/call lua/qcimage/api -name '*.lua'"):gmatch "[^\n]+" do
      local file = assert(io.open(name, "rb"))
      local source = file:read "*a"
      file:close()
      for i, mutant in ipairs(mutants.of(source)) do
        if i % 50 == 1 then
          assert(load(mutants.apply(source, mutant)))
          local old, new, line = mutants.lines(source, mutant)
          assert.not_equal(old, new)
          assert.is_true(line > 0 and mutant.within <= line)
        end
      end
    end
  end)
end)

describe("a seed", function()
  it("gives the same numbers everywhere, in range", function()
    local random, list = mutants.random(7), {}
    for i = 1, 5 do
      list[i] = random(1000)
    end
    local again, least, most = mutants.random(7), 1000, 1
    for i = 1, 5 do
      assert.equal(list[i], again(1000))
    end
    for _ = 1, 5000 do
      local number = random(10)
      least, most = math.min(least, number), math.max(most, number)
    end
    assert.same({ 1, 10 }, { least, most })
    assert.not_same(list, { mutants.random(8)(1000) })
  end)
end)
