--- options.lua - the options of a client and of a call: known names, types, values. What is wrong with them is a mistake
--- of the program and is raised. Where they lead: target.lua.
--- Pure. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local limits = require "qcimage.util.limits"
local redact = require "qcimage.util.redact"
local roles = require "qcimage.api.roles"
local text = require "qcimage.util.text"

--- Options of a client; the README tells the defaults.
---@class qcimage.Options
---@field secretId string|nil
---@field secretKey string|nil
---@field token string|nil of temporary keys
---@field credentials table|function|nil secretId, secretKey and token, or what returns them at each call
---@field profile string|nil a profile of tccli's, or a section of ~/.tencentcloud/credentials
---@field roleArn string|nil a role that the keys assume
---@field roleSessionName string|nil
---@field metadata string|false|nil URL of the metadata service; false: it is not asked
---@field stsEndpoint string|nil URL of another Security Token Service
---@field region string|nil
---@field apiVersion "2.0"|"3.0"|nil
---@field endpoint string|nil URL of another host
---@field connectTo string|nil HOST or HOST:PORT: where the bytes for the endpoint go
---@field allowPlainHttp boolean|nil
---@field method "POST"|"GET"|nil GET: API 2.0 alone
---@field signatureMethod "HmacSHA256"|"HmacSHA1"|nil API 2.0
---@field language "zh-CN"|"en-US"|nil API 3.0
---@field timeout number|nil seconds: the whole call
---@field attemptTimeout number|nil seconds
---@field connectTimeout number|nil seconds
---@field maxAttempts integer|nil
---@field maxResponseBytes integer|nil
---@field poolIdle number|nil nginx: seconds
---@field poolSize integer|nil nginx: connections
---@field proxy string|nil URL; "" for none
---@field caFile string|nil
---@field verify boolean|nil false checks no certificate
---@field userAgent string|nil
---@field skipRules boolean|nil sends what the documented rules refuse
---@field limiter qcimage.Limiter|function|nil asked before each attempt; or its acquire
---@field onAttempt function|nil fun(record), told of each attempt
---@field clock function|nil fun(): Unix time in seconds
---@field sleep function|nil fun(seconds)
---@field nonce function|nil fun(): decimal digits
---@field transport function|nil fun(request, seconds): response, or nil, message, detail

--- Options of a call.
---@class qcimage.CallOptions
---@field region string|nil
---@field timeout number|nil seconds: the whole call
---@field maxAttempts integer|nil
---@field readBack boolean|nil false: a modification whose outcome is unknown is not read back
---@field raw boolean|nil parameters are named as they travel, and not checked

--- Options of `wait`.
---@class qcimage.WaitOptions
---@field waitTimeout number|nil seconds: the whole wait, 600 by default
---@field onProgress function|nil fun(progress), called after each poll: total, done (images that have the state),
--- elapsed (seconds), imageStates (by id; an image that was not found has none)
---@field region string|nil
---@field timeout number|nil seconds: one call
---@field maxAttempts integer|nil of one call

--- What `apply` changes: a list of tables, or a text of one in CSV, JSON or JSON Lines; or a plan, as a dry run's report
--- has it or as text.
---@alias qcimage.Changes table|string

--- Options of `apply`.
---@class qcimage.ApplyOptions
---@field dryRun boolean|nil plans, and changes nothing: the report has `plan`
---@field journal string|nil file that is made, and tells what was intended and done
---@field resume string|nil a journal: goes on with its run
---@field undo string|nil a journal: takes back what its run did
---@field continue boolean|nil changes at fault fail by themselves; without it one of them keeps all from being sent
---@field temporaryNames boolean|nil names that images swap go by a third one
---@field format "csv"|"json"|"jsonl"|nil of a text; by default what it holds
---@field empty "keep"|"clear"|nil what an empty cell of CSV means for a description
---@field region string|nil of changes that name none
---@field onProgress function|nil fun(progress), told after each image: total, done, failed, sent
---@field stop function|nil fun(): boolean; true: nothing more is sent

local M = {}

local function oneOf(...)
  local words = { ... }
  return function(value)
    for _, word in ipairs(words) do
      if value == word then
        return true
      end
    end
    local shown = {}
    for i, word in ipairs(words) do
      shown[i] = ('"%s"'):format(word)
    end
    return false, "must be " .. table.concat(shown, " or ")
  end
end

local function of(kind)
  return function(value)
    return type(value) == kind, ("must be a %s"):format(kind)
  end
end

local function plainText(value)
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return value ~= "" and not value:find(text.CONTROL), "must not be empty or hold control characters"
end

