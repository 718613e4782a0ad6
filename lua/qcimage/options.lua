--- options.lua - the options of a client, of a call, of `wait` and of `apply`: names, types, and which exclude each other.
--- Invalid options are programming errors. What they resolve to: target.lua.
--- Pure. Part of qcimage, see LICENSE.

local limits = require "qcimage.util.limits"
local misuse = require "qcimage.util.misuse"
local optionNames = require "qcimage.util.option_names"
local redact = require "qcimage.util.redact"
local tables = require "qcimage.util.tables"
local text = require "qcimage.util.text"
local types = require "qcimage.option_types"

--- Options of a client; for the defaults see docs/api.md.
---@class qcimage.Options
---@field secretId string|nil
---@field secretKey string|nil
---@field token string|nil of temporary keys
---@field credentials table|function|nil secretId, secretKey and token, or a function that returns them for each attempt
---@field profile string|nil a profile of tccli, or a section of ~/.tencentcloud/credentials
---@field roleArn string|nil a role to assume with the keys
---@field roleSessionName string|nil
---@field metadata string|false|nil URL of the metadata service; false: it is not used
---@field stsEndpoint string|nil URL of another Security Token Service
---@field region string|nil
---@field apiVersion "2.0"|"3.0"|nil
---@field endpoint string|nil URL of another host
---@field connectTo string|nil HOST or HOST:PORT to connect to instead of the endpoint's
---@field allowPlainHttp boolean|nil
---@field method "POST"|"GET"|nil GET: API 2.0 only
---@field signatureMethod "HmacSHA256"|"HmacSHA1"|nil API 2.0
---@field language "zh-CN"|"en-US"|nil API 3.0
---@field timeout number|nil seconds of the whole call
---@field attemptTimeout number|nil seconds
---@field connectTimeout number|nil seconds
---@field maxAttempts integer|nil
---@field maxResponseBytes integer|nil
---@field poolIdle number|nil nginx: seconds
---@field poolSize integer|nil nginx: connections
---@field proxy string|nil URL; "": none
---@field caFile string|nil
---@field verify boolean|nil false: certificates are not verified
---@field userAgent string|nil
---@field skipRules boolean|nil parameters are not validated against the documented rules
---@field limiter qcimage.Limiter|function|nil rate limiter, or its acquire; asked before each attempt
---@field onAttempt function|nil fun(record), called after each attempt
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

--- Options of `each`.
---@class qcimage.EachOptions: qcimage.CallOptions
---@field regions "all"|string[]|nil lists each of these, several at once, in this order; images have the field `region`.
--- "all": the public cloud's, without the finance zones
---@field concurrency integer|nil regions at once, 8 by default

--- Options of `wait`.
---@class qcimage.WaitOptions
---@field waitTimeout number|nil seconds of the whole wait, 600 by default
---@field onProgress function|nil fun(progress), called after each poll: total, done (images that have the state),
--- elapsed (seconds), imageStates (by id; without images that were not found)
---@field region string|nil
---@field timeout number|nil seconds of each call
---@field maxAttempts integer|nil of each call

--- What `apply` changes: a list of tables; text of one in CSV, JSON or JSON Lines; or a plan, as in the report of a dry run or
--- as text.
---@alias qcimage.Changes table|string

--- Options of `apply`.
---@class qcimage.ApplyOptions
---@field dryRun boolean|nil plans without changing anything: the report has `plan`
---@field journal string|nil new file that records each step before it is sent
---@field resume string|nil a journal whose run is continued
---@field undo string|nil a journal whose run is rolled back
---@field continue boolean|nil invalid changes fail one by one; by default a single one prevents the run
---@field temporaryNames boolean|nil images that swap names are renamed through a temporary name
---@field format "csv"|"json"|"jsonl"|nil of text; by default it is detected
---@field empty "keep"|"clear"|nil meaning of an empty CSV cell for a description
---@field region string|nil default region of the changes
---@field onProgress function|nil fun(progress), called after each image: total, done, failed, sent, held, phase
---@field stop function|nil fun(): boolean; true: nothing more is sent
---@field concurrency integer|nil changes in flight at once, 1 to 16, 8 by default
---@field rate number|nil changes a second, 0.01 to 1000, 9.7 by default; not beside the client's limiter

