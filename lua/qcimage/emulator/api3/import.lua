--- emulator/api3/import.lua - the image actions of API 3.0 for import, export, quota and families.
--- Part of qcimage, see LICENSE.
---
--- tencentcloud.com/document/product/213, image APIs.

local images = require "qcimage.emulator.api3.images"
local json = require "qcimage.emulator.json"
local refusal = require "qcimage.emulator.refusal"
local text = require "qcimage.emulator.text"

local refuse, list, set = refusal.raise, json.list, images.set

local M = {}

M.DescribeImageQuota = {
  params = {},
  run = function()
    return { ImageNumQuota = images.QUOTA }
  end,
}

M.DescribeImageFromFamily = {
  params = { ImageFamily = { type = "string" } },
  run = function(emulator, call)
    local found = emulator.store:list(call.region, function(image)
      return image.imageFamily ~= nil
        and image.imageFamily == call.values.ImageFamily
        and not image.imageDeprecated
    end)
    return { Image = found[#found] and images.described(found[#found]) or json.null }
  end,
}

-- A few of the systems that can be imported, enough for a script to choose from.
local SYSTEMS = {
  { OsName = "CentOS", OsVersions = list { "6", "7", "8" }, Architecture = list { "x86_64", "i386" } },
  { OsName = "Debian", OsVersions = list { "9", "10", "11" }, Architecture = list { "x86_64", "arm_64" } },
  { OsName = "Ubuntu", OsVersions = list { "18", "20", "22" }, Architecture = list { "x86_64", "arm_64" } },
  { OsName = "Windows", OsVersions = list { "2012", "2016", "2019" }, Architecture = list { "x86_64" } },
}

M.DescribeImportImageOs = {
  params = {},
  run = function()
    local windows, linux = list {}, list {}
    for _, system in ipairs(SYSTEMS) do
      local names = system.OsName == "Windows" and windows or linux
      names[#names + 1] = system.OsName
    end
    return {
      ImportImageOsListSupported = { Windows = windows, Linux = linux },
      ImportImageOsVersionSet = list(SYSTEMS),
    }
  end,
}

local URL = {
  type = "string",
  required = true,
  code = "InvalidParameter.InvalidParameterUrlError",
  form = function(value)
    return value:find "^https?://[^%s/]+/%S+$" ~= nil
  end,
}

M.ImportImage = {
  params = {
    Architecture = {
      type = "string",
      required = true,
      words = set { "x86_64", "i386", "arm_64" },
    },
    OsType = { type = "string", required = true },
    OsVersion = { type = "string", required = true },
    ImageUrl = URL,
    ImageName = images.NAME,
    ImageDescription = images.DESCRIPTION,
    DryRun = { type = "boolean" },
    Force = { type = "boolean" },
    TagSpecification = images.TAGS,
    LicenseType = {
      type = "string",
      words = set { "TencentCloud", "BYOL" },
      code = "InvalidParameterValue.InvalidLicenseType",
    },
    BootMode = {
      type = "string",
      words = set { "Legacy BIOS", "UEFI" },
      code = "InvalidParameterValue.InvalidBootMode",
    },
    ImageFamily = images.FAMILY,
    ImportImageDataDiskList = { type = "objects", fields = { ImageUrl = URL } },
  },
  run = function(emulator, call)
    local values, system = call.values, nil
    for _, known in ipairs(SYSTEMS) do
      system = known.OsName == values.OsType and known or system
    end
    if not system then
      refuse("InvalidImageOsType.Unsupported", "there is no system %s", text.show(values.OsType))
    elseif not set(system.OsVersions)[values.OsVersion] then
      refuse("InvalidImageOsVersion.Unsupported", "no version %s", text.show(values.OsVersion))
    end
    return images.make(emulator, call, {
      osName = values.OsType .. " " .. values.OsVersion,
      platform = values.OsType,
      architecture = values.Architecture,
      licenseType = values.LicenseType,
      imageSource = "EXTERNAL_IMPORT",
    }, "IMPORTING")
  end,
}

-- Why an image of another type than one's own is not exported.
local UNEXPORTABLE = {
  PUBLIC_IMAGE = "UnsupportedOperation.PublicImageExportUnsupported",
  MARKET_IMAGE = "UnsupportedOperation.MarketImageExportUnsupported",
  SHARED_IMAGE = "UnsupportedOperation.SharedImageExportUnsupported",
  RedHat = "UnsupportedOperation.RedHatImageExportUnsupported",
  Windows = "UnsupportedOperation.WindowsImageExportUnsupported",
}

M.ExportImages = {
  params = {
    BucketName = { type = "string", required = true },
    ImageIds = images.with(images.IDS, { required = false }),
    ExportFormat = { type = "string", words = set { "RAW", "QCOW2", "VHD", "VMDK" } },
    FileNamePrefixList = { type = "strings" },
    OnlyExportRootDisk = { type = "boolean" },
    DryRun = { type = "boolean" },
    RoleName = { type = "string" },
  },
  run = function(emulator, call)
    local values = call.values
    local ids, prefixes = values.ImageIds or {}, values.FileNamePrefixList
    if #ids == 0 then
      refuse("InvalidParameter.ImageIdsSnapshotIdsMustOne", "ImageIds is needed")
    elseif prefixes and #prefixes ~= #ids then
      refuse(
        "InvalidParameterValue.InvalidFileNamePrefixList",
        "FileNamePrefixList and ImageIds differ in length"
      )
    end
    local paths = list {}
    for i, id in ipairs(ids) do
      local image = images.need(emulator.store:find(id, call.region), "notFound")
      local code = UNEXPORTABLE[image.imageType] or UNEXPORTABLE[image.platform]
      if code then
        refuse(code, "%s can't be exported", id)
      elseif image.imageState ~= "NORMAL" then
        refuse("InvalidParameterValue.InvalidImageState", "%s is %s", id, image.imageState)
      end
      local suffix = text.lower(values.ExportFormat or "RAW")
      paths[i] = ("%s_%s.%s"):format(prefixes and prefixes[i] or id, image.snapshotIds[1], suffix)
    end
    images.endDryRun(call)
    return { TaskId = emulator:taskId(), CosPaths = paths }
  end,
}

return M
