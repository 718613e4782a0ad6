--- One cosocket transport that is asked for several places, and for requests of several lengths.

local certs = require "spec.support.certs"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local raw = require "spec.support.raw"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
local ANSWERING = { { "loop", { { "recv" }, { "send", OK } } } }

local names, server

setup(function()
  names = dns.start { "api.test=127.0.0.1", "localhost=127.0.0.1" }
  server = nginx.start { conf = nginx.conf(("resolver 127.0.0.1:%d ipv6=off;"):format(names.port)) }
end)

teardown(function()
  server:stop()
  names:stop()
end)

local function count(service)
  return #service:requests()
end

describe("one transport in nginx", function()
  -- Tells how often each answer came, or what was said of a failure.
  local ASK = [[
    local transport = require("spec.support.transports").cosocket { verify = false }
    local results = {}
    local function ask(url, count)
      for i = 1, count do
        local answer, message = transport({ method = "GET", url = url .. "/" .. i, headers = { Host = "h" } }, 5)
        local result = answer and answer.body or message
        results[result] = (results[result] or 0) + 1
      end
    end
  ]]

  it("keeps a connection for each of two places, asked by turns or side by side", function()
    local first = raw.start { { { "loop", { { "recv" }, { "sleep", 0.02 }, { "send", OK } } } } }
    local second = raw.start { ANSWERING }
    local results = server:lua(ASK .. [[
      local slow = ngx.thread.spawn(ask, "$first", 5)
      ask("$second", 20)
      ngx.thread.wait(slow)
      for i = 1, 3 do
        ask("$first", 1)
        ask("$second", 1)
      end
      return results
    ]], { first = first.url, second = second.url })
    assert.same({ ["{}"] = 31 }, results)
    assert.equal(1, count(first))
    assert.equal(1, count(second))
    first:stop()
    second:stop()
  end)

  it("keeps connections of TLS apart by the name that the certificate was to have", function()
    local service = raw.start { tls = "good", ANSWERING }
    local results = server:lua(ASK .. [[
      for _, name in ipairs { "api.test", "localhost", "127.0.0.1", "api.test", "localhost", "127.0.0.1" } do
        ask(("https://%s:%d"):format(name, $port), 2)
      end
      return results
    ]], { port = service.port })
    assert.same({ ["{}"] = 12 }, results)
    assert.equal(3, count(service))
    service:stop()
  end)

  it("goes by connectTo, and keeps connections apart by endpoint and by way", function()
    local first, second = raw.start { tls = "good", ANSWERING }, raw.start { tls = "good", ANSWERING }
    local plain = raw.start { ANSWERING }
    local trusting = nginx.start {
      conf = nginx.conf(
        ("resolver 127.0.0.1:%d ipv6=off; lua_ssl_trusted_certificate %s;"):format(names.port, certs.path "ca.pem")
      ),
    }
    finally(function()
      trusting:stop()
    end)
    local results = trusting:lua(
      [[
        local results = {}
        local function ask(options)
          options.region, options.apiVersion, options.secretId, options.secretKey = "gz", "3.0", "AKIDx", "secretkey"
          options.maxAttempts = 1
          local client = require("qcimage").new(options)
          for i = 1, 3 do
            local _, message = client:describe {}
            local result = message:gsub(":%d+", ":N")
            results[result] = (results[result] or 0) + 1
          end
        end
        for round = 1, 2 do
          for _, port in ipairs { $first, $second } do
            ask { endpoint = "https://api.test", connectTo = "127.0.0.1:" .. port }
            ask { endpoint = "https://localhost:" .. port, connectTo = "api.test" }
          end
          ask { endpoint = "http://nowhere.test", connectTo = "127.0.0.1:$plain" }
        end
        ask { endpoint = "https://other.test", connectTo = "127.0.0.1:$first" }
        ask { endpoint = "https://api.test", connectTo = "nowhere.test" }
        return results
      ]],
      { first = first.port, second = second.port, plain = plain.port }
    )
    local message
    for said, times in pairs(results) do
      if said:find('neither code nor Response: "{}"', 1, true) then
        assert.equal(30, times) -- {} is an answer, though not the service's
      elseif said:find "other.test" then
        message = said
      else
        assert.matches("cannot find the address of api.test:N by way of nowhere.test:N", said, 1, true)
      end
    end
    assert.matches("cannot set up TLS with other.test:N by way of 127.0.0.1:N", message, 1, true)
    assert.equal(5, count(first)) -- two that serve, and each whose certificate was not taken
    assert.equal(2, count(second))
    assert.equal(1, count(plain))
    assert.matches("\r\nHost: nowhere.test\r\n", plain:requests()[1], 1, true)
    assert.matches("\r\nHost: api.test\r\n", first:requests()[1], 1, true)
    first:stop()
    second:stop()
    plain:stop()
  end)

  it("sends a request whole, be it below or above what is sent at once", function()
    local service = raw.start { ANSWERING }
    server:lua(
      [[
      local transport = require("spec.support.transports").cosocket {}
      for size = 3980, 4140, 20 do
        local body = ("x"):rep(size)
        assert(transport({ method = "POST", url = "$url/", headers = { Host = "h" }, body = body }, 5))
      end
    ]],
      { url = service.url }
    )
    local expected = {}
    for size = 3980, 4140, 20 do
      local head = ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"):format(size)
      expected[#expected + 1] = head .. ("x"):rep(size)
    end
    assert.equal(table.concat(expected), service:requests()[1])
    service:stop()
  end)
end)

describe("nginx", function()
  it("had nothing to complain of", function()
    assert.equal("", server:complaints())
  end)
end)
