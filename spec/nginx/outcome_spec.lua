--- The verdict of a call against the truth: the exchange breaks at each stage, and what the client says
--- became of the change is compared with what the emulator's journal has. Both back ends, both versions.

local cjson = require "cjson"
local http = require "socket.http"
local ltn12 = require "ltn12"
local nginx = require "spec.support.nginx"
local stub = require "spec.support.stub"

local pipe, pid, url, control, worker

local function ask(method, path, body)
  local parts = {}
  local ok, status = http.request {
    url = control .. path,
    method = method,
    headers = { ["content-length"] = #(body or "") },
    source = body and ltn12.source.string(body),
    sink = ltn12.sink.table(parts),
  }
  assert(ok and status == 200, tostring(status))
  return table.concat(parts)
end

local function plan(stage, how)
  local request, answer = ask("POST", "/_plan", stage .. " " .. how):match "^(%d+) (%d+)$"
  return tonumber(request), tonumber(answer)
end

-- How many changes the journal has.
local function changes()
  local count = 0
  for _, entry in ipairs(cjson.decode(ask("GET", "/_emulator/journal")).entries) do
    count = count + (entry.applied and 1 or 0)
  end
  return count
end

-- Makes calls of which each has a name of its own, and gives a verdict for each.
local CALLS = [[
  local image = require "qcimage"
  local options, action, first, count = ...
  local throws, core, id, key = options.throws, require "qcimage.core", options.secretId, options.secretKey
  local readBack = options.readBack or false -- or the image tells what the exchange did not
  options.throws, options.readBack = nil, nil
  if throws then -- one of the functions that the caller may give, at one of its calls
    local usual, calls = {
      clock = core.time,
      nonce = core.nonce,
      credentials = function() return { secretId = id, secretKey = key } end,
      onAttempt = function() end,
      sleep = function() end,
    }, 0
    options.sleep = usual.sleep
    options[throws.name] = function(...)
      calls = calls + 1
      assert(calls ~= throws.at, "thrown")
      return usual[throws.name](...)
    end
    if throws.name == "credentials" then
      options.secretId, options.secretKey = nil, nil
    end
  end
  local client = image.new(options)
  local verdicts = {}
  for i = first, first + count - 1 do
    local params = {
      modify = { imageId = "img-12345678", imageName = "n" .. i },
      create = { instanceId = "ins-stopped1", imageName = "c" .. i },
      describe = { imageIds = { "img-12345678" } },
    }
    local result, message, err
    if action == "create" then
      result, message, err = client:call("CreateImage", params.create)
    else
      result, message, err = client[action](client, params[action], action == "modify" and { readBack = readBack } or nil)
    end
    verdicts[#verdicts + 1] = {
      outcome = result and "success" or err.outcome,
      reason = err and err.reason,
      message = message or "",
      attempts = #(result or err).attempts,
      hookError = (result or err).hookError or "",
    }
  end
  client:close()
  return verdicts
]]

local backends = {
  libcurl = function(...)
    return assert(load(CALLS))(...)
  end,
  cosocket = function(options, action, first, count)
    local code = ("local cjson = require 'cjson'; local run = assert(loadstring(%q)); "):format(CALLS)
      .. ("return run(cjson.decode(%q), %q, %d, %d)"):format(cjson.encode(options), action, first, count)
    return (worker:lua((code:gsub("%$", "%%$"))))
  end,
}

local SHAPES = {
  { apiVersion = "2.0", method = "POST" },
  { apiVersion = "2.0", method = "GET" },
  { apiVersion = "3.0" },
}

setup(function()
  pipe = assert(io.popen("echo $$; exec lua5.4 spec/support/faultyserver.lua", "r"))
  pid = pipe:read "*l"
  url = "http://127.0.0.1:" .. pipe:read "*l"
  control = "http://127.0.0.1:" .. pipe:read "*l"
  worker = nginx.start { conf = nginx.conf "" }
end)

teardown(function()
  worker:stop()
  os.execute("kill " .. pid)
  pipe:close()
end)

local number = 0

-- One call with everything in place but for the plan.
local function call(backend, shape, action, more)
  local options = {
    secretId = stub.SECRET_ID,
    secretKey = stub.SECRET_KEY,
    region = "gz",
    endpoint = url,
    maxAttempts = 1,
    attemptTimeout = 5,
  }
  for _, set in ipairs { shape, more or {} } do
    for name, value in pairs(set) do
      options[name] = value
    end
  end
  number = number + 1
  return backends[backend](options, action, number, 1)[1]
end

for backend in pairs(backends) do
  describe("the verdict of " .. backend, function()
    local compared = 0

    -- Breaks one call and holds its verdict against the journal.
    local function compare(shape, action, stage, how, more, fault)
      if action == "create" then
        ask("POST", "/_emulator/reset") -- or the quota of images is soon used up
      end
      if fault then
        ask("POST", "/_emulator/faults", cjson.encode { kind = fault, count = 1 })
      end
      plan(stage, how)
      local before = changes()
      local verdict = call(backend, shape, action, more)
      plan("none", "close")
      local happened = changes() > before
      local about = ("%s %s %s, %s %s: %s %s"):format(
        shape.apiVersion,
        shape.method or "POST",
        action,
        stage,
        how,
        verdict.outcome,
        verdict.message
      )
      compared = compared + 1
      if action ~= "describe" then
        if verdict.outcome == "success" then
          assert.is_true(happened, about)
        elseif verdict.outcome ~= "unknown" then
          assert.is_false(happened, about)
        end
      end
      return verdict, about, happened
    end

    for _, shape in ipairs(SHAPES) do
      for _, action in ipairs { "modify", "create", "describe" } do
        local name = ("%s %s, API %s"):format(action, shape.method or "POST", shape.apiVersion)

        it("is true at each stage of " .. name, function()
          ask("POST", "/_emulator/reset")
          local verdict, about = compare(shape, action, "none", "close")
          assert.equal("success", verdict.outcome, about)
          local requestBytes, answerBytes = plan("none", "close")
          assert.is_true(requestBytes > 100 and answerBytes > 100)

          -- nobody there; and a peer that speaks no TLS
          local refused = { endpoint = "http://127.0.0.1:" .. nginx.freePort() }
          verdict, about = compare(shape, action, "none", "close", refused)
          assert.equal("notSent", verdict.outcome, about)
          for _, how in ipairs { "close", "reset", "stall" } do
            local stall = how == "stall" and { attemptTimeout = 0.15 } or {}
            -- a stall takes its time, so one of each kind is enough
            local function some(list)
              return ipairs(how == "stall" and { list[3] } or list)
            end
            -- after accept, in the TLS handshake: the first bytes are the ClientHello
            local tls = { endpoint = url:gsub("http:", "https:"), attemptTimeout = stall.attemptTimeout }
            for _, stage in some { "accept", "request 1", "request 60" } do
              verdict, about = compare(shape, action, stage, how, tls)
              assert.equal("notSent", verdict.outcome, about)
            end
            -- within the request, and with all of it but before it was looked at
            for _, bytes in some { 1, 20, math.floor(requestBytes / 2), requestBytes - 1 } do
              verdict, about = compare(shape, action, "request " .. bytes, how, stall)
              assert.equal("unknown", verdict.outcome, about)
            end
            for _, stage in ipairs { "before", "after" } do
              verdict, about = compare(shape, action, stage, how, stall)
              assert.equal("unknown", verdict.outcome, about)
            end
            verdict, about = compare(shape, action, "accept", how, stall) -- it depends on who is faster
            assert.is_true(verdict.outcome == "unknown" or verdict.outcome == "notSent", about)
            for _, bytes in some { 1, 30, math.floor(answerBytes / 2), answerBytes - 1 } do
              local happened
              verdict, about, happened = compare(shape, action, "answer " .. bytes, how, stall)
              assert.equal("unknown", verdict.outcome, about)
              assert.equal(action ~= "describe", happened, about)
            end
          end
          -- the service's own failures
          for kind, outcome in pairs { errorBefore = "unknown", errorAfter = "unknown", throttle = "rejected" } do
            verdict, about = compare(shape, action, "none", "close", nil, kind)
            assert.equal(outcome, verdict.outcome, about)
          end
        end)

        it("is never a success when the answer ends early: " .. name, function()
          ask("POST", "/_emulator/reset")
          call(backend, shape, action)
          local _, answerBytes = plan("answers 0", "close")
          local options = {
            secretId = stub.SECRET_ID,
            secretKey = stub.SECRET_KEY,
            region = "gz",
            endpoint = url,
            maxAttempts = 1,
            apiVersion = shape.apiVersion,
            method = shape.method,
          }
          -- one byte more each time; short of the whole answer by what its own varying parts may take
          local count = answerBytes - 8
          local most = action == "create" and 5 or count -- images in a row, below the quota
          for first = 0, count - 1, most do
            local some = math.min(most, count - first)
            ask("POST", "/_emulator/reset")
            plan("answers " .. first, "close")
            local verdicts = backends[backend](options, action, number + 1, some)
            number = number + some
            plan("none", "close")
            assert.equal(some, #verdicts)
            for i, verdict in ipairs(verdicts) do
              assert.equal("unknown", verdict.outcome, ("cut after %d: %s"):format(first + i - 1, verdict.message))
            end
            assert.equal(action == "describe" and 0 or some, changes())
          end
        end)
      end
    end

    it("is as true when a function of the caller's throws", function()
      local outcomes = {}
      for _, shape in ipairs(SHAPES) do
        for _, action in ipairs { "modify", "create", "describe" } do
          ask("POST", "/_emulator/reset")
          for _, stage in ipairs { "none", "before", "after", "answer 30" } do
            for _, name in ipairs { "onAttempt", "clock", "nonce", "credentials", "sleep" } do
              for at = 1, 2 do
                local throws = { throws = { name = name, at = at }, maxAttempts = 2 }
                local verdict, about = compare(shape, action, stage, "close", throws)
                outcomes[verdict.outcome] = (outcomes[verdict.outcome] or 0) + 1
                if name == "onAttempt" and at <= verdict.attempts then
                  assert.matches("^onAttempt threw: .*thrown", verdict.hookError, nil, nil, about)
                end
              end
            end
          end
        end
      end
      assert.is_true(outcomes.success > 50 and outcomes.unknown > 20 and outcomes.notSent > 20)
    end)

    it("was compared often", function()
      assert.is_true(compared > 250)
    end)

    it("after a lost answer comes from the image itself", function()
      for _, shape in ipairs(SHAPES) do
        -- applied, answer lost, then refused: the name is there, so it was a success
        ask("POST", "/_emulator/reset")
        ask("POST", "/_emulator/faults", cjson.encode { kind = "dropAfter", count = 1, action = nil })
        local verdict = call(backend, shape, "modify", { maxAttempts = 3, readBack = true })
        assert.equal("success", verdict.outcome, verdict.message)
        assert.equal(2, verdict.attempts)
        ask("POST", "/_emulator/faults", cjson.encode { kind = "dropAfter", count = 1 })
        verdict = call(backend, shape, "modify", { readBack = true })
        assert.equal("success", verdict.outcome, verdict.message)
        assert.equal(1, verdict.attempts)
        -- CreateImage is not repeated
        ask("POST", "/_emulator/faults", cjson.encode { kind = "dropAfter", count = 1 })
        local before = changes()
        verdict = call(backend, shape, "create", { maxAttempts = 3 })
        assert.equal("unknown", verdict.outcome, verdict.message)
        assert.equal(1, verdict.attempts)
        assert.equal(1, changes() - before)
      end
    end)
  end)
end
