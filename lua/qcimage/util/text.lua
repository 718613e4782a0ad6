--- text.lua - small text helpers: values shown in messages, lists of words.
--- Pure. Part of qcimage, see LICENSE.

local cjson = require "cjson"
local spelling = require "qcimage.util.spelling"

local M = {}

-- The C core is loaded when it is needed: the emulator's help does without.
local function utf8len(text)
  return require("qcimage.core").utf8len(text)
end

--- Pattern of a control byte. Written out, since %c follows the host's locale.
M.CONTROL = "[%z\1-\31\127]"

-- Bytes of a foreign text that a message shows.
local SHOWN_BYTES = 200

--- Makes a foreign text fit for one line of a message: control bytes and invalid UTF-8 become
--- "?", a long text is cut with "...".
---@param text string
---@param limit integer|nil bytes, SHOWN_BYTES by default
---@return string
function M.oneLine(text, limit)
  limit = limit or SHOWN_BYTES
  local cut = #text > limit
  if cut then
    text = text:sub(1, limit)
    -- not in the middle of a character: drop a lead byte and what follows it
    for _ = 1, 3 do
      if utf8len(text) then
        break
      end
      text = text:sub(1, -2)
    end
  end
  text = text:gsub("[ \t\r\n]+", " "):gsub(M.CONTROL, "?")
  if not utf8len(text) then
    text = text:gsub("[\128-\255]", "?")
  end
  return (cut and text .. "..." or text)
end

--- Converts a thrown value, or one returned as a message, to text. Neither cut nor redacted.
---@param value any
---@return string
function M.ofValue(value)
  local ok, shown = pcall(tostring, value) -- a __tostring may throw, too
  return ok and type(shown) == "string" and shown or "a " .. type(value)
end

--- Removes blanks and tabs at both ends, in linear time: "^[ \t]*(.-)[ \t]*$" takes quadratic time, which hostile text can
--- stretch to seconds.
---@param value string
---@return string
function M.trim(value)
  local first = value:find "[^ \t]"
  return first and value:match("^.*[^ \t]", first) or ""
end

--- Returns the line that a byte of a text is in.
---@param contents string
---@param position integer
---@return integer from 1
function M.lineOf(contents, position)
  return select(2, contents:sub(1, position - 1):gsub("\n", "")) + 1
end

--- Returns raw bytes as hexadecimal digits.
---@param raw string
---@return string
function M.hex(raw)
  return (raw:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

--- Replaces each occurrence of a secret by "***".
---@param message string
---@param secret string not empty; taken as it is, not as a pattern
---@return string
function M.replace(message, secret)
  local first, last = message:find(secret, 1, true)
  if not first then
    return message
  end
  local kept, from = {}, 1
  while first do
    kept[#kept + 1] = message:sub(from, first - 1)
    from = last + 1
    first, last = message:find(secret, from, true)
  end
  kept[#kept + 1] = message:sub(from)
  return table.concat(kept, "***")
end

local SMALL = {}
for byte = 65, 90 do
  SMALL[string.char(byte)] = string.char(byte + 32)
end

--- Returns a word in lower case, by bytes: string.lower depends on the host's locale.
---@param word string
---@return string
function M.lower(word)
  return word:find("[A-Z]") and (word:gsub("[A-Z]", SMALL)) or word
end

--- A value as a message shows it.
---@param value any
---@return string
function M.quote(value)
  if type(value) == "string" then
    return '"' .. M.oneLine(value, 40) .. '"'
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  elseif value == cjson.null then
    return "JSON null"
  end
  return "a " .. type(value)
end

-- Memoized names, and their longest: names may come from outside.
local REMEMBERED_MOST, REMEMBERED_BYTES = 1000, 64

--- Memoizes a function of a name, up to a limit of names.
---@param run fun(name: string): any pure, and never returns nil
---@return fun(name: string): any
function M.memoize(run)
  local known, count = {}, 0
  return function(name)
    local result = known[name]
    if result == nil then
      result = run(name)
      if count < REMEMBERED_MOST and #name <= REMEMBERED_BYTES then
        count = count + 1
        known[name] = result
      end
    end
    return result
  end
end

-- By bytes: string.upper depends on the host's locale, where "i" may have another capital.
local function shiftFirst(name, from, to, by)
  local first = name:byte()
  if first and first >= from and first <= to then
    return string.char(first + by) .. name:sub(2)
  end
  return name
end

--- "imageId" -> "ImageId".
---@type fun(name: string): string
M.capitalise = M.memoize(function(name)
  return shiftFirst(name, 97, 122, -32)
end)

--- "ImageId" -> "imageId".
---@type fun(name: string): string
M.decapitalise = M.memoize(function(name)
  return shiftFirst(name, 65, 90, 32)
end)

--- Returns whether a text is a valid name of a file, without folders.
---@param name string
---@return boolean
function M.isFileName(name)
  return #name > 0 and #name <= 200 and not name:find "[/\\%z\1-\31\127]" and name ~= "." and name ~= ".."
end

M.keys, M.closest, M.didYouMean = spelling.keys, spelling.closest, spelling.didYouMean

--- "unknown KIND NAME (NEAREST?)", or with the list of known names.
---@param kind string
---@param name any
---@param known table<string, any>
---@return string
function M.unknownName(kind, name, known)
  local shown = type(name) == "string" and M.oneLine(name, 40) or M.quote(name)
  local near = M.closest(name, known)
  if near then
    return ("unknown %s %s (%s?)"):format(kind, shown, near)
  end
  return ("unknown %s %s (known: %s)"):format(kind, shown, table.concat(M.keys(known), ", "))
end

return M
