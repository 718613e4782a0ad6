--- retry.lua - whether a failed attempt is worth another one, and after what wait.
--- Pure: no clock, no sockets; chance is given. Part of qcimage, see LICENSE.

local backoff = require "qcimage.util.backoff"

local M = {}

-- Seconds: first wait at most, after a throttle, longest.
local BASE, THROTTLED_BASE, CAP = 0.25, 1, 8

--- A client's store of retries, so that an outage does not multiply the load: each retry takes from
--- it, successes give back. The figures are those of botocore's standard mode.
M.BUDGET = 500
local COST, TIMEOUT_COST, REFILL = 5, 10, 1

-- Failures of the network that may pass by themselves. Not among them: certificates (tls) and
-- proxies, which somebody has to mend.
local PASSING = { dns = true, connect = true, timeout = true, closed = true }

-- "later", "again", "clock", "renew", "reread" or nil, as in error_codes.lua. 408: RFC 9110, 15.5.9.
local function need(err)
  if err.kind == "network" then
    return PASSING[err.reason] and not err.lasting and "again"
  elseif err.kind == "response" and err.reason == "status" then
    return err.httpStatus == 429 and "later" or (err.httpStatus >= 500 or err.httpStatus == 408) and "again"
  end
  return err.retry
end

---@class qcimage.RetryState
---@field attempt integer how many attempts were made
---@field maxAttempts integer
---@field left number seconds left for the whole call
---@field repeatable boolean from the action's data
---@field retryBudget number what is left in the client's store
---@field random number from 0 to below 1
---@field retryAfter number|nil seconds that the answer asks to wait
---@field skewCorrected boolean whether the next attempt has another time, and none had before
---@field renewed boolean|nil whether the next attempt has other credentials, and none had before

--- Decides. The caller takes cost from its store when it goes on.
---@param err qcimage.Error with retry, reused and lasting as the reader and the transport set them
---@param state qcimage.RetryState
---@return number|nil wait seconds; nil: stop
---@return number|nil cost; where it stops: the cost that the store lacks, if that is why
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

--- What a look at an image costs, after answers were lost.
M.READ_BACK_COST = COST

--- What a success gives back: what its last retry took, or a little.
---@param retryBudget number
---@param spent number|nil cost of the call's last retry
---@return number retryBudget
function M.refill(retryBudget, spent)
  return math.min(M.BUDGET, retryBudget + (spent or REFILL))
end

return M
