--- limiter/failover.lua - an engine that is shared, and what gives out places while it fails.
--- What a process knows of its own places and of the queue it last saw is carried from one to the other and
--- back, so that neither begins anew beside the places that the other has given out.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local memory = require "qcimage.limiter.memory"
local text = require "qcimage.util.text"
local warning = require "qcimage.util.warning"

local M = {}

-- Seconds of a period. After a failure the engine is asked again in the next one. Periods are those of the
-- wall clock, so that all processes come back together: one alone would have the whole rate beside the shares
-- that the others have meanwhile.
local PERIOD = 5

-- Bytes that are shown of what went wrong: clients of Redis put their own place before its words.
local SHOWN = 400

local function period()
  return math.floor(core.time() / PERIOD)
end

local Failover = {}
Failover.__index = Failover

---@param engine table with take(request, state, least)
---@param clock fun(): integer monotonic microseconds
---@param options qcimage.LimiterOptions onFailure, processes
---@return table engine
function M.new(engine, clock, options)
  return setmetatable({
    engine = engine,
    clock = clock,
    own = memory.new(clock),
    other = options.onFailure,
    processes = options.processes,
    failed = nil, -- the period of the last failure, while the engine fails
  }, Failover)
end

-- The engine has failed. One line tells of it, however long that lasts.
function Failover:fail(problem)
  if not self.failed then
    warning.write(
      ("limiter: %s; until that passes, %s"):format(
        text.oneLine(problem, SHOWN),
        self.other and "onFailure is asked" or "this process keeps to its share of the rate"
      )
    )
  end
  self.failed = period()
end

-- How many processes share the rate, as far as is known.
function Failover:share()
  local workers = type(ngx) == "table" and ngx.worker and ngx.worker.count and ngx.worker.count()
  return self.processes or workers or 1
end

-- A place from the caller's own limiter.
function Failover:askOther(request)
  local other = self.other
  local ask = type(other) == "table" and other.acquire or function(_, ...)
    return other(...)
  end
  local wait, message = ask(other, request.action, request.region, request.longest / 1e6, request.apiVersion)
  if type(wait) ~= "number" then
    return nil, tostring(message or "onFailure gave no place")
  end
  self.own:hold(request.key, self.clock() + wait * 1e6)
  return wait * 1e6
end

-- A place of this process's share.
function Failover:takeShare(request, state)
  local processes = self:share()
  local interval = request.interval * processes
  if state.asked then
    -- Behind the places that the engine had given to all, if the queue is as long as when this process last
    -- asked; and in step with its own last place, which lies apart from those of the others.
    local since = math.min(self.clock() - state.asked, state.queue)
    self.own:hold(request.key, state.asked + state.queue + interval * math.max(1, math.ceil(since / interval)))
    state.asked = nil
  end
  return self.own:take {
    key = request.key,
    interval = interval,
    burst = math.max(1, math.floor(request.burst / processes)),
    longest = request.longest,
  }
end

--- Takes a place, unless the wait would be longer than request.longest.
---@param request table key, interval, burst, longest; action, region, apiVersion
---@return number|nil wait microseconds until the place. One above request.longest: no place was taken
---@return string|nil message where onFailure refused, or the engine cannot be asked
function Failover:take(request)
  local state = self.own:state(request.key)
  if self.failed ~= period() then
    if self.failed then -- this one finds out; the others do not wait for it
      self.failed = period()
    end
    local asked = self.clock()
    local wait, problem, isBarred = self.engine:take(request, state, math.max(0, state.free - asked))
    if wait then
      self.failed = nil
      state.asked, state.queue = asked, wait
      if wait <= request.longest then
        self.own:hold(request.key, asked + wait)
      end
      return wait
    end
    if isBarred then
      return nil, problem
    end
    self:fail(problem)
  end
  if self.other then
    return self:askOther(request)
  end
  return self:takeShare(request, state)
end

--- Gives out no place of a key before a moment, in this process.
---@param key string
---@param moment number
function Failover:hold(key, moment)
  self.own:hold(key, moment)
end

return M
