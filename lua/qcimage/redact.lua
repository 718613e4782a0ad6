--- redact.lua - takes secrets out of foreign texts by their values. Those of a call wherever they came from and in
--- whatever spelling: as they are, percent-encoded, escaped as in JSON or HTML, or twice over; and the passwords of
--- proxies.
--- Pure. Part of qcimage, see LICENSE.

local environments = require "qcimage.environment"
local text = require "qcimage.text"

local M = {}

-- Bytes of a text that are looked through and kept: far more than the service says of a refusal.
local LONGEST = 64 * 1024

-- Bytes: a shorter secret would be found in any text.
local SHORTEST = 4

-- How often an escape may be escaped again: %252B, \\u002B.
local LEVELS = 3

-- ASCII alone: no secret has another character.
local function character(digits, base)
  local byte = tonumber(digits, base)
  return byte and byte < 128 and string.char(byte) or nil
end

-- What stands at an escape's first byte: the character meant and the position behind it; or nothing.
local function unescaped(message, at)
  local first = message:byte(at)
  local digits
  if first == 37 then -- %2B
    digits = message:match("^%%(%x%x)", at)
    return digits and character(digits, 16), at + 3
  elseif first == 92 then -- \u002B, \/, \\
    digits = message:match("^\\u(%x%x%x%x)", at)
    if digits then
      return character(digits, 16), at + 6
    end
    return message:match("^\\([/\\])", at), at + 2
  end
  digits = message:match("^&#(%d%d?%d?);", at) -- &#43;
  if digits then
    return character(digits, 10), at + #digits + 3
  end
  digits = message:match("^&#[xX](%x%x?);", at)
  if digits then
    return character(digits, 16), at + #digits + 4
  end
  return message:match("^&(amp);", at) and "&", at + 5
end

-- A text without its escapes, and where its pieces stood: list of {position, position in the text, length there, whether
-- it was an escape}.
local function plain(message)
  local pieces, spans, size, from = {}, {}, 0, 1
  local function add(piece, at, length, isEscape)
    pieces[#pieces + 1] = piece
    spans[#spans + 1] = { size + 1, at, length, isEscape }
    size = size + #piece
  end
  local at = message:find("[%%\\&]")
  while at do
    local meant, behind = unescaped(message, at)
    if meant then
      if at > from then
        add(message:sub(from, at - 1), from, at - from)
      end
      add(meant, at, behind - at, true)
      from = behind
    else
      behind = at + 1
    end
    at = message:find("[%%\\&]", behind)
  end
  if #spans == 0 then
    return nil
  end
  if from <= #message then
    add(message:sub(from), from, #message - from + 1)
  end
  return table.concat(pieces), spans
end

-- First and last byte in the text of what stands at a position without its escapes.
local function original(spans, position)
  local low, high = 1, #spans
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if spans[middle][1] <= position then
      low = middle
    else
      high = middle - 1
    end
  end
  local start, at, length, isEscape = spans[low][1], spans[low][2], spans[low][3], spans[low][4]
  if isEscape then
    return at, at + length - 1
  end
  return at + position - start, at + position - start
end

-- Masks secrets that only show without the text's escapes.
local function unmasked(message, secrets)
  local shown, maps = message, {}
  for _ = 1, LEVELS do
    local bare, spans = plain(shown)
    if not bare then
      break
    end
    shown = bare
    maps[#maps + 1] = spans
    local hits = {}
    for _, secret in ipairs(secrets) do
      local first, last = shown:find(secret, 1, true)
      while first do
        local from, to = first, last
        for level = #maps, 1, -1 do
          from = original(maps[level], from)
          to = select(2, original(maps[level], to))
        end
        hits[#hits + 1] = { from, to }
        first, last = shown:find(secret, last + 1, true)
      end
    end
    if #hits > 0 then
      table.sort(hits, function(a, b)
        return a[1] < b[1]
      end)
      local kept, behind = {}, 1
      for _, hit in ipairs(hits) do
        if hit[1] >= behind then
          kept[#kept + 1] = message:sub(behind, hit[1] - 1)
        end
        behind = math.max(behind, hit[2] + 1)
      end
      kept[#kept + 1] = message:sub(behind)
      return unmasked(table.concat(kept, "***"), secrets)
    end
  end
  return message
end

--- Puts "***" for each secret of a call. To be done before a text is cut for being shown, or a part would stay.
---@param message string
---@param given table credentials
---@param signature string|nil
---@return string
function M.call(message, given, signature)
  if #message > LONGEST then -- cut at white space, which no secret has
    message = (message:sub(1, LONGEST):match("^.*%s") or "") .. "..."
  end
  local secrets = {}
  for _, secret in ipairs { given.secretKey, signature or "", given.token or "" } do
    -- with its padding, and without: that is written in many ways
    local bare = secret:gsub("=+$", "")
    for _, part in ipairs { secret, bare } do
      if #part >= SHORTEST then
        message = text.replace(message, part)
        secrets[#secrets + 1] = part
      end
      if #bare == #secret then
        break
      end
    end
  end
  if message:find("[%%\\&]") then
    for _, secret in ipairs(secrets) do -- one may hold what looks like an escape; what is added is looked at, too
      secrets[#secrets + 1] = plain(secret)
    end
    message = unmasked(message, secrets)
  end
  return message
end

--- The signature in a text that ends with it.
---@param carrier string an Authorization header, a form or a URL
---@return string "" where there is none
function M.signature(carrier)
  local found = (carrier:match "Signature=([^&]*)$" or ""):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  return found
end

--- The same for what an attempt knows and sent.
---@param message string
---@param attempt qcimage.Attempt
---@return string
function M.attempt(message, attempt)
  return M.call(message, attempt.credentials, attempt.carrier and M.signature(attempt.carrier))
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local encoded = bytes:gsub("..?.?", function(group)
    local first, second, third = group:byte(1, 3)
    local number, digits = first * 65536 + (second or 0) * 256 + (third or 0), {}
    for i = 4, 1, -1 do
      digits[i] = i <= #group + 1 and ALPHABET:sub(number % 64 + 1, number % 64 + 1) or "="
      number = math.floor(number / 64)
    end
    return table.concat(digits)
  end)
  return encoded
end

-- Adds user and password of a proxy's URL, as they may stand in libcurl's messages or a proxy's page.
local function addLogin(secrets, url)
  local login = url and (url:match "^[%w+.-]+://(.*)@" or url:match "^(.*)@")
  if not login or login == "" then
    return
  end
  local bare = login:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  for _, form in ipairs { login, bare, base64(bare), login:match ":(.*)" or "", bare:match ":(.*)" or "" } do
    if #form >= SHORTEST then
      secrets[#secrets + 1] = form
    end
  end
end

--- The logins of the proxies that a client may use.
---@param proxy string|nil URL of the option
---@param environment table<string, string> a snapshot
---@return string[] secrets for `proxies`
function M.logins(proxy, environment)
  local secrets = {}
  addLogin(secrets, proxy)
  for _, name in ipairs(environments.PROXIES) do
    addLogin(secrets, environment[name])
  end
  return secrets
end

--- Puts "***" for each login of a proxy.
---@param message string
---@param secrets string[] from `logins`
---@return string
function M.proxies(message, secrets)
  for _, secret in ipairs(secrets) do
    message = text.replace(message, secret)
  end
  -- the pattern helps where the environment has changed since the secrets were noted
  return (message:gsub("://[^/%s]*@", "://***@"))
end

return M
