--- curl.lua - the transport for plain Lua: kept connections over libcurl.
--- Blocks while it waits, but for tasks, so it is never used inside nginx. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local http = require("qcimage.util.version").loadNative "qcimage.http"
local optionNames = require "qcimage.util.option_names"
local redact = require "qcimage.util.redact"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"

local M = {}

tasks.poll = http.wait

-- Bytes of libcurl's text that a message shows: its buffer has 256.
local SHOWN = 256

-- Sends a request, and lets other tasks go on meanwhile: nothing is begun before it is clear that this can be waited for.
local function send(connection, ...)
  local task = tasks.running()
  if not task then
    return connection:send(...)
  end
  local slot, message, detail = connection:begin(...)
  if not slot then
    return nil, message, detail
  end
  tasks.await(task, function()
    return slot:isDone()
  end)
  return slot:finish()
end

-- The first variable whose proxy cannot be one: a password that was read with its line break.
local function faultyVariable(environment)
  for _, name in ipairs(environments.PROXIES) do
    if environment[name] and environment[name]:find(text.CONTROL) then
      return name
    end
  end
end

-- Describes a failure. trusted: where the certificates come from.
local function describe(request, reason, message, trusted)
  local where = endpoints.shown(request)
  local what = reason and errors.TRANSPORT[reason]:format(where) or ("the request to %s failed"):format(where)
  local hint = ""
  if reason == "tls" then
    hint = (" (certificates from %s; %s names another file)"):format(trusted, optionNames.shown "caFile")
  end
  return ("%s: %s%s"):format(what, text.oneLine(message, SHOWN), hint)
end

--- Returns the trusted certificates, and what names them.
---@param caFile string|nil the option
---@param environment table<string, string>
---@return string|nil path of a file; nil: libcurl's default, which is not a file
---@return string source
---@return string|nil folders beside the file, from SSL_CERT_DIR, separated by colons
function M.certificates(caFile, environment)
  if caFile then
    return caFile, optionNames.shown "caFile"
  end
  local file, folders, name = environments.certificates(environment)
  if file then
    return file, name, folders
  end
  return http.caFile(), "libcurl's own", folders
end

--- Makes a transport. Opens nothing.
---@param settings qcimage.TransportSettings by default the environment's certificates and proxy (never for this machine), or
--- else libcurl's certificates
---@return qcimage.Transport
---@return fun() close ends the connection; may be called again
---@return fun(): table stages of the last request: resolved, connected, secured, answered in seconds from its start, as far
--- as it came, and the address
function M.new(settings)
  local environment = settings.environment
  local caFile, _, caFolder = M.certificates(settings.caFile, environment)
  local trusted = (caFile or "libcurl's default") .. (caFolder and " and " .. caFolder or "")
  if caFile == http.caFile() then
    caFile = nil -- what libcurl does by itself, and with the folder of certificates beside the file faster
  end
  local logins = redact.proxyPasswords(settings.proxy, environment)
  local faulty = not settings.proxy and faultyVariable(environment)
  local connection = http.new {
    caFile = caFile,
    caFolder = caFolder,
    maxResponseBytes = settings.maxResponseBytes,
    proxy = settings.proxy,
    verify = settings.verify,
  }

  local lastHost, isHere -- of the last request

  local function transport(request, secondsLeft)
    if secondsLeft <= 0 then
      return nil, describe(request, "timeout", "deadline exceeded"), { sent = false, reason = "timeout" }
    end
    local target = request.connectTo
    local host = target and target.host or request.host
    if host ~= lastHost then
      lastHost, isHere = host, endpoints.isLoopback(host)
    end
    if faulty and not isHere then
      local message = describe(request, "proxy", faulty .. " contains a control character")
      return nil, message, { sent = false, reason = "proxy" }
    end
    local connectTime = math.min(secondsLeft, settings.connectTimeout)
    local way = target and ("::%s:%d"):format(target.host, target.port)
    local response, message, detail = send(connection, request, secondsLeft, connectTime, isHere, way)
    if not response then
      return nil, describe(request, detail.reason, redact.removeProxyPasswords(message, logins), trusted), detail
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
