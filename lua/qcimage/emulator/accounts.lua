--- emulator/accounts.lua - the keys that the emulator knows: those it was started with, and temporary ones that it
--- has given out.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

--- Temporary keys that are remembered at most; the oldest are forgotten first.
M.MAX_GIVEN = 1000

local Identities = {}
Identities.__index = Identities

---@class qcimage.EmulatorIdentity
---@field secretId string
---@field secretKey string
---@field token string|nil
---@field expires number|nil end of temporary keys, Unix seconds
---@field arn string whose they are
---@field kind "CAMUser"|"CAMRole"

---@param own qcimage.EmulatorIdentity
---@param sha256 fun(text: string): string raw
---@return table identities
function M.new(own, sha256)
  return setmetatable({ own = own, sha256 = sha256, given = {}, order = {}, serial = 0 }, Identities)
end

--- Whose keys these are.
---@param secretId string|nil
---@return qcimage.EmulatorIdentity|nil
function Identities:find(secretId)
  return secretId == self.own.secretId and self.own or self.given[secretId or ""]
end

--- What is wrong with the token of a request.
---@param identity qcimage.EmulatorIdentity
---@param token string|nil as it was sent
---@param name string what the API calls it
---@param now number
---@return string|nil problem
function M.tokenProblem(identity, token, name, now)
  if token ~= identity.token then
    return token and ("the %s is wrong"):format(name) or ("these keys need a %s"):format(name)
  elseif identity.expires and identity.expires <= now then
    return ("the %s has expired"):format(name)
  end
end

--- Gives out temporary keys, in the length and letters of real ones.
---@param arn string
---@param now number
---@param seconds number how long they live
---@return qcimage.EmulatorIdentity
function Identities:give(arn, now, seconds)
  self.serial = self.serial + 1
  local function part(name)
    return self.sha256(("%s%d of %s"):format(name, self.serial, self.own.secretKey))
  end
  local identity = {
    secretId = "AKID" .. text.hex(part "id"),
    secretKey = text.base64(part "key"),
    token = text.base64(part "token") .. text.hex(part "more" .. part "rest"),
    expires = math.floor(now + seconds),
    arn = arn,
    kind = "CAMRole",
  }
  self.given[identity.secretId] = identity
  self.order[#self.order + 1] = identity.secretId
  if #self.order > M.MAX_GIVEN then
    self.given[table.remove(self.order, 1)] = nil
  end
  return identity
end

--- Ends all temporary keys now, before the time that was told of them.
---@param now number
function Identities:endAll(now)
  for _, identity in pairs(self.given) do
    identity.expires = math.min(identity.expires, now)
  end
end

return M
