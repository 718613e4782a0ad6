--- images.lua - describes images by their ids, through the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local codes = require "qcimage.api.error_codes"
local limits = require "qcimage.util.limits"
local tasks = require "qcimage.util.tasks"

local M = {}

--- Returns ids, each once.
---@param ids string[]
---@return string[]
function M.distinct(ids)
  local list, seen = {}, {}
  for _, id in ipairs(ids) do
    list[#list + 1] = not seen[id] and id or nil
    seen[id] = true
  end
  return list
end

--- Returns how many ids one call may have.
---@param version "2.0"|"3.0"
---@return integer
function M.batchSize(version)
  return actions[version][actions.describe[version]].params.imageIds.items or limits.pageSize
end

-- Describes one batch; one by one if the service refuses it because an image does not exist. Adds to images and refused.
local function describeBatch(images, refused, ids, describe)
  local page, err = describe { imageIds = ids, limit = #ids }
  if page then
    for _, image in ipairs(page.imageSet) do
      if type(image) == "table" and image.imageId ~= nil then
        images[image.imageId] = image
      end
    end
  elseif err.reason ~= "notFound" or codes.isOfRegion(err.code) then
    return nil, err
  elseif #ids == 1 then
    refused[ids[1]] = true
  else
    return tasks.forEach(ids, function(id)
      return describeBatch(images, refused, { id }, describe)
    end, limits.concurrency)
  end
  return true
end

--- Describes images by their ids, in batches, several at once; one by one if the service refuses a batch because an
--- image does not exist.
---@param ids string[] without duplicates
---@param size integer images per call
---@param describe fun(params: table): qcimage.Result|nil, qcimage.Error|nil calls DescribeImages; its error ends all
---@param doubtful table<string, boolean>|nil ids to describe one by one, since they were refused before
---@return table<string, qcimage.Image>|nil images by id; those that do not exist are absent
---@return qcimage.Error|nil err
---@return table<string, boolean>|nil refused ids whose call was refused, not only answered without an image
function M.describeByIds(ids, size, describe, doubtful)
  local images, refused, batches, batch = {}, {}, {}, {}
  for _, id in ipairs(ids) do
    if doubtful and doubtful[id] then
      batches[#batches + 1] = { id }
    else
      if #batch % size == 0 then
        batch = {}
        batches[#batches + 1] = batch
      end
      batch[#batch + 1] = id
    end
  end
  local isDone, err = tasks.forEach(batches, function(each)
    return describeBatch(images, refused, each, describe)
  end, limits.concurrency)
  if not isDone then
    return nil, err
  end
  return images, nil, refused
end

return M
