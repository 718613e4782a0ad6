--- rawserver.lua - the process behind spec/support/raw.lua, which documents the steps.
--- Runs under lua5.4 with lua-socket and lua-sec. Part of qcimage, see LICENSE.
---
--- A coroutine serves each connection; the loop at the end waits for all of them and for commands
--- on standard input, whose end is the end of this process.

local socket = require "socket"

local folder = assert(arg[1])
local script = dofile(folder .. "/script.lua")
local LIFETIME = 600
local born = socket.gettime()

local connections = {} -- in the order they came: {received, alpn, ended, done}
local tasks = {} -- coroutine -> what it waits for: {readers, writers, deadline}

local function answer(text)
  local file = assert(io.open(folder .. "/answer", "wb"))
  file:write(text)
  file:close()
end

local function wait(readers, writers, seconds)
  coroutine.yield { readers, writers, seconds and socket.gettime() + seconds }
end

local function waitAfter(conn, err)
  if err == "wantwrite" then
    wait({}, { conn })
  else
    wait({ conn }, {})
  end
end

local Gone = {} -- raised when the peer closes

local function receive(conn)
  while true do
    local bytes, err, partial = conn:receive(65536)
    bytes = bytes or partial
    if bytes and #bytes > 0 then
      return bytes
    elseif err ~= "timeout" and err ~= "wantread" and err ~= "wantwrite" then
      error(Gone)
    end
    waitAfter(conn, err)
  end
end

local function send(conn, bytes)
  local sent = 0
  while sent < #bytes do
    local before = sent
    local last, err, partial = conn:send(bytes, sent + 1)
    sent = last or partial
    if not err and sent == before then
      error(Gone) -- LuaSec can report success without sending anything, for ever
    elseif err == "timeout" then
      wait({}, { conn })
    elseif err == "wantread" or err == "wantwrite" then
      waitAfter(conn, err)
    elseif err then
      error(Gone)
    end
  end
end

local function connect(host, port)
  local out = assert(socket.connect(host, port))
  out:settimeout(0)
  return out
end

local function pass(from, to)
  local bytes, err, partial = from:receive(65536)
  bytes = bytes or partial
  if bytes and #bytes > 0 then
    send(to, bytes)
  elseif err ~= "timeout" and err ~= "wantread" and err ~= "wantwrite" then
    error(Gone)
  end
  return bytes
end

local steps = {}

local function run(state, list)
  for _, step in ipairs(list) do
    assert(steps[step[1]], step[1])(state, step[2], step[3])
    state.record.done = state.record.done + 1
  end
end

function steps.recv(state)
  while true do
    local stop = select(2, state.unread:find("\r\n\r\n", 1, true))
    if stop then
      state.request = state.unread
      local length = state.unread:sub(1, stop):lower():match "\r\ncontent%-length:%s*(%d+)" or 0
      if #state.unread >= stop + length then
        state.unread = state.unread:sub(stop + length + 1)
        return
      end
    end
    local bytes = receive(state.conn)
    state.unread = state.unread .. bytes
    table.insert(state.record.received, bytes)
  end
end

function steps.send(state, bytes)
  send(state.conn, bytes)
end

function steps.trickle(state, bytes, pause)
  for byte in bytes:gmatch "." do
    send(state.conn, byte)
    wait({}, {}, pause)
  end
end

function steps.sleep(_, seconds)
  wait({}, {}, seconds)
end

local function finish(state)
  state.conn:close()
  state.conn = nil
  state.record.ended = "closed"
  state.record.done = state.record.done + 1
  coroutine.yield "done"
end

function steps.close(state)
  finish(state)
end

