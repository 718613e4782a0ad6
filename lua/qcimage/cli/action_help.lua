--- action_help.lua - what the help says of each action and parameter; types and rules come from api/actions.lua.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.util.text"

local M = {}

--- Actions of both API versions.
M.ACTIONS = {
  AssumeRole = "get temporary keys of a role",
  AssumeRoleWithWebIdentity = "get temporary keys of a role by a token of an identity provider",
  CancelShareImage = "no longer share an image with other accounts",
  CreateImage = "make an image of an instance or of snapshots",
  DeleteImages = "delete images",
  DescribeImageFromFamily = "show the image of a family that is to be used",
  DescribeImageQuota = "show how many custom images an account can have in a region",
  DescribeImages = "list images",
  DescribeImageSharePermission = "list the accounts that an image is shared with",
  DescribeImportImageOs = "list the operating systems that can be imported",
  DescribeInstanceImageInfo = "show the images that instances use",
  ExportImages = "export images to a COS bucket",
  GetCallerIdentity = "show whose keys these are",
  GetImageShareUinInfo = "list the accounts that images are shared with",
  ImportImage = "import an image file",
  ModifyImageAttribute = "change an image",
  ModifyImageAttributes = "change an image",
  ModifyImageSharePermission = "share an image with other accounts, or no longer",
  ProgramFpgaImage = "program the FPGA of an instance",
  ShareImage = "share an image with other accounts",
  SyncCvmImage = "copy images to other regions",
  SyncImages = "copy an image to other regions",
}

--- Parameters, whatever their action.
M.PARAMETERS = {
  accountIds = "ids of accounts",
  architecture = "architecture of the image",
  bootMode = "boot mode",
  bucketName = "COS bucket",
  dataDiskIds = "ids of the data disks to include",
  dbdfs = "DBDFs of the FPGA cards",
  deleteBindedSnap = "delete the snapshots of the image, too",
  destinationRegions = "regions to copy to",
  dryRun = "check the request only",
  dstRegion = "regions to copy to",
  durationSeconds = "lifetime of the keys in seconds",
  encrypt = "encrypt the copy",
  exportFormat = "format of the exported files",
  externalId = "external id that the role demands",
  fileNamePrefixList = "prefixes of the exported files' names",
  filters = 'filters, {"Name": "image-name", "Values": ["web-01"]}',
  force = "import although the image looks unsuitable",
  forcePoweroff = "power the instance off if it does not shut down",
  fpgaUrl = "COS URL of the FPGA image",
  imageDeprecated = "whether the image is deprecated",
  imageDescription = "description of the image",
  imageFamily = "family of the image",
  imageId = "id of the image, such as img-12345678",
  imageIds = "ids of images",
  imageName = "name of the image",
  imageSetRequired = "return the ids of the copies",
  imageState = "state of the images",
  imageType = "type of the images",
  imageUrl = "COS URL of the image file",
  imgIdList = "ids of images",
  importImageDataDiskList = 'data disks, {"ImageUrl": "https://..."}',
  instanceId = "id of the instance, such as ins-12345678",
  instanceType = "instance type that the images must support",
  kmsKeyId = "id of the KMS key of an encrypted copy",
  licenseType = "license",
  limit = "number of images in the answer",
  offset = "number of images to skip",
  onlyExportRootDisk = "export the system disk only",
  osType = "operating system",
  osVersion = "version of the operating system",
  permission = "what to do",
  policy = "policy that narrows the role's rights",
  providerId = "identity provider",
  roleArn = "role to assume",
  roleName = "role that writes to the bucket",
  roleSessionName = "name of the session",
  serialNumber = "MFA device",
  snapshotIds = "ids of snapshots to make the image of",
  sourceIdentity = "identity on whose behalf the role is assumed",
  srcRegion = "region of the images",
  sysprep = "run Sysprep (Windows)",
  tagSpecification = 'tags, {"ResourceType": "image", "Tags": [{"Key": "k", "Value": "v"}]}',
  tags = 'tags of the session, {"Key": "k", "Value": "v"}',
  tokenCode = "MFA code",
  uInstanceIds = "ids of instances",
  uinList = "ids of accounts",
  webIdentityToken = "token of the identity provider",
}

-- The rule of a parameter in words.
local function ruleOf(param, version)
  local parts = {}
  if param.words then
    parts[1] = table.concat(text.keys(param.words), ", ")
  elseif param.type == "integer" then
    parts[1] = param.max and ("%d to %d"):format(param.min or 0, param.max) or ("%d or more"):format(param.min or 0)
  elseif param.region then
    parts[1] = "such as " .. (version == "3.0" and "ap-guangzhou" or "gz")
  elseif param.max then
    parts[1] = ("at most %d characters"):format(param.max)
  end
  if param.chars then
    parts[#parts + 1] = "of " .. param.chars
  end
  if param.items then
    parts[#parts + 1] = ("at most %d"):format(param.items)
  end
  if (param.type == "texts" or param.type == "objects") and param.items ~= 1 then
    parts[#parts + 1] = "repeatable"
  end
  if param.default ~= nil then
    parts[#parts + 1] = ("[%s]"):format(param.default)
  end
  return table.concat(parts, ", ")
end

--- What the help says of a parameter: whether it is required, what it is, its rule.
---@param key string
---@param param table of api/actions.lua
---@param version "2.0"|"3.0"
---@return string
function M.parameter(key, param, version)
  local rule = ruleOf(param, version)
  local about = (param.required and "required; " or "") .. (M.PARAMETERS[key] or key)
  return rule == "" and about or about .. "; " .. rule
end

return M
