--- emulator/api3/api.lua - API 3.0 at /, of CVM and of STS: who calls, and is it really them; the envelope of the answer.
--- Only POST of JSON signed with TC3-HMAC-SHA256. Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/product/1278/46710 (requests, public parameters, signatures),
--- cloud.tencent.com/document/product/1388/114322 (codes).

local actions = require "qcimage.emulator.api3.actions"
local check = require "qcimage.emulator.api3.check"
local codes = require "qcimage.emulator.codes"
local guard = require "qcimage.emulator.guard"
local identities = require "qcimage.emulator.identities"
local json = require "qcimage.emulator.json"
local refusal = require "qcimage.emulator.refusal"
local signature = require "qcimage.emulator.signature.tc3"
local sts = require "qcimage.emulator.api3.sts"
local text = require "qcimage.emulator.text"

local M = {}

M.version = "3.0"
M.path = "/"
M.internal, M.throttled = "InternalError", "RequestLimitExceeded"
M.tooLarge = "RequestSizeLimitExceeded"

--- Bytes of a body at most.
M.MAX_BODY = 10485760

local UNSIGNED = "SKIP"

-- What is served, by X-TC-Version: no two services have the same.
local CVM = { name = "cvm", version = "2017-03-12", actions = actions }
local SERVICES = {
  [CVM.version] = CVM,
  ["2018-08-13"] = { name = "sts", actions = sts },
}
local WANTED = "the emulator takes API 3.0 as a POST of application/json signed with " .. signature.ALGORITHM

local refuse = refusal.raise

local function checkForm(emulator, request)
  if emulator.requireHttps and request.scheme ~= "https" then
    refuse("UnsupportedProtocol", "only HTTPS is accepted")
  elseif not request.host then
    refuse("InvalidParameter", "the request has no Host header, or more than one")
  elseif request.method ~= "POST" then
    refuse("UnsupportedProtocol", "the method is %s; %s", text.show(request.method), WANTED)
  elseif #(request.body or "") > M.MAX_BODY then
    refuse("RequestSizeLimitExceeded", "the body is longer than %d bytes", M.MAX_BODY)
  elseif (request.query or "") ~= "" then
    refuse("InvalidParameter", "a POST has no query; %s", WANTED)
  end
  for name, value in pairs(request.headers) do
    local ours = name == "authorization" or name == "content-type" or name:sub(1, 5) == "x-tc-"
    if ours and type(value) ~= "string" then
      refuse("InvalidParameter", "the header %s occurs more than once", text.show(name))
    end
  end
  local contentType = request.headers["content-type"] or ""
  if text.lower(contentType):match "^%s*([^;%s]*)" ~= "application/json" then
    refuse("UnsupportedOperation", "the Content-Type is %s; %s", text.show(contentType), WANTED)
  end
end

local function needed(request, name)
  local value = request.headers[name]
  if not value or value == "" then
    refuse("MissingParameter", "the header %s is missing", name)
  end
  return value
end

-- Headers that are signed, by name; the stages before the signature itself.
local function checkScope(auth, request, timestamp, service)
  local date = os.date("!%Y-%m-%d", timestamp)
  local failure = "AuthFailure.SignatureFailure"
  if auth.date ~= date then
    refuse(
      failure,
      "the date in Credential is %s, the UTC date of X-TC-Timestamp is %s",
      text.show(auth.date),
      date
    )
  elseif auth.service ~= service then
    refuse(failure, "the service in Credential is %s, not %s", text.show(auth.service), service)
  elseif auth.terminator ~= signature.TERMINATOR then
    refuse(failure, "Credential ends with %s, not %s", text.show(auth.terminator), signature.TERMINATOR)
  end
  local headers, last = {}, ""
  for name in (auth.signedHeaders .. ";"):gmatch "([^;]*);" do
    local value = name == "host" and request.host or request.headers[name]
    if name == "" or text.lower(name) ~= name then
      refuse(failure, "SignedHeaders must hold names in small letters")
    elseif not text.before(last, name) then
      refuse(failure, "SignedHeaders must be sorted, each name once")
    elseif type(value) ~= "string" then
      refuse(failure, "SignedHeaders names %s, which was not sent, or more than once", text.show(name))
    end
    headers[name], last = value, name
  end
  if not headers["content-type"] or not headers.host then
    refuse(failure, "SignedHeaders must hold content-type and host")
  end
  return headers
end

