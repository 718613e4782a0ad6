--- How many changes of `apply` are in flight: several, or one where a function of the caller's may wait by a scheduler of its
--- own; the limiter that runs of one process share; and the workers of a run.

local adapters = require "qcimage.apply.adapter"
local drivers = require "qcimage.apply.driver"
local environments = require "qcimage.util.environment"
local image = require "qcimage"
local limiter = require "qcimage.limiter"
local tasks = require "qcimage.util.tasks"

local MANY = tasks.isParallel() and 8 or 1 -- PUC 5.1 has no tasks

local function client(options, id)
  local all = { apiVersion = "3.0", region = "gz", secretId = id or "AKIDone", secretKey = "key" }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  if all.credentials then
    all.secretId, all.secretKey = nil, nil
  end
  return image.new(all)
end

local function nothing() end

describe("apply has in flight", function()
  it("eight changes, or as many as it is told", function()
    assert.equal(MANY, adapters.new(client(), {}).driver.count)
    assert.equal(math.min(MANY, 3), adapters.new(client(), { concurrency = 3 }).driver.count)
    assert.equal(1, adapters.new(client(), { concurrency = 1 }).driver.count)
    for _, wrong in ipairs { 0, 17, 1.5, "8", 0 / 0 } do
      assert.is_false(pcall(client().apply, client(), {}, { concurrency = wrong }))
    end
  end)

  it("one change where the client has a function of the caller's", function()
    for name, value in pairs {
      transport = nothing,
      sleep = nothing,
      clock = os.time,
      credentials = function()
        return { secretId = "a", secretKey = "b" }
      end,
      limiter = function()
        return 0
      end,
    } do
      assert.equal(1, adapters.new(client { [name] = value }, {}).driver.count, name)
    end
    assert.equal(1, adapters.new(client { limiter = limiter.redis { eval = nothing } }, {}).driver.count)
    assert.equal(MANY, adapters.new(client { limiter = limiter.memory {} }, {}).driver.count)
    assert.equal(MANY, adapters.new(client { onAttempt = nothing }, {}).driver.count)
  end)

  it("several changes in nginx, though the client has functions: but one where the time is the caller's", function()
    local before = environments.isNginx
    environments.isNginx = true
    finally(function()
      environments.isNginx = before
    end)
    local function countOf(options)
      return drivers.of(client(options), limiter.memory {}, nil, nothing).count
    end
    assert.equal(MANY, countOf { transport = nothing })
    assert.equal(1, countOf { sleep = nothing })
    assert.equal(1, countOf { clock = os.time })
  end)

  it("its workers beside each other, which wait and wake each other", function()
    local driver = drivers.of(client(), limiter.memory {}, 4, function(seconds)
      return tasks.sleep(seconds) or true
    end)
    local steps, isOpen = {}, false
    driver.run(driver.count, function()
      steps[#steps + 1] = "begin"
      if #steps == driver.count then
        isOpen = true
        driver.wake()
      end
      while not isOpen do
        assert(driver.park(5))
      end
      steps[#steps + 1] = "end"
    end, nothing)
    assert.equal(("begin "):rep(driver.count) .. ("end "):rep(driver.count), table.concat(steps, " ") .. " ")
  end)

  it("no worker left when one of them fails", function()
    local driver = drivers.of(client(), limiter.memory {}, 4, function(seconds)
      return tasks.sleep(seconds) or true
    end)
    local ended, begun = 0, 0
    local ok, thrown = pcall(driver.run, driver.count, function()
      begun = begun + 1
      if begun == 1 then
        error({ "a fault of ours" }, 0)
      end
      driver.park(0.01)
      ended = ended + 1
    end, nothing)
    assert.is_false(ok)
    assert.same({ "a fault of ours" }, thrown)
    assert.equal(driver.count - 1, ended)
  end)
end)

describe("the limiter of apply", function()
  it("is shared by the runs of a process with the same key and endpoint", function()
    local function waitOf(one, settings)
      local waited = 0
      assert(adapters.new(one, settings or {}).acquire({ imageId = "img-00000001" }, nil, 60, function(seconds)
        waited = waited + seconds
        return true
      end))
      return waited
    end
    assert.equal(0, waitOf(client({}, "AKIDshared")))
    assert.is_true(waitOf(client({}, "AKIDshared")) > 0.05)
    assert.equal(0, waitOf(client({}, "AKIDother")))
    assert.equal(0, waitOf(client({ endpoint = "http://127.0.0.1:1" }, "AKIDshared")))
    assert.equal(0, waitOf(client({}, "AKIDrate"), { rate = 2 }))
    assert.is_true(waitOf(client({}, "AKIDrate"), { rate = 2 }) > 0.4)
    assert.is_true(waitOf(client({}, "AKIDshared"), { rate = 2 }) > 0.05) -- what other runs leave of the whole rate
    assert.is_true(waitOf(client({}, "AKIDrate")) > 0.05)
    assert.is_true(waitOf(client({}, "AKIDshared"), { rate = 9.7 }) > 0.05)
    assert.equal(0, waitOf(client({}, "AKIDshared"), { rate = 100 })) -- which a higher one replaces
    local own = client { limiter = limiter.memory {} }
    assert.equal(0, waitOf(own))
    assert.is_true(waitOf(own) > 0.05)
    assert.has_error(function()
      own:apply({}, { rate = 5 })
    end)
  end)
end)
