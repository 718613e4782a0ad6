--- validate_changes.lua - checks a list of changes as far as that needs no service: fields, rules, ids that occur twice, names that
--- two images want. Finds all faults, not the first.
--- Pure. Part of qcimage, see LICENSE.

local planFormat = require "qcimage.apply.plan_format"
local template = require "qcimage.apply.template"
local text = require "qcimage.util.text"

local M = {}

---@class qcimage.ApplyChange
---@field line integer|nil
---@field imageId string
---@field region string|nil as it was given
---@field regionKey string the region as one spelling
---@field to table<string, any> what is to be set
---@field states table[]|nil of a saved plan: what the image may be like for it to hold

---@class qcimage.ApplySelection
---@field line integer|nil
---@field select table
---@field region string|nil
---@field templates table<string, any>

-- As JSON, spreadsheet programs and Python write them.
local BOOLEANS = { ["true"] = true, ["false"] = false, TRUE = true, FALSE = false, True = true, False = false }

-- What every id of an image looks like; the service refuses a whole list for another one.
local IMAGE_ID = "^img%-%w+$"

-- The value of a CSV cell; nil: the cell sets nothing.
local function ofCell(name, value, settings)
  if value == "" and (settings.empty ~= "clear" or name ~= "imageDescription") then
    return nil
  elseif name == "imageDeprecated" and BOOLEANS[value] ~= nil then
    return BOOLEANS[value]
  end
  return value
end

-- The message of a check without the action, which is the same for all.
local function problemOf(err)
  return err.problem or err.message
end

local function reporter(faults, entry)
  return function(message, reason)
    local id = entry.values.imageId
    faults[#faults + 1] = {
      line = entry.line,
      imageId = type(id) == "string" and id ~= "" and id or nil,
      message = message,
      reason = reason,
    }
  end
end

-- Values as they are to be set; those that say nothing are left out.
local function valuesOf(entry, settings, report)
  local values = {}
  for name, value in pairs(entry.values) do
    if not planFormat.ENTRY_FIELDS[name] then
      report(text.unknownName("field", name, planFormat.ENTRY_FIELDS))
    elseif entry.isCsv then
      values[name] = ofCell(name, value, settings)
    else
      values[name] = value
    end
  end
  return values
end

-- Checks the fields that are set against the rules, each by itself, so that all faults are reported.
local function checkFields(id, values, adapter, report)
  local to = {}
  for _, name in ipairs(planFormat.FIELDS) do
    local value = values[name]
    if value ~= nil and not (value == "" and adapter.keepsBlank(name)) then
      local err = adapter.check { imageId = id, [name] = value }
      if err then
        report(problemOf(err))
      else
        to[name] = value
      end
    end
  end
  return to
end

local function checkRegion(region, adapter, report)
  if region ~= nil and (type(region) ~= "string" or region == "") then
    report(("region must be the name of one, not %s"):format(text.quote(region)))
    return nil
  end
  local problem = region and adapter.regionProblem(region)
  if problem then
    report("region " .. problem)
  end
  return region
end

-- Refuses what only a selection fills.
local function rejectTemplates(values, report)
  for _, name in ipairs(planFormat.FIELDS) do
    local value = values[name]
    local placeholder = type(value) == "string" and value:match "%%{%a+:?%d*}"
    if placeholder then
      report(("%s has %s, which only an entry with select fills"):format(name, placeholder))
    end
  end
end

--- Checks the entries of a list.
---@param entries qcimage.ApplyEntry[]
---@param adapter qcimage.ApplyAdapter
---@param settings {empty: "keep"|"clear"|nil, region: string|nil}
---@param faults qcimage.ApplyFault[] gets what is found
---@return qcimage.ApplyChange[]
---@return qcimage.ApplySelection[]
function M.check(entries, adapter, settings, faults)
  local changes, selections = {}, {}
  for _, entry in ipairs(entries) do
    local before, report = #faults, reporter(faults, entry)
    local values = valuesOf(entry, settings, report)
    local region = checkRegion(values.region, adapter, report) or settings.region
    if values.select ~= nil then
      if type(values.select) ~= "table" or values.imageId ~= nil then
        report "select must be a table of what DescribeImages takes, and replaces imageId"
      end
      if #faults == before then
        selections[#selections + 1] = { line = entry.line, select = values.select, region = region, templates = values }
      end
    else
      local err = adapter.check { imageId = values.imageId }
      if err then
        report(problemOf(err))
      elseif not values.imageId:find(IMAGE_ID) then
        report(("imageId %s is not that of an image (img-12345678)"):format(text.quote(values.imageId)))
      end
      rejectTemplates(values, report)
      local to = checkFields("img-00000000", values, adapter, report)
      if #faults == before then
        changes[#changes + 1] = {
          line = entry.line,
          imageId = values.imageId,
          region = region,
          regionKey = adapter.regionKey(region),
          to = to,
        }
      end
    end
  end
  return changes, selections
end

--- Makes the changes of a selection.
---@param selection qcimage.ApplySelection
---@param images table[] what was selected, in order
---@param adapter qcimage.ApplyAdapter
---@param date string what %{date} is
---@param faults qcimage.ApplyFault[] gets what is found
---@return qcimage.ApplyChange[]
function M.expand(selection, images, adapter, date, faults)
  local changes = {}
  for number, image in ipairs(images) do
    local report = reporter(faults, { line = selection.line, values = image })
    local before, values = #faults, {}
    for _, name in ipairs(planFormat.FIELDS) do
      local value = selection.templates[name]
      if type(value) == "string" then
        local problem
        value, problem = template.fill(value, image, number, date)
        if problem then
          report(("%s: %s"):format(name, problem))
        end
      end
      values[name] = value
    end
    local to = checkFields(image.imageId, values, adapter, report)
    if #faults == before then
      changes[#changes + 1] = {
        line = selection.line,
        imageId = image.imageId,
        region = selection.region,
        regionKey = adapter.regionKey(selection.region),
        to = to,
      }
    end
  end
  return changes
end

local function reportTwice(faults, change, other, message)
  faults[#faults + 1] = {
    line = change.line,
    imageId = change.imageId,
    message = message:format(other.imageId, other.line and (" (%d)"):format(other.line) or ""),
    reason = "twice",
  }
end

--- Finds images that occur twice, and names that two images want.
---@param changes qcimage.ApplyChange[]
---@param faults qcimage.ApplyFault[] gets what is found
---@return qcimage.ApplyChange[] without those at fault
function M.rejectDuplicates(changes, faults)
  local clashing = {}
  local function find(keyOf, message)
    local first, isReported = {}, {}
    for _, change in ipairs(changes) do
      local key = keyOf(change)
      local other = key and first[key]
      if other then
        if not isReported[other] then
          reportTwice(faults, other, change, message)
        end
        reportTwice(faults, change, other, message)
        isReported[other], clashing[other], clashing[change] = true, true, true
      elseif key then
        first[key] = change
      end
    end
  end
  find(function(change)
    return change.regionKey .. "\0" .. change.imageId
  end, "occurs twice in the list: %s%s")
  find(function(change)
    return change.to.imageName and change.regionKey .. "\0" .. change.to.imageName
  end, "wants the same name as %s%s")
  local kept = {}
  for _, change in ipairs(changes) do
    kept[#kept + 1] = not clashing[change] and change or nil
  end
  return kept
end

return M
