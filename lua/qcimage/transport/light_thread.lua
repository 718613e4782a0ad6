--- light_thread.lua - in nginx: runs a function with a time limit, or in the background.
--- A request ends when all its light threads have ended, and nginx kills none when their parent ends: those made here watch
--- their caller. May use ngx. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local errors = require "qcimage.util.errors"

local M = {}

-- Seconds between checks of the caller.
local WATCH = 0.1

-- To nginx, a wait of 0 means no wait, or the configured default.
local function milliseconds(seconds)
  return math.max(1, math.ceil(seconds * 1000))
end

M.milliseconds = milliseconds

-- Ends when the time is over, or when nobody waits for the result any more.
local function watch(caller, deadline)
  local left = deadline - core.monotonic()
  while left > 0 and coroutine.status(caller) ~= "dead" do
    ngx.sleep(milliseconds(math.min(left, WATCH)) / 1000)
    left = deadline - core.monotonic()
  end
  return nil, "timeout"
end

-- The parent of the worker, since only a parent may kill it.
local function supervise(caller, deadline, run, ...)
  local worker = ngx.thread.spawn(run, ...)
  if coroutine.status(worker) == "zombie" then -- it did not have to wait
    return ngx.thread.wait(worker)
  end
  local watcher = ngx.thread.spawn(watch, caller, deadline)
  local function finish(...)
    -- A worker in another coroutine ("normal") is left to its own timeouts: nginx would resume that coroutine, and then
    -- the dead light thread.
    if coroutine.status(worker) ~= "normal" then
      ngx.thread.kill(worker)
    end
    ngx.thread.kill(watcher)
    return ...
  end
  return finish(ngx.thread.wait(worker, watcher))
end

local function outcome(isWhole, ok, ...)
  if isWhole and ok then
    return ...
  end
  return nil, tostring(isWhole and (...) or ok)
end

--- Runs a function in a light thread. At the deadline, or when the caller was killed, the function is killed where it waits,
--- unless that is in another coroutine. Raises an error, before the function starts, where nginx has no light threads.
---@param deadline number monotonic time
---@param run function not a C function
---@param ... any its arguments
---@return any ... its results; or nil and "timeout", or the text of what it raised
function M.within(deadline, run, ...)
  local supervisor = ngx.thread.spawn(supervise, coroutine.running(), deadline, run, ...)
  return outcome(ngx.thread.wait(supervisor))
end

--- Runs a function in a timer, in the background of the current request, whose end does not end it. nginx logs what it
--- raises.
---@param run function
---@return boolean isPlanned false: nginx has no timers here, or none left
function M.background(run)
  local ok, planned = pcall(ngx.timer.at, 0, run)
  return ok and planned and true or false
end

--- Wraps a transport so that its calls end in time. Where nginx has no light threads, nothing can wait, and it is called
--- directly.
---@param transport fun(request: table, seconds: number): table|nil, string|nil, table|nil never raises; returns a third value
--- on failure
---@return fun(request: table, seconds: number): table|nil, string|nil, table|nil
function M.bounded(transport)
  return function(request, seconds)
    if core.isyieldable() == false then
      return transport(request, seconds)
    end
    local begun, response, message, detail = pcall(M.within, core.monotonic() + seconds, transport, request, seconds)
    if not begun then
      return transport(request, seconds)
    elseif response or detail then
      return response, message, detail
    end
    local where = errors.TRANSPORT.timeout:format(request.headers.Host)
    return nil, ("%s: the transport returned nothing (%s)"):format(where, message), { sent = true, reason = "timeout" }
  end
end

return M
