--- Requests and answers over libcurl, byte by byte: covers qcimage.http.
-- packages: strace

local http = require "qcimage.http"
local libcurl = require "spec.support.libcurl"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"

local TYPE = "application/json; charset=utf-8"

local function reply(body, head)
  return ("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s"):format(head or "", #body, body)
end

-- Steps that answer requests again and again.
local function answering(bytes)
  return { { "loop", { { "recv" }, { "send", bytes or reply "{}" } } } }
end

local function count(text, part)
  local n, at = 0, 1
  while true do
    local first, last = text:find(part, at, true)
    if not first then
      return n
    end
    n, at = n + 1, last + 1
  end
end

-- of what can only happen to a connection that was kept
local itKept = libcurl.itKept(it, pending)

describe("qcimage.http", function()
  local server, connection

  local function start(script)
    server = raw.start(script)
    connection = connection or http.new()
    return server
  end

  local function request(fields)
    local all = { method = "GET", url = server and server.url .. "/", headers = {} }
    for name, value in pairs(fields or {}) do
      all[name] = value
    end
    return all
  end

  local function send(fields, seconds, connectSeconds)
    local answer, message, detail = connection:send(request(fields), seconds or 5, connectSeconds, true)
    return answer, message, detail
  end

  -- What a script of one connection makes of one request.
  local function outcome(bytes, seconds)
    start { { { "recv" }, { "send", bytes }, { "close" } } }
    return send(nil, seconds)
  end

  local function assertFails(reason, sent, answer, message, detail)
    assert.is_nil(answer)
    assert.equal(reason, detail.reason, message)
    assert.equal(sent, detail.sent, message)
    assert.truthy(message:find "^[^%c]+$")
  end

  after_each(function()
    if server then
      server:stop()
    end
    if connection then
      connection:close()
    end
    server, connection = nil, nil
  end)

  describe("a request", function()
    it("has the bytes that were given, and one line of each header", function()
      start { answering() }
      local bytes = {}
      for byte = 0, 255 do
        bytes[#bytes + 1] = string.char(byte)
      end
      local body = table.concat(bytes):rep(8)
      assert(send {
        method = "POST",
        body = body,
        headers = {
          Host = "signed.example:8443",
          ["content-type"] = TYPE,
          ["User-Agent"] = "mine/1",
          ["X-Empty"] = "",
          Authorization = "TC3 a=b",
        },
      })
      local head, sent = server:requests()[1]:match "^(.-\r\n)\r\n(.*)$"
      assert.equal("POST / HTTP/1.1\r\n", head:match "^.-\r\n")
      assert.equal(body, sent)
      assert.equal(1, count(head, "\r\nHost: signed.example:8443\r\n"))
      assert.equal(1, count(head, "\r\ncontent-type: " .. TYPE .. "\r\n"))
      assert.equal(1, count(head, "\r\nAuthorization: TC3 a=b\r\n"))
      assert.equal(1, count(head, "\r\nX-Empty:\r\n"))
      assert.equal(1, count(head, "\r\nAccept-Encoding: identity\r\n"))
      assert.equal(1, count(head, "\r\nUser-Agent: mine/1\r\n"))
      for _, name in ipairs { "host", "content%-type", "user%-agent", "content%-length" } do
        assert.equal(1, select(2, head:lower():gsub("\r\n" .. name .. ":", "")), name)
      end
    end)

    it("takes no type for its body when none was given", function()
      start { answering() }
      assert(send { method = "POST", body = "x" })
      assert.is_nil(server:requests()[1]:lower():find "content%-type")
    end)

    it("never asks for an interim answer, however long its body", function()
      start { answering() }
      assert(send { method = "POST", body = ("x"):rep(1024 * 1024 + 1), headers = { ["Content-Type"] = TYPE } })
      assert.is_nil(server:requests()[1]:lower():find "\nexpect:")
    end)

    it("carries nothing over from the one before", function()
      start { answering() }
      assert(send { method = "POST", url = server.url .. "/a", body = "first", headers = { ["X-First"] = "1" } })
      assert(send { url = server.url .. "/b/../c%7E?q=/../d" })
      assert(send { method = "POST", url = server.url .. "/c" })
      local requests = server:requests()
      assert.equal(libcurl.keeps and 1 or 3, #requests) -- connections
      local first, second, third = table.concat(requests):match "^(POST /a .-first)(GET .-\r\n\r\n)(POST /c .*)$"
      assert.truthy(first:find("\r\nX-First: 1\r\n", 1, true))
      assert.equal("GET /b/../c%7E?q=/../d HTTP/1.1", second:match "^[^\r]*")
      assert.is_nil(second:lower():find "content%-")
      assert.is_nil(second:find "X%-First")
      assert.truthy(third:find("\r\nContent-Length: 0\r\n", 1, true))
      assert.is_nil(third:find "X%-First")
    end)

    it("that is malformed is raised, before anything is sent", function()
      start { answering() }
      local long = ("x"):rep(64 * 1024)
      local many, giant = {}, {}
      local mebibytes = ("x"):rep(64 * 1024 * 1024) -- 64 of them are 2^32 bytes
      for i = 1, 65 do
        many["X-" .. i] = "1"
        giant["X-" .. i] = i < 65 and mebibytes or nil
      end
      for what, fields in pairs {
        ["header X%-A holds a control"] = { headers = { ["X-A"] = "a\r\nX-B: b" } },
        ["header X%-B holds a control"] = { headers = { ["X-B"] = "a\0b" } },
        ["header X%-C holds a control"] = { headers = { ["X-C"] = "a\nb" } },
        ["name is malformed"] = { headers = { ["X-A: b\r\nX-B"] = "c" } },
        ["occurs twice"] = { headers = { ["Content-Type"] = "a", ["content-type"] = "b" } },
        ["header Content%-Length is not"] = { headers = { ["Content-Length"] = "3" } },
        ["header transfer%-encoding is not"] = { headers = { ["transfer-encoding"] = "chunked" } },
        ["header Expect is not"] = { headers = { Expect = "100-continue" } },
        ["too many headers"] = { headers = many },
        ["headers are too long"] = { headers = { ["X-Long"] = long } },
        ["URL and headers are too long"] = { url = server.url .. "/" .. long },
        ["by names"] = { headers = { "a" } },
        ["text by names"] = { headers = { A = 1 } },
        ["headers must be a table"] = { headers = "A: b" },
        ["request cannot be sent: URL and headers"] = { headers = giant },
        ["begin with https"] = { url = "ftp://127.0.0.1/" },
        ["blank or a control"] = { url = server.url .. "/a b" },
        ["a control character"] = { url = server.url .. "/a\r\nX-B: c" },
        ["GET or POST"] = { method = "PUT" },
        ["GET has no body"] = { body = "x" },
        ["body must be text"] = { method = "POST", body = 5 },
        ["url must be text"] = { url = 5 },
      } do
        local ok, message = pcall(connection.send, connection, request(fields), 1)
        assert.is_false(ok)
        assert.truthy(message:find(what), message)
        assert.is_nil(message:find "%c")
      end
      for _, seconds in ipairs { 0, -1, 0 / 0, "x", false } do
        assert.has_error(function()
          connection:send(request(), seconds)
        end)
        assert.has_error(function()
          connection:send(request(), 1, seconds or "x")
        end)
      end
      assert.same({}, server:requests())
    end)
  end)

  describe("options", function()
    it("are checked", function()
      for what, options in pairs {
        ["caFolder must be text"] = { caFolder = {} },
        ["caFile must be text"] = { caFile = 1 },
        ["caFile must"] = { caFile = "a\0b" },
        ["proxy must be text"] = { proxy = false },
        ["at most 4096"] = { proxy = ("x"):rep(4097) },
        ["option proxy holds a control character"] = { proxy = "http://user:secret\n@127.0.0.1:1" },
        ["Bytes must be from 1"] = { maxResponseBytes = 0.5 },
        ["from 1 to"] = { maxResponseBytes = 0 / 0 },
        ["to 2147483647"] = { maxResponseBytes = 2 ^ 31 },
        ["Bytes must be"] = { maxResponseBytes = "100" },
      } do
        local ok, message = pcall(http.new, options)
        assert.is_false(ok)
        assert.truthy(message:find(what, 1, true), message)
        assert.is_nil(message:find "secret")
      end
      assert.has_error(function()
        http.new "x"
      end)
    end)

    it("leave the User-Agent to the request", function()
      connection = http.new()
      start { answering() }
      assert(send { headers = { ["User-Agent"] = "other/2" } })
      assert.equal(1, count(server:requests()[1], "\r\nUser-Agent: other/2\r\n"))
    end)
  end)

  describe("an answer", function()
    it("has status, body and headers by lower-case names", function()
      local answer = assert(
        outcome(
          "HTTP/1.1 502 Bad Gateway\r\nX-One:  a b \r\nx-two: 1\r\nX-TWO:2\r\nX-None:\r\nContent-Length: 3\r\n\r\na\0b"
        )
      )
      assert.same({
        status = 502,
        body = "a\0b",
        headers = { ["x-one"] = "a b", ["x-two"] = "1, 2", ["x-none"] = "", ["content-length"] = "3" },
      }, answer)
      if math.type then
        assert.equal("integer", math.type(answer.status))
      end
    end)

    it("may lack the words of its status line", function()
      assert.equal(204, assert(outcome "HTTP/1.1 204\r\n\r\n").status)
    end)

    it("may come in chunks, with a trailer", function()
      local answer = assert(
        outcome(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n3;x=y\r\na":\r\n2\r\n1}\r\n0\r\nX-Late: 1\r\n\r\n'
        )
      )
      assert.equal('{"a":1}', answer.body)
      assert.is_nil(answer.headers["x-late"])
    end)

    it("may end with the connection, and come in HTTP/1.0", function()
      assert.equal("ok", assert(outcome "HTTP/1.0 200 OK\r\n\r\nok").body)
    end)

    it("is what comes after the interim ones, whose headers are dropped", function()
      local answer =
        assert(outcome("HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 103 Hints\r\nX-A: 2\r\n\r\n" .. reply "late"))
      assert.same({ status = 200, body = "late", headers = { ["content-length"] = "4" } }, answer)
    end)

    it("is not decoded", function()
      local answer = assert(outcome(reply("\31\139\8", "content-encoding: gzip\r\n")))
      assert.equal("\31\139\8", answer.body)
      assert.equal("gzip", answer.headers["content-encoding"])
    end)

    it("that sends elsewhere is not followed", function()
      local other = raw.start { answering() }
      local answer = outcome("HTTP/1.1 302 Found\r\nLocation: " .. other.url .. "/\r\nContent-Length: 0\r\n\r\n")
      local requests = other:requests()
      other:stop()
      assert.equal(302, answer.status)
      assert.same({}, requests)
    end)

    for what, bytes in pairs {
      ["with a body cut short"] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
      ["with chunks cut short"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
      ["with the last chunk missing"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
      ["of nothing"] = "",
    } do
      it(what .. " was closed", function()
        assertFails("closed", true, outcome(bytes))
      end)
    end

    for what, bytes in pairs {
      ["is no HTTP"] = "SSH-2.0-OpenSSH_9.2\r\n",
      ["is HTTP/0.9"] = "<html>hello</html>",
      ["has a header without a colon"] = "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
      ["has a blank before a colon"] = "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
      ["has a control byte in a header"] = "HTTP/1.1 200 OK\r\nX-A: b\27[2Jc\r\nContent-Length: 0\r\n\r\n",
      ["has a zero byte in a header"] = "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n",
      ["switches protocols"] = "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
      ["has half a status"] = "HTTP/1.1 20\r\nContent-Length: 0\r\n\r\n",
      ["has a long status"] = "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
      ["has no length that is a number"] = "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      ["has chunks that are none"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    } do
      it("that " .. what .. " is malformed", function()
        assertFails("format", true, outcome(bytes))
      end)
    end

    itKept("whose first header line begins with a blank is malformed, whichever of a client's it is", function()
      local blank = { "send", "HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 0\r\n\r\n" }
      local good = { "send", reply "{}" }
      start { { { "recv" }, good, { "recv" }, blank }, { { "recv" }, blank }, { { "recv" }, good } }
      for _, expected in ipairs { "{}", false, false, "{}" } do
        if expected then
          assert.equal(expected, assert(send()).body)
        else
          assertFails("format", true, send())
        end
      end
    end)

    -- RFC 9112, 5.2 lets a client do either; libcurl 8.23 joins the lines, 8.14 does not
    it("that has a folded header is malformed, or has it in one line", function()
      local answer, message, detail = outcome "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"
      if answer then
        assert.equal("b c", answer.headers["x-a"])
      else
        assertFails("format", true, answer, message, detail)
      end
    end)
  end)

  describe("a limit", function()
    local KB = 1024

    it("holds for a length that is told, before the body comes", function()
      connection = http.new { maxResponseBytes = 10 }
      start { { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" } } }
      local before = socket.gettime()
      assertFails("tooLarge", true, send())
      assert.is_true(socket.gettime() - before < 4)
    end)

    it("lets a body pass that is just as long", function()
      connection = http.new { maxResponseBytes = 10 }
      assert.equal("0123456789", assert(outcome(reply "0123456789")).body)
    end)

    for what, head in pairs {
      ["chunks"] = "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n",
      ["a body without length"] = "\r\n01234567890",
    } do
      it("holds for " .. what, function()
        connection = http.new { maxResponseBytes = 10 }
        assertFails("tooLarge", true, outcome("HTTP/1.1 200 OK\r\n" .. head))
      end)
    end

    it("is 4 MiB by default", function()
      assert.equal(4 * KB * KB, #assert(outcome(reply(("x"):rep(4 * KB * KB)))).body)
      server:stop()
      assertFails("tooLarge", true, outcome(reply(("x"):rep(4 * KB * KB + 1))))
    end)

    for what, bytes in pairs {
      ["headers that are long together"] = "HTTP/1.1 200 OK\r\n"
        .. ("X-A: " .. ("x"):rep(KB) .. "\r\n"):rep(64)
        .. "\r\n",
      ["many headers"] = "HTTP/1.1 200 OK\r\n" .. ("A: b\r\n"):rep(256) .. "\r\n",
      ["one long header"] = "HTTP/1.1 200 OK\r\nX-A: " .. ("x"):rep(64 * KB) .. "\r\n\r\n",
      ["a header that does not end"] = "HTTP/1.1 200 OK\r\nX-A: " .. ("x"):rep(2 * KB * KB),
      ["a long trailer"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        .. ("X-A: " .. ("x"):rep(KB) .. "\r\n"):rep(64),
    } do
      it("holds for " .. what, function()
        assertFails("tooLarge", true, outcome(bytes))
      end)
    end

    it("holds for interim answers without end", function()
      start { { { "recv" }, { "loop", { { "send", "HTTP/1.1 100 Continue\r\n\r\n" } } } } }
      assertFails("tooLarge", true, send())
    end)

    it("lets the next request through", function()
      connection = http.new { maxResponseBytes = 10 }
      start { { { "recv" }, { "send", reply "01234567890" } }, answering(reply "small") }
      assertFails("tooLarge", true, send())
      assert.equal("small", assert(send()).body)
    end)
  end)

  describe("a time limit", function()
    local function assertTakes(seconds, call)
      local before = socket.gettime()
      call()
      local took = socket.gettime() - before
      assert.is_true(took >= seconds * 0.9 and took < seconds + 4, ("took %.2f s"):format(took))
    end

    it("holds for a server that is silent", function()
      start { { { "recv" }, { "send", 'HTTP/1.1 200 OK\r\n\r\n{"half' } } }
      assertTakes(0.5, function()
        assertFails("timeout", true, send(nil, 0.5))
      end)
    end)

    for what, head in pairs {
      ["a body"] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
      ["a head"] = "HTTP/1.1 200 OK\r\nX-A: ",
    } do
      it("holds for " .. what .. " that comes byte by byte", function()
        start { { { "recv" }, { "send", head }, { "trickle", ("x"):rep(1000), 0.2 } } }
        assertTakes(0.7, function()
          assertFails("timeout", true, send(nil, 0.7))
        end)
      end)
    end

    it("holds while connecting", function()
      start { accept = false }
      assertTakes(0.3, function()
        assertFails("timeout", false, send(nil, 5, 0.3))
      end)
      assertTakes(0.3, function()
        assertFails("timeout", false, send(nil, 0.3))
      end)
    end)

    it("may be as short as one likes", function()
      start { { { "recv" } } }
      local answer, _, detail = send(nil, 1e-9)
      assert.is_nil(answer)
      assert.equal("timeout", detail.reason)
    end)
  end)

  describe("a connection", function()
    it("that is refused has sent nothing", function()
      start { answering() }
      server:stop()
      assertFails("connect", false, send())
    end)

    it("is dropped after an answer that closes it", function()
      for _, head in ipairs {
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nConnection: Close\r\n",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\n",
        "HTTP/1.1 200 OK\r\nConnection: foo, close, bar\r\n",
      } do
        start { { { "recv" }, { "send", head .. "Content-Length: 1\r\n\r\na" } }, answering() }
        assert.equal("a", assert(send()).body)
        assert.equal("{}", assert(send()).body)
        assert.equal(2, #server:requests())
        server:stop()
      end
    end)

    for _, ending in ipairs { "close", "reset" } do
      it("that the server ended while idle is replaced unnoticed (" .. ending .. ")", function()
        start { { { "recv" }, { "send", reply "a" }, { "sleep", 0.05 }, { ending } }, answering() }
        assert.equal("a", assert(send()).body)
        server:await(1, 4)
        assert.equal("{}", assert(send()).body)
        assert.equal(2, #server:requests())
      end)

      it("that the server ended at once is replaced unnoticed (" .. ending .. ")", function()
        local once = { { "recv" }, { "send", reply "a" }, { ending } }
        start { once, once, once, answering() }
        for i = 1, 4 do
          assert(send())
          socket.sleep(0.05)
          assert.equal(i, #server:requests())
        end
      end)

      itKept("that dies without an answer does not send again by itself (" .. ending .. ")", function()
        start { { { "recv" }, { "send", reply "a" }, { "recv" }, { ending } }, answering() }
        assert(send { url = server.url .. "/first" })
        local answer, message, detail = send { method = "POST", url = server.url .. "/second", body = "x" }
        assertFails("closed", true, answer, message, detail)
        assert.is_true(detail.reused)
        assert.equal(1, count(table.concat(server:requests()), "/second"))
        assert.equal("{}", assert(send { url = server.url .. "/third" }).body)
        assert.equal(1, count(table.concat(server:requests()), "/third"))
      end)
    end

    it("of its own that dies is not taken for a kept one", function()
      local _, _, detail = outcome ""
      assert.is_false(detail.reused)
    end)

    it("is dropped with bytes that nobody asked for", function()
      for _, pause in ipairs { 0, 0.1 } do
        start {
          {
            { "recv" },
            { "send", reply "first" },
            { "sleep", pause },
            { "send", "\r\nLEFTOVER " .. reply "of another" },
          },
          answering(reply "second"),
        }
        assert.equal("first", assert(send()).body)
        server:await(1, 4)
        assert.equal("second", assert(send()).body)
        server:stop()
      end
    end)

    it("keeps to the length that is told", function()
      local answer = outcome 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"a":1}'
      assert.equal('{"a":', answer.body)
    end)

    it("is made to IPv6 addresses", function()
      start { host = "::1", answering() }
      assert.truthy(server.url:find("[::1]", 1, true))
      assert.equal(200, assert(send { headers = { Host = server.authority } }).status)
      assert.equal(1, count(server:requests()[1], "\r\nHost: " .. server.authority .. "\r\n"))
    end)

    it("is closed with its object, once", function()
      start { answering() }
      assert(send())
      assert.equal("qcimage.http (open)", tostring(connection))
      connection:close()
      connection:close()
      assert.equal("qcimage.http (closed)", tostring(connection))
      local answer, message, detail = connection:send(request(), 1)
      assert.is_nil(answer)
      assert.equal("the connection is closed", message)
      assert.same({ sent = false, reused = false }, detail)
      assert.same({ "gone" }, server:ends())
    end)

    it("is closed by the collector", function()
      start { answering() }
      assert(http.new():send(request(), 5, 5, true))
      collectgarbage()
      collectgarbage()
      assert.same({ "gone" }, server:ends())
    end)

    if _VERSION == "Lua 5.4" then
      it("is closed at the end of a block", function()
        start { answering() }
        local block = assert(load [[
          local http, request = ...
          local connection <close> = http.new()
          assert(connection:send(request, 5, 5, true))
        ]])
        block(http, request())
        assert.same({ "gone" }, server:ends())
      end)
    end
  end)

  describe("the module", function()
    it("tells libcurl's version and certificates", function()
      assert.truthy(http.version():find "^built with libcurl/%d+%.%d+.* running with libcurl/%d+%.%d+")
      local file = http.caFile()
      assert.is_true(file == nil or type(file) == "string")
    end)

    it("locks its metatable", function()
      assert.is_false(getmetatable(http.new()))
    end)

    it("exports nothing but its entry", function()
      local path
      for pattern in package.cpath:gmatch "[^;]+" do
        local name = pattern:gsub("?", "qcimage/http")
        local file = io.open(name)
        if file then
          file:close()
          path = path or name
        end
      end
      local symbols = process.run("nm -D --defined-only " .. process.quote(path))
      assert.truthy(symbols:find "^%x+ T luaopen_qcimage_http\n$", symbols)
    end)

    it("opens nothing when it is loaded or a connection is made", function()
      if not process.canTrace() then
        pending "strace does not work on this machine"
      end
      local traced, status = process.run(
        ("strace -f -e trace=socket,socketpair,eventfd2,clone,clone3 %s -e %s"):format(
          process.interpreter,
          process.quote 'require "qcimage.http".new():close()'
        )
      )
      assert.equal(0, status, traced)
      assert.is_nil(traced:find "[%a_%d]%(", traced)
    end)
  end)
end)
