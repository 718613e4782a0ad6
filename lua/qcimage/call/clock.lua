--- clock.lua - the timestamp and nonce of an attempt; corrects clock skew when the service refuses a timestamp.
--- Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local errors = require "qcimage.util.errors"
local httpDate = require "qcimage.util.http_date"
local limits = require "qcimage.util.limits"
local redact = require "qcimage.util.redact"

local M = {}

-- Seconds by which the service accepts a wrong timestamp (300), less a margin for the transit.
local TOLERATED = 240

-- Returns nil and the error of what the option clock or nonce returned, redacted.
local function invalidCallback(call, attempt, problem, field)
  return nil, errors.ofAction(call.action.name, "parameter", redact.said(problem, attempt), field)
end

--- Sets the timestamp and, in API 2.0, the nonce of an attempt.
---@param call qcimage.Call
---@param attempt qcimage.Attempt
---@return boolean|nil isSet
---@return qcimage.Error|nil err
function M.stamp(call, attempt)
  local client = call.client
  local now, problem = client.clock()
  if not now then
    return invalidCallback(call, attempt, problem, "clock")
  end
  local offset = client.offset
  if now + offset < 0 then -- the clock was set back since
    offset = 0
  end
  attempt.now, attempt.offset, attempt.time = now, offset, math.floor(now + offset)
  if call.version == "3.0" then -- API 3.0 has no nonce
    return true
  end
  attempt.nonce, problem = client.nonce()
  if attempt.nonce then
    return true
  elseif client.options.nonce then
    return invalidCallback(call, attempt, problem, "nonce")
  end
  return nil, errors.ofAction(call.action.name, "unsupported", problem) -- the core's
end

local REPLAYED = "the service has already seen this nonce, so the request may have been received twice"

local function aheadOrBehind(seconds)
  return ("%d s %s the service"):format(math.abs(seconds), seconds < 0 and "behind" or "ahead of")
end

-- Returns the offset in seconds from our clock to the service's, by the Date header; nil without a usable one.
local function offsetBy(attempt, response, elapsed)
  local date = response and httpDate.parse(response.headers.date, attempt.now)
  if date and date >= 0 and date <= limits.latestTime then
    return math.floor(date - (attempt.now + elapsed) + 0.5) -- a Date has whole seconds
  end
  return nil
end

--- Corrects the clock skew after a refused timestamp: sets the client's offset, and adds what was learned to the error.
---@param call qcimage.Call
---@param err qcimage.Error outcome and message change
---@param response table|nil
---@param elapsed number seconds that the attempt took
---@return boolean canRetry whether the next attempt has a new timestamp or nonce, for the first time in this call
function M.correctSkew(call, err, response, elapsed)
  local offset = offsetBy(call.attempt, response, elapsed)
  local off = offset and call.attempt.offset - offset or 0 -- skew of the signing clock
  if math.abs(off) >= 1 then
    err.message = ("%s; the signing clock is %s"):format(err.message, aheadOrBehind(off))
    call.clockSkew = call.clockSkew or off
  elseif call.clockSkew then
    err.message = ("%s; the clock is %s (already corrected for)"):format(err.message, aheadOrBehind(call.clockSkew))
  end
  local isFirst = not call.skewCorrected
  call.skewCorrected = true
  if codes.isReplay(err.code) and math.abs(off) < TOLERATED then
    -- The clock is right, or the response has no Date: this request may have been received before (a replay).
    err.outcome = "unknown"
    local doubt = offset and "" or ", or the clock is wrong (the response has no Date)"
    err.message = ("%s; %s%s"):format(err.message, REPLAYED, doubt)
    return isFirst
  end
  if isFirst and math.abs(off) >= 1 then
    call.client.offset = offset
    return true
  end
  return false
end

return M
