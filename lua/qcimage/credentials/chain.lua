--- chain.lua - asks sources one after another, and keeps to the first that has keys. The order and its reasons:
---
--- 1. What the program gives (provider.static): it knows best. With it no chain is made.
--- 2. The profile that an option names, and nothing else: tccli's file, then the section of that name in the SDKs' file.
--- 3. The environment: it is set for this one program. A profile that TCCLI_PROFILE names does not go before it; the
---    variable only chooses tccli's file (as tccli has it).
--- 4. The SDKs' file, the user's, then the machine's: where their users keep it.
--- 5. TKE's web identity, set for this pod; before the CVM role, which is the node's and has the node's rights. (The
---    SDKs ask in the other order, and a pod then takes its node's role.)
--- 6. tccli's profile, "default" or TCCLI_PROFILE's, behind TKE as in tccli.
--- 7. The CVM role: the only one that has to be asked over a network, which takes up to 2 s where there is none. Not with
---    TCCLI_PROFILE, which names another identity.
---
--- A source is used whole or not at all. What exists and is broken is the error, whoever named it: another source's keys
--- would be another account's. What does not exist is passed over, and its reason kept.
--- Part of qcimage, see LICENSE.

local variables = require "qcimage.credentials.environment"
local environments = require "qcimage.util.environment"
local optionNames = require "qcimage.util.option_names"
local provider = require "qcimage.credentials.provider"
local readFile = require "qcimage.credentials.read_file"

local M = {}

--- Makes a source of others, in their order. Once one has given keys, only that one is asked: a failure of it must not
--- become another identity.
---@param sources qcimage.CredentialsSource[]
---@param prefix string|nil begins the error that lists why none had keys
---@param names string[]|nil of the sources, for who wants to know which were passed over
---@return qcimage.CredentialsSource
function M.new(sources, prefix, names)
  local settled
  local passed = {} -- before the source that is settled

  local function tell(context, reasons)
    if not context.passed then
      return
    end
    for i, why in ipairs(reasons) do
      table.insert(context.passed, { source = names and names[i] or ("source %d"):format(i), why = why })
    end
  end

  return function(context)
    if settled then
      if context.passed then
        tell(context, passed)
      end
      return settled(context)
    end
    local reasons = {}
    for _, source in ipairs(sources) do
      local credentials, err = source(context)
      if credentials then
        settled, passed = source, reasons
        tell(context, reasons)
        return credentials
      elseif err.final then
        tell(context, reasons)
        return nil, err
      end
      reasons[#reasons + 1] = err.message
    end
    tell(context, reasons)
    return provider.noCredentials((prefix or "no credentials: ") .. table.concat(reasons, "; "))
  end
end

---@class qcimage.ChainSettings
---@field profile string|nil option of that name
---@field settings qcimage.ProfileSettings|nil of the profile that is looked at
---@field isEager boolean|nil read files now, and not again
---@field withoutRole boolean|nil a role that is named elsewhere replaces those of the sources
---@field metadata qcimage.Metadata|nil
---@field pause fun(seconds: number)|nil between two looks at a file that is being written

---@class qcimage.CredentialsLink a place where keys are looked for
---@field name string
---@field new fun(): qcimage.CredentialsSource, boolean|nil

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
        return function()
          return provider.noCredentials(FILE .. " is empty", true, FILE)
        end
      end,
    }
  elseif named then
    add(named, true)
  else
    add(home and home .. file.IN_HOME)
    add(file.FOR_ALL)
  end
end

--- What names the tccli profile that a client looks at, and its name.
---@param option string|nil option profile
---@param environment table<string, string>
---@return string name
---@return string|nil nameOf nil: it is the default one
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

--- The links for a program that gives no keys itself, in their order.
---@param environment table<string, string> a snapshot
---@param settings qcimage.ChainSettings
---@return qcimage.CredentialsLink[]
---@return string prefix begins the error that lists why none had keys
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
  if not variables.isConfigured(environment) then -- else it has keys, or the error; the others are not even loaded
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
  return links, "no credentials: the options secretId, secretKey and credentials are not given; "
end

--- The chain for a program that gives no keys itself.
---@param environment table<string, string> a snapshot
---@param settings qcimage.ChainSettings
---@return qcimage.CredentialsSource
---@return boolean|nil isFixed it gives the same at each question, and needs no context
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
