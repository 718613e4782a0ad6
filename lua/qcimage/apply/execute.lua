--- execute.lua - makes the steps of a plan: workers take them from a queue, several at once, and make each
--- (make_step.lua); at the end the list is watched until it shows what was changed.
--- Reaches the service by the adapter that it is given. Part of qcimage, see LICENSE.

local callback = require "qcimage.util.callback"
local confirm = require "qcimage.apply.confirm"
local judge = require "qcimage.apply.judge"
local makeStep = require "qcimage.apply.make_step"
local observedImages = require "qcimage.apply.observed_images"
local outages = require "qcimage.apply.outage"
local queues = require "qcimage.apply.queue"
local redact = require "qcimage.util.redact"
local results = require "qcimage.apply.results"
local times = require "qcimage.apply.times"

local M = {}

-- Failures in a row with the same error, before any success, after which the rest is not tried. Those that are under way
-- then come on top.
local MAX_SAME_FAILURES = 10

---@class qcimage.ApplyRun the state of a run
---@field adapter qcimage.ApplyAdapter
---@field driver qcimage.ApplyDriver
---@field options table stop, onProgress, dryRun
---@field journal qcimage.ApplyJournal|nil
---@field now fun(): number
---@field began number
---@field queue qcimage.ApplyQueue
---@field images qcimage.ObservedImages
---@field outage qcimage.ApplyOutage
---@field results table
---@field wrote table<string, number> time of our last answered change, by image key
---@field doubted table<string, number> time at which an attempt was given up without a response, by image key
---@field queued integer workers that wait for a slot of the rate
---@field sent integer
---@field postponed table[] ends that the journal gets later
---@field kept qcimage.ApplyQueuedStep[] of a dry run: the steps that would be made
---@field stopped {message: string, err: qcimage.Error|nil}|nil
local Run = {}
Run.__index = Run

--- From when on a request that begins shows all that is known to have been done to an image.
---@param step qcimage.ApplyQueuedStep
---@return number
function Run:surely(step)
  return math.max(
    self.began + (step.isOpen and times.OPEN or times.LAG),
    (self.wrote[step.key] or -math.huge) + times.LAG,
    (self.doubted[step.key] or -math.huge) + times.LAG
  )
end

--- Stops the run; the first reason counts.
---@param message string
---@param err qcimage.Error|nil
function Run:stop(message, err)
  self.stopped = self.stopped or { message = message, err = err }
end

function Run:isStopped()
  if not self.stopped and self.driver.isAbandoned() then
    self:stop "abandoned"
  elseif not self.stopped and self.options.stop then
    local ok, wanted = callback.pcall(self.options.stop)
    if not ok then
      self:stop("option stop threw: " .. redact.said(wanted))
    elseif wanted then
      self:stop "stopped"
    end
  end
  return self.stopped ~= nil
end

--- Waits. Returns whether the run goes on.
---@param seconds number
---@return boolean
function Run:wait(seconds)
  local till = self.now() + seconds
  while not self:isStopped() do
    local left = till - self.now()
    if left <= 0 then
      return true
    end
    if self.held and self.now() - self.reportedAt >= times.REPORT then
      self:report()
    end
    local ok, problem = self.driver.sleep(math.min(left, times.SLICE))
    if not ok then
      self:stop(redact.said(problem))
    end
  end
  return false
end

--- Waits until another worker wakes this one, or so long.
---@param seconds number
function Run:park(seconds)
  local ok, problem = self.driver.park(seconds)
  if not ok then
    self:stop(redact.said(problem))
  end
end

--- Writes a record of the journal, if there is one. Returns whether the run goes on.
---@param name "begin"|"finish"
---@return boolean
function Run:record(name, ...)
  local ok, problem = true, nil
  if self.journal then
    ok, problem = self.journal[name](self.journal, ...)
  end
  if not ok then
    self:stop(problem)
  end
  return ok
end

--- Returns the time after which no request can arrive any more whose response was given up, in this run or an earlier one.
---@param step qcimage.ApplyQueuedStep
---@return number
function Run:lastArrival(step)
  return math.max(
    step.isOpen and self.began + times.OPEN or -math.huge,
    (self.doubted[step.key] or -math.huge) + times.LATE
  )
end

