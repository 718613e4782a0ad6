--- The endpoint that a client is given.

local emulators = require "spec.support.emulator"
local image = require "qcimage"
local stub = require "spec.support.stub"

local function client(url)
  return image.new { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY, region = "gz", endpoint = url }
end

describe("a request", function()
  it("says in parts where its URL goes", function()
    for url, parts in pairs {
      ["https://Cvm.test"] = { "https", "cvm.test", 443 },
      ["https://cvm.test.:08443/"] = { "https", "cvm.test", 8443 },
      ["http://127.0.0.1:8080"] = { "http", "127.0.0.1", 8080 },
      ["http://[::1]"] = { "http", "[::1]", 80 },
    } do
      for _, method in ipairs { "POST", "GET" } do
        local made = image.new {
          secretId = stub.SECRET_ID,
          secretKey = stub.SECRET_KEY,
          region = "gz",
          endpoint = url,
          method = method,
        }
        local request = assert(made:sign("ModifyImageAttributes", { imageId = "img-12345678" }))
        assert.same(parts, { request.scheme, request.host, request.port })
        assert.equal(request.path, request.url:match "^%a+://[^/]+(.*)$")
      end
    end
    local request = assert(
      image
        .new({ secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY, region = "gz", apiVersion = "3.0" })
        :sign("ModifyImageAttribute", { imageId = "img-12345678" })
    )
    assert.same({ "https", "cvm.tencentcloudapi.com", 443, "/" }, {
      request.scheme,
      request.host,
      request.port,
      request.path,
    })
  end)
end)

describe("a host with a final dot", function()
  it("is looked up with it, and signed and sent without", function()
    for url, expected in pairs {
      ["https://cvm.Test./"] = { "https://cvm.test./v2/index.php", "cvm.test" },
      ["https://cvm.test.:8443/v2/index.php"] = { "https://cvm.test.:8443/v2/index.php", "cvm.test:8443" },
      ["http://127.0.0.1.:80"] = { "http://127.0.0.1/v2/index.php", "127.0.0.1" },
    } do
      local request = assert(client(url):sign("ModifyImageAttributes", { imageId = "img-12345678" }))
      assert.equal(expected[1], request.url)
      assert.equal(expected[2], request.headers.Host)
      assert.matches("POST" .. expected[2] .. "/v2/index.php?", request.stringToSign, 1, true)
    end
  end)

  it("may be this machine's", function()
    local emulator = emulators.start()
    local result, message = client(("http://localhost.:%d"):format(emulator.port)):modify { imageId = "img-12345678" }
    assert.is_table(result, message)
    emulator:stop()
  end)

  it("is one name, not two dots or none", function()
    for _, url in ipairs { "https://.", "https://cvm.test..", "https://.:443/" } do
      local ok, message = pcall(client, url)
      assert.is_false(ok)
      assert.matches("has no valid host and port", message, 1, true)
    end
  end)
end)
