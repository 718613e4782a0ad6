--- journal_states.lua - what the records of a journal say of each step: made, or perhaps made. And the steps by which a run
--- resumes, or rolls back what was made.
--- Pure. Part of qcimage, see LICENSE.

local tables = require "qcimage.util.tables"

local M = {}

local States = {}
States.__index = States

--- Makes the states of a journal without records.
function M.new()
  return setmetatable({
    states = {}, -- by number: "made"; "open": begun, outcome unknown; nil: not made, or rolled back
    open = {}, -- begins without an end, by number
    isUndone = false,
  }, States)
end

-- A record of a step that is made.
function States:addForward(number, record)
  if record.begin then
    self.open[number] = (self.open[number] or 0) + 1
    self.states[number] = self.states[number] or "open"
  elseif record.status == "ok" then
    self.states[number], self.open[number] = "made", 0
  elseif record.status ~= "unknown" then -- not made, if no earlier attempt is open
    self.open[number] = math.max((self.open[number] or 0) - 1, 0)
    if self.states[number] == "open" and self.open[number] == 0 then
      self.states[number] = nil
    end
  end
end

-- A record of a step that is rolled back.
function States:addBackward(number, record)
  if record.begin then
    self.states[number] = self.states[number] and "open"
  elseif record.status == "ok" then
    self.states[number] = nil
  end
end

--- Adds a record.
---@param record {begin: integer|nil, end: integer|nil, status: string|nil, undo: boolean|nil}
function States:add(record)
  local number = record.begin or record["end"]
  if record.undo then
    self.isUndone = true
  elseif number and self.isUndone then
    self:addBackward(number, record)
  elseif number then
    self:addForward(number, record)
  end
end

--- The steps of a run that goes on: those that are made are only verified.
---@param plan qcimage.ApplyPlan
---@return qcimage.ApplyStep[]
function States:resumeSteps(plan)
  local steps = {}
  for number, step in ipairs(plan.steps) do
    local state = self.states[number]
    steps[number] = setmetatable(
      { isVerifyOnly = state == "made" or nil, isOpen = state == "open" or nil },
      { __index = step }
    )
  end
  return steps
end

--- The steps that roll back those that were made, or perhaps made, the last first.
---@param plan qcimage.ApplyPlan
---@return qcimage.ApplyStep[]
function States:rollbackSteps(plan)
  local steps = {}
  for number = #plan.steps, 1, -1 do
    local step, state = plan.steps[number], self.states[number]
    if state then
      local to, lost = tables.copy(step.from), {}
      for _, name in ipairs(step.cannotUndo or {}) do
        to[name], lost[#lost + 1] = nil, name
      end
      steps[#steps + 1] = {
        number = number,
        line = step.line,
        imageId = step.imageId,
        region = step.region,
        from = step.to,
        to = to,
        lost = lost[1] and lost,
        isOpen = state == "open" or nil,
      }
    end
  end
  return steps
end

return M
