--- restyhttp.lua - what another HTTP client of nginx does, as a transport of the caller's meets it: functions, header
--- names, messages and time-outs as they were seen of lua-resty-http 0.17. For nginx.
---
--- A time-out holds for one wait, the lookup of a name has none, a certificate's name is compared only where the caller
--- asks for it, headers are listed as the server wrote them (and found in any case of letters), and a body is read in a
--- coroutine of its own.

local M = {}

local Http = {}
Http.__index = Http

function M.new()
  return setmetatable({ sock = assert(ngx.socket.tcp()), mayKeep = true }, Http)
end

function Http:set_timeouts(connect, send, read)
  self.sock:settimeouts(connect, send, read)
end

function Http.parse_uri(_, uri)
  local scheme, host, port, path = uri:match "^(https?)://(%[[^%]]+%])(:?%d*)(.*)$"
  if not scheme then
    scheme, host, port, path = uri:match "^(https?)://([^:/]+)(:?%d*)(.*)$"
  end
  if not scheme then
    return nil, "bad uri: " .. uri
  end
  return { scheme, host, tonumber(port:match "%d+") or (scheme == "https" and 443 or 80), path == "" and "/" or path }
end

function Http:connect(options)
  local pool = ("%s:%s:%d:%s"):format(options.scheme, options.host, options.port, options.ssl_server_name or "")
  local ok, problem = self.sock:connect(options.host, options.port, { pool = pool })
  if ok and options.scheme == "https" and self.sock:getreusedtimes() == 0 then
    ok, problem = self.sock:sslhandshake(nil, options.ssl_server_name, options.ssl_verify ~= false)
  end
  if ok == nil then
    self.sock:close()
    return nil, problem
  end
  return true
end

function Http:get_reused_times()
  return self.sock:getreusedtimes()
end

function Http:close()
  return self.sock:close()
end

function Http:set_keepalive(milliseconds, connections)
  if self.mayKeep then
    return self.sock:setkeepalive(milliseconds, connections)
  end
  return self.sock:close()
end

-- As the server wrote them for who lists them, whatever the case for who asks by name.
local function headersOf(lines)
  local headers, written = {}, {}
  for _, line in ipairs(lines) do
    local name, value = line:match "^([^:%s]+):%s*(.*)$"
    local known = written[name:lower()]
    if not known then
      written[name:lower()] = name
      headers[name] = value
    elseif type(headers[known]) == "table" then
      table.insert(headers[known], value)
    else
      headers[known] = { headers[known], value }
    end
  end
  return setmetatable(headers, {
    __index = function(self, name)
      return rawget(self, written[name:lower()])
    end,
  })
end

-- Reads a body in a coroutine of its own.
local function reader(sock, length)
  local thread = coroutine.create(function()
    local bytes, problem = sock:receive(length or "*a")
    coroutine.yield(bytes, problem)
  end)
  return function()
    return select(2, coroutine.resume(thread))
  end
end

function Http:request(params)
  local lines, sock = { ("%s %s HTTP/1.1"):format(params.method, params.path) }, self.sock
  for name, value in pairs(params.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if params.body then
    lines[#lines + 1] = "Content-Length: " .. #params.body
  end
  local ok, problem = sock:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (params.body or ""))
  if not ok then
    return nil, problem
  end
  lines = {}
  repeat
    local line
    line, problem = sock:receive "*l"
    if not line then
      return nil, problem
    end
    lines[#lines + 1] = line ~= "" and line or nil
  until line == ""
  local status = tonumber(table.remove(lines, 1):match "^HTTP/1%.%d (%d%d%d)")
  local headers = headersOf(lines)
  self.mayKeep = (headers.Connection or ""):lower() ~= "close"
  return {
    status = status,
    headers = headers,
    read_body = function()
      if status == 204 or headers["Content-Length"] == "0" then
        return ""
      end
      return reader(sock, tonumber(headers["Content-Length"]))()
    end,
  }
end

return M
