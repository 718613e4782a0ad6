--- make_step.lua - makes one step. Its image is described, a slot of the rate is taken, the journal says that it begins, and
--- it is sent once; each further attempt goes the same way.
--- Reaches the service by the adapter of its run. Part of qcimage, see LICENSE.

local backoff = require "qcimage.util.backoff"
local judge = require "qcimage.apply.judge"
local outages = require "qcimage.apply.outage"
local planFormat = require "qcimage.apply.plan_format"
local tables = require "qcimage.util.tables"
local times = require "qcimage.apply.times"

local M = {}

-- Steps that wait for a slot of the rate at once, at most and for how many seconds of it. More would find what they know of
-- their image too old when it comes, and describe it by itself.
local QUEUE, QUEUE_SECONDS = 6, 0.65

-- Attempts after a corrected clock or with new credentials, which follow at once.
local MAX_CORRECTIONS = 2

---@class qcimage.ApplyOutcome what came of a step
---@field status "ok"|"unchanged"|"failed"|"unknown"|"conflict"|"skipped"
---@field message string|nil
---@field reason string|nil
---@field requestId string|nil

--- Whether a step or an image is as it was wanted.
---@param outcome {status: string}
---@return boolean
function M.isDone(outcome)
  return outcome.status == "ok" or outcome.status == "unchanged"
end

-- The outcome of a step that an error ended.
local function outcomeOf(status, err)
  return { status = status, message = err.message, reason = err.reason or err.kind }
end

local Making = {}
Making.__index = Making

-- Why a step is skipped by what came of others, or nil.
function Making:obstacle()
  local step = self.step
  local before = step.chain[step.sequence - 1]
  if before and not M.isDone(before.outcome) then
    return { status = "skipped" }
  end
  local blocker = step.blocker
  if not blocker or M.isDone(blocker.outcome) then
    return nil
  end
  local latest = self.run.images.latest[blocker.key]
  if not latest then
    return { status = "skipped", message = ("needs the name of %s, which was not changed"):format(blocker.imageId) }
  elseif latest.image and latest.image.imageName == step.to.imageName then
    return { status = "skipped", message = ("needs the name that %s still has"):format(blocker.imageId) }
  end
end

-- The image as it is now: before a slot is asked for, in a batch; with one, alone, if what is known is too old. Returns nil
-- and an error where it cannot be described for a minute.
function Making:observe()
  local run, step, tries = self.run, self.step, 0
  while true do
    local since = run.images:since(step, self.hasSlot and times.AGE or times.FRESH)
    since = math.max(since, math.min(step.due or since, run.now()))
    local seen, err = run.images.seen[step.key], nil
    if not (seen and seen.at >= since) then
      if self.hasSlot then
        seen, err = run.images:alone(step)
      else
        seen, err = run.images:await(step, since)
      end
    end
    if seen then
      return seen
    end
    run:holdBy(err)
    tries = tries + 1
    local wait = backoff.seconds(tries, times.FIRST_WAIT, times.LONGEST_WAIT)
    if not outages.isTransient(err) or run.now() + wait > self.deadline or not run:wait(wait) then
      return nil, err
    end
  end
end

-- Ends the step: the journal gets what came of it, if it says that it began. A step that an earlier run left open, and whose
-- image is in the desired state, counts as made: to roll the run back restores it. In another state it stays open, since
-- whether it was made is not known.
function Making:conclude(outcome)
  local run, step = self.run, self.step
  run.outage:release(step)
  if step.isOpen and outcome.status == "unchanged" then
    run:recordEnd(step, { status = "ok" })
  elseif self.hasBegun then
    run:recordEnd(step, outcome)
  end
  return outcome
end

function Making:succeed(requestId)
  local run, step = self.run, self.step
  run.wrote[step.key] = run.now()
  run.sent = run.sent + 1
  run.outage:succeeded()
  if run.held ~= "rate" then
    run:hold(nil)
  end
  return self:conclude { status = "ok", requestId = requestId, message = step.lost and judge.lostFields(step) or nil }
