--- limiter/memory.lua - slots given out by one process.
--- Pure but for the clock that it is given. Part of qcimage, see LICENSE.

local M = {}

-- Keys that are kept before those at rest are looked for and dropped.
local KEPT = 1000

-- Microseconds without a call after which a key is at rest.
local REST = 60e6

local Memory = {}
Memory.__index = Memory

---@param clock fun(): integer monotonic microseconds
---@return table backend
function M.new(clock)
  return setmetatable({ clock = clock, states = {}, count = 0, most = KEPT }, Memory)
end

---@class qcimage.limiter.State what a process knows of a key
---@field free number the moment from which on the next slot is free
---@field rest number the moment from which on the state says nothing

--- State of a key.
---@param key string
---@return qcimage.limiter.State
function Memory:state(key)
  local state = self.states[key]
  if not state then
    if self.count >= self.most then
      self:sweep()
    end
    state = { free = -math.huge, rest = self.clock() + REST }
    self.states[key], self.count = state, self.count + 1
  end
  return state
end

-- Drops the keys at rest. The most is twice what is left, so that a sweep is paid for by as many new keys.
function Memory:sweep()
  local now, count = self.clock(), 0
  for key, state in pairs(self.states) do
    if state.rest < now then
      self.states[key] = nil
    else
      count = count + 1
    end
  end
  self.count, self.most = count, math.max(KEPT, 2 * count)
end

--- Takes a slot, unless the wait would be longer than request.longest.
---@param request table key, interval, burst, longest
---@return number wait microseconds until the slot. One above request.longest: no slot was taken
function Memory:take(request)
  local state, now = self:state(request.key), self.clock()
  local ahead = (request.burst - 1) * request.interval
  local slot = math.max(state.free, now - ahead)
  local wait = math.max(0, slot - now)
  if wait <= request.longest then
    state.free = slot + request.interval
    state.rest = state.free + ahead + REST
  end
  return wait
end

--- Gives out no slot before a moment.
---@param key string
---@param moment number
function Memory:hold(key, moment)
  local state = self:state(key)
  state.free = math.max(state.free, moment)
  state.rest = math.max(state.rest, moment + REST)
end

return M
