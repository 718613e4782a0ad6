--- Whole calls through the C core against servers that misbehave.

local certs = require "spec.support.certs"
local core = require "qcimage.core"
local libcurl = require "spec.support.libcurl"
local raw = require "spec.support.raw"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'

local function answer(body, more)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#body, more or "", body)
end

-- of what can only happen to a connection that was kept
local itKept = libcurl.itKept(it, pending)

describe("a call against", function()
  local server

  after_each(function()
    if server then
      server:stop()
      server = nil
    end
  end)

  local function modify(options)
    local all = { endpoint = server and server.url, attemptTimeout = 5 }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    local client = stub.client(all)
    local start = core.monotonic()
    local result, message, err = client:modify { imageId = "img-1", imageName = "a" }
    client:close()
    return result, message, err, core.monotonic() - start
  end

  local function fails(kind, reason, outcome, options)
    local result, message, err, took = modify(options)
    assert.is_nil(result)
    assert.equal(kind, err.kind, message)
    assert.equal(reason, err.reason, message)
    assert.equal(outcome, err.outcome, message)
    assert.is_nil(message:find(stub.SECRET_KEY, 1, true))
    return message, took
  end

  it("a good server", function()
    server = raw.start { { { "recv" }, { "send", answer(OK) } } }
    local result = assert(modify())
    assert.equal(0, result.code)
    local request = server:requests()[1]
    assert.matches("^POST /v2/index.php HTTP/1.1\r\n", request)
    local _, hosts = request:gsub("\r\n[Hh]ost: 127%.0%.0%.1:" .. server.port .. "\r\n", "")
    assert.equal(1, hosts)
    local _, types = request:gsub("\r\n[Cc]ontent%-[Tt]ype: application/x%-www%-form%-urlencoded\r\n", "")
    assert.equal(1, types)
    assert.is_nil(request:find "Expect")
  end)

  it("nobody at that port", function()
    server = raw.start { { { "close" } } }
    local url = server.url
    server:stop()
    server = nil
    local message = fails("network", "connect", "notSent", { endpoint = url })
    assert.matches("nothing was sent", message)
  end)

  it("a name that does not exist", function()
    fails("network", "dns", "notSent", { endpoint = "https://no-such-host.invalid" })
  end)

  it("a server that hangs up before, within and after its head", function()
    for _, bytes in ipairs {
      "",
      "HTTP/1.1 200",
      "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n",
      (answer(OK):sub(1, -2)),
    } do
      server = raw.start { { { "recv" }, { "send", bytes }, { "close" } } }
      local _, _, err = modify()
      assert.equal("unknown", err.outcome)
      assert.is_true(err.reason == "closed" or err.reason == "format", err.message)
      assert.matches("the change may have been made", err.message)
      server:stop()
    end
    server = raw.start { { { "recv" }, { "reset" } } }
    fails("network", "closed", "unknown")
  end)

  it("a slow server, and one that sends a byte at a time", function()
    server = raw.start { { { "recv" }, { "sleep", 5 } } }
    local _, took = fails("network", "timeout", "unknown", { timeout = 0.3 })
    assert.is_true(took < 4.5) -- not 5
    server:stop()
    server = raw.start { { { "recv" }, { "trickle", answer(OK), 0.1 } } }
    _, took = fails("network", "timeout", "unknown", { attemptTimeout = 0.5 })
    assert.is_true(took < 4.5) -- not 5
  end)

  it("a server that never accepts", function()
    server = raw.start { accept = false, { { "recv" } } }
    for _, seconds in ipairs { 0.3, 0.2 } do -- 0.2: when libcurl would try another address
      local _, took = fails("network", "timeout", "notSent", { connectTimeout = seconds })
      assert.is_true(took < 4.5) -- not 5
    end
  end)

  it("an endless body, and an endless head", function()
    server = raw.start {
      { { "recv" }, { "send", "HTTP/1.1 200 OK\r\n\r\n" }, { "loop", { { "send", ("x"):rep(65536) } } } },
    }
    fails("response", "tooLarge", "unknown")
    server:stop()
    server = raw.start {
      {
        { "recv" },
        { "send", "HTTP/1.1 200 OK\r\n" },
        { "loop", { { "send", "X-A: " .. ("x"):rep(1000) .. "\r\n" } } },
      },
    }
    fails("response", "tooLarge", "unknown")
    server:stop()
    server = raw.start { { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" } } }
    fails("response", "tooLarge", "unknown")
    server:stop()
    server = raw.start { { { "recv" }, { "send", answer(OK) } } }
    fails("response", "tooLarge", "unknown", { maxResponseBytes = #OK - 1 })
    assert(modify { maxResponseBytes = #OK })
  end)

  it("pages and answers that are none", function()
    for file, reason in pairs {
      ["200-empty"] = "format",
      ["200-html"] = "format",
      ["200-object"] = "format",
      ["502-html"] = "status",
      ["gzip"] = "format",
    } do
      server = raw.start { { { "recv" }, { "send", stub.fixture("answers/" .. file .. ".http") }, { "close" } } }
      fails("response", reason, "unknown")
      server:stop()
    end
    server = raw.start {
      { { "recv" }, { "send", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" } },
    }
    local message = fails("response", "status", "unknown")
    assert.matches("HTTP status 302", message)
  end)

  it("a certificate that does not fit", function()
    for kind, hint in pairs {
      unknown = "certificate",
      wrongHost = "",
      expired = "expired",
    } do
      server = raw.start { tls = kind, { { "recv" }, { "send", answer(OK) } } }
      local message = fails("network", "tls", "notSent", { caFile = certs.path "ca.pem" })
      assert.matches(hint, message)
      assert.matches("ca.pem", message, 1, true)
      assert.matches("option caFile", message, 1, true)
      assert.equal("", table.concat(server:requests())) -- not a byte of the request
      server:stop()
    end
    server = raw.start { tls = "good", { { "recv" }, { "send", answer(OK) } } }
    fails("network", "tls", "notSent") -- the system does not know the authority
    fails("network", "tls", "notSent", { caFile = "/nonexistent/ca.pem" })
    assert(modify { caFile = certs.path "ca.pem" })
  end)

  itKept("a connection that was closed while idle: once more, afresh", function()
    server = raw.start {
      { { "recv" }, { "send", answer(OK) }, { "recv" }, { "close" } },
      { { "recv" }, { "send", answer(OK) } },
    }
    local client = stub.client { endpoint = server.url, maxAttempts = 2 }
    assert(client:modify { imageId = "img-1", imageName = "a" })
    local result = assert(client:modify { imageId = "img-1", imageName = "b" })
    client:close()
    assert.equal(2, #result.attempts)
    assert.equal("unknown", result.attempts[1].outcome)
    -- libcurl opens a connection to send the same bytes again, and is kept from it
    local requests = {}
    for _, bytes in ipairs(server:requests()) do
      if bytes ~= "" then
        requests[#requests + 1] = bytes
      end
    end
    assert.equal(2, #requests)
    local lost = stub.form(requests[1]:match "\r\n\r\n.*\r\n\r\n(.*)$")
    local again = stub.form(requests[2]:match "\r\n\r\n(.*)$")
    assert.equal("b", lost.imageName)
    assert.equal("b", again.imageName)
    assert.not_equal(lost.Nonce, again.Nonce)
    assert.not_equal(lost.Signature, again.Signature)
  end)

  it("a server that ends each connection behind its answer: an action that must not be repeated", function()
    local created = '{"Response":{"ImageId":"img-1","RequestId":"00000000-0000-4000-8000-000000000000"}}'
    local once = { { "recv" }, { "send", answer(created) }, { "close" } }
    server = raw.start { once, once, once }
    local client = stub.client { endpoint = server.url, apiVersion = "3.0", region = "ap-guangzhou" }
    for i = 1, 3 do
      assert(client:call("CreateImage", { imageName = "a" .. i, instanceId = "ins-12345678" }))
      core.sleep(0.3)
    end
    client:close()
    assert.equal(3, #server:requests())
  end)

  itKept("a server that keeps the connection: a client that is closed leaves it", function()
    server = raw.start { { { "loop", { { "recv" }, { "send", answer(OK) } } } } }
    -- How many connections to the server are established.
    local function connected()
      local file = assert(io.open "/proc/net/tcp")
      local ours = ("0100007F:%04X 01 "):format(server.port)
      local _, count = file:read("*a"):gsub("\n *%d+: %x+:%x+ " .. ours, "")
      file:close()
      return count
    end
    local client = stub.client { endpoint = server.url }
    assert(client:modify { imageId = "img-1" })
    assert.equal(1, connected())
    client:close()
    assert.equal(0, connected())
  end)

  it("a leftover of the answer before: it answers no other call", function()
    server = raw.start {
      { { "recv" }, { "send", stub.fixture "answers/short-length.http" } },
      { { "recv" }, { "send", answer '{"code":0,"message":"its own"}' } },
    }
    local client = stub.client { endpoint = server.url, maxAttempts = 2 }
    assert(client:modify { imageId = "img-1" })
    assert.equal("its own", assert(client:modify { imageId = "img-1" }).message)
    client:close()
  end)
end)
