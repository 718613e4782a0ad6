--- curl.lua - the transport for plain Lua: one kept connection over libcurl.
--- Blocks while it waits, so it is never used inside nginx. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local http = require("qcimage.version").native "qcimage.http"
local text = require "qcimage.text"

local M = {}

-- What libcurl reads proxies from; HTTP_PROXY it leaves alone (a CGI program gets it from anyone).
local PROXY_VARIABLES = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }

-- Bytes of libcurl's text that a message shows: its buffer has 256.
local SHOWN = 256

local function nonEmpty(value)
  return value ~= "" and value or nil
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  return (bytes:gsub("..?.?", function(group)
    local first, second, third = group:byte(1, 3)
    local number, digits = first * 65536 + (second or 0) * 256 + (third or 0), {}
    for i = 4, 1, -1 do
      digits[i] = i <= #group + 1 and ALPHABET:sub(number % 64 + 1, number % 64 + 1) or "="
      number = math.floor(number / 64)
    end
    return table.concat(digits)
  end))
end

local SHORTEST = 4 -- bytes; a shorter password would be found in any text

-- User and password of proxies, as they may stand in libcurl's messages or a proxy's page.
local function proxySecrets(proxy, environment)
  local secrets = {}
  local function add(url)
    local login = url and (url:match "^[%w+.-]+://(.*)@" or url:match "^(.*)@")
    if not nonEmpty(login) then
      return
    end
    local plain = login:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    for _, form in ipairs { login, plain, base64(plain), login:match ":(.*)" or "", plain:match ":(.*)" or "" } do
      if #form >= SHORTEST then
        secrets[#secrets + 1] = form
      end
    end
  end
  add(proxy)
  for _, name in ipairs(PROXY_VARIABLES) do
    add(environment[name])
  end
  return secrets
end

-- The pattern helps where the environment has changed since the secrets were noted.
local function redact(message, secrets)
  for _, secret in ipairs(secrets) do
    message = text.replace(message, secret)
  end
  return (message:gsub("://[^/%s]*@", "://***@"))
end

local function target(url)
  local scheme, authority = url:match "^(%a+)://([^/?#]*)"
  local host, port = authority:match "^(.*):(%d+)$"
  return host or authority, port or (scheme == "https" and "443" or "80")
end

-- The first variable whose proxy cannot be one: a password that was read with its line break.
local function faultyVariable(environment)
  for _, name in ipairs(PROXY_VARIABLES) do
    if environment[name] and environment[name]:find(text.CONTROL) then
      return name
    end
  end
end

---@class qcimage.CurlOptions
---@field connectTimeout number seconds until a request can leave
---@field caFile string|nil file with the only certificates to trust; otherwise what CURL_CA_BUNDLE
--- or SSL_CERT_FILE name, or else libcurl's own
---@field environment table<string, string>|nil a snapshot of the environment
---@field maxResponseBytes integer|nil of an answer's body
---@field proxy string|nil URL; "" for none; otherwise what the environment says, but not for this
--- machine
---@field verify boolean|nil false: takes any certificate

--- Makes a transport. Opens nothing.
---@param options qcimage.CurlOptions
---@return fun(request: table, secondsLeft: number): table|nil, string|nil, table|nil transport
---@return fun() close ends the connection; may be called again
function M.new(options)
  local environment = options.environment or {}
  local caFile = options.caFile
    or nonEmpty(environment.CURL_CA_BUNDLE)
    or nonEmpty(environment.SSL_CERT_FILE)
  local secrets = proxySecrets(options.proxy, environment)
  local faulty = not options.proxy and faultyVariable(environment)
  local connection = http.new {
    caFile = caFile,
    maxResponseBytes = options.maxResponseBytes,
    proxy = options.proxy,
    verify = options.verify,
  }

  local function describe(reason, message, host, port)
    local where = host .. ":" .. port
    local what = reason and errors.TRANSPORT[reason]:format(where) or ("the request to %s failed"):format(where)
    local hint = ""
    if reason == "tls" then
      hint = (" (certificates from %s; the option caFile names a file of others)"):format(
        caFile or http.caFile() or "libcurl's own place"
      )
    end
    return ("%s: %s%s"):format(what, text.clean(redact(message, secrets), SHOWN), hint)
  end

  local function transport(request, secondsLeft)
    local host, port = target(request.url)
    if secondsLeft <= 0 then
      local message = describe("timeout", "no time was left", host, port)
      return nil, message, { sent = false, reason = "timeout" }
    end
    local isHere = endpoints.isLoopback(host)
    if faulty and not isHere then
      local message = describe("proxy", faulty .. " holds a control character", host, port)
      return nil, message, { sent = false, reason = "proxy" }
    end
    local response, message, detail =
      connection:send(request, secondsLeft, math.min(secondsLeft, options.connectTimeout), isHere)
    if response then
      if response.status ~= 200 and #secrets > 0 then -- it may be the proxy's own
        response.body = redact(response.body, secrets)
      end
      return response
    end
    return nil, describe(detail.reason, message, host, port), detail
  end

  return transport, function()
    connection:close()
  end
end

return M
