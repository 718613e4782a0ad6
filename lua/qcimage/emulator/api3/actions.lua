--- emulator/api3/actions.lua - the actions of API 3.0 that change or list images: their parameters as data, and their
--- effects. Those of import, export and quota are in other_actions.lua, those beside images in instances.lua.
--- Part of qcimage, see LICENSE.
---
--- tencentcloud.com/document/product/213/33269 (ModifyImageAttribute), /33272 (DescribeImages) and
--- their neighbours.

local abort = require "qcimage.emulator.abort"
local filters = require "qcimage.emulator.api3.filters"
local images = require "qcimage.emulator.api3.images"
local json = require "qcimage.emulator.json"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"
local views = require "qcimage.emulator.view"

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
    ImageName = tables.with(NAME, { required = false }),
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
    if changes.imageName == "" then -- leaves the name
      changes.imageName = nil
    end
    images.need(call.view:modify(values.ImageId, changes, emulator.settings.modifyShared))
    call.applied = true
  end,
}

-- The page names three; MARKET_IMAGE is used by packer's and terraform's users, and is answered.
local TYPES = set { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE", "MARKET_IMAGE" }
local CACHES = set { "CACHED_ALL", "CACHING", "CACHED", "CACHE_INVALID", "CACHE_FAILED" }

-- Filters: whether an image passes for a value; values that are allowed.
local FILTERS = {
  ["image-id"] = { filters.field "imageId", form = text.isImageId, code = "InvalidImageId.Malformed" },
  ["image-type"] = { filters.field "imageType", words = TYPES },
  ["image-name"] = { filters.part "imageName" },
  ["image-state"] = { filters.field "imageState" },
  ["platform"] = { filters.part "platform" },
  ["tag-key"] = { filters.tag "key" },
  ["tag-value"] = { filters.tag "value" },
  -- no image here is in a dedicated cluster
  ["dedicated-cluster-id"] = { filters.never },
  ["cdc-cache-status"] = { filters.never, words = CACHES },
}

-- Whether an image runs on a type of instance: those with ARM processors take ARM images only.
local function fits(image, instanceType)
  local isArm = image.architecture:find "^arm" ~= nil
  return not instanceType or (instanceType:find "^SR%d" ~= nil) == isArm
end

M.DescribeImages = {
  params = {
    ImageIds = tables.with(IDS, { required = false }),
    Filters = filters.RULE,
    Offset = images.OFFSET,
    Limit = images.LIMIT,
    InstanceType = {
      type = "string",
      code = "InvalidInstanceType.Malformed",
      form = function(value)
        return value:find "^[A-Z][A-Za-z0-9]*%.[A-Z0-9]+$" ~= nil
      end,
    },
  },
  run = function(_, call)
    local values = call.values
    local ids = values.ImageIds and #values.ImageIds > 0 and set(values.ImageIds)
    if ids and #(values.Filters or {}) > 0 then
      refuse("InvalidParameter.InvalidParameterCoexistImageIdsFilters", "ImageIds and Filters can't be given together")
    end
    local passes = filters.test(FILTERS, values.Filters or {})
    local found = call.view:list(function(image)
      return passes(image) and (not ids or ids[image.imageId] or false) and fits(image, values.InstanceType)
    end)
    return { TotalCount = #found, ImageSet = images.page(found, values, images.described) }
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
local function snapshotsOf(view, given)
  if not given or #given == 0 then
    return nil
  end
  local system, others = nil, {}
  for _, id in ipairs(given) do
    local usage = view:diskOfSnapshot(id)
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
    elseif values.InstanceId and not call.view:instance(values.InstanceId) then
      refuse("InvalidInstanceId.NotFound", "the instance does not exist")
    end
    local fields = { snapshotIds = snapshotsOf(call.view, values.SnapshotIds) }
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
      doomed[i] = images.needBy(UNDELETABLE, call.view:deletable(id))
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
    ImageIds = tables.with(IDS, { most = 1 }),
    DestinationRegions = { type = "strings", required = true },
    DryRun = { type = "boolean" },
    ImageName = tables.with(NAME, { required = false }),
    ImageSetRequired = { type = "boolean" },
    Encrypt = { type = "boolean" },
    KmsKeyId = { type = "string" },
  },
  run = function(emulator, call)
    local values = call.values
    local image = call.view:find(values.ImageIds[1])
    if not image then
      images.need(nil, "notFound")
    elseif image.imageType ~= "PRIVATE_IMAGE" and image.imageType ~= "SHARED_IMAGE" then
      refuse("InvalidParameterValue.InvalidImageId", "the image is not the account's own")
    elseif image.imageState ~= "NORMAL" then
      images.need(nil, "state")
    end
    -- a shared image becomes a private one, a private one an encrypted one, in its region only
    local stays = image.imageType == "SHARED_IMAGE" or values.Encrypt == true
    local name = values.ImageName ~= "" and values.ImageName or image.imageName
    local targets, seen = {}, {}
    for i, region in ipairs(values.DestinationRegions) do
      if not emulator.regions[region] then
        refuse("InvalidRegion.NotFound", "there is no region %s", text.show(region))
      elseif stays ~= (region == call.region) then
        refuse(
          "InvalidParameterValue.InvalidRegion",
          stays and "a shared image, or an encrypted copy, stays in its region: %s"
            or "a custom image goes to other regions only: %s",
          region
        )
      end
      targets[i] = emulator.store:view(call.accountId, region)
      local problem = seen[region] and "nameTaken" or targets[i]:newProblem({ name }, images.QUOTA)
      images.need(not problem, problem)
      seen[region] = true
    end
    images.endDryRun(call)
    local copies = json.list {}
    for i, view in ipairs(targets) do
      local copy = view:copy(image, name, emulator:now(), emulator.settings.createSeconds)
      copies[i] = { ImageId = copy.imageId, Region = copy.region }
    end
    call.applied = true
    return { ImageSet = values.ImageSetRequired and copies or json.list {} }
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
    local values = call.values
    local image = images.needBy(UNSHARABLE, call.view:findPrivate(values.ImageId))
    if image.imageState ~= "NORMAL" then
      refuse("InvalidParameterValue.InvalidImageState", "the image is %s", image.imageState)
    end
    for _, account in ipairs(values.AccountIds) do
      if not account:find "^%d+$" then
        refuse("InvalidAccountId.NotFound", "there is no account %s", text.show(account))
      elseif account == call.accountId then
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
    views.share(image, values.AccountIds, share, emulator:now())
    call.applied = true
  end,
}

M.DescribeImageSharePermission = {
  params = { ImageId = ID },
  run = function(_, call)
    local image = images.needBy(UNSHARABLE, call.view:findPrivate(call.values.ImageId))
    local shares = json.list {}
    for i, share in ipairs(image.sharedWith) do
      shares[i] = { AccountId = share.accountId, CreatedTime = text.isoTime(share.time) }
    end
    return { SharePermissionSet = shares }
  end,
}

for _, module in ipairs { "qcimage.emulator.api3.other_actions", "qcimage.emulator.api3.instances" } do
  for name, action in pairs(require(module)) do
    M[name] = action
  end
end

return M
