--- What limiters hold at any moments, also while their engine fails, on a clock of the spec's. No socket. What they answer
--- stands in the session limiters.

local core = require "qcimage.core"
local limiter = require "qcimage.limiter"
local script = require("qcimage.limiter.redis").SCRIPT
local simulations = require "spec.support.apply_model.simulation"

-- A limiter on a clock that the spec moves: seconds since some moment.
local function new(options)
  local now = { seconds = 1000 }
  options = options or {}
  options.clock = function()
    return now.seconds
  end
  return limiter.memory(options), now
end

-- One over a stand-in for nginx's dictionary (limiter_nginx_spec.lua has the real one).
local function newShared(options)
  local now, values, ends = { seconds = 1000 }, {}, {}
  options.dict = "places"
  options.clock = function()
    return now.seconds
  end
  local dict = {}
  function dict.get(_, key)
    return ends[key] and ends[key] > now.seconds and values[key] or nil
  end
  function dict.safe_add(_, key, value, seconds)
    if dict:get(key) ~= nil then
      return false, "exists"
    end
    values[key], ends[key] = value, now.seconds + seconds
    return true
  end
  local outside = rawget(_G, "ngx")
  rawset(_G, "ngx", { shared = { places = dict } })
  local places = limiter.shared(options)
  rawset(_G, "ngx", outside)
  return places, now
end

-- Numbers as a reader compares them: seconds with six decimals.
local function shown(seconds)
  return seconds and ("%.6f"):format(seconds) or "refused"
end

