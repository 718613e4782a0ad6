--- What the caller's functions throw, and that they may yield, on every Lua: covers callback.lua, and how execute.lua,
--- read_back.lua and paginator.lua use it. The emulator behind the transport knows what became of each change.

local emulator = require "qcimage.emulator"
local protect = require "qcimage.util.callback"
local stub = require "spec.support.stub"

local BOOM = setmetatable({}, {
  __tostring = function()
    return "boom"
  end,
})

local function isChanged(service)
  for _, entry in ipairs((service:journal())) do
    if entry.applied then
      return true
    end
  end
  return false
end

describe("a protected call", function()
  it("passes yields on, values both ways, and what is thrown later", function()
    local thread = coroutine.create(function()
      return protect.pcall(function(first)
        local second = coroutine.yield(first + 1)
        local third = coroutine.yield(second + 1)
        if third == "throw" then
          error "late"
        end
        return third, nil
      end, 1)
    end)
    assert.same({ true, 2 }, { coroutine.resume(thread) })
    assert.same({ true, 11 }, { coroutine.resume(thread, 10) })
    assert.same({ true, true, "end" }, { coroutine.resume(thread, "end") })
    thread = coroutine.create(function()
      return protect.pcall(function()
        error(coroutine.yield())
      end)
    end)
    coroutine.resume(thread)
    local _, ok, thrown = coroutine.resume(thread, BOOM)
    assert.is_false(ok)
    assert.equal(BOOM, thrown)
  end)

  it("takes C functions, and gives any thrown value as text", function()
    assert.same({ true, 3 }, { coroutine.wrap(protect.pcall)(math.max, 1, 3) })
    local bad = setmetatable({}, {
      __tostring = function()
        error "no"
      end,
    })
    for shown, thrown in pairs { ["a table"] = bad, boom = BOOM, ["two lines"] = "two\nlines", ["true"] = true } do
      assert.equal(shown, protect.errorText(thrown))
    end
    assert.equal("nil", protect.errorText(nil))
  end)
end)

-- Clients of the emulator of which one function throws at one of its calls.
local SHAPES = {
  { apiVersion = "2.0", method = "POST" },
  { apiVersion = "2.0", method = "GET" },
  { apiVersion = "3.0" },
}
local ACTIONS = {
  modify = function(client)
    return client:modify { imageId = "img-12345678", imageName = "thrown" }
  end,
  create = function(client)
    return client:call("CreateImage", { instanceId = "ins-stopped1", imageName = "thrown" })
  end,
  wait = function(client)
    local waited, message, err = client:wait({ imageIds = { "img-12345678" } }, { waitTimeout = 5 })
    if not waited then
      return waited, message, err
    end
    local result
    result, message, err = client:modify { imageId = "img-12345678", imageName = "thrown" }
    local last = result or err
    last.hookError = waited.hookError or last.hookError
    return result, message, err
  end,
}

-- The emulator behind a transport that loses the first answers, before or after the request took effect.
local function lossy(serve, losses, isAfter)
  local count = 0
  return function(request, seconds)
    count = count + 1
    if count > losses then
      return serve(request, seconds)
    end
    if isAfter then
      serve(request, seconds)
    end
    return nil, "lost", { reason = "closed" }
  end
end

local function compare(shape, action, name, at, losses, isAfter)
  local serve, service = emulator.transport {}
  local calls, hooked = 0, 0
  local core = require "qcimage.core"
  local usual = {
    transport = lossy(serve, losses, isAfter),
    credentials = function()
      return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
    end,
    clock = core.time,
    nonce = core.nonce,
    sleep = function() end,
    onAttempt = function()
      hooked = hooked + 1
    end,
  }
  local options = { maxAttempts = 3 }
  for key, value in pairs(shape) do
    options[key] = value
  end
  for key, run in pairs(usual) do
    options[key] = key ~= name and run
      or function(...)
        calls = calls + 1
        if calls == at then
          error(BOOM)
        elseif calls == -at then -- after its work
          run(...)
          error(BOOM)
        end
        return run(...)
      end
  end
  local client = stub.client(options)
  client.random = function()
    return 0
  end
  local result, message, err = ACTIONS[action](client)
  local changed = isChanged(service)
  local about = ("%s %s %s: %s throws at %d, %d lost %s: %s"):format(
    shape.apiVersion,
    shape.method or "",
    action,
    name,
    at,
    losses,
    tostring(isAfter),
    message or "success"
  )
  if result then
    assert.is_true(changed, about)
  elseif err.outcome ~= "unknown" then
    assert.is_false(changed, about)
  end
  if name == "onAttempt" and math.abs(at) <= calls then
    assert.equal("onAttempt threw: boom", (result or err).hookError, about)
  elseif not result then
    assert.is_table(err.attempts, about)
  end
  return result and "success" or err.outcome, math.abs(at) <= calls
