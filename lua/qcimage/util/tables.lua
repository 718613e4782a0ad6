--- tables.lua - copies of tables. Pure. Part of qcimage, see LICENSE.

local M = {}

--- Returns a copy of a table, one level deep, with some other fields.
---@param base table
---@param changes table|nil
---@return table
function M.copy(base, changes)
  local copy = {}
  for name, value in pairs(base) do
    copy[name] = value
  end
  for name, value in pairs(changes or {}) do
    copy[name] = value
  end
  return copy
end

return M
