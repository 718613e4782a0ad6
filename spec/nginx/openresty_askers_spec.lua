--- Who asks for keys inside nginx: nobody's request, so that one that goes away holds up no other; and what comes of it where
--- there is no timer, no answer, or little time.

local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local emulator, server

setup(function()
  emulator = emulators.start()
end)

teardown(function()
  emulator:stop()
end)

before_each(function()
  emulator:reset()
end)

after_each(function()
  if server then
    server:stop()
    server = nil
  end
end)

-- Lua code that makes a client, whose role is asked for at STS, and calls side by side. each(...) gives for each call
-- "ok" or its message, with a "!" where it was killed after 0.05 s; and the seconds that all took.
local HELPERS = ([[
  init_by_lua_block {
    local credentials = require "qcimage.credentials"
    function made(source, sts)
      return require("qcimage").new {
        apiVersion = "3.0", region = "ap-guangzhou", endpoint = "%%s", maxAttempts = 1,
        credentials = source or credentials.assumeRole {
          credentials = { secretId = "%s", secretKey = "%s" }, roleArn = "%s", endpoint = sts or "%%s",
        },
      }
    end
    local core = require "qcimage.core"
    function each(client, timeouts, kills)
      local threads, said, start = {}, {}, core.monotonic()
      for i, timeout in ipairs(timeouts) do
        threads[i] = ngx.thread.spawn(function()
          local result, message = client:modify(
            { imageId = "img-12345678", imageName = "call-" .. i }, { timeout = timeout }
          )
          return result and "ok" or message
        end)
      end
      if kills then
        ngx.sleep(0.05)
        assert(ngx.thread.kill(threads[1]))
      end
      for i = kills and 2 or 1, #timeouts do
        local _, what = ngx.thread.wait(threads[i])
        said[#said + 1] = what
      end
      return said, core.monotonic() - start
    end
  }
]]):format(stub.SECRET_ID, stub.SECRET_KEY, cloud.ARN)

local function start(main)
  server = nginx.start { conf = nginx.conf((main or "") .. HELPERS:format(emulator.url, emulator.url)) }
end

local function count(action)
  local times = 0
  for _, entry in ipairs(emulator:journal()) do
    times = times + (entry.action == action and 1 or 0)
  end
  return times
end

local TEN = "{ 30, 30, 30, 30, 30, 30, 30, 30, 30, 30 }"

local function assertAll(expected, said)
  assert.equal(expected, #said)
  for _, what in ipairs(said) do
    assert.equal("ok", what)
  end
end

describe("a call of nginx that is killed while it waits for keys", function()
  it("of STS holds up no other: they are asked for in a timer, once", function()
    start()
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.4 }
    local said, seconds = server:lua(("return each(made(), %s, true)"):format(TEN))
    assertAll(9, said)
    assert.equal(1, count "AssumeRole")
    assert.is_true(seconds < 2, ("%.2f s"):format(seconds)) -- 0.43 s on a machine with nothing else to do
    assert.equal("", server:complaints())
  end)

  it("as the only one leaves the keys for the next", function()
    start()
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.3 }
    local said = server:lua [[
      local client = made()
      each(client, { 30 }, true)
      ngx.sleep(0.6)
      return each(client, { 30 })
    ]]
    assertAll(1, said)
    assert.equal(1, count "AssumeRole")
  end)

  it("of a function holds the others for a second", function()
    start()
    local said, seconds, asked = server:lua(([[
      local asked = 0
      local client = made(function()
        asked = asked + 1
        ngx.sleep(0.2)
        assert(ngx.var.request_uri) -- it stays in the call
        return { secretId = "%s", secretKey = "%s" }
      end)
      local said, seconds = each(client, %s, true)
      return said, seconds, asked
    ]]):format(stub.SECRET_ID, stub.SECRET_KEY, TEN))
    assertAll(9, said)
    assert.equal(2, asked)
    assert.is_true(seconds < 3, ("%.2f s"):format(seconds))
  end)

  it("in an early refresh does not end those", function()
    start()
    local early, later, asked = server:lua [[
      local core, lightThread = require "qcimage.core", require "qcimage.transport.light_thread"
      local asked = 0
      local source = require("qcimage.credentials.refresh").new(function(context)
        asked = asked + 1
        ngx.sleep(0.2)
        local id = "AKID" .. asked
        return { secretId = id, secretKey = "k", token = "t", expires = context.now() + 1.5 }
      end, { name = "here", longest = 10 })
      local function ask()
        return source({
          now = core.time, monotonic = core.monotonic, canWait = true, secondsLeft = 30, random = math.random,
          background = lightThread.background,
          sleep = function(seconds) ngx.sleep(seconds) return true end,
        }).secretId
      end
      ask()
      ngx.sleep(0.9) -- half of their life is over
      local early
      local thread = ngx.thread.spawn(function() early = ask() ngx.sleep(5) end)
      ngx.sleep(0.05)
      ngx.thread.kill(thread)
      ngx.sleep(0.4)
      return early, ask(), asked
    ]]
    assert.equal("AKID1", early) -- no call waits for those
    assert.equal("AKID2", later)
    assert.equal(2, asked)
  end)

  it("by its client, which goes away, holds up no other", function()
    start "lua_check_client_abort on;"
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.5 }
    local said, seconds = server:lua [[
      shared = made()
      local sock = ngx.socket.tcp()
      assert(sock:connect("127.0.0.1", ngx.var.server_port))
      local code = "return each(shared, { 30 })"
      sock:send(("POST /lua HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#code, code))
      ngx.sleep(0.1)
      sock:close()
      return each(shared, { 30, 30, 30 })
    ]]
    assertAll(3, said)
    assert.equal(1, count "AssumeRole")
    assert.is_true(seconds < 2, ("%.2f s"):format(seconds))
  end)
end)

describe("keys in nginx", function()
  it("come where no timer is left", function()
    start "lua_max_pending_timers 1;"
    local said = server:lua [[
      assert(ngx.timer.at(60, function() end))
      local ok, problem = ngx.timer.at(0, function() end)
      assert(not ok and problem:find "too many")
      return each(made(), { 30, 30, 30 })
    ]]
    assertAll(3, said)
    assert.equal(1, count "AssumeRole")
  end)

  it("come where a timer is dropped", function()
    start "lua_max_running_timers 1;"
    local said, seconds = server:lua [[
      assert(ngx.timer.at(0, function() ngx.sleep(3) end))
      ngx.sleep(0.05)
      return each(made(), { 30, 30, 30 })
    ]]
    assertAll(3, said)
    assert.equal(1, count "AssumeRole")
    assert.is_true(seconds < 1.5, ("%.2f s"):format(seconds))
  end)

  it("that no STS gives end each call in its time, with a word of what was asked", function()
    start()
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 30, seconds = 60 }
    local said, seconds = server:lua "return each(made(), { 0.3, 0.5 })"
    for _, message in ipairs(said) do
      assert.matches("timed out waiting for another call's request to AssumeRole", message, 1, true)
    end
    assert.is_true(seconds < 1.5, ("%.2f s"):format(seconds))
  end)

  it("that a call with little time did not get in time come for those with more", function()
    start()
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.6 }
    local said = server:lua "return each(made(), { 0.2, 30, 30 })"
    assert.matches("timed out waiting for another call", table.remove(said, 1), 1, true)
    assertAll(2, said)
    assert.equal(1, count "AssumeRole")
  end)

  it("that a call asks for where nothing can wait fail that call alone", function()
    start()
    emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.4 }
    local said, other, first = server:lua [[
      local client, other, first = made(), nil, nil
      local function unable()
        local message
        table.sort({ 1, 2 }, function()
          local _, said, err = client:modify { imageId = "img-12345678" }
          message = err.kind .. ": " .. said
        end)
        return message
      end
      first = unable()
      ngx.thread.spawn(function()
        ngx.sleep(0.1)
        other = unable()
      end)
      return each(client, { 30, 30, 30 }), other, first
    ]]
    assertAll(3, said)
    assert.matches("^unsupported: .*nginx cannot wait here", first)
    assert.matches("^unsupported: .*nginx cannot wait here", other)
    assert.equal(1, count "AssumeRole")
  end)

  it("that a role over a function of the caller's gives are asked for in the call", function()
    start()
    local said = server:lua(([[
      local credentials = require "qcimage.credentials"
      local function keys()
        assert(ngx.var.request_uri)
        return { secretId = "%s", secretKey = "%s" }
      end
      local function over(source)
        return credentials.assumeRole { credentials = source, roleArn = "%s", endpoint = "%s" }
      end
      local said = each(made(over(keys)), { 30 })
      said[2] = each(made(over(credentials.chain { keys })), { 30 })[1]
      said[3] = each(made(credentials.chain { over(keys) }), { 30 })[1]
      return said
    ]]):format(stub.SECRET_ID, stub.SECRET_KEY, cloud.ARN, emulator.url))
    assertAll(3, said)
  end)

  it("that are asked for outlast a reload, and an end that waits for its requests", function()
    for _, signal in ipairs { "HUP", "QUIT" } do
      emulator:reset()
      start()
      emulator:fault { kind = "delay", action = "AssumeRole", delay = 0.8 }
      local asking = assert(io.popen(("curl -s -d 'return each(made(), { 30, 30 })' %s/lua"):format(server.url)))
      nginx.eventually(function()
        return count "AssumeRole" == 1
      end, function()
        return "asking: " .. server:log()
      end)
      local began = core.monotonic()
      process.run(("kill -%s %d"):format(signal, server.pid))
      local text = asking:read "*a"
      asking:close()
      assert.matches('^%[%["ok","ok"%],', text, 1, signal)
      assert.is_true(core.monotonic() - began < 5)
      assert.is_nil(server:log():find("%[alert%]"), server:log())
      server:stop()
      server = nil
    end
  end)
end)
