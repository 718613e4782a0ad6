--- confirm.lua - the end of a run: the list is watched until it shows what was changed, so that the next run does not plan
--- by what was before; and the journal gets the ends that had to wait.
--- Part of qcimage, see LICENSE.

local makeStep = require "qcimage.apply.make_step"
local planFormat = require "qcimage.apply.plan_format"
local times = require "qcimage.apply.times"

local M = {}

-- Whether the list may still show an image as it was before one of its steps.
local function isBehind(run, step)
  local seen = run.images.seen[step.key]
  if not seen then
    return true
  elseif not seen.image or not makeStep.isDone(run.results.byImage[step.key]) then
    return false
  end
  local last = step.chain[#step.chain]
  if planFormat.matches(seen.image, last.to) then
    return false
  end
  for _, one in ipairs(step.chain) do
    if planFormat.matches(seen.image, one.from) then
      return true
    end
  end
  return false -- another client changed it since
end

-- Waits for requests that may still arrive, and records the outcomes of their steps.
local function recordPostponed(run)
  local till = -math.huge
  for _, one in ipairs(run.postponed) do
    till = math.max(till, run:lastArrival(one.step))
  end
  if run:wait(till - run.now()) then
    for _, one in ipairs(run.postponed) do
      run:record("finish", one.step.number, one.outcome)
    end
    run.postponed = {}
  end
end

-- Steps whose images were changed so lately that the list may lag.
local function recent(run)
  local steps = {}
  for _, step in ipairs(run.queue.steps) do
    if step.sequence == 1 and (run.wrote[step.key] or -math.huge) + times.LAG > run.now() then
      steps[#steps + 1] = step
    end
  end
  return steps
end

--- Watches the list, at most LAG behind the last change. A run that was stopped does so, too; one that is stopped here ends.
---@param run qcimage.ApplyRun
---@return integer unconfirmed images whose change the list did not show, where it was stopped
function M.run(run)
  if run.options.dryRun then
    return 0
  end
  local stopped = run.stopped
  if stopped then -- the signal was heard; what it stopped is over
    run.stopped, run.options = nil, { onProgress = run.options.onProgress }
  end
  local open = recent(run)
  if open[1] or run.postponed[1] then
    run.phase = "confirming"
    run:report()
  end
  recordPostponed(run)
  while open[1] and not run:isStopped() do
    local rest = {}
    run.images:describeAll(open)
    for _, step in ipairs(open) do
      if isBehind(run, step) and run.wrote[step.key] + times.LAG > run.now() then
        rest[#rest + 1] = step
      end
    end
    open = rest
    if open[1] then
      run:wait(times.CONFIRM)
    end
  end
  run.stopped = stopped or run.stopped
  return #open
end

return M
