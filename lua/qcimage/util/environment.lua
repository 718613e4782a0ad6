--- environment.lua - the environment variables that a client reads (an empty one counts as unset), and whether it runs in
--- nginx. The only file of the client that looks at either.
--- Part of qcimage, see LICENSE.

local M = {}

--- Whether this is nginx, where nothing may block a worker.
M.isNginx = type(ngx) == "table" and ngx.socket ~= nil

--- Variables that name a proxy. libcurl reads them itself; they are needed to keep their passwords out of messages.
--- HTTP_PROXY is not among them: in a CGI program a request header sets it, so libcurl ignores it.
M.PROXIES = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }

local NAMES = {
  -- the service
  "QCIMAGE_API_VERSION",
  "QCIMAGE_ENDPOINT",
  "TENCENTCLOUD_REGION",
  -- connection: hosts without proxy, which libcurl reads itself; files of certificates
  "no_proxy",
  "NO_PROXY",
  "CURL_CA_BUNDLE",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  -- credentials
  "HOME",
  "QCIMAGE_METADATA",
  "QCIMAGE_STS_ENDPOINT",
  "TCCLI_PROFILE",
  "TENCENTCLOUD_CREDENTIALS_FILE",
  "TENCENTCLOUD_ROLE_ARN",
  "TENCENTCLOUD_ROLE_SESSION_NAME",
  "TENCENTCLOUD_SECRET_ID",
  "TENCENTCLOUD_SECRET_KEY",
  "TENCENTCLOUD_SECURITY_TOKEN",
  "TENCENTCLOUD_SESSION_TOKEN",
  "TENCENTCLOUD_TOKEN",
  "TKE_PROVIDER_ID",
  "TKE_REGION",
  "TKE_ROLE_ARN",
  "TKE_WEB_IDENTITY_TOKEN_FILE",
}

local isListed = {}
for _, names in ipairs { NAMES, M.PROXIES } do
  for _, name in ipairs(names) do
    isListed[name] = true
  end
end

-- A variable that is read but not listed above would never be seen: a mistake of this library.
local Snapshot = {
  __index = function(_, name)
    if not isListed[name] then
      error(("%s is not listed in util/environment.lua"):format(tostring(name)), 2)
    end
  end,
}

--- Takes a snapshot of the variables. A client keeps it, so that one made in nginx's master works in its workers.
---@return table<string, string> environment
function M.snapshot()
  local environment = setmetatable({}, Snapshot)
  for _, names in ipairs { NAMES, M.PROXIES } do
    for _, name in ipairs(names) do
      environment[name] = os.getenv(name)
    end
  end
  return environment
end

--- Returns a variable of a snapshot; nil if it is unset or empty.
---@param environment table<string, string>
---@param name string
---@return string|nil
function M.value(environment, name)
  local value = environment[name]
  return value ~= "" and value or nil
end

--- Returns the certificates that a snapshot names, with curl's meaning: CURL_CA_BUNDLE is a file; otherwise SSL_CERT_FILE is a
--- file and SSL_CERT_DIR a folder (or several, separated by colons).
---@param environment table<string, string>
---@return string|nil file
---@return string|nil folder
---@return string fileName variable that names the file, or would
function M.certificates(environment)
  local bundle = M.value(environment, "CURL_CA_BUNDLE")
  if bundle then
    return bundle, nil, "CURL_CA_BUNDLE"
  end
  return M.value(environment, "SSL_CERT_FILE"), M.value(environment, "SSL_CERT_DIR"), "SSL_CERT_FILE"
end

return M
