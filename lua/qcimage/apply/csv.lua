--- csv.lua - reads CSV as RFC 4180 has it, and as spreadsheets write it: separated by ",", ";" or tabs, a first line
--- "sep=;", any kind of line end.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- Bytes of a value: far more than any field takes. A quote that is never closed ends here, and not with the file.
local LONGEST = 64 * 1024

-- The separator of the values: the one that a first line "sep=;" names, otherwise the one in the first line that has any.
-- And where the first row begins.
local function separator(text)
  local first = text:match "^[^\r\n]*"
  local named = first:match '^"?sep=([%p\t])"?$'
  if named then
    return named, #first + #text:match("^\r?\n?", #first + 1) + 1, 2
  end
  first = text:match("^[\r\n]*([^\r\n]*)")
  for _, candidate in ipairs { ",", ";", "\t" } do
    if first:find(candidate, 1, true) then
      return candidate, 1, 1
    end
  end
  return ",", 1, 1
end

-- The value of a quote, what is behind it and the line there; or nil, what is wrong, and where.
local function quoted(text, at, line)
  local parts, opened, from = {}, line, at
  at = at + 1
  while true do
    local quote = text:find('"', at, true)
    if (quote or #text) - from > LONGEST then
      return nil, ("the value that a quote opens here is longer than %d bytes"):format(LONGEST), opened
    elseif not quote then
      return nil, "the quote that opens here is never closed", opened
    end
    parts[#parts + 1] = text:sub(at, quote - 1)
    at = quote + 1
    if text:sub(at, at) ~= '"' then
      break
    end
    parts[#parts + 1] = '"'
    at = at + 1
  end
  local value = table.concat(parts)
  local _, breaks = value:gsub("\r\n", "\n"):gsub("[\r\n]", "")
  return value, at, line + breaks
end

local function plain(text, at, stop, line)
  local last = text:find(stop, at) or #text + 1
  if last - at > LONGEST then
    return nil, ("a value is longer than %d bytes"):format(LONGEST), line
  end
  return text:sub(at, last - 1), last, line
end

--- Reads rows.
---@param text string without a byte order mark
---@return {line: integer, [integer]: string}[] rows with the line that each begins in; blank lines are left out
---@return {line: integer, problem: string}|nil fault that ends the reading
function M.read(text)
  local rows = {}
  local by, at, line = separator(text)
  local stop = "[\r\n%" .. by .. "]"
  while at <= #text do
    local row = { line = line }
    local following
    repeat
      local value, after, valueLine
      if text:sub(at, at) == '"' then
        value, after, valueLine = quoted(text, at, line)
      else
        value, after, valueLine = plain(text, at, stop, line)
      end
      if not value then
        return rows, { line = valueLine, problem = after }
      end
      row[#row + 1], at, line = value, after, valueLine
      following = text:sub(at, at)
      if following ~= "" and not following:find(stop) then
        return rows, { line = line, problem = "text follows a closing quote" }
      elseif following == by then
        at = at + 1
      end
    until following ~= by
    if #row > 1 or row[1] ~= "" then
      rows[#rows + 1] = row
    end
    at, line = at + (text:find("^\r\n", at) and 2 or 1), line + 1
  end
  return rows
end

return M
