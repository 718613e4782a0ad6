--- emulator/api3/actions.lua - the image actions of API 3.0 that change or list images: their
--- parameters as data, and what they do. Those of import, export and quota are in other_actions.lua.
--- Part of qcimage, see LICENSE.
---
--- tencentcloud.com/document/product/213/33269 (ModifyImageAttribute), /33272 (DescribeImages) and
--- their neighbours.

local codes = require "qcimage.emulator.codes"
local images = require "qcimage.emulator.api3.images"
local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local refuse = abort.raise
local ID, IDS = images.ID, images.IDS
local NAME, DESCRIPTION, FAMILY = images.NAME, images.DESCRIPTION, images.FAMILY

-- Accounts that an image is shared with at most.
local SHARES = 500

local set = text.set

local M = {}

M.ModifyImageAttribute = {
  params = {
    ImageId = ID,
    ImageName = images.with(NAME, { required = false }),
    ImageDescription = DESCRIPTION,
    ImageFamily = FAMILY,
    ImageDeprecated = { type = "boolean" },
  },
  run = function(emulator, call)
    local values = call.values
    local changes = {
      imageName = values.ImageName,
      imageDescription = values.ImageDescription,
      imageFamily = values.ImageFamily,
      imageDeprecated = values.ImageDeprecated,
    }
    if codes.assumed3.blankNameStays and changes.imageName == "" then
      changes.imageName = nil
    end
    if not codes.assumed3.blankDescriptionClears and changes.imageDescription == "" then
      changes.imageDescription = nil
    end
    images.need(emulator.store:modify(values.ImageId, call.region, changes))
    call.applied = true
  end,
}

