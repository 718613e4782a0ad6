--- emulator/transport.lua - an emulator as a client's transport, in the same process.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

-- A request as Emulator:handle takes it.
local function received(request)
  local scheme, path, query = request.url:match "^([a-z]+)://[^/?#]*([^?#]*)%??([^#]*)"
  local headers = {}
  for given, value in pairs(request.headers) do
    local name = text.lower(given)
    headers[name] = headers[name] and { headers[name], value } or value
  end
  local host = headers.host
  return {
    method = request.method,
    scheme = scheme,
    host = type(host) == "string" and host or nil,
    path = path == "" and "/" or path,
    query = query,
    headers = headers,
    body = request.body,
  }
end

--- Makes a transport to an emulator.
---@param emulator qcimage.Emulator
---@param sleep nil|fun(seconds: number) how it waits; it does not by default
---@return fun(request: table, secondsLeft: number): table|nil, string|nil, table|nil transport
function M.new(emulator, sleep)
  sleep = sleep or function() end
  return function(request, secondsLeft)
    local response = emulator:handle(received(request))
    local delay = (response.delay or 0) + (response.pause or 0) * #(response.body or "")
    if delay > 0 and secondsLeft and delay >= secondsLeft then
      sleep(secondsLeft)
      return nil, "no response in time", { sent = true, reason = "timeout" }
    elseif delay > 0 then
      sleep(delay)
    end
    if response.drop then
      return nil, "the connection was closed without a response", { sent = true, reason = "closed" }
    end
    return { status = response.status, headers = response.headers, body = response.body }
  end
end

return M
