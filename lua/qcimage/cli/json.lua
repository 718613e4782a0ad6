--- json.lua - JSON for people and programs, safe for terminals: documents of the command, indented and with sorted names;
--- and the service's text, of which nothing but white space is changed.
--- Pure. Part of qcimage, see LICENSE.

local terminal = require "qcimage.cli.terminal_text"

local M = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- A character that a terminal obeys; beyond U+FFFF as two surrogates.
local function escaped(point)
  if point < 0x10000 then
    return ("\\u%04x"):format(point)
  end
  local beyond = point - 0x10000
  return ("\\u%04x\\u%04x"):format(0xD800 + math.floor(beyond / 0x400), 0xDC00 + beyond % 0x400)
end

local function escapedByte(byte)
  return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
end

local function quoted(value)
  return '"' .. terminal.replaceObeyed(value:gsub('[%z\1-\31"\\\127]', escapedByte), escaped) .. '"'
end

local function number(value)
  if value % 1 == 0 and value > -2 ^ 53 and value < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  local short = ("%.15g"):format(value)
  if tonumber(short) ~= value then
    short = ("%.17g"):format(value)
  end
  return (short:gsub(",", ".")) -- some locales write a comma
end

--- A value in one line.
---@param value any
---@return string
function M.line(value)
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return number(value)
  elseif kind ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if value[1] ~= nil or next(value) == nil then -- an answer has empty lists, and no empty objects
    for i, item in ipairs(value) do
      parts[i] = M.line(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, item in pairs(value) do
    parts[#parts + 1] = quoted(name) .. ":" .. M.line(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The index of the last byte of a text in quotes, which begins at a byte.
local function endOfString(text, at)
  while true do
    at = text:find('["\\]', at + 1)
    if not at or text:byte(at) ~= 0x5C then
      return at or #text
    end
    at = at + 1 -- what a backslash protects
  end
end

-- The index of the last byte of a value.
local function endOfValue(text, at)
  local first = text:sub(at, at)
  if first == '"' then
    return endOfString(text, at)
  elseif first ~= "{" and first ~= "[" then
    return (text:find("[%s,%]}]", at) or #text + 1) - 1
  end
  local depth = 1
  while depth > 0 do
    at = text:find('["{}%[%]]', at + 1) or #text
    local byte = text:sub(at, at)
    if byte == '"' then
      at = endOfString(text, at)
    else
      depth = (byte == "{" or byte == "[") and depth + 1 or depth - 1
    end
    if at >= #text then
      break
    end
  end
  return at
end

--- The texts of the items of a list, or of the members of an object.
---@param text string of one JSON value; of another text, anything
---@return string[] items in order
---@return table<string, string> members by name
function M.parts(text)
  local items, members = {}, {}
  local at = (text:find("[%[{]") or #text) + 1
  while true do
    at = text:find("[^%s,]", at)
    if not at or text:find("^[%]}]", at) then
      return items, members
    end
    local last = endOfValue(text, at)
    local colon = text:match("^%s*:%s*()", last + 1)
    local item = text:sub(at, last)
    if colon then
      last = endOfValue(text, colon)
      members[item:sub(2, -2)] = text:sub(colon, last)
    else
      items[#items + 1] = item
    end
    at = last + 1
  end
end

--- A JSON text indented, its values as they are.
---@param text string known to be correct
---@return string
function M.indented(text)
  local out, depth, at = {}, 0, 1
  local function line(mark)
    return mark .. "\n" .. ("  "):rep(depth)
  end
  while true do
    at = text:find("%S", at)
    if not at then
      return table.concat(out) .. "\n"
    end
    local mark, last = text:sub(at, at), at
    if mark == "{" or mark == "[" then
      local empty = text:match("^%s*[%]}]()", at + 1)
      depth = empty and depth or depth + 1
      last = empty and empty - 1 or at
      out[#out + 1] = empty and mark .. text:sub(last, last) or line(mark)
    elseif mark == "}" or mark == "]" then
      depth = depth - 1
      out[#out + 1] = line "" .. mark
    elseif mark == "," or mark == ":" then
      out[#out + 1] = mark == "," and line(mark) or ": "
    else
      last = endOfValue(text, at)
      out[#out + 1] = terminal.replaceObeyed(text:sub(at, last):gsub("[%z\1-\31\127]", escapedByte), escaped)
    end
    at = last + 1
  end
end

--- A document of several lines, with a line feed at its end.
---@param value any
---@return string
function M.document(value)
  return M.indented(M.line(value))
end

return M
