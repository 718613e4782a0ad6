--- signal.lua - what tasks that share state wait for.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local loops = require "qcimage.util.loop"
local tasks = require "qcimage.util.tasks"

-- In nginx all files are read when the worker begins.
local light = environments.isNginx and require "qcimage.util.light_tasks"

local M = {}

---@class qcimage.Signal
local Signal = {}
Signal.__index = Signal

local function waitInTask(signal, task, seconds)
  local seen = signal.count
  local isAlone = tasks.awaitOthers(task, function()
    return signal.count ~= seen or loops.isStopped(task.loop)
  end, seconds and core.monotonic() + seconds)
  if signal.count ~= seen then
    return true
  elseif isAlone then
    return nil, "alone"
  end
  return false
end

--- Lets the others go on until somebody notifies.
---@param seconds number|nil nil: without an end
---@return boolean|nil isNotified false: the seconds are over; nil: it cannot be waited
---@return string|nil why "stopped": the loop was; "alone": no other task that could notify
function Signal:wait(seconds)
  local task = tasks.running()
  local loop = task and task.loop or light and light.loop()
  local isNotified, why = nil, "alone"
  if loops.isStopped(loop) then
    return nil, "stopped"
  elseif task then
    isNotified, why = waitInTask(self, task, seconds)
  elseif light then
    isNotified, why = light.wait(self, seconds)
  end
  if loops.isStopped(loop) then
    return nil, "stopped"
  end
  return isNotified, why
end

--- Wakes all that wait. They run in the next iteration, not within this call.
function Signal:notify()
  self.count = self.count + 1
  if self.semaphore then
    light.notify(self.semaphore)
  end
end

--- Makes a signal.
---@return qcimage.Signal
function M.new()
  return setmetatable({ count = 0, semaphore = light and light.semaphore() or nil }, Signal)
end

return M
