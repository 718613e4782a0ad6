--- emulator/api3/other_actions.lua - the image actions of API 3.0 for import, export, quota and families.
--- Part of qcimage, see LICENSE.
---
--- tencentcloud.com/document/product/213, image APIs.

local images = require "qcimage.emulator.api3.images"
local json = require "qcimage.emulator.json"
local abort = require "qcimage.emulator.abort"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local refuse, list, set = abort.raise, json.list, text.set

local M = {}

M.DescribeImageQuota = {
  params = {},
  run = function()
    return { ImageNumQuota = images.QUOTA }
  end,
}

M.DescribeImageFromFamily = {
  params = { ImageFamily = { type = "string" } },
  run = function(_, call)
    local found = call.view:list(function(image)
      return image.imageFamily ~= nil and image.imageFamily == call.values.ImageFamily and not image.imageDeprecated
    end)
    return { Image = found[#found] and images.described(found[#found]) or json.null }
  end,
}

-- Systems that can be imported, with the versions of the documented example of DescribeImportImageOs
-- and some newer ones. The version of a Windows Server, and of another Linux, is a number that says nothing.
local SYSTEMS = {}
for _, system in ipairs {
  { "Windows Server 2008", "9" },
  { "Windows Server 2012", "9" },
  { "Windows Server 2016", "9" },
  { "Windows Server 2019", "9" },
  { "CentOS", "5", "6", "7", "8" },
  { "CoreOS", "7" },
  { "Debian", "6", "7", "8", "9", "10", "11" },
  { "FreeBSD", "10" },
  { "Redhat", "5", "6", "7" },
  { "OpenSUSE", "11", "12" },
  { "SUSE", "10", "11", "12", "13" },
  { "Ubuntu", "10", "12", "14", "16", "18", "20", "22" },
  { "Other Linux", "8" },
} do
  local versions = list {}
  for i = 2, #system do
    versions[i - 1] = system[i]
  end
  SYSTEMS[#SYSTEMS + 1] = {
    OsName = system[1],
    OsVersions = versions,
    Architecture = list { "x86_64", "i386", "arm_64" },
  }
end

local function isWindows(name)
  return name:find "^Windows" ~= nil
end

M.DescribeImportImageOs = {
  params = {},
  run = function()
    local windows, linux = list {}, list {}
    for _, system in ipairs(SYSTEMS) do
      local names = isWindows(system.OsName) and windows or linux
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
      platform = isWindows(values.OsType) and "Windows" or values.OsType,
      architecture = values.Architecture,
      licenseType = values.LicenseType,
      imageSource = "EXTERNAL_IMPORT",
    }, "IMPORTING")
  end,
}

-- The errors of exporting an image that is not private, or whose system cannot be exported.
local UNEXPORTABLE = {
  PUBLIC_IMAGE = "UnsupportedOperation.PublicImageExportUnsupported",
  MARKET_IMAGE = "UnsupportedOperation.MarketImageExportUnsupported",
  SHARED_IMAGE = "UnsupportedOperation.SharedImageExportUnsupported",
  RedHat = "UnsupportedOperation.RedHatImageExportUnsupported",
  Redhat = "UnsupportedOperation.RedHatImageExportUnsupported", -- as DescribeImportImageOs spells it
  Windows = "UnsupportedOperation.WindowsImageExportUnsupported",
}

-- Needs an instance with such a card, which the emulator does not have.
M.ProgramFpgaImage = {
  params = {
    InstanceId = { type = "string", required = true },
    FPGAUrl = { type = "string", required = true },
    DBDFs = { type = "strings" },
    DryRun = { type = "boolean" },
  },
  run = function()
    refuse("UnsupportedOperation", "the emulator does not serve ProgramFpgaImage")
  end,
}

M.ExportImages = {
  params = {
    BucketName = { type = "string", required = true },
    ImageIds = tables.with(images.IDS, { required = false }),
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
      refuse("InvalidParameterValue.InvalidFileNamePrefixList", "FileNamePrefixList and ImageIds differ in length")
    end
    local paths = list {} -- named as the page has it: PREFIX_ID_system_SNAPSHOT.FORMAT, or …_data_…
    for i, id in ipairs(ids) do
      local image = images.need(call.view:find(id), "notFound")
      local code = UNEXPORTABLE[image.imageType] or UNEXPORTABLE[image.platform]
      if code then
        refuse(code, "%s can't be exported", id)
      elseif image.imageState ~= "NORMAL" then
        refuse("InvalidParameterValue.InvalidImageState", "%s is %s", id, image.imageState)
      end
      for disk, snapshot in ipairs(image.snapshotIds) do
        if disk == 1 or not values.OnlyExportRootDisk then
          paths[#paths + 1] = ("/%s%s_%s_%s.%s"):format(
            prefixes and prefixes[i] .. "_" or "",
            id,
            disk == 1 and "system" or "data",
            snapshot,
            text.lower(values.ExportFormat or "RAW")
          )
        end
      end
    end
    images.endDryRun(call)
    return { TaskId = emulator:taskId(), CosPaths = paths }
  end,
}

return M
