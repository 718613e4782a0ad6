--- The blocks of README.md, the examples in docs/examples and the gateways' plugins in docs/openresty.md, as a reader copies
--- them. nginx.conf is run by openresty_spec.lua.
-- packages: redis-tools

local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local redis = require "spec.support.redis"
local stub = require "spec.support.stub"

local KEYS = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s"):format(stub.SECRET_ID, stub.SECRET_KEY)
local INSTALL = 'require("qcimage.emulator").install { client = { apiVersion = "3.0" } }\n'

local emulator, folder, environment

setup(function()
  emulator = emulators.start()
  folder = process.run("mktemp -d"):gsub("\n", "")
  environment = ("%s TENCENTCLOUD_REGION=ap-guangzhou QCIMAGE_API_VERSION=3.0 QCIMAGE_ENDPOINT=%s"):format(
    KEYS,
    emulator.url
  )
end)

teardown(function()
  emulator:stop()
  process.run("rm -rf " .. folder)
end)

before_each(function()
  emulator:reset()
end)

-- Writes a file into the folder and returns its path.
local function write(name, text)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- Runs lines of a shell in which lua5.4 is this interpreter and qcimage the command of this build.
local function shell(lines)
  local interpreter = process.run("command -v " .. process.interpreter):gsub("\n", "")
  write("lua5.4", ('#!/bin/sh\nexec env %s %s "$@"\n'):format(process.paths, interpreter))
  local root = process.run("pwd"):gsub("\n", "")
  write("qcimage", ('#!/bin/sh\ncd %s && exec %s/lua5.4 spec/support/qcimage.lua "$@"\n'):format(root, folder))
  process.run(("chmod +x %s/lua5.4 %s/qcimage"):format(folder, folder))
  return process.run(('(set -e; PATH=%s:"$PATH"\n%s\n)'):format(folder, lines))
end

