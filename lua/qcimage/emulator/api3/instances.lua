--- emulator/api3/instances.lua - the actions of API 3.0 that clients of images call beside them: the regions, and the
--- instances that images are made of.
--- Part of qcimage, see LICENSE.
---
--- cloud.tencent.com/document/api/213/15708 (DescribeRegions), /15728 (DescribeInstances).

local abort = require "qcimage.emulator.abort"
local filters = require "qcimage.emulator.api3.filters"
local images = require "qcimage.emulator.api3.images"
local json = require "qcimage.emulator.json"
local regions = require "qcimage.emulator.regions"
local text = require "qcimage.emulator.text"

local list = json.list

local M = {}

M.DescribeRegions = {
  isGlobal = true, -- needs no region
  params = {},
  run = function(emulator)
    local found = list {}
    for _, code in ipairs(emulator.regionOrder) do
      found[#found + 1] = { Region = code, RegionName = regions.NAMES[code] or code, RegionState = "AVAILABLE" }
    end
    return { TotalCount = #found, RegionSet = found }
  end,
}

local MALFORMED = "InvalidInstanceId.Malformed"

local function isInstanceId(value)
  return value:find "^ins%-%w+$" ~= nil
end

-- Filters over what an instance has here.
local FILTERS = {
  ["zone"] = { filters.field "zone" },
  ["instance-id"] = { filters.field "instanceId" },
  ["instance-name"] = { filters.field "instanceName" },
  ["instance-state"] = { filters.field "state" },
  ["image-id"] = { filters.field "imageId" },
  ["tag-key"] = { filters.tag "key" },
  ["tag-value"] = { filters.tag "value" },
}

-- An instance with the fields of the documented model that clients read; it has no network and one disk.
local function described(instance, image)
  local tags = list {}
  for i, tag in ipairs(instance.tags) do
    tags[i] = { Key = tag.key, Value = tag.value }
  end
  return {
    Placement = { Zone = instance.zone, ProjectId = 0, HostId = json.null, HostIds = json.null },
    InstanceId = instance.instanceId,
    InstanceType = instance.instanceType,
    CPU = 2,
    Memory = 4,
    RestrictState = "NORMAL",
    InstanceName = instance.instanceName,
    InstanceChargeType = "POSTPAID_BY_HOUR",
    SystemDisk = {
      DiskType = "CLOUD_PREMIUM",
      DiskId = "disk-" .. instance.instanceId:sub(-8),
      DiskSize = image and image.imageSize or 50,
    },
    DataDisks = list {},
    PrivateIpAddresses = list {},
    PublicIpAddresses = list {},
    InternetAccessible = { InternetChargeType = "TRAFFIC_POSTPAID_BY_HOUR", InternetMaxBandwidthOut = 0 },
    VirtualPrivateCloud = { VpcId = "", SubnetId = "", AsVpcGateway = false },
    ImageId = instance.imageId,
    RenewFlag = json.null,
    CreatedTime = text.isoTime(instance.createdTime),
    ExpiredTime = json.null,
    OsName = image and image.osName or "",
    SecurityGroupIds = list {},
    LoginSettings = { KeyIds = list {} },
    InstanceState = instance.state,
    Tags = tags,
    StopChargingMode = "NOT_APPLICABLE",
  }
end

M.DescribeInstances = {
  params = {
    InstanceIds = { type = "strings", most = 100, form = isInstanceId, code = MALFORMED },
    Filters = filters.RULE,
    Offset = images.OFFSET,
    Limit = images.LIMIT,
  },
  run = function(_, call)
    local values, view = call.values, call.view
    local ids = values.InstanceIds and #values.InstanceIds > 0 and text.set(values.InstanceIds)
    if ids and #(values.Filters or {}) > 0 then
      abort.raise("InvalidParameterCombination", "InstanceIds and Filters can't be given together")
    end
    local passes = filters.test(FILTERS, values.Filters or {})
    local found = {}
    for _, instance in ipairs(view:instances()) do
      if passes(instance) and (not ids or ids[instance.instanceId]) then
        found[#found + 1] = instance
      end
    end
    return {
      TotalCount = #found,
      InstanceSet = images.page(found, values, function(instance)
        return described(instance, view:find(instance.imageId))
      end),
    }
  end,
}

return M
