--- Calls of API 3.0, from parameters to what is sent: covers call/validate.lua, call/build.lua, call/sign.lua and api/actions.lua.

local actions = require "qcimage.api.actions"
local cjson = require "cjson"
local core = require "qcimage.core"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local OK = '{"Response":{"RequestId":"00000000-0000-4000-8000-000000000001"}}'

local function answering(options, ...)
  local all = { apiVersion = "3.0" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return stub.answering(all, ...)
end

local function sent(request)
  return cjson.decode(request.body)
end

describe("modify over API 3.0", function()
  it("sends a signed JSON body", function()
    local client, requests = answering({
      clock = function()
        return 1700000000
      end,
      token = "thetoken",
      language = "en-US",
      userAgent = "portal/1",
    }, OK)
    local result = assert(client:modify {
      imageId = "img-12345678",
      imageName = "生产-🚀 01",
      imageDescription = "每晚_构建-1",
      imageFamily = "web",
      imageDeprecated = false,
    })
    assert.equal(0, result.code)
    assert.equal("00000000-0000-4000-8000-000000000001", result.requestId)
    local request = requests[1]
    assert.equal("POST", request.method)
    assert.equal("https://cvm.tencentcloudapi.com/", request.url)
    assert.same({
      ImageId = "img-12345678",
      ImageName = "生产-🚀 01",
      ImageDescription = "每晚_构建-1",
      ImageFamily = "web",
      ImageDeprecated = false,
    }, sent(request))
    local headers = request.headers
    assert.equal("cvm.tencentcloudapi.com", headers.Host)
    assert.equal("application/json; charset=utf-8", headers["Content-Type"])
    assert.equal("ModifyImageAttribute", headers["X-TC-Action"])
    assert.equal("2017-03-12", headers["X-TC-Version"])
    assert.equal("1700000000", headers["X-TC-Timestamp"])
    assert.equal("ap-guangzhou", headers["X-TC-Region"])
    assert.equal("thetoken", headers["X-TC-Token"])
    assert.equal("en-US", headers["X-TC-Language"])
    assert.equal("portal/1", headers["User-Agent"])
    assert.matches(
      "^TC3%-HMAC%-SHA256 Credential="
        .. stub.SECRET_ID
        .. "/2023%-11%-14/cvm/tc3_request, "
        .. "SignedHeaders=content%-type;host, Signature=%x+$",
      headers.Authorization
    )
  end)

  it("signs as any other implementation would", function()
    local client = answering({
      clock = function()
        return 1709224200
      end,
    })
    local request = assert(client:sign("ModifyImageAttribute", { imageId = "img-0abc12de", imageName = "web-01" }))
    local function hex(raw)
      return (raw:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
      end))
    end
    local canonical = table.concat({
      "POST",
      "/",
      "",
      "content-type:application/json; charset=utf-8",
      "host:cvm.tencentcloudapi.com",
      "",
      "content-type;host",
      hex(core.sha256(request.body)),
    }, "\n")
    assert.equal(canonical, request.canonicalRequest)
    assert.equal(
      "TC3-HMAC-SHA256\n1709224200\n2024-02-29/cvm/tc3_request\n" .. hex(core.sha256(canonical)),
      request.stringToSign
    )
    assert.equal(request.signature, request.headers.Authorization:match "Signature=(%x+)$")
  end)

  -- Recorded values for one body, at half past midnight in Shanghai, and around midnight in UTC.
  it("takes the date from UTC in any time zone, and a new key at midnight", function()
    local body = '{"ImageId":"img-0abc12de","ImageName":"web-01"}'
    local code = ([[
      local core = require "qcimage.core"
      local signer = core.signer(%q, %q)
      for _, time in ipairs { 1709224200, 1709251199, 1709251200, 1709251199 } do
        local value = signer:tc3(time, "cvm", "cvm.tencentcloudapi.com", "application/json; charset=utf-8", %q)
        print(value:match "/(%%d+%%-%%d+%%-%%d+)/", value:match "%%x+$")
      end
    ]]):format(stub.SECRET_ID, stub.SECRET_KEY, body)
    local first = "2024-02-29\te70f4a8babd97c64fdb3d0ca3e0dbc411f46692e08b5ed79ca2a454cd740da69\n"
    local before = "2024-02-29\t519f620b1bfd0959d235977a31101d8feca889fd2064fbd64a0fda655daaa043\n"
    for _, zone in ipairs { "Asia/Shanghai", "America/Los_Angeles", "UTC" } do
      local output = process.lua(code, "TZ=" .. zone)
      local head, after, tail = output:match("^(" .. ("."):rep(#first + #before) .. ")([^\n]*\n)(.*)$")
      assert.equal(first .. before, head)
      assert.equal(before, tail)
      assert.matches("^2024%-03%-01\t", after)
    end
  end)

  it("holds names and descriptions to their lengths, counted as code points", function()
    local client, requests = answering({}, OK)
    local rules = require("qcimage.api.actions")["3.0"].ModifyImageAttribute.params
    local name, description = rules.imageName.max, rules.imageDescription.max
    assert(client:modify { imageId = "i", imageName = ("镜"):rep(name), imageDescription = ("像"):rep(description) })
    assert(client:modify { imageId = "i", imageName = "a.b c_d/<e>" })
    assert.equal(2, #requests)
    for field, params in pairs {
      imageName = { imageId = "i", imageName = ("镜"):rep(name + 1) },
      imageDescription = { imageId = "i", imageDescription = ("像"):rep(description + 1) },
      imageDeprecated = { imageId = "i", imageDeprecated = "true" },
      imageFamily = { imageId = "i", imageFamily = "" },
    } do
      local result, message, err = client:modify(params)
      assert.is_nil(result, field)
      assert.equal("parameter", err.kind)
      assert.equal(field, err.field)
      assert.matches(field, message)
    end
    for _, value in ipairs { "nightly\223\254", "a\7b", "a\0b", "a\r\nb" } do
      local _, _, err = client:modify { imageId = "i", imageDescription = value }
      assert.equal("imageDescription", err.field)
      assert.equal("notSent", err.outcome)
    end
    assert.equal(2, #requests)
  end)

  it("leaves a blank name out and sends a blank description", function()
    local client, requests = answering({}, OK)
    assert(client:modify { imageId = "i", imageName = "", imageDescription = "" })
    assert.same({ ImageId = "i", ImageDescription = "" }, sent(requests[1]))
  end)

  it("signs the host that it sends to, and cvm whatever that is called", function()
    for endpoint, host in pairs {
      ["https://cvm.ap-shanghai-fsi.tencentcloudapi.com"] = "cvm.ap-shanghai-fsi.tencentcloudapi.com",
      ["https://cvm.intl.tencentcloudapi.com/"] = "cvm.intl.tencentcloudapi.com",
      ["https://CVM.internal.tencentcloudapi.com:443"] = "cvm.internal.tencentcloudapi.com",
      ["http://127.0.0.1:8099"] = "127.0.0.1:8099",
      ["https://[::1]:8443"] = "[::1]:8443",
    } do
      local client, requests = answering({ endpoint = endpoint }, OK)
      assert(client:modify { imageId = "i" })
      assert.equal(host, requests[1].headers.Host)
      assert.equal(host, requests[1].url:match "^https?://([^/]*)/$")
      assert.matches("/cvm/tc3_request", requests[1].headers.Authorization, 1, true)
      local signed = assert(client:sign("ModifyImageAttribute", { imageId = "i" }))
      assert.matches("\nhost:" .. host .. "\n", signed.canonicalRequest, 1, true)
    end
  end)
end)

describe("regions of API 3.0", function()
  it("may be given by their short codes, and unknown ones pass", function()
    for given, expected in pairs {
      gz = "ap-guangzhou",
      shjr = "ap-shanghai-fsi",
      ca = "na-toronto",
      ["in"] = "ap-mumbai",
      ["ap-nanjing"] = "ap-nanjing",
      ["mars-olympus"] = "mars-olympus",
    } do
      local client, requests = answering({}, OK)
      assert(client:modify({ imageId = "i" }, { region = given }))
      assert.equal(expected, requests[1].headers["X-TC-Region"])
    end
    local client, requests = stub.answering({ region = "ap-guangzhou" }, '{"code":0}')
    assert(client:modify { imageId = "i" })
    assert.equal("ap-guangzhou", stub.form(requests[1].body).Region)
  end)
end)

describe("describe over API 3.0", function()
  local PAGE = [[{"Response":{"TotalCount":1,"ImageSet":[{"ImageId":"img-12345678","OsName":"CentOS 7.6 64位",
"ImageType":"PRIVATE_IMAGE","CreatedTime":"2020-09-22T00:00:00+00:00","ImageName":"web-01","ImageSize":20,
"ImageState":"NORMAL","SyncPercent":null,"IsSupportCloudinit":true,"Tags":[{"Key":"a","Value":"b"}],
"SnapshotSet":[{"SnapshotId":"snap-12345678","DiskSize":20}]}],"RequestId":"r-1"}}]]

  it("takes the names of API 2.0 as filters", function()
    local client, requests = answering({}, PAGE)
    assert(client:describe { imageType = "PRIVATE_IMAGE", offset = 20, limit = 100 })
    assert.same({
      Filters = { { Name = "image-type", Values = { "PRIVATE_IMAGE" } } },
      Offset = 20,
      Limit = 100,
    }, sent(requests[1]))
    assert(client:describe { imageIds = { "img-1", "img-2" } })
    assert.same({ ImageIds = { "img-1", "img-2" } }, sent(requests[2]))
    -- ids next to a filter become one, since the service refuses both together
    assert(client:describe { imageIds = { "img-1" }, imageState = "NORMAL" })
    local filters = sent(requests[3]).Filters
    table.sort(filters, function(a, b)
      return a.Name < b.Name
    end)
    assert.same({
      { Name = "image-id", Values = { "img-1" } },
      { Name = "image-state", Values = { "NORMAL" } },
    }, filters)
    assert.is_nil(sent(requests[3]).ImageIds)
    local _, message = client:describe { imageIds = { "1", "2", "3", "4", "5", "6" }, imageState = "NORMAL" }
    assert.matches("imageIds takes at most 5 items together with other filters", message)
  end)

  it("takes filters", function()
    local client, requests = answering({}, PAGE)
    assert(client:describe {
      filters = { { name = "tag:env", values = { "prod", "test" } } },
      instanceType = "SA5.MEDIUM2",
    })
    assert.same({
      Filters = { { Name = "tag:env", Values = { "prod", "test" } } },
      InstanceType = "SA5.MEDIUM2",
    }, sent(requests[1]))
    assert(client:describe())
    assert.equal("{}", requests[2].body)
    for pattern, filters in pairs {
      ["filters%[1%] name is required"] = { { values = { "x" } } },
      ["filters%[1%] values is required"] = { { name = "x" } },
      ["filters%[1%] unknown parameter value %(values%?%)"] = { { name = "x", value = "y" } },
      ["filters%[1%] must be a table"] = { "x" },
      ["filters%[2%] values%[1%] must be text"] = { { name = "x", values = { "y" } }, { name = "z", values = { 5 } } },
      ["values takes at most 5 items"] = { { name = "x", values = { "1", "2", "3", "4", "5", "6" } } },
      ["filters must be a list"] = { name = "x", values = { "y" } },
    } do
      local _, message, err = client:describe { filters = filters }
      assert.matches(pattern, message)
      assert.equal("filters", err.field)
    end
    assert.equal(2, #requests)
  end)

  it("answers in names with a small first letter", function()
    local result = assert(answering({}, PAGE):describe())
    assert.equal(1, result.totalCount)
    assert.equal("r-1", result.requestId)
    assert.same({
      imageId = "img-12345678",
      osName = "CentOS 7.6 64位",
      imageType = "PRIVATE_IMAGE",
      createdTime = "2020-09-22T00:00:00+00:00",
      imageName = "web-01",
      imageSize = 20,
      imageState = "NORMAL",
      isSupportCloudinit = true,
      tags = { { key = "a", value = "b" } },
      snapshotSet = { { snapshotId = "snap-12345678", diskSize = 20 } },
    }, result.imageSet[1])
  end)
end)

describe("call", function()
  it("knows the other actions of API 3.0, by their names", function()
    local client, requests = answering({}, OK)
    for action, case in pairs {
      CreateImage = {
        { instanceId = "ins-1", imageName = "a", forcePoweroff = true, sysprep = "false", dryRun = false },
        { InstanceId = "ins-1", ImageName = "a", ForcePoweroff = "true", Sysprep = "false", DryRun = false },
      },
      DeleteImages = {
        { imageIds = { "img-1" }, deleteBindedSnap = true },
        { ImageIds = { "img-1" }, DeleteBindedSnap = true },
      },
      SyncImages = {
        { imageIds = { "img-1" }, destinationRegions = { "ap-shanghai" } },
        { ImageIds = { "img-1" }, DestinationRegions = { "ap-shanghai" } },
      },
      ModifyImageSharePermission = {
        { imageId = "img-1", accountIds = { "1000001" }, permission = "SHARE" },
        { ImageId = "img-1", AccountIds = { "1000001" }, Permission = "SHARE" },
      },
      DescribeImageSharePermission = { { imageId = "img-1" }, { ImageId = "img-1" } },
      DescribeImageFromFamily = { { imageFamily = "web" }, { ImageFamily = "web" } },
      ImportImage = {
        {
          architecture = "x86_64",
          osType = "CentOS",
          osVersion = "7",
          imageUrl = "https://x/y",
          imageName = "a",
          tagSpecification = { { resourceType = "image", tags = { { key = "k", value = "" } } } },
          importImageDataDiskList = { { imageUrl = "https://x/z" } },
        },
        {
          Architecture = "x86_64",
          OsType = "CentOS",
          OsVersion = "7",
          ImageUrl = "https://x/y",
          ImageName = "a",
          TagSpecification = { { ResourceType = "image", Tags = { { Key = "k", Value = "" } } } },
          ImportImageDataDiskList = { { ImageUrl = "https://x/z" } },
        },
      },
      ExportImages = {
        { bucketName = "b", imageIds = { "img-1" }, exportFormat = "QCOW2", onlyExportRootDisk = true },
        { BucketName = "b", ImageIds = { "img-1" }, ExportFormat = "QCOW2", OnlyExportRootDisk = true },
      },
    } do
      assert(client:call(action, case[1]))
      assert.same(case[2], sent(requests[#requests]))
      assert.equal(action, requests[#requests].headers["X-TC-Action"])
    end
    for _, action in ipairs { "DescribeImageQuota", "DescribeImportImageOs" } do
      assert(client:call(action))
      assert.equal("{}", requests[#requests].body)
    end
  end)

  it("wants exactly one of what excludes each other", function()
    local client, requests = answering({}, OK)
    local function create(ids)
      ids.imageName = "a"
      return client:call("CreateImage", ids)
    end
    for _, ids in ipairs { {}, { instanceId = "ins-1", snapshotIds = { "snap-1" } } } do
      local _, message, err = create(ids)
      assert.matches("^CreateImage: instanceId or snapshotIds is required, but not both", message)
      assert.equal("instanceId", err.field)
    end
    assert.equal(0, #requests)
    assert(create { snapshotIds = { "snap-1" } })
    client = answering({ skipRules = true }, OK)
    assert(create {})
  end)

  it("counts as filters what becomes one", function()
    local filters = {}
    for i = 1, actions["3.0"].DescribeImages.params.filters.items do
      filters[i] = { name = "tag:" .. i, values = { "x" } }
    end
    local client, requests = answering({}, OK)
    assert(client:describe { filters = filters })
    local _, message = client:describe { filters = filters, imageType = "PRIVATE_IMAGE" }
    assert.matches(
      "^DescribeImages: filters are %d+, including parameters sent as filters; at most %d+ are allowed",
      message
    )
    assert.equal(1, #requests)
  end)

  it("knows the old family of API 2.0", function()
    local client, requests = stub.answering({}, '{"code":0,"requestId":77}')
    for action, case in pairs {
      CreateImage = { { instanceId = "ins-1", imageName = "a" }, { instanceId = "ins-1", imageName = "a" } },
      DeleteImages = { { imageIds = { "a", "b" } }, { ["imageIds.0"] = "a", ["imageIds.1"] = "b" } },
      SyncCvmImage = {
        { srcRegion = "gz", imgIdList = { "a" }, dstRegion = { "sh", "bj" } },
        { srcRegion = "gz", ["imgIdList.0"] = "a", ["dstRegion.0"] = "sh", ["dstRegion.1"] = "bj" },
      },
      ShareImage = { { imageId = "a", uinList = { "1" } }, { imageId = "a", ["uinList.0"] = "1" } },
      CancelShareImage = { { imageId = "a", uinList = { "1" } }, { imageId = "a", ["uinList.0"] = "1" } },
      GetImageShareUinInfo = { { imageIds = { "a" } }, { ["imageIds.0"] = "a" } },
    } do
      local result = assert(client:call(action, case[1]))
      assert.equal(77, result.taskId)
      local params = stub.form(requests[#requests].body)
      assert.equal(action, params.Action)
      for name, value in pairs(case[2]) do
        assert.equal(value, params[name])
      end
      assert.equal("image.api.qcloud.com", requests[#requests].headers.Host)
    end
    assert(client:call("DescribeInstanceImageInfo", { uInstanceIds = { "a" } }))
    assert.equal("cvm.api.qcloud.com", requests[#requests].headers.Host)
  end)

  it("refuses an action that the version does not have, with the nearest name", function()
    for version, case in pairs {
      ["2.0"] = { "ModifyImageAttribute", "(ModifyImageAttributes?) in API 2.0" },
      ["3.0"] = { "ModifyImageAttributes", "(ModifyImageAttribute?) in API 3.0" },
    } do
      local client, requests = stub.answering({ apiVersion = version }, OK)
      local _, message, err = client:call(case[1], { imageId = "i" })
      assert.equal("parameter", err.kind)
      assert.equal("action", err.field)
      assert.matches(case[2], message, 1, true)
      _, message, err = client:call("Bad\r\nAction", {}, { raw = true })
      assert.equal("action", err.field)
      assert.is_nil(message:find "[\r\n]")
      assert.equal(0, #requests)
    end
  end)

  it("sends raw what the data does not know", function()
    local client, requests = answering({}, '{"Response":{"NewThing":{"Deep":1},"RequestId":"r"}}')
    local result = assert(client:call("BrandNewAction", { ImageId = "i", Sub = { { A = 1 } } }, { raw = true }))
    assert.same({ ImageId = "i", Sub = { { A = 1 } } }, sent(requests[1]))
    assert.equal("BrandNewAction", requests[1].headers["X-TC-Action"])
    assert.equal(1, result.newThing.deep)

    client, requests = stub.answering({}, OK)
    assert(client:call("ModifyImageAttribute", {
      Version = "2017-03-12",
      ImageId = "i",
      Filters = { { Name = "n", Values = { "a", "b" } } },
      Limit = 20,
      DryRun = true,
    }, { raw = true }))
    local params = stub.form(requests[1].body)
    assert.equal("ModifyImageAttribute", params.Action)
    assert.equal("2017-03-12", params.Version)
    assert.equal("n", params["Filters.0.Name"])
    assert.equal("b", params["Filters.0.Values.1"])
    assert.equal("20", params.Limit)
    assert.equal("true", params.DryRun)
    local _, message, err = client:call("X", { Nonce = "1" }, { raw = true })
    assert.equal("Nonce", err.field)
    assert.matches("public parameter", message)
    local ring = {}
    ring.A = ring
    for pattern, wrong in pairs {
      ["is nested too deeply"] = ring,
      ["F cannot be a function"] = { F = print },
      ["1 is not a valid parameter name"] = { "x" },
    } do
      _, message, err = client:call("X", wrong, { raw = true })
      assert.equal("parameter", err.kind)
      assert.matches(pattern, message)
    end
    assert.equal(1, #requests)
    client, requests = answering({}, OK)
    _, message = client:call("X", ring, { raw = true })
    assert.matches("cannot be written as JSON", message)
    for _, number in ipairs { 1e14, -1e14, 2 ^ 53 } do -- lua-cjson would write 1.0e+14
      message, err = select(2, client:call("X", { List = { number } }, { raw = true }))
      assert.matches("has more than 14 digits, and would be rounded", message)
      assert.equal("notSent", err.outcome)
    end
    assert.equal(0, #requests)
    assert(client:call("X", { List = { 99999999999999, 0.25 } }, { raw = true }))
    assert.equal('{"List":[99999999999999,0.25]}', requests[1].body)
  end)

  it("counts a dry run that would have succeeded as a success", function()
    local body = '{"Response":{"Error":{"Code":"DryRunOperation","Message":"would have"},"RequestId":"r"}}'
    local client = answering({}, body)
    local result = assert(client:call("DeleteImages", { imageIds = { "i" }, dryRun = true }))
    assert.equal("DryRunOperation", result.codeDesc)
    assert.equal("would have", result.message)
    assert.equal("r", result.requestId)
    local _, _, err = client:call("DeleteImages", { imageIds = { "i" } })
    assert.equal("DryRunOperation", err.code)
  end)
end)
