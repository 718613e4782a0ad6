--- complete.lua - what can stand at the cursor of a command line that is being typed: read as a whole one is, and answered
--- from the tables of the commands and the data of the actions. Asks nobody.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local commands = require "qcimage.cli.commands"
local endpoints = require "qcimage.api.endpoints"
local options = require "qcimage.cli.options"
local parser = require "qcimage.cli.parser"
local text = require "qcimage.util.text"

local M = {}

--- Placeholder for names of files, which the shell completes itself.
M.FILES = ":files"

local REGIONS = {}
for _, region in pairs(endpoints.REGIONS) do
  REGIONS[#REGIONS + 1] = region
end

-- What the value of an option can be.
local function valuesOf(line, option)
  local param = option.param
  if option.files then
    return { M.FILES }
  elseif option[2] == "REGION" or param and param.region then
    return REGIONS
  elseif option.isBoolean then
    return { "true", "false" }
  elseif param and param.words then
    return text.keys(param.words)
  end
  return option.choices and (option.choices[1] and option.choices or option.choices[line.version]) or {}
end

-- What the next operand can be; nil: the command takes no more.
local function operandsOf(line)
  local operand = line:operandOf(#line.operands + 1)
  if operand == options.ACTION then
    return text.keys(actions[line.version])
  end
  return operand and (operand.files and { M.FILES } or operand.choices or {})
end

-- Options that can be typed now: {name, description}.
local function optionsOf(line)
  local found = {}
  for _, option in ipairs(line.options) do
    if option.many or not line.given[option[1]] then
      found[#found + 1] = { option[1], option[3] }
    end
  end
  return found
end

local function words(list)
  local found = {}
  for i, word in ipairs(list) do
    found[i] = { word }
  end
  return found
end

local function candidates(line, current)
  local name = current:match "^(%-%-[^=]+)="
  local isOption = line.due and line.due.isBoolean and current:find "^%-" -- a boolean may stand without a value
  if line.due and not isOption then
    return words(valuesOf(line, line.due))
  elseif line.isLost then
    return {}
  elseif line.isOver and line.command then
    return words(operandsOf(line) or {})
  elseif name then
    local found, option = {}, line:optionOf(name)
    for i, word in ipairs(option and valuesOf(line, option) or {}) do
      found[i] = word ~= M.FILES and { name .. "=" .. word } or nil
    end
    return found
  elseif current:find "^%-" then
    return optionsOf(line)
  elseif not line.command then
    local list = words(text.keys(commands.byName))
    for _, candidate in ipairs(list) do
      candidate[2] = commands.byName[candidate[1]][2]
    end
    list[#list + 1] = { "help", "print help" }
    return list
  end
  local values = operandsOf(line)
  return values and words(values) or optionsOf(line)
end

--- What can stand at the cursor, one to a line: the word, and behind a tab what it is.
---@param current string the word at the cursor, up to the cursor
---@param before string[] the words before it, without the program's name
---@return string
function M.lines(current, before)
  if before[1] == "help" then
    before = { select(2, (table.unpack or unpack)(before)) }
  end
  local line, lines = parser.read(before, true), {}
  for _, candidate in ipairs(candidates(line, current)) do
    local word, about = candidate[1], candidate[2]
    if word == M.FILES or word:sub(1, #current) == current then
      lines[#lines + 1] = about and about ~= "" and word .. "\t" .. about or word
    end
  end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
