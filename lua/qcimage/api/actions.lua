--- actions.lua - the image actions of both API versions as data: parameter schemas, whether an action is idempotent,
--- different names. A new action is a new table here.
--- Pure. Part of qcimage, see LICENSE.
---
--- Fields of an action:
---   name        the API's name, set below from its key
---   host        API 2.0 only: first label of the host (HOST.api.qcloud.com), "image" by default
---   service     API 3.0 only: "sts", or absent for CVM
---   givesKeys   API 3.0 only: true: its response contains keys, so errors do not show it
---   unsigned    wire name of the parameter that replaces the signature
---   params      parameters by their camelCase name
---   repeatable  true: idempotent, so it may be sent twice; by default false
---   reads       true: changes nothing
---   oneOf       names of two parameters of which exactly one is required
---   answer      API 2.0 only: names and words of the response, and those of API 3.0 that they become
---   lists       lists of the result, each with the lists of its items: null becomes an empty list
---
--- Fields of a parameter:
---   type        "text", "integer", "boolean", "flag" (a boolean sent as text), "texts" (a
---               list of text), "objects" (a list of tables, their fields under `fields`)
---   wire        wire name; by default the name in API 2.0, capitalized in API 3.0
---   required    true
---   min, max    code points of a text (min only in messages: `blank` decides about an empty text), range of an integer
---   items       maximum length of a list
---   pattern     Lua pattern of the allowed characters; `chars` says it in words
---   blank       an empty text is legal: true: sent; "keep": sent, and changes nothing; "omit": left out
---   words       allowed texts, each with its wire value
---   default     value when absent
---   filter      API 3.0: sent as a filter of this name
---   region      true: a region, sent by its name in the API version
---   source      where the rule is documented

local tables = require "qcimage.util.tables"

local M = {}

local function set(list)
  local map = {}
  for _, word in ipairs(list) do
    map[word] = word
  end
  return map
end

--------------------------------------------------------------------------------
-- API 2.0: cloud.tencent.com/document/api/213/1272, /1275, /1718 and /9414

local V2_MODIFY = "cloud.tencent.com/document/product/213/1275"
local V2_DESCRIBE = "cloud.tencent.com/document/product/213/1272"

local V2_TYPES = { PRIVATE_IMAGE = 1, PUBLIC_IMAGE = 2, MARKET_IMAGE = 3, SHARED_IMAGE = 4 }
local V2_STATES = { CREATING = 1, NORMAL = 2, USING = 3, SYNCING = 4, COPYING = 5 }

local function invert(map)
  local inverse = {}
  for key, value in pairs(map) do
    inverse[value] = key
  end
  return inverse
end

local V2_NAME = {
  type = "text",
  min = 1,
  max = 16,
  pattern = "^[A-Za-z0-9%-]*$",
  chars = "A-Z a-z 0-9 -",
  blank = "keep",
  source = V2_MODIFY,
}
local V2_DESCRIPTION = {
  type = "text",
  max = 64,
  pattern = "^[A-Za-z0-9_%-]*$",
  chars = "A-Z a-z 0-9 - _",
  blank = "keep",
  source = "the English page of ModifyImageAttributes",
}
local ID = { type = "text", required = true }
local IDS = { type = "texts", required = true }
local REGION = { type = "text", required = true, region = true }

local OFFSET = { type = "integer", min = 0 }
local LIMIT = { type = "integer", min = 1, max = 100 }

