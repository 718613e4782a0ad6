--- Runs of many modifications, with a journal: what becomes of each change under faults, after a kill, and when it is
--- taken back.

local catalogue = require "spec.support.catalogue"
local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local json = require "qcimage.util.json"
local options = require "qcimage.options"
local planFormat = require "qcimage.apply.plan_format"
local process = require "spec.support.process"
local readme = require "spec.support.readme"

local id = catalogue.id

-- Changes that rename the images 1 to count.
local function renames(count)
  local list = {}
  for i = 1, count do
    list[i] = { imageId = id(i), imageName = "new-" .. i }
  end
  return list
end

local function newNames(count)
  return catalogue.names {
    images = function()
      local images = {}
      for i = 1, count do
        images[i] = { imageName = "new-" .. i }
      end
      return images
    end,
  }
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- How often each image was changed.
local function counts(service)
  local times = {}
  for _, entry in ipairs((service:journal())) do
    if entry.applied then
      times[entry.params.ImageId] = (times[entry.params.ImageId] or 0) + 1
    end
  end
  return times
end

describe("a run of many modifications", function()
  local folder, write, journal
  local serial = 0

  setup(function()
    folder, write = cloud.folder()
  end)

  teardown(function()
    cloud.remove(folder)
  end)

  before_each(function()
    serial = serial + 1
    journal = ("%s/journal-%d"):format(folder, serial)
  end)

  it("writes down what it does, and that is what was done", function()
    local client, service = catalogue.client(catalogue.images(60))
    local told = {}
    local report = assert(client:apply(renames(60), {
      journal = journal,
      onProgress = function(progress)
        told[#told + 1] = not progress.phase and ("%d/%d"):format(progress.done, progress.total) or nil
      end,
    }))
    assert.same({ 60, 60, 0, journal }, { report.total, report.ok, report.failed, report.journal })
    assert.equal(newNames(60), catalogue.names(service))
    assert.same({ 60, "60/60" }, { #told, told[60] })
    assert.equal(384, core.permissions(journal)) -- 0600
    local begun, ended, requestIds = 0, 0, {}
    for line in read(journal):gmatch "[^\n]+" do
      local record = assert(json.decode(line), line)
      if record.begin then
        begun = begun + 1
        assert.equal(begun, record.begin)
      elseif record["end"] then
        ended = ended + 1
        assert.same({ begun, "ok" }, { record["end"], record.status })
        requestIds[record.requestId] = true
      end
    end
    assert.same({ 60, 60 }, { begun, ended })
    for _, times in pairs(counts(service)) do
      assert.equal(1, times)
    end
    for _, result in ipairs(report.results) do
      assert.is_true(requestIds[result.requestId])
      assert.same({ "old-" .. result.line, "new-" .. result.line }, { result.from.imageName, result.to.imageName })
    end
  end)

  it("looks at the images now and then, and asks for no more", function()
    local client, service = catalogue.client(catalogue.images(100))
    assert(client:apply(renames(100)))
    local looks = 0
    for _, entry in ipairs((service:journal())) do
      looks = looks + (entry.action == "DescribeImages" and 1 or 0)
    end
    assert.equal(1 + 5 + 1, looks) -- the list's page, five batches, and one that shows what was changed
  end)

  it("needs no journal where there is nothing to do", function()
    local client = catalogue.client(catalogue.images(1))
    local report = assert(client:apply({ { imageId = id(1), imageName = "old-1" } }, { journal = journal }))
    assert.same({ 1, nil }, { report.unchanged, report.journal })
    assert.is_nil(io.open(journal))
  end)

  -- Runs changes until their transport was reached for so often, before and behind each request, and no further, as
  -- if killed. Returns the emulator, the client, and whether the run came to its end.
  local function killed(images, changes, path, moment)
    local client, service = catalogue.client(images)
    local carry, isStepped = client.transport, true
    client.transport = function(...)
      if isStepped then
        coroutine.yield()
      end
      local response, message, detail = carry(...)
      if isStepped then
        coroutine.yield()
      end
      return response, message, detail
    end
    local run = coroutine.create(function()
      assert(client:apply(changes, { journal = path, temporaryNames = true }))
    end)
    for _ = 1, moment do
      if coroutine.status(run) ~= "dead" then
        assert(coroutine.resume(run))
      end
    end
    isStepped = false
    return client, service, coroutine.status(run) == "dead"
  end

  it("that is killed at any moment is taken up where it was", function()
    local changes = renames(4)
    changes[1].imageName, changes[2].imageName = "old-2", "old-1" -- a swap among them
    local moment = 0
    local isOver
    repeat
      moment = moment + 1
      local path = ("%s-%d"):format(journal, moment)
      local client, service
      client, service, isOver = killed(catalogue.images(4), changes, path, moment)
      collectgarbage()
      collectgarbage() -- what was killed has no lock
      local report, message = client:apply(nil, { resume = path })
      if not report then
        assert.matches("No such file", message)
        assert.equal("", catalogue.applied(service))
      else
        assert.same({ 4, 4 }, { report.total, report.ok + report.unchanged }, moment)
        assert.equal("old-2 old-1 new-3 new-4", catalogue.names(service), moment)
        local times = counts(service)
        assert.same({ 2, 1, 1, 1 }, { times[id(1)], times[id(2)], times[id(3)], times[id(4)] }, moment)
        assert.equal(4, assert(client:apply(nil, { resume = path })).unchanged)
      end
    until isOver
    assert.is_true(moment > 10)
  end)

  it("ends right under lost answers and a storm of throttles", function()
    local count, seed = 60, 7
    local client, service, time = catalogue.client(catalogue.images(count))
    local carry = client.transport
    client.transport = function(request, seconds)
      seed = (seed * 16807) % 2147483647
      if seed % 20 == 0 then
        service:fault { kind = seed % 40 == 0 and "dropBefore" or "dropAfter" }
      end
      return carry(request, seconds)
    end
    local began = time.now
    local report = assert(client:apply(renames(count), {
      journal = journal,
      onProgress = function(progress)
        if progress.done == 20 then
          service:fault { kind = "throttle", seconds = 8 }
        end
      end,
    }))
    assert.same({ count, 0, 0 }, { report.ok, report.failed, report.unknown })
    assert.equal(newNames(count), catalogue.names(service))
    assert.is_true(time.now - began > 8 and time.now - began < 90, time.now - began)
  end)

  it("tells truly what was refused, what is unknown and what was not sent", function()
    local client, service = catalogue.client(catalogue.images(12), { maxAttempts = 1 })
    local carry, lost = client.transport, { [id(5)] = true }
    local refused = { [id(2)] = true, [id(8)] = true }
    client.transport = function(request, seconds)
      local image = request.headers["X-TC-Action"] == "ModifyImageAttribute" and request.body:match '"(img[^"]*)"'
      if refused[image] then
        return {
          status = 200,
          headers = {},
          body = '{"Response":{"Error":{"Code":"OperationDenied","Message":"no"},"RequestId":"r"}}',
        }
      elseif image and lost[image] then
        return {
          status = 200,
          headers = {},
          body = '{"Response":{"Error":{"Code":"InternalError","Message":"no"},"RequestId":"r"}}',
        }
      end
      return carry(request, seconds)
    end
    local report = assert(client:apply(renames(12), { journal = journal }))
    assert.same({ 12, 9, 2, 1 }, { report.total, report.ok, report.failed, report.unknown })
    assert.same({ "failed", "unknown", "failed" }, {
      report.results[2].status,
      report.results[5].status,
      report.results[8].status,
    })
    assert.matches("the change may have been made", report.results[5].message)
    assert.equal("new-1 old-2 new-3 new-4 old-5 new-6 new-7 old-8", catalogue.names(service):match "^(.-) new%-9")
    lost, refused = {}, {}
    report = assert(client:apply(nil, { resume = journal }))
    assert.same({ 3, 9 }, { report.ok, report.unchanged })
    assert.equal(newNames(12), catalogue.names(service))
  end)

  it("ends early where the rest would fail, too", function()
    local keys = true
    local client, service = catalogue.client(catalogue.images(30), {
      credentials = function()
        if not keys then
          return nil, "role not found"
        end
        return { secretId = require("qcimage.emulator").SECRET_ID, secretKey = require("qcimage.emulator").SECRET_KEY }
      end,
    })
    local report = assert(client:apply(renames(30), {
      journal = journal,
      onProgress = function(progress)
        keys = progress.done < 12
      end,
    }))
    assert.same({ 12, 0, 18 }, { report.ok, report.failed, report.skipped })
    assert.matches("role not found", report.stopped)
    assert.equal("credentials", report.stoppedBy.kind)
    keys = true
    report = assert(client:apply(nil, { resume = journal }))
    assert.same({ 18, 12 }, { report.ok, report.unchanged })
    assert.equal(newNames(30), catalogue.names(service))

    client, service = catalogue.client(catalogue.images(30))
    local carry = client.transport
    client.transport = function(request, seconds)
      if request.headers["X-TC-Action"] == "ModifyImageAttribute" then
        return {
          status = 200,
          headers = {},
          body = '{"Response":{"Error":{"Code":"UnauthorizedOperation","Message":"no"},"RequestId":"r"}}',
        }
      end
      return carry(request, seconds)
    end
    report = assert(client:apply(renames(30)))
    assert.same({ 0, 10, 20 }, { report.ok, report.failed, report.skipped })
    assert.matches("the first 10 changes failed with the same error: ", report.stopped)
    assert.equal("", catalogue.applied(service))
  end)

  it("ends early where the service is out of reach, and says what is unknown", function()
    for sent, expected in pairs { [true] = { 3, 0, 1, 6 }, [false] = { 3, 1, 0, 6 } } do
      local client, service, time = catalogue.client(catalogue.images(10))
      local carry, isOut = client.transport, false
      client.transport = function(request, seconds)
        if isOut then
          return nil, "gone", { reason = sent and "timeout" or "connect", sent = sent }
        end
        return carry(request, seconds)
      end
      local began = time.now
      local report = assert(client:apply(renames(10), {
        onProgress = function(progress)
          isOut = progress.done == 3
        end,
      }))
      assert.same(expected, { report.ok, report.failed, report.unknown, report.skipped })
      assert.matches("unreachable for 60 s: ", report.stopped)
      assert.is_true(time.now - began > 30 and time.now - began < 300, time.now - began)
      assert.equal("1=new-1 2=new-2 3=new-3", catalogue.applied(service))
    end
  end)

  it("ends when it is told to, and says what was not sent", function()
    local client, service = catalogue.client(catalogue.images(10))
    local done = 0
    local report = assert(client:apply(renames(10), {
      journal = journal,
      stop = function()
        return done == 4
      end,
      onProgress = function(progress)
        done = progress.done
        error "a hook that throws"
      end,
    }))
    assert.same({ 4, 6, "stopped" }, { report.ok, report.skipped, report.stopped })
    assert.matches("onProgress threw: .*a hook that throws", report.hookError)
    assert.equal(6, assert(client:apply(nil, { resume = journal })).ok)
    assert.equal(newNames(10), catalogue.names(service))
  end)

  it("leaves alone what somebody else changed meanwhile", function()
    local client, service = catalogue.client(catalogue.images(3))
    local report = assert(client:apply(renames(3), {
      journal = journal,
      stop = function()
        return #catalogue.applied(service) > 0
      end,
    }))
    assert.same({ 1, 2 }, { report.ok, report.skipped })
    assert(client:modify { imageId = id(2), imageName = "by-hand" })
    report = assert(client:apply(nil, { resume = journal }))
    assert.same({ 1, 1, 1 }, { report.ok, report.unchanged, report.conflict })
    assert.equal(
      'imageName is "by-hand", neither "old-2" nor "new-2": modified concurrently',
      report.results[2].message
    )
    assert.equal("new-1 by-hand new-3", catalogue.names(service))
  end)

  it("does not send what waits for a name that stays taken", function()
    local client, service = catalogue.client(catalogue.named("a", "b", "c"))
    local carry = client.transport
    client.transport = function(request, seconds)
      if request.body:find '"ImageName":"d"' then
        return {
          status = 200,
          headers = {},
          body = '{"Response":{"Error":{"Code":"OperationDenied","Message":"no"},"RequestId":"r"}}',
        }
      end
      return carry(request, seconds)
    end
    local report = assert(client:apply {
      { imageId = id(1), imageName = "b" },
      { imageId = id(2), imageName = "c" },
      { imageId = id(3), imageName = "d" },
    })
    assert.same({ 1, 2 }, { report.failed, report.skipped })
    assert.equal("needs the name that img-00000003 still has", report.results[2].message)
    assert.equal("", catalogue.applied(service))
  end)

  it("waits for a name that was freed a moment ago", function()
    local client, service = catalogue.client(catalogue.named("a", "b"))
    local carry, refusals = client.transport, 2
    client.transport = function(request, seconds)
      if request.body:find '"ImageName":"b"' and refusals > 0 then
        refusals = refusals - 1
        return {
          status = 200,
          headers = {},
          body = '{"Response":{"Error":{"Code":"InvalidImageName.Duplicate","Message":"no"},"RequestId":"r"}}',
        }
      end
      return carry(request, seconds)
    end
    local report = assert(client:apply { { imageId = id(1), imageName = "b" }, { imageId = id(2), imageName = "c" } })
    assert.same({ 2, 0 }, { report.ok, refusals })
    assert.equal("b c", catalogue.names(service))
  end)

  it("is taken back, but for what somebody else changed since", function()
    local client, service = catalogue.client(catalogue.named("a", "b", "c", "d"))
    local circle = {
      { imageId = id(1), imageName = "b", imageDescription = "one" },
      { imageId = id(2), imageName = "a" },
      { imageId = id(3), imageName = "x" },
      { imageId = id(4), imageName = "d" },
    }
    assert.equal(3, assert(client:apply(circle, { journal = journal, temporaryNames = true })).ok)
    assert.equal("b a x d", catalogue.names(service))
    assert(client:modify { imageId = id(3), imageName = "later" })
    local report = assert(client:apply(nil, { undo = journal, dryRun = true }))
    assert.same({ 3, 1, "conflict" }, { report.changes, report.conflict, report.results[1].status })
    report = assert(client:apply(nil, { undo = journal }))
    assert.same({ 3, 2, 1 }, { report.total, report.ok, report.conflict })
    assert.equal("a b later d", catalogue.names(service))
    assert.equal("text-1", service:images()[1].imageDescription)
    report = assert(client:apply(nil, { undo = journal }))
    assert.same({ 0, 1 }, { report.ok, report.conflict })
    local _, message = client:apply(nil, { resume = journal })
    assert.matches("was rolled back: there is nothing to continue$", message)
  end)

  it("is taken back only as far as it went", function()
    local client, service = catalogue.client(catalogue.images(3))
    assert(client:apply(renames(3), {
      journal = journal,
      stop = function()
        return #catalogue.applied(service) > 0
      end,
    }))
    assert(client:modify { imageId = id(2), imageName = "new-2" }) -- by somebody else
    local report = assert(client:apply(nil, { undo = journal }))
    assert.same({ 1, 1 }, { report.total, report.ok })
    assert.equal("old-1 new-2 old-3", catalogue.names(service))
  end)

  it("says what it cannot take back", function()
    local images = catalogue.named("a b", "c")
    images[1].imageDescription, images[2].imageDescription = "", ""
    local client, service = catalogue.client(images, { apiVersion = "2.0" })
    assert(client:apply({
      { imageId = id(1), imageName = "ab" },
      { imageId = id(2), imageName = "cd", imageDescription = "text" },
    }, { journal = journal }))
    local report = assert(client:apply(nil, { undo = journal }))
    assert.same({ 1, 1 }, { report.ok, report.skipped })
    assert.same({ "imageName cannot be restored", "imageDescription cannot be restored" }, {
      report.results[1].message,
      report.results[2].message,
    })
    assert.equal("ab c", catalogue.names(service))
  end)

  describe("with a journal", function()
    local client, service, whole

    before_each(function()
      client, service = catalogue.client(catalogue.images(3))
      assert(client:apply(renames(3), { journal = journal }))
      whole = read(journal)
      service:reset()
    end)

    local function refused(text, expected)
      write("other", text)
      for _, option in ipairs { "resume", "undo" } do
        local report, message, err = client:apply(nil, { [option] = folder .. "/other" })
        assert.is_nil(report)
        assert.matches(expected, message)
        assert.equal("notSent", err.outcome)
      end
      assert.equal(text, read(folder .. "/other"))
      assert.equal(0, #(service:journal()))
    end

    it("that another run uses is refused", function()
      local count = 0
      local path = journal .. "-busy"
      assert(client:apply(renames(3), {
        journal = path,
        onProgress = function(progress)
          for _, option in ipairs { "resume", "undo" } do
            local report, message = client:apply(nil, { [option] = path })
            assert.is_nil(report)
            local isBusy = message:find("another run is using it", 1, true)
            count = count + (isBusy and not progress.phase and 1 or 0)
          end
        end,
      }))
      assert.equal(6, count)
    end)

    it("that is there already is not written over", function()
      local report, message = client:apply(renames(3), { journal = journal })
      assert.is_nil(report)
      assert.matches("already exists; option resume continues it, option undo rolls it back$", message)
      assert.equal(whole, read(journal))
      assert.equal("", catalogue.applied(service))
    end)

    it("that was cut in its last line goes on, twice", function()
      local last = whole:match '(%{"begin":3%}\n%{"end":3.*)$'
      assert(client:apply(renames(3)))
      for cut = 1, #last do
        assert(client:modify { imageId = id(3), imageName = "old-3" })
        write("cut", whole:sub(1, #whole - cut))
        local before = read(folder .. "/cut")
        for turn = 1, 2 do
          local report = assert(client:apply(nil, { resume = folder .. "/cut" }))
          -- whole but for its newline, the last line says that the step was made: somebody else set the image back
          assert.same({ 3, turn == 1 and cut > 1 and 1 or 0 }, { report.total, report.ok }, cut)
          assert.equal(cut == 1 and 1 or 0, report.conflict)
          assert.equal(before, read(folder .. "/cut"):sub(1, #before)) -- never rewritten
        end
        if cut % 16 == 1 then
          local report = assert(client:apply(nil, { undo = folder .. "/cut" }))
          assert.same({ 3, 3 }, { report.total, report.ok + report.unchanged }, cut)
          assert(client:apply(renames(3)))
        end
      end
    end)

    it("that holds what no run writes is refused, with its line", function()
      local lines = select(2, whole:gsub("\n", ""))
      refused(whole:gsub('{"begin":2}\n', '{"begi{"begin":2}\n'), ("line %d is not a journal record"):format(lines - 3))
      refused(whole:gsub('{"begin":2}\n', '\n{"begin":2}\n'), ("line %d is not a journal record"):format(lines - 3))
      refused("", "is empty: nothing was sent")
      refused("imageId,imageName\n", "is not a journal")
      refused(whole:sub(1, 40), "has an incomplete first line: nothing was sent$")
      refused(whole:match '^[^\n]*\n{"step":1', "ends before its step 1 of 3: nothing was sent$")
      refused(whole:gsub('"qcimage":"journal"', '"qcimage":"plan"'), "is a plan, not a journal")
      local head = whole:match "^[^\n]*\n"
      refused(head:gsub('"region":"[^"]*"', '"region":{}') .. whole:sub(#head + 1), "has an invalid region")
      local step = { line = 1, imageId = id(1), region = "ap-guangzhou", from = {}, to = { imageName = "x" } }
      for field, value in pairs { line = "1", imageId = "", region = 7, to = {} } do
        local odd = setmetatable({ [field] = value }, { __index = step })
        refused(planFormat.write({ steps = { step, odd } }, "journal"), "has an invalid step 2")
      end
      write("nul", whole .. '{"begin":' .. ("\0"):rep(60))
      assert.equal(3, assert(client:apply(nil, { resume = folder .. "/nul" })).conflict) -- made, and the images are new
    end)

    it("is told where it cannot be read", function()
      local _, message = client:apply(nil, { resume = folder .. "/none" })
      assert.equal(("journal %s/none: No such file or directory"):format(folder), message)
      _, message = client:apply(renames(1), { journal = folder .. "/none/none" })
      assert.equal(("journal %s/none/none: No such file or directory"):format(folder), message)
    end)

    it("goes with no list, and with no option of one", function()
      for expected, give in pairs {
        ["changes cannot be combined with option resume: the journal contains them"] = { {}, { resume = "x" } },
        ["option resume and option undo cannot be combined"] = { nil, { resume = "x", undo = "x" } },
        ["option region and option undo cannot be combined"] = { nil, { region = "gz", undo = "x" } },
      } do
        assert.has_error(function()
          client:apply(give[1], give[2])
        end, expected)
      end
    end)
  end)

  it("ends before the next step when its journal cannot be written", function()
    local program = [[
      package.path = "./?.lua;" .. package.path
      local catalogue = require "spec.support.catalogue"
      local client, service = catalogue.client(catalogue.images(40))
      local list = {}
      for i = 1, 40 do
        list[i] = { imageId = catalogue.id(i), imageName = "new-" .. i }
      end
      local report = assert(client:apply(list, { journal = "%s" }))
      local began = select(2, catalogue.applied(service):gsub("=", ""))
      print(report.ok, report.skipped, report.failed, began, report.stopped)
    ]]
    -- a file may have so many blocks; what is more is refused
    local script = ("trap '' XFSZ; ulimit -f 7; exec env %s %s - <<'END'\n%s\nEND"):format(
      process.paths,
      process.interpreter,
      program:format(journal)
    )
    local output = process.run("bash -c " .. process.quote(script))
    local ok, skipped, failed, began, stopped = output:match "^(%d+)\t(%d+)\t(%d+)\t(%d+)\t(.*)\n$"
    assert.truthy(ok, output)
    assert.same({ 40, "0", ok }, { ok + skipped, failed, began })
    assert.is_true(tonumber(ok) > 0 and tonumber(skipped) > 0, output)
    assert.equal(("journal %s: File too large"):format(journal), stopped)
    local client = catalogue.client(catalogue.images(40))
    local report = assert(client:apply(nil, { resume = journal })) -- on images that are as they were
    assert.equal(40, report.ok + report.conflict)
    assert.is_true(report.ok >= tonumber(skipped)) -- and what was made, but could not be written down
  end)

  it("is what docs/bulk.md says", function()
    local prepare = [[
      local core = require "qcimage.core"
      local monotonic, slept = core.monotonic, 0
      core.monotonic = function() return monotonic() + slept end
      core.sleep = function(seconds) slept = slept + seconds end -- the limiter's pauses
      require("qcimage.emulator").install()
    ]]
    local output = process.lua(prepare .. readme.block("image.apply", { ["rename.journal"] = journal }))
    assert.equal("2\t0\t0\n", output)
    for name in pairs(options.apply) do
      assert.truthy(readme.text():find("`" .. name, 1, true), "not in the documents: " .. name)
    end
  end)

  it("says nothing of its own where it is told, in a coroutine, too", function()
    local output = process.lua [[
      local client = require("qcimage").new {
        secretId = "AKIDexample",
        secretKey = "example",
        region = "gz",
        transport = function()
          return nil, "no way", { sent = false, reason = "tls" }
        end,
      }
      local function run()
        print(select("#", client:apply { { imageId = "img-12345678", imageName = "a" } }))
      end
      run()
      coroutine.wrap(run)()
    ]]
    assert.equal("3\n3\n", output)
  end)

  it("passes on what keeps it from seeing the images", function()
    local client = catalogue.client(catalogue.images(1))
    client.transport = function()
      return nil, "no way", { sent = false, reason = "connect" }
    end
    local report, message, err = client:apply(renames(1))
    assert.is_nil(report)
    assert.equal("connect", err.reason)
    assert.matches("no way", message)
  end)
end)
