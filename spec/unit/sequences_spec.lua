--- Sequences of answers, losses and throws by chance, in front of the emulator, which knows what became of each
--- change. A failure names the seed that repeats it: QCIMAGE_SEED.

local core = require "qcimage.core"
local emulator = require "qcimage.emulator"
local stub = require "spec.support.stub"

local seed = tonumber(os.getenv "QCIMAGE_SEED") or math.floor(core.time()) % 100000
local CALLS = os.getenv "QCIMAGE_FULL" and 20000 or 500

local serve, service
local trouble = 0 -- percent of the exchanges that go wrong

local function chance(percent)
  return math.random(1, 100) <= percent
end

local function one(list)
  return list[math.random(1, #list)]
end

local function boom()
  error(one {
    "boom",
    {},
    setmetatable({}, {
      __tostring = function()
        error "no"
      end,
    }),
  })
end

local function pause()
  if coroutine.running() and select(2, coroutine.running()) ~= true and chance(30) then
    coroutine.yield()
  end
end

-- What can become of an exchange. Those of the second list come after the request took effect.
local BEFORE = {
  function()
    return nil, "lost", { reason = "closed" }
  end,
  function()
    return nil, "refused", { sent = false, reason = one { "connect", "dns", false } or nil }
  end,
  function()
    return nil, "no certificate", { sent = false, reason = "tls", lasting = true }
  end,
  function()
    return { status = one { 404, 408, 429, 500, 502, 503 }, headers = { ["Retry-After"] = one { "0", "1" } }, body = "" }
  end,
  function()
    return { status = 200, headers = { date = "Tue, 14 Nov 2023 22:13:20 GMT" }, body = '{"code":4500}' }
  end,
  function()
    return nil
  end,
  boom,
}
local AFTER = {
  function()
    return nil, "lost", { reason = one { "closed", "timeout" }, reused = chance(20) }
  end,
  function()
    return nil, {}, "no table"
  end,
  function()
    return { status = one { 408, 500, 502, 504 }, headers = {}, body = one { "", "<html>", '{"code":4000}' } }
  end,
  function(answer)
    return {
      status = answer.status,
      headers = answer.headers,
      body = answer.body:sub(1, math.random(0, #answer.body - 1)),
    }
  end,
  function()
    return {
      status = 200,
      headers = {},
      body = one { '{"code":6000}', '{"code":5100}', "[]", "null", '{"Response":{}}' },
    }
  end,
  function()
    return one { {}, 7, setmetatable({}, { __index = boom }) }
  end,
  boom,
}

local function transport(request, seconds)
  pause()
  if not chance(trouble) then
    return serve(request, seconds)
  elseif chance(40) then
    return one(BEFORE)()
  elseif chance(30) then
    service:fault { kind = one { "throttle", "errorBefore", "errorAfter" }, count = 1 }
    return serve(request, seconds)
  end
  return one(AFTER)(serve(request, seconds))
end

-- A function of the caller's that throws now and then.
local function unreliable(run)
  return function(...)
    pause()
    if chance(trouble / 6) then
      boom()
    end
    return run(...)
  end
end

local function options()
  local version = one { "2.0", "3.0" }
  return {
    apiVersion = version,
    method = version == "2.0" and one { "GET", "POST" } or nil,
    maxAttempts = math.random(1, 4),
    timeout = 5,
    transport = transport,
    credentials = unreliable(function()
      return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
    end),
    clock = unreliable(core.time),
    nonce = unreliable(core.nonce),
    sleep = unreliable(function() end),
    onAttempt = unreliable(function() end),
  }
end

local function changes()
  local count = 0
  for _, entry in ipairs((service:journal())) do
    count = count + (entry.applied and 1 or 0)
  end
  return count
end

local ACTIONS = {
  modify = function(client, name)
    local callOptions = chance(30) and { readBack = false } or nil
    return client:modify({ imageId = "img-12345678", imageName = name }, callOptions)
  end,
  create = function(client, name)
    return client:call("CreateImage", { instanceId = "ins-stopped1", imageName = name })
  end,
}

describe("the verdict of a call", function()
  it("is true, whatever comes together", function()
    math.randomseed(seed)
    local outcomes = { success = 0, notSent = 0, rejected = 0, unknown = 0 }
    for number = 1, CALLS do
      if number % 20 == 1 then
        serve, service = emulator.transport {}
      end
      trouble = one { 0, 5, 20, 60 }
      local client = stub.client(options())
      client.random = function()
        return 0
      end
      local action, before = one { "modify", "create" }, changes()
      local thread = coroutine.create(ACTIONS[action])
      local ok, result, message, err
      repeat
        ok, result, message, err = coroutine.resume(thread, client, "n" .. number)
      until coroutine.status(thread) == "dead"
      local about = ("QCIMAGE_SEED=%d call %d, %s: %s"):format(seed, number, action, tostring(message or result))
      assert(ok, about)
      local happened, outcome = changes() > before, result and "success" or err.outcome
      outcomes[outcome] = outcomes[outcome] + 1
      if result then
        assert(happened, about)
      elseif outcome ~= "unknown" then
        assert(not happened, about)
      end
      assert(result or type(message) == "string" and message == err.message and not message:find "[\r\n]", about)
      assert(#(result or err).attempts <= client.options.maxAttempts, about)
    end
    for outcome, count in pairs(outcomes) do
      assert(count > 0, outcome)
    end
  end)
end)
