--- ini.lua - reads one section of a file of sections with keys and values, such as ~/.tencentcloud/credentials.
--- Pure. Part of qcimage, see LICENSE.
---
--- Not inifile (bartbes', Debian's lua-inifile 1.0), since it converts keys of digits to numbers, ignores indented lines,
--- fails on "\r" and comments after a section's name, takes the last of two equal keys silently, throws on a line before
--- the first section, and reports no line numbers.

local text = require "qcimage.util.text"

local M = {}

-- Removes quotes, or a comment after white space (keys contain none). Nil: unbalanced quotes.
local function unquote(value)
  local quote = value:match "^[\"']"
  if quote then
    local inner, rest = value:match("^" .. quote .. "([^" .. quote .. "]*)" .. quote .. "(.*)$")
    if not inner or not (rest == "" or rest:find "^[ \t]+[#;]") then
      return nil
    end
    return inner
  end
  return text.trim((value:gsub("[ \t][#;].*$", "")))
end

-- Takes a line of the wanted section. Returns what is wrong with it, or nothing.
local function takeLine(line, number, section, fields, lines)
  local key, value = line:match "^([^=:]*)[=:](.*)$"
  key = key and text.lower(text.trim(key))
  if not key or not key:find "^[A-Za-z0-9_.-]+$" then
    return ("has an invalid line %d: neither [section] nor key = value"):format(number)
  elseif lines[key] then
    return ("has %s of [%s] twice, in lines %d and %d"):format(key, section, lines[key], number)
  end
  fields[key], lines[key] = unquote(text.trim(value)), number
  if not fields[key] then
    return ("has an invalid line %d: %s has unbalanced quotes, or text after them"):format(number, key)
  end
end

local OUTSIDE = "has an invalid line %d: outside of any [section]"

--- Reads one section. Invalid lines of other sections are ignored, except where they leave open which section follows.
---@param contents string
---@param section string its name, as written
---@return table<string, string>|nil fields values by lower-case key; nil: invalid, or no such section
---@return string|nil problem to follow the file's name
---@return boolean|nil isMissing the text has no such section, or is empty
---@return table<string, integer>|nil lines of the fields by key; of the section's name by ""
function M.section(contents, section)
  local fields, lines, current, begun
  local number, outside = 0, nil
  if contents:find "%z" then
    return nil, "contains a NUL byte, so it is not text (UTF-16?)"
  end
  for whole in (contents .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    local line = text.trim((whole:gsub("\r$", "")))
    local name = line:match "^%[([^%]]*)%][ \t]*$" or line:match "^%[([^%]]*)%][ \t]*[#;]"
    if name then
      current = text.trim(name)
      if current == section then
        if begun then
          return nil, ("has the section [%s] twice, in lines %d and %d"):format(section, begun, number)
        end
        fields, lines, begun = {}, { [""] = number }, number
      end
    elseif line:find "^%[" then
      return nil, ("has an invalid line %d: an incomplete name of a [section]"):format(number)
    elseif not current and line ~= "" and not line:find "^[#;]" then
      if line:find "^[%w_.-]+[ \t]*[=:]" then
        return nil, OUTSIDE:format(number)
      end
      outside = outside or number
    elseif current == section and line ~= "" and not line:find "^[#;]" then
      local problem = takeLine(line, number, section, fields, lines)
      if problem then
        return nil, problem
      end
    end
  end
  if not current and outside then
    return nil, OUTSIDE:format(outside)
  elseif not fields then
    return nil, ("has no section [%s]"):format(section), true
  end
  return fields, nil, nil, lines
end

return M
