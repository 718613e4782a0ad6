--- options.lua - the options that several commands have, and what options and operands are.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

---@class qcimage.cli.Option
---@field [1] string "--name"
---@field [2] string|string[]|nil name of its value in the help, or of its values; nil: it takes none
---@field [3] string description
---@field target string|nil key of the value; by default the name in camelCase, which is a second spelling of it
---@field convert nil|fun(argument: string): any, string|nil
---@field choices string[]|table<string, string[]>|nil values that are allowed; or these by API version
---@field many boolean|nil may be repeated, and all values count
---@field overwrite boolean|nil may be repeated, and the last value counts
---@field required boolean|nil
---@field files boolean|nil its value names a file
---@field secret boolean|nil its value is never shown, and taken whatever it looks like
---@field isBoolean boolean|nil takes "true" or "false", and means true without
---@field param table|nil of a parameter: its data in api/actions.lua
---@field key string|nil of a parameter: its key in the table of parameters

---@class qcimage.cli.Operand
---@field [1] string its name in the help
---@field [2] string description
---@field target string key of the value
---@field args "?"|"*"|"+"|nil at most one, any number, at least one; nil: exactly one
---@field choices string[]|nil
---@field files boolean|nil

--- Makes a converter to a number.
---@param least number
---@param most number
---@param whole boolean|nil
---@return fun(argument: string): number|nil, string|nil
function M.number(least, most, whole)
  return function(argument)
    local value = argument:find "^%-?%d+%.?%d*$" and tonumber(argument)
    if not value or value < least or value > most or whole and value ~= math.floor(value) then
      return nil, ("must be a number from %.14g to %.14g"):format(least, most)
    end
    return value
  end
end

--- Whether a word is one of those that are allowed.
---@param choices string[]
---@param word string
---@return boolean
function M.isOneOf(choices, word)
  for _, choice in ipairs(choices) do
    if choice == word then
      return true
    end
  end
  return false
end

--- Options of every command that calls the service.
---@type qcimage.cli.Option[]
M.COMMON = {
  { "--region", "REGION", "region, such as ap-guangzhou [TENCENTCLOUD_REGION]" },
  { "--profile", "NAME", "profile of tccli, or section of ~/.tencentcloud/credentials; goes before the environment" },
  { "--secret-id", "ID", "SecretId [TENCENTCLOUD_SECRET_ID]", secret = true },
  { "--secret-key", "KEY", "SecretKey [TENCENTCLOUD_SECRET_KEY]; other users can see it here", secret = true },
  { "--token", "TOKEN", "token of temporary keys [TENCENTCLOUD_TOKEN]; other users can see it here", secret = true },
  { "--role-arn", "ARN", "role to assume with these credentials [TENCENTCLOUD_ROLE_ARN]" },
  { "--role-session-name", "NAME", "name of the role's session [TENCENTCLOUD_ROLE_SESSION_NAME]" },
  {
    "--api-version",
    "VERSION",
    "3.0 or 2.0 [QCIMAGE_API_VERSION, else the version in the endpoint's path, else 3.0]",
    choices = { "3.0", "2.0" },
  },
  { "--endpoint", "URL", "URL of a private cloud or an emulator [QCIMAGE_ENDPOINT]" },
  {
    "--connect-to",
    "HOST:PORT",
    "where to connect for the endpoint, whose name is still signed and verified",
    convert = function(argument)
      return argument:match "^::([^:]+:%d+)$" or argument:match "^::(%[.+%]:%d+)$" or argument -- as curl has it
    end,
  },
  { "--allow-plain-http", nil, "allow an endpoint with http:// on another machine" },
  { "--proxy", "URL", 'proxy; "" for none [https_proxy, no_proxy, ...]', secret = true },
  { "--ca-file", "FILE", "the only certificates to trust [CURL_CA_BUNDLE, SSL_CERT_FILE]", files = true },
  { "--timeout", "SECONDS", "time limit of a whole call [30]", convert = M.number(0.001, 86400) },
  {
    "--language",
    "LANGUAGE",
    "language of the service's messages: zh-CN or en-US (API 3.0)",
    choices = { "zh-CN", "en-US" },
  },
  { "--output", "FORMAT", "table, text or json [table]", choices = { "table", "text", "json" } },
  { "--no-color", nil, "no colours [NO_COLOR]" },
}

--- Names of the options of the library's that a command has: those of COMMON, of sign and apply, and some of a call.
M.NAMES = {}
for _, name in ipairs { "method", "signature-method", "raw", "temporary-names", "resume", "undo", "continue" } do
  M.NAMES["--" .. name] = true
end
for _, option in ipairs(M.COMMON) do
  M.NAMES[option[1]] = true
end

M.HELP = { "--help", nil, "print this help", target = "help" }
M.VERSION = { "--version", nil, "print the versions of qcimage and its libraries", target = "version" }

--- What the commands have that take an action.
M.ACTION = { "ACTION", "name in the API, such as DescribeImageQuota", target = "action" }
M.RAW = { "--raw", nil, "any action; parameters are sent as given, without validation" }
M.INPUT = { "--cli-input-json", "FILE", 'file with the whole body as JSON; "-" is standard input', files = true }

return M
