--- emulator/json.lua - JSON: a decoder with separate settings, and an encoder that writes an empty list as [] and gives
--- the same text on every Lua.
--- Part of qcimage, see LICENSE.

local cjson = require "cjson"
local text = require "qcimage.emulator.text"

local M = {}

--- Nesting of a request at most; the deepest documented one has five levels.
M.MAX_DEPTH = 32

M.null = cjson.null

local decoder = cjson.new()
decoder.decode_max_depth(M.MAX_DEPTH)
decoder.decode_invalid_numbers(false)

local List = {}

--- Marks a table as a list, so that it is written as [] when it is empty.
---@param items table
---@return table items
function M.list(items)
  return setmetatable(items, List)
end

--- Decodes a text; null is M.null.
---@param source string
---@return any value, or nil where it is not JSON
---@return string|nil message
function M.decode(source)
  local ok, value = pcall(decoder.decode, source)
  if not ok then
    return nil, text.show(tostring(value):gsub("^.-:%d+: ", ""), 120)
  end
  return value
end

--- Whether a decoded table can have been a list.
---@param value table
---@return boolean
function M.isList(value)
  local key = next(value)
  return key == nil or type(key) == "number"
end

--- Whether a decoded table can have been an object.
---@param value table
---@return boolean
function M.isObject(value)
  return type(next(value)) ~= "number"
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(value)
  return '"'
    .. text.repair(value):gsub('[%z\1-\31"\\\127]', function(byte)
      return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
    end)
    .. '"'
end

local function encodeTable(value)
  local parts = {}
  if #value > 0 or getmetatable(value) == List then
    for i, item in ipairs(value) do
      parts[i] = M.encode(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names, text.before)
  for i, name in ipairs(names) do
    parts[i] = quote(name) .. ":" .. M.encode(value[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Encodes a value; the names of an object come sorted.
---@param value any
---@return string
function M.encode(value)
  local kind = type(value)
  if kind == "table" then
    return encodeTable(value)
  elseif kind == "string" then
    return quote(value)
  elseif kind == "number" then
    if value == math.floor(value) then
      return ("%.0f"):format(value)
    end
    return (("%.3f"):format(value):gsub(",", ".")) -- a time; some locales write a comma
  elseif value == M.null then
    return "null"
  end
  return tostring(value)
end

return M
