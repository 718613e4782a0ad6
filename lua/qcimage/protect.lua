--- protect.lua - calls of functions that are not ours: what they throw becomes a value, and they may yield.
--- Every function of the caller's (transport, credentials, clock, nonce, sleep, onAttempt) is called here.
--- Part of qcimage, see LICENSE.

local text = require "qcimage.text"

local M = {}

-- PUC Lua 5.1 yields across no pcall. There the function runs in a coroutine of its own, whose yields go on
-- to whoever resumes ours. (coroutine.running gives that inner one: a scheduler that resumes what it finds
-- there must be told of ours instead.)
local function relay(thread, ok, ...)
  if not ok then
    return false, ...
  elseif coroutine.status(thread) == "dead" then
    return true, ...
  end
  return relay(thread, coroutine.resume(thread, coroutine.yield(...)))
end

local function pcall51(run, ...)
  if not coroutine.running() then -- nothing there that could take a yield
    return pcall(run, ...)
  end
  local thread = coroutine.create(function(...) -- which takes no C function
    return run(...)
  end)
  return relay(thread, coroutine.resume(thread, ...))
end

--- As pcall, but the function may yield, on every Lua.
---@param run function
---@return boolean ok
---@return any ... what it returned, or threw
M.call = _VERSION == "Lua 5.1" and not rawget(_G, "jit") and pcall51 or pcall

--- What was thrown, as text for one line: not redacted.
---@param thrown any
---@return string
function M.message(thrown)
  if type(thrown) ~= "string" then
    local ok, shown = pcall(tostring, thrown) -- its own __tostring may throw, too
    thrown = ok and type(shown) == "string" and shown or "a " .. type(thrown)
  end
  return text.clean(thrown, 500)
end

local function values(name, ok, ...)
  if ok then
    return ...
  end
  return nil, ("%s threw: %s"):format(name, M.message((...)))
end

--- A function that calls another and throws nothing: it returns nil and a message instead.
---@param name string how the message calls it
---@param run function
---@return function
function M.wrap(name, run)
  return function(...)
    return values(name, M.call(run, ...))
  end
end

return M
