--- The command without a socket: the commands that change, share, copy, delete and await images.

local cjson = require "cjson"
local here = require "spec.support.command_here"
local stub = require "spec.support.stub"

local OTHER = "100000000002"

describe("The command", function()
  local command = here.new()
  local server = command.server

  before_each(function()
    command:reset()
  end)

  local function sent()
    local list = {}
    for i, entry in ipairs((server:journal())) do
      list[i] = entry.action
    end
    return table.concat(list, " ")
  end

  local function image(id)
    for _, one in ipairs(server:images()) do
      if one.imageId == id then
        return one
      end
    end
  end

  it("changes an image", function()
    command:gives(
      "qcimage modify img-12345678 --name 'web 02' --description=--",
      "IMAGE ID      REQUEST ID\nimg-12345678  REQUEST-ID\n",
      "",
      0
    )
    assert.equal("web 02", server:images()[1].imageName)
    assert.equal("--", server:images()[1].imageDescription)
    command:gives("qcimage modify img-12345678 --name -x --output text", "img-12345678\tREQUEST-ID\n", "", 0)
    assert.equal("-x", server:images()[1].imageName)
    assert.equal(0, select(3, command:run "qcimage modify --description '' -- img-12345678"))
    assert.equal("", server:images()[1].imageDescription)
  end)

  it("shares images, one call each, and goes on after a refusal", function()
    command:gives(
      "qcimage share img-12345678 img-0abc12de img-12345678 --with " .. OTHER,
      "IMAGE ID      REQUEST ID\nimg-12345678  REQUEST-ID\nimg-0abc12de  REQUEST-ID\n",
      "",
      0
    )
    local params = server:journal()[1].params
    assert.same({ "SHARE", { OTHER } }, { params.Permission, params.AccountIds })
    local out, err, status = command:run("qcimage share img-nope1234 img-0abc12de --with 100000000003 --output json")
    assert.equal(1, status)
    local results = cjson.decode(out).Results
    assert.same({ "img-nope1234", "InvalidImageId.NotFound", "rejected" }, {
      results[1].ImageId,
      results[1].Error.code,
      results[1].Error.outcome,
    })
    assert.same({ "img-0abc12de", "REQUEST-ID" }, { results[2].ImageId, results[2].Response.RequestId })
    assert.matches("^qcimage: img%-nope1234: ModifyImageSharePermission: InvalidImageId.NotFound: ", err)
    command:gives(
      "qcimage unshare img-12345678 --with " .. OTHER .. " --output text",
      "img-12345678\tREQUEST-ID\n",
      "",
      0
    )
    assert.equal("CANCEL", server:journal()[#server:journal()].params.Permission)
  end)

  it("stops where credentials are at fault", function()
    local _, err, status =
      command:run("qcimage share img-1 img-2 --with " .. OTHER, { environment = { TENCENTCLOUD_SECRET_KEY = "" } })
    assert.equal(4, status)
    assert.equal(1, select(2, err:gsub("ModifyImageSharePermission", "")))
  end)

  it("shares in API 2.0", function()
    local version = " --api-version 2.0 --output text"
    command:gives("qcimage share img-12345678 --with " .. OTHER .. version, "img-12345678\t\n", "", 0)
    command:gives("qcimage unshare img-12345678 --with " .. OTHER .. version, "img-12345678\t\n", "", 0)
    assert.equal("ShareImage CancelShareImage", sent())
  end)

  it("says how to look for a change whose answer is lost", function()
    for line, look in pairs {
      ["modify img-12345678 --name web-09"] = "describe img-12345678",
      ["share img-12345678 --with " .. OTHER] = "call DescribeImageSharePermission --ImageId img-12345678",
      ["unshare img-12345678 --api-version 2.0 --with " .. OTHER] = "call GetImageShareUinInfo --imageIds img-12345678",
      ["copy img-12345678 --to ap-shanghai --to ap-beijing"] = "describe --region ap-shanghai",
      ["delete img-12345678 img-0abc12de --yes"] = "describe img-12345678 img-0abc12de",
      ["create --instance ins-stopped1 --name new-01 --api-version 2.0"] = "describe --all",
    } do
      command:reset()
      server:fault { kind = "dropAfter", count = 9 }
      local out, err, status = command:run("qcimage " .. line)
      assert.same({ "", 8 }, { out, status }, line)
      assert.truthy(err:find(("\nqcimage: qcimage %s shows whether it was made\n"):format(look), 1, true), err)
    end
  end)

  it("copies images, and waits for the copies in their regions", function()
    local out, err, status =
      command:run "qcimage copy img-12345678 img-0abc12de --to ap-shanghai --to ap-beijing --wait --output text"
    assert.same({ "", 0 }, { err, status })
    local ids = {}
    for region, id in out:gmatch "img%-%w+\t(ap%-%w+)\t(img%-%x+)\tREQUEST%-ID\n" do
      ids[#ids + 1] = id
      assert.matches("\tNORMAL\t", (command:run(("qcimage describe %s --region %s --output text"):format(id, region))))
    end
    assert.equal(4, #ids)
    local _, copied = sent():gsub("SyncImages", "")
    assert.equal(2, copied)
  end)

  it("makes an image, and says how to look for it when the answer is lost", function()
    local out, err, status = command:run "qcimage create --instance ins-stopped1 --name new-01 --description x --wait"
    assert.same({ "", 0 }, { err, status })
    local id = out:match "\n(img%-%w+)  REQUEST%-ID\n$"
    assert.equal("NORMAL", image(id).imageState)
    server:fault { kind = "dropAfter", count = 9 }
    out, err, status = command:run 'qcimage create --instance ins-stopped1 --name "it\'s" --output json'
    assert.same({ "", 8 }, { out, status })
    assert.truthy(err:find("qcimage describe --filters image-name='it'\\''s' shows whether it was made", 1, true), err)
    assert.equal("unknown", cjson.decode(err:match "([^\n]*)\n$").outcome)
  end)

  it("deletes images after a question, and waits until they are gone", function()
    command:gives(
      "qcimage delete img-12345678",
      "",
      "qcimage: --yes is needed where there is no terminal to ask on\nqcimage: see qcimage delete --help\n",
      2
    )
    assert.equal("", sent())
    command:gives("qcimage delete img-12345678 --dry-run --output text", "img-12345678\tREQUEST-ID\n", "", 0)
    assert.is_true(server:journal()[1].params.DryRun)
    local question =
      "img-12345678  web-01  NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  sample\nDelete these images? [y/N] "
    for answer, isYes in pairs {
      ["n\n"] = false,
      [""] = false,
      ["yes please\n"] = false,
      [" Y \n"] = true,
      ["yes\n"] = true,
      ["yes"] = true,
    } do
      command:reset()
      local _, err, status = command:run("qcimage delete img-12345678", { columns = 80, input = answer })
      assert.truthy(err:find(question, 1, true), err)
      assert.equal(isYes and 0 or 1, status)
      assert.equal(not isYes, err:find "nothing was changed" ~= nil)
      assert.equal(isYes, image "img-12345678" == nil)
    end
    command:reset()
    command:gives(
      "qcimage delete img-12345678 img-0abc12de --with-snapshots --yes --wait --output text",
      "img-12345678\tREQUEST-ID\nimg-0abc12de\tREQUEST-ID\n",
      "",
      0
    )
    assert.is_nil(image "img-12345678")
    assert.is_true(server:journal()[#server:journal() - 1].params.DeleteBindedSnap)
    command:reset()
    command:gives("qcimage delete img-0abc12de --yes --api-version 2.0 --output text", "img-0abc12de\t\n", "", 0)
    assert.equal("DeleteImages", sent())
  end)

  it("waits no longer than it is told", function()
    server:fault { kind = "lag", lag = 1000, seconds = 1000 }
    local began = command.now
    command:gives(
      "qcimage delete img-12345678 --yes --wait --wait-timeout 5 --output text",
      "img-12345678\tREQUEST-ID\n",
      "qcimage: the time of the wait is over; not gone: img-12345678\n",
      1
    )
    assert.is_true(math.abs(command.now - began - 5) < 0.1)
    command:reset()
    began = command.now
    server:set { createSeconds = 100 }
    local _, err, status =
      command:run "qcimage copy img-12345678 --to ap-shanghai --to ap-beijing --wait --wait-timeout 7"
    assert.equal(1, status)
    assert.is_true(math.abs(command.now - began - 7) < 0.1) -- for both, though here each waits in its turn
    assert.matches(" is SYNCING after 7 s (waited for NORMAL in ap-beijing)", err, 1, true)
    assert.matches(" is SYNCING after 0.001 s (waited for NORMAL in ap-shanghai)", err, 1, true)
    local line = "qcimage copy img-12345678 --to ap-shanghai --to ap-beijing --wait --wait-timeout 7 --name "
    for i, failing in ipairs { "ap-beijing", "ap-shanghai" } do
      local _, _, code = command:run(line .. i, {
        transport = function(request, ...)
          local images = server:images()
          for _, one in ipairs(images) do
            one.imageState = one.imageName == "" .. i and one.region == failing and "IMPORTFAILED" or one.imageState
          end
          server:setImages(images)
          return command.transport(request, ...)
        end,
      })
      assert.equal(6, code, failing)
    end
    _, err, status = command:run("qcimage wait img-making01 --wait-timeout 5", { columns = 60 })
    assert.equal(1, status)
    assert.truthy(err:find("\r\27[K0 of 1 done, 2 s: 1 CREATING\r", 1, true), err)
    assert.truthy(err:find("\r\27[Kqcimage: wait: image img-making01 is CREATING", 1, true), err)
  end)

  it("waits for images, and ends with what became of them", function()
    server:setImages {
      { imageId = "img-00000001", imageName = "a", imageState = "NORMAL" },
      { imageId = "img-00000002", imageName = "b", imageState = "CREATING" },
      { imageId = "img-00000003", imageName = "c", imageState = "CREATEFAILED" },
    }
    assert.matches("\tNORMAL\t", (command:run "qcimage wait img-00000001 --output text"))
    local out, err, status = command:run "qcimage wait img-00000001 --output json"
    assert.same({ "", 0 }, { err, status })
    assert.same({ 1, "img-00000001" }, { cjson.decode(out).TotalCount, cjson.decode(out).ImageSet[1].ImageId })
    command:gives(
      "qcimage wait img-00000001 img-00000002 --wait-timeout 1",
      "",
      "qcimage: wait: image img-00000002 is CREATING after 1 s (waited for NORMAL in ap-guangzhou)\n",
      1
    )
    out, err, status = command:run "qcimage wait img-00000003 --output json"
    assert.same({ "", 6 }, { out, status })
    assert.equal("imageState", cjson.decode(err:match "([^\n]*)\n$").reason)
    local polls = 0
    command:gives(
      "qcimage wait img-00000001 img-00000002 --wait-timeout 20",
      "",
      "qcimage: wait: image img-00000001 no longer exists (waited for NORMAL in ap-guangzhou)\n",
      6,
      {
        transport = function(...)
          polls = polls + 1
          if polls == 2 then
            server:setImages { { imageId = "img-00000002", imageName = "b", imageState = "CREATING" } }
          end
          return command.transport(...)
        end,
      }
    )
    out, err, status = command:run "qcimage wait img-00000009"
    assert.same({ "", 6 }, { out, status })
    assert.matches("^qcimage: wait: image img%-00000009 was not found after 6%d%.?%d* s %(waited for NORMAL in", err)
  end)

  it("says which ids were not found", function()
    local web = "img-12345678\tweb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tsample\n"
    command:gives(
      "qcimage describe img-00000009 img-12345678 --output text",
      web,
      "qcimage: img-00000009 not found\n",
      1
    )
    command:gives("qcimage describe img-00000009", "", "qcimage: img-00000009 not found\n", 6)
    command:gives("qcimage describe nonsense img-12345678 --output text", web, "qcimage: nonsense not found\n", 1)
    command:gives("qcimage describe img-12345678 --state CREATING", "", "qcimage: img-12345678 not found\n", 6)
    local out = command:run "qcimage describe img-00000009 img-12345678 nonsense --output json"
    assert.same({ 1, "img-12345678" }, { cjson.decode(out).TotalCount, cjson.decode(out).ImageSet[1].ImageId })
  end)

  it("lists as many images by their ids as are given", function()
    local images, ids = {}, {}
    for i = 1, 130 do
      ids[i] = ("img-%08x"):format(i)
      images[i] = { imageId = ids[i], imageName = "n" .. i }
    end
    server:setImages(images)
    local line = "qcimage describe --output json " .. table.concat(ids, " ")
    local out, err, status = command:run(line)
    assert.same({ "", 0 }, { err, status })
    local document = cjson.decode(out)
    assert.equal(130, document.TotalCount)
    for i, one in ipairs(document.ImageSet) do
      assert.equal(ids[i], one.ImageId)
    end
    out = command:run(line:gsub("json", "text") .. " --api-version 2.0")
    assert.equal(130, select(2, out:gsub("\n", "")))
  end)

  it("keeps numbers, nulls and names as the service sent them", function()
    local body = '{"Response": {"Big": 12345678901234567890, "Float": 1.50, "None": null, "Empty": [], "Object": {}, '
      .. '"Text": "a\\u0041\\"\\\\ \\u202e", "List": [null, [], {"x": -0.0e5}], "RequestId": "r"}}'
    local out = command:run("qcimage call DescribeImageQuota --output json", { transport = stub.transport(body) })
    for _, text in ipairs {
      '"Big": 12345678901234567890,\n',
      '"Float": 1.50,\n',
      '"None": null,\n',
      '"Empty": [],\n',
      '"Object": {},\n',
      '"Text": "a\\u0041\\"\\\\ \\u202e",\n',
      '"x": -0.0e5\n',
    } do
      assert.truthy(out:find(text, 1, true), text .. out)
    end
  end)

  it("asks nothing of the service that API 2.0 cannot do", function()
    local _, err, status = command:run "qcimage delete img-12345678 --dry-run --yes --api-version 2.0"
    assert.same({ 2, "qcimage: --dry-run needs API 3.0" }, { status, err:match "[^\n]*" })
    _, err, status = command:run "qcimage modify img-12345678 --description '' --api-version 2.0"
    assert.equal(3, status)
    assert.matches("%-%-description is empty, which would change nothing", err)
    assert.equal("", sent())
  end)
end)
