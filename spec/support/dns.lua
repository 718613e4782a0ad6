--- dns.lua - a name server for the specs, on a port of 127.0.0.1: a module that starts it, and, run as
--- a program, the server itself.
---
---     local server = dns.start { "api.test=127.0.0.1", "six.test=2001:db8::1", "mute.test=" }
---     server.port; server:stop()
---
--- A name without an address is never answered; one that is not listed does not exist.
--- As a program: lua5.4 spec/support/dns.lua PORT NAME=ADDRESS… ends with its standard input.

local M = {}

local Server = {}
Server.__index = Server

function M.start(names)
  local socket = require "socket"
  local probe = assert(socket.udp())
  assert(probe:setsockname("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  local quoted = {}
  for i, name in ipairs(names) do
    quoted[i] = ("'%s'"):format(name)
  end
  local pipe =
    assert(io.popen(("lua5.4 spec/support/dns.lua %d %s >/dev/null"):format(port, table.concat(quoted, " ")), "w"))
  return setmetatable({ port = port, pipe = pipe }, Server)
end

function Server:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
end

-- The server

local A, AAAA = 1, 28

-- Bytes of an address, and its record type.
local function address(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if a then
    return string.char(a, b, c, d), A
  end
  local before, after = text:match "^(.*)::(.*)$"
  local function groups(part)
    return (
      part:gsub("(%x+):?", function(digits)
        return string.char(math.floor(tonumber(digits, 16) / 256), tonumber(digits, 16) % 256)
      end)
    )
  end
  before, after = groups(before), groups(after)
  return before .. ("\0"):rep(16 - #before - #after) .. after, AAAA
end

local function answer(query, names)
  local labels, at = {}, 13
  while query:byte(at) ~= 0 do
    labels[#labels + 1] = query:sub(at + 1, at + query:byte(at))
    at = at + 1 + query:byte(at)
  end
  local question = query:sub(13, at + 4)
  local wanted = query:byte(at + 1) * 256 + query:byte(at + 2)
  local given = names[table.concat(labels, "."):lower()]
  if given == "" then
    return nil
  end
  local record = ""
  if given then
    local bytes, kind = address(given)
    if kind == wanted then -- the name of the question, class IN, for a minute
      record = "\192\12" .. string.char(0, kind, 0, 1, 0, 0, 0, 60, 0, #bytes) .. bytes
    end
  end
  local flags = given and "\129\128" or "\129\131"
  return query:sub(1, 2) .. flags .. "\0\1\0" .. (record == "" and "\0" or "\1") .. "\0\0\0\0" .. question .. record
end

if arg and arg[0] and arg[0]:find "dns%.lua$" then
  local socket = require "socket"
  local names = {}
  for i = 2, #arg do
    local name, given = arg[i]:match "^(.-)=(.*)$"
    names[name] = given
  end
  local server = assert(socket.udp())
  assert(server:setsockname("127.0.0.1", tonumber(arg[1])))
  local input = {
    getfd = function()
      return 0
    end,
    dirty = function()
      return false
    end,
  }
  while true do
    local ready = socket.select({ server, input })
    if ready[input] then
      break -- nobody writes there: it has ended
    end
    local query, ip, port = server:receivefrom()
    local reply = query and answer(query, names)
    if reply then
      server:sendto(reply, ip, port)
    end
  end
end

return M
