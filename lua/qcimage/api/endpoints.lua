--- endpoints.lua - hosts, paths and regions of both API versions; parses the URLs of other endpoints; makes requests to them.
--- Pure. Part of qcimage, see LICENSE.

local tables = require "qcimage.util.tables"
local text = require "qcimage.util.text"

local M = {}

--- Path of a request, by API version. It is part of what API 2.0 signs.
M.PATHS = { ["2.0"] = "/v2/index.php", ["3.0"] = "/" }

local DEFAULT_PORTS = { http = 80, https = 443 }

--- Short region codes of API 2.0 and their names in API 3.0
--- (cloud.tencent.com/document/api/213/6976; current names where that page has none; bjjr, nj, ru and tpe from the data
--- type InstanceInfo of the API of waf).
M.REGIONS = {
  bj = "ap-beijing",
  bjjr = "ap-beijing-fsi",
  ca = "na-toronto",
  cd = "ap-chengdu",
  cq = "ap-chongqing",
  de = "eu-frankfurt",
  gz = "ap-guangzhou",
  gzopen = "ap-guangzhou-open",
  hk = "ap-hongkong",
  ["in"] = "ap-mumbai",
  jp = "ap-tokyo",
  kr = "ap-seoul",
  nj = "ap-nanjing",
  ru = "eu-moscow",
  sg = "ap-singapore",
  sh = "ap-shanghai",
  shjr = "ap-shanghai-fsi",
  szjr = "ap-shenzhen-fsi",
  th = "ap-bangkok",
  tpe = "ap-taipei",
  use = "na-ashburn",
  usw = "na-siliconvalley",
}

--- The regions of the public cloud that every account reaches by the same host, which the guide to API 3.0 lists. Not the
--- finance zones, which have separate accounts and hosts, nor those that were closed. Data, since DescribeRegions is
--- suspended; new ones appear over time.
M.ALL_REGIONS = {
  "ap-bangkok",
  "ap-beijing",
  "ap-chengdu",
  "ap-chongqing",
  "ap-guangzhou",
  "ap-hongkong",
  "ap-jakarta",
  "ap-nanjing",
  "ap-seoul",
  "ap-shanghai",
  "ap-singapore",
  "ap-tokyo",
  "eu-frankfurt",
  "na-ashburn",
  "na-siliconvalley",
  "sa-saopaulo",
}

--- Whether a host is this machine.
---@param host string without port, an IPv6 address in brackets
---@return boolean
function M.isLoopback(host)
  return host == "localhost"
    or host:find("%.localhost$") ~= nil
    or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
    or host == "[::1]"
end

---@class qcimage.Endpoint
---@field scheme "http"|"https"
---@field host string without a final dot, which no certificate has; an IPv6 address in brackets
---@field port integer
---@field origin string URL without its path: as given, with a final dot of the name, which prevents search domains
---@field hostHeader string as sent and signed: without a final dot, with a port that is not the scheme's default
---@field version "2.0"|nil if the path implies it
---@field isDefault boolean|nil the public cloud's
---@field connectTo {host: string, port: integer}|nil where to connect, if not to host and port
---@field urls table<string, string> the URLs of the two API versions' requests, by their paths

local function withUrls(endpoint)
  endpoint.urls = {}
  for _, path in pairs(M.PATHS) do
    endpoint.urls[path] = endpoint.origin .. path
  end
  return endpoint
end

-- Parses "HOST", "HOST:PORT" or "[ADDRESS]:PORT" into host and port (or nil); or returns nil and a problem.
local function hostAndPort(authority)
  local host, port = authority:match("^(%[[%x:.]+%])(.*)$")
  if not host then
    host, port = authority:match("^([A-Za-z0-9._-]*[A-Za-z0-9_-]%.?)(.*)$")
  end
  if not host or not (port == "" or port:find("^:%d%d?%d?%d?%d?$")) then
    return nil, ("has no valid host and port: %s"):format(text.quote(authority))
  end
  port = port ~= "" and tonumber(port:sub(2), 10) or nil
  if port and (port < 1 or port > 65535) then
    return nil, "has a port outside 1 to 65535"
  end
  return text.lower(host), port
