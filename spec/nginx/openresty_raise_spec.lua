--- Sockets of nginx that raise errors, or give what they must not: a call tells, with the outcome that fits how far it came.

local certs = require "spec.support.certs"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local stub = require "spec.support.stub"

local names, server, ports

setup(function()
  names = dns.start { "api.test=127.0.0.1" }
  ports = { http = nginx.freePort(), https = nginx.freePort() }
  server = nginx.start {
    conf = nginx.conf(
      ([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_ssl_trusted_certificate %s;
      lua_socket_log_errors off;
      server { # the service, which counts what came
        listen 127.0.0.1:%d;
        listen 127.0.0.1:%d ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        location / {
          content_by_lua_block {
            came = (came or 0) + 1
            ngx.print '{"Response":{"RequestId":"r"}}'
          }
        }
      }
      init_by_lua_block {
        function call(url, size)
          local client = require("qcimage").new {
            secretId = "%s", secretKey = "%s", region = "gz", apiVersion = "3.0", endpoint = url, maxAttempts = 1,
            timeout = 5, verify = url:find "api.test" ~= nil,
          }
          local ran, result, message, err = pcall(client.call, client, "ModifyImageAttribute", {
            ImageId = "img-12345678", ImageName = ("x"):rep(size),
          }, { raw = true })
          return { ran = ran, ok = ran and result ~= nil, message = message or tostring(result), err = err }
        end

        -- Runs a function with sockets whose methods are replaced: change(sock, methods) sets those.
        function changed(change, run)
          local tcp = ngx.socket.tcp
          ngx.socket.tcp = function()
            local sock = tcp()
            local methods = getmetatable(sock).__index
            change(sock, type(methods) == "table" and methods or setmetatable({}, { __index = function(_, name)
              return methods(sock, name)
            end }))
            return sock
          end
          local result = run()
          ngx.socket.tcp = tcp
          return result
        end
      }
    ]]):format(
        names.port,
        certs.path "ca.pem",
        ports.http,
        ports.https,
        certs.path "good.pem",
        certs.path "good.key",
        stub.SECRET_ID,
        stub.SECRET_KEY
      )
    ),
  }
end)

teardown(function()
  server:stop()
  names:stop()
end)

local METHODS =
  { "settimeout", "connect", "getreusedtimes", "sslhandshake", "send", "receiveany", "setkeepalive", "close" }

-- A call whose socket raises at the n-th use of a method. Returns what came of it, how often the method was used, and how
-- many requests the service saw.
local function raisingAt(method, number, url, size)
  return server:lua(
    [[
      local used, before = 0, came or 0
      local result = changed(function(sock, methods)
        rawset(sock, "$method", function(...)
          used = used + 1
          if used == $number then
            error(($number % 2 == 0) and {} or "assertion failed!")
          end
          return methods.$method(...)
        end)
      end, function() return call("$url", $size) end)
      ngx.sleep(0.01)
      return result, used, (came or 0) - before
    ]],
    { method = method, number = number, url = url, size = size }
  )
end

-- Holds what came of a call, in which one use of a method raised an error, against how far it had come.
local function assertTrue(method, result, requests, case)
  assert.is_true(result.ran, case)
  if method == "setkeepalive" or method == "close" then -- an answer that has come is one
    assert.is_true(result.ok, case)
  elseif not result.ok then
    assert.equal("network", result.err.kind, case)
    assert.is_true(result.err.outcome == "unknown" or requests == 0, case)
    if method == "connect" or method == "sslhandshake" then
      assert.equal("notSent", result.err.outcome, case)
      assert.equal(method == "connect" and "connect" or "tls", result.err.reason, case)
    end
  end
end

