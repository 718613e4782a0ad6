--- What of an answer reaches the caller: long texts, lists that came as null, numbers beyond 2^53, what a raw call
--- knows of its action. Covers parse.lua, json.lua, copy_params.lua, late loading of libcurl.

local cjson = require "cjson"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local function v3(fields)
  return ('{"Response":{%s"RequestId":"r"}}'):format(fields or "")
end

describe("a refusal", function()
  it("of rights shows what was denied, which stands last, on one line", function()
    local denied = "cvm:ModifyImageAttribute on qcs::cvm:ap-guangzhou:uin/100000000001:image/img-0abc12de"
    for _, opening in ipairs {
      ("you are not authorized to perform the operation. "):rep(6) .. "[request id:1234]\n",
      ("由于没有权限，无法执行此操作。"):rep(12) .. "\r\n",
    } do
      local said = opening .. "resource: " .. denied
      local body = cjson.encode {
        Response = { Error = { Code = "AuthFailure.UnauthorizedOperation", Message = said }, RequestId = "r-1" },
      }
      local client, requests = stub.answering({ apiVersion = "3.0", maxAttempts = 5 }, body)
      local _, message, err = client:modify { imageId = "img-0abc12de", imageName = "a" }
      assert.equal(1, #requests)
      assert.equal("permission", err.reason)
      assert.truthy(message:find(denied, 1, true), message)
      assert.is_nil(message:find "[\r\n]")
      assert.equal(said, err.serviceMessage)
    end
    local body = cjson.encode { code = 4101, message = ("x"):rep(5000) }
    local _, message = stub.answering({}, body):modify { imageId = "i" }
    assert.is_true(#message < 1300)
  end)

  it("keeps the answer, with the details of what was partly done", function()
    local body = '{"code":5400,"message":"m","detail":{"img-1":{"code":0},"img-2":{"code":5000}}}'
    local _, _, err = stub.answering({}, body):call("DeleteImages", { imageIds = { "img-1", "img-2" } })
    assert.equal(body, err.body)
    assert.equal("unknown", err.outcome)
    _, _, err = stub.answering({}, { status = 502, body = "<html>gateway" }):modify { imageId = "i" }
    assert.equal("<html>gateway", err.body)
  end)

  it("that something is not there names the region asked", function()
    local _, message = stub.answering({}, '{"code":5000,"message":"m"}'):modify({ imageId = "i" }, { region = "bj" })
    assert.equal("ModifyImageAttributes: 5000: m (in bj); nothing was changed", message)
  end)

  it("that may be about the region names it, and what set it", function()
    for _, code in ipairs { "UnsupportedRegion", "InvalidParameterValue", "RegionAbilityLimit" } do
      local body = ('{"Response":{"Error":{"Code":"%s","Message":"地域 m"},"RequestId":"r"}}'):format(code)
      local client = stub.answering({ apiVersion = "3.0", region = "ap-x" }, body)
      local _, message = client:modify { imageId = "i" }
      assert.matches("m (in ap-x, from option region) [requestId r]; nothing was changed", message, 1, true)
      _, message = client:modify({ imageId = "i" }, { region = "ap-y" })
      assert.matches("m (in ap-y, from option region) [requestId r]", message, 1, true)
    end
    local _, message = stub
      .answering({
        apiVersion = "3.0",
      }, '{"Response":{"Error":{"Code":"UnauthorizedOperation.MFANotFound","Message":"m"},"RequestId":"r"}}')
      :modify { imageId = "i" }
    assert.is_nil(message:find("(", 1, true))
  end)

  it("always has a table of attempts", function()
    local client = stub.answering({}, '{"code":0}')
    for _, call in ipairs {
      { {} },
      { { imageId = "i", nonsense = 1 } },
    } do
      local _, _, err = client:modify(call[1], call[2])
      assert.is_table(err.attempts)
    end
    local _, _, err = client:call "NoSuchAction"
    assert.is_table(err.attempts)
    _, _, err = client:wait({ imageIds = { "i" } }, { waitTimeout = 0.01 })
    assert.is_table(err.attempts)
    local ok, raised = pcall(client:each { limit = 1000 })
    assert.is_false(ok)
    assert.is_table(raised.attempts)
  end)
end)

describe("a list that came as null", function()
  it("is an empty list, in both versions", function()
    local result = assert(stub.answering({ apiVersion = "3.0" }, v3 '"TotalCount":0,"ImageSet":null,'):describe())
    assert.same({}, result.imageSet)
    result = assert(stub.answering({}, '{"code":0,"totalCount":0,"imageSet":null}'):describe())
    assert.same({}, result.imageSet)
    result = assert(stub.answering({}, '{"code":0}'):describe())
    assert.same({}, result.imageSet)
  end)

  it("is one inside an image, too, and in other actions", function()
    local body = v3 '"TotalCount":1,"ImageSet":[{"ImageId":"i","Tags":null,"SnapshotSet":null,"OsName":null}],'
    local one = assert(stub.answering({ apiVersion = "3.0" }, body):describe()).imageSet[1]
    assert.same({ imageId = "i", tags = {}, snapshotSet = {} }, one)
    local client = stub.answering({ apiVersion = "3.0" }, v3 '"SharePermissionSet":null,')
    assert.same({}, assert(client:call("DescribeImageSharePermission", { imageId = "i" })).sharePermissionSet)
  end)
end)

describe("a whole number beyond 2^53", function()
  it("never looks exact where it may not be, and stands in the body", function()
    local body = v3 '"Big":1618065507111835497,"Edge":9007199254740993,"Least":9007199254740991,"Small":100001234567,'
    local client = stub.answering({ apiVersion = "3.0" }, body)
    local result = assert(client:call("X", {}, { raw = true }))
    assert.equal(100001234567, result.small)
    assert.equal(9007199254740991, result.least)
    assert.is_true(result.big > 1.6e18 and result.big < 1.7e18)
    if math.type then
      assert.equal("float", math.type(result.big))
      assert.equal("float", math.type(result.edge))
      assert.equal("integer", math.type(result.least))
      assert.equal("integer", math.type(result.small))
    end
    assert.truthy(result.body:find("1618065507111835497", 1, true))
  end)
end)

describe("a raw call", function()
  local LOST = { fail = "lost", reason = "closed" }

  it("knows of its action whether it may be repeated, and whether it reads", function()
    local options = { apiVersion = "3.0", maxAttempts = 2, sleep = function() end }
    local client, requests = stub.answering(options, LOST, v3())
    assert(client:call("ModifyImageAttribute", { ImageId = "i" }, { raw = true }))
    assert.equal(2, #requests)
    client, requests = stub.answering(options, LOST, v3())
    local _, _, err = client:call("CreateImage", { ImageName = "a", InstanceId = "i" }, { raw = true })
    assert.same({ 1, "unknown" }, { #requests, err.outcome })
    client, requests = stub.answering(options, LOST, v3())
    _, _, err = client:call("NeverHeardOf", {}, { raw = true })
    assert.same({ 1, "unknown" }, { #requests, err.outcome })
    client = stub.answering(options, LOST, LOST)
    local _, message = client:call("DescribeImages", {}, { raw = true })
    assert.is_nil(message:find "change may have been made")
  end)

  it("keeps the marks of empty lists that OpenResty's lua-cjson has", function()
    -- Debian's has none: a mark of our own stands in for one
    local mark = rawget(cjson, "array_mt") or {}
    local had = rawget(cjson, "array_mt")
    cjson.array_mt = mark
    local own = require("qcimage.call.copy_params").copy(
      { Ids = setmetatable({}, mark), Plain = setmetatable({}, {}) },
      {}
    )
    cjson.array_mt = had
    assert.equal(mark, getmetatable(own.Ids))
    assert.is_nil(getmetatable(own.Plain))
  end)

  it("copies its parameters before it can wait, and refuses what would never end", function()
    local params = { ImageId = "i", List = { { A = 1 } } }
    local client, requests = stub.answering({
      apiVersion = "3.0",
      credentials = function()
        params.ImageId, params.List[1].A = "other", 2
        return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
      end,
    }, v3())
    assert(client:call("X", params, { raw = true }))
    assert.same({ ImageId = "i", List = { { A = 1 } } }, cjson.decode(requests[1].body))
    local twice = {}
    twice.A, twice.B = twice, twice
    for _, version in ipairs { "2.0", "3.0" } do
      local _, message, err = stub.client({ apiVersion = version }):call("X", twice, { raw = true })
      assert.equal("parameter", err.kind)
      assert.matches("has more than %d+ values", message)
    end
  end)
end)

describe("a list", function()
  it("is copied before the call can wait, and one that would never end is refused by its name", function()
    local ids = { "img-1", "img-2" }
    local client, requests = stub.answering({
      apiVersion = "3.0",
      credentials = function()
        ids[1] = "img-9"
        return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
      end,
    }, v3())
    assert(client:call("DeleteImages", { imageIds = ids }))
    assert.same({ ImageIds = { "img-1", "img-2" } }, cjson.decode(requests[1].body))
    for i = 1, 200001 do
      ids[i] = "img-1"
    end
    local _, message, err = client:call("DeleteImages", { imageIds = ids })
    assert.matches("^DeleteImages: imageIds has more than 200000 values", message)
    assert.same({ "parameter", "imageIds" }, { err.kind, err.field })
  end)
end)

describe("regions as values", function()
  it("travel as the API version names them", function()
    local client, requests = stub.answering({ apiVersion = "3.0" }, v3())
    local params = { imageIds = { "i" }, destinationRegions = { "bj", "ap-tokyo", "mars-1" } }
    assert(client:call("SyncImages", params))
    assert.same({ "ap-beijing", "ap-tokyo", "mars-1" }, cjson.decode(requests[1].body).DestinationRegions)
    client, requests = stub.answering({}, '{"code":0}')
    assert(
      client:call("SyncCvmImage", { srcRegion = "ap-guangzhou", imgIdList = { "i" }, dstRegion = { "ap-tokyo", "sh" } })
    )
    local sent = stub.form(requests[1].body)
    assert.same({ "gz", "jp", "sh" }, { sent.srcRegion, sent["dstRegion.0"], sent["dstRegion.1"] })
  end)
end)

describe("parameters", function()
  it("that come by __index count, whatever __metatable says", function()
    for _, shown in ipairs { false, true, "hidden" } do
      local client, requests = stub.answering({ apiVersion = "3.0" }, v3())
      local meta = { __index = { imageName = "inherited" }, __metatable = shown }
      assert(client:modify(setmetatable({ imageId = "img-1" }, meta)))
      assert.same({ ImageId = "img-1", ImageName = "inherited" }, cjson.decode(requests[1].body))
    end
  end)
end)

describe("what is loaded late", function()
  local HEAD = [[
    local image = require "qcimage"
    local OPTIONS = { secretId = "AKIDxxxxxxxx", secretKey = "thekey", region = "gz", endpoint = "http://127.0.0.1:1", maxAttempts = 1 }
    local function blind()
      package.path, package.cpath = "/nonexistent/?.lua", "/nonexistent/?.so"
      local search = package.searchers or package.loaders
      for i = #search, 2, -1 do search[i] = nil end
    end
  ]]

  it("is loaded by new, whole, so that a chroot after that does no harm", function()
    local output = process.lua(HEAD .. [[
      local client = image.new(OPTIONS)
      blind()
      local _, message, err = client:modify { imageId = "i" }
      print(err.kind, err.reason, err.outcome)
    ]])
    assert.equal("network\tconnect\tnotSent\n", output)
  end)

  it("is asked for with what to do where a chroot came before", function()
    local output = process.lua(HEAD .. [[
      blind()
      print(pcall(image.new, OPTIONS))
      local result, message, err = image.modify { imageId = "i" }
      print(result, message, err.kind, err.outcome)
      print(pcall(image.each))
      image.close()
    ]])
    local said =
      "false\tqcimage: cannot load all modules %(chroot[^\n]*create the client earlier%): module 'qcimage.client'[^\n]*"
    assert.matches("^" .. said, output)
    assert.matches("\nnil\tqcimage: cannot load all modules [^\n]*\tunsupported\tnotSent\nfalse\t", output)
  end)

  it("is apply's part, too: nil, message and error where that cannot be loaded", function()
    local output = process.lua(HEAD .. [[
      local client = image.new(OPTIONS)
      blind()
      local report, message, err = client:apply {}
      print(report, message, err.kind, err.outcome)
    ]])
    assert.matches("^nil\tapply: cannot load all modules [^\n]*'qcimage.apply'[^\n]*\tunsupported\tnotSent\n$", output)
  end)

  it("is loaded with the client in nginx, apply and the limiter among it", function()
    local output = process.lua [[
      ngx = { socket = {}, config = { subsystem = "http" }, sleep = function() end }
      package.preload["qcimage.transport.cosocket"] = function() return { new = function() end } end
      package.preload["qcimage.transport.light_thread"] = function() return {} end
      require "qcimage"
      print(package.loaded["qcimage.apply"] ~= nil, package.loaded["qcimage.limiter"] ~= nil)
    ]]
    assert.equal("true\ttrue\n", output)
  end)

  it("is asked for by name where a library is missing", function()
    local output = process.lua(HEAD .. [[
      package.preload.cjson = function() error("no cjson here", 0) end
      print(pcall(image.new, OPTIONS))
    ]])
    assert.matches("^false\tqcimage: cannot load all modules [^\n]*no cjson here\n$", output)
  end)

  it("is all but libcurl's part where that alone cannot be loaded: unsupported, with what to do", function()
    local output = process.lua(HEAD .. [[
      package.preload["qcimage.http"] = function() error("no libcurl here") end
      local client = image.new(OPTIONS)
      local _, message, err = client:modify { imageId = "i" }
      print(err.kind, err.outcome, message)
      print((assert(client:sign("DescribeImages", {}))).method)
    ]])
    assert.matches("^unsupported\tnotSent\tModifyImageAttributes: cannot load libcurl %(chroot", output)
    assert.matches("\nPOST\n$", output)
  end)
end)
