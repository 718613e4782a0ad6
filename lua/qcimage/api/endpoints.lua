--- endpoints.lua - hosts, paths and regions of both API versions, and URLs of other endpoints.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.text"

local M = {}

--- Path of a request, by API version. It is part of what API 2.0 signs.
M.PATHS = { ["2.0"] = "/v2/index.php", ["3.0"] = "/" }

local DEFAULT_PORTS = { http = "80", https = "443" }

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
---@field host string without port
---@field authority string host and port as a URL has them; a final dot keeps a name from being looked up
--- among search domains
---@field hostHeader string as sent and signed: without a final dot, with the port where it is not the scheme's own
---@field version "2.0"|nil where the path decides it

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
  port = port ~= "" and port:sub(2):gsub("^0+", "") or DEFAULT_PORTS[scheme]
  if not (tonumber(port) and tonumber(port) >= 1 and tonumber(port) <= 65535) then
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
  port = port ~= DEFAULT_PORTS[scheme] and ":" .. port or ""
  return {
    scheme = scheme,
    host = host,
    authority = host .. port,
    hostHeader = signed .. port,
    version = version,
  }
end

--- The public cloud's endpoint of an action.
---@param version "2.0"|"3.0"
---@param action table from actions.lua
---@return qcimage.Endpoint
function M.default(version, action)
  local host = version == "3.0" and (action.service or "cvm") .. ".tencentcloudapi.com"
    or (action.host or "image") .. ".api.qcloud.com"
  return { scheme = "https", host = host, authority = host, hostHeader = host, isDefault = true }
end

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
