--- The limiters' common part, the one in memory, the shared one beside it, and what stands in for an engine that
--- fails, on a clock of the spec's. No socket.

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
  -- Each line: moment of asking, the longest wait, the wait that is due. Worked out by hand, at 4 a second:
  -- places lie 0.25 s apart.
  local TABLES = {
    ["with a burst of 1"] = {
      rate = 4,
      burst = 1,
      { 0.00, 10, 0 }, -- the first goes at once; next place 0.25
      { 0.00, 10, 0.25 }, -- place 0.25; next 0.50
      { 0.10, 10, 0.40 }, -- place 0.50; next 0.75
      { 0.20, 0.50, "refused" }, -- place 0.75 is 0.55 away, too far
      { 0.20, 0.55, 0.55 }, -- and was not taken: place 0.75; next 1.00
      { 1.00, 10, 0 }, -- place 1.00, on its moment; next 1.25
      { 5.00, 10, 0 }, -- rest saves nothing up; next 5.25
      { 5.00, 0.2, "refused" },
      { 5.24, 10, 0.01 }, -- place 5.25; next 5.50
      { 5.49, 0, "refused" },
      { 5.50, 0, 0 },
    },
    ["with a burst of 3"] = {
      rate = 4,
      burst = 3,
      { 0.00, 10, 0 }, -- three at once
      { 0.00, 10, 0 },
      { 0.00, 10, 0 },
      { 0.00, 10, 0.25 }, -- then one each 0.25 s
      { 0.00, 10, 0.50 },
      { 0.60, 10, 0.15 }, -- place 0.75
      { 1.50, 10, 0 }, -- places for 1.00, 1.25 and 1.50 have come
      { 1.50, 10, 0 },
      { 1.50, 10, 0 },
      { 1.50, 10, 0.25 },
      { 9.00, 10, 0 }, -- after a long rest three, no more
      { 9.00, 10, 0 },
      { 9.00, 10, 0 },
      { 9.00, 0.2, "refused" },
    },
  }
  for title, lines in pairs(TABLES) do
    it("are given " .. title .. " as worked out by hand", function()
      for _, make in ipairs { new, newShared } do
        local places, now = make { rate = lines.rate, burst = lines.burst }
        for i, line in ipairs(lines) do
          now.seconds = 1000 + line[1]
          local wait = places:acquire("A", "gz", line[2])
          local due = line[3] == "refused" and line[3] or shown(line[3])
          assert.equal(due, shown(wait), ("line %d, at %.2f"):format(i, line[1]))
        end
      end
    end)
  end

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

  it("are counted by action and region, and by action alone in API 2.0", function()
    local places = new { rate = 1 }
    for _, asked in ipairs {
      { 0, "A", "gz", "3.0" },
      { 1, "A", "gz" }, -- API 3.0 is the default
      { 0, "A", "sh", "3.0" },
      { 0, "B", "gz", "3.0" },
      { 0, "A", "gz", "2.0" },
      { 1, "A", "sh", "2.0" },
      { 0, "B", nil, "3.0" },
    } do
      assert.equal(shown(asked[1]), shown(places:acquire(asked[2], asked[3], 10, asked[4])))
    end
  end)

  it("come at 0.97 of the documented rate by default", function()
    local places = new()
    assert.equal(0, places:acquire("A", "gz", 10, "3.0"))
    assert.equal("0.103093", shown(places:acquire("A", "gz", 10, "3.0")))
    assert.equal(0, places:acquire("A", "gz", 10, "2.0"))
    assert.equal("0.618557", shown(places:acquire("A", "gz", 10, "2.0")))
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

  it("are not taken by those who cannot wait for them", function()
    local places, now = new { rate = 1 }
    assert.equal(0, places:acquire("A", "gz", 0.5))
    for _ = 1, 50 do
      local wait, message = places:acquire("A", "gz", 0.5)
      assert.is_nil(wait)
      assert.equal("no slot within 0.5 s (next slot in 1 s)", message)
    end
    now.seconds = now.seconds + 0.2
    assert.equal("0.800000", shown(places:acquire("A", "gz", 30)))
  end)

  it("lie a minute ahead at most", function()
    local places = new { rate = 1 }
    for i = 0, 60 do
      assert.equal(i, places:acquire("A", "gz", 3600))
    end
    assert.is_nil(places:acquire("A", "gz", 3600))
    assert.is_nil(places:acquire("A", "gz"))
    assert.is_nil(places:acquire("A", "gz", math.huge))
    assert.is_nil(places:acquire("A", "gz", -1))
  end)

  it("are not taken by a process that was throttled, which asks again behind its pause", function()
    for _, make in ipairs { new, newShared } do
      local places, now = make { rate = 10 }
      local function expect(wait, what, ...)
        local got, message = places:acquire(...)
        assert.same({ wait, what }, { shown(got), message or "slot" })
      end
      places:throttled("A", "gz")
      expect("1.000000", "again", "A", "gz", 10)
      expect("1.000000", "again", "A", "gz", 10)
      places:throttled("A", "gz", 0.5) -- no sooner than before
      expect("1.000000", "again", "A", "gz", 10)
      expect("refused", "no slot within 0.9 s (next slot in 1 s)", "A", "gz", 0.9)
      expect("0.000000", "slot", "A", "sh", 0)
      now.seconds = now.seconds + 1
      expect("0.000000", "slot", "A", "gz", 10)
      expect("0.100000", "slot", "A", "gz", 10)
      places:throttled("A", "gz", 1e9)
      expect("60.000000", "again", "A", "gz", 60)
      places:throttled("A", "gz", 3, "2.0")
      expect("3.000000", "again", "A", "sh", 10, "2.0")
    end
  end)

  it("of others are not kept by the pause of one", function()
    local outside = rawget(_G, "ngx")
    local values, now = {}, 1000
    rawset(_G, "ngx", {
      shared = {
        places = {
          get = function(_, key)
            return values[key]
          end,
          safe_add = function(_, key, value)
            if values[key] ~= nil then
              return false, "exists"
            end
            values[key] = value
            return true
          end,
        },
      },
    })
    local function worker()
      return limiter.shared {
        dict = "places",
        rate = 10,
        clock = function()
          return now
        end,
      }
    end
    local one, other = worker(), worker()
    rawset(_G, "ngx", outside)
    assert.equal(0, one:acquire("A", "gz", 60))
    one:throttled("A", "gz", 20)
    assert.same({ 20, "again" }, { one:acquire("A", "gz", 60) })
    for i = 1, 30 do
      assert.equal(shown(i / 10), shown(other:acquire("A", "gz", 60)))
    end
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

  it("cost no memory for keys that are at rest", function()
    local places, now = new { rate = 10 }
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 20000 do
      places:acquire("A", "region-" .. i, 60)
      now.seconds = now.seconds + 0.1
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 1000)
  end)
end)

