--- chain.lua - asks sources one after another, and keeps to the first that has keys. The order and its reasons:
---
--- 1. What the program gives (explicit.lua): it knows best. With it no chain is made.
--- 2. The profile that an option or TCCLI_PROFILE names: then the environment's keys are not used.
--- 3. The environment: it is set for this one program.
--- 4. Files of the user's, then of the machine's: Tencent's SDKs' file, tccli's profile "default".
--- 5. TKE's web identity, set for this pod; before the CVM role, which is the node's and has the node's rights. (The
---    SDKs ask in the other order, and a pod then takes its node's role.)
--- 6. The CVM role: the only one that has to be asked over a network, which takes up to 2 s where there is none.
---
--- A source is used whole or not at all. What somebody named (a profile, a file, half a pair of keys, a variable of
--- TKE's) must be usable, else that is the error; what nobody named is passed over, and its reason kept.
--- Part of qcimage, see LICENSE.

local variables = require "qcimage.credentials.environment"
local environments = require "qcimage.environment"
local keys = require "qcimage.credentials.keys"
local textfile = require "qcimage.credentials.textfile"

local M = {}

--- Makes a source of others, in their order. Once one has given keys, only that one is asked: a failure of it must not
--- become another identity.
---@param sources qcimage.CredentialsSource[]
---@param prefix string|nil begins the error that lists why none had keys
---@return qcimage.CredentialsSource
function M.new(sources, prefix)
  local settled
  return function(context)
    if settled then
      return settled(context)
    end
    local reasons = {}
    for _, source in ipairs(sources) do
      local credentials, err = source(context)
      if credentials then
        settled = source
        return credentials
      elseif err.final then
        return nil, err
      end
      reasons[#reasons + 1] = err.message
    end
    return keys.none((prefix or "no credentials: ") .. table.concat(reasons, "; "))
  end
end

---@class qcimage.ChainSettings
---@field profile string|nil option of that name
---@field isEager boolean|nil read files now, and not again
---@field metadata qcimage.Metadata|nil
---@field stsEndpoint string|nil URL; it goes before what a profile names
---@field pause fun(seconds: number)|nil between two looks at a file that is being written

---@class qcimage.CredentialsLink a place where keys are looked for
---@field name string
---@field new fun(): qcimage.CredentialsSource, boolean|nil

-- The links of files: with a profile its section and its files of tccli's, else the defaults.
local function addFiles(links, environment, settings, profile, nameOf)
  local file, tccli = require "qcimage.credentials.file", require "qcimage.credentials.tccli"
  local home = environments.value(environment, "HOME")
  local named = environment.TENCENTCLOUD_CREDENTIALS_FILE
  local function add(path, isNamed)
    links[#links + 1] = {
      name = path and textfile.shown(path, home) or "~" .. file.IN_HOME,
      new = function()
        return file.new {
          path = path,
          home = home,
          section = profile,
          isNamed = isNamed,
          isProfile = profile ~= nil,
          isEager = settings.isEager,
        }
      end,
    }
  end
  if named == "" then
    links[#links + 1] = {
      name = "TENCENTCLOUD_CREDENTIALS_FILE",
      new = function()
        return function()
          return keys.none("TENCENTCLOUD_CREDENTIALS_FILE is empty", true, "TENCENTCLOUD_CREDENTIALS_FILE")
        end
      end,
    }
  elseif named then
    add(named, true)
  else
    add(home and home .. file.IN_HOME)
    add(file.FOR_ALL)
  end
  links[#links + 1] = {
    name = ("~/.tccli/%s.credential"):format(profile or "default"),
    new = function()
      return tccli.new {
        home = home,
        profile = profile,
        nameOf = nameOf,
        isNamed = profile ~= nil,
        isEager = settings.isEager,
        metadata = settings.metadata,
        stsEndpoint = settings.stsEndpoint,
        pause = settings.pause,
      }
    end,
  }
end

--- The links for a program that gives no keys itself, in their order.
---@param environment table<string, string> a snapshot
---@param settings qcimage.ChainSettings
---@return qcimage.CredentialsLink[]
---@return string prefix begins the error that lists why none had keys
function M.links(environment, settings)
  local nameOf = settings.profile and "option profile" or "TCCLI_PROFILE"
  local profile = settings.profile or environments.value(environment, "TCCLI_PROFILE")
  local links = {}
  if profile then
    addFiles(links, environment, settings, profile, nameOf)
    return links, ("no credentials for the profile %s (%s): "):format(profile, nameOf)
  end
  links[1] = {
    name = "the environment",
    new = function()
      return variables.new(environment)
    end,
  }
  if not variables.isNamed(environment) then -- else it has keys, or the error; the others are not even loaded
    addFiles(links, environment, settings)
    links[#links + 1] = {
      name = "TKE",
      new = function()
        return require("qcimage.credentials.oidc").new(environment)
      end,
    }
    links[#links + 1] = {
      name = "CVM role",
      new = function()
        return require("qcimage.credentials.cvm").new(settings.metadata)
      end,
    }
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
  if links[1].name == "the environment" and #links == 1 then
    return links[1].new()
  end
  local sources = {}
  for i, link in ipairs(links) do
    sources[i] = link.new()
  end
  return M.new(sources, prefix)
end

return M
