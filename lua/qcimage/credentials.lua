--- credentials.lua - where a call's SecretId, SecretKey and token come from: sources for programs that choose one, and
--- the one that a client's options and environment make.
---
---     local credentials = require "qcimage.credentials"
---     local client = require("qcimage").new {
---       credentials = credentials.assumeRole { roleArn = "qcs::cam::uin/100000000001:roleName/image-ops" },
---     }
---
--- A source is a function that gives {secretId, secretKey, token}, or nil and a message; those made here can be shared by
--- clients, and be put into each other. Options that are wrong are raised.
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

-- Inside nginx files are read when a source is made: to read them in a request would hold up the worker.
local isEager = environments.isNginx

-- Between two looks at a file that is being written.
local function pause(seconds)
  require("qcimage.core").sleep(seconds)
end

--- A source of the environment's variables.
---@return function
function M.environment()
  return provider.markBuiltIn((variables.new(environments.snapshot())))
end

--- A source of a file such as ~/.tencentcloud/credentials.
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

--- A source of a profile of tccli's.
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

--- A source of a TKE pod's web identity, from the variables that the cluster sets.
---@return function
function M.oidc()
  return provider.markBuiltIn(require("qcimage.credentials.oidc_role").new(environments.snapshot()))
end

--- A source of the role of the CVM instance that this runs on.
---@param options {roleName: string|nil, address: string|nil}|nil the instance's only role; URL of the metadata service,
--- or else what QCIMAGE_METADATA says
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

--- A source of temporary keys for a role that other keys may assume. They are asked for once while they live, by all
--- clients that share the source.
---@param options table roleArn; credentials (what may assume it: a source, or {secretId, secretKey, token}; the
--- environment's by default); roleSessionName, durationSeconds, policy, externalId as STS has them; endpoint (URL of
--- another STS)
---@return function
function M.assumeRole(options)
  options = optionsOf.check(ASSUME_ROLE, options)
  local sts = require "qcimage.credentials.sts"
  local role = {}
  for name, value in pairs(options) do
    role[name] = value
  end
  local name, problem = sts.validateRole(role)
  if not problem and role.endpoint then
    name = "endpoint"
    role.endpoint, problem = sts.endpoint(role.endpoint)
  end
  if problem then
    misuse.raise(("%s %s"):format(optionNames.shown(name), problem))
  end
  local source = options.credentials or provider.markBuiltIn((variables.new(environments.snapshot(), true))) -- a role replaces another
  if type(source) == "table" then
    source = provider.static(source)
  else
    source = singleflight.wrap(source)
  end
  return provider.markBuiltIn(require("qcimage.credentials.assume_role").new(source, role))
end

--- A source of others: the first that has keys is kept to.
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

-- The role that options or environment name, over whatever keys there are; or nil. The environment's goes over no keys
-- that the program itself gave or whose profile it named.
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

-- What goes before keys of the environment, which are then not even looked at.
local function passedBy(options, environment)
  local named = options.credentials and "credentials"
    or options.secretId and "secretId"
    or options.profile and "profile"
  if named and variables.isConfigured(environment) then
    return { source = variables.NAME, why = ("%s takes precedence"):format(optionNames.shown(named)) }
  end
end

--- A client's source, made of its options and environment.
---@param options table checked
---@param environment table<string, string>
---@param services {metadata: qcimage.Metadata|nil, settings: qcimage.ProfileSettings|nil}
---@return fun(context: table|nil): qcimage.Credentials|nil, qcimage.Error|nil
---@return boolean|nil isFixed it gives the same at each question, and needs no context
---@return {source: string, why: string}|nil passedOver keys of the environment that count less
---@return fun(context: table): qcimage.Credentials|nil, qcimage.Error|nil base the source without the role over it
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

--- Settings of the tccli profile that a client looks at, or nil: keys that a program gives itself have a profile only
--- where it names one, so that a server's program is not moved by a home folder.
---@param options table checked
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
