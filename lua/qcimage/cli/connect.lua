--- connect.lua - makes the client of a command from its options.
--- Part of qcimage, see LICENSE.

local arguments = require "qcimage.cli.arguments"
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
  "method",
  "profile",
  "proxy",
  "region",
  "secretId",
  "secretKey",
  "signatureMethod",
  "timeout",
  "token",
}

--- The API version of a command: 3.0, unless something says otherwise.
---@param options table the command's
---@return string|nil version nil where the client finds it itself
function M.version(options)
  local variable = os.getenv "QCIMAGE_API_VERSION"
  if options.apiVersion then
    return options.apiVersion
  elseif variable and variable ~= "" then
    return nil
  end
  local url = options.endpoint or os.getenv "QCIMAGE_ENDPOINT"
  local endpoint = url and endpoints.parse(url)
  if endpoint and endpoint.version then
    return nil
  end
  return "3.0"
end

-- Puts a role in the place of the keys that a client with these options would have, which it is taken on with.
local function takeOn(given, arn)
  local credentials, keys = require "qcimage.credentials", require "qcimage.credentials.keys"
  local source = keys.own(image.new(given).provider)
  given.secretId, given.secretKey, given.token, given.profile = nil, nil, nil, nil
  given.credentials = credentials.assumeRole { roleArn = arn, credentials = source }
end

--- The client's options of a command, but for the role.
---@param options table the command's
---@return qcimage.Options
function M.options(options)
  local given = {}
  for _, name in ipairs(SAME) do
    given[name] = options[name]
  end
  given.apiVersion = M.version(options)
  return given
end

--- Makes a client.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
function M.client(options)
  if options.secretKey or options.token then
    streams.note "others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that"
  end
  local given = M.options(options)
  local ok, client = pcall(function()
    if options.roleArn then
      takeOn(given, options.roleArn)
    end
    return (image.new(given))
  end)
  if not ok then
    local problem = tostring(client):gsub("^[^ ]*%.lua:%d+: ", "")
    return nil, result.reworded(problem, require("qcimage.cli." .. options.command).OPTIONS)
  end
  return client
end

--- Makes a client, and reads the parameters of the action that a command is given.
---@param options table the command's
---@return qcimage.Client|nil
---@return table|string params or the problem
function M.action(options)
  local client, problem = M.client(options)
  if not client then
    return nil, problem
  end
  local params
  params, problem = require("qcimage.cli.action").params(
    client.version,
    options.action,
    options.parameters,
    { raw = options.raw, options = arguments.COMMON }
  )
  if not params then
    return nil, problem
  end
  return client, params
end

return M
