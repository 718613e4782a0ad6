--- emulator/faults.lua - misbehaviour on demand: which of the next requests goes wrong, and how.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

--- Kinds of faults. Each hits a request that has passed authentication (its nonce is used up).
M.KINDS = {
  delay = "applied, answered late",
  dropBefore = "connection closed without an answer, nothing applied",
  dropAfter = "applied, then the connection closed without an answer",
  errorBefore = "internal error, nothing applied",
  errorAfter = "applied, then answered with an internal error",
  throttle = "refused as over the call rate",
  status = "a gateway's answer with an HTTP status and a body of text, nothing applied",
}

local FIELDS = {
  kind = "string",
  count = "number", -- of requests, 1 by default
  seconds = "number", -- how long it lasts, instead of count
  action = "string", -- only requests of this action
  delay = "number", -- seconds before the answer (or its loss)
  status = "number",
  body = "string",
}

--- Faults waiting at most.
M.MAX_FAULTS = 100

local Faults = {}
Faults.__index = Faults

---@return table faults
function M.new()
  return setmetatable({ waiting = {} }, Faults)
end

--- Adds a fault.
---@param fault table kind, and what it needs: count or seconds, action, delay, status, body
---@param now number
---@return boolean|nil ok
---@return string|nil message
function Faults:add(fault, now)
  if type(fault) ~= "table" then
    return nil, "a fault must be an object"
  end
  for name, value in pairs(fault) do
    if not FIELDS[name] then
      return nil, ("a fault has no field %s"):format(tostring(name))
    elseif type(value) ~= FIELDS[name] then
      return nil, ("%s of a fault must be a %s"):format(name, FIELDS[name])
    elseif FIELDS[name] == "number" and not (value >= 0 and value < 1e9) then
      return nil, ("%s of a fault is out of range"):format(name)
    end
  end
  if not M.KINDS[fault.kind] then
    return nil, ("there is no fault of the kind %s"):format(tostring(fault.kind))
  elseif fault.count and fault.seconds then
    return nil, "a fault has count or seconds, not both"
  elseif fault.kind == "delay" and not fault.delay then
    return nil, "a fault of the kind delay needs the field delay, in seconds"
  elseif fault.kind == "status" and not (fault.status and fault.status >= 200 and fault.status <= 599) then
    return nil, "a fault of the kind status needs the field status, from 200 to 599"
  elseif #self.waiting >= M.MAX_FAULTS then
    return nil, "too many faults are waiting"
  end
  self.waiting[#self.waiting + 1] = {
    kind = fault.kind,
    left = not fault.seconds and (fault.count or 1) or nil,
    ends = fault.seconds and now + fault.seconds,
    action = fault.action,
    delay = fault.delay,
    status = fault.status,
    body = fault.body,
  }
  return true
end

--- The fault that hits the next request of an action.
---@param action string
---@param now number
---@return table|nil fault
function Faults:take(action, now)
  local i = 1
  while i <= #self.waiting do
    local fault = self.waiting[i]
    if fault.left == 0 or fault.ends and fault.ends <= now then
      table.remove(self.waiting, i)
    elseif fault.action and fault.action ~= action then
      i = i + 1
    else
      fault.left = fault.left and fault.left - 1
      return fault
    end
  end
  return nil
end

--- Faults that have not hit yet.
---@return table[]
function Faults:list()
  return self.waiting
end

return M
