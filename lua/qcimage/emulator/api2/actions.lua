--- emulator/api2/actions.lua - the image actions of API 2.0: their parameters as data, and their effects.
--- Part of qcimage, see LICENSE.
---
--- cloud.tencent.com/document/product/213/1275 (ModifyImageAttributes), /1272 (DescribeImages),
--- /1718 and /9414 and their neighbours.

local codes = require "qcimage.emulator.codes"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local regions = require "qcimage.emulator.regions"
local text = require "qcimage.emulator.text"
local views = require "qcimage.emulator.view"

local refuse = abort.raise

-- Private images of an account in one region at most.
local QUOTA = 10
-- Accounts that an image is shared with at most.
local SHARES = 50

local TYPES = { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "MARKET_IMAGE", "SHARED_IMAGE" }
local STATES = { "CREATING", "NORMAL", "USING", "SYNCING", "COPYING" }

local NUMBERS = { IMPORTING = 1 }
for number, state in ipairs(STATES) do
  NUMBERS[state] = number
end
for number, type in ipairs(TYPES) do
  NUMBERS[type] = number
end

local function need(result, problem)
  if not result then
    refuse(codes.PROBLEMS[problem][1], codes.PROBLEMS[problem][3])
  end
  return result
end

local function checkImageId(value, name)
  if not text.isImageId(value) then
    refuse(codes.parameter, "%s must be img- and 8 letters or digits: %s", name, text.show(value))
  end
end

local function checkImageIds(values, name)
  for _, value in ipairs(values) do
    checkImageId(value, name)
  end
end

local function checkAccounts(values, name)
  for _, value in ipairs(values) do
    if not value:find "^%d+$" then
      refuse(codes.parameter, "%s must hold account numbers: %s", name, text.show(value))
    end
  end
end

local function textRule(most, allowed, words)
  return function(value, name)
    if #value > most or not value:find("^" .. allowed .. "+$") then
      refuse(codes.parameter, "%s must be 1 to %d of %s", name, most, words)
    end
  end
end

local ID = { required = true, check = checkImageId }
local NAME = { check = textRule(16, "[A-Za-z0-9-]", "A-Z a-z 0-9 -") }
local DESCRIPTION = { check = textRule(64, "[A-Za-z0-9_-]", "A-Z a-z 0-9 - _") }
local ACCOUNTS = { list = true, required = true, most = SHARES, check = checkAccounts }
local IMAGE = { image = true, ["image.cvm"] = true, cvm = true }
local CVM = { cvm = true }

local M = {}

M.ModifyImageAttributes = {
  modules = IMAGE,
  params = { imageId = ID, imageName = NAME, imageDescription = DESCRIPTION },
  run = function(emulator, call)
    local changes = {}
    for _, name in ipairs { "imageName", "imageDescription" } do
      if call.values[name] ~= "" then -- a blank changes nothing
        changes[name] = call.values[name]
      end
    end
    need(call.view:modify(call.values.imageId, changes, emulator.settings.modifyShared))
    call.applied = true
    return {}
  end,
}

local function described(image)
  return {
    unImgId = image.imageId,
    imageName = image.imageName,
    imageDescription = image.imageDescription,
    imageType = NUMBERS[image.imageType],
    osName = image.osName,
    -- the documents name no time zone
    createTime = os.date("!%Y-%m-%d %H:%M:%S", image.createdTime),
    creator = image.imageCreator,
    status = NUMBERS[image.imageState] or codes.assumed.status,
  }
end

