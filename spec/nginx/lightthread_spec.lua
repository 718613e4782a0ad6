--- Light threads of nginx that call: those that are killed, and those whose transport minds no time.
--- Covers transport/light_thread.lua.

local core = require "qcimage.core"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local raw = require "spec.support.raw"
local stub = require "spec.support.stub"

-- Lua code that makes a client with the example identity.
local CLIENT = ([[
  local function made(options)
    local all = { secretId = "%s", secretKey = "%s", region = "gz" }
    for name, value in pairs(options) do
      all[name] = value
    end
    return require("qcimage").new(all)
  end
]]):format(stub.SECRET_ID, stub.SECRET_KEY)

local OK = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}'

local names, server

setup(function()
  names = dns.start { "api.test=127.0.0.1", "mute.test=" }
  server = nginx.start {
    conf = nginx.conf(([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_socket_log_errors off;
    ]]):format(names.port)),
  }
end)

teardown(function()
  server:stop()
  names:stop()
end)

-- Seconds from the death of a light thread, which is killed 0.2 s after it began, to the response's end.
local function killed(code, values)
  local at = server:lua(CLIENT .. ([[
    local thread = ngx.thread.spawn(function() %s end)
    ngx.sleep(0.2)
    assert(ngx.thread.kill(thread))
    return require("qcimage.core").monotonic()
  ]]):format(code), values)
  return core.monotonic() - at
end

-- It is 0.1 s on a machine that has nothing else to do, and was 5 s and more.
local function assertEnds(seconds)
  assert.is_true(seconds < 4, ("the response ended after %.2f s"):format(seconds))
end

