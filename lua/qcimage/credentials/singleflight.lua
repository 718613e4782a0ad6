--- singleflight.lua - single-flight (request coalescing): concurrent calls wait for the request in progress and share its
--- result.
--- nginx kills a waiting call when its client disconnects; built-in requests therefore run in the background where the
--- context has one (a timer of nginx); callbacks stay in the call. Waits, and starts background work, through the context only.
--- Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"
local limits = require "qcimage.util.limits"
local callback = require "qcimage.util.callback"
local callers = require "qcimage.util.caller"
local tasks = require "qcimage.util.tasks"

local M = {}

-- Seconds between checks of a waiting call: the first interval, and the longest, so that a thousand waiting calls do not
-- keep a worker of nginx busy.
local PAUSE, LONGEST_PAUSE = 0.005, 0.05

-- Seconds until a waiting call starts the request itself, since nginx may have dropped the timer (lua_max_running_timers)
-- or killed the first call; the second figure doubles each time, up to the rule's longest. Outside nginx nothing but the
-- end of its loop ends a call, and a built-in request has all its time.
local START_TIMEOUT, TAKE_OVER_AFTER = 0.2, 1

-- How often a request is started again from within itself before that is a circle.
local MAX_DEPTH = 2

---@class qcimage.FetchRule
---@field name string the provider's name in messages
---@field longest number seconds that a request may take
---@field usesCallback boolean|nil the request calls a callback, or is signed with its credentials

---@class qcimage.Fetch a request in progress
---@field takeOverAt number monotonic time at which a waiting call starts it, too
---@field takeOverAfter number seconds from one start to the next
---@field isTakenOver boolean|nil a call has started it: the background work must not start any more
---@field isDone boolean|nil
---@field answer any
---@field err qcimage.Error|nil

-- Whether others run while this call waits.
local function canWait(context)
  return context.canWait or tasks.running() ~= nil
end

-- Returns how often the caller is within a request.
local function depthOf(fetch)
  local depth, scope = 0, callers.scope()
  while scope do
    depth = depth + (scope.request == fetch and 1 or 0)
    scope = scope.outer
  end
  return depth
end

-- A context with another time limit.
local function within(seconds, context)
  return setmetatable({ secondsLeft = seconds }, { __index = context })
end

--- Coalesces the requests of a function.
---@param ask fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
---@param rule qcimage.FetchRule
---@return fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil source
---@return fun(context: qcimage.CredentialsContext): boolean isInProgress
---@return fun(context: qcimage.CredentialsContext): boolean start starts a request in the background, without waiting;
--- false: there is no background
function M.new(ask, rule)
  local current ---@type qcimage.Fetch|nil

  -- Asks. What the request itself calls is within it.
  local function askWithin(fetch, context)
    local outer = callers.scope()
    callers.setScope { request = fetch, outer = outer }
    local ok, answer, err = callback.pcall(ask, context)
    callers.setScope(outer)
    if not ok then
      return provider.noCredentials(("%s: %s"):format(rule.name, callback.errorText(answer)), true)
    end
    return answer, err
  end

  -- Runs the request, and sets its result: the first result counts for all waiting calls.
  local function run(fetch, context)
    local began = context.monotonic()
    local answer, err = askWithin(fetch, context)
    if fetch.isDone then
      answer = answer or fetch.answer
      return answer, not answer and err or nil
    end
    local seconds = context.secondsLeft
    local hadTime = seconds >= rule.longest or context.monotonic() - began < seconds / 2
    local isBarred = err and err.kind == "unsupported" -- in this phase of nginx
    if answer or hadTime and not isBarred then
      fetch.isDone, fetch.answer, fetch.err = true, answer, err
      if current == fetch then
        current = nil
      end
    else -- it ran out of time, or could not ask: other calls can
      fetch.takeOverAt = began
    end
    return answer, err
  end

  local function new(context)
    local canEnd = rule.usesCallback or context.background or callers.task -- the call that runs it
    local seconds = canEnd and TAKE_OVER_AFTER or rule.longest
    return { takeOverAt = context.monotonic() + seconds, takeOverAfter = seconds }
  end

  local function runInBackground(fetch, context)
    if rule.usesCallback or not context.canWait or not context.background then
      return false
    end
    local isPlanned = context.background(function()
      if not fetch.isTakenOver then
        fetch.takeOverAt = context.monotonic() + rule.longest + TAKE_OVER_AFTER -- nothing ends it before
        run(fetch, within(rule.longest, context))
      end
    end)
    if isPlanned then
      fetch.takeOverAt = context.monotonic() + START_TIMEOUT
    end
    return isPlanned
  end

  local function takeOver(fetch, context, deadline)
    local now = context.monotonic()
    fetch.isTakenOver = true
    fetch.takeOverAfter = math.min(rule.longest, fetch.takeOverAfter * 2)
    fetch.takeOverAt = now + fetch.takeOverAfter
    return run(fetch, within(deadline - now, context))
  end

  local function await(fetch, context)
    local deadline, pause = context.monotonic() + context.secondsLeft, PAUSE
    while not fetch.isDone do
      local now = context.monotonic()
      if now >= deadline then
        return provider.noCredentials(("timed out waiting for another call's request to %s"):format(rule.name), true)
      elseif now >= fetch.takeOverAt then
        return takeOver(fetch, context, deadline)
      end
      local _, problem = context.sleep(pause)
      if problem then -- nothing can wait here, and usually nothing can be sent: that is this call's error only
        return askWithin(fetch, context)
      end
      pause = math.min(LONGEST_PAUSE, pause * 2)
    end
    return fetch.answer, fetch.err
  end

  local function source(context)
    local fetch = current
    local depth = fetch and depthOf(fetch) or 0
    if depth > MAX_DEPTH then
      return provider.noCredentials(rule.name .. " needs its own answer (a circle of roles or functions)", true)
    elseif depth > 0 then
      return askWithin(fetch, context) -- a callback that calls by the same client would wait for itself
    elseif fetch and canWait(context) then
      return await(fetch, context)
    end
    fetch = new(context)
    current = fetch
    if runInBackground(fetch, context) then
      return await(fetch, context)
    end
    return run(fetch, context)
  end

  local function isInProgress(context)
    return current ~= nil and context.monotonic() < current.takeOverAt
  end

  local function start(context)
    local fetch = new(context)
    local isPlanned = runInBackground(fetch, context)
    current = isPlanned and fetch or current
    return isPlanned
  end

  return source, isInProgress, start
end

--- Wraps a user's provider so that concurrent calls share one invocation. Built-in providers are returned as they are.
---@param source function
---@return qcimage.CredentialsProvider
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
