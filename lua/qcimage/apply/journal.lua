--- journal.lua - what a run intends and what came of it, on disk before each step leaves. A plan, and behind it records:
---     {"begin":3}                     step 3 leaves now
---     {"end":3,"status":"ok"}         what came of it
---     {"undo":true}                   the steps behind are undone, from the last to the first
---     {"torn":12}                     line 12 was cut when a run was killed
--- Only ever appended to. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local json = require "qcimage.util.json"
local journalStates = require "qcimage.apply.journal_states"
local optionNames = require "qcimage.util.option_names"
local planFormat = require "qcimage.apply.plan_format"
local text = require "qcimage.util.text"

local M = {}

---@class qcimage.ApplyJournal
---@field path string
---@field plan qcimage.ApplyPlan|nil of one that was opened
---@field states table what its records say of the steps: journal_states.lua
local Journal = {}
Journal.__index = Journal

local function cannot(path, problem)
  return nil, ("journal %s: %s"):format(path, problem)
end

--- Makes the journal of a plan.
---@param path string nothing may be there
---@param plan qcimage.ApplyPlan
---@return qcimage.ApplyJournal|nil
---@return string|nil message
function M.create(path, plan)
  local file, problem, reason = core.journal(path, true)
  if not file then
    return cannot(
      path,
      reason == "exists"
          and ("already exists; %s continues it, %s rolls it back"):format(
            optionNames.shown "resume",
            optionNames.shown "undo"
          )
        or problem
    )
  end
  local self = setmetatable({ file = file, path = path, states = journalStates.new() }, Journal)
  local ok, message = self:append(planFormat.write(plan, "journal"))
  if ok then
    ok, message = self:sync()
  end
  if not ok then
    os.remove(path)
    self:close()
    return nil, message
  end
  return self
end

-- A record, or nil.
local function recordOf(line)
  local record = json.decode(line)
  if type(record) ~= "table" then
    return nil
  end
  local number = record.begin or record["end"] or record.torn
  return (type(number) == "number" or record.undo == true) and record or nil
end

-- Reads the records behind a plan. Returns nil and what is wrong.
local function readRecords(self, contents, at, line)
  local previous
  while at <= #contents do
    local last = contents:find("\n", at, true)
    local record = recordOf(contents:sub(at, (last or #contents + 1) - 1))
    if previous and not (record and record.torn == previous) then
      return nil, ("line %d is not a journal record"):format(previous)
    elseif not record then
      previous = line
    else
      previous = nil
      self.states:add(record)
    end
    self.endsWithin = not last
    at, line = (last or #contents) + 1, line + 1
  end
  self.torn = previous
  return true
end

local function contentOf(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local contents = file:read "*a"
  file:close()
  return contents
end

--- Opens a journal to go on with it. It is locked first: another run that has it keeps it.
---@param path string
---@return qcimage.ApplyJournal|nil
---@return string|nil message
function M.open(path)
  local file, problem, reason = core.journal(path, false)
  if reason == "locked" then
    collectgarbage() -- a run of this process may have been ended while it waited, as nginx ends a request's
    file, problem, reason = core.journal(path, false)
  end
  if not file then
    return cannot(path, reason == "locked" and "another run is using it" or problem)
  end
  local self = setmetatable({ file = file, path = path, states = journalStates.new() }, Journal)
  local contents, behind
  contents, problem = contentOf(path)
  if contents == "" then
    problem = "is empty: nothing was sent"
  elseif contents and planFormat.kindOf(contents) ~= "journal" then
    problem = planFormat.kindOf(contents) and "is a plan, not a journal" or "is not a journal"
  elseif contents then
    self.plan, problem, behind = planFormat.read(contents)
    if not self.plan and not behind then -- it is on disk before the first step leaves
      problem = problem .. ": nothing was sent"
    elseif self.plan then
      local ok, what = readRecords(self, contents, behind, text.lineOf(contents, behind))
      problem = not ok and what or nil
    end
  end
  if problem then
    self:close()
    return cannot(path, problem)
  end
  return self
end

--- Whether its run was rolled back, or that was begun.
---@return boolean
function Journal:isUndone()
  return self.states.isUndone
end

--- Continues behind the existing records: on a new line, with a record of a torn one.
---@param isUndo boolean
---@return boolean|nil ok
---@return string|nil message
function Journal:continue(isUndo)
  local lines = (self.endsWithin and "\n" or "") .. (self.torn and ('{"torn":%d}\n'):format(self.torn) or "")
  if isUndo and not self:isUndone() then
    lines = lines .. '{"undo":true}\n'
  end
  return self:append(lines)
end

--- Adds whole lines.
---@param lines string
---@return boolean|nil ok
---@return string|nil message
function Journal:append(lines)
  local ok, problem = self.file:append(lines)
  if not ok then
    return cannot(self.path, problem)
  end
  return true
end

--- Waits until all is on disk.
---@return boolean|nil ok
---@return string|nil message
function Journal:sync()
  local ok, problem = self.file:sync()
  if not ok then
    return cannot(self.path, problem)
  end
  return true
end

--- Records that a step is about to be sent; it can be sent when this returned true.
---@param number integer
---@return boolean|nil ok
---@return string|nil message
function Journal:begin(number)
  local ok, message = self:append(('{"begin":%d}\n'):format(number))
  if not ok then
    return nil, message
  end
  return self:sync()
end

--- Records the outcome of a step.
---@param number integer
---@param result {status: string, requestId: string|nil}
---@return boolean|nil ok
---@return string|nil message
function Journal:finish(number, result)
  local id = result.requestId and (',"requestId":%s'):format(json.encode(result.requestId)) or ""
  return self:append(('{"end":%d,"status":"%s"%s}\n'):format(number, result.status, id))
end

function Journal:close()
  self.file:close()
end

return M
