--- advice.lua - what to do about what qcimage doctor finds.
--- Pure. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"

local M = {
  NO_KEYS = "export TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (made at console.cloud.tencent.com/cam/capi), "
    .. "or write them into ~/.tencentcloud/credentials, or name a --profile",
  LIBCURL = "install libcurl, or this program again for the one that is there",
  NO_REGION = "export TENCENTCLOUD_REGION=ap-guangzhou, or give --region",
  ROLE = "the keys must be allowed to take the role on, and STS must be reachable: QCIMAGE_STS_ENDPOINT names another",
  CERTIFICATES = "name a file (SSL_CERT_DIR: folders) that can be read, or leave the option or variable out",
  NO_BUNDLE = "install the system's certificates: apt-get install ca-certificates; or name a file, --ca-file FILE",
  CLOCK = "set this machine's clock: timedatectl set-ntp true",
  GONE = "the public cloud closed API 2.0 in 2023: --api-version 3.0, or the --endpoint of a private cloud",
}

--- Of options and variables that do not go together, or are none.
---@param err qcimage.Error
---@return string
function M.settings(err)
  local version = err.pathVersion
  if version then
    return ("--api-version %s (QCIMAGE_API_VERSION), or an endpoint without the path"):format(version)
  end
  return "change or leave out the option or variable that is named"
end

local FIELDS = {
  TENCENTCLOUD_SECRET_ID = "export TENCENTCLOUD_SECRET_ID, too, or unset what goes with it",
  TENCENTCLOUD_SECRET_KEY = "export TENCENTCLOUD_SECRET_KEY, too, or unset what goes with it",
}

local NETWORK = {
  dns = "check the name in the endpoint, and this machine's name server: getent hosts HOST; "
    .. "where a proxy is needed, export https_proxy",
  connect = "check host and port of the endpoint, and that no firewall stands between; "
    .. "where a proxy is needed, export https_proxy",
  tls = "give the certificates that this host is signed by, --ca-file FILE or SSL_CERT_FILE; "
    .. "a wrong clock or a proxy that reads along looks like this, too",
  timeout = "something drops the packets, or is very slow: look at firewalls and the proxy; --timeout gives more time",
  closed = "something between here and the service ends connections: look at firewalls and the proxy",
  proxy = "check host, port and login of the proxy, and whether it lets this host through; no_proxy=HOST avoids it",
}

--- Of a failure on the way.
---@param reason string|nil of qcimage.Error
---@return string|nil
function M.network(reason)
  return NETWORK[reason]
end

--- Of a region that is none, or of a file that says it.
---@param err qcimage.Error
---@return string
function M.region(err)
  return err.missing == "region" and M.NO_REGION or "correct what is named: a region is written as ap-guangzhou"
end

local CONSOLE = "console.cloud.tencent.com/cam/capi"

local KEY_FAULTS = {
  unknownId = "no such SecretId: it was deleted, or is of another site or cloud than this endpoint's; "
    .. "look which exist at "
    .. CONSOLE,
  invalidId = "the SecretId is not one of the cloud's API, or is disabled: enable it or make another at " .. CONSOLE,
  pair = "SecretId and SecretKey do not belong together: copy both again from where the key was made",
  token = "the token has ended, or belongs to other keys: get new temporary keys; permanent ones have no token "
    .. "(unset TENCENTCLOUD_TOKEN)",
}

--- Of keys that exist and cannot be used.
---@param err qcimage.Error
---@return string
function M.keys(err)
  local cause = err.cause
  if cause and cause.kind == "credentials" then -- the role is not even asked for
    return cause.final and M.keys(cause) or M.NO_KEYS
  elseif err.isOfRole and not (cause and cause.kind == "parameter") then
    return cause and KEY_FAULTS[codes.keyFault(cause.code)] or M.ROLE
  elseif err.login then
    return "log in again, as it says"
  end
  return FIELDS[err.field] or "mend what is named, or remove it, and the next place is looked at"
end

local SERVICE = {
  signature = "SecretId and SecretKey were refused: copy both again; temporary keys end, and then need new ones",
  clock = M.CLOCK,
  permission = "the keys are right, but lack this right; others may be there: ask whoever manages the account",
  throttled = "the keys are right; too many calls at this moment",
  busy = "the keys are right; try later",
  internal = "the service has a problem; try later",
}

-- A region that does not exist was recorded with a code that comes for other values, too.
local function isAboutRegion(message)
  message = message or ""
  return message:find "[Rr]egion" ~= nil or message:find("地域", 1, true) ~= nil
end

--- Of a call that failed.
---@param err qcimage.Error
---@return string|nil
function M.call(err)
  if err.kind == "response" then
    return "what answers there is not the service: check the endpoint and the proxy"
  elseif err.kind == "network" then
    return NETWORK[err.reason]
  elseif codes.isOfRegion(err.code) or err.code == "InvalidParameterValue" and isAboutRegion(err.serviceMessage) then
    return "this endpoint does not have that region: correct what names it, --region or TENCENTCLOUD_REGION"
  end
  return KEY_FAULTS[codes.keyFault(err.code)] or SERVICE[err.reason]
end

--- Where an endpoint answers in another API version.
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
