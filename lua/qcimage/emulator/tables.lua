--- emulator/tables.lua - copies of tables.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

--- A copy of a table, with some fields changed; it shares the other values.
---@param original table
---@param changes table|nil
---@return table
function M.with(original, changes)
  local copy = {}
  for key, value in pairs(original) do
    copy[key] = value
  end
  for key, value in pairs(changes or {}) do
    copy[key] = value
  end
  return copy
end

--- A copy of a value and of all tables in it.
---@param value any
---@return any
function M.deepCopy(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = M.deepCopy(item)
  end
  return copy
end

return M
