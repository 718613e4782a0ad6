--- context.lua - what stands for a call while it is under way, and for its attempts: the fields, with the one file that
--- writes each; and what several files add to a call: time, and what a hook threw.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"

local M = {}

---@class qcimage.Call
--- Set in prepare.lua:
---@field client qcimage.Client
---@field version "2.0"|"3.0"
---@field action table from actions.lua
---@field values table the parameters as they travel
---@field isRaw boolean|nil they were given so, and not checked
---@field readBackSeconds number that attempts leave for reading the image back; 0: it is not read back
---@field limiterWaitIsExtra boolean|nil the limiter's waits do not use up the timeout
---@field maxAttempts integer
---@field attempts table[] records of what was tried; execute.lua adds them
---@field wantedRegion string|nil option of the call
---@field endpoint qcimage.Endpoint as far as it is known; resolve.lua settles it
--- In resolve.lua:
---@field region string|nil as sent
---@field regionSource string|nil where it comes from; region and endpoint are settled
---@field fresh qcimage.Credentials|nil what the next attempt takes
---@field renewed boolean|nil credentials were asked for again after a refused token
---@field renewalProblem string|nil why there were none
--- In build.lua:
---@field form table<string, string>|nil API 2.0: the parameters as a form has them, but for the public ones
--- In execute.lua:
---@field attempt qcimage.Attempt|nil the last that was begun
---@field anyUnknown boolean|nil an attempt's fate is unknown
---@field anyRejected boolean|nil an attempt was sent, and refused
---@field cost number|nil what the last retry took from the client's store
--- In clock.lua:
---@field skewCorrected boolean|nil a clock was refused before
---@field clockSkew number|nil seconds that the clock was found to be ahead of the service
--- Here:
---@field deadline number of core.monotonic
---@field hookError string|nil what a hook threw first

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

--- Gives a call more time.
---@param call qcimage.Call
---@param seconds number
function M.extendDeadline(call, seconds)
  call.deadline = call.deadline + seconds
end

--- Seconds that a call has left; 0 or less: none.
---@param call qcimage.Call
---@return number
function M.secondsLeft(call)
  return call.deadline - core.monotonic()
end

--- Keeps what a function of the caller's threw that changes nothing: the first is told with the result.
---@param call qcimage.Call
---@param message string|nil nil: it threw nothing
function M.noteCallbackError(call, message)
  call.hookError = call.hookError or message
end

return M
