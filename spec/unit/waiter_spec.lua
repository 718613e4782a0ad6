--- wait: covers waiter.lua, and the images by ids of images.lua.

local actions = require "qcimage.api.actions"
local cjson = require "cjson"
local core = require "qcimage.core"
local emulator = require "qcimage.emulator"
local image = require "qcimage"
local stub = require "spec.support.stub"

-- A page of images by id and state.
local function page(states)
  local images = {}
  for id, state in pairs(states) do
    images[#images + 1] = { ImageId = id, ImageState = state }
  end
  local list = #images > 0 and cjson.encode(images) or "[]"
  return ('{"Response":{"TotalCount":%d,"ImageSet":%s,"RequestId":"r"}}'):format(#images, list)
end

local function refusal(code)
  return ('{"Response":{"Error":{"Code":"%s","Message":"m"},"RequestId":"r"}}'):format(code)
end

local function ids(count)
  local list = {}
  for i = 1, count do
    list[i] = ("img-%08d"):format(i)
  end
  return list
end

local function calling(...)
  return stub.answering({ apiVersion = "3.0", sleep = function() end }, ...)
end

-- A service that has images by id and state, and refuses a list with one that it does not have. The client's sleep calls
-- a function.
local function serving(version, states, options)
  local asked = {}
  local all = {
    apiVersion = version,
    transport = function(request)
      local params = version == "3.0" and cjson.decode(request.body) or stub.form(request.body)
      local wanted, images = params.ImageIds or {}, {}
      while params["imageIds." .. #wanted] do
        wanted[#wanted + 1] = params["imageIds." .. #wanted]
      end
      asked[#asked + 1] = #wanted
      for i, id in ipairs(wanted) do
        local state = states[id]
        if not state then
          local body = version == "3.0" and refusal "InvalidImageId.NotFound" or '{"code":5000,"message":"m"}'
          return { status = 200, headers = {}, body = body }
        elseif i <= (tonumber(params.Limit or params.limit) or 20) then -- the service's own limit is 20
          images[#images + 1] = version == "3.0" and { ImageId = id, ImageState = state }
            or { unImgId = id, status = ({ CREATING = 1, NORMAL = 2, USING = 3, SYNCING = 4 })[state] }
        end
      end
      local form = version == "3.0" and '{"Response":{"TotalCount":%d,"ImageSet":%s,"RequestId":"r"}}'
        or '{"code":0,"totalCount":%d,"imageSet":%s}'
      return { status = 200, headers = {}, body = form:format(#images, cjson.encode(images)) }
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return stub.client(all), asked
end

describe("wait", function()
  it("polls until the images have the state, and gives them in the order of the ids", function()
    local client, requests = calling(
      page { ["img-1"] = "CREATING", ["img-2"] = "NORMAL" },
      page { ["img-1"] = "CREATING", ["img-2"] = "NORMAL" },
      page { ["img-1"] = "NORMAL", ["img-2"] = "USING" }
    )
    local result = assert(client:wait { imageIds = { "img-2", "img-1", "img-2" } })
    assert.equal(3, #requests)
    assert.same({ "img-2", "img-1" }, { result.imageSet[1].imageId, result.imageSet[2].imageId })
    assert.same({ 0, 2, "r" }, { result.code, result.totalCount, result.requestId })
    assert.equal(1, #result.attempts)
    assert.same({ "img-2", "img-1" }, cjson.decode(requests[1].body).ImageIds)
  end)

  it("waits for another state, too", function()
    local client, requests =
      calling(page { ["img-1"] = "CREATING" }, page { ["img-1"] = "NORMAL" }, page { ["img-1"] = "USING" })
    assert(client:wait { imageIds = { "img-1" }, imageState = "USING" })
    assert.equal(3, #requests)
    client, requests = calling(page { ["img-1"] = "IMPORTFAILED" })
    assert(client:wait { imageIds = { "img-1" }, imageState = "IMPORTFAILED" })
    assert.equal(1, #requests)
  end)

  it("is a function of the module, too, and its parameters are copied", function()
    local transport = emulator.transport {}
    local before = image.default(stub.client { transport = transport })
    local params = { imageIds = { "img-12345678" } }
    local result = image.wait(setmetatable({}, { __index = params }), { region = "gz" })
    image.default(before or false)
    assert.equal("img-12345678", assert(result).imageSet[1].imageId)
    local client
    client = stub.answering({
      apiVersion = "3.0",
      sleep = function()
        params.imageIds[1] = "img-9"
      end,
    }, page { ["img-12345678"] = "CREATING" }, page { ["img-12345678"] = "NORMAL" })
    assert(client:wait(params))
  end)

  it("takes no image for ready whose state is not told", function()
    local untold = '{"Response":{"TotalCount":1,"ImageSet":[{"ImageId":"img-1","ImageState":null}],"RequestId":"r"}}'
    local client, requests = calling(untold, page { ["img-1"] = "NORMAL" })
    assert(client:wait { imageIds = { "img-1" } })
    assert.equal(2, #requests)
    local _, message, err = calling(untold):wait({ imageIds = { "img-1" } }, { waitTimeout = 1 })
    assert.equal("timeout", err.reason)
    assert.matches("image img%-1 has no state after 1 s", message)
  end)

  it("ends at a state that ends in FAILED", function()
    local client, requests = calling(page { ["img-1"] = "NORMAL", ["img-2"] = "IMPORTFAILED" })
    local _, message, err = client:wait { imageIds = { "img-1", "img-2" } }
    assert.same({ "service", "imageState", "rejected" }, { err.kind, err.reason, err.outcome })
    assert.matches("image img%-2 is IMPORTFAILED %(waited for NORMAL in ap%-guangzhou%)", message)
    assert.same({ "img-2" }, err.imageIds)
    assert.equal(1, #requests)
  end)

  it("ends when its time is over, with what is so then", function()
    local client = stub.answering({ apiVersion = "3.0" }, page { ["img-1"] = "CREATING" })
    local began = core.monotonic()
    local _, message, err = client:wait({ imageIds = { "img-1" } }, { waitTimeout = 0.7 })
    assert.is_true(core.monotonic() - began < 1.5)
    assert.same({ "service", "timeout", "rejected" }, { err.kind, err.reason, err.outcome })
    assert.matches("image img%-1 is CREATING after 0.7 s", message)
    assert.same({ "img-1" }, err.imageIds)
    assert.equal(1, #err.attempts)
    -- sleeps that take no time count as long as they were told to
    client = calling(page { ["img-1"] = "CREATING" })
    _, _, err = client:wait { imageIds = { "img-1" } }
    assert.equal("timeout", err.reason)
  end)

  it("waits for an image that the list does not show yet, and names the right one", function()
    local client, requests = calling(page {}, page { ["img-1"] = "CREATING" }, page { ["img-1"] = "NORMAL" })
    assert(client:wait { imageIds = { "img-1" } })
    assert.equal(3, #requests)
    for _, version in ipairs { "2.0", "3.0" } do
      local states = {}
      for _, id in ipairs(ids(10)) do
        states[id] = "NORMAL"
      end
      states["img-00000007"] = nil
      local asked
      client, asked = serving(version, states, { sleep = function() end })
      local _, message, err = client:wait({ imageIds = ids(10) }, { waitTimeout = 3 })
      assert.equal("notFound", err.reason)
      assert.same({ "img-00000007" }, err.imageIds)
      assert.matches("wait: image img%-00000007 was not found after 3 s", message)
      assert.is_nil(message:find "img%-00000001")
      assert.equal("10 1 1 1 1 1 1 1 1 1 1 9 1", table.concat(asked, " ", 1, 13)) -- then the missing one alone
      client = serving(version, states, {
        sleep = function()
          states["img-00000007"] = "NORMAL"
        end,
      })
      assert(client:wait { imageIds = ids(10) })
    end
  end)

  it("gives up an image that was never listed where the client says after how long", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local states, slept = { ["img-1"] = "CREATING" }, 0
      local client = serving(version, states, {
        sleep = function(seconds)
          slept = slept + seconds
        end,
      })
      client.longestLag = 60
      local _, message, err = client:wait { imageIds = { "img-1", "img-2" } }
      assert.same({ "notFound", { "img-2" } }, { err.reason, err.imageIds })
      assert.matches("^wait: image img%-2 was not found after 6%d%.?%d* s %(waited for NORMAL", message)
      assert.is_true(slept >= 60 and slept < 71, slept)
      slept = 0
      _, message = client:wait { imageIds = { "img-1" } } -- which is listed
      assert.matches("img%-1 is CREATING after 600 s", message)
      _, message = client:wait({ imageIds = { "img-2" } }, { waitTimeout = 5 })
      assert.matches("img%-2 was not found after 5 s", message)
    end
    -- polls that fail show nothing of it
    local client, requests = calling "<html>"
    client.longestLag = 0.1
    local _, _, err = client:wait({ imageIds = { "img-1" } }, { waitTimeout = 3 })
    assert.equal("response", err.kind)
    assert.is_true(#requests > 3)
    client, requests = calling(page {}, page {}, "<html>", "<html>", "<html>", page { ["img-1"] = "NORMAL" })
    client.longestLag = 1.5
    assert(client:wait { imageIds = { "img-1" } })
    assert.equal(6, #requests)
  end)

  it("looks at images together that are not listed yet, where the service does not refuse the list", function()
    local states = {}
    for _, id in ipairs(ids(40)) do
      states[id] = "NORMAL"
    end
    local client, requests = calling(page {}, page {}, page(states))
    assert(client:wait { imageIds = ids(40) })
    assert.equal(3, #requests)
  end)

  it("tells an image that was deleted meanwhile", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local states, waits = { ["img-1"] = "CREATING", ["img-2"] = "NORMAL" }, 0
      local client = serving(version, states, {
        sleep = function()
          waits = waits + 1
          states["img-1"] = nil
        end,
      })
      local _, message, err = client:wait { imageIds = { "img-1", "img-2" } }
      assert.equal("notFound", err.reason)
      assert.matches("image img%-1 no longer exists", message)
      assert.same({ "img-1" }, err.imageIds)
      assert.equal(2, waits) -- one poll alone may be out of date
    end
  end)

  it("goes on after polls that fail, while there is time", function()
    local gateway = { status = 502, body = "<html>" }
    local lost = { fail = "lost", reason = "closed" }
    for _, failure in ipairs { gateway, lost, refusal "InternalError", refusal "RequestLimitExceeded", "<html>" } do
      local client, requests = stub.answering(
        { apiVersion = "3.0", sleep = function() end, maxAttempts = 1 },
        failure,
        failure,
        failure,
        page { ["img-1"] = "NORMAL" }
      )
      assert(client:wait({ imageIds = { "img-1" } }, { waitTimeout = 600 }))
      assert.equal(4, #requests)
    end
    local client = calling(page { ["img-1"] = "CREATING" }, gateway)
    local _, message, err = client:wait({ imageIds = { "img-1" } }, { waitTimeout = 2 })
    assert.equal("timeout", err.reason)
    assert.matches("is CREATING after 2 s; the last poll failed: DescribeImages: HTTP status 502", message)
    client = calling(gateway)
    _, message, err = client:wait({ imageIds = { "img-1" } }, { waitTimeout = 2 })
    assert.same({ "response", "status" }, { err.kind, err.reason })
    assert.matches("; waited for NORMAL after 2 s", message)
  end)

  it("ends at once where polling again cannot help", function()
    for code, reason in pairs {
      ["UnauthorizedOperation.X"] = "permission",
      ["AuthFailure.SignatureFailure"] = "signature",
      ["InvalidRegion.NotFound"] = "notFound", -- which is no image
    } do
      local client, requests = calling(refusal(code))
      local _, _, err = client:wait { imageIds = { "img-1" } }
      assert.same({ reason, 1 }, { err.reason, #requests })
      -- what was answered once fails for another reason
      client = calling(page { ["img-1"] = "CREATING" }, refusal(code), page { ["img-1"] = "NORMAL" })
      assert(client:wait { imageIds = { "img-1" } })
    end
    local client
    client = stub.answering({
      apiVersion = "3.0",
      sleep = function()
        client:close()
      end,
    }, page { ["img-1"] = "CREATING" })
    local _, _, err = client:wait { imageIds = { "img-1" } }
    assert.equal("unsupported", err.kind)
    local _, message = calling(page { ["img-1"] = "CREATING" }):wait({ imageIds = { "img-1" } }, { waitTimeout = 1 })
    assert.matches("CREATING", message)
    client = stub.answering({
      apiVersion = "3.0",
      sleep = function()
        error "no sleep here"
      end,
    }, page { ["img-1"] = "CREATING" })
    _, message, err = client:wait { imageIds = { "img-1" } }
    assert.equal("timeout", err.reason)
    assert.matches("; stopped polling: option sleep threw: .*no sleep here", message)
  end)

  it("names three of many images that are not ready, and counts the others", function()
    local states = {}
    for _, id in ipairs(ids(5)) do
      states[id] = "CREATING"
    end
    local _, message = calling(page(states)):wait({ imageIds = ids(5) }, { waitTimeout = 1 })
    for i = 1, 3 do
      assert.matches(("image img-0000000%d is CREATING, "):format(i), message, 1, true)
    end
    assert.matches(", 2 more of 5", message, 1, true)
  end)

  it("looks at all of many images, in as many calls as it takes", function()
    local mostIds = actions["2.0"].DescribeImages.params.imageIds.items
    for version, most in pairs { ["2.0"] = mostIds, ["3.0"] = 100 } do
      local states, wanted = {}, ids(most * 2 + 5)
      for _, id in ipairs(wanted) do
        states[id] = "NORMAL"
      end
      states[wanted[#wanted]] = "CREATING"
      local client, asked = serving(version, states, {
        sleep = function()
          states[wanted[#wanted]] = "NORMAL"
        end,
      })
      local result = assert(client:wait { imageIds = wanted })
      assert.equal(#wanted, #result.imageSet)
      assert.same({ most, most, 5, most, most, 5 }, asked)
    end
  end)

  it("makes no call beyond its time but the one that it is at", function()
    local count = 0
    local client = stub.client {
      apiVersion = "3.0",
      transport = function(request, seconds)
        count = count + 1
        core.sleep(math.min(seconds, 0.15))
        local states = {}
        for _, id in ipairs(cjson.decode(request.body).ImageIds) do
          states[id] = "NORMAL"
        end
        return { status = 200, headers = {}, body = page(states) }
      end,
    }
    local began = core.monotonic()
    local _, message, err = client:wait({ imageIds = ids(1000) }, { waitTimeout = 0.2 })
    assert.equal("timeout", err.reason)
    assert.matches("was not polled", message)
    assert.equal(800, #err.imageIds)
    assert.equal(2, count)
    assert.is_true(core.monotonic() - began < 0.6)
  end)

  it("succeeds where all have the state when its time ends, though the last poll did not see all again", function()
    local polls = 0
    local client = stub.client {
      apiVersion = "3.0",
      sleep = function() end,
      transport = function(request)
        local states, wanted = {}, cjson.decode(request.body).ImageIds
        for _, id in ipairs(wanted) do
          states[id] = "NORMAL"
        end
        polls = polls + (states["img-00000001"] and 1 or 0)
        if states["img-00000001"] and polls == 1 then
          states["img-00000001"] = "CREATING"
        elseif polls == 2 then
          core.sleep(1.1)
        end
        return { status = 200, headers = {}, body = page(states) }
      end,
    }
    local result, message = client:wait({ imageIds = ids(150) }, { waitTimeout = 1 })
    assert.equal(150, #assert(result, message).imageSet)
    assert.equal(2, polls)
  end)

  it("tells its progress after each poll, and what that throws changes nothing", function()
    local told = {}
    local client = calling(page { ["img-1"] = "NORMAL" }, page { ["img-1"] = "NORMAL", ["img-2"] = "NORMAL" })
    local result = assert(client:wait({ imageIds = { "img-1", "img-2" } }, {
      onProgress = function(progress)
        told[#told + 1] = progress
        error("told " .. stub.SECRET_KEY)
      end,
    }))
    assert.same({ 2, 1, { ["img-1"] = "NORMAL" } }, { told[1].total, told[1].done, told[1].imageStates })
    assert.same({ 2, 2 }, { told[2].total, told[2].done })
    assert.is_number(told[2].elapsed)
    assert.matches("^onProgress threw: .*told %*%*%*$", result.hookError)
  end)

  it("checks what it is given before anything is sent", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local client, requests = stub.answering({ apiVersion = version }, page {})
      for _, case in ipairs {
        { {}, "imageIds is required" },
        { { imageIds = {} }, "imageIds is an empty list" },
        { { imageIds = "img-1" }, "imageIds must be a list" },
        { { imageIds = { "img-1", 2 } }, "imageIds%[2%] must be text" },
        { { imageIds = { "img-1" }, imageState = "NORMALL" }, "imageState must be one of" },
        { { imageId = "img-1" }, "unknown parameter imageId %(imageIds%?%)" },
      } do
        local _, message, err = client:wait(case[1])
        assert.same({ "parameter", "notSent" }, { err.kind, err.outcome })
        assert.matches("^wait: " .. case[2], message)
      end
      assert.equal(0, #requests)
      for _, options in ipairs { { waitTimeout = 0 }, { waitTimeout = "5" }, { onProgress = 1 }, { readBack = false } } do
        local ok, message = pcall(client.wait, client, { imageIds = { "img-1" } }, options)
        assert.is_false(ok)
        assert.matches("option", message)
      end
      assert.is_false((pcall(client.wait, client)))
    end
  end)

  it("may yield in everything that it calls, on every Lua", function()
    local function yielding(run)
      return function(...)
        coroutine.yield()
        return run(...)
      end
    end
    local transport = stub.transport(page { ["img-1"] = "CREATING" }, page { ["img-1"] = "NORMAL" })
    local client = stub.client {
      apiVersion = "3.0",
      transport = yielding(transport),
      sleep = yielding(function() end),
      credentials = yielding(function()
        return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
      end),
    }
    local result
    local thread = coroutine.create(function()
      result = client:wait({ imageIds = { "img-1" } }, { onProgress = yielding(function() end) })
    end)
    local resumed = 0
    while coroutine.status(thread) ~= "dead" do
      assert(coroutine.resume(thread))
      resumed = resumed + 1
    end
    assert.equal("NORMAL", assert(result).imageSet[1].imageState)
    assert.is_true(resumed >= 7)
  end)
end)

describe("images described by their ids", function()
  it("are taken from a page whose other items are malformed", function()
    local lookup = require "qcimage.call.images"
    local images = assert(lookup.describeByIds({ "img-1" }, 10, function()
      return { imageSet = { "text", {}, { imageId = "img-1", imageState = "NORMAL" } } }
    end))
    assert.same({ ["img-1"] = { imageId = "img-1", imageState = "NORMAL" } }, images)
  end)
end)
