--- driver.lua - how the workers of a run go on beside each other.
--- Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local limits = require "qcimage.util.limits"
local signals = require "qcimage.util.signal"
local tasks = require "qcimage.util.tasks"

local M = {}

---@class qcimage.ApplyDriver
---@field count integer workers
---@field run fun(count: integer, work: fun(), abort: fun()) calls work so many times at once, and returns when all have
--- returned. abort: lets them come to their end, where an error of the host's ends the wait for them
---@field sleep fun(seconds: number): boolean|nil, string|nil
---@field park fun(seconds: number): boolean|nil, string|nil waits so long, or until another worker calls wake
---@field isAbandoned fun(): boolean|nil whether nobody waits for the workers any more: nginx killed who called `run`
---@field wake fun() ends the waits of all that are parked

local function nothing() end

-- One worker, in the caller's coroutine.
local function one(sleep)
  return {
    count = 1,
    run = function(_, work)
      work()
    end,
    sleep = sleep,
    park = sleep,
    wake = nothing,
    isAbandoned = nothing,
  }
end

-- Several workers, as tasks: coroutines, or light threads of nginx.
local function several(count, sleep)
  local signal = signals.new()
  local driver = { count = count, sleep = sleep }
  local parent

  function driver.isAbandoned()
    return parent ~= nil and coroutine.status(parent) == "dead"
  end

  function driver.run(workers, work, abort)
    local begun = 0
    parent = environments.isNginx and coroutine.running() or nil
    local loop = tasks.new(function()
      begun = begun + 1
      return begun <= workers and begun or nil
    end, work, workers)
    local problem
    local ok, thrown = pcall(function()
      local worker, _, err
      repeat
        worker, _, _, err = loop:step()
        problem = problem or err
      until worker == nil
    end)
    if not ok then
      abort()
    end
    loop:stop()
    if not ok or problem then
      error(ok and problem.thrown or thrown, 0)
    end
  end

  function driver.park(seconds)
    local _, why = signal:wait(seconds)
    if why == "alone" then -- no other worker that could wake it
      return sleep(seconds)
    end
    return true
  end

  function driver.wake()
    signal:notify()
  end
  return driver
end

--- Whether a limiter is one of ours.
---@param limiter qcimage.Limiter|function
---@return boolean
function M.isOurs(limiter)
  local meta = getmetatable(limiter)
  return type(meta) == "table" and meta.__name == "qcimage.Limiter"
end

--- Makes the driver of a client. The client's callbacks may yield to another scheduler, which knows only the caller's
--- coroutine: then one worker runs, in that coroutine. In nginx every wait lets other light threads run.
---@param client qcimage.Client
---@param limiter qcimage.Limiter|function
---@param concurrency integer|nil
---@param sleep fun(seconds: number): boolean|nil, string|nil
---@return qcimage.ApplyDriver
function M.of(client, limiter, concurrency, sleep)
  local options = client.options
  local hasOtherTime = options.sleep or options.clock
  local callsBack = hasOtherTime
    or options.transport
    or client.asksCallback
    or not M.isOurs(limiter)
    or limiter.callsBack
  if concurrency == 1 or hasOtherTime or callsBack and not environments.isNginx or not tasks.isParallel() then
    return one(sleep)
  end
  return several(concurrency or limits.concurrency, sleep)
end

return M
