--- client.lua - a client: options, credentials and connection that calls share, and the calls.
--- What calls share (the signer, the clock's offset, the store of retries) no wait divides: light threads may
--- share a client. Part of qcimage, see LICENSE.

local version = require "qcimage.version"
local core = version.native "qcimage.core" -- before those that use it

local actions = require "qcimage.api.actions"
local calls = require "qcimage.call.attempts"
local contexts = require "qcimage.credentials.context"
local credentials = require "qcimage.credentials"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local limits = require "qcimage.limits"
local foreign = require "qcimage.transport.foreign"
local optionsOf = require "qcimage.options"
local pages = require "qcimage.call.pages"
local protect = require "qcimage.protect"
local retry = require "qcimage.call.retry"
local signers = require "qcimage.signers"
local warning = require "qcimage.warning"

-- In nginx all that a call needs is loaded now, since to read files holds up the worker.
local isNginx = type(ngx) == "table" and ngx.socket ~= nil
local cosocket = isNginx and require "qcimage.transport.cosocket"
local lightthread = isNginx and require "qcimage.transport.lightthread"

local M = {}

M.VERSION = version.NUMBER

-- What a snapshot of the environment holds. Proxies are there so that their passwords can be kept
-- out of messages; libcurl reads them itself.
local VARIABLES = {
  "TENCENTCLOUD_REGION",
  "QCIMAGE_API_VERSION",
  "QCIMAGE_ENDPOINT",
  "CURL_CA_BUNDLE",
  "SSL_CERT_FILE",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
}

local function snapshot()
  local environment = {}
  for _, names in ipairs { VARIABLES, credentials.VARIABLES } do
    for _, name in ipairs(names) do
      environment[name] = os.getenv(name)
    end
  end
  return environment
end

-- Waits, and returns true; or nil and why it cannot wait.
local function sleepBy(name, sleep)
  return function(seconds)
    local ok, thrown = protect.call(sleep, seconds)
    if ok then
      return true
    end
    return nil, ("%s threw: %s"):format(name, protect.message(thrown))
  end
end

local LATE = 'libcurl is not loaded, and could not be (after a chroot or a change of package.path? Make the client'
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

-- The transport to the metadata service, and what closes it: never through a proxy, and soon at its end.
local function toMetadata()
  local settings = {
    connectTimeout = limits.metadataConnectTimeout,
    maxResponseBytes = limits.metadataBytes,
    poolIdle = limits.poolIdle,
    poolSize = 1,
    proxy = "",
  }
  if cosocket then
    return cosocket.new(settings)
  end
  return overCurl(settings)
end

local function plainSleep(seconds)
  local finish = core.monotonic() + seconds
  repeat -- a signal ends a sleep early, so that the host's handler has its turn
    core.sleep(math.max(0, finish - core.monotonic()))
  until core.monotonic() >= finish
  return true
end

---@class qcimage.Client
---@field modify fun(self, params: qcimage.ModifyParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field describe fun(self, params?: qcimage.DescribeParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field each fun(self, params?: qcimage.DescribeParams, options?: qcimage.CallOptions): fun(): qcimage.Image?, qcimage.Result?
---@field call fun(self, action: string, params?: table, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field sign fun(self, action: string, params?: table, options?: qcimage.CallOptions): qcimage.Request?, string?, qcimage.Error?
---@field close fun(self) may be called again
local Client = {}
Client.__index = Client
Client.__name = "qcimage.Client"

--- Makes a client. No network; the environment is read now and not again, files only inside nginx. Options
--- that are wrong are raised; see the README for all of them.
---@param given qcimage.Options|nil
---@param level integer where mistakes are raised, as error takes it
---@param isCalled boolean|nil a call follows at once: it may load what it needs itself
---@return qcimage.Client
function M.new(given, level, isCalled)
  level = level or 2
  local options = optionsOf.check(optionsOf.client, given, level)
  local conflict = optionsOf.conflict(options)
  if conflict then
    error(conflict, level)
  end
  local environment = snapshot()
  local target, problem, variable = optionsOf.target(options, environment)
  local services
  if target then
    services, problem, variable = optionsOf.services(options, environment)
    target = services and target
  end
  local region = options.region or environment.TENCENTCLOUD_REGION ~= "" and environment.TENCENTCLOUD_REGION or nil
  if target and region and not optionsOf.call.region(region) then -- an option was checked before
    target, variable = nil, "TENCENTCLOUD_REGION"
    problem = variable .. " holds control characters (a line break?)"
  end
  if not target and not variable then
    error(problem, level)
  end
  if options.verify == false then
    warning.once "verify = false: the server's certificate is not checked"
  end
  services = services or {}
  local metadata = { address = services.metadata }
  local provider, isFixed = credentials.provider(options, environment, {
    metadata = metadata,
    stsEndpoint = services.sts,
  })
  local signerOf, closeSigner = signers.new()
  local transport, closeTransport = options.transport and foreign.wrap(options.transport), nil
  if not transport then
    local settings = {
      caFile = options.caFile,
      connectTimeout = options.connectTimeout or limits.connectTimeout,
      environment = environment,
      maxResponseBytes = options.maxResponseBytes or cosocket and limits.nginxResponseBytes or limits.responseBytes,
      poolIdle = options.poolIdle or limits.poolIdle,
      poolSize = options.poolSize or limits.poolSize,
      proxy = options.proxy,
      verify = options.verify,
    }
    if cosocket then
      transport = cosocket.new(settings)
    else
      transport, closeTransport = overCurl(settings)
      if not isCalled then -- as long as its files can be seen; a failure is told by the call that needs it
        pcall(require, "qcimage.transport.curl")
      end
    end
  elseif lightthread then
    transport = lightthread.bounded(transport)
  end
  local metadataTransport, closeMetadata = transport, nil -- one of the caller's carries all
  if not options.transport then
    metadataTransport, closeMetadata = toMetadata()
  end
  -- secrets stay in the closures: a dump of the client shows none
  options.secretId, options.secretKey, options.token, options.credentials = nil, nil, nil, nil
  options.proxy = nil -- it may hold a password
  local sleep = options.sleep and sleepBy("the option sleep", options.sleep)
    or cosocket and sleepBy("nginx's sleep", cosocket.sleep)
    or plainSleep
  local self = {
    version = target and target.version or "2.0",
    endpoint = target and target.endpoint,
    fault = not target and { message = problem, variable = variable } or nil,
    region = region,
    options = options,
    provider = provider,
    asksForCredentials = not isFixed,
    stsEndpoint = services.sts and endpoints.parse(services.sts),
    signerOf = signerOf,
    transport = transport,
    clock = options.clock and protect.wrap("the option clock", options.clock) or core.time,
    nonce = options.nonce and protect.wrap("the option nonce", options.nonce) or core.nonce,
    sleep = sleep,
    random = function()
      local drawn = core.nonce()
      return drawn and tonumber(drawn) / 2 ^ 53 or 0.5 -- where the system has no random bytes
    end,
    userAgent = options.userAgent or "qcimage/" .. M.VERSION,
    offset = 0, -- of the service's clock, learned from its refusals
    tokens = retry.CAPACITY,
  }
  self.world = contexts.new(self, {
    metadata = metadataTransport,
    canWait = isNginx or options.sleep ~= nil,
    run = calls.run,
  })
  if not region then
    self.metadataRegion = require("qcimage.credentials.cvm").region(metadata)
  end
  function self.release()
    closeSigner()
    for _, close in pairs { closeTransport, closeMetadata } do
      close()
    end
  end
  return setmetatable(self, Client)
end

function Client:__tostring()
  local host = self.endpoint and self.endpoint.hostHeader or "the public cloud"
  return ("qcimage.Client (API %s, %s%s)"):format(self.version, host, self.closed and ", closed" or "")
end

-- Checked options, and parameters, which may be left out where optional is true.
local function arguments(client, name, params, options, level, optional)
  if client.closed then
    error("the client is closed", level)
  end
  if params == nil and optional then
    params = {}
  end
  if type(params) ~= "table" then
    error(("parameters must be a table, not a %s"):format(type(params)), level) -- its value may be a secret
  end
  local checked = optionsOf.check(optionsOf.call, options, level) -- no tail call: it counts as a level
  local misplaced = options and optionsOf.misplaced(name, checked)
  if misplaced then
    error(misplaced, level)
  end
  return checked, params
end

local function checkAction(action, level)
  if type(action) ~= "string" then
    error(("the action must be text, not a %s"):format(type(action)), level)
  end
end

-- The calls, as functions of a client and the level at which misuse is raised.
local functions = {}

function functions.modify(client, level, params, options)
  options = arguments(client, "modify", params, options, level + 1)
  return calls.run(client, actions.modify[client.version], params, options)
end

function functions.describe(client, level, params, options)
  options, params = arguments(client, "describe", params, options, level + 1, true)
  return calls.run(client, actions.describe[client.version], params, options)
end

function functions.call(client, level, action, params, options)
  checkAction(action, level + 1)
  options, params = arguments(client, "call", params, options, level + 1, true)
  return calls.run(client, action, params, options)
end

function functions.sign(client, level, action, params, options)
  checkAction(action, level + 1)
  options, params = arguments(client, "sign", params, options, level + 1, true)
  local call, err = calls.prepare(client, action, params, options)
  local request
  if call then
    call.stages = true
    request, err = calls.build(call)
  end
  if not request then
    return errors.fail(err)
  end
  return request
end

function functions.each(client, level, params, options)
  options, params = arguments(client, "each", params, options, level + 1, true)
  return pages.each(client, params, options, calls.run)
end

function functions.close(client)
  if not client.closed then
    client.closed = true
    client.release()
  end
end

M.functions = functions

for name, call in pairs(functions) do
  Client[name] = function(self, ...)
    if getmetatable(self) ~= Client then
      error(("call client:%s(...) with a colon"):format(name), 2)
    end
    local result, message, err = call(self, 3, ...)
    if message == nil then -- one value, as the functions of the io library
      return result
    end
    return result, message, err
  end
end

Client.__close = Client.close

return M
