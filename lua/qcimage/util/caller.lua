--- caller.lua - who runs: a task, or else the coroutine whose yields go to a scheduler; and the requests that it is within.
--- Tasks are within the requests of the caller that made their loop.
--- May use ngx. Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"

local M = {}

local MAIN = {} -- the main thread, which has no coroutine in Lua 5.1

--- The task that runs, even where it cannot wait. Written by tasks.lua.
---@type qcimage.Task|nil
M.task = nil

--- Coroutines made for a protected call in Lua 5.1, and the coroutine that each relays its yields to.
---@type table<thread, thread>
M.relayed = setmetatable({}, { __mode = "k" })

---@class qcimage.Scope
---@field request any
---@field outer qcimage.Scope|nil
---@field context table|nil the HTTP request in nginx that it holds in

local scopes = setmetatable({}, { __mode = "k" }) -- by caller

local function contextOf()
  return ngx.ctx
end

-- What distinguishes the HTTP requests of nginx, which gives the coroutine of one that it killed to another.
local function context()
  if not environments.isNginx then
    return nil
  end
  local ok, found = pcall(contextOf) -- some phases have no request
  return ok and found or nil
end

--- Returns who runs; the same inside of a callback.
---@return any
function M.current()
  local thread = coroutine.running() or MAIN
  while M.relayed[thread] do
    thread = M.relayed[thread]
  end
  return M.task or thread
end

--- Returns the innermost request that the caller is within.
---@return qcimage.Scope|nil
function M.scope()
  local scope = scopes[M.current()]
  return scope and scope.context == context() and scope or nil
end

--- Sets it.
---@param scope qcimage.Scope|nil
---@param caller any nil: who runs
function M.setScope(scope, caller)
  if scope then
    scope.context = context()
  end
  scopes[caller or M.current()] = scope
end

return M
