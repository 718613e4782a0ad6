--- A transport of the caller's: covers transport/custom.lua.

local core = require "qcimage.core"
local stub = require "spec.support.stub"

local function over(transport, options)
  local all = { transport = transport, maxAttempts = 3, sleep = function() end }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return stub.client(all)
end

describe("a transport of the caller's", function()
  it("may give headers in any case of letters, behind a metatable", function()
    local slept
    local answers = {
      {
        status = 503,
        headers = setmetatable({ ["Retry-After"] = "2", ["Date"] = "Tue, 14 Nov 2023 22:13:20 GMT" }, {
          __index = function(self, name)
            return rawget(self, name:lower())
          end,
        }),
        body = "busy",
      },
      { status = 200, headers = { ["CONTENT-ENCODING"] = "gzip" }, body = "\31\139" },
    }
    local count = 0
    local client = over(function()
      count = count + 1
      return answers[count]
    end, {
      sleep = function(seconds)
        slept = seconds
      end,
    })
    client.random = function()
      return 0
    end
    local _, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.equal(2, slept)
    assert.equal("format", err.reason)
    assert.matches("content%-encoding gzip", message)
  end)

  it("teaches the client the service's clock, as ours does", function()
    local now = core.time() + 1000
    local times = {}
    local client = over(function(request)
      times[#times + 1] = tonumber(stub.form(request.body).Timestamp)
      if #times == 1 then
        local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(now - 1000))
        return { status = 200, headers = { Date = date }, body = '{"code":4500}' }
      end
      return { status = 200, headers = {}, body = '{"code":0}' }
    end, {
      clock = function()
        return now
      end,
    })
    assert(client:modify { imageId = "img-1", imageName = "a" })
    assert.is_true(math.abs(times[2] - (now - 1000)) <= 2)
  end)

  it("that fails without a reason is tried again where that does no harm", function()
    for _, detail in ipairs { false, "text", { reason = "eof" }, {} } do
      local count = 0
      local client = over(function()
        count = count + 1
        return nil, "it broke", detail or nil
      end)
      local _, message, err = client:modify { imageId = "img-1" }
      assert.equal(3, count)
      assert.same({ "network", "closed", "unknown" }, { err.kind, err.reason, err.outcome })
      assert.matches("it broke", message)
      count = 0
      _, _, err = client:call("CreateImage", { instanceId = "i", imageName = "a" })
      assert.equal(1, count)
      assert.equal("unknown", err.outcome)
    end
  end)

  it("that says that nothing was sent is believed", function()
    local count = 0
    local client = over(function()
      count = count + 1
      return nil, "refused", { sent = false }
    end)
    local _, _, err = client:call("CreateImage", { instanceId = "i", imageName = "a" })
    assert.equal(3, count)
    assert.same({ "network", "connect", "notSent" }, { err.kind, err.reason, err.outcome })
    client = over(function()
      count = count + 1
      return nil, "no certificate", { sent = false, reason = "tls", lasting = true }
    end)
    count = 0
    _, _, err = client:modify { imageId = "img-1" }
    assert.equal(1, count)
    assert.equal("tls", err.reason)
  end)

  it("that returns nonsense is told so", function()
    for said, give in pairs {
      ["returned a number; expected a table with status"] = function()
        return 1, 200, {}
      end,
      ["returned a boolean; expected a table"] = function()
        return true
      end,
      ["returned no status or body"] = function()
        return {}
      end,
      ["returned no message"] = function() end,
      ["threw: .*status of a broken answer"] = function()
        return setmetatable({}, {
          __index = function(_, name)
            error(name .. " of a broken answer")
          end,
        })
      end,
    } do
      local _, message, err = over(give, { maxAttempts = 1 }):modify { imageId = "img-1", imageName = "a" }
      assert.matches(said, message)
      assert.equal("unknown", err.outcome)
    end
  end)

  it("holds a call no longer than it does itself", function()
    local client = over(function(_, seconds)
      core.sleep(seconds * 2)
      return nil, "late"
    end, { timeout = 0.2 })
    local started = core.monotonic()
    local _, _, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.is_true(core.monotonic() - started < 2)
    assert.equal(1, #err.attempts)
  end)
end)
