--- emulator/schema.lua - checks values against a schema, and names the field that is wrong.
--- Pure. Part of qcimage, see LICENSE.
---
--- Fields of a rule:
---   type          "string", "number", "boolean", "function", "table", "list", "object"; "any": `form` decides
---   least, most   of a number; the bytes of a string; the items of a list
---   whole         true: a number without a fraction
---   one_of        list of the allowed values
---   form          fun(value): boolean, whether a string has the form that `is` describes
---   is            description of the value, after "must be"
---   items         rule of the items of a list, or of the values of an object whose names are free
---   fields        schema of an object: rules by name
---   required      true
---   secret        true: no message may show the value

local text = require "qcimage.emulator.text"

local M = {}

local TYPES = { list = "table", object = "table" }
local NAMES = {
  string = "a string",
  boolean = "true or false",
  ["function"] = "a function",
  table = "a table",
  list = "a list",
  object = "an object",
}

local function describe(rule)
  if rule.is then
    return rule.is
  elseif rule.one_of then
    return "one of " .. table.concat(rule.one_of, ", ")
  elseif rule.type == "number" then
    return ("%s from %.14g to %.14g"):format(rule.whole and "a whole number" or "a number", rule.least, rule.most)
  elseif rule.type == "string" and rule.most then
    return ("a string of %d to %d bytes"):format(rule.least or 0, rule.most)
  elseif rule.type == "list" and rule.most then
    return ("a list of at most %d items"):format(rule.most)
  end
  return NAMES[rule.type]
end

-- Whether the keys of a table are 1 to its length.
local function isList(value)
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  return count == #value
end

local function isWithin(rule, size)
  return size >= (rule.least or 0) and size <= (rule.most or math.huge)
end

local FITS = {
  any = function(rule, value)
    return rule.form(value)
  end,
  string = function(rule, value)
    return isWithin(rule, #value) and text.utf8len(value) and (not rule.form or rule.form(value))
  end,
  number = function(rule, value)
    -- a comparison with NaN is false
    return value >= rule.least and value <= rule.most and (not rule.whole or value == math.floor(value))
  end,
  list = function(rule, value)
    return isList(value) and isWithin(rule, #value)
  end,
  object = function(_, value)
    return next(value) == nil or type(next(value)) == "string"
  end,
}

local function fits(rule, value)
  local wanted = TYPES[rule.type] or rule.type
  if wanted ~= "any" and type(value) ~= wanted or FITS[rule.type] and not FITS[rule.type](rule, value) then
    return false
  end
  for _, allowed in ipairs(rule.one_of or {}) do
    if value == allowed then
      return true
    end
  end
  return not rule.one_of
end

local function join(path, name)
  return path == "" and name or path .. "." .. name
end

local function shown(path)
  return path == "" and "the document" or path
end

--- Describes what is wrong with a value.
---@param rule table
---@param value any
---@param path string name of the value in the message; "" for a document
---@return string|nil message with the path of the field; nil: the value is valid
function M.problem(rule, value, path)
  if not fits(rule, value) then
    local found = type(value) == "string" and not rule.secret and (', not "%s"'):format(text.show(value)) or ""
    if type(value) == "number" then
      found = (", not %.14g"):format(value)
    end
    return ("%s must be %s%s"):format(shown(path), describe(rule), found)
  elseif rule.type == "list" and rule.items then
    for i, item in ipairs(value) do
      local problem = M.problem(rule.items, item, ("%s[%d]"):format(path, i))
      if problem then
        return problem
      end
    end
  elseif rule.type == "object" and rule.items then
    for name, item in pairs(value) do
      local problem = M.problem(rule.items, item, join(path, text.show(name)))
      if problem then
        return problem
      end
    end
  end
  return rule.fields and M.fields(rule.fields, value, path) or nil
end

--- Describes what is wrong with the fields of an object.
---@param fields table<string, table> rules by name
---@param object table
---@param path string name of the object in the message
---@return string|nil message
function M.fields(fields, object, path)
  for name, value in pairs(object) do
    if not fields[name] then
      return ("%s has no field %s%s"):format(shown(path), text.show(tostring(name)), text.suggestion(name, fields))
    end
    local problem = M.problem(fields[name], value, join(path, name))
    if problem then
      return problem
    end
  end
  for name, rule in pairs(fields) do
    if rule.required and object[name] == nil then
      return join(path, name) .. " is missing"
    end
  end
  return nil
end

return M
