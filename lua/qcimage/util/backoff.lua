--- backoff.lua - exponential backoff.
--- Pure: jitter is the caller's. Part of qcimage, see LICENSE.

local M = {}

--- Returns the backoff before the next attempt.
---@param attempt integer number of attempts made
---@param first number seconds after the first
---@param longest number seconds, the cap
---@param factor number|nil growth, 2 by default
---@return number seconds without jitter
function M.seconds(attempt, first, longest, factor)
  return math.min(longest, first * (factor or 2) ^ (attempt - 1))
end

return M
