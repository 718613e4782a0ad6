--- driver.lua - how the workers of a run go on beside each other.
--- Part of qcimage, see LICENSE.

local M = {}

---@class qcimage.ApplyDriver
---@field count integer workers
---@field run fun(count: integer, work: fun()) calls work so many times at once, and returns when all have returned
---@field sleep fun(seconds: number): boolean|nil, string|nil
---@field park fun(seconds: number): boolean|nil, string|nil waits so long, or until another worker calls wake
---@field wake fun() ends the waits of all that are parked

--- A driver that has one worker, in the caller's own coroutine.
---@param sleep fun(seconds: number): boolean|nil, string|nil
---@return qcimage.ApplyDriver
function M.one(sleep)
  return {
    count = 1,
    run = function(_, work)
      work()
    end,
    sleep = sleep,
    park = sleep,
    wake = function() end,
  }
end

--- Makes the driver of a client.
---@param _ qcimage.Client
---@param _ qcimage.Limiter|function
---@param _ integer|nil
---@param sleep fun(seconds: number): boolean|nil, string|nil
---@return qcimage.ApplyDriver
function M.of(_, _, _, sleep)
  return M.one(sleep)
end

return M
