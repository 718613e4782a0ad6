--- The state document of the emulator, over HTTP and in-process, and what it holds: accounts and what they may do,
--- regions, settings. Covers emulator/options.lua, schema.lua, accounts.lua, store.lua and control.lua.

local cjson = require "cjson"
local accounts = require "qcimage.emulator.accounts"
local emulatorModule = require "qcimage.emulator"
local faults = require "qcimage.emulator.faults"
local fields = require "qcimage.emulator.fields"
local optionList = require "qcimage.emulator.options"
local support = require "spec.support.emulator"

local function ask(emulator, method, path, body)
  local response = emulator:handle {
    method = method,
    scheme = "http",
    host = "x",
    path = "/_emulator/" .. path,
    query = "",
    headers = {},
    body = type(body) == "table" and cjson.encode(body) or body,
  }
  return response.status, cjson.decode(response.body), response.body
end

describe("the state document", function()
  local emulator, v2, v3

  before_each(function()
    emulator, v2, v3 = support.new()
  end)

  it("can be given back as it was got", function()
    v3("ModifyImageSharePermission", { ImageId = "img-12345678", AccountIds = { "200" }, Permission = "SHARE" })
    v3("CreateImage", { ImageName = "made", InstanceId = "ins-stopped1" })
    local _, _, before = ask(emulator, "GET", "state")
    assert.equal(200, (ask(emulator, "PUT", "state", before)))
    assert.equal(before, (select(3, ask(emulator, "GET", "state"))))
    assert.truthy(before:find('"createSeconds":2', 1, true))
  end)

  it("changes what it names, and leaves the rest", function()
    ask(emulator, "PUT", "state", { settings = { rateLimit = 5 } })
    assert.same({ 5, 2 }, { emulator:state().settings.rateLimit, emulator:state().settings.createSeconds })
    assert.equal(5, #emulator:images())
    local instance = { instanceId = "ins-new", imageId = "img-12345678" }
    ask(emulator, "PUT", "state", { instances = { instance }, settings = { createSeconds = 0 } })
    assert.equal(5, emulator:state().settings.rateLimit)
    local id = v3("CreateImage", { ImageName = "made", InstanceId = "ins-new" }).ImageId
    assert.equal("NORMAL", v3("DescribeImages", { ImageIds = { id } }).ImageSet[1].ImageState)
  end)

  it("is as at the start after a reset, ids included", function()
    local function made()
      return v3("CreateImage", { ImageName = "made", InstanceId = "ins-stopped1" }).ImageId
    end
    local first = made()
    ask(emulator, "POST", "reset")
    local _, _, start = ask(emulator, "GET", "state")
    ask(emulator, "PUT", "state", {
      images = {},
      instances = {},
      accounts = { AKIDother = { secretKey = "other" } },
      settings = { rateLimit = 1, clockOffset = 5000, hostName = "x.example" },
    })
    emulator:fault { kind = "throttle" }
    assert.equal(200, (ask(emulator, "POST", "reset")))
    assert.equal(start, (select(3, ask(emulator, "GET", "state"))))
    assert.equal(first, made())
  end)

  it("names the field that is wrong, and changes nothing", function()
    local _, _, before = ask(emulator, "GET", "state")
    local tags = ('{"key":"k","value":"v"},'):rep(100)
    for path, document in pairs {
      ["the document"] = "[1]",
      ["the document has no field image, did you mean images?"] = '{"image":[]}',
      ["images must be a list"] = '{"images":{"a":1}}',
      ["images[2] must be an object"] = '{"images":[{"imageId":"img-00000001"},5]}',
      ["images[1].imageId must be img-"] = '{"images":[{"imageId":"x"}]}',
      ["images[1].imageId is missing"] = '{"images":[{"imageName":"x"}]}',
      ["images[1] has no field ImageId, did you mean imageId?"] = '{"images":[{"ImageId":"img-00000001"}]}',
      ["images[1].imageSize must be a number from 0"] = '{"images":[{"imageId":"img-00000001","imageSize":-1}]}',
      ["images[1].imageType must be one of PRIVATE"] = '{"images":[{"imageId":"img-00000001","imageType":"X"}]}',
      ["images[1].imageDeprecated must be true or false"] = '{"images":[{"imageId":"img-00000001","imageDeprecated":1}]}',
      ["images[1].imageName must be a string"] = '{"images":[{"imageId":"img-00000001","imageName":null}]}',
      ["images[1].tags[1].value is missing"] = '{"images":[{"imageId":"img-00000001","tags":[{"key":"k"}]}]}',
      ["images[1].tags must be a list of at most 100"] = ('{"images":[{"imageId":"img-00000001","tags":[%s{}]}]}'):format(
        tags
      ),
      ["images[1].snapshotIds[1] must be"] = '{"images":[{"imageId":"img-00000001","snapshotIds":[1]}]}',
      ["images[1].imageState must be one of CREATING, "] = '{"images":[{"imageId":"img-00000001","imageState":"NORMALL"}]}',
      ["images[1].sharedWith[1] must be an account id"] = '{"images":[{"imageId":"img-00000001","sharedWith":[7]}]}',
      ["images[1].sharedWith[2] must be an account id in digits"] = '{"images":[{"imageId":"img-00000001","sharedWith":["1","me"]}]}',
      ["images[1].sharedWith[2] must be an"] = '{"images":[{"imageId":"img-00000001","sharedWith":["1",{"accountId":"me"}]}]}',
      ["images[2].sharedWith[1] must be"] = '{"images":[{"imageId":"img-00000001"},{"imageId":"img-00000002","sharedWith":[{"time":1}]}]}',
      ["images[1].region is not one"] = '{"images":[{"imageId":"img-00000001","region":"ap-nowhere"}]}',
      ["images[2].imageId occurs twice"] = '{"images":[{"imageId":"img-00000001"},{"imageId":"img-00000001"}]}',
      ["instances[1].imageId is missing"] = '{"instances":[{"instanceId":"ins-1"}]}',
      ["instances[1].state must be one of"] = '{"instances":[{"instanceId":"i","imageId":"i","state":"ON"}]}',
      ["instances[1].region is not one"] = '{"instances":[{"instanceId":"i","imageId":"i","region":"x"}]}',
      ["instances[2].instanceId occurs twice"] = '{"instances":[{"instanceId":"i","imageId":"i"},{"instanceId":"i","imageId":"i"}]}',
      ["accounts must be an object"] = '{"accounts":[1]}',
      ["accounts must hold at least one"] = '{"accounts":{}}',
      ["accounts.AKIDx must be an object"] = '{"accounts":{"AKIDx":"key"}}',
      ["accounts.AKIDx.secretKey is missing"] = '{"accounts":{"AKIDx":{}}}',
      ["accounts.AKIDx.secretKey must be a string"] = '{"accounts":{"AKIDx":{"secretKey":5}}}',
      ["accounts.AKIDx.accountId must be digits"] = '{"accounts":{"AKIDx":{"secretKey":"k","accountId":"me"}}}',
      ["accounts.AKIDx.allow[1] must be the name of an action"] = '{"accounts":{"AKIDx":{"secretKey":"k","allow":["a b"]}}}',
      ["accounts.a/b: a SecretId has"] = '{"accounts":{"a/b":{"secretKey":"k"}}}',
      ["settings must be an object"] = '{"settings":5}',
      ["settings.rateLimit must be a whole number from 0"] = '{"settings":{"rateLimit":0.5}}',
      ["settings.clockOffset must be a number from -1000000000"] = '{"settings":{"clockOffset":"5"}}',
      ["settings.createSeconds must be a number from 0"] = '{"settings":{"createSeconds":-1}}',
      ["settings.keySeconds must be a number from 1"] = '{"settings":{"keySeconds":0}}',
      ["settings.requireHttps must be true or false"] = '{"settings":{"requireHttps":"yes"}}',
      ["settings.hostName must be a host name"] = '{"settings":{"hostName":"http://x"}}',
      ["settings.regions must be a list"] = '{"settings":{"regions":[]}}',
      ["settings.regions[1] must be a string"] = '{"settings":{"regions":[5]}}',
      ["settings.instanceRegion is not one"] = '{"settings":{"instanceRegion":"ap-nowhere"}}',
      ["settings.roleName must be"] = '{"settings":{"roleName":null}}',
      ["settings has no field port"] = '{"settings":{"port":80}}',
      -- the images are in a region that is gone
      ["images[1].region is not one of the emulator's regions: ap-guangzhou"] = '{"settings":{"regions":["sh"]}}',
    } do
      local status, answer = ask(emulator, "PUT", "state", document)
      assert.equal(400, status, document)
      assert.equal(path, answer.error:sub(1, #path), document)
    end
    -- one wrong member spoils all
    assert.equal(400, (ask(emulator, "PUT", "state", '{"images":[],"settings":{"rateLimit":"x"}}')))
    assert.equal(before, (select(3, ask(emulator, "GET", "state"))))
    assert.equal(0, v2("DescribeImages", { imageType = 1 }).code)
  end)

  -- Values that a rule refuses, as JSON.
  local function wrong(rule)
    local by = {
      string = { "5", "true", "null", "[]", "{}" },
      number = { '"1"', "true", "null", "[]", "1e300", "-1e300" },
      boolean = { "1", '"true"', "null", "{}" },
      list = { "5", '"x"', "null", '{"a":1}' },
      object = { "5", '"x"', "null", "[1]", '{"nonsense":1}' },
      any = { "true", "null", "[]" },
    }
    local values = { (table.unpack or unpack)(by[rule.type]) }
    if rule.whole then
      values[#values + 1] = "1.5"
    end
    if rule.type == "string" and rule.most then
      values[#values + 1] = '"' .. ("x"):rep(rule.most + 1) .. '"'
    end
    return values
  end

  it("and a fault name each field that has a wrong type or is out of range", function()
    local _, _, before = ask(emulator, "GET", "state")
    local count = 0
    local function refused(method, path, rule, name, document)
      for _, value in ipairs(wrong(rule)) do
        local isObject = rule.items and value == '{"nonsense":1}' and name == "accounts"
        local status, answer = ask(emulator, method, path, (document:gsub("VALUE", function()
          return value
        end)))
        assert.equal(400, status, name .. " " .. value)
        assert.truthy(isObject or answer.error:find(name, 1, true), name .. " " .. value .. " -> " .. answer.error)
        count = count + 1
      end
    end
    for name, rule in pairs(optionList.STATE) do
      refused("PUT", "state", rule, name, ('{"%s":VALUE}'):format(name))
    end
    for name, rule in pairs(optionList.SETTINGS) do
      refused("PUT", "state", rule, "settings." .. name, ('{"settings":{"%s":VALUE}}'):format(name))
    end
    for name, rule in pairs(fields.IMAGE) do
      local id = name == "imageId" and "" or '"imageId":"img-00000001",'
      refused("PUT", "state", rule, "images[1]." .. name, ('{"images":[{%s"%s":VALUE}]}'):format(id, name))
    end
    for name, rule in pairs(fields.INSTANCE) do
      local ids = (name == "instanceId" and "" or '"instanceId":"i",') .. (name == "imageId" and "" or '"imageId":"i",')
      refused("PUT", "state", rule, "instances[1]." .. name, ('{"instances":[{%s"%s":VALUE}]}'):format(ids, name))
    end
    for name, rule in pairs(accounts.FIELDS) do
      local key = name == "secretKey" and "" or '"secretKey":"k",'
      refused(
        "PUT",
        "state",
        rule,
        "accounts.AKIDx." .. name,
        ('{"accounts":{"AKIDx":{%s"%s":VALUE}}}'):format(key, name)
      )
    end
    for name, rule in pairs(faults.FIELDS) do
      local kind = name == "kind" and "" or '"kind":"throttle",'
      refused("POST", "faults", rule, "fault." .. name, ('{%s"%s":VALUE}'):format(kind, name))
    end
    assert.is_true(count > 250, count)
    assert.equal(before, (select(3, ask(emulator, "GET", "state"))))
    assert.same({}, emulator.faults:list(0))
  end)

  it("shows no key, and takes accounts without one that it knows", function()
    ask(emulator, "PUT", "state", { accounts = { AKIDone = { secretKey = "sesame", token = "temporary" } } })
    local _, state, text = ask(emulator, "GET", "state")
    assert.falsy(text:find("sesame", 1, true) or text:find("temporary", 1, true))
    state.accounts.AKIDone.allow = { "Describe*" }
    assert.equal(200, (ask(emulator, "PUT", "state", { accounts = state.accounts })))
    local options = { key = "sesame" }
    local params = { SecretId = "AKIDone", Token = "temporary", imageType = 1 }
    assert.equal(0, v2("DescribeImages", params, options).code)
    local _, answer = ask(emulator, "PUT", "state", '{"accounts":{"AKIDx":{"secretKey":"geheim","allow":5}}}')
    assert.falsy(answer.error:find("geheim", 1, true))
    _, answer = ask(emulator, "PUT", "state", { accounts = { AKIDx = { secretKey = ("geheim"):rep(40) } } })
    assert.falsy(answer.error:find("geheim", 1, true))
  end)

  it("is what options of Lua are, too", function()
    local made = support.new { accounts = { AKIDone = { secretKey = "a" } }, createSeconds = 0 }
    assert.same({ "AKIDone", "a" }, { made.secretId, made.secretKey })
    for words, options in pairs {
      ["accounts and secretId cannot be combined"] = { accounts = { AKIDone = { secretKey = "a" } }, secretKey = "b" },
      ["the emulator's option rateLimit must be a whole number"] = { rateLimit = 0.5 },
      ["the emulator's option accounts.AKIDone.allow must be a list"] = {
        accounts = { AKIDone = { secretKey = "a", allow = "x" } },
      },
      ["images[1].region is not one"] = { images = { { imageId = "img-00000001", region = "ap-nowhere" } } },
    } do
      options.digests = support.digests()
      local ok, message = pcall(emulatorModule.new, options)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
  end)
end)

describe("an account", function()
  local OTHER = "AKIDother"
  local emulator, v2, v3

  before_each(function()
    emulator, v2, v3 = support.new {
      accounts = {
        [support.SECRET_ID] = { secretKey = support.SECRET_KEY },
        [OTHER] = { secretKey = "other", accountId = "200", allow = { "Describe*", "GetCallerIdentity", "AssumeRole" } },
      },
    }
  end)

  local function asOther(options)
    options = options or {}
    options.key = "other"
    options.authorization = function(header)
      return (header:gsub(support.SECRET_ID, OTHER))
    end
    return options
  end

  it("is refused what it may not do, in both APIs, and nothing is changed", function()
    local answer = v3("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "x" }, asOther())
    assert.equal("UnauthorizedOperation", answer.Error.Code)
    assert.matches("may not call ModifyImageAttribute", answer.Error.Message)
    local params = { SecretId = OTHER, imageId = "img-12345678", imageName = "x" }
    assert.equal(4101, v2("ModifyImageAttributes", params, { key = "other" }).code)
    assert.equal("web-01", emulator:images()[1].imageName)
    assert.is_nil(v3("DescribeImages", "{}", asOther()).Error)
    local entries = emulator:journal()
    assert.equal("UnauthorizedOperation", entries[1].code)
  end)

  it("sees its own images, those shared with it, and public ones", function()
    local function seen(options)
      local list = {}
      for i, image in ipairs(v3("DescribeImages", "{}", options).ImageSet) do
        list[i] = image.ImageName .. " " .. image.ImageType
      end
      return list
    end
    assert.same({ "theirs SHARED_IMAGE", "CentOS 7.6 PUBLIC_IMAGE" }, seen(asOther()))
    v3("ModifyImageSharePermission", { ImageId = "img-12345678", AccountIds = { "200" }, Permission = "SHARE" })
    assert.equal("web-01 SHARED_IMAGE", seen(asOther())[1])
    assert.equal("web-01 PRIVATE_IMAGE", seen()[1])
    emulator:setState { accounts = { [OTHER] = { accountId = "200" } } } -- may do all now
    local answer = v3("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "x" }, asOther())
    assert.equal("UnsupportedOperation.SharedImageModifyUnsupported", answer.Error.Code)
    answer = v3("DescribeImageSharePermission", { ImageId = "img-12345678" }, asOther())
    assert.equal("UnauthorizedOperation.ImageNotBelongToAccount", answer.Error.Code)
    answer = v3("CreateImage", { ImageName = "mine", InstanceId = "ins-stopped1" }, asOther())
    assert.equal("InvalidInstanceId.NotFound", answer.Error.Code)
    answer = v3("CreateImage", { ImageName = "mine", SnapshotIds = { "snap-12345678" } }, asOther())
    assert.equal("InvalidParameter.SnapshotNotFound", answer.Error.Code)
  end)

  it("is who STS says, and gives a role nobody more than it has", function()
    local sts = { service = "sts", headers = { ["x-tc-version"] = "2018-08-13" } }
    local answer = v3("GetCallerIdentity", "{}", asOther(sts))
    assert.same({ "200", "qcs::cam::uin/200:uin/200" }, { answer.AccountId, answer.Arn })
    local role = { RoleArn = "qcs::cam::uin/200:roleName/x", RoleSessionName = "ci" }
    local issued = v3("AssumeRole", role, asOther(sts)).Credentials
    local options = {
      key = issued.TmpSecretKey,
      headers = { ["x-tc-token"] = issued.Token },
      authorization = function(header)
        return (header:gsub(support.SECRET_ID, issued.TmpSecretId))
      end,
    }
    assert.is_nil(v3("DescribeImages", "{}", options).Error)
    assert.equal("UnauthorizedOperation", v3("DeleteImages", { ImageIds = { "img-12345678" } }, options).Error.Code)
  end)

  it("without a number of its own owns what names no other", function()
    local _, call = support.new { accountId = "300", images = { { imageId = "img-00000001" } } }
    assert.equal("300", call("DescribeImages", { imageType = 1 }).imageSet[1].creator)
  end)
end)

describe("an image", function()
  it("is in one region, by default the first", function()
    local _, _, call = support.new()
    local function count(region, options)
      if options then
        _, _, call = support.new(options)
      end
      return call("DescribeImages", "{}", { region = region }).TotalCount
    end
    assert.same({ 5, 0 }, { count "ap-guangzhou", count "ap-shanghai" })
    assert.same({ 5 }, { count("ap-beijing", { regions = { "bj", "gz" } }) })
    assert.equal(1, count("ap-shanghai", { images = { { imageId = "img-00000001", region = "sh" } } }))
  end)

  it("of a region is refused for a region that does not exist, or is not offered", function()
    local _, _, call = support.new { regions = { "gz" } }
    assert.equal("InvalidParameterValue", call("DescribeImages", "{}", { region = "ap-nowhere" }).Error.Code)
    assert.equal("UnsupportedRegion", call("DescribeImages", "{}", { region = "ap-shanghai" }).Error.Code)
  end)

  it("that is shared can't be modified, unless a setting allows it", function()
    local emulator, v2, v3 = support.new {
      images = { { imageId = "img-12345678", imageName = "a", sharedWith = { "200" } } },
    }
    local change = { ImageId = "img-12345678", ImageName = "b" }
    assert.equal("UnsupportedOperation.SharedImageModifyUnsupported", v3("ModifyImageAttribute", change).Error.Code)
    assert.equal(4102, v2("ModifyImageAttributes", { imageId = "img-12345678", imageName = "b" }).code)
    assert.equal("a", emulator:images()[1].imageName)
    v3("ModifyImageSharePermission", { ImageId = "img-12345678", AccountIds = { "200" }, Permission = "CANCEL" })
    assert.is_nil(v3("ModifyImageAttribute", change).Error)
    emulator:reset()
    emulator:set { modifyShared = true }
    assert.is_nil(v3("ModifyImageAttribute", change).Error)
    assert.equal(0, v2("ModifyImageAttributes", { imageId = "img-12345678", imageName = "c" }).code)
  end)

  it("of everyone has no snapshots, and snapshots of others make no images", function()
    local _, _, call = support.new()
    local public = call("DescribeImages", { ImageIds = { "img-public01" } })
    assert.same({}, public.ImageSet[1].SnapshotSet)
    for _, snapshot in ipairs { "snap-foreign1", "snap-public01" } do
      local answer = call("CreateImage", { ImageName = "x", SnapshotIds = { snapshot } })
      assert.equal("InvalidParameter.SnapshotNotFound", answer.Error.Code)
    end
    assert.is_string(call("CreateImage", { ImageName = "x", SnapshotIds = { "snap-12345678" } }).ImageId)
  end)

  it("is copied under a free name only, within the quota", function()
    local images = { { imageId = "img-12345678", imageName = "a" } }
    for i = 1, 499 do
      images[#images + 1] = { imageId = ("img-%08d"):format(i), imageName = "n" .. i, region = "sh" }
    end
    local emulator, v2, v3 = support.new { images = images }
    local function copied(params)
      params.ImageIds = { "img-12345678" }
      local answer = v3("SyncImages", params)
      return answer.Error and answer.Error.Code or ""
    end
    assert.equal("InvalidImageName.Duplicate", copied { DestinationRegions = { "ap-shanghai" }, ImageName = "n1" })
    assert.equal("InvalidImageName.Duplicate", copied { DestinationRegions = { "ap-beijing", "ap-beijing" } })
    assert.equal(500, #emulator:images())
    assert.equal("", copied { DestinationRegions = { "ap-shanghai" } })
    assert.equal("ImageQuotaLimitExceeded", copied { DestinationRegions = { "ap-shanghai" }, ImageName = "b" })
    local params = { srcRegion = "gz", ["imgIdList.0"] = "img-12345678", ["dstRegion.0"] = "bj" }
    assert.equal(0, v2("SyncCvmImage", params).code)
    assert.equal(4000, v2("SyncCvmImage", params).code)
    params["dstRegion.0"] = "sh"
    assert.equal(5100, v2("SyncCvmImage", params).code)
  end)
end)

describe("an injected error", function()
  local emulator, v2, v3

  before_each(function()
    emulator, v2, v3 = support.new()
  end)

  local function code3()
    local answer = v3("DescribeImages", "{}")
    return answer.Error and answer.Error.Code or "", answer.Error and answer.Error.Message
  end

  it("has a code of either API, which hits that API only", function()
    emulator:fault { kind = "error", code = "ResourceInsufficient.X", message = "sold out, 100 %" }
    assert.equal(0, v2("DescribeImages", { imageType = 1 }).code)
    assert.same({ "ResourceInsufficient.X", "sold out, 100 %" }, { code3() })
    emulator:fault { kind = "error", code = 5300 }
    assert.equal("", (code3()))
    local answer = v2("DescribeImages", { imageType = 1 })
    assert.same({ 5300, "injected error" }, { answer.code, answer.message })
    assert.equal("error", emulator:journal()[4].fault)
  end)

  it("hits each n-th call, without end or so many times", function()
    emulator:fault { kind = "error", code = "Busy", every = 3 }
    local codes = {}
    for i = 1, 9 do
      codes[i] = code3()
    end
    assert.same({ "", "", "Busy", "", "", "Busy", "", "", "Busy" }, codes)
    emulator:clearFaults()
    emulator:fault { kind = "error", code = "Busy", every = 2, count = 1 }
    assert.same({ "", "Busy", "", "" }, { (code3()), (code3()), (code3()), (code3()) })
    assert.same({}, emulator.faults:list(0))
  end)

  it("applies nothing", function()
    emulator:fault { kind = "error", code = "Busy", action = "ModifyImageAttribute" }
    assert.equal("Busy", v3("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "x" }).Error.Code)
    assert.equal("web-01", emulator:images()[1].imageName)
    assert.is_false(emulator:journal()[1].applied)
  end)

  it("of a gateway has a content type", function()
    local body = '{"Response":{"Error":{"Code":"X","Message":"m"},"RequestId":"r"}}'
    emulator:fault { kind = "status", status = 200, body = body, contentType = "application/json" }
    local _, response = v3("DescribeImages", "{}")
    assert.same({ 200, "application/json", body }, { response.status, response.headers["content-type"], response.body })
  end)

  it("is refused where a field is wrong, with nothing added", function()
    for words, fault in pairs {
      ["fault.code is missing: the kind error needs it"] = '{"kind":"error"}',
      ["fault.code must be an error code"] = '{"kind":"error","code":true}',
      ["fault.every must be a whole number from 1"] = '{"kind":"throttle","every":0}',
      ["fault.contentType must be a media type"] = '{"kind":"status","status":200,"contentType":"html"}',
      ["fault.status must be a whole number from 200 to 599"] = '{"kind":"status","status":99}',
      ["fault.message is a field of the kind error, not of throttle"] = '{"kind":"throttle","message":"m"}',
      ["fault.lag is a field of the kind lag, not of delay"] = '{"kind":"delay","delay":1,"lag":1}',
      ["use the kind status"] = '{"kind":"error","code":"X","action":"metadata"}',
      ["fault.count must be a whole number"] = '{"kind":"throttle","count":1.5}',
      ["fault.body must be a string"] = '{"kind":"status","status":200,"body":{}}',
      ["faults[2].kind must be one of"] = '[{"kind":"throttle"},{"kind":"x"}]',
    } do
      local status, answer = ask(emulator, "POST", "faults", fault)
      assert.equal(400, status, fault)
      assert.truthy(answer.error:find(words, 1, true), fault .. " -> " .. answer.error)
    end
    assert.same({ faults = {} }, (select(2, ask(emulator, "GET", "faults"))))
    local many = {}
    for i = 1, 101 do
      many[i] = { kind = "throttle" }
    end
    assert.equal(400, (ask(emulator, "POST", "faults", many)))
    assert.same({}, emulator.faults:list(0))
  end)
end)

describe("what a host refuses by itself", function()
  it("has the code of its cause, in the API of its path", function()
    local emulator = support.new()
    for why, codes in pairs {
      large = { "RequestSizeLimitExceeded", 4000 },
      protocol = { "UnsupportedProtocol", 4600 },
      malformed = { "InvalidRequest", 4000 },
    } do
      local answer = cjson.decode(emulator:refuse("/", why).body)
      assert.equal(codes[1], answer.Response.Error.Code)
      assert.equal(codes[2], cjson.decode(emulator:refuse("/v2/index.php?x", why).body).code)
    end
  end)
end)

describe("the health path", function()
  it("tells the version", function()
    local status, answer = ask(support.new(), "GET", "")
    assert.equal(200, status)
    local expected =
      { emulator = "qcimage", version = require("qcimage.util.version").NUMBER, apiVersions = { "2.0", "3.0" } }
    assert.same(expected, answer)
  end)
end)

describe("an empty list of the state", function()
  it("may be given as an empty object", function()
    local emulator = support.new()
    for _, empty in ipairs { "{}", "[]" } do
      emulator:reset()
      assert.equal(200, (ask(emulator, "PUT", "state", ('{"images":%s,"instances":%s}'):format(empty, empty))))
      assert.same({}, emulator:images())
    end
  end)

  it("is written as one, however LuaJIT compiles the loop", function()
    local options = package.loaded.jit and require "jit.opt"
    for hotloop = 1, options and 61 or 1, 4 do
      if options then
        require("jit").flush()
        options.start("hotloop=" .. hotloop)
      end
      local images = {}
      for i = 1, 4 do
        images[i] = { imageId = ("img-0000000%d"):format(i) }
      end
      local emulator = support.new { images = images }
      for _ = 1, 10 do
        local _, _, written = ask(emulator, "GET", "state")
        assert.is_nil(written:find("{}", 1, true), hotloop)
      end
    end
    if options then
      options.start "hotloop=56"
      require("jit").flush()
    end
  end)
end)
