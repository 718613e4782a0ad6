--- What callbacks return and throw, in each position: none of it is raised, none shows a secret, and the outcome is true.
--- Covers util/callback.lua, util/redact.lua and the files that call callbacks. The emulator behind the transport knows what became
--- of each change.

local callbacks = require "qcimage.util.callback"
local core = require "qcimage.core"
local emulator = require "qcimage.emulator"
local image = require "qcimage"
local stub = require "spec.support.stub"

local KEY = stub.SECRET_KEY

local function throwing()
  error("thrown with " .. KEY, 0)
end

local function meta(metatable, fields)
  return setmetatable(fields or {}, metatable)
end

-- A list of boxes, since nil is one of the values.
local VALUES = {}

local function add(...)
  for i = 1, select("#", ...) do
    VALUES[#VALUES + 1] = { (select(i, ...)) }
  end
end

add(nil, false, true)
add(0, -1, 1, 0.5, 1e308, -1e308, math.huge, -math.huge, 0 / 0, 2 ^ 53, 1700000000)
add("", "1", "nan", "text", "two\nlines\r\n\0\27[31m", "\255\254\0", ("9"):rep(30))
add(KEY, "a word with " .. KEY .. " in it", (" x "):rep(200) .. KEY, ("y"):rep(490) .. " " .. KEY .. " z")
add(KEY:gsub(".", function(byte)
  return ("%%%02X"):format(byte:byte())
end))
add(("\1\27 " .. KEY):rep(25000)) -- 1 MB
add(("z"):rep(2 ^ 20))
add({}, { KEY }, { "a", "b" }, { message = KEY, outcome = "notSent", kind = "credentials" })
add({ kind = "service", reason = "throttled", outcome = "unknown", message = {} })
add({ status = 200 }, { status = 200, body = {} }, { status = 200, headers = 7, body = "" })
add({ status = 0 / 0, headers = {}, body = KEY }, { status = 200.5, headers = {}, body = "{}" })
add({ sent = false, reason = {}, kind = KEY, lasting = KEY }, { sent = "no", reason = "dns" })
add(meta { __index = throwing }, meta { __tostring = throwing, __len = throwing, __pairs = throwing })
add(meta {
  __tostring = function()
    return "it says " .. KEY
  end,
})
add(meta {
  __tostring = function()
    return {}
  end,
})
add(
  meta { __eq = throwing, __lt = throwing, __le = throwing, __call = throwing, __concat = throwing, __metatable = KEY }
)
add(meta({ __index = throwing }, { message = KEY, outcome = "notSent" }))
add(io.stdout, coroutine.create(throwing), throwing, print)

-- Values where secrets may not stand: all texts that an error or a result has, but what the service answered.
local function assertNoSecret(about, value, depth)
  if type(value) == "string" then
    assert(not value:find(KEY, 1, true), about)
    assert(not value:find(KEY:sub(1, 16), 1, true), about .. ": a part of it")
  elseif type(value) == "table" and (depth or 0) < 4 then
    for key, item in pairs(value) do
      if key ~= "imageSet" then
        assertNoSecret(about, item, (depth or 0) + 1)
      end
    end
  end
end

local service, serve, count

local function changes()
  local applied = 0
  for _, entry in ipairs((service:journal())) do
    applied = applied + (entry.applied and 1 or 0)
  end
  return applied
end

-- Runs a modification with options, and holds what it says against what happened.
local function check(about, version, options, action)
  count = count + 1
  local all = {
    apiVersion = version,
    region = "gz",
    maxAttempts = 3,
    timeout = 5,
    transport = serve,
    sleep = function() end,
    credentials = function()
      return { secretId = stub.SECRET_ID, secretKey = KEY }
    end,
  }
  for name, value in pairs(options) do
    all[name] = value
  end
  local client = image.new(all)
  client.random = function()
    return 0
  end
  local before = changes()
  local params = { imageId = "img-12345678", imageName = "n" .. count }
  local ok, result, message, err = pcall(action or client.modify, client, params)
  assert(ok, about .. " raised " .. tostring(result))
  local happened = changes() > before
  if result then
    assert(action or happened, about .. ": no success")
  else
    assert(type(message) == "string" and message == err.message and not message:find "[%c]", about)
    assert(#message < 1500, about)
    assert(err.outcome == "unknown" or not happened, about .. ": " .. message)
    assert(type(err.attempts) == "table", about)
  end
  assertNoSecret(about .. ": " .. tostring(message), result or err)
end

local function fresh()
  serve, service = emulator.transport {}
end

-- These are many calls. Lua 5.4 and LuaJIT make them all; the others, which differ less, those of every second value, in one
-- API.
local isWhole = _VERSION == "Lua 5.4" or rawget(_G, "jit") ~= nil

-- Each value at each position of what a function returns, and thrown; at its first call, and at its second one.
local function everywhere(name, usual, positions, run)
  for number = _VERSION == "Lua 5.2" and 2 or 1, #VALUES, isWhole and 1 or 2 do
    local box = VALUES[number]
    fresh()
    for position = 0, positions do -- 0: thrown
      for turn = 1, 2 do
        local calls = 0
        local function callback(...)
          calls = calls + 1
          if calls ~= turn then
            return usual(...)
          elseif position == 0 then
            error(box[1], 0)
          elseif position == 1 then
            return box[1]
          elseif position == 2 then
            return nil, box[1]
          end
          return nil, "failed", box[1]
        end
        run(callback, ("%s, value %d, position %d, call %d"):format(name, number, position, turn))
      end
    end
  end
end

-- A transport that loses the first answer, so that callbacks are called again.
local function lossy()
  local isFirst = true
  return function(...)
    local response, message, detail = serve(...)
    if isFirst then
      isFirst = false
      return nil, "lost", { reason = "closed" }
    end
    return response, message, detail
  end
end

describe("what a callback returns or throws", function()
  before_each(function()
    count = 0
  end)

  it("has 51 kinds here", function()
    assert.equal(51, #VALUES)
  end)

  for _, version in ipairs(isWhole and { "2.0", "3.0" } or { _VERSION == "Lua 5.1" and "2.0" or "3.0" }) do
    local function it_each(name, usual, positions, run)
      it("is no danger in API " .. version .. ": " .. name, function()
        everywhere(name, usual, positions, run)
      end)
    end

    for name, usual in pairs {
      clock = core.time,
      nonce = core.nonce,
      sleep = function() end,
      onAttempt = function() end,
      limiter = function()
        return 0
      end,
      credentials = function()
        return { secretId = stub.SECRET_ID, secretKey = KEY }
      end,
    } do
      it_each(name, usual, 3, function(callback, about)
        check(about, version, { [name] = callback, transport = lossy() })
      end)
    end

    it_each(
      "transport",
      function(...)
        return serve(...)
      end,
      3,
      function(callback, about)
        check(about, version, { transport = callback })
      end
    )

    it_each("a limiter's throttled", function() end, 2, function(callback, about)
      service:fault { kind = "throttle", count = 2 }
      check(about, version, {
        limiter = {
          acquire = function()
            return 0
          end,
          throttled = function(_, ...)
            return callback(...)
          end,
        },
      })
    end)

    it_each("onProgress of wait", function() end, 2, function(callback, about)
      check(about, version, {}, function(client)
        return client:wait({ imageIds = { "img-12345678" } }, { waitTimeout = 1, onProgress = callback })
      end)
    end)

    it("is no danger in API " .. version .. ": sleep of apply, after a lost answer", function()
      for number, box in ipairs(VALUES) do
        fresh()
        local isLost
        check("sleep of apply, value " .. number, version, {
          maxAttempts = 1,
          limiter = function()
            return 0
          end,
          transport = function(request, seconds)
            local name = request.headers["X-TC-Action"] or request.body:match "Action=(%w+)"
            isLost = isLost or name:find "^Modify" ~= nil
            if isLost then
              return nil, "lost", { reason = "closed" }
            end
            return serve(request, seconds)
          end,
          sleep = function()
            error(box[1], 0)
          end,
        }, function(client, params)
          return client:apply { params }
        end)
      end
    end)

    for _, name in ipairs { "onProgress", "stop" } do
      it_each(name .. " of apply", function() end, 1, function(callback, about)
        check(about, version, {
          limiter = function()
            return 0
          end,
        }, function(client, params)
          return client:apply({ params }, { [name] = callback })
        end)
      end)
    end

    it("is no danger in API " .. version .. ": a field of what it returns", function()
      local fields = {
        credentials = { "secretId", "secretKey", "token" },
        transport = { "status", "headers", "body" },
        failure = { "sent", "reason", "kind", "lasting", "reused" },
      }
      for number, box in ipairs(VALUES) do
        fresh()
        for kind, names in pairs(fields) do
          for _, field in ipairs(names) do
            local about = ("%s.%s, value %d"):format(kind, field, number)
            local function callback(...)
              if kind == "credentials" then
                local given = { secretId = stub.SECRET_ID, secretKey = KEY }
                given[field] = box[1]
                return given
              elseif kind == "failure" then
                if box[1] ~= false then -- or it would not be true that nothing was sent
                  serve(...)
                end
                return nil, "failed", { [field] = box[1] }
              end
              local given = serve(...)
              local answer = { status = given.status, headers = given.headers, body = given.body }
              answer[field] = box[1]
              return answer
            end
            check(about, version, { [kind == "credentials" and kind or "transport"] = callback })
          end
        end
      end
    end)
  end
end)

describe("a credentials function", function()
  local function message(...)
    local values, number = { ... }, select("#", ...)
    local client = image.new {
      region = "gz",
      transport = function() end,
      credentials = function()
        return (unpack or table.unpack)(values, 1, number) -- luacheck: ignore
      end,
    }
    local _, said, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("credentials", err.kind)
    return said
  end

  it("that returns its values is told what is due, and no value is shown", function()
    local said = message("AKIDtheSecretId", "theSecretKey", "theToken")
    assert.matches("returned a string; expected a table with secretId and secretKey", said)
    assert.is_nil(said:find "the[ST]")
    said = message(nil, "theSecretKey", "theToken")
    assert.matches("returned no credentials: a word, not shown because it may be a secret", said)
    said =
      message(nil, "the file /run/keys/main is gone, img-12345678, [requestId 0a1b2c3d-0000-4000-8000-000000000001]")
    assert.matches(
      "returned no credentials: the file /run/keys/main is gone, img%-12345678, %[requestId 0a1b2c3d%-",
      said
    )
    said = message(nil, "bad key abcdEFGH1234abcdEFGH1234abcdEFGH in the vault")
    assert.matches("returned no credentials: bad key %*%*%* in the vault", said)
  end)
end)

describe("an error that a credentials function passes on", function()
  -- An error of another client's, with a field changed.
  local function changed(field, value)
    local client = image.new { region = "gz", secretId = stub.SECRET_ID, secretKey = KEY, transport = function() end }
    local _, _, err = client:modify {}
    err[field] = value
    return err
  end

  it("is passed on where it is one, and never raised", function()
    for _, version in ipairs { "2.0", "3.0" } do
      for number, box in ipairs(VALUES) do
        for _, field in ipairs { "message", "kind", "field", "outcome", "reason" } do
          fresh()
          local calls = 0
          if not (field == "message" and type(box[1]) == "string") then
            check(("%s, value %d"):format(field, number), version, {
              transport = lossy(),
              credentials = function()
                calls = calls + 1
                if calls == 2 then
                  return nil, changed(field, box[1])
                end
                return { secretId = stub.SECRET_ID, secretKey = KEY }
              end,
            })
          end
        end
      end
    end
  end)
end)

describe("a callback", function()
  local isPuc51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

  it("may yield, and runs in the coroutine of its caller, except in PUC Lua 5.1", function()
    local inside
    local outside = coroutine.create(function()
      return callbacks.pcall(function(...)
        inside = coroutine.running()
        return coroutine.yield(...)
      end, "a")
    end)
    assert.same({ true, "a" }, { coroutine.resume(outside) })
    assert.equal(not isPuc51, inside == outside)
    assert.same({ true, true, "b" }, { coroutine.resume(outside, "b") })
  end)

  it("that yields to another scheduler in a task fails, not the task", function()
    if isPuc51 then
      return
    end
    for _, ok, thrown in
      image.parallel({ 1 }, function()
        return callbacks.pcall(coroutine.yield, "to another scheduler")
      end)
    do
      assert.is_false(ok)
      assert.equal("it yielded, and not by a call of this library", thrown)
    end
  end)
end)

describe("on the way to keys and region", function()
  local function respond(status)
    return function()
      return { status = status, headers = {}, body = "" }
    end
  end

  it("no secret is shown that a transport or a sleep throws", function()
    local source = require("qcimage.credentials").cvm { address = "http://metadata.test" }
    for _, options in ipairs {
      { credentials = source, region = "gz", transport = throwing },
      { credentials = source, region = "gz", transport = respond(500), sleep = throwing },
      { secretId = stub.SECRET_ID, secretKey = KEY, transport = throwing },
      { secretId = stub.SECRET_ID, secretKey = KEY, transport = respond(500), sleep = throwing },
    } do
      options.metadata = "http://metadata.test"
      local _, message, err = image.new(options):modify { imageId = "img-12345678", imageName = "a" }
      assert.matches("threw: thrown with %*%*%*", message)
      assertNoSecret("metadata", err)
    end
  end)

  it("no secret stands in what is logged of a limiter", function()
    local limiters, warning = require "qcimage.limiter", require "qcimage.util.warning"
    local say, said = warning.write, {}
    function warning.write(message)
      said[#said + 1] = message
    end
    for _, eval in ipairs {
      throwing,
      function()
        return nil, "refused: AUTH " .. KEY
      end,
    } do
      pcall(function()
        limiters.redis({ eval = eval }):acquire "DescribeImages"
      end)
    end
    warning.write = say
    assert.equal(2, #said)
    assert.matches("Redis: thrown with %*%*%*; until", said[1])
    assert.matches("Redis: refused: AUTH %*%*%*; until", said[2])
  end)
end)

describe("a metamethod of parameters or options", function()
  local function leaky()
    return setmetatable({}, { __index = throwing, __pairs = throwing })
  end

  it("shows no secret that it throws", function()
    local client = stub.client { apiVersion = "3.0", transport = function() end }
    for _, params in ipairs { leaky(), { imageIds = leaky() }, { filters = leaky() }, { filters = { leaky() } } } do
      local _, message, err = client:describe(params)
      assert.equal("parameter", err.kind)
      assertNoSecret("parameters", err)
      assert.is_string(message)
    end
    assertNoSecret("raw", select(3, client:call("DescribeImages", leaky(), { raw = true })))
    local ok, raised = pcall(image.new, leaky())
    assert.is_false(ok)
    assertNoSecret("options", raised)
  end)
end)

describe("options by __index", function()
  it("count as parameters by __index do", function()
    local defaults = { secretId = stub.SECRET_ID, secretKey = KEY, apiVersion = "3.0", region = "bj" }
    local client = image.new(setmetatable({ region = "gz" }, { __index = defaults }))
    local request = assert(client:sign("DescribeImages", {}, setmetatable({}, { __index = { region = "sh" } })))
    assert.equal("ap-shanghai", request.headers["X-TC-Region"])
    assert.matches("Credential=" .. stub.SECRET_ID, request.headers.Authorization)
    request = assert(client:sign "DescribeImages")
    assert.equal("ap-guangzhou", request.headers["X-TC-Region"])
    local source = require("qcimage.credentials").file(setmetatable({}, { __index = { path = "/nowhere/keys" } }))
    local _, err = source {}
    assert.matches("/nowhere/keys", err.message)
  end)

  it("are raised where they are wrong, or where a metamethod throws", function()
    for _, options in ipairs {
      setmetatable({}, { __index = { region = 5 } }),
      setmetatable({}, {
        __index = function()
          error "not yet loaded"
        end,
      }),
    } do
      local ok, message = pcall(function()
        local client = image.new(options)
        client:close()
      end)
      assert.is_false(ok)
      assert.matches("callbacks_spec%.lua:%d+: option", message)
    end
  end)
end)