end

-- Ends a step that had an attempt of unknown outcome, by its image: after such an attempt it ends as ok or unknown, and
-- never as failed.
function Making:resolve(err)
  local run, step = self.run, self.step
  if not run:isStopped() then
    run:wait(run:surely(step) - run.now())
  end
  self.hasSlot, step.due = false, run.now()
  local seen = self:observe()
  if seen and seen.image and planFormat.matches(seen.image, step.to) then
    return self:succeed()
  end
  run:handleFailure(err)
  return self:conclude(outcomeOf("unknown", err))
end

-- Ends a step that is not tried again.
function Making:fail(err)
  if self.isInDoubt then
    return self:resolve(self.lastErr)
  end
  self.run:handleFailure(err)
  if not self.hasBegun then
    self.run.outage:release(self.step)
    return nil
  end
  local isSkipped = err.outcome == "notSent" and (err.kind == "credentials" or err.kind == "unsupported")
  return self:conclude(outcomeOf(isSkipped and "skipped" or "failed", err))
end

-- Ends a step since the run is stopped: what did not begin is left.
function Making:stop()
  if self.isInDoubt then
    return self:resolve(self.lastErr)
  elseif self.hasBegun and self.step.isSent then
    return self:conclude(outcomeOf("failed", self.lastErr))
  elseif self.hasBegun then
    return self:conclude { status = "skipped", message = "not sent", isLeft = true }
  end
  self.run.outage:release(self.step)
  return nil
end

-- Ends a step whose image cannot be described.
function Making:endUnseen(err)
  if self.isInDoubt then
    return self:conclude(outcomeOf("unknown", self.lastErr))
  elseif self.hasBegun then
    return self:conclude(outcomeOf("failed", err))
  end
  self.run:stopUnreachable(err)
  self.run.outage:release(self.step)
  return nil
end

-- Until when a failed attempt is worth another one.
function Making:retryUntil(err)
  if err.reason == "nameTaken" then
    if not self.step.blocker then
      return 0
    end
    self.nameDeadline = self.nameDeadline or math.min(self.deadline, self.run.now() + times.NAME_RETRY)
    return self.nameDeadline
  elseif outages.isTransient(err) or err.outcome == "unknown" then
    return self.deadline
  end
  return 0
end

-- Waits after a failed attempt. Returns whether there is another one.
function Making:retries(err)
  local run = self.run
  if err.isCorrected and self.corrections < MAX_CORRECTIONS then
    self.corrections = self.corrections + 1
    return not run:isStopped()
  end
  self.tries = self.tries + 1
  local wait = math.max(
    backoff.seconds(self.tries, times.FIRST_WAIT, times.LONGEST_WAIT) * (0.5 + run.adapter.random() / 2),
    err.retryAfter or 0
  )
  return run.now() + wait <= self:retryUntil(err) and run:wait(wait)
end

-- Steps that may wait for a slot at once.
local function queueLength(interval)
  return interval and math.max(1, math.min(QUEUE, math.floor(QUEUE_SECONDS / interval))) or QUEUE
end

-- Waits until fewer steps wait for a slot. This takes none of the time for which the step is tried.
function Making:standBy(most)
  local run = self.run
  local began = run.now()
  repeat
    run:park(times.SLICE)
  until run.queued < most or run:isStopped()
  self.deadline = self.deadline + (run.now() - began)
end

