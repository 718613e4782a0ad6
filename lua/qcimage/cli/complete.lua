--- complete.lua - what may stand at the cursor of a command line that is being typed, from the tables of the commands and
--- the data of the actions. Asks nobody.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local arguments = require "qcimage.cli.parser"
local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.util.environment"
local text = require "qcimage.util.text"

local M = {}

--- What stands for names of files, which the shell knows itself.
M.FILES = ":files"

local HELP = { "--help", nil, "this help" }
local VERSION = { "--version", nil, "the versions of qcimage and of the libraries in use" }

-- The options that a command has, by both of their names; nil: before any command.
local function optionsOf(module)
  local list, byName = {}, {}
  local function add(option)
    list[#list + 1] = option
    byName[option[1]] = option
    byName["--" .. (option.target or arguments.camelCase(option[1]))] = option
  end
  for _, option in ipairs(module and module.OPTIONS or {}) do
    add(option)
  end
  for _, option in ipairs(module and module.standsAlone and {} or arguments.COMMON) do
    add(option)
  end
  add(HELP)
  if not module then
    add(VERSION)
  end
  return list, byName
end

local function takes(option)
  return type(option[2]) == "table" and #option[2] or option[2] and 1 or 0
end

-- What the words before the cursor say: command, positional arguments, options that were given and their values, and the
-- option whose value is due.
local function read(words)
  local state = { given = {}, values = {}, positional = {} }
  local list, byName = optionsOf(nil)
  local i = 1
  while i <= #words do
    local word = words[i]
    local name, value = word:match "^(%-%-[^=]+)=(.*)$"
    name = name or word:match "^%-%-.+$"
    local option = name and byName[name]
    if word == "--" then
      state.isOver = true
    elseif name and not state.isOver then
      state.given[option and option[1] or name] = true
      local left = option and takes(option) or (state.module and state.module.takesParameters) and 1 or 0
      if value then
        state.values[option and option[1] or name] = value
      elseif left > 0 and i + left > #words then
        state.due = option or { name, "VALUE" }
        state.dueName = name
        break
      elseif left > 0 then
        state.values[option and option[1] or name] = words[i + 1]
        i = i + left
      end
    elseif not state.command then
      for _, command in ipairs(arguments.COMMANDS) do
        if command[1] == word then
          state.command, state.module = word, arguments.module(word)
          list, byName = optionsOf(state.module)
        end
      end
      if not state.command then
        return nil
      end
    else
      state.positional[#state.positional + 1] = word
    end
    i = i + 1
  end
  state.options, state.byName = list, byName
  return state
end

local function versionOf(state)
  local options = { apiVersion = state.values["--api-version"], endpoint = state.values["--endpoint"] }
  local environment = environments.snapshot()
  local target = require("qcimage.target").of(options, environment, require("qcimage.cli.client_options").PRESET)
  return target and target.version or "3.0"
end

-- Names of a parameter as it is typed, and its data, for the action that is typed.
local function parametersOf(state)
  local action = state.module and state.module.takesParameters and actions[versionOf(state)][state.positional[1] or ""]
  local params = {}
  for key, param in pairs(action and action.params or {}) do
    params["--" .. (param.wire or text.capitalise(key))] = param
  end
  return params
end

local REGIONS = {}
for _, region in pairs(endpoints.REGIONS) do
  REGIONS[#REGIONS + 1] = region
end

-- What the value of an option can be.
local function valuesOf(state, option, name)
  local param = parametersOf(state)[name]
  if option.files then
    return { M.FILES }
  elseif option[1] == "--region" or param and param.region then
    return REGIONS
  elseif param and (param.type == "boolean" or param.type == "flag") then
    return { "true", "false" }
  elseif param and param.words then
    return text.keys(param.words)
  end
  return option.choices or option.words or {}
end

-- What the positional argument that is due can be; nil: none is.
local function positionalOf(state)
  local module = state.module
  local list = module.ARGUMENTS or {}
  local last = list[#list]
  local argument = list[#state.positional + 1] or last and last.args == "*" and last
  if not argument then
    return nil
  elseif argument == arguments.ACTION then
    local names = {}
    for name in pairs(actions[versionOf(state)]) do
      names[#names + 1] = name
    end
    return names
  elseif argument.files then
    return { M.FILES }
  end
  return argument.choices or {}
end

-- Options and parameters that may be typed now: {name, description}.
local function optionNames(state)
  local found = {}
  for _, option in ipairs(state.options) do
    if option.many or not state.given[option[1]] then
      found[#found + 1] = { option[1], option[3] }
    end
  end
  for name, param in pairs(parametersOf(state)) do
    if param.type == "texts" or param.type == "objects" or not state.given[name] then
      found[#found + 1] = { name, param.required and "required" or "" }
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

local function candidates(state, current)
  local name, value = current:match "^(%-%-[^=]+)=(.*)$"
  if state.due then
    return words(valuesOf(state, state.due, state.dueName))
  elseif state.isOver and state.command then
    return words(positionalOf(state) or {})
  elseif name then
    local found = {}
    for i, word in ipairs(valuesOf(state, state.byName[name] or { name }, name)) do
      found[i] = value and word ~= M.FILES and { name .. "=" .. word } or nil
    end
    return found
  elseif current:find "^%-" then
    return optionNames(state)
  elseif not state.command then
    return arguments.COMMANDS
  end
  local values = positionalOf(state)
  return values and words(values) or optionNames(state)
end

--- What may stand at the cursor, one to a line: the word, and behind a tab what it is.
---@param current string the word at the cursor, up to the cursor
---@param before string[] the words before it, without the program's name
---@return string
function M.lines(current, before)
  local state = read(before)
  local lines = {}
  for _, candidate in ipairs(state and candidates(state, current) or {}) do
    local word, about = candidate[1], candidate[2]
    if word == M.FILES or word:sub(1, #current) == current then
      lines[#lines + 1] = about and about ~= "" and word .. "\t" .. about or word
    end
  end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