M["2.0"] = {
  ModifyImageAttributes = {
    repeatable = true,
    params = { imageId = ID, imageName = V2_NAME, imageDescription = V2_DESCRIPTION },
  },
  DescribeImages = {
    repeatable = true,
    reads = true,
    params = {
      imageType = { type = "text", words = V2_TYPES, default = "PRIVATE_IMAGE", source = V2_DESCRIBE },
      imageIds = { type = "texts", items = 10, source = V2_DESCRIBE },
      imageState = { type = "text", wire = "status", words = V2_STATES, source = V2_DESCRIBE },
      offset = OFFSET,
      limit = LIMIT,
    },
    lists = { imageSet = {} },
    answer = {
      imageSet = {
        unImgId = { name = "imageId" },
        createTime = { name = "createdTime" },
        creator = { name = "imageCreator" },
        createor = { name = "imageCreator" }, -- as the documented example spells it
        imageType = { name = "imageType", words = invert(V2_TYPES) },
        status = { name = "imageState", words = invert(V2_STATES) },
      },
    },
  },
  CreateImage = {
    params = {
      instanceId = ID,
      imageName = tables.copy(V2_NAME, { required = true, blank = false }),
      imageDescription = V2_DESCRIPTION,
    },
  },
  DeleteImages = { params = { imageIds = IDS } },
  SyncCvmImage = {
    params = { srcRegion = REGION, imgIdList = IDS, dstRegion = tables.copy(REGION, { type = "texts" }) },
  },
  ShareImage = {
    repeatable = true,
    params = { imageId = ID, uinList = tables.copy(IDS, { items = 50 }) },
  },
  CancelShareImage = {
    repeatable = true,
    params = { imageId = ID, uinList = tables.copy(IDS, { items = 50 }) },
  },
  GetImageShareUinInfo = {
    repeatable = true,
    reads = true,
    params = { imageIds = tables.copy(IDS, { items = 10 }) },
  },
  DescribeInstanceImageInfo = {
    host = "cvm",
    repeatable = true,
    reads = true,
    params = { uInstanceIds = IDS },
  },
}

--------------------------------------------------------------------------------
-- API 3.0, cvm, version 2017-03-12: tencentcloud.com/document/product/213/33269 and neighbours

local V3_MODIFY = "tencentcloud.com/document/product/213/33269"
local V3_NAME = { type = "text", max = 60, source = V3_MODIFY }
local V3_DESCRIPTION = { type = "text", max = 256, blank = true, source = V3_MODIFY }
local TEXT = { type = "text" }
local TEXTS = { type = "texts" }
local BOOLEAN = { type = "boolean" }
local FLAG = { type = "flag" }
local TAGS = {
  type = "objects",
  fields = {
    resourceType = { type = "text", required = true },
    tags = {
      type = "objects",
      required = true,
      fields = { key = ID, value = { type = "text", required = true, blank = true } },
    },
  },
}
local LICENSES = set { "TencentCloud", "BYOL" }

M["3.0"] = {
  ModifyImageAttribute = {
    repeatable = true,
    params = {
      imageId = ID,
      imageName = tables.copy(V3_NAME, { blank = "omit" }),
      imageDescription = V3_DESCRIPTION,
      imageFamily = TEXT,
      imageDeprecated = BOOLEAN,
    },
  },
  DescribeImages = {
    repeatable = true,
    reads = true,
    lists = { imageSet = { "snapshotSet", "tags" } },
    params = {
      imageIds = { type = "texts", filter = "image-id" },
      imageType = { type = "text", filter = "image-type" },
      imageState = { type = "text", filter = "image-state" },
      filters = {
        type = "objects",
        items = 10,
        fields = { name = ID, values = { type = "texts", required = true, items = 5 } },
      },
      offset = OFFSET,
      limit = LIMIT,
      instanceType = TEXT,
    },
  },
  CreateImage = {
    oneOf = { "instanceId", "snapshotIds" },
    params = {
      imageName = tables.copy(V3_NAME, { required = true }),
      instanceId = TEXT,
      snapshotIds = TEXTS,
      imageDescription = V3_DESCRIPTION,
      forcePoweroff = FLAG,
      sysprep = FLAG,
      dataDiskIds = TEXTS,
      dryRun = BOOLEAN,
      tagSpecification = TAGS,
      imageFamily = TEXT,
    },
  },
  DeleteImages = {
    params = { imageIds = IDS, deleteBindedSnap = BOOLEAN, dryRun = BOOLEAN },
  },
  SyncImages = {
    lists = { imageSet = {} },
    params = {
      imageIds = tables.copy(IDS, { items = 1 }),
      destinationRegions = tables.copy(REGION, { type = "texts" }),
      dryRun = BOOLEAN,
      imageName = V3_NAME,
      imageSetRequired = BOOLEAN,
      encrypt = BOOLEAN,
      kmsKeyId = TEXT,
    },
  },
  ModifyImageSharePermission = {
    repeatable = true,
    params = {
      imageId = ID,
      accountIds = tables.copy(IDS, { items = 500 }),
      permission = { type = "text", required = true, words = set { "SHARE", "CANCEL" } },
    },
  },
  DescribeImageSharePermission = {
    repeatable = true,
    reads = true,
    lists = { sharePermissionSet = {} },
    params = { imageId = ID },
  },
  DescribeImageQuota = { repeatable = true, reads = true, params = {} },
  DescribeImageFromFamily = { repeatable = true, reads = true, params = { imageFamily = TEXT } },
  DescribeImportImageOs = {
    repeatable = true,
    reads = true,
    lists = { importImageOsVersionSet = { "osVersions", "architecture" } },
    params = {},
  },
  ImportImage = {
    params = {
      architecture = { type = "text", required = true, words = set { "x86_64", "i386", "arm_64" } },
      osType = ID,
      osVersion = ID,
      imageUrl = ID,
      imageName = tables.copy(V3_NAME, { required = true }),
      imageDescription = V3_DESCRIPTION,
      dryRun = BOOLEAN,
      force = BOOLEAN,
      tagSpecification = TAGS,
      licenseType = { type = "text", words = LICENSES },
      bootMode = { type = "text", words = set { "Legacy BIOS", "UEFI" } },
      imageFamily = TEXT,
      importImageDataDiskList = { type = "objects", fields = { imageUrl = ID } },
    },
  },
  ProgramFpgaImage = {
    params = {
      instanceId = ID,
      fpgaUrl = tables.copy(ID, { wire = "FPGAUrl" }),
      dbdfs = { type = "texts", wire = "DBDFs" },
      dryRun = BOOLEAN,
    },
  },
  ExportImages = {
    lists = { cosPaths = {} },
    params = {
      bucketName = ID,
      imageIds = TEXTS,
      exportFormat = { type = "text", words = set { "RAW", "QCOW2", "VHD", "VMDK" } },
      fileNamePrefixList = TEXTS,
      onlyExportRootDisk = BOOLEAN,
      dryRun = BOOLEAN,
      roleName = TEXT,
    },
  },
}

