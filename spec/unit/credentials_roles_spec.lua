-- Covers temporary keys: the instance's role, a role to assume, a pod's web identity; and when others are asked for.
-- Covers assume_role.lua, cvm_role.lua, oidc_role.lua, sts.lua, refresh.lua, provider_context.lua, api/roles.lua.

local assumerole = require "qcimage.credentials.assume_role"
local cloud = require "spec.support.cloud"
local cvm = require "qcimage.credentials.cvm_role"
local errors = require "qcimage.util.errors"
local provider = require "qcimage.credentials.provider"
local expiry = require "qcimage.credentials.expiration"
local flights = require "qcimage.credentials.singleflight"
local oidc = require "qcimage.credentials.oidc_role"
local process = require "spec.support.process"
local refresh = require "qcimage.credentials.refresh"
local stub = require "spec.support.stub"

local NOW = cloud.NOW

local function ask(source, context)
  local credentials, err = source(context)
  if err then
    assert.equal("credentials", err.kind)
    assert.equal("notSent", err.outcome)
    assert.is_nil(err.message:find("EXAMPLE", 1, true))
    assert.is_nil(err.message:find("[%z\1-\31]"))
  end
  return credentials, err and err.message, err
end

-- A metadata service with the role image-ops.
local function role(answer)
  return { metadata = { ["security-credentials/"] = "image-ops\n", ["/image-ops"] = answer } }
end

