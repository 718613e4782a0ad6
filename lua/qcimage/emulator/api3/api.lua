--- emulator/api3/api.lua - API 3.0 at /, of CVM and of STS: the forms in which a request may come; the
--- envelope of the answer.
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
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local sts = require "qcimage.emulator.api3.sts"
local text = require "qcimage.emulator.text"

local M = {}

M.version = "3.0"
M.path = "/"
M.internal, M.throttled = "InternalError", "RequestLimitExceeded"
M.tooLarge = "RequestSizeLimitExceeded"

--- Bytes of a query, of a form and of a JSON body at most.
M.MAX_QUERY, M.MAX_FORM, M.MAX_BODY = 32768, 1048576, 10485760

-- What is served, by version: no two services have the same.
local CVM = { name = "cvm", version = "2017-03-12", actions = actions }
local SERVICES = {
  [CVM.version] = CVM,
  ["2018-08-13"] = { name = "sts", actions = sts },
}

local UNSIGNED = "SKIP"
local JSON, FORM = "application/json", "application/x-www-form-urlencoded"

-- What every request tells: in headers with TC3, in parameters with signature v1.
local HEADERS = { "x-tc-action", "x-tc-version", "x-tc-timestamp", "x-tc-region" }
local PARAMETERS = { "Action", "Version", "Timestamp", "Region" }
-- Other parameters of signature v1 that are not the action's own.
local PUBLIC = { "Nonce", "SecretId", "Signature", "SignatureMethod", "Token", "Language", "RequestClient" }

local refuse = abort.raise

local function typeOf(request)
  return text.lower(request.headers["content-type"] or ""):match "^%s*([^;%s]*)"
end

-- Checks what can be checked before the form is known; gives whether the signature is in the headers.
local function isInHeaders(emulator, request)
  if emulator.requireHttps and request.scheme ~= "https" then
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

-- What every request tells: action, version, timestamp, region.
local function needed(source, names, kind)
  local values = {}
  for i, name in ipairs(names) do
    values[i] = source[name]
    if (values[i] or "") == "" then
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
  local service, identity = SERVICES[version] or CVM, nil
  local action = service.actions[actionName]
  if not inHeaders then
    identity = auth.byParameter(emulator, request, list, params)
    without(params, PARAMETERS)
    without(params, PUBLIC)
  elseif not (action and action.unsigned and request.headers.authorization == UNSIGNED) then
    identity = auth.byHeader(emulator, request, timestamp, service.name)
  end
  entry.secretId = identity and identity.secretId
  checkHost(emulator, request, service.name)
  if not SERVICES[version] then
    refuse("NoSuchVersion", "there is no version %s, only %s", text.show(version), CVM.version)
  elseif not action then
    refuse("InvalidAction", "there is no action %s", text.show(actionName))
  elseif not emulator.regions[region] then
    refuse("UnsupportedRegion", "there is no region %s", text.show(region))
  end
  local object = isJson and decoded(request.body or "") or unflatten.object(action.params, params)
  entry.params = journalled(action, object)
  return { action = action, actionName = actionName, params = object, region = region, identity = identity }
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
M.encode = json.encode

return M
