--- emulator/api3/check.lua - parameters of API 3.0 by their rules: names, types, lengths, words.
--- Pure. Part of qcimage, see LICENSE.
---
--- Fields of a rule:
---   type      "string", "integer", "boolean", "strings", "objects"
---   required  true
---   blank     true: a required string may be empty
---   most      characters of a string; items of a list; the largest integer
---   least     the smallest integer
---   words     set of allowed strings
---   fields    rules of the objects
---   code      code of a value that breaks most, least or words
---   form      fun(value): boolean, with `code` for what it refuses

local codes = require "qcimage.emulator.codes"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local refuse = abort.raise

local M = {}

local TOO_LONG = "InvalidParameterValue.TooLarge"
local TOO_MANY = "InvalidParameterValue.LimitExceeded"
local BAD_VALUE = "InvalidParameterValue"

local function wrongType(name, wanted)
  refuse(codes.assumed3.null, "the parameter %s must be %s", name, wanted)
end

local function checkText(rule, value, name)
  if type(value) ~= "string" then
    wrongType(name, "a string")
  end
  local most = rule.type == "string" and rule.most
  if most and #value > 4 * most then -- no need to count
    refuse(rule.code or TOO_LONG, "%s is longer than %d characters", name, most)
  end
  local length = text.utf8len(value)
  if not length then
    refuse(codes.assumed3.body, "%s is not valid UTF-8", name)
  elseif value:find "[%z\1-\31\127]" then
    refuse(codes.assumed3.control, "%s holds a control character", name)
  elseif most and length > most then
    refuse(rule.code or TOO_LONG, "%s is longer than %d characters", name, most)
  elseif rule.required and not rule.blank and rule.type == "string" and value == "" then
    refuse(codes.assumed3.blank, "%s is empty", name)
  elseif rule.words and not rule.words[value] or rule.form and not rule.form(value) then
    refuse(rule.code or BAD_VALUE, "%s is not valid: %s", name, text.show(value))
  end
end

local function checkList(rule, value, name, each)
  if type(value) ~= "table" or not json.isList(value) then
    wrongType(name, "a list")
  elseif rule.most and #value > rule.most then
    refuse(rule.tooMany or TOO_MANY, "%s has %d items, %d are allowed", name, #value, rule.most)
  elseif rule.required and #value == 0 then
    refuse("MissingParameter", "the parameter %s is empty", name)
  end
  for i, item in ipairs(value) do
    each(item, ("%s.%d"):format(name, i - 1))
  end
end

local CHECKS = {
  string = checkText,
  integer = function(rule, value, name)
    if type(value) ~= "number" or math.abs(value) >= 2 ^ 53 or value ~= math.floor(value) then
      wrongType(name, "an integer")
    elseif rule.least and value < rule.least or rule.most and value > rule.most then
      refuse(rule.code or BAD_VALUE, "%s is out of range: %d", name, value)
    end
  end,
  boolean = function(_, value, name)
    if type(value) ~= "boolean" then
      wrongType(name, "a boolean")
    end
  end,
  strings = function(rule, value, name)
    checkList(rule, value, name, function(item, itemName)
      checkText(rule, item, itemName)
    end)
  end,
  objects = function(rule, value, name)
    checkList(rule, value, name, function(item, itemName)
      M.object(rule.fields, item, itemName .. ".")
    end)
  end,
}

--- Checks an object; refuses what breaks a rule.
---@param rules table<string, table> by name
---@param object any decoded JSON
---@param prefix string path of the object, with the dot behind it
function M.object(rules, object, prefix)
  if type(object) ~= "table" or not json.isObject(object) then
    wrongType(prefix:sub(1, -2), "an object")
  end
  for name in pairs(object) do
    if not rules[name] then
      refuse("UnknownParameter", "there is no parameter %s%s", prefix, text.show(name))
    end
  end
  for name, rule in pairs(rules) do
    local value = object[name]
    if value ~= nil then
      CHECKS[rule.type](rule, value, prefix .. name)
    elseif rule.required then
      refuse("MissingParameter", "the parameter %s%s is missing", prefix, name)
    end
  end
end

return M
