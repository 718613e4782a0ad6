--- Random histories of runs over a simulated service: lists that lag, answers that are lost, requests that arrive late,
--- processes that are killed, stopped and frozen, other clients. What a run reports is held against the truth. Each rule of
--- apply's core is taken away once: then lies appear, or the model would see nothing.

local execute = require "qcimage.apply.execute"
local history = require "spec.support.apply_model.history"
local services = require "spec.support.apply_model.service"
local simulations = require "spec.support.apply_model.simulation"
local times = require "qcimage.apply.times"

local SEEDS = tonumber(os.getenv "QCIMAGE_APPLY_SEEDS") or 2000

local function examplesOf(played)
  local parts = {}
  for name, examples in pairs(played.examples) do
    parts[#parts + 1] = name .. ": " .. table.concat(examples, ", ")
  end
  return table.concat(parts, "\n")
end

-- The lies of some seeds with other times.
local function liesWith(changed, first, last, weakness)
  local kept = {}
  for name, value in pairs(changed) do
    kept[name], times[name] = times[name], value
  end
  local ok, played = pcall(history.playAll, first, last, nil, weakness)
  for name, value in pairs(kept) do
    times[name] = value
  end
  assert(ok, played)
  return played.lies
end

describe("apply in a model of the service", function()
  it("tells no lie, and sends nothing that it has not looked at within a second", function()
    local played = history.playAll(1, SEEDS)
    assert.equal(0, played.lies, examplesOf(played))
    assert.is_true(played.oldest < 1.001, played.oldest)
    local counts = played.counts
    for _, status in ipairs { "ok", "unchanged", "failed", "unknown", "conflict", "skipped" } do
      assert.is_true(counts[status] > 0, status)
    end
    assert.is_true(counts.operations > 1.5 * SEEDS)
  end)

  it("would lie if a list were believed at once", function()
    assert.is_true(liesWith({ LAG = 0 }, 1, 50) > 5)
  end)

  it("would lie if a look were good for twenty seconds", function()
    assert.is_true(liesWith({ AGE = 20 }, 200, 450) > 1)
  end)

  it("would lie if a request that was given up could not arrive any more", function()
    assert.equal(1, liesWith({ LATE = 0 }, 2408, 2408))
    assert.equal(1, liesWith({ LATE = 0 }, 2528, 2528))
  end)

  it("would lie if the journal's ends were not believed", function()
    assert.is_true(liesWith({}, 1, 50, "endsNotBelieved") > 1)
  end)

  it("waits in line for a rate of few changes a minute, which is no failure", function()
    local simulation = simulations.new(1)
    local none = setmetatable({ rate = 9.7, latency = 0.1, lag = 0, lagKind = "none" }, {
      __index = function()
        return 0
      end,
    })
    local service = services.new(simulation, none)
    local process = simulation:process(8)
    local adapter = service:adapter(process, {})
    local steps, free, executed = {}, 0, nil
    for i = 1, 16 do
      local id = "img-" .. i
      service:add(id, "old-" .. i, "")
      steps[i] = { imageId = id, from = { imageName = "old-" .. i }, to = { imageName = "new-" .. i } }
    end
    adapter.interval = 20
    function adapter.acquire(_, _, longest, sleep)
      local slot = math.max(free, simulation.now)
      if slot - simulation.now > longest then
        return nil, { message = "no slot", reason = "throttled", kind = "service", outcome = "notSent" }
      end
      free = slot + adapter.interval
      return sleep(slot - simulation.now)
    end
    process.spawn(function()
      executed = execute.run(adapter, steps, {})
    end)
    simulation:run(function()
      return executed ~= nil
    end)
    for i, result in ipairs(executed.results) do
      assert.equal("ok", result.status, i)
    end
    assert.is_true(simulation.now < 320, simulation.now)
  end)
end)
