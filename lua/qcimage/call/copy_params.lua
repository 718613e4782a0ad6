--- copy_params.lua - copies the parameters of a call, since the caller may change its tables during a wait.
--- Part of qcimage, see LICENSE.

local json = require "qcimage.util.json"
local redact = require "qcimage.util.redact"

local M = {}

-- Deeper nesting is refused when the request is built; a table may contain itself, even twice.
local DEEPEST = 64
local MOST = 200000
local TOO_MANY = ("has more than %d values"):format(MOST)

local function copied(value, depth, count)
  if type(value) ~= "table" or depth > DEEPEST then
    return value, count
  end
  local copy = {}
  for key, item in pairs(value) do
    if count >= MOST then
      error(TOO_MANY, 0)
    end
    copy[key], count = copied(item, depth + 1, count + 1)
  end
  json.copyArrayMark(copy, value)
  return copy, count
end

-- pairs does not list fields that come from __index.
local function copyTop(params, names)
  local copy, count = {}, 0
  for key, item in pairs(params) do
    if count >= MOST then
      error(TOO_MANY, 0)
    elseif type(item) == "table" then
      item, count = copied(item, 1, count)
    end
    copy[key], count = item, count + 1
  end
  json.copyArrayMark(copy, params)
  if getmetatable(params) ~= nil then
    for name in pairs(names) do
      if copy[name] == nil then
        copy[name] = copied(params[name], 1, 0)
      end
    end
  end
  return copy
end

--- Copies parameters deeply.
---@param params table
---@param names table<string, any> known parameters, which may come from __index
---@return table|nil copy
---@return string|nil problem to follow the name of the table
function M.copy(params, names)
  local ok, copy = pcall(copyTop, params, names) -- a metamethod may throw
  if ok then
    return copy
  end
  return nil, copy == TOO_MANY and copy or "cannot be read: " .. redact.said(copy)
end

--- Returns whether a table, and each table within it, is either a list or has names only. Mixed tables and lists with holes
--- would be sent with nulls, or with numbers as names.
---@param value any
---@param depth integer|nil
---@return boolean
function M.isRegular(value, depth)
  depth = depth or 0
  if type(value) ~= "table" or depth > DEEPEST then
    return true
  end
  local count, named = 0, 0
  for key, item in pairs(value) do
    if type(key) == "string" then
      named = named + 1
    elseif value[count + 1] == nil then
      return false
    else
      count = count + 1
    end
    if type(item) == "table" and not M.isRegular(item, depth + 1) then
      return false
    end
  end
  return count == 0 or named == 0
end

return M
