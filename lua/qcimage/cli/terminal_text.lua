--- terminal_text.lua - foreign texts made fit for a terminal: how they are shown, how many columns they take, how they are cut.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- Characters that a terminal does not show but obeys, beside the control bytes: marks and overrides of the writing's
-- direction, separators of lines, and what is invisible.
local OBEYED = {
  { 0x80, 0x9F },
  { 0x61C, 0x61C },
  { 0x180E, 0x180E },
  { 0x200B, 0x200B },
  { 0x200E, 0x200F },
  { 0x2028, 0x202E },
  { 0x2060, 0x206F },
  { 0xFEFF, 0xFEFF },
  { 0xFFF9, 0xFFFB },
  { 0xE0000, 0xE007F },
}

local function isIn(ranges, point)
  local low, high = 1, #ranges
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local range = ranges[middle]
    if point < range[1] then
      high = middle - 1
    elseif point > range[2] then
      low = middle + 1
    else
      return true
    end
  end
  return false
end

-- Least code point of a character of so many bytes: a lower one is an overlong form.
local LEAST = { 0, 0x80, 0x800, 0x10000 }

-- The character at a byte: its bytes and its code point; or one byte and nil where none begins.
local function characterAt(text, at)
  local first = text:byte(at)
  if first < 0x80 then
    return 1, first
  end
  local size = first >= 0xF0 and first < 0xF8 and 4 or first >= 0xE0 and first < 0xF0 and 3 or first >= 0xC0 and 2
  if not size or first >= 0xF8 or at + size - 1 > #text then
    return 1, nil
  end
  local point = first % 2 ^ (7 - size)
  for i = at + 1, at + size - 1 do
    local byte = text:byte(i)
    if byte < 0x80 or byte > 0xBF then
      return 1, nil
    end
    point = point * 64 + byte % 64
  end
  if point < LEAST[size] or point > 0x10FFFF or point >= 0xD800 and point <= 0xDFFF then
    return 1, nil
  end
  return size, point
end

-- How a character is shown that must not reach a terminal; or nil where it may.
local function escaped(point, byte)
  if not point then
    return ("\\x%02x"):format(byte)
  elseif point < 0x20 or point >= 0x7F and point < 0xA0 then
    return ("\\x%02x"):format(point)
  elseif isIn(OBEYED, point) then
    return (point < 0x10000 and "\\u%04x" or "\\U%08x"):format(point)
  end
end

local function withEscapes(text)
  local parts, at = {}, 1
  while at <= #text do
    local size, point = characterAt(text, at)
    parts[#parts + 1] = escaped(point, text:byte(at)) or text:sub(at, at + size - 1)
    at = at + size
  end
  return table.concat(parts)
end

local NEEDS_CARE = "[%z\1-\31\127-\255]"

--- A value of the service's as a terminal may show it: control characters and the like are written as \x1b or \u202e, a
--- backslash as two. One line.
---@param text string
---@return string
function M.value(text)
  text = text:gsub("\\", "\\\\")
  return text:find(NEEDS_CARE) and withEscapes(text) or text
end

--- A message of ours as a terminal may show it: as a value, but a backslash stays.
---@param text string
---@return string
function M.message(text)
  return text:find(NEEDS_CARE) and withEscapes(text) or text
end

local widths -- made of shownwidths.lua, when a text needs it

local function read(list)
  local ranges = {}
  for word in list:gmatch "%S+" do
    local first, last = word:match "^(%x+)%-?(%x*)$"
    ranges[#ranges + 1] = { tonumber(first, 16), tonumber(last ~= "" and last or first, 16) }
  end
  return ranges
end

local function widthOf(point)
  if point < 0x300 then
    return 1
  end
  if not widths then
    local data = require "qcimage.cli.shownwidths"
    widths = { zero = read(data.zero), wide = read(data.wide) }
  end
  return isIn(widths.zero, point) and 0 or isIn(widths.wide, point) and 2 or 1
end

--- Columns that a text takes on a terminal.
---@param text string valid UTF-8, as M.value gives it
---@return integer
function M.width(text)
  if not text:find "[\128-\255]" then
    return #text
  end
  local width, at = 0, 1
  while at <= #text do
    local size, point = characterAt(text, at)
    width, at = width + widthOf(point), at + size
  end
  return width
end

--- Cuts a text to a number of columns; one that was cut ends with "…".
---@param text string as M.value gives it
---@param columns integer at least 1
---@return string
function M.cut(text, columns)
  if M.width(text) <= columns then
    return text
  end
  local width, at, kept = 0, 1, 0
  while at <= #text do
    local size, point = characterAt(text, at)
    width = width + widthOf(point)
    if width > columns - 1 then
      break
    end
    at, kept = at + size, at + size - 1
  end
  return text:sub(1, kept) .. "…"
end

return M
