--- judge.lua - what becomes of a step, by what its image is like.
---   The image is in the original state: the step is sent.
---   It is in the desired state, in another one, or does not exist: nothing is sent. A list may lag, so this is believed
---   only of a request that began LAG after the run, after its last change of the image, and after the last attempt
---   whose outcome is unknown.
--- Pure. Part of qcimage, see LICENSE.

local planFormat = require "qcimage.apply.plan_format"
local text = require "qcimage.util.text"
local times = require "qcimage.apply.times"

local M = {}

--- What `M.judge` returns of a step that is to be taken again at `step.due`.
M.PUT_OFF = {}
local PUT_OFF = M.PUT_OFF

-- Describes an image that is neither in the original nor in the desired state.
local function describeConflict(step, image)
  local parts = {}
  for _, name in ipairs(planFormat.FIELDS) do
    local value, from, to = image[name], step.from[name], step.to[name]
    if to ~= nil and value ~= to and value ~= from then
      local known = from ~= nil and ('neither "%s" nor "%s"'):format(tostring(from), tostring(to))
        or ('not "%s"'):format(tostring(to))
      parts[#parts + 1] = ('%s is "%s", %s: modified concurrently'):format(name, tostring(value), known)
    end
  end
  if #parts > 0 then
    return text.oneLine(table.concat(parts, "; "), 500)
  elseif step.isVerifyOnly then
    return "modified concurrently: it was made before, and has been changed since"
  end
  return "modified concurrently: only some fields have their original values"
end

-- Whether an image has what a step sets, or what a later step of the image sets.
local function isReached(step, image)
  for i = step.sequence, #step.chain do
    local to = step.chain[i].to
    if next(to) ~= nil and planFormat.matches(image, to) then
      return true
    end
  end
  return false
end

--- Judges a step by its image.
---@param run qcimage.ApplyRun
---@param step qcimage.ApplyQueuedStep
---@param seen qcimage.ObservedImage
---@return qcimage.ApplyOutcome|table|nil outcome or PUT_OFF; nil: it is to be sent
function M.judge(run, step, seen)
  local image, sure, now = seen.image, run:surely(step), run.now()
  local outcome
  if image and next(step.to) == nil then
    return { status = "skipped", message = M.lostFields(step) }
  elseif not image then
    outcome = { status = "failed", message = "not found", reason = "notFound" }
  elseif isReached(step, image) then
    outcome = { status = "unchanged" }
  elseif not step.isVerifyOnly and planFormat.matches(image, step.from) then
    if not step.isSent and now < run:lastArrival(step) then -- an older request may still arrive, and set another value
      step.due = run:lastArrival(step)
      return PUT_OFF
    end
    return nil
  else
    outcome = { status = "conflict", message = describeConflict(step, image), reason = "conflict" }
  end
  if seen.at < sure and not run.options.dryRun then
    step.due = outcome.status == "unchanged" and sure or math.min(now + times.REPEAT, sure)
    return PUT_OFF
  end
  return outcome
end

--- Says which fields of a rollback's step cannot be restored.
---@param step table lost
---@return string
function M.lostFields(step)
  return ("%s cannot be restored"):format(table.concat(step.lost, ", "))
end

return M
