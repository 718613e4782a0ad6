--- The command without a socket: lists of images, and any action, in each form of output.

local cjson = require "cjson"
local here = require "spec.support.command_here"

local STRANGE = {
  { imageId = "img-00000001", imageName = "web\27[2K\rimg-FAKE", imageDescription = "line1\nline2" },
  { imageId = "img-00000002", imageName = "\194\15531m", imageDescription = "abc\226\128\174gnp.exe" },
  { imageId = "img-00000003", imageName = "back\\slash \\x1b", imageDescription = "tab\there\127" },
  {
    imageId = "img-00000004",
    imageName = "网页e\204\129服务器",
    imageDescription = "e\204\129 combining, \240\159\154\128 emoji",
  },
  { imageId = "img-00000005", imageName = "a-long-name-for-a-web-server-2026", imageDescription = "nightly build" },
}

local OF_REGIONS = {
  { imageId = "img-00000001", imageName = "in-guangzhou", region = "ap-guangzhou" },
  { imageId = "img-00000002", imageName = "in-beijing", region = "ap-beijing", imageSize = 4294967295 },
  { imageId = "img-00000003", imageName = "in-shanghai", region = "ap-shanghai" },
}

local function row(region, id, name)
  return ("%s\t%s\t%s\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\t\n"):format(region, id, name)
end
local BEIJING = row("ap-beijing", "img-00000002", "in-beijing")
local GUANGZHOU = row("ap-guangzhou", "img-00000001", "in-guangzhou")
local SHANGHAI = row("ap-shanghai", "img-00000003", "in-shanghai")