M.DescribeImages = {
  modules = IMAGE,
  params = {
    imageType = { required = true, number = true, least = 1, most = 4 },
    imageIds = { list = true, most = 10, check = checkImageIds },
    status = { number = true, least = 0, most = 5 },
    offset = { number = true, least = 0, most = 999999999 },
    limit = { number = true, least = 1, most = 100 },
  },
  run = function(_, call)
    local values = call.values
    local ids = values.imageIds and text.set(values.imageIds)
    local found = call.view:list(function(image)
      return image.imageType == TYPES[values.imageType]
        and (not ids or ids[image.imageId])
        and ((values.status or 0) == 0 or NUMBERS[image.imageState] == values.status)
    end)
    local page = json.list {}
    local offset = values.offset or 0
    for i = offset + 1, math.min(#found, offset + (values.limit or 20)) do
      page[#page + 1] = described(found[i])
    end
    return { totalCount = #found, imageSet = page }
  end,
}

M.CreateImage = {
  modules = IMAGE,
  params = {
    instanceId = { required = true },
    imageName = { required = true, check = NAME.check },
    imageDescription = DESCRIPTION,
  },
  run = function(emulator, call)
    local instance = call.view:instance(call.values.instanceId)
    if not instance then
      refuse(codes.notFound, "the instance does not exist")
    elseif instance.state ~= "STOPPED" then
      refuse(codes.failed, "the instance must be shut down")
    end
    local problem = call.view:newProblem({ call.values.imageName }, QUOTA)
    need(not problem, problem)
    local image = call.view:create({
      imageName = call.values.imageName,
      imageDescription = call.values.imageDescription,
    }, "CREATING", emulator:now(), emulator.settings.createSeconds)
    call.applied, call.imageId = true, image.imageId
    return { requestId = emulator:taskId() }
  end,
}

M.DeleteImages = {
  modules = IMAGE,
  params = { imageIds = { list = true, required = true, most = 100, check = checkImageIds } },
  run = function(emulator, call)
    local detail, done, failed = {}, 0, 0
    for _, id in ipairs(call.values.imageIds) do
      local image, problem = call.view:deletable(id)
      if image then
        emulator.store:delete(image)
        done = done + 1
        detail[id] = { code = codes.success, message = "", requestId = emulator:taskId() }
      elseif not detail[id] then
        failed = failed + 1
        detail[id] = { code = codes.PROBLEMS[problem][1], message = codes.PROBLEMS[problem][3] }
      end
    end
    call.applied = done > 0
    if failed == 0 then
      return { detail = detail }
    end
    return {
      code = done == 0 and codes.failed or codes.partial,
      message = done == 0 and "no image was deleted" or "some images were not deleted",
      detail = detail,
    }
  end,
}

local function checkRegion(emulator, code, name)
  if not regions.SHORT[code] or not emulator.regions[regions.long(code)] then
    refuse(codes.parameter, "%s is no short code of a region: %s", name, text.show(code))
  elseif code == "ca" then
    refuse(codes.parameter, "images are not copied from or to North America")
  end
end

M.SyncCvmImage = {
  modules = IMAGE,
  params = {
    srcRegion = { required = true },
    imgIdList = { list = true, required = true, most = 100, check = checkImageIds },
    dstRegion = { list = true, required = true, most = 100 },
  },
  run = function(emulator, call)
    local values = call.values
    checkRegion(emulator, values.srcRegion, "srcRegion")
    local source = emulator.store:view(call.accountId, regions.long(values.srcRegion))
    local images, names = {}, {}
    for i, id in ipairs(values.imgIdList) do
      images[i] = need(source:findPrivate(id))
      names[i] = images[i].imageName
      if images[i].imageState ~= "NORMAL" then
        need(nil, "state")
      end
    end
    local targets, seen = {}, {}
    for i, code in ipairs(values.dstRegion) do
      checkRegion(emulator, code, "dstRegion")
      targets[i] = emulator.store:view(call.accountId, regions.long(code))
      local problem = seen[code] and "nameTaken" or targets[i]:newProblem(names, QUOTA)
      need(not problem, problem)
      seen[code] = true
    end
    for _, image in ipairs(images) do
      for _, view in ipairs(targets) do
        view:copy(image, image.imageName, emulator:now(), emulator.settings.createSeconds)
      end
    end
    call.applied = true
    return {}
  end,
}

local function sharing(shared)
  return {
    modules = IMAGE,
    params = { imageId = ID, uinList = ACCOUNTS },
    run = function(emulator, call)
      local values = call.values
      local image = need(call.view:findPrivate(values.imageId))
      if image.imageState ~= "NORMAL" then
        need(nil, "state")
      end
      for _, account in ipairs(values.uinList) do
        if account == call.accountId then
          refuse(codes.parameter, "an image can't be shared with its own account")
        end
      end
      if shared and #image.sharedWith + #values.uinList > SHARES then
        refuse(codes.parameter, "an image is shared with %d accounts at most", SHARES)
      end
      views.share(image, values.uinList, shared, emulator:now())
      call.applied = true
      return {}
    end,
  }
end

M.ShareImage = sharing(true)
M.CancelShareImage = sharing(false)

M.GetImageShareUinInfo = {
  modules = IMAGE,
  params = { imageIds = { list = true, required = true, most = 10, check = checkImageIds } },
  run = function(_, call)
    local list = json.list {}
    for i, id in ipairs(call.values.imageIds) do
      local image = need(call.view:findPrivate(id))
      local shares = json.list {}
      for j, share in ipairs(image.sharedWith) do
        shares[j] = { uin = share.accountId, shareTimeStamp = ("%d"):format(math.floor(share.time)) }
      end
      list[i] = { imageId = id, shareUinInfo = shares }
    end
    return {
      data = { imageNum = tostring(#list), maxImgShareNum = tostring(SHARES), imageList = list },
    }
  end,
}

M.DescribeInstanceImageInfo = {
  modules = CVM,
  params = { uInstanceIds = { list = true, required = true, most = 100 } },
  run = function(_, call)
    local data = json.list {}
    for _, id in ipairs(call.values.uInstanceIds) do
      local instance = call.view:instance(id)
      if not instance then
        refuse(codes.notFound, "the instance %s does not exist", text.show(id))
      end
      data[#data + 1] = { unImgId = instance.imageId, uInstanceId = id }
    end
    return { data = data }
  end,
}

return M