describe("a light thread that is killed", function()
  local CALL = [[
    made({ endpoint = "$url", apiVersion = "3.0" }):call("ModifyImageAttribute", {
      ImageId = "img-12345678", ImageName = ("x"):rep($size),
    }, { raw = true })
  ]]

  it("in a TLS handshake holds its response no longer", function()
    for host, steps in pairs {
      ["127.0.0.1"] = {}, -- it says nothing
      ["api.test"] = { { "trickle", "\22\3\3\64\0" .. ("\2"):rep(1000), 0.01 } },
    } do
      local service = raw.start { steps }
      assertEnds(killed(CALL, { url = ("https://%s:%d"):format(host, service.port), size = 1 }))
      nginx.awaitGone(service)
      service:stop()
    end
  end)

  it("in the lookup of a name holds its response no longer", function()
    assertEnds(killed(CALL, { url = "https://mute.test", size = 1 }))
  end)

  it("while connecting holds its response no longer", function()
    local service = raw.start { accept = false, {} }
    assertEnds(killed(CALL, { url = service.url, size = 1 }))
    service:stop()
  end)

  it("while it sends 9 MB holds its response no longer", function()
    local service = raw.start { { { "sleep", 60 } } }
    assertEnds(killed(CALL, { url = service.url, size = 9 * 1024 * 1024 }))
    service:stop()
  end)

  it("while it waits for an answer, or before another attempt, holds its response no longer", function()
    local service = raw.start { { { "recv" } } }
    assertEnds(killed(CALL, { url = service.url, size = 1 }))
    service:stop()
    service =
      raw.start { { { "recv" }, { "send", "HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n" } } }
    assertEnds(killed('made({ endpoint = "$url" }):modify { imageId = "img-12345678" }', { url = service.url }))
    service:stop()
  end)

  it("in a transport of the caller's holds its response no longer", function()
    assertEnds(killed [[
      made({ transport = function() ngx.sleep(20) end }):modify { imageId = "img-12345678" }
    ]])
  end)

  it("does not end the calls of others", function()
    local service = raw.start { { { "loop", { { "recv" }, { "sleep", 0.6 }, { "send", OK } } } } }
    local results = server:lua(CLIENT .. [[
        local client, threads, results = made { endpoint = "$url", maxAttempts = 1 }, {}, {}
        for i = 1, 4 do
          threads[i] = ngx.thread.spawn(client.modify, client, { imageId = "img-12345678" })
        end
        ngx.sleep(0.2)
        assert(ngx.thread.kill(threads[1]))
        assert(ngx.thread.kill(threads[3]))
        for _, i in ipairs { 2, 4 } do
          local _, result = ngx.thread.wait(threads[i])
          results[#results + 1] = result and result.code
        end
        return results
      ]], { url = service.url })
    assert.same({ 0, 0 }, results)
    service:stop()
  end)
end)

describe("a call by name", function()
  it("over a kept connection starts no light thread, and writes nothing to the log", function()
    local service = raw.start { { { "loop", { { "recv" }, { "send", OK } } } } }
    local other = nginx.start { conf = nginx.conf(("resolver 127.0.0.1:%d ipv6=off;"):format(names.port)) }
    local spawned = other:lua(CLIENT .. [[
        local client = made { endpoint = "http://api.test:$port", allowPlainHttp = true }
        local spawn, spawned, counts = ngx.thread.spawn, 0, {}
        ngx.thread.spawn = function(...)
          spawned = spawned + 1
          return spawn(...)
        end
        for i = 1, 3 do
          spawned = 0
          assert(client:modify { imageId = "img-12345678" })
          counts[i] = spawned
        end
        ngx.thread.spawn = spawn
        return counts
      ]], { port = service.port })
    assert.is_true(spawned[1] > 0)
    assert.same({ 0, 0 }, { spawned[2], spawned[3] })
    assert.equal(1, #service:requests())
    assert.equal("", other:complaints())
    other:stop()
    service:stop()
  end)
end)

describe("a transport of the caller's in nginx", function()
  it("that minds no time holds no call beyond its own", function()
    local message, err, seconds = server:lua(CLIENT .. [[
      local core, started = require "qcimage.core", 0
      local client = made {
        timeout = 0.5,
        transport = function()
          started = started + 1
          ngx.sleep(20)
        end,
      }
      local start = core.monotonic()
      local _, message, err = client:modify { imageId = "img-12345678" }
      return message, err, core.monotonic() - start, started
    ]])
    assert.matches("image.api.qcloud.com did not respond in time", message, 1, true)
    assert.equal("timeout", err.reason)
    assert.equal("unknown", err.outcome)
    assert.is_true(seconds >= 0.45 and seconds < 4, ("it took %.2f s"):format(seconds))
  end)

  it("gives what it gives, whether it waits or not", function()
    for _, wait in ipairs { "", "ngx.sleep(0.01)" } do
      local code, message, err = server:lua(CLIENT .. [[
          local answers = { { status = 200, headers = {}, body = '{"code":0}' } }
          local client = made {
            maxAttempts = 1,
            transport = function()
              $wait
              local answer = table.remove(answers)
              return answer, "no luck", { sent = false, reason = "connect" }
            end,
          }
          local result = assert(client:modify { imageId = "img-12345678" })
          local _, message, err = client:modify { imageId = "img-12345678" }
          return result.code, message, err
        ]], { wait = wait })
      assert.equal(0, code)
      assert.matches("no luck", message, 1, true)
      assert.equal("connect", err.reason)
      assert.equal("notSent", err.outcome)
    end
  end)

  it("is called where there are no light threads, too", function()
    local other = nginx.start {
      conf = nginx.conf(([[
        init_by_lua_block {
          %s
          local client = made {
            transport = function() return { status = 200, headers = {}, body = '{"code":0}' } end,
          }
          code = assert(client:modify { imageId = "img-12345678" }).code
        }
      ]]):format(CLIENT)),
    }
    assert.equal(0, (other:lua "return code"))
    other:stop()
  end)
end)

describe("a credentials function that waits in nginx", function()
  -- Calls of a client that all requests share, whose function waits.
  local SHARED = [[
    local state = { asked = 0 }
    package.loaded.state = state
    local shared = require("qcimage").new {
      region = "gz",
      credentials = function()
        state.asked = state.asked + 1
        ngx.sleep($seconds)
        return { secretId = "AKIDofnobody", secretKey = "thekeyofnobody" }
      end,
      transport = function() return { status = 200, headers = {}, body = '{"code":0}' } end,
    }
    function state.side(count, kills)
      local threads, good = {}, 0
      for i = 1, count do
        threads[i] = ngx.thread.spawn(shared.modify, shared, { imageId = "img-12345678" })
      end
      if kills then
        ngx.sleep(0.05)
        assert(ngx.thread.kill(threads[1]))
      end
      for i = kills and 2 or 1, count do
        local _, result = ngx.thread.wait(threads[i])
        good = good + (result and result.code == 0 and 1 or 0)
      end
      return good
    end
  ]]

  it("is asked once by a hundred light threads", function()
    local good, asked = server:lua(SHARED .. "return state.side(100), state.asked", { seconds = 0.1 })
    assert.equal(100, good)
    assert.equal(1, asked)
  end)

  it("is asked once by requests side by side", function()
    server:lua(SHARED, { seconds = 0.3 })
    local good, asked = server:lua [[
      local threads, good = {}, 0
      for i = 1, 20 do
        threads[i] = ngx.thread.spawn(function()
          local sock = ngx.socket.tcp()
          assert(sock:connect("127.0.0.1", ngx.var.server_port))
          local code = 'return require("state").side(1)'
          sock:send(("POST /lua HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#code, code))
          return assert(sock:receive "*a"):match "%[(%d)%]$"
        end)
      end
      for i = 1, 20 do
        local _, one = ngx.thread.wait(threads[i])
        good = good + tonumber(one)
      end
      return good, require("state").asked
    ]]
    assert.equal(20, good)
    assert.equal(1, asked)
  end)

  it("may itself call by the client in light threads, without a wait", function()
    local start = core.monotonic()
    local code, asked = server:lua [[
      local client, asked = nil, 0
      client = require("qcimage").new {
        region = "gz",
        transport = function() return { status = 200, headers = {}, body = '{"code":0}' } end,
        credentials = function()
          asked = asked + 1
          if asked == 1 then
            for _, result, message in require("qcimage").parallel({ 1, 2, 3 }, function()
              return client:describe { imageType = "PRIVATE_IMAGE" }
            end) do
              assert(result, message)
            end
          end
          return { secretId = "AKIDofnobody", secretKey = "thekeyofnobody" }
        end,
      }
      return assert(client:modify { imageId = "img-12345678" }).code, asked
    ]]
    assert.equal(0, code)
    assert.equal(4, asked)
    assert.is_true(core.monotonic() - start < 0.5)
  end)

  it("is asked again when the light thread that had asked was killed", function()
    local start = core.monotonic()
    local good, asked = server:lua(SHARED .. "return state.side(10, true), state.asked", { seconds = 0.2 })
    assert.equal(9, good)
    assert.equal(2, asked)
    assert.is_true(core.monotonic() - start < 10)
  end)

  it("is asked again by a request that gets the coroutine of killed ones", function()
    local answers = server:lua(SHARED .. [[
      local function ask(before)
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", ngx.var.server_port))
        local code = before .. ' return require("state").side()'
        sock:send(("POST /lua HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(#code, code))
        return sock:receive "*a"
      end
      function state.side()
        local result, message = shared:modify { imageId = "img-12345678" }
        return result and result.code or message
      end
      for _ = 1, 4 do
        ask "ngx.thread.spawn(function() ngx.sleep(0.05) ngx.exit(499) end)"
      end
      return ask ""
    ]], { seconds = 0.1 })
    assert.matches("%[0%]$", answers)
  end)
end)

describe("nginx", function()
  it("had nothing to complain of", function()
    assert.equal("", (server:complaints():gsub("[^\n]*while resolving[^\n]*\n?", "")))
  end)
end)
