--- run_clock.lua - the time of a run. A minute is a minute, also where the machine was suspended meanwhile, for which the
--- monotonic clock stands still, and where a sleep takes no time, as tests have it.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"

local M = {}

--- Makes a clock.
---@param wallClock fun(): number|nil Unix seconds
---@param sleep fun(seconds: number): boolean|nil, string|nil
---@param isVirtual boolean|nil the time is what the clock and the sleep say, as in tests
---@return fun(): number now seconds since the clock was made; never goes back
---@return fun(seconds: number): boolean|nil, string|nil sleep the same, which takes as long by this clock
function M.new(wallClock, sleep, isVirtual)
  local beganAt, beganWall = core.monotonic(), wallClock()
  local latest, made = 0, 0 -- made: seconds by which sleeps were too short
  local function now()
    local elapsed, wall = isVirtual and 0 or core.monotonic() - beganAt, wallClock()
    if wall and beganWall then
      elapsed = math.max(elapsed, wall - beganWall)
    end
    latest = math.max(latest, elapsed + made)
    return latest
  end
  return now,
    function(seconds)
      local till = now() + seconds
      local ok, problem = sleep(seconds)
      if ok then
        made = made + math.max(0, till - now())
      end
      return ok, problem
    end
end

return M
