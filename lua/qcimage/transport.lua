--- transport.lua - what carries a client's requests, and how it waits: libcurl in plain Lua, cosockets inside nginx, or
--- what the caller gives. Here alone is decided which, and with what settings; those in transport/ only carry.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local environments = require "qcimage.environment"
local foreign = require "qcimage.transport.foreign"
local limits = require "qcimage.limits"
local protect = require "qcimage.protect"

-- In nginx all that a call needs is loaded now, since to read files holds up the worker.
local cosocket = environments.isNginx and require "qcimage.transport.cosocket"
local lightthread = environments.isNginx and require "qcimage.transport.lightthread"

local M = {}

--- A transport carries one request, and raises nothing. Nil: the third value says what is known of the failure.
---@alias qcimage.Transport fun(request: qcimage.Request, seconds: number): qcimage.Response?, string?, qcimage.TransportFailure?

---@class qcimage.Response
---@field status integer
---@field headers table<string, string> by names in small letters
---@field body string

---@class qcimage.TransportFailure
---@field sent boolean false: no byte of the request can have left
---@field kind "unsupported"|nil it cannot be sent here
---@field reason qcimage.NetworkReason|qcimage.ResponseReason|nil
---@field lasting boolean|nil somebody has to mend it
---@field reused boolean|nil a kept connection had died

---@class qcimage.TransportSettings
---@field caFile string|nil file with the only certificates to trust
---@field connectTimeout number seconds until a request can leave
---@field environment table<string, string> a snapshot
---@field maxResponseBytes integer of an answer's body
---@field poolIdle number nginx: seconds that an idle connection is kept
---@field poolSize integer nginx: idle connections that a worker keeps for an endpoint
---@field proxy string|nil URL; "" for none
---@field verify boolean false: takes any certificate

local function settingsOf(options, environment)
  return {
    caFile = options.caFile,
    connectTimeout = options.connectTimeout or limits.connectTimeout,
    environment = environment,
    maxResponseBytes = options.maxResponseBytes or cosocket and limits.nginxResponseBytes or limits.responseBytes,
    poolIdle = options.poolIdle or limits.poolIdle,
    poolSize = options.poolSize or limits.poolSize,
    proxy = options.proxy,
    verify = options.verify ~= false,
  }
end

local LATE = "libcurl is not loaded, and could not be (after a chroot or a change of package.path? Make the client"
  .. ' before, or require "qcimage.transport.curl" before): '

-- The transport of plain Lua, and what closes it. Connects, and has libcurl begin, when a call needs it.
local function overCurl(settings)
  local transport, close
  return function(request, seconds)
    if not transport then
      local ok, curl = pcall(require, "qcimage.transport.curl")
      if not ok then
        return nil, LATE .. tostring(curl), { sent = false, kind = "unsupported" }
      end
      transport, close = curl.new(settings)
    end
    return transport(request, seconds)
  end, function()
    if close then
      close()
    end
  end
end

local function nothing() end

local function over(settings)
  if cosocket then
    return cosocket.new(settings), nothing
  end
  return overCurl(settings)
end

--- Makes a client's transport. Opens nothing.
---@param options qcimage.Options checked
---@param environment table<string, string> a snapshot
---@param isCalled boolean|nil a call follows at once: it may load what it needs itself
---@return qcimage.Transport
---@return fun() close may be called again
function M.new(options, environment, isCalled)
  if options.transport then
    local transport = foreign.wrap(options.transport)
    return lightthread and lightthread.bounded(transport) or transport, nothing
  end
  if not cosocket and not isCalled then -- as long as its files can be seen; a failure is told by the call that needs it
    pcall(require, "qcimage.transport.curl")
  end
  return over(settingsOf(options, environment))
end

--- Makes the transport to the metadata service: never through a proxy, and soon at its end.
---@return qcimage.Transport
---@return fun() close may be called again
function M.toMetadata()
  return over(settingsOf({
    connectTimeout = limits.metadataConnectTimeout,
    maxResponseBytes = limits.metadataBytes,
    poolSize = 1,
    proxy = "",
  }, {}))
end

--- In nginx: runs a function apart from any request. Returns false where it cannot.
---@type nil|fun(run: function): boolean
M.background = lightthread and lightthread.background

local function plainSleep(seconds)
  local finish = core.monotonic() + seconds
  repeat -- a signal ends a sleep early, so that the host's handler has its turn
    core.sleep(math.max(0, finish - core.monotonic()))
  until core.monotonic() >= finish
  return true
end

local function protected(name, sleep)
  return function(seconds)
    local ok, thrown = protect.call(sleep, seconds)
    if ok then
      return true
    end
    return nil, ("%s threw: %s"):format(name, protect.message(thrown))
  end
end

--- What a client waits by: returns true; or nil and why it cannot wait.
---@param given function|nil the option sleep
---@return fun(seconds: number): boolean|nil, string|nil
function M.sleep(given)
  return given and protected("the option sleep", given)
    or cosocket and protected("nginx's sleep", cosocket.sleep)
    or plainSleep
end

return M
