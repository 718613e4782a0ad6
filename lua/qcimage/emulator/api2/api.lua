--- emulator/api2/api.lua - API 2.0 at /v2/index.php: authentication, validation of the parameters, the envelope of the
--- response.
--- Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/api/213/6976 (public parameters), /6984 (signature), /11650
--- (answers), /6982 (codes).

local actions = require "qcimage.emulator.api2.actions"
local codes = require "qcimage.emulator.codes"
local form = require "qcimage.emulator.form"
local hosts = require "qcimage.emulator.host"
local replay_guard = require "qcimage.emulator.replay_guard"
local accounts = require "qcimage.emulator.accounts"
local abort = require "qcimage.emulator.abort"
local regions = require "qcimage.emulator.regions"
local signature = require "qcimage.emulator.signature.v1"
local text = require "qcimage.emulator.text"

local M = {}

M.version = "2.0"
M.path = "/v2/index.php"
M.internal, M.throttled, M.permission = codes.internal, codes.throttled, codes.permission
M.tooLarge, M.protocol, M.malformed = codes.parameter, codes.protocol, codes.parameter
M.codeType = "number"

--- Bytes of a query and of a body at most. The limits are those of API 3.0 with the same signature
--- (cloud.tencent.com/document/product/1278/46710).
M.MAX_QUERY, M.MAX_BODY = 32768, 1048576

local REQUIRED = { "Action", "SecretId", "Timestamp", "Nonce", "Signature" }
local PUBLIC = text.set(REQUIRED)
for _, name in ipairs { "Region", "SignatureMethod", "Token", "Version", "RequestClient", "RequestSource" } do
  PUBLIC[name] = true
end

local refuse = abort.raise

local FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

-- The parameters as sent: from the query of a GET, from the body of a POST. No page names a type for the
-- body; Tencent's Python, PHP and Node clients send a form, the Java one multipart.
local function parameters(request)
  local source, multipart
  if request.method == "GET" then
    source = request.query or ""
    if #source > M.MAX_QUERY then
      refuse(codes.parameter, "the query is longer than %d bytes", M.MAX_QUERY)
    end
  elseif request.method == "POST" then
    local contentType = request.headers["content-type"]
    if type(contentType) == "table" then
      refuse(codes.parameter, "the Content-Type header occurs more than once")
    end
    local kind = contentType and text.lower(contentType):match "^%s*([^;%s]*)"
    if kind and kind ~= FORM and kind ~= MULTIPART then
      refuse(codes.parameter, "a body of %s is not emulated, only %s and %s", text.show(kind), FORM, MULTIPART)
    end
    multipart = kind == MULTIPART and contentType
    source = request.body or ""
    if #source > M.MAX_BODY then
      refuse(codes.parameter, "the body is longer than %d bytes", M.MAX_BODY)
    end
  else
    refuse(codes.parameter, "the method is %s, not GET or POST", text.show(request.method))
  end
  local list, params
  if multipart then
    list, params = form.multipart(source, multipart)
  else
    list, params = form.parse(source)
  end
  if not list then
    refuse(codes.parameter, "%s", params)
  end
  return list, params
end

local function checkHost(emulator, host, action)
  hosts.check(emulator.settings.hostName, host, codes.action)
  local module = hosts.module(host)
  if module and not action.modules[module] then
    refuse(codes.action, "the host %s does not have this action", text.show(hosts.name(host)))
  end
end

-- Checks the signature, the token, the time and the nonce.
local function authenticate(emulator, request, list, params)
  local account = emulator.accounts:find(params.SecretId)
  if not account then
    refuse(codes.secretId, "the SecretId does not exist; the emulator knows %s", emulator:knownId())
  end
  local recipe = signature.recipe(request, list, params, account.secretKey, false)
  local ok, message = signature.check(recipe, emulator.digests.hmac)
  if not ok then
    refuse(codes.signature, "%s", message)
  end
  local now = emulator:now()
  local problem = accounts.tokenProblem(account, params.Token, "Token", now)
  if problem then
    refuse(codes.token, "%s", problem)
  end
  local timestamp = tonumber(params.Timestamp)
  if not replay_guard.inTime(timestamp, now) then
    local words = "the Timestamp %s is more than %d seconds from the time here, %d"
    refuse(codes.replay, words, params.Timestamp, replay_guard.WINDOW, math.floor(now))
  end
  if not emulator.replayGuard:takeNonce(params.SecretId, params.Nonce, timestamp, now) then
    refuse(codes.replay, "the Nonce %s was used with this Timestamp before", params.Nonce)
  end
  return account
