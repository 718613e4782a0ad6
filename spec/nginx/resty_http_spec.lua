--- A transport of the caller's in nginx, as docs/openresty.md has it for lua-resty-http, beside the built-in one: both tell the
--- same. The library itself is played by spec/support/restyhttp.lua.

local certs = require "spec.support.certs"
local core = require "qcimage.core"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local readme = require "spec.support.readme"
local stub = require "spec.support.stub"

local BODY = '{"code":0,"message":""}'

local function answer(status, headers, body)
  return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"):format(
    status,
    headers,
    #body,
    body
  )
end

local OK = answer("200 OK", "", BODY)

local names, server

setup(function()
  names = dns.start { "api.test=127.0.0.1", "localhost=127.0.0.1", "mute.test=" }
  local root = process.run("pwd"):gsub("\n", "")
  local options = ([[new {
    secretId = "%s", secretKey = "%s", region = "gz", allowPlainHttp = true,
    endpoint = endpoint, timeout = timeout, maxAttempts = 2,]]):format(stub.SECRET_ID, stub.SECRET_KEY)
  server = nginx.start {
    conf = nginx.conf(([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_ssl_trusted_certificate %s;
      lua_socket_log_errors off;
      init_by_lua_block {
        package.preload["resty.http"] = function() return dofile "%s/spec/support/restyhttp.lua" end
        clients = {}
        function clients.another(endpoint, timeout)
          %s
          return client
        end
        function clients.builtin(endpoint, timeout)
          return require("qcimage").%s }
        end
      }
    ]]):format(names.port, certs.path "ca.pem", root, readme.block("resty.http", { ["new {"] = options }), options)),
  }
end)

teardown(function()
  server:stop()
  names:stop()
end)

-- What comes of calls, one after another, with each transport: of the last one its text, its error, its attempts, and the
-- seconds that it took.
local function each(case, check)
  for _, kind in ipairs { "another", "builtin" } do
    local service = case.scripts and raw.start(case.scripts)
    local url = case.url or ("%s:%d"):format(case.host or "http://127.0.0.1", service.port)
    local start = core.monotonic()
    local message, err, attempts, seconds = server:lua(
      [[
        local core, result, message, err = require "qcimage.core", nil, nil, nil
        local client, start = clients.$kind("$url", $timeout), nil
        client.random = $atOnce and function() return 1e9 end or client.random -- any wait is beyond the timeout
        for _ = 1, $calls do
          start = core.monotonic()
          result, message, err = client:modify { imageId = "img-12345678", imageName = "web-09" }
        end
        return message or "", err or {}, (result or err).attempts, core.monotonic() - start
      ]],
      {
        kind = kind,
        url = url,
        timeout = case.timeout or 10,
        calls = case.calls or 1,
        atOnce = tostring(case.atOnce or false),
      }
    )
    check(kind, message, err, attempts, seconds, core.monotonic() - start)
    if service then
      service:stop()
    end
  end
end

local function assertFails(case, reason, outcome)
  each(case, function(kind, message, err)
    assert.equal(reason, err.reason, kind .. ": " .. message)
    assert.equal(outcome, err.outcome, kind .. ": " .. message)
  end)
end

