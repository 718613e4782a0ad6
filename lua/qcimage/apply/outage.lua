--- outage.lua - what a run does while the service or the network is out of order: after some failures in a row one step
--- tries for all, so that a run does not add to the trouble. A circuit breaker with a probe.
--- Pure. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local errors = require "qcimage.util.errors"
local times = require "qcimage.apply.times"

local M = {}

-- Transient failures in a row, of all steps, after which one step tries for all.
local PROBE_AFTER = 4

-- Transient errors of the service, by their reasons; those of the network are named in util/errors.
local TRANSIENT = { throttled = true, busy = true, internal = true }

--- Whether a failure may go away by itself.
---@param err qcimage.Error
---@return boolean
function M.isTransient(err)
  return TRANSIENT[err.reason]
    or errors.TRANSIENT[err.reason]
    or err.reason == "status" and ((err.httpStatus or 0) >= 500 or err.httpStatus == 429)
end

--- Whether a failure says that there were too many calls.
---@param err qcimage.Error
---@return boolean
function M.isThrottle(err)
  return err.reason == "throttled" or err.httpStatus == 429
end

--- Whether a failure is one of the credentials: there are none, or the service refused them for good.
---@param err qcimage.Error
---@return boolean
function M.isOfKeys(err)
  local retry = err.kind == "service" and err.code and select(3, codes.meaning(err.code))
  return err.kind == "credentials" or retry == "renew" or retry == "reread"
end

---@class qcimage.ApplyOutage
---@field failures integer transient ones in a row
---@field probe table|nil the step that tries for all
---@field lastErr qcimage.Error|nil the last of these
local Outage = {}
Outage.__index = Outage

--- Makes the state of a run.
---@return qcimage.ApplyOutage
function M.new()
  return setmetatable({ failures = 0, probe = nil, lastErr = nil }, Outage)
end

function Outage:failed(err)
  if M.isTransient(err) then
    self.failures, self.lastErr = self.failures + 1, err
  end
end

function Outage:succeeded()
  self.failures, self.probe = 0, nil
end

--- Lets another step be the one that tries.
---@param step table
function Outage:release(step)
  if self.probe == step then
    self.probe = nil
  end
end

--- Waits as long as another step tries for all.
---@param run qcimage.ApplyRun
---@param step table
---@param deadline number
---@return boolean goesOn false: the time is over, or the run is stopped
function Outage:await(run, step, deadline)
  while self.failures >= PROBE_AFTER and self.probe and self.probe ~= step do
    if run.now() >= deadline or not run:wait(times.SLICE) then
      return false
    end
  end
  if self.failures >= PROBE_AFTER then
    self.probe = step
  end
  return true
end

return M
