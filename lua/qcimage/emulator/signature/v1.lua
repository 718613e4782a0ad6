--- emulator/signature/v1.lua - HmacSHA1 and HmacSHA256, the signature of API 2.0 and the older one of API 3.0, over what
--- was received, and the search for the step at which a wrong one differs.
--- Pure. Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/api/213/6984. What the page leaves open follows the clients
--- that it offers: names are sorted as they travel; after that "_" becomes "." in them, but for a
--- name that begins with one. In API 3.0 (cloud.tencent.com/document/product/1278/46710) names are signed
--- as they are: `plainNames`.

local hints = require "qcimage.emulator.signature.hints"
local hosts = require "qcimage.emulator.host"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

--- Bytes of a signed text at most for which the mistake is searched, since that signs it once for each hint and each
--- parameter.
M.MAX_SEARCHED = 16384

--- What is signed. A recipe has method, host, path, params (list of {name, value}), digest ("sha1",
--- "sha256"), key, given (the signature received), otherHost (another spelling of
--- the host that may be signed); its other fields are hints, below.
---@param recipe table
---@return string
function M.stringToSign(recipe)
  local before = recipe.before or text.before
  local sorted = {}
  for _, param in ipairs(recipe.params) do
    local name, value = param.name, param.value
    local skipped = name == "Signature" or name == recipe.without or recipe.withoutFiles and value:sub(1, 1) == "@"
    if not skipped then
      local signed = name
      if not recipe.plainNames and (recipe.allNames or name:sub(1, 1) ~= "_") then
        signed = name:gsub("_", ".")
      end
      sorted[#sorted + 1] = {
        key = recipe.sortsSigned and signed or name,
        pair = signed .. "=" .. (recipe.escaped and text.escape(value) or value),
      }
    end
  end
  table.sort(sorted, function(a, b)
    return before(a.key, b.key)
  end)
  for i, item in ipairs(sorted) do
    sorted[i] = item.pair
  end
  return recipe.method .. recipe.host .. recipe.path .. "?" .. table.concat(sorted, "&")
end

local function beforeInAnyCase(a, b)
  return text.before(text.lower(a), text.lower(b))
end

local function otherMethod(recipe)
  recipe.method = recipe.method == "GET" and "POST" or "GET"
  return true
end

local function inOrderSent(recipe)
  local positions = {}
  for i, param in ipairs(recipe.params) do
    positions[param.name] = i
  end
  recipe.before = function(a, b)
    return (positions[a] or 0) < (positions[b] or 0)
  end
  return true
end

local function withScheme(recipe)
  recipe.host = recipe.scheme .. "://" .. recipe.host
  return true
end

local function decoded(digits)
  return string.char(tonumber(digits, 16))
end

local set, replace = hints.set, hints.replace

local HINTS = {
  { "the method word: it was signed for the other method than it was sent with", otherMethod },
  replace("the method word: it was signed in small letters", "method", ".+", text.lower),
  replace("the host: it was signed without the port of the Host header", "host", ":%d+$", ""),
  replace("the host: it was signed in small letters, the Host header is not", "host", ".+", text.lower),
  set("the host: image.api.qcloud.com was signed, not the Host header", "host", "image.api.qcloud.com"),
  set("the host: cvm.api.qcloud.com was signed, not the Host header", "host", "cvm.api.qcloud.com"),
  { "the host: it was signed with the scheme before it", withScheme },
  set("the host: cvm.tencentcloudapi.com was signed, not the Host header", "host", "cvm.tencentcloudapi.com"),
  set("the path: / was signed", "path", "/"),
  set("the path: /v2/index.php was signed", "path", "/v2/index.php"),
  set("the path: it was left out of the signed text", "path", ""),
  set("the parameters: they were sorted without regard to case", "before", beforeInAnyCase),
  { "the parameters: they were signed in the order sent, not sorted", inOrderSent },
  set('the names: "_" was signed as it is, not as "."', "plainNames", true),
  set('the names: "_" was signed as ".", not as it is', "plainNames", false),
  set('the names: they were sorted after "_" had become "."', "sortsSigned", true),
  set('the names: the "_" at the start of a name was signed as "."', "allNames", true),
  set("the values: they were percent-encoded before they were signed", "escaped", true),
  set('the values: those that begin with "@" were left out of the signed text', "withoutFiles", true),
  set("the digest: it was signed with SHA-256, which only SignatureMethod=HmacSHA256 selects", "digest", "sha256"),
  set("the digest: it was signed with SHA-1, although SignatureMethod is HmacSHA256", "digest", "sha1"),
  replace("the key: it was signed with a line end behind the key", "key", "$", "\n"),
  replace("the Signature parameter: it was percent-encoded twice", "given", "%%(%x%x)", decoded),
  replace('the Signature parameter: it was not percent-encoded, "+" arrived as a blank', "given", " ", "+"),
  replace("the Signature parameter: a line end is behind it, as a Base64 encoder for mail puts it", "given", "\n$", ""),
}

-- The text to sign without secrets: it ends up in logs.
local function shown(recipe)
  local params = {}
  for i, param in ipairs(recipe.params) do
    local hidden = param.name == "Token" or param.name == "SecretId"
    params[i] = hidden and { name = param.name, value = "***" } or param
  end
  return text.show(M.stringToSign(tables.with(recipe, { params = params })), 1000)
end

--- What a signature is checked against.
---@param request table as Emulator:handle takes it
---@param list table[] its parameters, {name, value}
---@param params table<string, string> the same by name
---@param key string
---@param plainNames boolean whether names are signed as they are
---@return table recipe
function M.recipe(request, list, params, key, plainNames)
  return {
    method = request.method,
    scheme = request.scheme,
    host = request.host,
    otherHost = hosts.alsoSigned(request.host),
    path = request.path,
    params = list,
    -- any other word means SHA-1, as the page has it
    digest = params.SignatureMethod == "HmacSHA256" and "sha256" or "sha1",
    plainNames = plainNames,
    key = key,
    given = params.Signature,
  }
end

--- Checks a signature.
---@param recipe table see stringToSign, with `given` and `scheme`
---@param hmac fun(digest: string, key: string, text: string): string
---@return boolean ok
---@return string|nil message the first step that differs, and the text to sign; without secrets
function M.check(recipe, hmac)
  local function sign(any)
    return text.base64(hmac(any.digest, any.key, M.stringToSign(any)))
  end
  if hints.matches(recipe, sign, "host") then
    return true
  end
  local why = "not searched for in a text of this length"
  if #M.stringToSign(recipe) <= M.MAX_SEARCHED then
    local omitted = {}
    for i, param in ipairs(recipe.params) do
      local words = "the parameters: %s was left out of the signed text"
      omitted[i] = hints.set(words:format(text.show(param.name)), "without", param.name)
    end
    why = hints.explain(recipe, sign, HINTS, omitted)
  end
  return false, ("the signature does not match; what differs is %s. The text to sign is %s"):format(why, shown(recipe))
end

return M
