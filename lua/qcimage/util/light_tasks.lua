--- light_tasks.lua - in nginx: a function over items, several at once, as light threads; and how these wait for each
--- other. May use ngx. Part of qcimage, see LICENSE.

local callers = require "qcimage.util.caller"
local core = require "qcimage.core"
local loops = require "qcimage.util.loop"

-- All files are read when the worker begins.
local hasSemaphores, semaphores = pcall(require, "ngx.semaphore")

local M = {}

-- Seconds between two looks where there are no semaphores: the first, and the most.
local PAUSE, LONGEST_PAUSE = 0.002, 0.02

-- Seconds that a light thread waits for a semaphore at most, which it then looks at again.
local LONGEST_WAIT = 60

local loopOf = setmetatable({}, { __mode = "k" }) -- by light thread

---@class qcimage.LightLoop: qcimage.Loop
---@field threads thread[] under way
---@field entries qcimage.LoopEntry[] theirs
---@field signals table<qcimage.Signal, boolean> that they may wait for
local Loop = {}
Loop.__index = Loop

local function run(loop, entry)
  loopOf[coroutine.running()] = loop
  callers.setScope(loop.scope)
  loops.run(loop, entry)
  return entry
end

local function spawn(loop, entry)
  loop.state.active = loop.state.active + 1
  local at = #loop.threads + 1
  loop.threads[at], loop.entries[at] = ngx.thread.spawn(run, loop, entry), entry
end

-- Waits until one has ended.
local function wait(loop)
  local ok, ended = ngx.thread.wait((table.unpack or unpack)(loop.threads))
  for i = #loop.threads, 1, -1 do
    local entry = loop.entries[i]
    local wasKilled = not ok and coroutine.status(loop.threads[i]) == "dead"
    if entry == ended or wasKilled then
      table.remove(loop.threads, i)
      table.remove(loop.entries, i)
      loop.state.active = loop.state.active - 1
      if wasKilled then
        loops.thrown(entry, ended)
      end
      loops.put(loop, entry)
    end
  end
end

function Loop:step()
  loops.begin(self, spawn)
  while not loops.hasResult(self) do
    wait(self)
  end
  return loops.take(self)
end

function Loop:stop()
  self.isEnded, self.isStopped = true, true
  for signal in pairs(self.signals) do
    signal:notify()
  end
  while self.state.active > 0 do
    wait(self)
  end
  loops.drop(self)
end

--- Whether light threads can be made here.
---@return boolean
function M.canSpawn()
  local ok, thread = pcall(ngx.thread.spawn, function() end)
  if ok then -- unwaited, it would keep the request open for ever where nginx kills who spawned it
    ngx.thread.wait(thread)
  end
  return ok
end

--- Makes a loop.
---@param next fun(): any
---@param work fun(item: any): any, any, any
---@param concurrency integer
---@return qcimage.Loop
function M.new(next, work, concurrency)
  local loop = loops.new(next, work, concurrency)
  loop.threads, loop.entries, loop.signals = {}, {}, {}
  loop.parent = M.loop()
  return setmetatable(loop, Loop)
end

--- The loop of the light thread that runs.
---@return qcimage.Loop|nil
function M.loop()
  local thread = coroutine.running()
  return thread and loopOf[thread]
end

--- What a signal has in nginx: a semaphore, if there are any.
---@return table|nil
function M.semaphore()
  return hasSemaphores and semaphores.new(0) or nil
end

--- Waits for a signal; see Signal.wait in signal.lua.
---@param signal qcimage.Signal
---@param seconds number|nil
---@return boolean|nil isNotified
---@return string|nil why
function M.wait(signal, seconds)
  local loop, seen, pause = M.loop(), signal.count, PAUSE
  local deadline = core.monotonic() + (seconds or math.huge)
  if core.isyieldable() == false then
    return nil, "alone"
  elseif loop then
    loop.signals[signal] = true
  end
  while signal.count == seen do
    local left = deadline - core.monotonic()
    if left <= 0 then
      return false
    elseif signal.semaphore then
      signal.semaphore:wait(math.min(left, LONGEST_WAIT))
    else
      ngx.sleep(math.max(0.001, math.min(left, pause)))
      pause = math.min(LONGEST_PAUSE, pause * 2)
    end
  end
  return true
end

--- Wakes the light threads that wait for a signal; one that was killed does not count.
---@param semaphore table
function M.notify(semaphore)
  local waiting = -semaphore:count()
  if waiting > 0 then
    semaphore:post(waiting)
  end
end

return M
