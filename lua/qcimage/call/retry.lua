--- retry.lua - the retry policy: whether a failed attempt is retried, and after what backoff.
--- Pure: no clock, no sockets; the random number is given. Part of qcimage, see LICENSE.

local backoff = require "qcimage.util.backoff"
local errors = require "qcimage.util.errors"

local M = {}

-- Seconds: cap of the first backoff, the same after throttling, cap of all.
local BASE, THROTTLED_BASE, CAP = 0.25, 1, 8

--- Tokens of a client's retry budget, which keeps an outage from multiplying the load: a retry takes some, a success refunds
--- some. The figures are those of botocore's standard mode.
M.BUDGET = 500
local COST, TIMEOUT_COST, REFILL = 5, 10, 1

-- "later", "again", "clock", "renew", "reread" or nil, as in error_codes.lua. 408: RFC 9110, 15.5.9.
local function need(err)
  if err.kind == "network" then
    return errors.TRANSIENT[err.reason] and not err.lasting and "again"
  elseif err.kind == "response" and err.reason == "status" then
    return err.httpStatus == 429 and "later" or (err.httpStatus >= 500 or err.httpStatus == 408) and "again"
  end
  return err.retry
end

---@class qcimage.RetryState
---@field attempt integer number of attempts made
---@field maxAttempts integer
---@field left number seconds until the deadline
---@field repeatable boolean the action is idempotent
---@field retryBudget number tokens left
---@field random number from 0 to below 1
---@field retryAfter number|nil seconds that the response asks to wait
---@field skewCorrected boolean the next attempt has a corrected timestamp, for the first time
---@field renewed boolean|nil the next attempt has other credentials, for the first time

--- Decides about a retry. On a retry, the caller takes the cost from its budget.
---@param err qcimage.Error with retry, reused and lasting, as parser and transport set them
---@param state qcimage.RetryState
---@return number|nil wait seconds; nil: stop
---@return number|nil cost tokens; on a stop: what the budget lacks, if that is the reason
function M.decide(err, state)
  if state.attempt >= state.maxAttempts then
    return nil
  end
  local what = need(err)
  if not what or not state.repeatable and err.outcome == "unknown" then
    return nil
  end
  if what == "clock" then
    return state.skewCorrected and 0 or nil, state.skewCorrected and 0 or nil
  elseif what == "renew" or what == "reread" then
    return state.renewed and 0 or nil, state.renewed and 0 or nil
  end
  local cost = err.reason == "timeout" and TIMEOUT_COST or COST
  if state.retryBudget < cost then
    return nil, cost
  end
  local wait = state.retryAfter or 0
  if not err.reused then -- that was an idle connection that had died: nobody is overloaded
    local base = what == "later" and THROTTLED_BASE or BASE
    wait = math.max(wait, state.random * backoff.seconds(state.attempt, base, CAP))
  end
  if wait >= state.left then
    return nil
  end
  return wait, cost
end

--- Tokens that a read-back costs after lost responses.
M.READ_BACK_COST = COST

--- Returns the budget after a success: refunds what the call's last retry took, or a little.
---@param retryBudget number
---@param spent number|nil cost of the call's last retry
---@return number retryBudget
function M.refill(retryBudget, spent)
  return math.min(M.BUDGET, retryBudget + (spent or REFILL))
end

return M
