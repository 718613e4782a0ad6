--- spelling.lua - hints for misspelt names.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

--- Keys of a table, sorted, as text.
---@param map table<string, any>
---@return string[]
function M.keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  return keys
end

local function fold(name)
  return (name:lower():gsub("[_%-%s]", ""))
end

local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local substituted = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(row[j] + 1, row[j - 1] + 1, substituted)
    end
  end
  return row[#b]
end

--- Returns the known name that a misspelt one most likely means.
---@param name any
---@param known table<string, any>
---@param allowed integer|nil letters that may differ in any name, 1 by default
---@return string|nil
function M.closest(name, known, allowed)
  if type(name) ~= "string" or #name > 64 then
    return nil
  end
  local folded = fold(name)
  local best, least
  for _, candidate in ipairs(M.keys(known)) do
    local d = distance(folded, fold(candidate))
    if not least or d < least then
      best, least = candidate, d
    end
  end
  if least and least <= math.max(allowed or 1, math.floor(#folded / 3)) then
    return best
  end
  return nil
end

--- What follows an unknown name in a sentence: ", did you mean NEAREST?", or the list of known names.
---@param name any
---@param known table<string, any>
---@return string
function M.didYouMean(name, known)
  local near = M.closest(name, known, 2)
  return near and (", did you mean %s?"):format(near) or ": there are " .. table.concat(M.keys(known), ", ")
end

return M
