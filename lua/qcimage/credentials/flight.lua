--- flight.lua - single-flight: concurrent calls wait for the question in progress and share its answer.
--- The call that asks may be ended while it waits (a light thread of nginx whose client has gone), so our own questions are
--- asked apart from any call where the context has a way, in nginx in a timer. Functions of the caller's stay in the call.
--- Waits and goes apart only by what the context gives. Part of qcimage, see LICENSE.

local keys = require "qcimage.credentials.keys"
local limits = require "qcimage.limits"
local protect = require "qcimage.protect"

local M = {}

-- Seconds between two looks of a call that waits: the first, and the most. A thousand that wait must not keep a worker of
-- nginx busy.
local PAUSE, LONGEST_PAUSE = 0.005, 0.05

-- Seconds until a call asks by itself: a question that was to be asked apart and has not begun (nginx drops timers beyond
-- lua_max_running_timers), and one that another call asks, which may have been ended. Twice as long each time after that.
-- A question of ours outside nginx, where nothing ends a call, has all its time.
local LATE, PATIENCE = 0.2, 1

local MAIN = {} -- what stands for the main thread, which has no coroutine

---@class qcimage.FlightRule
---@field name string how messages call what is asked
---@field longest number seconds that a question may take
---@field isCallers boolean|nil a function of the caller's is asked, or asked for it

---@class qcimage.Flight a question in progress
---@field askers table<any, boolean> threads that ask
---@field nextAsk number monotonic time from which on a call that waits asks by itself
---@field patience number seconds from one that asks to the next
---@field isTaken boolean|nil a call asks in the place of what has not begun
---@field isDone boolean|nil
---@field answer any
---@field err qcimage.Error|nil

-- A context with other seconds.
local function with(context, seconds)
  return setmetatable({ secondsLeft = seconds }, { __index = context })
end

--- Makes a function that asks.
---@param ask fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
---@param rule qcimage.FlightRule
---@return fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil source
---@return fun(context: qcimage.CredentialsContext): boolean isAsked whether a question is in progress
---@return fun(context: qcimage.CredentialsContext): boolean askApart begins a question that nobody waits for; false: there
--- is no way here
function M.new(ask, rule)
  local current ---@type qcimage.Flight|nil

  -- Asks, as one of those that do so for a flight. The first answer serves all.
  local function askFor(flight, context)
    local thread, began = coroutine.running() or MAIN, context.monotonic()
    flight.askers[thread] = true
    local ok, answer, err = protect.call(ask, context)
    flight.askers[thread] = nil
    if not ok then
      answer, err = keys.none(("%s: %s"):format(rule.name, protect.message(answer)), true)
    end
    if flight.isDone then
      return answer or flight.answer, not answer and not flight.answer and err or nil
    end
    local used = context.monotonic() - began
    if answer or context.secondsLeft >= rule.longest or used < context.secondsLeft / 2 then
      flight.isDone, flight.answer, flight.err = true, answer, err
      if current == flight then
        current = nil
      end
    else -- it had too little time: its failure says nothing to those that have more
      flight.nextAsk = began
    end
    return answer, err
  end

  local function new(context)
    local patience = (rule.isCallers or context.background) and PATIENCE or rule.longest
    return { askers = {}, nextAsk = context.monotonic() + patience, patience = patience }
  end

  local function goApart(flight, context)
    if rule.isCallers or not context.canWait or not context.background then
      return false
    end
    local isPlanned = context.background(function()
      if not flight.isTaken then
        flight.nextAsk = context.monotonic() + rule.longest + PATIENCE -- no call's end ends it
        askFor(flight, with(context, rule.longest))
      end
    end)
    if isPlanned then
      flight.nextAsk = context.monotonic() + LATE
    end
    return isPlanned
  end

  local function askToo(flight, context, limit)
    local now = context.monotonic()
    flight.isTaken = true
    flight.patience = flight.patience * 2
    flight.nextAsk = now + flight.patience
    return askFor(flight, with(context, limit - now))
  end

  local function await(flight, context)
    local limit, pause = context.monotonic() + context.secondsLeft, PAUSE
    while not flight.isDone do
      local now = context.monotonic()
      if now >= limit then
        return keys.none(("no time was left to wait for the answer of %s"):format(rule.name), true)
      elseif now >= flight.nextAsk then
        return askToo(flight, context, limit)
      end
      local _, problem = context.sleep(pause)
      if problem then -- nothing waits here: this call's answer, most often why it cannot ask, is its own
        return ask(context)
      end
      pause = math.min(LONGEST_PAUSE, pause * 2)
    end
    return flight.answer, flight.err
  end

  local function source(context)
    local flight = current
    if flight and flight.askers[coroutine.running() or MAIN] then
      return ask(context) -- who asks for credentials in order to get them would wait for itself
    elseif flight and context.canWait then
      return await(flight, context)
    end
    flight = new(context)
    current = flight
    if goApart(flight, context) then
      return await(flight, context)
    end
    return askFor(flight, context)
  end

  local function isAsked(context)
    return current ~= nil and context.monotonic() < current.nextAsk
  end

  local function askApart(context)
    local flight = new(context)
    local isPlanned = goApart(flight, context)
    current = isPlanned and flight or current
    return isPlanned
  end

  return source, isAsked, askApart
end

--- A source as its users ask it: a function of the caller's once by all that come while it is asked.
---@param source function ours, or the caller's
---@return qcimage.CredentialsSource
function M.shared(source)
  if keys.isOwn(source) then
    return source
  end
  local shared = M.new(function(context)
    return keys.ask(source, context)
  end, { name = "the credentials provider", longest = limits.credentialsWait, isCallers = true })
  return keys.callers(shared)
end

return M
