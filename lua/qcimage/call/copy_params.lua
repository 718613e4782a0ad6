--- copy_params.lua - a call's parameters as they are when it begins: the caller's tables may change while it waits.
--- Part of qcimage, see LICENSE.

local json = require "qcimage.util.json"
local redact = require "qcimage.util.redact"

local M = {}

-- What nests deeper is refused when the request is built; a table may hold itself, even twice.
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

-- pairs does not see what comes by __index.
local function taken(params, names)
  local own, count = {}, 0
  for key, item in pairs(params) do
    if count >= MOST then
      error(TOO_MANY, 0)
    elseif type(item) == "table" then
      item, count = copied(item, 1, count)
    end
    own[key], count = item, count + 1
  end
  json.copyArrayMark(own, params)
  if getmetatable(params) ~= nil then
    for name in pairs(names) do
      if own[name] == nil then
        own[name] = copied(params[name], 1, 0)
      end
    end
  end
  return own
end

--- Copies parameters, all the way down.
---@param params table
---@param names table<string, any> those that an action knows, which may come by __index, too
---@return table|nil own
---@return string|nil problem what follows the name of the table
function M.copy(params, names)
  local ok, own = pcall(taken, params, names) -- a metamethod may throw
  if ok then
    return own
  end
  return nil, own == TOO_MANY and own or "cannot be read: " .. redact.said(own)
end

--- Whether a table, and each within it, is a list or has names alone. Another one would travel with nulls, or with numbers
--- for names.
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
