--- transport.lua - chooses the transport of a client (libcurl in plain Lua, cosockets in nginx, or the user's own), its
--- settings, and how the client sleeps. The modules in transport/ only send requests.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.util.environment"
local custom = require "qcimage.transport.custom"
local limits = require "qcimage.util.limits"
local optionNames = require "qcimage.util.option_names"
local callback = require "qcimage.util.callback"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"

-- In nginx all that a call needs is loaded now, since reading files blocks the worker.
local cosocket = environments.isNginx and require "qcimage.transport.cosocket"
local lightThread = environments.isNginx and require "qcimage.transport.light_thread"

local M = {}

--- A transport sends one request, and never raises an error. On failure the third value describes it.
---@alias qcimage.Transport fun(request: qcimage.Request, seconds: number): qcimage.Response?, string?, qcimage.TransportFailure?

---@class qcimage.Response
---@field status integer
---@field headers table<string, string> by names in small letters
---@field body string

---@class qcimage.TransportFailure
---@field sent boolean false: no byte of the request can have left
---@field kind "unsupported"|nil it cannot be sent in this phase or with these options
---@field reason qcimage.NetworkReason|qcimage.ResponseReason|nil
---@field lasting boolean|nil permanent: somebody must fix something
---@field reused boolean|nil a kept connection was closed by the server

---@class qcimage.TransportSettings
---@field caFile string|nil file with the only trusted certificates
---@field connectTimeout number seconds until a request can leave
---@field environment table<string, string> a snapshot
---@field maxResponseBytes integer of a response body
---@field poolIdle number nginx: seconds that an idle connection is kept
---@field poolSize integer nginx: idle connections that a worker keeps per endpoint
---@field proxy string|nil URL; "": none
---@field verify boolean false: accepts any certificate

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

local LATE = "cannot load libcurl (chroot, or package.path changed? create the client earlier, or require"
  .. ' "qcimage.transport.curl" earlier): '

-- Loads the transport of plain Lua, as pcall does. Lua 5.1 remembers a failed require, and its next one would only say
-- "loop or previous error".
local function loadCurl()
  local ok, curl = pcall(require, "qcimage.transport.curl")
  if not ok then
    package.loaded["qcimage.transport.curl"] = nil
  end
  return ok, curl
end

-- Returns the transport of plain Lua, a function that closes it, and one that returns the stages of its last request.
-- Loads libcurl and connects at the first call.
local function overCurl(settings)
  local transport, close, stages
  return function(request, seconds)
    if not transport then
      local ok, curl = loadCurl()
      if not ok then
        return nil, LATE .. tostring(curl), { sent = false, kind = "unsupported" }
      end
      transport, close, stages = curl.new(settings)
    end
    return transport(request, seconds)
  end, function()
    if close then
      close()
    end
  end, function()
    return stages and stages() or {}
  end
end

local function nothing() end

local function over(settings)
  if cosocket then
    return cosocket.new(settings), nothing, nothing
  end
  return overCurl(settings)
end

-- The variables that name a proxy, by the endpoint's scheme, as libcurl reads them.
local PROXIES = {
  https = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" },
  http = { "http_proxy", "all_proxy", "ALL_PROXY" },
}

local function masked(url)
  local scheme, rest = url:match "^(%a[%w+.-]*://)(.*)$"
  return text.oneLine((scheme or "") .. ((rest or url):gsub("^.*@", "***@")))
end

-- Returns the fact of the proxy to an endpoint, as far as options and environment name it; libcurl alone evaluates
-- no_proxy.
local function proxyOf(option, environment, endpoint)
  if option then
    return { field = "proxy", value = option ~= "" and masked(option) or nil, source = optionNames.shown "proxy" }
  elseif endpoints.isLoopback((endpoint.connectTo or endpoint).host) then
    return { field = "proxy" } -- libcurl uses no proxy for this machine
  end
  for _, name in ipairs(PROXIES[endpoint.scheme]) do
    local url = environments.value(environment, name)
    if url then
      local no = environments.value(environment, "no_proxy") or environments.value(environment, "NO_PROXY")
      local beside = no and ("; not for %s (no_proxy)"):format(text.oneLine(no)) or ""
      return { field = "proxy", value = masked(url) .. beside, source = name }
    end
  end
  return { field = "proxy" }
end

-- Returns why a file (or folder) cannot be read; nil: it can.
local function unreadable(path, isFolder)
  local file, problem = io.open(path, "rb")
  if file then
    if not isFolder then
      problem = select(2, file:read(1)) -- opening a folder succeeds, too
    end
    file:close()
    return problem and ("%s: %s"):format(path, problem)
  end
  return problem
end

-- Returns the fact of the certificates that verify an endpoint's.
local function certificatesOf(option, environment, endpoint)
  if endpoint.scheme ~= "https" then
    return { field = "caFile" }
  end
  local path, source, folders = require("qcimage.transport.curl").certificates(option, environment)
  local fact = { field = "caFile", value = path, source = source, problem = path and unreadable(path), folders = {} }
  for folder in (folders or ""):gmatch "[^:]+" do
    local problem = unreadable(folder .. "/.", true) -- a path that only a folder has
    table.insert(fact.folders, { path = folder, problem = problem and problem:gsub("/%.: ", ": ") })
  end
  return fact
end

---@class qcimage.TransportNotes diagnostic facts of a transport; not in nginx
---@field stages fun(): table see curl.lua
---@field facts fun(endpoint: qcimage.Endpoint): qcimage.Fact, qcimage.Fact proxy and caFile, without secrets

-- Secrets stay in closures.
local function notesOf(options, environment, stages)
  local proxy, caFile = options.proxy, options.caFile
  return {
    stages = stages,
    facts = function(endpoint)
      return proxyOf(proxy, environment, endpoint), certificatesOf(caFile, environment, endpoint)
    end,
  }
end

--- Makes a client's transport. Opens nothing.
---@param options qcimage.Options validated
---@param environment table<string, string> a snapshot
---@param isCalled boolean|nil a call follows at once, which may load modules itself
---@return qcimage.Transport
---@return fun() close may be called again
---@return qcimage.TransportNotes|nil notes of the transport over libcurl
function M.new(options, environment, isCalled)
  if options.transport then
    local transport = custom.wrap(options.transport)
    return lightThread and lightThread.bounded(transport) or transport, nothing
  end
  if not cosocket and not isCalled then -- while its files can be found; a failure is reported by the call that needs it
    loadCurl()
  end
  local transport, close, stages = over(settingsOf(options, environment))
  return transport, close, not cosocket and notesOf(options, environment, stages) or nil
end

--- Makes the transport to the metadata service: without proxy, with short timeouts.
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

--- In nginx: runs a function in the background of all requests. Returns false where that is impossible.
---@type nil|fun(run: function): boolean
M.background = lightThread and lightThread.background

local function plainSleep(seconds)
  if tasks.sleep(seconds) then
    return true
  end
  local finish = core.monotonic() + seconds
  repeat -- a signal interrupts core.sleep, so that the host's handler runs
    local left = math.max(0, finish - core.monotonic())
    if not tasks.block(left) then
      core.sleep(left)
    end
  until core.monotonic() >= finish
  return true
end

local function slept()
  return true
end

--- Returns a client's sleep: returns true, or nil and why it cannot wait.
---@param given function|nil the option sleep
---@return fun(seconds: number): boolean|nil, string|nil
function M.sleep(given)
  return given and callback.wrap("option sleep", given, slept)
    or cosocket and callback.wrap("nginx's sleep", cosocket.sleep, slept)
    or plainSleep
end

return M
