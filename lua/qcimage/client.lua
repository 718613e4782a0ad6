--- client.lua - a client: the options, credentials and connection that its calls share, and the calls as methods. Shared
--- state (signer, clock offset, retry budget) is never half-changed during a wait, so light threads may share a client.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local execute = require "qcimage.call.execute"
local callback = require "qcimage.util.callback"
local providers = require "qcimage.credentials.provider"
local providerContext = require "qcimage.credentials.provider_context"
local core = require "qcimage.core"
local credentials = require "qcimage.credentials"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local misuse = require "qcimage.util.misuse"
local optionsOf = require "qcimage.options"
local paginator = require "qcimage.call.paginator"
local parallel = require "qcimage.parallel"
local redact = require "qcimage.util.redact"
local refusals = require "qcimage.credentials.refusals"
local retry = require "qcimage.call.retry"
local signerCache = require "qcimage.signer_cache"
local targets = require "qcimage.target"
local transports = require "qcimage.transport"
local version = require "qcimage.util.version"
local waiter = require "qcimage.call.waiter"
local warning = require "qcimage.util.warning"

local M = {}

---@class qcimage.Client
---@field modify fun(self, params: qcimage.ModifyParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field describe fun(self, params?: qcimage.DescribeParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field each fun(self, params?: qcimage.DescribeParams, options?: qcimage.EachOptions): fun(): qcimage.Image?, qcimage.Result?
--- Waits until images have a state.
---@field wait fun(self, params: qcimage.WaitParams, options?: qcimage.WaitOptions): qcimage.Result?, string?, qcimage.Error?
---@field call fun(self, action: string, params?: table, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
---@field sign fun(self, action: string, params?: table, options?: qcimage.CallOptions): qcimage.Request?, string?, qcimage.Error?
--- Plans and makes many modifications; without changes if an option names a journal.
---@field apply fun(self, changes?: qcimage.Changes, options?: qcimage.ApplyOptions): qcimage.ApplyReport?, string?, qcimage.Error?
---@field close fun(self): true may be called again
local Client = {}
Client.__index = Client
Client.__name = "qcimage.Client"

-- Returns a number from 0 to below 1.
local function random()
  local drawn = core.nonce()
  return drawn and tonumber(drawn) / 2 ^ 53 or 0.5 -- the system has no random bytes
end

-- Validated options, what they resolve to, and what is wrong with the environment, which each call returns; or nil and the
-- error of an option.
local function resolveOptions(given, environment, preset)
  local options, problem, name = optionsOf.validate(optionsOf.client, given)
  if options then
    problem, name = optionsOf.conflict(options)
  end
  if problem then
    return nil, errors.notSent("parameter", problem, name)
  end
  local target, err = targets.of(options, environment, preset)
  if err and not err.isOfEnvironment then
    return nil, err
  end
  optionsOf.addDefaults(options, "qcimage/" .. version.NUMBER)
  if options.verify == false then
    warning.once "verify = false: the server's certificate is not checked"
  end
  return options, target or { version = "2.0", region = {} }, err
end

-- Returns the settings of the tccli profile, for a client that may need them.
local function profileOf(options, environment, target, preset)
  local readsLanguage = preset and target.version == "3.0" and not options.language
  return credentials.profileSettings(options, environment, preset and preset.readsProfile), readsLanguage
end

-- Adds the context of the credentials providers. Returns the function that closes its transport.
local function addProviderContext(client, metadata)
  local transport, close = client.transport, nil
  if not client.options.transport then -- the user's transport carries all requests
    transport, close = transports.toMetadata()
  end
  client.providerContext = providerContext.new(client, {
    metadata = transport,
    background = transports.background,
    canWait = environments.isNginx or client.options.sleep ~= nil,
    run = execute.run,
    retryBudget = retry.BUDGET,
  })
  if not client.target.region.value then
    client.metadataRegion = require("qcimage.credentials.cvm_role").region(metadata)
  end
  return close
end

--- Makes a client. Sends nothing; takes a snapshot of the environment; reads files only inside nginx. For the options see
--- docs/api.md.
---@param given qcimage.Options|nil
---@param preset qcimage.Preset|nil of the command
---@param isCalled boolean|nil a call follows at once, which may load modules itself
---@return qcimage.Client|nil
---@return qcimage.Error|nil err its field names the invalid option
function M.make(given, preset, isCalled)
  local environment = environments.snapshot()
  local options, target, configError = resolveOptions(given, environment, preset)
  if not options then
    return nil, target
  end
  local metadata = { address = target.metadata }
  local profile, readsLanguage = profileOf(options, environment, target, preset)
  local provider, isFixed, passedOver, base =
    credentials.provider(options, environment, { metadata = metadata, settings = profile })
  local logins = redact.proxyPasswords(options.proxy, environment)
  local getSigner, closeSigner = signerCache.new()
  local transport, closeTransport, notes = transports.new(options, environment, isCalled)
  local asksCallback = type(options.credentials) == "function" and not providers.isBuiltIn(options.credentials)
  -- Secrets stay in closures: a dump of the client does not show them.
  options.secretId, options.secretKey, options.token, options.credentials = nil, nil, nil, nil
  options.proxy = nil -- it may contain a password
  local self = {
    version = target.version,
    target = target,
    configError = configError,
    options = options,
    provider = provider,
    hasDynamicCredentials = not isFixed,
    asksCallback = asksCallback,
    passedOver = passedOver,
    base = base,
    refusals = refusals.new(),
    profile = profile,
    isPinned = options.profile ~= nil,
    readsLanguage = readsLanguage,
    stsEndpoint = target.sts,
    stsName = target.stsName,
    getSigner = getSigner,
    logins = function()
      return logins
    end,
    transport = transport,
    transportNotes = notes,
    clock = callback.clock(options.clock),
    nonce = callback.nonce(options.nonce),
    sleep = transports.sleep(options.sleep),
    random = random,
    offset = 0, -- of the service's clock, learned from its refusals
    retryBudget = retry.BUDGET,
  }
  local closeMetadata = addProviderContext(self, metadata)
  function self.release()
    closeSigner()
    closeTransport()
    if closeMetadata then
      closeMetadata()
    end
  end
  return setmetatable(self, Client)
end

--- Makes a client, and raises a programming error at the line that gave invalid options.
---@param given qcimage.Options|nil
---@param isCalled boolean|nil as for `make`
---@return qcimage.Client
function M.new(given, isCalled)
  local client, err = M.make(given, nil, isCalled)
  if not client then
    misuse.raise(err.message)
  end
  return client
end

function Client:__tostring()
  local host = self.target.endpoint and self.target.endpoint.hostHeader or "the public cloud"
  return ("qcimage.Client (API %s, %s%s)"):format(self.version, host, self.closed and ", closed" or "")
end

local NONE = {} -- never written to

-- Options of functions that do not have those of a call.
local OPTIONS = { each = optionsOf.each, wait = optionsOf.wait }

-- Returns validated options and parameters; the latter may be absent if optional is true.
local function arguments(client, name, params, options, optional)
  if client.closed then
    misuse.raise "the client is closed"
  end
  if params == nil and optional then
    params = {}
  end
  if type(params) ~= "table" then
    misuse.raise(("parameters must be a table, not a %s"):format(type(params))) -- its value may be a secret
  end
  if options == nil then
    return NONE, params
  end
  local checked = optionsOf.check(OPTIONS[name] or optionsOf.call, options)
  local misplaced = optionsOf.misplaced(name, checked)
  if misplaced then
    misuse.raise(misplaced)
  end
  return checked, params
end

local function checkAction(action)
  if type(action) ~= "string" then
    misuse.raise(("the action must be text, not a %s"):format(type(action)))
  end
end

-- The calls, as functions of a client. They return a result, or nil and an error, which the public functions here and in
-- qcimage.lua turn into nil, message and error.
local functions = {}

function functions.modify(client, params, options)
  options = arguments(client, "modify", params, options)
  return execute.run(client, actions.modify[client.version], params, options)
end

function functions.describe(client, params, options)
  options, params = arguments(client, "describe", params, options, true)
  return execute.run(client, actions.describe[client.version], params, options)
end

function functions.call(client, action, params, options)
  checkAction(action)
  options, params = arguments(client, "call", params, options, true)
  return execute.run(client, action, params, options)
end

function functions.sign(client, action, params, options)
  checkAction(action)
  options, params = arguments(client, "sign", params, options, true)
  return execute.sign(client, action, params, options)
end

function functions.each(client, params, options)
  options, params = arguments(client, "each", params, options, true)
  return paginator.each(client, params, options, execute.run)
end

function functions.wait(client, params, options)
  options = arguments(client, "wait", params, options)
  return waiter.wait(client, params, options, execute.run)
end

-- Reading files blocks a worker of nginx, so there the modules of `apply` are loaded now; elsewhere when they are needed.
local function loadApply()
  local ok, apply = pcall(require, "qcimage.apply")
  local isWhole, problem = pcall(require, "qcimage.limiter")
  if ok and isWhole then
    isWhole, problem = pcall(require, "qcimage.apply.adapter")
  end
  if ok and isWhole then
    return apply
  end
  local message = "apply: cannot load all modules (chroot, or package.path changed? require qcimage.apply earlier): "
  return nil, errors.notSent("unsupported", message .. tostring(not ok and apply or problem):gsub("%s+", " "))
end

if environments.isNginx then
  loadApply()
end

function functions.apply(client, changes, options)
  options = optionsOf.check(optionsOf.apply, options)
  local problem = client.closed and "the client is closed" or optionsOf.misapplied(changes, options)
  if options.rate and client.options.limiter then
    problem = "option rate has no effect beside the client's option limiter"
  end
  if problem then
    misuse.raise(problem)
  elseif client.configError then
    return nil, errors.notSent("parameter", client.configError.message, client.configError.field)
  end
  local apply, err = loadApply()
  if not apply then
    return nil, err
  end
  return apply.run(changes, options, require("qcimage.apply.adapter").new(client, options))
end

function functions.close(client)
  if not client.closed then
    client.closed = true
    client.release()
  end
  return true
end

M.functions = functions
M.parallel = parallel.parallel

--- Explains what a client's calls use: see call/explain.lua. For the command.
---@param client qcimage.Client
---@param seconds number
---@return qcimage.Fact[]|nil
---@return qcimage.Error|nil err no call can even be prepared
---@return qcimage.Endpoint|nil endpoint
function M.explain(client, seconds)
  return require("qcimage.call.explain").facts(client, seconds)
end

for name, call in pairs(functions) do
  Client[name] = function(self, first, second, third)
    if getmetatable(self) ~= Client then
      misuse.raise(("call client:%s(...) with a colon"):format(name))
    end
    local result, err = call(self, first, second, third)
    if err then
      return errors.asResults(err)
    end
    return result -- one value, like the functions of the io library
  end
end

Client.__close = Client.close

return M
