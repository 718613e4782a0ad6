--- diagnosis.lua - what qcimage doctor finds: keys, region, endpoint, the way there, the clock, and one call that changes
--- nothing. What libcurl and the library's errors say of it is what is told; nothing is measured in another way.
--- Part of qcimage, see LICENSE.

local connect = require "qcimage.cli.connect"
local core = require "qcimage.core"
local cures = require "qcimage.cli.cures"
local endpoints = require "qcimage.api.endpoints"
local environments = require "qcimage.environment"
local exits = require "qcimage.cli.exits"
local httpdate = require "qcimage.httpdate"
local image = require "qcimage"
local limits = require "qcimage.limits"
local result = require "qcimage.cli.result"
local text = require "qcimage.text"
local versions = require "qcimage.cli.versions"

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

-- Notes a check. The first that fails settles the exit code.
function Diagnosis:add(verdict, check, finding, cure, code)
  finding = result.reworded(finding, {})
  if self.secretId then
    finding = text.replace(finding, self.secretId)
  end
  local entry = { verdict = verdict, check = check, finding = finding, cure = cure }
  self.checks[#self.checks + 1] = entry
  if verdict == FAILED and self.code == exits.OK then
    self.code = code
  end
  return entry
end

function Diagnosis:left()
  return math.max(0.001, self.deadline - core.monotonic())
end

local function maskedId(credentials)
  return tostring(credentials):match "%((.*)%)$"
end

local function described(credentials)
  local words = { maskedId(credentials) }
  words[2] = credentials.token and "temporary" or nil
  if credentials.expires then
    words[#words + 1] = ("until %s"):format(os.date("!%Y-%m-%dT%H:%M:%SZ", credentials.expires))
  end
  return table.concat(words, ", ")
end

-- Which link of the chain of keys has some. Returns the keys and the link's name.
function Diagnosis:keys(client, given)
  local environment, found, from = environments.snapshot(), nil, nil
  local links = require("qcimage.credentials").links(given, environment, {
    metadata = { address = client.metadataAddress },
    stsEndpoint = client.stsEndpoint and client.stsEndpoint.origin,
  })
  if links[1].name ~= "the environment" and require("qcimage.credentials.environment").isNamed(environment) then
    self:add(
      UNUSED,
      "keys",
      "the environment: passed over, since there is "
        .. (given.profile and "--profile" or given.secretId and "--secret-id" or "TCCLI_PROFILE")
    )
  end
  for _, link in ipairs(links) do
    if found then
      self:add(UNUSED, "keys", link.name .. ": not looked at")
    else
      local credentials, err = link.new()(setmetatable({ secondsLeft = self:left() }, client.world))
      if credentials then
        found, from = credentials, link.name
        self:add(OK, "keys", ("%s: %s"):format(link.name, described(credentials)))
      else
        self:add(
          err.final and FAILED or UNUSED,
          "keys",
          err.message,
          err.final and cures.keys(err),
          exits.of(err, true)
        )
        if err.final then
          return nil
        end
      end
    end
  end
  if not found then
    self:add(FAILED, "keys", "none of these places has any", cures.NO_KEYS, exits.CREDENTIALS)
  end
  return found, from
end

-- The keys of a role that is taken on with others.
function Diagnosis:role(client, credentials, arn)
  local ok, source = pcall(require("qcimage.credentials").assumeRole, { roleArn = arn, credentials = credentials })
  if not ok then -- what it is given is not the name of a role
    local problem = tostring(source):gsub("^[^ ]*%.lua:%d+: ", ""):gsub("^option roleArn", "--role-arn")
    self:add(FAILED, "keys", problem, cures.settings(problem), exits.USAGE)
    return nil
  end
  local given, err = source(setmetatable({ secondsLeft = self:left() }, client.world))
  if given then
    self:add(OK, "keys", ("the role %s: %s"):format(arn, described(given)))
    given.region, given.endpoint = given.region or credentials.region, given.endpoint or credentials.endpoint
    return given
  end
  self:add(FAILED, "keys", ("the role %s: %s"):format(arn, err.message), cures.ROLE, exits.of(err, true))
end

-- The region, and what names it.
function Diagnosis:region(client, options, credentials, from)
  local region, why = client.region, options.region and "--region" or "TENCENTCLOUD_REGION"
  if not region and credentials and credentials.region then
    region, why = credentials.region, from
  end
  local err
  if not region then
    region, err = client.metadataRegion(setmetatable({ secondsLeft = self:left() }, client.world))
    why = "the metadata service"
  end
  if region then
    local name = endpoints.region(region, client.version)
    self:add(OK, "region", ("%s (%s)"):format(text.clean(name, 80), why))
    return region
  end
  local message = "none: not in the options, the environment or with the keys; " .. err.message
  self:add(FAILED, "region", message, cures.NO_REGION, exits.PARAMETER)
end

-- Version and endpoint, and what names them. Returns the endpoint.
function Diagnosis:target(client, options, credentials)
  local endpoint = client.endpoint
  local why = options.endpoint and "--endpoint" or "QCIMAGE_ENDPOINT"
  if not endpoint and credentials and credentials.endpoint and client.version == "3.0" then
    endpoint, why = endpoints.parse(credentials.endpoint), "it comes with the keys"
  end
  local whyVersion = options.apiVersion and "--api-version"
    or environments.value(environments.snapshot(), "QCIMAGE_API_VERSION") and "QCIMAGE_API_VERSION"
    or endpoint and endpoint.version and "the endpoint's path"
    or "the command's default; a script's is 2.0, unless QCIMAGE_API_VERSION says more"
  self:add(OK, "API version", ("%s (%s)"):format(client.version, whyVersion))
  if endpoint then
    self:add(OK, "endpoint", ("%s (%s)"):format(endpoint.origin, why))
    return endpoint
  end
  endpoint = endpoints.default(client.version, {})
  local isGone = client.version == "2.0"
  self:add(isGone and WARNING or OK, "endpoint", endpoint.origin .. " (the public cloud)", isGone and cures.GONE or nil)
  return endpoint
end

local PROXIES = {
  https = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" },
  http = { "http_proxy", "all_proxy", "ALL_PROXY" },
}

local function maskedProxy(url)
  local scheme, rest = url:match "^(%a[%w+.-]*://)(.*)$"
  return text.clean((scheme or "") .. ((rest or url):gsub("^.*@", "***@")))
end

-- The proxy, as far as options and environment tell: whether no_proxy lists the host is libcurl's to say.
function Diagnosis:proxy(endpoint, options)
  if options.proxy then
    local shown = options.proxy ~= "" and maskedProxy(options.proxy) or "none"
    self.proxyCheck = self:add(OK, "proxy", shown .. " (--proxy)")
    return
  end
  for _, name in ipairs(endpoints.isLoopback(endpoint.host) and {} or PROXIES[endpoint.scheme]) do
    local url = os.getenv(name)
    if url and url ~= "" then
      local no = os.getenv "no_proxy" or os.getenv "NO_PROXY"
      local beside = no and ("; not for %s (no_proxy)"):format(text.clean(no)) or ""
      self.proxyCheck = self:add(OK, "proxy", ("%s (%s)%s"):format(maskedProxy(url), name, beside))
      return
    end
  end
  self.proxyCheck = self:add(UNUSED, "proxy", "none")
end

-- The file and the folders of certificates, and what names them.
function Diagnosis:certificates(endpoint, options)
  if endpoint.scheme ~= "https" then
    self:add(UNUSED, "certificates", "not needed over http")
    return
  end
  local path, folders, why = options.caFile, nil, "--ca-file"
  if not path then
    path, folders, why = environments.certificates(environments.snapshot())
  end
  if not path then
    path, why = require("qcimage.http").caFile(), "libcurl's own"
  end
  local file, problem = io.open(path or "", "rb")
  if file then
    file:close()
    self:add(OK, "certificates", ("%s (%s)"):format(path, why))
  elseif path then
    self:add(FAILED, "certificates", ("%s (%s)"):format(problem, why), cures.CERTIFICATES, exits.NOT_SENT)
  else
    self:add(OK, "certificates", "libcurl's own")
  end
  for folder in (folders or ""):gmatch "[^:]+" do
    file, problem = io.open(folder .. "/.", "rb") -- which a file has not
    if file then
      file:close()
    end
    self:add(
      file and OK or WARNING,
      "certificates",
      ("%s (SSL_CERT_DIR)"):format(file and folder or problem:gsub("/%.: ", ": "))
    )
  end
end

-- A transport that notes its first exchange: request, stages, and the response or the failure.
function Diagnosis:observed(options)
  local transport, close, stages = require("qcimage.transport.curl").new {
    caFile = options.caFile,
    connectTimeout = limits.connectTimeout,
    environment = environments.snapshot(),
    maxResponseBytes = limits.responseBytes,
    proxy = options.proxy,
    verify = true,
  }
  return function(request, seconds)
    local began = core.time()
    local response, message, detail = transport(request, seconds)
    self.exchange = self.exchange
      or {
        host = request.host,
        port = request.port,
        scheme = request.scheme,
        response = response,
        message = message,
        reason = detail and detail.reason,
        stages = stages(),
        middle = (began + core.time()) / 2,
      }
    return response, message, detail
  end,
    close
end

local function milliseconds(seconds)
  return ("%.0f ms"):format(seconds * 1000)
end

-- Which stage a failure is of; a time-out is of the first that was not reached.
local STAGE_OF = { dns = 1, connect = 2, tls = 3 }

-- Each stage of the way, as the first exchange went it.
function Diagnosis:way()
  local exchange = self.exchange
  local stages, reason = exchange.stages, exchange.reason
  local failing = STAGE_OF[reason] or not exchange.response and reason ~= "proxy" and reason ~= "timeout" and 4
  local function stage(number, name, reached, said)
    if reached then
      self:add(OK, name, ("%s, after %s"):format(said, milliseconds(reached)))
    elseif exchange.response or failing and number < failing then -- libcurl tells no time of what took none
      self:add(OK, name, said)
    elseif failing == number or not failing and reason == "timeout" then
      failing = number
      self:add(FAILED, name, exchange.message, cures.network(reason), exits.NOT_SENT)
    else
      self:add(UNUSED, name, "not reached")
    end
  end
  local host, address = ("%s:%d"):format(exchange.host, exchange.port), stages.address
  if exchange.host:find "^[%d.]+$" or exchange.host:find "^%[" then
    self:add(UNUSED, "DNS", "no name to look up")
  else
    stage(1, "DNS", stages.resolved, exchange.host)
  end
  if reason == "proxy" then
    local check = self.proxyCheck
    check.verdict, check.cure = FAILED, cures.network(reason)
    check.finding = check.finding .. ": " .. exchange.message
    self.code = exits.NOT_SENT
  end
  stage(2, "TCP", stages.connected, address and address ~= exchange.host and host .. " over " .. address or host)
  if exchange.scheme == "https" then
    stage(3, "TLS", stages.secured, "set up")
  else
    self:add(UNUSED, "TLS", "not used over http")
  end
end

-- Seconds that the service minds, and that a Date in whole seconds and a slow way explain.
local MINDED, EXPLAINED = 240, 5

function Diagnosis:clock()
  local exchange = self.exchange
  local date = exchange.response and httpdate.parse(exchange.response.headers.date, exchange.middle)
  if not date then
    self:add(
      UNUSED,
      "clock",
      exchange.response and "the answer has no Date to compare with" or "no answer to compare with"
    )
    return
  end
  local off = math.floor(exchange.middle - (date + 0.5) + 0.5) -- a Date leaves the part of its second out
  local size = math.abs(off)
  local said = ("%.0f s %s the service's"):format(size, off < 0 and "behind" or "ahead of")
  if size <= EXPLAINED then
    self:add(OK, "clock", "right by the service's Date")
  elseif size <= MINDED then
    self:add(WARNING, "clock", said .. "; it takes up to 300 s", cures.CLOCK)
  else
    self:add(WARNING, "clock", said .. ": each run is refused once, then signed by the service's time", cures.CLOCK)
  end
end

-- What a call with these keys gives: a result, or nil, message, err; and the action's name.
function Diagnosis:call(client, given, parts, version)
  local copy = {}
  for name, value in pairs(given) do
    copy[name] = value
  end
  copy.secretId, copy.secretKey, copy.token, copy.profile, copy.caFile, copy.proxy = nil, nil, nil, nil, nil, nil
  local keys = parts.credentials
  copy.credentials = { secretId = keys.secretId, secretKey = keys.secretKey, token = keys.token }
  copy.transport = parts.transport
  copy.region = parts.region
  copy.apiVersion, copy.endpoint = version, not parts.endpoint.isDefault and parts.endpoint.origin or nil
  copy.timeout, copy.maxAttempts = self:left(), 2
  copy.attemptTimeout = math.min(limits.attemptTimeout, copy.timeout)
  copy.stsEndpoint = client.stsEndpoint and client.stsEndpoint.origin or nil
  local caller = image.new(copy)
  if parts.endpoint.isDefault and version == "3.0" then
    return "GetCallerIdentity", caller:call "GetCallerIdentity"
  end
  return "DescribeImages", caller:describe { limit = 1 }
end

-- Whether an answer looks like that of another API version.
local function isForeign(err, version)
  return err.kind == "response" and err.reason ~= "tooLarge"
    or err.code ~= nil and (type(err.code) == "number") == (version == "3.0")
end

-- Refusals of one call that tell nothing of others.
local PASSING = { permission = true, throttled = true, busy = true }

-- One call that changes nothing.
function Diagnosis:read(client, given, parts)
  local version = client.version
  local action, found, message, err = self:call(client, given, parts, version)
  if found then
    local who = found.accountId
        and ("%s of the account ...%s"):format(text.clean(tostring(found.type), 40), tostring(found.accountId):sub(-4))
      or ("%s images in %s"):format(tostring(found.totalCount), text.clean(parts.region, 80))
    self:add(OK, "signed read", ("%s at %s: %s"):format(action, self.exchange.host, who))
    return
  elseif isForeign(err, version) and not parts.endpoint.isDefault then
    local other = version == "3.0" and "2.0" or "3.0"
    local _, works, _, problem = self:call(client, given, parts, other)
    if works or not isForeign(problem, other) and problem.kind == "service" then
      self:add(FAILED, "signed read", message, cures.otherVersion(other, client.endpoint), exits.of(err, true))
      return
    end
  end
  local verdict = PASSING[err.reason] and WARNING or FAILED
  self:add(verdict, "signed read", message, cures.call(err), exits.of(err, true))
end

-- The way to the endpoint and its clock, where no call can be signed.
function Diagnosis:look(endpoint, transport)
  local headers = { Host = endpoint.hostHeader, ["Accept-Encoding"] = "identity" }
  transport(endpoints.request(endpoint, "GET", "/", headers), math.min(self:left(), limits.attemptTimeout))
end

--- Looks at everything.
---@param options table the command's
---@return qcimage.cli.Check[]
---@return integer code for os.exit
function M.run(options)
  local self = setmetatable({ checks = {}, code = exits.OK }, Diagnosis)
  self.deadline = core.monotonic() + (options.timeout or M.LONGEST)
  self:add(OK, "versions", table.concat(versions.lines(), "; "))
  local loads, fault = pcall(require, "qcimage.transport.curl")
  if not loads then
    self:add(FAILED, "libcurl", tostring(fault):match "^[^\n]*", cures.LIBCURL, exits.NOT_SENT)
    return self.checks, self.code
  end
  local given, arn = connect.options(options), options.roleArn
  local client, problem = connect.client(setmetatable({ roleArn = false }, { __index = options }))
  if not client or client.fault then
    problem = problem or client.fault.message
    self:add(FAILED, "settings", problem, cures.settings(problem), client and exits.PARAMETER or exits.USAGE)
    return self.checks, self.code
  end
  local credentials, from = self:keys(client, given)
  if credentials and arn then
    credentials = self:role(client, credentials, arn)
  end
  self.secretId = credentials and credentials.secretId
  local region = self:region(client, options, credentials, from)
  local endpoint = self:target(client, options, credentials)
  self:proxy(endpoint, options)
  self:certificates(endpoint, options)
  local transport, close = self:observed(options)
  local before = #self.checks
  if credentials and region then
    local parts = { credentials = credentials, transport = transport, region = region, endpoint = endpoint }
    self:read(client, given, parts)
  else
    self:look(endpoint, transport)
    self:add(UNUSED, "signed read", "not made, for lack of keys or a region")
  end
  local last = table.remove(self.checks, before + 1)
  if self.exchange then
    local code = self.code
    self.code = exits.OK
    self:way()
    if self.code ~= exits.OK then
      last.verdict, last.finding, last.cure = UNUSED, "not sent, for what failed above", nil
    end
    self.code = code ~= exits.OK and code or self.code
    self:clock()
  end
  self.checks[#self.checks + 1] = last
  close()
  return self.checks, self.code
end

return M
