--- limiter/redis.lua - slots given out by Redis, for all processes that reach it.
--- Knows no client of Redis: eval is the caller's. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local environments = require "qcimage.util.environment"
local limits = require "qcimage.util.limits"
local callback = require "qcimage.util.callback"
local redact = require "qcimage.util.redact"
local text = require "qcimage.util.text"

local M = {}

-- Microseconds that the state outlives the next free slot: for that long a process can detect its loss.
local SPARE = "5000000"

-- One step, atomic in Redis and timed by its clock. KEYS[1] holds two moments in microseconds: when it was
-- written, and from when on the next slot is free. ARGV: interval, microseconds ahead of its time that a slot
-- may be taken (burst), longest wait, microseconds from now before which there is no slot (may be below 0), what this
-- process saw last (microseconds until the next free slot, below 0 where that is past; and the wait that it was given), the
-- longest wait of any caller, a token. Numbers travel as text: Redis cuts those of its Lua to integers, and
-- Lua's text of a large one has an exponent. The token comes back, so that a late answer shows as one.
M.SCRIPT = ([[
local interval, ahead, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local earliest, frontier, queue, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local written, free = string.match(redis.call("GET", KEYS[1]) or "", "^(%d+) (%d+)$")
local isGone = not free
written, free = tonumber(written or 0), tonumber(free or 0)
if written > now then -- the clock was set back
  free = free - (written - now)
end
if not (free <= now + most + interval) then -- no state of ours
  free, isGone = now, true
end
if isGone and frontier > -SPARE then -- it was lost, not over: slots are still to come
  free = now + math.min(most, math.max(frontier, queue))
end
local slot = math.max(free, now + earliest)
local wait = math.max(0, slot - now)
if wait <= longest then
  redis.call("SET", KEYS[1], string.format("%.0f %.0f", now, slot + interval),
    "PX", string.format("%.0f", math.ceil((wait + interval + ahead + SPARE) / 1000)))
end
return string.format("%.0f %s", wait, ARGV[8])
]]):gsub("SPARE", SPARE)

local Redis = {}
Redis.__index = Redis

---@param eval fun(script: string, keys: integer, key: string, ...): any, any the caller's
---@param key string a name for the account
---@return table backend
function M.new(eval, key)
  -- what is in braces decides the node of a cluster: all keys of an account are on one
  return setmetatable({ eval = eval, prefix = ("{%s}:"):format(key) }, Redis)
end

local isNginx = environments.isNginx

local function whole(number)
  return ("%.0f"):format(number)
end

--- Takes a slot, unless the wait would be longer than request.longest.
---@param request table key, interval, burst, longest
---@param seen {floor: number, frontier: number, queue: number} microseconds: before which this process may have no slot;
--- until the next free slot that it knows of; that it had to wait last
---@return number|nil wait microseconds until the slot. One above request.longest: no slot was taken
---@return string|nil problem
---@return boolean|nil isBarred it is where this was asked that is at fault, not Redis
function Redis:take(request, seen)
  if isNginx and core.isyieldable() == false then -- it might be sent, but its answer not be read
    return nil, ("Redis: nginx cannot wait here (phase %s, or a C function)"):format(ngx.get_phase()), true
  end
  local ahead = (request.burst - 1) * request.interval
  local token = core.nonce()
  local ok, reply, problem = callback.pcall(
    self.eval,
    M.SCRIPT,
    1,
    self.prefix .. request.key,
    whole(request.interval),
    whole(ahead),
    whole(request.longest),
    whole(seen.floor > 0 and seen.floor or 0 - ahead),
    whole(seen.frontier),
    whole(seen.queue),
    whole(limits.limiterWait * 1e6),
    token
  )
  if not ok then
    problem = callback.errorText(reply)
  elseif type(reply) == "string" then
    local wait, answered = reply:match "^(%d+) (%d+)$"
    if answered == token then
      return tonumber(wait)
    end
    problem = "the answer is not one to this question"
  elseif not problem then
    problem = ("eval gave %s"):format(text.quote(reply))
  end
  return nil, "Redis: " .. redact.said(problem) -- it may go to a log
end

return M
