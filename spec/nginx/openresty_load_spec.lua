--- nginx with one worker under load: that calls do not hold it up, and that nothing is left behind.
--- Times are printed; the limits on them are wide, since machines are busy.
-- packages: wrk

local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local socket = require "socket"
local stub = require "spec.support.stub"

local RENAMES, DELAY = 20, 2
local CALLS, CONNECTIONS, POOL = os.getenv "QCIMAGE_FULL" and 10000 or 3000, 20, 8
local RELOADS = 20

local KEYS = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s "):format(stub.SECRET_ID, stub.SECRET_KEY)

local MAIN = [[
  lua_shared_dict gaps 1m;
  init_by_lua_block {
    client = require("qcimage").new { region = "gz", poolSize = %d, poolIdle = %s, maxAttempts = 1 }
  }
  init_worker_by_lua_block {
    local monotonic = require("qcimage.core").monotonic
    local last
    ngx.timer.every(0.01, function()
      local now = monotonic()
      if last and now - last > (ngx.shared.gaps:get "largest" or 0) then
        ngx.shared.gaps:set("largest", now - last)
      end
      last = now
    end)
  }
]]

local RENAME = [[
    location = /rename {
      content_by_lua_block {
        local result, message, err = client:modify { imageId = ngx.var.arg_id, imageName = ngx.var.arg_name }
        ngx.status = result and 200 or 502
        ngx.say(result and "renamed" or message)
      }
    }
]]

local emulator, server

setup(function()
  emulator = emulators.start()
end)

teardown(function()
  emulator:stop()
end)

after_each(function()
  server:stop()
end)

local function start(pool, idle)
  emulator:reset()
  server = nginx.start {
    conf = nginx.conf(MAIN:format(pool, idle), RENAME),
    environment = KEYS .. "QCIMAGE_ENDPOINT=" .. emulator.url,
  }
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Connections to the emulator.
local function connections()
  local count = 0
  for remote, state in read("/proc/net/tcp"):gmatch "\n *%d+: %x+:%x+ %x+:(%x+) (%x+)" do
    if tonumber(remote, 16) == emulator.port and state == "01" then
      count = count + 1
    end
  end
  return count
end

local function descriptors(pid)
  return tonumber((process.run(("ls /proc/%d/fd | wc -l"):format(pid))))
end

