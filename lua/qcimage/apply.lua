--- apply.lua - many modifications as one: read, checked, planned against the images as they are, made one by one with a
--- journal, taken up again, taken back.
--- Loaded when it is first called. Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local journals = require "qcimage.apply.journal"
local validateChanges = require "qcimage.apply.validate_changes"
local planFormat = require "qcimage.apply.plan_format"
local plans = require "qcimage.apply.plan"
local currentImages = require "qcimage.apply.current_images"
local execute = require "qcimage.apply.execute"
local parseChanges = require "qcimage.apply.parse_changes"
local text = require "qcimage.util.text"

local M = {}

--- What the service is reached by; client.lua makes it.
---@class qcimage.ApplyAdapter
---@field apiVersion "2.0"|"3.0"
---@field region string|nil the client's
---@field endpoint string|nil HOST:PORT, where it is not the public cloud
---@field describeBatch integer images that are looked at together
---@field regionKey fun(region: string|nil): string a region as one spelling
---@field keepsBlank fun(name: string): boolean whether an empty text leaves a field as it is
---@field check fun(params: table): qcimage.Error|nil what is wrong with the parameters of a modification
---@field modify fun(params: table, region: string|nil): qcimage.Result|nil, qcimage.Error|nil
---@field describeByIds fun(ids: string[], region: string|nil): table<string, qcimage.Image>|nil, qcimage.Error|nil
---@field each fun(params: table, region: string|nil): fun(): table|nil
---@field sleep fun(seconds: number): boolean|nil, string|nil
---@field random fun(): number
---@field clock fun(): number|nil

---@class qcimage.ApplyReport
---@field total integer changes, each of which has one of these:
---@field ok integer made, and known to be
---@field unchanged integer the image was so already
---@field failed integer refused, or not possible
---@field unknown integer the change may have been made
---@field conflict integer somebody else has changed the image meanwhile: left alone
---@field skipped integer not sent
---@field results qcimage.ApplyResult[]
---@field plan qcimage.ApplyPlan|nil of a dry run
---@field changes integer|nil of a dry run: how many modifications it would make
---@field journal string|nil its path
---@field stopped string|nil why not all was tried
---@field stoppedBy qcimage.Error|nil the error that ended it
---@field hookError string|nil what onProgress threw first

local STATUSES = { "ok", "unchanged", "failed", "unknown", "conflict", "skipped" }

