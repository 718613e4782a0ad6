--- Options that would have no effect are raised, at the line that gives them: covers options.lua.
--- Covers option_types.lua and util/option_names.lua, too.

local optionRules = require "qcimage.options"
local stub = require "spec.support.stub"

describe("raw lists with holes, or with other keys than 1, 2, 3", function()
  it("are refused by name, at once", function()
    for _, version in ipairs { "2.0", "3.0" } do
      local client = stub.client { apiVersion = version }
      for _, list in ipairs {
        { "a", nil, "b" },
        { [2] = "a" },
        { [0] = "a" },
        { [-1] = "a" },
        { [1.5] = "a" },
        { "a", x = "b" },
        { "a", n = 1 },
        { [1e6] = "a" },
        { [1e9] = "a" },
        { { 1, nil, 3 } },
        { [true] = "a" },
      } do
        local _, message, err = client:sign("X", { Ids = list, Other = "x" }, { raw = true })
        assert.same({ "parameter", "Ids" }, { err.kind, err.field })
        assert.matches("^X: Ids must be a list without holes, or a table with names only", message)
      end
      assert(client:sign("X", { Ids = { "a", "b" }, Filters = { { Name = "a", Values = { "b" } } } }, { raw = true }))
    end
    local _, message = stub.client():describe { imageIds = { "a", nil, "c" } }
    assert.matches("imageIds must be a list, not a table: it has a hole", message)
  end)
end)

describe("options", function()
  local VALUES = { -- one of each that another may leave without effect
    credentials = { secretId = "id", secretKey = "key" },
    secretId = "id",
    secretKey = "key",
    token = "token",
    profile = "p",
    transport = print,
    caFile = "/ca",
    connectTo = "127.0.0.1",
    connectTimeout = 1,
    maxResponseBytes = 1,
    poolIdle = 1,
    poolSize = 1,
    proxy = "http://127.0.0.1:1",
    verify = false,
  }

  it("that leave each other without effect are these pairs, and no others", function()
    local alone = {
      credentials = { secretId = true, secretKey = true, token = true, profile = true },
      transport = {
        caFile = true,
        connectTo = true,
        connectTimeout = true,
        maxResponseBytes = true,
        poolIdle = true,
        poolSize = true,
        proxy = true,
        verify = true,
      },
    }
    for one, value in pairs(VALUES) do
      for other, second in pairs(VALUES) do
        local excluded = (alone[one] or {})[other] or (alone[other] or {})[one] or false
        local problem = optionRules.conflict { [one] = value, [other] = second }
        assert.equal(excluded, problem ~= nil, one .. " beside " .. other)
      end
    end
  end)

  it("of a call that have no effect in a function are these", function()
    for name, without in pairs {
      modify = "raw",
      describe = "raw readBack",
      each = "raw readBack",
      sign = "maxAttempts readBack timeout",
      call = "",
    } do
      for option in pairs(optionRules.call) do
        local isWithout = (" " .. without .. " "):find(" " .. option .. " ", 1, true) ~= nil
        assert.equal(
          isWithout,
          optionRules.misplaced(name, { [option] = option ~= "readBack" }) ~= nil,
          name .. ": " .. option
        )
      end
    end
  end)
end)

describe("what carries requests in plain Lua", function()
  it("is given the limits, or what the options say", function()
    local given
    local before = package.loaded["qcimage.transport.curl"]
    package.loaded["qcimage.transport.curl"] = {
      new = function(settings)
        given = settings
        return function()
          return { status = 200, headers = {}, body = '{"code":0}' }
        end, function() end
      end,
    }
    local function settings(options)
      assert(stub.client(options):modify { imageId = "img-1" })
      return given
    end
    local ok, problem = pcall(function()
      local own = settings {}
      assert.same(
        { 5, 4194304, 30, 30, true },
        { own.connectTimeout, own.maxResponseBytes, own.poolIdle, own.poolSize, own.verify }
      )
      assert.is_nil(own.caFile)
      assert.is_nil(own.proxy)
      own = settings {
        connectTimeout = 1,
        maxResponseBytes = 2,
        poolIdle = 3,
        poolSize = 4,
        caFile = "/ca.pem",
        proxy = "http://127.0.0.1:1",
      }
      assert.same(
        { 1, 2, 3, 4, "/ca.pem", "http://127.0.0.1:1" },
        { own.connectTimeout, own.maxResponseBytes, own.poolIdle, own.poolSize, own.caFile, own.proxy }
      )
    end)
    package.loaded["qcimage.transport.curl"] = before
    assert.is_true(ok, problem)
  end)
end)