describe("a limiter", function()
  it("says what it is", function()
    assert.equal("qcimage.Limiter (memory)", tostring(limiter.memory {}))
    assert.equal("qcimage.Limiter (memory)", tostring(limiter.memory()))
  end)

  it("refuses options that are wrong, at the caller's line", function()
    for message, make in pairs {
      ["unknown option rates (rate?)"] = function()
        limiter.memory { rates = 1 }
      end,
      ["option rate must be a number from 0.001 to 100000"] = function()
        limiter.memory { rate = 0 }
      end,
      ["option burst must be a whole number from 1 to 1000000"] = function()
        limiter.memory { burst = 1.5 }
      end,
      ["options must be a table, not a number"] = function()
        limiter.memory(10)
      end,
      ["option dict must name a lua_shared_dict"] = function()
        limiter.shared {}
      end,
      ["nginx has no dictionary places: add lua_shared_dict places 1m; to its http block"] = function()
        limiter.shared { dict = "places" }
      end,
      ["option eval must be a function that sends EVAL to Redis"] = function()
        limiter.redis()
      end,
      ["option key must be 1 to 200 printable characters"] = function()
        limiter.redis { eval = print, key = "a\nb" }
      end,
      ["option processes must be a whole number from 1 to 100000"] = function()
        limiter.redis { eval = print, processes = 0 }
      end,
    } do
      local ok, problem = pcall(make)
      assert.is_false(ok)
      assert.matches("^spec/.-limiter_spec.lua:%d+: ", problem)
      assert.equal(message, (problem:gsub("^.-:%d+: ", "")))
    end
    for _, value in ipairs { 0 / 0, math.huge, "10" } do
      assert.is_false(pcall(limiter.memory, { rate = value }))
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

  it("the rate is divided by the processes", function()
    local places = failing { processes = 6 }
    answer = refuse
    assert.equal(0, places:acquire("A", "gz", 10))
    assert.equal("0.600000", shown(places:acquire("A", "gz", 10)))
    assert.equal("1.200000", shown(places:acquire("A", "gz", 10)))
    assert.is_nil(places:acquire("A", "gz", 1))
    assert.equal(0, places:acquire("B", "gz", 10))
    assert.same({
      "qcimage: limiter: Redis: connection refused; until that passes, this process keeps to its share of the rate\n",
    }, told)
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
  end)

  it("it comes back, and a second failure is told again", function()
    local places = failing()
    answer = refuse
    places:acquire("A", "gz", 10)
    wall, answer = wall + 5, 123456
    assert.equal("0.123456", shown(places:acquire("A", "gz", 10)))
    answer = 234567
    assert.equal("0.234567", shown(places:acquire("A", "gz", 10)))
    answer = refuse
    places:acquire("A", "gz", 10)
    assert.equal(2, #told)
  end)

  it("an answer that is none counts as a failure", function()
    for _, reply in ipairs {
      { value = "5000000", says = "Redis: the answer is not one to this question" },
      { value = "5000000 12345", says = "Redis: the answer is not one to this question" },
      { value = "OK", says = "Redis: the answer is not one to this question" },
      { value = 0, says = "Redis: eval gave 0" },
      { value = true, says = "Redis: eval gave true" },
      { value = false, says = "Redis: eval gave false" },
      { value = {}, says = "Redis: eval gave a table" },
      { value = false, problem = "ERR unknown\ncommand", says = "Redis: ERR unknown command" },
      { raised = "no \27[2J route", says = "Redis: .*no %?%[2J route" },
      { raised = {}, says = "Redis: table" },
    } do
      local places = failing()
      told = {}
      answer = function()
        if reply.raised then
          error(reply.raised)
        end
        return reply.value, reply.problem
      end
      assert.equal(0, places:acquire("A", "gz", 0))
      assert.is_nil(places:acquire("A", "gz", 0))
      assert.matches("^qcimage: limiter: " .. reply.says, told[1])
    end
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

  it("one that comes back is told of the places that were given out meanwhile", function()
    local places = failing { processes = 4 }
    answer = refuse
    for _ = 1, 3 do
      places:acquire("A", "gz", 10) -- at 1000, 1000.4, 1000.8
    end
    now, wall, answer = 1000.5, wall + 5, 0
    places:acquire("A", "gz", 10)
    assert.equal("700000", asked[7]) -- no place before 1001.2
    assert.equal("10000000", asked[6])
    now = 1003
    places:acquire("A", "gz", 10)
    assert.equal("0", asked[7])
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
