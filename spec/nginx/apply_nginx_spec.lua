--- Many modifications inside nginx: they wait without holding up the worker.

local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"

describe("apply in nginx", function()
  local emulator, server

  setup(function()
    emulator = emulators.start()
    server = nginx.start { conf = nginx.conf "" }
  end)

  teardown(function()
    server:stop()
    emulator:stop()
  end)

  it("renames by a list while the worker answers others", function()
    local images, changes = {}, { "imageId,imageName" }
    for i = 1, 12 do
      images[i] = { imageId = ("img-%08d"):format(i), imageName = "old-" .. i }
      changes[i + 1] = ("img-%08d,new-%d"):format(i, i)
    end
    emulator:setImages(images)
    local ok, total, beats, begun = server:lua(
      ([[
      local image = require "qcimage"
      local client = image.new {
        apiVersion = "3.0", endpoint = "%s", region = "ap-guangzhou", secretId = "%s", secretKey = "%s",
      }
      local beats, isOver = 0, false
      local heart = ngx.thread.spawn(function() -- runs in each wait
        while not isOver do
          beats = beats + 1
          ngx.sleep(0.02)
        end
      end)
      local report, message = client:apply([=[%s]=], { journal = "$DIR/run.journal" })
      isOver = true
      ngx.thread.wait(heart)
      assert(report, message)
      local _, begun = io.open("$DIR/run.journal"):read("*a"):gsub("begin", "")
      return report.ok, report.total, beats, begun
    ]]):gsub("%$DIR", server.dir):format(
        emulator.url,
        emulators.SECRET_ID,
        emulators.SECRET_KEY,
        table.concat(changes, "\n")
      )
    )
    assert.same({ 12, 12, 12 }, { ok, total, begun })
    assert.is_true(beats > 10, beats)
    for i, one in ipairs(emulator:images()) do
      assert.equal("new-" .. i, one.imageName)
    end
  end)

  it("that was ended in the middle is taken up again in the same worker", function()
    local images, changes = {}, { "imageId,imageName" }
    for i = 1, 6 do
      images[i] = { imageId = ("img-%08d"):format(i), imageName = "old-" .. i }
      changes[i + 1] = ("img-%08d,new-%d"):format(i, i)
    end
    emulator:setImages(images)
    local values = {
      DIR = server.dir,
      URL = emulator.url,
      ID = emulators.SECRET_ID,
      KEY = emulators.SECRET_KEY,
      LIST = table.concat(changes, "\\n"),
    }
    local busy, report, message = server:lua(
      [[
        local client = require("qcimage").new {
          apiVersion = "3.0", endpoint = "$URL", region = "ap-guangzhou", secretId = "$ID", secretKey = "$KEY",
        }
        local path = "$DIR/ended.journal"
        local thread = ngx.thread.spawn(function() client:apply("$LIST", { journal = path }) end)
        ngx.sleep(0.3)
        local _, busy = client:apply(nil, { resume = path }) -- it still runs
        ngx.thread.kill(thread)
        thread = nil
        local report, message
        for _ = 1, 100 do -- what is under way comes to its end
          report, message = client:apply(nil, { resume = path })
          if report then
            break
          end
          ngx.sleep(0.1)
        end
        return busy, report, message
      ]],
      values
    )
    assert.matches("another run is using it", busy, 1, true)
    assert.is_table(report, message)
    assert.equal(6, report.ok + report.unchanged)
    for i, one in ipairs(emulator:images()) do
      assert.equal("new-" .. i, one.imageName)
    end
  end)
end)
