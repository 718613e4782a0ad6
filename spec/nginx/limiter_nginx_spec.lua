--- The limiters inside nginx: the shared dictionary and Redis (by nginx.redis), asked by several workers at once.
-- packages: wrk redis-tools unpacked:lua-redis unpacked:lua-nginx-redis

local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local redis = require "spec.support.redis"
local socket = require "socket"

-- /place takes a place, and notes its moment by the limiter's own clock.
local CONF = [[
worker_processes %d;
events { worker_connections 512; }
http {
  lua_package_path '%s;;';
  lua_shared_dict places %s;
  lua_shared_dict notes 10m;
  init_by_lua_block {
    local core = require "qcimage.core"
    local limiter = require "qcimage.limiter"
    local now
    local function clock()
      now = core.monotonic()
      return now
    end
    local function still()
      now = 1000
      return now
    end
    %s
    function place(longest)
      local wait, message = places:acquire("A", "gz", longest)
      if wait then
        ngx.shared.notes:rpush("moments", now + wait)
      end
      ngx.shared.notes:incr(wait and "taken" or "refused", 1, 0)
      ngx.shared.notes:incr("worker " .. ngx.worker.id(), 1, 0)
      return wait, message
    end
  }
  server {
    listen 127.0.0.1:$PORT reuseport; # or one worker may get all connections
    location = /ping { return 200 "pong\n"; }
    location = /place {
      content_by_lua_block { ngx.say(tostring(place(tonumber(ngx.var.arg_longest)))) }
    }
%s
  }
}
]]

local server

after_each(function()
  if server then
    server:stop()
    server = nil
  end
end)

-- An nginx whose code makes the limiter `places`.
local function start(options)
  server = nginx.start {
    conf = CONF:format(
      options.workers or 1,
      redis.PATH,
      options.size or "1m",
      options.init,
      nginx.LUA .. (options.more or "")
    ),
  }
end

