--- history.lua - a random history of runs over a simulated service: lists, kills, stops, frozen processes, resumes, rollbacks,
--- other clients. What each run reports is held against the service's truth.

local execute = require "qcimage.apply.execute"
local journalStates = require "qcimage.apply.journal_states"
local plans = require "qcimage.apply.plan"
local services = require "spec.support.apply_model.service"
local simulations = require "spec.support.apply_model.simulation"

local M = {}

M.SETTINGS = {
  rate = 9.7,
  workers = 8,
  others = 0.25, -- changes a second by other clients
  freeze = 0.2, -- share of the runs whose process is stopped for a while
  lagMost = 4.5,
  connect = 0.01,
  lostBefore = 0.02,
  late = 0.02,
  throttle = 0.03,
  refuse = 0.02,
  internal = 0.02,
  lostAfter = 0.03,
  describeFails = 0.02,
}

local FAULTS = { "connect", "lostBefore", "late", "throttle", "refuse", "internal", "lostAfter", "describeFails" }

local function matches(state, values)
  for name, value in pairs(values) do
    if state[name] ~= value then
      return false
    end
  end
  return true
end

local function same(a, b)
  return matches(a, b) and matches(b, a)
end

-- A journal in memory, of which a crash of the machine takes what is not synced.
local Journal = {}
Journal.__index = Journal

