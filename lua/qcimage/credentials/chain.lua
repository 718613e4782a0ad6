--- chain.lua - a chain of providers: the first that has credentials wins, and is kept. The default order, with its reasons:
---
--- 1. Credentials given by the program (provider.static): without a chain.
--- 2. The profile named by an option, and nothing else: tccli's file, then the section of that name in the SDKs' file.
--- 3. The environment: it is set for this program alone. TCCLI_PROFILE does not override it; that variable only chooses
---    tccli's file (as in tccli).
--- 4. The SDKs' file: the user's, then the machine's.
--- 5. TKE's web identity, set for this pod; before the CVM role, which is the node's and has the node's rights. (The
---    SDKs use the other order, which gives a pod its node's role.)
--- 6. tccli's profile, "default" or TCCLI_PROFILE's, after TKE as in tccli.
--- 7. The CVM role: the only one that needs a network request, up to 2 s where there is no metadata service. Not with
---    TCCLI_PROFILE, which names another identity.
---
--- A source that exists but is broken is the error, whoever named it: the keys of another source would be those of another
--- account. A source that does not exist is skipped, and the reason is kept.
--- Part of qcimage, see LICENSE.

local variables = require "qcimage.credentials.environment"
local environments = require "qcimage.util.environment"
local optionNames = require "qcimage.util.option_names"
local provider = require "qcimage.credentials.provider"
local readFile = require "qcimage.credentials.read_file"

local M = {}

--- Makes a chain. Once a provider has returned credentials, only that one is asked: its failure must not lead to another
--- identity.
---@param sources qcimage.CredentialsProvider[]
---@param prefix string|nil first part of the error that lists the reasons
---@param names string[]|nil of the providers, for the list of skipped ones
---@return qcimage.CredentialsProvider
function M.new(sources, prefix, names)
  local winner
  local passed = {} -- reasons of the providers before the one that won

  local function report(context, reasons)
    if not context.passed then
      return
    end
    for i, why in ipairs(reasons) do
      table.insert(context.passed, { source = names and names[i] or ("source %d"):format(i), why = why })
    end
  end

  return function(context)
    if winner then
      if context.passed then
        report(context, passed)
      end
      return winner(context)
    end
    local reasons = {}
    for i, source in ipairs(sources) do
      local credentials, err = source(context)
      if credentials then
        winner, passed = source, reasons
        report(context, reasons)
        return credentials
      elseif err.final then
        report(context, reasons)
        err.source = err.source or names and names[i]
        return nil, err
      end
      reasons[#reasons + 1] = err.message
    end
    report(context, reasons)
    return provider.noCredentials((prefix or "no credentials: ") .. table.concat(reasons, "; "))
  end
end

---@class qcimage.ChainSettings
---@field profile string|nil the option profile
---@field settings qcimage.ProfileSettings|nil of the tccli profile
---@field isEager boolean|nil read files now, and never again
---@field withoutRole boolean|nil roles named by the sources are replaced by another one
---@field metadata qcimage.Metadata|nil
---@field pause fun(seconds: number)|nil sleeps between attempts to read a file that is being written

---@class qcimage.CredentialsLink one link of the chain
---@field name string
---@field new fun(): qcimage.CredentialsProvider, boolean|nil

local FILE = "TENCENTCLOUD_CREDENTIALS_FILE"

-- Adds the SDKs' files, with the section of a pinned profile or the default one.
local function addFiles(links, environment, settings)
  local file = require "qcimage.credentials.file"
  local home = environments.value(environment, "HOME")
  local named = environment[FILE]
  local function add(path, isNamed)
    links[#links + 1] = {
      name = path and readFile.displayPath(path, home) or "~" .. file.IN_HOME,
      new = function()
        return file.new {
          path = path,
          home = home,
          section = settings.profile,
          isNamed = isNamed,
          isForAll = path == file.FOR_ALL,
          isEager = settings.isEager,
          withoutRole = settings.withoutRole,
        }
      end,
    }
  end
  if named == "" then
    links[#links + 1] = {
      name = FILE,
      new = function()
        return provider.failing(FILE .. " is empty", true, FILE)
      end,
    }
  elseif named then
    add(named, true)
  else
    add(home and home .. file.IN_HOME)
    add(file.FOR_ALL)
  end
end

--- Returns the name of the client's tccli profile, and what names it.
---@param option string|nil the option profile
---@param environment table<string, string>
---@return string name
---@return string|nil nameOf nil: it is the default profile
function M.profileOf(option, environment)
  local variable = environments.value(environment, "TCCLI_PROFILE")
  return option or variable or "default", option and optionNames.shown "profile" or variable and "TCCLI_PROFILE" or nil
end

local function addTccli(links, environment, settings)
  local name, nameOf = M.profileOf(settings.profile, environment)
  local tccli = require "qcimage.credentials.tccli"
  links[#links + 1] = {
    name = tccli.shown(name),
    new = function()
      return tccli.new {
        home = environments.value(environment, "HOME"),
        profile = name,
        nameOf = nameOf,
        settings = settings.settings,
        isEager = settings.isEager,
        withoutRole = settings.withoutRole,
        metadata = settings.metadata,
        pause = settings.pause,
      }
    end,
  }
  return nameOf
end

--- Returns the links for a program that gives no credentials itself, in order.
---@param environment table<string, string> a snapshot
---@param settings qcimage.ChainSettings
---@return qcimage.CredentialsLink[]
---@return string prefix first part of the error that lists the reasons
function M.links(environment, settings)
  local links = {}
  if settings.profile then
    addTccli(links, environment, settings)
    addFiles(links, environment, settings)
    return links, ("no credentials for the profile %s (%s): "):format(settings.profile, optionNames.shown "profile")
  end
  links[1] = {
    name = variables.NAME,
    new = function()
      return variables.new(environment, true)
    end,
  }
  if not variables.isConfigured(environment) then -- otherwise it wins, or is the error: the other modules are not even loaded
    addFiles(links, environment, settings)
    links[#links + 1] = {
      name = "TKE",
      new = function()
        return require("qcimage.credentials.oidc_role").new(environment)
      end,
    }
    if not addTccli(links, environment, settings) then
      links[#links + 1] = {
        name = "CVM role",
        new = function()
          return require("qcimage.credentials.cvm_role").new(settings.metadata)
        end,
      }
    end
  end
  local options = optionNames.setting "credentials" and "the options secretId, secretKey and credentials"
    or optionNames.shown "secretId" .. " and "
    .. optionNames.shown "secretKey" -- the command
  return links, ("no credentials: %s are not given; "):format(options)
end

--- Makes the default chain.
---@param environment table<string, string> a snapshot
---@param settings qcimage.ChainSettings
---@return qcimage.CredentialsProvider
---@return boolean|nil isFixed it always returns the same, and needs no context
function M.default(environment, settings)
  local links, prefix = M.links(environment, settings)
  if links[1].name == variables.NAME and #links == 1 then
    return links[1].new()
  end
  local sources, names = {}, {}
  for i, link in ipairs(links) do
    sources[i], names[i] = link.new(), link.name
  end
  return M.new(sources, prefix, names)
end

return M
