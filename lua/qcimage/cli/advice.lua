--- advice.lua - what to do about what qcimage doctor finds.
--- Pure. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"

local M = {
  NO_KEYS = "export TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (made at console.cloud.tencent.com/cam/capi), "
    .. "or write them into ~/.tencentcloud/credentials, or name a --profile",
  LIBCURL = "install libcurl, or install qcimage again for the installed one",
  NO_REGION = "export TENCENTCLOUD_REGION=ap-guangzhou, or give --region",
  ROLE = "the credentials must be allowed to assume the role, and STS must be reachable "
    .. "(QCIMAGE_STS_ENDPOINT names another)",
  CERTIFICATES = "name a readable file (SSL_CERT_DIR: folders), or leave the option or variable out",
  NO_BUNDLE = "install the system's certificates: apt-get install ca-certificates; or name a file, --ca-file FILE",
  CLOCK = "set this machine's clock: timedatectl set-ntp true",
  GONE = "the public cloud closed API 2.0 in 2023: --api-version 3.0, or the --endpoint of a private cloud",
}

--- For options and variables that are wrong, or cannot be combined.
---@param err qcimage.Error|nil
---@return string
function M.settings(err)
  if err and err.pathVersion then
    return ("--api-version %s (QCIMAGE_API_VERSION), or an endpoint without the path"):format(err.pathVersion)
  end
  return "correct the option or variable, or leave it out"
end

local FIELDS = {
  TENCENTCLOUD_SECRET_ID = "export TENCENTCLOUD_SECRET_ID too, or unset TENCENTCLOUD_SECRET_KEY",
  TENCENTCLOUD_SECRET_KEY = "export TENCENTCLOUD_SECRET_KEY too, or unset TENCENTCLOUD_SECRET_ID",
}

local NETWORK = {
  dns = "check the name in the endpoint, and this machine's name server: getent hosts HOST; "
    .. "where a proxy is needed, export https_proxy",
  connect = "check host and port of the endpoint, and that no firewall blocks the way; "
    .. "where a proxy is needed, export https_proxy",
  tls = "name the certificates that signed this host's: --ca-file FILE or SSL_CERT_FILE; "
    .. "a wrong clock or an intercepting proxy looks the same",
  timeout = "packets are dropped, or the way is very slow: check firewalls and the proxy; --timeout gives more time",
  closed = "something on the way closes connections: check firewalls and the proxy",
  proxy = "check host, port and login of the proxy, and whether it lets this host through; no_proxy=HOST avoids it",
}

--- For a failure on the way.
---@param reason string|nil of qcimage.Error
---@return string|nil
function M.network(reason)
  return NETWORK[reason]
end

--- For a region that is missing or invalid.
---@param err qcimage.Error
---@return string
function M.region(err)
  return err.missing == "region" and M.NO_REGION or "correct the region: it is written as ap-guangzhou"
end

local CONSOLE = "console.cloud.tencent.com/cam/capi"

local KEY_FAULTS = {
  unknownId = "no such SecretId: it was deleted, or belongs to another site or cloud than this endpoint; "
    .. "see which exist at "
    .. CONSOLE,
  invalidId = "the SecretId is not one of the cloud's API, or is disabled: enable it or make another at " .. CONSOLE,
  pair = "SecretId and SecretKey do not belong together: copy both again from the console",
  token = "the token has expired, or belongs to other keys: get new temporary keys; permanent keys have no token "
    .. "(unset TENCENTCLOUD_TOKEN)",
}

--- For credentials that exist and cannot be used.
---@param err qcimage.Error
---@return string
function M.keys(err)
  local cause = err.cause
  if cause and cause.kind == "credentials" then -- the role is not even asked for
    return cause.final and M.keys(cause) or M.NO_KEYS
  elseif err.isOfRole and not (cause and cause.kind == "parameter") then
    return cause and KEY_FAULTS[codes.keyFault(cause.code)] or M.ROLE
  elseif err.login then
    return "log in again with the command that the message names"
  end
  return FIELDS[err.field] or "correct or remove it; without it the next source is tried"
end

local SERVICE = {
  signature = "SecretId and SecretKey were rejected: copy both again; temporary keys expire and must be renewed",
  clock = M.CLOCK,
  permission = "the credentials are valid, but lack this permission: ask the administrator of the account",
  throttled = "the credentials are valid; too many calls at this moment",
  busy = "the credentials are valid; try again later",
  internal = "the service has a problem; try again later",
}

-- A region that does not exist was recorded with a code that comes for other values, too.
local function isAboutRegion(message)
  message = message or ""
  return message:find "[Rr]egion" ~= nil or message:find("地域", 1, true) ~= nil
end

--- For a call that failed.
---@param err qcimage.Error
---@return string|nil
function M.call(err)
  if err.kind == "response" then
    return "the response is not from the service: check the endpoint and the proxy"
  elseif err.kind == "network" then
    return NETWORK[err.reason]
  elseif codes.isOfRegion(err.code) or err.code == "InvalidParameterValue" and isAboutRegion(err.serviceMessage) then
    return "this endpoint does not have that region: correct --region or TENCENTCLOUD_REGION"
  end
  return KEY_FAULTS[codes.keyFault(err.code)] or SERVICE[err.reason]
end

--- For an endpoint that answers in another API version.
---@param version string
---@param endpoint qcimage.Endpoint as options and environment name it
---@return string
function M.otherVersion(version, endpoint)
  if endpoint and endpoint.version then
    return ("API %s answers there: leave the path out of the endpoint"):format(version)
  end
  return ("API %s answers there: --api-version %s, or export QCIMAGE_API_VERSION=%s"):format(version, version, version)
end

return M