local function region(value) -- calls check its form, and mend white space around it
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return plainText((value:gsub("\t", " ")))
end

local function proxy(value) -- "" is none
  return type(value) == "string" and not value:find(text.CONTROL), "must be a URL without control characters"
end

local function profileName(value)
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return text.isFileName(value), "must be a name: not empty, no path, no control characters"
end

local function isUrl(value)
  local parsed, problem = endpoints.parse(type(value) == "string" and value or "")
  return parsed ~= nil and parsed.version == nil, problem or "must have no path"
end

local function urlOrFalse(value)
  if value == false then
    return true
  end
  return isUrl(value)
end

local function secret(value) -- the credentials' own check says more, without raising
  return type(value) == "string", "must be text"
end

local function target(value)
  if type(value) ~= "string" then
    return false, "must be text, HOST or HOST:PORT"
  end
  local parsed, problem = endpoints.parseTarget(value)
  return parsed ~= nil, problem
end

local function roleArn(value)
  local problem = roles.arnProblem(value)
  return problem == nil, problem
end

local function roleSessionName(value)
  local problem = roles.sessionProblem(value)
  return problem == nil, problem
end

local function seconds(value)
  local most = limits.longestTimeout
  return type(value) == "number" and value > 0 and value <= most,
    ("must be a number of seconds above 0, at most %d"):format(most)
end

local function idleSeconds(value)
  local most = limits.longestPoolIdle
  return type(value) == "number" and value > 0 and value < most,
    ("must be a number of seconds above 0 and below %d"):format(most)
end

local function count(most)
  return function(value)
    return type(value) == "number" and value >= 1 and value <= most and value % 1 == 0,
      ("must be a whole number from 1 to %.0f"):format(most)
  end
end

local CREDENTIALS = { secretId = true, secretKey = true, token = true }

local function provider(value)
  if type(value) == "table" then
    for name in pairs(value) do
      if not CREDENTIALS[name] then -- shown only where it can be no secret in the wrong place
        local shown = type(name) == "string" and name:find "^[%a_]+$" and #name < 16 and " " .. name or ""
        return false, ("has an unknown field%s (known: secretId, secretKey, token)"):format(shown)
      end
    end
  end
  return type(value) == "function" or type(value) == "table",
    "must be a function or a table with secretId and secretKey"
end

local function limiter(value)
  return type(value) == "function" or type(value) == "table" and type(value.acquire) == "function",
    "must be a limiter: a function, or a table with a function acquire"
end

local boolean, func = of "boolean", of "function"
local attempts = count(limits.mostAttempts)

M.client = {
  secretId = secret,
  secretKey = secret,
  token = secret,
  credentials = provider,
  profile = profileName,
  roleArn = roleArn,
  roleSessionName = roleSessionName,
  metadata = urlOrFalse,
  stsEndpoint = isUrl,
  region = region,
  apiVersion = oneOf("2.0", "3.0"),
  endpoint = plainText,
  connectTo = target,
  allowPlainHttp = boolean,
  method = oneOf("POST", "GET"),
  signatureMethod = oneOf("HmacSHA256", "HmacSHA1"),
  language = oneOf("zh-CN", "en-US"),
  timeout = seconds,
  attemptTimeout = seconds,
  connectTimeout = seconds,
  maxAttempts = attempts,
  maxResponseBytes = count(2 ^ 31 - 1),
  poolIdle = idleSeconds,
  poolSize = count(limits.mostPoolSize),
  proxy = proxy,
  caFile = plainText,
  verify = boolean,
  userAgent = plainText,
  skipRules = boolean,
  limiter = limiter,
  onAttempt = func,
  clock = func,
  sleep = func,
  nonce = func,
  transport = func,
}

-- What calls go by where an option of the client does not say it.
local DEFAULTS = {
  method = "POST",
  signatureMethod = "HmacSHA256",
  timeout = limits.timeout,
  attemptTimeout = limits.attemptTimeout,
  maxAttempts = limits.maxAttempts,
}

M.call = {
  region = region,
  timeout = seconds,
  maxAttempts = attempts,
  readBack = boolean,
  raw = boolean,
}

M.wait = {
  waitTimeout = seconds,
  onProgress = func,
  region = region,
  timeout = seconds,
  maxAttempts = attempts,
}

M.apply = {
  dryRun = boolean,
  journal = plainText,
  resume = plainText,
  undo = plainText,
  continue = boolean,
  temporaryNames = boolean,
  format = oneOf("csv", "json", "jsonl"),
  empty = oneOf("keep", "clear"),
  region = region,
  onProgress = func,
  stop = func,
}