describe("roles that assume each other", function()
  it("are a circle, which is said in one line", function()
    local first, second
    local function through(source)
      return function(context)
        return source()(context)
      end
    end
    first = assumerole.new(
      through(function()
        return second
      end),
      { roleArn = "qcs::cam::uin/100000000001:roleName/a" }
    )
    second = assumerole.new(
      through(function()
        return first
      end),
      { roleArn = "qcs::cam::uin/100000000001:roleName/b" }
    )
    local client = stub.client({ credentials = first, apiVersion = "3.0", region = "ap-guangzhou" }, {})
    local result, message, err = client:describe {}
    assert.is_nil(result)
    assert.equal("credentials", err.kind)
    assert.matches("AssumeRole needs its own answer %(a circle of roles or functions%)$", message)
    assert.is_true(#message < 300, message)
  end)
end)

describe("the end of temporary keys", function()
  it("is read as UTC, whatever the host's zone", function()
    for _, zone in ipairs { "UTC", "Asia/Shanghai", "America/Los_Angeles", "Europe/Berlin" } do
      local output = process.lua(
        [[
        local expiry = require "qcimage.credentials.expiration"
        print(("%.0f"):format(expiry.parse(nil, "2023-11-14T22:23:20Z")), ("%.0f"):format(expiry.parse(nil, "2024-03-31T01:30:00Z")),
          ("%.0f"):format(expiry.parse(nil, "2024-02-29T23:59:59Z")), expiry.format(1700000600))
      ]],
        "TZ=" .. zone
      )
      assert.equal("1700000600\t1711848600\t1709251199\t2023-11-14T22:23:20Z\n", output)
    end
  end)

  it("is the number where both are there, be it written as text", function()
    assert.equal(1700000600, expiry.parse(1700000600, "2023-11-15T22:23:20Z"))
    assert.equal(1700000600, expiry.parse("1700000600"))
    for _, value in ipairs { "", "soon", "2023-11-14 22:23:20", "2023-13-14T22:23:20Z", "2023-11-14T22:23:20+08:00" } do
      assert.is_nil(expiry.parse(nil, value))
    end
    assert.is_nil(expiry.parse(0))
    assert.is_nil(expiry.parse(1700000600000))
    assert.is_nil(expiry.parse({}, {}))
  end)
end)

describe("the CVM role", function()
  it("gives keys by two requests, and asks no more while they live", function()
    local context = cloud.context(role(cloud.document()))
    local source = cvm.new()
    local credentials = ask(source, context)
    assert.equal(stub.SECRET_ID, credentials.secretId)
    assert.equal(stub.SECRET_KEY, credentials.secretKey)
    assert.equal("EXAMPLEtoken", credentials.token)
    assert.equal(NOW + 7200, credentials.expires)
    assert.equal(credentials, ask(source, context))
    assert.equal(2, #context.requests)
    local base = "http://metadata.tencentyun.com/latest/meta-data/cam/security-credentials/"
    assert.equal(base, context.requests[1].url)
    assert.equal(base .. "image-ops", context.requests[2].url)
    assert.equal("metadata.tencentyun.com", context.requests[1].request.headers.Host)
    assert.is_true(context.requests[1].seconds <= 2)
  end)

  it("is asked at the service's address where its name is not known", function()
    local world = role(cloud.document())
    local context = cloud.context(world)
    local answered = context.metadata
    function context.metadata(request, seconds)
      if request.url:find "tencentyun" then
        return nil, "cannot find the address of metadata.tencentyun.com:80", { sent = false, reason = "dns" }
      end
      return answered(request, seconds)
    end
    assert.equal(stub.SECRET_ID, ask(cvm.new(), context).secretId)
    world.metadata["/image-ops"] = { status = 403, body = "" }
    assert.equal("CVM role: metadata status 403", select(2, ask(cvm.new(), context)))
    assert.equal("http://169.254.0.23/latest/meta-data/cam/security-credentials/image-ops", context.requests[2].url)
  end)

  it("may be named, and the service be somewhere else", function()
    local context = cloud.context { metadata = { ["/a%20b%2F%E7%94%B2"] = cloud.document() } }
    assert.is_table(ask(cvm.new { address = "http://127.0.0.1:8099", roleName = "a b/\231\148\178" }, context))
    assert.equal(1, #context.requests)
    assert.equal("127.0.0.1:8099", context.requests[1].request.headers.Host)
  end)

  it("has a name that is taken off the line and escaped", function()
    for answer, path in pairs {
      ["image-ops role\n"] = "/image-ops%20role",
      [" image-ops\r\nother\r\n"] = "/image-ops",
      ["a?b#c"] = "/a%3Fb%23c",
    } do
      local context = cloud.context { metadata = { ["security-credentials/"] = answer, [path] = cloud.document() } }
      assert.is_table(ask(cvm.new(), context))
      assert.equal(path, context.requests[2].url:match "/[^/]*$")
    end
    for _, answer in ipairs { "", "\n", "<html>sign in</html>", '{"a": 1}', ("x"):rep(200) } do
      local context = cloud.context { metadata = { ["security-credentials/"] = answer } }
      local _, message = ask(cvm.new(), context)
      assert.matches("^CVM role: the list of roles ", message)
      assert.equal(1, #context.requests)
    end
  end)

  it("without whole keys is an error that says what the service said", function()
    for _, case in ipairs {
      {
        '{"Code": "InternalError", "Message": "example failure"}',
        'the metadata service returned "InternalError": example failure',
      },
      { '{"Code": "Failed\\u0007", "Message": ["a"]}', 'the metadata service returned "Failed?"' },
      { cloud.document { TmpSecretKey = false }, "TmpSecretKey is not given" },
      { cloud.document { TmpSecretKey = "null" }, "TmpSecretKey is not given" },
      { cloud.document { TmpSecretId = '"AK ID"' }, "TmpSecretId contains white space" },
      { cloud.document { Token = '""' }, "the response has no Token" },
      { cloud.document { Token = "null" }, "the response has no Token" },
      { cloud.document { ExpiredTime = false, Expiration = false }, "the response has no expiration time" },
      { cloud.document { Code = false }, "the metadata service returned a nil" },
      { "", "the response for the role is empty" },
      { "null", "the response for the role is not JSON" },
      { "<html>", "the response for the role is not JSON" },
      { { status = 404, body = "" }, "metadata status 404" },
      { { status = 302, body = "" }, "metadata status 302" },
    } do
      local context = cloud.context(role(case[1]))
      local credentials, message = ask(cvm.new(), context)
      assert.is_nil(credentials)
      assert.matches("^CVM role", message)
      assert.matches(case[2], message, 1, true)
      assert.equal(2, #context.requests)
    end
    assert.equal("CVM role: this instance has no role", select(2, ask(cvm.new(), cloud.context())))
  end)

  it("whose keys come past their end is asked once more, and then an error", function()
    for _, ends in ipairs { NOW, 1600000000 } do
      local context = cloud.context(role(cloud.document { ExpiredTime = ("%d"):format(ends) }))
      local _, message = ask(cvm.new(), context)
      assert.matches("the new credentials had already expired (" .. expiry.format(ends) .. ")", message, 1, true)
      assert.equal(4, #context.requests)
    end
    local context = cloud.context(role { cloud.document { ExpiredTime = "1600000000" }, cloud.document() })
    assert.is_table(ask(cvm.new(), context))
  end)

  it("is asked again while the service is overloaded, within two seconds and with jitter", function()
    local busy = { status = 429, body = "" }
    local context = cloud.context(role { busy, { status = 503, body = "" }, cloud.document() })
    assert.is_table(ask(cvm.new(), context))
    assert.equal(4, #context.requests)
    assert.is_true(context.slept > 0 and context.slept < 0.4)
    context = cloud.context { metadata = { ["security-credentials/"] = busy } }
    local source = cvm.new()
    local _, message = ask(source, context)
    assert.matches("metadata status 429", message, 1, true)
    assert.is_true(context.time <= NOW + 2)
    assert.is_true(#context.requests > 3 and #context.requests < 20)
    -- nothing bad is kept
    assert.is_table(ask(source, cloud.context(role(cloud.document()))))
  end)

  it("off the cloud fails within two seconds, without retries", function()
    for _, answer in ipairs {
      { fail = "metadata.tencentyun.com:80 did not respond in time", sent = false, takes = 1 },
      { fail = "metadata.tencentyun.com:80 did not respond in time", takes = 2 },
    } do
      local context = cloud.context { metadata = { ["security-credentials/"] = answer } }
      local _, message = ask(cvm.new(), context)
      assert.matches("did not respond in time", message, 1, true)
      assert.is_true(context.time <= NOW + 2)
      assert.is_true(#context.requests <= 2)
    end
    local context = cloud.context()
    context.secondsLeft = 0.5
    context.metadata = function(_, seconds)
      assert.is_true(seconds <= 0.5)
      context.time = context.time + seconds
      return nil, "did not respond in time", { sent = false }
    end
    assert.is_nil((ask(cvm.new(), context)))
  end)

  it("can be switched off", function()
    local context = cloud.context(role(cloud.document()))
    local _, message = ask(cvm.new { address = false }, context)
    assert.matches("is disabled", message, 1, true)
    assert.matches("is disabled", select(2, ask(cvm.region { address = false }, context)), 1, true)
    assert.equal(0, #context.requests)
  end)

  it("comes with a region, which is remembered", function()
    local context = cloud.context { metadata = { ["placement/region"] = "ap-chengdu\n" } }
    local region = cvm.region()
    assert.equal("ap-chengdu", region(context))
    assert.equal("ap-chengdu", region(context))
    assert.equal(1, #context.requests)
    for _, answer in ipairs { "", "<html>", "ap-x\nEvil: 1", { status = 404, body = "ap-chengdu" } } do
      assert.is_nil((ask(cvm.region(), cloud.context { metadata = { ["placement/region"] = answer } })))
    end
  end)
end)

describe("temporary keys", function()
  -- A source whose keys live for some seconds; `state.fail` makes it fail, `state.count` tells how often it was asked.
  local function rotating(life)
    local state = { count = 0 }
    return refresh.new(function(context)
      state.count = state.count + 1
      if state.fail then
        return nil, errors.notSent("credentials", state.fail)
      end
      return {
        secretId = "AKID" .. state.count,
        secretKey = "key" .. state.count,
        token = "token" .. state.count,
        expires = state.expires or context.time + life,
      }
    end, { name = "here", longest = 10 }),
      state
  end

  it("are replaced before their end: 300 s, or half of a short life", function()
    for life, window in pairs { [7200] = 300, [43200] = 300, [600] = 300, [240] = 120, [2] = 1 } do
      local source, state = rotating(life)
      local context = cloud.context()
      assert.equal("AKID1", ask(source, context).secretId)
      context.time = NOW + life - window - 0.5
      assert.equal("AKID1", ask(source, context).secretId)
      context.time = NOW + life - window
      assert.equal("AKID2", ask(source, context).secretId)
      assert.equal(2, state.count)
    end
  end)

  it("that cannot be replaced are used until their end, and not asked for at each call", function()
    local source, state = rotating(240)
    local context = cloud.context()
    ask(source, context)
    state.fail = "metadata status 500"
    context.time = NOW + 120
    for _ = 1, 50 do
      assert.equal("AKID1", ask(source, context).secretId)
    end
    assert.equal(2, state.count)
    for second = 121, 239 do
      context.time = NOW + second
      assert.equal("AKID1", ask(source, context).secretId)
    end
    assert.is_true(state.count < 45)
    context.time = NOW + 240
    local credentials, message = ask(source, context)
    assert.is_nil(credentials)
    assert.equal("metadata status 500", message)
    state.fail = nil
    assert.matches("^AKID", ask(source, context).secretId)
  end)

  it("that come again unchanged are not asked for at each call", function()
    local source, state = rotating(240)
    local context = cloud.context()
    state.expires = NOW + 240
    for second = 0, 239 do
      context.time = NOW + second
      assert.is_table(ask(source, context))
    end
    assert.is_true(state.count < 45)
  end)

  it("that were refused are asked for anew, at once", function()
    local source = rotating(7200)
    local context = cloud.context()
    local first = ask(source, context)
    context.refused = first
    assert.equal("AKID2", ask(source, context).secretId)
    assert.equal("AKID2", ask(source, context).secretId) -- another call with the old ones
  end)

  it("are asked for once at a time; the others wait, or use the old ones", function()
    local count = 0
    local source = refresh.new(function(context)
      count = count + 1
      local mine = count
      coroutine.yield()
      coroutine.yield()
      return { secretId = "AKID" .. mine, secretKey = "k" .. mine, token = "t" .. mine, expires = context.time + 7200 }
    end, { name = "here", longest = 10 })
    local context = cloud.context {
      canWait = true,
      sleep = function()
        coroutine.yield()
      end,
    }
    local function inThreads(number)
      local threads, got = {}, {}
      for i = 1, number do
        threads[i] = coroutine.create(function()
          got[i] = source(context)
        end)
      end
      local running = true
      while running do
        running = false
        for _, thread in ipairs(threads) do
          if coroutine.status(thread) == "suspended" then
            assert(coroutine.resume(thread))
            running = true
          end
        end
      end
      return got
    end
    for _, credentials in ipairs(inThreads(100)) do
      assert.same({ "AKID1", "k1", "t1" }, { credentials.secretId, credentials.secretKey, credentials.token })
    end
    assert.equal(1, count)
    context.time = context.time + 7000 -- the old ones are still valid
    local got = inThreads(100)
    assert.equal("AKID2", got[1].secretId)
    assert.equal("AKID1", got[2].secretId)
    assert.equal(2, count)
    context.time = context.time + 7190 -- the last minute: all wait
    for _, credentials in ipairs(inThreads(100)) do
      assert.equal("AKID3", credentials.secretId)
    end
    assert.equal(3, count)
  end)

  it("are asked for by another where the one that asks is gone", function()
    local count = 0
    local source = refresh.new(function(context)
      count = count + 1
      if count == 1 then
        coroutine.yield()
      end
      return { secretId = "AKID" .. count, secretKey = "k", token = "t", expires = context.time + 7200 }
    end, { name = "here", longest = 10 })
    local context = cloud.context { canWait = true }
    coroutine.wrap(source)(context) -- and never again
    assert.equal("AKID2", source(context).secretId)
    assert.is_true(context.time >= NOW + 10)
    assert.equal("AKID2", source(context).secretId)
  end)

  it("are asked for within the time of a question, however many that asked are gone", function()
    local isDown, count = true, 0
    local source = flights.new(function()
      count = count + 1
      if isDown then
        coroutine.yield()
      end
      return count
    end, { name = "here", longest = 5, usesCallback = true })
    local context = cloud.context { canWait = true }
    for _ = 1, 8 do
      coroutine.wrap(source)(context) -- and never again
    end
    assert.equal(8, count)
    isDown = false
    local began = context.time
    assert.equal(9, (source(context)))
    assert.is_true(context.time - began < 5.1)
  end)

  it("that came to nothing for want of time are asked for again by those with more", function()
    local count = 0
    local source = refresh.new(function(context)
      count = count + 1
      if context.secondsLeft < 1 then
        context.time = context.time + context.secondsLeft
        coroutine.yield()
        return nil, errors.notSent("credentials", "no answer came")
      end
      return { secretId = "AKID" .. count, secretKey = "k", token = "t", expires = context.time + 7200 }
    end, { name = "here", longest = 10 })
    local hasty = cloud.context { canWait = true }
    hasty.secondsLeft = 0.2
    local first = coroutine.create(source)
    assert(coroutine.resume(first, hasty))
    local patient, slept = cloud.context { canWait = true }, 0
    patient.sleep = function()
      slept = slept + 1
      if slept == 1 then
        local _, credentials, err = coroutine.resume(first)
        assert.is_nil(credentials)
        assert.equal("no answer came", err.message)
      end
      return true
    end
    assert.equal("AKID2", ask(source, patient).secretId)
    assert.equal(2, count)
  end)

  it("that a call takes over where nothing can be asked fail that call alone", function()
    local count = 0
    local source = flights.new(function(context)
      count = count + 1
      if count == 1 then
        coroutine.yield()
      elseif context.isBarred then
        return nil, errors.notSent("unsupported", "no sockets in this phase")
      end
      return count
    end, { name = "here", longest = 5, usesCallback = true })
    local context = cloud.context { canWait = true }
    coroutine.wrap(source)(context) -- and never again
    local barred = cloud.context { canWait = true }
    barred.isBarred = true
    function context.sleep(seconds)
      context.time = context.time + seconds
      if not barred.err and context.time >= NOW + 1 then
        barred.time = context.time
        barred.err = select(2, source(barred))
      end
      return true
    end
    assert.equal(3, (source(context)))
    assert.equal("unsupported", barred.err.kind)
  end)

  it("whose source raises an error are asked for by the next", function()
    local count = 0
    local source = refresh.new(function(context)
      count = count + 1
      assert(count > 1, "a fault")
      return { secretId = "AKID" .. count, secretKey = "k", token = "t", expires = context.time + 7200 }
    end, { name = "here", longest = 10 })
    local context = cloud.context { canWait = true }
    local credentials, message = ask(source, context)
    assert.is_nil(credentials)
    assert.matches("^here: .*a fault", message)
    assert.equal("AKID2", ask(source, context).secretId)
    assert.equal(NOW, context.time)
  end)

  it("are not waited for beyond the time of a call", function()
    local source = refresh.new(function()
      coroutine.yield()
    end, { name = "here", longest = 10 })
    local context = cloud.context { canWait = true }
    coroutine.wrap(source)(context)
    context.secondsLeft = 1
    local _, message = ask(source, context)
    assert.matches("timed out waiting for another call", message, 1, true)
    assert.is_true(context.time < NOW + 2)
  end)
end)

describe("a role that keys assume", function()
  local BASE = provider.static { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }

  it("is asked for once for all who share the source", function()
    local context = cloud.context { sts = cloud.sts() }
    local source = assumerole.new(BASE, {
      roleArn = cloud.ARN,
      roleSessionName = "build_7@ci",
      durationSeconds = 3600,
      externalId = "theirs",
      policy = "{}",
    })
    for _ = 1, 200 do
      assert.equal("AKIDassumed1", ask(source, context).secretId)
    end
    assert.equal(1, #context.calls)
    assert.equal("AssumeRole", context.calls[1].action)
    assert.same({
      roleArn = cloud.ARN,
      roleSessionName = "build_7@ci",
      durationSeconds = 3600,
      externalId = "theirs",
      policy = "{}",
    }, context.calls[1].params)
    assert.equal("ap-guangzhou", context.calls[1].how.region)
    context.time = context.time + 6900
    assert.equal("AKIDassumed2", ask(source, context).secretId)
  end)

  it("has a session name that the rule allows, made of nothing but time and chance", function()
    local context = cloud.context { sts = cloud.sts() }
    ask(assumerole.new(BASE, { roleArn = cloud.ARN }), context)
    local name = context.calls[1].params.roleSessionName
    assert.equal("qcimage-1700000000-500000", name)
    assert.matches("^[A-Za-z0-9+=,.@-]+$", name)
    assert.is_true(#name >= 2 and #name <= 128)
  end)

  it("by a name or an ARN that the rule refuses is not asked for", function()
    local context = cloud.context { sts = cloud.sts() }
    for _, name in ipairs { "a", "", "a b", "CORP\\jdoe", "build (3)", ("x"):rep(129), "\231\148\178\231\148\178", 12 } do
      local _, message = ask(assumerole.new(BASE, { roleArn = cloud.ARN, roleSessionName = name }), context)
      assert.matches("^roleSessionName must be 2 to 128 of", message)
    end
    for _, arn in ipairs {
      "",
      "image-ops",
      "qcs::cam::uin/1:roleName/",
      "qcs::cam::uin/1:user/a",
      "qcs::cam::uin/1:roleName/a\n",
    } do
      assert.matches(
        "^roleArn is not the ARN of a role",
        select(2, ask(assumerole.new(BASE, { roleArn = arn }), context))
      )
    end
    assert.equal(0, #context.calls)
    for _, arn in ipairs {
      "qcs::cam::uin/1:role/4611686018427397919",
      "qcs::cam::uin/1:role/tencentcloudServiceRoleName/CVM_QCSRole",
    } do
      assert.is_table((ask(assumerole.new(BASE, { roleArn = arn }), context)))
    end
  end)

  it("that is refused, or half answered, is a final error", function()
    local full = { tmpSecretId = "AKIDx", tmpSecretKey = "kx", token = "tx" }
    for _, case in ipairs {
      { nil, "AssumeRole: AuthFailure.SecretIdNotFound: no such id" },
      { { expiredTime = NOW + 7200 }, "AssumeRole: the response has no Token" },
      { { credentials = full }, "AssumeRole: the response has no expiration time" },
      {
        { credentials = { tmpSecretId = "AKIDx", token = "tx" }, expiredTime = NOW + 7200 },
        "TmpSecretKey is not given",
      },
      { { credentials = full, expiredTime = NOW - 1 }, "the new credentials had already expired" },
      { { credentials = "none", expiredTime = NOW + 7200 }, "AssumeRole: the response has no Token" },
    } do
      local context = cloud.context {
        sts = function()
          if case[1] then
            return case[1]
          end
          return nil, errors.new { kind = "service", outcome = "rejected", message = case[2] }
        end,
      }
      local credentials, message, err = ask(assumerole.new(BASE, { roleArn = cloud.ARN }), context)
      assert.is_nil(credentials)
      assert.matches(case[2], message, 1, true)
      assert.is_true(err.final)
    end
  end)

  it("may be assumed by another's keys, and fails with what those lack", function()
    local context = cloud.context { sts = cloud.sts() }
    local first = assumerole.new(BASE, { roleArn = cloud.ARN })
    local second = assumerole.new(first, { roleArn = "qcs::cam::uin/2:roleName/other" })
    assert.equal("AKIDassumed2", ask(second, context).secretId)
    assert.equal("AKIDassumed2", ask(second, context).secretId)
    assert.equal(2, #context.calls)
    local source = assumerole.new(
      flights.wrap(function()
        return nil, "the vault is shut"
      end),
      { roleArn = cloud.ARN }
    )
    assert.equal("the credentials provider returned no credentials: the vault is shut", select(2, ask(source, context)))
  end)
end)

describe("a pod's web identity", function()
  local folder, write

  before_each(function()
    folder, write = cloud.folder()
    write("token", "eyJhbGciOiEXAMPLE.payload.signature\n")
  end)

  after_each(function()
    cloud.remove(folder)
  end)

  local function environment(changes)
    local all = {
      TKE_REGION = "ap-tokyo",
      TKE_PROVIDER_ID = "cls-example",
      TKE_WEB_IDENTITY_TOKEN_FILE = folder .. "/token",
      TKE_ROLE_ARN = cloud.ARN,
    }
    for name, value in pairs(changes or {}) do
      all[name] = value
    end
    return all
  end

  it("gives keys for its token, which is read again at each question", function()
    local context = cloud.context { sts = cloud.sts() }
    local source = oidc.new(environment())
    local credentials = ask(source, context)
    assert.equal("AKIDassumed1", credentials.secretId)
    assert.equal("ap-tokyo", credentials.region)
    local call = context.calls[1]
    assert.equal("AssumeRoleWithWebIdentity", call.action)
    assert.same({
      providerId = "cls-example",
      webIdentityToken = "eyJhbGciOiEXAMPLE.payload.signature",
      roleArn = cloud.ARN,
      roleSessionName = "qcimage-1700000000-500000",
    }, call.params)
    assert.is_nil(call.how.source) -- it is not signed
    assert.equal("ap-tokyo", call.how.region)
    ask(source, context)
    assert.equal(1, #context.calls)
    write("token", "another.EXAMPLE.token")
    context.time = NOW + 7000
    assert.equal("AKIDassumed2", ask(source, context).secretId)
    assert.equal("another.EXAMPLE.token", context.calls[2].params.webIdentityToken)
  end)

  it("that lacks a variable or a token is final; without any variable it is none", function()
    local context = cloud.context { sts = cloud.sts() }
    for _, case in ipairs {
      { { TKE_REGION = "" }, "TKE: TKE_REGION not set, although other TKE variables are" },
      { { TKE_ROLE_ARN = "", TKE_PROVIDER_ID = "" }, "TKE: TKE_PROVIDER_ID, TKE_ROLE_ARN not set" },
      { { TKE_ROLE_ARN = "role" }, "TKE_ROLE_ARN is not the ARN of a role" },
      { { TKE_WEB_IDENTITY_TOKEN_FILE = folder .. "/nowhere" }, "(TKE_WEB_IDENTITY_TOKEN_FILE) does not exist" },
      { { TKE_WEB_IDENTITY_TOKEN_FILE = folder }, "(TKE_WEB_IDENTITY_TOKEN_FILE) is a folder" },
    } do
      local _, message, err = ask(oidc.new(environment(case[1])), context)
      assert.matches(case[2], message, 1, true)
      assert.is_true(err.final)
    end
    for _, contents in ipairs { "", "\n", "a b", "a\0b", ("x"):rep(20000) } do
      local what = contents == "" and "is empty" or "contains no token"
      write("token", contents)
      assert.matches(what, select(2, ask(oidc.new(environment()), context)), 1, true)
    end
    assert.equal(0, #context.calls)
    local _, message, err = ask(oidc.new {}, context)
    assert.equal("TKE: not configured (TKE_ROLE_ARN, ... are not set)", message)
    assert.is_nil(err.final)
  end)
end)
