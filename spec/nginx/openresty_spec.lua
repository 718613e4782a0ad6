--- Whole calls inside nginx: the configuration of docs/examples, the phases, errors in nginx's words.

local certs = require "spec.support.certs"
local cjson = require "cjson"
local dns = require "spec.support.dns"
local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local readme = require "spec.support.readme"
local stub = require "spec.support.stub"

local KEYS = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s "):format(stub.SECRET_ID, stub.SECRET_KEY)

-- Lua code that makes a client with the example identity.
local CLIENT = ([[
  local function made(options)
    local all = { secretId = "%s", secretKey = "%s", region = "gz", maxAttempts = 1 }
    for name, value in pairs(options or {}) do
      all[name] = value
    end
    return require("qcimage").new(all)
  end
]]):format(stub.SECRET_ID, stub.SECRET_KEY)

local names, emulator, secure

setup(function()
  local known = { "api.test=127.0.0.1", "localhost=127.0.0.1" }
  for i = 1, 6 do -- names that are asked for once, so that they are not remembered
    known[#known + 1] = ("new%d.test=127.0.0.1"):format(i)
  end
  names = dns.start(known)
  emulator = emulators.start()
  secure = emulators.start { args = { "--tls", certs.path "good.pem", certs.path "good.key" } }
end)

teardown(function()
  emulator:stop()
  secure:stop()
  names:stop()
end)

local server

after_each(function()
  if server then
    server:stop()
    server = nil
  end
end)

-- Starts nginx with the locations /ping and /lua.
local function start(main, more)
  server = nginx.start { conf = nginx.conf(main, more) }
end

-- A modification in nginx. Returns result and message and err as tables.
local function modify(options)
  local result, message, err = server:lua(CLIENT .. [[
    local client = made { $options }
    local result, message, err = client:modify { imageId = "img-12345678", imageName = "web-09" }
    return result, message, err
  ]], { options = options })
  return result, message, err
end

local function assertFails(kind, reason, result, message, err)
  assert.is_nil(result)
  assert.equal(kind, err.kind, message)
  assert.equal(reason, err.reason, message)
  assert.equal("notSent", err.outcome, message)
  assert.is_nil(message:find(stub.SECRET_KEY, 1, true))
  return message
end

describe("docs/examples/nginx.conf", function()
  it("renames an image, and answers a status that fits", function()
    -- installed into a folder of its own, with the commented-out paths turned on
    local tree = process.run("mktemp -d"):gsub("\n", "")
    finally(function()
      process.run("rm -rf " .. tree)
    end)
    local said, installed = process.run(("cmake --install %s --prefix %s"):format(os.getenv "QCIMAGE_BUILD", tree))
    assert.equal(0, installed, said)
    local conf = readme.block("docs/examples/nginx.conf", {
      ["# lua_package_path"] = "lua_package_path",
      ["# lua_package_cpath"] = "lua_package_cpath",
      ["/srv/rocks/share/"] = tree .. "/share/",
      ["/srv/rocks/lib/"] = tree .. "/lib/",
      ["listen 127.0.0.1:8080"] = "listen 127.0.0.1:$PORT",
      ["127.0.0.53"] = "127.0.0.1:" .. names.port,
      ["/etc/ssl/certs/ca-certificates.crt"] = certs.path "ca.pem",
    })
    if process.run "nginx -V":find("lua-nginx-module", 1, true) then
      conf = conf:gsub("^include[^\n]*\n", "")
    end
    server = nginx.start {
      conf = conf,
      loads = false,
      environment = ("env -u LUA_PATH -u LUA_CPATH %sQCIMAGE_ENDPOINT=https://api.test:%d"):format(KEYS, secure.port),
    }
    local function rename(body)
      local status, text, headers = server:request("/rename", body)
      assert.equal("application/json", headers["content-type"])
      return status, cjson.decode(text)
    end
    secure:reset()
    local status, answer = rename '{"imageId":"img-12345678","imageName":"testName","imageDescription":"descrip"}'
    assert.equal(200, status)
    assert.is_string(answer.requestId)
    local journal = secure:journal()
    assert.equal(1, #journal)
    assert.equal("3.0", journal[1].api)
    assert.is_true(journal[1].applied)
    assert.same(
      { InstanceId = nil, ImageId = "img-12345678", ImageName = "testName", ImageDescription = "descrip" },
      journal[1].params
    )
    for body, expected in pairs {
      ['{"imageId":"img-12345678","imageName":"db-01"}'] = { 409, "rejected", "InvalidImageName.Duplicate" },
      ['{"imageId":"img-1234567x","imageName":"web-03"}'] = { 404, "rejected", "InvalidImageId.NotFound" },
      ['{"imageId":"img-12345678","imageName":7}'] = { 400, "notSent" },
      ['{"imageId":"img-12345678","name":"web-03"}'] = { 400, "notSent" },
      ['{"imageId":"img-12345678","imageName":null}'] = { 400, "notSent" },
      ['{"imageId":'] = { 400, "notSent" },
      ["7"] = { 400, "notSent" },
      [""] = { 400, "notSent" },
    } do
      status, answer = rename(body)
      assert.equal(expected[1], status, body .. ": " .. tostring(answer.error))
      assert.equal(expected[2], answer.outcome, body)
      assert.equal(expected[3], answer.code, body)
      assert.is_string(answer.error)
    end
    secure:fault { kind = "status", status = 503, count = 9 }
    status, answer = rename '{"imageId":"img-12345678","imageName":"web-03"}'
    assert.equal(502, status)
    assert.equal("unknown", answer.outcome)
    secure:control("DELETE", "faults")
    -- all that the log tells is what the location wrote there
    for line in server:complaints():gmatch "[^\n]+" do
      assert.matches("%[warn%] .* ModifyImageAttribute:", line)
    end
  end)
end)

describe("the location of docs/openresty.md", function()
  local SNIPPET = readme.block "above http:"

  -- As printed: what says "above http" goes there. Debian's path of modules is this build's.
  local function startSnippet(version)
    local above = {}
    local location = SNIPPET:gsub("# above http: ([^\n]*)\n", function(lines)
      above[#above + 1] = lines
      return ""
    end)
    assert.equal(2, #above)
    server = nginx.start {
      conf = table.concat(above, "\n") .. "\n" .. nginx.conf("", location),
      environment = ("%sTENCENTCLOUD_REGION=gz QCIMAGE_API_VERSION=%s QCIMAGE_ENDPOINT=%s"):format(
        KEYS,
        version,
        emulator.url
      ),
    }
  end

  local function named(id)
    for _, image in ipairs(emulator:images()) do
      if image.imageId == id then
        return image.imageName
      end
    end
  end

  it("gives an image the name of its argument, decoded", function()
    emulator:reset()
    startSnippet "3.0"
    local status, body = server:request "/rename?id=img-12345678&name=my%20web%2F01%20%E4%B8%AD"
    assert.equal("renamed\n", body)
    assert.equal(200, status)
    assert.equal("my web/01 中", named "img-12345678")
  end)

  it("answers a status that fits a failure", function()
    emulator:reset()
    startSnippet "2.0"
    assert.equal(200, (server:request "/rename?id=img-12345678&name=web-09"))
    for arguments, expected in pairs {
      ["id=img-12345678&name=db-01"] = { 409, "ModifyImageAttributes" },
      ["id=img-12345678&name=a%20b"] = { 400, "imageName must be" },
      ["id=img-12345678&name"] = { 400, "imageName must be text, not true" },
      ["id=img-12345678&name=a&name=b"] = { 400, "imageName must be text, not a table" },
      ["name=a"] = { 400, "imageId is required" },
      [""] = { 400, "imageId is required" },
    } do
      local status, body = server:request("/rename?" .. arguments)
      assert.equal(expected[1], status, body)
      assert.is_truthy(body:find(expected[2], 1, true), body)
    end
    emulator:fault { kind = "status", status = 503, count = 9 }
    assert.equal(502, (server:request "/rename?id=img-12345678&name=web-10"))
    emulator:control("DELETE", "faults")
    assert.equal("web-09", named "img-12345678")
  end)
end)

describe("in nginx", function()
  it("a client made in init_by_lua serves every worker's requests, and libcurl is not loaded", function()
    server = nginx.start {
      conf = nginx.conf [[
        init_by_lua_block { client = require("qcimage").new() }
      ]],
      environment = KEYS .. "TENCENTCLOUD_REGION=gz QCIMAGE_ENDPOINT=" .. emulator.url,
    }
    local code, secret = server:lua [[
      local result = assert(client:modify { imageId = "img-12345678", imageDescription = "by_a_worker" })
      return result.code, os.getenv "TENCENTCLOUD_SECRET_KEY" or "not there"
    ]]
    assert.equal(0, code)
    assert.equal("not there", secret) -- so it came from the snapshot
    local worker = server:workers()[1]
    local maps = process.run(("cat /proc/%d/maps"):format(worker))
    assert.is_truthy(maps:find("qcimage/core.so", 1, true))
    assert.is_nil(maps:find("libcurl", 1, true))
    assert.is_nil(maps:find("qcimage/http.so", 1, true))
    assert.equal("", server:complaints())
  end)

  it("all that a call needs is loaded with the module", function()
    server = nginx.start {
      conf = nginx.conf [[
        init_by_lua_block { require "qcimage" }
      ]],
    }
    local count = server:lua(CLIENT .. [[
      local asked = 0
      local searchers = package.loaders
      table.insert(searchers, 1, function() asked = asked + 1 end)
      local client = made { endpoint = "$url" }
      assert(client:modify { imageId = "img-12345678", imageName = "web-09" })
      assert(client:describe {})
      client:modify { imageId = "img-nothere1", imageName = "web-10" }
      client:close()
      table.remove(searchers, 1)
      return asked
    ]], { url = emulator.url })
    assert.equal(0, count)
  end)

  it("both versions of the API are called, by name and over TLS", function()
    start(([[
      resolver 127.0.0.1:%d ipv6=off;
      lua_ssl_trusted_certificate %s;
    ]]):format(names.port, certs.path "ca.pem"))
    secure:reset()
    for version, method in pairs { ["2.0"] = "GET", ["3.0"] = "POST" } do
      local result, message = modify(
        ('endpoint = "https://api.test:%d", apiVersion = "%s", method = "%s"'):format(secure.port, version, method)
      )
      assert.is_table(result, message)
      assert.equal(0, result.code)
    end
    assert.equal(2, #secure:journal())
    assert.equal("", server:complaints())
  end)

  it("the name is told to the server that is asked for, after reloads, too", function()
    local port = nginx.freePort()
    start(([[
        resolver 127.0.0.1:%d ipv6=off;
        lua_ssl_trusted_certificate %s;
        server {
          listen 127.0.0.1:%d ssl;
          ssl_certificate %s;
          ssl_certificate_key %s;
          location / { return 200 "$ssl_server_name $http_host"; }
        }
      ]]):format(names.port, certs.path "ca.pem", port, certs.path "good.pem", certs.path "good.key"))
    for _ = 1, 5 do
      server:reload() -- TLS must outlive what a reload ends
    end
    for _, name in ipairs { "api.test", "localhost" } do
      local answer, message = server:lua(
        [[
          local transport = require("spec.support.transports").cosocket {}
          return transport({ method = "GET", url = "https://$name:$port/", headers = { Host = "signed.test" } }, 5)
        ]],
        { name = name, port = port }
      )
      assert.is_table(answer, message)
      assert.equal(name .. " signed.test", answer.body)
    end
  end)

  it("an IPv6 address is called, with its brackets in Host", function()
    start ""
    local service = raw.start {
      host = "::1",
      { { "recv" }, { "send", 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}' } },
    }
    local result, message = modify(('endpoint = "http://[::1]:%d"'):format(service.port))
    assert.is_table(result, message)
    assert.matches("\r\nHost: [::1]:" .. service.port .. "\r\n", service:requests()[1], 1, true)
    service:stop()
  end)

  it("the options caFile and proxy are refused by the name of what does it", function()
    start ""
    local message = assertFails("unsupported", nil, modify 'caFile = "/etc/ssl/certs/ca-certificates.crt"')
    assert.matches("lua_ssl_trusted_certificate", message)
    message = assertFails("unsupported", nil, modify 'proxy = "http://user:thepassword@127.0.0.1:3128"')
    assert.matches("lua-resty-http", message, 1, true)
    assert.is_nil(message:find "thepassword")
    local result, problem = modify(('proxy = "", endpoint = "%s"'):format(emulator.url))
    assert.is_table(result, problem)
  end)

  it("poolSize and poolIdle are checked", function()
    start ""
    for option, text in pairs {
      ["poolSize = 0"] = "whole number from 1",
      ["poolSize = 1.5"] = "whole number from 1",
      ["poolIdle = 0"] = "above 0 and below 60",
      ["poolIdle = 60"] = "above 0 and below 60",
    } do
      local ok, message = server:lua(CLIENT .. "return pcall(made, { $option })", { option = option })
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    local result, message = modify(('poolSize = 1, poolIdle = 59.9, endpoint = "%s"'):format(emulator.url))
    assert.is_table(result, message)
  end)

  it("verify = false is written to the log, once", function()
    start ""
    local result, message = modify(('verify = false, endpoint = "https://127.0.0.1:%d"'):format(secure.port))
    assert.is_table(result, message)
    modify "verify = false"
    local _, count = server:complaints():gsub("verify = false: the server's certificate is not checked", "")
    assert.equal(1, count)
  end)

  it("a call whose kept connection had died is made once more at once, signed afresh", function()
    start ""
    local OK = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}'
    local service = raw.start {
      { { "recv" }, { "send", OK }, { "recv" }, { "close" } },
      { { "recv" }, { "send", OK } },
    }
    local attempts = server:lua(CLIENT .. [[
      local client = made { endpoint = "$url", maxAttempts = 2, method = "GET" }
      client.random = function() return 1e9 end -- any other wait would be beyond the timeout
      assert(client:modify { imageId = "img-1", imageName = "a" })
      local result = assert(client:modify { imageId = "img-1", imageName = "b" })
      return result.attempts
    ]], { url = service.url })
    assert.equal(2, #attempts)
    assert.equal("unknown", attempts[1].outcome)
    local requests = service:requests()
    assert.equal(2, #requests)
    local lost = stub.form(requests[1]:match "\r\n\r\nGET [^?]*%?(%S+)")
    local again = stub.form(requests[2]:match "^GET [^?]*%?(%S+)")
    assert.equal("b", lost.imageName)
    assert.equal("b", again.imageName)
    assert.not_equal(lost.Nonce, again.Nonce)
    assert.not_equal(lost.Signature, again.Signature)
    service:stop()
  end)

  it("an answer has at most 1 MiB, unless maxResponseBytes says more", function()
    start ""
    local body = '{"code":0,"message":"' .. ("x"):rep(1024 * 1024) .. '"}'
    local answer = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
    local service = raw.start { { { "recv" }, { "send", answer } } }
    local _, message, err = modify(('endpoint = "%s"'):format(service.url))
    assert.equal("tooLarge", err.reason, message)
    local result, problem = modify(('endpoint = "%s", maxResponseBytes = %d'):format(service.url, #body))
    assert.is_table(result, problem)
    service:stop()
  end)

  it("a wait before another attempt lets others through", function()
    start ""
    emulator:reset()
    emulator:fault { kind = "throttle", count = 2 }
    local attempts, ticks = server:lua(CLIENT .. [[
      local ticks, ended = 0, false
      local ticker = ngx.thread.spawn(function()
        while not ended do
          ngx.sleep(0.01)
          ticks = ticks + 1
        end
      end)
      local client = made { endpoint = "$url", maxAttempts = 3 }
      local result = assert(client:modify { imageId = "img-12345678", imageName = "web-09" })
      ended = true
      ngx.thread.wait(ticker)
      return #result.attempts, ticks
    ]], { url = emulator.url })
    assert.equal(3, attempts)
    assert.is_true(ticks > 0)
    assert.equal("", server:complaints()) -- ngx.sleep warns of waits below a millisecond
  end)
end)

describe("a phase of nginx", function()
  -- Notes what a call gives; in a phase without sockets it must give it at once.
  local TRY = CLIENT
    .. [[
    function try(phase)
      local ok, result, message, err = pcall(function()
        local client = made { endpoint = "http://127.0.0.1:$PORT/v2/index.php" }
        return client:modify { imageId = "img-12345678", imageName = "web-09" }
      end)
      local note = { ok = ok, phase = ngx.get_phase() }
      if not ok then
        note.message = result
      elseif result then
        note.code = result.code
      else
        note.message, note.kind, note.outcome, note.attempts = message, err.kind, err.outcome, #err.attempts
      end
      ngx.shared.notes:set(phase, require("cjson").encode(note))
    end
  ]]
  local notes

  setup(function()
    local phases = nginx.start {
      conf = nginx.conf(
        ([[
          lua_shared_dict notes 1m;
          init_by_lua_block { %s try "init" }
          init_worker_by_lua_block {
            try "init_worker"
            ngx.timer.at(0.05, function() try "timer" end)
          }
          upstream balanced {
            server 127.0.0.1:$PORT;
            balancer_by_lua_block {
              try "balancer"
              require("ngx.balancer").set_current_peer("127.0.0.1", ngx.var.server_port)
            }
          }
          server {
            listen unix:$DIR/tls ssl;
            ssl_certificate %s;
            ssl_certificate_key %s;
            ssl_certificate_by_lua_block { try "ssl_cert" }
            location / { return 200 "secure"; }
          }
        ]]):format(TRY, certs.path "good.pem", certs.path "good.key"),
        [[
          location = /v2/index.php {
            content_by_lua_block { ngx.say '{"code":0,"message":""}' }
          }
          location = /notes {
            content_by_lua_block {
              local all = {}
              for _, phase in ipairs(ngx.shared.notes:get_keys()) do
                all[phase] = require("cjson").decode(ngx.shared.notes:get(phase))
              end
              ngx.print(require("cjson").encode(all))
            }
          }
          location = /all {
            set_by_lua_block $it { try "set" return "" }
            rewrite_by_lua_block { try "rewrite" }
            access_by_lua_block { try "access" }
            content_by_lua_block { try "content" ngx.say "done" }
            header_filter_by_lua_block { try "header_filter" }
            body_filter_by_lua_block { try "body_filter" }
            log_by_lua_block { try "log" }
          }
          location = /balanced { proxy_pass http://balanced/ping; }
        ]]
      ),
    }
    phases:request "/all"
    phases:request "/balanced"
    phases:lua(
      [[
      local sock = ngx.socket.tcp()
      assert(sock:connect "unix:$dir/tls")
      assert(sock:sslhandshake(false, "api.test", false))
      sock:close()
    ]],
      { dir = phases.dir }
    )
    notes = nginx.eventually(function()
      local _, text = phases:request "/notes"
      local all = cjson.decode(text)
      return all.timer and all.ssl_cert and all.log and all
    end, function()
      return "the timer: " .. phases:log()
    end)
    phases:stop()
  end)

  for _, phase in ipairs { "rewrite", "access", "content", "timer", "ssl_cert" } do
    it(phase .. " makes calls", function()
      assert.equal(0, notes[phase].code, notes[phase].message)
      assert.equal(phase, notes[phase].phase)
    end)
  end

  for _, phase in ipairs { "init", "init_worker", "set", "header_filter", "body_filter", "log", "balancer" } do
    it(phase .. " makes none, and says where to make them", function()
      local note = notes[phase]
      assert.is_true(note.ok, note.message)
      assert.equal("unsupported", note.kind, note.message)
      assert.equal("notSent", note.outcome)
      assert.equal(1, note.attempts)
      assert.matches("phase " .. phase, note.message, 1, true)
      assert.matches("ngx.timer.at(0, function() ... end)", note.message, 1, true)
    end)
  end
end)

describe("a C function around a call in nginx", function()
  local AROUND = CLIENT
    .. [[
    local client = made { endpoint = "http://$host:$port", allowPlainHttp = true }
    local function call()
      local result, message, err = client:modify { imageId = "img-12345678", imageName = "web-09" }
      return { result and "success" or err.kind, message }
    end
  ]]

  local function around(code, host)
    return (server:lua(AROUND .. code, { host = host or "127.0.0.1", port = emulator.port }))
  end

  it("that can wait does not hinder it", function()
    start(("resolver 127.0.0.1:%d ipv6=off;"):format(names.port))
    local number = 0
    for what, code in pairs {
      pcall = "local _, seen = pcall(call) return seen",
      xpcall = "local _, seen = xpcall(call, debug.traceback) return seen",
      coroutine = "return coroutine.wrap(call)()",
      metamethod = "return setmetatable({}, { __index = call }).x",
      iterator = "for seen in call do return seen end",
      thread = "local _, seen = ngx.thread.wait(ngx.thread.spawn(call)) return seen",
    } do
      number = number + 1
      local seen = around(code, ("new%d.test"):format(number))
      assert.equal("success", seen[1], what .. ": " .. tostring(seen[2]))
    end
    assert.equal("", server:complaints())
  end)

  it("that cannot wait gives an error that says so, and the request goes on in order", function()
    start ""
    emulator:reset()
    for what, code in pairs {
      ["table.sort"] = "table.sort({ 2, 1 }, function() seen = call() return false end)",
      ["string.gsub"] = "('x'):gsub('x', function() seen = call() end)",
      require = "package.preload.portal = function() seen = call() return true end; require 'portal'",
    } do
      -- what was begun in vain would disturb what waits later
      local seen = around(([[
        local seen
        %s
        ngx.sleep(0.05)
        local after = call()
        ngx.sleep(0.05)
        seen[3] = after[1]
        return seen
      ]]):format(code))
      assert.equal("unsupported", seen[1], what)
      assert.matches("attempt to yield across C-call boundary", seen[2], 1, true)
      assert.matches("ngx.timer.at(0, function() ... end)", seen[2], 1, true)
      assert.equal("success", seen[3], what)
    end
    assert.equal(3, #emulator:journal())
    assert.equal("", server:complaints())
  end)

  it("gets a client's text without a wait", function()
    start ""
    local text = server:lua(CLIENT .. [[return ("%s"):format(tostring(made())), tostring(made())]])
    assert.equal("qcimage.Client (API 2.0, the public cloud)", text)
  end)
end)
