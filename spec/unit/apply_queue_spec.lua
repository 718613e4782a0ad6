--- The order in which the workers of a run take its steps: covers apply/queue.lua.

local queues = require "qcimage.apply.queue"

local function rename(number, from, to)
  return { imageId = ("img-%08x"):format(number), from = { imageName = from }, to = { imageName = to } }
end

local function regionKey()
  return "gz"
end

local function numbers(steps)
  local list = {}
  for i, step in ipairs(steps) do
    list[i] = step.number
  end
  return list
end

describe("the queue of a run", function()
  it("gives what is due before the rest of the list, from the moment on", function()
    local queue = queues.new({ rename(1, "a", "x"), rename(2, "b", "y"), rename(3, "c", "z") }, regionKey)
    local first = queue:take(0)
    assert.equal(1, first.number)
    first.due = 5
    queue:putOff(first)
    assert.equal(2, queue:take(4.9).number)
    assert.equal(1, queue:take(5).number)
    assert.equal(3, queue:take(5).number)
  end)

  it("says how long it is until the next step is due", function()
    local queue = queues.new({ rename(1, "a", "x"), rename(2, "b", "y") }, regionKey)
    for _, due in ipairs { 7, 6 } do
      local step = queue:take(0)
      step.due = due
      queue:putOff(step)
    end
    assert.same({ nil, 2 }, { queue:take(4) })
    assert.equal(2, queue:take(6).number)
    assert.equal(1, queue:take(7).number)
    assert.same({ nil, math.huge }, { queue:take(7) }) -- both are under way
  end)

  it("gives a step whose name has been freed before all others", function()
    local queue = queues.new({ rename(1, "a", "b2"), rename(2, "b", "a"), rename(3, "c", "z") }, regionKey)
    local first = queue:take(0)
    assert.same({ 1, 3 }, { first.number, queue:take(0).number })
    queue:finish(first, { status = "ok" })
    assert.equal(2, queue:take(0).number)
  end)

  it("ends when all its steps have", function()
    local queue = queues.new({ rename(1, "a", "x") }, regionKey)
    queue:finish(queue:take(0), { status = "failed" })
    assert.same({}, { queue:take(0) })
  end)

  it("shows what comes next: what was released, what is due soon, and the list", function()
    local queue =
      queues.new({ rename(1, "a", "x"), rename(2, "b", "a"), rename(3, "c", "y"), rename(4, "d", "z") }, regionKey)
    local first, third = queue:take(0), queue:take(0)
    queue:finish(first, { status = "ok" })
    third.due = 5
    queue:putOff(third)
    assert.same({ 2, 4 }, numbers(queue:upcoming(8, 4)))
    assert.same({ 2, 3, 4 }, numbers(queue:upcoming(8, 4.8)))
    assert.same({ 2, 3 }, numbers(queue:upcoming(2, 5)))
  end)
end)