end

--- Parses the option connectTo.
---@param value string HOST or HOST:PORT, an IPv6 address in brackets
---@return {host: string, port: integer|nil}|nil
---@return string|nil problem
function M.parseTarget(value)
  if value:find("[/@?#]") then
    return nil, "must be HOST or HOST:PORT, not a URL"
  end
  local host, port = hostAndPort(value)
  if not host then
    return nil, port .. "; write an IPv6 address in brackets"
  end
  return { host = host, port = port }
end

--- Reads an endpoint's URL.
---@param url string
---@return qcimage.Endpoint|nil
---@return string|nil problem
function M.parse(url)
  local scheme, authority, path = url:match("^([A-Za-z]+)://([^/?#]*)([^?#]*)$")
  scheme = scheme and text.lower(scheme)
  if not scheme or not DEFAULT_PORTS[scheme] then
    return nil, "must be a URL such as https://HOST or http://127.0.0.1:PORT, without query"
  end
  if authority:find("@", 1, true) then
    return nil, "must not contain a user name or password"
  end
  local host, port = hostAndPort(authority)
  if not host then
    return nil, port
  end
  port = port or DEFAULT_PORTS[scheme]
  local version
  if path == M.PATHS["2.0"] then
    version = "2.0"
  elseif path ~= "" and path ~= "/" then
    return nil, ("has the path %s; allowed are none, / and %s"):format(text.oneLine(path, 60), M.PATHS["2.0"])
  end
  local signed = host:gsub("%.$", "")
  if M.isLoopback(signed) then -- /etc/hosts has the name without the dot
    host = signed
  end
  local suffix = port ~= DEFAULT_PORTS[scheme] and (":%d"):format(port) or ""
  return withUrls {
    scheme = scheme,
    host = signed,
    port = port,
    origin = ("%s://%s%s"):format(scheme, host, suffix),
    hostHeader = signed .. suffix,
    version = version,
  }
end

--- Returns whether requests to an endpoint would cross a network unencrypted, considering connectTo.
---@param endpoint qcimage.Endpoint
---@return boolean
function M.isExposed(endpoint)
  return endpoint.scheme == "http" and not M.isLoopback((endpoint.connectTo or endpoint).host)
end

--- Returns an endpoint with another connectTo; what is signed, and what the certificate must name, do not change.
---@param endpoint qcimage.Endpoint
---@param target {host: string, port: integer|nil}|nil nil: the endpoint itself
---@return qcimage.Endpoint
function M.via(endpoint, target)
  if not target then
    return endpoint
  end
  return tables.copy(endpoint, { connectTo = { host = target.host, port = target.port or endpoint.port } })
end

--- Returns where a request goes, for messages.
---@param request qcimage.Request|qcimage.Endpoint
---@return string
function M.shown(request)
  local where, target = ("%s:%d"):format(request.host, request.port), request.connectTo
  return target and ("%s by way of %s:%d"):format(where, target.host, target.port) or where
end

local function public(host)
  return withUrls {
    scheme = "https",
    host = host,
    port = DEFAULT_PORTS.https,
    origin = "https://" .. host,
    hostHeader = host,
    isDefault = true,
  }
end

--- Returns whether a region is one of the public cloud's isolated finance zones.
---@param region string
---@return boolean
function M.isFinance(region)
  return region:find("%-fsi$") ~= nil
end

-- The public cloud's endpoints by host.
local defaults = {}

--- Returns the public cloud's endpoint of an action. Finance regions have their own hosts
--- (cloud.tencent.com/document/api/213/15690).
---@param version "2.0"|"3.0"
---@param action table from actions.lua
---@param region string|nil as sent
---@return qcimage.Endpoint
function M.default(version, action, region)
  if version == "3.0" and not action.service and region and M.isFinance(region) then
    return public(("cvm.%s.tencentcloudapi.com"):format(region))
  end
  local host = version == "3.0" and (action.service or "cvm") .. ".tencentcloudapi.com"
    or (action.host or "image") .. ".api.qcloud.com"
  local endpoint = defaults[host]
  if not endpoint then
    endpoint = public(host)
    defaults[host] = endpoint
  end
  return endpoint
