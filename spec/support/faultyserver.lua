--- faultyserver.lua - the emulator behind a socket that can break an exchange at any stage. A program
--- for lua5.4, run by outcome_spec.lua.
---
--- usage: lua5.4 spec/support/faultyserver.lua
--- Prints two ports, of the service and of its control. Each connection serves one request. The control
--- answers what the emulator has under /_emulator/, and POST /_plan takes the stage at which exchanges of
--- the service break:
---   "none" | "accept" | "request N" (after N bytes of it) | "before" | "after" (the emulator applied it)
---   | "answer N" (after N bytes of the answer) | "answers N" (and at the next request one byte later)
--- and, behind a blank, how: "close" | "reset" | "stall" (until the peer goes). What it answers are the
--- bytes of the last request and of the last answer.

local emulator = require "qcimage.emulator"
local socket = require "socket"
local digests = require("spec.support.emulator").digests

local STALL = 5 -- seconds, in case the peer never goes
local service = emulator.new { digests = digests() }
local plan = { stage = "none", how = "close" }
local lastRequest, lastAnswer = 0, 0

local listener, control = assert(socket.bind("127.0.0.1", 0, 128)), assert(socket.bind("127.0.0.1", 0))
for _, each in ipairs { listener, control } do
  local _, port = each:getsockname()
  print(port)
end
io.stdout:flush()

-- Ends a connection as the plan says.
local function break_off(peer)
  if plan.how == "stall" then
    peer:settimeout(STALL)
    while peer:receive(1) do
    end
  elseif plan.how == "reset" then
    peer:setoption("linger", { on = true, timeout = 0 })
  end
  peer:close()
end

-- Reads up to so many bytes, or a whole request where that is less.
local function read(peer, most)
  local bytes, whole = "", nil
  while #bytes < math.min(most, whole or math.huge) do
    local part = peer:receive(whole and math.min(most, whole) - #bytes or 1)
    if not part then
      return nil
    end
    bytes = bytes .. part
    if not whole and bytes:sub(-4) == "\r\n\r\n" then
      whole = #bytes + tonumber(bytes:lower():match "\ncontent%-length: (%d+)" or "0")
    end
  end
  return bytes
end

local function parse(bytes)
  local line, head, body = bytes:match "^([^\r]*)\r\n(.-\r\n)\r\n(.*)$"
  local method, target = line:match "^(%u+) (%S+)"
  local headers = {}
  for name, value in head:gmatch "([^:\r\n]+): *([^\r]*)\r\n" do
    headers[name:lower()] = value
  end
  return {
    method = method,
    scheme = "http",
    host = headers.host,
    path = target:match "^[^?]*",
    query = target:match "%?(.*)$" or "",
    headers = headers,
    body = body,
  }
end

local function serialise(answer)
  local lines = { ("HTTP/1.1 %d OK"):format(answer.status) }
  for name, value in pairs(answer.headers or {}) do
    if name:lower() ~= "content-length" and name:lower() ~= "connection" then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  lines[#lines + 1] = "Content-Length: " .. #answer.body
  lines[#lines + 1] = "Connection: close"
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. answer.body
end

local function serve(peer)
  if plan.stage == "accept" then
    return break_off(peer)
  end
  local cut = tonumber(plan.stage:match "^request (%d+)")
  local bytes = read(peer, cut or math.huge)
  if not bytes then
    return peer:close()
  elseif cut or plan.stage == "before" then
    return break_off(peer)
  end
  local answer = service:handle(parse(bytes))
  if not answer.body then -- told to drop the connection
    return peer:close()
  end
  answer = serialise(answer)
  lastRequest, lastAnswer = #bytes, #answer
  local part = plan.stage == "after" and 0 or tonumber(plan.stage:match "^answer (%d+)") or plan.next or #answer
  plan.next = plan.next and plan.next + 1
  peer:send(answer:sub(1, part))
  if part < #answer then
    return break_off(peer)
  end
  peer:close()
end

local function steer(peer)
  local bytes = read(peer, math.huge)
  local request = bytes and parse(bytes)
  if request and request.path == "/_plan" then
    local stage, how = request.body:match "^(.*) (%l+)$"
    plan = { stage = stage, how = how, next = tonumber(stage:match "^answers (%d+)") }
    peer:send(serialise { status = 200, body = ("%d %d"):format(lastRequest, lastAnswer) })
  elseif request then
    peer:send(serialise(service:handle(request)))
  end
  peer:close()
end

while true do
  for _, ready in ipairs((socket.select({ listener, control }))) do
    local peer = ready:accept()
    if peer then
      peer:setoption("tcp-nodelay", true)
      local ok, problem = pcall(ready == control and steer or serve, peer)
      if not ok then
        io.stderr:write(tostring(problem), "\n")
        peer:close()
      end
    end
  end
end
