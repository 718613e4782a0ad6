--- limiter.lua - limiters: each holds all who share it within the rate that the service allows an account.
--- A client asks its limiter before each attempt. Public; the backends behind it, in limiter/, are not.
--- Part of qcimage, see LICENSE.
---
---     local limiter = require "qcimage.limiter"
---     limiter.memory {}                              -- one process
---     limiter.shared { dict = "qcimage" }            -- all workers of an nginx
---     limiter.redis { eval = …, key = "account-1" }  -- all machines
---
--- Slots are given out by GCRA (the generic cell rate algorithm): one every 1/rate seconds, and up to `burst`
--- at once after a rest. All sums are in whole microseconds, which a Lua number holds exactly.

local core = require "qcimage.core"
local failover = require "qcimage.limiter.failover"
local limits = require "qcimage.util.limits"
local memory = require "qcimage.limiter.memory"
local misuse = require "qcimage.util.misuse"
local optionsOf = require "qcimage.options"
local types = require "qcimage.option_types"
local redis = require "qcimage.limiter.redis"
local sharedDict = require "qcimage.limiter.shared_dict"

local M = {}

-- Calls a second of one action that the service documents. API 3.0: on each action's page, such as that of
-- ModifyImageAttribute, for an account and region. API 2.0: 100 a minute, for an account.
local DOCUMENTED = { ["2.0"] = 100 / 60, ["3.0"] = 10 }

-- The part of it that is used. Ten intervals are then 31 ms longer than a second: so much may the ways of two calls
-- differ before any second, wherever it begins, has eleven.
local USED = 0.97

---@class qcimage.Limiter
local Limiter = {}
Limiter.__index = Limiter
Limiter.__name = "qcimage.Limiter"

function Limiter:__tostring()
  return ("qcimage.Limiter (%s)"):format(self.name)
end

local function microseconds(seconds)
  return math.floor(math.max(0, math.min(seconds, limits.limiterWait)) * 1e6)
end

-- What shares a rate. Nothing says that API 2.0 counts by region.
local function keyOf(action, region, apiVersion)
  return ("%s:%s:%s"):format(apiVersion, action, apiVersion ~= "2.0" and region or "")
end

-- Microseconds of a pause that are left.
function Limiter:pauseLeft(key)
  local left = (self.pauses[key] or -math.huge) - self.clock()
  if left <= 0 then
    self.pauses[key] = nil
    return 0
  end
  return left
end

--- Returns the time between two slots.
---@param apiVersion string
---@return number seconds
function Limiter:interval(apiVersion)
  local rate = self.rate or (DOCUMENTED[apiVersion] or DOCUMENTED["3.0"]) * USED
  return math.ceil(1e6 / rate) / 1e6
end

--- Asks for a slot. Reaches for Redis where that is the backend, so in nginx it may yield.
---@param action string
---@param region string|nil
---@param secondsLeft number|nil the longest wait that is of use, at most 60, which is the default
---@param apiVersion string|nil "3.0" by default
---@return number|nil seconds to wait before the call. Nil: refused, and no slot was taken
---@return string|nil message with nil; "again" with seconds: this process was throttled and took no slot: wait, and ask again
function Limiter:acquire(action, region, secondsLeft, apiVersion)
  apiVersion = apiVersion or "3.0"
  local request = {
    key = keyOf(action, region, apiVersion),
    interval = math.floor(self:interval(apiVersion) * 1e6 + 0.5),
    burst = self.burst,
    longest = microseconds(secondsLeft or limits.limiterWait),
  }
  -- a slot behind a pause would keep the slots before it from others, and all that waited would go at once
  local wait, message = self:pauseLeft(request.key), "again"
  if wait == 0 then
    wait, message = self.backend:take(request)
  end
  if not wait then
    return nil, message
  elseif wait > request.longest then
    local text = "no slot within %.3g s (next slot in %.3g s)"
    return nil, text:format(request.longest / 1e6, wait / 1e6)
  end
  return wait / 1e6, message
end

--- Hears that the service refused a call as one too many. This process takes no slot for a while.
---@param action string
---@param region string|nil
---@param retryAfter number|nil seconds that the service asked for, 1 by default
---@param apiVersion string|nil "3.0" by default
function Limiter:throttled(action, region, retryAfter, apiVersion)
  local key = keyOf(action, region, apiVersion or "3.0")
  self.pauses[key] = math.max(self.pauses[key] or -math.huge, self.clock() + microseconds(retryAfter or 1))
end

local function name(value)
  return type(value) == "string" and value:find "^[%w%p ]+$" ~= nil and #value <= 200,
    "must be 1 to 200 printable characters"
end

local COMMON = {
  rate = types.numberFrom(0.001, 100000),
  burst = types.count(1000000),
  clock = types.func, -- monotonic seconds, in tests
}

local OF_SHARED = { dict = name, key = name, processes = types.count(100000) }
local OF_REDIS = { eval = types.func, key = name, processes = types.count(100000) }

for option, check in pairs(COMMON) do
  OF_SHARED[option], OF_REDIS[option] = check, check
end

local function new(backend, clock, title, options)
  return setmetatable({
    backend = backend,
    clock = clock,
    name = title,
    callsBack = options.eval ~= nil, -- a function of the caller's
    pauses = {}, -- until when, by key
    rate = options.rate,
    burst = options.burst or 1,
  }, Limiter)
end

local function clockOf(options)
  local clock = options.clock or core.monotonic
  return function()
    return math.floor(clock() * 1e6)
  end
end

---@class qcimage.LimiterOptions
---@field rate number|nil calls a second of one action, by default 0.97 of what the service documents: 9.7, and 97
--- a minute for API 2.0
---@field burst integer|nil calls that may go at once after a rest, 1 by default. So much more than the rate can
--- go in a second
---@field dict string shared: name of a lua_shared_dict, best a separate one
---@field eval function redis: eval(script, 1, key, …) sends EVAL with these and gives the reply, or nil and a
--- message
---@field key string|nil shared and redis: a name for the account, "qcimage" by default
---@field processes integer|nil shared and redis: how many processes share the rate, by default the workers of this
--- nginx, or 1

--- Makes a limiter for one process.
---@param options qcimage.LimiterOptions|nil rate, burst
---@return qcimage.Limiter
function M.memory(options)
  options = optionsOf.check(COMMON, options)
  local clock = clockOf(options)
  return new(memory.new(clock), clock, "memory", options)
end

--- Makes a limiter for all workers of an nginx.
---@param options qcimage.LimiterOptions
---@return qcimage.Limiter
function M.shared(options)
  options = optionsOf.check(OF_SHARED, options)
  if not options.dict then
    misuse.raise "option dict must name a lua_shared_dict"
  end
  local dict = type(ngx) == "table" and ngx.shared and ngx.shared[options.dict]
  if not dict then
    misuse.raise(
      ("nginx has no dictionary %s: add lua_shared_dict %s 1m; to its http block"):format(options.dict, options.dict)
    )
  end
  local clock = clockOf(options)
  local backend = sharedDict.new(dict, options.dict, options.key or "qcimage", clock)
  return new(failover.new(backend, clock, options), clock, "shared " .. options.dict, options)
end

--- Makes a limiter for all processes that reach a Redis.
---@param options qcimage.LimiterOptions
---@return qcimage.Limiter
function M.redis(options)
  options = optionsOf.check(OF_REDIS, options)
  if not options.eval then
    misuse.raise "option eval must be a function that sends EVAL to Redis"
  end
  local clock = clockOf(options)
  local backend = redis.new(options.eval, options.key or "qcimage")
  return new(failover.new(backend, clock, options), clock, "redis", options)
end

return M
