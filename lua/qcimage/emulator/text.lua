--- emulator/text.lua - bytes as text: UTF-8, hex, Base64, percent escapes, quoting for messages.
--- Pure, and separate: the emulator shares no code with the client that it checks. Part of qcimage, see LICENSE.

local M = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD

-- Bytes of the UTF-8 character at a position, nil where no character begins.
local function characterAt(text, i)
  local first, second = text:byte(i, i + 1)
  if first < 0x80 then
    return 1
  end
  second = second or 0
  local size
  if first >= 0xC2 and first <= 0xDF then
    size = 2
  elseif first >= 0xE0 and first <= 0xEF then
    -- no overlong forms, no surrogates
    local low, high = first == 0xE0 and 0xA0 or 0x80, first == 0xED and 0x9F or 0xBF
    size = second >= low and second <= high and 3 or nil
  elseif first >= 0xF0 and first <= 0xF4 then
    local low, high = first == 0xF0 and 0x90 or 0x80, first == 0xF4 and 0x8F or 0xBF
    size = second >= low and second <= high and 4 or nil
  end
  if size and text:find("^" .. ("[\128-\191]"):rep(size - 1), i + 1) then
    return size
  end
  return nil
end

--- Code points of a text.
---@param text string
---@return integer|nil count nil when the text is not valid UTF-8
function M.utf8len(text)
  if not text:find "[\128-\255]" then
    return #text
  end
  local count, i = 0, 1
  while i <= #text do
    local size = characterAt(text, i)
    if not size then
      return nil
    end
    count, i = count + 1, i + size
  end
  return count
end

--- The text with each byte that is not part of valid UTF-8 replaced by U+FFFD.
---@param text string
---@return string
function M.repair(text)
  if M.utf8len(text) then
    return text
  end
  local parts, i = {}, 1
  while i <= #text do
    local size = characterAt(text, i)
    parts[#parts + 1] = size and text:sub(i, i + size - 1) or REPLACEMENT
    i = i + (size or 1)
  end
  return table.concat(parts)
end

--- A received text as a message shows it: one line, valid UTF-8, at most limit bytes long.
---@param text any
---@param limit integer|nil 60 by default
---@return string
function M.show(text, limit)
  if type(text) ~= "string" then
    return "a " .. type(text)
  end
  limit = limit or 60
  local cut = #text > limit
  local line = M.repair(text:sub(1, limit)):gsub("\n", "\\n"):gsub("[%z\1-\31\127]", "?")
  return cut and line .. "..." or line
end

--- An id as a message shows it: shortened, but recognizable for its owner.
---@param id string
---@return string
function M.mask(id)
  local shown = #id >= 16 and 4 or 1
  return id:sub(1, shown) .. "****" .. (#id >= 16 and id:sub(-4) or "")
end

--- The words behind an unknown name: the nearest of the known ones, or all of them.
---@type fun(name: any, known: table<string, any>): string
M.suggestion = require("qcimage.util.spelling").didYouMean

--- Raw bytes as hex in small letters.
---@param raw string
---@return string
function M.hex(raw)
  return (raw:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Raw bytes as standard Base64 with padding.
---@param raw string
---@return string
function M.base64(raw)
  local parts = {}
  for i = 1, #raw, 3 do
    local a, b, c = raw:byte(i, i + 2)
    local group = a * 65536 + (b or 0) * 256 + (c or 0)
    local four = ""
    for _ = 1, 4 do
      local digit = group % 64
      four = BASE64:sub(digit + 1, digit + 1) .. four
      group = (group - digit) / 64
    end
    parts[#parts + 1] = four:sub(1, c and 4 or b and 3 or 2) .. (c and "" or b and "=" or "==")
  end
  return table.concat(parts)
end

--- Percent-encodes all but the unreserved characters.
---@param text string
---@return string
function M.escape(text)
  return (text:gsub("[^A-Za-z0-9_.~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

--- A set of words.
---@param words string[]
---@return table<string, boolean>
function M.set(words)
  local known = {}
  for _, word in ipairs(words) do
    known[word] = true
  end
  return known
end

local LETTERS8 = ("[A-Za-z0-9]"):rep(8)

--- Whether a text has the form of an image's id: img- and 8 letters or digits.
---@param value any
---@return boolean
function M.isImageId(value)
  return type(value) == "string" and value:find("^img%-" .. LETTERS8 .. "$") ~= nil
end

--- Whether a text can be a SecretId.
---@param value any
---@return boolean
function M.isSecretId(value)
  return type(value) == "string" and #value <= 128 and value:find "^[%w_-]+$" ~= nil
end

--- Small letters, by bytes, whatever the host's locale.
---@param text string
---@return string
function M.lower(text)
  return (text:gsub("[A-Z]", function(letter)
    return string.char(letter:byte() + 32)
  end))
end

--- Byte order of two texts; Lua's `<` follows the host's locale.
---@param a string
---@param b string
---@return boolean
function M.before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

--- A time as JSON has it (RFC 3339), in UTC.
---@param seconds number
---@return string
function M.isoTime(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds))
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- A time as the Date header has it (RFC 9110, 5.6.7), in English whatever the locale.
---@param seconds number
---@return string
function M.httpDate(seconds)
  local t = os.date("!*t", math.floor(seconds))
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(
    DAYS[t.wday],
    t.day,
    MONTHS[t.month],
    t.year,
    t.hour,
    t.min,
    t.sec
  )
end

return M
