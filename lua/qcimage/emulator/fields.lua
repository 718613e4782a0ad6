--- emulator/fields.lua - the fields of images and instances in the options and in a state document, and those of an
--- emulator that was given none.
--- Pure data. Part of qcimage, see LICENSE.

local schema = require "qcimage.emulator.schema"
local text = require "qcimage.emulator.text"

local M = {}

local MAX_NUMBER = 4294967295
local TEXT = { type = "string", most = 1000 }
local REQUIRED = { type = "string", least = 1, most = 100, required = true }
local NUMBER = { type = "number", least = 0, most = MAX_NUMBER }
local FLAG = { type = "boolean" }
local TAGS = {
  type = "list",
  most = 100,
  items = { type = "object", fields = { key = REQUIRED, value = { type = "string", most = 255, required = true } } },
}

M.ACCOUNT_ID = {
  type = "string",
  least = 1,
  most = 20,
  is = "digits",
  form = function(value)
    return value:find "^%d+$" ~= nil
  end,
}

--- Fields of an image in the options and in a state document.
M.IMAGE = {
  imageId = { type = "string", required = true, form = text.isImageId, is = "img- and 8 letters or digits" },
  imageName = TEXT,
  imageDescription = TEXT,
  imageType = { type = "string", one_of = { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "MARKET_IMAGE", "SHARED_IMAGE" } },
  imageState = {
    type = "string",
    one_of = {
      "CREATING",
      "NORMAL",
      "CREATEFAILED",
      "USING",
      "SYNCING",
      "COPYING",
      "IMPORTING",
      "IMPORTFAILED",
    },
  },
  imageCreator = TEXT,
  imageSource = TEXT,
  imageFamily = TEXT,
  imageDeprecated = FLAG,
  imageSize = NUMBER,
  osName = TEXT,
  platform = TEXT,
  architecture = TEXT,
  createdTime = NUMBER, -- Unix seconds
  createSeconds = NUMBER, -- until its state becomes NORMAL; absent: never
  isSupportCloudinit = FLAG,
  licenseType = TEXT,
  region = { type = "string", least = 1, most = 40 }, -- in either spelling
  accountId = M.ACCOUNT_ID, -- owner of a private image
  snapshotIds = { type = "list", most = 100, items = REQUIRED },
  tags = TAGS,
  sharedWith = {
    type = "list",
    most = 500,
    items = {
      type = "any",
      is = "an account id in digits, or an object with accountId and time",
      form = function(value)
        local share = type(value) == "table" and value or { accountId = value }
        return share.accountId ~= nil and not schema.fields({ accountId = M.ACCOUNT_ID, time = NUMBER }, share, "")
      end,
    },
  },
}

--- Fields of an instance in the options and in a state document.
M.INSTANCE = {
  instanceId = REQUIRED,
  imageId = REQUIRED,
  instanceName = TEXT,
  state = {
    type = "string",
    one_of = { "PENDING", "RUNNING", "STOPPED", "STOPPING", "STARTING", "REBOOTING", "SHUTDOWN" },
  },
  region = M.IMAGE.region,
  zone = TEXT,
  instanceType = TEXT,
  accountId = M.IMAGE.accountId,
  createdTime = NUMBER,
  tags = TAGS,
}

--- The images and instances of an emulator that was given none.
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

return M
