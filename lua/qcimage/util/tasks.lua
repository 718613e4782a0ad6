--- tasks.lua - runs a function over items, several at once: in plain Lua as coroutines, whose waits it orders, in nginx
--- as light threads. Knows neither transports nor calls: who waits for what tells it so.
--- Part of qcimage, see LICENSE.
---
--- A turn of the scheduler polls for I/O, wakes what waits, and resumes what is ready. It happens only inside a step of a
--- loop, so between two steps no task runs. Loops are held by their users alone, and tasks by their loop: a loop that was
--- left is collected with all that is under way in it.

local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local text = require "qcimage.util.text"

local M = {}

--- Waits for I/O: set by a transport. Gets seconds; returns early when something happened.
---@type nil|fun(seconds: number)
M.poll = nil

-- PUC 5.1 can yield neither across pcall nor in an iterator, so nothing runs there at once.
local hasTasks = not environments.isNginx and (_VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil)

-- In nginx all files are read when the worker begins.
local semaphores = environments.isNginx and select(2, pcall(require, "ngx.semaphore"))
semaphores = type(semaphores) == "table" and semaphores or nil

local FOREIGN = "it yielded, and not by a call of this library"

local closeThread = rawget(coroutine, "close") or function() end

-- Seconds between two looks at a signal in an nginx without semaphores: the first, and the most.
local PAUSE, LONGEST_PAUSE = 0.002, 0.02

-- Seconds that a light thread waits for a semaphore at most, which it then looks at again.
local LONGEST_WAIT = 60

-- Bytes of what work threw that a message shows.
local SHOWN = 500

local TOKEN = {} -- what a task yields
local current ---@type qcimage.Task|nil the task that runs

-- The task of a coroutine. Both are weak: the value refers to the key.
local taskOf = setmetatable({}, { __mode = "kv" })

-- All loops that live, in the order in which they began.
local loops = setmetatable({}, { __mode = "v" })
local loopCount = 0

---@class qcimage.Task
---@field loop qcimage.Loop
---@field thread thread
---@field isDone nil|fun(): boolean whether what it waits for has come
---@field deadline number|nil monotonic time at which it wakes anyway
---@field isIo boolean|nil it waits for I/O
---@field isSignal boolean|nil it waits for a signal
---@field isAlone boolean|nil nobody can wake it
---@field isProbe boolean|nil it only tries whether it can yield

--- The task that runs, if it can wait: nil outside of tasks, inside a C function, in a coroutine of the user's own.
---@return qcimage.Task|nil
function M.running()
  local task = current and taskOf[coroutine.running()]
  if not task then
    return nil
  end
  local canYield = core.isyieldable()
  if canYield == nil then -- Lua 5.2 does not tell
    task.isProbe = true
    canYield = pcall(coroutine.yield, TOKEN)
    task.isProbe = nil
  end
  return canYield and task or nil
end

--- Which task runs, even where it cannot wait.
---@return qcimage.Task|nil
function M.current()
  return current
end

-- Lets the others go on until isDone returns true, or the deadline.
local function suspend(task, isDone, deadline)
  task.isDone, task.deadline = isDone, deadline
  coroutine.yield(TOKEN)
  task.isDone, task.deadline, task.isIo, task.isSignal = nil, nil, nil, nil
end

--- Lets the others go on until I/O is done, which M.poll brings about.
---@param task qcimage.Task the one that runs
---@param isDone fun(): boolean
function M.await(task, isDone)
  task.isIo = true
  suspend(task, isDone)
end

--- Lets the others go on for some time.
---@param seconds number
---@return boolean|nil slept nil: this is not a task that can wait
function M.sleep(seconds)
  local task = M.running()
  if not task then
    return nil
  end
  suspend(task, nil, core.monotonic() + seconds)
  return true
end

-- The results of a protected call in a coroutine of its own: a yield of ours goes on to the scheduler, another one is a
-- failure of what was called.
local function relay(thread, ok, first, ...)
  if not ok then
    return false, first
  elseif coroutine.status(thread) == "dead" then
    return true, first, ...
  elseif first == TOKEN then
    return relay(thread, coroutine.resume(thread, coroutine.yield(TOKEN)))
  end
  closeThread(thread)
  return false, FOREIGN
end

