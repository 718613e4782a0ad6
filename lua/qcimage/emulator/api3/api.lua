--- emulator/api3/api.lua - API 3.0 at /, of CVM and of STS: the forms of a request, the service that it is for, the
--- envelope of the response.
--- Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/product/1278/46710 (requests, public parameters, signatures),
--- cloud.tencent.com/document/product/1388/114322 (codes).
---
---   POST application/json                    signed in headers (TC3)
---   GET                                      signed in headers, or by parameters (signature v1)
---   POST application/x-www-form-urlencoded   signed by parameters
---   POST multipart/form-data                 TC3, for a few actions, of which none is an image's: refused

local actions = require "qcimage.emulator.api3.actions"
local auth = require "qcimage.emulator.api3.auth"
local check = require "qcimage.emulator.api3.check"
local codes = require "qcimage.emulator.codes"
local unflatten = require "qcimage.emulator.api3.unflatten"
local form = require "qcimage.emulator.form"
local hosts = require "qcimage.emulator.host"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local regions = require "qcimage.emulator.regions"
local sts = require "qcimage.emulator.api3.sts"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

M.version = "3.0"
M.path = "/"
M.internal, M.throttled, M.permission = "InternalError", "RequestLimitExceeded", codes.assumed3.permission
M.tooLarge, M.protocol, M.malformed = "RequestSizeLimitExceeded", "UnsupportedProtocol", codes.assumed3.malformed
M.codeType = "string"

--- Bytes of a query, of a form and of a JSON body at most.
M.MAX_QUERY, M.MAX_FORM, M.MAX_BODY = 32768, 1048576, 10485760

-- What is served. Other products have the same versions: vpc and cbs that of cvm, tag that of STS.
local CVM = { name = "cvm", version = "2017-03-12", actions = actions }
local STS = { name = "sts", version = "2018-08-13", actions = sts }
local SERVED = "the emulator serves images and STS"
local BY_NAME, BY_VERSION = { cvm = CVM, sts = STS }, { [CVM.version] = CVM, [STS.version] = STS }

local UNSIGNED = "SKIP"
local JSON, FORM = "application/json", "application/x-www-form-urlencoded"

-- What every request has: in headers with TC3, in parameters with signature v1.
local HEADERS = { "x-tc-action", "x-tc-version", "x-tc-timestamp", "x-tc-region" }
local PARAMETERS = { "Action", "Version", "Timestamp", "Region" }
-- Other parameters of signature v1 that do not belong to the action.
local PUBLIC = { "Nonce", "SecretId", "Signature", "SignatureMethod", "Token", "Language", "RequestClient" }

local refuse = abort.raise

local function typeOf(request)
  return text.lower(request.headers["content-type"] or ""):match "^%s*([^;%s]*)"
end

-- Checks what can be checked before the form is known. Returns whether the signature is in the headers.
local function isInHeaders(emulator, request)
  if emulator.settings.requireHttps and request.scheme ~= "https" then
    refuse("UnsupportedProtocol", "only HTTPS is accepted")
  elseif not request.host then
    refuse("InvalidParameter", "the request has no Host header, or more than one")
  elseif request.method ~= "POST" and request.method ~= "GET" then
    refuse("UnsupportedProtocol", "the method is %s, not GET or POST", text.show(request.method))
  end
  for name, value in pairs(request.headers) do
    local ours = name == "authorization" or name == "content-type" or name:sub(1, 5) == "x-tc-"
    if ours and type(value) ~= "string" then
      refuse("InvalidParameter", "the header %s occurs more than once", text.show(name))
    end
  end
  local kind, authorization = typeOf(request), request.headers.authorization
  if request.method == "GET" then
    if authorization and kind ~= FORM then
      refuse(codes.assumed3.contentType, "the Content-Type of a GET is %s, not %s", text.show(kind), FORM)
    end
    return authorization ~= nil
  elseif (request.query or "") ~= "" then
    refuse("InvalidParameter", "a POST has no query")
  elseif kind == FORM and not authorization then
    return false
  elseif kind ~= JSON then
    local hint = kind == "multipart/form-data" and "; no image action takes that"
      or kind == FORM and "; a form is signed with HmacSHA1 or HmacSHA256"
      or ""
    refuse(codes.assumed3.contentType, "the Content-Type is %s, not %s%s", text.show(kind), JSON, hint)
  end
  return true
end

local function checkSize(what, source, most)
  if #source > most then
    refuse("RequestSizeLimitExceeded", "the %s is longer than %d bytes", what, most)
  end
  return source
end

-- The parameters of a query or a form.
local function parametersOf(request)
  local source
  if request.method == "GET" then
    source = checkSize("query", request.query or "", M.MAX_QUERY)
  else
    source = checkSize("body", request.body or "", M.MAX_FORM)
  end
  local list, params = form.parse(source)
  if not list then
    refuse("InvalidParameter", "%s", params)
  end
  return list, params
end

