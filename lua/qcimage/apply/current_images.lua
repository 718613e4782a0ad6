--- current_images.lua - how the images are now, as far as a plan needs to know.
--- Makes calls by the adapter that it is given. Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local planFormat = require "qcimage.apply.plan_format"
local callback = require "qcimage.util.callback"
local tables = require "qcimage.util.tables"

local M = {}

-- Images outside the list of private ones that are looked at, to say why they cannot be changed.
local MOST_MISSING = 20

---@class qcimage.ApplyImage
---@field imageName string|nil
---@field imageDescription string|nil
---@field imageFamily string|nil
---@field imageDeprecated boolean|nil
---@field imageState string|nil
---@field imageType string|nil
---@field isUnseen boolean|nil not among the account's images, and not described

local function kept(image)
  local one = { imageState = image.imageState, imageType = image.imageType }
  for _, name in ipairs(planFormat.FIELDS) do
    one[name] = image[name]
  end
  return one
end

local function list(adapter, params, region, take)
  local ok, thrown = callback.pcall(function()
    local step = adapter.each(params, region)
    local image = step()
    while image do -- no `for`, from which Lua 5.1 cannot yield
      take(image)
      image = step()
    end
  end)
  if ok then
    return true
  elseif type(thrown) == "table" and thrown.outcome then
    return nil, thrown
  end
  return nil, errors.new { kind = "response", outcome = "unknown", message = callback.errorText(thrown) }
end

--- All images of the account in a region.
---@param adapter qcimage.ApplyAdapter
---@param region string|nil
---@return table<string, qcimage.ApplyImage>|nil by id
---@return qcimage.Error|nil err
function M.list(adapter, region)
  local images = {}
  local ok, err = list(adapter, { imageType = "PRIVATE_IMAGE" }, region, function(image)
    images[image.imageId] = kept(image)
  end)
  return ok and images, err
end

--- Images that a selection lets through, oldest first, with all their fields.
---@param adapter qcimage.ApplyAdapter
---@param select table parameters of DescribeImages
---@param region string|nil
---@return table[]|nil
---@return qcimage.Error|nil err
function M.selected(adapter, select, region)
  local params = tables.copy(select)
  if params.imageType == nil and params.imageIds == nil then
    params.imageType = "PRIVATE_IMAGE"
  end
  local images = {}
  local ok, err = list(adapter, params, region, function(image)
    images[#images + 1] = image
  end)
  table.sort(images, function(a, b)
    if a.createdTime ~= b.createdTime then
      return tostring(a.createdTime) < tostring(b.createdTime)
    end
    return a.imageId < b.imageId
  end)
  return ok and images, err
end

--- Some images as they are at this moment.
---@param adapter qcimage.ApplyAdapter
---@param region string|nil
---@param ids string[] each once
---@param attempts integer|nil of each request
---@return table<string, qcimage.ApplyImage>|nil by id; those that do not exist are absent
---@return qcimage.Error|nil err
function M.describe(adapter, region, ids, attempts)
  local images, err = adapter.describeByIds(ids, region, attempts)
  for id, image in pairs(images or {}) do
    images[id] = kept(image)
  end
  return images, err
end

--- Describes images that are not among the account's: shared ones, public ones, unknown ids; the first of them only.
---@param adapter qcimage.ApplyAdapter
---@param region string|nil
---@param ids string[]
---@return table<string, qcimage.ApplyImage>|nil
---@return qcimage.Error|nil err
function M.describeMissing(adapter, region, ids)
  local images = {}
  for i = 1, math.min(#ids, MOST_MISSING) do
    local one, err = M.describe(adapter, region, { ids[i] })
    local stopped = adapter.stopped()
    if stopped or not one then
      return nil, stopped or err
    end
    images[ids[i]] = one[ids[i]]
  end
  for i = MOST_MISSING + 1, #ids do
    images[ids[i]] = { isUnseen = true }
  end
  return images
end

return M