-- Waits for a slot of the rate, and writes down that the step begins. Returns false where the step ends, and what came of it.
function Making:reserve()
  local run, step = self.run, self.step
  local interval = run.adapter.interval
  local most = queueLength(interval)
  if run:isStopped() then
    return false, self:stop()
  elseif not run.outage:await(run, step, self.deadline) then
    if run:isStopped() then
      return false, self:stop()
    end
    return false, self:fail(self.lastErr or run.outage.lastErr)
  elseif run.queued >= most then
    self:standBy(most)
    return true
  end
  run.queued = run.queued + 1
  local asked = run.now()
  local ok, err = run.adapter.acquire(self.params, step.region, self.deadline - run.now(), function(seconds)
    return run:wait(seconds)
  end)
  run.queued = run.queued - 1
  run.driver.wake()
  if run:isStopped() then
    return false, self:stop()
  elseif not ok then
    self.lastErr = self.isInDoubt and self.lastErr or err
    run.outage:failed(err)
    run:holdBy(err)
    if self:retries(err) then
      return true
    end
    return false, self:fail(err)
  end
  self.hasSlot = true
  local isHeld = run.now() - asked > times.LONG_SLOT + most * (interval or 0)
  if isHeld or run.held == "rate" then
    run:hold(isHeld and "rate" or nil)
  end
  if not self.hasBegun then
    if not run:record("begin", step.number) then
      run.outage:release(step)
      return false, nil
    end
    self.hasBegun = true
  end
  return true
end

-- Sends the step once. Returns true where it goes on, or what came of it.
function Making:send()
  local run, step = self.run, self.step
  if run:isStopped() then
    return false, self:stop()
  end
  self.hasSlot, step.isSent = false, true
  run.images:forget(step)
  local result, err = run.adapter.modify(self.params, step.region)
  if result then
    return false, self:succeed(result.requestId)
  end
  self.lastErr = err
  run.outage:failed(err)
  run:holdBy(err)
  if err.outcome == "unknown" then
    self.isInDoubt, run.doubted[step.key] = true, run.now()
  end
  if self:retries(err) then
    return true
  end
  return false, self:fail(err)
end

-- A dry run: the image is taken to have what the step sets.
function Making:pretend(seen)
  local run, step = self.run, self.step
  run.kept[#run.kept + 1] = step
  run.images.seen[step.key] = { at = math.huge, took = 0, image = tables.copy(seen.image, step.to) }
  return { status = "ok" }
end

-- What comes of a judgement of a step. Returns true where it goes on, or false and what came of it.
function Making:act(judged)
  local run, step = self.run, self.step
  if judged ~= judge.PUT_OFF and not self.isInDoubt then
    return false, self:conclude(judged)
  elseif self.isInDoubt then
    return false, self:resolve(self.lastErr)
  elseif not self.hasBegun then
    run.outage:release(step)
    return false, judge.PUT_OFF
  end
  self.hasSlot = false -- it would be too old when it is used
  if run:wait(math.min(times.REPEAT, step.due - run.now())) then
    return true
  end
  return false, self:stop()
end

--- Makes a step.
---@param run qcimage.ApplyRun
---@param step qcimage.ApplyQueuedStep
---@return qcimage.ApplyOutcome|table|nil outcome or judge.PUT_OFF; nil: it was not begun, and the run stops
function M.make(run, step)
  local self = setmetatable({
    run = run,
    step = step,
    params = tables.copy(step.to, { imageId = step.imageId }),
    deadline = run.now() + times.RETRY,
    tries = 0,
    corrections = 0,
    hasSlot = false,
    hasBegun = false, -- the journal says so
    isInDoubt = false, -- the outcome of an attempt is unknown
    lastErr = nil,
  }, Making)
  local outcome = self:obstacle()
  local goesOn = not outcome
  while goesOn do
    local seen, err = self:observe()
    local judged = seen and judge.judge(run, step, seen)
    if not seen then
      goesOn, outcome = false, self:endUnseen(err)
    elseif judged then
      goesOn, outcome = self:act(judged)
    elseif run.options.dryRun then
      goesOn, outcome = false, self:pretend(seen)
    elseif self.hasSlot then
      goesOn, outcome = self:send()
    else
      goesOn, outcome = self:reserve()
    end
  end
  return outcome
end

return M
