--- limiter/failover.lua - a shared backend, and the fallback in memory that gives out slots while it fails.
--- What a process knows of its slots and of the queue it last saw is carried from one to the other and
--- back, so that neither starts afresh beside the slots that the other has given out.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local memory = require "qcimage.limiter.memory"
local text = require "qcimage.util.text"
local warning = require "qcimage.util.warning"

local M = {}

-- Seconds of a period. After a failure the backend is asked again in the next one. Periods are those of the
-- wall clock, so that all processes come back together: one alone would have the whole rate beside the shares
-- that the others have meanwhile.
local PERIOD = 5

-- Microseconds since the next free slot that are sent to a backend at most.
local LONG_PAST = 60e6

-- Bytes of an error that are shown: Redis clients put their source position before the server's message.
local SHOWN = 400

local function period()
  return math.floor(core.time() / PERIOD)
end

local Failover = {}
Failover.__index = Failover

---@param backend table with take(request, seen)
---@param clock fun(): integer monotonic microseconds
---@param options qcimage.LimiterOptions processes
---@return table backend
function M.new(backend, clock, options)
  return setmetatable({
    backend = backend,
    clock = clock,
    fallback = memory.new(clock),
    processes = options.processes,
    failed = nil, -- the period of the last failure, while the backend fails
  }, Failover)
end

-- Notes that the backend has failed. One warning is written, however long that lasts.
function Failover:fail(problem)
  if not self.failed then
    warning.write(
      ("limiter: %s; until that passes, this process keeps to its share of the rate"):format(
        text.oneLine(problem, SHOWN)
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

-- A slot of this process's share.
function Failover:takeShare(request, state)
  local processes = self:share()
  local interval = request.interval * processes
  if state.asked then
    -- Behind the slots that the backend had given to all, if the queue is as long as when this process last
    -- asked; and in step with its last slot, which lies apart from those of the others.
    local since = math.min(self.clock() - state.asked, state.queue)
    self.fallback:hold(request.key, state.asked + state.queue + interval * math.max(1, math.ceil(since / interval)))
    state.asked = nil
  end
  local wait = self.fallback:take {
    key = request.key,
    interval = interval,
    burst = math.max(1, math.floor(request.burst / processes)),
    longest = request.longest,
  }
  state.shareEnd = state.free
  return wait
end

--- Takes a slot, unless the wait would be longer than request.longest.
---@param request table key, interval, burst, longest
---@return number|nil wait microseconds until the slot. One above request.longest: no slot was taken
---@return string|nil message where the backend cannot be asked
function Failover:take(request)
  local state = self.fallback:state(request.key)
  if self.failed ~= period() then
    if self.failed then -- this one finds out; the others do not wait for it
      self.failed = period()
    end
    local asked = self.clock()
    local wait, problem, isBarred = self.backend:take(request, {
      floor = math.max(0, (state.shareEnd or asked) - asked), -- behind the slots of its share
      frontier = math.max(-LONG_PAST, (state.frontier or -math.huge) - asked),
      queue = (state.queue or 0) + 2 * request.interval,
      state = state,
    })
    if wait then
      self.failed = nil
      local isTaken = wait <= request.longest
      state.asked, state.queue = asked, wait
      state.frontier = asked + wait + (isTaken and request.interval or 0)
      if wait == 0 then -- part of a burst, whose rest is unknown
        state.frontier = state.frontier - (request.burst - 1) * request.interval
      end
      if isTaken then
        self.fallback:hold(request.key, asked + wait)
      end
      return wait
    end
    if isBarred then
      return nil, problem
    end
    self:fail(problem)
  end
  return self:takeShare(request, state)
end

return M
