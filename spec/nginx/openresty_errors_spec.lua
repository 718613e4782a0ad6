--- TLS in nginx, and errors in nginx's words.

local certs = require "spec.support.certs"
local cjson = require "cjson"
local dns = require "spec.support.dns"
local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local stub = require "spec.support.stub"

-- Lua code that makes a client with the example identity.
local CLIENT = ([[
  local function made(options)
    local all = { secretId = "%s", secretKey = "%s", region = "gz", maxAttempts = 1 }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return require("qcimage").new(all)
  end
]]):format(stub.SECRET_ID, stub.SECRET_KEY)

local names, emulator, secure

setup(function()
  names = dns.start { "api.test=127.0.0.1", "localhost=127.0.0.1" }
  emulator = emulators.start()
  secure = emulators.start { args = { "--tls", certs.path "good.pem", certs.path "good.key" } }
end)

teardown(function()
  emulator:stop()
  secure:stop()
  names:stop()
end)

local server

after_each(function()
  if server then
    server:stop()
    server = nil
  end
end)

-- Starts nginx with the locations /ping and /lua.
local function start(main, more)
  server = nginx.start { conf = nginx.conf(main, more) }
end

-- A modification in nginx. Returns result and message and err as tables.
local function modify(options)
  local result, message, err = server:lua(CLIENT .. [[
    local client = made { $options }
    local result, message, err = client:modify { imageId = "img-12345678", imageName = "web-09" }
    return result, message, err
  ]], { options = options })
  return result, message, err
end

local function assertFails(kind, reason, result, message, err)
  assert.is_nil(result)
  assert.equal(kind, err.kind, message)
  assert.equal(reason, err.reason, message)
  assert.equal("notSent", err.outcome, message)
  assert.is_nil(message:find(stub.SECRET_KEY, 1, true))
  return message
end