local function report(results)
  local made = { results = results, total = #results }
  for _, status in ipairs(STATUSES) do
    made[status] = 0
  end
  for _, result in ipairs(results) do
    made[result.status] = made[result.status] + 1
  end
  return made
end

-- Sorts by lines, what has none first; what has the same, by another field.
local function sortByLine(list, field)
  local function lineOf(one)
    return one.line or 0
  end
  table.sort(list, function(a, b)
    if lineOf(a) ~= lineOf(b) then
      return lineOf(a) < lineOf(b)
    end
    return a[field] < b[field]
  end)
end

-- The faults of a list, in its order, as one error whose message names each.
local function refuse(faults, isLocal, word)
  sortByLine(faults, "message")
  local lines = {}
  for i, fault in ipairs(faults) do
    local where = fault.line and ("%s %d: "):format(word, fault.line) or ""
    fault.message = text.oneLine(fault.message, 500)
    lines[i] = where .. (fault.imageId and text.oneLine(fault.imageId, 40) .. ": " or "") .. fault.message
  end
  local message = #lines == 1 and lines[1]
    or ("%d changes cannot be made: %s"):format(#lines, table.concat(lines, "; "))
  local err = errors.notSent(isLocal and "parameter" or "service", message .. "; nothing was sent")
  err.reason = not isLocal and faults[1].reason or nil
  err.faults, err.lines = faults, lines
  return nil, err
end

-- Entries of a table or a text; or a plan.
local function read(changes, options, faults)
  if type(changes) == "string" then
    local entries, found, plan = parseChanges.read(changes, options.format)
    for _, fault in ipairs(found) do
      faults[#faults + 1] = fault
    end
    return entries, plan, "line"
  elseif changes.steps then
    local problem = planFormat.problem(changes)
    faults[#faults + 1] = problem and { message = "the plan " .. problem }
    return {}, not problem and changes or nil, "change"
  end
  local entries = {}
  for i, values in ipairs(changes) do
    if type(values) == "table" then
      entries[#entries + 1] = { line = i, values = values }
    else
      faults[#faults + 1] = { line = i, message = ("must be a table, not %s"):format(text.quote(values)) }
    end
  end
  return entries, nil, "change"
end

-- The changes that a saved plan makes, with what each image may be like for it to hold.
local function fromPlan(plan, adapter)
  local byImage, changes = {}, {}
  for _, step in ipairs(plan.steps) do
    local key = adapter.regionKey(step.region) .. "\0" .. step.imageId
    local change = byImage[key]
    if not change then
      change = { line = step.line, imageId = step.imageId, region = step.region, states = {} }
      change.regionKey = adapter.regionKey(step.region)
      byImage[key], changes[#changes + 1] = change, change
    end
    change.states[#change.states + 1], change.to = step.from, step.to
  end
  return changes
end

-- The images of all regions that changes and selections name.
local function readPresent(changes, selections, adapter)
  local images = {}
  for _, list in ipairs { changes, selections } do
    for _, one in ipairs(list) do
      local regionKey = adapter.regionKey(one.region)
      if not images[regionKey] then
        local err
        images[regionKey], err = currentImages.list(adapter, one.region)
        if not images[regionKey] then
          return nil, err
        end
      end
    end
  end
  return images
end

-- Adds what the changes name and the account has not, so that the plan can say why.
local function addOthers(images, changes, adapter)
  local missing, regions = {}, {}
  for _, change in ipairs(changes) do
    if not images[change.regionKey][change.imageId] then
      missing[change.regionKey] = missing[change.regionKey] or {}
      table.insert(missing[change.regionKey], change.imageId)
      regions[change.regionKey] = change
    end
  end
  for regionKey, ids in pairs(missing) do
    local found, err = currentImages.describeMissing(adapter, regions[regionKey].region, ids)
    if not found then
      return nil, err
    end
    for id, image in pairs(found) do
      images[regionKey][id] = image
    end
  end
  return true
end

local function expandAll(selections, adapter, changes, faults)
  local date = os.date("!%Y%m%d", math.floor(adapter.clock() or os.time()))
  for _, selection in ipairs(selections) do
    local images, err = currentImages.selected(adapter, selection.select, selection.region)
    if not images then
      return nil, err
    end
    for _, change in ipairs(validateChanges.expand(selection, images, adapter, date, faults)) do
      changes[#changes + 1] = change
    end
  end
  return true
end

---@class qcimage.ApplyPlanned
---@field plan qcimage.ApplyPlan
---@field unchanged qcimage.ApplyChange[]
---@field faults qcimage.ApplyFault[]

-- What a list wants, as far as that needs no service. Returns nil and an error where it cannot go on.
local function readList(changes, options, adapter, faults)
  local entries, saved, word = read(changes, options, faults)
  local list = { wanted = {}, selections = {}, word = word, temporaryNames = options.temporaryNames }
  if not saved then
    list.wanted, list.selections = validateChanges.check(entries, adapter, options, faults)
    list.wanted = validateChanges.rejectDuplicates(list.wanted, faults)
    return list
  end
  local problem = planFormat.incompatibility(saved, adapter)
  if problem then
    return nil, errors.notSent("parameter", "the plan " .. problem)
  end
  list.wanted = fromPlan(saved, adapter)
  for _, step in ipairs(saved.steps) do
    list.temporaryNames = list.temporaryNames or step.isTemporary
  end
  return list
end

-- Reads, checks and plans. Returns nil and an error where nothing can go on.
local function plan(changes, options, adapter)
  local faults = {}
  local list, err = readList(changes, options, adapter, faults)
  if not list then
    return nil, err
  end
  local function isRefused()
    return #faults > 0 and not options.continue
  end
  if isRefused() then
    return refuse(faults, true, list.word)
  end
  local images, ok
  images, err = readPresent(list.wanted, list.selections, adapter)
  ok = images
  if ok and list.selections[1] then
    ok, err = expandAll(list.selections, adapter, list.wanted, faults)
    list.wanted = validateChanges.rejectDuplicates(list.wanted, faults)
  end
  if ok and isRefused() then
    return refuse(faults, true, list.word)
  end
  if ok then
    ok, err = addOthers(images, list.wanted, adapter)
  end
  if not ok then
    return nil, err
  end
  local made, unchanged = plans.new(list.wanted, images, adapter, list, faults)
  if isRefused() then
    return refuse(faults, false, list.word)
  end
  return { plan = made, unchanged = unchanged, faults = faults }
end

local function byLine(results)
  for i, result in ipairs(results) do
    result.place = i
  end
  sortByLine(results, "place")
  for _, result in ipairs(results) do
    result.place = nil
  end
  return results
end

-- Results of a plan's changes that make no step.
local function addRest(results, planned)
  for _, change in ipairs(planned.unchanged) do
    results[#results + 1] =
      { line = change.line, imageId = change.imageId, region = change.region, to = change.to, status = "unchanged" }
  end
  for _, fault in ipairs(planned.faults) do
    results[#results + 1] = {
      line = fault.line,
      imageId = fault.imageId,
      status = fault.reason == "conflict" and "conflict" or "failed",
      message = fault.message,
      reason = fault.reason,
    }
  end
  return byLine(results)
end

local function finish(results, stopped, hookError, journal)
  local made = report(results)
  made.hookError = hookError
  if stopped then
    made.stopped, made.stoppedBy = stopped.message, stopped.err
  end
  if journal then
    made.journal = journal.path
    journal:close()
  end
  return made
end

-- What a dry run tells: the steps that would be made, and those images that have none.
local function preview(made, steps, adapter)
  local rest = {}
  for _, one in ipairs(made.results) do
    rest[#rest + 1] = one.status ~= "ok" and one or nil
  end
  made = report(rest)
  made.plan = { apiVersion = adapter.apiVersion, region = adapter.region, endpoint = adapter.endpoint, steps = steps }
  made.changes = #steps
  return made
end

-- Goes on with a journal, or takes back what it tells of.
local function continue(adapter, options)
  local isUndo = options.undo ~= nil
  local journal, message = journals.open(options.undo or options.resume)
  local problem
  if journal then
    problem = planFormat.incompatibility(journal.plan, adapter)
    if journal.isUndone and not isUndo then
      problem = "was undone: there is nothing to go on with"
    end
    message = problem and ("journal %s: %s"):format(journal.path, problem)
  end
  if not message and not options.dryRun then
    message = select(2, journal:continue(isUndo))
  end
  if message then
    if journal then
      journal:close()
    end
    return nil, errors.notSent("parameter", message, "journal")
  end
  local steps = isUndo and execute.rollbackSteps(journal.plan, journal.begun) or journal.plan.steps
  local results, stopped, hookError, kept = execute.run(adapter, steps, options, not options.dryRun and journal or nil)
  local made = finish(byLine(results), stopped, hookError, journal)
  if options.dryRun then
    if stopped then
      return nil, stopped.err or errors.notSent("parameter", stopped.message)
    end
    return preview(made, kept, adapter)
  end
  return made
end

--- Plans changes and makes them.
---@param changes table|string|nil a list, a text of one, or a plan; nil with resume and undo
---@param options table checked
---@param adapter qcimage.ApplyAdapter
---@return qcimage.ApplyReport|nil
---@return qcimage.Error|nil err nothing was sent; it has `faults` where they are the list's
function M.run(changes, options, adapter)
  if options.resume or options.undo then
    return continue(adapter, options)
  end
  local planned, err = plan(changes, options, adapter)
  if not planned then
    return nil, err
  end
  if options.dryRun then
    local made = report(addRest({}, planned))
    made.plan, made.changes = planned.plan, #planned.plan.steps
    return made
  end
  local journal
  if options.journal and #planned.plan.steps > 0 then
    local message
    journal, message = journals.create(options.journal, planned.plan)
    if not journal then
      return nil, errors.notSent("parameter", message, "journal")
    end
  end
  local results, stopped, hookError = execute.run(adapter, planned.plan.steps, options, journal)
  return finish(addRest(results, planned), stopped, hookError, journal)
end

return M
