--- light_thread.lua - in nginx: runs a function within a time, whatever it waits for; or apart from any request.
--- A response ends when all light threads of its request have ended, and nginx ends none with the one that
--- made it: so those made here watch whom they work for. May use ngx. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local errors = require "qcimage.util.errors"

local M = {}

-- Seconds between two looks at the caller.
local WATCH = 0.1

-- To nginx, a wait of 0 is no wait, or the configured default.
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

-- Is the parent of what runs, since nginx lets no other end it.
local function supervise(caller, deadline, run, ...)
  local worker = ngx.thread.spawn(run, ...)
  if coroutine.status(worker) == "zombie" then -- it did not have to wait
    return ngx.thread.wait(worker)
  end
  local watcher = ngx.thread.spawn(watch, caller, deadline)
  local function finish(...)
    -- What waits in a coroutine of its own ("normal") is left to its own time-outs: nginx would resume that one,
    -- and then the dead light thread.
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

--- Runs a function in a light thread. When the time is over, or the caller was killed, the function is ended where it
--- waits, unless it does so in a coroutine of its own. Raises where nginx has no light threads, before the function was
--- begun.
---@param deadline number monotonic time
---@param run function no C function
---@param ... any what it is called with
---@return any ... what run returned; or nil and "timeout", or what it raised as text
function M.within(deadline, run, ...)
  local supervisor = ngx.thread.spawn(supervise, coroutine.running(), deadline, run, ...)
  return outcome(ngx.thread.wait(supervisor))
end

--- Runs a function in a timer, apart from the request that this is called in, whose end does not end it. nginx logs what
--- the function raises.
---@param run function
---@return boolean isPlanned false where nginx has no timers, or none left
function M.background(run)
  local ok, planned = pcall(ngx.timer.at, 0, run)
  return ok and planned and true or false
end

--- A transport whose calls end in time, even if it minds none itself. Where nginx has no light threads nothing
--- can wait, and it is called as it is.
---@param transport fun(request: table, seconds: number): table|nil, string|nil, table|nil that raises nothing, and
--- gives a third value when it fails
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