--- Records the outcome of a step. "ok" is written to the journal only when none of its requests can arrive any more.
---@param step qcimage.ApplyQueuedStep
---@param outcome qcimage.ApplyOutcome
function Run:recordEnd(step, outcome)
  if outcome.status == "ok" and self:lastArrival(step) > self.now() then
    self.postponed[#self.postponed + 1] = { step = step, outcome = outcome }
  else
    self:record("finish", step.number, outcome)
  end
end

--- Stops the run since the service is of no use, or an image cannot be described.
---@param err qcimage.Error
function Run:stopUnreachable(err)
  local message = err.message
  if outages.isThrottle(err) and (err.retryAfter or 0) >= times.RETRY then
    message = ("throttled: the service asks to wait %.0f s: %s"):format(err.retryAfter, message)
  elseif outages.isThrottle(err) then
    message = ("throttled for %d s: %s"):format(times.RETRY, message)
  elseif outages.isTransient(err) then
    message = ("the service was unreachable for %d s: %s"):format(times.RETRY, message)
  end
  self:stop(message, err)
end

--- Stops the run where the failure of one step says that the others would fail, too.
---@param err qcimage.Error
function Run:handleFailure(err)
  if outages.isOfKeys(err) or err.kind == "unsupported" or err.reason == "signature" then
    self:stop(err.message, err)
  elseif outages.isTransient(err) and err.reason ~= "internal" and err.reason ~= "busy" then
    self:stopUnreachable(err)
  end
  local sameAs = tostring(err.reason or err.code) .. tostring(err.code)
  self.sameFailures = self.sameAs == sameAs and self.sameFailures + 1 or 1
  self.sameAs = sameAs
  if self.sent == 0 and self.sameFailures >= MAX_SAME_FAILURES then
    local message = ("the first %d changes failed with the same error: %s"):format(self.sameFailures, err.message)
    self:stop(message, err)
  end
end

--- Reports progress to onProgress.
function Run:report()
  self.reportedAt = self.now()
  if not self.options.onProgress then
    return
  end
  local ok, thrown = callback.pcall(self.options.onProgress, {
    total = self.queue.images,
    done = self.done,
    failed = self.failed,
    sent = self.sent,
    held = self.held,
    phase = self.phase,
  })
  if not ok then
    self.hookError = self.hookError or "onProgress threw: " .. redact.said(thrown)
  end
end

--- Notes what holds the run: a throttle, a service that is out of reach, or the rate, which others share.
---@param held "throttled"|"unreachable"|"rate"|nil nil: nothing
function Run:hold(held)
  if held ~= self.held then
    self.held = held
    self:report()
  end
end

--- Notes a failure that holds the run, if it does.
---@param err qcimage.Error
function Run:holdBy(err)
  if outages.isTransient(err) then
    self:hold(outages.isThrottle(err) and "throttled" or "unreachable")
  end
end

-- Notes what came of a step.
function Run:finish(step, outcome)
  local result = self.results:add(step, outcome)
  self.queue:finish(step, outcome)
  if step.sequence == #step.chain and not outcome.isLeft then
    local isDone = makeStep.isDone(result)
    self.done, self.failed = self.done + (isDone and 1 or 0), self.failed + (isDone and 0 or 1)
    self:report()
  end
end

-- Makes steps until none is left.
function Run:work()
  while not self:isStopped() do
    local step, wait = self.queue:take(self.now())
    if not step and not wait then
      break
    elseif not step then
      self:park(math.min(math.max(wait, 1e-4), times.SLICE))
    else
      local outcome
      if step.isVerifyOnly and not step.due and not self.options.dryRun then
        step.due, outcome = self:surely(step), judge.PUT_OFF -- a look would not be believed before
      else
        outcome = makeStep.make(self, step)
      end
      if outcome == judge.PUT_OFF then
        self.queue:putOff(step)
      elseif outcome then
        self:finish(step, outcome)
      end
      self.driver.wake()
    end
  end
  self.driver.wake()
end

-- What was not begun is skipped.
function Run:skipRest()
  for _, step in ipairs(self.queue.steps) do
    if not step.outcome then
      local message = step.isVerifyOnly and "not looked at again" or "not sent"
      self:finish(step, { status = "skipped", message = message, isLeft = true })
    end
  end
end

---@class qcimage.ApplyExecuted
---@field results qcimage.ApplyResult[] one for each image
---@field stopped {message: string, err: qcimage.Error|nil}|nil why the run ended early
---@field hookError string|nil what onProgress threw first
---@field kept qcimage.ApplyStep[] of a dry run: the steps that would be made
---@field unconfirmed integer images whose change the list did not show before the run was stopped

--- Runs steps.
---@param adapter qcimage.ApplyAdapter
---@param steps qcimage.ApplyStep[]
---@param options table stop, onProgress, dryRun
---@param journal qcimage.ApplyJournal|nil
---@return qcimage.ApplyExecuted
function M.run(adapter, steps, options, journal)
  local driver = adapter.driver
  local queue = queues.new(steps, adapter.regionKey)
  local self = setmetatable({
    adapter = adapter,
    driver = driver,
    options = options,
    journal = journal,
    now = adapter.now,
    began = options.began or adapter.now(),
    queue = queue,
    images = observedImages.new(adapter, driver, queue),
    outage = outages.new(),
    results = results.new(),
    wrote = {},
    doubted = {},
    postponed = {},
    kept = {},
    queued = 0,
    sent = 0,
    done = 0,
    failed = 0,
    sameFailures = 0,
    held = nil, -- by what
    reportedAt = adapter.now(),
    phase = nil, -- "confirming" at the end
  }, Run)
  local working = math.min(driver.count, #queue.steps)
  driver.run(working, function()
    self:work()
    working = working - 1
    if working == 0 and driver.isAbandoned() and journal then
      journal:close() -- nobody else does
    end
  end, function()
    self:stop "interrupted"
  end)
  self:skipRest()
  local unconfirmed = confirm.run(self)
  return {
    results = self.results.list,
    stopped = self.stopped,
    hookError = self.hookError,
    kept = self.kept,
    unconfirmed = unconfirmed,
  }
end

return M
