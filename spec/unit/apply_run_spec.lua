--- Runs of many modifications, with a journal: what becomes of each change under faults and after a kill. What a run
--- tells, writes down and takes back stands in the session apply_runs.

local catalogue = require "spec.support.catalogue"
local cloud = require "spec.support.cloud"
local options = require "qcimage.options"
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
    for i, image in ipairs(service:images()) do
      assert.equal("new-" .. i, image.imageName)
    end
    assert.is_true(time.now - began > 8 and time.now - began < 90, time.now - began)
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

  describe("with a journal", function()
    local client

    before_each(function()
      client = catalogue.client(catalogue.images(3))
    end)

    it("that another run uses is refused", function()
      local count = 0
      assert(client:apply(renames(3), {
        journal = journal,
        onProgress = function(progress)
          for _, option in ipairs { "resume", "undo" } do
            local report, message = client:apply(nil, { [option] = journal })
            assert.is_nil(report)
            local isBusy = message:find("another run is using it", 1, true)
            count = count + (isBusy and not progress.phase and 1 or 0)
          end
        end,
      }))
      assert.equal(6, count)
    end)

    it("that was cut anywhere in its last lines goes on", function()
      assert(client:apply(renames(3), { journal = journal }))
      local whole = read(journal)
      local last = whole:match '(%{"begin":3%}\n%{"end":3.*)$'
      for cut = 2, #last do -- without its newline alone the last line still says that the step was made
        assert(client:modify { imageId = id(3), imageName = "old-3" })
        write("cut", whole:sub(1, #whole - cut))
        local report = assert(client:apply(nil, { resume = folder .. "/cut" }))
        assert.same({ 1, 2 }, { report.ok, report.unchanged }, cut)
        assert.equal(whole:sub(1, #whole - cut), read(folder .. "/cut"):sub(1, #whole - cut)) -- never rewritten
      end
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
