--- Endpoints whose bytes go another way: what is signed and what the certificate must name stay the endpoint's. Covers
--- the option connectTo over libcurl.

local certs = require "spec.support.certs"
local image = require "qcimage"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local readme = require "spec.support.readme"
local stub = require "spec.support.stub"

local function answer(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local OK = answer '{"Response": {"RequestId": "r"}}'
local ANSWERING = { { "loop", { { "recv" }, { "send", OK } } } }

describe("connectTo", function()
  local servers, clients

  local function start(settings)
    settings[1] = settings[1] or ANSWERING
    servers[#servers + 1] = raw.start(settings)
    return servers[#servers]
  end

  local function client(options)
    local all = {
      secretId = stub.SECRET_ID,
      secretKey = stub.SECRET_KEY,
      region = "gz",
      apiVersion = "3.0",
      caFile = certs.path "ca.pem",
      maxAttempts = 1,
    }
    for name, value in pairs(options) do
      all[name] = value
    end
    clients[#clients + 1] = image.new(all)
    return clients[#clients]
  end

  before_each(function()
    servers, clients = {}, {}
  end)

  after_each(function()
    for _, one in ipairs(clients) do
      one:close()
    end
    for _, one in ipairs(servers) do
      one:stop()
    end
  end)

  it("goes there, with the endpoint's Host, signature and certificate", function()
    local server = start { tls = "good" }
    local six = start { tls = "good", host = "::1" }
    for _, case in ipairs {
      { "https://api.test", "127.0.0.1:" .. server.port, "api.test" },
      { "https://api.test:8443", "localhost:" .. server.port, "api.test:8443" },
      { ("https://api.test:%d"):format(server.port), "127.0.0.1", "api.test:" .. server.port }, -- the endpoint's port
      { "https://api.test", "[::1]:" .. six.port, "api.test" },
    } do
      local one = client { endpoint = case[1], connectTo = case[2] }
      assert(one:describe {})
      assert(one:describe {}) -- over the kept connection
      local target = case[2]:find("[::1]", 1, true) and six or server
      local requests = target:requests()
      assert.matches("\r\nHost: " .. case[3] .. "\r\n", requests[#requests], 1, true)
      local signed = assert(one:sign("DescribeImages", {}))
      assert.matches("host:" .. case[3] .. "\n", signed.canonicalRequest, 1, true)
      assert.equal(case[1] .. "/", signed.url)
    end
  end)

  it("refuses a certificate that does not name the endpoint, and says by which way it went", function()
    local server = start { tls = "good" }
    local target = "127.0.0.1:" .. server.port -- which the certificate names
    local _, message, err = client({ endpoint = "https://other.test", connectTo = target }):describe {}
    assert.same({ "network", "tls", "notSent" }, { err.kind, err.reason, err.outcome })
    assert.matches("cannot set up TLS with other.test:443 by way of " .. target, message, 1, true)
    _, message, err = client({ endpoint = "https://api.test", connectTo = "127.0.0.1:1" }):describe {}
    assert.equal("connect", err.reason)
    assert.matches("cannot connect to api.test:443 by way of 127.0.0.1:1: ", message, 1, true)
    _, message, err = client({ endpoint = "https://api.test", connectTo = "nowhere.invalid" }):describe {}
    assert.equal("dns", err.reason)
    assert.matches("api.test:443 by way of nowhere.invalid:443", message, 1, true)
  end)

  it("is no proxy: a connection that is refused there is none that a proxy failed to make", function()
    local connection = require("qcimage.http").new {}
    local request = { method = "GET", url = "https://api.test", headers = {} }
    local _, _, detail = connection:send(request, 3, 3, false, "::127.0.0.1:1")
    connection:close()
    assert.same({ sent = false, reused = false, reason = "connect" }, detail)
  end)

  it("is of the endpoint alone: STS is asked where it is, and the next request goes back", function()
    local keys = '{"Response": {"Credentials": {"TmpSecretId": "AKIDrole", "TmpSecretKey": "key", "Token": "t"}, '
      .. '"ExpiredTime": 4102444800, "RequestId": "r"}}'
    local sts = start { { { "loop", { { "recv" }, { "send", answer(keys) } } } } }
    local cvm = start {}
    local one = client {
      endpoint = "http://cvm.localhost",
      connectTo = "127.0.0.1:" .. cvm.port,
      stsEndpoint = sts.url,
      roleArn = "qcs::cam::uin/100000000001:roleName/image-ops",
    }
    assert(one:describe {})
    assert.is_nil((one:call "GetCallerIdentity").arn)
    assert(one:describe {})
    local _, asked = table.concat(sts:requests()):gsub("X%-TC%-Action: ", "")
    local _, described = table.concat(cvm:requests()):gsub("X%-TC%-Action: DescribeImages", "")
    assert.same({ 2, 2 }, { asked, described })
    assert.matches("\r\nHost: cvm.localhost\r\n", cvm:requests()[1], 1, true)
  end)

  it("holds plain http by where the bytes go", function()
    local server = start {}
    assert(client({ endpoint = "http://api.test", connectTo = "127.0.0.1:" .. server.port }):describe {})
    for _, endpoint in ipairs { "http://localhost:8099", "http://127.0.0.1" } do
      for _, target in ipairs { "10.0.0.1", "10.0.0.1:80", "[fe80::1]:80", "elsewhere.test" } do
        local ok, message = pcall(client, { endpoint = endpoint, connectTo = target })
        assert.is_false(ok)
        assert.matches("option endpoint is plain http to another machine", message, 1, true)
        assert.is_table(client { endpoint = endpoint, connectTo = target, allowPlainHttp = true })
      end
    end
    local output = process.lua(
      [[
        local client = require("qcimage").new { connectTo = "10.0.0.1", region = "gz", secretId = "a", secretKey = "b" }
        print(select(2, client:describe {}))
      ]],
      "QCIMAGE_ENDPOINT=http://localhost"
    )
    assert.matches("^QCIMAGE_ENDPOINT is plain http to another machine", output)
  end)

  it("decides whether the environment's proxy is asked, and is what the proxy is asked for", function()
    local proxy = start {
      { { "recv" }, { "send", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" }, { "close" } },
      { { "recv" }, { "send", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" }, { "close" } },
    }
    local server = start { tls = "good" }
    local function run(endpoint, target)
      return process.lua(
        ([[
          local client = require("qcimage").new {
            endpoint = %q, connectTo = %q, caFile = %q, region = "gz", secretId = "a", secretKey = "b",
            apiVersion = "3.0", maxAttempts = 1,
          }
          local result, _, err = client:describe {}
          print(result and "done" or err.reason)
        ]]):format(endpoint, target, certs.path "ca.pem"),
        ("-u no_proxy -u NO_PROXY https_proxy=http://127.0.0.1:%d"):format(proxy.port)
      )
    end
    assert.equal("done\n", run("https://api.test", "127.0.0.1:" .. server.port))
    assert.equal("proxy\n", run("https://localhost", "10.0.0.1:8443"))
    assert.equal(1, #proxy:requests())
    assert.matches("^CONNECT 10.0.0.1:8443 HTTP/1.1\r\n", proxy:requests()[1])
  end)

  it("is what the proxy of the option is asked for, be it this machine or not", function()
    local refusal = { { "recv" }, { "send", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" }, { "close" } }
    local proxy = start { refusal, refusal }
    for i, target in ipairs { "10.0.0.1:8443", "127.0.0.1:8443" } do
      local one = client {
        endpoint = "https://api.test",
        connectTo = target,
        proxy = ("http://127.0.0.1:%d"):format(proxy.port),
      }
      local _, message, err = one:describe {}
      assert.equal("proxy", err.reason)
      assert.matches("the proxy did not connect to api.test:443 by way of " .. target, message, 1, true)
      assert.matches("^CONNECT " .. target .. " HTTP/1.1\r\n", proxy:requests()[i])
    end
  end)

  it("is set as docs/credentials.md shows", function()
    local program = readme.block "connectTo = "
    local getenv = os.getenv
    rawset(os, "getenv", function(name)
      return ({ TENCENTCLOUD_SECRET_ID = stub.SECRET_ID, TENCENTCLOUD_SECRET_KEY = stub.SECRET_KEY })[name]
    end)
    local one = assert((loadstring or load)(program .. " return tunnelled"))() -- luacheck: ignore
    rawset(os, "getenv", getenv)
    local request = assert(one:sign("DescribeImages", {}, { region = "gz" }))
    assert.same({ host = "127.0.0.1", port = 8443 }, request.connectTo)
    assert.equal("cvm.example.cloud", request.headers.Host)
  end)

  it("goes beside no transport of the caller's, and is a host and maybe a port", function()
    local ok, message = pcall(image.new, { transport = print, connectTo = "127.0.0.1" })
    assert.is_false(ok)
    assert.matches("option connectTo and option transport cannot be combined", message, 1, true)
    for _, value in ipairs {
      "",
      "https://127.0.0.1",
      "127.0.0.1/x",
      "user@host",
      "host:",
      "host:0",
      "host:65536",
      "host:1:2",
      "::1",
      "[::1",
      "a b",
      "a\r\nb",
      ":80",
      "::host:80",
      ("a"):rep(100000) .. " ",
    } do
      ok, message = pcall(image.new, { connectTo = value })
      assert.is_false(ok, value)
      assert.matches("option connectTo ", message, 1, true)
      assert.is_true(#message < 400)
    end
    assert.is_false((pcall(image.new, { connectTo = 80 })))
    local one = client { connectTo = "Tunnel.test" }
    assert.equal("https://cvm.tencentcloudapi.com/", assert(one:sign("DescribeImages", {})).url)
    assert.same({ host = "tunnel.test", port = 443 }, assert(one:sign("DescribeImages", {})).connectTo)
  end)
end)
