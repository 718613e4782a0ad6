--- tasks.lua - runs a function over items, several at once: as coroutines, whose waits it schedules. Knows neither transports
--- nor calls, only what each task waits for. In nginx light_tasks.lua does it.
--- Part of qcimage, see LICENSE.
---
--- An iteration of the scheduler polls for I/O, wakes what waits, and resumes what is ready. It happens only inside a step of a
--- loop, so between two steps no task runs. Loops are held by their users alone, and tasks by their loop: a loop that was
--- left is collected with all that is under way in it.

local callers = require "qcimage.util.caller"
local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local items = require "qcimage.util.loop"

-- In nginx all files are read when the worker begins.
local light = environments.isNginx and require "qcimage.util.light_tasks"

local M = {}

--- Waits for I/O: set by a transport. Gets seconds; returns early when something happened.
---@type nil|fun(seconds: number)
M.poll = nil

-- PUC 5.1 can yield neither across pcall nor in an iterator, so nothing runs there at once.
local hasTasks = not environments.isNginx and (_VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil)

--- What a function of the user's threw that yielded to another scheduler.
M.FOREIGN = "it yielded, and not by a call of this library"

local close = rawget(coroutine, "close") or function() end

-- Closes what the variables of a coroutine that goes no further have to close, as the end of a call would. Returns what it
-- threw: an error of a variable replaces one before it.
local function closeThread(thread, thrown)
  local ok, problem = close(thread)
  if ok == false then
    return problem
  end
  return thrown
end

local TOKEN = {} -- what a task yields

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

--- The task that runs, if it can wait: nil outside of tasks, inside a C function, in a coroutine of the user.
---@return qcimage.Task|nil
function M.running()
  local task = callers.task and taskOf[coroutine.running()]
  if not task then
    return nil
  end
  local canYield = core.isyieldable()
  if canYield == nil then -- Lua 5.2 cannot say
    task.isProbe = true
    canYield = pcall(coroutine.yield, TOKEN)
    task.isProbe = nil
  end
  return canYield and task or nil
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

--- Lets the others go on until one of them brings about what is awaited, or the deadline.
---@param task qcimage.Task the one that runs
---@param isDone fun(): boolean
---@param deadline number|nil monotonic time
---@return boolean|nil isAlone no other is left that could
function M.awaitOthers(task, isDone, deadline)
  task.isSignal = true
  suspend(task, isDone, deadline)
  local isAlone = task.isAlone
  task.isAlone = nil
  return isAlone
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

-- The results of a protected call in a separate coroutine: a yield of this module is passed on to the scheduler, another one
-- is a failure of the called function.
local function relay(thread, ok, first, ...)
  if not ok then
    return false, closeThread(thread, first)
  elseif coroutine.status(thread) == "dead" then
    return true, first, ...
  elseif first == TOKEN then
    return relay(thread, coroutine.resume(thread, coroutine.yield(TOKEN)))
  end
  closeThread(thread)
  return false, M.FOREIGN
end

--- As pcall. In a task, a function that yields to another scheduler fails.
---@param run function
---@return boolean ok
---@return any ...
function M.pcall(run, ...)
  local task = callers.task and M.running()
  if not task then
    return pcall(run, ...)
  end
  local thread = coroutine.create(function(...) -- which takes no C function on every Lua
    return run(...)
  end)
  taskOf[thread] = task
  return relay(thread, coroutine.resume(thread, ...))
end