-- The page names three; MARKET_IMAGE is used by packer's and terraform's users, and is answered.
local TYPES = set { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE", "MARKET_IMAGE" }
local CACHES = set { "CACHED_ALL", "CACHING", "CACHED", "CACHE_INVALID", "CACHE_FAILED" }

local function field(name)
  return function(image, value)
    return image[name] == value
  end
end

local function part(name)
  return function(image, value)
    return image[name]:find(value, 1, true) ~= nil
  end
end

-- Whether one of an image's tags has the value in a field, and the key, where one is named.
local function tag(name, key)
  return function(image, value)
    for _, pair in ipairs(image.tags) do
      if pair[name] == value and (key == nil or pair.key == key) then
        return true
      end
    end
    return false
  end
end

local function never()
  return false
end

-- Filters: whether an image passes for a value; values that are allowed.
local FILTERS = {
  ["image-id"] = { field "imageId", form = text.isImageId, code = "InvalidImageId.Malformed" },
  ["image-type"] = { field "imageType", words = TYPES },
  ["image-name"] = { part "imageName" },
  ["image-state"] = { field "imageState" },
  ["platform"] = { part "platform" },
  ["tag-key"] = { tag "key" },
  ["tag-value"] = { tag "value" },
  -- no image here is in a dedicated cluster
  ["dedicated-cluster-id"] = { never },
  ["cdc-cache-status"] = { never, words = CACHES },
}

-- Tests of the filters of a request; an image must pass each of them with one of its values.
local function tests(filters)
  local list = {}
  for i, filter in ipairs(filters) do
    local key = filter.Name:match "^tag:(.+)$"
    local known = key and { tag("value", key) } or FILTERS[filter.Name]
    if not known then
      refuse("InvalidFilter", "there is no filter %s", text.show(filter.Name))
    end
    for _, value in ipairs(filter.Values) do
      if known.words and not known.words[value] or known.form and not known.form(value) then
        refuse(known.code or "InvalidFilter", "the filter %s has no value %s", filter.Name, text.show(value))
      end
    end
    list[i] = function(image)
      for _, value in ipairs(filter.Values) do
        if known[1](image, value) then
          return true
        end
      end
      return false
    end
  end
  return list
end

-- Whether an image runs on a type of instance: those with ARM processors take ARM images only.
local function fits(image, instanceType)
  local isArm = image.architecture:find "^arm" ~= nil
  return not instanceType or (instanceType:find "^SR%d" ~= nil) == isArm
end

M.DescribeImages = {
  params = {
    ImageIds = images.with(IDS, { required = false }),
    Filters = {
      type = "objects",
      most = 10,
      tooMany = codes.assumed3.filters,
      fields = {
        Name = { type = "string", required = true },
        Values = {
          type = "strings",
          required = true,
          most = 5,
          tooMany = "InvalidFilterValue.LimitExceeded",
        },
      },
    },
    Offset = { type = "integer", least = 0, code = codes.assumed3.offset },
    Limit = {
      type = "integer",
      least = 1,
      most = 100,
      code = "InvalidParameterValue.InvalidParameterValueLimit",
    },
    InstanceType = {
      type = "string",
      code = "InvalidInstanceType.Malformed",
      form = function(value)
        return value:find "^[A-Z][A-Za-z0-9]*%.[A-Z0-9]+$" ~= nil
      end,
    },
  },
  run = function(emulator, call)
    local values = call.values
    local ids = values.ImageIds and #values.ImageIds > 0 and set(values.ImageIds)
    local filters = values.Filters or {}
    if ids and #filters > 0 then
      refuse("InvalidParameter.InvalidParameterCoexistImageIdsFilters", "ImageIds and Filters can't be given together")
    end
    local passes = tests(filters)
    local found = emulator.store:list(call.region, function(image)
      for _, test in ipairs(passes) do
        if not test(image) then
          return false
        end
      end
      return (not ids or ids[image.imageId] or false) and fits(image, values.InstanceType)
    end)
    return images.page(found, values.Offset or 0, values.Limit or 20)
  end,
}

-- Booleans that travel as text. The page has "true" and "false"; packer sends "True" and "False",
-- scripts send "TRUE", and get their images.
local FLAG = {
  type = "string",
  form = function(value)
    local small = text.lower(value)
    return small == "true" or small == "false"
  end,
}

-- The snapshots of a new image, its system disk's first; or nil where none are given.
local function snapshotsOf(store, given)
  if not given or #given == 0 then
    return nil
  end
  local system, others = nil, {}
  for _, id in ipairs(given) do
    local usage = images.diskOfSnapshot(store, id)
    if not usage then
      refuse("InvalidParameter.SnapshotNotFound", "there is no snapshot %s", text.show(id))
    elseif usage == "DATA_DISK" then
      others[#others + 1] = id
    elseif system then
      refuse("InvalidParameter.DuplicateSystemSnapshots", "more than one snapshot is a system disk's")
    else
      system = id
    end
  end
  if not system then
    refuse("InvalidParameter.SystemSnapshotNotFound", "none of the snapshots is a system disk's")
  end
  table.insert(others, 1, system)
  return others
end

M.CreateImage = {
  params = {
    ImageName = NAME,
    InstanceId = { type = "string" },
    SnapshotIds = { type = "strings" },
    ImageDescription = DESCRIPTION,
    ForcePoweroff = FLAG,
    Sysprep = FLAG,
    DataDiskIds = { type = "strings" },
    DryRun = { type = "boolean" },
    TagSpecification = images.TAGS,
    ImageFamily = FAMILY,
  },
  run = function(emulator, call)
    local values = call.values
    local snapshots = values.SnapshotIds and #values.SnapshotIds > 0
    if values.InstanceId and snapshots then
      refuse("InvalidParameterConflict", "InstanceId and SnapshotIds exclude each other")
    elseif not values.InstanceId and not snapshots then
      refuse("InvalidParameter.SpecifyOneParameter", "InstanceId or SnapshotIds is needed")
    elseif values.InstanceId and not emulator.store.instances[values.InstanceId] then
      refuse("InvalidInstanceId.NotFound", "the instance does not exist")
    end
    local fields = { snapshotIds = snapshotsOf(emulator.store, values.SnapshotIds) }
    return images.make(emulator, call, fields, "CREATING")
  end,
}

local UNDELETABLE = {
  shared = "InvalidParameterValue.InvalidImageIdIsShared",
  notOwn = "InvalidParameterValue.InvalidImageId",
}

M.DeleteImages = {
  params = {
    ImageIds = IDS,
    DeleteBindedSnap = { type = "boolean" },
    DryRun = { type = "boolean" },
  },
  run = function(emulator, call)
    local doomed = {}
    for i, id in ipairs(call.values.ImageIds) do
      doomed[i] = images.needBy(UNDELETABLE, emulator.store:deletable(id, call.region))
    end
    if call.values.DryRun then
      return -- answered as a success, as the page's example shows, and not by DryRunOperation
    end
    for _, image in ipairs(doomed) do
      emulator.store:delete(image)
    end
    call.applied = true
  end,
}

M.SyncImages = {
  params = {
    ImageIds = images.with(IDS, { most = 1 }),
    DestinationRegions = { type = "strings", required = true },
    DryRun = { type = "boolean" },
    ImageName = images.with(NAME, { required = false }),
    ImageSetRequired = { type = "boolean" },
    Encrypt = { type = "boolean" },
    KmsKeyId = { type = "string" },
  },
  run = function(emulator, call)
    local values, store = call.values, emulator.store
    local image = store:find(values.ImageIds[1], call.region)
    if not image then
      images.need(nil, "notFound")
    elseif image.imageType ~= "PRIVATE_IMAGE" and image.imageType ~= "SHARED_IMAGE" then
      refuse("InvalidParameterValue.InvalidImageId", "the image is not the account's own")
    elseif image.imageState ~= "NORMAL" then
      images.need(nil, "state")
    end
    -- a shared image becomes an own one, an own one an encrypted one, in its region only
    local stays = image.imageType == "SHARED_IMAGE" or values.Encrypt == true
    local name = values.ImageName ~= "" and values.ImageName or nil
    for _, region in ipairs(values.DestinationRegions) do
      if not emulator.regions[region] then
        refuse("InvalidRegion.NotFound", "there is no region %s", text.show(region))
      elseif stays ~= (region == call.region) then
        refuse(
          "InvalidParameterValue.InvalidRegion",
          stays and "a shared image, or an encrypted copy, stays in its region: %s"
            or "a custom image goes to other regions only: %s",
          region
        )
      elseif name and store:nameTaken(name, region) then
        images.need(nil, "nameTaken")
      end
    end
    images.endDryRun(call)
    local copies = images.list {}
    for i, region in ipairs(values.DestinationRegions) do
      local copy = store:copy(image, region, name, emulator:now())
      copies[i] = { ImageId = copy.imageId, Region = region }
    end
    call.applied = true
    return { ImageSet = values.ImageSetRequired and copies or images.list {} }
  end,
}

local NOT_OWN = "UnauthorizedOperation.ImageNotBelongToAccount"
local UNSHARABLE = { shared = NOT_OWN, notOwn = NOT_OWN }

M.ModifyImageSharePermission = {
  params = {
    ImageId = ID,
    AccountIds = { type = "strings", required = true, most = SHARES },
    Permission = { type = "string", required = true, words = set { "SHARE", "CANCEL" } },
  },
  run = function(emulator, call)
    local values, store = call.values, emulator.store
    local image = images.needBy(UNSHARABLE, store:own(values.ImageId, call.region))
    if image.imageState ~= "NORMAL" then
      refuse("InvalidParameterValue.InvalidImageState", "the image is %s", image.imageState)
    end
    for _, account in ipairs(values.AccountIds) do
      if not account:find "^%d+$" then
        refuse("InvalidAccountId.NotFound", "there is no account %s", text.show(account))
      elseif account == store.accountId then
        refuse("InvalidAccountIs.YourSelf", "an image can't be shared with its own account")
      end
    end
    local share = values.Permission == "SHARE"
    for _, known in ipairs(share and image.sharedWith or {}) do
      if set(values.AccountIds)[known.accountId] then
        refuse("FailedOperation.AccountAlreadyExists", "the image is shared with %s already", known.accountId)
      end
    end
    if share and #image.sharedWith + #values.AccountIds > SHARES then
      refuse("OverQuota", "an image is shared with %d accounts at most", SHARES)
    end
    store:share(image, values.AccountIds, share, emulator:now())
    call.applied = true
  end,
}

M.DescribeImageSharePermission = {
  params = { ImageId = ID },
  run = function(emulator, call)
    local image = images.needBy(UNSHARABLE, emulator.store:own(call.values.ImageId, call.region))
    local shares = images.list {}
    for i, share in ipairs(image.sharedWith) do
      shares[i] = { AccountId = share.accountId, CreatedTime = images.time(share.time) }
    end
    return { SharePermissionSet = shares }
  end,
}

for name, action in pairs(require "qcimage.emulator.api3.other_actions") do
  M[name] = action
end

return M
