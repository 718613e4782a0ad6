--- The emulator over HTTP, and the command that starts and ends it: covers emulator/nginx/ and cli/emulator.lua.

local certs = require "spec.support.certs"
local cjson = require "cjson"
local process = require "spec.support.process"
local socket = require "socket"
local support = require "spec.support.emulator"

-- Tries for a while, as a process ends when it likes.
local function soon(condition)
  for _ = 1, 600 do
    if condition() then
      return true
    end
    socket.sleep(0.1)
  end
  return false
end

-- A folder for temporary files of a server's own, so that what is left of it can be seen.
local function scratch()
  return (process.run("mktemp -d"):gsub("\n", ""))
end

-- A file with a state document, gone with the scratch folder.
local function stateFile(folder, state)
  local name = folder .. "/state.json"
  local file = assert(io.open(name, "wb"))
  file:write(type(state) == "string" and state or cjson.encode(state))
  file:close()
  return name
end

local function leftIn(folder)
  return (process.run("ls " .. folder))
end

local function bytesOf(request)
  local lines = {
    ("%s %s%s HTTP/1.1"):format(request.method, request.path, request.query ~= "" and "?" .. request.query or ""),
    "Host: " .. request.host,
  }
  for name, value in pairs(request.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if request.body then
    lines[#lines + 1] = "Content-Length: " .. #request.body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (request.body or "")
end

local function connect(server)
  local connection = assert(socket.connect("127.0.0.1", server.port))
  connection:settimeout(10)
  return connection
end

-- Reads one answer: status, headers in small letters, body.
local function read(connection)
  local line, problem = connection:receive "*l"
  if not line then
    return nil, problem
  end
  local headers = {}
  for header in
    function()
      local text = connection:receive "*l"
      return text ~= "" and text or nil
    end
  do
    local name, value = header:match "^([^:]+): *(.*)$"
    headers[name:lower()] = value
  end
  local body = headers["content-length"] and connection:receive(tonumber(headers["content-length"]))
  return tonumber(line:match "^HTTP/1%.1 (%d+)"), headers, body
end

local function exchange(server, bytes)
  local connection = connect(server)
  connection:send(bytes)
  local status, headers, body = read(connection)
  connection:close()
  return status, headers, body
end

local function modify(server, params)
  local all = { Action = "ModifyImageAttributes", imageId = "img-12345678", imageName = "web-02" }
  all.Timestamp = os.time()
  for name, value in pairs(params or {}) do
    all[name] = value
  end
  return bytesOf(support.v2(all, { host = server.host }))
end

describe("emulator in nginx", function()
  local server, folder

  setup(function()
    folder = scratch()
    server = support.start { env = "TMPDIR=" .. folder }
  end)

  teardown(function()
    server:stop()
    assert(soon(function()
      return leftIn(folder) == ""
    end))
    os.remove(folder)
  end)

  before_each(function()
    server:reset()
    server:set { clockOffset = 0, rateLimit = 0 }
  end)

  local function nameIs(name)
    assert.equal(name, server:images()[1].imageName)
  end

  it("is a metadata service, where it is told to", function()
    local path = "/latest/meta-data/cam/security-credentials/"
    local request = { method = "GET", path = path, query = "", host = server.host, headers = {} }
    assert.equal(404, (exchange(server, bytesOf(request))))
    local states = scratch()
    local file = stateFile(states, { settings = { roleName = "a b", keySeconds = 60 } })
    local other = support.start { args = { "--metadata", "--state", file } }
    process.run("rm -r " .. states)
    local status, _, body = exchange(other, bytesOf(request))
    request.path = path .. "a%20b"
    local _, headers, document = exchange(other, bytesOf(request))
    other:control("DELETE", "keys")
    local _, _, next = exchange(other, bytesOf(request))
    other:stop()
    assert.equal(200, status)
    assert.equal("a b", body)
    assert.equal("text/plain", headers["content-type"])
    assert.is_true(math.abs(cjson.decode(document).ExpiredTime - os.time() - 60) <= 5)
    assert.not_equal(cjson.decode(document).TmpSecretId, cjson.decode(next).TmpSecretId)
  end)

  it("sends an answer byte by byte", function()
    server:fault { kind = "trickle", pause = 0.002 }
    local connection = connect(server)
    local began = socket.gettime()
    connection:send(modify(server))
    local _, headers, body = read(connection)
    connection:close()
    assert.equal(tonumber(headers["content-length"]), #body)
    assert.equal(0, cjson.decode(body).code)
    assert.is_true(socket.gettime() - began >= 0.002 * #body)
    nameIs "web-02"
  end)

  it("answers both versions, by POST and GET, over one connection", function()
    local connection = connect(server)
    local v3 = support.v3("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "web-03" }, {
      host = server.host,
      time = os.time(),
    })
    local get = support.v2(
      { Action = "DescribeImages", imageType = 1, Timestamp = os.time() },
      { host = server.host, method = "GET" }
    )
    connection:send(modify(server))
    local status, headers, body, _ = read(connection)
    assert.same({ 200, '{"code":0,"codeDesc":"Success","message":""}' }, { status, body })
    assert.equal("application/json", headers["content-type"])
    nameIs "web-02"
    connection:send(bytesOf(v3))
    status, _, body = read(connection)
    assert.equal(200, status)
    assert.is_nil(cjson.decode(body).Response.Error)
    connection:send(bytesOf(get))
    status, _, body = read(connection)
    assert.equal(200, status)
    assert.equal("web-03", cjson.decode(body).imageSet[1].imageName)
    connection:close()
    assert.equal(3, #server:journal())
  end)

  it("signs with digests that are not the client's", function()
    local _, _, body = exchange(server, modify(server, { SignatureMethod = "HmacSHA256" }))
    assert.truthy(body:find("although SignatureMethod is HmacSHA256", 1, true))
  end)

  it("takes a chunked body", function()
    local request = support.v2(
      { Action = "DescribeImages", imageType = 1, Timestamp = os.time() },
      { host = server.host }
    )
    local body = request.body
    request.body = nil
    request.headers["transfer-encoding"] = "chunked"
    local chunks = ("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(body:sub(1, 5), #body - 5, body:sub(6))
    local _, _, answer = exchange(server, bytesOf(request) .. chunks)
    assert.equal(0, cjson.decode(answer).code)
  end)

  it("has a clock of its own", function()
    server:set { clockOffset = 3600 }
    local _, headers, body = exchange(server, modify(server))
    assert.equal(4500, cjson.decode(body).code)
    local now = os.time() + 3600
    local expected = {}
    for i = -2, 2 do
      expected[os.date("!%a, %d %b %Y %H:%M:%S GMT", now + i)] = true
    end
    assert.is_true(expected[headers.date])
  end)

  it("closes the connection before or after the change", function()
    for kind, name in pairs { dropBefore = "web-01", dropAfter = "web-02" } do
      server:reset()
      server:fault { kind = kind }
      local status, problem = exchange(server, modify(server))
      assert.is_nil(status)
      assert.equal("closed", problem)
      nameIs(name)
    end
  end)

  it("answers late, and others meanwhile", function()
    server:fault { kind = "delay", delay = 0.5 }
    local slow, before = connect(server), socket.gettime()
    slow:send(modify(server))
    assert(soon(function()
      return #server:journal() == 1
    end))
    nameIs "web-02" -- applied, not answered yet
    local _, _, body = exchange(server, modify(server))
    assert.equal(0, cjson.decode(body).code)
    assert.equal(200, (read(slow)))
    assert.is_true(socket.gettime() - before >= 0.4) -- nginx's timers go by a clock that may lag
    slow:close()
  end)

  it("answers for a gateway", function()
    server:fault { kind = "status", status = 502 }
    local status, headers = exchange(server, modify(server))
    assert.same({ 502, "text/html" }, { status, headers["content-type"] })
    nameIs "web-01"
  end)

  it("answers with the content type that it is told to", function()
    server:fault { kind = "status", status = 200, body = "{}", contentType = "application/json" }
    local status, headers, body = exchange(server, modify(server))
    assert.same({ 200, "application/json", "{}" }, { status, headers["content-type"], body })
  end)

  it("answers what nginx refuses with the code of its cause", function()
    for bytes, codes in pairs {
      ["GET %s HTTP/9.9\r\nHost: x\r\n\r\n"] = { "UnsupportedProtocol", 4600 },
      ["TRACE %s HTTP/1.1\r\nHost: x\r\n\r\n"] = { "UnsupportedProtocol", 4600 },
      ["POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"] = { "UnsupportedProtocol", 4600 },
      ["GET %s HTTP/1.1\r\n\r\n"] = { "InvalidRequest", 4000 },
      ["POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"] = { "RequestSizeLimitExceeded", 4000 },
    } do
      local _, _, body = exchange(server, bytes:format "/")
      assert.equal(codes[1], cjson.decode(body).Response.Error.Code, bytes)
      _, _, body = exchange(server, bytes:format "/v2/index.php")
      assert.equal(codes[2], cjson.decode(body).code, bytes)
    end
  end)

  it("takes requests up to the limits, and refuses longer ones in JSON", function()
    local function v2code(bytes)
      local _, _, body = exchange(server, bytes)
      return cjson.decode(body).code, body
    end
    local function get(size)
      return ("GET /v2/index.php?x=%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(("x"):rep(size))
    end
    local function post(path, size)
      return ("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"):format(
        path,
        size
      )
    end
    local code, body = v2code(get(32000))
    assert.equal(4000, code)
    assert.truthy(body:find("Action is missing", 1, true))
    code, body = v2code(get(35000))
    assert.equal(4000, code)
    assert.truthy(body:find("longer than 32768", 1, true))
    for _, size in ipairs { 60000, 500000 } do
      code, body = v2code(get(size))
      assert.equal(4000, code)
      assert.truthy(body:find("too large", 1, true))
    end
    local header = ("GET /v2/index.php HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n"):format(("x"):rep(50000))
    assert.equal(4000, (v2code(header)))
    local long = 10 * 1024 * 1024
    local _, _, answer = exchange(server, post("/", long) .. ("x"):rep(long))
    assert.equal("MissingParameter", cjson.decode(answer).Response.Error.Code)
    assert.equal(4000, (v2code(post("/v2/index.php", 12000000))))
    _, _, answer = exchange(server, post("/", 12000000))
    assert.equal("RequestSizeLimitExceeded", cjson.decode(answer).Response.Error.Code)
  end)

  it("is not upset by what is no request", function()
    for _, bytes in ipairs {
      "\0\1\2\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET /v2/index.php HTTP/1.0\r\n\r\n",
      "GET /%00%ff?%00 HTTP/1.1\r\nHost: x\r\n\r\n",
      "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET http://x/v2/index.php?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: \255\r\nContent-Length: 2\r\n\r\n{}",
      "GET /_refused HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    } do
      local status, _, body = exchange(server, bytes)
      if status then -- nginx closes some without a word
        assert.is_true(status < 500, bytes)
        local ok = pcall(cjson.decode, body)
        assert.is_true(ok, bytes .. tostring(body))
      end
    end
    local log = process.run(("cat %s/*/error.log"):format(folder))
    assert.falsy(log:find("lua", 1, true), log)
    assert.equal(5, #server:images())
  end)
end)

describe("emulator command", function()
  local folder

  before_each(function()
    folder = scratch()
  end)

  after_each(function()
    process.run("rm -rf " .. folder)
  end)

  local function start(...)
    return support.start { args = { ... }, env = "TMPDIR=" .. folder }
  end

  local function command(arguments, environment)
    return process.run(
      ("env TMPDIR=%s %s lua5.4 spec/support/qcimage.lua %s"):format(folder, environment or "", arguments)
    )
  end

  it("ends with its process, however that ends, and leaves nothing", function()
    for _, signal in ipairs { "TERM", "KILL", "HUP" } do
      local server = start()
      process.run(("kill -%s %s"):format(signal, server.pid))
      assert.is_true(soon(function()
        return leftIn(folder) == "" and not socket.connect("127.0.0.1", server.port)
      end))
      server:stop()
    end
  end)

  it("is over when it is over: another one starts on its port at once", function()
    local port = start()
    port:stop()
    port = port.port
    for i, signal in ipairs { "TERM", "INT", "TERM", "KILL", "TERM", "KILL" } do
      local server = start("--port", port)
      assert.equal(port, server.port)
      local idle = connect(server) -- a connection that is kept
      idle:send "GET /_emulator/ HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(200, (read(idle)))
      process.run(("kill -%s %s"):format(signal, server.pid))
      server.pipe:close() -- when the process has ended
      server.pipe = nil
      idle:close()
      if signal ~= "KILL" then
        assert.is_nil((socket.connect("127.0.0.1", port)), i .. " " .. signal)
      end
    end
    assert.is_true(soon(function()
      return leftIn(folder) == ""
    end))
  end)

  it("runs without the C modules", function()
    process.run(("mkdir %s/copy && cp -r lua %s/copy/"):format(folder, folder))
    local line = ([[cd %s/copy; unset LUA_CPATH; export LUA_PATH="%s/copy/lua/?.lua;;"; ]]):format(folder, folder)
      .. [[qcimage() { TMPDIR=FOLDER lua5.4 -e 'os.exit(require("qcimage.cli").main(arg))' - "$@"; }; ]]
    line = line:gsub("FOLDER", folder)
    local output = process.run(line .. "qcimage describe 2>&1 | head -1")
    assert.matches("^qcimage: only the emulator runs without the C modules: module 'qcimage.core' not found", output)
    for _, words in ipairs { "emulator --help", "help emulator" } do
      output = process.run(line .. ("qcimage %s 2>&1 | head -1"):format(words))
      assert.equal("usage: qcimage emulator [OPTION ...]\n", output)
    end
    for _, signal in ipairs { "TERM", "KILL" } do
      local script = line
        .. ([[
          qcimage emulator >out 2>err & sleep 0.1; until [ -s out ] || ! kill -0 $!; do sleep 0.05; done
          url=$(sed -n 's/^qcimage emulator ready on //p' out); curl -sS $url/_emulator/
          pid=$(pgrep -P $!); [ -n "$pid" ] && [ "$(ps -o comm= -p $pid)" = lua5.4 ] || pid=$!
          kill -%s $pid; wait; for i in $(seq 50); do curl -s $url/_emulator/ >/dev/null || break; sleep 0.02; done
          curl -s $url/_emulator/ >/dev/null || echo over; cat err; rm out err]]):format(signal)
      output = process.run("bash -c '" .. script:gsub("'", "'\\''") .. "' 2>/dev/null")
      assert.equal("qcimage", cjson.decode(output:match "^%b{}").emulator)
      assert.matches("}over\n", output)
    end
    process.run(("rm -r %s/copy"):format(folder))
    assert.is_true(soon(function()
      return leftIn(folder) == ""
    end))
  end)

  it("listens where it is told to, and warns where others reach it", function()
    local other = start("--listen", "127.0.0.2")
    assert.equal("http://127.0.0.2:", other.url:sub(1, 17))
    assert.is_nil((socket.connect("127.0.0.1", other.port)))
    assert.is_truthy((socket.connect("127.0.0.2", other.port)))
    other:stop()
    local script = ("TMPDIR=%s timeout 5 lua5.4 spec/support/qcimage.lua emulator --listen 0.0.0.0 2>&1"):format(folder)
    local output = process.run(script .. " | head -2")
    assert.matches(
      "^qcimage: 0.0.0.0 is not a loopback address: [^\n]*\nqcimage emulator ready on http://127.0.0.1:",
      output
    )
  end)

  it("ends with nginx, or as a group by Ctrl-C, and is content", function()
    for _, signal in ipairs { "TERM", "INT", "QUIT" } do
      local script = [[(
        TMPDIR=FOLDER lua5.4 spec/support/qcimage.lua emulator >FOLDER/ready & command=$!
        until [ -s FOLDER/ready ]; do sleep 0.05; done
        kill -SIGNAL $(cat FOLDER/qcimage-emulator.*/nginx.pid)
        wait $command; code=$?
        rm FOLDER/ready
        exit $code
      )]]
      local output, status = process.run((script:gsub("%u+", { FOLDER = folder, SIGNAL = signal })))
      assert.same({ "", 0 }, { output, status })
      assert.equal("", leftIn(folder))
    end
  end)

  it("ends with another process that it was told of", function()
    local sleeper = process.run("sleep 30 >/dev/null 2>&1 & echo $!"):gsub("\n", "")
    local server = start("--stop-with", sleeper)
    assert.equal(5, #server:images())
    process.run("kill " .. sleeper)
    assert.is_true(soon(function()
      return leftIn(folder) == ""
    end))
    server:stop()
  end)

  it("runs next to another one", function()
    local one, other = start(), start()
    assert.not_equal(one.port, other.port)
    exchange(one, modify(one))
    assert.equal("web-02", one:images()[1].imageName)
    assert.equal("web-01", other:images()[1].imageName)
    local output, status = command("emulator --port " .. one.port)
    assert.same({ ("qcimage: port %d is in use\n"):format(one.port), 1 }, { output, status })
    one:stop()
    other:stop()
  end)

  it("starts with a state document", function()
    local images = cjson.decode((process.run "cat spec/fixtures/images.json"))
    local file = stateFile(folder, {
      images = images,
      accounts = { [support.SECRET_ID] = { secretKey = support.SECRET_KEY }, AKIDmine = { secretKey = "keykey" } },
      settings = { rateLimit = 1, clockOffset = -1000, hostName = "api.private" },
    })
    local server = start("--state", file)
    os.remove(file)
    assert.falsy(process.run(("cat %s/*/* 2>/dev/null"):format(folder)):find("keykey", 1, true))
    assert.truthy(server.greeting:find("QCIMAGE_ENDPOINT=http://api.private:" .. server.port, 1, true))
    assert.falsy(server.greeting:find("localhost", 1, true))
    assert.equal("img-0a1b2c3d", server:images()[1].imageId)
    local _, _, body = exchange(server, modify(server))
    assert.equal(4500, cjson.decode(body).code)
    local params = { Timestamp = os.time() - 1000 }
    _, _, body = exchange(server, modify(server, params))
    assert.equal(6100, cjson.decode(body).code)
    server:stop()
  end)

  it("takes keys from the environment, and shows them to no one", function()
    local server = support.start {
      env = ("TMPDIR=%s TENCENTCLOUD_SECRET_ID=AKIDmine TENCENTCLOUD_SECRET_KEY=keykey TENCENTCLOUD_TOKEN=toktok"):format(
        folder
      ),
    }
    local request = support.v2(
      { Action = "DescribeImages", imageType = 1, Timestamp = os.time(), SecretId = "AKIDmine", Token = "toktok" },
      { host = server.host, key = "keykey" }
    )
    local _, _, body = exchange(server, bytesOf(request))
    assert.equal(0, cjson.decode(body).code)
    local seen = process.run(("cat %s/*/* 2>/dev/null; ps axww -o args"):format(folder))
    for _, text in ipairs { seen, server.greeting } do
      assert.falsy(text:find("keykey", 1, true))
      assert.falsy(text:find("toktok", 1, true))
    end
    assert.falsy(server.greeting:find("SECRET", 1, true))
    server:stop()
  end)

  it("says what to set, so that a script reaches it", function()
    local server = start()
    local exports = {}
    for line in server.greeting:gmatch "[^\n]+" do
      exports[#exports + 1] = line:match "^  (export .*)$"
    end
    local script =
      [[image = require "qcimage"; print(image.modify { imageId = "img-12345678", imageName = "by-export" })]]
    local output, status = process.run(("%s; lua5.4 -e '%s'"):format(table.concat(exports, "; "), script))
    assert.equal(0, status, output)
    assert.equal("by-export", server:images()[1].imageName)
    assert.truthy(server.greeting:find("endpoint " .. server.host, 1, true))
    server:stop()
  end)

  it("speaks TLS", function()
    local file = stateFile(folder, { settings = { requireHttps = true } })
    local server = start("--tls", certs.path "good.pem", certs.path "good.key", "--state", file)
    assert.equal("https://", server.url:sub(1, 8))
    local output, status = process.run(("curl -sS --cacert %s %s/_emulator/"):format(certs.path "ca.pem", server.url))
    assert.equal(0, status)
    assert.equal("qcimage", cjson.decode(output).emulator)
    local _, _, body = exchange(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal("UnsupportedProtocol", cjson.decode(body).Response.Error.Code)
    server:stop()
    output, status = command "emulator --tls nonexistent.pem nonexistent.key"
    assert.equal(1, status)
    assert.truthy(output:find("/nonexistent.pem", 1, true), output)
  end)

  it("tells usage errors apart", function()
    for arguments, words in pairs {
      [""] = "no command",
      ["emulate"] = "unknown command emulate",
      ["emulator --porty 1"] = "unknown option --porty, did you mean --port?",
      ["emulator --port"] = "--port needs a value",
      ["emulator --port 70000"] = "--port must be a number from 0 to 65535",
      ["emulator --port 1.5"] = "--port must be",
      ["emulator --metadata=1"] = "takes no value",
      ["emulator --state /nonexistent"] = "/nonexistent: No such file",
      ["emulator --state spec/fixtures/vectors.json"] = "spec/fixtures/vectors.json: the document",
      ["emulator --state spec/unit/emulator_spec.lua"] = "spec/unit/emulator_spec.lua: not JSON",
      ["emulator --state " .. stateFile(folder, '{"settings":{"rateLimit":0.5}}')] = "settings.rateLimit must be a whole",
      ["emulator --state spec"] = "spec: Is a directory",
      ["emulator --images x"] = "unknown option --images",
      ["emulator --listen 127.0.0.256"] = "--listen must be an IPv4 or IPv6 address, not 127.0.0.256",
      ["emulator --listen localhost"] = "--listen must be",
    } do
      local output, status = command(arguments .. " 2>&1 >/dev/null")
      assert.equal(2, status, arguments)
      assert.truthy(output:find(words, 1, true), output)
      assert.falsy(output:find("traceback", 1, true))
    end
    local output, status = command("emulator --help 2>/dev/null")
    assert.truthy(output:find("--state FILE", 1, true))
    assert.truthy(output:find("rateLimit", 1, true))
    assert.equal(0, status)
    output, status = command "--version 2>/dev/null"
    assert.truthy(output:find "^qcimage %d+%.%d+%.%d+\n")
    assert.equal(0, status)
    for _, arguments in ipairs { "--help", "--version", "emulator --help" } do
      output, status = command(arguments .. " 2>&1 >/dev/full")
      assert.equal("qcimage: cannot write: No space left on device\n", output)
      assert.equal(74, status)
    end
  end)

  it("names what it lacks", function()
    local function with(nginx)
      process.run(
        ("mkdir -p %s/bin; printf '#!/bin/sh\\n%s\\n' >%s/bin/nginx; chmod +x %s/bin/nginx"):format(
          folder,
          nginx,
          folder,
          folder
        )
      )
      return command("emulator", ('PATH="%s/bin:$PATH"'):format(folder))
    end
    local output, status = with "echo configure arguments: --modules-path=/nonexistent"
    assert.equal(1, status)
    assert.truthy(output:find("nginx has no Lua module (/nonexistent); on Debian: apt install", 1, true))
    output, status = with('[ "$1" = -V ] && { echo configure arguments: ngx_lua; exit; }; echo broken >&2; exit 3')
    assert.equal(1, status)
    assert.equal("qcimage: nginx failed: broken\n", output)
    process.run("rm -r " .. folder .. "/bin")
    assert.equal("", leftIn(folder))
  end)
end)
