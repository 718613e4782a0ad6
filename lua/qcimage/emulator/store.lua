--- emulator/store.lua - the images, instances and shares of one account, and what may be done to
--- them. Knows no request and no code: says in a word what stands against a change.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

local FIELDS = {
  imageId = "string",
  imageName = "string",
  imageDescription = "string",
  imageType = "string",
  imageState = "string",
  imageCreator = "string",
  imageSource = "string",
  imageFamily = "string",
  imageDeprecated = "boolean",
  imageSize = "number",
  osName = "string",
  platform = "string",
  architecture = "string",
  createdTime = "number", -- Unix seconds
  createSeconds = "number", -- a state that is not NORMAL ends after that
  isSupportCloudinit = "boolean",
  licenseType = "string",
  region = "string", -- long code; absent: visible in every region
  snapshotIds = "table",
  tags = "table", -- list of {key, value}
  sharedWith = "table", -- list of account ids, or of {accountId, time}
}

local TYPES = { PRIVATE_IMAGE = true, PUBLIC_IMAGE = true, MARKET_IMAGE = true, SHARED_IMAGE = true }

-- States in which an image's name and description may be set.
local STEADY = { NORMAL = true, USING = true }
-- States in which an image may not be deleted.
local BUSY = { CREATING = true, SYNCING = true, COPYING = true, IMPORTING = true, USING = true }

--- The catalogue of an emulator that was not given one.
M.IMAGES = {
  { imageId = "img-12345678", imageName = "web-01", imageDescription = "sample" },
  { imageId = "img-0abc12de", imageName = "db-01", imageDescription = "" },
  { imageId = "img-making01", imageName = "making", imageState = "CREATING" },
  { imageId = "img-foreign1", imageName = "theirs", imageType = "SHARED_IMAGE" },
  { imageId = "img-public01", imageName = "CentOS 7.6", imageType = "PUBLIC_IMAGE" },
}
M.INSTANCES = {
  { instanceId = "ins-stopped1", imageId = "img-12345678", state = "STOPPED" },
  { instanceId = "ins-running1", imageId = "img-12345678", state = "RUNNING" },
}

--- Changes that are remembered at most.
M.MAX_PAST = 100

local Store = {}
Store.__index = Store

