--- Lists of images in both versions, and their pages: covers call/paginator.lua, and the filters of call/validate.lua.

local cjson = require "cjson"
local stub = require "spec.support.stub"

local PAGE = [[{"code":0,"message":"","totalCount":1,"imageSet":[{"unImgId":"img-12345678",
"imageName":"web-01","imageDescription":"sample","imageType":1,"osName":"centos7.2x86_64",
"createTime":"2016-01-02 03:04:05","createor":"1000000001","status":2,"more":{"kept":[1,2]}}]}]]

describe("describe over API 2.0", function()
  it("sends the names and numbers of that version", function()
    local client, requests = stub.answering({}, PAGE)
    assert(client:describe {
      imageType = "SHARED_IMAGE",
      imageIds = { "img-1", "img-2" },
      imageState = "NORMAL",
      offset = 40,
      limit = 20,
    })
    local params = stub.form(requests[1].body)
    assert.equal("DescribeImages", params.Action)
    assert.equal("4", params.imageType)
    assert.equal("2", params.status)
    assert.equal("img-1", params["imageIds.0"])
    assert.equal("img-2", params["imageIds.1"])
    assert.equal("40", params.offset)
    assert.equal("20", params.limit)
    assert(client:describe())
    assert.equal("1", stub.form(requests[2].body).imageType)
  end)

  it("answers in the names of API 3.0", function()
    local client = stub.answering({}, PAGE)
    local result = assert(client:describe {})
    assert.equal(1, result.totalCount)
    assert.same({
      imageId = "img-12345678",
      imageName = "web-01",
      imageDescription = "sample",
      imageType = "PRIVATE_IMAGE",
      osName = "centos7.2x86_64",
      createdTime = "2016-01-02 03:04:05",
      imageCreator = "1000000001",
      imageState = "NORMAL",
      more = { kept = { 1, 2 } },
    }, result.imageSet[1])
  end)

  it("keeps a state or a type that it does not know", function()
    local client = stub.answering({}, (PAGE:gsub('"status":2', '"status":77')))
    assert.equal(77, assert(client:describe()).imageSet[1].imageState)
  end)

  it("refuses what makes no sense", function()
    local client, requests = stub.answering({}, PAGE)
    for field, params in pairs {
      imageType = { imageType = "private" },
      imageState = { imageState = 2 },
      imageIds = { imageIds = "img-1" },
      limit = { limit = 101 },
      offset = { offset = -1 },
    } do
      local _, message, err = client:describe(params)
      assert.equal("parameter", err.kind)
      assert.equal(field, err.field)
      assert.matches(field, message)
    end
    for pattern, ids in pairs {
      ["is an empty list; leave it out"] = {},
      ["%[2%] must be text, not 5"] = { "img-1", 5 },
      ["%[1%] is required and must not be empty"] = { "" },
      ["must be a list"] = { a = "img-1" },
    } do
      local _, message = client:describe { imageIds = ids }
      assert.matches(pattern, message)
    end
    local _, message = client:describe { limit = 1.5 }
    assert.matches("limit must be a whole number, not 1.5", message)
    _, message = client:describe { limit = "20" }
    assert.matches('limit must be a whole number, not "20"', message)
    assert.equal(0, #requests)
  end)
end)

-- A service with so many images, which can fail a request by its number.
local function catalogue(count, failAt)
  local sent = 0
  return function(request)
    sent = sent + 1
    if sent == failAt then
      return nil, "closed", { sent = true, reason = "closed" }
    end
    local params = stub.form(request.body)
    local offset, limit = tonumber(params.offset), tonumber(params.limit)
    local images = {}
    for i = offset + 1, math.min(offset + limit, count) do
      images[#images + 1] = { unImgId = ("img-%08d"):format(i), status = 2, imageType = 1 }
    end
    local list = #images > 0 and cjson.encode(images) or "[]"
    return { status = 200, headers = {}, body = ('{"code":0,"totalCount":%d,"imageSet":%s}'):format(count, list) }
  end, function()
    return sent
  end
end

describe("each", function()
  local function walk(client, params)
    local ids = {}
    for one in client:each(params) do
      ids[#ids + 1] = one.imageId
    end
    return ids
  end

  local function expected(first, last)
    local ids = {}
    for i = first, last do
      ids[#ids + 1] = ("img-%08d"):format(i)
    end
    return ids
  end

  it("gives all images once, in order, page by page", function()
    for _, count in ipairs { 0, 1, 99, 100, 101, 250 } do
      local transport, sent = catalogue(count)
      assert.same(expected(1, count), walk(stub.client { transport = transport }))
      assert.equal(math.max(1, math.ceil(count / 100)), sent())
    end
    local transport, sent = catalogue(250)
    assert.same(expected(201, 250), walk(stub.client { transport = transport }, { offset = 200, limit = 20 }))
    assert.equal(3, sent())
  end)

  it("survives a page that fails once", function()
    local transport = catalogue(250, 2)
    local client = stub.client { transport = transport, maxAttempts = 2, sleep = function() end }
    assert.same(expected(1, 250), walk(client))
  end)

  it("raises what does not pass", function()
    local transport = catalogue(250, 2)
    local client = stub.client { transport = transport }
    local seen = 0
    local ok, message = pcall(function()
      for _ in client:each() do
        seen = seen + 1
      end
    end)
    assert.is_false(ok)
    assert.equal(100, seen)
    assert.matches("DescribeImages: closed", message)
  end)

  it("ends without a count at a page that is not full", function()
    local client, requests = stub.answering({}, '{"code":0,"imageSet":[{"unImgId":"img-1"},{"unImgId":"img-2"}]}')
    assert.same({ "img-1", "img-2" }, walk(client))
    assert.equal(1, #requests)
  end)

  it("leaves the caller's parameters alone", function()
    local params = { imageType = "PUBLIC_IMAGE" }
    walk(stub.client { transport = catalogue(150) }, params)
    assert.same({ imageType = "PUBLIC_IMAGE" }, params)
  end)
end)
