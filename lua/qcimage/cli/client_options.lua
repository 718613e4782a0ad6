--- client_options.lua - makes the client of a command from its options.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local optionNames = require "qcimage.util.option_names"
local provider = require "qcimage.credentials.provider"
local stdio = require "qcimage.cli.stdio"
local targets = require "qcimage.target"

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

-- Seconds that asking for keys may take, to compare them with those of TCCLI_PROFILE.
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
  if not used then -- which the call reports
    return
  end
  local pinned = require("qcimage.credentials.chain").default(environment, {
    profile = name,
    metadata = { address = false },
    withoutRole = true,
  })
  local its, err = pinned(context)
  local source = its and its.source or err.source -- it cannot be used
  if source and source ~= used.source and not (its and provider.equal(its, used)) then
    local message = "TCCLI_PROFILE=%s: the keys are those of %s, which go before %s; --profile %s takes the profile's"
    stdio.note(message:format(name, used.source, source, name))
  end
end

--- Makes a client, and notes nothing.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
---@return qcimage.Error|nil err where it is known
function M.made(options)
  local given = {}
  for _, name in ipairs(SAME) do
    given[name] = options[name]
  end
  local client, err = require("qcimage.client").make(given, M.PRESET)
  return client, err and err.message, err
end

--- Makes a client, and notes what its user should know of its keys.
---@param options table the command's
---@return qcimage.Client|nil
---@return string|nil problem
---@return qcimage.Error|nil err where it is known
function M.client(options)
  if options.secretKey or options.token then
    stdio.note "others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that"
  end
  local client, problem, err = M.made(options)
  if client then
    noteProfile(client, options)
  end
  return client, problem, err
end

--- The API version of a command with these options; one that is wrong is reported by its client.
---@param options table apiVersion, endpoint
---@return "2.0"|"3.0"
function M.version(options)
  local given = { apiVersion = options.apiVersion, endpoint = options.endpoint, allowPlainHttp = true }
  local target = targets.of(given, environments.snapshot(), M.PRESET)
  return target and target.version or "3.0"
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
  local params, args = options.parameters, require "qcimage.cli.action_args"
  local typed = {}
  for _, option in ipairs((args.options(client.version, options.action))) do
    typed[option.key] = option[1]
  end
  optionNames.useParameters(typed)
  if options.cliInputJson then
    if next(params) then
      return nil, "--cli-input-json is the whole body: leave out the parameters beside it"
    end
    params, problem = args.body(options.cliInputJson, client.version, options.action, options.raw)
  end
  if not params then
    return nil, problem
  end
  return client, params
end

--- What an empty text means that would change nothing, as an error; or nil.
---@param client qcimage.Client
---@param action string
---@param params table
---@return qcimage.Error|nil
function M.unchanged(client, action, params)
  if action ~= actions.modify[client.version] then
    return nil
  end
  for name, value in pairs(params) do
    local blank = value == "" and (actions[client.version][action].params[name] or {}).blank
    if blank == "keep" or blank == "omit" then
      local message = "%s: %s is empty, which would change nothing; nothing was sent"
      return errors.notSent("parameter", message:format(action, optionNames.parameter(name)), name)
    end
  end
end

return M
