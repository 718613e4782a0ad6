--- checks.lua - the checks of qcimage doctor: a client's settings and where they come from, the connection, the clock, and
--- one read-only call, made by that same client. They report what libcurl and the library say; nothing is resolved or
--- measured in another way. Part of qcimage, see LICENSE.

local clients = require "qcimage.client"
local client_options = require "qcimage.cli.client_options"
local core = require "qcimage.core"
local advice = require "qcimage.cli.advice"
local endpoints = require "qcimage.api.endpoints"
local exits = require "qcimage.cli.exit_codes"
local httpDate = require "qcimage.util.http_date"
local limits = require "qcimage.util.limits"
local text = require "qcimage.util.text"

local M = {}

---@class qcimage.cli.Check
---@field verdict "ok"|"warning"|"FAILED"|"-" "-": not used, or not looked at
---@field check string
---@field finding string
---@field cure string|nil what to do

local OK, WARNING, FAILED, UNUSED = "ok", "warning", "FAILED", "-"

--- Seconds for all of it, where --timeout says nothing.
M.LONGEST = 15

local Diagnosis = {}
Diagnosis.__index = Diagnosis

function Diagnosis:add(verdict, check, finding, cure)
  local entry = { verdict = verdict, check = check, finding = finding, cure = cure }
  self.checks[#self.checks + 1] = entry
  return entry
end

function Diagnosis:left()
  return math.max(0.001, self.deadline - core.monotonic())
end

-- Adds where a value comes from.
local function from(value, source)
  return source and ("%s (%s)"):format(value, source) or value
end

function Diagnosis:keys(fact)
  for _, one in ipairs(fact.passed) do
    local why = one.why:find(one.source, 1, true) and one.why or ("%s: %s"):format(one.source, one.why)
    self:add(UNUSED, "keys", why)
  end
  local err = fact.err
  if not err then
    local words = { fact.value, fact.temporary and "temporary" or nil }
    if fact.expires then
      words[#words + 1] = "until " .. os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(fact.expires))
    end
    local source = fact.isOfRole and fact.source .. ", by the role below" or fact.source
    self:add(OK, "keys", ("%s: %s"):format(source, table.concat(words, ", ")))
  elseif err.final then
    self:add(FAILED, "keys", err.message, advice.keys(err))
  else
    local finding = #fact.passed > 0 and "none of these sources has any" or err.message
    self:add(FAILED, "keys", finding, advice.NO_KEYS)
  end
end

function Diagnosis:role(fact)
  self:add(OK, "role", from(fact.value, fact.source))
end

function Diagnosis:stsEndpoint(fact)
  if fact.err then
    self:add(FAILED, "STS", fact.err.message, advice.ROLE)
  else
    self:add(OK, "STS", from(fact.value, fact.source))
  end
end

function Diagnosis:region(fact)
  if fact.err then
    self:add(FAILED, "region", fact.err.problem or fact.err.message, advice.region(fact.err))
    return
  elseif not fact.value then
    self:add(UNUSED, "region", "not resolved, for lack of an endpoint")
    return
  end
  for _, one in ipairs(fact.passed) do
    if one.isOutranked then -- the others are empty
      self:add(UNUSED, "region", ("%s: %s"):format(one.source, one.why))
    end
  end
  self:add(OK, "region", from(text.oneLine(fact.value, 80), fact.source))
end

function Diagnosis:apiVersion(fact)
  self:add(OK, "API version", from(fact.value, fact.source))
end

function Diagnosis:endpoint(fact, endpoint)
  self.isPlaced = not fact.err or self.client.target.endpoint ~= nil
  if fact.err then
    self:add(FAILED, "endpoint", fact.err.problem or fact.err.message, "correct the file that is named, or remove it")
  else
    local isGone = endpoint.isDefault and self.client.version == "2.0"
    local source = endpoint.isDefault and "the public cloud" or fact.source
    self:add(isGone and WARNING or OK, "endpoint", from(fact.value, source), isGone and advice.GONE or nil)
  end
end

function Diagnosis:connectTo(fact)
  self:add(OK, "connect to", from(fact.value, fact.source))
end

function Diagnosis:proxy(fact)
  self.isProxied = fact.value ~= nil
  self.proxyCheck = self:add(fact.source and OK or UNUSED, "proxy", from(fact.value or "none", fact.source))
end

function Diagnosis:caFile(fact)
  if not fact.source then
    self:add(UNUSED, "certificates", "not needed over http")
  elseif fact.problem then
    local cure = fact.source:find "^libcurl" and advice.NO_BUNDLE or advice.CERTIFICATES
    self.caCheck = self:add(WARNING, "certificates", from(fact.problem, fact.source), cure)
  else
    self:add(OK, "certificates", fact.value and from(fact.value, fact.source) or fact.source)
  end
  for _, folder in ipairs(fact.folders or {}) do
    local problem = folder.problem
    local finding = from(problem or folder.path, "SSL_CERT_DIR")
    self:add(problem and WARNING or OK, "certificates", finding, problem and advice.CERTIFICATES)
  end
end

-- Has the client's transport noted: the first exchange with a host, its stages, and the response or the failure.
function Diagnosis:watch()
  local client = self.client
  local transport, notes = client.transport, client.transportNotes
  function client.transport(request, seconds)
    local began = core.time()
    local response, message, detail = transport(request, seconds)
    local address = ("%s:%d"):format(request.host, request.port)
    self.exchanges[address] = self.exchanges[address]
      or {
        address = address,
        to = request.connectTo or request,
        scheme = request.scheme,
        response = response,
        message = message,
        reason = detail and detail.reason,
        stages = notes.stages(),
        isKept = self.answered[address],
        middle = (began + core.time()) / 2,
      }
    self.answered[address] = response ~= nil
    return response, message, detail
  end
end

local function milliseconds(seconds)
  return ("%.0f ms"):format(seconds * 1000)
end

-- Which stage a failure is of; a time-out is of the first that was not reached.
local STAGE_OF = { dns = 1, connect = 2, tls = 3 }

-- Each stage of the way, as an exchange went it. Returns whether one of them failed.
function Diagnosis:way(exchange)
  local stages, reason, hasFailed = exchange.stages, exchange.reason, false
  local failing = STAGE_OF[reason] or not exchange.response and reason ~= "proxy" and reason ~= "timeout" and 4
  local function stage(number, name, reached, said)
    if reached then
      self:add(OK, name, ("%s, after %s"):format(said, milliseconds(reached)))
    elseif exchange.response or failing and number < failing then -- libcurl gives no time for what took none
      self:add(OK, name, exchange.isKept and said .. ", a kept connection" or said)
    elseif failing == number or not failing and reason == "timeout" then
      failing, hasFailed = number, true
      if number == 3 and self.caCheck then
        self.caCheck.verdict = FAILED -- the cause
      end
      self:add(FAILED, name, exchange.message, advice.network(reason))
    else
      self:add(UNUSED, name, "not reached")
    end
  end
  local to, address = exchange.to, stages.address
  local host = ("%s:%d"):format(to.host, to.port)
  if reason == "proxy" then
    local check = self.proxyCheck
    check.verdict, check.cure, hasFailed = FAILED, advice.network(reason), true
    check.finding = check.finding .. ": " .. exchange.message
  end
  if not self.isProxied then
    if to.host:find "^[%d.]+$" or to.host:find "^%[" then
      self:add(UNUSED, "DNS", "no name to look up")
    else
      stage(1, "DNS", stages.resolved, host)
    end
  end
  stage(2, "TCP", stages.connected, address and address ~= to.host and host .. " over " .. address or host)
  if exchange.scheme == "https" then
    stage(3, "TLS", stages.secured, "set up")
  else
    self:add(UNUSED, "TLS", "not used over http")
  end
  return hasFailed
end

-- Seconds that the service minds, and that a Date in whole seconds and a slow way explain.
local MINDED, EXPLAINED = 240, 5

function Diagnosis:clock(exchange)
  local date = exchange.response and httpDate.parse(exchange.response.headers.date, exchange.middle)
  if not date then
    local what = exchange.response and "the answer has no Date to compare with" or "no answer to compare with"
    self:add(UNUSED, "clock", what)
    return
  end
  local off = math.floor(exchange.middle - (date + 0.5) + 0.5) -- a Date leaves the part of its second out
  local size = math.abs(off)
  local said = ("%.0f s %s the service's"):format(size, off < 0 and "behind" or "ahead of")
  if size <= EXPLAINED then
    self:add(OK, "clock", "right by the service's Date")
  elseif size <= MINDED then
    self:add(WARNING, "clock", said .. "; it takes up to 300 s", advice.CLOCK)
  else
    self:add(WARNING, "clock", said .. ": each run is refused once, then signed by the service's time", advice.CLOCK)
  end
end

-- Whether an answer looks like that of another API version.
local function isForeign(err, version)
  return err.kind == "response" and err.reason ~= "tooLarge"
    or err.code ~= nil and (type(err.code) == "number") == (version == "3.0")
end

-- The API version that answers at the endpoint where the client's does not; or nil.
function Diagnosis:otherVersion(options, err)
  local version = self.client.version
  if not isForeign(err, version) or self.target.isDefault then
    return nil
  end
  local other = version == "3.0" and "2.0" or "3.0"
  -- at the same endpoint: what names it may do so for one version alone
  local copy = setmetatable({ apiVersion = other, endpoint = self.target.origin }, { __index = options })
  local client = client_options.made(copy)
  if not client or client.configError then
    return nil
  end
  local works, _, problem = client:describe({ limit = 1 }, { timeout = self:left(), maxAttempts = 1 })
  client:close()
  return (works or not isForeign(problem, other) and problem.kind == "service") and other or nil
end

-- One call that changes nothing. Returns its row, and its error.
function Diagnosis:read(options)
  local client = self.client
  local found, message, err = client:describe({ limit = 1 }, { timeout = self:left() })
  if found then
    local said = "DescribeImages at %s: %s images in %s"
    local check = {
      verdict = OK,
      check = "signed read",
      finding = said:format(self.target.host, found.totalCount, self.regionName),
    }
    return check
  end
  local other = self:otherVersion(options, err)
  local cure = other and advice.otherVersion(other, client.target.endpoint) or advice.call(err)
  return { verdict = FAILED, check = "signed read", finding = message, cure = cure }, err
end

-- The identity by STS, if the public one is used or another is named. For information only: calls can work without it.
function Diagnosis:identity()
  local client = self.client
  if client.version ~= "3.0" or not (self.target.isDefault or client.stsEndpoint) then
    return
  end
  local found = client:call("GetCallerIdentity", {}, { timeout = self:left(), maxAttempts = 1 })
  if found then
    local who = "%s of the account ...%s (GetCallerIdentity of STS)"
    self:add(OK, "identity", who:format(text.oneLine(tostring(found.type), 40), tostring(found.accountId):sub(-4)))
  else
    self:add(UNUSED, "identity", "unknown: GetCallerIdentity of STS failed")
  end
end

-- The way to the endpoint and its clock, where no call can be signed.
function Diagnosis:look()
  local headers = { Host = self.target.hostHeader, ["Accept-Encoding"] = "identity" }
  local request = endpoints.request(self.target, "GET", "/", headers)
  self.client.transport(request, math.min(self:left(), limits.attemptTimeout))
end

-- The rows of what a client's calls go by. Returns the first error, as a call would end with it.
function Diagnosis:facts()
  local facts, err, endpoint = clients.explain(self.client, self:left())
  if not facts then
    return err
  end
  self.target = endpoint
  local first
  for _, fact in ipairs(facts) do
    if fact.field == "region" then
      self.regionName = text.oneLine(fact.value or "", 80)
    end
    self[fact.field](self, fact, endpoint)
    first = first or fact.err
  end
  return first
end

-- The row of the cause first.
local function sorted(checks)
  for i, check in ipairs(checks) do
    if check.verdict == FAILED then
      table.insert(checks, 1, table.remove(checks, i))
      break
    end
  end
  return checks
end

-- Looks at everything. Returns the code that a call would end with.
function Diagnosis:run(options)
  local loads, fault = pcall(require, "qcimage.transport.curl")
  if not loads then
    self:add(FAILED, "libcurl", tostring(fault):match "^[^\n]*", advice.LIBCURL)
    return exits.NOT_SENT
  end
  local client, problem, err = client_options.client(options)
  if not client or client.configError then
    err = err or client and client.configError
    self:add(FAILED, "settings", problem or err.message, advice.settings(err))
    return client and exits.PARAMETER or exits.USAGE
  end
  self.client = client
  self:watch()
  local read =
    { verdict = UNUSED, check = "signed read", finding = "not made, for lack of keys, a region or an endpoint" }
  err = self:facts()
  self.exchanges = {} -- of what gives keys
  if not err then
    read, err = self:read(options)
  elseif self.isPlaced then
    self:look()
  end
  local exchange = self.exchanges[("%s:%d"):format(self.target.host, self.target.port)]
  if exchange then
    if self:way(exchange) and err then
      read = { verdict = UNUSED, check = "signed read", finding = "not sent, for what failed above" }
    end
    self:clock(exchange)
  end
  self.checks[#self.checks + 1] = read
  if not err then
    self:identity()
  end
  client:close()
  return err and exits.of(err, true) or exits.OK
end

-- The versions in use, in few words.
local function versions()
  local words = {}
  for i, line in ipairs(require("qcimage.cli.help").versions()) do
    words[i] = line:match "running with libcurl/(%S+)" and "libcurl " .. line:match "running with libcurl/(%S+)"
      or line:match "running with (OpenSSL [%d.%w]+)"
      or line:find "^libcurl does not load" and "no libcurl"
      or line:match "^%S+ %S+"
  end
  return table.concat(words, ", ")
end

--- Looks at everything.
---@param options table the command's
---@return qcimage.cli.Check[]
---@return integer code for os.exit
function M.run(options)
  local self = setmetatable({ checks = {}, exchanges = {}, answered = {} }, Diagnosis)
  self.deadline = core.monotonic() + (options.timeout or M.LONGEST)
  local code = self:run(options)
  local checks = sorted(self.checks)
  self:add(OK, "versions", versions())
  return checks, code
end

return M
