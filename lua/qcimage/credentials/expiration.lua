--- expiration.lua - expiration of temporary keys, from the two fields of responses.
--- Reads no clock. Part of qcimage, see LICENSE.

local httpDate = require "qcimage.util.http_date"

local M = {}

-- "2023-11-14T22:13:20Z", which is UTC.
local function parse(value)
  local year, month, day, hour, minute, second = value:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)Z$"
  if not year or tonumber(month) < 1 or tonumber(month) > 12 then
    return nil
  end
  return httpDate.toUnix(
    tonumber(year),
    tonumber(month),
    tonumber(day),
    tonumber(hour),
    tonumber(minute),
    tonumber(second)
  )
end

--- Parses an expiration. ExpiredTime takes precedence, since it has no time zone.
---@param expiredTime any Unix seconds, a number or its digits
---@param expiration any a time in UTC in ISO 8601
---@return number|nil seconds Unix time; nil: neither is valid
function M.parse(expiredTime, expiration)
  if type(expiredTime) == "string" and expiredTime:find "^%d+$" and #expiredTime <= 11 then
    expiredTime = tonumber(expiredTime)
  end
  if type(expiredTime) == "number" and expiredTime > 0 and expiredTime < 1e11 then
    return expiredTime
  end
  return type(expiration) == "string" and parse(expiration) or nil
end

--- An end as messages show it.
---@param expires number Unix seconds
---@return string
function M.format(expires)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(expires))
end

return M
