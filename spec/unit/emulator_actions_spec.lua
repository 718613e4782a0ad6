--- What the emulator's actions do: covers emulator/api2/actions.lua, emulator/api3/ and emulator/store.lua.

local cjson = require "cjson"
local support = require "spec.support.emulator"

local function ids(list, name)
  local found = {}
  for i, image in ipairs(list) do
    found[i] = image[name]
  end
  return found
end

local function catalogue(count)
  local images = {}
  for i = 1, count do
    images[i] = { imageId = ("img-%08d"):format(i), imageName = "web-" .. i }
  end
  return images
end

describe("emulator's actions of API 2.0", function()
  local emulator, call, now

  local function start(options)
    options = options or {}
    now = support.NOW
    options.clock = function()
      return now
    end
    emulator, call = support.new(options)
  end

  before_each(function()
    start()
  end)

  local function describe2(params)
    params.imageType = params.imageType or 1
    return call("DescribeImages", params)
  end

  it("describes images with all fields", function()
    start {
      images = {
        { imageId = "img-12345678", imageName = "web-01", createdTime = 1451703845, osName = "centos" },
      },
    }
    local answer = describe2 {}
    assert.same({
      code = 0,
      codeDesc = "Success",
      message = "",
      totalCount = 1,
      imageSet = {
        {
          unImgId = "img-12345678",
          imageName = "web-01",
          imageDescription = "",
          imageType = 1,
          osName = "centos",
          createTime = "2016-01-02 03:04:05",
          creator = "100000000001",
          status = 2,
        },
      },
    }, answer)
  end)

  it("pages", function()
    start { images = catalogue(45) }
    local function page(offset, limit)
      local answer = describe2 { offset = offset, limit = limit }
      assert.equal(45, answer.totalCount)
      local found = ids(answer.imageSet, "unImgId")
      return #found, found[1], found[#found]
    end
    assert.same({ 20, "img-00000001", "img-00000020" }, { page() })
    assert.same({ 20, "img-00000021", "img-00000040" }, { page(20) })
    assert.same({ 5, "img-00000041", "img-00000045" }, { page(40) })
    assert.same({ 45, "img-00000001", "img-00000045" }, { page(0, 100) })
    assert.same({ 1, "img-00000045", "img-00000045" }, { page(44, 1) })
    assert.same({ 0 }, { page(45) })
  end)

  it("writes an empty page as a list", function()
    local _, response = call("DescribeImages", { imageType = 3 })
    assert.truthy(response.body:find('"imageSet":[]', 1, true))
  end)

  it("filters by id, type and state", function()
    local function found(params)
      return ids(describe2(params).imageSet, "unImgId")
    end
    assert.same({ "img-12345678", "img-0abc12de", "img-making01" }, found {})
    assert.same({ "img-public01" }, found { imageType = 2 })
    assert.same({ "img-foreign1" }, found { imageType = 4 })
    assert.same({ "img-making01" }, found { status = 1 })
    assert.same({ "img-12345678", "img-0abc12de" }, found { status = 2 })
    local two = { ["imageIds.0"] = "img-0abc12de", ["imageIds.1"] = "img-00000000" }
    assert.same({ "img-0abc12de" }, found(two))
    assert.same({ "img-0abc12de" }, found { ["imageIds.1"] = "img-0abc12de" })
  end)

  it("refuses parameters of DescribeImages that break a rule", function()
    for words, params in pairs {
      ["imageType must be"] = { imageType = 5 },
      ["imageType is missing"] = { imageType = "" },
      ["limit must be"] = { limit = 101 },
      ["limit must be a"] = { limit = 0 },
      ["limit must be a number"] = { limit = "1e1" },
      ["offset must be"] = { offset = -1 },
      ["status must be"] = { status = 6 },
      ["imageIds must be img-"] = { ["imageIds.0"] = "x" },
      ["without gaps"] = { ["imageIds.0"] = "img-12345678", ["imageIds.2"] = "img-12345678" },
      ["odd index"] = { ["imageIds.00"] = "img-12345678" },
      ["no parameter imageIds"] = { imageIds = "img-12345678" },
    } do
      local answer = describe2(params)
      assert.equal(4000, answer.code, words)
      assert.truthy(answer.message:find(words, 1, true), answer.message)
    end
    local answer = call("DescribeImages", {})
    assert.equal("the parameter imageType is missing", answer.message)
  end)

  it("makes an image, which takes its time", function()
    local params = { instanceId = "ins-stopped1", imageName = "new-1", imageDescription = "x" }
    local answer = call("CreateImage", params)
    assert.equal(0, answer.code)
    assert.equal("number", type(answer.requestId))
    local image = describe2({ status = 1 }).imageSet[2]
    assert.same({ "new-1", 1 }, { image.imageName, image.status })
    local rename = { imageId = image.unImgId, imageName = "new-2" }
    assert.equal(5100, call("ModifyImageAttributes", rename).code)
    assert.equal(4000, call("CreateImage", params).code) -- the name is taken
    now = now + 2
    assert.equal(0, call("ModifyImageAttributes", rename).code)
    assert.equal(5100, call("CreateImage", { instanceId = "ins-running1", imageName = "x" }).code)
    assert.equal(5000, call("CreateImage", { instanceId = "ins-0", imageName = "x" }).code)
    assert.equal(4000, call("CreateImage", { instanceId = "ins-stopped1" }).code)
  end)

  it("has room for ten images in a region", function()
    start { images = catalogue(10) }
    assert.equal(5100, call("CreateImage", { instanceId = "ins-stopped1", imageName = "x" }).code)
  end)

  it("deletes, and tells of each image", function()
    local answer = call("DeleteImages", { ["imageIds.0"] = "img-12345678", ["imageIds.1"] = "img-making01" })
    assert.equal(5400, answer.code)
    assert.equal(0, answer.detail["img-12345678"].code)
    assert.equal(5100, answer.detail["img-making01"].code)
    assert.equal(5100, call("DeleteImages", { ["imageIds.0"] = "img-12345678" }).code)
    assert.equal(0, call("DeleteImages", { ["imageIds.0"] = "img-0abc12de" }).code)
    assert.same({ "img-making01" }, ids(describe2({}).imageSet, "unImgId"))
  end)

  it("copies to other regions", function()
    local params =
      { srcRegion = "gz", ["imgIdList.0"] = "img-12345678", ["dstRegion.0"] = "sh", ["dstRegion.1"] = "bj" }
    assert.equal(0, call("SyncCvmImage", params).code)
    assert.equal(3, #describe2({}).imageSet)
    local copies = describe2({ Region = "sh", status = 4 }).imageSet
    assert.same({ "web-01" }, ids(copies, "imageName"))
    params["dstRegion.1"] = "ca"
    assert.equal(4000, call("SyncCvmImage", params).code)
    params["dstRegion.1"] = "ap-beijing"
    assert.equal(4000, call("SyncCvmImage", params).code)
  end)

  it("refuses what is not the id of an image, in every action", function()
    for action, params in pairs {
      DeleteImages = { ["imageIds.0"] = "img-1" },
      GetImageShareUinInfo = { ["imageIds.0"] = "img-1" },
      SyncCvmImage = { srcRegion = "gz", ["imgIdList.0"] = "img-1", ["dstRegion.0"] = "sh" },
      ShareImage = { imageId = "img-1", ["uinList.0"] = "200" },
      CancelShareImage = { imageId = "img-1", ["uinList.0"] = "200" },
      ModifyImageAttributes = { imageId = "img-1" },
      DescribeImages = { imageType = 1, ["imageIds.0"] = "img-1" },
    } do
      local answer = call(action, params)
      assert.equal(4000, answer.code, action)
      assert.matches("must be img%- and 8 letters or digits: img%-1$", answer.message)
    end
  end)

  it("shares and stops sharing", function()
    local params = { imageId = "img-12345678", ["uinList.0"] = "200", ["uinList.1"] = "300" }
    assert.equal(0, call("ShareImage", params).code)
    assert.equal(0, call("CancelShareImage", { imageId = "img-12345678", ["uinList.0"] = "200" }).code)
    assert.same({
      imageNum = "1",
      maxImgShareNum = tostring(require("qcimage.emulator.api2.actions").ShareImage.params.uinList.most),
      imageList = {
        { imageId = "img-12345678", shareUinInfo = { { uin = "300", shareTimeStamp = "1700000000" } } },
      },
    }, call("GetImageShareUinInfo", { ["imageIds.0"] = "img-12345678" }).data)
    assert.equal(5100, call("DeleteImages", { ["imageIds.0"] = "img-12345678" }).code)
    assert.equal(4000, call("ShareImage", { imageId = "img-12345678", ["uinList.0"] = "100000000001" }).code)
    assert.equal(4000, call("ShareImage", { imageId = "img-12345678", ["uinList.0"] = "x" }).code)
  end)

  it("tells an instance's image", function()
    local answer = call("DescribeInstanceImageInfo", { ["uInstanceIds.0"] = "ins-running1" })
    assert.same({ { unImgId = "img-12345678", uInstanceId = "ins-running1" } }, answer.data)
    assert.equal(5000, call("DescribeInstanceImageInfo", { ["uInstanceIds.0"] = "x" }).code)
    assert.equal("img-12345678", emulator:images()[1].imageId)
  end)
end)

describe("emulator's actions of API 3.0", function()
  local emulator, call, now, _

  before_each(function()
    now = support.NOW
    emulator, _, call = support.new {
      clock = function()
        return now
      end,
    }
  end)

  local function found(params)
    local answer = call("DescribeImages", next(params) and params or "{}")
    assert.is_nil(answer.Error, answer.Error and answer.Error.Message)
    assert.equal(answer.TotalCount, #answer.ImageSet)
    return ids(answer.ImageSet, "ImageId")
  end

  local function code(action, params, options)
    local answer = call(action, params, options)
    return answer.Error and answer.Error.Code
  end

  local function filter(name, ...)
    return { Filters = { { Name = name, Values = { ... } } } }
  end

  it("describes images with all fields", function()
    local answer, response = call("DescribeImages", { ImageIds = { "img-12345678" } })
    local image = answer.ImageSet[1]
    assert.equal(cjson.null, image.SyncPercent)
    image.SyncPercent = nil
    assert.same({
      ImageId = "img-12345678",
      OsName = "CentOS 7.6 64bit",
      ImageType = "PRIVATE_IMAGE",
      CreatedTime = "2023-11-14T22:13:20Z",
      ImageName = "web-01",
      ImageDescription = "sample",
      ImageSize = 20,
      Architecture = "x86_64",
      ImageState = "NORMAL",
      Platform = "CentOS",
      ImageCreator = "100000000001",
      ImageSource = "CREATE_IMAGE",
      IsSupportCloudinit = true,
      SnapshotSet = { { SnapshotId = "snap-12345678", DiskUsage = "SYSTEM_DISK", DiskSize = 20 } },
      Tags = {},
      LicenseType = "TencentCloud",
      ImageFamily = "",
      ImageDeprecated = false,
      CdcCacheStatus = "",
    }, image)
    assert.truthy(response.body:find('"Tags":[]', 1, true))
  end)

  it("filters: values are alternatives, filters add up", function()
    assert.equal(5, #found {})
    assert.same({ "img-12345678" }, found(filter("image-name", "web")))
    assert.same({ "img-12345678", "img-0abc12de" }, found(filter("image-name", "web", "db")))
    assert.same({ "img-foreign1" }, found(filter("image-type", "SHARED_IMAGE")))
    assert.same({}, found(filter("image-type", "MARKET_IMAGE")))
    assert.same({ "img-making01" }, found(filter("image-state", "CREATING")))
    assert.same({ "img-0abc12de" }, found(filter("image-id", "img-0abc12de")))
    assert.same({}, found(filter("cdc-cache-status", "CACHED")))
    assert.same(
      { "img-0abc12de" },
      found {
        Filters = {
          { Name = "image-name", Values = { "web", "db" } },
          { Name = "image-id", Values = { "img-0abc12de", "img-making01" } },
        },
      }
    )
    emulator:setImages { { imageId = "img-00000001", tags = { { key = "env", value = "test" } } } }
    assert.equal(1, #found(filter("tag-key", "env")))
    assert.equal(1, #found(filter("tag-value", "test")))
    assert.equal(1, #found(filter("tag:env", "test")))
    assert.equal(0, #found(filter("tag:env", "live")))
  end)

  it("pages", function()
    emulator:setImages(catalogue(45))
    local answer = call("DescribeImages", { Offset = 40, Limit = 100 })
    assert.same({ 45, 5 }, { answer.TotalCount, #answer.ImageSet })
    assert.equal(20, #call("DescribeImages", "{}").ImageSet)
  end)

  it("shows what runs on a type of instance", function()
    emulator:setImages { { imageId = "img-0000000a", architecture = "arm" }, { imageId = "img-0000000b" } }
    assert.same({ "img-0000000a" }, found { InstanceType = "SR1.MEDIUM4" })
    assert.same({ "img-0000000b" }, found { InstanceType = "SA5.MEDIUM2" })
  end)

  it("refuses parameters of DescribeImages that break a rule", function()
    local many = { Filters = {} }
    for i = 1, 99 do
      many.Filters[i] = { Name = "image-name", Values = { "x" } }
    end
    local both = filter("image-name", "x")
    both.ImageIds = { "img-12345678" }
    for _, case in ipairs {
      { "InvalidParameter.InvalidParameterCoexistImageIdsFilters", both },
      { "InvalidImageId.Malformed", { ImageIds = { "x" } } },
      { "InvalidImageId.Malformed", filter("image-id", "x") },
      { "InvalidParameter", { ImageIds = "img-12345678" } },
      { "InvalidParameter", { ImageIds = { 1 } } },
      { "InvalidParameter", { ImageIds = { ["0"] = "img-12345678" } } },
      { "InvalidFilter", filter("image-nam", "x") },
      { "InvalidFilter", filter("image-type", "x") },
      { "InvalidFilterValue.LimitExceeded", filter("image-name", "1", "2", "3", "4", "5", "6", "7", "8", "9") },
      { "InvalidParameterValue.LimitExceeded", many },
      { "MissingParameter", { Filters = { { Name = "image-name" } } } },
      { "UnknownParameter", { Filters = { { Name = "image-name", Values = { "x" }, Value = "x" } } } },
      { "InvalidParameter", { Filters = { "image-name" } } },
      { "InvalidParameterValue.InvalidParameterValueLimit", { Limit = 101 } },
      { "InvalidParameterValue.InvalidParameterValueLimit", { Limit = 0 } },
      { "InvalidParameterValue.InvalidParameterValueLimit", { Offset = -1 } },
      { "InvalidParameter", { Limit = "20" } },
      { "InvalidParameter", { Limit = 1.5 } },
      { "InvalidInstanceType.Malformed", { InstanceType = "x" } },
    } do
      assert.equal(case[1], code("DescribeImages", case[2]), cjson.encode(case[2]))
    end
    assert.is_nil(code("DescribeImages", '{"ImageIds":[],"Filters":[],"InstanceType":"SA5.MEDIUM2"}'))
  end)

  it("makes an image, but not in a dry run", function()
    local params = { InstanceId = "ins-running1", ImageName = "new", ForcePoweroff = "true" }
    params.DryRun = true
    assert.equal("DryRunOperation", code("CreateImage", params))
    assert.equal(5, #emulator:images())
    params.DryRun = nil
    local answer = call("CreateImage", params)
    assert.truthy(answer.ImageId:find "^img%-%x%x%x%x%x%x%x%x$")
    assert.equal("InvalidImageName.Duplicate", code("CreateImage", params))
    local rename = { ImageId = answer.ImageId, ImageName = "newer" }
    assert.equal("InvalidImageId.IncorrectState", code("ModifyImageAttribute", rename))
    now = now + 2
    assert.is_nil(code("ModifyImageAttribute", rename, { time = now }))
    for wanted, fields in pairs {
      ["InvalidParameterConflict"] = { InstanceId = "ins-running1", SnapshotIds = { "snap-12345678" } },
      ["InvalidParameter.SpecifyOneParameter"] = {},
      ["InvalidInstanceId.NotFound"] = { InstanceId = "ins-0" },
      ["InvalidParameter.SnapshotNotFound"] = { SnapshotIds = { "snap-0" } },
      ["InvalidParameterValue"] = { InstanceId = "ins-running1", Sysprep = "yes" },
    } do
      fields.ImageName = "other"
      assert.equal(wanted, code("CreateImage", fields))
    end
  end)

  it("takes a boolean as text in any case, as packer sends it", function()
    for i, word in ipairs { "True", "False", "TRUE", "false" } do
      local name = "packer-" .. i
      local params = { InstanceId = "ins-running1", ImageName = name, ForcePoweroff = word, Sysprep = word }
      assert.truthy(call("CreateImage", params).ImageId, word)
    end
    local params = { InstanceId = "ins-running1", ImageName = "x", ForcePoweroff = true }
    assert.equal("InvalidParameter", code("CreateImage", params))
  end)

  it("makes an image from the snapshots of a system disk and of data disks", function()
    emulator:setImages {
      { imageId = "img-00000001", snapshotIds = { "snap-system1", "snap-data0001" } },
      { imageId = "img-00000002", snapshotIds = { "snap-system2" } },
    }
    local function make(...)
      return call("CreateImage", { ImageName = "made", SnapshotIds = { ... } })
    end
    assert.equal("InvalidParameter.SystemSnapshotNotFound", make("snap-data0001").Error.Code)
    assert.equal("InvalidParameter.DuplicateSystemSnapshots", make("snap-system1", "snap-system2").Error.Code)
    assert.equal("InvalidParameter.SnapshotNotFound", make("snap-system1", "snap-0").Error.Code)
    local id = make("snap-data0001", "snap-system2").ImageId
    assert.same({
      { SnapshotId = "snap-system2", DiskUsage = "SYSTEM_DISK", DiskSize = 20 },
      { SnapshotId = "snap-data0001", DiskUsage = "DATA_DISK", DiskSize = 20 },
    }, call("DescribeImages", { ImageIds = { id } }).ImageSet[1].SnapshotSet)
  end)

  it("wants a tag with its value, which may be empty", function()
    local function tagged(tag)
      local specification = { { ResourceType = "image", Tags = { tag } } }
      return code(
        "CreateImage",
        { InstanceId = "ins-running1", ImageName = "tagged", TagSpecification = specification }
      )
    end
    assert.equal("MissingParameter", tagged { Key = "env" })
    assert.is_nil(tagged { Key = "env", Value = "" })
  end)

  it("deletes all or none", function()
    local function delete(...)
      return code("DeleteImages", { ImageIds = { ... } })
    end
    assert.equal("InvalidImageId.NotFound", delete("img-12345678", "img-00000000"))
    assert.equal("InvalidImageId.IncorrectState", delete("img-12345678", "img-making01"))
    assert.equal("InvalidParameterValue.InvalidImageIdIsShared", delete "img-foreign1")
    assert.is_nil(code("DeleteImages", { ImageIds = { "img-12345678" }, DryRun = true }))
    assert.equal("InvalidImageId.NotFound", code("DeleteImages", { ImageIds = { "img-00000000" }, DryRun = true }))
    assert.equal(5, #emulator:images())
    assert.is_false(emulator:journal()[4].applied)
    assert.is_nil(delete("img-12345678", "img-0abc12de"))
    assert.equal(3, #emulator:images())
    assert.equal("MissingParameter", code("DeleteImages", '{"ImageIds":[]}'))
  end)

  it("copies an image to other regions", function()
    local params = { ImageIds = { "img-12345678" }, DestinationRegions = { "ap-shanghai" }, ImageSetRequired = true }
    local answer = call("SyncImages", params)
    assert.equal("ap-shanghai", answer.ImageSet[1].Region)
    assert.is_nil(code("DescribeImages", { ImageIds = { answer.ImageSet[1].ImageId } }, { region = "ap-shanghai" }))
    local copies = call("DescribeImages", { ImageIds = { answer.ImageSet[1].ImageId } }, { region = "ap-shanghai" })
    assert.equal(0, copies.ImageSet[1].SyncPercent)
    params.DestinationRegions = { "ap-guangzhou" }
    assert.equal("InvalidParameterValue.InvalidRegion", code("SyncImages", params))
    params.Encrypt = true
    assert.equal("InvalidImageName.Duplicate", code("SyncImages", params))
    params.ImageName = "encrypted"
    assert.is_nil(code("SyncImages", params))
    params.DestinationRegions = { "ap-shanghai" }
    assert.equal("InvalidParameterValue.InvalidRegion", code("SyncImages", params))
    params.Encrypt, params.ImageSetRequired = nil, nil
    local _, response = call("SyncImages", params)
    assert.truthy(response.body:find('"ImageSet":[]', 1, true), response.body)
    params.DestinationRegions = { "sh" }
    assert.equal("InvalidRegion.NotFound", code("SyncImages", params))
    params.ImageIds[2] = "img-0abc12de"
    assert.equal("InvalidParameterValue.LimitExceeded", code("SyncImages", params))
  end)

  it("shares and stops sharing", function()
    local params = { ImageId = "img-12345678", AccountIds = { "200" }, Permission = "SHARE" }
    assert.is_nil(code("ModifyImageSharePermission", params))
    local shares = call("DescribeImageSharePermission", { ImageId = "img-12345678" }).SharePermissionSet
    assert.same({ { AccountId = "200", CreatedTime = "2023-11-14T22:13:20Z" } }, shares)
    assert.equal("FailedOperation.AccountAlreadyExists", code("ModifyImageSharePermission", params))
    assert.equal("InvalidImageId.InShared", code("DeleteImages", { ImageIds = { "img-12345678" } }))
    params.Permission = "CANCEL"
    assert.is_nil(code("ModifyImageSharePermission", params))
    assert.is_nil(code("DeleteImages", { ImageIds = { "img-12345678" } }))
    params = { ImageId = "img-0abc12de", AccountIds = { "100000000001" }, Permission = "SHARE" }
    assert.equal("InvalidAccountIs.YourSelf", code("ModifyImageSharePermission", params))
    params.AccountIds = { "x" }
    assert.equal("InvalidAccountId.NotFound", code("ModifyImageSharePermission", params))
    params.Permission = "GIVE"
    assert.equal("InvalidParameterValue", code("ModifyImageSharePermission", params))
  end)

  it("imports, exports, and tells of quotas and families", function()
    assert.equal(500, call("DescribeImageQuota", "{}").ImageNumQuota)
    local systems = call("DescribeImportImageOs", "{}")
    assert.same({ "Windows Server 2008", "Windows Server 2012" }, {
      systems.ImportImageOsListSupported.Windows[1],
      systems.ImportImageOsVersionSet[2].OsName,
    })
    local params = {
      Architecture = "x86_64",
      OsType = "Debian",
      OsVersion = "11",
      ImageUrl = "https://bucket.example/image.qcow2",
      ImageName = "imported",
      ImageFamily = "deb",
    }
    local id = call("ImportImage", params).ImageId
    assert.equal("IMPORTING", call("DescribeImages", { ImageIds = { id } }).ImageSet[1].ImageState)
    assert.equal(id, call("DescribeImageFromFamily", { ImageFamily = "deb" }).Image.ImageId)
    assert.equal(cjson.null, call("DescribeImageFromFamily", { ImageFamily = "x" }).Image)
    for i, system in ipairs { "Windows Server 2016/9", "Other Linux/8", "CentOS/5", "Ubuntu/16" } do
      params.ImageName = "imported-" .. i
      params.OsType, params.OsVersion = system:match "^(.*)/(.*)$"
      assert.is_nil(code("ImportImage", params), system)
    end
    params.ImageName, params.OsType = "other", "BeOS"
    assert.equal("InvalidImageOsType.Unsupported", code("ImportImage", params))
    local export = { BucketName = "b", ImageIds = { "img-12345678" }, ExportFormat = "QCOW2" }
    assert.same({ "/img-12345678_system_snap-12345678.qcow2" }, call("ExportImages", export).CosPaths)
    export.FileNamePrefixList = { "nightly" }
    assert.same({ "/nightly_img-12345678_system_snap-12345678.qcow2" }, call("ExportImages", export).CosPaths)
    export.FileNamePrefixList = nil
    export.ImageIds[1] = "img-public01"
    assert.equal("UnsupportedOperation.PublicImageExportUnsupported", code("ExportImages", export))
  end)

  it("knows the action that it does not serve", function()
    local answer = call("ProgramFpgaImage", { InstanceId = "ins-running1", FPGAUrl = "https://b.example/x" })
    assert.equal("UnsupportedOperation", answer.Error.Code)
    assert.truthy(answer.Error.Message:find("ProgramFpgaImage", 1, true))
    assert.equal("MissingParameter", code("ProgramFpgaImage", { InstanceId = "ins-running1" }))
  end)
end)
