--- emulator/accounts.lua - the accounts by their SecretId: those that the emulator was started with, what each may do,
--- and the temporary ones that it has issued.
--- Pure. Part of qcimage, see LICENSE.

local fields = require "qcimage.emulator.fields"
local text = require "qcimage.emulator.text"

local M = {}

--- Temporary accounts that are remembered at most; the oldest are forgotten first.
M.MAX_ISSUED = 1000

--- Fields of an account in the options and in a state document.
M.FIELDS = {
  secretKey = { type = "string", least = 1, most = 128, secret = true },
  token = { type = "string", least = 1, most = 4096, secret = true },
  accountId = fields.ACCOUNT_ID,
  -- names of the actions that it may call
  allow = {
    type = "list",
    most = 100,
    items = {
      type = "string",
      least = 1,
      most = 100,
      is = 'the name of an action, in which "*" matches any letters',
      form = function(value)
        return value:find "^[%w*]+$" ~= nil
      end,
    },
  },
}

local Accounts = {}
Accounts.__index = Accounts

---@class qcimage.EmulatorAccount
---@field secretId string
---@field secretKey string
---@field token string|nil
---@field accountId string owner of the private images that it sees
---@field allow string[]|nil actions that it may call; nil: all
---@field expires number|nil expiration of a temporary one, Unix seconds
---@field arn string
---@field kind "CAMUser"|"CAMRole"

--- Makes the accounts of a document.
---@param given table<string, table> by SecretId, with the fields of FIELDS
---@param accountId string owner of those that name none
---@param sha256 fun(text: string): string raw
---@param before table|nil accounts whose keys stay, where the document leaves them out
---@return table|nil accounts
---@return string|nil problem
function M.new(given, accountId, sha256, before)
  local all = setmetatable({
    bySecretId = {},
    sha256 = sha256,
    issued = before and before.issued or {},
    order = before and before.order or {},
    serial = before and before.serial or 0,
  }, Accounts)
  for secretId, account in pairs(given) do
    local known = before and before.bySecretId[secretId] or {}
    if not text.isSecretId(secretId) then
      return nil, ("accounts.%s: a SecretId has 1 to 128 letters, digits, _ and -"):format(text.show(secretId))
    elseif not (account.secretKey or known.secretKey) then
      return nil, ("accounts.%s.secretKey is missing"):format(secretId)
    end
    local owner = account.accountId or accountId
    all.bySecretId[secretId] = {
      secretId = secretId,
      secretKey = account.secretKey or known.secretKey,
      token = account.token or not account.secretKey and known.token or nil,
      accountId = owner,
      allow = account.allow,
      arn = ("qcs::cam::uin/%s:uin/%s"):format(owner, owner),
      kind = "CAMUser",
    }
  end
  if not next(all.bySecretId) then
    return nil, "accounts must hold at least one account"
  end
  return all
end

--- The accounts as a document has them, without keys and tokens.
---@return table<string, table>
function Accounts:describe()
  local described = {}
  for secretId, account in pairs(self.bySecretId) do
    described[secretId] = { accountId = account.accountId, allow = account.allow }
  end
  return described
end

--- Finds the account of a SecretId.
---@param secretId string|nil
---@return qcimage.EmulatorAccount|nil
function Accounts:find(secretId)
  return self.bySecretId[secretId or ""] or self.issued[secretId or ""]
end

--- Returns the account whose SecretId comes first in byte order: the default where one is needed.
---@return qcimage.EmulatorAccount
function Accounts:first()
  local first
  for secretId, account in pairs(self.bySecretId) do
    if not first or text.before(secretId, first.secretId) then
      first = account
    end
  end
  return first
end

--- Whether a number is the owner of one of the accounts.
---@param accountId string
---@return boolean
function Accounts:owns(accountId)
  for _, account in pairs(self.bySecretId) do
    if account.accountId == accountId then
      return true
    end
  end
  return false
end

--- Whether a text holds the key or the token of an account.
---@param value string
---@return boolean
function Accounts:holdsSecret(value)
  for _, account in pairs(self.bySecretId) do
    if value:find(account.secretKey, 1, true) or account.token and value:find(account.token, 1, true) then
      return true
    end
  end
  return false
end

--- Whether an account may call an action.
---@param account qcimage.EmulatorAccount
---@param action string
---@return boolean
function M.allows(account, action)
  for _, pattern in ipairs(account.allow or { "*" }) do
    if action:find("^" .. pattern:gsub("%*", ".*") .. "$") then
      return true
    end
  end
  return false
end

--- Describes what is wrong with the token of a request.
---@param account qcimage.EmulatorAccount
---@param token string|nil as it was sent
---@param name string what the API calls it
---@param now number
---@return string|nil problem
function M.tokenProblem(account, token, name, now)
  if token ~= account.token then
    return token and ("the %s is wrong"):format(name) or ("these keys need a %s"):format(name)
  elseif account.expires and account.expires <= now then
    return ("the %s has expired"):format(name)
  end
end

--- Issues temporary keys, in the length and letters of real ones.
---@param grant table accountId, arn, allow
---@param now number
---@param seconds number their lifetime
---@return qcimage.EmulatorAccount
function Accounts:issue(grant, now, seconds)
  self.serial = self.serial + 1
  local seed = self:first().secretKey
  local function part(name)
    return self.sha256(("%s%d of %s"):format(name, self.serial, seed))
  end
  local account = {
    secretId = "AKID" .. text.hex(part "id"),
    secretKey = text.base64(part "key"),
    token = text.base64(part "token") .. text.hex(part "more" .. part "rest"),
    expires = math.floor(now + seconds),
    accountId = grant.accountId,
    allow = grant.allow,
    arn = grant.arn,
    kind = "CAMRole",
  }
  self.issued[account.secretId] = account
  self.order[#self.order + 1] = account.secretId
  if #self.order > M.MAX_ISSUED then
    self.issued[table.remove(self.order, 1)] = nil
  end
  return account
end

--- Expires all temporary keys now, before the time that they were issued for.
---@param now number
function Accounts:expireAll(now)
  for _, account in pairs(self.issued) do
    account.expires = math.min(account.expires, now)
  end
end

return M
