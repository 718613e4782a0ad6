--- The limiter over a real Redis, by the eval of docs/examples: its numbers, its state, and each way in which a Redis fails.
-- packages: redis-tools unpacked:lua-redis

local core = require "qcimage.core"
local limiter = require "qcimage.limiter"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local redis = require "spec.support.redis"
local script = require("qcimage.limiter.redis").SCRIPT
local socket = require "socket"

local server, write
local told = {}

setup(function()
  server = redis.start()
  write = io.stderr
  io.stderr = { -- luacheck: ignore
    write = function(_, ...)
      told[#told + 1] = table.concat { ... }
    end,
  }
end)

teardown(function()
  io.stderr = write -- luacheck: ignore
  server:stop()
end)

local serial = 0

before_each(function()
  serial, told = serial + 1, {}
end)

-- eval of the example.
local function evaluator(port)
  local program = readme.block("docs/examples/redis_limiter.lua", { ["6379"] = ("%d"):format(port) })
  return assert((loadstring or load)(program:match "^(.-)\nlocal limiter" .. "return eval"))() -- luacheck: ignore
end

-- A limiter of one place a second, with a key of this test, and that key in Redis for action A in gz.
local function new(options)
  options = options or {}
  options.key = "test-" .. serial
  options.eval = options.eval or evaluator(options.port or server.port)
  options.rate, options.port = options.rate or 1, nil
  return limiter.redis(options), ("'{test-%d}:3.0:A:gz'"):format(serial)
end

-- Moment of the next place, on the spec's clock.
local function place(places, longest, action)
  return assert(places:acquire(action or "A", "gz", longest or 60)) + socket.gettime()
end

-- The machine may be busy: within less than the second between two places.
local function near(expected, actual)
  assert.is_true(math.abs(actual - expected) < 0.9, ("%.6f, not %.6f"):format(actual, expected))
end

local function serverTime()
  return tonumber((server:cli("time"):gsub("\n(%d+)$", function(digits)
    return ("%06d"):format(digits)
  end)))
end

local function set(key, value, ...)
  assert.equal("OK", server:cli(("set %s '%s'"):format(key, value:format(...))))
end

describe("places of a Redis", function()
  it("are given in turn, to whoever asks", function()
    local first, key = new()
    local second = new()
    local began = place(first)
    for i = 1, 9 do
      near(began + i, place(i % 2 == 0 and first or second))
    end
    assert.equal(0, first:acquire("A", "sh", 0))
    assert.equal(0, first:acquire("A", "gz", 0, "2.0"))
    local written, free = server:cli("get " .. key):match "^(%d+) (%d+)$"
    assert.equal(16, #written)
    near(serverTime() / 1e6, tonumber(written) / 1e6)
    near(began + 10, tonumber(free) / 1e6)
    assert.same({}, told)
  end)

  it("lose nothing of a wait below a second, nor of large numbers", function()
    local places, key = new()
    set(key, "%.0f %.0f", serverTime(), serverTime() + 900000)
    local wait = places:acquire("A", "gz", 10)
    assert.is_true(wait > 0 and wait < 0.9 and wait * 1e6 % 1 < 1e-4)
    places, key = new { rate = 0.1, burst = 1e6 }
    set(key, "0 0")
    local before = serverTime()
    for _ = 1, 10 do
      assert.equal(0, places:acquire("A", "gz", 10))
    end
    local free = server:cli("get " .. key):match "^%d+ (%d+)$"
    local since = tonumber(free) - before + 999989 * 10 * 1e6 -- at the first of the ten
    assert.is_true(since >= 0 and since <= serverTime() - before, ("%.0f"):format(since))
  end)

  it("are not taken by those who cannot wait for them", function()
    local places, key = new { rate = 0.1 }
    assert.equal(0, places:acquire("A", "gz", 0.5))
    local state = server:cli("get " .. key)
    for _ = 1, 20 do
      local wait, message = places:acquire("A", "gz", 0.5)
      assert.is_nil(wait)
      assert.matches("^no slot within 0.5 s %(next slot in %d+.?%d* s%)$", message)
    end
    assert.equal(state, server:cli("get " .. key))
    assert.is_true(places:acquire("A", "gz", 10) <= 10)
  end)

  it("allow a burst after a rest, and no more", function()
    local places = new { burst = 3 }
    local began = socket.gettime()
    for _ = 1, 3 do
      assert.equal(0, places:acquire("A", "gz", 10))
    end
    near(began + 1, place(places))
  end)

  it("are kept under one key, which ends by itself", function()
    local places, key = new()
    local began = place(places)
    near(began + 6, tonumber(server:cli("pttl " .. key)) / 1000 + socket.gettime())
    for _ = 1, 9 do
      places:acquire("A", "gz", 60)
    end
    near(began + 15, tonumber(server:cli("pttl " .. key)) / 1000 + socket.gettime())
    assert.equal(key:gsub("'", ""), server:cli(("keys '{test-%d}*'"):format(serial)))
    for command, key1 in script:gmatch 'redis%.call%("(%u+)",? ?([^,)]*)' do
      assert.is_true(command == "TIME" or key1 == "KEYS[1]", command)
    end
  end)

  it("begin anew where the key holds something else", function()
    local now = serverTime()
    local long = ("9"):rep(400)
    for _, value in ipairs {
      "abc",
      "99999999999999999",
      ("%.0f"):format(now + 172800e6),
      "",
      "nan nan",
      "-1 -1",
      "0 0",
      "0 " .. long,
      ("%.0f %s"):format(now, long),
      long .. " " .. long,
      ("%s %.0f"):format(long, now),
    } do
      local places, key = new()
      set(key, "%s", value)
      assert.is_true(places:acquire("A", "gz", 10) <= 1, value)
      near(1 + socket.gettime(), place(places))
      assert.is_true(tonumber(server:cli("pttl " .. key)) <= 8000)
    end
    assert.same({}, told)
  end)

  it("come soon after Redis's clock was set", function()
    for _, step in ipairs { 10e6, 172800e6, 30e6 } do -- the state is from a clock that was so far ahead
      local places, key = new()
      local later = serverTime() + step
      set(key, "%.0f %.0f", later, later + 5e6)
      local began = socket.gettime()
      near(began + 5, place(places))
      near(began + 6, place(places))
    end
    local places, key = new()
    set(key, "%.0f %.0f", serverTime() - 3600e6, serverTime() - 3600e6 + 5e6)
    assert.equal(0, places:acquire("A", "gz", 10))
    places = new()
    set(key, "%.0f %.0f", serverTime(), serverTime() + 62e6) -- further ahead than any queue
    assert.equal(0, places:acquire("A", "gz", 10))
  end)

  it("are not given twice when the key is gone", function()
    local places, key = new()
    local began = place(places)
    for _ = 1, 9 do
      places:acquire("A", "gz", 60)
    end
    server:cli("del " .. key)
    near(began + 11, place(places)) -- this process knows how far it was, and leaves room for what it does not know
    near(began + 12, place(places))
    assert.same({}, told)
  end)

  it("are given by a node of a cluster", function()
    local node = redis.start "--cluster-enabled yes"
    finally(function()
      node:stop()
    end)
    node:cli "cluster addslots $(seq 0 16383)"
    repeat
      socket.sleep(0.05)
    until node:cli("cluster info"):find "cluster_state:ok"
    local places = new { port = node.port }
    for _, action in ipairs { "A", "B" } do
      for _, region in ipairs { "gz", "sh" } do
        assert.equal(0, places:acquire(action, region, 1))
      end
    end
    assert.same({}, told)
  end)
end)

describe("when Redis", function()
  local time, wall = core.time, 0

  setup(function()
    core.time = function()
      return wall
    end
  end)

  teardown(function()
    core.time = time
  end)

  -- A failing engine is asked again in the next period.
  local function nextPeriod()
    wall = wall + 5
  end

  it("is full, or a replica, or forbids TIME, or has the key as a list, the share is kept", function()
    local function expect(problem, places)
      local began = place(places)
      near(began + 4, place(places))
      near(began + 8, place(places))
      assert.equal(1, #told)
      assert.matches(problem, told[1])
      told = {}
    end
    server:cli "config set maxmemory 1"
    expect("OOM command not allowed", new { processes = 4 })
    server:cli "config set maxmemory 0"
    server:cli "replicaof 127.0.0.1 1"
    expect("READONLY You can't write against a read only replica", new { processes = 4 })
    server:cli "replicaof no one"
    server:cli "acl setuser default -time"
    expect("run th.- command", new { processes = 4 }) -- each release of Redis has words of its own
    server:cli "acl setuser default +time"
    local places, key = new { processes = 4 }
    server:cli(("rpush %s a"):format(key))
    expect("WRONGTYPE", places)
  end)

  it("is killed and started again, the places go on", function()
    local other = redis.start()
    finally(function()
      other:stop()
    end)
    local places, key = new { port = other.port, processes = 2, rate = 0.2 }
    local began = place(places)
    for i = 1, 2 do
      near(began + 5 * i, place(places))
    end
    other:kill()
    near(began + 20, place(places)) -- behind its own places, at half the rate
    near(began + 30, place(places))
    other:restart()
    near(began + 40, place(places))
    nextPeriod()
    near(began + 50, place(places)) -- of Redis again, behind those
    assert.equal("1", other:cli("exists " .. key))
    near(began + 55, place(places))
    assert.equal(1, #told)
  end)

  it("is stopped, a call loses the recipe's time-out once in a period", function()
    local other = redis.start()
    finally(function()
      other:signal "CONT"
      other:stop()
    end)
    local eval, asked = evaluator(other.port), 0
    local places = new {
      rate = 1000,
      eval = function(...)
        asked = asked + 1
        return eval(...)
      end,
    }
    assert.equal(0, places:acquire("A", "gz", 10))
    other:signal "STOP"
    for _ = 1, 2 do
      nextPeriod()
      asked = 0
      local began = socket.gettime()
      for _ = 1, 100 do
        assert(places:acquire("A", "gz", 10))
      end
      assert.equal(1, asked)
      local took = socket.gettime() - began
      assert.is_true(took >= 0.19 and took < 4, tostring(took))
    end
    other:signal "CONT"
    nextPeriod()
    assert(places:acquire("B", "gz", 10))
    assert.equal("1", other:cli(("exists '{test-%d}:3.0:B:gz'"):format(serial)))
    assert.equal(1, #told)
  end)

  it("answers late on a connection that was kept, the answer is not taken for another's", function()
    local other = redis.start()
    finally(function()
      other:signal "CONT"
      other:stop()
    end)
    local connection = require("redis").connect { host = "127.0.0.1", port = other.port, timeout = 0.2 }
    local places = new {
      eval = function(...)
        local ok, reply = pcall(connection.eval, connection, ...)
        return ok and reply or nil, reply -- keeps the connection after an error: wrong
      end,
    }
    for _ = 1, 5 do
      places:acquire("A", "gz", 60)
    end
    other:signal "STOP"
    places:acquire("A", "gz", 60) -- its answer, a wait of 5 s, comes to the next question
    other:signal "CONT"
    nextPeriod()
    told = {}
    local began = socket.gettime()
    assert.equal(0, places:acquire("B", "gz", 10))
    near(began + 1, place(places, 10, "B"))
    assert.equal("1", other:cli(("exists '{test-%d}:3.0:B:gz'"):format(serial))) -- asked, but not believed
  end)

  it("forgets its scripts, nobody notices", function()
    local places = new()
    local began = place(places)
    server:cli "script flush"
    near(began + 1, place(places))
    assert.same({}, told)
  end)

  it("throws keys out, one burst too much goes at most", function()
    finally(function()
      server:cli "config set maxmemory 0"
    end)
    local places, key = new()
    local began = place(places)
    near(began + 1, place(places))
    near(began + 2, place(places))
    server:cli "config set maxmemory 2mb"
    server:cli "config set maxmemory-policy allkeys-lru"
    process.run(
      ("seq 1 3000 | sed 's/.*/set filler-& %s/' | redis-cli -p %d >/dev/null"):format(("x"):rep(5000), server.port)
    )
    assert.equal("0", server:cli("exists " .. key))
    local other = new()
    near(socket.gettime(), place(other))
    near(socket.gettime() + 1, place(other))
    assert.same({}, told)
  end)
end)
