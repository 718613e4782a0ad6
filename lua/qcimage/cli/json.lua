--- json.lua - results as JSON for people and programs: indented, names sorted, the data as the service has it.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Characters that a terminal obeys: the second set of control characters, and marks of the writing's direction.
local OBEYED = { "\194[\128-\159]", "\226\128[\142\143\168-\174]", "\226\129[\166-\169]" }

local function escaped(character)
  local point = character:byte() % (#character == 2 and 32 or 16)
  for i = 2, #character do
    point = point * 64 + character:byte(i) % 64
  end
  return ("\\u%04x"):format(point)
end

local function quoted(value)
  value = value:gsub('[%z\1-\31"\\\127]', function(byte)
    return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
  end)
  if value:find "[\194\226]" then
    for _, pattern in ipairs(OBEYED) do
      value = value:gsub(pattern, escaped)
    end
  end
  return '"' .. value .. '"'
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

local encode

local function list(value, indent, step)
  local parts = {}
  for i, item in ipairs(value) do
    parts[i] = indent .. step .. encode(item, indent .. step, step)
  end
  return parts, "[", "]"
end

local function object(value, indent, step)
  local names, parts = {}, {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = ("%s%s:%s%s"):format(
      indent .. step,
      quoted(name),
      step ~= "" and " " or "",
      encode(value[name], indent .. step, step)
    )
  end
  return parts, "{", "}"
end

function encode(value, indent, step)
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return number(value)
  elseif kind ~= "table" then
    return tostring(value)
  elseif next(value) == nil then -- an answer has empty lists, and no empty objects
    return "[]"
  end
  local parts, open, close = (value[1] ~= nil and list or object)(value, indent, step)
  local line = step ~= "" and "\n" or ""
  return open .. line .. table.concat(parts, "," .. line) .. line .. indent .. close
end

--- A document of several lines, with a line feed at its end.
---@param value any
---@return string
function M.document(value)
  return encode(value, "", "  ") .. "\n"
end

--- A value in one line.
---@param value any
---@return string
function M.line(value)
  return encode(value, "", "")
end

return M
