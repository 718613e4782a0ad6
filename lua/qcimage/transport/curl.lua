--- curl.lua - the transport for plain Lua: one kept connection over libcurl.
--- Blocks while it waits, so it is never used inside nginx. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.environment"
local errors = require "qcimage.errors"
local http = require("qcimage.version").native "qcimage.http"
local redact = require "qcimage.redact"
local text = require "qcimage.text"

local M = {}

-- Bytes of libcurl's text that a message shows: its buffer has 256.
local SHOWN = 256

-- The first variable whose proxy cannot be one: a password that was read with its line break.
local function faultyVariable(environment)
  for _, name in ipairs(environments.PROXIES) do
    if environment[name] and environment[name]:find(text.CONTROL) then
      return name
    end
  end
end

-- What a failure says. trusted: where the certificates come from.
local function describe(request, reason, message, trusted)
  local where = ("%s:%d"):format(request.host, request.port)
  local what = reason and errors.TRANSPORT[reason]:format(where) or ("the request to %s failed"):format(where)
  local hint = ""
  if reason == "tls" then
    hint = (" (certificates from %s; the option caFile names a file of others)"):format(trusted)
  end
  return ("%s: %s%s"):format(what, text.clean(message, SHOWN), hint)
end

--- Makes a transport. Opens nothing.
---@param settings qcimage.TransportSettings without caFile the certificates are those that the environment names, or
--- else libcurl's own; without proxy the environment names one, but not for this machine
---@return qcimage.Transport
---@return fun() close ends the connection; may be called again
---@return fun(): table stages how far the last request came: resolved, connected, secured, answered in seconds from its
--- start, where it came to that, and the address
function M.new(settings)
  local environment = settings.environment
  local caFile, caFolder = settings.caFile, nil
  if not caFile then
    caFile, caFolder = environments.certificates(environment)
  end
  local trusted = (caFile or http.caFile() or "libcurl's own place") .. (caFolder and " and " .. caFolder or "")
  if caFile == http.caFile() then
    caFile = nil -- what libcurl does by itself, and with the folder of certificates beside the file faster
  end
  local logins = redact.logins(settings.proxy, environment)
  local faulty = not settings.proxy and faultyVariable(environment)
  local connection = http.new {
    caFile = caFile,
    caFolder = caFolder,
    maxResponseBytes = settings.maxResponseBytes,
    proxy = settings.proxy,
    verify = settings.verify,
  }

  local host, isHere -- of the last request

  local function transport(request, secondsLeft)
    if secondsLeft <= 0 then
      return nil, describe(request, "timeout", "no time was left"), { sent = false, reason = "timeout" }
    end
    if request.host ~= host then
      host, isHere = request.host, endpoints.isLoopback(request.host)
    end
    if faulty and not isHere then
      local message = describe(request, "proxy", faulty .. " holds a control character")
      return nil, message, { sent = false, reason = "proxy" }
    end
    local response, message, detail =
      connection:send(request, secondsLeft, math.min(secondsLeft, settings.connectTimeout), isHere)
    if not response then
      return nil, describe(request, detail.reason, redact.proxies(message, logins), trusted), detail
    end
    return response
  end

  return transport, function()
    connection:close()
  end, function()
    return connection:stages()
  end
end

return M
