--- rate_limit.lua - acquires a slot of the call's rate limiter before each attempt, and reports throttled attempts to it.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local limits = require "qcimage.util.limits"
local resolve = require "qcimage.call.resolve"
local callback = require "qcimage.util.callback"
local optionNames = require "qcimage.util.option_names"
local redact = require "qcimage.util.redact"
local callContext = require "qcimage.call.context"

local M = {}

-- Calls a method of the limiter, if it has it. A limiter that is a function is its own acquire.
local function ask(limiter, name, ...)
  if type(limiter) == "function" then
    if name == "acquire" then
      return limiter(...)
    end
  elseif limiter[name] then
    return limiter[name](limiter, ...)
  end
end

-- Validates what the limiter's acquire returned. Returns seconds, and whether to ask it again after them; or a message after
-- nil (it refused) or false (not seconds).
local function acquired(wait, message)
  if type(wait) == "number" and wait >= 0 then
    return wait, wait > 0 and message == "again"
  elseif wait == nil then
    return nil, callback.errorText(message == nil and "no message" or message)
  end
  return false, ("returned %s; expected seconds, or nil and a message"):format(callback.kind(wait))
end

-- Returns the seconds to wait, and whether no slot was given and it must be asked again; or nil and an error.
local function askLimiter(call, longest)
  local name = call.action.name
  local ok, wait, message = callback.pcall(function()
    return acquired(ask(call.limiter, "acquire", name, call.region, longest, call.version))
  end)
  if not ok then
    wait, message = false, "threw: " .. callback.errorText(wait)
  elseif wait and wait > longest then
    wait, message = nil, ("needs %.3g s, but only %.3g s remain of the timeout"):format(wait, longest)
  end
  if wait then
    return wait, message
  end
  message = redact.said(message, resolve.known(call))
  if wait == false then
    return nil, errors.ofAction(name, "parameter", ("%s %s"):format(optionNames.shown "limiter", message), "limiter")
  end
  local err = errors.ofAction(name, "service", "rejected by the rate limiter: " .. message)
  err.reason = "throttled"
  return nil, err
end

--- Waits for a slot of a call's limiter.
---@param call qcimage.Call its region is known
---@param longest number seconds
---@param sleep fun(seconds: number): any, string|nil
---@return boolean|nil hasSlot
---@return qcimage.Error|nil err
function M.waitForSlot(call, longest, sleep)
  local left = longest
  while true do
    local wait, asksAgain = askLimiter(call, left)
    if not wait then
      return nil, asksAgain
    end
    if wait > 0 then
      local slept, problem = sleep(wait)
      if not slept then
        local message = "cannot wait for the rate limiter: " .. redact.said(problem, resolve.known(call))
        return nil, errors.ofAction(call.action.name, "unsupported", message)
      end
    end
    if not asksAgain then
      return true
    end
    left = left - wait
  end
end

--- Acquires a slot for the next attempt of a call, and waits for it.
---@param call qcimage.Call
---@return boolean|nil hasSlot nil: no attempt is made
---@return qcimage.Error|nil err
function M.acquire(call)
  local client = call.client
  if environments.isNginx and core.isyieldable() == false and not client.options.transport then
    return true -- nothing can be sent from this phase, which the attempt reports: no slot is used up
  end
  local began = core.monotonic()
  local left = call.deadline - began
  if left <= 0 then -- which the attempt reports
    return true
  end
  local longest = call.limiterWaitIsExtra and limits.limiterWait or left - math.min(limits.reservedForAttempt, left / 2)
  local hasSlot, err = M.waitForSlot(call, longest, client.sleep)
  if call.limiterWaitIsExtra then
    callContext.extendDeadline(call, core.monotonic() - began)
  end
  return hasSlot, err
end

--- Reports a throttled attempt to the limiter. What the limiter throws is noted as hookError.
---@param call qcimage.Call
---@param err qcimage.Error of the attempt
function M.reportThrottled(call, err)
  local limiter = call.limiter
  if not limiter or err.reason ~= "throttled" and err.httpStatus ~= 429 then
    return
  end
  local ok, thrown =
    callback.pcall(ask, limiter, "throttled", call.action.name, call.region, err.retryAfter, call.version)
  if not ok then
    callContext.noteCallbackError(call, "the limiter's throttled threw: " .. redact.said(thrown, call.attempt))
  end
end

return M
