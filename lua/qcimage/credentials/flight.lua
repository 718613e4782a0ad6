--- flight.lua - lets one question be asked once at a time: who comes while it is in hand waits and gets its answer.
--- Waits only by the context's sleep. Part of qcimage, see LICENSE.

local keys = require "qcimage.credentials.keys"

local M = {}

local PAUSE = 0.005 -- seconds between two looks of who waits

--- Makes a function that asks.
---@param ask fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
---@param longest number seconds that a question may take; after them it counts as lost (its thread was killed)
---@return fun(context: qcimage.CredentialsContext): any, qcimage.Error|nil
function M.new(ask, longest)
  local current

  return function(context)
    local monotonic = context.monotonic
    local limit = monotonic() + context.secondsLeft
    while context.canWait and current and monotonic() < current.deadline do
      local flight = current
      if monotonic() >= limit then
        return keys.none("no time was left to wait for an answer that another call has asked for", true)
      end
      context.sleep(PAUSE)
      if flight.isDone then
        return flight.answer, flight.err
      end
    end
    local flight = { deadline = monotonic() + math.min(longest, context.secondsLeft) }
    current = flight
    flight.answer, flight.err = ask(context)
    flight.isDone = true
    if current == flight then
      current = nil
    end
    return flight.answer, flight.err
  end
end

return M