--------------------------------------------------------------------------------
-- API 3.0, sts, version 2018-08-13: the caller's identity, and keys of other identities.
-- cloud.tencent.com/document/api/1312/48197, /73068 and /61556

local SESSION = tables.copy(ID, { max = 128 })
local DURATION = { type = "integer", min = 0, max = 43200 }

M["3.0"].GetCallerIdentity = { service = "sts", repeatable = true, reads = true, params = {} }
M["3.0"].AssumeRole = {
  service = "sts",
  givesKeys = true,
  repeatable = true,
  reads = true,
  params = {
    roleArn = ID,
    roleSessionName = SESSION,
    durationSeconds = DURATION,
    policy = TEXT,
    externalId = TEXT,
    tags = { type = "objects", fields = { key = TEXT, value = TEXT } },
    sourceIdentity = TEXT,
    serialNumber = TEXT,
    tokenCode = TEXT,
  },
}
M["3.0"].AssumeRoleWithWebIdentity = {
  service = "sts",
  givesKeys = true,
  unsigned = "WebIdentityToken",
  repeatable = true,
  reads = true,
  params = {
    providerId = ID,
    webIdentityToken = ID,
    roleArn = ID,
    roleSessionName = SESSION,
    durationSeconds = DURATION,
  },
}

for _, actions in pairs(M) do
  for name, action in pairs(actions) do
    action.name = name
  end
end

--- Names of the two calls that have functions in the interface.
M.modify = { ["2.0"] = "ModifyImageAttributes", ["3.0"] = "ModifyImageAttribute" }
M.describe = { ["2.0"] = "DescribeImages", ["3.0"] = "DescribeImages" }

-- States of data type Image, and USING of older pages.
local V3_STATES = set { "CREATING", "NORMAL", "USING", "SYNCING", "IMPORTING", "CREATEFAILED", "IMPORTFAILED" }

--- The schema of `wait`.
M.wait = {}
for version, states in pairs { ["2.0"] = set(invert(V2_STATES)), ["3.0"] = V3_STATES } do
  M.wait[version] = {
    name = "wait",
    params = { imageIds = IDS, imageState = { type = "text", words = states, default = "NORMAL" } },
  }
end

return M