describe("a transport of the caller's and the built-in one", function()
  it("correct the clock by the answer's Date", function()
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 1000)
    local refused = answer("200 OK", "Date: " .. date .. "\r\n", '{"code":4500,"message":""}')
    local service = raw.start { { { "loop", { { "recv" }, { "send", refused }, { "recv" }, { "send", OK } } } } }
    each({ url = service.url }, function(kind, message, _, attempts)
      assert.equal("", message, kind)
      assert.equal(2, #attempts, kind)
    end)
    local times = {}
    for at in table.concat(service:requests()):gmatch "&Timestamp=(%d+)" do
      times[#times + 1] = tonumber(at)
    end
    assert.equal(4, #times)
    assert.is_true(math.abs(times[2] - times[1] - 1000) < 10 and math.abs(times[4] - times[3] - 1000) < 10)
    service:stop()
  end)

  it("wait as long as Retry-After says", function()
    local busy = answer("503 Busy", "Retry-After: 1\r\n", "")
    each(
      { scripts = { { { "recv" }, { "send", busy }, { "recv" }, { "send", OK } } } },
      function(kind, message, _, attempts, seconds)
        assert.equal("", message, kind)
        assert.equal(2, #attempts, kind)
        assert.is_true(seconds >= 1, kind)
      end
    )
  end)

  it("say that nothing was sent where there is no connection, and why", function()
    assertFails({ url = "http://127.0.0.1:" .. nginx.freePort() }, "connect", "notSent")
    assertFails({ url = "http://nobody.test" }, "dns", "notSent")
    for _, kind in ipairs { "expired", "wrongHost", "unknown" } do
      local host = kind == "expired" and "https://localhost" or "https://api.test"
      assertFails({ scripts = { tls = kind, { { "recv" }, { "send", OK } } }, host = host }, "tls", "notSent")
    end
  end)

  it("speak TLS with a host that has the name", function()
    each(
      { scripts = { tls = "good", { { "recv" }, { "send", OK } } }, host = "https://api.test" },
      function(kind, message)
        assert.equal("", message, kind)
      end
    )
  end)

  it("make a call once more at once whose kept connection had died", function()
    local scripts = { { { "recv" }, { "send", OK }, { "recv" }, { "close" } }, { { "recv" }, { "send", OK } } }
    each({ scripts = scripts, calls = 2, atOnce = true }, function(kind, message, _, attempts)
      assert.equal("", message, kind)
      assert.equal(2, #attempts, kind)
      assert.equal("unknown", attempts[1].outcome, kind)
    end)
  end)

  it("do not know the fate of a request whose answer is lost", function()
    assertFails({ scripts = { { { "recv" }, { "close" } } } }, "closed", "unknown")
    assertFails({ scripts = { { { "recv" }, { "send", OK:sub(1, -5) }, { "close" } } } }, "closed", "unknown")
    assertFails({ scripts = { { { "recv" } } }, timeout = 0.5 }, "timeout", "unknown")
  end)

  it("end a call in time whose answer comes byte by byte", function()
    local head, body = OK:sub(1, -#BODY - 1), BODY
    for _, steps in ipairs {
      { { "recv" }, { "trickle", OK, 0.2 } },
      { { "recv" }, { "send", head }, { "trickle", body, 0.2 } },
    } do
      each({ scripts = { steps }, timeout = 1 }, function(kind, message, err, _, seconds, whole)
        assert.equal("timeout", err.reason, kind .. ": " .. message)
        assert.equal("unknown", err.outcome, kind)
        assert.is_true(seconds < 5, ("%s: %.2f s"):format(kind, seconds))
        assert.is_true(whole < 8, ("%s: %.2f s"):format(kind, whole)) -- a body may still be read
      end)
    end
  end)

  it("take an error that the handshake raises for a certificate that was refused", function()
    for _, kind in ipairs { "another", "builtin" } do
      local message, err = server:lua(
        [[
          local tcp = ngx.socket.tcp
          ngx.socket.tcp = function()
            local sock = tcp()
            function sock.connect() return true end
            function sock.getreusedtimes() return 0 end
            function sock.sslhandshake() error "assertion failed!" end -- as lua-resty-core's
            return sock
          end
          local _, message, err = clients.$kind("https://api.test:1", 10):modify { imageId = "img-12345678" }
          ngx.socket.tcp = tcp
          return message, err
        ]],
        { kind = kind }
      )
      assert.equal("tls", err.reason, kind .. ": " .. message)
      assert.equal("notSent", err.outcome, kind)
      assert.matches("assertion failed!", message, 1, true)
    end
  end)

  it("end a call in time whose name is not answered", function()
    each({ url = "http://mute.test", timeout = 0.5 }, function(kind, message, err, _, seconds, whole)
      assert.equal("timeout", err.reason, kind .. ": " .. message)
      assert.is_true(seconds < 5 and whole < 5, kind)
    end)
  end)
end)

describe("nginx", function()
  it("had nothing to complain of", function()
    assert.equal("", (server:complaints():gsub("[^\n]*while resolving[^\n]*\n?", "")))
  end)
end)
