--- context.lua - the Call and Attempt records: their fields, and the file that sets each; the deadline of a call.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"

local M = {}

---@class qcimage.Call
--- Set in prepare.lua:
---@field client qcimage.Client
---@field version "2.0"|"3.0"
---@field action table from actions.lua
---@field values table the parameters by their wire names
---@field isRaw boolean|nil the parameters were given by wire names, and are not validated
---@field readBackSeconds number seconds that attempts leave for the read-back; 0: no read-back
---@field limiter qcimage.Limiter|function|nil the client's, or another that its attempts wait for
---@field hasSlot boolean|nil a slot of the limiter was acquired before the call
---@field limiterWaitIsExtra boolean|nil waits for the rate limiter do not count against the timeout
---@field maxAttempts integer
---@field attempts table[] records of the attempts; execute.lua adds them
---@field wantedRegion string|nil option of the call
---@field wantedRegionName string|nil what gave that option, in messages; by default the option itself
---@field endpoint qcimage.Endpoint as far as it is known; resolve.lua sets the final one
--- In resolve.lua:
---@field region string|nil as sent
---@field regionSource string|nil what named the region; set once region and endpoint are final
---@field fresh qcimage.Credentials|nil credentials for the next attempt
---@field renewed boolean|nil credentials were refreshed after a refusal
---@field renewalProblem string|nil why the refresh failed
--- In build.lua:
---@field form table<string, string>|nil API 2.0: the form without the public parameters
--- In execute.lua:
---@field attempt qcimage.Attempt|nil the latest
---@field anyUnknown boolean|nil the outcome of an attempt is unknown
---@field anyRejected boolean|nil an attempt was sent and rejected
---@field cost number|nil what the last retry took from the retry budget
--- In clock.lua:
---@field skewCorrected boolean|nil a timestamp was refused before
---@field clockSkew number|nil seconds by which the clock was found to be ahead of the service
--- Here:
---@field deadline number monotonic time
---@field hookError string|nil what a callback threw first

---@class qcimage.Attempt made afresh for each
--- Set in resolve.lua:
---@field credentials qcimage.Credentials
---@field signer userdata|nil nil: the action is not signed
---@field logins nil|fun(): string[] user names and passwords of proxies
--- In clock.lua:
---@field now number the client's clock
---@field offset number what was added to it
---@field time integer Unix seconds, which are signed
---@field nonce string|nil decimal digits, in API 2.0
--- In sign.lua:
---@field carrier string|nil what carries its signature

--- Extends the deadline of a call.
---@param call qcimage.Call
---@param seconds number
function M.extendDeadline(call, seconds)
  call.deadline = call.deadline + seconds
end

--- Returns the seconds until the deadline; 0 or less: it has passed.
---@param call qcimage.Call
---@return number
function M.secondsLeft(call)
  return call.deadline - core.monotonic()
end

--- Notes what a callback threw that does not change the call. The first one is returned with the result.
---@param call qcimage.Call
---@param message string|nil nil: it threw nothing
function M.noteCallbackError(call, message)
  call.hookError = call.hookError or message
end

return M
