--- What a proxy gets to see, and when there is one: covers qcimage.http and transport.lua.

local certs = require "spec.support.certs"
local libcurl = require "spec.support.libcurl"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"
local stub = require "spec.support.stub"
local transports = require "spec.support.transports"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
local ANSWERING = { { "loop", { { "recv" }, { "send", OK } } } }
local LOGIN, BASIC = "user:p%40ss-word", "dXNlcjpwQHNzLXdvcmQ=" -- of user:p@ss-word

describe("a proxy", function()
  local server, proxy, close

  -- One that makes tunnels to the server, whatever it is asked for.
  local function tunnel(head)
    return {
      { "recv" },
      { "send", "HTTP/1.1 200 Connection established\r\n" .. (head or "") .. "\r\n" },
      { "splice", "127.0.0.1", server.port },
    }
  end

  local function start(...)
    proxy = raw.start { ... }
    return proxy
  end

  local function send(options, url, headers)
    local all = { connectTimeout = 5, caFile = certs.path "ca.pem" }
    for name, value in pairs(options) do
      all[name] = value
    end
    local transport
    transport, close = transports.curl(all)
    local answer, message, detail = transport({
      method = "POST",
      url = url or "https://api.test/v2",
      headers = headers or { Host = "api.test", Authorization = "TC3 secret" },
      body = "the body",
    }, 5)
    return answer, message, detail
  end

  -- The same with a client of its own process, whose environment has these assignments.
  local function sendWith(assignments, url)
    local output = process.lua(
      ([[
        local environment = {}
        for _, name in ipairs { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" } do
          environment[name] = os.getenv(name)
        end
        local send = require("spec.support.transports").curl {
          connectTimeout = 5, caFile = %q, environment = environment,
        }
        local answer, message, detail = send({ method = "GET", url = %q, headers = {} }, 5)
        print(answer and answer.status or detail.reason, message)
      ]]):format(certs.path "ca.pem", url or "https://api.test/"),
      "-u http_proxy -u https_proxy -u HTTPS_PROXY -u all_proxy -u ALL_PROXY -u no_proxy -u NO_PROXY " .. assignments
    )
    return output
  end

  before_each(function()
    server = raw.start { tls = "good", ANSWERING }
  end)

  after_each(function()
    server:stop()
    if proxy then
      proxy:stop()
    end
    if close then
      close()
    end
    proxy, close = nil, nil
  end)

  local function assertTunnelled(login)
    local seen = proxy:requests()[1]
    local connect, rest = seen:match "^(CONNECT .-\r\n\r\n)(.*)$"
    assert.equal("CONNECT api.test:443 HTTP/1.1", connect:match "^[^\r]*")
    assert.truthy(connect:find("\r\nHost: api.test:443\r\n", 1, true))
    assert.equal(login, connect:match "Proxy%-Authorization: ([^\r]*)")
    assert.is_nil(connect:find "\nAuthorization")
    assert.is_nil(rest:find "the body")
    assert.is_nil(rest:find "secret")
    local request = server:requests()[1]
    assert.truthy(request:find("\r\nHost: api.test\r\n", 1, true))
    assert.truthy(request:find "^POST /v2 HTTP/1.1\r\n")
    assert.is_nil(request:find "Proxy")
    assert.truthy(request:find "the body$")
  end

  it("gets no more of a call over TLS than its name", function()
    start(tunnel())
    assert(send { proxy = "http://127.0.0.1:" .. proxy.port })
    assertTunnelled(nil)
  end)

  it("gets its password, the server does not", function()
    start(tunnel())
    assert(send { proxy = ("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port) })
    assertTunnelled("Basic " .. BASIC)
  end)

  it("adds nothing to the answer", function()
    start(tunnel "X-Proxy: 1\r\nContent-Type: text/plain\r\n")
    local answer = assert(send { proxy = "127.0.0.1:" .. proxy.port })
    assert.same({ ["content-length"] = "2" }, answer.headers)
  end)

  it("does not make the server's name another", function()
    server:stop()
    server = raw.start { tls = "wrongHost", ANSWERING }
    start(tunnel())
    local answer, message, detail = send { proxy = "127.0.0.1:" .. proxy.port }
    assert.is_nil(answer)
    assert.equal("tls", detail.reason, message)
    assert.is_false(detail.sent)
  end)

  it("may itself be reached over TLS, by the same certificates", function()
    proxy = raw.start { tls = "good", tunnel() }
    assert(send { proxy = proxy.url })
    assertTunnelled(nil)
    proxy:stop()
    proxy = raw.start { tls = "expired", tunnel() }
    local answer, message, detail = send { proxy = proxy.url, verify = false }
    assert.is_nil(answer) -- verify speaks of the server
    assert.equal("tls", detail.reason, message)
  end)

  it("gets a call without TLS whole", function()
    start(ANSWERING)
    assert(send({ proxy = "127.0.0.1:" .. proxy.port }, "http://api.test/v2"))
    assert.equal("POST http://api.test/v2 HTTP/1.1", proxy:requests()[1]:match "^[^\r]*")
  end)

  it("is taken from the environment", function()
    for _, name in ipairs { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" } do
      start(tunnel())
      assert.equal("200\tnil\n", sendWith(("%s=http://%s@127.0.0.1:%d"):format(name, LOGIN, proxy.port)))
      assert.truthy(proxy:requests()[1]:find(BASIC, 1, true))
      proxy:stop()
    end
  end)

  -- This machine by a spelling that only libcurl takes for 127.0.0.1.
  local function disguised()
    return ("https://0x7f000001:%d/"):format(server.port)
  end

  it("is not used for the hosts of no_proxy", function()
    start(tunnel())
    local variable = ("https_proxy=http://127.0.0.1:%d "):format(proxy.port)
    for _, names in ipairs { "no_proxy=HOST", "NO_PROXY=HOST", "no_proxy=x,HOST", "no_proxy='*'" } do
      assert.equal("200\tnil\n", sendWith(variable .. names:gsub("HOST", libcurl.hexHost), disguised()))
    end
    assert.same({}, proxy:requests())
    assert.equal("200\tnil\n", sendWith(variable, disguised()))
    assert.equal(1, #proxy:requests())
  end)

  it("of the environment is not used for this machine", function()
    start(tunnel())
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      assert.equal(
        "200\tnil\n",
        sendWith("https_proxy=http://127.0.0.1:" .. proxy.port, ("https://%s:%d"):format(host, server.port))
      )
    end
    assert.same({}, proxy:requests())
  end)

  it("of the options is used for this machine, whatever no_proxy says", function()
    start(tunnel())
    local output = process.lua(
      ([[
        local send = require("spec.support.transports").curl {
          connectTimeout = 5, caFile = %q, proxy = "http://127.0.0.1:%d",
        }
        print(assert(send({ method = "GET", url = %q, headers = {} }, 5)).status)
      ]]):format(certs.path "ca.pem", proxy.port, server.url),
      "no_proxy='*'"
    )
    assert.equal("200\n", output)
    assert.equal(1, #proxy:requests())
  end)

  it("of the environment is switched off by an empty option", function()
    start(tunnel())
    local output = process.lua(
      ([[
        local send = require("spec.support.transports").curl { connectTimeout = 5, caFile = %q, proxy = "" }
        print(assert(send({ method = "GET", url = %q, headers = {} }, 5)).status)
      ]]):format(certs.path "ca.pem", disguised()),
      "https_proxy=http://127.0.0.1:" .. proxy.port
    )
    assert.equal("200\n", output)
    assert.same({}, proxy:requests())
  end)

  describe("that fails", function()
    local function assertFailed(proxyUrl, text)
      local answer, message, detail = send { proxy = proxyUrl }
      assert.is_nil(answer)
      assert.equal("proxy", detail.reason, message)
      assert.is_false(detail.sent)
      assert.truthy(message:find("api.test:443", 1, true), message)
      assert.truthy(message:find(text, 1, true), message)
      assert.is_nil(message:find("p@ss", 1, true), message)
      assert.is_nil(message:find("p%40ss", 1, true), message)
      close()
    end

    it("by not being there has sent nothing", function()
      start()
      proxy:stop()
      assertFailed(("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port), "port " .. proxy.port)
    end)

    it("by refusing has sent nothing", function()
      for _, status in ipairs { "407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway" } do
        start { { "recv" }, { "send", "HTTP/1.1 " .. status .. "\r\nContent-Length: 0\r\n\r\n" }, { "close" } }
        assertFailed(("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port), status:match "%d+")
        proxy:stop()
      end
    end)

    it("by hanging up has sent nothing", function()
      for _, ending in ipairs { "close", "reset" } do
        start { { "recv" }, { ending } }
        assertFailed(("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port), "the proxy did not connect")
        proxy:stop()
      end
    end)

    it("by refusing is asked once, whatever the action", function()
      start { { "recv" }, { "send", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n" }, { "close" } }
      local client = stub.client {
        endpoint = "https://api.test",
        proxy = ("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port),
        maxAttempts = 3,
      }
      local result, message, err = client:modify { imageId = "img-1", imageName = "a" }
      client:close()
      assert.is_nil(result)
      assert.equal("proxy", err.reason, message)
      assert.equal("notSent", err.outcome, message)
      assert.equal(1, #err.attempts)
      assert.equal(1, #proxy:requests())
    end)

    for _, endpoint in ipairs { "https://api.test", "http://api.test" } do
      it("by refusing without end is asked once, too, for " .. endpoint, function()
        start {
          { "recv" },
          { "send", "HTTP/1.1 407 No\r\nContent-Length: 100000\r\n\r\n" },
          { "trickle", ("x"):rep(1000), 0.05 },
        }
        local client = stub.client {
          endpoint = endpoint,
          allowPlainHttp = true,
          proxy = ("http://%s@127.0.0.1:%d"):format(LOGIN, proxy.port),
          attemptTimeout = 0.4,
          maxAttempts = 3,
        }
        local result, message, err = client:call("DeleteImages", { imageIds = { "img-1" } })
        client:close()
        assert.is_nil(result)
        assert.equal("proxy", err.reason, message)
        assert.matches("407", message, 1, true)
        assert.equal(1, #err.attempts)
        assert.equal(1, #proxy:requests())
      end)
    end

    for what, bytes in pairs {
      ["speaking HTTP"] = "HTTP/1.1 400 Bad Request\r\n\r\n",
      ["taking none of our logins"] = "\5\255",
      ["not reaching the host"] = "\5\0\5\4\0\1\0\0\0\0\0\0",
    } do
      it("as SOCKS by " .. what .. " has sent nothing", function()
        start { { "send", bytes }, { "close" } }
        assertFailed(("socks5h://%s@127.0.0.1:%d"):format(LOGIN, proxy.port), "127.0.0.1")
        local output = sendWith(("all_proxy=socks5h://%s@127.0.0.1:%d"):format(LOGIN, proxy.port))
        assert.equal("proxy", output:match "^%a+", output)
        assert.truthy(output:find(("proxy 127.0.0.1, port %d"):format(proxy.port), 1, true), output)
      end)
    end

    it("by a control character in its URL is refused, and shows no password", function()
      local url = "http://user:se\ncret@127.0.0.1:1"
      local ok, message = pcall(stub.client, { proxy = url })
      assert.is_false(ok)
      assert.truthy(message:find("option proxy", 1, true), message)
      assert.is_nil(message:find "cret")
      for _, name in ipairs { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" } do
        local output = sendWith(name .. "=" .. process.quote(url))
        assert.equal("proxy", output:match "^%a+", output)
        assert.truthy(output:find(name .. " contains a control character", 1, true), output)
        assert.is_nil(output:find "cret", output)
      end
      -- and where the environment has changed since
      for _, wrong in ipairs { url, "http://user:se\ncret@127.0.0.1:x", "user:se\tcret" .. ("x"):rep(300) .. "@:x" } do
        local output = process.lua(
          [[
            local send = require("spec.support.transports").curl { connectTimeout = 5, environment = {} }
            print(select(2, send({ method = "GET", url = "https://api.test/", headers = {} }, 5)))
          ]],
          "-u no_proxy -u NO_PROXY https_proxy=" .. process.quote(wrong)
        )
        assert.truthy(output:find("api.test:443", 1, true), output)
        assert.is_nil(output:find "cret", output)
      end
    end)

    it("by a wrong URL has sent nothing, and shows no password", function()
      assertFailed("ftp://" .. LOGIN .. "@127.0.0.1:21", "***@127.0.0.1")
      assertFailed("nonsense://" .. LOGIN .. "@127.0.0.1:21", "***@127.0.0.1")
    end)

    it("by silence is a timeout, of the time for connecting", function()
      start { { "recv" } }
      local before = socket.gettime()
      local answer, message, detail = send { proxy = "127.0.0.1:" .. proxy.port, connectTimeout = 0.3 }
      assert.is_nil(answer)
      assert.equal("timeout", detail.reason, message)
      assert.is_false(detail.sent)
      assert.is_true(socket.gettime() - before < 4.5) -- not the 5 seconds of the whole
    end)

    it("of the environment shows no password either", function()
      for _, url in ipairs { "ftp://%s@127.0.0.1:21", "http://%s@127.0.0.1:1", "http://%s@127.0.0.1:x", "%s@127.0.0.1:x" } do
        local output = sendWith("https_proxy=" .. url:format(LOGIN))
        assert.equal("proxy", output:match "^%a+", output)
        assert.is_nil(output:find("ss-word", 1, true), output)
      end
    end)

    it("of an environment that has changed since shows no password either", function()
      local output = process.lua(
        [[
          local send = require("spec.support.transports").curl { connectTimeout = 5, environment = {} }
          print(select(2, send({ method = "GET", url = "https://api.test/", headers = {} }, 5)))
        ]],
        ("-u no_proxy -u NO_PROXY https_proxy=ftp://%s@127.0.0.1:21"):format(LOGIN)
      )
      assert.truthy(output:find("ftp://***@127.0.0.1", 1, true), output)
      assert.is_nil(output:find("ss-word", 1, true), output)
    end)
  end)
end)