-- Runs wrk for a number of calls, for at most so many seconds; poll is called meanwhile and ends it by returning true.
-- Returns the number of requests, of errors, and the seconds taken.
local function wrk(calls, seconds, headers, poll)
  local script = server.dir .. "/wrk.lua"
  local file = assert(io.open(script, "w"))
  file:write(([[
    wrk.path = "/rename?id=img-12345678&name=web-09"
    %s
    local count = 0
    function response()
      count = count + 1
      if count == %d then
        os.execute "{ sleep 0.05; kill -INT $PPID; } &" -- ends wrk in good order
      end
    end
    function done(summary)
      local errors = summary.errors
      io.write(("\ndone %%d %%d %%d\n"):format(summary.requests, summary.duration / 1e3,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
    end
  ]]):format(headers, calls))
  file:close()
  assert(
    os.execute(
      ("{ wrk -t1 -c%d -d%d -s %s %s & echo $! >%s/wrk.pid; wait; echo ended; } >%s/wrk.out 2>&1 &"):format(
        CONNECTIONS,
        seconds,
        script,
        server.url,
        server.dir,
        server.dir
      )
    )
  )
  local output
  repeat
    socket.sleep(0.02)
    if poll and poll() then
      process.run(("kill -INT $(cat %s/wrk.pid)"):format(server.dir))
      poll = nil
    end
    output = read(server.dir .. "/wrk.out")
  until output:find "ended\n$"
  local requests, milliseconds, errors = output:match "\ndone (%d+) (%d+) (%d+)\n"
  assert(requests, output)
  return tonumber(requests), tonumber(errors), tonumber(milliseconds) / 1000
end

describe("a worker of nginx", function()
  it("serves others while it waits for answers", function()
    start(30, 30)
    local images = {}
    for i = 1, RENAMES do
      images[i] = { imageId = ("img-%08d"):format(i), imageName = "old-" .. i }
    end
    emulator:setImages(images)
    emulator:fault { kind = "delay", delay = DELAY, count = RENAMES }
    local waiting = {}
    local began = socket.gettime()
    for i = 1, RENAMES do
      local conn = assert(socket.connect("127.0.0.1", server.port))
      conn:send(("GET /rename?id=%s&name=new-%d HTTP/1.0\r\n\r\n"):format(images[i].imageId, i))
      conn:settimeout(0)
      waiting[#waiting + 1] = conn
    end
    local ping = assert(socket.connect("127.0.0.1", server.port))
    local pings, largest, answered = 0, 0, {}
    while #waiting > 0 do
      local sent = socket.gettime()
      ping:send "GET /ping HTTP/1.1\r\nHost: h\r\n\r\n"
      repeat
        local line = assert(ping:receive "*l")
      until line == "pong"
      pings, largest = pings + 1, math.max(largest, socket.gettime() - sent)
      local pause = sent + 0.05
      repeat
        local ready = socket.select(waiting, nil, math.max(0, pause - socket.gettime()))
        for _, conn in ipairs(ready) do
          local text, _, partial = conn:receive "*a"
          answered[#answered + 1] = text or partial
          for i = #waiting, 1, -1 do
            if waiting[i] == conn then
              table.remove(waiting, i)
            end
          end
          conn:close()
        end
      until socket.gettime() >= pause
    end
    local took = socket.gettime() - began
    ping:close()
    local gap = server:lua 'return ngx.shared.gaps:get "largest"'
    print(
      ("\n%d renames, each answered after %d s: %.2f s; %d pings, slowest %.1f ms; largest gap of a 10 ms timer %.1f ms"):format(
        RENAMES,
        DELAY,
        took,
        pings,
        largest * 1000,
        gap * 1000
      )
    )
    for _, answer in ipairs(answered) do
      assert.matches("^HTTP/1.1 200 .*renamed", answer)
    end
    local names = {}
    for _, image in ipairs(emulator:images()) do
      names[image.imageName] = image.imageId
    end
    for i = 1, RENAMES do
      assert.equal(images[i].imageId, names["new-" .. i])
    end
    -- calls that block the worker would take 40 s, and delay a ping by 2 s
    assert.is_true(took < 5 * DELAY, took .. " s")
    assert.is_true(pings >= 5, pings .. " pings")
    assert.is_true(largest < 0.75 * DELAY, largest .. " s")
    assert.equal("", server:complaints())
  end)

  it(("makes %d calls and is as before"):format(CALLS), function()
    start(POOL, 30)
    local function memory()
      local worker = server:workers()[1]
      return server:lua 'collectgarbage() collectgarbage() return collectgarbage "count"',
        tonumber(read(("/proc/%d/status"):format(worker)):match "VmRSS:%s*(%d+)")
    end
    local _, early = wrk(CALLS / 5, 60, "")
    local heapBefore, residentBefore = memory()
    server:lua 'ngx.shared.gaps:delete "largest"'
    local most = 0
    local requests, errors, seconds = wrk(CALLS, 120, "", function()
      -- a count is no picture of one moment: what comes and goes while it is made is counted twice
      most = math.max(most, math.min(connections(), connections(), connections()))
    end)
    local gap = server:lua 'return ngx.shared.gaps:get "largest"'
    local kept = nginx.eventually(function()
      local count = connections()
      return count <= POOL and count
    end, function()
      return ("closing all but %d of %d connections"):format(POOL, connections())
    end)
    local heap, resident = memory()
    print(
      ("\n%d calls in %.1f s (%.0f a second); connections %d at most, %d kept"):format(
        requests,
        seconds,
        requests / seconds,
        most,
        kept
      )
    )
    print(
      ("Lua memory %.0f -> %.0f KB, resident %d -> %d KB; largest gap of a 10 ms timer %.1f ms"):format(
        heapBefore,
        heap,
        residentBefore,
        resident,
        gap * 1000
      )
    )
    assert.equal(0, early + errors)
    assert.is_true(requests >= CALLS)
    assert.is_true(most <= CONNECTIONS)
    assert.is_true(heap - heapBefore < 0.03 * CALLS)
    assert.is_true(resident - residentBefore < 0.4 * CALLS)
    assert.equal("", server:complaints())
  end)

  it("is replaced by a reload without a failed request", function()
    start(POOL, 0.3)
    wrk(100, 10, "")
    local function idle()
      return nginx.eventually(function()
        return connections() == 0 and process.run("pgrep -c -P " .. server.pid) == "1\n"
      end, function()
        return ("closing %d connections"):format(connections())
      end)
    end
    idle()
    local master, worker = descriptors(server.pid), descriptors(server:workers()[1])
    local reloads, last = 0, 0
    -- each connection sends its next request 20 ms after a response: a steady load that leaves CPU time for others
    local steady = 'wrk.headers["Connection"] = "close" function delay() return 20 end'
    local requests, errors = wrk(1e9, 120, steady, function()
      if socket.gettime() > last + 0.25 then
        server:reload()
        reloads, last = reloads + 1, socket.gettime()
      end
      return reloads == RELOADS
    end)
    print(("\n%d reloads, %d requests meanwhile"):format(reloads, requests))
    assert.equal(RELOADS, reloads)
    assert.is_true(requests > RELOADS)
    assert.equal(0, errors)
    idle()
    assert.equal(master, descriptors(server.pid))
    assert.equal(worker, descriptors(server:workers()[1]))
    assert.equal("", server:complaints())
  end)
end)