local M = {}

local attempts = types.count(limits.mostAttempts)

M.client = {
  secretId = types.secret,
  secretKey = types.secret,
  token = types.secret,
  credentials = types.credentials,
  profile = types.profileName,
  roleArn = types.roleArn,
  roleSessionName = types.roleSessionName,
  metadata = types.urlOrFalse,
  stsEndpoint = types.url,
  region = types.region,
  apiVersion = types.oneOf("2.0", "3.0"),
  endpoint = types.plainText,
  connectTo = types.connectTo,
  allowPlainHttp = types.boolean,
  method = types.oneOf("POST", "GET"),
  signatureMethod = types.oneOf("HmacSHA256", "HmacSHA1"),
  language = types.oneOf("zh-CN", "en-US"),
  timeout = types.seconds,
  attemptTimeout = types.seconds,
  connectTimeout = types.seconds,
  maxAttempts = attempts,
  maxResponseBytes = types.count(2 ^ 31 - 1),
  poolIdle = types.idleSeconds,
  poolSize = types.count(limits.mostPoolSize),
  proxy = types.proxy,
  caFile = types.plainText,
  verify = types.boolean,
  userAgent = types.plainText,
  skipRules = types.boolean,
  limiter = types.limiter,
  onAttempt = types.func,
  clock = types.func,
  sleep = types.func,
  nonce = types.func,
  transport = types.func,
}

-- Defaults of a client's options.
local DEFAULTS = {
  method = "POST",
  signatureMethod = "HmacSHA256",
  timeout = limits.timeout,
  attemptTimeout = limits.attemptTimeout,
  maxAttempts = limits.maxAttempts,
}

M.call = {
  region = types.region,
  timeout = types.seconds,
  maxAttempts = attempts,
  readBack = types.boolean,
  raw = types.boolean,
}

M.each = {
  regions = types.regions,
  concurrency = types.count(limits.mostConcurrency),
}
for name, fits in pairs(M.call) do
  M.each[name] = fits
end

M.wait = {
  waitTimeout = types.seconds,
  onProgress = types.func,
  region = types.region,
  timeout = types.seconds,
  maxAttempts = attempts,
}

local function rate(value)
  return type(value) == "number" and value >= 0.01 and value <= 1000,
    "must be a number of changes a second, 0.01 to 1000"
end

M.apply = {
  dryRun = types.boolean,
  journal = types.plainText,
  resume = types.plainText,
  undo = types.plainText,
  continue = types.boolean,
  temporaryNames = types.boolean,
  format = types.oneOf("csv", "json", "jsonl"),
  empty = types.oneOf("keep", "clear"),
  region = types.region,
  onProgress = types.func,
  stop = types.func,
  concurrency = types.count(16),
  rate = rate,
}

