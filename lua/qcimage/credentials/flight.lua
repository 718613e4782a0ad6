--- flight.lua - lets one question be asked once at a time: who comes while it is in hand waits and gets its answer.
--- Waits only by the context's sleep. Part of qcimage, see LICENSE.

local keys = require "qcimage.credentials.keys"
local limits = require "qcimage.limits"

local M = {}

-- Seconds between two looks of who waits: the first, and the most. A thousand that wait must not keep a worker of nginx
-- busy.
local PAUSE, LONGEST_PAUSE = 0.005, 0.05

--- Makes a function that asks.
---@param ask fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
---@param longest number seconds that a question may take; after them it counts as lost (its thread was killed)
---@return fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
function M.new(ask, longest)
  local current

  return function(context)
    local monotonic, thread = context.monotonic, coroutine.running()
    local limit = monotonic() + context.secondsLeft
    -- who asks for credentials in order to get them would wait for itself
    while context.canWait and current and current.thread ~= thread do
      local flight = current
      local waited, pause = 0, PAUSE -- counted, since a sleep that takes no time, as tests have it, must not turn for ever
      while current == flight and waited < longest and monotonic() < flight.deadline do
        if monotonic() >= limit then
          return keys.none("no time was left to wait for an answer that another call has asked for", true)
        end
        local _, problem = context.sleep(pause)
        if problem then
          return keys.unable(problem)
        end
        waited, pause = waited + pause, math.min(LONGEST_PAUSE, pause * 2)
      end
      if flight.isDone then
        return flight.answer, flight.err
      elseif current == flight then
        current = nil -- it is lost
      end
    end
    local flight = { thread = thread, deadline = monotonic() + math.min(longest, context.secondsLeft) }
    current = flight
    flight.answer, flight.err = ask(context)
    flight.isDone = true
    if current == flight then
      current = nil
    end
    return flight.answer, flight.err
  end
end

--- A source as its users ask it: a function of the caller's once by all that come while it is asked.
---@param source function ours, or the caller's
---@return qcimage.CredentialsSource
function M.shared(source)
  if keys.isOwn(source) then
    return source
  end
  return M.new(function(context)
    return keys.ask(source, context)
  end, limits.credentialsWait)
end

return M
