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
local environments = require "qcimage.environment"
local errors = require "qcimage.errors"
local optionsOf = require "qcimage.options"
local pages = require "qcimage.call.pages"
local protect = require "qcimage.protect"
local retry = require "qcimage.call.retry"
local signers = require "qcimage.signers"
local transports = require "qcimage.transport"
local warning = require "qcimage.warning"

local M = {}

M.VERSION = version.NUMBER

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
  local environment = environments.snapshot()
  local target, problem, variable = optionsOf.target(options, environment)
  local services
  if target then
    services, problem, variable = optionsOf.services(options, environment)
    target = services and target
  end
  local region = options.region or environments.value(environment, "TENCENTCLOUD_REGION")
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
  local transport, closeTransport = transports.new(options, environment, isCalled)
  local metadataTransport, closeMetadata = transport, closeTransport
  if not options.transport then -- one of the caller's carries all
    metadataTransport, closeMetadata = transports.toMetadata()
  end
  -- secrets stay in the closures: a dump of the client shows none
  options.secretId, options.secretKey, options.token, options.credentials = nil, nil, nil, nil
  options.proxy = nil -- it may hold a password
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
    sleep = transports.sleep(options.sleep),
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
    canWait = environments.isNginx or options.sleep ~= nil,
    run = calls.run,
  })
  if not region then
    self.metadataRegion = require("qcimage.credentials.cvm").region(metadata)
  end
  function self.release()
    closeSigner()
    closeTransport()
    closeMetadata()
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
