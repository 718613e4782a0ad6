--- clock.lua - what a refused clock teaches: how far it is from the service's, and whether another try can help.
--- Part of qcimage, see LICENSE.

local codes = require "qcimage.api.codes"
local httpdate = require "qcimage.call.httpdate"
local limits = require "qcimage.limits"

local M = {}

-- Seconds that a clock may be off before the service minds (300), less some for the way.
local TOLERATED = 240

local function told(seconds)
  return ("%d s %s the service's"):format(math.abs(seconds), seconds < 0 and "behind" or "ahead of")
end

-- Seconds from our clock to the service's by an answer's Date; nil without one, or where no time is that late.
local function offsetBy(call, response, elapsed)
  local date = response and httpdate.parse(response.headers.date, call.now)
  if date and date >= 0 and date <= limits.latestTime then
    return math.floor(date - (call.now + elapsed) + 0.5) -- a Date has whole seconds
  end
  return nil
end

--- Learns from a refusal: the client's offset, and what the error says of it.
---@param call qcimage.Call
---@param err qcimage.Error outcome and message change
---@param response table|nil
---@param elapsed number seconds that the attempt took
---@return boolean differs whether the next attempt would have another time or nonce, and none had before
function M.correct(call, err, response, elapsed)
  local offset = offsetBy(call, response, elapsed)
  local off = offset and call.offset - offset or 0 -- of the clock that signed, from the service's
  if math.abs(off) >= 1 then
    err.message = ("%s; the clock that signed is %s"):format(err.message, told(off))
    call.clockOff = call.clockOff or off
  elseif call.clockOff then
    err.message = ("%s; the clock is %s, which was made up for"):format(err.message, told(call.clockOff))
  end
  local isFirst = not call.clockCorrected
  call.clockCorrected = true
  if codes.isReplay(err.code) and math.abs(off) < TOLERATED then
    -- The clock is right, or nothing tells: this request may have arrived before, by whatever way.
    err.outcome = "unknown"
    err.message = err.message
      .. (
        offset and "; its nonce had been seen, so it may have arrived twice"
        or "; its nonce had been seen, so it may have arrived twice, or the clock is wrong (the answer has no Date)"
      )
    return isFirst
  end
  if isFirst and math.abs(off) >= 1 then
    call.client.offset = offset
    return true
  end
  return false
end

return M
