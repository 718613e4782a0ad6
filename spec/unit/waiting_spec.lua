--- waitForState: covers imagestate.lua.

local cjson = require "cjson"
local emulator = require "qcimage.emulator"
local stub = require "spec.support.stub"

local OK = '{"Response":{"RequestId":"r"}}'

-- A page of images by id and state.
local function page(states)
  local images = {}
  for id, state in pairs(states) do
    images[#images + 1] = { ImageId = id, ImageState = state }
  end
  local list = #images > 0 and cjson.encode(images) or "[]"
  return ('{"Response":{"TotalCount":%d,"ImageSet":%s,"RequestId":"r"}}'):format(#images, list)
end

local function calling(...)
  return stub.answering({ apiVersion = "3.0", sleep = function() end }, ...)
end

describe("waitForState", function()
  it("changes the image that was named, whatever the caller's table says by then", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local transport, service = emulator.transport {}
      local client = stub.client {
        apiVersion = version,
        transport = function(...)
          coroutine.yield()
          return transport(...)
        end,
      }
      local params = { imageId = "img-12345678", imageName = "named" }
      local result, message
      local thread = coroutine.create(function()
        result, message = client:modify(params, { waitForState = 5 })
      end)
      assert(coroutine.resume(thread))
      params.imageId, params.imageName = "img-87654321", "another"
      while coroutine.status(thread) ~= "dead" do
        assert(coroutine.resume(thread))
      end
      assert(result, message)
      local names = {}
      for _, image in ipairs(service:images()) do
        names[image.imageId] = image.imageName
      end
      assert.equal("named", names["img-12345678"])
      for id, name in pairs(names) do
        assert.is_true(id == "img-12345678" or name ~= "named" and name ~= "another", id)
      end
    end
  end)

  it("looks at lists that are the call's own, too", function()
    local client, requests, ids
    client, requests = stub.answering({
      apiVersion = "3.0",
      sleep = function()
        ids[1], ids[2] = "img-9", nil
      end,
    }, page { ["img-1"] = "CREATING", ["img-2"] = "NORMAL" }, page { ["img-1"] = "NORMAL", ["img-2"] = "NORMAL" }, OK)
    ids = { "img-1", "img-2" }
    assert(client:call("DeleteImages", { imageIds = ids }, { waitForState = 5 }))
    assert.same({ "img-1", "img-2" }, cjson.decode(requests[2].body).ImageIds)
    assert.same({ "img-1", "img-2" }, cjson.decode(requests[3].body).ImageIds)
  end)

  it("looks at all of many images, in as many pages as it takes", function()
    for version, most in pairs { ["2.0"] = 10, ["3.0"] = 100 } do
      local ids, asked, late = {}, {}, true
      for i = 1, most * 2 + 5 do
        ids[i] = ("img-%08d"):format(i)
      end
      local last = ids[#ids]
      local client = stub.client {
        apiVersion = version,
        sleep = function()
          late = false
        end,
        transport = function(request)
          local images = {}
          if version == "3.0" then
            if request.headers["X-TC-Action"] ~= "DescribeImages" then
              return { status = 200, headers = {}, body = OK }
            end
            local params = cjson.decode(request.body)
            asked[#asked + 1] = #params.ImageIds
            for i = 1, math.min(#params.ImageIds, params.Limit or 20) do -- the service's own limit is 20
              local id = params.ImageIds[i]
              images[i] = { ImageId = id, ImageState = late and id == last and "CREATING" or "NORMAL" }
            end
            local body = ('{"Response":{"TotalCount":%d,"ImageSet":%s,"RequestId":"r"}}'):format(
              #params.ImageIds,
              cjson.encode(images)
            )
            return { status = 200, headers = {}, body = body }
          end
          local params = stub.form(request.body)
          if params.Action ~= "DescribeImages" then
            return { status = 200, headers = {}, body = '{"code":0}' }
          end
          local count = 0
          while params["imageIds." .. count] do
            local id = params["imageIds." .. count]
            count = count + 1
            if count <= (tonumber(params.limit) or 20) then
              images[count] = { unImgId = id, status = late and id == last and 1 or 2 }
            end
          end
          asked[#asked + 1] = count
          local body = ('{"code":0,"totalCount":%d,"imageSet":%s}'):format(count, cjson.encode(images))
          return { status = 200, headers = {}, body = body }
        end,
      }
      assert(client:call("DeleteImages", { imageIds = ids }, { waitForState = 5 }))
      assert.is_false(late)
      assert.same({ most, most, 5, most, most, 5 }, asked)
    end
  end)

  it("looks on for an image that the list does not show yet", function()
    local client, requests = calling(page {}, page { ["img-1"] = "CREATING" }, page { ["img-1"] = "NORMAL" }, OK)
    assert(client:modify({ imageId = "img-1", imageName = "a" }, { waitForState = 6 }))
    assert.equal(4, #requests)
    assert.equal("ModifyImageAttribute", requests[4].headers["X-TC-Action"])
    local refused = '{"Response":{"Error":{"Code":"InvalidImageId.NotFound","Message":"m"},"RequestId":"r"}}'
    client, requests = calling(refused, page { ["img-1"] = "NORMAL" }, OK)
    assert(client:modify({ imageId = "img-1", imageName = "a" }, { waitForState = 6 }))
    assert.equal(3, #requests)
  end)

  it("ends at its limit with notFound, or with the state", function()
    local client, requests = stub.answering({ apiVersion = "3.0" }, page {})
    local _, message, err = client:modify({ imageId = "img-1", imageName = "a" }, { waitForState = 0.2 })
    assert.same({ "service", "notFound", "notSent" }, { err.kind, err.reason, err.outcome })
    assert.matches("image img%-1 is not there %(in ap%-guangzhou%)", message)
    for _, request in ipairs(requests) do
      assert.equal("DescribeImages", request.headers["X-TC-Action"])
    end
    client = stub.answering({ apiVersion = "3.0" }, page { ["img-2"] = "IMPORTFAILED" })
    _, message, err = client:call("DeleteImages", { imageIds = { "img-1", "img-2" } }, { waitForState = 60 })
    assert.same({ "imageState", "notSent" }, { err.reason, err.outcome })
    assert.matches("image img%-2 is IMPORTFAILED", message)
    assert.is_table(err.attempts)
  end)

  it("goes with each action that changes images, and looks where they are", function()
    local client, requests = stub.answering(
      { sleep = function() end },
      '{"code":0,"totalCount":1,"imageSet":[{"unImgId":"img-1","status":2}]}',
      '{"code":0}'
    )
    local params = { srcRegion = "ap-beijing", imgIdList = { "img-1" }, dstRegion = { "ap-shanghai", "hk" } }
    assert(client:call("SyncCvmImage", params, { waitForState = 5 }))
    assert.equal("bj", stub.form(requests[1].body).Region)
    local sent = stub.form(requests[2].body)
    assert.same({ "bj", "sh", "hk" }, { sent.srcRegion, sent["dstRegion.0"], sent["dstRegion.1"] })
  end)

  it("is refused where no image is named", function()
    local client, requests = calling(OK)
    for _, call in ipairs {
      { "CreateImage", { instanceId = "i", imageName = "a" } },
      { "DescribeImages", { imageIds = { "i" } } },
      { "ModifyImageAttribute", { ImageId = "i" }, true },
    } do
      local _, message, err = client:call(call[1], call[2], { waitForState = 1, raw = call[3] })
      assert.same({ "parameter", "waitForState" }, { err.kind, err.field })
      assert.matches("waitForState goes with", message)
    end
    assert.equal(0, #requests)
  end)

  it("gives its own time to the call that follows", function()
    local clock = stub.clock()
    finally(clock.restore)
    local client, requests = stub.answering({
      apiVersion = "3.0",
      timeout = 0.4,
      sleep = clock.sleep,
    }, page { ["img-1"] = "CREATING" }, page { ["img-1"] = "NORMAL" }, OK)
    assert(client:modify({ imageId = "img-1", imageName = "a" }, { waitForState = 5 }))
    assert.is_true(clock.now > 1000)
    assert.is_true(math.abs(requests[3].seconds - 0.4) < 1e-6, requests[3].seconds)
  end)
end)