describe("The command", function()
  local command = here.new()
  local server = command.server

  before_each(function()
    command:reset()
  end)

  it("lists images as a table", function()
    command:gives(
      "qcimage describe --type ALL",
      [[
IMAGE ID      NAME        STATE     TYPE           CREATED               DESCRIPTION
img-12345678  web-01      NORMAL    PRIVATE_IMAGE  2023-11-14T22:13:20Z  sample
img-0abc12de  db-01       NORMAL    PRIVATE_IMAGE  2023-11-14T22:13:20Z  -
img-making01  making      CREATING  PRIVATE_IMAGE  2023-11-14T22:13:20Z  -
img-foreign1  theirs      NORMAL    SHARED_IMAGE   2023-11-14T22:13:20Z  -
img-public01  CentOS 7.6  NORMAL    PUBLIC_IMAGE   2023-11-14T22:13:20Z  -
]],
      "",
      0
    )
  end)

  it("lists those that were asked for, and as text for pipes", function()
    local web = "img-12345678\tweb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tsample\n"
    local db = "img-0abc12de\tdb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\t\n"
    command:gives("qcimage describe img-12345678 --output text", web, "", 0)
    command:gives(
      "qcimage --output=text describe --filters image-name=web-01 --filters image-name=db-01",
      web .. db,
      "",
      0
    )
    command:gives("qcimage describe --state NORMAL --type PRIVATE_IMAGE --output text", web .. db, "", 0)
    command:gives("qcimage describe --filters image-name=none --output text", "", "", 0)
    command:gives("qcimage describe --limit 1 --output text", web, "qcimage: 1 of 3 images; --all lists all\n", 0)
    command:gives(
      "qcimage describe --offset 1 --limit 1 --output text",
      db,
      "qcimage: 1 of 3 images; --all lists all\n",
      0
    )
    local out, err, status = command:run "qcimage describe --type ALL --all --limit 2 --output text"
    assert.same({ 5, "", 0 }, { select(2, out:gsub("\n", "")), err, status })
  end)

  it("gives one JSON document: what is inside the service's Response", function()
    local out, err, status = command:run "qcimage call DescribeImageQuota --output json"
    assert.equal('{\n  "ImageNumQuota": 500,\n  "RequestId": "REQUEST-ID"\n}\n', out)
    assert.same({ "", 0 }, { err, status })
    out = command:run "qcimage describe --output json"
    assert.truthy(out:find('"SyncPercent": null,\n', 1, true))
    assert.truthy(out:find('"Tags": []\n', 1, true))
    local document = cjson.decode(out)
    assert.same({ 3, 3, "REQUEST-ID" }, { #document.ImageSet, document.TotalCount, document.RequestId })
    out = command:run "qcimage describe --all --limit 2 --output json"
    local all = cjson.decode(out)
    assert.same(document.ImageSet, all.ImageSet)
    assert.same({ 3, nil }, { all.TotalCount, all.RequestId })
    out = command:run "qcimage call DescribeImages --api-version 2.0 --limit 1 --output json"
    assert.same({ 0, 3 }, { cjson.decode(out).code, cjson.decode(out).totalCount })
    out = command:run "qcimage describe --filters image-name=none --output json"
    assert.equal('{\n  "ImageSet": [],\n  "RequestId": "REQUEST-ID",\n  "TotalCount": 0\n}\n', out)
    server:fault { kind = "dropAfter" }
    out = command:run "qcimage modify img-12345678 --name web-07 --output json"
    assert.equal('{\n  "RequestId": "REQUEST-ID"\n}\n', (out:gsub("{}", '{\n  "RequestId": "REQUEST-ID"\n}')))
  end)

  it("calls any action, with the types of its data", function()
    command:gives(
      "qcimage call DescribeImageQuota",
      "FIELD          VALUE\nimageNumQuota  500\nrequestId      REQUEST-ID\n",
      "",
      0
    )
    local one = "qcimage call DescribeImages --output json "
    local function lists(ids, line, input)
      local found = {}
      local out, err = command:run(one .. line, { input = input })
      assert.equal("", err, line)
      for i, image in ipairs(cjson.decode(out).ImageSet) do
        found[i] = image.ImageId
      end
      assert.equal(ids, table.concat(found, " "), line)
    end
    for line, ids in pairs {
      ["--ImageIds img-12345678"] = "img-12345678",
      ["--imageIds=img-12345678 --ImageIds img-0abc12de"] = "img-12345678 img-0abc12de",
      ["--ImageIds '[\"img-12345678\"]'"] = "img-12345678",
      ["--Limit 1 --Offset 2"] = "img-making01",
      ['--Filters \'{"Name": "image-name", "Values": ["db-01"]}\''] = "img-0abc12de",
      ['--Filters \'[{"Name": "image-name", "Values": ["db-01"]}]\''] = "img-0abc12de",
      ["--raw --ImageIds img-0abc12de"] = "img-0abc12de",
      ["--raw --ImageIds img-12345678 --ImageIds img-0abc12de"] = "img-12345678 img-0abc12de",
      ['--raw --Filters \'{"Name": "image-name", "Values": ["db-01"]}\''] = "img-0abc12de",
    } do
      lists(ids, line)
    end
    lists("img-0abc12de", "--cli-input-json -", '{"ImageIds": ["img-0abc12de"], "Limit": 1, "Offset": null}')
    lists("img-0abc12de", "--raw --cli-input-json -", '{"Limit": 1, "Offset": 1}')
    for _, dry in ipairs { "--DryRun", "--DryRun true", "--dryRun=True" } do
      command:gives(
        ("qcimage call DeleteImages %s --ImageIds img-12345678 --output text"):format(dry),
        "requestId\tREQUEST-ID\n",
        "",
        0
      )
      assert.equal("img-12345678", server:images()[1].imageId)
      assert.is_true(server:journal()[#server:journal()].params.DryRun)
    end
    local out =
      command:run [[qcimage sign Any --raw --Number 1 --Names '["a"]' --Names b --Text ' {' --Word=--y --output json]]
    assert.same({ Number = "1", Names = { "a", "b" }, Text = " {", Word = "--y" }, cjson.decode(cjson.decode(out).body))
    out = command:run(
      "qcimage sign Any --raw --cli-input-json - --output json",
      { input = '{"Flag": true, "Count": 3, "None": null}' }
    )
    assert.same({ Flag = true, Count = 3, None = cjson.null }, cjson.decode(cjson.decode(out).body))
  end)

  it("sends no control character to a terminal", function()
    server:setImages(STRANGE)
    local shown = [[
IMAGE ID      NAME                               STATE   TYPE           CREATED               DESCRIPTION
img-00000001  web\x1b[2K\x0dimg-FAKE             NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  line1\x0aline2
img-00000002  \x9b31m                            NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  abc\u202egnp.exe
img-00000003  back\\slash \\x1b                  NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  tab\x09here\x7f
img-00000004  网页e$ACUTE服务器                        NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  e$ACUTE combining, $ROCKET emoji
img-00000005  a-long-name-for-a-web-server-2026  NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  nightly build
]]
    local characters = { ACUTE = "\204\129", ROCKET = "\240\159\154\128" }
    command:gives("qcimage describe", (shown:gsub("$(%u+)", characters)), "", 0)
    command:gives(
      "qcimage describe img-00000002 img-00000003 --output text",
      "img-00000002\t\\x9b31m\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tabc\\u202egnp.exe\n"
        .. "img-00000003\tback\\\\slash \\\\x1b\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\ttab\\x09here\\x7f\n",
      "",
      0
    )
    local out = command:run "qcimage describe --output json"
    assert.not_matches("[%z\1-\9\11-\31\127]", out)
    assert.falsy(out:find("\194\155", 1, true) or out:find("\226\128\174", 1, true))
    for i, image in ipairs(cjson.decode(out).ImageSet) do
      assert.same({ STRANGE[i].imageName, STRANGE[i].imageDescription }, { image.ImageName, image.ImageDescription })
    end
  end)

  it("fits a table into the width of a terminal, and shows that something was cut", function()
    server:setImages(STRANGE)
    command:gives(
      "qcimage describe",
      [[
IMAGE ID      NAME                STATE
img-00000001  web\x1b[2K\x0dimg…  NORMAL
img-00000002  \x9b31m             NORMAL
img-00000003  back\\slash \\x1b   NORMAL
img-00000004  网页é服务器         NORMAL
img-00000005  a-long-name-for-a…  NORMAL
]],
      "qcimage: too narrow for TYPE, CREATED, DESCRIPTION; --output text or json has all\n",
      0,
      { columns = 40 }
    )
    command:gives(
      "qcimage describe img-00000001",
      [[
IMAGE ID      NAME                 STATE   CREATED               DESCRIPTION
img-00000001  web\x1b[2K\x0dimg-…  NORMAL  2023-11-14T22:13:20Z  line1\x0aline2
]],
      "qcimage: too narrow for TYPE; --output text or json has all\n",
      0,
      { columns = 79 }
    )
    local whole = command:run "qcimage describe"
    for _, columns in ipairs { 200, 0 } do -- 0: the width is unknown
      command:gives("qcimage describe", whole, "", 0, { columns = columns })
    end
    local narrow = "qcimage: too narrow for TYPE, CREATED, DESCRIPTION, STATE, NAME; --output text or json has all\n"
    command:gives("qcimage describe img-00000005", "IMAGE ID\nimg-00000005\n", narrow, 0, { columns = 10 })
    local bold = "\27[1mIMAGE ID\27[0m      \27[1mNAME\27[0m"
    for term, isBold in pairs { xterm = true, dumb = false, [""] = false } do
      local out = command:run("qcimage describe", { columns = 200, environment = { TERM = term } })
      assert.equal(isBold, out:find(bold, 1, true) ~= nil, term)
    end
    local _, err = command:run("qcimage describe", { columns = 40, environment = { TERM = "xterm" } })
    assert.matches("^\27%[33mqcimage:\27%[0m too narrow ", err)
  end)

  it("lists the images of each region with their region, without one of its own", function()
    server:setImages(OF_REGIONS)
    command:gives(
      "qcimage describe --all-regions --output text",
      BEIJING .. GUANGZHOU .. SHANGHAI,
      "",
      0,
      { environment = { TENCENTCLOUD_REGION = "" } }
    )
    assert.matches(
      "^REGION        IMAGE ID      NAME  +STATE .*\nap%-beijing    img%-00000002  ",
      (command:run "qcimage describe --all-regions")
    )
    for _, version in ipairs { "3.0", "2.0" } do
      local out = command:run("qcimage describe --all-regions --output json --api-version " .. version)
      local document, found = cjson.decode(out), {}
      for i, image in ipairs(document.ImageSet) do
        found[i] = image.Region .. " " .. (image.ImageId or image.unImgId)
      end
      assert.same({ "ap-beijing img-00000002", "ap-guangzhou img-00000001", "ap-shanghai img-00000003" }, found)
      assert.equal(3, document.TotalCount)
    end
  end)

  it("shows the images of the others where a region fails, and which does: 1", function()
    server:setImages(OF_REGIONS)
    local failure = "qcimage: DescribeImages: UnauthorizedOperation: no [requestId REQUEST-ID] (region ap-bangkok; "
      .. "1 more of the regions failed: ap-beijing)\n"
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    command:gives("qcimage describe --all-regions --output text", GUANGZHOU .. SHANGHAI, failure, 1)
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    local out, err, status = command:run "qcimage describe --all-regions --output json"
    assert.same({ 2, 1 }, { cjson.decode(out).TotalCount, status })
    assert.equal("UnauthorizedOperation", cjson.decode(err:match "([^\n]*)\n$").code)
    -- those that answer have none: this is known, too
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 2 }
    out, err, status = command:run "qcimage describe --all-regions --type SHARED_IMAGE --output json"
    assert.same({ 0, failure, 1 }, { cjson.decode(out).TotalCount, err:match "^[^\n]*\n", status })
  end)

  it("shows nothing where each region fails, and ends as one call does", function()
    server:fault { kind = "error", code = "UnauthorizedOperation", message = "no", count = 100 }
    local out, err, status = command:run "qcimage describe --all-regions --output text"
    assert.same({ "", 6 }, { out, status })
    assert.truthy(err:find("(region ap-bangkok; 15 more of the regions failed: ap-beijing, ", 1, true))
  end)

  it("tells images of one id in several regions apart", function()
    local bodies = {
      ["3.0"] = '{"Response": {"ImageSet": [{"ImageId": "img-1", "OsName": "%s"}], "TotalCount": 1, "RequestId": "r"}}',
      ["2.0"] = '{"code": 0, "imageSet": [{"unImgId": "img-1", "OsName": "%s"}], "totalCount": 1}',
    }
    for version, body in pairs(bodies) do
      local out = command:run("qcimage describe --all-regions --output json --api-version " .. version, {
        transport = function(request)
          local region = request.headers["X-TC-Region"] or request.body:match "Region=([%w-]+)"
          return { status = 200, headers = {}, body = body:format(region) }
        end,
      })
      local list = cjson.decode(out).ImageSet
      assert.is_true(#list > 10)
      for _, image in ipairs(list) do
        assert.equal(image.Region, image.OsName, version)
      end
    end
  end)

  -- Runs a line whose first requests are answered with a list and what else is in the Response.
  local function answered(list, line, count)
    command:reset()
    local body = ('{"Response":{"ImageSet":%s,"TotalCount":1,"RequestId":"r"}}'):format(list)
    server:fault { kind = "status", status = 200, contentType = "application/json", body = body, count = count }
    return command:run("qcimage " .. line)
  end

  it("shows what an answer has in its list beside images as far as it goes", function()
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

  it("shows each field of a list, the ids first", function()
    local list = '[{"Note":"n","ImageId":"img-00000001","Alias":"a"}]'
    assert.equal(
      "imageId       alias  note  snapshotSet  tags\nimg-00000001  a      n     []           []\n",
      (answered(list, "call DescribeImages"))
    )
  end)

  it("reports a change whose answer does not name the new images, and that it cannot wait for them: 1", function()
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
