--- simulation.lua - processes as coroutines in a time of their own: a discrete-event simulation. The same seed gives the same
--- course on each Lua.

local M = {}

local Simulation = {}
Simulation.__index = Simulation

function M.new(seed)
  local self = setmetatable({ now = 0, events = {}, count = 0, serial = 0, state = seed }, Simulation)
  function self.random() -- Park and Miller's generator
    self.state = (self.state * 48271) % 2147483647
    return self.state / 2147483647
  end
  for _ = 1, 5 do
    self.random()
  end
  return self
end

local function isBefore(a, b)
  return a.time < b.time or a.time == b.time and a.serial < b.serial
end

--- Lets something happen at a time.
function Simulation:at(time, run)
  self.serial = self.serial + 1
  local event, events = { time = time, serial = self.serial, run = run }, self.events
  self.count = self.count + 1
  local i = self.count
  while i > 1 do -- a binary heap
    local parent = math.floor(i / 2)
    if not isBefore(event, events[parent]) then
      break
    end
    events[i], i = events[parent], parent
  end
  events[i] = event
end

function Simulation:pop()
  local events = self.events
  local top, last = events[1], events[self.count]
  events[self.count] = nil
  self.count = self.count - 1
  if self.count > 0 then
    local i = 1
    while true do
      local child = i * 2
      if child > self.count then
        break
      elseif child < self.count and isBefore(events[child + 1], events[child]) then
        child = child + 1
      end
      if isBefore(last, events[child]) then
        break
      end
      events[i], i = events[child], child
    end
    events[i] = last
  end
  return top
end

--- Lets what is due happen, until a condition holds or nothing is due any more.
function Simulation:run(condition)
  local steps = 0
  while self.count > 0 and not (condition and condition()) do
    steps = steps + 1
    if steps > 2e6 then
      error("time stands still at " .. self.now)
    end
    local event = self:pop()
    self.now = math.max(self.now, event.time)
    event.run()
  end
end

--- Lets the time go on to a moment.
function Simulation:runUntil(time)
  self:at(time, function() end)
  self:run(function()
    return self.now >= time
  end)
end

--- Makes a process, whose workers are stopped and killed together. It has the functions of a driver of apply.
---@param count integer workers
function Simulation:process(count)
  local process = { count = count, isDead = false, frozenUntil = nil, parked = {}, isAbandoned = function() end }
  local function resume(thread)
    if process.isDead then
      return
    elseif process.frozenUntil and self.now < process.frozenUntil then
      self:at(process.frozenUntil, function()
        resume(thread)
      end)
      return
    end
    local ok, problem = coroutine.resume(thread)
    if not ok then
      error(debug.traceback(thread, problem), 0)
    end
  end
  function process.spawn(run)
    local thread = coroutine.create(run)
    self:at(self.now, function()
      resume(thread)
    end)
  end
  function process.sleep(seconds)
    local thread = coroutine.running()
    self:at(self.now + seconds, function()
      resume(thread)
    end)
    coroutine.yield()
    return true
  end
  function process.park(seconds)
    local thread, isOver = coroutine.running(), false
    local function go()
      if not isOver then
        isOver = true
        resume(thread)
      end
    end
    process.parked[#process.parked + 1] = go
    self:at(self.now + seconds, go)
    coroutine.yield()
    return true
  end
  function process.wake()
    local parked = process.parked
    process.parked = {}
    for _, go in ipairs(parked) do
      self:at(self.now, go)
    end
  end
  function process.run(workers, work)
    local left, thread = workers, coroutine.running()
    for _ = 1, workers do
      process.spawn(function()
        work()
        left = left - 1
        if left == 0 then
          self:at(self.now, function()
            resume(thread)
          end)
        end
      end)
    end
    if workers > 0 then
      coroutine.yield()
    end
  end
  return process
end

return M