describe("README.md:", function()
  it("the first program prints what its comments say", function()
    local block = readme.block "README.md: image.describe({})"
    local _, lines = block:gsub("\n", "")
    assert.is_true(lines <= 12, "it has more than twelve lines")
    local expected = {}
    for comment in block:gmatch "%-%->%s*([^\n]*)" do
      expected[#expected + 1] = comment
    end
    local output, i = process.lua(block, "-u TENCENTCLOUD_REGION"), 0
    for line in output:gmatch "[^\n]+" do
      i = i + 1
      local beginning = expected[i]:gsub("%s*…$", "")
      assert.equal(beginning, line:sub(1, #beginning))
    end
    assert.equal(#expected, i, output)
  end)

  it("the same against a cloud renames the image of an emulator", function()
    local lines = readme.block("README.md: lua5.4 docs/examples/rename.lua", {
      ["TENCENTCLOUD_SECRET_ID=… TENCENTCLOUD_SECRET_KEY=…"] = KEYS,
    })
    local output, status = shell(("export QCIMAGE_ENDPOINT=%s\n%s"):format(emulator.url, lines))
    assert.equal(0, status, output)
    assert.matches("^0\t", output)
    assert.equal("testName", emulator:images()[1].imageName)
    local last = emulator:journal()[1]
    assert.equal("3.0", last.api)
  end)

  it("a modification that is decided by its outcome", function()
    assert.equal("", (process.lua(INSTALL .. readme.block "README.md: err.outcome ==")))
    local lost =
      'require("qcimage.emulator").install { client = { apiVersion = "3.0" } }:fault { kind = "dropAfter", count = 9 }\n'
    assert.matches("^look before you try again: ", (process.lua(lost .. readme.block "README.md: err.outcome ==")))
  end)

  it("a list of all images", function()
    assert.matches("img%-12345678\t", (process.lua(INSTALL .. readme.block "README.md: .each {")))
  end)

  it("a list of changes", function()
    local program = readme.block("README.md: rename.journal", { ["rename.journal"] = folder .. "/rename.journal" })
    assert.equal("1\t0\t0\n", (process.lua(INSTALL .. program)))
  end)

  it("the command", function()
    local output, status = shell(("export %s\n%s"):format(environment, readme.block "README.md: qcimage modify"))
    assert.equal(0, status, output)
    assert.equal("web-04", emulator:images()[1].imageName)
  end)

  it("the location in nginx", function()
    local names = "env TENCENTCLOUD_SECRET_ID; env TENCENTCLOUD_SECRET_KEY; env TENCENTCLOUD_REGION; "
      .. "env QCIMAGE_API_VERSION; env QCIMAGE_ENDPOINT;\n"
    local server = nginx.start {
      conf = names .. nginx.conf("", readme.block "README.md: content_by_lua_block"),
      environment = environment,
    }
    finally(function()
      server:stop()
    end)
    local _, body = server:request "/rename?id=img-12345678&name=web-05"
    assert.equal("renamed\n", body)
    assert.equal("web-05", emulator:images()[1].imageName)
    _, body = server:request "/rename?id=img-12345678&name=db-01"
    assert.matches("^ModifyImageAttribute: InvalidImageName.Duplicate", body)
  end)

  it("the test of a program", function()
    local program = write("rename.lua", readme.block "docs/examples/rename.lua")
    local test = readme.block("README.md: finally(", { ["rename.lua"] = program })
    local spec = write("readme_spec.lua", ('describe("it", function()\n%send)\n'):format(test))
    local output = process.run(("%s spec/support/run.lua %s"):format(process.interpreter, spec))
    assert.truthy(output:find("1 success", 1, true), output)
  end)
end)

describe("the pages:", function()
  it("an error has kind, reason and outcome", function()
    local refused =
      'require("qcimage.emulator").install { client = { apiVersion = "3.0" } }:fault { kind = "throttle", count = 9 }\n'
    local output = process.lua(refused .. readme.block "print(err.kind, err.reason, err.outcome)")
    assert.matches("\nservice\tthrottled\trejected\n$", output)
  end)

  it("a client describes a page", function()
    local output, status = process.lua(readme.block "client:describe { limit = 10 }", environment)
    assert.equal(0, status, output)
    assert.matches("^%d+\t%d+\n$", output)
  end)

  it("the lines that set keys are a shell's", function()
    local output = process.run(readme.block "docs/credentials.md: export" .. "echo $TENCENTCLOUD_REGION")
    assert.equal("ap-guangzhou\n", output)
  end)

  it("the program that waits for an image prints its state", function()
    assert.equal("NORMAL\n", (process.lua(INSTALL .. readme.block "waitTimeout =")))
  end)
end)

describe("docs/examples:", function()
  it("rename.lua renames, and exits with 1 when the service refuses", function()
    write("rename.lua", readme.block "docs/examples/rename.lua")
    local output, status = shell(("export %s; lua5.4 %s/rename.lua img-12345678 web-06"):format(environment, folder))
    assert.equal(0, status, output)
    assert.equal("web-06", emulator:images()[1].imageName)
    output, status = shell(("export %s; lua5.4 %s/rename.lua img-12345678 db-01"):format(environment, folder))
    assert.equal(1, status, output)
    assert.matches("^ModifyImageAttribute: InvalidImageName.Duplicate", output)
  end)

  it("rename_spec.lua passes, and fails when the program does not rename", function()
    local spec = write("rename_spec.lua", readme.block "docs/examples/rename_spec.lua")
    local function busted()
      return process.run(("%s spec/support/run.lua %s"):format(process.interpreter, spec))
    end
    write("rename.lua", readme.block "docs/examples/rename.lua")
    local output, status = busted()
    assert.equal(0, status, output)
    assert.truthy(output:find("4 successes", 1, true), output)
    write("rename.lua", "")
    output, status = busted()
    assert.not_equal(0, status, output)
  end)

  it("ci.yml's test runs against the emulator that it starts", function()
    local text = readme.block "docs/examples/ci.yml"
    local script = text:match "%- name: test\n%s+run: |\n(.*)$":gsub("\n          ", "\n")
    local port = ("%d"):format(nginx.freePort())
    local settings = {}
    for name, value in text:match "\n    env:\n(.-)\n    steps:":gmatch '([%u_]+): "?([^%s"]+)' do
      settings[#settings + 1] = ("export %s=%s"):format(name, value)
    end
    assert.equal(5, #settings)
    local lines = readme.with(table.concat(settings, "\n") .. "\n" .. script, { ["8099"] = port })
    write("rename.lua", readme.block "docs/examples/rename.lua")
    local output, status = shell(("cd %s\n%s"):format(folder, lines))
    assert.equal(0, status, output)
    assert.matches("img%-12345678\tweb%-07\t", output)
  end)

  it("redis_limiter.lua lets two programs share a rate", function()
    local server = redis.start()
    finally(function()
      server:stop()
    end)
    local program = readme.block("docs/examples/redis_limiter.lua", { ["6379"] = ("%d"):format(server.port) })
    write(
      "redis_limiter.lua",
      program .. "for i = 1, 9 do client:modify { imageId = 'img-12345678', imageName = 'n' .. i } end\n"
    )
    local one = ("lua5.4 %s/redis_limiter.lua img-12345678 web-08"):format(folder)
    local began = require("socket").gettime()
    local output, status = shell(("export %s; %s & %s; wait $!"):format(environment, one, one))
    local took = require("socket").gettime() - began
    assert.equal(0, status, output)
    assert.equal(2, select(2, output:gsub("0\t[^\n]*\n", "")), output)
    assert.is_true(took > 19 / 10, ("20 calls took %.2f s"):format(took)) -- at 9.7 a second
    assert.equal("1\n", (server:cli "dbsize" .. "\n"):gsub("\n\n", "\n"))
  end)

  it("redis_limiter.lua goes on without its Redis", function()
    local program = readme.block("docs/examples/redis_limiter.lua", { ["6379"] = ("%d"):format(nginx.freePort()) })
    write("redis_limiter.lua", program)
    local output, status = shell(("export %s; lua5.4 %s/redis_limiter.lua"):format(environment, folder))
    assert.equal(0, status, output)
    assert.matches("connection refused", output)
    assert.matches("\n0\t", output)
  end)
end)

-- The plugins of docs/openresty.md, over stand-ins for the gateways' functions and the emulator in-process.
describe("a plugin", function()
  local PRELUDE = [[
    local emulator = require "qcimage.emulator"
    local image = require "qcimage"
    local made, new = 0, image.new
    local service
    function image.new(options)
      made = made + 1
      local transport
      transport, service = emulator.transport()
      options.transport = transport
      return new(options)
    end
    local vault = { id = "%s", key = "%s" }
    local args = { id = "img-12345678", name = "web-09" }
  ]]

  local function run(gateway, block, calls)
    local output, status = process.lua(
      PRELUDE:format(stub.SECRET_ID, stub.SECRET_KEY)
        .. gateway
        .. "local plugin = (function()\n"
        .. block
        .. "end)()\n"
        .. calls
        .. "print(made, service:images()[1].imageName)"
    )
    assert.equal(0, status, output)
    return output
  end

  it("of Kong keeps one client for a configuration, and takes its keys from the vault", function()
    local output = run(
      [[
        kong = {
          vault = { get = function(reference) return vault[reference:match "{vault://env/(.*)}"], "no such secret" end },
          request = { get_query_arg = function(name) return args[name] end },
          response = { exit = function(status, body) print(status, body.outcome) end },
        }
      ]],
      readme.block "kong.vault.get(id)",
      [[
        local conf = { secret_id = "{vault://env/id}", secret_key = "{vault://env/key}", region = "ap-guangzhou" }
        plugin:access(conf)
        args.name = "db-01"
        plugin:access(conf)
        vault.id = nil
        plugin:access(conf)
        vault.id, args.name = "]]
        .. stub.SECRET_ID
        .. [[", "web-10"
        conf = { secret_id = "{vault://env/id}", secret_key = "{vault://env/key}", region = "ap-guangzhou" }
        plugin:access(conf)
      ]]
    )
    assert.equal("200\tnil\n502\trejected\n502\tnotSent\n200\tnil\n2\tweb-10\n", output)
  end)

  it("of APISIX keeps one client for a version of the configuration", function()
    local output = run(
      [[
        local cached = {}
        package.loaded["apisix.core"] = {
          lrucache = {
            new = function() return cached end,
            plugin_ctx = function(cache, ctx, _, create, ...)
              cache[ctx.version] = cache[ctx.version] or create(...)
              return cache[ctx.version]
            end,
          },
          schema = { check = function() return true end },
          request = { get_uri_args = function() return args end },
        }
        package.loaded["apisix.secret"] = {
          fetch_secrets = function(references)
            local values = {}
            for name, reference in pairs(references) do
              values[name] = vault[reference:match "%$env://(.*)"]
            end
            return values
          end,
        }
      ]],
      readme.block "fetch_secrets",
      [[
        local conf = { secret_id = "$env://id", secret_key = "$env://key", region = "ap-guangzhou" }
        assert(plugin.check_schema(conf))
        print((plugin.access(conf, { version = 1 })))
        args.name = "db-01"
        print((plugin.access(conf, { version = 1 })))
        args.name = nil
        args.id = nil
        print((plugin.access(conf, { version = 1 })))
        args.id, args.name = "img-12345678", "web-11"
        print((plugin.access(conf, { version = 2 })))
      ]]
    )
    assert.equal("200\n502\n400\n200\n2\tweb-11\n", output)
  end)
end)

describe("docs/bulk.md:", function()
  it("the list of CSV is one", function()
    local program = ("local report = assert(require('qcimage').apply(%q, { dryRun = true })) print(report.changes)"):format(
      readme.block "web-01,nightly build 7"
    )
    assert.equal("2\n", (process.lua(INSTALL .. program)))
  end)

  it("the lines of the shell plan, make and undo a change", function()
    process.run(('printf "" >%s/keep; rm -f %s/list.*'):format(folder, folder))
    local lines = readme.block("list.journal", {
      ["TENCENTCLOUD_SECRET_ID=… TENCENTCLOUD_SECRET_KEY=…"] = KEYS,
      ["list.csv"] = folder .. "/list.csv",
      ["list.journal"] = folder .. "/list.journal",
    })
    local output, status = shell(("export QCIMAGE_ENDPOINT=%s\n%s"):format(emulator.url, lines))
    assert.equal(0, status, output)
    assert.matches('img%-12345678  imageName  "web%-01" %-> "web%-02"\n', output)
    assert.matches("\n2     img%-12345678  ok      web%-02", output)
    assert.matches("\n2     img%-12345678  ok      web%-01", output)
    assert.equal("web-01", emulator:images()[1].imageName)
  end)
end)

describe("docs/command.md:", function()
  it("every line does what it says", function()
    write("names.csv", "imageId,imageName\nimg-12345678,web-09\n")
    write("body.json", '{"ImageId":"img-12345678","ImageName":"web-08"}')
    local count = 0
    for _, block in ipairs(readme.blocks "docs/command.md") do
      for line in (block.language == "sh" and block.text or ""):gmatch "[^\n]+" do
        emulator:reset()
        local input = line:find "input%-json %-" and "<<'END'\n{}\nEND\n" or "</dev/null"
        local command = line:gsub("ins%-12345678", "ins-stopped1"):gsub("%s+#.*", "")
        command = command:gsub("[%w]+%.csv", folder .. "/%0"):gsub("[%w]+%.json", folder .. "/%0")
        local output, status = shell(("export %s\n%s %s"):format(environment, command, input))
        local isUnserved = line:find("InquirePrice", 1, true) -- of another product than images
        assert.equal(isUnserved and 6 or 0, status, line .. "\n" .. output)
        count = count + 1
      end
    end
    assert.is_true(count > 15)
  end)
end)

describe("docs/parallel.md:", function()
  local function run(program)
    local output, status = process.lua(program, environment)
    assert.equal(0, status, output)
    return output
  end

  it("the loop has a result or a message for each image", function()
    local output = run(readme.block("image.parallel(ids", { ["img-11111111"] = "img-12345678" }))
    assert.matches("img%-12345678\t%x+", output)
    assert.matches("img%-22222222\tModifyImageAttribute: InvalidImageId.NotFound", output)
    assert.equal(3, select(2, output:gsub("\n", "")), output)
  end)

  it("the iterator that ends stops the loop", function()
    local prelude = [[
      local image, ids, count = require "qcimage", {}, 0
      for i = 1, 40 do ids[i] = i end
      local function work(id)
        count = count + 1
        if id > 3 then return nil, "enough", {} end
        return id
      end
    ]]
    local count = tonumber((run(prelude .. readme.block "isEnough = err" .. "print(count)")))
    assert.is_true(count >= 4 and count < 40, count)
  end)

  it("each lists the images of all regions", function()
    local client = 'local client = require("qcimage").new {}\n'
    assert.matches("ap%-guangzhou\timg%-12345678\tweb%-01\n", run(client .. readme.block "client:each({ imageType"))
  end)
end)
