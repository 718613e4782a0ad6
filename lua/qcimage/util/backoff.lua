--- backoff.lua - how long to wait before trying again.
--- Pure: chance is given. Part of qcimage, see LICENSE.

local M = {}

--- Exponential backoff.
---@param attempt integer how many attempts were made
---@param first number seconds after the first
---@param longest number seconds at most
---@param factor number|nil by which each is longer than the last, 2 by default
---@return number seconds without jitter
function M.seconds(attempt, first, longest, factor)
  return math.min(longest, first * (factor or 2) ^ (attempt - 1))
end

return M
