--- emulator/replay_guard.lua - what the service remembers of requests: the nonces used, and the calls of this second.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

--- Seconds that a timestamp may be off, either way. Old pages allow two hours, newer ones five
--- minutes: cloud.tencent.com/document/api/213/6976, cloud.tencent.com/document/product/1278/46710.
M.WINDOW = 300

--- Nonces kept at most, in each of two generations; beyond, the oldest are forgotten early.
M.MAX_NONCES = 250000

local Guard = {}
Guard.__index = Guard

---@return table guard
function M.new()
  return setmetatable({
    young = {},
    count = 0,
    old = {},
    turned = 0,
    second = nil,
    calls = {},
  }, Guard)
end

--- Whether a timestamp is near enough to the clock.
---@param timestamp number
---@param now number
---@return boolean
function M.inTime(timestamp, now)
  return math.abs(now - timestamp) <= M.WINDOW
end

--- Records a nonce. "Together with Timestamp it prevents replay" (cloud.tencent.com/document/api/213/6976):
--- the same nonce under another timestamp is another request, and clients that draw from 1 to 65535 rely on that. It is
--- remembered at least until its timestamp, which may be a window ahead, has left the window: from then on the timestamp
--- alone refuses a replay.
---@param secretId string
---@param nonce string
---@param timestamp number
---@param now number
---@return boolean fresh false when it was used before
function Guard:takeNonce(secretId, nonce, timestamp, now)
  local key = ("%.0f/%s/%s"):format(timestamp, nonce, secretId)
  if self.young[key] or self.old[key] then
    return false
  end
  if now - self.turned > 2 * M.WINDOW or self.count == M.MAX_NONCES then
    self.old, self.young, self.count, self.turned = self.young, {}, 0, now
  end
  self.young[key] = true
  self.count = self.count + 1
  return true
end

--- Counts a call against the rate of its action.
---@param action string
---@param now number
---@param limit integer calls a second; 0: no limit
---@return boolean admitted
function Guard:admit(action, now, limit)
  if limit == 0 then
    return true
  end
  local second = math.floor(now)
  if self.second ~= second then
    self.second, self.calls = second, {}
  end
  local calls = (self.calls[action] or 0) + 1
  self.calls[action] = calls
  return calls <= limit
end

return M
