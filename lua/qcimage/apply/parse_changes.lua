--- parse_changes.lua - reads a list of changes from a text: JSON, JSON Lines or CSV, recognized by its content; or a plan.
--- Pure. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local csv = require "qcimage.apply.csv"
local json = require "qcimage.util.json"
local jsonScan = require "qcimage.apply.json_scan"
local optionNames = require "qcimage.util.option_names"
local planFormat = require "qcimage.apply.plan_format"
local text = require "qcimage.util.text"

local M = {}

-- Bytes of a line of JSON Lines: ten changes of the longest values.
local LONGEST_LINE = 64 * 1024
-- Bytes of the whole.
local MAX_BYTES = 64 * 1024 * 1024

---@class qcimage.ApplyEntry
---@field line integer
---@field values table
---@field isCsv boolean|nil its values are texts, whatever the field's type

---@class qcimage.ApplyFault what is wrong with one entry
---@field line integer|nil
---@field imageId string|nil
---@field reason string|nil
---@field message string

local function fault(line, message)
  return { line = line, message = message }
end

-- Lines of a text, without their ends.
local function eachLine(source)
  local at, number = 1, 0
  return function()
    if at > #source then
      return nil
    end
    local last = source:find("\n", at, true) or #source + 1
    local line = source:sub(at, last - 1):gsub("\r$", "")
    at, number = last + 1, number + 1
    return number, line
  end
end

-- The lines that are not UTF-8, at most a few.
local function badLines(source)
  local faults = {}
  for number, line in eachLine(source) do
    if not core.utf8len(line) then
      faults[#faults + 1] = fault(number, "is not valid UTF-8: save the list as UTF-8 (in Excel: CSV UTF-8)")
      if #faults == 10 then
        break
      end
    end
  end
  return faults
end

-- Adds one object of JSON, or what is wrong with it.
local function add(entries, faults, line, value, written)
  local _, repeated = jsonScan.scan(written)
  if type(value) ~= "table" or written:find "^%s*%[" then
    faults[#faults + 1] = fault(line, "is not a JSON object")
  elseif repeated then
    faults[#faults + 1] = fault(line, ("has the key %s twice"):format(repeated))
  else
    entries[#entries + 1] = { line = line, values = value }
  end
end

local readers = {}

function readers.jsonl(source)
  local entries, faults = {}, {}
  for number, line in eachLine(source) do
    if line:find "%S" then
      local value, problem
      if #line > LONGEST_LINE then
        problem = ("is longer than %d bytes"):format(LONGEST_LINE)
      else
        value, problem = json.decode(line)
        problem = problem and ("is not a JSON object on one line: %s"):format(problem)
      end
      if value == nil then
        faults[#faults + 1] = fault(number, problem or "is not a JSON object")
      else
        add(entries, faults, number, value, line)
      end
    end
  end
  return entries, faults
end

function readers.json(source)
  local entries, faults = {}, {}
  local list, problem = json.decode(source)
  if list == nil then
    return entries, { fault(nil, ("the list is not JSON: %s"):format(problem or "it is null")) }
  end
  local starts = jsonScan.scan(source)
  if not source:find "^%s*%[" then
    add(entries, faults, text.lineOf(source, source:find "%S"), list, source)
    return entries, faults
  end
  if #starts ~= #list then
    return entries, { fault(nil, "the list has items that are null") }
  end
  local line, counted = 1, 1
  for i, start in ipairs(starts) do
    local _, breaks = source:sub(counted, start - 1):gsub("\n", "")
    line, counted = line + breaks, start
    add(entries, faults, line, list[i], source:sub(start, (starts[i + 1] or #source + 1) - 1):gsub("[,%]]%s*$", ""))
  end
  return entries, faults
end

-- What is wrong with the heading of a table, or nil. A column without a name is one that a spreadsheet program left.
local function headingProblem(names)
  local seen, unknown, twice = {}, nil, nil
  for _, name in ipairs(names) do
    unknown = unknown or name ~= "" and not planFormat.ENTRY_FIELDS[name] and name
    twice = twice or name ~= "" and seen[name] and name
    seen[name] = true
  end
  if not seen.imageId then
    return "the header has no imageId (a list in JSON begins with [ or {)"
  elseif twice then
    return ("has the name %s twice"):format(twice)
  end
  return unknown and text.unknownName("field", unknown, planFormat.ENTRY_FIELDS)
end

local function isBlank(row)
  for _, value in ipairs(row) do
    if value ~= "" then
      return false
    end
  end
  return true
end

-- A row of a table as an entry; or nil and what is wrong.
local function entryOf(row, names)
  local values = {}
  for column = 1, math.max(#row, #names) do
    local name, value = names[column], row[column]
    if value == nil or name == nil and value ~= "" then
      return nil, ("has %d values, and the header %d names"):format(#row, #names)
    elseif name == "" and value ~= "" then
      return nil, ("has a value in column %d, and the header no name for it"):format(column)
    end
    values[name or ""] = value
  end
  values[""] = nil
  return { line = row.line, values = values, isCsv = true }
end

function readers.csv(source)
  local rows, problem = csv.read(source)
  local entries, faults, names, first = {}, {}, {}, 1
  while rows[first] and isBlank(rows[first]) do -- spreadsheet programs write empty rows above a table, too
    first = first + 1
  end
  if rows[first] then
    for column, name in ipairs(rows[first]) do
      names[column] = name:match "^%s*(.-)%s*$"
    end
    while #names > 0 and names[#names] == "" do
      names[#names] = nil
    end
    local what = headingProblem(names)
    if what then
      return {}, { fault(rows[first].line, what) }
    end
  end
  for i = first + 1, #rows do
    if not isBlank(rows[i]) then
      local entry, what = entryOf(rows[i], names)
      entries[#entries + 1] = entry
      faults[#faults + 1] = what and fault(rows[i].line, what)
    end
  end
  faults[#faults + 1] = problem and fault(problem.line, problem.problem)
  return entries, faults
end

-- What a text holds.
local function formatOf(source)
  local first = source:match "%S"
  if first == "[" then
    return "json"
  elseif first == "{" then
    local line = source:match "%S[^\r\n]*"
    return (json.decode(line) == nil and json.decode(source) ~= nil) and "json" or "jsonl"
  end
  return "csv"
end

--- Reads a list.
---@param text string
---@param format "csv"|"json"|"jsonl"|nil by default what the text holds
---@return qcimage.ApplyEntry[]
---@return qcimage.ApplyFault[] faults
---@return table|nil plan where the text is one, see plan_format.lua
function M.read(source, format)
  if #source > MAX_BYTES then
    return {}, { fault(nil, ("the list is longer than %d bytes"):format(MAX_BYTES)) }
  elseif source:find "^\255\254" or source:find "^\254\255" or source:sub(1, 200):find "%z" then
    return {}, { fault(nil, "the list is in UTF-16: save it as UTF-8 (in Excel: CSV UTF-8)") }
  end
  source = source:gsub("^\239\187\191", "")
  local kind = planFormat.kindOf(source)
  if kind == "journal" then
    local message = "the list is the journal of a run: %s continues it, %s rolls it back"
    return {}, { fault(nil, message:format(optionNames.shown "resume", optionNames.shown "undo")) }
  elseif kind then
    local plan, problem = planFormat.read(source)
    return {}, { problem and fault(nil, "the plan " .. problem) }, plan
  end
  local faults = core.utf8len(source) and {} or badLines(source)
  if #faults > 0 or not source:find "%S" then
    return {}, faults
  end
  return readers[format or formatOf(source)](source)
end

return M
