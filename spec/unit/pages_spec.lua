--- each over a list that moves: covers pages.lua.

local cjson = require "cjson"
local emulator = require "qcimage.emulator"
local stub = require "spec.support.stub"

-- A service whose list is a table of ids that a test may change; before is called with the number of the request.
local function listing(ids, before)
  local sent = 0
  local function transport(request)
    sent = sent + 1
    if before then
      before(sent)
    end
    local params = stub.form(request.body)
    local offset, limit = tonumber(params.offset), tonumber(params.limit)
    local images = {}
    for i = offset + 1, math.min(offset + limit, #ids) do
      images[#images + 1] = { unImgId = ids[i] }
    end
    local list = #images > 0 and cjson.encode(images) or "[]"
    return { status = 200, headers = {}, body = ('{"code":0,"totalCount":%d,"imageSet":%s}'):format(#ids, list) }
  end
  return stub.client { transport = transport }, function()
    return sent
  end
end

local function numbered(count)
  local ids = {}
  for i = 1, count do
    ids[i] = ("img-%08d"):format(i)
  end
  return ids
end

local function walk(client, params, visit)
  local count, times = 0, {}
  for one in client:each(params) do
    count = count + 1
    times[one.imageId] = (times[one.imageId] or 0) + 1
    if visit then
      visit(one.imageId)
    end
  end
  for id, number in pairs(times) do
    assert.equal(1, number, id)
  end
  return count, times
end

describe("each", function()
  it("gives all images, whatever the loop does to the list", function()
    for _, count in ipairs { 1, 100, 101, 250 } do
      local ids = numbered(count)
      local client = listing(ids)
      local seen = walk(client, nil, function(id)
        for i = #ids, 1, -1 do
          if ids[i] == id then
            table.remove(ids, i)
          end
        end
        ids[#ids + 1] = "img-copy-of-" .. id
      end)
      assert.equal(count, seen)
    end
  end)

  it("deletes all images of the emulator's that it gives", function()
    local client = stub.client { apiVersion = "3.0", transport = emulator.transport {} }
    local function private()
      local ids = {}
      for one in client:each { imageType = "PRIVATE_IMAGE", limit = 1 } do
        if one.imageState == "NORMAL" then
          ids[#ids + 1] = one.imageId
        end
      end
      return ids
    end
    local before, gone = #private(), 0
    assert.is_true(before > 1)
    for one in client:each { imageType = "PRIVATE_IMAGE", limit = 1 } do
      gone = gone + (client:call("DeleteImages", { imageIds = { one.imageId } }) and 1 or 0)
    end
    assert.is_true(gone > 1)
    assert.equal(before - gone, #private())
  end)

  it("reads a list that moved meanwhile again, and gives each image once", function()
    for name, change in pairs {
      grows = function(ids)
        table.insert(ids, 1, "img-new")
      end,
      shrinks = function(ids)
        table.remove(ids, 1)
      end,
      halves = function(ids)
        for _ = 1, 125 do
          table.remove(ids, 1)
        end
      end,
    } do
      local ids = numbered(250)
      local stay = numbered(250)
      local client, sent = listing(ids, function(request)
        if request == 2 then
          change(ids)
        end
      end)
      local _, times = walk(client)
      for i = 126, 250 do -- those that were there all the time
        assert.equal(1, times[stay[i]], name .. " " .. stay[i])
      end
      for _, id in ipairs(ids) do
        assert.equal(1, times[id], name .. " " .. id)
      end
      assert.is_true(sent() <= 6)
    end
  end)

  it("says so when a list does not stand still", function()
    local ids = numbered(250)
    local client = listing(ids, function(request)
      table.insert(ids, 1, "img-new-" .. request)
    end)
    local seen = 0
    local ok, raised = pcall(function()
      for _ in client:each() do
        seen = seen + 1
      end
    end)
    assert.is_false(ok)
    assert.matches("the list of images kept changing", raised.message)
    assert.is_true(seen >= 250)
  end)

  it("raises the error as a table that is text where text is due", function()
    local client = stub.answering({}, '{"code":4101,"message":"no"}')
    local ok, raised = pcall(client:each())
    assert.is_false(ok)
    assert.equal("permission", raised.reason)
    assert.equal("rejected", raised.outcome)
    assert.equal(1, #raised.attempts)
    assert.equal(raised.message, tostring(raised))
    assert.matches("^failed: DescribeImages: 4101", "failed: " .. raised)
  end)

  it("takes parameters that come by __index, as they were when it was called", function()
    local client, requests = stub.answering({}, '{"code":0,"totalCount":0,"imageSet":[]}')
    local params = setmetatable({}, { __index = { imageType = "PUBLIC_IMAGE" } })
    local iterate = client:each(params)
    getmetatable(params).__index.imageType = "SHARED_IMAGE"
    assert.is_nil((iterate()))
    assert.equal("2", stub.form(requests[1].body).imageType)
  end)

  it("gives the result of an image's page, too", function()
    local ids = numbered(150)
    local results, last = 0, nil
    for _, result in (listing(ids)):each() do
      assert.equal(150, result.totalCount)
      results = results + (result ~= last and 1 or 0)
      last = result
    end
    assert.equal(2, results)
  end)

  it("may have a loop that yields, in every Lua", function()
    local client = listing(numbered(150))
    local thread = coroutine.wrap(function()
      for one in client:each() do
        coroutine.yield(one.imageId)
      end
    end)
    for _, id in ipairs(numbered(150)) do
      assert.equal(id, thread())
    end
  end)
end)
