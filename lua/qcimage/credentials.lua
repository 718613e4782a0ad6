--- credentials.lua - the credentials providers, for programs that choose one; and the provider that a client's options and
--- environment imply.
---
---     local credentials = require "qcimage.credentials"
---     local client = require("qcimage").new {
---       credentials = credentials.assumeRole { roleArn = "qcs::cam::uin/100000000001:roleName/image-ops" },
---     }
---
--- A provider is a function that returns {secretId, secretKey, token}, or nil and a message. Those made here can be shared
--- by clients and passed to each other. Invalid options raise an error.
--- Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local singleflight = require "qcimage.credentials.singleflight"
local provider = require "qcimage.credentials.provider"
local misuse = require "qcimage.util.misuse"
local optionNames = require "qcimage.util.option_names"
local optionsOf = require "qcimage.options"
local targets = require "qcimage.target"
local types = require "qcimage.option_types"
local variables = require "qcimage.credentials.environment"

local M = {}

-- Inside nginx files are read when a provider is made: reading them in a request would block the worker.
local isEager = environments.isNginx

-- Sleeps between two attempts to read a file that is being written.
local function pause(seconds)
  require("qcimage.core").sleep(seconds)
end

--- Makes a provider of the environment variables.
---@return function
function M.environment()
  return provider.markBuiltIn((variables.new(environments.snapshot())))
end

--- Makes a provider of a file such as ~/.tencentcloud/credentials.
---@param options {path: string|nil, section: string|nil}|nil ~/.tencentcloud/credentials and "default"
---@return function
function M.file(options)
  options = optionsOf.check({ path = types.string, section = types.string }, options)
  local file = require "qcimage.credentials.file"
  local home = environments.value(environments.snapshot(), "HOME")
  return provider.markBuiltIn(file.new {
    path = options.path or home and home .. file.IN_HOME,
    home = home,
    section = options.section,
    isNamed = options.path ~= nil,
    isEager = isEager,
  })
end

--- Makes a provider of a tccli profile.
---@param options {profile: string|nil}|nil "default"
---@return function
function M.tccli(options)
  options = optionsOf.check({ profile = types.string }, options)
  return provider.markBuiltIn(require("qcimage.credentials.tccli").new {
    home = environments.value(environments.snapshot(), "HOME"),
    profile = options.profile,
    isEager = isEager,
    pause = pause,
  })
end

--- Makes a provider of a TKE pod's web identity, from the variables that the cluster sets.
---@return function
function M.oidc()
  return provider.markBuiltIn(require("qcimage.credentials.oidc_role").new(environments.snapshot()))
end

--- Makes a provider of the CVM instance role.
---@param options {roleName: string|nil, address: string|nil}|nil the instance's only role; URL of the metadata service, by
--- default from QCIMAGE_METADATA
---@return function
function M.cvm(options)
  options = optionsOf.check({ roleName = types.string, address = types.string }, options)
  local services, err = targets.services({ metadata = options.address }, environments.snapshot(), "address")
  if not services then
    misuse.raise(err.message)
  end
  return provider.markBuiltIn(
    require("qcimage.credentials.cvm_role").new { roleName = options.roleName, address = services.metadata }
  )
end

local ASSUME_ROLE = {
  credentials = types.provider,
  roleArn = types.string,
  roleSessionName = types.string,
  durationSeconds = types.number,
  policy = types.string,
  externalId = types.string,
  endpoint = types.string,
}

--- Makes a provider of temporary keys of a role (AssumeRole). Clients that share it share the keys until they expire.
---@param options table roleArn; credentials (of the identity that assumes the role: a provider, or {secretId, secretKey,
--- token}; by default the environment's); roleSessionName, durationSeconds, policy, externalId as in STS; endpoint (URL of
--- another STS)
---@return function
function M.assumeRole(options)
  options = optionsOf.check(ASSUME_ROLE, options)
  local sts = require "qcimage.credentials.sts"
  local role = options
  local name, problem = sts.validateRole(role)
  if not problem and role.endpoint then
    name = "endpoint"
    role.endpoint, problem = sts.endpoint(role.endpoint)
  end
  if problem then
    misuse.raise(("%s %s"):format(optionNames.shown(name), problem))
  end
  local source = options.credentials or provider.markBuiltIn((variables.new(environments.snapshot(), true))) -- the other role is replaced
  if type(source) == "table" then
    source = provider.static(source)
  else
    source = singleflight.wrap(source)
  end
  return provider.markBuiltIn(require("qcimage.credentials.assume_role").new(source, role))
