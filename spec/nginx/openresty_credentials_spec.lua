--- Keys inside nginx: from files, which are read when the client is made; from the metadata service and STS, over cosockets.

local cloud = require "spec.support.cloud"
local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local stub = require "spec.support.stub"

local emulator, home, write, server

setup(function()
  emulator = emulators.start { args = { "--metadata" } }
end)

teardown(function()
  emulator:stop()
end)

before_each(function()
  home, write = cloud.folder()
  emulator:reset()
end)

after_each(function()
  server:stop()
  cloud.remove(home)
end)

-- An nginx with this environment, whose client is made in init_by_lua with these options.
local function start(environment, options, main)
  server = nginx.start {
    environment = ("HOME=%s QCIMAGE_API_VERSION=3.0 QCIMAGE_ENDPOINT=%s QCIMAGE_METADATA=%s QCIMAGE_STS_ENDPOINT=%s %s "):format(
      home,
      emulator.url,
      emulator.url,
      emulator.url,
      environment or ""
    ),
    conf = nginx.conf((main or "") .. ([[
      init_by_lua_block { package.loaded.images = require("qcimage").new { %s } }
    ]]):format(options or "")),
  }
end

-- How often an action was asked for.
local function count(action)
  local times = 0
  for _, entry in ipairs(emulator:journal()) do
    times = times + (entry.action == action and 1 or 0)
  end
  return times
end

local MODIFY = [[
  local function modify(i)
    return require("images"):modify { imageId = "img-12345678", imageName = "call-" .. i }
  end
  local function together(count)
    local threads, succeeded, problem = {}, 0, nil
    for i = 1, count do
      threads[i] = ngx.thread.spawn(modify, i)
    end
    for i = 1, count do
      local _, result, message = ngx.thread.wait(threads[i])
      succeeded, problem = succeeded + (result and 1 or 0), problem or message
    end
    return succeeded, problem
  end
]]

local function together(number)
  return server:lua(MODIFY .. ("return together(%d)"):format(number))
end

local LOGIN = ('{"secretId": "%s", "secretKey": "%s", "role-arn": "%s"}'):format(
  stub.SECRET_ID,
  stub.SECRET_KEY,
  cloud.ARN
)

local function imageIn(region)
  emulator:setImages { { imageId = "img-12345678", region = region } }
end