describe("a socket that raises an error", function()
  for _, url in ipairs { "http://127.0.0.1", "https://127.0.0.1", "https://api.test" } do
    for what, size in pairs { short = 5, long = 9000 } do
      it(("makes no call raise: %s, a %s request"):format(url, what), function()
        local port = ports[url:match "^%a+"]
        for _, method in ipairs(METHODS) do
          local number = 0
          repeat
            number = number + 1
            local result, used, requests = raisingAt(method, number, url .. ":" .. port, size)
            local case = ("%s, use %d: %s"):format(method, number, result.message)
            if used >= number then
              assertTrue(method, result, requests, case)
            else
              assert.is_true(result.ok, case)
            end
          until used < number
        end
      end)
    end
  end

  it("while a session of TLS is remembered has that forgotten, and the next call works", function()
    local given = server:lua(
      [[
        local given, isBad = {}, false
        local transport = require("spec.support.transports").cosocket { poolIdle = 0.001, poolSize = 7 }
        local function get()
          local answer, message, detail = transport({
            method = "GET", url = "https://api.test:$port/", headers = { Host = "h" },
          }, 5)
          ngx.sleep(0.05) -- no connection is kept as long
          table.insert(given, answer and answer.status or detail.reason .. tostring(detail.sent))
        end
        changed(function(sock, methods)
          rawset(sock, "sslhandshake", function(self, session, ...)
            if session then
              given[#given + 1] = "resumes"
            end
            assert(session == nil or not isBad)
            return methods.sslhandshake(self, session, ...)
          end)
        end, function()
          get()
          get()
          isBad = true
          get()
          isBad = false
          get()
        end)
        return given
      ]],
      { port = ports.https }
    )
    assert.same({ 200, "resumes", 200, "resumes", "tlsfalse", 200 }, given)
  end)
end)

describe("a connect that a gateway has replaced", function()
  -- What comes of a call whose connect does this.
  local function with(connect, endpoint)
    return server:lua(
      [[
                return changed(function(sock)
          rawset(sock, "connect", function(_, host)
            $connect
          end)
        end, function() return call("$endpoint", 5) end)
      ]],
      { connect = connect, endpoint = endpoint or "https://api.test:1" }
    )
  end

  it("and that gives nonsense makes no call raise, and nothing is sent", function()
    for _, nonsense in ipairs {
      "return",
      "return false",
      "return nil, {}",
      "return nil, nil",
      "return nil, 5",
      "return true",
      "return 1",
      'return "connected"',
      "return {}",
      "return nil, setmetatable({}, { __tostring = function() error 'no' end })",
      "error()",
      "error({})",
      "ngx.sleep(0.01) return true",
      "ngx.sleep(0.01) error 'late'",
      'return nil, ("x"):rep(100000)',
    } do
      for _, endpoint in ipairs { "https://api.test:1", "http://127.0.0.1:1" } do
        local result = with(nonsense, endpoint)
        assert.is_true(result.ran, nonsense .. ": " .. result.message)
        assert.is_false(result.ok, nonsense)
        assert.equal("notSent", result.err.outcome, nonsense)
        assert.equal("connect", result.err.reason, nonsense)
        assert.is_true(#result.message < 1000, nonsense)
      end
    end
  end)

  it("and that waits for ever is ended in time", function()
    local result = with "if host ~= 'unix:' then ngx.sleep(60) end return nil, 'late'"
    assert.equal("timeout", result.err.reason)
    assert.equal("notSent", result.err.outcome)
  end)

  for what, case in pairs {
    ["a name that does not exist, as Kong has it"] = {
      "[cosocket] DNS resolution failed: dns server error: 3 name error. Tried: [api.test:A - cache-miss]",
      true,
    },
    ["a name that does not exist, as APISIX has it"] = {
      "failed to parse domain: api.test, error: failed to query the DNS server: dns server error: 3 name error",
      true,
    },
    ["a name that does not exist, by lua-resty-dns"] = { "DNS server returned error code: 3: name error", false },
    ["a name server that fails"] = { "dns server error: 2 server failure", false },
    ["a resolver without a server"] = { "Failed to initialize the Resolver", false },
  } do
    it("is dns, and lasting where it is: " .. what, function()
      local attempts = server:lua(
        [[
          return changed(function(sock, methods)
            rawset(sock, "connect", function() return nil, "$problem" end)
          end, function()
            local client = require("qcimage").new {
              secretId = "AKIDofnobody", secretKey = "thekeyofnobody", region = "gz", endpoint = "https://api.test",
              maxAttempts = 2,
            }
            local _, message, err = client:modify { imageId = "img-12345678" }
            return { #err.attempts, err.reason, err.outcome, message }
          end)
        ]],
        { problem = case[1] }
      )
      assert.equal(case[2] and 1 or 2, attempts[1], attempts[4])
      assert.equal("dns", attempts[2], attempts[4])
      assert.equal("notSent", attempts[3])
      assert.is_nil(attempts[4]:find("resolver directive", 1, true))
    end)
  end
end)

describe("a socket of a phase without any", function()
  it("is not blamed for what the phase lacks", function()
    local other = nginx.start {
      conf = nginx.conf [[
        init_worker_by_lua_block {
          local tcp = ngx.socket.tcp
          ngx.socket.tcp = function() -- as APISIX: a socket that blocks, without receiveany
            return { connect = function() return true end }
          end
          local _, message, err = require("qcimage").new({
            secretId = "AKIDofnobody", secretKey = "thekeyofnobody", region = "gz",
          }):modify { imageId = "img-12345678" }
          ngx.socket.tcp = tcp
          package.loaded.seen = { message, err.kind, err.outcome }
        }
        exit_worker_by_lua_block {
          local _, message = require("qcimage").new({
            secretId = "AKIDofnobody", secretKey = "thekeyofnobody", region = "gz",
          }):modify { imageId = "img-12345678" }
          ngx.log(ngx.ERR, "said: ", message)
        }
      ]],
    }
    local seen = other:lua "return package.loaded.seen"
    assert.same({ "unsupported", "notSent" }, { seen[2], seen[3] })
    assert.matches("phase init_worker", seen[1], 1, true)
    assert.matches("ngx.timer.at(0, function() ... end)", seen[1], 1, true)
    assert.is_nil(seen[1]:find("receiveany", 1, true))
    other:reload()
    nginx.eventually(function()
      return other:log():match "said: ([^\n]*)"
    end, function()
      return "the old worker: " .. other:log()
    end)
    local said = other:log():match "said: ([^\n]*)"
    assert.matches("phase exit_worker", said, 1, true)
    assert.matches("before the worker exits", said, 1, true)
    assert.is_nil(said:find("ngx.timer", 1, true))
    other:stop()
  end)
end)
