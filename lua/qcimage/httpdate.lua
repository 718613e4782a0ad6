--- httpdate.lua - the Date and Retry-After headers.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6,
  Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

--- Unix time of an HTTP date in its usual form (RFC 9110, 5.6.7), by arithmetic: os.time knows only
--- the host's time zone.
---@param value string|nil "Tue, 14 Nov 2023 22:13:20 GMT"
---@return integer|nil seconds
function M.parse(value)
  if not value then
    return nil
  end
  local day, name, year, hour, minute, second =
    value:match("^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  local month = name and MONTHS[name]
  if not month then
    return nil
  end
  day, year = tonumber(day), tonumber(year)
  -- Years begin in March here, so that a leap day ends one.
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local days = 365 * year
    + math.floor(year / 4)
    - math.floor(year / 100)
    + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5)
    + day
    - 719469
  return days * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
end

--- Seconds that a Retry-After header asks to wait.
---@param value string|nil seconds or a date
---@param now number|nil the answer's own time
---@return number|nil
function M.retryAfter(value, now)
  if not value then
    return nil
  end
  if value:find("^%d+$") then
    return #value <= 9 and tonumber(value) or math.huge
  end
  local date = M.parse(value)
  return date and now and math.max(0, date - now) or nil
end

return M
