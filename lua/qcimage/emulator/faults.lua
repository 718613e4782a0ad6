--- emulator/faults.lua - fault injection: which of the next requests fail, and how.
--- Pure. Part of qcimage, see LICENSE.

local abort = require "qcimage.emulator.abort"
local schema = require "qcimage.emulator.schema"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

--- Faults waiting at most.
M.MAX_FAULTS = 100

-- What a fault does before the request is performed, instead of performing it, or after it. `api` is the API that was
-- called; `response` is what the host sends.
local function drop(_, _, response)
  response.drop = true
  return true
end

local function internal(_, api)
  abort.raise(api.internal, "internal error")
end

local function throttled(_, api)
  abort.raise(api.throttled, "too many calls")
end

local function refuse(fault)
  abort.raise(fault.code, "%s", fault.message or "injected error")
end

local function status(fault, _, response)
  response.status, response.body = fault.status, fault.body or "<html>gateway</html>\n"
  response.headers["content-type"] = fault.contentType or "text/html"
  return true
end

--- Kinds of faults. Each hits a request that has passed authentication (its nonce is used up).
---   needs     field that it cannot do without
---   before    function called instead of performing the request
---   after     function called after it was performed
M.KINDS = {
  delay = { needs = "delay" }, -- applied, answered late
  dropBefore = { before = drop }, -- the connection is closed without a response
  dropAfter = { after = drop },
  error = { needs = "code", before = refuse }, -- refused with an error code of the service
  errorBefore = { before = internal },
  errorAfter = { after = internal },
  throttle = { before = throttled },
  status = { needs = "status", before = status }, -- a gateway's response
  lag = { needs = "lag" }, -- DescribeImages answers with the images as they were some seconds ago
  trickle = { needs = "pause" }, -- applied, then the response is sent byte by byte
}

local KINDS = {}
for kind in pairs(M.KINDS) do
  KINDS[#KINDS + 1] = kind
end
table.sort(KINDS, text.before)

local SECONDS = { type = "number", least = 0, most = 1000000000 }
local COUNT = { type = "number", least = 1, most = 1000000000, whole = true }

--- Fields of a fault.
M.FIELDS = {
  kind = { type = "string", one_of = KINDS, required = true },
  count = COUNT, -- of requests that it hits; 1, or without end for `every`
  every = COUNT, -- hits each n-th of the requests that it could hit
  seconds = SECONDS, -- how long it lasts, instead of count
  action = { type = "string", least = 1, most = 100 }, -- "metadata": requests of the metadata service
  delay = SECONDS, -- before the response, or its loss
  -- a number hits requests of API 2.0, a string those of API 3.0
  code = {
    type = "any",
    is = "an error code: a string for API 3.0, a whole number from 1 to 99999 for API 2.0",
    form = function(value)
      if type(value) == "number" then
        return value >= 1 and value <= 99999 and value == math.floor(value)
      end
      return type(value) == "string" and #value <= 200 and value:find "^[%w.]+$" ~= nil
    end,
  },
  message = { type = "string", most = 1000 },
  status = { type = "number", least = 200, most = 599, whole = true },
  body = { type = "string", most = 1048576 },
  contentType = {
    type = "string",
    most = 200,
    is = "a media type",
    form = function(value)
      return value:find "^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+[\32-\126]*$" ~= nil
    end,
  },
  lag = SECONDS, -- by which the images are old
  pause = SECONDS, -- between the bytes
}

-- Fields of one kind alone.
local OF_KIND = { code = "error", message = "error", status = "status", body = "status", contentType = "status" }
OF_KIND.lag, OF_KIND.pause = "lag", "trickle"

local Faults = {}
Faults.__index = Faults

---@return table faults
function M.new()
  return setmetatable({ waiting = {} }, Faults)
end

-- Describes what is wrong with a fault, whose name in the message is a path; nil: nothing.
local function problemOf(fault, path)
  local problem = schema.problem({ type = "object", fields = M.FIELDS }, fault, path)
  if problem then
    return problem
  end
  local needs = M.KINDS[fault.kind].needs
  if needs and fault[needs] == nil then
    return ("%s.%s is missing: the kind %s needs it"):format(path, needs, fault.kind)
  elseif fault.count and fault.seconds then
    return ("%s.count and %s.seconds cannot be combined"):format(path, path)
  elseif fault.kind == "error" and fault.action == "metadata" then
    return path .. ".action: the metadata service has no error codes; use the kind status"
  elseif fault.kind == "lag" and fault.action and fault.action ~= "DescribeImages" then
    return ("%s.action must be DescribeImages: the kind lag affects no other"):format(path)
  end
  for field, kind in pairs(OF_KIND) do
    if fault[field] ~= nil and fault.kind ~= kind then
      return ("%s.%s is a field of the kind %s, not of %s"):format(path, field, kind, fault.kind)
    end
  end
  return nil
end

--- Adds faults, all or none.
---@param list any[]
---@param now number
---@return string|nil problem with a fault, or with their number
function Faults:add(list, now)
  for i, fault in ipairs(list) do
    local problem = problemOf(fault, #list == 1 and "fault" or ("faults[%d]"):format(i))
    if problem then
      return problem
    end
  end
  self:dropExpired(now)
  if #self.waiting + #list > M.MAX_FAULTS then
    return ("at most %d faults can wait"):format(M.MAX_FAULTS)
  end
  for _, fault in ipairs(list) do
    self.waiting[#self.waiting + 1] = tables.with(fault, {
      left = not fault.seconds and (fault.count or not fault.every and 1) or nil,
      ends = fault.seconds and now + fault.seconds,
      action = fault.action or fault.kind == "lag" and "DescribeImages" or nil,
      seen = 0,
    })
  end
  return nil
end

-- Removes faults whose time or count is over.
function Faults:dropExpired(now)
  for i = #self.waiting, 1, -1 do
    local fault = self.waiting[i]
    if fault.left == 0 or fault.ends and fault.ends <= now then
      table.remove(self.waiting, i)
    end
  end
end

-- Whether a fault could hit a request.
local function matches(fault, action, api)
  if fault.code ~= nil and type(fault.code) ~= api.codeType then
    return false
  end
  return fault.action == action or fault.action == nil and not api.faultsByName
end

--- Takes the fault that hits the next request of an action.
---@param action string
---@param api table codeType; faultsByName: only faults that name the action
---@param now number
---@return table|nil fault
function Faults:take(action, api, now)
  self:dropExpired(now)
  local hit
  for _, fault in ipairs(self.waiting) do
    if matches(fault, action, api) then
      fault.seen = fault.seen + 1
      if not hit and fault.seen % (fault.every or 1) == 0 then
        fault.left = fault.left and fault.left - 1
        hit = fault
      end
    end
  end
  return hit
end

--- Does what a fault does at a stage of a request. Aborts, or returns whether the response is complete.
---@param fault table|nil
---@param stage "before"|"after"
---@param api table
---@param response table
---@return boolean|nil isComplete
function M.obey(fault, stage, api, response)
  local effect = fault and M.KINDS[fault.kind][stage]
  return effect and effect(fault, api, response)
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

--- Faults that can still hit, with what is left of them.
---@param now number
---@return table[]
function Faults:list(now)
  self:dropExpired(now)
  local list = {}
  for i, fault in ipairs(self.waiting) do
    local shown = {}
    for name in pairs(M.FIELDS) do
      shown[name] = fault[name]
    end
    shown.count = fault.left
    shown.seconds = fault.ends and fault.ends - now
    list[i] = shown
  end
  return list
end

return M
