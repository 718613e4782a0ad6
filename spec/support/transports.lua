--- transports.lua - the client's transports by themselves, for the specs of one: with settings as the client makes them,
--- and requests that may have a URL alone. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"

local M = {}

local DEFAULTS = {
  connectTimeout = 5,
  environment = {},
  maxResponseBytes = 1024 * 1024,
  poolIdle = 30,
  poolSize = 30,
  verify = true,
}

-- A request's URL in parts, as the client's requests have them.
local function whole(transport)
  return function(request, seconds)
    local origin, path = request.url:match "^(%a+://[^/?]+)(.*)$"
    local endpoint = assert(endpoints.parse(origin))
    return transport(endpoints.request(endpoint, request.method, path, request.headers, request.body), seconds)
  end
end

local function make(name, settings)
  local all = {}
  for key, value in pairs(DEFAULTS) do
    all[key] = value
  end
  for key, value in pairs(settings) do
    all[key] = value
  end
  local transport, close = require("qcimage.transport." .. name).new(all)
  return whole(transport), close
end

--- Makes the transport over libcurl.
---@param settings table what differs from the defaults
---@return function transport
---@return function close
function M.curl(settings)
  return make("curl", settings)
end

--- Makes the transport over nginx's sockets.
---@param settings table what differs from the defaults
---@return function transport
function M.cosocket(settings)
  return (make("cosocket", settings))
end

return M