end

---@class qcimage.Request
---@field method "GET"|"POST"
---@field url string the URL; also in parts (the next four), so that no transport must parse it
---@field scheme "http"|"https"
---@field host string to connect to, and in the certificate; an IPv6 address in brackets
---@field port integer
---@field connectTo {host: string, port: integer}|nil where to connect, if not to host and port
---@field path string with the query
---@field headers table<string, string>
---@field body string|nil
---@field stringToSign string|nil of `sign` alone, as the next two
---@field signature string|nil
---@field canonicalRequest string|nil API 3.0

--- Makes a request to an endpoint.
---@param endpoint qcimage.Endpoint
---@param method "GET"|"POST"
---@param path string with the query, encoded
---@param headers table<string, string>
---@param body string|nil
---@return qcimage.Request
function M.request(endpoint, method, path, headers, body)
  local request = {
    method = method,
    url = endpoint.urls[path] or endpoint.origin .. path,
    scheme = endpoint.scheme,
    host = endpoint.host,
    port = endpoint.port,
    path = path,
    headers = headers,
    body = body,
  }
  if endpoint.connectTo then -- set later: with it in the constructor, the table would be twice as large
    request.connectTo = endpoint.connectTo
  end
  return request
end

--- Region for services that belong to none, as Tencent's clients send it to STS.
M.ANY_REGION = "ap-guangzhou"

local LONGEST_REGION = 64 -- bytes; the public cloud's have at most 20

-- Removes white space around a region, and makes it lower case.
local function mended(region)
  local first = region:find "[^ \t]"
  return first and text.lower(region:match("^.*[^ \t]", first)) or ""
end

--- Returns the long name of a region in any spelling, to compare regions. Validates nothing.
---@param region string
---@return string
function M.regionName(region)
  local name = mended(region)
  return M.REGIONS[name] or name
end

local names = {}
for _, name in pairs(M.REGIONS) do
  names[name] = true
end

-- Returns what is wrong with a region of the public cloud, or nil. Unknown names are accepted, since new ones appear.
local function publicProblem(name)
  local region = name:match "^([a-z]+%-.*)%-%d+$"
  if region then
    return ("is a zone, not a region: %s; its region is %s"):format(text.quote(name), region)
  elseif not name:find("-", 1, true) then
    local near = text.closest(name, names)
    local hint = near and (", did you mean %s?"):format(near) or ""
    return ("is not a region of the public cloud: %s%s"):format(text.quote(name), hint)
  end
end

--- Validates a region, and returns its name in an API version.
---@param region string in any spelling: white space around it and capitals are corrected
---@param version "2.0"|"3.0"
---@param isPublic boolean|nil of the public cloud, whose names have a known form
---@return string|nil
---@return string|nil problem to follow the name of the option or variable
function M.region(region, version, isPublic)
  local long = M.REGIONS[region]
  if long or names[region] then
    return version == "3.0" and long or region
  end
  local name = mended(region)
  long = M.REGIONS[name]
  if not long and (#name > LONGEST_REGION or not name:find "^[a-z][a-z0-9_-]*$") then
    if name:find(text.CONTROL) then
      return nil, "contains control characters (a line break?)"
    end
    local hint = name:find "[\"']" and "with its quotes: leave them out" or "a region consists of letters, digits and -"
    return nil, ("is not a region: %s, %s"):format(text.quote(region), hint)
  end
  local problem = isPublic and not long and publicProblem(name)
  if problem then
    return nil, problem
  end
  return version == "3.0" and long or name
end

local short = {}
for code, long in pairs(M.REGIONS) do
  short[long] = code
end

--- Returns the wire value of a region parameter. In API 2.0 only short codes are valid
--- (cloud.tencent.com/document/api/213/6976), although the public parameter Region takes both.
---@param region string
---@param version "2.0"|"3.0"
---@return string
function M.regionValue(region, version)
  return (version == "3.0" and M.REGIONS or short)[region] or region
end

return M
