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

  it("of a chain of thousands needs no deep stack", function()
    local images, changes = catalogue.images(1500), {}
    for i = 1, 1500 do
      changes[i] = { imageId = id(i), imageName = "old-" .. i + 1 }
    end
    start(images)
    assert.matches("^1500:old%-1500>old%-1501 1499:old%-1499>old%-1500 ", planned(changes))
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
end)
