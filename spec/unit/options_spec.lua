--- Options that would have no effect are raised, at the line that gives them: covers options.lua.
--- Covers option_types.lua and util/option_names.lua, too.

local image = require "qcimage"
local optionRules = require "qcimage.options"
local stub = require "spec.support.stub"

local function raised(run)
  local ok, message = pcall(run)
  assert.is_false(ok)
  return message
end

describe("a client's options", function()
  it("are raised where another leaves them without effect", function()
    local function transport() end
    for pattern, options in pairs {
      ["option secretId and option credentials cannot be combined"] = {
        secretId = "AKIDxxxxxxxx",
        credentials = function() end,
      },
      ["option token and option credentials cannot be combined"] = {
        token = "t",
        credentials = { secretId = "AKIDxxxxxxxx", secretKey = "k" },
      },
      ["option proxy and option transport cannot be combined"] = { proxy = "", transport = transport },
      ["option caFile and option transport cannot be combined"] = { caFile = "/x", transport = transport },
      ["option verify and option transport cannot be combined"] = { verify = true, transport = transport },
      ["option connectTimeout and option transport cannot be combined"] = { connectTimeout = 1, transport = transport },
      ["option maxResponseBytes and option transport cannot be combined"] = {
        maxResponseBytes = 1,
        transport = transport,
      },
      ["option poolSize and option transport cannot be combined"] = { poolSize = 1, transport = transport },
    } do
      local message = raised(function()
        image.new(options)
      end)
      assert.matches("options_spec%.lua:%d+: " .. pattern, message)
    end
  end)

  it("take no field of credentials that is not known, and show no secret", function()
    local keys = { secretId = "AKIDxxxxxxxx", secretKey = "thekey" }
    for name, shown in pairs { sessionToken = " sessionToken ", [1] = " ", a8N2k3M9xkq0 = " " } do
      keys[name] = "thesecret"
      local message = raised(function()
        image.new { credentials = keys }
      end)
      keys[name] = nil
      assert.matches(
        "option credentials has an unknown field" .. shown .. "%(known: secretId, secretKey, token%)",
        message
      )
      assert.is_nil(message:find "thesecret")
    end
    keys.sessionToken = "thesecret"
    local _, message, err = stub
      .client({
        credentials = function()
          return keys
        end,
      })
      :modify { imageId = "i" }
    assert.equal("credentials", err.kind)
    assert.matches("token is not given, but sessionToken is; name it token", message)
  end)
end)

describe("a call's options", function()
  it("are raised in a function where they have no effect", function()
    local client = stub.answering({}, '{"code":0}')
    for _, name in ipairs { "modify", "describe", "each" } do
      assert.matches(
        "options_spec%.lua:%d+: option raw cannot be used with " .. name .. ": its parameters have public names",
        raised(function()
          client[name](client, { imageId = "i" }, { raw = true })
        end)
      )
    end
    for option, value in pairs { readBack = false, timeout = 1, maxAttempts = 1 } do
      assert.matches(
        "options_spec%.lua:%d+: option " .. option .. " cannot be used with sign: nothing is sent",
        raised(function()
          client:sign("DescribeImages", {}, { [option] = value })
        end)
      )
    end
    assert(client:sign("DescribeImages", { A = 1 }, { raw = true, region = "bj" }))
  end)
end)

describe("the changes of apply", function()
  it("that are none, and its unknown options, are raised at the caller's line", function()
    local client = stub.client()
    for _, run in ipairs {
      function()
        client:apply(5)
      end,
      function()
        client:apply({}, { nonsense = 1 })
      end,
      function()
        client:apply({}, { resume = "x" })
      end,
    } do
      local line = debug.getinfo(run, "S").linedefined + 1
      assert.matches(("options_spec%%.lua:%d: "):format(line), raised(run))
    end
  end)
end)

describe("close", function()
  it("gives true, again and again", function()
    local client = stub.client()
    assert.is_true(client:close())
    assert.is_true(client:close())
    local before = image.default(stub.client())
    assert.is_true(image.close())
    image.default(before or false)
    assert.is_true(image.close())
  end)
end)

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

describe("a colon in place of a dot", function()
  it("is named", function()
    for _, name in ipairs { "modify", "describe", "each", "wait", "call", "sign", "new", "close" } do
      assert.matches(
        ("options_spec%%.lua:%%d+: call image.%s%%(...%%) with a dot, not with a colon"):format(name),
        raised(function()
          image[name](image, { imageId = "i", imageName = "n" })
        end)
      )
    end
  end)
end)

describe("a refusal by a rule", function()
  it("names the option that sends it anyway, which does", function()
    local cases = {
      { "2.0", "ModifyImageAttributes", { imageId = "i", imageName = "a.b" } },
      { "2.0", "ModifyImageAttributes", { imageId = "i", imageDescription = "每晚_构建-1" } },
      { "2.0", "DescribeImages", { limit = 101 } },
      { "3.0", "ModifyImageAttribute", { imageId = "i", imageName = ("x"):rep(500) } },
      { "3.0", "CreateImage", { imageName = "a" } },
      { "3.0", "DescribeImages", { imageIds = { "1", "2", "3", "4", "5", "6" }, imageType = "PRIVATE_IMAGE" } },
      { "3.0", "SyncImages", { imageIds = { "a", "b" }, destinationRegions = { "bj" } } },
    }
    for _, case in ipairs(cases) do
      local ok = case[1] == "2.0" and '{"code":0}' or '{"Response":{"RequestId":"r"}}'
      local client, requests = stub.answering({ apiVersion = case[1] }, ok)
      local _, message, err = client:call(case[2], case[3])
      assert.equal("parameter", err.kind)
      assert.matches("a client with skipRules = true sends it anyway", message)
      assert.equal(0, #requests)
      client, requests = stub.answering({ apiVersion = case[1], skipRules = true }, ok)
      assert(client:call(case[2], case[3]))
      assert.equal(1, #requests)
    end
    local _, message = stub.client():modify { imageId = "i", imageDescription = "每晚" }
    assert.matches("the English page of ModifyImageAttributes", message)
    assert.is_nil(message:find "1275")
  end)
end)

describe("JSON null in a parameter", function()
  it("is called by its name", function()
    local null = require("cjson").null
    local client = stub.answering({}, '{"code":0}')
    local _, message = client:modify { imageId = "i", imageName = null }
    assert.matches("imageName must be text, not JSON null", message)
    _, message = client:call("X", { A = null }, { raw = true })
    assert.matches("A cannot be JSON null", message)
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
