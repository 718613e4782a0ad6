--- Programs on an instance of the cloud: in a network of its own, where the metadata service has its documented address and
--- no name server knows it. Nothing is configured but the way to the emulator.

local process = require "spec.support.process"

-- Runs a script there; see spec/support/instance.lua. Returns what it printed.
local function there(script)
  local file = os.tmpname()
  local out = assert(io.open(file, "wb"))
  out:write([[
    local instance = ...
    local process, nginx = require "spec.support.process", require "spec.support.nginx"

    -- Runs Lua code in a process of the instance.
    local function run(code)
      return process.lua(code, ("-i PATH=%q LUA_PATH=%q LUA_CPATH=%q %s"):format(
        os.getenv "PATH", os.getenv "LUA_PATH", os.getenv "LUA_CPATH", instance.environment))
    end

    -- What the emulator saw since the last look: keys in use, requests of the metadata service, refusals, regions.
    local function seen()
      local ids, keys, metadata, refused, regions = {}, 0, 0, 0, {}
      for _, entry in ipairs(instance.emulator:journal()) do
        if entry.api == "metadata" then
          metadata = metadata + 1
        else
          keys = keys + (ids[entry.secretId] and 0 or 1)
          refused = refused + (entry.code == 0 and 0 or 1)
          ids[entry.secretId], regions[#regions + 1] = true, not regions[entry.region] and entry.region or nil
          regions[entry.region] = true
        end
      end
      instance.emulator:control("DELETE", "journal")
      return keys, metadata, refused, table.concat(regions, " ")
    end
  ]] .. script)
  out:close()
  local output, status =
    process.run(("%s %s spec/support/instance.lua %s"):format(process.isolation(), process.interpreter, file))
  os.remove(file)
  assert.equal(0, status, output)
  return output
end

describe("on an instance with a role", function()
  it("200 calls succeed while its keys are replaced, in the region that it is in", function()
    local output = there [[
      io.write((run [=[
        local core, image = require "qcimage.core", require "qcimage"
        for i = 1, 200 do
          assert(image.modify { imageId = "img-12345678", imageName = "call-" .. i })
          core.sleep(0.025)
        end
        print "200 calls"
      ]=]))
      local keys, _, _, regions = seen()
      print(keys >= 2, regions)
      instance.relay:stop()
      io.write((run [=[
        local core, image = require "qcimage.core", require "qcimage"
        local began = core.monotonic()
        local _, message = image.modify { imageId = "img-12345678", imageName = "a" }
        print(core.monotonic() - began < 3)
        print(message)
      ]=]))
    ]]
    assert.matches("^200 calls\ntrue\tap%-guangzhou\ntrue\n", output)
    assert.matches("ModifyImageAttribute: no credentials: ", output, 1, true)
    assert.matches("CVM role: cannot find the address of metadata.tencentyun.com:80: ", output, 1, true)
    assert.matches("; and at its address: cannot connect to 169.254.0.23:80: ", output, 1, true)
  end)

  it("nginx needs no resolver, 100 calls at once ask once, and 200 succeed while its keys are replaced", function()
    local output = there [[
      local server = nginx.start {
        environment = instance.environment .. " ",
        conf = nginx.conf 'init_by_lua_block { package.loaded.images = require("qcimage").new() }',
      }
      local MODIFY = [=[
        local function modify(i)
          return assert(require("images"):modify { imageId = "img-12345678", imageName = "call-" .. i })
        end
      ]=]
      print(server:lua(MODIFY .. [=[
        local threads, succeeded = {}, 0
        for i = 1, 100 do
          threads[i] = ngx.thread.spawn(modify, i)
        end
        for i = 1, 100 do
          succeeded = succeeded + (ngx.thread.wait(threads[i]) and 1 or 0)
        end
        return succeeded == 100
      ]=]))
      print(seen())
      print(server:lua(MODIFY .. [=[
        for i = 1, 200 do
          modify(i)
          ngx.sleep(0.025)
        end
        return true
      ]=]))
      print((seen()) >= 2, server:complaints() == "")
      server:stop()
    ]]
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.matches("^true", lines[1])
    assert.equal("1\t3\t0\tap-guangzhou", lines[2]) -- one list, one document, one region
    assert.matches("^true", lines[3])
    assert.equal("true\ttrue", lines[4])
  end)
end)
