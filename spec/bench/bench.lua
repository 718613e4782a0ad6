--- bench.lua - measures signing, calls, loading, a first HTTPS call and a worker of nginx, each beside a yardstick.
--- scripts/bench builds and starts it. usage: bench.lua [--instructions]
---
--- Only the ratios count: the times are those of this machine at this moment. Each row is measured in turn with its
--- yardstick, in five rounds of some turns, of which the least counts; it shows the medians of both and of their ratios,
--- with the smallest and the greatest ratio of a round. It is CPU time that is measured where that says as much as the
--- time that passes, since other programs on the machine change it least. A row that cannot be measured says why; the
--- others are, and the program ends with an error.

local certs = require "spec.support.certs"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local socket = require "socket"

local quote = process.quote

local ROUNDS, TURNS = 5, 5
local BUILD = assert(os.getenv "QCIMAGE_BUILD", "scripts/bench starts this")

-- What measures: functions that give a table of figures by name, and raise what kept them from it.

local function run(command)
  local output, status = process.run(command)
  if status ~= 0 then
    output = output:gsub("==%d+==[^\n]*\n?", "") -- valgrind's
    error(("%s: %s"):format(command, output:match "%S" and output or "status " .. status), 0)
  end
  return output
end

-- A command that prints lines "NAME FIGURE".
local function program(command, ...)
  command = command:format(...)
  return function()
    local figures = {}
    for name, value in run(command):gmatch "(%w+) ([%d.]+)\n" do
      figures[name] = tonumber(value)
    end
    return figures
  end
end

-- A command from start to end, so many times: wall and CPU time in milliseconds, the most memory in MB.
local function whole(count, command)
  return program("%s/process %d %s", BUILD, count, command)
end

-- User instructions of a call, by the difference of 100 and 600 calls; a tenth comes on top, before the clock starts.
local function instructions(command, ...)
  command = command:format(...)
  local function counted(calls)
    local output = run(("valgrind --tool=callgrind --callgrind-out-file=/dev/null %s %d"):format(command, calls))
    return assert(tonumber(output:match "Collected : (%d+)"), "callgrind has counted nothing")
  end
  return function()
    local before = counted(100)
    return { instructions = (counted(600) - before) / 550 }
  end
end

local failures = 0

