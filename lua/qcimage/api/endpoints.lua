--- endpoints.lua - hosts, paths and regions of both API versions; other endpoints by their URLs, which are taken apart
--- here alone; and requests to them.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.text"

local M = {}

--- Path of a request, by API version. It is part of what API 2.0 signs.
M.PATHS = { ["2.0"] = "/v2/index.php", ["3.0"] = "/" }

local DEFAULT_PORTS = { http = 80, https = 443 }

--- Short region codes of API 2.0 and their names in API 3.0
--- (cloud.tencent.com/document/api/213/6976; names of today where that page has none).
M.REGIONS = {
  bj = "ap-beijing",
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
  sg = "ap-singapore",
  sh = "ap-shanghai",
  shjr = "ap-shanghai-fsi",
  szjr = "ap-shenzhen-fsi",
  th = "ap-bangkok",
  use = "na-ashburn",
  usw = "na-siliconvalley",
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
---@field host string without a final dot, which belongs into no certificate; an IPv6 address in brackets
---@field port integer
---@field origin string a URL without its path: as given, with a final dot of the name, which keeps it from being
--- looked up among search domains
---@field hostHeader string as sent and signed: without a final dot, with the port where it is not the scheme's own
---@field version "2.0"|nil where the path decides it
---@field isDefault boolean|nil the public cloud's
---@field urls table<string, string> the URLs of the two API versions' requests, by their paths

local function withUrls(endpoint)
  endpoint.urls = {}
  for _, path in pairs(M.PATHS) do
    endpoint.urls[path] = endpoint.origin .. path
  end
  return endpoint
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
    return nil, "must not hold a user name or password"
  end
  local host, port = authority:match("^(%[[%x:.]+%])(.*)$")
  if not host then
    host, port = authority:match("^([A-Za-z0-9._-]*[A-Za-z0-9_-]%.?)(.*)$")
  end
  if not host or not (port == "" or port:find("^:%d%d?%d?%d?%d?$")) then
    return nil, ("has no valid host and port: %s"):format(text.show(authority))
  end
  port = port == "" and DEFAULT_PORTS[scheme] or tonumber(port:sub(2), 10)
  if port < 1 or port > 65535 then
    return nil, "has a port that is not from 1 to 65535"
  end
  local version
  if path == M.PATHS["2.0"] then
    version = "2.0"
  elseif path ~= "" and path ~= "/" then
    return nil, ("has the path %s; it may be empty, / or %s"):format(text.clean(path, 60), M.PATHS["2.0"])
  end
  host = text.lower(host)
  local signed = host:gsub("%.$", "")
  if M.isLoopback(signed) then -- /etc/hosts knows it without the dot
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

-- The public cloud's, by their hosts.
local defaults = {}

--- The public cloud's endpoint of an action.
---@param version "2.0"|"3.0"
---@param action table from actions.lua
---@return qcimage.Endpoint
function M.default(version, action)
  local host = version == "3.0" and (action.service or "cvm") .. ".tencentcloudapi.com"
    or (action.host or "image") .. ".api.qcloud.com"
  local endpoint = defaults[host]
  if not endpoint then
    endpoint = withUrls {
      scheme = "https",
      host = host,
      port = DEFAULT_PORTS.https,
      origin = "https://" .. host,
      hostHeader = host,
      isDefault = true,
    }
    defaults[host] = endpoint
  end
  return endpoint
end

---@class qcimage.Request
---@field method "GET"|"POST"
---@field url string where it goes; the next four say the same in parts, so that no transport takes it apart
---@field scheme "http"|"https"
---@field host string to connect to, and in the certificate; an IPv6 address in brackets
---@field port integer
---@field path string with the query
---@field headers table<string, string>
---@field body string|nil
---@field stringToSign string|nil of `sign` alone, as the next two
---@field signature string|nil
---@field canonicalRequest string|nil API 3.0

--- A request to an endpoint.
---@param endpoint qcimage.Endpoint
---@param method "GET"|"POST"
---@param path string with the query, encoded
---@param headers table<string, string>
---@param body string|nil
---@return qcimage.Request
function M.request(endpoint, method, path, headers, body)
  return {
    method = method,
    url = endpoint.urls[path] or endpoint.origin .. path,
    scheme = endpoint.scheme,
    host = endpoint.host,
    port = endpoint.port,
    path = path,
    headers = headers,
    body = body,
  }
end

--- What is sent to a service that belongs to no region, as Tencent's clients send it to STS.
M.ANY_REGION = "ap-guangzhou"

--- A region as an API version names it. Unknown ones pass: new ones appear over time.
---@param region string
---@param version "2.0"|"3.0"
---@return string
function M.region(region, version)
  return version == "3.0" and M.REGIONS[region] or region
end

local short = {}
for code, long in pairs(M.REGIONS) do
  short[long] = code
end

--- A region that is the value of a parameter: in API 2.0 those have short codes alone
--- (cloud.tencent.com/document/api/213/6976), whereas its public parameter takes either.
---@param region string
---@param version "2.0"|"3.0"
---@return string
function M.regionValue(region, version)
  return (version == "3.0" and M.REGIONS or short)[region] or region
end

return M
