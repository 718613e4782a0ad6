--- adapter.lua - what apply reaches the service by: the calls of a client, held within the service's rate.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local execute = require "qcimage.call.execute"
local endpoints = require "qcimage.api.endpoints"
local resolve = require "qcimage.call.resolve"
local imageLookup = require "qcimage.call.images"
local paginator = require "qcimage.call.paginator"
local prepare = require "qcimage.call.prepare"

local M = {}

-- Images that are looked at together before they are changed.
local LOOKED_AT = 20

-- The client with a limiter, where it has none: a list as fast as it can be sent would mostly be refused.
local function paced(client)
  if client.options.limiter then
    return client
  end
  local options = { limiter = require("qcimage.limiter").memory {} }
  return setmetatable({ options = setmetatable(options, { __index = client.options }) }, { __index = client })
end

--- Makes the adapter of a client.
---@param client qcimage.Client
---@return qcimage.ApplyAdapter
function M.new(client)
  local version = client.version
  local modify, describe = actions.modify[version], actions.describe[version]
  local params = actions[version][modify].params
  client = paced(client)
  local known = resolve.regionOf(client)
  local endpoint, isPublic = resolve.endpointOf(client)
  local function optionsOf(region)
    return { region = region, limiterWaitIsExtra = true }
  end
  return {
    apiVersion = version,
    region = known,
    endpoint = endpoint and endpoint.hostHeader,
    describeBatch = actions[version][describe].params.imageIds.items or LOOKED_AT,
    regionKey = function(region)
      region = region or known
      return region and endpoints.regionName(region) or ""
    end,
    regionProblem = function(region)
      return select(2, endpoints.region(region, version, isPublic))
    end,
    keepsBlank = function(name)
      local blank = params[name] and params[name].blank
      return blank == "keep" or blank == "omit"
    end,
    check = function(wanted)
      return select(2, prepare.call(client, modify, wanted, {}))
    end,
    modify = function(wanted, region)
      return execute.run(client, modify, wanted, optionsOf(region))
    end,
    describeByIds = function(ids, region)
      return imageLookup.describeByIds(ids, imageLookup.batchSize(version), function(wanted)
        return execute.run(client, describe, wanted, optionsOf(region))
      end)
    end,
    each = function(wanted, region)
      return paginator.each(client, wanted, optionsOf(region), execute.run)
    end,
    sleep = client.sleep,
    random = client.random,
    clock = client.clock,
  }
end

return M