function Journal:begin(number)
  self.records[#self.records + 1] = { begin = number }
  self.process.sleep(0.003)
  self.synced = #self.records
  return true
end

function Journal:finish(number, outcome)
  self.records[#self.records + 1] = { ["end"] = number, status = outcome.status }
  return true
end

function Journal:states()
  local states = journalStates.new()
  for _, record in ipairs(self.records) do
    states:add(record)
  end
  return states
end

local History = {}
History.__index = History

function History:count(name, more)
  self.counts[name] = (self.counts[name] or 0) + 1
  local examples = self.examples[name] or {}
  self.examples[name] = examples
  if #examples < 3 then
    examples[#examples + 1] = ("%d %s"):format(self.seed, more or "")
  end
end

-- A random list of changes.
function History:list(label)
  local random, changes, wanted = self.simulation.random, {}, {}
  for i = 1, self.images do
    if random() < 0.75 then
      local to, dice = {}, random()
      if dice < 0.35 then
        to.imageName = ("new%s-%d"):format(label, i)
      elseif dice < 0.6 then
        to.imageName = "n" .. 1 + math.floor(random() * self.images)
      elseif dice < 0.8 then
        to.imageDescription = ("D%s-%d"):format(label, i)
      elseif dice < 0.9 then
        to.imageDescription = "d" .. i
      else
        to.imageName, to.imageDescription = ("new%s-%d"):format(label, i), ("D%s-%d"):format(label, i)
      end
      if not (to.imageName and wanted[to.imageName]) then
        wanted[to.imageName or ""] = to.imageName and true
        changes[#changes + 1] = { line = i, imageId = "img-" .. i, regionKey = "", to = to }
      end
    end
  end
  return changes
end

-- A list that sets back the names of some images.
function History:listBack()
  local changes = {}
  for i = 1, self.images do
    if self.simulation.random() < 0.6 then
      changes[#changes + 1] = { line = i, imageId = "img-" .. i, regionKey = "", to = { imageName = "n" .. i } }
    end
  end
  return changes
end

-- Lets other clients change images, from before the first run on.
function History:addOthers(list)
  local simulation, random = self.simulation, self.simulation.random
  local time, last = 92, 170
  while self.settings.others > 0 do
    time = time - math.log(1 - random()) / self.settings.others
    if time > last then
      break
    end
    local id, values, dice = 1 + math.floor(random() * self.images), {}, random()
    local wanted
    for _, change in ipairs(list) do
      wanted = change.imageId == "img-" .. id and change.to or wanted
    end
    if dice < 0.4 then
      values.imageName = ("other-%d-%.0f"):format(self.seed, time * 1000)
    elseif dice < 0.6 then
      values.imageName = "n" .. id
    elseif dice < 0.8 and wanted then
      for name, value in pairs(wanted) do
        values[name] = value
      end
    else
      values.imageDescription = dice < 0.9 and ("other-%.0f"):format(time * 1000) or "d" .. id
    end
    simulation:at(time, function()
      self.service:change("img-" .. id, values, nil, simulation.now)
    end)
  end
  simulation.now = 92
  simulation:runUntil(100)
end

-- The steps of a new run.
function History:plan(operation, adapter)
  local journal = operation.journal
  local images, err = adapter.describeByIds(self.service.ids)
  if not images then
    return nil, err
  end
  local plan, unchanged = plans.new(journal.list, { [""] = images }, adapter, { temporaryNames = true }, {})
  journal.plan = plan
  local steps = {}
  for i, step in ipairs(plan.steps) do
    steps[i] = step
  end
  for _, change in ipairs(unchanged) do
    steps[#steps + 1] = { line = change.line, imageId = change.imageId, from = {}, to = change.to, isVerifyOnly = true }
  end
  return steps
end

-- The steps of an operation.
function History:stepsOf(operation, adapter)
  local journal = operation.journal
  if operation.kind == "new" then
    return self:plan(operation, adapter)
  end
  local states = journal:states()
  if self.weakness == "endsNotBelieved" then
    for number in pairs(states.states) do
      states.states[number] = "open"
    end
  end
  operation.states = journal:states().states
  if operation.kind == "resume" then
    return states:resumeSteps(journal.plan)
  end
  local steps = states:rollbackSteps(journal.plan)
  journal:finish(0, { status = "undo" })
  journal.records[#journal.records] = { undo = true }
  journal.isUndone = true
  return steps
end

-- Runs an operation until it ends, or is killed after so many seconds.
function History:operate(kind, journal, killAfter, stopAfter)
  local simulation, settings = self.simulation, self.settings
  local process = simulation:process(settings.workers)
  local operation = { kind = kind, start = simulation.now, journal = journal }
  self.operations[#self.operations + 1] = operation
  journal.process = process
  local adapter = self.service:adapter(process, { operation = operation, journal = journal })
  local stopAt = stopAfter and simulation.now + stopAfter
  process.spawn(function()
    if kind == "new" then
      journal.planStart = simulation.now
    end
    local steps = self:stepsOf(operation, adapter)
    if steps then
      operation.steps = steps
      local done = execute.run(adapter, steps, {
        stop = function()
          return stopAt and simulation.now >= stopAt
        end,
      }, journal)
      operation.results = done.results
    end
    operation.isOver, operation.finish = true, simulation.now
  end)
  if simulation.random() < settings.freeze then
    simulation:at(simulation.now + simulation.random() * 2.5, function()
      process.frozenUntil = simulation.now + 2 + simulation.random() * 15
    end)
  end
  local limit = simulation.now + (killAfter or 2000)
  simulation:at(limit, function() end)
  simulation:run(function()
    return operation.isOver or simulation.now >= limit
  end)
  if not operation.isOver then
    process.isDead, operation.isKilled = true, true
    if not killAfter then
      self:count("LIE: the run never ends", kind)
    elseif simulation.random() < 0.3 then -- the machine went down with it
      while #journal.records > journal.synced do
        table.remove(journal.records)
      end
    end
  end
  operation.finish = operation.finish or simulation.now
  self.counts.operations = (self.counts.operations or 0) + 1
end

-- When an operation is killed or stopped, if it is.
function History:interruption()
  local dice = self.simulation.random()
  if dice < 0.3 then
    return self.simulation.random() * (self.images * 0.25 + 2), nil
  elseif dice < 0.42 then
    return nil, self.simulation.random() * (self.images * 0.25 + 1)
  end
end

local function newJournal(list)
  return setmetatable({ records = {}, synced = 0, list = list }, Journal)
end

-- Runs one after the other: a list, then what people do next.
function History:play()
  local simulation, random = self.simulation, self.simulation.random
  local journal = newJournal(self:list "1")
  self:addOthers(journal.list)
  self:operate("new", journal, self:interruption())
  for number = 1, math.floor(random() * 4) do
    simulation:runUntil(simulation.now + (random() < 0.4 and random() * 0.3 or random() * 8))
    if not journal.plan then
      break
    end
    local dice = random()
    if dice < 0.35 and not journal.isUndone then
      self:operate("resume", journal, self:interruption())
    elseif dice < 0.75 then
      self:operate("undo", journal, self:interruption())
    elseif not self.operations[#self.operations].isKilled then
      local list = random() < 0.5 and self:list(number + 1) or {}
      journal = newJournal(#list > 0 and list or self:listBack())
      self:operate("new", journal, self:interruption())
    end
  end
  simulation:run()
end

-- Whether an image had some values at a time of an operation.
local function wasSo(log, operation, values)
  for i, entry in ipairs(log) do
    local stop = log[i + 1] and log[i + 1].time or math.huge
    if stop >= operation.start and entry.time <= operation.finish and matches(entry, values) then
      return true
    end
  end
end

local function wasMadeBy(log, operation, values)
  for _, entry in ipairs(log) do
    if entry.by and entry.by.operation == operation and same(entry.set, values) then
      return true
    end
  end
end

-- Whether a request of the same journal, which arrived late, put an image back that was reported as made.
local function wasPutBack(log, operation, values, nextStart)
  local last
  for _, entry in ipairs(log) do
    local isOurs = entry.by and entry.by.journal == operation.journal
    if isOurs and entry.time >= operation.start and entry.time < nextStart then
      last = entry
    end
  end
  for _, entry in ipairs(log) do
    if last and entry.time > last.time and entry.time <= operation.finish and matches(entry, values) then
      last = nil
    end
  end
  return last and not matches(last, values) and not matches(values, last.set) and matches(last.before, values)
end

function History:lie(kind, operation, what, more)
  self.lies = self.lies + 1
  self:count("LIE: " .. kind, ("%s %s %s"):format(operation.kind, what and what.imageId or "", more or ""))
end

function History:checkResult(operation, result, nextStart)
  local log, to = self.service.log[result.imageId], result.to
  if result.status == "ok" then
    if not wasSo(log, operation, to) then
      self:lie("ok, and never so", operation, result)
    elseif wasPutBack(log, operation, to, nextStart) then
      self:lie("ok, and put back by a late request of ours", operation, result)
    end
  elseif result.status == "unchanged" then
    if next(to) and not wasSo(log, operation, to) then
      self:lie("unchanged, and never so", operation, result)
    end
  elseif result.status == "failed" or result.status == "skipped" then
    if next(to) and wasMadeBy(log, operation, to) then
      self:lie(result.status .. ", and was made", operation, result, result.message)
    end
  elseif result.status == "conflict" then
    local isOther
    for _, entry in ipairs(log) do
      local isNew = entry.time >= operation.journal.planStart - self.settings.lag - 1
      isOther = isOther
        or entry.before
          and not (entry.by and entry.by.journal == operation.journal)
          and isNew
          and entry.time <= operation.finish
    end
    if not isOther then
      self:lie("conflict, and nobody was there", operation, result, result.message)
    elseif wasMadeBy(log, operation, to) then
      self:lie("conflict, and was made", operation, result)
    end
  end
end

-- Whether a rollback set what was before, and only where the run had changed something.
function History:checkRollback(operation, step)
  local log, forward = self.service.log[step.imageId], nil
  for i, entry in ipairs(log) do
    local isRun = entry.by and entry.by.journal == operation.journal and entry.by.operation.kind ~= "undo"
    forward = forward or isRun and same(entry.set, step.from) and i or nil
  end
  for _, entry in ipairs(log) do
    if entry.by and entry.by.operation == operation and same(entry.set, step.to) then
      local before = forward and log[forward - 1]
      if not forward then
        if operation.states[step.number] == nil then
          self:lie("took back what was refused", operation, step)
        end
      elseif not matches(before, step.to) then
        local width = log[forward].sent - before.time
        if width > self.window then
          self:lie("set back to what it never was", operation, step, ("%.2f"):format(width))
        end
      end
    end
  end
end

-- Others' changes may be overwritten only within the time that no look can see.
function History:checkOverwritten(id, log)
  for i = 2, #log do
    local entry, before = log[i], log[i - 1]
    if entry.by and before.by and before.by.journal == entry.by.journal then -- luacheck: ignore
    elseif entry.by and before.before then
      local step
      for _, one in ipairs(entry.by.operation.steps or {}) do
        step = one.imageId == id and same(one.to, entry.set) and one or step
      end
      local width = entry.sent - before.time
      if step and not matches(before, step.from) and not matches(before, step.to) and width > self.window then
        self:lie("overwritten, long after", entry.by.operation, step, ("%.2f"):format(width))
      end
    end
  end
end

function History:check()
  for index, operation in ipairs(self.operations) do
    local nextStart = self.operations[index + 1] and self.operations[index + 1].start or math.huge
    for _, result in ipairs(operation.results or {}) do
      self.counts[result.status] = (self.counts[result.status] or 0) + 1
      self:checkResult(operation, result, nextStart)
    end
    for number, step in ipairs(operation.steps or {}) do
      if operation.kind == "undo" then
        self:checkRollback(operation, step)
      elseif operation.kind == "resume" and operation.states[number] == "made" then
        if wasMadeBy(self.service.log[step.imageId], operation, step.to) then
          self:lie("made again what was made", operation, step)
        end
      end
    end
  end
  for id, log in pairs(self.service.log) do
    self:checkOverwritten(id, log)
  end
  for _, age in ipairs(self.service.ages) do
    self.oldest = math.max(self.oldest, age)
  end
end

--- Plays a history. Adds to counts and examples, by what happened.
---@param seed integer
---@param into {counts: table, examples: table, lies: integer, oldest: number}
---@param settings table|nil instead of M.SETTINGS
---@param weakness "endsNotBelieved"|nil
function M.play(seed, into, settings, weakness)
  local simulation = simulations.new(seed * 7919 + 13)
  local random, own = simulation.random, setmetatable({}, { __index = settings or M.SETTINGS })
  own.latency = 0.05 + random() * 0.6
  own.lagKind = ({ "none", "constant", "random" })[1 + math.floor(random() * 3)]
  own.lag = random() * own.lagMost
  own.lag = own.lagKind == "none" and 0 or own.lag
  if random() < 0.3 then
    for _, fault in ipairs(FAULTS) do
      own[fault] = 0
    end
  end
  local self = setmetatable({
    seed = seed,
    simulation = simulation,
    settings = own,
    service = services.new(simulation, own),
    images = 3 + math.floor(random() * 10),
    operations = {},
    weakness = weakness,
    -- a change by another client that is so young when ours is sent cannot be seen
    window = 1.5 + own.lag + own.latency * 2,
    counts = into.counts,
    examples = into.examples,
    lies = 0,
    oldest = 0,
  }, History)
  for i = 1, self.images do
    self.service:add("img-" .. i, "n" .. i, "d" .. i)
  end
  self:play()
  self:check()
  into.lies, into.oldest = into.lies + self.lies, math.max(into.oldest, self.oldest)
end

--- Plays the histories of some seeds.
function M.playAll(first, last, settings, weakness)
  local into = { counts = {}, examples = {}, lies = 0, oldest = 0 }
  for seed = first, last do
    M.play(seed, into, settings, weakness)
  end
  return into
end

return M
