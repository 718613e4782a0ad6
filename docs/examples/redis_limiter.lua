-- Programs on several machines share the account's rate, ten calls a second, through a Redis (6 or later).
-- Needs LuaSocket; runs on every Lua:  lua5.4 redis_limiter.lua [IMAGE_ID NAME]
local socket = require "socket"
local connection

-- Sends EVAL with the arguments and returns the reply; raises an error where that fails.
local function exchange(...)
  if not connection then
    connection = socket.tcp()
    connection:settimeout(0.2)    -- seconds
    assert(connection:connect("127.0.0.1", 6379))
  end
  local command = { ("*%d\r\n$4\r\nEVAL\r\n"):format(select("#", ...) + 1) }
  for _, argument in ipairs { ... } do
    argument = tostring(argument)
    command[#command + 1] = ("$%d\r\n%s\r\n"):format(#argument, argument)
  end
  assert(connection:send(table.concat(command)))
  local kind, rest = assert(connection:receive "*l"):match "^(.)(.*)$"
  assert(kind == "$", rest)    -- "-" and a message: Redis refused
  return (assert(connection:receive(tonumber(rest) + 2)):sub(1, -3))
end

local function eval(...)
  local ok, reply = pcall(exchange, ...)
  if ok then
    return reply
  end
  connection:close()    -- or its late answer would be the next one's
  connection = nil
  return nil, reply
end

local limiter = require("qcimage.limiter").redis { eval = eval, key = "account-1", processes = 8 }

local client = require("qcimage").new { apiVersion = "3.0", limiter = limiter }
local id, name = ...
local result = assert(client:modify { imageId = id or "img-12345678", imageName = name or "testName" })
print(result.code, result.requestId or "")
