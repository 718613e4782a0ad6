--- action_args.lua - the parameters of an action as options of a command line, and as a JSON document, by the action's
--- data. A list is made by repeating an option, or is JSON.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local json = require "qcimage.util.json"
local stdio = require "qcimage.cli.stdio"
local text = require "qcimage.util.text"

local M = {}

local function isList(param)
  return param ~= nil and (param.type == "texts" or param.type == "objects")
end

local function wireOf(version, key, param)
  return param.wire or version == "3.0" and text.capitalise(key) or key
end

--- The options that an action's parameters are, required ones first.
---@param version "2.0"|"3.0"
---@param name string the action
---@param isRaw boolean|nil keys are those of the API
---@return qcimage.cli.Option[]
---@return boolean isKnown
function M.options(version, name, isRaw)
  local action, list = actions[version][name], {}
  for key, param in pairs(action and action.params or {}) do
    local wire = wireOf(version, key, param)
    list[#list + 1] = {
      "--" .. wire,
      isList(param) and param.type == "objects" and "JSON"
        or param.words and not param.max and "WORD"
        or (param.type == "boolean" or param.type == "flag") and "true|false"
        or param.type == "integer" and "N"
        or "TEXT",
      require("qcimage.cli.action_help").parameter(key, param, version),
      param = param,
      key = isRaw and wire or key,
      isRaw = isRaw,
      many = isList(param),
      isBoolean = param.type == "boolean" or param.type == "flag",
    }
  end
  table.sort(list, function(a, b)
    local first, second = a.param.required or false, b.param.required or false
    return first ~= second and first or first == second and a[1] < b[1]
  end)
  return list, action ~= nil
end

--- Returns an option for a parameter that the data of the actions does not have.
---@param name string "--Name"
---@return qcimage.cli.Option
function M.raw(name)
  return { name, "VALUE", "", key = name:sub(3), isRaw = true, many = true }
end

-- Names of the API as the library has them: a small first letter.
local function decapitalised(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[type(key) == "string" and text.decapitalise(key) or key] = decapitalised(item)
  end
  return copy
end

local BOOLEANS = { ["true"] = true, ["false"] = false }

--- Reads a value of a parameter. What has the wrong type, the library refuses.
---@param option qcimage.cli.Option
---@param value string
---@return any value, or nil
---@return string|nil problem
function M.value(option, value)
  local kind = option.param and option.param.type
  local isJson = kind == "objects" or (kind == "texts" or not kind) and value:find "^[%[{]"
  if isJson then
    local decoded, problem = json.parse(value)
    if decoded == nil then
      return nil, "is not JSON: " .. problem
    end
    if type(decoded) ~= "table" then
      return nil, "must be a JSON list or object"
    end
    return option.isRaw and decoded or decapitalised(json.decode(value))
  elseif kind == "integer" then
    return value:find "^%-?%d+$" and #value <= 15 and tonumber(value) or value
  elseif kind == "boolean" or kind == "flag" then
    local boolean = BOOLEANS[value:lower()]
    return boolean == nil and value or boolean
  end
  return value
end

--- Adds a value to the parameters: one that is repeated makes a list.
---@param params table
---@param option qcimage.cli.Option
---@param value any
function M.add(params, option, value)
  local key = option.key
  local isArray = type(value) == "table" and (value[1] ~= nil or next(value) == nil)
  local before = params[key]
  if not isList(option.param) and (not option.many or before == nil) then
    params[key] = value
    return
  end
  if type(before) ~= "table" or before[1] == nil and next(before) ~= nil then
    before = { before }
  end
  for _, item in ipairs(isArray and value or { value }) do
    before[#before + 1] = item
  end
  params[key] = before
end

-- Bytes: the longest request.
local LONGEST = require("qcimage.util.limits").requestBytes["3.0"].POST

-- The text of a JSON file, or nil and a problem.
local function contentOf(path)
  path = path:gsub("^file://", "")
  local content, problem = stdio.read(path, LONGEST + 1)
  if content and #content > LONGEST then
    return nil, ("%s has more than %d MB, the most that a request can have"):format(path, LONGEST / 1024 / 1024)
  end
  return content and content:gsub("^\239\187\191", ""), problem
end

--- The parameters that a JSON document holds.
---@param path string of a file; "-": standard input
---@param version "2.0"|"3.0"
---@param name string the action
---@param isRaw boolean|nil
---@return table|nil params
---@return string|nil problem
function M.body(path, version, name, isRaw)
  local content, problem = contentOf(path)
  if not content then
    return nil, problem
  end
  local params
  params, problem = (isRaw and json.parse or json.decode)(content)
  if type(params) ~= "table" or not content:find "^%s*{" then
    local why = content:find "%S" and (problem or "it must be an object") or "it is empty"
    return nil, ("%s is not the JSON of a body: %s"):format(path, why)
  elseif isRaw then
    return params
  end
  local keys, converted = {}, {}
  for _, option in ipairs((M.options(version, name))) do
    keys[option[1]:sub(3)] = option.key
  end
  for wire, value in pairs(params) do
    converted[keys[wire] or text.decapitalise(tostring(wire))] = decapitalised(value)
  end
  return converted
end

return M