-- Asks for places as fast as it can. Returns the moments of those given, in order.
local function flood(seconds, longest, connections)
  local text, status =
    process.run(("wrk -t1 -c%d -d%ds '%s/place?longest=%s'"):format(connections or 64, seconds, server.url, longest))
  assert.equal(0, status, text)
  assert.is_nil(text:match "Non%-2xx", text)
  local moments = server:lua [[
    local moments = {}
    for _ = 1, 100000 do
      local moment = ngx.shared.notes:lpop "moments"
      if not moment then
        break
      end
      moments[#moments + 1] = moment
    end
    return moments
  ]]
  table.sort(moments)
  return moments
end

local function note(name)
  return server:lua(("return ngx.shared.notes:get %q"):format(name)) or 0
end

-- The shortest time between two places, in seconds.
local function nearest(moments)
  local least = math.huge
  for i = 2, #moments do
    least = math.min(least, moments[i] - moments[i - 1])
  end
  return least
end

describe("places in a shared dictionary", function()
  it("lie apart, whichever worker gives them", function()
    for _, case in ipairs { { workers = 4, rate = 100 }, { workers = 8, rate = 5 } } do
      start {
        workers = case.workers,
        init = ('places = limiter.shared { dict = "places", rate = %d, clock = clock }'):format(case.rate),
      }
      local moments = flood(1, 2) -- no slot is lost unless the machine stalls for two seconds
      assert.is_true(nearest(moments) > 1 / case.rate - 2e-6, ("%.6f s"):format(nearest(moments)))
      local took = moments[#moments] - moments[1]
      assert.is_true((#moments - 1) / took >= 0.98 * case.rate, ("%d in %.3f s"):format(#moments, took))
      assert.is_true(took > 2)
      assert.is_true(note "refused" > 0)
      local busy = 0
      for id = 0, case.workers - 1 do
        busy = busy + (note("worker " .. id) > 0 and 1 or 0)
      end
      assert.is_true(busy >= 2)
      assert.equal("", server:complaints())
      server:stop()
    end
  end)

  it("are not taken by those who cannot wait for them", function()
    start { init = 'places = limiter.shared { dict = "places", rate = 1, clock = clock }' }
    local began = socket.gettime()
    local taken = 0
    repeat -- a busy machine asks less often
      taken = taken + #flood(1, 0.2)
    until note "refused" > 100
    assert.is_true(taken >= 1 and taken <= socket.gettime() - began + 1.2, taken)
    local wait, message = server:lua "return place(0)"
    assert.is_nil(wait)
    assert.matches("^no slot within 0 s %(next slot in 0.%d+ s%)$", message)
    assert.is_true(server:lua "return place(5)" <= 1)
  end)

  it("allow a burst after a rest, and no more", function()
    start { init = 'places = limiter.shared { dict = "places", rate = 1, burst = 3, clock = still }' }
    assert.same({ 0, 0, 0 }, server:lua "return { place(0), place(0), place(0) }")
    assert.equal(1, server:lua "return place(5)")
    assert.equal(2, server:lua "return place(5)")
    assert.is_nil(server:lua "return place(2)")
  end)

  it("outlive a reload", function()
    start { init = 'places = limiter.shared { dict = "places", rate = 1, clock = still }' }
    assert.equal(20, server:lua "for _ = 1, 20 do place(60) end return place(60)")
    server:reload()
    assert.equal(21, server:lua "return place(60)")
    assert.equal("", server:complaints())
  end)

  it("leave the dictionary as soon as they are past", function()
    start { init = 'places = limiter.shared { dict = "places", clock = clock }' }
    local ttls = server:lua [[
      local ttls = {}
      for _ = 1, 100 do
        place(60)
      end
      for _, key in ipairs(ngx.shared.places:get_keys()) do
        ttls[#ttls + 1] = ngx.shared.places:ttl(key)
      end
      return ttls
    ]]
    assert.equal(100, #ttls)
    for _, ttl in ipairs(ttls) do
      assert.is_true(ttl > 0 and ttl < 99 * 0.104 + 6)
    end
  end)

  it("are few when the dictionary is full: the workers keep to their shares", function()
    start { workers = 2, size = "12k", init = 'places = limiter.shared { dict = "places", rate = 1000, clock = clock }' }
    local began = socket.gettime()
    local moments = flood(1, 5)
    assert.is_true(#moments > 200, #moments) -- more than fit, on however busy a machine
    -- two workers, half the rate, and 5 s of waiting; and what fitted
    assert.is_true(#moments <= 2 * 500 * (socket.gettime() - began + 5) + 100)
    assert.matches(
      "%[warn%].-qcimage: limiter: nginx's dictionary places: no memory; until that passes, this process keeps to its"
        .. " share of the rate",
      server:complaints()
    )
    assert.is_nil(server:complaints():find "%[error%]")
  end)

  it("are few when others throw their keys out", function()
    start { size = "64k", init = 'places = limiter.shared { dict = "places", rate = 2, processes = 4, clock = still }' }
    local waits = server:lua [[
      local waits = {}
      for i = 1, 4 do
        waits[i] = place(60)
        for key = 1, 2000 do
          ngx.shared.places:set("filler " .. i .. " " .. key, "x")
        end
      end
      return waits
    ]]
    assert.equal(0, waits[1])
    assert.same({ 2, 4, 6 }, { waits[2], waits[3], waits[4] }) -- a quarter of the rate
    assert.matches(
      "nginx's dictionary places: keys vanish; give the limiter a separate dictionary",
      server:complaints()
    )
  end)

  it("go on when the dictionary was emptied", function()
    start { init = 'places = limiter.shared { dict = "places", rate = 1, clock = still }' }
    local wait = server:lua [[
      for _ = 1, 10 do
        place(60)
      end
      ngx.shared.places:flush_all()
      return place(60)
    ]]
    assert.equal(10, wait)
  end)

  it("are few when something else is at a key", function()
    for _, call in ipairs { 'set(key, "abc")', "set(key, 5)", "set(key, true)", 'rpush(key, "abc")' } do
      start { init = 'places = limiter.shared { dict = "places", key = "mine", rate = 1, processes = 4, clock = still }' }
      local waits = server:lua(([[
        local waits = { place(60), place(60) }
        local last = 0
        for _, key in ipairs(ngx.shared.places:get_keys()) do
          last = math.max(last, tonumber(key:match "%%d+$"))
        end
        local key = ("mine:3.0:A:gz:1000000:%%d"):format(last + 1)
        assert(ngx.shared.places:%s)
        waits[3], waits[4] = place(60), place(60)
        return waits
      ]]):format(call))
      assert.equal(4, #waits)
      assert.same({ 5, 9 }, { waits[3], waits[4] })
      assert.matches(
        "dictionary places: something else is in it at the key mine:3.0:A:gz:1000000:%d+;",
        server:complaints()
      )
      server:stop()
    end
  end)
end)

describe("places of Redis, in nginx,", function()
  local other

  -- The program of docs/bulk.md, and a limiter over its eval.
  local function code(rate)
    return readme.block("nginx.redis", { ["6379"] = ("%d"):format(other.port) })
      .. ('places = require("qcimage.limiter").redis { eval = eval, key = "account-1", rate = %d, clock = clock }'):format(
        rate
      )
  end

  before_each(function()
    other = redis.start()
  end)

  after_each(function()
    other:signal "CONT"
    other:stop()
  end)

  it("are given to all workers, at the rate", function()
    start { workers = 2, init = code(50) }
    local began = socket.gettime()
    local moments = flood(1, 2)
    local seconds = socket.gettime() - began
    assert.is_true(#moments <= 50 * (seconds + 2) + 1, #moments .. " places")
    assert.is_true(#moments >= 0.98 * 50 * 2, #moments .. " places")
    assert.equal("", server:complaints())
  end)

  it("are not missed by others because one asked where nginx cannot wait", function()
    start {
      init = code(1),
      more = [[
        location = /barred {
          content_by_lua_block { ngx.say "content" }
          header_filter_by_lua_block { package.loaded.barred = { place(60) } }
        }
      ]],
    }
    assert.equal(0, server:lua "return place(60)")
    server:request "/barred"
    local wait, message = server:lua "local barred = package.loaded.barred return barred[1], barred[2]"
    assert.is_nil(wait)
    assert.matches("^Redis: nginx cannot wait here %(phase header_filter, or a C function%)$", message)
    wait, message = server:lua "local it table.sort({ 1, 2 }, function() it = { place(60) } end) return it[1], it[2]"
    assert.is_nil(wait)
    assert.matches("^Redis: nginx cannot wait here %(phase content, or a C function%)$", message)
    local last = server:lua "return place(60)" -- the second place of Redis
    assert.is_true(last > 0 and last <= 1, last .. " s")
    assert.equal("", server:complaints())
  end)

  it("cost its time-out once when it hangs, though many ask at once", function()
    start { init = code(1000) }
    assert.equal(0, server:lua "return place(60)")
    other:signal "STOP"
    local took = server:lua [[
      local core = require "qcimage.core"
      local began, threads = core.monotonic(), {}
      for i = 1, 50 do
        threads[i] = ngx.thread.spawn(place, 60)
      end
      for i = 1, 50 do
        assert(ngx.thread.wait(threads[i]))
      end
      for _ = 1, 100 do
        assert(place(60))
      end
      return core.monotonic() - began
    ]]
    assert.is_true(took >= 0.19 and took < 4, took .. " s") -- a timeout for each call would take 20 s
    assert.equal(1, select(2, server:complaints():gsub("qcimage: limiter: Redis: timeout;", "")))
    other:signal "CONT"
    local isBack = nginx.eventually(function()
      server:lua "place(60)"
      return other:cli("get '{account-1}:3.0:A:gz'"):match "%d+ (%d+)"
    end, function()
      return "coming back"
    end)
    assert.is_string(isBack)
  end)
end)

describe("a call where nginx cannot wait", function()
  it("takes no place, and is told so", function()
    start {
      init = [[
        places = limiter.shared { dict = "places", rate = 1, clock = clock }
        client = require("qcimage").new { apiVersion = "3.0", region = "ap-guangzhou", limiter = places,
          secretId = "AKIDqcimageEXAMPLE000000000000000001", secretKey = "qcimageEXAMPLEsecret0000000000001",
          endpoint = "http://127.0.0.1:1" }
      ]],
    }
    local kind, message = server:lua [[
      local err
      table.sort({ 1, 2 }, function()
        err = select(3, client:describe())
      end)
      return err.kind, err.message
    ]]
    assert.equal("unsupported", kind)
    assert.matches("nginx cannot wait here", message)
    assert.equal(0, server:lua "return #ngx.shared.places:get_keys()")
    assert.equal("network", server:lua "return select(3, client:describe({}, { maxAttempts = 1 })).kind")
    assert.equal(1, server:lua "return #ngx.shared.places:get_keys()")
  end)
end)

-- The programs of docs/bulk.md against an emulator that allows ten calls a second.
describe("calls that share a rate", function()
  local CALLS, SECONDS = 30, 5

  local emulator, servers

  before_each(function()
    emulator = emulators.start { state = { settings = { rateLimit = 10 } } }
    servers = {}
  end)

  after_each(function()
    for _, each in ipairs(servers) do
      each:stop()
    end
    emulator:stop()
  end)

  -- Options of a client, in the code of one.
  local function options(more)
    return ('apiVersion = "3.0", region = "ap-guangzhou", endpoint = %q, secretId = %q, secretKey = %q, %s'):format(
      emulator.url,
      emulators.SECRET_ID,
      emulators.SECRET_KEY,
      more
    )
  end

  local function startRenaming(workers, directives)
    local each = nginx.start {
      conf = ([[
        worker_processes %d;
        events { worker_connections 512; }
        http {
          lua_package_path '%s;;';
          %s
          server {
            listen 127.0.0.1:$PORT reuseport;
            location = /rename {
              content_by_lua_block {
                local result, message = require("images"):modify { imageId = "img-12345678", imageName = "a" }
                ngx.say(result and #result.attempts or message)
              }
            }
          }
        }
      ]]):format(workers, redis.PATH, directives),
    }
    servers[#servers + 1] = each
    return each
  end

  -- Without a limiter most attempts are refused. With one, a busy machine may send some of them too late, near to those
  -- behind.
  local function expect(least)
    local applied, refused = 0, 0
    for _, entry in ipairs(emulator:journal()) do
      applied = applied + (entry.applied and 1 or 0)
      refused = refused + (entry.applied and 0 or 1)
    end
    assert.is_true(refused <= applied / 5, ("%d refused beside %d"):format(refused, applied))
    assert.is_true(applied >= least, applied .. " applied")
  end

  it("in the workers of an nginx, all succeed", function()
    startRenaming(
      8,
      readme.block("lua_shared_dict qcimage", {
        ['apiVersion = "3.0", region = "ap-guangzhou",'] = options "",
      })
    )
    local waiting = {}
    for i = 1, CALLS do
      waiting[i] = assert(socket.connect("127.0.0.1", servers[1].port))
      waiting[i]:send "GET /rename HTTP/1.0\r\n\r\n"
    end
    for _, conn in ipairs(waiting) do
      conn:settimeout(20)
      assert.matches("\r\n\r\n%d\n$", (conn:receive "*a"))
      conn:close()
    end
    expect(CALLS)
    assert.equal("", servers[1]:complaints())
  end)

  it("in two nginx and two plain programs, over Redis, use it up and keep to it", function()
    local other = redis.start()
    finally(function()
      other:stop()
    end)
    local port = { ["6379"] = ("%d"):format(other.port) }
    local inNginx = ("init_by_lua_block { %s package.loaded.images = require('qcimage').new { %s } }"):format(
      readme.block("nginx.redis", port),
      options "limiter = limiter, timeout = 3"
    )
    local plain = ([[
      package.path = package.path .. ";%s"
      %s
      local client, core = require("qcimage").new { %s }, require "qcimage.core"
      local ends = core.monotonic() + %d
      repeat
        client:modify { imageId = "img-12345678", imageName = "b" }
      until core.monotonic() > ends
    ]]):format(
      redis.PATH,
      readme.block("docs/examples/redis_limiter.lua", port):match "^(.-)\nlocal client",
      options "limiter = limiter, timeout = 3",
      SECONDS
    )
    local load = "wrk -t1 -c12 -d%ds %s/rename >/dev/null & "
    local text, status = process.run(
      load:format(SECONDS, startRenaming(2, inNginx).url)
        .. load:format(SECONDS, startRenaming(2, inNginx).url)
        .. ("printf '%%s' %s >%s/plain.lua; "):format(process.quote(plain), servers[1].dir)
        .. ("for i in 1 2; do %s %s/plain.lua & done; wait"):format(process.interpreter, servers[1].dir)
    )
    assert.equal("", text)
    assert.equal(0, status)
    expect(math.floor(9.3 * SECONDS))
    assert.equal("", servers[1]:complaints() .. servers[2]:complaints())
  end)
end)
