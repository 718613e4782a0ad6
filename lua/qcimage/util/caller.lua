--- caller.lua - who runs: a task, or else the coroutine whose yields go to a scheduler; and the requests that it is within.
--- Tasks are within the requests of the caller that made their loop.
--- Part of qcimage, see LICENSE.

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

local scopes = setmetatable({}, { __mode = "k" }) -- by caller

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
  return scopes[M.current()]
end

--- Sets it.
---@param scope qcimage.Scope|nil
---@param caller any nil: who runs
function M.setScope(scope, caller)
  scopes[caller or M.current()] = scope
end

return M