-- Options of a client that another one leaves without effect.
local BESIDE = {
  credentials = { "secretId", "secretKey", "token", "profile" },
  transport = {
    "caFile",
    "connectTimeout",
    "connectTo",
    "maxResponseBytes",
    "poolIdle",
    "poolSize",
    "proxy",
    "verify",
  },
}

local OWN_NAMES = "its parameters have names of their own; call takes those that travel"

-- Options of a call that have no effect in one of the functions, and why.
local WITHOUT_EFFECT = {
  describe = { raw = OWN_NAMES, readBack = "it changes nothing" },
  each = { raw = OWN_NAMES, readBack = "it changes nothing" },
  modify = { raw = OWN_NAMES },
  sign = {
    maxAttempts = "nothing is sent",
    readBack = "nothing is sent",
    timeout = "nothing is sent",
  },
}

--- Adds the defaults of what calls go by.
---@param options table checked
---@param userAgent string by default
function M.complete(options, userAgent)
  for name, value in pairs(DEFAULTS) do
    if options[name] == nil then
      options[name] = value
    end
  end
  options.userAgent = options.userAgent or userAgent
end

--- What is wrong with options that do not go together, or nil.
---@param options table checked
---@return string|nil problem
function M.conflict(options)
  if options.roleSessionName ~= nil and options.roleArn == nil then
    return "option roleSessionName has no effect without the option roleArn"
  end
  for name, others in pairs(BESIDE) do
    for _, other in ipairs(others) do
      if options[name] ~= nil and options[other] ~= nil then
        return ("option %s has no effect beside the option %s"):format(other, name)
      end
    end
  end
end

-- Values of these that ask for nothing.
local USUAL = { raw = false, readBack = true }

--- What is wrong with a call's options in one of the functions, or nil.
---@param name string
---@param options table checked
---@return string|nil problem
function M.misplaced(name, options)
  for option, why in pairs(WITHOUT_EFFECT[name] or {}) do
    if options[option] ~= nil and options[option] ~= USUAL[option] then
      return ("option %s does not go with %s: %s"):format(option, name, why)
    end
  end
end

-- Options of `apply` that have no effect beside a journal that is there.
local OF_LISTS = { "journal", "continue", "temporaryNames", "format", "empty", "region" }

--- What is wrong with the changes of `apply` beside its options, or nil.
---@param changes any
---@param options table checked
---@return string|nil problem
function M.misapplied(changes, options)
  local old = options.resume and "resume" or options.undo and "undo"
  if not old then
    return type(changes) ~= "table"
        and type(changes) ~= "string"
        and ("changes must be a list or a text, not a %s"):format(type(changes))
      or nil
  elseif options.resume and options.undo then
    return "option resume has no effect beside the option undo"
  elseif changes ~= nil then
    return ("the option %s takes no changes: they stand in the journal"):format(old)
  end
  for _, name in ipairs(OF_LISTS) do
    if options[name] ~= nil then
      return ("option %s has no effect beside the option %s"):format(name, old)
    end
  end
end

local function copied(given, known)
  local copy = {}
  for name, value in pairs(given) do
    copy[name] = value
  end
  if getmetatable(given) ~= nil then
    for name in pairs(known) do
      if copy[name] == nil then
        copy[name] = given[name]
      end
    end
  end
  return copy
end

--- Copies options, those that come by __index among them, as parameters may.
---@param given table
---@param known table<string, any> names
---@return table|nil
---@return string|nil problem what a metamethod threw
function M.own(given, known)
  local ok, copy = pcall(copied, given, known)
  if ok then
    return copy
  end
  return nil, redact.said(copy)
end

--- Checks options and gives a copy. Raises at the level of the public function's caller.
---@param known table<string, function> M.client or M.call
---@param given table|nil
---@param level integer as error takes it, seen from this function's caller
---@return table
function M.check(known, given, level)
  if given == nil then
    return {}
  end
  if type(given) ~= "table" then
    error(("options must be a table, not a %s"):format(type(given)), level + 1)
  end
  local copy, thrown = M.own(given, known)
  if not copy then
    error("options cannot be read: " .. thrown, level + 1)
  end
  for name, value in pairs(copy) do
    local check = known[name]
    if not check and known == M.call and M.client[name] then
      local message =
        "option %s is one of a client, not of a call: make a client for each %s (clients can share credentials)"
      error(message:format(name, name), level + 1)
    elseif not check then
      error(text.unknownName("option", name, known), level + 1)
    end
    local ok, problem = check(value)
    if not ok then
      error(("option %s %s"):format(name, problem), level + 1)
    end
  end
  return copy
end

return M
