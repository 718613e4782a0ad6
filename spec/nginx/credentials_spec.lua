-- Covers keys as people have them, through the public door: a client over the emulator, which is STS and the metadata
-- service, too; programs with a home folder and an environment of their own.

local cloud = require "spec.support.cloud"
local credentials = require "qcimage.credentials"
local emulators = require "spec.support.emulator"
local image = require "qcimage"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local service = require "qcimage.emulator"
local stub = require "spec.support.stub"

local IMAGE = "img-12345678"
local METADATA = "http://metadata.test"
local OWN = { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }

local now, emulator, transport

-- An emulator whose clock only moves when it is told to, and a client over it.
local function start(options, settings)
  now = 1700000000
  local all = {
    metadata = true,
    clock = function()
      return now
    end,
  }
  for name, value in pairs(settings or {}) do
    all[name] = value
  end
  transport, emulator = service.transport(all)
  local own = { transport = transport, apiVersion = "3.0", metadata = METADATA, sleep = function() end }
  own.clock = all.clock
  for name, value in pairs(options or {}) do
    own[name] = value
  end
  return image.new(own)
end

-- How often an action was asked for.
local function count(action)
  local times = 0
  for _, entry in ipairs((emulator:journal())) do
    times = times + (entry.action == action and 1 or 0)
  end
  return times
end