-- Runs a task until it waits or ends.
local function resume(task)
  local loop, entry = task.loop, task.entry
  local before = callers.task
  callers.task = task
  local ok, first
  repeat
    ok, first = coroutine.resume(task.thread, entry.item)
  until not (task.isProbe and ok and first == TOKEN)
  local isDead = coroutine.status(task.thread) == "dead"
  if not isDead and first == TOKEN then
    callers.task = before
    loop.waiting[#loop.waiting + 1] = task
    return
  end
  if not ok then
    local traceback = debug and debug.traceback(task.thread)
    items.thrown(entry, closeThread(task.thread, first), traceback)
  elseif not isDead then
    closeThread(task.thread)
    items.thrown(entry, M.FOREIGN)
  end
  callers.task = before
  loop.state.active = loop.state.active - 1
  items.put(loop, entry)
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

-- One iteration, which waits for so many seconds at most. Returns false where nothing is left that could happen.
local function iterate(most)
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
      if task then -- a nested iteration may have resumed it
        resume(task)
      end
    end
  end
  return true
end

-- The same, also when a signal's handler of the host's raises in between.
local function protectedIteration(most)
  local before = callers.task
  local ok, more = pcall(iterate, most)
  callers.task = before
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

---@class qcimage.TaskLoop: qcimage.Loop
---@field ready qcimage.Task[]
---@field waiting qcimage.Task[]
local Loop = {}
Loop.__index = Loop

-- Lets the others go on until the loop has a result, or nothing is under way in it. Returns false where that cannot be.
local function waitFor(loop)
  local function isDone()
    return items.hasResult(loop)
  end
  local task = M.running()
  if task and not isDone() then
    suspend(task, isDone)
  end
  while not isDone() do
    if not protectedIteration(math.huge) then
      return false
    end
  end
  return true
end

local function spawn(loop, entry)
  local task = { loop = loop, entry = entry }
  task.thread = coroutine.create(function(item)
    entry[1], entry[2], entry[3] = loop.work(item)
  end)
  taskOf[task.thread] = task
  callers.setScope(loop.scope, task)
  loop.state.active = loop.state.active + 1
  loop.ready[#loop.ready + 1] = task
end

function Loop:step()
  items.begin(self, spawn)
  if not M.running() then -- what is under way goes on however fast the results are taken
    protectedIteration(0)
  end
  if not waitFor(self) then
    error(("qcimage: %d items of a loop can no longer end"):format(self.state.active), 0)
  end
  return items.take(self)
end

function Loop:stop()
  self.isEnded, self.isStopped = true, true
  repeat
    items.drop(self)
  until self.state.active == 0 or not waitFor(self)
  items.drop(self)
end

-- What warns, when it is collected, of a loop that was left with items under way.
local function guardOf(state)
  local function warn()
    if state.active > 0 then
      require("qcimage.util.warning").write(
        ("a loop was left with %d items under way; what became of them is not known"):format(state.active)
      )
    end
  end
  if newproxy then -- luacheck: ignore 113
    local proxy = newproxy(true) -- luacheck: ignore 113
    getmetatable(proxy).__gc = warn
    return proxy
  end
  return setmetatable({}, { __gc = warn })
end

--- Whether loops run several items at once here.
---@return boolean
function M.isParallel()
  if light then
    return light.canSpawn()
  end
  return hasTasks
end

--- Makes a loop. Begins nothing.
---@param next fun(): any gives the items; nil: the end
---@param work fun(item: any): any, any, any
---@param concurrency integer
---@return qcimage.Loop
function M.new(next, work, concurrency)
  if not M.isParallel() then
    return items.serial(next, work)
  elseif light then
    return light.new(next, work, concurrency)
  end
  local loop = items.new(next, work, concurrency)
  loop.ready, loop.waiting = {}, {}
  loop.parent = callers.task and callers.task.loop
  loop.guard = guardOf(loop.state)
  loopCount = loopCount + 1
  loops[loopCount] = loop
  return setmetatable(loop, Loop)
end

--- Calls a function with each item of a list, several at once, and returns when all have returned; after one that fails no
--- other begins. Raises what the function raises.
---@param list any[]
---@param work fun(item: any): boolean|nil, any true; or nil and an error
---@param concurrency integer
---@return boolean|nil
---@return any err the first
function M.forEach(list, work, concurrency)
  if #list == 1 then
    return work(list[1])
  end
  local index, hasFailed, err, raised = 0, false, nil, nil
  local loop = M.new(function()
    index = index + 1
    return not hasFailed and list[index] or nil
  end, function(item)
    local ok, problem = true, nil
    if not hasFailed then
      ok, problem = work(item)
    end
    if not ok and not hasFailed then
      hasFailed, err = true, problem
    end
  end, concurrency)
  for _, _, _, thrown in loop.step, loop do
    raised = raised or thrown
  end
  if raised then
    error(raised.thrown, 0)
  end
  return not hasFailed or nil, err
end

return M
