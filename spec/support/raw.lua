--- raw.lua - a server for the specs that says exactly what a script tells it to, byte for byte.
--- Runs spec/support/rawserver.lua as a process of its own. Part of qcimage, see LICENSE.
---
---     local raw = require "spec.support.raw"
---     local server = raw.start {
---       { { "recv" }, { "send", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" }, { "close" } },
---       { { "recv" }, { "reset" } },
---     }
---     ... http://127.0.0.1:PORT is server.url, PORT is server.port ...
---     server:requests()     --> { bytes of the first connection, of the second, ... }
---     server:await(1, 3)    -- until the first connection has done three steps
---     server:stop()
---
--- One list of steps for each connection, in the order they come; further connections get the last
--- list again. Connections are served side by side. A connection whose steps are done stays open
--- until the peer closes it. Steps:
---
---     { "recv" }                    waits for one whole request (head, and Content-Length bytes)
---     { "send", bytes }
---     { "trickle", bytes, seconds } sends byte by byte, with a pause after each
---     { "sleep", seconds }
---     { "close" }                   over TLS with a close_notify
---     { "cut" }                     over TLS without one
---     { "reset" }                   RST instead of FIN
---     { "loop", steps }             does steps for ever
---     { "echo", seconds }           after so many seconds the response of API 3.0 whose request id is the image of the request
---     { "gather", count }           waits until so many connections wait so
---     { "chaos" }                   the same response, or a third of the time what a broken server does
---     { "splice", host, port }      passes bytes on to there and back (of a CONNECT proxy)
---
--- Options, beside the lists: tls = a kind of spec/support/certs.lua; host = address to listen at,
--- "127.0.0.1" by default; accept = false for a server whose queue is full, so that connecting to it
--- hangs.
---
--- The server ends with stop, with the process that started it, or after ten minutes.

local certs = require "spec.support.certs"

local M = {}

local Server = {}
Server.__index = Server

local function serialise(value)
  if type(value) == "table" then
    local parts = {}
    for key, item in pairs(value) do
      parts[#parts + 1] = ("[%s]=%s"):format(serialise(key), serialise(item))
    end
    return "{" .. table.concat(parts, ",") .. "}"
  elseif type(value) == "string" then
    return ("%q"):format(value)
  end
  return tostring(value)
end

local function readAll(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

--- Starts a server.
---@param script table see above
---@return table server
function M.start(script)
  if script.tls then
    script.certificate, script.key = certs.path(script.tls .. ".pem"), certs.path(script.tls .. ".key")
  end
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -m 700 '%s' && mkfifo '%s/answer'"):format(folder, folder)))
  local file = assert(io.open(folder .. "/script.lua", "wb"))
  file:write("return ", serialise(script))
  file:close()
  local self = setmetatable({ folder = folder }, Server)
  -- the folder goes when the server has ended, however this process did
  local command = "trap '' HUP INT TERM; env -u LUA_PATH -u LUA_CPATH -u LUA_INIT lua5.4 spec/support/rawserver.lua '%s'"
    .. " || timeout 5 sh -c \"echo failed >'%s/answer'\"; rm -rf '%s'"
  self.pipe = assert(io.popen((command:gsub("%%s", folder)), "w"))
  self.port = tonumber((readAll(folder .. "/answer")))
  if not self.port then
    self:stop()
    error "the raw server did not start"
  end
  local host = script.host or "127.0.0.1"
  self.authority = ("%s:%d"):format(host:find ":" and "[" .. host .. "]" or host, self.port)
  self.url = (script.tls and "https://" or "http://") .. self.authority
  return self
end

local function ask(self, what)
  assert(self.pipe, "the raw server was stopped")
  self.pipe:write(what, "\n")
  self.pipe:flush()
  local answers = {}
  local bytes, at = readAll(self.folder .. "/answer"), 1
  while at <= #bytes do
    local len, from = bytes:match("^(%d+)\n()", at)
    assert(len, "the raw server failed")
    answers[#answers + 1] = bytes:sub(from, from + len - 1)
    at = from + len
  end
  return answers
end

--- Bytes that the script has received, by connection.
---@return string[]
function Server:requests()
  return ask(self, "requests")
end

--- Protocols that the clients offered (ALPN), separated by commas, by connection.
---@return string[]
function Server:alpn()
  return ask(self, "alpn")
end

--- How each connection ended so far: "open", "closed" by the script, "gone": by the peer, or "tls":
--- the handshake failed.
---@return string[]
function Server:ends()
  return ask(self, "ends")
end

--- Waits until a connection has done so many steps, those within loops counted each time.
---@param connection integer
---@param steps integer
function Server:await(connection, steps)
  repeat
    local done = ask(self, "done")[connection]
  until done and tonumber(done) >= steps
end

--- Ends the server; may be called again.
function Server:stop()
  if self.pipe then
    self.pipe:write "stop\n"
    self.pipe:close()
    self.pipe = nil
  end
end

return M
