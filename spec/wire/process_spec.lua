--- What a connection does to its process: signals, forks, descriptors, names: covers qcimage.http.

local certs = require "spec.support.certs"
local http = require "qcimage.http"
local libcurl = require "spec.support.libcurl"
local posix = require "testposix"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
local ANSWERING = { { "loop", { { "recv" }, { "send", OK } } } }

local itKept, itQuick = libcurl.itKept(it, pending), libcurl.itQuick(it, pending)

describe("in its process", function()
  local server, connection

  local function start(...)
    server = raw.start { tls = "good", ... }
    connection = http.new { caFile = certs.path "ca.pem" }
  end

  local function send(path)
    local request = { method = "GET", url = server.url .. "/" .. (path or ""), headers = {} }
    local answer, message, detail = connection:send(request, 5, 5, true)
    return answer, message, detail
  end

  after_each(function()
    if connection then
      connection:close()
    end
    if server then
      server:stop()
    end
    server, connection = nil, nil
  end)

  it("a connection leaves signal handlers and masks as they were", function()
    start(ANSWERING)
    local before = posix.signals()
    assert(send())
    connection:close()
    assert.equal(before, posix.signals())
  end)

  it("a connection keeps no descriptor when it is closed", function()
    start(ANSWERING)
    local before = posix.descriptors()
    assert(send())
    connection:close()
    assert.equal(before, posix.descriptors())
  end)

  it("a connection is not inherited by other programs", function()
    server = raw.start { ANSWERING }
    connection = http.new()
    assert(send())
    local program = io.popen("cat", "w")
    connection:close()
    local deadline = socket.gettime() + 60
    while server:ends()[1] == "open" and socket.gettime() < deadline do
      socket.sleep(0.01)
    end
    assert.equal("gone", server:ends()[1])
    program:close()
  end)

  -- Each child uses the copy of the connection that fork gave it in another way.
  for what, act in pairs {
    ["uses it"] = function()
      assert(send "child")
    end,
    ["closes it"] = function()
      connection:close()
    end,
    ["collects it"] = function()
      connection = nil
      collectgarbage()
      collectgarbage()
    end,
    ["uses and closes it"] = function()
      assert(send "child")
      connection:close()
    end,
  } do
    itKept("a connection stays whole when a forked process " .. what, function()
      start(ANSWERING)
      assert(send "first")
      local pid = posix.fork()
      if pid == 0 then
        posix.exit(pcall(act) and 7 or 1)
      end
      assert.equal(7, posix.wait(pid))
      assert.equal("{}", assert(send "second").body)
      local requests = server:requests()
      assert.truthy(requests[1]:find "GET /second") -- still the first one
      assert.is_nil(requests[1]:find "child")
      assert.equal("open", server:ends()[1])
      for i = 2, #requests do
        assert.truthy(requests[i]:find "^GET /child")
      end
    end)
  end

  itKept("a forked process holds none of the descriptors of a connection that it has let go", function()
    start(ANSWERING)
    assert(send())
    local pid = posix.fork()
    if pid == 0 then
      local before = posix.descriptors()
      connection:close()
      posix.exit(before - posix.descriptors())
    end
    assert.equal(1, posix.wait(pid))
  end)

  -- Closes all descriptors and opens logs, as a daemon does, acts, and writes to the logs. True: they have it all.
  local function becomeDaemon(act)
    for fd = 3, 63 do
      posix.close(fd)
    end
    local logs = {}
    for i = 1, 20 do
      logs[i] = { path = os.tmpname() }
      logs[i].file = assert(io.open(logs[i].path, "w"))
    end
    act()
    local whole = true
    for _, log in ipairs(logs) do
      whole = (log.file:write "a line\n" and log.file:flush()) and whole
      local file = io.open(log.path)
      whole = file:read "*a" == "a line\n" and whole
      file:close()
      os.remove(log.path)
    end
    return whole
  end

  for what, act in pairs {
    ["uses"] = function()
      assert(send "child")
      assert(send "child")
    end,
    ["closes"] = function()
      connection:close()
    end,
  } do
    itKept("a daemon that " .. what .. " a connection of its parent's keeps the files that it has opened", function()
      start(ANSWERING)
      assert(send "first")
      local pid = posix.fork()
      if pid == 0 then
        local ok, whole = pcall(becomeDaemon, act)
        posix.exit(ok and whole and 7 or 1)
      end
      assert.equal(7, posix.wait(pid))
      assert(send "second")
      local requests = table.concat(server:requests())
      assert.is_nil(requests:find "a line")
      assert.truthy(server:requests()[1]:find "GET /second") -- still the parent's
    end)

    itKept(
      "a process that has closed its descriptors itself and then " .. what .. " a connection does so, too",
      function()
        start(ANSWERING)
        local pid = posix.fork()
        if pid == 0 then
          local ok, whole = pcall(function()
            assert(send "first")
            return becomeDaemon(act)
          end)
          posix.exit(ok and whole and 7 or 1)
        end
        assert.equal(7, posix.wait(pid))
        assert.is_nil(table.concat(server:requests()):find "a line")
      end
    )
  end

  it("a client that finds no descriptor free says so, and goes on when there are some", function()
    local closing = { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" } }
    server = raw.start { closing, closing, closing }
    local output, status =
      process.run(("ulimit -n 64; %s - <<'END_OF_CODE'\n%s\nEND_OF_CODE"):format(
        process.interpreter,
        ([[
        local stub = require "spec.support.stub"
        local options = { endpoint = %q, maxAttempts = 1 }
        local used, fresh = stub.client(options), stub.client(options)
        local function try(client)
          local _, message, err = client:modify { imageId = "img-1" }
          print(err.outcome, err.reason, message)
        end
        try(used) -- so that all is loaded
        local files = {}
        repeat -- each is held, or the collector would free it again
          local file = io.open "/dev/null"
          files[#files + 1] = file
        until not file
        try(used)
        try(fresh)
        for _, file in ipairs(files) do file:close() end
        collectgarbage()
        try(used)
        try(fresh)
      ]]):format(server.url)
      ))
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.equal(5, #lines, output)
    for i, line in ipairs(lines) do
      if i == 2 then
        assert.truthy(line:find "^notSent\tconnect\t", output)
        assert.truthy(line:find "Too many open files", output)
      elseif i == 3 then -- libcurl 8.23 wants descriptors for itself first
        assert.truthy(line:find "^notSent\t", output)
        assert.truthy(line:find "Too many open files" or line:find "of free descriptors", output)
      else
        assert.truthy(line:find "^unknown\tformat\t", output) -- it is no answer of the service
      end
    end
    assert.equal(0, status, output)
  end)

  it("many connections come and go", function()
    start(ANSWERING)
    assert(send())
    collectgarbage()
    collectgarbage()
    local before = posix.descriptors()
    for _ = 1, 200 do
      local one = http.new { caFile = certs.path "ca.pem" }
      assert(one:send({ method = "POST", url = server.url, headers = {}, body = "x" }, 5, 5, true))
      collectgarbage "step"
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, posix.descriptors())
  end)

  it("requests of a finalizer can be made at the end of the program, whatever was finalized before", function()
    server =
      raw.start { { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" } } }
    local output, status = process.lua(([[
      local function finalize()
        local http = require "qcimage.http"
        http.wait(0)
        local request = { method = "GET", url = %q, headers = {} }
        io.write(http.new():send(request, 5, 5, true).body)
      end
      if newproxy then
        keep = newproxy(true)
        getmetatable(keep).__gc = finalize
      else
        keep = setmetatable({}, { __gc = finalize }) -- older than the loop, so that it is finalized later
      end
      require("qcimage.http").new()
    ]]):format(server.url))
    assert.equal("{}", output)
    assert.equal(0, status)
  end)

  itKept("a connection that was made in a coroutine outlives it", function()
    start(ANSWERING)
    connection = coroutine.wrap(function()
      local one = http.new { caFile = certs.path "ca.pem" }
      connection = one
      assert(send())
      return one
    end)()
    collectgarbage()
    collectgarbage()
    assert(send())
    assert.equal(1, #server:requests())
  end)
end)

describe("an end by a signal", function()
  local core = require "qcimage.core"
  local STOPS = { [19] = true, [20] = true, [21] = true, [22] = true } -- of Linux

  it("ends the process, whatever the signal, or has it exit with 128 + its number", function()
    for number = 1, 64 do
      if not STOPS[number] then
        local pid = posix.fork()
        if pid == 0 then
          pcall(core.endBySignal, number)
          posix.exit(1)
        end
        local status = posix.wait(pid)
        assert.is_true(status == -number or status == 128 + number, ("%d: %d"):format(number, status))
      end
    end
  end)

  it("by one that stops it comes when it goes on", function()
    for number in pairs(STOPS) do
      local _, status = process.run(([[
        %s -e 'require("qcimage.core").endBySignal(%d)' & pid=$!
        until grep -q '^State:.T' /proc/$pid/status || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
        kill -CONT $pid 2>/dev/null
        wait $pid || (exit $?)]]):format(process.interpreter, number))
      assert.equal(128 + number, status)
    end
  end)

  it("takes no other number", function()
    for _, number in ipairs { 0, -1, 65, 256 + 15 } do
      assert.is_false(pcall(core.endBySignal, number))
    end
    assert.is_false(pcall(core.endBySignal, "x"))
    assert.is_false(pcall(core.endBySignal))
  end)
end)

-- A host with these files in /etc, on a network of its own that has the loopback alone.
describe("on a host of its own", function()
  local function isolated(files, code)
    local script = { "set -e", "ip link set lo up", "d=$(mktemp -d)" }
    local mounts = ""
    for name in pairs(files) do
      mounts = mounts .. " /etc/" .. name
    end
    if mounts ~= "" then
      script[#script + 1] = "trap 'umount" .. mounts .. "; rm -rf $d' EXIT"
    end
    for name, text in pairs(files) do
      script[#script + 1] = ("printf '%%s\\n' %s >$d/%s; mount --bind $d/%s /etc/%s"):format(
        process.quote(text),
        name,
        name,
        name
      )
    end
    script[#script + 1] = ("%s - <<'END_OF_CODE'\n%s\nEND_OF_CODE"):format(process.interpreter, code)
    local output, status = process.run(process.isolation() .. " sh -c " .. process.quote(table.concat(script, "\n")))
    return output, status
  end

  local SEND = [[
    local socket = require "socket"
    local send, close = require("spec.support.transports").curl { connectTimeout = 5 }
    local function try(url, seconds)
      local before = socket.gettime()
      local answer, message, detail = send({ method = "GET", url = url, headers = {} }, seconds)
      return answer and answer.status or detail.reason, detail and detail.sent, socket.gettime() - before, message
    end
  ]]

  itQuick("a name server that does not answer cannot hold a call, nor the end of the program", function()
    local began = socket.gettime()
    local output, status = isolated(
      { ["resolv.conf"] = "nameserver 127.0.0.1\noptions timeout:30 attempts:2", ["nsswitch.conf"] = "hosts: dns" },
      SEND
        .. [[
          local silent = assert(socket.udp())
          assert(silent:setsockname("127.0.0.1", 53))
          local reason, sent, took, message = try("https://api.test/", 0.5)
          print(reason, sent, took < 10 or took, message)
          close()
          assert(silent:receivefrom()) -- it was asked
        ]]
    )
    local took = socket.gettime() - began
    assert.equal(0, status, output)
    assert.equal("timeout\tfalse\ttrue", output:match "^[^\t]*\t[^\t]*\t[^\t]*", output)
    assert.is_true(took < 25, ("the program took %.1f s"):format(took)) -- libc would wait for 60
  end)

  -- An address that never answers, and what a client of it and of a server here comes to.
  local SILENT = [[
    os.execute "ip link add out type veth peer name away && ip link set out up && ip link set away up"
    os.execute "ip addr add 10.9.8.1/24 dev out && ip neigh add 10.9.8.7 lladdr 02:00:00:00:00:07 dev out"
    local http, posix, raw = require "qcimage.http", require "testposix", require "spec.support.raw"
    local server = raw.start { { { "loop", { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" } } } } }
    local connection = http.new { proxy = "" }
    local function get(url, connectSeconds)
      local answer, message, detail = connection:send({ method = "GET", url = url, headers = {} }, 5, connectSeconds)
      return answer and answer.status or detail.reason .. " " .. tostring(detail.sent), message
    end
  ]]

  -- QEMU passes few netlink messages on for the programs that it emulates.
  local function needsVeth()
    if select(2, process.run(process.isolation() .. " ip link add out type veth peer name away")) ~= 0 then
      pending "this machine cannot make a veth interface"
    end
  end

  it("a hundred connections that time out leave a client as it was", function()
    needsVeth()
    local output, status = isolated({}, SILENT .. [[
          for i = 1, 100 do
            local outcome, message = get("http://10.9.8.7/", 0.02)
            if outcome ~= "timeout false" then print(i, outcome, message) end
          end
          for i = 1, 10 do
            local outcome, message = get(server.url .. "/")
            if outcome ~= 200 then print(i, outcome, message) end
          end
          print(#server:requests())
          server:stop()
        ]])
    assert.equal(libcurl.keeps and "1\n" or "10\n", output)
    assert.equal(0, status)
  end)

  it("a fork after a time-out closes no descriptor of the host's", function()
    needsVeth()
    local output, status = isolated({}, SILENT .. [[
          get("http://10.9.8.7/", 0.02)
          get(server.url .. "/")
          get("http://10.9.8.7/", 0.02)
          local files = {}
          for i = 1, 40 do
            files[i] = assert(io.open("/proc/self/stat")) -- those take the numbers that are free again
          end
          for _, act in ipairs { function() get(server.url .. "/") end, function() connection:close() end } do
            local pid = posix.fork()
            if pid == 0 then
              act()
              for _, file in ipairs(files) do
                if not file:seek "set" then posix.exit(1) end
              end
              posix.exit(7)
            end
            print(posix.wait(pid))
          end
          print(get(server.url .. "/"))
          server:stop()
        ]])
    assert.equal("7\n7\n200\tnil\n", output)
    assert.equal(0, status)
  end)

  it("a name that is not known has sent nothing", function()
    local output = isolated({ ["nsswitch.conf"] = "hosts: files" }, SEND .. [[print(try("https://api.test/", 5))]])
    assert.truthy(output:find "^dns\tfalse\t", output)
    assert.truthy(output:find("cannot find the address of api.test:443", 1, true), output)
  end)

  it("a name whose IPv6 address leads nowhere is reached over IPv4", function()
    local output, status =
      isolated({ ["nsswitch.conf"] = "hosts: files", hosts = "2001:db8::1 api.test\n127.0.0.1 api.test" }, SEND .. [[
          local raw = require "spec.support.raw"
          local server = raw.start { { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" } } }
          local status, _, took = try(("http://api.test:%d/"):format(server.port), 5)
          print(status, took < 4)
          server:stop()
        ]])
    assert.equal("200\ttrue\n", output)
    assert.equal(0, status)
  end)

  it("only the certificates of caFile are trusted, not the system's beside it", function()
    local output, status = isolated(
      {},
      [[
      local certs = require "spec.support.certs"
      local raw = require "spec.support.raw"
      local server = raw.start { tls = "good", { { "recv" }, { "send", "HTTP/1.1 200 OK\r\n\r\n" }, { "close" } } }
      os.execute(([=[
        cd %s && mkdir system && cp ca.pem system/$(openssl x509 -in ca.pem -noout -hash).0
        mount --bind system /etc/ssl/certs
      ]=]):format(certs.path ""))
      for _, name in ipairs { "other.pem", "ca.pem" } do
        local send = require("spec.support.transports").curl { connectTimeout = 5, caFile = certs.path(name) }
        local answer, _, detail = send({ method = "GET", url = server.url, headers = {} }, 5)
        print(answer and answer.status or detail.reason)
      end
      server:stop()
      os.execute "umount /etc/ssl/certs"
    ]]
    )
    assert.equal("tls\n200\n", output)
    assert.equal(0, status)
  end)
end)
