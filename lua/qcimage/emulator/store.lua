--- emulator/store.lua - the images and instances of all accounts, and how the images were some time ago.
--- Pure. Part of qcimage, see LICENSE.

local regions = require "qcimage.emulator.regions"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"
local view = require "qcimage.emulator.view"

local M = {}

--- Changes that are remembered at most.
M.MAX_PAST = 100

local OTHERS = "100000000099" -- owner of what is public or shared by another account

local Store = {}
Store.__index = Store

local function set(object, defaults)
  for name, value in pairs(defaults) do
    if object[name] == nil then
      object[name] = value
    end
  end
end

-- An image or instance in the long code of its region; raises where the emulator has no such region.
local function located(given, defaults, path)
  local object = tables.deepCopy(given)
  object.region = regions.long(object.region or defaults.region)
  if not defaults.regions[object.region] then
    error(("%s.region is not one of the emulator's regions: %s"):format(path, text.show(object.region)), 0)
  end
  return object
end

-- An image with all fields.
local function complete(given, defaults, now, path)
  local image = located(given, defaults, path)
  local isPrivate = (image.imageType or "PRIVATE_IMAGE") == "PRIVATE_IMAGE"
  local isPublic = image.imageType == "PUBLIC_IMAGE"
  set(image, {
    imageType = "PRIVATE_IMAGE",
    imageName = "",
    imageDescription = "",
    imageState = "NORMAL",
    imageSource = isPublic and "OFFICIAL" or "CREATE_IMAGE",
    imageSize = 20,
    osName = "CentOS 7.6 64bit",
    platform = "CentOS",
    architecture = "x86_64",
    licenseType = "TencentCloud",
    createdTime = math.floor(now),
    isSupportCloudinit = true,
    accountId = isPrivate and defaults.accountId or OTHERS,
    snapshotIds = isPublic and {} or { "snap-" .. image.imageId:sub(5) },
    tags = {},
    sharedWith = {},
  })
  image.imageCreator = image.imageCreator or image.accountId
  for i, share in ipairs(image.sharedWith) do
    if type(share) == "string" then
      image.sharedWith[i] = { accountId = share, time = image.createdTime }
    else
      share.time = share.time or image.createdTime
    end
  end
  image.readyAt, image.createSeconds = image.createSeconds and now + image.createSeconds, nil
  return image
end

--- Makes a store; raises what contradicts the emulator's regions or itself.
---@param given table images, instances: lists whose fields were checked
---@param defaults table region (of those that name none), regions (set), accountId (likewise), newId (function -> 8
--- characters)
---@param now number Unix seconds
---@return table store
function M.new(given, defaults, now)
  local store = setmetatable({
    images = {},
    byId = {},
    instances = {},
    defaults = defaults,
    past = {}, -- {time, images}: as they were before the change of that time, oldest first
  }, Store)
  for i, item in ipairs(given.images) do
    local path = ("images[%d]"):format(i)
    local image = complete(item, defaults, now, path)
    if store.byId[image.imageId] then
      error(("%s.imageId occurs twice: %s"):format(path, image.imageId), 0)
    end
    store:insert(image)
  end
  local known = {}
  for i, item in ipairs(given.instances) do
    local path = ("instances[%d]"):format(i)
    local instance = located(item, defaults, path)
    set(instance, {
      state = "RUNNING",
      instanceName = instance.instanceId,
      zone = instance.region .. "-3",
      instanceType = "S5.MEDIUM4",
      accountId = defaults.accountId,
      createdTime = math.floor(now),
      tags = {},
    })
    if known[instance.instanceId] then
      error(("%s.instanceId occurs twice: %s"):format(path, text.show(instance.instanceId)), 0)
    end
    known[instance.instanceId] = true
    store.instances[i] = instance
  end
  return store
end

--- Completes an image with the default values of the fields that it was not given.
---@param given table
---@param now number
---@return table image
function Store:complete(given, now)
  return complete(given, self.defaults, now, "image")
end

--- Adds a complete image.
---@param image table
function Store:insert(image)
  self.images[#self.images + 1] = image
  self.byId[image.imageId] = image
end

--- Ends states whose time is over: they become NORMAL.
---@param now number
function Store:endStates(now)
  for _, image in ipairs(self.images) do
    if image.readyAt and image.readyAt <= now then
      image.imageState, image.readyAt = "NORMAL", nil
    end
  end
end

--- What an account sees in a region.
---@param accountId string
---@param region string long code
---@return table view see view.lua
function Store:view(accountId, region)
  return view.new(self, accountId, region)
end

--- Deletes an image.
---@param image table
function Store:delete(image)
  self.byId[image.imageId] = nil
  for i, other in ipairs(self.images) do
    if other == image then
      table.remove(self.images, i)
      return
    end
  end
end

--- Copies of all images and instances, in the form that the options have.
---@param now number
---@return table[] images
---@return table[] instances
function Store:snapshot(now)
  local images = tables.deepCopy(self.images)
  for _, image in ipairs(images) do
    image.createSeconds, image.readyAt = image.readyAt and image.readyAt - now, nil
  end
  return images, tables.deepCopy(self.instances)
end

--- Remembers the images before a change, for `asOf`.
---@param now number
---@param longest number seconds that anyone will look back
function Store:remember(now, longest)
  local past = self.past
  while #past > 0 and (past[1].time <= now - longest or #past >= M.MAX_PAST) do
    table.remove(past, 1)
  end
  past[#past + 1] = { time = now, images = tables.deepCopy(self.images) }
end

--- The images as they were, as far as that was remembered; for reading only.
---@param time number
---@return table store
function Store:asOf(time)
  for _, before in ipairs(self.past) do
    if before.time > time then
      local store = setmetatable({ images = tables.deepCopy(before.images) }, { __index = self })
      store:endStates(time)
      return store
    end
  end
  return self
end

return M
