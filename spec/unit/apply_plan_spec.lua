--- Plans of many modifications: long ones, and those that are no plan of this client's. Their order, and what cannot be
--- changed, stand in the sessions apply_lists and apply_runs.

local adapters = require "qcimage.apply.adapter"
local catalogue = require "spec.support.catalogue"
local planfile = require "qcimage.apply.plan_format"

local id = catalogue.id

describe("a plan", function()
  it("of a chain of thousands needs no deep stack", function()
    local client = catalogue.client(catalogue.images(1500))
    local changes = {}
    for i = 1, 1500 do
      changes[i] = { imageId = id(i), imageName = "old-" .. i + 1 }
    end
    local steps = assert(client:apply(changes, { dryRun = true })).plan.steps
    for i, step in ipairs(steps) do
      assert.equal(id(1501 - i), step.imageId)
    end
    assert.equal(1500, #steps)
  end)

  it("names the journal where the service refuses a region of it", function()
    local client = catalogue.client(catalogue.images(1))
    local _, err = adapters.new(client, { resume = "old.journal" }).describeByIds({ id(1) }, "ap-nowhere")
    assert.matches("there is no region ap-nowhere (in ap-nowhere, from the journal)", err.message, 1, true)
  end)

  it("is of one region, one cloud and one version, and whole", function()
    local client = catalogue.client(catalogue.images(2))
    local changes = { { imageId = id(1), imageName = "x" }, { imageId = id(2), imageName = "y" } }
    local plan = assert(client:apply(changes, { dryRun = true })).plan
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
