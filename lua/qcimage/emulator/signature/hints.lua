--- emulator/signature/hints.lua - why a signature does not match: tries the slips that are known from the field
--- on the request as received, one at a time, then two.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

local UNKNOWN = "another key, or a text that differs in a way that is none of the known slips"

--- A copy of a recipe with changes; nil when a change does not apply to this request.
---@param recipe table
---@param ... fun(copy: table): boolean changes
---@return table|nil
function M.changed(recipe, ...)
  local copy = {}
  for key, value in pairs(recipe) do
    copy[key] = value
  end
  for _, change in ipairs { ... } do
    if not change(copy) then
      return nil
    end
  end
  return copy
end

--- Says which slip explains a signature.
---@param recipe table what was received; `given` is its signature
---@param sign fun(recipe: table): string
---@param slips table[] {text, change}, in the order of the steps of signing
---@param more table[] slips that are tried on their own only
---@return string
function M.explain(recipe, sign, slips, more)
  local function fits(...)
    local other = M.changed(recipe, ...)
    return other and sign(other) == other.given
  end
  for _, list in ipairs { slips, more } do
    for _, slip in ipairs(list) do
      if fits(slip[2]) then
        return slip[1]
      end
    end
  end
  for i, first in ipairs(slips) do
    for j = i + 1, #slips do
      if fits(first[2], slips[j][2]) then
        return first[1] .. "; and " .. slips[j][1]
      end
    end
  end
  return UNKNOWN
end

--- A slip that gives a field of the recipe another value.
---@param words string
---@param field string
---@param value any
---@return table
function M.set(words, field, value)
  return {
    words,
    function(copy)
      local differs = copy[field] ~= value
      copy[field] = value
      return differs
    end,
  }
end

--- A slip that puts something else in place of what a pattern finds in a field of the recipe.
---@param words string
---@param field string
---@param pattern string
---@param replacement string|function
---@return table
function M.replace(words, field, pattern, replacement)
  return {
    words,
    function(copy)
      local before = copy[field]
      copy[field] = before:gsub(pattern, replacement)
      return copy[field] ~= before
    end,
  }
end

return M
