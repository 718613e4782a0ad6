--- connect.lua - makes the client of a command from its options.
--- Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local image = require "qcimage"
local result = require "qcimage.cli.result"
local streams = require "qcimage.cli.streams"

local M = {}

-- Options that are the client's by the same name.
local SAME = {
  "allowPlainHttp",
  "apiVersion",
  "caFile",
  "endpoint",
  "language",
  "profile",
  "proxy",
  "region",
  "secretId",
  "secretKey",
  "timeout",
  "token",
}

--- The API version of a command: 3.0, unless something says otherwise.
---@param options table the command's
---@return string|nil version nil where the client finds it itself
---@return string why
function M.version(options)
  local variable = os.getenv "QCIMAGE_API_VERSION"
  if options.apiVersion then
    return options.apiVersion, "--api-version"
  elseif variable and variable ~= "" then
    return nil, "QCIMAGE_API_VERSION"
  end
  local url = options.endpoint or os.getenv "QCIMAGE_ENDPOINT"
  local endpoint = url and endpoints.parse(url)
  if endpoint and endpoint.version then
    return nil, "the endpoint's path"
  end
  return "3.0", "the command's default"
end

-- A source of temporary keys for a role, by the keys that are there.
local function role(given, arn)
  local credentials = require "qcimage.credentials"
  local source
  if given.secretId or given.secretKey then
    source = { secretId = given.secretId, secretKey = given.secretKey, token = given.token }
  elseif given.profile then
    source = credentials.chain {
      credentials.file { section = given.profile },
      credentials.tccli { profile = given.profile },
    }
  else
    source = credentials.chain {
      credentials.environment(),
      credentials.file(),
      credentials.tccli(),
      credentials.oidc(),
      credentials.cvm(),
    }
  end
  given.secretId, given.secretKey, given.token, given.profile = nil, nil, nil, nil
  given.credentials = credentials.assumeRole { roleArn = arn, credentials = source }
end

--- Makes a client.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
function M.client(options)
  if options.secretKey or options.token then
    streams.note "others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that"
  end
  local given = {}
  for _, name in ipairs(SAME) do
    given[name] = options[name]
  end
  given.apiVersion = M.version(options)
  local ok, client = pcall(function()
    if options.roleArn then
      role(given, options.roleArn)
    end
    return (image.new(given))
  end)
  if not ok then
    return nil, result.reworded((tostring(client):gsub("^[^ ]*%.lua:%d+: ", "")))
  end
  return client
end

return M
