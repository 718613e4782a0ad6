--- json.lua - JSON by lua-cjson, in a separate instance, independent of the settings of the shared one.
--- Part of qcimage, see LICENSE.

local cjson = require "cjson"

local M = {}

-- Requests and responses nest less than ten levels; deeper nesting is an attack on the C stack.
local MAX_DEPTH = 64

local current, locale

-- lua-cjson stores the locale's decimal point when an instance is made; if the host changes the locale later, that instance
-- cannot parse numbers.
local function json()
  local now = os.setlocale(nil, "numeric")
  if not current or now ~= locale then
    current, locale = cjson.new(), now
    current.decode_max_depth(MAX_DEPTH)
    current.encode_max_depth(MAX_DEPTH)
    current.decode_invalid_numbers(false)
    current.encode_invalid_numbers(false)
    current.encode_sparse_array(false, 2, 10)
  end
  return current
end

local tointeger = math.tointeger or function(number)
  return number
end

-- From here on a double may represent several integers, so none may look exact.
local EXACT = 2 ^ 53

local fill

-- Removes nulls, converts whole numbers to integers where Lua has them, keeps lists as lists. Optionally renames fields.
local function tidied(value, rename)
  local kind = type(value)
  if kind == "string" or kind == "boolean" then
    return value
  elseif kind == "number" then
    if value >= EXACT or value <= -EXACT then
      return value + 0.0
    end
    return tointeger(value) or value
  elseif kind ~= "table" then -- null
    return nil
  end
  local count, kept = #value, 0
  if count == 0 then
    return fill(rename and {} or value, value, rename)
  end
  for i = 1, count do
    local item = tidied(value[i], rename)
    value[i] = nil
    if item ~= nil then
      kept = kept + 1
      value[kept] = item
    end
  end
  return value
end

function fill(result, object, rename)
  for key, item in pairs(object) do
    result[rename and rename(key) or key] = tidied(item, rename)
  end
  return result
end

--- JSON null.
M.null = cjson.null

--- Copies the metatable by which OpenResty's lua-cjson distinguishes an empty list from an empty object.
---@param copy table
---@param original table
function M.copyArrayMark(copy, original)
  local mark = getmetatable(original)
  if mark and (mark == cjson.empty_array_mt or mark == cjson.array_mt) then
    setmetatable(copy, mark)
  end
end

--- Decodes a text as lua-cjson does, with nulls and without integers.
---@param text string
---@return any value, or nil where the text is not JSON
---@return string|nil message
function M.parse(text)
  local ok, value = pcall(json().decode, text)
  if not ok then
    return nil, (tostring(value):gsub("^.-:%d+: ", ""))
  end
  return value
end

--- Merges an object into a table, converted as by `decode`.
---@param result table
---@param object table from `parse`, which is consumed
---@param rename nil|fun(name: string): string returns the new name of a field, at every level
---@return table result
M.merge = fill

--- Decodes a text. Null becomes absent (in a list, later items move up); whole numbers are integers in Lua 5.3 and later,
--- those beyond 2^53 floats, which may be rounded.
---@param text string
---@return any value, or nil where the text is not JSON
---@return string|nil message
function M.decode(text)
  local value, message = M.parse(text)
  return tidied(value), message
end

-- lua-cjson writes at most 14 digits of a number.
local WRITTEN = 1e14

local function hasRounded(value, depth)
  if type(value) == "number" then
    return value % 1 == 0 and (value >= WRITTEN or value <= -WRITTEN)
  elseif type(value) == "table" and depth <= MAX_DEPTH then
    for _, item in pairs(value) do
      if type(item) ~= "string" and hasRounded(item, depth + 1) then
        return true
      end
    end
  end
  return false
end

--- Encodes a table. An empty table becomes {}. Refuses whole numbers that would be rounded.
---@param value table
---@param isExact boolean|nil it contains no such number
---@return string|nil text
---@return string|nil message
function M.encode(value, isExact)
  if not isExact and hasRounded(value, 0) then
    return nil, "a whole number has more than 14 digits, and would be rounded"
  end
  local ok, text = pcall(json().encode, value)
  if not ok then
    return nil, (tostring(text):gsub("^.-:%d+: ", ""))
  end
  return text
end

return M
