--- queue.lua - the steps of a run as a graph, and the order in which workers take them: what was just released first, so
--- that a swap that is half done is finished before another begins; then what was put off and is due; then the list.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- Seconds before a step is due in which a batch takes its image along.
local SOON = 0.2

---@class qcimage.ApplyQueuedStep : qcimage.ApplyStep
---@field number integer of the plan
---@field key string of its image: region key and id
---@field regionKey string
---@field chain qcimage.ApplyQueuedStep[] the steps of its image, in order
---@field sequence integer its index in the chain
---@field blocker qcimage.ApplyQueuedStep|nil the step that frees the name which this one sets
---@field waits integer steps that must end before it is taken
---@field nexts qcimage.ApplyQueuedStep[] those that wait for it
---@field isVerifyOnly boolean|nil never sent: its change was made before, or is not needed
---@field isOpen boolean|nil an earlier run may have sent it and did not hear what came of it
---@field lost string[]|nil of a rollback: fields that cannot be restored
---@field due number|nil when it is looked at again
---@field outcome qcimage.ApplyOutcome|nil what came of it

---@class qcimage.ApplyQueue
---@field steps qcimage.ApplyQueuedStep[]
---@field images integer how many
---@field left integer steps that have not ended
local Queue = {}
Queue.__index = Queue

local function keyOf(regionKey, imageId)
  return regionKey .. "\0" .. imageId
end

local function newStep(step, index, regionKey)
  return {
    number = step.number or index,
    line = step.line,
    imageId = step.imageId,
    region = step.region,
    from = step.from,
    to = step.to,
    isTemporary = step.isTemporary,
    lost = step.lost,
    isVerifyOnly = step.isVerifyOnly,
    isOpen = step.isOpen,
    regionKey = regionKey,
    key = keyOf(regionKey, step.imageId),
    waits = 0,
    nexts = {},
  }
end

local function waitFor(step, other)
  if other then
    step.waits = step.waits + 1
    other.nexts[#other.nexts + 1] = step
  end
end

--- Makes the queue of some steps. A step waits for the one before it of its image, and for the one that frees its name.
---@param steps qcimage.ApplyStep[] in the order of the plan
---@param regionKeyOf fun(region: string|nil): string
---@return qcimage.ApplyQueue
function M.new(steps, regionKeyOf)
  local list, chains, freed, images = {}, {}, {}, 0
  for i, given in ipairs(steps) do
    local step = newStep(given, i, regionKeyOf(given.region))
    local chain = chains[step.key]
    if not chain then
      chain, images = {}, images + 1
      chains[step.key] = chain
    end
    step.chain, step.sequence = chain, #chain + 1
    waitFor(step, chain[#chain])
    local name, oldName = step.to.imageName, step.from.imageName
    step.blocker = name and freed[keyOf(step.regionKey, name)]
    waitFor(step, step.blocker)
    if oldName and name then
      freed[keyOf(step.regionKey, oldName)] = step
    end
    chain[step.sequence], list[i] = step, step
  end
  return setmetatable({
    steps = list,
    images = images,
    left = #list,
    first = 1, -- of the list: those before it are taken
    released = {}, -- a stack
    later = {}, -- put off; the last is due first
  }, Queue)
end

-- The first step of the list that waits for none and is not taken; it stays there.
function Queue:firstOfList()
  local step = self.steps[self.first]
  while step and (step.isTaken or step.waits > 0) do -- what waits comes by `release`
    self.first = self.first + 1
    step = self.steps[self.first]
  end
  return step
end

--- Takes the next step.
---@param now number
---@return qcimage.ApplyQueuedStep|nil
---@return number|nil wait seconds until one may be there. Nil: none is left
function Queue:take(now)
  local step = table.remove(self.released)
  if step then
    return step
  end
  local put = self.later[#self.later]
  if put and put.due <= now then
    return table.remove(self.later)
  end
  step = self:firstOfList()
  if step then
    step.isTaken = true
    return step
  elseif self.left == 0 then
    return nil
  end
  return nil, put and put.due - now or math.huge
end

--- Puts a step off until `step.due`.
---@param step qcimage.ApplyQueuedStep
function Queue:putOff(step)
  local later, low, high = self.later, 1, #self.later + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if later[middle].due > step.due then
      low = middle + 1
    else
      high = middle
    end
  end
  table.insert(later, low, step)
end

--- Notes that a step has ended, which releases others.
---@param step qcimage.ApplyQueuedStep
---@param outcome qcimage.ApplyOutcome
function Queue:finish(step, outcome)
  step.outcome = outcome
  self.left = self.left - 1
  for _, one in ipairs(step.nexts) do
    one.waits = one.waits - 1
    if one.waits == 0 then
      one.isTaken = true
      self.released[#self.released + 1] = one
    end
  end
end

--- The steps that will be taken next.
---@param count integer at most
---@param now number
---@return qcimage.ApplyQueuedStep[]
function Queue:upcoming(count, now)
  local steps = {}
  for i = #self.released, math.max(1, #self.released - count + 1), -1 do
    steps[#steps + 1] = self.released[i]
  end
  local at = #self.later
  while at > 0 and #steps < count and self.later[at].due <= now + SOON do
    steps[#steps + 1], at = self.later[at], at - 1
  end
  local one
  at, one = self.first, self.steps[self.first]
  while one and #steps < count and at < self.first + 2 * count do
    steps[#steps + 1] = not one.isTaken and one or nil
    at = at + 1
    one = self.steps[at]
  end
  return steps
end

return M
