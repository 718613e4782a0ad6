--- emulator/request_log.lua - what was asked and what was done, so that a test can hold its client's
--- report against the truth. Bounded, and without key, token or signature.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

--- Entries kept at most; the oldest go first.
M.MAX_ENTRIES = 2000
--- Parameters of an entry, and bytes of a value that it keeps at most.
M.MAX_PARAMS, M.MAX_VALUE = 40, 1100

local Journal = {}
Journal.__index = Journal

---@param secrets string[] texts that no entry may hold
---@return table journal
function M.new(secrets)
  return setmetatable({ secrets = secrets, entries = {}, first = 1, count = 0, forgotten = 0 }, Journal)
end

local function boundedText(value, secrets)
  for _, secret in ipairs(secrets) do
    if value:find(secret, 1, true) then
      return "***"
    end
  end
  return text.show(value, M.MAX_VALUE)
end

local function bounded(value, depth, secrets)
  if type(value) == "string" then
    return boundedText(value, secrets)
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
    local name = type(key) == "string" and boundedText(key, secrets) or key
    copy[name] = bounded(item, depth - 1, secrets)
  end
  return copy
end

--- Keeps an entry.
---@param entry table time, api, action, region, secretId, nonce, params, applied, code, …
function Journal:add(entry)
  self.count = self.count + 1
  self.entries[self.count] = bounded(entry, 6, self.secrets)
  if self.count - self.first >= M.MAX_ENTRIES then
    self.entries[self.first] = nil
    self.first, self.forgotten = self.first + 1, self.forgotten + 1
  end
end

--- Entries, oldest first.
---@return table[]
function Journal:list()
  local list = {}
  for i = self.first, self.count do
    list[#list + 1] = self.entries[i]
  end
  return list
end

return M