end

--- Reads and authenticates a request.
---@param emulator table
---@param request table
---@param entry table entry of the request log, filled as far as the request is known
---@return table call {action, actionName, params, region, account}
function M.receive(emulator, request, entry)
  if emulator.settings.requireHttps and request.scheme ~= "https" then
    refuse(codes.protocol, "only HTTPS is accepted")
  end
  if not request.host then
    refuse(codes.parameter, "the request has no Host header, or more than one")
  end
  local list, params = parameters(request)
  entry.action, entry.nonce, entry.secretId = params.Action, params.Nonce, params.SecretId
  entry.region = params.Region
  local given = {}
  for _, param in ipairs(list) do
    if not PUBLIC[param.name] then
      given[param.name] = param.value
    end
  end
  entry.params = given
  for _, name in ipairs(REQUIRED) do
    if not params[name] or params[name] == "" then
      refuse(codes.parameter, "the parameter %s is missing", name)
    end
  end
  for _, name in ipairs { "Timestamp", "Nonce" } do
    if not params[name]:find "^%d+$" or #params[name] > 20 then
      refuse(codes.parameter, "the parameter %s must be a whole number, in digits", name)
    end
  end
  local account = authenticate(emulator, request, list, params)
  if params.Version then
    refuse(
      codes.parameter,
      "the actions with Version=%s on this path are not emulated; send API 3.0 to the path /",
      text.show(params.Version)
    )
  end
  local action = actions[params.Action]
  if not action then
    refuse(codes.action, "there is no action %s", text.show(params.Action))
  end
  checkHost(emulator, request.host, action)
  return { action = action, actionName = params.Action, params = given, region = params.Region, account = account }
end

-- Items of a list parameter NAME.N: N begins with 0 (or 1, as some examples have it), without gaps.
local function listOf(params, name, known)
  local items, count = {}, 0
  for key, value in pairs(params) do
    local list, index = key:match "^(.-)%.(%d+)$"
    if list == name then
      if #index > 4 or index:find "^0%d" then
        refuse(codes.parameter, "%s has an odd index", text.show(key))
      end
      items[tonumber(index)], count, known[key] = value, count + 1, true
    end
  end
  local first = items[0] and 0 or 1
  local list = {}
  for i = first, first + count - 1 do
    if not items[i] then
      refuse(codes.parameter, "the items of %s are not numbered from 0 on without gaps", name)
    end
    list[#list + 1] = items[i]
  end
  return list
end

-- Values of an action's parameters, by its rules.
local function valuesOf(action, params)
  local values, known = {}, {}
  for name, rule in pairs(action.params) do
    local value = params[name]
    if rule.list then
      value = listOf(params, name, known)
      if #value > (rule.most or M.MAX_QUERY) then
        refuse(codes.parameter, "%s has %d items, %d are allowed", name, #value, rule.most)
      end
      value = #value > 0 and value or nil
    else
      known[name] = true
    end
    if rule.required and (value == nil or value == "") then
      refuse(codes.parameter, "the parameter %s is missing", name)
    end
    if rule.number and value then
      local number = value:find "^%d+$" and #value < 10 and tonumber(value)
      if not number or number < rule.least or number > rule.most then
        refuse(codes.parameter, "%s must be a number from %d to %d", name, rule.least, rule.most)
      end
      value = number
    end
    if rule.check and value and value ~= "" then
      rule.check(value, name)
    end
    values[name] = value
  end
  for name in pairs(params) do
    if not known[name] then
      refuse(codes.parameter, "the action has no parameter %s", text.show(name))
    end
  end
  return values
end

--- Validates the parameters of a call and performs it.
---@param emulator table
---@param call table from receive
---@return table answer
function M.perform(emulator, call)
  if not call.region or call.region == "" then
    refuse(codes.parameter, "the parameter Region is missing")
  elseif not emulator.regions[regions.long(call.region)] then
    refuse(codes.parameter, "there is no region %s", text.show(call.region))
  end
  call.values = valuesOf(call.action, call.params)
  call.region, call.accountId = regions.long(call.region), call.account.accountId
  call.view = emulator.store:view(call.accountId, call.region)
  local answer = call.action.run(emulator, call)
  answer.code = answer.code or codes.success
  answer.codeDesc = codes.codeDesc[answer.code]
  answer.message = answer.message or ""
  return answer
end

--- The answer that refuses a request.
---@param _ table emulator
---@param code integer
---@param message string
---@return table answer
function M.failure(_, code, message)
  return { code = code, message = message, codeDesc = codes.codeDesc[code] }
end

return M
