--- The command's line of progress.

local progress = require "qcimage.cli.progress"

describe("a line of progress", function()
  it("tells rate and time left of this run alone, once it knows them", function()
    local function line(done, sent, seconds, failed, total)
      return progress.line({ total = total or 1000, done = done, failed = failed or 0, sent = sent }, seconds)
    end
    assert.equal("400 of 1000 done", line(400, 0, 0))
    assert.equal("404 of 1000 done", line(404, 4, 3))
    assert.equal("410 of 1000 done", line(410, 10, 1))
    assert.equal("450 of 1000 done, 10.0 a second, 55 s left", line(450, 50, 5))
    assert.equal("450 of 1000 done, 2 failed, 1.0 a second, 9 min 8 s left", line(450, 50, 50, 2))
    assert.equal("600 of 100000 done, 1.0 a second, 27 h 36 min left", line(600, 600, 600, 0, 100000))
    assert.equal("1000 of 1000 done, 10.0 a second", line(1000, 600, 60))
    assert.equal("0 of 0 done", line(0, 0, 0, 0, 0))
  end)

  it("takes the place of the last one, not too often, and goes", function()
    local written, now = {}, 0
    local tell, clear = progress.new(function(text)
      written[#written + 1] = text
    end, function()
      return now
    end, function()
      return 40
    end)
    for i = 1, 100 do
      now = i / 100
      tell { total = 100, done = i - 1, failed = 1, sent = i }
    end
    assert.is_true(#written <= 12, #written)
    assert.equal("\r0 of 100 done, 1 failed", written[1])
    assert.equal("\r99 of 100 done, 1 failed", written[#written])
    clear()
    assert.equal("\r" .. (" "):rep(24) .. "\r", written[#written - 1] .. written[#written])
    local columns = 10
    tell, clear = progress.new(function(text)
      written[#written + 1] = text
    end, function()
      return now
    end, function()
      return columns
    end)
    local before = #written
    clear()
    assert.equal(before, #written)
    tell { total = 100, done = 1, failed = 0, sent = 1 }
    assert.equal("\r1 of 100 ", written[#written])
    columns, now = 5, now + 1 -- the terminal was made narrower: no more than its width is written
    tell { total = 100, done = 2, failed = 0, sent = 2 }
    assert.equal("\r2 of", written[#written])
    clear()
    assert.equal("\r    \r", written[#written - 1] .. written[#written])
  end)

  it("says what holds the run, at once", function()
    local written, now = {}, 0
    local tell = progress.new(function(text)
      written[#written + 1] = text
    end, function()
      return now
    end, function()
      return 0
    end)
    for _, one in ipairs {
      { {}, "\r5 of 10 done" },
      { { held = "throttled" }, "\r5 of 10 done, throttled, retrying" },
      { { held = "unreachable" }, "\r5 of 10 done, no answer, retrying" },
      { { held = "rate" }, "\r5 of 10 done, waiting for the rate, which others share" },
      { { phase = "confirming" }, "\r5 of 10 done, confirming" .. (" "):rep(30) },
    } do
      tell { total = 10, done = 5, failed = 0, sent = 5, held = one[1].held, phase = one[1].phase }
      assert.equal(one[2], written[#written])
    end
  end)

  it("is a line a minute where there is no terminal", function()
    local written, now = {}, 1000
    local tell, clear = progress.new(function(text)
      written[#written + 1] = text
    end, function()
      return now
    end, function() end)
    for i = 1, 150 do
      now = 1000 + i
      tell { total = 1500, done = 10 * i, failed = 0, sent = 10 * i, held = i > 100 and "throttled" or nil }
    end
    clear()
    assert.same({
      "qcimage: 600 of 1500 done, 10.0 a second, 1 min 30 s left\n",
      "qcimage: 1200 of 1500 done, throttled, retrying\n",
    }, written)
  end)
end)