describe("a client with the CVM role", function()
  it("modifies an image in the region that the metadata service names, in either version", function()
    local client = start({ credentials = credentials.cvm { address = METADATA } }, {
      instanceRegion = "ap-shanghai",
      images = { { imageId = IMAGE, region = "ap-shanghai" } },
    })
    assert(client:modify { imageId = IMAGE, imageName = "by-role" })
    local entries = emulator:journal()
    assert.equal("ap-shanghai", entries[#entries].region)
    assert.equal(3, count "metadata")
    assert(client:describe())
    assert.equal(3, count "metadata")
    client = start { credentials = credentials.cvm { address = METADATA }, apiVersion = "2.0" }
    assert(client:modify { imageId = IMAGE, imageName = "by-role" })
  end)

  it("waits for an image in that region, and signs without sending", function()
    local client = start { credentials = credentials.cvm { address = METADATA } }
    assert(client:wait({ imageIds = { IMAGE } }, { waitTimeout = 5 }))
    local request = assert(client:sign("ModifyImageAttribute", { imageId = IMAGE }))
    assert.equal("ap-guangzhou", request.headers["X-TC-Region"])
    assert.is_string(request.headers["X-TC-Token"])
  end)

  it("goes on for 200 calls while the role's keys are replaced", function()
    local client = start({ credentials = credentials.cvm { address = METADATA } }, { keySeconds = 20 })
    local ids = {}
    for i = 1, 200 do
      assert(client:modify { imageId = IMAGE, imageName = "call-" .. i })
      now = now + 1
    end
    for _, entry in ipairs((emulator:journal())) do
      assert.equal(0, entry.code)
      ids[entry.secretId or ""] = true
    end
    ids[""] = nil
    local different = 0
    for _ in pairs(ids) do
      different = different + 1
    end
    assert.is_true(different >= 10)
  end)

  it("asks again when its token is refused, and the call succeeds", function()
    local client = start { credentials = credentials.cvm { address = METADATA } }
    assert(client:describe())
    emulator:endKeys()
    local result = assert(client:modify { imageId = IMAGE, imageName = "again" })
    assert.equal(2, #result.attempts)
    assert.equal("AuthFailure.TokenFailure", result.attempts[1].code)
  end)

  it("uses its keys until their end while the metadata service fails, then says so", function()
    local client = start({ credentials = credentials.cvm { address = METADATA } }, { keySeconds = 240 })
    assert(client:describe())
    emulator:fault { kind = "status", status = 500, action = "metadata", seconds = 1000 }
    now = now + 200
    assert(client:describe())
    now = now + 40
    local _, message, err = client:describe()
    assert.equal("credentials", err.kind)
    assert.equal("notSent", err.outcome)
    assert.equal("DescribeImages: CVM role: metadata status 500", message)
    now = now + 1000
    assert(client:describe())
  end)

  it("finds a region only there, where the keys are the program's own", function()
    local client = start(OWN, { instanceRegion = "ap-tokyo" })
    assert(client:describe())
    local entries = emulator:journal()
    assert.equal("ap-tokyo", entries[#entries].region)
    local _, message, err = start({ secretId = "AKIDxxxxxxxx", secretKey = "thekey", metadata = false }):describe()
    assert.equal("parameter", err.kind)
    assert.equal("region", err.field)
    assert.matches("no region: set option region or TENCENTCLOUD_REGION", message, 1, true)
    assert.matches("the metadata service is disabled", message, 1, true)
  end)
end)

describe("a client with a role to assume", function()
  it("shares keys with other clients of the same source", function()
    start()
    local source = credentials.assumeRole { roleArn = cloud.ARN, roleSessionName = "ci", credentials = OWN }
    local clients = {}
    for i = 1, 4 do
      clients[i] = image.new {
        transport = transport,
        clock = function()
          return now
        end,
        apiVersion = i % 2 == 0 and "2.0" or "3.0",
        region = "ap-guangzhou",
        credentials = source,
      }
    end
    for i = 1, 200 do
      assert(clients[i % 4 + 1]:modify { imageId = IMAGE, imageName = "call-" .. i })
    end
    assert.equal(1, count "AssumeRole")
    assert.equal("qcs::sts:100000000001:assumed-role/image-ops/ci", clients[1]:call("GetCallerIdentity").arn)
  end)

  it("goes on when STS is busy, within the call's time", function()
    local client =
      start { credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = OWN }, region = "gz" }
    emulator:fault { kind = "throttle", action = "AssumeRole", count = 2 }
    assert(client:describe())
    assert.equal(3, count "AssumeRole")
    client = start { credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = OWN }, region = "gz" }
    emulator:fault { kind = "throttle", action = "AssumeRole", count = 50 }
    local _, message, err = client:describe()
    assert.equal("credentials", err.kind)
    assert.matches("^DescribeImages: AssumeRole: RequestLimitExceeded", message)
    assert.equal(3, count "AssumeRole")
  end)

  it("learns the clock from STS as from the service", function()
    local client = start(
      { credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = OWN }, region = "gz" },
      { clockOffset = 1000 }
    )
    local result = assert(client:modify { imageId = IMAGE, imageName = "late" })
    assert.equal(1, #result.attempts)
    assert.equal(2, count "AssumeRole")
  end)

  it("says what STS said of a refusal, and sends nothing of the call", function()
    local client = start {
      credentials = credentials.assumeRole { roleArn = "qcs::cam::uin/1:roleName/a", credentials = OWN },
      region = "gz",
    }
    local _, message, err = client:modify { imageId = IMAGE, imageName = "no" }
    assert.equal("credentials", err.kind)
    assert.equal("notSent", err.outcome)
    assert.matches("^ModifyImageAttribute: AssumeRole: ResourceNotFound.RoleNotFound: the account 1 ", message)
    assert.equal(0, count "ModifyImageAttribute")
  end)

  it("is asked for by keys that are temporary themselves", function()
    local client = start {
      credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = credentials.cvm { address = METADATA } },
      region = "gz",
    }
    assert(client:describe())
    emulator:endKeys()
    assert(client:describe())
    local refused = {}
    for _, entry in ipairs((emulator:journal())) do
      if entry.code == "AuthFailure.TokenFailure" then
        refused[#refused + 1] = entry.action
      end
    end
    assert.same({ "DescribeImages", "AssumeRole" }, refused)
  end)

  it("tells the hook of its questions, without secrets", function()
    local seen = {}
    local client = start {
      credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = OWN },
      region = "gz",
      onAttempt = function(record)
        seen[#seen + 1] = ("%s %s"):format(record.action, record.host)
      end,
    }
    assert(client:describe())
    assert.same({ "AssumeRole sts.tencentcloudapi.com", "DescribeImages cvm.tencentcloudapi.com" }, seen)
  end)
end)

describe("the sources of credentials", function()
  it("refuse options that are wrong at the caller's line", function()
    for _, case in ipairs {
      { credentials.assumeRole, { roleArn = "x" }, "option roleArn is not the ARN of a role" },
      {
        credentials.assumeRole,
        { roleArn = cloud.ARN, roleSessionName = "a b" },
        "option roleSessionName must be 2 to 128",
      },
      { credentials.assumeRole, { rolearn = "x" }, "unknown option rolearn (roleArn?)" },
      { credentials.assumeRole, { roleArn = 1 }, "option roleArn must be a string" },
      {
        credentials.assumeRole,
        { roleArn = cloud.ARN, endpoint = "http://10.0.0.1" },
        "option endpoint is plain http",
      },
      { credentials.cvm, { name = "x" }, "unknown option name" },
      { credentials.file, "x", "options must be a table, not a string" },
      { credentials.chain, { 1 }, "provider 1 of the chain must be a function, not a number" },
      { credentials.chain, {}, "the providers must be a list of functions" },
    } do
      local ok, message = pcall(function()
        case[1](case[2])
      end)
      assert.is_false(ok)
      assert.matches("credentials_spec.lua:%d+: ", message)
      assert.matches(case[3], message, 1, true)
    end
    for _, case in ipairs {
      { { credentials = OWN, profile = "b" }, "option profile and option credentials cannot be combined" },
      { { profile = "" }, "option profile must be a name" },
      { { profile = "../b" }, "option profile must be a name" },
      { { metadata = "127.0.0.1" }, "option metadata must be a URL" },
      { { metadata = true }, "option metadata must be a URL" },
      { { stsEndpoint = "http://10.0.0.1" }, "option stsEndpoint is plain http to another machine" },
      { { stsEndpoint = "https://sts.test/v2/index.php" }, "option stsEndpoint must have no path" },
    } do
      local ok, message = pcall(image.new, case[1])
      assert.is_false(ok, case[2])
      assert.matches(case[2], message, 1, true)
    end
  end)

  it("hold what a function of the caller's throws, inside of others, too", function()
    local function thrower()
      error "the vault burns"
    end
    for _, source in ipairs {
      thrower,
      credentials.chain { thrower },
      credentials.assumeRole { roleArn = cloud.ARN, credentials = thrower },
    } do
      local _, message, err = start({ credentials = source, region = "gz" }):describe()
      assert.equal("credentials", err.kind)
      assert.matches("the credentials provider threw: .*the vault burns", message)
    end
  end)
end)

describe("a program", function()
  local home, write, server

  setup(function()
    server = emulators.start { args = { "--metadata" }, state = { settings = { keySeconds = 600 } } }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    home, write = cloud.folder()
    server:reset()
  end)

  after_each(function()
    cloud.remove(home)
  end)

  -- Runs code with an environment of its own; prints what modify returned, and where.
  local function run(environment, code)
    local keep = ("-i PATH=%q LUA_PATH=%q LUA_CPATH=%q HOME=%s QCIMAGE_API_VERSION=3.0 QCIMAGE_ENDPOINT=%s"):format(
      os.getenv "PATH",
      os.getenv "LUA_PATH",
      os.getenv "LUA_CPATH",
      home,
      server.url
    )
    local services = (" QCIMAGE_METADATA=%s QCIMAGE_STS_ENDPOINT=%s "):format(server.url, server.url)
    return process.lua(code or [[
        local result, message, err = require("qcimage").modify { imageId = "img-12345678", imageName = "named" }
        print(result and "done" or err.kind, message or "")
      ]], keep .. services .. (environment or ""))
  end

  local function imageIn(region)
    server:setImages { { imageId = IMAGE, region = region } }
  end

  local function last()
    local entries = server:journal()
    return entries[#entries]
  end

  local function login(id, key)
    return ('{"secretId": "%s", "secretKey": "%s", "token": "", "type": "default"}'):format(id, key)
  end

  it("without any configuration works by the role of its instance, and never through a proxy", function()
    assert.equal("done\t\n", run())
    assert.equal("ap-guangzhou", last().region)
    assert.equal("done\t\n", run "http_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1")
  end)

  it("with a file of the SDKs' or a profile of tccli's changes nothing", function()
    write(
      ".tencentcloud/credentials",
      ("[default]\nsecret_id=%s\nsecret_key=%s\n"):format(stub.SECRET_ID, stub.SECRET_KEY)
    )
    os.execute(("chmod 600 %s/.tencentcloud/*"):format(home))
    imageIn "ap-shanghai"
    assert.equal("done\t\n", run "TENCENTCLOUD_REGION=ap-shanghai")
    assert.equal(stub.SECRET_ID, last().secretId)
    os.remove(home .. "/.tencentcloud/credentials")
    imageIn "ap-beijing"
    write(".tccli/default.credential", login(stub.SECRET_ID, stub.SECRET_KEY))
    write(".tccli/default.configure", '{"_sys_param": {"region": "ap-beijing", "output": "json"}}')
    os.execute(("chmod 600 %s/.tccli/*"):format(home))
    assert.equal("done\t\n", run())
    assert.equal("ap-beijing", last().region)
    assert.equal(stub.SECRET_ID, last().secretId)
  end)

  it("takes a named profile and not the environment's keys", function()
    write(".tccli/b.credential", login(stub.SECRET_ID, stub.SECRET_KEY))
    os.execute(("chmod 600 %s/.tccli/*"):format(home))
    local others = "TENCENTCLOUD_SECRET_ID=AKIDother TENCENTCLOUD_SECRET_KEY=otherkey TENCENTCLOUD_REGION=gz "
    assert.matches("^service\t.*SecretIdNotFound.*keys from the environment", run(others))
    assert.matches("^service\t.*SecretIdNotFound.*keys from the environment", run(others .. "TCCLI_PROFILE=b"))
    assert.equal("done\t\n", run "TENCENTCLOUD_REGION=gz TCCLI_PROFILE=b")
    assert.equal(
      "done\n",
      run(
        others .. "TCCLI_PROFILE=missing",
        [[
        local client = require("qcimage").new { profile = "b" }
        print(client:modify { imageId = "img-12345678", imageName = "named" } and "done")
      ]]
      )
    )
    -- a node's role is not that of a profile that somebody named
    local output = run "TENCENTCLOUD_REGION=gz TCCLI_PROFILE=missing"
    assert.matches("^credentials\t.*~/.tccli/missing.credential does not exist\n$", output)
  end)

  it("goes where its profile says, in API 3.0", function()
    write(".tccli/default.credential", login(stub.SECRET_ID, stub.SECRET_KEY))
    write(
      ".tccli/default.configure",
      ('{"_sys_param": {"region": "gz"}, "cvm": {"endpoint": "%s"}}'):format(server.url)
    )
    os.execute(("chmod 600 %s/.tccli/*"):format(home))
    assert.equal("done\t\n", run "QCIMAGE_ENDPOINT=")
  end)

  it("is told to log in again", function()
    write(
      ".tccli/default.credential",
      '{"type": "oauth", "secretId": "AKIDx", "secretKey": "k", "token": "t", "expiresAt": 1690000000}'
    )
    os.execute(("chmod 600 %s/.tccli/*"):format(home))
    local output = run("QCIMAGE_METADATA=off")
    assert.matches("expired oauth login in ~/.tccli/default.credential, log in again", output, 1, true)
  end)

  it("in a pod takes the pod's identity, not the node's role", function()
    write("token", "the.web.identity")
    local pod = ("TKE_REGION=ap-tokyo TKE_PROVIDER_ID=cls-example TKE_ROLE_ARN=%s TKE_WEB_IDENTITY_TOKEN_FILE=%s/token"):format(
      cloud.ARN,
      home
    )
    imageIn "ap-tokyo"
    assert.equal("done\t\n", run(pod))
    assert.equal("ap-tokyo", last().region)
    local actions = {}
    for i, entry in ipairs(server:journal()) do
      actions[i] = entry.action
    end
    assert.same({ "AssumeRoleWithWebIdentity", "ModifyImageAttribute" }, actions)
    server:fault {
      kind = "status",
      status = 200,
      body = '{"Response":{"Error":{"Code":"AuthFailure.TokenFailure","Message":"no"},"RequestId":"r"}}',
      action = "AssumeRoleWithWebIdentity",
      count = 9,
    }
    assert.matches("^credentials\t.*AssumeRoleWithWebIdentity: AuthFailure.TokenFailure: no", run(pod))
    assert.equal(3, #server:journal()) -- asked once, since there is nothing else to ask with
    server:reset()
    server:fault { kind = "throttle", action = "AssumeRoleWithWebIdentity", count = 9 }
    local output = run(pod)
    assert.matches("^credentials\t.*AssumeRoleWithWebIdentity: RequestLimitExceeded", output)
    assert.is_nil(output:find("the.web.identity", 1, true))
  end)

  it("is told all that was looked at, when there is nothing", function()
    local output = run "QCIMAGE_METADATA=off"
    assert.matches("^credentials\tModifyImageAttribute: no credentials: the options secretId", output)
    for _, part in ipairs {
      "the environment: TENCENTCLOUD_SECRET_ID is not set, TENCENTCLOUD_SECRET_KEY is not set; ",
      "~/.tencentcloud/credentials does not exist; ",
      "/etc/tencentcloud/credentials does not exist; ",
      "~/.tccli/default.credential does not exist; ",
      "TKE: not configured",
      "CVM role: the metadata service is disabled",
    } do
      assert.matches(part, output, 1, true)
    end
    assert.matches('^parameter\tQCIMAGE_METADATA must be a URL without a path, or "off"', run "QCIMAGE_METADATA=here")
    assert.matches("^parameter\tQCIMAGE_STS_ENDPOINT is plain http", run "QCIMAGE_STS_ENDPOINT=http://10.0.0.1")
    assert.matches("no credentials", run "HOME= QCIMAGE_METADATA=off")
  end)

  it("chooses its sources as docs/credentials.md shows", function()
    local program = readme.block "credentials.assumeRole {"
    local whoami = 'io.write((client:call("GetCallerIdentity").arn:gsub("/qcimage%-.*", "")))'
    assert.equal("qcs::sts:100000000001:assumed-role/image-ops", run("", program .. whoami))
    local own = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s"):format(stub.SECRET_ID, stub.SECRET_KEY)
    assert.equal("qcs::sts:100000000001:assumed-role/image-ops", run(own, program .. whoami))
  end)

  it("reads a profile while tccli rewrites it", function()
    write(".tccli/default.credential", login(stub.SECRET_ID, stub.SECRET_KEY))
    write("good.configure", '{"_sys_param": {"region": "gz"}}')
    local writer = ([[
      cd %s; chmod 600 .tccli/*; cp .tccli/default.credential good.credential
      (while [ -d .tccli ]; do cat good.credential > .tccli/default.credential
        cat good.configure > .tccli/default.configure; done) >/dev/null 2>&1 &
      echo $!]]):format(home)
    local pid = process.run(writer):match "%d+"
    for _ = 1, 20 do
      local output = run "QCIMAGE_METADATA=off"
      if output ~= "done\t\n" then
        process.run("kill " .. pid)
      end
      assert.equal("done\t\n", output)
    end
    process.run("kill " .. pid)
  end)
end)