--- As pcall. In a task, a function that yields to another scheduler fails.
---@param run function
---@return boolean ok
---@return any ...
function M.pcall(run, ...)
  local task = current and M.running()
  if not task then
    return pcall(run, ...)
  end
  local thread = coroutine.create(function(...) -- which takes no C function on every Lua
    return run(...)
  end)
  taskOf[thread] = task
  return relay(thread, coroutine.resume(thread, ...))
end

---@class qcimage.Loop a function over items, several at once
---@field next fun(): any
---@field work fun(item: any): any, any, any
---@field concurrency integer
---@field results table[] with first and last, by the order in which they came
---@field state {active: integer} tasks that have not ended
---@field isEnded boolean|nil no item begins any more
---@field isStopped boolean|nil
---@field parent qcimage.Loop|nil whose task made this one
local Loop = {}
Loop.__index = Loop

local function isStopped(loop)
  while loop and not loop.isStopped do
    loop = loop.parent
  end
  return loop ~= nil
end

local function put(loop, entry)
  loop.last = loop.last + 1
  loop.results[loop.last] = entry
end

-- Takes the oldest result; raises nothing.
local function take(loop)
  local entry = loop.results[loop.first]
  if not entry then
    return nil
  end
  loop.results[loop.first] = nil
  loop.first = loop.first + 1
  return entry.item, entry[1], entry[2], entry[3]
end

-- What is thrown, as what a failing work returns.
local function thrown(entry, value, traceback)
  local ok, shown = pcall(tostring, value) -- its own __tostring may throw, too
  shown = ok and type(shown) == "string" and shown or "a " .. type(value)
  entry[1], entry[2] = nil, "the work threw: " .. text.oneLine(shown, SHOWN)
  entry[3] = errors.new {
    kind = "thrown",
    outcome = "unknown",
    message = entry[2],
    thrown = value,
    traceback = traceback,
  }
end

