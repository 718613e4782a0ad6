--- The cosocket transport in nginx against servers that say exactly what a script tells them to; where
--- libcurl's has the same to do, both on the same bytes.

local answers = require "spec.support.answers"
local core = require "qcimage.core"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"
local stub = require "spec.support.stub"
local transports = require "spec.support.transports"

local MOST = 1024 * 1024
local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
local ANSWERING = { { "loop", { { "recv" }, { "send", OK } } } }

local names, server

-- Exchanges one after another, each over a connection of its own.
local SEQUENCE = [[
  local cosocket = require("spec.support.transports").cosocket
  local results = {}
  for i = 1, $count do
    local transport = cosocket { maxResponseBytes = $most, poolSize = i } -- so the pool is another one
    local answer, message, detail = transport({ method = "GET", url = "$url/", headers = { Host = "h" } }, 5)
    results[i] = answer and { status = answer.status, body = answer.body } or detail
    results[i].message = message
  end
  return results
]]

local backends = {
  cosocket = function(url, count)
    return (server:lua(SEQUENCE, { url = url, count = count, most = MOST }))
  end,
  libcurl = function(url, count)
    local results = {}
    for i = 1, count do
      local transport, close = transports.curl { connectTimeout = 5, maxResponseBytes = MOST }
      local answer, message, detail = transport({ method = "GET", url = url .. "/", headers = { Host = "h" } }, 5)
      results[i] = answer and { status = answer.status, body = answer.body } or detail
      results[i].message = message
      close()
    end
    return results
  end,
}

