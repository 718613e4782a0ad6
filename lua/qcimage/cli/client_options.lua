--- client_options.lua - makes the client of a command from its options.
--- Part of qcimage, see LICENSE.

local arguments = require "qcimage.cli.parser"
local environments = require "qcimage.util.environment"
local provider = require "qcimage.credentials.provider"
local result = require "qcimage.cli.output"
local streams = require "qcimage.cli.stdio"

local M = {}

-- Options that are the client's by the same name.
local SAME = {
  "allowPlainHttp",
  "apiVersion",
  "caFile",
  "connectTo",
  "endpoint",
  "language",
  "method",
  "profile",
  "proxy",
  "region",
  "roleArn",
  "roleSessionName",
  "secretId",
  "secretKey",
  "signatureMethod",
  "timeout",
  "token",
}

--- What a command is by itself: a person at a shell is on the public cloud, and has the settings of tccli.
---@type qcimage.Preset
M.PRESET = {
  apiVersion = "3.0",
  versionName = "the command's default; a script's is 2.0, unless QCIMAGE_API_VERSION says more",
  readsProfile = true,
}

-- Seconds for which keys may be asked for, to tell whether they are those of TCCLI_PROFILE.
local LOOK = 15

-- Says so where TCCLI_PROFILE names a profile whose keys are others than those that are used: it only chooses a file.
local function noteProfile(client, options)
  local environment = environments.snapshot()
  local name = environments.value(environment, "TCCLI_PROFILE")
  if not name or options.profile or options.secretId or client.configError then
    return
  end
  local context = setmetatable({ secondsLeft = options.timeout or LOOK }, client.providerContext)
  local used = client.base(context)
  if not used then -- which the call tells
    return
  end
  local pinned = require("qcimage.credentials.chain").default(environment, {
    profile = name,
    metadata = { address = false },
    withoutRole = true,
  })
  local its, err = pinned(context)
  local file = require("qcimage.credentials.tccli").shown(name)
  local source = its and its.source or err.message:find(file, 1, true) and err.final and file -- it cannot be used
  if source and source ~= used.source and not (its and provider.equal(its, used)) then
    local message = "TCCLI_PROFILE=%s: the keys are those of %s, which go before %s; --profile %s takes the profile's"
    streams.note(message:format(name, used.source, source, name))
  end
end

--- Makes a client, and notes nothing.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
---@return qcimage.Error|nil err
function M.made(options)
  local given = {}
  for _, name in ipairs(SAME) do
    given[name] = options[name]
  end
  local client, err = require("qcimage.client").make(given, M.PRESET)
  if not client then
    return nil, result.reworded(err.message, arguments.module(options.command).OPTIONS), err
  end
  return client
end

--- Makes a client, and notes what its user should know of its keys.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
---@return qcimage.Error|nil err
function M.client(options)
  if options.secretKey or options.token then
    streams.note "others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that"
  end
  local client, problem, err = M.made(options)
  if client then
    noteProfile(client, options)
  end
  return client, problem, err
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
  params, problem = require("qcimage.cli.action_args").params(
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
