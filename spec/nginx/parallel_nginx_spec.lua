--- Several calls at once in nginx: covers light_tasks.lua, signal.lua.

local nginx = require "spec.support.nginx"
local raw = require "spec.support.raw"
local stub = require "spec.support.stub"

local server, service

setup(function()
  server = nginx.start { conf = nginx.conf "lua_socket_log_errors off;" }
end)

teardown(function()
  server:stop()
end)

after_each(function()
  service:stop()
end)

local function run(code)
  return server:lua((([[
    local image, tasks = require "qcimage", require "qcimage.util.tasks"
    local signals = require "qcimage.util.signal"
    local client = image.new {
      endpoint = "$url", apiVersion = "3.0", region = "gz", secretId = "$id", secretKey = "$key",
    }
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
  ]]):gsub("%$(%w+)", { url = service.url, id = stub.SECRET_ID, key = stub.SECRET_KEY })) .. code)
end

describe("in nginx, several calls at once", function()
  it("are under way together, each gets its own response, and what is thrown is told", function()
    service = raw.start { { { "loop", { { "recv" }, { "gather", 8 }, { "echo" } } } } }
    local good, thrown = run [[
      local good, thrown = 0, 0
      for id, result, _, err in image.parallel(ids(33), function(id)
        if id == "img-00000021" then
          error "no"
        end
        return modify(id)
      end) do
        good = good + (result and result.requestId == id and 1 or 0)
        thrown = thrown + (err and err.kind == "thrown" and err.traceback:find("posted", 1, true) and 1 or 0)
      end
      return good, thrown
    ]]
    assert.equal(32, good)
    assert.equal(1, thrown)
  end)

  it("of nested loops all come; a loop whose iterator ends, ends", function()
    service = raw.start { { { "loop", { { "recv" }, { "echo", 0.002 } } } } }
    local nested, stopped = run [[
      local nested, stopped, isEnough, index = 0, 0, false, 0
      for _, count in image.parallel({ 1, 2, 3 }, function()
        local count = 0
        for id, result in image.parallel(ids(5), modify) do
          count = count + (result.requestId == id and 1 or 0)
        end
        return count
      end) do
        nested = nested + count
      end
      for _, result in image.parallel(function()
        index = index + 1
        return not isEnough and ("img-%08x"):format(index) or nil
      end, modify, { concurrency = 4 }) do
        isEnough, stopped = true, stopped + (result and 1 or 0)
      end
      return nested, stopped
    ]]
    assert.equal(15, nested)
    assert.equal(4, stopped)
  end)

  it("wait for each other by signals, and are told that their loop was stopped", function()
    service = raw.start { {} }
    local notified, late, stopped = run [[
      local signal, seen = signals.new(), {}
      local loop = tasks.new(coroutine.wrap(function()
        for i = 1, 4 do
          coroutine.yield(i)
        end
      end), function(i)
        if i == 1 then
          ngx.sleep(0.05)
          signal:notify()
          return true
        elseif i == 2 then
          return signal:wait(10)
        elseif i == 3 then
          return (signal:wait(0.01))
        end
        signal:wait(10)
        seen.isStopped = select(2, signals.new():wait())
      end, 4)
      local results = {}
      for _ = 1, 3 do
        local i, result = loop:step()
        results[i] = result
      end
      loop:stop()
      return results[2], results[3], seen.isStopped
    ]]
    assert.is_true(notified)
    assert.is_false(late)
    assert.equal("stopped", stopped)
  end)

  it("work one after the other where there are no light threads", function()
    service = raw.start { {} }
    local isParallel, count = run [[
      local parallel, count = nil, 0
      local spawn = ngx.thread.spawn
      ngx.thread.spawn = function()
        error "API disabled"
      end
      parallel = tasks.isParallel()
      for _, result in image.parallel({ 1, 2, 3 }, function(i)
        return i
      end) do
        count = count + result
      end
      ngx.thread.spawn = spawn
      return parallel, count
    ]]
    assert.is_false(isParallel)
    assert.equal(6, count)
  end)
end)
