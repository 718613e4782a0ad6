--- action_args.lua - an action and its parameters as they stand on a command line: --Key VALUE, by the types of the action's
--- data. A list is made by repeating, or is JSON, as is whatever begins with "[" or "{" where no text is due.
--- Pure. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local cjson = require "cjson"
local text = require "qcimage.util.text"

local M = {}

-- Names of JSON as the library has them: a small first letter.
local function small(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[type(key) == "string" and text.decapitalise(key) or key] = small(item)
  end
  return copy
end

-- The value of a JSON text; or nil and what is wrong.
local function json(name, value)
  local decoder = cjson.new()
  decoder.decode_max_depth(32)
  local ok, decoded = pcall(decoder.decode, value)
  if not ok then
    return nil, ("--%s is no JSON: %s"):format(name, tostring(decoded):gsub("^.-:%d+: ", ""))
  end
  return decoded
end

local readers = {}

function readers.text(_, value)
  return value
end

function readers.integer(_, value)
  return value:find "^%-?%d+$" and #value <= 15 and tonumber(value) or value -- what is none, the check refuses
end

local BOOLEANS = { ["true"] = true, ["false"] = false, True = true, False = false }

function readers.boolean(_, value)
  if BOOLEANS[value] ~= nil then
    return BOOLEANS[value]
  end
  return value
end

readers.flag = readers.boolean

function readers.texts(name, value)
  if value:find "^%[" then
    return json(name, value)
  end
  return value
end

function readers.objects(name, value)
  local decoded, problem = json(name, value)
  if decoded == nil then
    return nil, problem
  end
  return small(decoded)
end

-- A parameter that the data has not, as it travels.
local function unknown(name, value)
  if value:find "^[%[{]" then
    return json(name, value)
  end
  return value
end

local function isList(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

-- Adds what was read to the parameters; a list by what is repeated.
local function add(params, key, param, value)
  local many = param and (param.type == "texts" or param.type == "objects")
  if not many then
    if params[key] ~= nil then
      return false
    end
    params[key] = value
    return true
  end
  local list = params[key] or {}
  for _, item in ipairs(isList(value) and value or { value }) do
    list[#list + 1] = item
  end
  params[key] = list
  return true
end

-- The parameter of a name as a user writes it: its key and its data.
local function paramOf(action, name)
  local key = text.decapitalise(name)
  if action.params[key] then
    return key, action.params[key]
  end
  for other, param in pairs(action.params) do
    if param.wire == name or text.lower(other) == text.lower(name) then
      return other, param
    end
  end
end

-- What is wrong with a name that is none.
local function misspelt(action, name, options)
  local known = {}
  for key in pairs(action.params) do
    known["--" .. text.capitalise(key)] = true
  end
  for _, option in ipairs(options) do
    known[option[1]] = true
  end
  return ("%s has no parameter --%s%s"):format(action.name, name, text.didYouMean("--" .. name, known))
end

--- Reads the parameters of an action.
---@param version "2.0"|"3.0"
---@param actionName string
---@param given {name: string, value: string|nil}[]
---@param settings {raw: boolean|nil, options: qcimage.cli.Option[]}
---@return table|nil params
---@return string|nil problem
function M.params(version, actionName, given, settings)
  local action = actions[version][actionName]
  if not action and not settings.raw then
    return {} -- the library says what is wrong
  end
  local params = {}
  for _, one in ipairs(given) do
    local name, value = one.name, one.value
    local key, param = name, nil
    if action then
      key, param = paramOf(action, name)
      key = (settings.raw or not param) and name or key
    end
    if not param and not settings.raw then
      return nil, misspelt(action, name, settings.options)
    end
    if value == nil and param and (param.type == "boolean" or param.type == "flag") then
      value = "true"
    elseif value == nil then
      return nil, ("--%s needs a value"):format(name)
    end
    local problem
    value, problem = (param and readers[param.type] or unknown)(name, value)
    if value == nil then
      return nil, problem
    elseif settings.raw and param and param.type == "objects" then
      value = json(name, one.value) -- its names, too, as they travel
    end
    if not add(params, key, param, value) then
      return nil, ("--%s is given twice"):format(name)
    end
  end
  return params
end

return M
