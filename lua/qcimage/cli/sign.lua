--- sign.lua - qcimage sign: the signed request of an action, not sent; its signing stages; or a curl command that sends it.
--- Part of qcimage, see LICENSE.

local client_options = require "qcimage.cli.client_options"
local endpoints = require "qcimage.api.endpoints"
local output = require "qcimage.cli.output"
local shared = require "qcimage.cli.options"
local stdio = require "qcimage.cli.stdio"
local terminal = require "qcimage.cli.terminal_text"

local M = {}

M.takesParameters = true

M.ARGUMENTS = { shared.ACTION }

M.OPTIONS = {
  { "--explain", nil, "print each stage of the signature" },
  { "--curl", nil, "print a curl command that sends it, for sh, bash and zsh" },
  { "--method", "METHOD", "POST or GET (API 2.0) [POST]", choices = { "POST", "GET" } },
  {
    "--signature-method",
    "NAME",
    "HmacSHA256 or HmacSHA1 (API 2.0) [HmacSHA256]",
    choices = { "HmacSHA256", "HmacSHA1" },
  },
  shared.INPUT,
  shared.RAW,
}

M.ABOUT = [[
Parameters are given as to "qcimage call". Nothing is sent to the service; a role is assumed, though. A signature is
valid for five minutes, in API 2.0 once. It shows the SecretId, never the SecretKey or a token.]]

M.EXAMPLES = { "qcimage sign DescribeImages --Limit 1 --curl" }

local MASK = "***"

-- Order of the headers that a reader looks for; the others follow by their names.
local FIRST = { "Host", "Content-Type", "Authorization" }

-- Headers that curl adds by itself, and that are not signed.
local BY_CURL = { ["Accept-Encoding"] = true, ["User-Agent"] = true }

