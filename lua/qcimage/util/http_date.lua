--- http_date.lua - parses the headers Date and Retry-After.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- stylua: ignore
local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6,
  Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

local SECONDS_PER_YEAR = 31556952 -- on average

--- Converts a time in UTC to Unix time, by arithmetic, since os.time uses the host's time zone.
---@return integer seconds
function M.toUnix(year, month, day, hour, minute, second)
  -- The year begins in March, so that a leap day is its last.
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
  return days * 86400 + hour * 3600 + minute * 60 + second
end

-- The three date formats that a recipient must accept (RFC 9110, 5.6.7): patterns, and the positions of their parts.
local FORMS = {
  -- Tue, 14 Nov 2023 22:13:20 GMT
  { "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$", day = 1, month = 2, year = 3, clock = 4 },
  -- Tuesday, 14-Nov-23 22:13:20 GMT
  { "^%a+, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$", day = 1, month = 2, year = 3, clock = 4 },
  -- Tue Nov 14 22:13:20 2023
  { "^%a%a%a (%a%a%a) ([ %d]%d) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$", day = 2, month = 1, year = 6, clock = 3 },
}

--- Parses an HTTP date.
---@param value string|nil
---@param now number|nil Unix time: a two-digit year is at most 50 years ahead of it
---@return integer|nil seconds Unix time
function M.parse(value, now)
  if not value then
    return nil
  end
  for _, form in ipairs(FORMS) do
    local parts = { value:match(form[1]) }
    local month = MONTHS[parts[form.month]]
    if month then
      local year, clock = tonumber(parts[form.year]), form.clock
      if #parts[form.year] == 2 then
        year = year + 2000
        if now and year > 1970 + math.floor(now / SECONDS_PER_YEAR) + 50 then
          year = year - 100
        end
      end
      local hour, minute, second = tonumber(parts[clock]), tonumber(parts[clock + 1]), tonumber(parts[clock + 2])
      return M.toUnix(year, month, tonumber(parts[form.day]), hour, minute, second)
    end
  end
  return nil
end

--- Parses a Retry-After header.
---@param value string|nil seconds or a date
---@param now number Unix time of the response, or of the client
---@return number|nil seconds
function M.retryAfter(value, now)
  if not value then
    return nil
  end
  if value:find("^%d+$") then
    return #value <= 9 and tonumber(value) or math.huge
  end
  local date = M.parse(value, now)
  return date and now and math.max(0, date - now) or nil
end

return M
