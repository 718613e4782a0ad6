--- callback.lua - calls the user's functions (transport, credentials, clock, nonce, sleep, limiter, onAttempt): what they
--- throw becomes a value, and they may yield.
--- Part of qcimage, see LICENSE.

local callers = require "qcimage.util.caller"
local core = require "qcimage.core"
local limits = require "qcimage.util.limits"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"

local M = {}

-- PUC Lua 5.1 cannot yield across pcall. There the function runs in a separate coroutine, whose yields are passed on.
-- coroutine.running returns that inner coroutine; an event loop must resume the outer one (see docs/errors.md).
local function relay(thread, ok, ...)
  if not ok then
    return false, ...
  elseif coroutine.status(thread) == "dead" then
    return true, ...
  end
  return relay(thread, coroutine.resume(thread, coroutine.yield(...)))
end

local function pcall51(run, ...)
  if not coroutine.running() then -- nothing could receive a yield
    return pcall(run, ...)
  end
  local thread = coroutine.create(function(...) -- coroutine.create takes no C function
    return run(...)
  end)
  callers.relayed[thread] = coroutine.running()
  return relay(thread, coroutine.resume(thread, ...))
end

--- pcall whose function may yield, on every Lua.
---@param run function
---@return boolean ok
---@return any ... what it returned, or threw
M.pcall = _VERSION == "Lua 5.1" and not rawget(_G, "jit") and pcall51 or tasks.pcall

--- Returns whether `pcall` above, though not Lua's, catches what the running coroutine throws.
---@return boolean
function M.isGuarded()
  local thread = coroutine.running()
  return thread ~= nil and callers.relayed[thread] ~= nil
end

-- Bytes of a thrown text that a message shows.
local SHOWN = 500

--- Converts a value to one line. Not redacted, but cut only at white space, never within a secret.
---@param value any
---@return string
function M.errorText(value)
  local shown = text.ofValue(value)
  if #shown > SHOWN then
    shown = (shown:sub(1, SHOWN):match "^.*%s" or "") .. "..."
  end
  return text.oneLine(shown, SHOWN + 3)
end

-- Bytes of a text too short to be a secret.
local HARMLESS = 7

--- Describes a value of the wrong type, without showing what may be a secret.
---@param value any
---@return string
function M.kind(value)
  local kind = type(value)
  if kind == "nil" or kind == "string" and #value > HARMLESS then
    return kind == "nil" and kind or "a string"
  end
  return text.quote(value)
end

local function values(name, ok, ...)
  if ok then
    return ...
  end
  return nil, ("%s threw: %s"):format(name, M.errorText((...)))
end

--- Wraps a callback: it throws nothing, and its results are validated and copied within the protected call, since their
--- metamethods may throw, too.
---@param name string the callback's name in messages
---@param run function the user's
---@param accept fun(...): any, string|nil takes the results; returns the valid one, or nil and a message
---@return fun(...): any, string|nil what accept returned, or nil and a message: one line, not redacted
function M.wrap(name, run, accept)
  local function exchange(...)
    return accept(run(...))
  end
  return function(...)
    return values(name, M.pcall(exchange, ...))
  end
end

--- Returns a client's clock.
---@param given function|nil the option clock
---@return fun(): number|nil, string|nil clock Unix seconds; or nil and a message
function M.clock(given)
  if not given then
    return core.time
  end
  return M.wrap("option clock", given, function(now, problem)
    if type(now) == "number" and now >= 0 and now <= limits.latestTime then
      return now
    elseif now == nil and problem ~= nil then
      return nil, M.errorText(problem)
    end
    return nil, ("option clock returned %s; expected a Unix time in seconds"):format(M.kind(now))
  end)
end

--- Returns a client's source of nonces.
---@param given function|nil the option nonce
---@return fun(): string|nil, string|nil nonce decimal digits; or nil and a message
function M.nonce(given)
  if not given then
    return core.nonce
  end
  return M.wrap("option nonce", given, function(nonce, problem)
    nonce = type(nonce) == "number" and ("%.0f"):format(nonce) or nonce
    if type(nonce) == "string" and nonce:find("^%d+$") and #nonce <= 19 then
      return nonce
    end
    return nil, nonce == nil and problem ~= nil and M.errorText(problem) or "option nonce must return decimal digits"
  end)
end

return M