-- What both make of answers, each over a connection that the server closes behind it.
local function exchange(scripts, check)
  for name, run in pairs(backends) do
    local service = raw.start(scripts)
    local results = run(service.url, #scripts)
    local requests = service:requests()
    service:stop()
    assert.equal(#scripts, #requests)
    for i, result in ipairs(results) do
      check(result, i, ("%s, %d: %s"):format(name, i, tostring(result.message)))
    end
  end
end

local function matches(answer, result, how)
  if answer.reason then
    assert.equal(answer.reason, result.reason, how)
    assert.is_true(result.sent, how)
    assert.is_nil(result.message:find "[%c]", how)
  else
    assert.equal(answer.status, result.status, how)
    assert.equal(answer.body, result.body, how)
  end
end

setup(function()
  names = dns.start { "api.test=127.0.0.1", "localhost=127.0.0.1", "mute.test=" }
  server = nginx.start {
    conf = nginx.conf(([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_socket_log_errors off;
      lua_shared_dict notes 1m;
    ]]):format(names.port)),
  }
end)

teardown(function()
  server:stop()
  names:stop()
end)

describe("an answer with", function()
  for _, answer in ipairs(answers.both) do
    it(answer.name .. " is the same to both transports", function()
      exchange({ { { "recv" }, { "send", answer.bytes }, { "close" } } }, function(result, _, how)
        matches(answer, result, how)
      end)
    end)
  end

  for _, answer in ipairs(answers.strict) do
    it(answer.name .. " is refused", function()
      local service = raw.start { { { "recv" }, { "send", answer.bytes }, { "close" } } }
      matches(answer, backends.cosocket(service.url, 1)[1])
      service:stop()
    end)
  end

  for i = 1, 12 do
    local answer = answers.both[i]
    it(answer.name .. " is the same to both when it comes in two parts, wherever it is split", function()
      local scripts = {}
      for at = 1, #answer.bytes - 1 do
        scripts[at] = {
          { "recv" },
          { "send", answer.bytes:sub(1, at) },
          { "sleep", 0.001 },
          { "send", answer.bytes:sub(at + 1) },
          { "close" },
        }
      end
      exchange(scripts, function(result, _, how)
        matches(answer, result, how)
      end)
    end)
  end

  it("a limit on its body is held to it by both", function()
    local service = raw.start { { { "recv" }, { "send", "HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(MOST + 1) } } }
    for name, run in pairs(backends) do
      assert.equal("tooLarge", run(service.url, 1)[1].reason, name)
    end
    service:stop()
  end)
end)

describe("the service's answer, cut at each byte,", function()
  local BODY = '{"code":0,"message":"","codeDesc":"Success","requestId":"9f4c","data":[]}'
  local ANSWER = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\n"
    .. ("Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%s"):format(#BODY, BODY)

  it("and the connection closed: is a success to neither transport", function()
    local scripts = {}
    for length = 0, #ANSWER - 1 do
      scripts[length + 1] = { { "recv" }, { "send", ANSWER:sub(1, length) }, { "close" } }
    end
    exchange(scripts, function(result, _, how)
      -- an answer that ends within a line of its head is malformed to libcurl
      assert.equal("closed", result.reason, how)
      assert.is_true(result.sent)
    end)
    exchange({ { { "recv" }, { "send", ANSWER }, { "close" } } }, function(result, _, how)
      assert.equal(200, result.status, how)
    end)
  end)

  it("and nothing more: is no success, ends in time, and its connection is not used again", function()
    local scripts = {}
    for length = 0, #ANSWER - 1 do
      scripts[length + 1] = { { "recv" }, { "send", ANSWER:sub(1, length) }, { "recv" }, { "send", OK } }
    end
    local service = raw.start(scripts)
    -- all at once, then as many again; a wait of the whole test would be a minute
    local seconds, reasons, used = server:lua(
      [[
        local core = require "qcimage.core"
        local transport = require("spec.support.transports").cosocket { poolSize = 1000 }
        local start, reasons, used, threads = core.monotonic(), {}, 0, {}
        for round = 1, 2 do
          for i = 1, $count do
            threads[i] = ngx.thread.spawn(function()
              local answer, message, detail =
                transport({ method = "GET", url = "$url/", headers = { Host = "h" } }, 0.5)
              local reason = answer and "success" or detail.reason
              if round == 1 then
                reasons[reason] = (reasons[reason] or 0) + 1
              elseif detail and detail.reused then
                used = used + 1
              end
            end)
          end
          for i = 1, $count do
            assert(ngx.thread.wait(threads[i]))
          end
        end
        return core.monotonic() - start, reasons, used
      ]],
      { url = service.url, count = #scripts }
    )
    assert.same({ timeout = #scripts }, reasons)
    assert.equal(0, used)
    assert.is_true(seconds < 10)
    for i, bytes in ipairs(service:requests()) do
      local _, count = bytes:gsub("GET / HTTP", "")
      assert.equal(1, count, "connection " .. i)
    end
    service:stop()
  end)
end)

-- One exchange in nginx. Returns answer or nil, message, detail, seconds taken.
local function send(url, options)
  options = options or {}
  local start = core.monotonic()
  local answer, message, detail = server:lua(
    [[
      local transport = require("spec.support.transports").cosocket { $options }
      local answer, message, detail = transport({
        method = "$method",
        url = "$url/",
        headers = { Host = "h" },
        body = "$method" == "POST" and ("x"):rep($size) or nil,
      }, $seconds)
      return answer, message, detail
    ]],
    {
      url = url,
      options = options.options or "",
      seconds = options.seconds or 5,
      method = options.size and "POST" or "GET",
      size = options.size or 0,
    }
  )
  return answer, message, detail, core.monotonic() - start
end

local function assertFails(reason, sent, answer, message, detail)
  assert.is_nil(answer)
  assert.equal(reason, detail.reason, message)
  assert.equal(sent, detail.sent, message)
  return message
end

describe("a time limit in nginx", function()
  -- slack: what a busy machine may take longer, in seconds; without the limit under test the call would take 5
  local function assertTimeout(sent, limit, url, options, slack)
    local answer, message, detail, took = send(url, options)
    assertFails("timeout", sent, answer, message, detail)
    assert.is_true(took >= limit * 0.9 and took < limit + (slack or 4), ("took %.2f s"):format(took))
    return message
  end

  for what, bytes in pairs {
    ["a head"] = "HTTP/1.1 200 OK\r\nX-A: ",
    ["a body"] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    ["chunks"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFF\r\n",
    ["a body without length"] = "HTTP/1.1 200 OK\r\n\r\n",
  } do
    it("holds for " .. what .. " that comes byte by byte", function()
      local service = raw.start { { { "recv" }, { "send", bytes }, { "trickle", ("x"):rep(1000), 0.1 } } }
      assertTimeout(true, 0.6, service.url, { seconds = 0.6 })
      service:stop()
    end)
  end

  it("holds for a body without length whose end does not come", function()
    local bytes = stub.fixture "answers/no-length-partial.http"
    local service = raw.start { { { "recv" }, { "send", bytes } } }
    assertTimeout(true, 0.5, service.url, { seconds = 0.5 })
    service:stop()
  end)

  it("holds for a name server that is silent", function()
    local message = assertTimeout(false, 0.4, "http://mute.test", { seconds = 0.4 })
    assert.matches("mute.test:80 did not respond in time: no address (by nginx's resolver)", message, 1, true)
    assertTimeout(false, 0.4, "https://mute.test", { options = "connectTimeout = 0.4" })
  end)

  it("holds while connecting", function()
    local service = raw.start { accept = false, { { "recv" } } }
    assertTimeout(false, 0.3, service.url, { options = "connectTimeout = 0.3" })
    assertTimeout(false, 0.3, ("http://api.test:%d"):format(service.port), { seconds = 0.3 })
    service:stop()
  end)

  it("holds for a TLS handshake that comes byte by byte", function()
    -- the head of a record of 16 KB, which never comes to its end
    local service = raw.start { { { "trickle", "\22\3\3\64\0" .. ("\2"):rep(1000), 0.1 } } }
    assertTimeout(false, 0.5, ("https://127.0.0.1:%d"):format(service.port), { options = "connectTimeout = 0.5" })
    service:stop()
  end)

  it("is not begun anew by a byte that comes late", function()
    local service = raw.start { { { "recv" }, { "sleep", 2.5 }, { "send", "H" } } }
    assertTimeout(true, 2.7, service.url, { seconds = 2.7 }, 2) -- or it would be 5.2
    service:stop()
  end)

  it("holds for a server that does not read, or a little at a time", function()
    for _, pause in ipairs { 10, 0.1 } do
      local port = nginx.freePort()
      local reader = ([[
        local socket = require "socket"
        local conn = assert(socket.bind("127.0.0.1", %d)):accept()
        repeat
          socket.sleep(%f)
        until not conn:receive(400000)
      ]]):format(port, pause)
      local pid = process.run(("timeout 60 lua5.4 -e %s >/dev/null 2>&1 & echo $!"):format(process.quote(reader)))
      nginx.eventually(function()
        return process.run "cat /proc/net/tcp":find((" 0100007F:%04X 00000000:0000 0A "):format(port))
      end, function()
        return "the slow reader"
      end)
      assertTimeout(true, 0.5, "http://127.0.0.1:" .. port, { seconds = 0.5, size = 16 * 1024 * 1024 })
      process.run("kill " .. pid)
    end
  end)

  it("may be below a millisecond, and is not the configured default then", function()
    local service = raw.start { { { "recv" } } }
    for _, seconds in ipairs { 0.0004, 1e-9 } do
      local answer, _, detail, took = send(service.url, { seconds = seconds })
      assert.is_nil(answer)
      assert.equal("timeout", detail.reason)
      assert.is_true(took < 2)
    end
    assertTimeout(false, 0, "http://mute.test", { seconds = 0.0004 })
    assertTimeout(false, 0, service.url, { seconds = 0 })
    assertTimeout(false, 0, service.url, { seconds = -1 })
    service:stop()
  end)
end)

describe("a connection in nginx", function()
  it("is closed with a call that fails, while its request goes on", function()
    for reason, step in pairs {
      timeout = { "sleep", 5 },
      format = { "send", "SSH-2.0\r\n" },
      tooLarge = { "send", "HTTP/1.1 200\r\nContent-Length: 9\r\n\r\n" },
    } do
      local service = raw.start { { { "recv" }, step } }
      local seen, open = server:lua(
        [[
          local transport = require("spec.support.transports").cosocket { maxResponseBytes = 8 }
          local _, _, detail = transport({ method = "GET", url = "$url/", headers = { Host = "h" } }, 0.2)
          local file = io.open "/proc/net/tcp"
          local _, open = file:read("*a"):gsub((" 0100007F:%04X 01 "):format($port), "")
          file:close()
          return detail.reason, open
        ]],
        { url = service.url, port = service.port }
      )
      assert.equal(reason, seen)
      assert.equal(0, open)
      service:stop()
    end
  end)
end)

describe("a kept connection in nginx", function()
  -- Two calls, with a pause between. Returns a list of bodies or reasons, and whether the second call
  -- failed over a kept connection.
  local function twice(url, options, pause)
    return server:lua(
      [[
        local results, reused = {}, false
        local options = { { $first }, { $second } }
        for i = 1, 2 do
          local transport = require("spec.support.transports").cosocket(options[i])
          local answer, message, detail = transport({ method = "GET", url = "$url/" .. i, headers = { Host = "h" } }, 2)
          results[i] = answer and answer.body or detail.reason
          reused = detail and detail.reused or false
          ngx.sleep($pause)
        end
        return results, reused
      ]],
      { url = url, first = options and options[1] or "", second = options and options[2] or "", pause = pause or 0.02 }
    )
  end

  local function count(service)
    return #service:requests()
  end

  it("carries the next call", function()
    local service = raw.start { ANSWERING }
    assert.same({ "{}", "{}" }, (twice(service.url)))
    assert.equal(1, count(service))
    assert.matches("^GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 ", service:requests()[1])
    assert.same({ "{}", "{}" }, (twice(("http://api.test:%d"):format(service.port)))) -- by name
    assert.equal(2, count(service))
    service:stop()
  end)

  it("carries none after an answer that does not allow it", function()
    for _, answer in ipairs(answers.both) do
      if answer.keep == false and answer.name ~= "no-length-partial" and answer.name ~= "a body to the end" then
        local service = raw.start { { { "recv" }, { "send", answer.bytes } }, ANSWERING }
        assert.same({ answer.body, "{}" }, (twice(service.url)), answer.name)
        assert.equal(2, count(service), answer.name)
        service:stop()
      end
    end
  end)

  it("carries none after a fault", function()
    for _, answer in ipairs(answers.both) do
      if answer.reason == "format" or answer.reason == "tooLarge" then
        local service = raw.start { { { "recv" }, { "send", answer.bytes } }, ANSWERING }
        assert.same({ answer.reason, "{}" }, (twice(service.url)), answer.name)
        service:stop()
      end
    end
  end)

  it("is not used once more came behind the answer", function()
    for _, pause in ipairs { 0, 0.005 } do
      local service = raw.start {
        { { "recv" }, { "send", OK }, { "sleep", pause }, { "send", OK:gsub("{}", "[]") }, { "recv" }, { "send", OK } },
        ANSWERING,
      }
      assert.same("{}", send(service.url).body)
      service:await(1, 4) -- the server has sent the extra bytes
      assert.same("{}", send(service.url).body)
      assert.equal(2, count(service))
      service:stop()
    end
  end)

  it("that the server closed while idle is replaced unnoticed", function()
    local service = raw.start { { { "recv" }, { "send", OK }, { "sleep", 0.05 }, { "close" } }, ANSWERING }
    for calls = 1, 2 do
      assert.same("{}", send(service.url).body)
      service:await(1, 4) -- the server has closed the connection
      assert.equal(calls, count(service))
    end
    service:stop()
  end)

  it("that dies before a byte of the answer says so, and that one that dies later does not", function()
    local service = raw.start { { { "recv" }, { "send", OK }, { "recv" }, { "close" } } }
    local results, reused = twice(service.url)
    assert.same({ "{}", "closed" }, results)
    assert.is_true(reused)
    service:stop()
    service = raw.start { { { "recv" }, { "send", OK }, { "recv" }, { "send", "H" }, { "close" } } }
    results, reused = twice(service.url)
    assert.same({ "{}", "closed" }, results)
    assert.is_false(reused)
    service:stop()
    service = raw.start { { { "recv" }, { "close" } } }
    local _, _, detail = send(service.url)
    assert.equal("closed", detail.reason)
    assert.is_nil(detail.reused)
    service:stop()
  end)

  it("is closed after its idle time", function()
    local service = raw.start { ANSWERING }
    twice(service.url, { "poolIdle = 0.05", "poolIdle = 0.05" }, 0.3)
    assert.equal(2, count(service))
    assert.same({ "gone", "gone" }, service:ends())
    service:stop()
  end)

  it("is one of as many as poolSize says", function()
    local service = raw.start { { { "loop", { { "recv" }, { "sleep", 0.1 }, { "send", OK } } } } }
    server:lua(
      [[
        local transport = require("spec.support.transports").cosocket { poolSize = 3 }
        local threads = {}
        for i = 1, 10 do
          threads[i] = ngx.thread.spawn(transport, { method = "GET", url = "$url/", headers = { Host = "h" } }, 5)
        end
        for i = 1, 10 do
          local _, answer = ngx.thread.wait(threads[i])
          assert(answer)
        end
      ]],
      { url = service.url }
    )
    local open = 0
    nginx.eventually(function()
      local ends = service:ends()
      open = 0
      for _, ended in ipairs(ends) do
        open = open + (ended == "open" and 1 or 0)
      end
      return #ends == 10 and open == 3
    end, function()
      return ("%d connections are open; closing seven"):format(open)
    end)
    service:stop()
  end)

  it("is not shared between settings that differ", function()
    local service = raw.start { ANSWERING }
    twice(service.url, { "poolSize = 5", "poolSize = 6" })
    assert.equal(2, count(service))
    twice(service.url, { "verify = true", "verify = false" })
    assert.equal(4, count(service))
    service:stop()
  end)
end)

describe("many light threads in nginx", function()
  it("share one transport, and each gets the answer to its own request", function()
    local got, echoed = server:lua [[
      local listener = "http://127.0.0.1:" .. ngx.var.server_port
      local transport = require("spec.support.transports").cosocket { poolSize = 5 }
      local threads, right = {}, 0
      for i = 1, 200 do
        threads[i] = ngx.thread.spawn(function()
          for j = 1, 5 do
            local mark = ("return %d + %d / 1000"):format(i, j)
            local answer, message = transport({
              method = "POST", url = listener .. "/lua", headers = { Host = "h" }, body = mark,
            }, 20)
            if answer and answer.body == ("[%s]"):format(i + j / 1000) then
              right = right + 1
            elseif not answer then
              return message
            end
          end
        end)
      end
      local problem
      for i = 1, 200 do
        local _, message = ngx.thread.wait(threads[i])
        problem = problem or message
      end
      return right, problem or "none"
    ]]
    assert.equal("none", echoed)
    assert.equal(1000, got)
  end)
end)

describe("a light thread in nginx that is killed in a call", function()
  it("leaves nothing behind", function()
    local service = raw.start { { { "recv" } } }
    local start = core.monotonic()
    server:lua(
      [[
        local transport = require("spec.support.transports").cosocket {}
        local thread = ngx.thread.spawn(transport, { method = "GET", url = "$url/", headers = { Host = "h" } }, 30)
        ngx.sleep(0.1)
        assert(ngx.thread.kill(thread))
      ]],
      { url = service.url }
    )
    assert.is_true(core.monotonic() - start < 5)
    nginx.awaitGone(service)
    service:stop()
  end)
end)

describe("nginx", function()
  it("had nothing to complain of", function()
    socket.sleep(0.05)
    local rest = {}
    for line in server:complaints():gmatch "[^\n]+" do
      -- a port that nobody listens at, and a name that is not answered, are logged by nginx itself
      if not line:find "connect%(%) failed" and not line:find "while resolving" then
        rest[#rest + 1] = line
      end
    end
    assert.same({}, rest)
  end)
end)