end

describe("the verdict", function()
  for _, name in ipairs { "transport", "credentials", "clock", "nonce", "sleep", "onAttempt" } do
    it("is true, and a value, whenever this throws: " .. name, function()
      local outcomes = {}
      for _, shape in ipairs(SHAPES) do
        for action in pairs(ACTIONS) do
          for losses = -3, 3 do -- below zero: after they took effect
            for sign = -1, 1, 2 do
              local at, isThrown = 0
              repeat
                local outcome
                at = at + 1
                outcome, isThrown = compare(shape, action, name, at * sign, math.abs(losses), losses < 0)
                outcomes[outcome] = (outcomes[outcome] or 0) + 1
              until not isThrown or at == 5
            end
          end
        end
      end
      assert.truthy(outcomes.success)
      assert.truthy(outcomes.unknown)
      assert.truthy(name == "onAttempt" or outcomes.notSent or name == "transport" or name == "sleep")
    end)
  end

  it("is the same when all of them yield, and when one throws after that", function()
    local thread = coroutine.create(function()
      for _, shape in ipairs(SHAPES) do
        for losses = 0, 2 do
          local serve = emulator.transport {}
          local function yielding(run)
            return function(...)
              coroutine.yield "waiting"
              return run(...)
            end
          end
          local options = {
            maxAttempts = 3,
            transport = yielding(lossy(serve, losses)),
            credentials = yielding(function()
              return { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }
            end),
            sleep = yielding(function() end),
            onAttempt = yielding(function()
              error "boom"
            end),
          }
          for key, value in pairs(shape) do
            options[key] = value
          end
          local client = stub.client(options)
          local result = assert(ACTIONS.wait(client))
          assert.matches("^onAttempt threw: .*boom$", result.hookError)
        end
      end
      return "done"
    end)
    local waits, last = 0, nil
    while coroutine.status(thread) ~= "dead" do
      local ok, said = coroutine.resume(thread)
      assert.is_true(ok, tostring(said))
      waits, last = waits + 1, said
    end
    assert.equal("done", last)
    assert.is_true(waits > 80)
  end)
end)

describe("what is thrown", function()
  it("leaves the reason of the last attempt standing when a wait fails", function()
    local client = stub.answering({
      maxAttempts = 3,
      sleep = function()
        error "no sleep here"
      end,
    }, '{"code":4400,"message":"slow"}')
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal("throttled", err.reason)
    assert.equal("rejected", err.outcome)
    assert.equal(1, #err.attempts)
    assert.matches("not retried: option sleep threw: .*no sleep here", message)
  end)

  it("by metamethods of the parameters is a parameter's fault", function()
    local params = setmetatable({ imageId = "img-1" }, {
      __index = function()
        error "not yet loaded"
      end,
    })
    local _, message, err = stub.client():modify(params)
    assert.equal("parameter", err.kind)
    assert.equal("notSent", err.outcome)
    assert.matches("^ModifyImageAttributes: the parameter table .*not yet loaded", message)
  end)

  it("shows no secret that it holds", function()
    local client = stub.client {
      transport = function(request)
        error("cannot send " .. request.body)
      end,
    }
    local _, message = client:modify { imageId = "img-1", imageName = "a" }
    assert.matches("the transport threw: .*Signature=%*%*%*", message)
  end)

  it("by onAttempt is told of pages and of looks, too", function()
    local function client(...)
      local made = stub.answering({
        apiVersion = "3.0",
        maxAttempts = 3,
        sleep = function() end,
        onAttempt = function(record)
          if record.action == "DescribeImages" then
            error "boom"
          end
        end,
      }, ...)
      return made
    end
    local page = '{"Response":{"TotalCount":1,"ImageSet":[{"ImageId":"img-1","ImageName":"a","ImageState":"NORMAL"}],'
      .. '"RequestId":"r-9"}}'
    local count = 0
    for one, result in client(page):each() do
      count = count + 1
      assert.equal("img-1", one.imageId)
      assert.matches("boom", result.hookError)
    end
    assert.equal(1, count)
    local result = assert(client(page):wait({ imageIds = { "img-1" } }, { waitTimeout = 1 }))
    assert.matches("boom", result.hookError)
    local lost = { fail = "lost", reason = "closed" }
    result = assert(client(lost, lost, lost, page):modify { imageId = "img-1", imageName = "a" })
    assert.matches("boom", result.hookError)
  end)
end)