describe("places in memory", function()
  it("are the same in a shared dictionary, at any moments", function()
    for _, case in ipairs { { 4, 1 }, { 9.7, 1 }, { 97 / 60, 1 }, { 3, 5 }, { 1000, 20 }, { 0.3, 2 } } do
      local options = { rate = case[1], burst = case[2] }
      local places, now = new(options)
      local others, later = newShared(options)
      local random = 1
      for i = 1, 600 do
        random = random * 16807 % 2147483647
        now.seconds = now.seconds + math.floor(random / 2147483647 * 1.9e6 / case[1]) / 1e6
        later.seconds = now.seconds
        local longest = random % 7 * 0.4
        local expected, got = places:acquire("A", "gz", longest), others:acquire("A", "gz", longest)
        assert.equal(shown(expected), shown(got), ("rate %g, burst %d, step %d"):format(case[1], case[2], i))
      end
    end
  end)

  it("leave no second, wherever it begins, with more than ten calls", function()
    local places, now = new()
    local calls = {}
    now.seconds = 1000.95 -- cold, and near the end of a second
    for _ = 1, 2000 do
      local wait = places:acquire("A", "gz", 60)
      if wait then
        calls[#calls + 1] = now.seconds + wait
      end
      now.seconds = now.seconds + (#calls == 500 and 30 or 0.05)
    end
    assert.is_true(#calls > 900)
    for i = 11, #calls do
      assert.is_true(calls[i] - calls[i - 10] >= 1)
    end
    assert.is_true(calls[481] - calls[1] <= 480 / 9.69)
  end)

  it("are numbers that no Lua rounds", function()
    local places, now = new { rate = 0.1, burst = 1e6 }
    now.seconds = 1700000000.123456
    for _ = 1, 10 do
      assert.equal(0, places:acquire("A", "gz", 60))
    end
    places, now = new { rate = 100000 }
    now.seconds = 1700000000.123456
    for i = 0, 9 do
      assert.equal(shown(i / 1e5), shown(places:acquire("A", "gz", 60)))
    end
  end)
end)

describe("while Redis fails", function()
  local time, write = core.time, io.stderr
  local now, wall, answer, asked, told

  -- A limiter whose Redis gives the spec's answer: a wait in microseconds, or what is no wait.
  local function failing(options)
    options = options or {}
    options.rate = options.rate or 10
    options.clock = function()
      return now
    end
    function options.eval(...)
      asked = { ... }
      asked.count = (asked.count or 0) + 1
      if type(answer) == "function" then
        return answer()
      end
      return ("%.0f %s"):format(answer, asked[11])
    end
    return limiter.redis(options)
  end

  local function refuse()
    return nil, "connection refused"
  end

  before_each(function()
    now, wall, answer, asked, told = 1000, 1700000000, 0, nil, {}
    core.time = function()
      return wall
    end
    io.stderr = { -- luacheck: ignore
      write = function(_, ...)
        told[#told + 1] = table.concat { ... }
      end,
    }
  end)

  after_each(function()
    core.time, io.stderr = time, write -- luacheck: ignore
  end)

  it("it is asked again in the next period of five seconds, by one call", function()
    local places = failing()
    answer = refuse
    places:acquire("A", "gz", 10)
    assert.is_table(asked)
    for _, moment in ipairs { 0, 1, 4.999 } do
      wall, asked = 1700000000 + moment, nil
      places:acquire("A", "gz", 10)
      assert.is_nil(asked)
    end
    for _, moment in ipairs { 5, 10, -172800, 3600 } do -- a clock that was moved bars nobody
      wall, asked = 1700000000 + moment, nil
      answer = function()
        asked = nil
        places:acquire("A", "gz", 10) -- another light thread, meanwhile
        assert.is_nil(asked)
        asked = {}
        return nil, "timeout"
      end
      places:acquire("A", "gz", 10)
      assert.is_table(asked)
    end
    assert.equal(1, #told)
    answer = 123456 -- it comes back, and a second failure is told again
    wall = wall + 5
    assert.equal("0.123456", shown(places:acquire("A", "gz", 10)))
    answer = refuse
    places:acquire("A", "gz", 10)
    assert.equal(2, #told)
  end)

  it("nobody goes before the places that it had given out", function()
    local places = failing { processes = 4 } -- a place each 0.4 s for this process
    answer = 3e6
    assert.equal(3, places:acquire("A", "gz", 10)) -- a queue of 3 s; our own place at 1003
    now, answer = 1000.1, refuse
    assert.equal("3.300000", shown(places:acquire("A", "gz", 10))) -- 1003.4, in step with our own
    assert.equal("3.700000", shown(places:acquire("A", "gz", 10)))
    places = failing { processes = 4 }
    answer, now = 3e6, 1000
    places:acquire("A", "gz", 10)
    now, answer = 1002.5, refuse -- others have queued up behind our place meanwhile
    assert.equal("3.300000", shown(places:acquire("A", "gz", 10))) -- 1005.8
    places = failing { processes = 4 }
    answer, now = 3e6, 1000
    places:acquire("A", "gz", 10)
    now, answer = 1020, refuse -- long past
    assert.equal(0, places:acquire("A", "gz", 10))
  end)
end)

-- Processes that share a Redis in memory, which runs the limiter's own script, in a simulated time.
describe("slots of Redis, of several processes that always want one,", function()
  local time, write = core.time, io.stderr

  before_each(function()
    io.stderr = { write = function() end } -- luacheck: ignore
  end)

  after_each(function()
    core.time, io.stderr = time, write -- luacheck: ignore
  end)

  local function fakeRedis(simulation)
    local redis = { values = {}, isDown = false }
    local environment = setmetatable({}, { __index = _G })
    local function call(name, key, value)
      if name == "TIME" then
        local now = math.floor(simulation.now * 1e6)
        return { ("%.0f"):format(math.floor(now / 1e6)), ("%.0f"):format(now % 1000000) }
      elseif name == "SET" then
        redis.values[key] = value
      end
      return redis.values[key]
    end
    environment.redis = { call = call }
    local chunk
    if setfenv then -- luacheck: ignore 113
      chunk = setfenv(loadstring(script), environment) -- luacheck: ignore 113
    else
      chunk = load(script, "=script", "t", environment)
    end
    function redis.eval(_, _, key, ...)
      if redis.isDown then
        return nil, "connection refused"
      end
      environment.KEYS, environment.ARGV = { key }, { ... }
      return chunk()
    end
    return redis
  end

  -- The most slots in any second of a minute, and how many a second they are.
  local function play(seed, processes, workers, mishap)
    local simulation = simulations.new(seed * 7919 + 13)
    simulation.now = 1000 + simulation.random()
    local redis, slots, last = fakeRedis(simulation), {}, simulation.now + 60
    function core.time()
      return math.floor(simulation.now)
    end
    for _ = 1, processes do
      local places = limiter.redis {
        eval = redis.eval,
        processes = processes,
        clock = function()
          return simulation.now
        end,
      }
      local process = simulation:process(workers)
      for _ = 1, workers do
        process.spawn(function()
          process.sleep(simulation.random() * 3)
          while simulation.now < last do
            local wait, again = places:acquire("A", "gz", 60)
            process.sleep(wait or 0.5)
            if wait and not again then
              slots[#slots + 1] = simulation.now
              process.sleep(0.15 + 0.3 * simulation.random())
            end
          end
        end)
      end
    end
    mishap(simulation, redis)
    simulation:run()
    table.sort(slots)
    local most, first = 0, 1
    for i = 1, #slots do
      while slots[i] - slots[first] >= 1 do
        first = first + 1
      end
      most = math.max(most, i - first + 1)
    end
    return most, #slots / 60
  end

  local function expect(mostOfAll, mishap)
    for _, size in ipairs { { 2, 8 }, { 8, 1 }, { 12, 2 } } do
      for seed = 1, 6 do
        local most, rate = play(seed, size[1], size[2], mishap)
        assert.is_true(most <= mostOfAll and rate > 7, ("%d of %d x %d, %.1f"):format(most, size[1], size[2], rate))
      end
    end
  end

  it("are ten in any second", function()
    expect(10, function() end)
  end)

  it("are eleven at most where all keys are flushed", function()
    expect(11, function(simulation, redis)
      for i = 1, 12 do
        simulation:at(1005 + 4 * i + simulation.random(), function()
          redis.values = {}
        end)
      end
    end)
  end)

  it("are twelve at most where it is away for ten seconds, and comes back without the key", function()
    expect(12, function(simulation, redis)
      simulation:at(1013.3, function()
        redis.isDown = true
      end)
      simulation:at(1024.1, function()
        redis.isDown, redis.values = false, {}
      end)
    end)
  end)
end)