describe("inside nginx", function()
  it("a profile is read when the client is made, and its role asked for once by 100 calls", function()
    imageIn "ap-beijing"
    write(".tccli/b.credential", LOGIN)
    write(".tccli/b.configure", '{"_sys_param": {"region": "ap-beijing"}}')
    os.execute(("chmod 600 %s/.tccli/*"):format(home))
    start("", 'profile = "b"')
    os.execute("rm -rf " .. home .. "/.tccli")
    assert.equal(100, (together(100)))
    assert.equal(1, count "AssumeRole")
    emulator:control("DELETE", "keys")
    assert.equal(100, (together(100)))
    local entries = emulator:journal()
    assert.equal("ap-beijing", entries[#entries].region)
    assert.is_true(count "AssumeRole" < 10)
    assert.equal("", server:complaints())
  end)

  it("a profile's STS is asked, though region and endpoint are named elsewhere", function()
    write(".tccli/default.configure", ('{"sts": {"endpoint": "%s"}}'):format(emulator.url))
    local own = "TENCENTCLOUD_REGION=gz QCIMAGE_STS_ENDPOINT= TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s "
    start(own:format(stub.SECRET_ID, stub.SECRET_KEY))
    os.execute("rm -rf " .. home .. "/.tccli")
    server:lua [[ return require("images"):call("GetCallerIdentity", {}, { timeout = 2, maxAttempts = 1 }) ]]
    assert.equal(1, count "GetCallerIdentity")
  end)

  it("the settings of the default profile count beside keys of the environment, as they were at the reload", function()
    imageIn "ap-beijing"
    local own = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s "):format(stub.SECRET_ID, stub.SECRET_KEY)
    write(".tccli/default.configure", '{"_sys_param": {"region": "ap-beijing"}}')
    start(own)
    write(".tccli/default.configure", "{")
    assert.equal(1, (together(1)))
    local entries = emulator:journal()
    assert.equal("ap-beijing", entries[#entries].region)
    server:stop()
    start(own)
    write(".tccli/default.configure", '{"_sys_param": {"region": "ap-beijing"}}')
    local succeeded, message = together(1)
    assert.equal(0, succeeded)
    assert.matches("ModifyImageAttribute: ~/.tccli/default.configure is not JSON", message, 1, true)
  end)

  it("a file that others may read is warned of in its log", function()
    write(
      ".tencentcloud/credentials",
      ("[default]\nsecret_id=%s\nsecret_key=%s\n"):format(stub.SECRET_ID, stub.SECRET_KEY)
    )
    start "TENCENTCLOUD_REGION=gz"
    assert.equal(1, (together(1)))
    assert.matches(
      "~/.tencentcloud/credentials is open to others than its owner (mode 0644)",
      server:complaints(),
      1,
      true
    )
  end)

  it("a pod's token is read again when its keys are replaced", function()
    imageIn "ap-tokyo"
    write("token", "the.web.identity")
    start(
      ("TKE_REGION=ap-tokyo TKE_PROVIDER_ID=cls-example TKE_ROLE_ARN=%s TKE_WEB_IDENTITY_TOKEN_FILE=%s/token"):format(
        cloud.ARN,
        home
      )
    )
    assert.equal(100, (together(100)))
    assert.equal(1, count "AssumeRoleWithWebIdentity")
    write("token", "")
    emulator:control("DELETE", "keys")
    local succeeded, message = together(1)
    assert.equal(0, succeeded)
    assert.matches("ModifyImageAttribute: AuthFailure.TokenFailure", message, 1, true)
    assert.matches("no fresh credentials: TKE: the file ", message, 1, true)
    write("token", "another.web.identity")
    assert.equal(1, (together(1)))
    assert.equal(2, count "AssumeRoleWithWebIdentity")
  end)

  it("a refused key has its role asked once more by 100 calls, and not in a loop where none is taken", function()
    local own = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s "):format(stub.SECRET_ID, stub.SECRET_KEY)
    start(own .. "TENCENTCLOUD_REGION=gz TENCENTCLOUD_ROLE_ARN=" .. cloud.ARN, "maxAttempts = 2")
    assert.equal(100, (together(100)))
    assert.equal(1, count "AssumeRole")
    emulator:control("DELETE", "keys")
    assert.equal(100, (together(100)))
    assert.equal(2, count "AssumeRole")
    local refusal = '{"Response":{"Error":{"Code":"AuthFailure.TokenFailure","Message":"no"},"RequestId":"r"}}'
    emulator:fault { kind = "status", status = 200, body = refusal, action = "ModifyImageAttribute", count = 1000 }
    assert.equal(0, (together(100)))
    assert.equal(0, (together(100)))
    assert.equal(2, count "AssumeRole") -- the second keys came in the place of refused ones
  end)

  it("keys of files that were refused are told to be those of the reload", function()
    write(".tencentcloud/credentials", "[default]\nsecret_id=AKIDgone\nsecret_key=secretkey\n")
    os.execute(("chmod 600 %s/.tencentcloud/*"):format(home))
    start "TENCENTCLOUD_REGION=gz"
    write(
      ".tencentcloud/credentials",
      ("[default]\nsecret_id=%s\nsecret_key=%s\n"):format(stub.SECRET_ID, stub.SECRET_KEY)
    )
    local succeeded, message = together(2)
    assert.equal(0, succeeded)
    assert.matches(
      "(keys from ~/.tencentcloud/credentials [default], read when nginx started: reload nginx after a change)",
      message,
      1,
      true
    )
  end)

  it("an overloaded metadata service fails all who wait with its status, and the next call works", function()
    start()
    emulator:fault { kind = "throttle", action = "metadata", seconds = 2.5 }
    local succeeded, message = together(50)
    assert.equal(0, succeeded)
    assert.matches("CVM role: metadata status 429", message, 1, true)
    assert.is_true(count "metadata" < 25)
    emulator:control("DELETE", "faults")
    assert.equal(50, (together(50)))
  end)

  it("a call where nginx has no sockets says so, and nothing of missing keys", function()
    start(
      "",
      "",
      [[
      init_worker_by_lua_block { ready = true }
    ]]
    )
    local kind, message = server:lua [[
      local kind, message
      local thread = coroutine.wrap(function()
        table.sort({ 1, 2, 3 }, function(a, b)
          if not kind then
            local _, said, err = require("images"):modify { imageId = "img-12345678", imageName = "a" }
            kind, message = err.kind, said
          end
          return a < b
        end)
      end)
      thread()
      return kind, message
    ]]
    assert.equal("unsupported", kind)
    assert.matches("nginx cannot wait here", message, 1, true)
    assert.is_nil(message:find("no credentials", 1, true))
  end)
end)
