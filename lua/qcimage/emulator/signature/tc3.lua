--- emulator/signature/tc3.lua - TC3-HMAC-SHA256 of API 3.0 over what was received, stage by stage, and the search for the
--- stage at which a wrong one differs.
--- Pure. Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/product/1278/46710, signature v3.

local hints = require "qcimage.emulator.signature.hints"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

M.ALGORITHM = "TC3-HMAC-SHA256"
M.TERMINATOR = "tc3_request"
M.UNSIGNED = "UNSIGNED-PAYLOAD"

--- Reads an Authorization header.
---@param header string
---@return table|nil parts secretId, date, service, terminator, signedHeaders, signature
function M.parse(header)
  local secretId, date, service, terminator, signedHeaders, signature = header:match(
    "^TC3%-HMAC%-SHA256 Credential=([^/,%s]+)/([^/,%s]+)/([^/,%s]+)/([^/,%s]+), ?"
      .. "SignedHeaders=([^,%s]+), ?Signature=([0-9A-Fa-f]+)$"
  )
  if not secretId then
    return nil
  end
  return {
    secretId = secretId,
    date = date,
    service = service,
    terminator = terminator,
    signedHeaders = signedHeaders,
    signature = signature,
  }
end

local function trimmed(value)
  return (value:gsub("^%s+", ""):gsub("%s+$", ""))
end

-- What is signed of a request. A recipe has method, path, query, headers (the signed ones, by their names in small letters),
-- signedHeaders (their names, joined by ";"), payload, timestamp, date, service, key; its other fields are hints, below.
local function canonicalRequest(recipe, sha256)
  local lines = {}
  for name in recipe.signedHeaders:gmatch "[^;]+" do
    local value = trimmed(recipe["header " .. name] or recipe.headers[name])
    lines[#lines + 1] = name .. ":" .. (recipe.plainValues and value or text.lower(value)) .. "\n"
  end
  return table.concat({
    recipe.method,
    recipe.path,
    recipe.query,
    table.concat(lines) .. (recipe.joinedHeaders and "" or "\n") .. recipe.signedHeaders,
    text.hex(sha256(recipe.payload)),
  }, "\n")
end

local function signature(recipe, sha256, hmac)
  local scope = ("%s/%s/%s"):format(recipe.date, recipe.service, M.TERMINATOR)
  local hashed = text.hex(sha256(canonicalRequest(recipe, sha256)))
  local stringToSign = table.concat({ M.ALGORITHM, recipe.timestamp, scope, hashed }, "\n")
  local key = (recipe.plainKey and "" or "TC3") .. recipe.key
  for _, part in ipairs { recipe.date, recipe.service, M.TERMINATOR, stringToSign } do
    key = hmac("sha256", key, part)
  end
  return text.hex(key)
end

local function withoutPort(recipe)
  local bare, count = recipe.headers.host:gsub(":%d+$", "")
  recipe["header host"] = bare
  return count > 0
end

local set = hints.set

local function typed(kind)
  local words = ("the canonical request, content-type: %s was signed, another one was sent"):format(kind)
  return set(words, "header content-type", kind)
end

-- A field "header NAME" replaces that header.
local HINTS = {
  set("the canonical request: it was signed for GET", "method", "GET"),
  set("the canonical request: it was signed for POST", "method", "POST"),
  set("the canonical request, query: it was signed as empty", "query", ""),
  hints.replace('the canonical request, query: "%20" was signed where "+" was sent', "query", "%+", "%%20"),
  hints.replace('the canonical request, query: "+" was signed where "%20" was sent', "query", "%%20", "+"),
  set("the canonical request, path: /v2/index.php was signed", "path", "/v2/index.php"),
  set("the canonical request, path: it was signed as empty", "path", ""),
  { "the canonical request, host: it was signed without the port of the Host header", withoutPort },
  set(
    "the canonical request, host: cvm.tencentcloudapi.com was signed, not the Host header",
    "header host",
    "cvm.tencentcloudapi.com"
  ),
  typed "application/json",
  typed "application/json; charset=utf-8",
  typed "application/x-www-form-urlencoded",
  set("the canonical request, headers: a value was not signed in small letters", "plainValues", true),
  set("the canonical request, headers: the empty line between them and their names is missing", "joinedHeaders", true),
  set("the canonical request, payload: an empty one was signed, a body was sent", "payload", ""),
  set("the canonical request, payload: {} was signed, another body was sent", "payload", "{}"),
  set(
    "the canonical request, payload: UNSIGNED-PAYLOAD was signed without the header X-TC-Content-SHA256",
    "payload",
    M.UNSIGNED
  ),
  set('the signing key: "TC3" before the secret key is missing', "plainKey", true),
  hints.replace("the signing key: a line end was behind the secret key", "key", "$", "\n"),
  hints.replace("the signature: it is written in capitals", "given", ".+", text.lower),
}

--- Checks a signature, whose headers and scope were checked before.
---@param recipe table see canonicalRequest, with `given` and `otherHost`
---@param digests table hmac, sha256
---@return boolean ok
---@return string|nil message the first stage that differs, and what was computed; without secrets
function M.check(recipe, digests)
  -- a long body is hashed once, not for each hint
  local memo = { [recipe.payload] = digests.sha256(recipe.payload) }
  local function sha256(message)
    return memo[message] or digests.sha256(message)
  end
  local function sign(any)
    return signature(any, sha256, digests.hmac)
  end
  if hints.matches(recipe, sign, "header host") then
    return true
  end
  local shown = tables.with(recipe, { ["header x-tc-token"] = "***" })
  return false,
    ("the signature does not match; what differs is %s. The canonical request is %s"):format(
      hints.explain(recipe, sign, HINTS),
      text.show(canonicalRequest(shown, sha256), 1000)
    )
end

return M