local function median(list)
  local sorted = { table.unpack(list) }
  table.sort(sorted)
  return (sorted[math.ceil(#sorted / 2)] + sorted[math.floor(#sorted / 2) + 1]) / 2
end

-- Keeps the least of each figure that a row has. Other programs on the machine only add to it.
local function keepLeast(least, names, figures)
  for _, name in ipairs(names) do
    if not figures[name] or figures[name] <= 0 then
      error("it has no figure " .. name, 0)
    end
    least[name] = math.min(least[name] or figures[name], figures[name])
  end
end

-- One round: what is measured and its yardstick, in turn. Gives the figures of both.
local function round(row)
  local own, other = {}, {}
  for _ = 1, row.turns or TURNS do
    keepLeast(other, row.figures, row.beside())
    keepLeast(own, row.figures, row.of())
  end
  return own, other
end

-- Measures rows and prints them. A row has: label; of and beside, what measures; figures, the names of what both give;
-- unit, of each; turns in each round.
local function report(heading, rows, rounds)
  print(heading)
  for _ = 1, rounds or ROUNDS do
    for _, row in ipairs(rows) do
      row.own, row.other = row.own or {}, row.other or {}
      if not row.problem then
        local ok, own, other = pcall(round, row)
        row.problem = not ok and tostring(own) or nil
        if row.problem and row.problem:find("interrupted!", 1, true) then -- by Ctrl-C, as lua5.4 says it
          error(row.problem, 0)
        end
        table.insert(row.own, own)
        table.insert(row.other, other)
      end
    end
  end
  for _, row in ipairs(rows) do
    if row.problem then
      failures = failures + 1
      print(("  %-34s was not measured: %s"):format(row.label, (row.problem:gsub("%s+$", ""))))
    end
    for _, name in ipairs(row.problem and {} or row.figures) do
      local own, other, ratios = {}, {}, {}
      for i = 1, #row.own do
        own[i], other[i] = row.own[i][name], row.other[i][name]
        ratios[i] = own[i] / other[i]
      end
      print(
        ("  %-34s %9.1f %-2s beside %8.1f %6.2f x  (%.2f to %.2f)"):format(
          row.label .. (#row.figures > 1 and ", " .. name or ""),
          median(own),
          row.unit[name],
          median(other),
          median(ratios),
          math.min(table.unpack(ratios)),
          math.max(table.unpack(ratios))
        )
      )
    end
  end
  io.stdout:flush()
end

-- A server that always answers the same, so that its work does not hide the client's.
local ANSWERS = [[
  worker_processes 1;
  events { worker_connections 64; }
  http {
    keepalive_requests 1000000;
    server {
      %s
      default_type application/json;
      location = /v2/index.php { return 200 '{"code":0,"message":""}'; }
      location = / { return 200 '{"Response":{"RequestId":"00000000-0000-4000-8000-000000000000"}}'; }
    }
  }
]]
local server = nginx.start { conf = ANSWERS:format "listen 127.0.0.1:$PORT;" }

local function bare(api)
  return ("%s/call %s%s %s"):format(BUILD, server.url, api == "2.0" and "/v2/index.php" or "/", api)
end

local function call(api)
  return ("lua5.4 spec/bench/call.lua %s %s"):format(server.url, api)
end

local function instructionsOfCalls()
  local rows = {}
  for i, api in ipairs { "2.0", "3.0" } do
    rows[i] = { label = "API " .. api, of = instructions(call(api)), beside = instructions(bare(api)), turns = 1 }
    rows[i].figures, rows[i].unit = { "instructions" }, { instructions = "" }
  end
  report("instructions of a call over a kept connection, beside a C program on libcurl with the same bytes", rows, 1)
end

local function signing()
  local rows = {}
  for i, lua in ipairs { "lua5.4", "luajit" } do
    local path = ("LUA_CPATH='%s/lib/%s/?.so;;'"):format(BUILD, i == 1 and "5.4" or "5.1")
    rows[i] = {
      label = lua,
      of = program("env %s %s spec/bench/sign.lua", path, lua),
      beside = program("%s/sign", BUILD),
      figures = { "v2", "tc3" },
      unit = { v2 = "ns", tc3 = "ns" },
    }
  end
  report("CPU time of a signature (v2: of API 2.0, tc3: of API 3.0), beside a C loop over the same digests", rows)
end

local function calls()
  local figures, unit = { "cpu", "wall" }, { cpu = "us", wall = "us" }
  local node = program("node spec/bench/node.js 127.0.0.1:%d", server.port)
  report("a call over a kept connection, beside a C program on libcurl that sends the same bytes", {
    { label = "API 2.0", of = program(call "2.0"), beside = program(bare "2.0"), figures = figures, unit = unit },
    { label = "API 3.0", of = program(call "3.0"), beside = program(bare "3.0"), figures = figures, unit = unit },
    { label = "old Node client", of = node, beside = program(bare "2.0"), figures = figures, unit = unit, turns = 2 },
  })
end

local function loading()
  local signed = [[assert(require("qcimage").new{secretId="AKIDxxxx",secretKey="key",region="gz"}]]
    .. [[:sign("ModifyImageAttributes",{imageId="i"}))]]
  local rows = {}
  for i, one in ipairs {
    { [[require "qcimage"]], "lua5.4 -e", [[require "qcimage"]] },
    { "and the first signed request", "lua5.4 -e", signed },
    { "and libcurl", "lua5.4 -e", signed .. [[ require("qcimage.http").new()]] },
    { "node, with the old client", "node -e", [[require("qcloudapi-sdk")]], 1 },
  } do
    rows[i] = {
      label = one[1],
      of = whole(8, one[2] .. " " .. quote(one[3])),
      beside = whole(8, "lua5.4 -e ''"),
      figures = { "cpu" },
      unit = { cpu = "ms" },
      turns = one[4],
    }
  end
  report("CPU time of a process from start to end, beside an empty lua5.4", rows)
end

-- The system trusts the server's authority there, in its folder as in its bundle, by mounts of its own.
local TRUSTING = [[
  cp -a /etc/ssl/certs "$1/certs"
  mount -t tmpfs tmpfs /etc/ssl/certs
  cp -a "$1/certs/." /etc/ssl/certs/
  rm -r "$1/certs"
  cp "$2" "/etc/ssl/certs/$(openssl x509 -hash -noout -in "$2").0"
  cat "$2" >>/etc/ssl/certs/ca-certificates.crt
  shift 2
  "$@"
]]

local function firstCalls()
  local certificate = certs.path "good.pem"
  local secure = nginx.start {
    conf = ANSWERS:format(
      ("listen 127.0.0.1:$PORT ssl; ssl_certificate %s; ssl_certificate_key %s;"):format(
        certificate,
        (certificate:gsub("pem$", "key"))
      )
    ),
  }
  local url = ("https://localhost:%d"):format(secure.port)
  local isolation = process.run "id -u" == "0\n" and "unshare --mount" or "unshare --map-root-user --mount"
  local function isolated(command)
    return program(
      "%s sh -euc %s sh %s %s %s/process 4 %s",
      isolation,
      quote(TRUSTING),
      secure.dir,
      certs.path "ca.pem",
      BUILD,
      command
    )
  end
  report("a process with one HTTPS call, by the system's certificates, beside curl", {
    {
      label = "qcimage",
      of = isolated("lua5.4 spec/bench/once.lua " .. url),
      beside = isolated(("curl -sSf -d x=1 %s/v2/index.php"):format(url)),
      figures = { "cpu", "wall", "memory" },
      unit = { cpu = "ms", wall = "ms", memory = "MB" },
    },
  })
  secure:stop()
end

-- The name as spec/bench/nginx.lua has it. Several requests at once, so that the worker sleeps little; turns are short
-- and many, since how often it does depends on what else the machine does.
local NAME, CONNECTIONS, REQUESTS, WORKER_TURNS = "bench.test", 4, 15, 20

local function worker()
  local names = dns.start { NAME .. "=127.0.0.1" }
  local client = nginx.start {
    environment = "BENCH_PORT=" .. server.port,
    conf = ([[
      worker_processes 1;
      env BENCH_PORT;
      env QCIMAGE_METADATA;
      events { worker_connections 64; }
      http {
        keepalive_requests 1000000;
        resolver 127.0.0.1:%d ipv6=off;
        init_worker_by_lua_block { require "spec.bench.nginx" }
        server {
          listen 127.0.0.1:$PORT;
          location / {
            content_by_lua_block {
              require("spec.bench.nginx")[ngx.var.uri:sub(2)]()
              local used = tostring(os.clock())
              ngx.header.content_length = #used
              ngx.print(used)
            }
          }
        }
      }
    ]]):format(names.port),
  }
  local connections = {}

  -- Asks for a location on each connection at once; gives the CPU time that the worker has used, in seconds.
  local function ask(location)
    local used = 0
    for _, connection in ipairs(connections) do
      assert(connection:send(("GET /%s HTTP/1.1\r\nHost: bench\r\n\r\n"):format(location)))
    end
    for _, connection in ipairs(connections) do
      local status, length = assert(connection:receive "*l"), nil
      repeat
        local line = assert(connection:receive "*l")
        length = length or line:lower():match "^content%-length: (%d+)"
      until line == ""
      local body = connection:receive(tonumber(length))
      used = math.max(used, status:find " 200 " and tonumber(body) or error(status .. ": " .. client:complaints(), 0))
    end
    return used
  end

  -- Microseconds of a request to a location, which makes one call.
  local function busy(location)
    return function()
      for i = 1, CONNECTIONS do
        connections[i] = assert(socket.connect("127.0.0.1", client.port))
      end
      local start, now = ask(location), nil
      for _ = 1, REQUESTS do
        now = ask(location)
      end
      for _, connection in ipairs(connections) do
        connection:close()
      end
      return { cpu = (now - start) / REQUESTS / CONNECTIONS * 1e6 }
    end
  end

  local function beside(of, other, label)
    local figures, unit = { "cpu" }, { cpu = "us" }
    return { label = label, of = busy(of), beside = busy(other), figures = figures, unit = unit, turns = WORKER_TURNS }
  end
  report("a worker of nginx: CPU time of a request with one call, beside the exchange alone", {
    beside("byhand", "bare", "a TC3 signature by hand"),
    beside("v2", "bare", "API 2.0"),
    beside("v3", "bare", "API 3.0"),
  })
  report("the same by name, beside the same by address", {
    beside("bareByName", "bare", "the exchange alone"),
    beside("v2ByName", "v2", "API 2.0"),
    beside("v3ByName", "v3", "API 3.0"),
  })
  client:stop()
  names:stop()
end

if arg[1] == "--instructions" then
  instructionsOfCalls()
else
  signing()
  calls()
  instructionsOfCalls()
  loading()
  firstCalls()
  worker()
end
server:stop()
os.exit(failures == 0 and 0 or 1, true)
