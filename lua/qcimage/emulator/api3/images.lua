--- emulator/api3/images.lua - what the actions of API 3.0 have in common: rules of parameters, words for
--- the store's problems, images as an answer shows them, making one.
--- Part of qcimage, see LICENSE.

local codes = require "qcimage.emulator.codes"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local M = {}

--- Own images of an account in one region at most.
M.QUOTA = 500

M.list = json.list

--- A rule with some fields changed.
---@param rule table
---@param changes table
---@return table
function M.with(rule, changes)
  local copy = {}
  for key, value in pairs(rule) do
    copy[key] = value
  end
  for key, value in pairs(changes) do
    copy[key] = value
  end
  return copy
end

local MALFORMED = "InvalidImageId.Malformed"
M.ID = { type = "string", required = true, form = text.isImageId, code = MALFORMED }
M.IDS = { type = "strings", required = true, form = text.isImageId, code = MALFORMED }
M.NAME = { type = "string", required = true, most = 60 }
M.DESCRIPTION = { type = "string", most = 256 }
M.FAMILY = {
  type = "string",
  code = "InvalidParameterValue.InvalidImageFamily",
  form = function(value)
    return #value <= 63 and value:find "^[A-Za-z0-9_-]*$" ~= nil
  end,
}
M.TAGS = {
  type = "objects",
  fields = {
    ResourceType = { type = "string", required = true, words = text.set { "image" } },
    Tags = {
      type = "objects",
      required = true,
      fields = {
        Key = { type = "string", required = true, most = 127 },
        Value = { type = "string", required = true, blank = true, most = 255 },
      },
    },
  },
}

local PROBLEMS = {
  notFound = { "InvalidImageId.NotFound", "the image does not exist" },
  shared = {
    "UnsupportedOperation.SharedImageModifyUnsupported",
    "the image is shared by another account",
  },
  notOwn = { codes.assumed3.notOwn, "the image is not the account's own" },
  state = { "InvalidImageId.IncorrectState", "the state of the image does not allow this" },
  nameTaken = { "InvalidImageName.Duplicate", "another image has this name" },
  inShared = { "InvalidImageId.InShared", "the image is shared with other accounts" },
}

--- Passes a result of the store on, or refuses with the code for its problem.
---@param result any
---@param problem string|nil the store's word
---@return any result
function M.need(result, problem)
  return M.needBy({}, result, problem)
end

--- The same for an action that has codes of its own.
---@param others table<string, string> codes by the store's words
---@param result any
---@param problem string|nil
---@return any result
function M.needBy(others, result, problem)
  if not result then
    abort.raise(others[problem] or PROBLEMS[problem][1], PROBLEMS[problem][2])
  end
  return result
end

--- What the disk of an image's snapshot is: the first one's is the system disk.
---@param index integer
---@return string
function M.diskUsage(index)
  return index == 1 and "SYSTEM_DISK" or "DATA_DISK"
end

--- A time as answers have it.
---@param seconds number
---@return string
function M.time(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds))
end

--- An image as an answer shows it, with all fields of the documented model: those of an image that is
--- in no family and no dedicated cluster are empty.
---@param image table
---@return table
function M.described(image)
  local snapshots, tags = json.list {}, json.list {}
  for i, id in ipairs(image.snapshotIds) do
    snapshots[i] = {
      SnapshotId = id,
      DiskUsage = M.diskUsage(i),
      DiskSize = image.imageSize,
    }
  end
  for i, tag in ipairs(image.tags) do
    tags[i] = { Key = tag.key, Value = tag.value }
  end
  return {
    ImageId = image.imageId,
    OsName = image.osName,
    ImageType = image.imageType,
    CreatedTime = M.time(image.createdTime),
    ImageName = image.imageName,
    ImageDescription = image.imageDescription,
    ImageSize = image.imageSize,
    Architecture = image.architecture,
    ImageState = image.imageState,
    Platform = image.platform,
    ImageCreator = image.imageCreator,
    ImageSource = image.imageSource,
    SyncPercent = image.imageState == "SYNCING" and 0 or json.null,
    IsSupportCloudinit = image.isSupportCloudinit,
    SnapshotSet = snapshots,
    Tags = tags,
    LicenseType = image.licenseType,
    ImageFamily = image.imageFamily or "",
    ImageDeprecated = image.imageDeprecated or false,
    CdcCacheStatus = "",
  }
end

--- One page of images.
---@param found table[]
---@param offset integer
---@param limit integer
---@return table answer
function M.page(found, offset, limit)
  local page = json.list {}
  for i = offset + 1, math.min(#found, offset + limit) do
    page[#page + 1] = M.described(found[i])
  end
  return { TotalCount = #found, ImageSet = page }
end

--- Ends a dry run, in which all is checked and nothing done.
---@param call table
function M.endDryRun(call)
  if call.values.DryRun then
    abort.raise("DryRunOperation", "the request would have succeeded")
  end
end

--- The disk that a snapshot is of.
---@param store table
---@param snapshotId string
---@return string|nil usage nil where there is no such snapshot
function M.diskOfSnapshot(store, snapshotId)
  for _, image in ipairs(store.images) do
    for i, id in ipairs(image.snapshotIds) do
      if id == snapshotId then
        return M.diskUsage(i)
      end
    end
  end
  return nil
end

--- Makes an image from the parameters that the making actions share.
---@param emulator table
---@param call table
---@param fields table more fields of the image
---@param state string state until it is made
---@return table answer
function M.make(emulator, call, fields, state)
  local values, store = call.values, emulator.store
  if store:count(call.region) >= M.QUOTA then
    abort.raise("ImageQuotaLimitExceeded", "there are %d images, no more are allowed", M.QUOTA)
  elseif store:nameTaken(values.ImageName, call.region) then
    M.need(nil, "nameTaken")
  end
  M.endDryRun(call)
  fields.imageName, fields.imageDescription = values.ImageName, values.ImageDescription
  fields.imageFamily, fields.region = values.ImageFamily, call.region
  fields.tags = {}
  for _, specification in ipairs(values.TagSpecification or {}) do
    for _, tag in ipairs(specification.Tags) do
      fields.tags[#fields.tags + 1] = { key = tag.Key, value = tag.Value }
    end
  end
  local image = M.need(store:create(fields, state, emulator:now()))
  call.applied, call.imageId = true, image.imageId
  return { ImageId = image.imageId }
end

return M
