-- qcimage describe over several regions, against an emulator in nginx.
local cjson = require "cjson"
local commands = require "spec.support.command"
local describing = require "qcimage.cli.describe"

local IMAGES = {
  { imageId = "img-00000001", imageName = "in-guangzhou", region = "ap-guangzhou" },
  { imageId = "img-00000002", imageName = "in-beijing", region = "ap-beijing", imageSize = 4294967295 },
  { imageId = "img-00000003", imageName = "in-shanghai", region = "ap-shanghai" },
}

describe("qcimage describe --all-regions", function()
  local command, server

  setup(function()
    command = commands.start()
    server = command.server
  end)

  teardown(function()
    command:stop()
  end)

  before_each(function()
    server:reset()
    server:setImages(IMAGES)
  end)

  local function row(region, id, name)
    return ("%s\t%s\t%s\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\t\n"):format(region, id, name)
  end
  local beijing = row("ap-beijing", "img-00000002", "in-beijing")
  local guangzhou = row("ap-guangzhou", "img-00000001", "in-guangzhou")
  local shanghai = row("ap-shanghai", "img-00000003", "in-shanghai")

  it("lists the images of each region with their region, without one of its own", function()
    assert.same(
      { beijing .. guangzhou .. shanghai, "", 0 },
      { command:shell("qcimage describe --all-regions --output text", "TENCENTCLOUD_REGION=") }
    )
    local out = command:shell "qcimage describe --all-regions | cut -c 1-26"
    assert.equal(
      "REGION        IMAGE ID    \n"
        .. "ap-beijing    img-00000002\nap-guangzhou  img-00000001\nap-shanghai   img-00000003\n",
      out
    )
    for _, version in ipairs { "3.0", "2.0" } do
      out = command:shell("qcimage describe --all-regions --output json --api-version " .. version)
      local document, found = cjson.decode(out), {}
      for i, image in ipairs(document.ImageSet) do
        found[i] = image.Region .. " " .. (image.ImageId or image.unImgId)
      end
      assert.same({ "ap-beijing img-00000002", "ap-guangzhou img-00000001", "ap-shanghai img-00000003" }, found)
      assert.equal(3, document.TotalCount)
    end
  end)

  it("shows the images of the others where a region fails, and which does: 1", function()
    local failure = "qcimage: DescribeImages: UnauthorizedOperation: no [requestId REQUEST-ID] (region ap-bangkok; "
      .. "1 more of the regions failed: ap-beijing)\n"
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    assert.same({ guangzhou .. shanghai, failure, 1 }, { command:shell "qcimage describe --all-regions --output text" })
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    local out, err, status = command:shell "qcimage describe --all-regions --output json"
    assert.same({ 2, 1 }, { cjson.decode(out).TotalCount, status })
    assert.equal("UnauthorizedOperation", cjson.decode(err:match "([^\n]*)\n$").code)
    -- those that answer have none: this is known, too
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    out, err, status = command:shell "qcimage describe --all-regions --type SHARED_IMAGE --output json"
    assert.same({ 0, failure, 1 }, { cjson.decode(out).TotalCount, err:match "^[^\n]*\n", status })
  end)

  it("shows nothing where each region fails, and ends as one call does", function()
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 100 }
    local out, err, status = command:shell "qcimage describe --all-regions --output text"
    assert.same({ "", 6 }, { out, status })
    assert.truthy(err:find("(region ap-bangkok; 15 more of the regions failed: ap-beijing, ", 1, true))
  end)

  it("cannot be combined with a region, nor with ids", function()
    local _, err, status = command:shell "qcimage describe --all-regions --region ap-beijing"
    assert.same({ "qcimage: --region and --all-regions cannot be combined", 2 }, { err:match "^[^\n]*", status })
    _, err, status = command:shell "qcimage describe img-00000001 --all-regions"
    assert.same(2, status)
    assert.truthy(err:find("have no effect beside ids", 1, true))
  end)

  it("tells images of one id in several regions apart", function()
    local client = {
      transport = function(request)
        local body = '{"Response": {"ImageSet": [{"ImageId": "img-00000001", "OsName": "%s"}], "TotalCount": 1}}'
        return { status = 200, headers = {}, body = body:format(request.headers["X-TC-Region"]) }
      end,
    }
    local document, images = describing.collect(client), {}
    for i, region in ipairs { "ap-beijing", "ap-guangzhou" } do
      client.transport { headers = { ["X-TC-Region"] = region } }
      images[i] = { imageId = "img-00000001", region = region }
    end
    local list = cjson.decode(document(images)).ImageSet
    assert.same({ "ap-beijing", "ap-beijing" }, { list[1].Region, list[1].OsName })
    assert.same({ "ap-guangzhou", "ap-guangzhou" }, { list[2].Region, list[2].OsName })
  end)
end)

describe("The command, with an answer that", function()
  local command, server

  setup(function()
    command = commands.start()
    server = command.server
  end)

  teardown(function()
    command:stop()
  end)

  -- Runs a line whose first request is answered with a list and what else is in the Response.
  local function answered(list, line, count)
    server:reset()
    local body = ('{"Response":{"ImageSet":%s,"TotalCount":1,"RequestId":"r"}}'):format(list)
    server:fault { kind = "status", status = 200, contentType = "application/json", body = body, count = count }
    return command:shell("qcimage " .. line)
  end

  it("has something else than images in its list: shown as far as it goes", function()
    for _, list in ipairs {
      '[{"ImageId":"img-00000001"},7]',
      '[{"ImageName":"web"}]',
      '[{"ImageId":null}]',
      '[{"ImageId":{"a":1},"Region":true}]',
      "[true]",
    } do
      for _, output in ipairs { "table", "text", "json" } do
        for _, line in ipairs { "describe", "describe --all", "describe --all-regions", "call DescribeImages" } do
          local out, err, status = answered(list, line .. " --output " .. output, 100)
          assert.same({ "", 0 }, { err, status }, line .. " " .. output .. " " .. list)
          assert.is_true(output ~= "json" or type(cjson.decode(out)) == "table")
        end
      end
    end
  end)

  it("does not name the new images: the change is reported, and that it cannot be waited for: 1", function()
    local cannot = "qcimage: the answer does not name the new image, which cannot be waited for\n"
    for _, list in ipairs { "null", '"x"', "[]", "[7]", '[{"ImageId":"img-00000001"}]', '[{"Region":"ap-shanghai"}]' } do
      assert.same(
        { "img-12345678\t\t\tr\n", cannot, 1 },
        { answered(list, "copy img-12345678 --to ap-shanghai --wait --output text") },
        list
      )
      assert.same(
        { "\tr\n", cannot, 1 },
        { answered(list, "create --instance ins-stopped1 --name new --wait --output text") },
        list
      )
    end
  end)
end)
