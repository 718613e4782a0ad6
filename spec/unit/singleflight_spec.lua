--- A credentials function that waits: calls that come meanwhile share its answer. Here in coroutines; in light threads of
--- nginx in lightthread_spec.lua. Then temporary keys, which calls that come meanwhile share, too. Covers util/caller.lua and
--- refresh.lua.

local assumeRole = require "qcimage.credentials.assume_role"
local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local errors = require "qcimage.util.errors"
local image = require "qcimage"
local refresh = require "qcimage.credentials.refresh"
local singleflight = require "qcimage.credentials.singleflight"
local signals = require "qcimage.util.signal"
local stub = require "spec.support.stub"
local tasks = require "qcimage.util.tasks"

local unpack = table.unpack or unpack

local GIVEN = { secretId = stub.SECRET_ID, secretKey = stub.SECRET_KEY }

-- A client whose credentials function yields some times before it gives what `answer` returns, and counts how often it was
-- asked.
local function client(answer, options)
  local asked = { count = 0 }
  local all = {
    region = "gz",
    maxAttempts = 1,
    transport = stub.transport '{"code":0}',
    sleep = function()
      coroutine.yield()
    end,
    credentials = function()
      asked.count = asked.count + 1
      local number = asked.count
      for _ = 1, 5 do
        coroutine.yield()
      end
      return answer(number)
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value or nil
  end
  return image.new(all), asked
end

-- Runs functions side by side, turn by turn. Returns what each returned, as lists.
local function together(functions)
  local threads, results = {}, {}
  for i, run in ipairs(functions) do
    threads[i] = coroutine.create(run)
  end
  local open = #threads
  while open > 0 do
    open = 0
    for i, thread in ipairs(threads) do
      if coroutine.status(thread) ~= "dead" then
        local got = { coroutine.resume(thread) }
        assert(got[1], got[2])
        results[i] = { unpack(got, 2, 4) }
        open = open + 1
      end
    end
  end
  return results
end

-- Calls of a client side by side.
local function calls(by, count)
  local functions = {}
  for i = 1, count do
    functions[i] = function()
      return by:modify { imageId = "img-12345678" }
    end
  end
  return together(functions)
end

describe("a credentials function that waits", function()
  it("is asked once by a hundred calls", function()
    local by, asked = client(function()
      return GIVEN
    end)
    for round = 1, 2 do -- and again by the next, since nothing is remembered
      for _, result in ipairs(calls(by, 100)) do
        assert.equal(0, result[1] and result[1].code, result[2])
      end
      assert.equal(round, asked.count)
    end
  end)

  it("gives its failure to all that waited, and to nobody later", function()
    for _, fail in ipairs {
      function()
        return nil, "the vault is sealed"
      end,
      function()
        error "the vault is sealed"
      end,
    } do
      local by, asked = client(function(number)
        if number == 1 then
          return fail()
        end
        return GIVEN
      end)
      for _, result in ipairs(calls(by, 10)) do
        assert.is_nil(result[1])
        assert.matches("the vault is sealed", result[2], 1, true)
        assert.equal("credentials", result[3].kind)
        assert.equal("notSent", result[3].outcome)
      end
      assert.equal(1, asked.count)
      local result = calls(by, 1)[1]
      assert.equal(0, result[1] and result[1].code, result[2])
      assert.equal(2, asked.count)
    end
  end)

  it("is asked again when the call that had asked is never resumed", function()
    local by, asked = client(function()
      return GIVEN
    end)
    local lost = coroutine.create(function()
      return by:modify { imageId = "img-12345678" }
    end)
    assert(coroutine.resume(lost))
    local start = core.monotonic()
    for _, result in ipairs(calls(by, 10)) do
      assert.equal(0, result[1] and result[1].code, result[2])
    end
    assert.equal(2, asked.count)
    assert.is_true(core.monotonic() - start < 10)
  end)

  it("holds no call beyond its time", function()
    local by = client(function()
      return GIVEN
    end, {
      sleep = function(seconds)
        core.sleep(seconds)
        coroutine.yield()
      end,
    })
    local lost = coroutine.create(function()
      return by:modify { imageId = "img-12345678" }
    end)
    assert(coroutine.resume(lost))
    local start = core.monotonic()
    local result = together({
      function()
        return by:modify({ imageId = "img-12345678" }, { timeout = 0.05 })
      end,
    })[1]
    assert.is_nil(result[1])
    assert.equal("credentials", result[3].kind)
    assert.matches("timed out waiting for another call", result[2], 1, true)
    assert.is_true(core.monotonic() - start < 2)
  end)

  it("may itself call by the client", function()
    local by, depth = nil, 0
    by = client(function()
      depth = depth + 1
      if depth == 1 then
        assert(by:describe { imageType = "PRIVATE_IMAGE" })
      end
      return GIVEN
    end)
    local result = calls(by, 1)[1]
    assert.equal(0, result[1] and result[1].code, result[2])
  end)

  -- A client without a sleep of its own, so that tasks wait for each other.
  local function plain(credentials)
    return image.new {
      region = "gz",
      maxAttempts = 1,
      transport = stub.transport '{"code":0}',
      credentials = credentials,
    }
  end

  it("may itself call by the client in tasks, without a wait", function()
    local by, asked = nil, 0
    by = plain(function()
      asked = asked + 1
      if asked == 1 then
        for _, result, message in
          image.parallel({ 1, 2, 3, 4, 5, 6 }, function()
            return by:describe { imageType = "PRIVATE_IMAGE" }
          end)
        do
          assert(result, message)
        end
      end
      return GIVEN
    end)
    local start = core.monotonic()
    assert.equal(0, assert(by:modify { imageId = "img-12345678" }).code)
    assert.is_true(core.monotonic() - start < 0.5)
    assert.equal(7, asked)
  end)

  it("that needs its own answer in tasks is a circle, which is found at once", function()
    local by
    by = plain(function()
      local problem
      for _, _, message in
        image.parallel({ 1, 2 }, function()
          return by:describe { imageType = "PRIVATE_IMAGE" }
        end)
      do
        problem = message
      end
      return nil, problem
    end)
    local start = core.monotonic()
    local result, message, err = by:modify { imageId = "img-12345678" }
    assert.is_nil(result)
    assert.equal("credentials", err.kind)
    assert.matches("needs its own answer (a circle of roles or functions)", message, 1, true)
    assert.is_true(core.monotonic() - start < 0.5)
  end)

  it("that needs its own answer where no call can wait is a circle, too", function()
    local by, asked
    by, asked = client(function()
      local result, message = by:describe { imageType = "PRIVATE_IMAGE" }
      return result and GIVEN, message
    end, {
      sleep = function()
        error "nothing waits here"
      end,
    })
    local lost = coroutine.create(function()
      return by:modify { imageId = "img-12345678" }
    end)
    assert(coroutine.resume(lost))
    assert.matches("needs its own answer (a circle of roles or functions)", calls(by, 1)[1][2], 1, true)
    assert.equal(4, asked.count)
  end)

  it("is not asked again by a task that runs meanwhile, but was begun before", function()
    if not tasks.isParallel() then
      return
    end
    local begun, asked = signals.new(), 0
    local by = plain(function()
      asked = asked + 1
      for _ in
        image.parallel({ 1, 2 }, function()
          begun:notify()
          tasks.sleep(0.02)
        end)
      do
      end
      return GIVEN
    end)
    local function modify()
      return by:modify { imageId = "img-12345678" }
    end
    local good = 0
    for item, result in
      image.parallel({ 1, 2, 3 }, function(item)
        if item > 1 then
          begun:wait()
          return modify()
        end
      end)
    do
      result = item == 1 and modify() or result
      good = good + (result and result.code == 0 and 1 or 0)
    end
    assert.equal(3, good)
    assert.equal(1, asked)
  end)

  it("is asked by each call where nobody else could run while one waits", function()
    local by, asked = client(function()
      return GIVEN
    end, { sleep = false })
    for _, result in ipairs(calls(by, 3)) do
      assert.equal(0, result[1] and result[1].code, result[2])
    end
    assert.equal(3, asked.count)
  end)
end)

describe("a built-in request in the background", function()
  it(
    "is started by waiting calls when it does not begin or end: after 0.2 s, then 2, 4 and at most `longest` later",
    function()
      local now, begun, planned = 0, {}, nil
      local context = {
        canWait = true,
        secondsLeft = 20,
        monotonic = function()
          return now
        end,
        sleep = function(seconds)
          now = now + seconds
          return true
        end,
        background = function(run)
          planned = run -- nginx has no timers left, and drops it
          return true
        end,
      }
      local source = singleflight.new(function()
        begun[#begun + 1] = now
        coroutine.yield() -- nginx kills this call
      end, { name = "test", longest = 5 })
      for i, expected in ipairs { 0.2, 2.2, 6.2, 11.2 } do
        assert(coroutine.resume(coroutine.create(source), context))
        assert.is_true(begun[i] >= expected and begun[i] < expected + 0.2, begun[i])
      end
      planned()
      assert.equal(4, #begun)
    end
  )
end)

describe("temporary keys", function()
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
    assert.is_true(context.time >= cloud.NOW + 10)
    assert.equal("AKID2", source(context).secretId)
  end)

  it("are asked for within the time of a question, however many that asked are gone", function()
    local isDown, count = true, 0
    local source = singleflight.new(function()
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
    assert.equal("AKID2", source(patient).secretId)
    assert.equal(2, count)
  end)

  it("that a call takes over where nothing can be asked fail that call alone", function()
    local count = 0
    local source = singleflight.new(function(context)
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
      if not barred.err and context.time >= cloud.NOW + 1 then
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
    local credentials, err = source(context)
    assert.is_nil(credentials)
    assert.equal("credentials", err.kind)
    assert.matches("^here: .*a fault", err.message)
    assert.equal("AKID2", source(context).secretId)
    assert.equal(cloud.NOW, context.time)
  end)
end)

describe("roles that assume each other", function()
  it("are a circle, which is said in one line", function()
    local first, second
    local function through(source)
      return function(context)
        return source()(context)
      end
    end
    first = assumeRole.new(
      through(function()
        return second
      end),
      { roleArn = "qcs::cam::uin/100000000001:roleName/a" }
    )
    second = assumeRole.new(
      through(function()
        return first
      end),
      { roleArn = "qcs::cam::uin/100000000001:roleName/b" }
    )
    local by = stub.client({ credentials = first, apiVersion = "3.0", region = "ap-guangzhou" }, {})
    local result, message, err = by:describe {}
    assert.is_nil(result)
    assert.equal("credentials", err.kind)
    assert.matches("AssumeRole needs its own answer %(a circle of roles or functions%)$", message)
    assert.is_true(#message < 300, message)
  end)
end)