local function headersOf(request)
  local names, seen = {}, {}
  for _, name in ipairs(FIRST) do
    if request.headers[name] then
      names[#names + 1], seen[name] = name, true
    end
  end
  local others = {}
  for name in pairs(request.headers) do
    others[#others + 1] = not seen[name] and name or nil
  end
  table.sort(others)
  for _, name in ipairs(others) do
    names[#names + 1] = name
  end
  return names
end

-- The token of a request, where it has one.
local function tokenOf(request)
  local form = request.method == "GET" and request.path or request.body or ""
  local encoded = not request.canonicalRequest and form:match "[?&]Token=([^&]*)"
  return request.headers["X-TC-Token"]
    or encoded and encoded:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    or nil
end

-- The request as it may be shown: without its token.
local function masked(request, token)
  if not token then
    return request
  end
  local copy = { headers = {} }
  for name, value in pairs(request) do
    copy[name] = copy[name] or value
  end
  for name, value in pairs(request.headers) do
    copy.headers[name] = name == "X-TC-Token" and MASK or value
  end
  if not request.canonicalRequest then -- API 2.0 has it among the parameters
    local function hide(form)
      return form and form:gsub("([?&]Token=)[^&]*", "%1" .. MASK)
    end
    copy.url, copy.body = hide(request.url), hide(request.body)
    copy.stringToSign = require("qcimage.util.text").replace(request.stringToSign, token)
  end
  return copy
end

-- The lines of the request as HTTP/1.1 has them.
local function message(request)
  local lines = { ("%s %s"):format(request.method, request.url) }
  for _, name in ipairs(headersOf(request)) do
    lines[#lines + 1] = ("%s: %s"):format(name, request.headers[name])
  end
  if request.body then
    lines[#lines + 1] = ""
    lines[#lines + 1] = request.body
  end
  return lines
end

local KEY3 = [[
SecretDate    = HMAC-SHA256("TC3" + SecretKey, "%s")
SecretService = HMAC-SHA256(SecretDate, "%s")
SecretSigning = HMAC-SHA256(SecretService, "tc3_request")]]

-- Each stage: its title and its text.
local function stagesOf(request, signatureMethod)
  if request.canonicalRequest then
    local date, service = request.stringToSign:match "\n(%d+%-%d+%-%d+)/(%w+)/tc3_request\n"
    return {
      {
        "Canonical request: method, path, query, headers, their names, SHA-256 of the body",
        request.canonicalRequest,
      },
      { "String to sign: algorithm, time, scope, SHA-256 of the canonical request", request.stringToSign },
      { "Signing key, which is good for this day and never shown", KEY3:format(date, service) },
      { "Signature: HMAC-SHA256 of the string to sign with SecretSigning, in hexadecimal", request.signature },
    }
  end
  local digest = (signatureMethod or "HmacSHA256"):gsub("Hmac", "HMAC-")
  return {
    { "String to sign: method, host, path, and all parameters by their names, not encoded", request.stringToSign },
    { ("Signature: %s of the string to sign with the SecretKey, in Base64"):format(digest), request.signature },
  }
end

local function explained(request, signatureMethod)
  local stages = stagesOf(request, signatureMethod)
  stages[#stages + 1] = { "Request", table.concat(message(request), "\n") }
  local parts = {}
  for i, stage in ipairs(stages) do
    local lines = { stdio.painted("bold", ("%d. %s"):format(i, stage[1])) }
    for line in (stage[2] .. "\n"):gmatch "([^\n]*)\n" do
      lines[#lines + 1] = line == "" and "" or "   " .. terminal.message(line)
    end
    parts[i] = table.concat(lines, "\n")
  end
  return table.concat(parts, "\n\n") .. "\n"
end

-- A word for sh, bash and zsh.
local function shellWord(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Options of the client's that curl has, too, as its options.
local function curlOptions(request, options)
  local words = {}
  local function add(name, value)
    words[#words + 1] = name .. " " .. shellWord(value)
  end
  if options.caFile then
    add("--cacert", options.caFile)
  end
  local target = request.connectTo
  if target then
    add("--connect-to", ("::%s:%d"):format(target.host, target.port))
  end
  if options.proxy and options.proxy:find("@", 1, true) then
    stdio.note "the proxy is left out of the command, since it may hold a password; https_proxy names it to curl"
  elseif options.proxy and options.proxy ~= "" then
    add("--proxy", options.proxy)
  elseif options.proxy or endpoints.isLoopback((target or request).host) then
    add("--noproxy", "*")
  end
  return words
end

-- Bytes: Linux gives a program no longer argument than 128 KiB.
local LONGEST_ARGUMENT = 100000

local function curl(request, options)
  local start, words = "curl ", {}
  words[1] = shellWord(request.url)
  for _, word in ipairs(curlOptions(request, options)) do
    words[#words + 1] = word
  end
  for _, name in ipairs(headersOf(request)) do
    local value = request.headers[name]
    if name == "X-TC-Token" then
      words[#words + 1] = '--header "X-TC-Token: $TENCENTCLOUD_TOKEN"'
    elseif not BY_CURL[name] then
      words[#words + 1] = "--header " .. shellWord(name .. ": " .. value)
    end
  end
  if request.body and #request.body > LONGEST_ARGUMENT then
    start = ("printf %%s %s | curl "):format(shellWord(request.body))
    words[#words + 1] = "--data-binary @-"
  elseif request.body then
    words[#words + 1] = "--data-raw " .. shellWord(request.body)
  end
  return start .. table.concat(words, " \\\n  ") .. "\n"
end

-- What is wrong with the options, if anything is.
local function misuse(options)
  if options.explain and options.curl then
    return "--explain cannot be combined with --curl"
  elseif options.curl and options.output == "json" then
    return "--curl gives a command, not JSON"
  end
end

-- The document of --output json.
local function document(request, isExplained)
  local parts = { method = request.method, url = request.url, headers = request.headers, body = request.body }
  if isExplained then
    parts.canonicalRequest, parts.stringToSign = request.canonicalRequest, request.stringToSign
    parts.signature = request.signature
  end
  return parts
end

-- What is written of a request.
local function written(request, token, options)
  request = masked(request, token)
  if options.output == "json" then
    return require("qcimage.cli.json").document(document(request, options.explain))
  elseif options.explain then
    return explained(request, options.signatureMethod)
  end
  local lines = message(request)
  for i, line in ipairs(lines) do
    lines[i] = terminal.message(line)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local problem = misuse(options)
  if problem then
    return stdio.usage(problem, "sign")
  end
  local client, params = client_options.action(options)
  if not client then
    return stdio.usage(params, "sign " .. options.action)
  end
  local request, _, err = client:sign(options.action, params, { raw = options.raw })
  if not request then
    return output.fail(err, true)
  elseif not request.signature then
    return stdio.usage(options.action .. " is not signed", "sign")
  end
  local token = tokenOf(request)
  if options.curl and token and client.version == "2.0" then
    return stdio.usage(
      "API 2.0 signs the token, so no command can leave it out; --api-version 3.0, or keys without a token",
      "sign"
    )
  elseif options.curl and token and token ~= os.getenv "TENCENTCLOUD_TOKEN" then
    stdio.note "the command takes the token from TENCENTCLOUD_TOKEN, which has another value here or none"
  end
  if options.curl then
    local command = curl(request, options)
    if terminal.message(command) ~= command:gsub("\n", "\\x0a") then -- a terminal or a line editor would obey it
      return stdio.usage("a control character is in the request: no command that can be pasted has it", "sign")
    end
    return stdio.write(command)
  end
  return stdio.write(written(request, token, options))
end

return M