-- Whose request it is.
local function authenticate(emulator, request, timestampText, service)
  local header = request.headers.authorization
  local auth = header and signature.parse(header)
  if not auth then
    refuse(
      "AuthFailure.InvalidAuthorization",
      "the header Authorization is not %s Credential=ID/DATE/%s/%s, SignedHeaders=NAMES, Signature=HEX",
      signature.ALGORITHM,
      service,
      signature.TERMINATOR
    )
  end
  local identity = emulator.identities:find(auth.secretId)
  if not identity then
    refuse("AuthFailure.SecretIdNotFound", "the SecretId does not exist; the emulator knows %s", emulator:knownId())
  end
  local timestamp = timestampText:find "^%d+$" and #timestampText < 16 and tonumber(timestampText)
  if not timestamp then
    refuse("InvalidParameter", "X-TC-Timestamp must be a whole number of seconds, in digits")
  end
  local now = emulator:now()
  if not guard.inTime(timestamp, now) then
    refuse(
      "AuthFailure.SignatureExpire",
      "X-TC-Timestamp %s is more than %d seconds from the time here, %d",
      timestampText,
      guard.WINDOW,
      math.floor(now)
    )
  end
  local headers = checkScope(auth, request, timestamp, service)
  local unsigned = request.headers["x-tc-content-sha256"] == signature.UNSIGNED
  local ok, message = signature.check({
    method = request.method,
    path = request.path,
    query = request.query or "",
    headers = headers,
    signedHeaders = auth.signedHeaders,
    payload = unsigned and signature.UNSIGNED or request.body or "",
    timestamp = timestampText,
    date = auth.date,
    service = auth.service,
    key = identity.secretKey,
    given = auth.signature,
  }, emulator.digests)
  if not ok then
    refuse("AuthFailure.SignatureFailure", "%s", message)
  end
  local problem = identities.tokenProblem(identity, request.headers["x-tc-token"], "X-TC-Token", now)
  if problem then
    refuse("AuthFailure.TokenFailure", "%s", problem)
  end
  return identity
end

-- Hosts of the public cloud name the product first; other hosts are as good as any.
local function checkHost(emulator, request, service)
  local name = text.lower(request.host):gsub(":%d+$", "")
  if emulator.hostName and name ~= emulator.hostName then
    refuse("NoSuchProduct", "this is %s, not %s", emulator.hostName, text.show(name))
  end
  local product = name:match "^([^.]*).*%.tencentcloudapi%.com$"
    or name:match "^([^.]*).*%.tencentcloudapi%.cn$"
    or name:match "^([^.]*).*%.tencentcloudapi%.com%.cn$"
  if product and product ~= service or name:find "%.api%.qcloud%.com$" then
    refuse("NoSuchProduct", "the host %s is not that of %s", text.show(name), service)
  end
end

-- The parameters as the journal keeps them: a web identity's token is a secret.
local function journalled(action, params)
  if not action.secret or params[action.secret] == nil then
    return params
  end
  local copy = {}
  for name, value in pairs(params) do
    copy[name] = name == action.secret and "***" or value
  end
  return copy
end

--- Reads a request up to the point where it is known to be the account's own.
---@param emulator table
---@param request table
---@param entry table journal entry, filled as far as the request is known
---@return table call {action, actionName, params, region, identity}
function M.receive(emulator, request, entry)
  checkForm(emulator, request)
  local action = needed(request, "x-tc-action")
  local version = needed(request, "x-tc-version")
  local timestamp = needed(request, "x-tc-timestamp")
  entry.action, entry.region = action, request.headers["x-tc-region"]
  local service = SERVICES[version] or CVM
  local known = service.actions[action]
  local identity
  if not (known and known.unsigned and request.headers.authorization == UNSIGNED) then
    identity = authenticate(emulator, request, timestamp, service.name)
    entry.secretId = identity.secretId
  end
  checkHost(emulator, request, service.name)
  if not SERVICES[version] then
    refuse("NoSuchVersion", "there is no version %s, only %s", text.show(version), CVM.version)
  elseif not known then
    refuse("InvalidAction", "there is no action %s", text.show(action))
  end
  local region = needed(request, "x-tc-region")
  if not emulator.regions[region] then
    refuse("UnsupportedRegion", "there is no region %s", text.show(region))
  end
  local params, problem = json.decode(request.body or "")
  if params == json.null then
    params = {} -- what Tencent's Ruby client sends for an action without parameters
  elseif type(params) ~= "table" or not request.body:find "^%s*{" then
    refuse(codes.assumed3.body, "the body is not a JSON object%s", problem and ": " .. problem or "")
  end
  entry.params = journalled(known, params)
  return { action = known, actionName = action, params = params, region = region, identity = identity }
end

--- Does what a call asks for.
---@param emulator table
---@param call table from receive
---@return table answer
function M.perform(emulator, call)
  check.object(call.action.params, call.params, "")
  call.values = call.params
  local result = call.action.run(emulator, call) or {}
  result.RequestId = emulator:requestId()
  return { Response = result }
end

--- The answer that refuses a request.
---@param emulator table
---@param code string
---@param message string
---@return table answer
function M.failure(emulator, code, message)
  return {
    Response = {
      Error = { Code = code, Message = message },
      RequestId = emulator:requestId(),
    },
  }
end

--- Code of an answer, 0 for success.
---@param answer table
---@return integer|string
function M.codeOf(answer)
  local failure = answer.Response.Error
  return failure and failure.Code or 0
end

--- Body of an answer.
---@param answer table
---@return string
function M.encode(answer)
  return json.encode(answer)
end

return M
