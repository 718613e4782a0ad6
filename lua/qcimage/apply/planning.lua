--- planning.lua - makes a plan of what the caller gave: a list, a text of one, or a plan. Reads, checks, and compares with
--- the images as they are; nothing is changed.
--- Part of qcimage, see LICENSE.

local callback = require "qcimage.util.callback"
local currentImages = require "qcimage.apply.current_images"
local errors = require "qcimage.util.errors"
local parseChanges = require "qcimage.apply.parse_changes"
local planFormat = require "qcimage.apply.plan_format"
local plans = require "qcimage.apply.plan"
local redact = require "qcimage.util.redact"
local text = require "qcimage.util.text"
local validateChanges = require "qcimage.apply.validate_changes"

local M = {}

-- Faults that a message names; the error's `lines` has all.
local NAMED = 20

local function sortByLine(faults)
  table.sort(faults, function(a, b)
    local lineA, lineB = a.line or 0, b.line or 0
    if lineA ~= lineB then
      return lineA < lineB
    end
    return a.message < b.message
  end)
end

-- The faults of a list, in its order, as lines.
local function linesOf(faults, word)
  local lines = {}
  for i, fault in ipairs(faults) do
    fault.message = text.oneLine(fault.message, 500)
    local where = fault.line and ("%s %d: "):format(word, fault.line) or ""
    lines[i] = where .. (fault.imageId and text.oneLine(fault.imageId, 40) .. ": " or "") .. fault.message
  end
  return lines
end

-- The faults of a list as one error.
local function refuse(faults, isLocal, word)
  sortByLine(faults)
  local lines = linesOf(faults, word)
  local message = lines[1]
  if #faults > 1 then
    message = ("%d changes cannot be made: %s"):format(#faults, table.concat(lines, "; ", 1, math.min(#lines, NAMED)))
    if #lines > NAMED then -- the message of a long list would fill a log
      message = ("%s; and %d more"):format(message, #lines - NAMED)
    end
  end
  local err = errors.notSent(isLocal and "parameter" or "service", message .. "; nothing was sent")
  err.reason = not isLocal and faults[1].reason or nil
  err.faults, err.lines = faults, lines
  return nil, err
end

-- The fields of a change in a table, which may come from its __index; or nil and what is wrong.
local function copied(values)
  local copy = {}
  local ok, thrown = callback.pcall(function()
    for name in pairs(planFormat.ENTRY_FIELDS) do
      copy[name] = values[name]
    end
    for name, value in pairs(values) do
      copy[name] = value
    end
  end)
  return ok and copy or nil, not ok and "cannot be read: " .. redact.said(thrown) or nil
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
  local entries, count = {}, 0
  for i, values in ipairs(changes) do
    count = i
    local copy, problem
    if type(values) == "table" then
      copy, problem = copied(values)
    end
    if copy then
      entries[#entries + 1] = { line = i, values = copy }
    elseif problem then
      faults[#faults + 1] = { line = i, message = problem }
    else
      faults[#faults + 1] = { line = i, message = ("must be a table, not %s"):format(text.quote(values)) }
    end
  end
  for key in pairs(changes) do -- one change instead of a list, or a list with a gap
    local isNumber = type(key) == "number" and key >= 1 and key <= count
    if not isNumber and key ~= "n" then -- of table.pack
      faults[#faults + 1] =
        { message = ("changes must be a list without gaps: it has the key %s"):format(text.quote(key)) }
      break
    end
  end
  return entries, nil, "change"
end

-- The changes that a plan makes, with what each image may be like for it to hold.
local function fromPlan(plan, adapter)
  local byImage, changes = {}, {}
  for _, step in ipairs(plan.steps) do
    local regionKey = adapter.regionKey(step.region)
    local key = regionKey .. "\0" .. step.imageId
    local change = byImage[key]
    if not change then
      change = { line = step.line, imageId = step.imageId, region = step.region, regionKey = regionKey, states = {} }
      byImage[key], changes[#changes + 1] = change, change
    end
    change.states[#change.states + 1], change.to = step.from, step.to
  end
  return changes
end

---@class qcimage.ApplyList what a list wants, as far as that needs no service
---@field wanted qcimage.ApplyChange[]
---@field selections qcimage.ApplySelection[]
---@field temporaryNames boolean|nil
---@field word string what its entries are called
---@field saved qcimage.ApplyPlan|nil

-- Reads and checks. Returns nil and an error where it cannot go on.
local function readList(changes, options, adapter, faults)
  local entries, saved, word = read(changes, options, faults)
  local list = { wanted = {}, selections = {}, word = word, saved = saved, temporaryNames = options.temporaryNames }
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

-- The images of all regions that changes and selections name.
local function readPresent(list, adapter)
  local images = {}
  for _, part in ipairs { list.wanted, list.selections } do
    for _, one in ipairs(part) do
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
    local regionKey = change.regionKey
    if not images[regionKey][change.imageId] then
      missing[regionKey] = missing[regionKey] or {}
      table.insert(missing[regionKey], change.imageId)
      regions[regionKey] = change
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

-- Adds the changes of selections. A selection of nothing is noted.
local function expandAll(list, adapter, faults, notes)
  local date = os.date("!%Y%m%d", math.floor(adapter.clock() or os.time()))
  for _, selection in ipairs(list.selections) do
    local images, err = currentImages.selected(adapter, selection.select, selection.region)
    if not images then
      return nil, err
    elseif #images == 0 then
      notes[#notes + 1] = ("%s %d: the selection matches no image"):format(list.word, selection.line)
    end
    for _, change in ipairs(validateChanges.expand(selection, images, adapter, date, faults)) do
      list.wanted[#list.wanted + 1] = change
    end
  end
  list.wanted = validateChanges.rejectDuplicates(list.wanted, faults)
  return true
end

--- Makes a plan. It carries what needs no step: `unchanged`, changes that hold already, and `faults`, what cannot be changed.
---@param changes table|string a list, a text of one, or a plan
---@param options table checked
---@param adapter qcimage.ApplyAdapter
---@return qcimage.ApplyPlan|nil
---@return qcimage.Error|nil err nothing was sent; it has `faults` where they are the list's
function M.make(changes, options, adapter)
  local faults, notes = {}, {}
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
  images, err = readPresent(list, adapter)
  ok = images
  if ok and list.selections[1] then
    ok, err = expandAll(list, adapter, faults, notes)
  end
  if ok and isRefused() then
    return refuse(faults, true, list.word)
  elseif ok then
    ok, err = addOthers(images, list.wanted, adapter)
  end
  if not ok then
    err.outcome = "notSent" -- reads alone have failed
    return nil, err
  end
  local plan, unchanged = plans.new(list.wanted, images, adapter, list, faults)
  if isRefused() then
    return refuse(faults, false, list.word)
  end
  for _, change in ipairs(list.saved and list.saved.unchanged or {}) do
    unchanged[#unchanged + 1] = change
  end
  for _, fault in ipairs(list.saved and list.saved.faults or {}) do
    faults[#faults + 1] = fault
  end
  sortByLine(faults)
  plan.unchanged, plan.faults, plan.notes = unchanged, faults, notes[1] and notes
  plan.account = list.saved and list.saved.account
  return plan
end

return M
