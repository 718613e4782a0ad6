--- read_back.lua - describes images by their ids; and reads a modification back whose answer was lost.
--- Makes calls by the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local validate = require "qcimage.call.validate"
local codes = require "qcimage.api.codes"
local limits = require "qcimage.util.limits"
local callContext = require "qcimage.call.context"

local M = {}

--- Images of one call by ids.
---@param version "2.0"|"3.0"
---@return integer
function M.batchSize(version)
  return actions[version][actions.describe[version]].params.imageIds.items or limits.pageSize
end

-- Describes one batch; one by one where the service refuses it since one of the images does not exist. Adds to images, and
-- to refused ids.
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
    for _, id in ipairs(ids) do
      local isDone, problem = describeBatch(images, refused, { id }, describe)
      if not isDone then
        return nil, problem
      end
    end
  end
  return true
end

--- Describes images by their ids, in batches; one by one where the service refuses a batch for an image that does not
--- exist.
---@param ids string[] each once
---@param size integer images of one call
---@param describe fun(params: table): qcimage.Result|nil, qcimage.Error|nil makes a call of DescribeImages; its
--- error ends all
---@param doubtful table<string, boolean>|nil ids that are described alone, since they were refused before
---@return table<string, qcimage.Image>|nil images by id; those that do not exist are absent
---@return qcimage.Error|nil err
---@return table<string, boolean>|nil refused ids for which the service refused the call, and not only gave no image
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
  for _, each in ipairs(batches) do
    local isDone, err = describeBatch(images, refused, each, describe)
    if not isDone then
      return nil, err
    end
  end
  return images, nil, refused
end

--- The values that a modification sets, by which it can be read back.
---@param call qcimage.Call
---@return table<string, any>|nil changes nil where there are none, where the call is not to be read back, or in no time
function M.wantedFields(call)
  if call.readBackSeconds == 0 or callContext.secondsLeft(call) <= 0 then
    return nil
  end
  local changes = {}
  for name, value in pairs(validate.publicNames(call.action, call.values, call.version)) do
    local isKept = value == "" and call.action.params[name].blank == "keep"
    if name ~= "imageId" and not isKept then
      changes[name] = value
    end
  end
  return next(changes) ~= nil and changes or nil
end

-- Seconds of a timeout at least, so that it is one that an option may have.
local SHORTEST_TIMEOUT = 0.001

--- Reads a modification back whose outcome is unknown. The last attempt's record says that the image showed the success.
---@param call qcimage.Call
---@param changes table from changesOf
---@param run function run of execute.lua
---@return qcimage.Result|nil result of the modification, without attempts; nil: the image does not have the values
---@return boolean wasAnswered whether the service told how the image is
function M.readBack(call, changes, run)
  local id = validate.publicNames(call.action, call.values, call.version).imageId
  local page
  local images, err = M.describeByIds({ id }, 1, function(params)
    local problem
    page, problem = run(call.client, actions.describe[call.version], params, {
      region = call.region,
      timeout = math.max(callContext.secondsLeft(call), SHORTEST_TIMEOUT),
      maxAttempts = 1, -- the call had its attempts
    })
    callContext.noteCallbackError(call, (page or problem).hookError)
    return page, problem
  end)
  local image = images and images[id]
  if not image then
    return nil, err == nil
  end
  for name, value in pairs(changes) do
    if image[name] ~= value then
      return nil, true
    end
  end
  local requestId -- of the change, not of the look
  for _, attempt in ipairs(call.attempts) do
    requestId = attempt.requestId or requestId
  end
  call.attempts[#call.attempts].readBack = true
  return {
    code = 0,
    message = "",
    requestId = requestId,
    body = page.body,
    httpStatus = page.httpStatus,
  },
    true
end

return M
