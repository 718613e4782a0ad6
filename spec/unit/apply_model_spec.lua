--- Random histories of runs over a simulated service: lists that lag, answers that are lost, requests that arrive late,
--- processes that are killed, stopped and frozen, other clients. What a run reports is held against the truth. Each rule of
--- apply's core is taken away once: then lies appear, or the model would see nothing.

local history = require "spec.support.apply_model.history"
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
end)
