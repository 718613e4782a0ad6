--- emulator/request_log.lua - the requests and what became of them, so that a test can compare its client's report
--- with the truth. Bounded, and without key, token or signature.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

--- Entries kept at most; the oldest are dropped first.
M.MAX_ENTRIES = 2000
--- Parameters of an entry, and bytes of a value that it keeps at most.
M.MAX_PARAMS, M.MAX_VALUE = 40, 1100

local RequestLog = {}
RequestLog.__index = RequestLog

---@param isSecret fun(value: string): boolean whether a text must not be kept
---@return table log
function M.new(isSecret)
  return setmetatable({ isSecret = isSecret, entries = {}, first = 1, count = 0, forgotten = 0 }, RequestLog)
end

local function boundedText(value, isSecret)
  return isSecret(value) and "***" or text.show(value, M.MAX_VALUE)
end

local function bounded(value, depth, isSecret)
  if type(value) == "string" then
    return boundedText(value, isSecret)
  elseif type(value) ~= "table" then
    return value
  elseif depth == 0 then
    return "..."
  end
  local copy, count = {}, 0
  for key, item in pairs(value) do
    count = count + 1
    if count > M.MAX_PARAMS then
      break
    end
    local name = type(key) == "string" and boundedText(key, isSecret) or key
    copy[name] = bounded(item, depth - 1, isSecret)
  end
  return copy
end

--- Keeps an entry.
---@param entry table as Emulator:journal returns it
function RequestLog:add(entry)
  self.count = self.count + 1
  self.entries[self.count] = bounded(entry, 6, self.isSecret)
  if self.count - self.first >= M.MAX_ENTRIES then
    self.entries[self.first] = nil
    self.first, self.forgotten = self.first + 1, self.forgotten + 1
  end
end

--- Entries, oldest first.
---@return table[]
function RequestLog:list()
  local list = {}
  for i = self.first, self.count do
    list[#list + 1] = self.entries[i]
  end
  return list
end

return M