local function copyOf(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = copyOf(item)
  end
  return copy
end

local function isText(value)
  return type(value) == "string"
end

local function isTag(value)
  return type(value) == "table" and isText(value.key) and isText(value.value)
end

local function isShare(value)
  return isText(value) or type(value) == "table" and isText(value.accountId) and type(value.time) == "number"
end

-- Lists, and what their items must be.
local LISTS = {
  snapshotIds = { isText, "texts" },
  tags = { isTag, "tables with key and value" },
  sharedWith = { isShare, "account ids, as text" },
}

local MAX_NUMBER = 4294967296

-- Raises what is wrong with a starting image.
local function checkImage(given)
  if type(given) ~= "table" then
    error("an image must be a table", 0)
  end
  for name, value in pairs(given) do
    if not FIELDS[name] then
      local shown = text.show(tostring(name))
      error(("an image has no field %s%s"):format(shown, text.suggestion(name, FIELDS)), 0)
    elseif type(value) ~= FIELDS[name] then
      error(("%s of an image must be a %s"):format(name, FIELDS[name]), 0)
    elseif type(value) == "number" and not (value >= 0 and value < MAX_NUMBER) then
      error(("%s of an image is out of range"):format(name), 0)
    end
    for _, item in ipairs(LISTS[name] and value or {}) do
      if not LISTS[name][1](item) then
        error(("%s of an image must be a list of %s"):format(name, LISTS[name][2]), 0)
      end
    end
  end
end

-- A starting image with all that it was not given.
local function complete(given, now, accountId)
  checkImage(given)
  local image = copyOf(given)
  if not text.isImageId(image.imageId) then
    error(("imageId must be img- and 8 letters or digits, not %s"):format(text.show(image.imageId)), 0)
  end
  image.imageType = image.imageType or "PRIVATE_IMAGE"
  if not TYPES[image.imageType] then
    error(("%s has an unknown imageType, %s"):format(image.imageId, text.show(image.imageType)), 0)
  end
  image.imageName = image.imageName or ""
  image.imageDescription = image.imageDescription or ""
  image.imageState = image.imageState or "NORMAL"
  image.imageSource = image.imageSource or (image.imageType == "PUBLIC_IMAGE" and "OFFICIAL" or "CREATE_IMAGE")
  image.imageCreator = image.imageCreator or (image.imageType == "PRIVATE_IMAGE" and accountId or "100000000099")
  image.imageSize = image.imageSize or 20
  image.osName = image.osName or "CentOS 7.6 64bit"
  image.platform = image.platform or "CentOS"
  image.architecture = image.architecture or "x86_64"
  image.licenseType = image.licenseType or "TencentCloud"
  image.createdTime = image.createdTime or math.floor(now)
  if image.isSupportCloudinit == nil then
    image.isSupportCloudinit = true
  end
  image.snapshotIds = image.snapshotIds or { "snap-" .. image.imageId:sub(5) }
  image.tags = image.tags or {}
  local shares = {}
  for i, share in ipairs(image.sharedWith or {}) do
    shares[i] = isText(share) and { accountId = share, time = image.createdTime } or share
  end
  image.sharedWith = shares
  if image.createSeconds then
    image.readyAt, image.createSeconds = now + image.createSeconds, nil
  end
  return image
end

--- Makes a store; raises what is wrong with the images.
---@param options table images, instances, accountId, createSeconds, newId (function -> 8 characters)
---@param now number Unix seconds
---@return table store
function M.new(options, now)
  local store = setmetatable({
    images = {},
    byId = {},
    instances = {},
    accountId = options.accountId,
    createSeconds = options.createSeconds,
    newId = options.newId,
    past = {}, -- {time, images}: as they were before the change of that time, oldest first
  }, Store)
  for _, given in ipairs(options.images) do
    local image = complete(given, now, store.accountId)
    if store.byId[image.imageId] then
      error(("%s occurs twice"):format(image.imageId), 0)
    end
    store:insert(image)
  end
  for _, given in ipairs(options.instances) do
    if type(given) ~= "table" or not isText(given.instanceId) or not isText(given.imageId) then
      error("an instance must be a table with instanceId and imageId", 0)
    end
    store.instances[given.instanceId] = copyOf(given)
  end
  return store
end

function Store:insert(image)
  self.images[#self.images + 1] = image
  self.byId[image.imageId] = image
end

--- Lets what takes time end: states whose time is over become NORMAL.
---@param now number
function Store:settle(now)
  for _, image in ipairs(self.images) do
    if image.readyAt and image.readyAt <= now then
      image.imageState, image.readyAt = "NORMAL", nil
    end
  end
end

--- The image of an id, where it can be seen from a region.
---@param imageId string
---@param region string long code
---@return table|nil image
function Store:find(imageId, region)
  local image = self.byId[imageId]
  return image and (image.region == nil or image.region == region) and image or nil
end

--- Images of a region, in the order they were made, that a test lets through.
---@param region string
---@param wanted fun(image: table): boolean
---@return table[]
function Store:list(region, wanted)
  local found = {}
  for _, image in ipairs(self.images) do
    if (image.region == nil or image.region == region) and wanted(image) then
      found[#found + 1] = image
    end
  end
  return found
end

--- Whether another of the account's own images in a region has a name.
---@param name string
---@param region string
---@param except table|nil image that may have it
---@return boolean
function Store:nameTaken(name, region, except)
  return #self:list(region, function(image)
    return image ~= except and image.imageType == "PRIVATE_IMAGE" and image.imageName == name
  end) > 0
end

-- An own image of a region, or the word for why there is none.
function Store:own(imageId, region)
  local image = self:find(imageId, region)
  if not image then
    return nil, "notFound"
  elseif image.imageType == "SHARED_IMAGE" then
    return nil, "shared"
  elseif image.imageType ~= "PRIVATE_IMAGE" then
    return nil, "notOwn"
  end
  return image
end

--- Sets attributes of an own image.
---@param imageId string
---@param region string
---@param changes table imageName, imageDescription, imageFamily, imageDeprecated
---@return table|nil image
---@return string|nil problem "notFound", "shared", "notOwn", "state", "nameTaken"
function Store:modify(imageId, region, changes)
  local image, problem = self:own(imageId, region)
  if not image then
    return nil, problem
  elseif not STEADY[image.imageState] then
    return nil, "state"
  elseif changes.imageName and self:nameTaken(changes.imageName, region, image) then
    return nil, "nameTaken"
  end
  for name, value in pairs(changes) do
    image[name] = value
  end
  return image
end

--- Own images of a region.
---@return integer
function Store:count(region)
  return #self:list(region, function(image)
    return image.imageType == "PRIVATE_IMAGE"
  end)
end

--- Makes an image, which is in a state of its own until its time is over.
---@param fields table as a starting image has them, without imageId
---@param state string state until createSeconds are over
---@param now number
---@return table|nil image
---@return string|nil problem "nameTaken"
function Store:create(fields, state, now)
  if self:nameTaken(fields.imageName, fields.region) then
    return nil, "nameTaken"
  end
  return self:add(fields, state, now)
end

function Store:add(fields, state, now)
  local given = copyOf(fields)
  repeat
    given.imageId = "img-" .. self.newId()
  until not self.byId[given.imageId]
  given.imageState, given.createSeconds = state, self.createSeconds
  local image = complete(given, now, self.accountId)
  self:insert(image)
  self:settle(now)
  return image
end

--- What stands against deleting an image.
---@return table|nil image
---@return string|nil problem "notFound", "shared", "notOwn", "state", "inShared"
function Store:deletable(imageId, region)
  local image, problem = self:own(imageId, region)
  if not image then
    return nil, problem
  elseif BUSY[image.imageState] then
    return nil, "state"
  elseif #image.sharedWith > 0 then
    return nil, "inShared"
  end
  return image
end

---@param image table from deletable
function Store:delete(image)
  self.byId[image.imageId] = nil
  for i, other in ipairs(self.images) do
    if other == image then
      table.remove(self.images, i)
      return
    end
  end
end

--- Copies an image into another region, under the same name by default.
---@param image table
---@param region string long code of the destination
---@param name string|nil
---@param now number
---@return table copy
function Store:copy(image, region, name, now)
  local fields = {}
  for _, key in ipairs { "imageDescription", "imageSize", "osName", "platform", "architecture" } do
    fields[key] = image[key]
  end
  fields.imageName, fields.region = name or image.imageName, region
  return self:add(fields, "SYNCING", now)
end

--- Shares an image with accounts, or stops sharing.
---@param _ table store
---@param image table
---@param accounts string[]
---@param shared boolean
---@param now number
function Store.share(_, image, accounts, shared, now)
  local wanted = {}
  for _, account in ipairs(accounts) do
    wanted[account] = true
  end
  local shares = {}
  for _, share in ipairs(image.sharedWith) do
    if not wanted[share.accountId] then
      shares[#shares + 1] = share
    elseif shared then
      shares[#shares + 1], wanted[share.accountId] = share, nil
    end
  end
  if shared then
    for _, account in ipairs(accounts) do
      if wanted[account] then
        shares[#shares + 1], wanted[account] = { accountId = account, time = now }, nil
      end
    end
  end
  image.sharedWith = shares
end

--- A copy of all images, in the form that a starting image has.
---@param now number
---@return table[]
function Store:snapshot(now)
  local images = copyOf(self.images)
  for _, image in ipairs(images) do
    image.createSeconds, image.readyAt = image.readyAt and image.readyAt - now, nil
  end
  return images
end

--- Remembers the images before a change, for `asOf`.
---@param now number
---@param longest number seconds that anyone will look back
function Store:remember(now, longest)
  local past = self.past
  while #past > 0 and (past[1].time <= now - longest or #past >= M.MAX_PAST) do
    table.remove(past, 1)
  end
  past[#past + 1] = { time = now, images = copyOf(self.images) }
end

--- The images as they were, as far as that was remembered; for looking only.
---@param time number
---@return table store
function Store:asOf(time)
  for _, before in ipairs(self.past) do
    if before.time > time then
      local view = setmetatable({ images = copyOf(before.images) }, { __index = self })
      view:settle(time)
      return view
    end
  end
  return self
end

return M
