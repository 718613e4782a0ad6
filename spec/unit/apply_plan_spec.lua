--- Plans of many modifications: against the images as they are, in an order in which each name is free.

local catalogue = require "spec.support.catalogue"

local id = catalogue.id

-- Changes of names, by number.
local function renames(names)
  local list = {}
  for number = 1, 99 do
    if names[number] then
      list[#list + 1] = { imageId = id(number), imageName = names[number] }
    end
  end
  return list
end

describe("a plan", function()
  local client, service

  local function start(images, options)
    client, service = catalogue.client(images, options)
  end

  -- The steps of a plan, "1:a>b", or the faults.
  local function planned(changes, options)
    local all = { dryRun = true }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    local report, _, err = client:apply(changes, all)
    assert.equal("", catalogue.applied(service))
    if not report then
      return table.concat(err.lines, "\n")
    end
    local parts = {}
    for i, step in ipairs(report.plan.steps) do
      parts[i] = ("%d:%s>%s"):format(
        tonumber(step.imageId:match "%d+$"),
        step.from.imageName or "",
        step.to.imageName or ""
      )
    end
    return table.concat(parts, " ")
  end

  local function made(changes, options)
    local report, message = client:apply(changes, options)
    assert(report, message)
    assert.equal(report.total, report.ok + report.unchanged)
    return catalogue.applied(service)
  end

  it("holds no change that is there already", function()
    start(catalogue.named("a", "b", "c"))
    assert.equal("2:b>x", planned(renames { "a", "x", "c" }))
    local report = assert(client:apply(renames { "a", "x", "c" }))
    assert.same({ 3, 1, 2 }, { report.total, report.ok, report.unchanged })
    report = assert(client:apply(renames { "a", "x", "c" }))
    assert.same({ 0, 3 }, { report.ok, report.unchanged })
  end)

  it("frees a name before another image takes it", function()
    start(catalogue.named("a", "b", "c", "d", "e"))
    assert.equal("5:e>f 4:d>e 3:c>d 2:b>c 1:a>b", planned(renames { "b", "c", "d", "e", "f" }))
    assert.equal("5=f 4=e 3=d 2=c 1=b", made(renames { "b", "c", "d", "e", "f" }))
  end)

  it("of a chain of thousands needs no deep stack", function()
    local images, changes = catalogue.images(1500), {}
    for i = 1, 1500 do
      changes[i] = { imageId = id(i), imageName = "old-" .. i + 1 }
    end
    start(images)
    assert.matches("^1500:old%-1500>old%-1501 1499:old%-1499>old%-1500 ", planned(changes))
  end)

  it("of a circle needs a temporary name, and takes one only when told", function()
    start(catalogue.named("a", "b", "c", "x"))
    local circle = renames { "b", "c", "a" }
    local faults = planned(circle)
    assert.equal(
      "change 1: img-00000001: the names form a cycle (img-00000001, img-00000002, img-00000003): "
        .. "option temporaryNames lets one image have another name for a moment",
      faults:match "^[^\n]*"
    )
    assert.equal(3, select(2, faults:gsub("cycle", "")))
    assert.equal("1:a>tmp-00000001 3:c>a 2:b>c 1:tmp-00000001>b", planned(circle, { temporaryNames = true }))
    assert.equal("1=tmp-00000001 3=a 2=c 1=b", made(circle, { temporaryNames = true }))
    start(catalogue.named("a", "b", "tmp-00000001"))
    assert.equal("1=tmp-00000001-1 2=a 1=b", made(renames { "b", "a" }, { temporaryNames = true }))
    start(catalogue.named("a", "b", "c"))
    local report = assert(client:apply(renames { "b", "a", "d" }, { continue = true }))
    assert.same({ 1, 2 }, { report.ok, report.failed })
    assert.equal("a b d", catalogue.names(service))
  end)

  it("tells what cannot be changed, and why", function()
    local images = catalogue.named("a", "b", "c", "d", "e")
    images[2].imageType, images[3].imageState, images[4].imageType = "SHARED_IMAGE", "CREATING", "PUBLIC_IMAGE"
    start(images)
    assert.equal(
      'change 1: img-00000001: the name "c" is that of img-00000003, which is CREATING\n'
        .. "change 2: img-00000002: belongs to another account, which shares it: it cannot be changed\n"
        .. "change 3: img-00000003: is CREATING: it cannot be changed now\n"
        .. "change 4: img-00000004: is a PUBLIC_IMAGE: it cannot be changed\n"
        .. "change 5: img-00000009: not found",
      planned(renames { "c", "x", "y", "z", nil, nil, nil, nil, "w" })
    )
    local _, message, err = client:apply(renames { "e" })
    assert.equal('change 1: img-00000001: the name "e" is that of img-00000005; nothing was sent', message)
    assert.same({ "service", "nameTaken", "notSent" }, { err.kind, err.reason, err.outcome })
    -- whoever waits for a name that stays taken cannot go, either
    assert.matches(
      'change 2: img%-00000001: the name "e" is that of img%-00000005$',
      planned { { imageId = id(5), imageName = "c" }, { imageId = id(1), imageName = "e" } }
    )
  end)

  it("looks at twenty images that are not the account's own, and says of the rest what it knows", function()
    start(catalogue.named "a")
    local list = {}
    for i = 1, 21 do
      list[i] = { imageId = id(100 + i), imageName = "n" .. i }
    end
    local faults = planned(list)
    assert.matches("change 20: img-00000120: not found\n", faults, 1, true)
    assert.matches("change 21: img%-00000121: is not among the images of this account$", faults)
  end)

  it("keeps regions apart", function()
    local images = catalogue.named("a", "a")
    images[1].region, images[2].region = "ap-guangzhou", "ap-beijing"
    start(images)
    assert.equal(
      "1:a>b 2:a>b",
      planned { { imageId = id(1), imageName = "b" }, { imageId = id(2), imageName = "b", region = "ap-beijing" } }
    )
    assert.equal("change 1: img-00000001: not found in ap-beijing", planned(renames { "b" }, { region = "ap-beijing" }))
    assert.matches(
      "^change 1: img%-00000001: occurs twice",
      planned {
        { imageId = id(1), imageName = "b" },
        { imageId = id(1), imageName = "c", region = "gz" },
      }
    )
    local refused = "there is no region ap-nowhere (in ap-nowhere, from %s) [requestId"
    local _, message = client:apply { { imageId = id(1), imageName = "b", region = "ap-nowhere" } }
    assert.matches(refused:format "the list", message, 1, true)
    _, message = client:apply(renames { "b" }, { region = "ap-nowhere" })
    assert.matches(refused:format "option region", message, 1, true)
  end)

  it("tells what cannot be taken back", function()
    local images = catalogue.named("a b", "c")
    images[1].imageDescription, images[2].imageDescription = "", "plain"
    start(images, { apiVersion = "2.0" })
    local report = assert(client:apply({
      { imageId = id(1), imageName = "ab", imageDescription = "text" },
      { imageId = id(2), imageName = "cd", imageDescription = "text" },
    }, { dryRun = true }))
    assert.same({ "imageName", "imageDescription" }, report.plan.steps[1].cannotUndo)
    assert.is_nil(report.plan.steps[2].cannotUndo)
    start(images)
    report =
      assert(client:apply({ { imageId = id(1), imageFamily = "web", imageDeprecated = true } }, { dryRun = true }))
    assert.same({ "imageFamily" }, report.plan.steps[1].cannotUndo)
  end)

  it("can be kept, and is refused where the images have changed since", function()
    start(catalogue.images(5))
    local wanted = renames { "plan-1", "plan-2", "plan-3", "plan-4", "plan-5" }
    local plan = assert(client:apply(wanted, { dryRun = true })).plan
    local written = require("qcimage.apply.plan_format").write(plan, "plan")
    assert(client:modify { imageId = id(2), imageName = "by-hand" })
    local report, message, err = client:apply(written)
    assert.is_nil(report)
    assert.equal(
      'line 2: img-00000002: imageName is "by-hand", and was "old-2" when the plan was made; nothing was sent',
      message
    )
    assert.equal("conflict", err.reason)
    assert(client:modify { imageId = id(2), imageName = "old-2" })
    assert(client:modify { imageId = id(1), imageName = "plan-1" }) -- as a run that was killed left it
    assert.equal(4, assert(client:apply(plan)).ok)
    assert.same({ 0, 5 }, { assert(client:apply(written)).ok, client:apply(written).unchanged })
    assert.equal("plan-1 plan-2 plan-3 plan-4 plan-5", catalogue.names(service))
  end)

  it("is of one region, one cloud and one version, and whole", function()
    start(catalogue.images(2))
    local planfile = require "qcimage.apply.plan_format"
    local plan = assert(client:apply(renames { "x", "y" }, { dryRun = true })).plan
    local written = planfile.write(plan, "plan")
    local function refused(text)
      local report, message = client:apply(text)
      assert.is_nil(report)
      return message
    end
    assert.matches("sha256", refused((written:gsub('"y"', '"z"'))))
    assert.matches(
      "has the format 2, and this version of qcimage knows format 1",
      refused((written:gsub('"format":1', '"format":2')))
    )
    assert.matches("ends before its step 2 of 2", refused(written:match "^[^\n]*\n[^\n]*\n"))
    assert.equal("the plan has an invalid step 1; nothing was sent", refused { steps = { {} } })
    assert.equal("the plan has an invalid step 1; nothing was sent", refused { steps = 7 })
    for field, values in pairs {
      imageId = { "", 7 },
      line = { "two", 1.5, -1, 1e300, {} },
      region = { "", 7, {} },
      from = { 7, { imageName = {} }, { imageState = "NORMAL" } },
      to = { {}, "x", { imageName = {} }, { imageId = id(2) } },
      cannotUndo = { "imageName", { 7 } },
    } do
      for _, value in ipairs(values) do
        local step = { imageId = id(1), from = { imageName = "name-1" }, to = { imageName = "x" } }
        step[field] = value
        assert.equal("the plan has an invalid step 1; nothing was sent", refused { steps = { step } }, field)
      end
    end
    for _, field in ipairs { "apiVersion", "region", "endpoint", "account" } do
      local expected = ("the plan has an invalid %s; nothing was sent"):format(field)
      assert.equal(expected, refused { steps = {}, [field] = {} })
    end
    assert.matches("is the journal of a run", refused(planfile.write(plan, "journal")))
    client = catalogue.client(catalogue.images(2), { region = "ap-beijing" })
    assert.equal("the plan was made for region ap-guangzhou, but the client uses ap-beijing", refused(written))
    assert.equal(
      "the plan was made for another region, but the client uses ap-beijing",
      refused { steps = {}, apiVersion = "3.0" }
    )
    client = catalogue.client(catalogue.images(2), { apiVersion = "2.0" })
    assert.matches("the plan was made for apiVersion 3.0", refused(written))
  end)

  it("needs no more than the pages of the list, and changes nothing by itself", function()
    start(catalogue.images(250))
    local wanted = {}
    for i = 1, 250 do
      wanted[i] = "new-" .. i
    end
    for i = 1, 99 do
      wanted[i] = "new-" .. i
    end
    assert(client:apply(renames(wanted), { dryRun = true }))
    assert.equal(3, #(service:journal()))
    for _, entry in ipairs((service:journal())) do
      assert.equal("DescribeImages", entry.action)
    end
  end)
end)
