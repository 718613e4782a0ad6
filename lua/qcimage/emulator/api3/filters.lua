--- emulator/api3/filters.lua - the parameter Filters of API 3.0: its rule, and a test made of a request's filters.
--- Part of qcimage, see LICENSE.

local abort = require "qcimage.emulator.abort"
local codes = require "qcimage.emulator.codes"
local text = require "qcimage.emulator.text"

local M = {}

--- Rule of the parameter, see check.lua.
M.RULE = {
  type = "objects",
  most = 10,
  tooMany = codes.assumed3.filters,
  fields = {
    Name = { type = "string", required = true },
    Values = { type = "strings", required = true, most = 5, tooMany = "InvalidFilterValue.LimitExceeded" },
  },
}

--- Passes objects whose field is the value.
---@param name string
---@return fun(object: table, value: string): boolean
function M.field(name)
  return function(object, value)
    return object[name] == value
  end
end

--- Passes objects whose field contains the value.
---@param name string
---@return fun(object: table, value: string): boolean
function M.part(name)
  return function(object, value)
    return object[name]:find(value, 1, true) ~= nil
  end
end

--- Passes objects of which a tag has the value in a field.
---@param name "key"|"value"
---@param key string|nil of the tag
---@return fun(object: table, value: string): boolean
function M.tag(name, key)
  return function(object, value)
    for _, pair in ipairs(object.tags) do
      if pair[name] == value and (key == nil or pair.key == key) then
        return true
      end
    end
    return false
  end
end

--- Passes nothing.
function M.never()
  return false
end

--- Makes one test of a request's filters: an object must pass each of them with one of its values.
---@param known table<string, table> filters by name: [1] whether an object passes for a value; words, form: values that
--- are allowed, with `code` for others
---@param given table[] Name, Values
---@return fun(object: table): boolean
function M.test(known, given)
  local list = {}
  for i, filter in ipairs(given) do
    local key = filter.Name:match "^tag:(.+)$"
    list[i] = key and { M.tag("value", key) } or known[filter.Name]
    if not list[i] then
      abort.raise("InvalidFilter", "there is no filter %s", text.show(filter.Name))
    end
    for _, value in ipairs(filter.Values) do
      if list[i].words and not list[i].words[value] or list[i].form and not list[i].form(value) then
        local code = list[i].code or "InvalidFilter"
        abort.raise(code, "the filter %s has no value %s", filter.Name, text.show(value))
      end
    end
  end
  local function passes(i, object)
    for _, value in ipairs(given[i].Values) do
      if list[i][1](object, value) then
        return true
      end
    end
    return false
  end
  return function(object)
    for i = 1, #list do
      if not passes(i, object) then
        return false
      end
    end
    return true
  end
end

return M