-- The object in a JSON body.
local function decoded(body)
  local params, problem = json.decode(body)
  if params == json.null then
    return {} -- what Tencent's Ruby client sends for an action without parameters
  elseif type(params) ~= "table" or not body:find "^%s*{" then
    refuse(codes.assumed3.body, "the body is not a JSON object%s", problem and ": " .. problem or "")
  end
  return params
end

local function notServed(product)
  refuse("NoSuchProduct", "%s, not %s", SERVED, text.show(product))
end

local function wrongScope(scope, service)
  refuse(auth.FAILURE, "the service in Credential is %s, not %s", text.show(scope), service.name)
end

-- The service that a host of the public cloud is of.
local function serviceOfProduct(product, scope, host)
  local service = BY_NAME[product]
  if product == "" or service and scope ~= product and BY_NAME[scope] then
    refuse("NoSuchProduct", "the host %s is not that of %s", text.show(hosts.name(host)), scope or CVM.name)
  elseif not service then
    notServed(product)
  elseif scope and scope ~= service.name then
    wrongScope(scope, service)
  end
  return service
end

-- The service that a request is for. Hosts of the public cloud name the product first. On another host version and
-- action decide, and the service in the scope of the signature must agree, or be the first label of the host.
local function serviceOf(host, scope, version, action)
  local product, byVersion = hosts.product(host), BY_VERSION[version] or CVM
  if product then
    return serviceOfProduct(product, scope, host)
  elseif not scope or scope == byVersion.name or hosts.isFirstLabel(host, scope) then
    return byVersion
  elseif byVersion.actions[action] then
    wrongScope(scope, byVersion)
  end
  return BY_NAME[scope] or notServed(scope)
end

-- What every request has: action, version, timestamp, region, of which some actions do without the last.
local function needed(source, names, kind)
  local values = {}
  for i, name in ipairs(names) do
    values[i] = source[name]
    local action = i == 4 and actions[values[1]]
    if (values[i] or "") == "" and not (action and action.isGlobal) then
      refuse("MissingParameter", "the %s %s is missing", kind, name)
    end
  end
  return values[1], values[2], values[3], values[4]
end

local function without(params, names)
  for _, name in ipairs(names) do
    params[name] = nil
  end
end

-- The parameters as the request log keeps them: a web identity's token is a secret.
local function logged(action, params)
  if not action.secret or params[action.secret] == nil then
    return params
  end
  return tables.with(params, { [action.secret] = "***" })
end

--- Reads and authenticates a request.
---@param emulator table
---@param request table
---@param entry table entry of the request log, filled as far as the request is known
---@return table call {action, actionName, params, region, account}
function M.receive(emulator, request, entry)
  local inHeaders = isInHeaders(emulator, request)
  local isJson = request.method == "POST" and inHeaders
  local list, params
  if isJson then
    checkSize("body", request.body or "", M.MAX_BODY)
  else
    list, params = parametersOf(request)
  end
  local actionName, version, timestamp, region
  if inHeaders then
    entry.action, entry.region = request.headers["x-tc-action"], request.headers["x-tc-region"]
    actionName, version, timestamp, region = needed(request.headers, HEADERS, "header")
  else
    entry.action, entry.region, entry.nonce = params.Action, params.Region, params.Nonce
    actionName, version, timestamp, region = needed(params, PARAMETERS, "parameter")
  end
  hosts.check(emulator.settings.hostName, request.host, "NoSuchProduct")
  local service, account
  if not inHeaders then
    service = serviceOf(request.host, nil, version, actionName)
    account = auth.byParameter(emulator, request, list, params)
    without(params, PARAMETERS)
    without(params, PUBLIC)
  elseif request.headers.authorization == UNSIGNED then
    service = serviceOf(request.host, nil, version, actionName)
  else
    account = auth.byHeader(emulator, request, timestamp, function(scope)
      service = serviceOf(request.host, scope, version, actionName)
    end)
  end
  local action = service.actions[actionName]
  if not account and not (action and action.unsigned) then
    auth.noAuthorization()
  end
  entry.secretId = account and account.secretId
  if version ~= service.version then
    local words = "there is no version %s of %s, only %s; %s"
    refuse("NoSuchVersion", words, text.show(version), service.name, service.version, SERVED)
  elseif not action then
    refuse("InvalidAction", "there is no action %s; %s", text.show(actionName), SERVED)
  elseif not action.isGlobal and not emulator.regions[region] then
    local code = regions.NAMES[region] and "UnsupportedRegion" or codes.assumed3.unknownRegion
    refuse(code, "there is no region %s", text.show(region))
  end
  local object = isJson and decoded(request.body or "") or unflatten.object(action.params, params)
  entry.params = logged(action, object)
  return { action = action, actionName = actionName, params = object, region = region, account = account }
end

--- Validates the parameters of a call and performs it.
---@param emulator table
---@param call table from receive
---@return table answer
function M.perform(emulator, call)
  check.object(call.action.params, call.params, "")
  call.values = call.params
  call.accountId = call.account and call.account.accountId or emulator.settings.accountId
  call.view = emulator.store:view(call.accountId, call.region)
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

return M
