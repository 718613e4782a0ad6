--- shared_dict.lua - slots given by all workers of an nginx, in a shared dictionary, without a lock.
--- Time is cut into cells as long as the interval between two slots, so that no two slots lie in one. A worker
--- takes a cell by adding its key, which only one can do; the value is the moment of the slot, from which the
--- slot in the next cell follows. Nothing is ever read, changed and written back.
--- Part of qcimage, see LICENSE.

local text = require "qcimage.util.text"

local M = {}

-- Microseconds that a cell's key outlives its use. nginx ends keys by the wall clock, which may be moved; and
-- a key that is gone early shows that others fill the dictionary.
local SPARE = 5e6

local Shared = {}
Shared.__index = Shared

---@param dict table one of ngx.shared
---@param name string its name
---@param key string what our keys begin with
---@param clock fun(): integer monotonic microseconds, the same for all workers
---@return table backend
function M.new(dict, name, key, clock)
  return setmetatable({ dict = dict, name = name, key = key, clock = clock }, Shared)
end

function Shared:failure(problem)
  return nil, ("nginx's dictionary %s: %s"):format(self.name, problem)
end

local function keyOf(prefix, cell)
  return ("%s%.0f"):format(prefix, cell)
end

-- Moment of the slot in a cell, or nil and what is wrong.
local function slotIn(dict, prefix, cell, interval, from)
  local before, problem = dict:get(keyOf(prefix, cell - 1))
  if before == nil and not problem then
    return math.max(from, cell * interval)
  elseif type(before) ~= "number" or math.floor(before / interval) ~= cell - 1 then
    return nil, "something else is in it at the key " .. text.oneLine(keyOf(prefix, cell - 1))
  end
  return math.max(from, before + interval)
end

--- Takes a slot, unless the wait would be longer than request.longest.
---@param request table key, interval, burst, longest
---@param seen {floor: number, state: table} microseconds before which this worker may have no slot; what it knows of the
--- key: lastKey, lastEnd and nextCell are ours
---@return number|nil wait microseconds until the slot. One above request.longest: no slot was taken
---@return string|nil problem
function Shared:take(request, seen)
  local dict, interval, now, state = self.dict, request.interval, self.clock(), seen.state
  if state.lastKey and now < state.lastEnd and dict:get(state.lastKey) == nil then
    state.lastKey = nil
    return self:failure "keys vanish; give the limiter a separate dictionary, and a larger one"
  end

  local prefix = ("%s:%s:%.0f:"):format(self.key, request.key, interval)
  local ahead = (request.burst - 1) * interval
  local from = seen.floor > 0 and now + seen.floor or now - ahead
  local cell = math.max(math.floor(from / interval), state.nextCell or 0) -- those before are taken
  while true do
    local slot, problem = slotIn(dict, prefix, cell, interval, from)
    if not slot then
      return self:failure(problem)
    end
    local wait = math.max(0, slot - now)
    if wait > request.longest then
      return wait
    end
    local key, ends = keyOf(prefix, cell), slot + 2 * interval + ahead
    local ok, refusal = dict:safe_add(key, slot, (ends + SPARE - now) / 1e6)
    -- A worker that had to stop since it read the clock may come too late: then its cell stays unused.
    local isOvertaken = ok and wait == 0 and dict:get(keyOf(prefix, cell + 1)) ~= nil
    if ok and not isOvertaken then
      state.lastKey, state.lastEnd = key, ends + SPARE / 2
      state.nextCell = seen.floor == 0 and cell + 1 or state.nextCell -- else there may be free ones before it
      return wait
    elseif not ok and refusal ~= "exists" then
      return self:failure(tostring(refusal))
    end
    cell = cell + 1
  end
end

return M