end

--- Makes a chain of providers: the first that has credentials wins, and is kept.
---@param sources function[]
---@return function
function M.chain(sources)
  if type(sources) ~= "table" or #sources == 0 then
    misuse.raise "the providers must be a list of functions"
  end
  local copy, usesCallback = {}, false
  for i, source in ipairs(sources) do
    if type(source) ~= "function" then
      misuse.raise(("provider %d of the chain must be a function, not a %s"):format(i, type(source)))
    end
    copy[i] = singleflight.wrap(source)
    usesCallback = usesCallback or provider.usesCallback(copy[i])
  end
  local chain = provider.markBuiltIn(require("qcimage.credentials.chain").new(copy))
  return usesCallback and provider.markCallback(chain) or chain
end

-- Returns the role named by options or environment; nil: none. The environment's does not apply to keys or a profile named
-- by the program.
local function roleOf(options, environment)
  if options.roleArn then
    return {
      roleArn = options.roleArn,
      roleSessionName = options.roleSessionName,
      source = optionNames.shown "roleArn",
      names = { roleArn = optionNames.shown "roleArn", roleSessionName = optionNames.shown "roleSessionName" },
    }
  elseif not (options.credentials or options.secretId or options.profile) then
    return variables.role(environment)
  end
end

-- Returns why keys of the environment are skipped, if they are.
local function passedBy(options, environment)
  local named = options.credentials and "credentials"
    or options.secretId and "secretId"
    or options.profile and "profile"
  if named and variables.isConfigured(environment) then
    return { source = variables.NAME, why = ("%s takes precedence"):format(optionNames.shown(named)) }
  end
end

--- Makes a client's provider from its options and environment.
---@param options table validated
---@param environment table<string, string>
---@param services {metadata: qcimage.Metadata|nil, settings: qcimage.ProfileSettings|nil}
---@return fun(context: table|nil): qcimage.Credentials|nil, qcimage.Error|nil
---@return boolean|nil isFixed it always returns the same, and needs no context
---@return {source: string, why: string}|nil passedOver keys of the environment that are skipped
---@return fun(context: table): qcimage.Credentials|nil, qcimage.Error|nil base the provider without the role over it
function M.provider(options, environment, services)
  local source, isFixed = options.credentials, nil
  local role, passedOver = roleOf(options, environment), passedBy(options, environment)
  if type(source) == "function" then
    source = singleflight.wrap(source)
  elseif source or options.secretId or options.secretKey or options.token then
    source, isFixed = provider.static(source or options), true
  else
    source, isFixed = require("qcimage.credentials.chain").default(environment, {
      profile = options.profile,
      settings = services.settings,
      isEager = isEager,
      withoutRole = role ~= nil,
      metadata = services.metadata,
      pause = pause,
    })
  end
  if role then
    return require("qcimage.credentials.assume_role").new(source, role), false, passedOver, source
  end
  return source, isFixed, passedOver, source
end

--- Returns the settings of the client's tccli profile. Keys given by the program have a profile only if it names one, so
--- that a server's program does not depend on a home folder.
---@param options table validated
---@param environment table<string, string>
---@param isForced boolean|nil whatever the keys are
---@return qcimage.ProfileSettings|nil
function M.profileSettings(options, environment, isForced)
  local hasKeys = (options.credentials or options.secretId or options.secretKey or options.token) ~= nil
  if hasKeys and not options.profile and not isForced then
    return nil
  end
  local name, nameOf = require("qcimage.credentials.chain").profileOf(options.profile, environment)
  local settings = require("qcimage.credentials.profile").new {
    home = environments.value(environment, "HOME"),
    name = name,
    nameOf = nameOf,
    mustExist = hasKeys and options.profile ~= nil,
    isEager = isEager,
    pause = pause,
  }
  if isEager then
    settings.load()
  end
  return settings
end

return M
