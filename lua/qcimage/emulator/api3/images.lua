--- emulator/api3/images.lua - what the actions of API 3.0 have in common: rules of parameters, words for
--- the store's problems, images as an answer shows them, making one.
--- Part of qcimage, see LICENSE.

local codes = require "qcimage.emulator.codes"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"
local views = require "qcimage.emulator.view"

local M = {}

--- Private images of an account in one region at most.
M.QUOTA = 500

local MALFORMED = "InvalidImageId.Malformed"
M.ID = { type = "string", required = true, form = text.isImageId, code = MALFORMED }
M.IDS = { type = "strings", required = true, form = text.isImageId, code = MALFORMED }
M.OFFSET = { type = "integer", least = 0, code = codes.assumed3.offset }
M.LIMIT = { type = "integer", least = 1, most = 100, code = "InvalidParameterValue.InvalidParameterValueLimit" }
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

--- Passes a result of the store on, or refuses with the code for its problem.
---@param result any
---@param problem string|nil the store's word
---@return any result
function M.need(result, problem)
  return M.needBy({}, result, problem)
end

--- The same for an action with different error codes.
---@param others table<string, string> codes by the store's words
---@param result any
---@param problem string|nil
---@return any result
function M.needBy(others, result, problem)
  if not result then
    local known = codes.PROBLEMS[problem]
    abort.raise(others[problem] or known[2], known[3])
  end
  return result
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
      DiskUsage = views.diskUsage(i),
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
    CreatedTime = text.isoTime(image.createdTime),
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

--- One page of a list.
---@param found table[]
---@param values table Offset, Limit
---@param described fun(item: table): table
---@return table[] page
function M.page(found, values, described)
  local page, offset = json.list {}, values.Offset or 0
  for i = offset + 1, math.min(#found, offset + (values.Limit or 20)) do
    page[#page + 1] = described(found[i])
  end
  return page
end

--- Ends a dry run, in which all is checked and nothing done.
---@param call table
function M.endDryRun(call)
  if call.values.DryRun then
    abort.raise("DryRunOperation", "the request would have succeeded")
  end
end

--- Makes an image from the parameters that the making actions share.
---@param emulator table
---@param call table
---@param fields table more fields of the image
---@param state string state until it is made
---@return table answer
function M.make(emulator, call, fields, state)
  local values, view = call.values, call.view
  local problem = view:newProblem({ values.ImageName }, M.QUOTA)
  M.need(not problem, problem)
  M.endDryRun(call)
  fields.imageName, fields.imageDescription = values.ImageName, values.ImageDescription
  fields.imageFamily = values.ImageFamily
  fields.tags = {}
  for _, specification in ipairs(values.TagSpecification or {}) do
    for _, tag in ipairs(specification.Tags) do
      fields.tags[#fields.tags + 1] = { key = tag.Key, value = tag.Value }
    end
  end
  local image = view:create(fields, state, emulator:now(), emulator.settings.createSeconds)
  call.applied, call.imageId = true, image.imageId
  return { ImageId = image.imageId }
end

return M
