--- emulator/signature/hints.lua - why a signature does not match: tries the mistakes that are known from the field on the
--- request as received, one at a time.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

local UNKNOWN = "another key, or a text that differs in a way that is not one of the known mistakes"

--- Copies a recipe with a change.
---@param recipe table
---@param change fun(copy: table): boolean
---@return table|nil copy nil when the change does not apply to this request
function M.changed(recipe, change)
  local copy = {}
  for key, value in pairs(recipe) do
    copy[key] = value
  end
  return change(copy) and copy or nil
end

--- Says which mistake explains a signature.
---@param recipe table what was received; `given` is its signature
---@param sign fun(recipe: table): string
---@param ... table[] lists of hints {text, change}, in the order of the steps of signing
---@return string
function M.explain(recipe, sign, ...)
  for _, list in ipairs { ... } do
    for _, hint in ipairs(list) do
      local other = M.changed(recipe, hint[2])
      if other and sign(other) == other.given then
        return hint[1]
      end
    end
  end
  return UNKNOWN
end

--- A hint that gives a field of the recipe another value.
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

--- A hint that replaces what a pattern finds in a field of the recipe.
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
