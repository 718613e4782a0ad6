--- emulator/faults.lua - misbehaviour on demand: which of the next requests goes wrong, and how.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

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
  lag = "DescribeImages answers with the images as they were some seconds ago",
  trickle = "applied, then the answer sent byte by byte",
}

local FIELDS = {
  kind = "string",
  count = "number", -- of requests, 1 by default
  seconds = "number", -- how long it lasts, instead of count
  action = "string", -- only requests of this action; "metadata": those of the metadata service, which no other hits
  delay = "number", -- seconds before the answer (or its loss)
  status = "number",
  body = "string",
  lag = "number", -- seconds by which the images are old
  pause = "number", -- seconds between the bytes
}

-- The field that a kind needs: what it is, least, most.
local NEEDED = {
  delay = { "delay", "in seconds", 0, 1e9 },
  status = { "status", "from 200 to 599", 200, 599 },
  lag = { "lag", "in seconds", 0, 1e9 },
  trickle = { "pause", "in seconds", 0, 1e9 },
}

--- Faults waiting at most.
M.MAX_FAULTS = 100

local Faults = {}
Faults.__index = Faults

---@return table faults
function M.new()
  return setmetatable({ waiting = {} }, Faults)
end

--- What is wrong with a fault.
---@param fault any
---@return string|nil message nil: nothing
function M.problem(fault)
  if type(fault) ~= "table" then
    return "a fault must be an object"
  end
  for name, value in pairs(fault) do
    if not FIELDS[name] then
      return ("a fault has no field %s%s"):format(text.show(tostring(name)), text.suggestion(name, FIELDS))
    elseif type(value) ~= FIELDS[name] then
      return ("%s of a fault must be a %s"):format(name, FIELDS[name])
    elseif FIELDS[name] == "number" and not (value >= 0 and value < 1e9) then
      return ("%s of a fault is out of range"):format(name)
    end
  end
  local needed = NEEDED[fault.kind]
  local value = needed and fault[needed[1]]
  if not M.KINDS[fault.kind] then
    local kind = tostring(fault.kind)
    return ("there is no fault of the kind %s%s"):format(text.show(kind), text.suggestion(kind, M.KINDS))
  elseif fault.count and fault.seconds then
    return "a fault has count or seconds, not both"
  elseif needed and not (value and value >= needed[3] and value <= needed[4]) then
    return ("a fault of the kind %s needs the field %s, %s"):format(fault.kind, needed[1], needed[2])
  elseif fault.kind == "lag" and fault.action and fault.action ~= "DescribeImages" then
    return "a fault of the kind lag hits DescribeImages only"
  end
  return nil
end

--- Adds a fault that has no problem.
---@param fault table kind, and what it needs: count or seconds, action, and the fields of its kind
---@param now number
---@return string|nil problem
function Faults:add(fault, now)
  if #self.waiting >= M.MAX_FAULTS then
    return ("%d faults are waiting, no more are taken"):format(M.MAX_FAULTS)
  end
  local copy = {}
  for name, value in pairs(fault) do
    copy[name] = value
  end
  copy.left = not fault.seconds and (fault.count or 1) or nil
  copy.ends = fault.seconds and now + fault.seconds
  copy.action = fault.action or fault.kind == "lag" and "DescribeImages" or nil
  copy.count, copy.seconds = nil, nil
  self.waiting[#self.waiting + 1] = copy
  return nil
end

-- Forgets what is over.
function Faults:settle(now)
  for i = #self.waiting, 1, -1 do
    local fault = self.waiting[i]
    if fault.left == 0 or fault.ends and fault.ends <= now then
      table.remove(self.waiting, i)
    end
  end
end

--- The fault that hits the next request of an action.
---@param action string
---@param now number
---@param isNamed boolean|nil only a fault that names the action
---@return table|nil fault
function Faults:take(action, now, isNamed)
  self:settle(now)
  for _, fault in ipairs(self.waiting) do
    if fault.action == action or not fault.action and not isNamed then
      fault.left = fault.left and fault.left - 1
      return fault
    end
  end
  return nil
end

--- Seconds of the past that a fault may ask for; nil when none does.
---@return number|nil
function Faults:longestLag()
  local longest
  for _, fault in ipairs(self.waiting) do
    longest = fault.lag and math.max(fault.lag, longest or 0) or longest
  end
  return longest
end

--- Faults that have not hit yet.
---@return table[]
function Faults:list()
  return self.waiting
end

return M
