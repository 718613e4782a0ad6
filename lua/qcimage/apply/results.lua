--- results.lua - what came of a run, image by image, from what came of its steps; and the report of it.
--- Pure. Part of qcimage, see LICENSE.

local makeStep = require "qcimage.apply.make_step"

local M = {}

local STATUSES = { "ok", "unchanged", "failed", "unknown", "conflict", "skipped" }

---@class qcimage.ApplyResult what came of one change
---@field line integer|nil of the list; of a table, its number
---@field imageId string|nil
---@field region string|nil
---@field status "ok"|"unchanged"|"failed"|"unknown"|"conflict"|"skipped"
---@field message string|nil why
---@field reason string|nil one word, as of an error
---@field requestId string|nil
---@field from table|nil
---@field to table|nil

local Results = {}
Results.__index = Results

function M.new()
  return setmetatable({ byImage = {}, list = {}, temporary = {} }, Results)
end

--- Merges what came of a step into the result of its image.
---@param step qcimage.ApplyQueuedStep
---@param outcome qcimage.ApplyOutcome
---@return qcimage.ApplyResult
function Results:add(step, outcome)
  local result, temporary = self.byImage[step.key], self.temporary[step.key]
  if not result then
    result = { line = step.line, imageId = step.imageId, region = step.region, status = outcome.status }
    self.byImage[step.key], self.list[#self.list + 1] = result, result
    result.message, result.reason = outcome.message, outcome.reason
  elseif makeStep.isDone(result) then
    local isHalf = temporary and not makeStep.isDone(outcome)
    result.status = outcome.status == "unchanged" and result.status or outcome.status
    result.message, result.reason = outcome.message, outcome.reason
    if isHalf then
      result.message = ("%s; it has the temporary name %s"):format(outcome.message or outcome.status, temporary)
    end
  end
  result.requestId = outcome.requestId or result.requestId
  self.temporary[step.key] = step.isTemporary and step.to.imageName or temporary
  result.to = step.to
  for name, value in pairs(step.from) do
    result.from = result.from or {}
    if result.from[name] == nil then
      result.from[name] = value
    end
  end
  return result
end

--- The results of a list's faults, one for each entry.
---@param faults qcimage.ApplyFault[]
---@return qcimage.ApplyResult[]
function M.ofFaults(faults)
  local results, byEntry = {}, {}
  for _, fault in ipairs(faults) do
    local key = ("%s\0%s"):format(tostring(fault.line), tostring(fault.imageId))
    local result = fault.line and byEntry[key]
    if result then
      result.message = ("%s; %s"):format(result.message, fault.message)
    else
      result = {
        line = fault.line,
        imageId = fault.imageId,
        status = fault.reason == "conflict" and "conflict" or "failed",
        message = fault.message,
        reason = fault.reason,
      }
      byEntry[key], results[#results + 1] = result, result
    end
  end
  return results
end

local function inOrder(results)
  local order = {}
  for i, result in ipairs(results) do
    order[result] = i
  end
  table.sort(results, function(a, b)
    local lineA, lineB = a.line or 0, b.line or 0
    if lineA ~= lineB then
      return lineA < lineB
    end
    return order[a] < order[b]
  end)
end

--- Makes a report of results, sorted by line.
---@param results qcimage.ApplyResult[]
---@return qcimage.ApplyReport
function M.report(results)
  inOrder(results)
  local report = { results = results, total = #results }
  for _, status in ipairs(STATUSES) do
    report[status] = 0
  end
  for _, result in ipairs(results) do
    report[result.status] = report[result.status] + 1
  end
  return report
end

return M
