--- emulator/view.lua - what one account sees of the store in one region, and what it may do there. Knows no request and no
--- error code: returns the name of what prevents a change.
--- Pure. Part of qcimage, see LICENSE.

local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

-- States in which an image's name and description may be set.
local STEADY = { NORMAL = true, USING = true }
-- States in which an image may not be deleted.
local BUSY = { CREATING = true, SYNCING = true, COPYING = true, IMPORTING = true, USING = true }

local View = {}
View.__index = View

---@param store table
---@param accountId string
---@param region string long code
---@return table view
function M.new(store, accountId, region)
  return setmetatable({ store = store, accountId = accountId, region = region }, View)
end

-- An image as the account sees it: that of another one is shared, or not visible at all.
function View:seen(image)
  if not image or image.region ~= self.region then
    return nil
  elseif image.imageType ~= "PRIVATE_IMAGE" or image.accountId == self.accountId then
    return image
  end
  for _, share in ipairs(image.sharedWith) do
    if share.accountId == self.accountId then
      return setmetatable({ imageType = "SHARED_IMAGE", sharedWith = {} }, { __index = image })
    end
  end
  return nil
end

--- Finds an image by its id.
---@param imageId string
---@return table|nil image
function View:find(imageId)
  return self:seen(self.store.byId[imageId])
end

--- Images, in the order they were made, that pass a test.
---@param passes fun(image: table): boolean
---@return table[]
function View:list(passes)
  local found = {}
  for _, each in ipairs(self.store.images) do
    local image = self:seen(each)
    if image and passes(image) then
      found[#found + 1] = image
    end
  end
  return found
end

--- The private images of the account.
---@return table[]
function View:private()
  return self:list(function(image)
    return image.imageType == "PRIVATE_IMAGE"
  end)
end

--- Whether another private image of the account has a name.
---@param name string
---@param except table|nil image that may have it
---@return boolean
function View:nameTaken(name, except)
  for _, image in ipairs(self:private()) do
    if image ~= except and image.imageName == name then
      return true
    end
  end
  return false
end

--- Finds a private image of the account.
---@param imageId string
---@return table|nil image
---@return string|nil problem "notFound", "shared" (by another account), "notOwn"
function View:findPrivate(imageId)
  local image = self:find(imageId)
  if not image then
    return nil, "notFound"
  elseif image.imageType == "SHARED_IMAGE" then
    return nil, "shared"
  elseif image.imageType ~= "PRIVATE_IMAGE" then
    return nil, "notOwn"
  end
  return image
end

--- Sets attributes of a private image.
---@param imageId string
---@param changes table imageName, imageDescription, imageFamily, imageDeprecated
---@param maySharedChange boolean whether an image that is shared with others can be modified
---@return table|nil image
---@return string|nil problem as for `findPrivate`, or "state", "sharedOut", "nameTaken"
function View:modify(imageId, changes, maySharedChange)
  local image, problem = self:findPrivate(imageId)
  if not image then
    return nil, problem
  elseif not STEADY[image.imageState] then
    return nil, "state"
  elseif #image.sharedWith > 0 and not maySharedChange then
    return nil, "sharedOut"
  elseif changes.imageName and self:nameTaken(changes.imageName, image) then
    return nil, "nameTaken"
  end
  for name, value in pairs(changes) do
    image[name] = value
  end
  return image
end

--- Makes an image, which has the given state for some seconds, and then NORMAL.
---@param fields table as an image in the options has them, without imageId; its name is free
---@param state string
---@param now number
---@param seconds number until the state becomes NORMAL
---@return table image
function View:create(fields, state, now, seconds)
  local store = self.store
  local id
  repeat
    id = "img-" .. store.defaults.newId()
  until not store.byId[id]
  local given = tables.with(fields, {
    imageId = id,
    imageState = state,
    createSeconds = seconds,
    region = self.region,
    accountId = self.accountId,
  })
  local image = store:complete(given, now)
  store:insert(image)
  store:endStates(now)
  return image
end

--- Finds a private image that can be deleted.
---@param imageId string
---@return table|nil image
---@return string|nil problem as for `findPrivate`, or "state", "inShared"
function View:deletable(imageId)
  local image, problem = self:findPrivate(imageId)
  if not image then
    return nil, problem
  elseif BUSY[image.imageState] then
    return nil, "state"
  elseif #image.sharedWith > 0 then
    return nil, "inShared"
  end
  return image
end

--- Says what prevents new images in the region of the view.
---@param names string[] their names
---@param quota integer private images at most
---@return string|nil problem "quota", "nameTaken"
function View:newProblem(names, quota)
  if #self:private() + #names > quota then
    return "quota"
  end
  local taken = {}
  for _, name in ipairs(names) do
    if taken[name] or self:nameTaken(name) then
      return "nameTaken"
    end
    taken[name] = true
  end
  return nil
end

--- Copies an image into the region of the view.
---@param image table
---@param name string
---@param now number
---@param seconds number
---@return table copy
function View:copy(image, name, now, seconds)
  local fields = { imageName = name }
  for _, key in ipairs { "imageDescription", "imageSize", "osName", "platform", "architecture" } do
    fields[key] = image[key]
  end
  return self:create(fields, "SYNCING", now, seconds)
end

--- Shares an image with accounts, or stops sharing.
---@param image table
---@param accounts string[]
---@param isShared boolean
---@param now number
function M.share(image, accounts, isShared, now)
  local wanted = text.set(accounts)
  local shares = {}
  for _, share in ipairs(image.sharedWith) do
    if not wanted[share.accountId] then
      shares[#shares + 1] = share
    elseif isShared then
      shares[#shares + 1], wanted[share.accountId] = share, nil
    end
  end
  for _, account in ipairs(isShared and accounts or {}) do
    if wanted[account] then
      shares[#shares + 1], wanted[account] = { accountId = account, time = now }, nil
    end
  end
  image.sharedWith = shares
end

--- What the disk of a snapshot is: an image's first snapshot is of its system disk.
---@param index integer
---@return string
function M.diskUsage(index)
  return index == 1 and "SYSTEM_DISK" or "DATA_DISK"
end

--- The disk that a snapshot of a private image is of.
---@param snapshotId string
---@return string|nil usage nil: no such snapshot
function View:diskOfSnapshot(snapshotId)
  for _, image in ipairs(self:private()) do
    for i, id in ipairs(image.snapshotIds) do
      if id == snapshotId then
        return M.diskUsage(i)
      end
    end
  end
  return nil
end

--- The account's instances in the region.
---@return table[]
function View:instances()
  local found = {}
  for _, instance in ipairs(self.store.instances) do
    if instance.region == self.region and instance.accountId == self.accountId then
      found[#found + 1] = instance
    end
  end
  return found
end

--- Finds an instance by its id.
---@param instanceId string
---@return table|nil
function View:instance(instanceId)
  for _, instance in ipairs(self:instances()) do
    if instance.instanceId == instanceId then
      return instance
    end
  end
  return nil
end

return M
