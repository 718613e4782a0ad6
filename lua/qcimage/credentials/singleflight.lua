--- singleflight.lua - single-flight: concurrent calls wait for the question in progress and share its answer.
--- nginx ends a call that waits when its client goes away. So our own questions are asked in the background where the
--- context has one (a timer of nginx), apart from any call. Callbacks (functions of the user's) stay in the call.
--- Waits, and starts background work, by the context alone. Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"
local limits = require "qcimage.util.limits"
local callback = require "qcimage.util.callback"

local M = {}

-- Seconds between two looks of a call that waits: the first, and the most. A thousand that wait must not keep a worker of
-- nginx busy.
local PAUSE, LONGEST_PAUSE = 0.005, 0.05

-- Seconds until a waiting call asks the question itself, since nginx may have dropped the timer (beyond
-- lua_max_running_timers), or ended the call that asked; the second is doubled each time, up to what a question may take.
-- Outside nginx nothing ends a call, and a question of ours has all its time.
local START_TIMEOUT, TAKE_OVER_AFTER = 0.2, 1

local MAIN = {} -- stands for the main thread, which has no coroutine

---@class qcimage.FlightRule
---@field name string what messages call the source
---@field longest number seconds that a question may take
---@field usesCallback boolean|nil the question calls a function of the user's, or is signed with its credentials

---@class qcimage.Flight a question in progress
---@field threads table<any, boolean> those that ask it
---@field takeOverAt number monotonic time from which on a waiting call asks it, too
---@field takeOverAfter number seconds from one that asks to the next
---@field isTakenOver boolean|nil a call asks it: the background work must not start any more
---@field isDone boolean|nil
---@field answer any
---@field err qcimage.Error|nil

-- A context with another time limit.
local function within(seconds, context)
  return setmetatable({ secondsLeft = seconds }, { __index = context })
end

--- Makes a function that asks.
---@param ask fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
---@param rule qcimage.FlightRule
---@return fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil source
---@return fun(context: qcimage.CredentialsContext): boolean isInProgress
---@return fun(context: qcimage.CredentialsContext): boolean start asks in the background, and waits for nothing; false:
--- there is no background here
function M.new(ask, rule)
  local current ---@type qcimage.Flight|nil

  -- Asks, and sets the result of the flight: the first answer counts for all that wait.
  local function run(flight, context)
    local thread, began = coroutine.running() or MAIN, context.monotonic()
    flight.threads[thread] = true
    local ok, answer, err = callback.pcall(ask, context)
    flight.threads[thread] = nil
    if not ok then
      answer, err = provider.noCredentials(("%s: %s"):format(rule.name, callback.errorText(answer)), true)
    end
    if flight.isDone then
      answer = answer or flight.answer
      return answer, not answer and err or nil
    end
    local seconds = context.secondsLeft
    local hadTime = seconds >= rule.longest or context.monotonic() - began < seconds / 2
    local isBarred = err and err.kind == "unsupported" -- in this phase of nginx
    if answer or hadTime and not isBarred then
      flight.isDone, flight.answer, flight.err = true, answer, err
      if current == flight then
        current = nil
      end
    else -- it ran out of time, or could not ask: others can
      flight.takeOverAt = began
    end
    return answer, err
  end

  local function new(context)
    local seconds = (rule.usesCallback or context.background) and TAKE_OVER_AFTER or rule.longest
    return { threads = {}, takeOverAt = context.monotonic() + seconds, takeOverAfter = seconds }
  end

  local function runInBackground(flight, context)
    if rule.usesCallback or not context.canWait or not context.background then
      return false
    end
    local isPlanned = context.background(function()
      if not flight.isTakenOver then
        flight.takeOverAt = context.monotonic() + rule.longest + TAKE_OVER_AFTER -- nothing ends it before
        run(flight, within(rule.longest, context))
      end
    end)
    if isPlanned then
      flight.takeOverAt = context.monotonic() + START_TIMEOUT
    end
    return isPlanned
  end

  local function takeOver(flight, context, deadline)
    local now = context.monotonic()
    flight.isTakenOver = true
    flight.takeOverAfter = math.min(rule.longest, flight.takeOverAfter * 2)
    flight.takeOverAt = now + flight.takeOverAfter
    return run(flight, within(deadline - now, context))
  end

  local function await(flight, context)
    local deadline, pause = context.monotonic() + context.secondsLeft, PAUSE
    while not flight.isDone do
      local now = context.monotonic()
      if now >= deadline then
        return provider.noCredentials(("timed out waiting for another call's request to %s"):format(rule.name), true)
      elseif now >= flight.takeOverAt then
        return takeOver(flight, context, deadline)
      end
      local _, problem = context.sleep(pause)
      if problem then -- nothing can wait here, and most often nothing can be asked: that is this call's error alone
        return ask(context)
      end
      pause = math.min(LONGEST_PAUSE, pause * 2)
    end
    return flight.answer, flight.err
  end

  local function source(context)
    local flight = current
    if flight and flight.threads[coroutine.running() or MAIN] then
      return ask(context) -- a callback that calls by the same client would wait for itself
    elseif flight and context.canWait then
      return await(flight, context)
    end
    flight = new(context)
    current = flight
    if runInBackground(flight, context) then
      return await(flight, context)
    end
    return run(flight, context)
  end

  local function isInProgress(context)
    return current ~= nil and context.monotonic() < current.takeOverAt
  end

  local function start(context)
    local flight = new(context)
    local isPlanned = runInBackground(flight, context)
    current = isPlanned and flight or current
    return isPlanned
  end

  return source, isInProgress, start
end

--- A source as its users ask it: a function of the caller's once by all that come while it is asked.
---@param source function ours, or the caller's
---@return qcimage.CredentialsSource
function M.wrap(source)
  if provider.isBuiltIn(source) then
    return source
  end
  local shared = M.new(function(context)
    return provider.call(source, context)
  end, { name = "the credentials provider", longest = limits.credentialsWait, usesCallback = true })
  return provider.markCallback(shared)
end

return M
