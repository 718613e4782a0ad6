--- Many calls in one process over libcurl: memory and descriptors stay level. nginx has its own in
--- openresty_load_spec.lua. 2,000 calls, or 100,000 where QCIMAGE_FULL is set.

local certs = require "spec.support.certs"
local constant = require "spec.support.constant"
local process = require "spec.support.process"

local CALLS = os.getenv "QCIMAGE_FULL" and 100000 or 2000

describe("memory and descriptors", function()
  local server

  setup(function()
    server = constant.start()
  end)

  teardown(function()
    server:stop()
  end)

  it(("stay level over %d calls"):format(CALLS), function()
    local output, status = process.lua(([[
      local calls, url, tlsUrl, caFile = %d, %q, %q, %q
      local identity = require "spec.support.identity"
      local image = require "qcimage"
      local posix = require "testposix"
      local function new(version, endpoint)
        return image.new {
          secretId = identity.SECRET_ID,
          secretKey = identity.SECRET_KEY,
          region = "gz",
          apiVersion = version,
          endpoint = endpoint,
          caFile = caFile,
          maxAttempts = 1,
        }
      end
      local function resident()
        collectgarbage()
        collectgarbage()
        local file = assert(io.open "/proc/self/status")
        local kilobytes = tonumber(file:read("*a"):match "VmRSS:%%s*(%%d+)")
        file:close()
        return kilobytes
      end
      local clients = { new("2.0", url), new("3.0", url), new("3.0", tlsUrl) }
      local nobody = new("2.0", "http://127.0.0.1:1")
      local before, descriptors
      for i = 1, calls do
        local client = clients[i %% 3 + 1]
        local name = "name-" .. i
        local result = assert(client:modify { imageId = "img-1", imageName = name, imageDescription = name })
        assert(result.code == 0)
        if i %% 20 == 0 then -- now and then one that fails, and a client that is dropped, closed or not
          assert(not client:modify { imageId = "img-1", imageName = name .. "!\n" })
          assert(not nobody:modify { imageId = "img-1", imageName = name })
          local other = new("3.0", tlsUrl)
          assert(other:modify { imageId = "img-1" })
          if i %% 40 == 0 then
            other:close()
          end
          other = nil
          collectgarbage()
        end
        if i == calls / 2 then
          before, descriptors = resident(), posix.descriptors()
        end
      end
      print(resident() - before, posix.descriptors() - descriptors)
    ]]):format(CALLS, server.url, server.tlsUrl, certs.path "ca.pem"))
    assert.equal(0, status, output)
    local kilobytes, descriptors = output:match "^(%-?%d+)\t(%-?%d+)\n$"
    assert.equal("0", descriptors, output)
    assert.is_true(tonumber(kilobytes) < 256, output)
  end)
end)
