--- explain.lua - explains what a client's calls use and why: each fact with its source, and the sources that were skipped.
--- Resolves a DescribeImages that is not sent, by the functions of a call; may ask credentials providers.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local resolve = require "qcimage.call.resolve"
local optionNames = require "qcimage.util.option_names"
local prepare = require "qcimage.call.prepare"

local M = {}

---@class qcimage.Fact
---@field field "keys"|"role"|"region"|"apiVersion"|"endpoint"|"connectTo"|"stsEndpoint"|"proxy"|"caFile"
---@field value string|nil nil: none, or it could not be determined. Never a secret
---@field source string|nil what named the value; nil: nothing did
---@field passed {source: string, why: string, isOutranked: boolean|nil}[]|nil sources that were tried
--- before, or have lower precedence (isOutranked), in order
---@field isOfRole boolean|nil keys: temporary keys of a role, which the source's keys assumed
---@field temporary boolean|nil keys: they have a token
---@field expires number|nil keys: expiration, in Unix seconds
---@field err qcimage.Error|nil why the value could not be determined
---@field problem string|nil caFile: why it cannot be read
---@field folders {path: string, problem: string|nil}[]|nil caFile: folders of SSL_CERT_DIR, which are trusted, too

-- Returns a SecretId in the form that may be shown.
local function maskedId(credentials)
  return tostring(credentials):match "%((.*)%)$"
end

local function keysFact(given, err, passed)
  return {
    field = "keys",
    value = given and maskedId(given),
    source = given and (given.source or "the options"),
    isOfRole = given and given.role ~= nil or nil,
    temporary = given and given.token ~= nil or nil,
    expires = given and given.expires,
    passed = passed,
    err = err,
  }
end

-- Returns a call's skipped sources of a field.
local function skippedOf(call, field)
  local list = {}
  for _, one in ipairs(call.skipped) do
    if one.field == field then
      list[#list + 1] = { source = one.source, why = one.why, isOutranked = one.isOutranked }
    end
  end
  return list
end

local function addDestination(call, given, facts)
  local target = call.client.target
  local isPlaced, err = resolve.endpointAndRegion(call, given)
  local isOfRegion = err and err.field ~= nil
  facts[#facts + 1] = {
    field = "region",
    value = call.region,
    source = call.regionSource,
    passed = skippedOf(call, "region"),
    err = not isPlaced and isOfRegion and err or nil,
  }
  facts[#facts + 1] = { field = "apiVersion", value = call.version, source = target.versionName }
  facts[#facts + 1] = {
    field = "endpoint",
    value = call.endpoint.origin,
    source = call.endpointSource or (call.endpoint == target.endpoint and target.endpointName or nil),
    passed = skippedOf(call, "endpoint"),
    err = not isPlaced and not isOfRegion and err or nil,
  }
  if target.connectTo then
    local way = call.endpoint.connectTo or target.connectTo
    facts[#facts + 1] = {
      field = "connectTo",
      value = way.host .. (way.port and (":%d"):format(way.port) or ""),
      source = optionNames.shown "connectTo",
    }
  end
end

-- Returns the fact of the STS endpoint that a role's keys come from.
local function stsFact(call, given)
  local sts = setmetatable({ action = actions["3.0"].AssumeRole, version = "3.0", skipped = {} }, { __index = call })
  sts.endpoint = resolve.destination(call.client, sts.action)
  sts.regionSource, sts.endpointSource = false, false
  local isPlaced, err = resolve.endpointAndRegion(sts, given)
  return {
    field = "stsEndpoint",
    value = isPlaced and sts.endpoint.origin or nil,
    source = sts.endpointSource or nil,
    passed = skippedOf(sts, "endpoint"),
    err = not isPlaced and err or nil,
  }
end

--- Explains what a client's calls use.
---@param client qcimage.Client
---@param seconds number time limit
---@return qcimage.Fact[]|nil nil: no call can be prepared
---@return qcimage.Error|nil err
---@return qcimage.Endpoint|nil endpoint of the calls
function M.facts(client, seconds)
  local call, err = prepare.call(client, actions.describe[client.version], {}, { timeout = seconds })
  if not call then
    return nil, err
  end
  call.passed, call.skipped = { client.passedOver }, {}
  local given, _, cause = resolve.credentials(call)
  local facts = { keysFact(given, cause, call.passed) }
  if given and given.role then
    facts[2] = { field = "role", value = given.role.arn, source = given.role.source }
    facts[3] = stsFact(call, given)
  end
  addDestination(call, given or {}, facts)
  if client.transportNotes then
    facts[#facts + 1], facts[#facts + 2] = client.transportNotes.facts(call.endpoint)
  end
  return facts, nil, call.endpoint
end

return M