-- Options of a client that exclude others.
local EXCLUDED = {
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

local PUBLIC_NAMES = "its parameters have public names; use call for wire names"

-- Options of a call that a function does not take, and why.
local WITHOUT_EFFECT = {
  describe = { raw = PUBLIC_NAMES, readBack = "it changes nothing" },
  each = { raw = PUBLIC_NAMES, readBack = "it changes nothing" },
  modify = { raw = PUBLIC_NAMES },
  sign = {
    maxAttempts = "nothing is sent",
    readBack = "nothing is sent",
    timeout = "nothing is sent",
  },
}

--- Adds the defaults.
---@param options table validated
---@param userAgent string the default
function M.addDefaults(options, userAgent)
  for name, value in pairs(DEFAULTS) do
    if options[name] == nil then
      options[name] = value
    end
  end
  options.userAgent = options.userAgent or userAgent
end

-- What is wrong with two options, and the name of the first.
local function exclusive(one, other)
  return ("%s and %s cannot be combined"):format(optionNames.shown(one), optionNames.shown(other)), one
end

--- Looks for options of a client that cannot be combined.
---@param options table validated
---@return string|nil problem nil: there are none
---@return string|nil name of the invalid option
function M.conflict(options)
  if options.roleSessionName ~= nil and options.roleArn == nil then
    local problem = "%s needs %s"
    return problem:format(optionNames.shown "roleSessionName", optionNames.shown "roleArn"), "roleSessionName"
  end
  for name, others in pairs(EXCLUDED) do
    for _, other in ipairs(others) do
      if options[name] ~= nil and options[other] ~= nil then
        return exclusive(other, name)
      end
    end
  end
end

-- Values equal to the default.
local NEUTRAL = { raw = false, readBack = true }

--- Looks for an option of a call that a function does not take.
---@param name string of the function
---@param options table validated
---@return string|nil problem nil: there is none
function M.misplaced(name, options)
  if options.region ~= nil and options.regions ~= nil then
    return (exclusive("region", "regions"))
  end
  for option, why in pairs(WITHOUT_EFFECT[name] or {}) do
    if options[option] ~= nil and options[option] ~= NEUTRAL[option] then
      return ("%s cannot be used with %s: %s"):format(optionNames.shown(option), name, why)
    end
  end
end

--- Options of `apply` that a run which continues from a journal does not take.
M.OF_LISTS = { "journal", "continue", "temporaryNames", "format", "empty", "region" }

--- Validates the changes of `apply` together with its options.
---@param changes any
---@param options table validated
---@return string|nil problem nil: they are valid
function M.misapplied(changes, options)
  local old = options.resume and "resume" or options.undo and "undo"
  if not old then
    return type(changes) ~= "table"
        and type(changes) ~= "string"
        and ("changes must be a list or text, not a %s"):format(type(changes))
      or nil
  elseif options.resume and options.undo then
    return (exclusive("resume", "undo"))
  elseif changes ~= nil then
    return ("changes cannot be combined with %s: the journal contains them"):format(optionNames.shown(old))
  end
  for _, name in ipairs(M.OF_LISTS) do
    if options[name] ~= nil then
      return (exclusive(name, old))
    end
  end
end

local function copied(given, known)
  local copy = tables.copy(given)
  if getmetatable(given) ~= nil then -- fields may come from __index, as with parameters
    for name in pairs(known) do
      if copy[name] == nil then
        copy[name] = given[name]
      end
    end
  end
  return copy
end

--- Validates options.
---@param known table<string, qcimage.OptionType> M.client, M.call, or another table of types
---@param given any
---@return table|nil copy
---@return string|nil problem
---@return string|nil name of the invalid option
function M.validate(known, given)
  if given == nil then
    return {}
  elseif type(given) ~= "table" then
    return nil, ("options must be a table, not a %s"):format(type(given))
  end
  local ok, copy = pcall(copied, given, known) -- a metamethod may throw
  if not ok then
    return nil, "options cannot be read: " .. redact.said(copy)
  end
  for name, value in pairs(copy) do
    local fits = known[name]
    if not fits and (known == M.call or known == M.each) and M.client[name] then
      local message = "%s belongs to a client, not to a call: make a client for each %s (clients can share credentials)"
      return nil, message:format(optionNames.shown(name), name), name
    elseif not fits then
      return nil, text.unknownName("option", name, known), name
    end
    local isValid, problem = fits(value)
    if not isValid then
      return nil, ("%s %s"):format(optionNames.shown(name), problem), name
    end
  end
  return copy
end

--- Validates options, and raises a programming error at the line that gave them.
---@param known table<string, qcimage.OptionType>
---@param given any
---@return table copy
function M.check(known, given)
  local copy, problem = M.validate(known, given)
  if not copy then
    misuse.raise(problem)
  end
  return copy
end

return M
