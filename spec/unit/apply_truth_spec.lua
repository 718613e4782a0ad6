--- What apply reports and does where the list of images lags, other clients change images, answers are lost, and a journal
--- tells of an earlier run. The emulator's request log is the truth.

local catalogue = require "spec.support.catalogue"
local cloud = require "spec.support.cloud"

local id = catalogue.id

describe("apply", function()
  local folder, write
  local serial = 0
  local client, service, time, journal

  setup(function()
    folder, write = cloud.folder()
  end)

  teardown(function()
    cloud.remove(folder)
  end)

  local function start(count, options)
    client, service, time = catalogue.client(catalogue.images(count), options)
    client.random = function()
      return 1
    end
  end

  before_each(function()
    serial = serial + 1
    journal = ("%s/%d.journal"):format(folder, serial)
  end)

  local function lag(seconds)
    service:fault { kind = "lag", lag = seconds, count = 1e6 }
    time.now = time.now + seconds + 1
  end

  local function renames(count, label)
    local list = {}
    for i = 1, count do
      list[i] = { imageId = id(i), imageName = (label or "new-") .. i }
    end
    return list
  end

  -- Calls a function before the nth request of an action.
  local function before(action, number, run)
    local carry, count = client.transport, 0
    client.transport = function(request, seconds)
      if request.headers["X-TC-Action"] == action then
        count = count + 1
        if count == number then
          local response, message, detail = run(request)
          if response or message then
            return response, message, detail
          end
        end
      end
      return carry(request, seconds)
    end
    return function()
      return count
    end
  end

  local function otherClient(number, name)
    local other = catalogue.client({}, { transport = client.transport, clock = client.clock })
    assert(other:modify { imageId = id(number), imageName = name })
  end

  local function refusal(code)
    return {
      status = 200,
      headers = {},
      body = ('{"Response":{"Error":{"Code":"%s","Message":"no"},"RequestId":"r"}}'):format(code),
    }
  end

  describe("where the list lags by four seconds,", function()
    before_each(function()
      start(2)
      lag(4)
    end)

    it("ends when the list shows what it changed", function()
      local began = time.now
      assert.equal(2, assert(client:apply(renames(2))).ok)
      assert.is_true(time.now - began >= 3.5 and time.now - began <= 5.5, time.now - began)
      assert.equal("new-1", assert(client:describe { imageIds = { id(1) } }).imageSet[1].imageName)
    end)

    it("sets back at once what was set a moment before", function()
      assert.equal(1, assert(client:apply { { imageId = id(1), imageName = "green" } }).ok)
      local report = assert(client:apply { { imageId = id(1), imageName = "old-1" } })
      assert.same({ 1, 0 }, { report.ok, report.unchanged })
      assert.equal("old-1 old-2", catalogue.names(service))
    end)

    it("does not believe a list that shows what is wanted, as long as that may be what was before", function()
      assert(client:modify { imageId = id(1), imageName = "green" }) -- by another program: nothing was confirmed
      local report = assert(client:apply { { imageId = id(1), imageName = "old-1" } })
      assert.same({ 0, 1 }, { report.unchanged, report.conflict })
      assert.matches('imageName is "green", not "old%-1": modified concurrently', report.results[1].message)
      assert.equal("green old-2", catalogue.names(service))
    end)

    it("rolls back at once", function()
      assert(client:apply(renames(2), { journal = journal }))
      local report = assert(client:apply(nil, { undo = journal }))
      assert.same({ 2, 0 }, { report.ok, report.unchanged })
      assert.equal("old-1 old-2", catalogue.names(service))
    end)

    it("rolls back the second of two runs to what the first one set", function()
      assert(client:apply { { imageId = id(1), imageName = "b" } })
      assert(client:apply({ { imageId = id(1), imageName = "c" } }, { journal = journal }))
      time.now = time.now + 60
      assert.equal(1, assert(client:apply(nil, { undo = journal })).ok)
      assert.equal("b old-2", catalogue.names(service))
    end)

    it("sees within its time what another client changed long before", function()
      local done = 0
      local report = assert(client:apply(renames(2), {
        stop = function()
          if done == 0 and #catalogue.applied(service) > 0 then
            done = 1
            time.now = time.now + 30
          end
        end,
      }))
      assert.equal(2, report.ok)
    end)
  end)

  it("looks again before a further attempt: what another client set meanwhile stays", function()
    start(1)
    before("ModifyImageAttribute", 1, function()
      otherClient(1, "by-hand")
      return refusal "RequestLimitExceeded"
    end)
    local report = assert(client:apply(renames(1), { journal = journal }))
    assert.same({ 1, "conflict" }, { report.conflict, report.results[1].status })
    assert.equal("by-hand", catalogue.names(service))
    assert.equal(0, assert(client:apply(nil, { undo = journal })).total)
  end)

  it("tells a change that was overtaken after a lost answer as unknown", function()
    start(1)
    before("ModifyImageAttribute", 1, function()
      otherClient(1, "by-hand")
      return nil, "gone", { reason = "closed", sent = true }
    end)
    local report = assert(client:apply(renames(1), { journal = journal }))
    assert.equal("unknown", report.results[1].status)
    assert.equal("by-hand", catalogue.names(service))
  end)

  it("never tells a change as failed that a lost answer may have made", function()
    start(1)
    local isFirst = true
    local carry = client.transport
    client.transport = function(request, seconds)
      if request.headers["X-TC-Action"] == "DescribeImages" then
        return carry(request, seconds)
      elseif isFirst then
        isFirst = false
        service:fault { kind = "lag", lag = 3, count = 100 }
        assert(carry(request, seconds))
        return nil, "gone", { reason = "closed", sent = true }
      end
      return refusal "UnauthorizedOperation"
    end
    local report = assert(client:apply(renames(1)))
    assert.equal("ok", report.results[1].status)
    assert.equal("new-1", catalogue.names(service))
  end)

  it("ends within eighty seconds where nothing is ever answered, after few attempts", function()
    start(20)
    local attempts = 0
    local carry = client.transport
    client.transport = function(request, seconds)
      if request.headers["X-TC-Action"] == "ModifyImageAttribute" then
        attempts = attempts + 1
        time.now = time.now + 10
        return nil, "no answer", { reason = "timeout", sent = true }
      end
      return carry(request, seconds)
    end
    local began = time.now
    local report = assert(client:apply(renames(20)))
    assert.same({ 1, 19 }, { report.unknown, report.skipped })
    assert.is_true(time.now - began <= 80, time.now - began)
    assert.is_true(attempts <= 30, attempts)
    assert.matches("the service was unreachable for 60 s", report.stopped)
  end)

  it("says that a throttle by HTTP's status is one, and how long the service asks to wait", function()
    start(3)
    before("ModifyImageAttribute", 1, function()
      return { status = 429, headers = { ["retry-after"] = "120" }, body = "slow down" }
    end)
    local began, held = time.now, nil
    local report = assert(client:apply(renames(3), {
      onProgress = function(progress)
        held = held or progress.held
      end,
    }))
    assert.same({ 1, 2 }, { report.failed, report.skipped })
    assert.matches("^throttled: the service asks to wait 120 s: ModifyImageAttribute: ", report.stopped)
    assert.equal("throttled", held)
    assert.is_true(time.now - began < 10, time.now - began)
  end)

  it("looks again after the machine was suspended", function()
    start(2)
    local report = assert(client:apply(renames(2), {
      onProgress = function(progress)
        if progress.done == 1 and progress.sent == 1 and not progress.phase then
          time.now = time.now + 3600
          otherClient(2, "by-hand")
        end
      end,
    }))
    assert.same({ 1, 1 }, { report.ok, report.conflict })
    assert.equal("new-1 by-hand", catalogue.names(service))
  end)

  it("signs again at once after a refused clock", function()
    start(1)
    local sent = {}
    local attempts = before("ModifyImageAttribute", 1, function()
      sent[1] = time.now
      local refused = refusal "AuthFailure.SignatureExpire"
      refused.headers = { date = os.date("!%a, %d %b %Y %H:%M:%S GMT", time.now + 100) }
      return refused
    end)
    local report = assert(client:apply(renames(1)))
    assert.same({ 1, 2 }, { report.ok, attempts() })
    assert.is_true(time.now - sent[1] < 0.5, time.now - sent[1]) -- no backoff
  end)

  it("gives up where the clock is refused after two corrections", function()
    start(1)
    local carry, count = client.transport, 0
    client.transport = function(request, seconds)
      if request.headers["X-TC-Action"] ~= "ModifyImageAttribute" then
        return carry(request, seconds)
      end
      count = count + 1
      local refused = refusal "AuthFailure.SignatureExpire"
      refused.headers = { date = os.date("!%a, %d %b %Y %H:%M:%S GMT", time.now + 100 * count) }
      return refused
    end
    local report = assert(client:apply(renames(1)))
    assert.same({ 1, 3 }, { report.failed, count })
  end)

  it("that is stopped between the journal's begin and the change writes one end", function()
    start(1, {
      limiter = function(action)
        return action == "ModifyImageAttribute" and 2 or 0 -- by then the image is described again
      end,
    })
    local isChanged = false
    before("DescribeImages", 3, function()
      isChanged = true
      otherClient(1, "by-hand")
    end)
    local report = assert(client:apply(renames(1), {
      journal = journal,
      stop = function()
        return isChanged
      end,
    }))
    assert.equal(1, report.skipped)
    local file = assert(io.open(journal, "rb"))
    assert.matches('\n{"begin":1}\n{"end":1,"status":"skipped"}\n$', file:read "*a")
    file:close()
    assert.equal("by-hand", catalogue.names(service))
  end)

  it("takes other credentials at once after a refused token", function()
    local given = 0
    local emulators = require "qcimage.emulator"
    start(1, {
      credentials = function()
        given = given + 1
        return { secretId = emulators.SECRET_ID, secretKey = emulators.SECRET_KEY }
      end,
    })
    local sent
    before("ModifyImageAttribute", 1, function()
      sent = time.now
      return refusal "AuthFailure.TokenFailure"
    end)
    assert.equal(1, assert(client:apply(renames(1))).ok)
    assert.is_true(time.now - sent < 0.5, time.now - sent)
  end)

  it("stops where the service refuses the credentials for good", function()
    start(3)
    before("ModifyImageAttribute", 1, function()
      return refusal "AuthFailure.TokenFailure"
    end)
    local report = assert(client:apply(renames(3)))
    assert.same({ 1, 2 }, { report.failed, report.skipped })
    assert.matches("AuthFailure.TokenFailure", report.stopped)
  end)

  describe("believes its journal:", function()
    local function records(text)
      local path = ("%s/%d.made"):format(folder, serial)
      local file = assert(io.open(journal, "rb"))
      local plan = file:read("*a"):match '^(.-\n){"begin"'
      file:close()
      write(("%d.made"):format(serial), plan .. text)
      return path
    end

    before_each(function()
      start(1)
      assert(client:apply(renames(1), { journal = journal }))
    end)

    it("a step that was refused is not rolled back", function()
      local path = records '{"begin":1}\n{"end":1,"status":"failed"}\n'
      assert.equal(0, assert(client:apply(nil, { undo = path })).total)
      assert.equal("new-1", catalogue.names(service))
    end)

    it("a step that has no end is waited for, then rolled back", function()
      local path, began = records '{"begin":1}\n', time.now
      assert.equal(1, assert(client:apply(nil, { undo = path })).ok)
      assert.is_true(time.now - began >= 14.9, time.now - began)
      assert.equal("old-1", catalogue.names(service))
    end)

    local function content(path)
      local file = assert(io.open(path, "rb"))
      local text = file:read "*a"
      file:close()
      return text
    end

    it("a step that has no end and was made gets one when the run is resumed, and is rolled back at once", function()
      local path = records '{"begin":1}\n'
      local report = assert(client:apply(nil, { resume = path }))
      assert.same({ 1, 0 }, { report.unchanged, report.ok })
      assert.matches('{"begin":1}\n{"end":1,"status":"ok"}\n$', content(path))
      local began = time.now
      assert.equal(1, assert(client:apply(nil, { undo = path })).ok)
      assert.is_true(time.now - began < 14, time.now - began)
      assert.equal("old-1", catalogue.names(service))
    end)

    it("a step that has no end and was not made gets one when it is rolled back", function()
      otherClient(1, "old-1")
      local path = records '{"begin":1}\n'
      assert.equal(1, assert(client:apply(nil, { undo = path })).unchanged)
      assert.matches('{"undo":true}\n{"end":1,"status":"ok"}\n$', content(path))
      assert.equal(0, assert(client:apply(nil, { undo = path })).total)
    end)

    it("a step that has no end and whose image is in another state stays open", function()
      otherClient(1, "other")
      local path = records '{"begin":1}\n'
      assert.equal(1, assert(client:apply(nil, { resume = path })).conflict)
      assert.matches('{"begin":1}\n$', content(path))
      assert.equal(1, assert(client:apply(nil, { undo = path })).conflict)
    end)

    it("a step that is unknown stays so when an attempt to resume it is refused", function()
      local path = records '{"begin":1}\n{"end":1,"status":"unknown"}\n{"begin":1}\n{"end":1,"status":"failed"}\n'
      assert.equal(1, assert(client:apply(nil, { undo = path })).ok)
      assert.equal("old-1", catalogue.names(service))
    end)

    it("another permanent key is told, and not final", function()
      local path = ("%s/%d.other"):format(folder, serial)
      local file = assert(io.open(journal, "rb"))
      write(("%d.other"):format(serial), (file:read("*a"):gsub('"account":"%x+"', '"account":"0123456789abcdef"')))
      file:close()
      local report = assert(client:apply(nil, { undo = path, dryRun = true }))
      assert.is_true(report.otherKeys)
      report = assert(client:apply(nil, { undo = path }))
      assert.same({ true, 1 }, { report.otherKeys, report.ok })
      assert.is_nil(assert(client:apply(nil, { undo = journal })).otherKeys)
    end)

    it(
      "another permanent key is told of a saved plan, too, and the journal has the key that made the changes",
      function()
        start(1)
        local plan = assert(client:apply(renames(1), { dryRun = true })).plan
        assert.is_nil(assert(client:apply(plan, { dryRun = true })).otherKeys)
        plan.account = "0123456789abcdef"
        local report = assert(client:apply(plan, { dryRun = true }))
        assert.is_true(report.otherKeys)
        local path = ("%s/%d.plan"):format(folder, serial)
        report = assert(client:apply(report.plan, { journal = path }))
        assert.same({ true, 1 }, { report.otherKeys, report.ok })
        assert.is_nil(assert(client:apply(nil, { undo = path })).otherKeys)
      end
    )
  end)

  it("does not take a name back from an image that another client renamed since", function()
    start(2)
    local list = { { imageId = id(1), imageName = "old-2" }, { imageId = id(2), imageName = "x" } }
    assert.equal(2, assert(client:apply(list, { journal = journal })).ok)
    otherClient(1, "by-hand")
    local report = assert(client:apply(nil, { undo = journal }))
    assert.same({ 1, 1, 0 }, { report.ok, report.conflict, report.skipped })
    assert.equal("by-hand old-2", catalogue.names(service))
  end)

  it("ends as a read does where the images cannot be read, never with a change that may have been made", function()
    start(1)
    client.transport = function()
      return { status = 502, headers = {}, body = "bad gateway" }
    end
    for _, isDry in ipairs { true, false } do
      local report, _, err = client:apply(renames(1), { dryRun = isDry })
      assert.is_nil(report)
      assert.equal("notSent", err.outcome)
    end
  end)

  it("hears while it plans that it is to stop, within a call", function()
    start(300)
    local calls, isStopped = 0, false
    local carry = client.transport
    client.transport = function(...)
      calls = calls + 1
      isStopped = true
      return carry(...)
    end
    local report, message = client:apply(renames(300), {
      stop = function()
        return isStopped
      end,
    })
    assert.is_nil(report)
    assert.equal("stopped; nothing was sent", message)
    assert.equal(1, calls)
    start(1)
    for at = 1, 3 do -- also between the looks at single images that are not there
      local looks = #(service:journal())
      message = select(
        2,
        client:apply({
          { imageId = "img-90000001", imageName = "a" },
          { imageId = "img-90000002", imageName = "b" },
          { imageId = "img-90000003", imageName = "c" },
        }, {
          stop = function()
            return #(service:journal()) - looks >= at
          end,
        })
      )
      assert.same({ "stopped; nothing was sent", at }, { message, #(service:journal()) - looks })
    end
  end)

  it("makes as many changes a second as it may, however few, and says of none that others hold it", function()
    for rate, longest in pairs { [1] = 12, [0.2] = 52 } do
      start(10)
      client.options.limiter = nil
      local began, held = time.now, nil
      local report = assert(client:apply(renames(10), {
        rate = rate,
        onProgress = function(progress)
          held = held or progress.held
        end,
      }))
      assert.same({ 10 }, { report.ok, held })
      assert.is_true(time.now - began <= longest, time.now - began)
    end
  end)

  it("says what holds it", function()
    start(1)
    service:fault { kind = "throttle", action = "ModifyImageAttribute", seconds = 25 }
    local held = {}
    assert(client:apply(renames(1), {
      onProgress = function(progress)
        held[#held + 1] = progress.held or progress.phase or ("%d done"):format(progress.done)
      end,
    }))
    assert.same({ "throttled", "throttled", "throttled" }, { held[1], held[2], held[3] })
    assert.same({ "0 done", "1 done", "confirming" }, { held[#held - 2], held[#held - 1], held[#held] })
  end)
end)
