--- adapter.lua - a client as apply sees it: its calls, held within the service's rate, and the time.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local callback = require "qcimage.util.callback"
local core = require "qcimage.core"
local drivers = require "qcimage.apply.driver"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.util.errors"
local execute = require "qcimage.call.execute"
local imageLookup = require "qcimage.call.images"
local paginator = require "qcimage.call.paginator"
local prepare = require "qcimage.call.prepare"
local rateLimit = require "qcimage.call.rate_limit"
local resolve = require "qcimage.call.resolve"
local runClock = require "qcimage.apply.run_clock"
local text = require "qcimage.util.text"

local M = {}

--- A client as apply sees it.
---@class qcimage.ApplyAdapter
---@field apiVersion "2.0"|"3.0"
---@field region string|nil the client's
---@field endpoint string|nil HOST:PORT, where it is not the public cloud
---@field driver qcimage.ApplyDriver
---@field now fun(): number seconds of the run
---@field clock fun(): number|nil Unix seconds
---@field random fun(): number
---@field account fun(): string|nil what distinguishes two permanent keys; nil: temporary ones, or none was used yet
---@field regionKey fun(region: string|nil): string a region as one spelling
---@field regionProblem fun(region: string): string|nil
---@field keepsBlank fun(name: string): boolean whether an empty text leaves a field as it is
---@field check fun(params: table): qcimage.Error|nil what is wrong with the parameters of a modification
---@field acquire fun(params: table, region: string|nil, longest: number, sleep: function): boolean|nil, qcimage.Error|nil
--- waits for the slot of a modification
---@field modify fun(params: table, region: string|nil): qcimage.Result|nil, qcimage.Error|nil one attempt, without waiting
--- for a slot; err.isCorrected: the next one has a corrected clock or other credentials
---@field interval number|nil seconds between two slots, where the limiter is a built-in one
---@field describeBatch integer images that one request describes
---@field describeByIds fun(ids: string[], region: string|nil, attempts: integer|nil): table<string, qcimage.Image>|nil, qcimage.Error|nil
---@field each fun(params: table, region: string|nil): fun(): table|nil
---@field stopped fun(): qcimage.Error|nil where the caller wants that no plan is made

local shared = {} -- limiters of this process, by account, endpoint and rate

-- The limiter of a client that has none: what runs at the same time in this process shares it. Two providers of temporary
-- credentials cannot be distinguished, so they share it, too.
local function limiterOf(client, rate, endpoint, now)
  if client.options.limiter then
    return client.options.limiter
  end
  local limiter = require "qcimage.limiter"
  if client.options.sleep then -- its time may be another
    return limiter.memory { rate = rate, clock = now }
  end
  local given = not client.hasDynamicCredentials and client.provider() or {}
  local key = ("%s %s %s"):format(tostring(given.secretId), tostring(endpoint), tostring(rate))
  shared[key] = shared[key] or limiter.memory { rate = rate }
  return shared[key]
end

-- Returns the limiters that a modification asks, one after the other: that of the option rate first, unless it is higher than
-- the rate that all runs share, which it then replaces.
local function limitersOf(common, ofRate, version)
  if not ofRate then
    return { common }
  end
  return ofRate:interval(version) < common:interval(version) and { ofRate } or { ofRate, common }
end

-- Whether what the service refused is put right for the next attempt.
local function isCorrected(client, call)
  local refused = client.hasDynamicCredentials and client.refusals.current()
  return call.skewCorrected
    or refused ~= nil and refused ~= false and call.attempt ~= nil and refused == call.attempt.credentials
end

--- Makes the adapter of a client.
---@param client qcimage.Client
---@param settings qcimage.ApplyOptions
---@return qcimage.ApplyAdapter
function M.new(client, settings)
  local version = client.version
  local modify, describe = actions.modify[version], actions.describe[version]
  local params = actions[version][modify].params
  local known = resolve.regionOf(client)
  local endpoint, isPublic = resolve.endpointOf(client)
  local now, sleep = runClock.new(client.clock, client.sleep, client.options.clock and client.options.sleep)
  local host = endpoint and endpoint.hostHeader
  local limiterOfReads = limiterOf(client, nil, host, now)
  local limiters = limitersOf(limiterOfReads, settings.rate and limiterOf(client, settings.rate, host, now), version)
  local limiter = limiters[#limiters] -- the one that hears of throttled attempts
  local steps = (settings.resume or settings.undo) and "the journal" or "the list"
  -- A region that is not the option of `apply` is that of a step.
  local function withRegion(options, region)
    options.region, options.regionName = region, region ~= settings.region and steps or nil
    return options
  end
  local lastCredentials
  local function run(name, wanted, options)
    options.limiter = name == modify and limiter or limiterOfReads
    local result, err, call = execute.run(client, name, wanted, options)
    lastCredentials = call and call.attempt and call.attempt.credentials or lastCredentials
    if err and call then
      err.isCorrected = isCorrected(client, call) or nil
    end
    return result, err
  end
  local self = {
    apiVersion = version,
    region = known,
    endpoint = host,
    interval = drivers.isOurs(limiters[1]) and limiters[1]:interval(version) or nil,
    describeBatch = imageLookup.batchSize(version),
    driver = drivers.of(client, limiter, settings.concurrency, sleep),
    now = now,
    clock = client.clock,
    random = client.random,
  }

  function self.account()
    if lastCredentials and not lastCredentials.token then
      return text.hex(core.sha256(lastCredentials.secretId)):sub(1, 16)
    end
  end

  function self.regionKey(region)
    region = region or known
    return region and endpoints.regionName(region) or ""
  end

  function self.regionProblem(region)
    return select(2, endpoints.region(region, version, isPublic))
  end

  function self.keepsBlank(name)
    local blank = params[name] and params[name].blank
    return blank == "keep" or blank == "omit"
  end

  function self.check(wanted)
    return select(2, prepare.call(client, modify, wanted, {}))
  end

  function self.acquire(wanted, region, longest, wait)
    local deadline = now() + longest
    for _, one in ipairs(limiters) do
      local call, err = prepare.call(client, modify, wanted, withRegion({ limiter = one }, region))
      local ok = call
      if call then
        ok, err = resolve.region(call)
      end
      if ok then
        ok, err = rateLimit.waitForSlot(call, math.max(0, deadline - now()), wait)
      end
      if not ok then
        return nil, err
      end
    end
    return true
  end

  function self.modify(wanted, region)
    return run(modify, wanted, withRegion({ maxAttempts = 1, readBack = false, hasSlot = true }, region))
  end

  function self.describeByIds(ids, region, attempts)
    return imageLookup.describeByIds(ids, self.describeBatch, function(wanted)
      return run(describe, wanted, withRegion({ limiterWaitIsExtra = true, maxAttempts = attempts }, region))
    end)
  end

  function self.each(wanted, region)
    return paginator.each(
      client,
      wanted,
      withRegion({ limiterWaitIsExtra = true }, region),
      function(_, name, page, options)
        local result, err = run(name, page, options)
        local stopped = self.stopped()
        return not stopped and result or nil, stopped or err
      end
    )
  end

  function self.stopped()
    local ok, wanted = true, nil
    if settings.stop then
      ok, wanted = callback.pcall(settings.stop)
    end
    return ok and wanted and errors.notSent("unsupported", "stopped; nothing was sent") or nil -- what it throws, the run reports
  end
  return self
end

return M
