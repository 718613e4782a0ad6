--- parse_changes.lua - reads a list of changes from a text: JSON, JSON Lines or CSV, told by what it holds; or a plan.
--- Pure. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local csv = require "qcimage.apply.csv"
local json = require "qcimage.util.json"
local jsonScan = require "qcimage.apply.json_scan"
local planFormat = require "qcimage.apply.plan_format"

local M = {}

-- Bytes of a line of JSON Lines: ten changes of the longest values.
local LONGEST_LINE = 64 * 1024
-- Bytes of the whole.
M.MAX_BYTES = 64 * 1024 * 1024

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
local function eachLine(text)
  local at, number = 1, 0
  return function()
    if at > #text then
      return nil
    end
    local last = text:find("\n", at, true) or #text + 1
    local line = text:sub(at, last - 1):gsub("\r$", "")
    at, number = last + 1, number + 1
    return number, line
  end
end

-- The lines that are not UTF-8, at most a few.
local function badLines(text)
  local faults = {}
  for number, line in eachLine(text) do
    if not core.utf8len(line) then
      faults[#faults + 1] = fault(number, "is not valid UTF-8")
      if #faults == 10 then
        break
      end
    end
  end
  return faults
end

local function lineOf(text, at)
  local _, count = text:sub(1, at - 1):gsub("\n", "")
  return count + 1
end

-- Adds one object of JSON, or what is wrong with it.
local function add(entries, faults, line, value, written)
  local _, repeated = jsonScan.scan(written)
  if type(value) ~= "table" or written:find "^%s*%[" then
    faults[#faults + 1] = fault(line, "is no JSON object")
  elseif repeated then
    faults[#faults + 1] = fault(line, ("has the key %s twice"):format(repeated))
  else
    entries[#entries + 1] = { line = line, values = value }
  end
end

local readers = {}

function readers.jsonl(text)
  local entries, faults = {}, {}
  for number, line in eachLine(text) do
    if line:find "%S" then
      local value, problem
      if #line > LONGEST_LINE then
        problem = ("is longer than %d bytes"):format(LONGEST_LINE)
      else
        value, problem = json.decode(line)
        problem = problem and ("is no JSON object of one line: %s"):format(problem)
      end
      if value == nil then
        faults[#faults + 1] = fault(number, problem or "is no JSON object")
      else
        add(entries, faults, number, value, line)
      end
    end
  end
  return entries, faults
end

function readers.json(text)
  local entries, faults = {}, {}
  local list, problem = json.decode(text)
  if list == nil then
    return entries, { fault(nil, ("the list is no JSON: %s"):format(problem or "it is null")) }
  end
  local starts = jsonScan.scan(text)
  if not text:find "^%s*%[" then
    add(entries, faults, lineOf(text, text:find "%S"), list, text)
    return entries, faults
  end
  if #starts ~= #list then
    return entries, { fault(nil, "the list has items that are null") }
  end
  local line, counted = 1, 1
  for i, start in ipairs(starts) do
    local _, breaks = text:sub(counted, start - 1):gsub("\n", "")
    line, counted = line + breaks, start
    add(entries, faults, line, list[i], text:sub(start, (starts[i + 1] or #text + 1) - 1):gsub("[,%]]%s*$", ""))
  end
  return entries, faults
end

function readers.csv(text)
  local rows, problem = csv.read(text)
  local entries, faults = {}, {}
  local header = rows[1]
  for i = 2, #rows do
    local row = rows[i]
    if #row ~= #header then
      faults[#faults + 1] = fault(row.line, ("has %d values, and the header %d names"):format(#row, #header))
    else
      local values = {}
      for column, name in ipairs(header) do
        values[name] = row[column]
      end
      entries[#entries + 1] = { line = row.line, values = values, isCsv = true }
    end
  end
  if header then
    local seen = {}
    for _, name in ipairs(header) do
      if seen[name] then
        return {}, { fault(header.line, ("has the name %s twice"):format(name)) }
      end
      seen[name] = true
    end
    if not seen.imageId then
      return {}, { fault(header.line, "the header has no imageId (a list in JSON begins with [ or {)") }
    end
  end
  faults[#faults + 1] = problem and fault(problem.line, problem.problem)
  return entries, faults
end

-- What a text holds.
local function formatOf(text)
  local first = text:match "%S"
  if first == "[" then
    return "json"
  elseif first == "{" then
    local line = text:match "%S[^\r\n]*"
    return (json.decode(line) == nil and json.decode(text) ~= nil) and "json" or "jsonl"
  end
  return "csv"
end

--- Reads a list.
---@param text string
---@param format "csv"|"json"|"jsonl"|nil by default what the text holds
---@return qcimage.ApplyEntry[]
---@return qcimage.ApplyFault[] faults
---@return table|nil plan where the text is one, see planFormat.lua
function M.read(text, format)
  if #text > M.MAX_BYTES then
    return {}, { fault(nil, ("the list is longer than %d bytes"):format(M.MAX_BYTES)) }
  elseif text:find "^\255\254" or text:find "^\254\255" then
    return {}, { fault(nil, "the list is in UTF-16; save it as UTF-8") }
  end
  text = text:gsub("^\239\187\191", "")
  local kind = planFormat.kindOf(text)
  if kind == "journal" then
    return {}, { fault(nil, "the list is the journal of a run: resume goes on with it, and undo takes it back") }
  elseif kind then
    local plan, problem = planFormat.read(text)
    return {}, { problem and fault(nil, "the plan " .. problem) }, plan
  end
  local faults = core.utf8len(text) and {} or badLines(text)
  if #faults > 0 or not text:find "%S" then
    return {}, faults
  end
  return readers[format or formatOf(text)](text)
end

return M
