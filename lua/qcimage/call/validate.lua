--- validate.lua - validates parameters against an action's schema, and converts them to wire names and values.
--- Pure: no clock, no environment, no sockets. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.util.errors"
local copyParams = require "qcimage.call.copy_params"
local optionNames = require "qcimage.util.option_names"
local text = require "qcimage.util.text"

local M = {}

local checkers = {}

-- Each checker returns the wire value; or nil, a problem to follow the name, and the index of a list's item.

local function rule(param)
  local parts = {}
  if param.max then
    parts[#parts + 1] = param.min and ("%d to %d characters"):format(param.min, param.max)
      or ("at most %d characters"):format(param.max)
  end
  if param.chars then
    parts[#parts + 1] = (#parts > 0 and "of " or "only ") .. param.chars
  end
  return table.concat(parts, " ")
end

local function against(param, context, problem)
  local source = param.source and (", " .. param.source) or ""
  local setting = optionNames.setting "skipRules"
  local hint = setting and ("; a client with %s sends it anyway"):format(setting) or ""
  return ("%s (API %s%s%s)"):format(problem, context.version, source, hint)
end

function checkers.text(param, value, context)
  if type(value) ~= "string" then
    return nil, ("must be text, not %s"):format(text.quote(value))
  end
  if param.pattern and value ~= "" and #value <= param.max and value:find(param.pattern) then
    return value -- a pattern allows some of ASCII, and no control characters
  end
  local points, hasControl = core.utf8len(value)
  if not points then
    return nil, "is not valid UTF-8"
  end
  if value == "" then
    if param.blank or not param.required and context.options.skipRules then
      return value
    end
    return nil, param.required and "is required and must not be empty" or "must not be empty; leave it out instead"
  end
  if param.region then
    value = endpoints.regionValue(value, context.version)
  end
  if context.options.skipRules then
    return param.words and param.words[value] or value
  end
  if hasControl then
    return nil, "has a control character (a line break or a NUL, for example)"
  end
  local travels = value
  if param.words then
    travels = param.words[value]
    if travels == nil then
      local words = table.concat(text.keys(param.words), ", ")
      return nil, against(param, context, ("must be one of %s, not %s"):format(words, text.quote(value)))
    end
  end
  if param.pattern and not value:find(param.pattern) then
    return nil, against(param, context, ("must be %s; %s is not"):format(rule(param), text.quote(value)))
  end
  if param.max and points > param.max then
    return nil, against(param, context, ("must be %s; this has %d"):format(rule(param), points))
  end
  return travels
end

function checkers.integer(param, value, context)
  if type(value) ~= "number" or value % 1 ~= 0 then
    return nil, ("must be a whole number, not %s"):format(text.quote(value))
  end
  local least, most = param.min or 0, param.max or 2 ^ 31 - 1
  if not context.options.skipRules and (value < least or value > most) then
    return nil, against(param, context, ("must be from %d to %d, not %s"):format(least, most, text.quote(value)))
  end
  return value
end

function checkers.boolean(_, value)
  if type(value) ~= "boolean" then
    return nil, ("must be true or false, not %s"):format(text.quote(value))
  end
  return value
end

function checkers.flag(_, value)
  if value == true or value == "true" then
    return "true"
  elseif value == false or value == "false" then
    return "false"
  end
  return nil, ("must be true or false, not %s"):format(text.quote(value))
end

-- Returns the length of a list; nil if the table is not a list.
local function length(list)
  local count = 0
  for _ in pairs(list) do
    count = count + 1
  end
  for i = 1, count do
    if list[i] == nil then
      return nil
    end
  end
  return count
end

local NONE = {}

local function each(param, value, context, checkItem)
  local copy, problem, count
  if type(value) == "table" then
    copy, problem = copyParams.copy(value, NONE)
    count = copy and length(copy)
  end
  if not count then
    local hint = copy and ": it has a hole, or keys other than 1, 2, 3" or ""
    return nil, problem or ("must be a list, not %s%s"):format(text.quote(value), hint)
  end
  if count == 0 then
    -- An empty list may mean "nothing" or "everything" to the service.
    return nil, "is an empty list" .. (param.required and "" or "; leave it out instead")
  end
  if param.items and count > param.items and not context.options.skipRules then
    return nil, against(param, context, ("takes at most %d items, not %d"):format(param.items, count))
  end
  local list = {}
  for i = 1, count do
    local item, invalid = checkItem(copy[i])
    if item == nil then
      return nil, invalid, i
    end
    list[i] = item
  end
  return list
end

local ITEM, REGION = { required = true }, { required = true, region = true }

function checkers.texts(param, value, context)
  return each(param, value, context, function(item)
    return checkers.text(param.region and REGION or ITEM, item, context)
  end)
end

local fields

-- A validation error in words: {name, problem, and where the problem is of a part of it, its index}.
local function named(invalid)
  if invalid.isUnknown then -- the problem contains the name
    return invalid.problem
  end
  return ("%s%s %s"):format(
    optionNames.parameter(invalid.name),
    invalid.index and ("[%d]"):format(invalid.index) or "",
    invalid.problem
  )
end

function checkers.objects(param, value, context)
  return each(param, value, context, function(item)
    if type(item) ~= "table" then
      return nil, ("must be a table, not %s"):format(text.quote(item))
    end
    local values, invalid = fields(param.fields, item, context)
    return values, invalid and named(invalid)
  end)
end

-- Compiled schemas: parameters by name {name, param, check, wire}, and a list of those that are required or have a default.
-- Cached by API version and schema.
local entries = { ["2.0"] = {}, ["3.0"] = {} }

local function entriesOf(params, version)
  local made = entries[version][params]
  if not made then
    made = { byName = {}, due = {} }
    for name, param in pairs(params) do
      local wire = param.wire or version == "3.0" and text.capitalise(name) or name
      local entry = { name = name, param = param, check = checkers[param.type], wire = wire }
      made.byName[name] = entry
      if param.required or param.default ~= nil then
        made.due[#made.due + 1] = entry
      end
    end
    entries[version][params] = made
  end
  return made.byName, made.due
end

-- Keeps the validation error that is first by name, so that the reported one does not depend on pairs.
local function firstOf(other, name, problem, index)
  return other and other.name < name and other or { name = name, problem = problem, index = index }
end

-- Checks a table of named values against the data. Returns them by their names on the wire; or nil and a validation error.
function fields(params, given, context)
  local byName, due = entriesOf(params, context.version)
  local values, invalid = { ImageId = nil, ImageName = nil, ImageDescription = nil }, nil -- with room for a few
  for name, value in pairs(given) do
    local entry = byName[name]
    if not entry then
      return nil,
        {
          name = text.oneLine(tostring(name), 40),
          problem = text.unknownName("parameter", name, params),
          isUnknown = true,
        }
    end
    local param = entry.param
    local travels, problem, index = entry.check(param, value, context)
    if travels == nil then
      invalid = firstOf(invalid, name, problem, index)
    elseif not (travels == "" and param.blank == "omit") then
      values[entry.wire] = travels
    end
  end
  for i = 1, #due do
    local entry = due[i]
    local param = entry.param
    local isAbsent = given[entry.name] == nil
    if isAbsent and param.default ~= nil then
      values[entry.wire] = entry.check(param, param.default, context)
    elseif isAbsent then
      invalid = firstOf(invalid, entry.name, "is required")
    end
  end
  if invalid then
    return nil, invalid
  end
  return values
end

local FILTER_VALUES = 5 -- tencentcloud.com/document/product/213/33272

-- API 3.0 takes either ImageIds or filters. Parameters that are separate in API 2.0 become filters; beside other filters, the
-- ids become one, too.
local function toFilters(params, values, context)
  local filters = values.Filters or {}
  for name, param in pairs(params) do
    local wire = text.capitalise(name)
    if param.filter and type(values[wire]) == "string" then
      filters[#filters + 1] = { Name = param.filter, Values = { values[wire] } }
      values[wire] = nil
    end
  end
  if #filters > 0 then
    if values.ImageIds then
      if #values.ImageIds > FILTER_VALUES and not context.options.skipRules then
        local problem = ("takes at most %d items together with other filters"):format(FILTER_VALUES)
        return nil, { name = "imageIds", problem = against(params.imageIds, context, problem) }
      end
      filters[#filters + 1] = { Name = params.imageIds.filter, Values = values.ImageIds }
      values.ImageIds = nil
    end
    if #filters > params.filters.items and not context.options.skipRules then
      local problem = ("are %d, including parameters sent as filters; at most %d are allowed"):format(
        #filters,
        params.filters.items
      )
      return nil, { name = "filters", problem = against(params.filters, context, problem) }
    end
    values.Filters = filters
  end
  return values
end

-- Returns an error unless exactly one of two parameters is given.
local function oneOf(action, given, context)
  local first, second = action.oneOf[1], action.oneOf[2]
  if (given[first] == nil) ~= (given[second] == nil) then
    return nil
  end
  return { name = first, problem = against({}, context, ("or %s is required, but not both"):format(second)) }
end

--- Validates the parameters of a call. The result shares no table with the given one.
---@param action table from actions.lua
---@param given table<string, any> without metatable; its lists may have one
---@param context {version: "2.0"|"3.0", options: {skipRules: boolean|nil}} a client
---@return table|nil values by wire name
---@return qcimage.Error|nil err its field names the parameter
function M.params(action, given, context)
  local values, invalid = fields(action.params, given, context)
  if values and action.oneOf and not context.options.skipRules then
    invalid = oneOf(action, given, context)
  end
  if not invalid and action.params.filters then
    values, invalid = toFilters(action.params, values, context)
  end
  if invalid then
    return nil, errors.ofAction(action.name, "parameter", named(invalid), invalid.name)
  end
  return values
end

--- Converts validated values back to public names.
---@param action table from actions.lua
---@param values table from `params`
---@param version "2.0"|"3.0"
---@return table<string, any>
function M.publicNames(action, values, version)
  local public = {}
  for name, entry in pairs((entriesOf(action.params, version))) do
    public[name] = values[entry.wire]
  end
  return public
end

return M
