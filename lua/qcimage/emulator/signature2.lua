--- emulator/signature2.lua - the signature of API 2.0 over what was received, and the search for
--- the step at which a wrong one went wrong.
--- Pure. Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/api/213/6984. What the page leaves open follows the clients
--- that it offers: names are sorted as they travel; after that "_" becomes "." in them, but for a
--- name that begins with one.

local text = require "qcimage.emulator.text"

local M = {}

--- Bytes of a signed text at most for which the slip is searched, since that signs it some 300
--- times.
M.MAX_SEARCHED = 16384

--- What is signed. A recipe has method, host, path, params (list of {name, value}), digest ("sha1",
--- "sha256"), key, given (the signature received); the other fields are slips, below.
---@param recipe table
---@return string
function M.stringToSign(recipe)
  local before = recipe.before or text.before
  local sorted = {}
  for _, param in ipairs(recipe.params) do
    local name, value = param.name, param.value
    local skipped = name == "Signature"
      or name == recipe.without
      or recipe.withoutFiles and value:sub(1, 1) == "@"
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

--- The signature that fits a recipe.
---@param recipe table
---@param hmac fun(digest: string, key: string, text: string): string
---@return string
function M.sign(recipe, hmac)
  return text.base64(hmac(recipe.digest, recipe.key, M.stringToSign(recipe)))
end

local function beforeInAnyCase(a, b)
  return text.before(text.lower(a), text.lower(b))
end

-- Slips that are known from the field, in the order of the steps: what is said of one, and what it
-- changes; `change` answers nothing when the slip can't have been made in this request.
local SLIPS = {
  {
    "the method word: it was signed for the other method than it was sent with",
    function(recipe)
      recipe.method = recipe.method == "GET" and "POST" or "GET"
      return true
    end,
  },
  {
    "the method word: it was signed in small letters",
    function(recipe)
      recipe.method = text.lower(recipe.method)
      return true
    end,
  },
  {
    "the host: it was signed without the port that the Host header has",
    function(recipe)
      local bare, count = recipe.host:gsub(":%d+$", "")
      recipe.host = bare
      return count > 0
    end,
  },
  {
    "the host: it was signed in another case than the Host header has",
    function(recipe)
      local lower = text.lower(recipe.host)
      local differs = lower ~= recipe.host
      recipe.host = lower
      return differs
    end,
  },
  {
    "the host: image.api.qcloud.com was signed, which is not the Host header",
    function(recipe)
      recipe.host = "image.api.qcloud.com"
      return true
    end,
  },
  {
    "the host: cvm.api.qcloud.com was signed, which is not the Host header",
    function(recipe)
      recipe.host = "cvm.api.qcloud.com"
      return true
    end,
  },
  {
    "the host: it was signed with the scheme before it",
    function(recipe)
      recipe.host = recipe.scheme .. "://" .. recipe.host
      return true
    end,
  },
  {
    "the path: / was signed",
    function(recipe)
      recipe.path = "/"
      return true
    end,
  },
  {
    "the path: it was left out of the signed text",
    function(recipe)
      recipe.path = ""
      return true
    end,
  },
  {
    "the parameters: they were sorted without regard to case",
    function(recipe)
      recipe.before = beforeInAnyCase
      return true
    end,
  },
  {
    "the parameters: they were signed in the order sent, not sorted",
    function(recipe)
      local places = {}
      for i, param in ipairs(recipe.params) do
        places[param.name] = i
      end
      recipe.before = function(a, b)
        return (places[a] or 0) < (places[b] or 0)
      end
      return true
    end,
  },
  {
    'the names: "_" was signed as it is, not as "."',
    function(recipe)
      recipe.plainNames = true
      return true
    end,
  },
  {
    'the names: they were sorted after "_" had become "."',
    function(recipe)
      recipe.sortsSigned = true
      return true
    end,
  },
  {
    'the names: the "_" at the start of a name was signed as "."',
    function(recipe)
      recipe.allNames = true
      return true
    end,
  },
  {
    "the values: they were percent-encoded before they were signed",
    function(recipe)
      recipe.escaped = true
      return true
    end,
  },
  {
    'the values: those that begin with "@" were left out of the signed text',
    function(recipe)
      recipe.withoutFiles = true
      return true
    end,
  },
  {
    "the digest: it was signed with SHA-256, which only SignatureMethod=HmacSHA256 selects",
    function(recipe)
      local differs = recipe.digest == "sha1"
      recipe.digest = "sha256"
      return differs
    end,
  },
  {
    "the digest: it was signed with SHA-1, although SignatureMethod is HmacSHA256",
    function(recipe)
      local differs = recipe.digest == "sha256"
      recipe.digest = "sha1"
      return differs
    end,
  },
  {
    "the key: a line end belongs to the key that it was signed with",
    function(recipe)
      recipe.key = recipe.key .. "\n"
      return true
    end,
  },
  {
    "the Signature parameter: it was percent-encoded twice",
    function(recipe)
      local decoded, count = recipe.given:gsub("%%(%x%x)", function(digits)
        return string.char(tonumber(digits, 16))
      end)
      recipe.given = decoded
      return count > 0
    end,
  },
  {
    'the Signature parameter: it was not percent-encoded, so that "+" arrived as a blank',
    function(recipe)
      local restored, count = recipe.given:gsub(" ", "+")
      recipe.given = restored
      return count > 0
    end,
  },
}

local function changed(recipe, ...)
  local copy = {}
  for key, value in pairs(recipe) do
    copy[key] = value
  end
  for _, change in ipairs { ... } do
    if not change(copy) then
      return nil
    end
  end
  return copy
end

local UNKNOWN = "another key, or a text that differs in a way that is none of the known slips"

-- The slip, or the two slips, with which the signature fits.
local function explain(recipe, hmac)
  if #M.stringToSign(recipe) > M.MAX_SEARCHED then
    return "not searched for in a text of this length"
  end
  local function fits(...)
    local other = changed(recipe, ...)
    return other and M.sign(other, hmac) == other.given
  end
  for _, slip in ipairs(SLIPS) do
    if fits(slip[2]) then
      return slip[1]
    end
  end
  for _, param in ipairs(recipe.params) do
    local function without(copy)
      copy.without = param.name
      return true
    end
    if fits(without) then
      return ("the parameters: %s was left out of the signed text"):format(text.show(param.name))
    end
  end
  for i, first in ipairs(SLIPS) do
    for j = i + 1, #SLIPS do
      if fits(first[2], SLIPS[j][2]) then
        return first[1] .. "; and " .. SLIPS[j][1]
      end
    end
  end
  return UNKNOWN
end

-- The text to sign without what is no one's business: it ends up in logs.
local function shown(recipe)
  local params = {}
  for i, param in ipairs(recipe.params) do
    local hidden = param.name == "Token" or param.name == "SecretId"
    params[i] = hidden and { name = param.name, value = "***" } or param
  end
  return text.show(M.stringToSign(changed(recipe, function(copy)
    copy.params = params
    return true
  end)), 1000)
end

--- Checks a signature.
---@param recipe table see stringToSign, with `given` and `scheme`
---@param hmac fun(digest: string, key: string, text: string): string
---@return boolean ok
---@return string|nil message the first step that differs, and the text to sign; without secrets
function M.check(recipe, hmac)
  if M.sign(recipe, hmac) == recipe.given then
    return true
  end
  return false, ("the signature does not match; what differs is %s. The text to sign is %s"):format(
    explain(recipe, hmac),
    shown(recipe)
  )
end

return M