-- Runs a task until it waits or ends.
local function resume(task)
  local loop, entry = task.loop, task.entry
  local before = current
  current = task
  local ok, first
  repeat
    ok, first = coroutine.resume(task.thread, entry.item)
  until not (task.isProbe and ok and first == TOKEN)
  current = before
  local isDead = coroutine.status(task.thread) == "dead"
  if not isDead and first == TOKEN then
    loop.waiting[#loop.waiting + 1] = task
    return
  end
  if not ok then
    thrown(entry, first, debug and debug.traceback(task.thread))
  elseif not isDead then
    thrown(entry, FOREIGN)
    closeThread(task.thread)
  end
  loop.state.active = loop.state.active - 1
  put(loop, entry)
end

local function isReady(task, now)
  return task.isAlone or task.isDone and task.isDone() or task.deadline ~= nil and task.deadline <= now
end

-- Has what need wait no longer ready. Returns whether something is; the next deadline; and how many wait for I/O.
local function wake(loop, now)
  local waiting, ready, kept = loop.waiting, loop.ready, 0
  local soonest, io = math.huge, 0
  for i = 1, #waiting do
    local task = waiting[i]
    waiting[i] = nil
    if isReady(task, now) then
      ready[#ready + 1] = task
    else
      kept = kept + 1
      waiting[kept] = task
      soonest = math.min(soonest, task.deadline or math.huge)
      io = io + (task.isIo and 1 or 0)
    end
  end
  return ready[1] ~= nil, soonest, io
end

-- The loops that have something under way; the others are forgotten.
local function livingLoops()
  local list, kept = {}, 0
  for i = 1, loopCount do
    local loop = loops[i]
    loops[i] = nil
    if loop and (loop.state.active > 0 or not loop.isEnded) then
      kept = kept + 1
      loops[kept], list[kept] = loop, loop
    end
  end
  loopCount = kept
  return list
end

local function wakeAll(list)
  local isAnyReady, soonest, io, now = false, math.huge, 0, core.monotonic()
  for _, loop in ipairs(list) do
    local has, deadline, count = wake(loop, now)
    isAnyReady, soonest, io = isAnyReady or has, math.min(soonest, deadline), io + count
  end
  return isAnyReady, soonest - now, io
end

-- Wakes those that wait for a signal that nobody can give.
local function wakeAlone(list)
  local isAny = false
  for _, loop in ipairs(list) do
    for _, task in ipairs(loop.waiting) do
      task.isAlone = task.isSignal
      isAny = isAny or task.isSignal
    end
  end
  return isAny
end

-- One turn, which waits for so many seconds at most. Returns false where nothing is left that could happen.
local function turn(most)
  local list = livingLoops()
  local isAnyReady, seconds, io = wakeAll(list)
  if not isAnyReady and io == 0 and seconds == math.huge and not wakeAlone(list) then
    return false
  end
  seconds = isAnyReady and 0 or math.max(0, math.min(most, seconds))
  if io > 0 then
    M.poll(seconds)
  elseif seconds > 0 and seconds < math.huge then
    core.sleep(seconds)
  end
  wakeAll(list)
  for _, loop in ipairs(list) do
    for _ = 1, #loop.ready do -- not those that become ready meanwhile
      local task = table.remove(loop.ready, 1)
      if task then -- a turn within this one may have resumed it
        resume(task)
      end
    end
  end
  return true
end

-- The same, also when a signal's handler of the host's raises in between.
local function protectedTurn(most)
  local before = current
  local ok, more = pcall(turn, most)
  current = before
  if not ok then
    error(more, 0)
  end
  return more
end

--- Whether a wait that blocks has to do the I/O of tasks meanwhile: then it waits by this.
---@param seconds number
---@return boolean|nil waited nil: nothing is under way
function M.block(seconds)
  local _, _, io = wakeAll(livingLoops())
  if io == 0 then
    return nil
  end
  M.poll(seconds)
  return true
end

-- Lets the others go on until the loop has a result, or nothing is under way in it.
local function waitFor(loop)
  local function isDone()
    return loop.results[loop.first] ~= nil or loop.state.active == 0
  end
  local task = M.running()
  if task and not isDone() then
    suspend(task, isDone)
  end
  while not isDone() do
    if not protectedTurn(math.huge) then
      return false
    end
  end
  return true
end

-- Begins a task.
local function spawn(loop, item)
  local entry = { item = item }
  local task = { loop = loop, entry = entry }
  task.thread = coroutine.create(function(given)
    entry[1], entry[2], entry[3] = loop.work(given)
  end)
  taskOf[task.thread] = task
  loop.state.active = loop.state.active + 1
  loop.ready[#loop.ready + 1] = task
end

-- Begins as many items as may be under way.
local function beginItems(loop, begin)
  while not loop.isEnded and loop.state.active + loop.last - loop.first + 1 < loop.concurrency do
    local ok, item = pcall(loop.next)
    if not ok or item == nil then
      loop.isEnded = true
    end
    if not ok then
      error(item, 0)
    elseif item ~= nil then
      begin(loop, item)
    end
  end
end

--- The next result, in the order in which they come. Begins new items before: none between a result and what is done with
--- it.
---@return any item nil: all are done
---@return any result
---@return any message
---@return any err
function Loop:step()
  beginItems(self, spawn)
  if not M.running() then
    protectedTurn(0)
  end
  if not waitFor(self) then
    error(("qcimage: %d items of a loop can no longer end"):format(self.state.active), 0)
  end
  return take(self)
end

--- Begins nothing more, and waits for what is under way. What comes of it is dropped.
function Loop:stop()
  self.isEnded, self.isStopped = true, true
  while self.state.active > 0 do
    while take(self) ~= nil do
    end
    if not waitFor(self) then
      break
    end
  end
  self.results, self.first, self.last = {}, 1, 0
end

-- nginx

local loopOf = setmetatable({}, { __mode = "k" }) -- by light thread

local LightLoop = {}
LightLoop.__index = LightLoop

local function runLight(loop, entry)
  loopOf[coroutine.running()] = loop
  local ok, first, second, third = pcall(loop.work, entry.item)
  if ok then
    entry[1], entry[2], entry[3] = first, second, third
  else
    thrown(entry, first)
  end
  return entry
end

local function spawnLight(loop, item)
  local entry = { item = item }
  loop.state.active = loop.state.active + 1
  loop.threads[#loop.threads + 1] = ngx.thread.spawn(runLight, loop, entry)
  loop.entries[#loop.threads] = entry
end

-- Waits until one has ended.
local function waitLight(loop)
  local ok, ended = ngx.thread.wait((table.unpack or unpack)(loop.threads))
  for i = #loop.threads, 1, -1 do
    local entry = loop.entries[i]
    if entry == ended or not ok and coroutine.status(loop.threads[i]) == "dead" then
      table.remove(loop.threads, i)
      table.remove(loop.entries, i)
      loop.state.active = loop.state.active - 1
      if not ok then
        thrown(entry, ended)
      end
      put(loop, entry)
    end
  end
end

function LightLoop:step()
  beginItems(self, spawnLight)
  while not self.results[self.first] and self.state.active > 0 do
    waitLight(self)
  end
  return take(self)
end

function LightLoop:stop()
  self.isEnded, self.isStopped = true, true
  for signal in pairs(self.signals) do
    signal:notify()
  end
  while self.state.active > 0 do
    waitLight(self)
  end
  self.results, self.first, self.last = {}, 1, 0
end

-- One after the other

local SerialLoop = {}
SerialLoop.__index = SerialLoop

local function serial(loop, item)
  local entry = { item = item }
  local ok, first, second, third = pcall(loop.work, item)
  if ok then
    entry[1], entry[2], entry[3] = first, second, third
  else
    thrown(entry, first)
  end
  put(loop, entry)
end

function SerialLoop:step()
  beginItems(self, serial)
  return take(self)
end

function SerialLoop:stop()
  self.isEnded = true
end

-- Signals

---@class qcimage.Signal what tasks that share state wait for
local Signal = {}
Signal.__index = Signal

local function waitInTask(signal, task, seconds)
  local seen, loop = signal.count, task.loop
  task.isSignal = true
  suspend(task, function()
    return signal.count ~= seen or isStopped(loop)
  end, seconds and core.monotonic() + seconds)
  local isAlone = task.isAlone
  task.isAlone = nil
  if signal.count ~= seen then
    return true
  elseif isAlone then
    return nil, "alone"
  end
  return false
end

local function waitInNginx(signal, loop, seconds)
  local seen, pause = signal.count, PAUSE
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

--- Lets the others go on until somebody notifies.
---@param seconds number|nil nil: without an end
---@return boolean|nil isNotified false: the seconds are over; nil: it cannot be waited
---@return string|nil why "stopped": the loop was; "alone": nobody is there who could notify
function Signal:wait(seconds)
  local task = M.running()
  local loop = task and task.loop or environments.isNginx and loopOf[coroutine.running()] or nil
  local isNotified, why = nil, "alone"
  if isStopped(loop) then
    return nil, "stopped"
  elseif task then
    isNotified, why = waitInTask(self, task, seconds)
  elseif environments.isNginx then
    isNotified, why = waitInNginx(self, loop, seconds)
  end
  if isStopped(loop) then
    return nil, "stopped"
  end
  return isNotified, why
end

--- Wakes all that wait.
function Signal:notify()
  self.count = self.count + 1
  local waiting = self.semaphore and -self.semaphore:count() or 0
  if waiting > 0 then
    self.semaphore:post(waiting)
  end
end

--- Makes a signal.
---@return qcimage.Signal
function M.signal()
  return setmetatable({ count = 0, semaphore = semaphores and semaphores.new(0) or nil }, Signal)
end

-- Loops

-- Calls a function when the value is collected, on every Lua.
local function whenCollected(run)
  if newproxy then -- luacheck: ignore 113
    local proxy = newproxy(true) -- luacheck: ignore 113
    getmetatable(proxy).__gc = run
    return proxy
  end
  return setmetatable({}, { __gc = run })
end

local function guardOf(state)
  return whenCollected(function()
    if state.active > 0 then
      require("qcimage.util.warning").write(
        ("a loop was left with %d items under way; what became of them is not known"):format(state.active)
      )
    end
  end)
end

--- Whether loops run several items at once here.
---@return boolean
function M.isParallel()
  if environments.isNginx then
    return (pcall(ngx.thread.spawn, function() end))
  end
  return hasTasks
end

--- Makes a loop. Begins nothing.
---@param next fun(): any gives the items; nil: the end
---@param work fun(item: any): any, any, any
---@param concurrency integer
---@return qcimage.Loop
function M.new(next, work, concurrency)
  local loop = {
    next = next,
    work = work,
    concurrency = concurrency,
    results = {},
    first = 1,
    last = 0,
    state = { active = 0 },
  }
  if not M.isParallel() then
    loop.concurrency = 1
    return setmetatable(loop, SerialLoop)
  elseif environments.isNginx then
    loop.threads, loop.entries, loop.signals = {}, {}, {}
    loop.parent = loopOf[coroutine.running()]
    return setmetatable(loop, LightLoop)
  end
  loop.ready, loop.waiting = {}, {}
  loop.parent = current and current.loop
  loop.guard = guardOf(loop.state)
  loopCount = loopCount + 1
  loops[loopCount] = loop
  return setmetatable(loop, Loop)
end

return M
