--- template.lua - names and descriptions that are made from the images they are for: "web-%{date}-%{n:3}".
--- Pure. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local text = require "qcimage.util.text"

local M = {}

--- Returns the value of a placeholder of a template, or nil and what is wrong.
local function valueOf(word, image, number, date)
  local name, width = word:match "^(%a+):(%d%d?)$"
  name = name or word
  if name == "n" then
    return ("%0" .. (width or "1") .. "d"):format(number)
  elseif width then
    return nil, ("%%{%s}: only %%{n} has a width"):format(word)
  elseif name == "date" then
    return date
  end
  local value = image[name]
  if value == nil or type(value) == "table" then
    local known = { n = true, date = true }
    for field, one in pairs(image) do
      known[field] = type(one) ~= "table" or nil
    end
    return nil, text.unknownName("name in a template:", name, known)
  elseif type(value) == "number" then
    return ("%.0f"):format(value)
  end
  return tostring(value)
end

--- Fills a template.
---@param template string
---@param image table its fields may be named
---@param number integer what %{n} is
---@param date string what %{date} is
---@return string|nil
---@return string|nil problem
function M.fill(template, image, number, date)
  if not core.utf8len(template) then
    return nil, "is not valid UTF-8"
  end
  local problem
  local filled = template:gsub("%%(%b{})", function(braced)
    local value, what = valueOf(braced:sub(2, -2), image, number, date)
    problem = problem or what
    return value
  end)
  if problem then
    return nil, problem
  elseif template:gsub("%%%b{}", ""):find("%{", 1, true) then
    return nil, "has %{ without }"
  end
  return filled
end

return M
