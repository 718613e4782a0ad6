--- refresh.lua - caches temporary keys and refreshes them before they expire: one request at a time, the old keys in use while
--- they are valid. Keys are replaced as one table, so no triple is ever mixed.
--- Reads clocks through the context only. Part of qcimage, see LICENSE.

local expiration = require "qcimage.credentials.expiration"
local singleflight = require "qcimage.credentials.singleflight"
local provider = require "qcimage.credentials.provider"

local M = {}

-- Seconds before the expiration at which a refresh starts (as in Tencent's clients), and at which calls wait for it; of
-- short-lived keys, these fractions of their lifetime.
local EARLY_REFRESH_SECONDS, EARLY_REFRESH_FRACTION = 300, 1 / 2
local BLOCKING_REFRESH_SECONDS, BLOCKING_REFRESH_FRACTION = 60, 1 / 10

-- Returns the seconds until the next refresh, after one that returned nothing better than keys with so many seconds left.
local function pauseFor(left)
  return math.min(30, math.max(left / 10, math.min(1, left / 3)))
end

-- Seconds for which keys that replaced refused ones are kept although they are refused, too: the keys are not the cause
-- then, and their issuer must not be asked at each call.
local TRUSTED = 30

-- Fetches keys; once more if they have already expired.
local function current(fetch, context, rule)
  local fresh, err
  for _ = 1, 2 do
    fresh, err = fetch(context)
    if not fresh or fresh.expires > context.now() then
      return fresh, err
    end
  end
  return provider.noCredentials(
    ("%s: the new credentials had already expired (%s)"):format(rule.name, expiration.format(fresh.expires)),
    rule.final
  )
end

---@class qcimage.RefreshRule: qcimage.FetchRule
---@field final boolean|nil no other provider may replace this one

--- Makes a provider that caches the keys of another until they must be refreshed.
---@param fetch qcimage.CredentialsProvider returns keys with `expires`
---@param rule qcimage.RefreshRule
---@return qcimage.CredentialsProvider
function M.new(fetch, rule)
  local kept, advisory, mandatory
  local pausedUntil = -math.huge
  local trustedUntil = -math.huge

  -- Whether the service refused the cached keys, and new ones may help.
  local function areRefused(context)
    return kept
      and context.refused
      and context.refusedHow ~= "reread" -- the same request would return the same keys
      and context.monotonic() >= trustedUntil
      and provider.equal(kept, context.refused)
  end

  local function usable(context)
    return not areRefused(context) and kept or nil
  end

  -- The request sets all its results here, since the call that started it may have been killed.
  local ask, isInProgress, start = singleflight.new(function(context)
    local replacesRefused = areRefused(context)
    local fresh, err = current(fetch, context, rule)
    if fresh then
      if replacesRefused then
        trustedUntil = context.monotonic() + TRUSTED
      end
      local life = fresh.expires - context.now()
      if not kept or fresh.expires > kept.expires or not provider.equal(fresh, kept) then
        advisory = math.min(EARLY_REFRESH_SECONDS, life * EARLY_REFRESH_FRACTION)
        mandatory = math.min(BLOCKING_REFRESH_SECONDS, life * BLOCKING_REFRESH_FRACTION)
      end
      kept = fresh
    end
    local best = fresh or usable(context)
    local rest = best and best.expires - context.now() or 0
    if rest > 0 and rest <= advisory then
      pausedUntil = context.monotonic() + pauseFor(rest)
    end
    return fresh, err
  end, rule)

  return function(context)
    local old = usable(context)
    local left = old and old.expires - context.now() or 0
    if left > 0 then
      local isPaused = context.monotonic() < pausedUntil
      local isEarly = left > mandatory
      if left > advisory or isPaused or isEarly and (isInProgress(context) or start(context)) then
        return old
      end
    end
    local fresh, err = ask(context)
    if not fresh and left > 0 and old.expires > context.now() then
      fresh = old
    end
    return fresh, err
  end
end

return M
