--- emulator/signature/hints.lua - why a signature does not match: tries the mistakes that are known from the field on the
--- request as received, one at a time.
--- Pure. Part of qcimage, see LICENSE.

local tables = require "qcimage.emulator.tables"

local M = {}

local UNKNOWN = "another key, or a text that differs in a way that is not one of the known mistakes"

--- Whether a signature is that of a request, with either spelling of its host.
---@param recipe table what was received; `given` is its signature, `otherHost` another spelling of its host that may be signed
---@param sign fun(recipe: table): string
---@param hostField string field of the recipe that replaces the host
---@return boolean
function M.matches(recipe, sign, hostField)
  return sign(recipe) == recipe.given
    or recipe.otherHost ~= nil and sign(tables.with(recipe, { [hostField] = recipe.otherHost })) == recipe.given
end

--- Says which mistake explains a signature.
---@param recipe table as above
---@param sign fun(recipe: table): string
---@param ... table[] lists of hints {text, change}, in the order of the steps of signing; a change gets a copy of the recipe,
--- and returns whether it applies
---@return string
function M.explain(recipe, sign, ...)
  for _, list in ipairs { ... } do
    for _, hint in ipairs(list) do
      local other = tables.with(recipe)
      if hint[2](other) and sign(other) == other.given then
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