describe("an error in nginx", function()
  -- What nginx's Lua module loses of a certificate that it refuses at once stands in the log.
  local function assertSays(text, message)
    if message:find("the certificate was refused", 1, true) then
      message = server:log()
    end
    assert.matches(text, message, 1, true)
  end

  it("of a name without a resolver names the directive, and is not tried again", function()
    start ""
    local message = assertFails("network", "dns", modify 'endpoint = "https://api.test", maxAttempts = 5')
    assert.matches("cannot find the address of api.test:443", message, 1, true)
    assert.matches("directive resolver", message, 1, true)
    assert.is_nil(message:find "attempts")
    local result, problem = modify(('endpoint = "%s"'):format(emulator.url)) -- an address needs none
    assert.is_table(result, problem)
  end)

  it("of a name that the resolver does not know names the directive", function()
    start(("resolver 127.0.0.1:%d;"):format(names.port))
    local message = assertFails("network", "dns", modify 'endpoint = "https://nobody.test", maxAttempts = 5')
    assert.is_nil(message:find "attempts")
    assert.matches("Host not found", message, 1, true)
    assert.matches("resolver directive, not /etc/hosts", message, 1, true)
  end)

  it("of a port that nobody listens at says nothing of TLS or names", function()
    start(("resolver 127.0.0.1:%d ipv6=off;"):format(names.port))
    local port = nginx.freePort()
    local message = assertFails("network", "connect", modify(('endpoint = "https://api.test:%d"'):format(port)))
    assert.matches("cannot connect to api.test:" .. port .. ": connection refused;", message, 1, true)
  end)

  for kind, case in pairs {
    unknown = { "api.test", "unable to ", true },
    wrongHost = { "api.test", "host" },
    expired = { "localhost", "certificate has expired" },
  } do
    it("of a certificate that is " .. kind .. " names the directives where they help; nothing is sent", function()
      start(([[
        resolver 127.0.0.1:%d ipv6=off;
        lua_ssl_trusted_certificate %s;
      ]]):format(names.port, certs.path "ca.pem"))
      local service = raw.start { tls = kind, { { "recv" }, { "close" } } }
      local endpoint = ('endpoint = "https://%s:%d"'):format(case[1], service.port)
      local message = assertFails("network", "tls", modify(endpoint))
      assertSays(case[2], message)
      if not message:find("the certificate was refused", 1, true) then
        assert.equal(case[3] or false, message:find("lua_ssl_trusted_certificate", 1, true) ~= nil, message)
        assert.equal(case[3] or false, message:find("lua_ssl_verify_depth", 1, true) ~= nil, message)
      end
      assert.equal("", table.concat(service:requests()))
      service:stop()
    end)
  end

  it("of certificates without lua_ssl_trusted_certificate names it", function()
    start(("resolver 127.0.0.1:%d ipv6=off;"):format(names.port))
    local message = assertFails("network", "tls", modify(('endpoint = "https://api.test:%d"'):format(secure.port)))
    assertSays("unable to ", message)
    assert.matches("lua_ssl_trusted_certificate", message, 1, true)
  end)

  it("of a certificate that was refused without a wait is one, though nginx says it is none", function()
    start(("lua_ssl_trusted_certificate %s;"):format(certs.path "ca.pem"))
    local service = raw.start { tls = "wrongHost", { { "recv" }, { "close" } } }
    local message, err = server:lua(CLIENT .. [[
      local tcp = ngx.socket.tcp
      ngx.socket.tcp = function()
        local sock = tcp()
        local methods = getmetatable(sock).__index
        rawset(sock, "sslhandshake", function(...)
          local ok = methods.sslhandshake(...)
          sock:close()
          return true
        end)
        return sock
      end
      local _, message, err = made({ endpoint = "https://127.0.0.1:$port" }):modify { imageId = "img-1" }
      ngx.socket.tcp = tcp
      return message, err
    ]], { port = service.port })
    assertFails("network", "tls", nil, message, err)
    assert.matches("the certificate was refused", message, 1, true)
    assert.equal("", table.concat(service:requests()))
    service:stop()
  end)

  it("of a certificate that has the address alone says what nginx compares", function()
    start(("lua_ssl_trusted_certificate %s;"):format(certs.path "ca.pem"))
    local message = assertFails("network", "tls", modify(('endpoint = "https://127.0.0.1:%d"'):format(secure.port)))
    assert.matches("compares names alone", message, 1, true)
  end)

  it("of a name with an IPv6 address alone, where there is no IPv6, names ipv6=off", function()
    -- in a network of its own, with nothing in it but the machine itself
    local unshare = process.run "id -u" == "0\n" and "unshare -n" or "unshare -r -n"
    server = nginx.start {
      wrap = unshare
        .. [[ sh -c 'ip link set lo up && { sleep 20 | lua5.4 spec/support/dns.lua 5353 six.test=2001:db8::1 & } >/dev/null 2>&1
          exec "$@"' sh ]],
      root = true,
      quiet = true,
      conf = nginx.conf(([[
        resolver 127.0.0.1:5353;
        lua_socket_log_errors off;
        init_worker_by_lua_block {
          %s
          ngx.timer.at(0.3, function()
            local _, message, err = made({ endpoint = "https://six.test" }):modify { imageId = "img-1" }
            local file = io.open("$DIR/result", "w")
            file:write(require("cjson").encode { message, err })
            file:close()
          end)
        }
      ]]):format(CLIENT)),
    }
    local result = nginx.eventually(function()
      local file = io.open(server.dir .. "/result")
      local text = file and file:read "*a" or ""
      return text ~= "" and cjson.decode(text)
    end, function()
      return "the call: " .. server:log()
    end)
    local message = assertFails("network", "connect", nil, result[1], result[2])
    assert.matches("network is unreachable", message, 1, true)
    assert.matches("ipv6=off", message, 1, true)
  end)
end)

-- A server that says how its connection came to be: "r" where a session was resumed, else ".".
local function tlsServer(protocols, port)
  return ([[
    resolver 127.0.0.1:%d ipv6=off;
    lua_ssl_trusted_certificate %s;
    lua_ssl_protocols %s;
    server {
      listen 127.0.0.1:%d ssl;
      server_name api.test;
      ssl_protocols %s;
      ssl_certificate %s;
      ssl_certificate_key %s;
      ssl_session_cache shared:tls:1m;
      location / { return 200 "$ssl_protocol $ssl_session_reused $ssl_server_name $http_host"; }
    }
  ]]):format(
    names.port,
    certs.path "ca.pem",
    protocols,
    port,
    protocols,
    certs.path "good.pem",
    certs.path "good.key"
  )
end

describe("TLS in nginx", function()
  for _, protocol in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("is resumed by a new connection, over " .. protocol, function()
      local port = nginx.freePort()
      start(tlsServer(protocol, port))
      local answers = server:lua(
        [[
          local cosocket, answers = require("spec.support.transports").cosocket, {}
          local transport = cosocket { poolIdle = 0.001 }
          local function get(name, transport)
            local answer = assert(transport({
              method = "GET", url = "https://" .. name .. ":$port/", headers = { Host = "h" },
            }, 5))
            ngx.sleep(0.05) -- no connection is kept as long
            answers[#answers + 1] = answer.body:match "%S+ (%S+)"
          end
          for _ = 1, 3 do
            get("api.test", transport)
          end
          get("localhost", transport) -- another host, another session
          get("api.test", cosocket { verify = false })
          return answers
        ]],
        { port = port }
      )
      assert.same({ ".", "r", "r", ".", "." }, answers)
      assert.equal("", server:complaints())
    end)
  end

  it("is set up afresh when the server knows the session no more", function()
    start(([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_ssl_trusted_certificate %s;
    ]]):format(names.port, certs.path "ca.pem"))
    -- another server each time, with keys of its own for its tickets
    local port = nginx.freePort()
    server:lua(
      [[
        transport = require("spec.support.transports").cosocket { poolIdle = 0.001 }
        function get()
          return transport({ method = "GET", url = "https://api.test:$port/", headers = { Host = "h" } }, 5)
        end
      ]],
      { port = port }
    )
    for _ = 1, 2 do
      local other = nginx.start {
        conf = nginx.conf(tlsServer("TLSv1.2", port)),
      }
      local answer, message = server:lua "return get()"
      assert.is_table(answer, message)
      assert.matches("TLSv1.2 . api.test h", answer.body, 1, true)
      other:stop()
    end
  end)

  it("and Host have no final dot of a name, and a name of this machine may have one", function()
    local port = nginx.freePort()
    start(tlsServer("TLSv1.2", port))
    local answer, message = server:lua(
      [[
        local client = require("qcimage").new {
          secretId = "id", secretKey = "key", region = "gz", endpoint = "https://api.test.:$port",
        }
        local request = client:sign("DescribeImages", { imageType = "PRIVATE_IMAGE" })
        request.method, request.body = "GET", nil
        local answer, message = client.transport(request, 5)
        return answer, message
      ]],
      { port = port }
    )
    assert.is_table(answer, message)
    assert.matches("api.test api.test:" .. port, answer.body, 1, true)
    local result, problem = modify(('endpoint = "http://localhost.:%d"'):format(emulator.port))
    assert.is_table(result, problem)
  end)
end)

describe("a socket of nginx without receiveany", function()
  it("is refused before anything is sent", function()
    start ""
    local message, err = server:lua(CLIENT .. [[
      local tcp = ngx.socket.tcp
      ngx.socket.tcp = function() -- as some wrappers make them, or an old module
        local sock, old = tcp(), {}
        for _, name in ipairs { "connect", "send", "receive", "settimeout", "setkeepalive", "getreusedtimes", "close" } do
          old[name] = function(_, ...) return sock[name](sock, ...) end
        end
        return old
      end
      local _, message, err = made({ endpoint = "$url" }):modify { imageId = "img-12345678", imageName = "web-09" }
      ngx.socket.tcp = tcp
      return message, err
    ]], { url = emulator.url })
    assertFails("unsupported", nil, nil, message, err)
    assert.matches("no receiveany", message, 1, true)
  end)
end)

describe("a failure of each in nginx", function()
  local EACH = CLIENT
    .. [[
    local client = made {
      transport = function() return nil, "no luck", { sent = false, reason = "connect" } end,
    }
    local function read()
      for _ in client:each {} do end
    end
  ]]

  it("that nothing catches stands in the error log with its message", function()
    start ""
    assert.equal(500, (server:request("/lua", EACH .. "read()")))
    assert.matches("%[error%][^\n]*qcimage: DescribeImages: no luck", server:log())
  end)

  it("that something catches stands there alone", function()
    start ""
    for _, catch in ipairs { "pcall(read)", "xpcall(read, debug.traceback)" } do
      local seen = server:lua(EACH .. "local _, err = " .. catch .. " return tostring(err)")
      assert.matches("DescribeImages: no luck", seen, 1, true)
    end
    assert.equal("", server:complaints())
  end)
end)
