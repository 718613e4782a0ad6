--- each over a list that moves: covers call/paginator.lua.

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

  -- Changes of a list between two requests. Images that stay the whole time are marked.
  local function removeAt(ids, index, stay)
    stay[table.remove(ids, index)] = nil
  end
  local MOVES = {
    ["one comes"] = function(ids, _, request)
      table.insert(ids, 1, "img-new-" .. request)
    end,
    ["one goes"] = function(ids, stay)
      removeAt(ids, 1, stay)
    end,
    ["one goes from the middle and another comes"] = function(ids, stay, request)
      removeAt(ids, math.ceil(#ids / 2), stay)
      ids[#ids + 1] = "img-new-" .. request
    end,
    ["the first goes and another comes"] = function(ids, stay, request)
      removeAt(ids, 1, stay)
      ids[#ids + 1] = "img-new-" .. request
    end,
    ["ten go"] = function(ids, stay)
      for _ = 1, math.min(10, #ids - 1) do
        removeAt(ids, 1, stay)
      end
    end,
    ["half goes, once"] = function(ids, stay, request)
      for _ = 1, request == 3 and #ids / 2 or 0 do
        removeAt(ids, 1, stay)
      end
    end,
    ["the order turns, once"] = function(ids, _, request)
      for i = 1, request == 3 and math.floor(#ids / 2) or 0 do
        ids[i], ids[#ids + 1 - i] = ids[#ids + 1 - i], ids[i]
      end
    end,
  }

  it("gives each image that stays in a list which moves meanwhile, once", function()
    for name, move in pairs(MOVES) do
      local ids, stay = numbered(450), {}
      for _, id in ipairs(ids) do
        stay[id] = true
      end
      local client, sent = listing(ids, function(request)
        if request > 1 then
          move(ids, stay, request)
        end
      end)
      local _, times = walk(client)
      for id in pairs(stay) do
        assert.equal(1, times[id], name .. " " .. id)
      end
      assert.is_true(sent() <= 16, name)
    end
  end)

  it("sees small pages move, too", function()
    for limit = 2, 6 do
      for _, name in ipairs { "one goes", "half goes, once", "the order turns, once" } do
        local ids, stay = numbered(40), {}
        for _, id in ipairs(ids) do
          stay[id] = true
        end
        local client = listing(ids, function(request)
          if request > 1 and (request % 4 == 0 or name ~= "one goes") then
            MOVES[name](ids, stay, request)
          end
        end)
        local _, times = walk(client, { limit = limit })
        for id in pairs(stay) do
          assert.equal(1, times[id], ("%s at %d: %s"):format(name, limit, id))
        end
      end
    end
  end)

  it("asks for a still list once, with pages that overlap by up to five images", function()
    for limit, due in pairs { [1] = 450, [3] = 225, [5] = 150, [6] = 149, [20] = 30, [100] = 5 } do
      local client, sent = listing(numbered(450))
      assert.equal(450, (walk(client, { limit = limit })))
      assert.equal(due, sent(), limit)
    end
  end)

  it("gives up a list that grows faster than its pages are read", function()
    for limit = 1, 6 do
      local ids = numbered(30)
      local client, sent = listing(ids, function(request)
        for i = 1, 4 do
          table.insert(ids, 1, ("img-new-%d-%d"):format(request, i))
        end
      end)
      local ok, raised = pcall(walk, client, { limit = limit })
      assert.is_false(ok, limit)
      assert.matches("kept changing", raised.message)
      assert.is_true(sent() < 170, limit)
    end
  end)

  it("reads the pages of a service that gives fewer images than it is asked for", function()
    for most = 1, 7 do
      local ids, count = numbered(40), 0
      local client = stub.client {
        transport = function(request)
          local offset, images = tonumber(stub.form(request.body).offset), {}
          count = count + 1
          for i = offset + 1, math.min(offset + most, #ids) do
            images[#images + 1] = { unImgId = ids[i] }
          end
          local body = ('{"code":0,"totalCount":40,"imageSet":%s}'):format(cjson.encode(images))
          return { status = 200, headers = {}, body = body }
        end,
      }
      assert.equal(40, (walk(client)), most)
      assert.is_true(count <= 40, most)
    end
  end)

  -- A service that answers each request with the same page.
  local function repeating(page)
    return stub.answering({}, ('{"code":0,%s}'):format(page))
  end

  it("never ends in silence where a page comes again for ever, nor asks for ever", function()
    local function page(count, total)
      local images = {}
      for i = 1, count do
        images[i] = ('{"unImgId":"img-%d"}'):format(i)
      end
      return (total and ('"totalCount":%d,'):format(total) or "")
        .. ('"imageSet":[%s]'):format(table.concat(images, ","))
    end
    for limit = 1, 6 do
      for _, total in ipairs { limit + 1, 2 * limit, 10, 450, 1e9, false } do
        local client, requests = repeating(page(limit, total))
        if not total or total > limit then
          local ok, raised = pcall(walk, client, { limit = limit })
          assert.is_false(ok, ("%d of %s"):format(limit, tostring(total)))
          assert.matches("kept changing", raised.message)
          assert.is_true(#requests < 80)
        end
      end
    end
    local client, requests = repeating(page(100, 450))
    assert.is_false((pcall(walk, client)))
    assert.is_true(#requests < 80)
    client, requests = repeating(page(3, 450)) -- shorter than was asked for
    assert.is_false((pcall(walk, client)))
    assert.is_true(#requests < 80)
  end)

  it("does not believe a count that its pages contradict", function()
    local function counting(total)
      local ids = numbered(250)
      return stub.client {
        transport = function(request)
          local params = stub.form(request.body)
          local images = {}
          for i = params.offset + 1, math.min(params.offset + params.limit, #ids) do
            images[#images + 1] = { unImgId = ids[i] }
          end
          local list = #images > 0 and cjson.encode(images) or "[]"
          local count = total and ('"totalCount":%s,'):format(total) or ""
          return { status = 200, headers = {}, body = ('{"code":0,%s"imageSet":%s}'):format(count, list) }
        end,
      }
    end
    for _, total in ipairs { false, "0", '"250"', "-1", '"many"', '"nan"', '"inf"', "null" } do
      for _, limit in ipairs { 3, 6, 100 } do
        assert.equal(250, (walk(counting(total), { limit = limit })), tostring(total))
      end
    end
    assert.equal(250, (walk(counting "7")))
    assert.equal(250, (walk(counting "249")))
    local ok, raised = pcall(walk, counting "1000")
    assert.is_false(ok)
    assert.matches("totalCount is 1000, but the page at offset 250 is empty", raised.message, 1, true)
  end)

  it("keeps no text of an answer, and no image that the loop has", function()
    local client = listing(numbered(250))
    local kept = setmetatable({}, { __mode = "v" })
    for one, result in client:each() do
      assert.is_nil(result.body)
      assert.is_nil(result.imageSet)
      assert.equal(250, result.totalCount)
      kept[#kept + 1] = one
      if one.imageId == "img-00000240" then
        collectgarbage()
        collectgarbage()
        break
      end
    end
    local count = 0
    for _ in pairs(kept) do
      count = count + 1
    end
    assert.is_true(count < 20, count)
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