-- A response of API 3.0 whose request id is the image of the last request.
local function echo(state, field)
  local body = ('{"Response":{"RequestId":"%s"}}'):format(state.request:match "img%-%x+" or "none")
  return ("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s"):format(field or "", #body, body)
end

local gathered = 0

function steps.gather(_, count)
  gathered = gathered + 1
  local last = math.ceil(gathered / count) * count
  while gathered < last do
    wait({}, {}, 0.005)
  end
end

function steps.echo(state, seconds)
  if seconds then
    wait({}, {}, seconds)
  end
  send(state.conn, echo(state))
end

-- What a broken or hostile server does with a request, one of these at random.
local wrongs = {
  function(state)
    steps.reset(state)
  end,
  function(state) -- a part of the head
    send(state.conn, echo(state):sub(1, 20))
    steps.cut(state)
  end,
  function(state) -- a part of the body
    send(state.conn, echo(state):sub(1, -5))
    finish(state)
  end,
  function(state) -- another response behind it
    send(
      state.conn,
      echo(state) .. "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n" .. '{"Response":{"RequestId":"other"}}'
    )
  end,
  function(state)
    send(state.conn, echo(state) .. "more")
  end,
  function(state)
    send(state.conn, (echo(state):gsub("\r\n", "\r\n X: y\r\n", 1)))
  end,
  function(state) -- longer than an attempt
    wait({}, {}, 1)
    send(state.conn, echo(state))
  end,
  function(state)
    send(state.conn, echo(state))
    finish(state)
  end,
  function(state)
    send(state.conn, echo(state))
    steps.reset(state)
  end,
  function(state)
    send(state.conn, echo(state, "Connection: keep-alive, close\r\n"))
  end,
}

function steps.chaos(state)
  wait({}, {}, math.random() * 0.01)
  local wrong = math.random() < 0.3 and wrongs[math.random(#wrongs)]
  if wrong then
    return wrong(state)
  end
  send(state.conn, echo(state))
end

-- Does something to the descriptor below TLS.
local function below(state, act)
  local fd = state.conn:getfd()
  state.plain:setfd(fd)
  act(state.plain)
  if state.conn ~= state.plain then
    state.plain:setfd(-1)
  end
end

function steps.cut(state)
  below(state, function(plain)
    plain:shutdown "both"
  end)
  finish(state)
end

function steps.reset(state)
  below(state, function(plain)
    plain:setoption("linger", { on = true, timeout = 0 })
  end)
  finish(state)
end

function steps.loop(state, list)
  while true do
    run(state, list)
  end
end

function steps.splice(state, host, port)
  local out = connect(host, port)
  send(out, state.unread)
  while true do
    wait({ state.conn, out }, {})
    local bytes = pass(state.conn, out)
    if bytes then
      table.insert(state.record.received, bytes)
    end
    pass(out, state.conn)
  end
end

local function secure(state)
  local ssl = require "ssl"
  local context = assert(ssl.newcontext {
    mode = "server",
    protocol = "any",
    certificate = script.certificate,
    key = script.key,
    options = { "no_sslv3" },
    alpn = function(offered)
      state.record.alpn = table.concat(offered, ",")
      return "http/1.1"
    end,
  })
  state.conn = assert(ssl.wrap(state.plain, context))
  state.conn:settimeout(0)
  while true do
    local ok, err = state.conn:dohandshake()
    if ok then
      return
    elseif err ~= "wantread" and err ~= "wantwrite" then
      state.record.ended = "tls"
      coroutine.yield "done"
    end
    waitAfter(state.conn, err)
  end
end

local function serve(conn)
  conn:settimeout(0)
  conn:setoption("tcp-nodelay", true)
  local state =
    { conn = conn, plain = conn, unread = "", record = { received = {}, alpn = "", ended = "open", done = 0 } }
  table.insert(connections, state.record)
  local list = script[math.min(#connections, #script)] or {}
  tasks[
    coroutine.create(function()
      local ok, err = xpcall(function()
        if script.tls then
          secure(state)
        end
        run(state, list)
        while true do -- until the peer closes
          receive(state.conn)
        end
      end, function(err)
        return err == Gone and Gone or debug.traceback(err)
      end)
      if not ok and err ~= Gone then
        io.stderr:write("raw server: ", err, "\n")
        os.exit(1)
      end
      state.record.ended = "gone"
      state.conn:close()
      return "done"
    end)
  ] =
    { {}, {}, 0 }
end

local function resume(task)
  local ok, what = coroutine.resume(task)
  assert(ok, what)
  tasks[task] = what ~= "done" and what or nil
end

-- Connections of our own that nobody accepts, until one hangs.
local function fill(host, port)
  local fillers = {}
  repeat
    local filler = host:find ":" and socket.tcp6() or socket.tcp4()
    filler:settimeout(0.2)
    fillers[#fillers + 1] = filler
    local ok = filler:connect(host, port)
  until not ok or #fillers == 64
  return fillers
end

local reports = {
  requests = function(record)
    return table.concat(record.received)
  end,
  alpn = function(record)
    return record.alpn
  end,
  ends = function(record)
    return record.ended
  end,
  done = function(record)
    return tostring(record.done)
  end,
}

local function obey(command)
  if not command or command == "stop" then
    os.exit(0)
  end
  local parts = {}
  for _, record in ipairs(connections) do
    local text = reports[command](record)
    parts[#parts + 1] = ("%d\n%s"):format(#text, text)
  end
  answer(table.concat(parts))
end

local host = script.host or "127.0.0.1"
local listener = assert(host:find ":" and socket.tcp6() or socket.tcp4())
assert(listener:setoption("reuseaddr", true))
assert(listener:bind(host, 0))
assert(listener:listen(script.accept == false and 0 or 64))
listener:settimeout(0)
local _, port = listener:getsockname()
local fillers = script.accept == false and fill(host, port)
answer(tostring(port))

local input = {
  getfd = function()
    return 0
  end,
  dirty = function()
    return false
  end,
}
io.stdin:setvbuf "no"

while socket.gettime() < born + LIFETIME do
  local readers, writers, soonest = { input }, {}, born + LIFETIME
  if not fillers then
    table.insert(readers, listener)
  end
  for _, waiting in pairs(tasks) do
    for i, list in ipairs { readers, writers } do
      for _, one in ipairs(waiting[i]) do
        table.insert(list, one)
      end
    end
    soonest = math.min(soonest, waiting[3] or math.huge)
  end
  local readable, writable = socket.select(readers, writers, math.max(0, soonest - socket.gettime()))
  -- all of them: those in the queue are older than a command, and may have been closed already
  local conn = not fillers and listener:accept()
  while conn do
    serve(conn)
    conn = listener:accept()
  end
  local now = socket.gettime()
  local due = {}
  for task, waiting in pairs(tasks) do
    local ready = waiting[3] and waiting[3] <= now
    for i = 1, 2 do
      for _, one in ipairs(waiting[i]) do
        ready = ready or (i == 1 and readable or writable)[one]
      end
    end
    if ready then
      table.insert(due, task)
    end
  end
  for _, task in ipairs(due) do
    resume(task)
  end
  if readable[input] then -- last, since the connections' news is older
    obey(io.read "*l")
  end
end
