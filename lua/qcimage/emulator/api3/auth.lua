--- emulator/api3/auth.lua - authentication of API 3.0: TC3-HMAC-SHA256 in headers, and the older HmacSHA1 and HmacSHA256
--- ("signature v1") among the parameters.
--- Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/product/1278/46710.

local codes = require "qcimage.emulator.codes"
local hosts = require "qcimage.emulator.host"
local replay_guard = require "qcimage.emulator.replay_guard"
local accounts = require "qcimage.emulator.accounts"
local abort = require "qcimage.emulator.abort"
local tc3 = require "qcimage.emulator.signature.tc3"
local text = require "qcimage.emulator.text"
local v1 = require "qcimage.emulator.signature.v1"

local M = {}

--- Code of a wrong signature.
M.FAILURE = "AuthFailure.SignatureFailure"

local FAILURE = M.FAILURE

local refuse = abort.raise

local function accountOf(emulator, secretId)
  local account = emulator.accounts:find(secretId)
  if not account then
    refuse("AuthFailure.SecretIdNotFound", "the SecretId does not exist; the emulator knows %s", emulator:knownId())
  end
  return account
end

local function checkTime(emulator, given, name)
  local timestamp = given:find "^%d+$" and #given < 16 and tonumber(given)
  if not timestamp then
    refuse("InvalidParameter", "%s must be a whole number of seconds, in digits", name)
  end
  local now = emulator:now()
  if not replay_guard.inTime(timestamp, now) then
    local words = "%s %s is more than %d seconds from the time here, %d"
    refuse("AuthFailure.SignatureExpire", words, name, given, replay_guard.WINDOW, math.floor(now))
  end
  return timestamp
end

local function checkToken(emulator, account, token, name)
  local problem = accounts.tokenProblem(account, token, name, emulator:now())
  if problem then
    refuse("AuthFailure.TokenFailure", "%s", problem)
  end
end

-- Headers that are signed, by name; the stages before the signature itself.
local function checkScope(auth, request, timestamp)
  local date = os.date("!%Y-%m-%d", timestamp)
  if auth.date ~= date then
    refuse(FAILURE, "the date in Credential is %s, the UTC date of X-TC-Timestamp is %s", text.show(auth.date), date)
  elseif auth.terminator ~= tc3.TERMINATOR then
    refuse(FAILURE, "Credential ends with %s, not %s", text.show(auth.terminator), tc3.TERMINATOR)
  end
  local headers, last = {}, ""
  for name in (auth.signedHeaders .. ";"):gmatch "([^;]*);" do
    local value = name == "host" and request.host or request.headers[name]
    if name == "" or text.lower(name) ~= name then
      refuse(FAILURE, "SignedHeaders must hold names in small letters")
    elseif not text.before(last, name) then
      refuse(FAILURE, "SignedHeaders must be sorted, each name once")
    elseif type(value) ~= "string" then
      refuse(FAILURE, "SignedHeaders names %s, which was not sent, or more than once", text.show(name))
    end
    headers[name], last = value, name
  end
  if not headers["content-type"] or not headers.host then
    refuse(FAILURE, "SignedHeaders must hold content-type and host")
  end
  return headers
end

--- Refuses a request whose Authorization header cannot be read.
function M.noAuthorization()
  local form = "the header Authorization is not %s Credential=ID/DATE/SERVICE/%s, SignedHeaders=NAMES, Signature=HEX"
  refuse("AuthFailure.InvalidAuthorization", form, tc3.ALGORITHM, tc3.TERMINATOR)
end

--- Checks a request that is signed by its Authorization header.
---@param emulator table
---@param request table
---@param timestamp string X-TC-Timestamp
---@param checkService fun(scope: string) aborts where the service in the scope is not that of the request
---@return qcimage.EmulatorAccount
function M.byHeader(emulator, request, timestamp, checkService)
  local auth = tc3.parse(request.headers.authorization or "")
  if not auth then
    M.noAuthorization()
  end
  checkService(auth.service)
  local account = accountOf(emulator, auth.secretId)
  local headers = checkScope(auth, request, checkTime(emulator, timestamp, "X-TC-Timestamp"))
  local unsigned = request.headers["x-tc-content-sha256"] == tc3.UNSIGNED
  local ok, message = tc3.check({
    method = request.method,
    path = request.path,
    query = request.query or "",
    headers = headers,
    otherHost = hosts.alsoSigned(request.host),
    signedHeaders = auth.signedHeaders,
    payload = unsigned and tc3.UNSIGNED or request.body or "",
    timestamp = timestamp,
    date = auth.date,
    service = auth.service,
    key = account.secretKey,
    given = auth.signature,
  }, emulator.digests)
  if not ok then
    refuse(FAILURE, "%s", message)
  end
  checkToken(emulator, account, request.headers["x-tc-token"], "X-TC-Token")
  return account
end

--- Checks a request that is signed by the parameter Signature.
---@param emulator table
---@param request table
---@param list table[] its parameters, {name, value}
---@param params table<string, string> the same by name
---@return qcimage.EmulatorAccount
function M.byParameter(emulator, request, list, params)
  for _, name in ipairs { "SecretId", "Nonce", "Signature" } do
    if (params[name] or "") == "" then
      refuse("MissingParameter", "the parameter %s is missing", name)
    end
  end
  if not params.Nonce:find "^%d+$" or #params.Nonce > 20 then
    refuse("InvalidParameter", "Nonce must be a whole number, in digits")
  end
  local account = accountOf(emulator, params.SecretId)
  local timestamp = checkTime(emulator, params.Timestamp, "Timestamp")
  local recipe = v1.recipe(request, list, params, account.secretKey, true)
  local ok, message = v1.check(recipe, emulator.digests.hmac)
  if not ok then
    refuse(FAILURE, "%s", message)
  end
  checkToken(emulator, account, params.Token, "Token")
  if not emulator.replayGuard:takeNonce(params.SecretId, params.Nonce, timestamp, emulator:now()) then
    refuse(codes.assumed3.replay, "the Nonce %s was used with this Timestamp before", params.Nonce)
  end
  return account
end

return M
