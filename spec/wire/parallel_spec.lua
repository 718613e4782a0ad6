--- Several calls at once over sockets: covers tasks.lua, loop.lua, parallel.lua, and the loop of qcimage.http.

local core = require "qcimage.core"
local http = require "qcimage.http"
local image = require "qcimage"
local libcurl = require "spec.support.libcurl"
local limiter = require "qcimage.limiter"
local posix = require "testposix"
local raw = require "spec.support.raw"
local signals = require "qcimage.util.signal"
local stub = require "spec.support.stub"
local tasks = require "qcimage.util.tasks"

local itKept = libcurl.itKept(it, pending)
local isSerial = not tasks.isParallel() -- PUC 5.1
local itAtOnce = isSerial and function(name)
  pending(name .. " (one after the other here)")
end or it

local server, client

local function start(steps, options)
  server = raw.start { { { "loop", steps } } }
  local all = { endpoint = server.url, apiVersion = "3.0", region = "ap-guangzhou" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  client = stub.client(all)
end

after_each(function()
  if client then
    client:close()
  end
  if server then
    server:stop()
  end
  server, client = nil, nil
end)

local function ids(count)
  local list = {}
  for i = 1, count do
    list[i] = ("img-%08x"):format(i)
  end
  return list
end

local function modify(id)
  return client:modify({ imageId = id, imageName = "x" }, { readBack = false })
end

-- Runs a loop to its end. Returns results and errors, by item.
local function run(list, work, options)
  local results, faults, count = {}, {}, 0
  for item, result, message, err in image.parallel(list, work, options) do
    assert.is_nil(results[item] or faults[item])
    results[item], faults[item], count = result, err, count + 1
    assert.equal(message, err and err.message)
  end
  return results, faults, count
end

local function assertAnswered(list, results)
  for _, id in ipairs(list) do
    assert.equal(id, results[id] and results[id].requestId)
  end
end

describe("several calls at once", function()
  itAtOnce("are under way together, and each gets its own response", function()
    start { { "recv" }, { "gather", 8 }, { "echo" } }
    local list = ids(32)
    local results = run(list, modify)
    assertAnswered(list, results)
    assert.equal(0, http.wait(0))
  end)

  it("give a result for each item, whatever their number", function()
    start { { "recv" }, { "echo" } }
    for _, concurrency in ipairs { 1, 3, 64 } do
      local list = ids(70)
      assertAnswered(list, (run(list, modify, { concurrency = concurrency })))
    end
  end)

  itAtOnce("are held within a limiter's rate", function()
    start({ { "recv" }, { "echo" } }, { limiter = limiter.memory { rate = 20 } })
    local began = core.monotonic()
    local list = ids(10)
    assertAnswered(list, (run(list, modify, { concurrency = 10 })))
    assert.is_true(core.monotonic() - began >= 0.4)
  end)

  itAtOnce("ask a credentials function once, which may call its own client", function()
    local asked = 0
    start({ { "recv" }, { "echo", 0.02 } }, {
      credentials = function()
        asked = asked + 1
        if asked == 1 then
          client:describe() -- which asks again, and does not wait for the first
        end
        return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
      end,
    })
    local list = ids(6)
    local results = run(list, modify)
    assertAnswered(list, results)
    assert.equal(2, asked)
  end)

  it("of nested loops all come, in the work and in the loop's body", function()
    start { { "recv" }, { "echo", 0.002 } }
    local count = 0
    local results = run({ 1, 2, 3, 4 }, function()
      return select(3, run(ids(5), modify))
    end)
    for i = 1, 4 do
      count = count + results[i]
    end
    for _ in image.parallel(ids(4), modify) do
      count = count + select(3, run(ids(5), modify))
    end
    assert.equal(40, count)
  end)

  it("may be made inside of C functions and coroutines, where they wait alone", function()
    start { { "recv" }, { "echo", 0.002 } }
    local ways = {
      function(id)
        local _, result = pcall(modify, id)
        return result
      end,
      function(id)
        local result
        table.sort({ 3, 2, 1 }, function(a, b)
          result = result or modify(id)
          return a < b
        end)
        return result
      end,
      function(id)
        local result
        local _ = ("x"):gsub("x", function()
          result = modify(id)
        end)
        return result
      end,
      function(id)
        return coroutine.wrap(modify)(id)
      end,
    }
    local list, way = ids(16), {}
    for i, id in ipairs(list) do
      way[id] = ways[(i - 1) % #ways + 1]
    end
    assertAnswered(list, (run(list, function(id)
      return way[id](id)
    end)))
  end)

  it("come to their end when the client is closed meanwhile", function()
    start { { "recv" }, { "echo", 0.02 } }
    local results, faults, count = {}, {}, 0
    for id, result, _, err in image.parallel(ids(8), modify, { concurrency = 4 }) do
      client:close()
      results[id], faults[id], count = result, err, count + 1
    end
    assert.equal(8, count)
    local answered = 0
    for _ in pairs(results) do
      answered = answered + 1
    end
    assert.equal(isSerial and 1 or 4, answered)
    for _, err in pairs(faults) do
      assert.equal("thrown", err.kind)
    end
  end)

  it("end in their time, though none is answered", function()
    start({ { "recv" }, { "sleep", 30 } }, { attemptTimeout = 0.2 })
    local began = core.monotonic()
    local _, faults = run(ids(isSerial and 2 or 64), modify, { concurrency = 64 })
    local took = core.monotonic() - began
    assert.is_true(took < 5, took)
    for _, err in pairs(faults) do
      assert.equal("timeout", err.reason)
    end
  end)

  itAtOnce("are all there after a fork, but in the child unknown", function()
    start({ { "recv" }, { "echo", 0.1 } }, { maxAttempts = 3 }) -- the parent's go on, so the child makes one of each
    local child
    local results, faults, count = run(ids(8), function(id)
      if id == "img-00000004" then
        child = posix.fork()
        if child == 0 then
          server.pipe = nil -- the parent's
        end
      end
      return modify(id)
    end, { concurrency = 4 })
    if child == 0 then
      local unknown = 0
      for _, err in pairs(faults) do
        unknown = unknown + (err.outcome == "unknown" and err.message:find "forked" and 1 or 0)
      end
      posix.exit(unknown)
    end
    assert.equal(3, posix.wait(child)) -- that were under way
    assert.equal(8, count)
    assertAnswered(ids(8), results)
  end)

  itKept("against a broken server get no other's response, are sent once, and tell no lie", function()
    start({ { "recv" }, { "chaos" } }, { attemptTimeout = 0.5 })
    local list = ids(isSerial and 100 or 600)
    local results, faults = run(list, modify, { concurrency = 32 })
    local seen = {}
    for _, bytes in ipairs(server:requests()) do
      for id in bytes:gmatch "img%-%x+" do
        seen[id] = (seen[id] or 0) + 1
      end
    end
    for _, id in ipairs(list) do
      assert.is_true(results[id] == nil or results[id].requestId == id, id)
      assert.is_true((seen[id] or 0) <= 1, id)
      assert.is_true(not (faults[id] and faults[id].outcome == "notSent" and seen[id]), id)
      assert.is_truthy(results[id] or faults[id], id)
    end
    assert.equal(0, http.wait(0))
  end)
end)

describe("a loop that is left", function()
  local function leave(how)
    local count = 0
    for _ in image.parallel(ids(8), modify, { concurrency = 4 }) do
      count = count + 1
      if how == "break" then
        break
      end
      error(how, 0)
    end
    return count
  end

  itAtOnce("has nothing under way when it is collected", function()
    start { { "recv" }, { "echo", 0.05 } }
    for _, how in ipairs { "break", "an error" } do
      pcall(leave, how)
      collectgarbage()
      collectgarbage()
      assert.equal(0, http.wait(0))
    end
    assertAnswered({ "img-12345678" }, { ["img-12345678"] = modify "img-12345678" })
  end)

  it("ends with its iterator: what was begun comes", function()
    start { { "recv" }, { "echo", 0.01 } }
    local index, hasEnded, count = 0, false, 0
    for _, result in
      image.parallel(function()
        index = index + 1
        return not hasEnded and ("img-%08x"):format(index) or nil
      end, modify, { concurrency = 4 })
    do
      count, hasEnded = count + 1, true
      assert.is_truthy(result)
    end
    assert.equal(isSerial and 1 or 4, count)
  end)
end)

describe("work that throws", function()
  it("gives what it threw, and where", function()
    local value = {}
    local _, faults = run({ 1, 2 }, function(i)
      error(i == 1 and value or "a text")
    end)
    assert.equal(value, faults[1].thrown)
    assert.matches("^the work threw: [^\n]*parallel_spec.lua:%d+: a text$", faults[2].message)
    for i = 1, 2 do
      assert.equal("unknown", faults[i].outcome)
      assert.matches("^stack traceback:\n.*parallel_spec.lua:%d+: in ", faults[i].traceback)
    end
  end)
end)

describe("a client's transport that yields to another scheduler", function()
  itAtOnce("fails in a task at once, and is not tried again", function()
    local calls = 0
    client = stub.client {
      apiVersion = "3.0",
      transport = function()
        calls = calls + 1
        coroutine.yield "to a foreign loop"
      end,
    }
    local _, faults = run({ "img-12345678" }, modify)
    assert.equal(1, calls)
    assert.equal("unsupported", faults["img-12345678"].kind)
    assert.equal("unknown", faults["img-12345678"].outcome)
  end)
end)

describe("what throws in a task", function()
  local compile = rawget(_G, "loadstring") or load
  local hasClose = compile "local one <close> = nil" ~= nil

  local itCloses = hasClose and it or function(name)
    pending(name .. " (this Lua has no variables to close)")
  end

  -- A function that throws, with a variable that notes that it was closed; noted first, so that it may throw, too.
  local function throwing(closed, problem)
    local build = compile [[
      local closed, problem = ...
      return function()
        local one <close> = setmetatable({}, { __close = function()
          closed[#closed + 1] = true
          if problem then
            error(problem, 0)
          end
        end })
        error("first", 0)
      end]]
    return build(closed, problem)
  end

  itCloses("has the variables of the work closed at once", function()
    local closed = {}
    local _, faults = run({ 1, 2 }, throwing(closed))
    assert.same({ true, true }, closed)
    assert.equal("first", faults[1].thrown)
    _, faults = run({ 1 }, throwing(closed, "second"))
    assert.equal("second", faults[1].thrown) -- as pcall has it
  end)

  itCloses("has those of a client's function closed", function()
    local closed = {}
    client = stub.client { apiVersion = "3.0", maxAttempts = 1, transport = throwing(closed) }
    local _, faults = run({ "img-12345678" }, modify)
    assert.same({ true }, closed)
    assert.is_truthy(faults["img-12345678"].message:find("the transport threw: first", 1, true))
  end)

  itCloses("has a loop within the work wait for what is under way", function()
    local ended = 0
    local _, faults = run({ 1 }, function()
      for _ in
        image.parallel({ 1, 2, 3 }, function(i)
          tasks.sleep(i * 0.01)
          ended = ended + 1
        end)
      do
        error("in the body", 0)
      end
    end)
    assert.equal("in the body", faults[1].thrown)
    assert.equal(3, ended)
  end)
end)

describe("workers that share state", function()
  -- As bulk changes have them: eight workers take changes from a list, one looks for all of them at the images first, and
  -- all are held within one rate.
  it("wait for the one that looks, and make the changes at once", function()
    start({ { "recv" }, { "echo", isSerial and 0.01 or 0.1 } }, { limiter = limiter.memory { rate = 1000, burst = 8 } })
    local changes, looks, isLooking, hasLooked, made = ids(24), 0, false, false, {}
    local looked = signals.new()
    local function look()
      while not hasLooked do
        if isLooking then
          assert.is_true((looked:wait(10)))
        else
          isLooking = true
          looks = looks + 1
          hasLooked = client:describe() ~= nil or true
          isLooking = false
          looked:notify()
        end
      end
    end
    local function worker()
      look()
      while changes[1] do
        local id = table.remove(changes)
        made[id] = modify(id)
      end
      return true
    end
    local began = core.monotonic()
    local results = run({ 1, 2, 3, 4, 5, 6, 7, 8 }, worker)
    local took = core.monotonic() - began
    for i = 1, 8 do
      assert.is_true(results[i])
    end
    assert.equal(1, looks)
    assertAnswered(ids(24), made)
    assert.is_true(isSerial or took < 2, took) -- 2.5 s one after the other, 0.4 s on an idle machine
  end)

  it("are told when the loop was stopped, or nobody can notify", function()
    local signal, whys = signals.new(), {}
    local loop = tasks.new(
      coroutine.wrap(function()
        for i = 1, 3 do
          coroutine.yield(i)
        end
      end),
      function(i)
        if i == 1 then
          return true
        end
        whys[i] = select(2, signal:wait())
      end,
      3
    )
    assert.equal(1, loop:step())
    loop:stop()
    for _, why in pairs(whys) do
      assert.equal(isSerial and "alone" or "stopped", why)
    end
    local why
    for _, said in
      image.parallel({ 1 }, function()
        return select(2, signal:wait())
      end)
    do
      why = said
    end
    assert.equal("alone", why)
    assert.equal("alone", select(2, signal:wait(1)))
  end)
end)

describe("each of several regions", function()
  it("gives the images in the order of the regions, and tells which failed", function()
    local function transport(request)
      local region = request.headers["X-TC-Region"]
      if region == "ap-tokyo" then
        return {
          status = 200,
          body = '{"Response":{"Error":{"Code":"UnsupportedRegion","Message":"no"},"RequestId":"r"}}',
        }
      end
      local body = '{"Response":{"TotalCount":1,"ImageSet":[{"ImageId":"img-%08x"}],"RequestId":"r"}}'
      return { status = 200, body = body:format(#region) }
    end
    client = stub.client { apiVersion = "3.0", transport = transport }
    local regions, given = { "ap-beijing", "ap-tokyo", "bj", "ap-guangzhou" }, {}
    local ok, err = pcall(function()
      for one, page in client:each({}, { regions = regions }) do
        given[#given + 1] = one.region
        assert.equal("r", page.requestId)
      end
    end)
    assert.is_false(ok)
    assert.same({ "ap-tokyo" }, err.regions)
    assert.is_truthy(err.message:find("region ap-tokyo", 1, true))
    assert.same({ "ap-beijing", "ap-guangzhou" }, given)
  end)

  it("takes the list as it was given, and none with holes", function()
    client = stub.client {
      apiVersion = "3.0",
      transport = function()
        return { status = 200, body = '{"Response":{"TotalCount":1,"ImageSet":[{"ImageId":"img-1"}],"RequestId":"r"}}' }
      end,
    }
    local regions, count = { "ap-beijing", "ap-tokyo" }, 0
    local iterate = client:each({}, { regions = regions })
    regions[1], regions[2] = nil, nil
    for _ in iterate do
      count = count + 1
    end
    assert.equal(2, count)
    for _, list in ipairs { { "bj", nil, "gz" }, { nil, "gz" }, { "bj", other = "gz" }, {} } do
      local ok, message = pcall(client.each, client, {}, { regions = list })
      assert.is_false(ok)
      assert.is_truthy(message:find('option regions must be "all" or a list of regions', 1, true), message)
    end
  end)
end)
