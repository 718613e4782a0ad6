--- The facts of the service stand twice, written apart: as the client's data and as the emulator's. Here each is held
--- against the other, and the limits of C, of Lua and of the emulator; so that a slip in either shows.

local actions = require "qcimage.api.actions"
local abort = require "qcimage.emulator.abort"
local codes = require "qcimage.api.error_codes"
local core = require "qcimage.core"
local emulated = {
  ["2.0"] = require "qcimage.emulator.api2.actions",
  ["3.0"] = {},
}
local emulatedRegions = require "qcimage.emulator.regions"
local emulatorText = require "qcimage.emulator.text"
local endpoints = require "qcimage.api.endpoints"
local form = require "qcimage.emulator.form"
local limits = require "qcimage.util.limits"
local process = require "spec.support.process"
local stub = require "spec.support.stub"
local text = require "qcimage.util.text"
local v2 = require "qcimage.emulator.api2.api"
local v3 = require "qcimage.emulator.api3.api"
local validate = require "qcimage.call.validate"

local TYPES = {
  string = "text",
  strings = "texts",
  integer = "integer",
  boolean = "boolean",
  objects = "objects",
}

-- A rule in words, the same for both sides.
local function told(kind, rule, least, most, words)
  local parts = { kind }
  parts[#parts + 1] = rule.required and "required" or nil
  parts[#parts + 1] = least and ("from %d"):format(least) or nil
  parts[#parts + 1] = most and ("at most %d"):format(most) or nil
  parts[#parts + 1] = words and table.concat(text.keys(words), "|") or nil
  return table.concat(parts, ", ")
end

local function ofClient3(path, params, found)
  for name, rule in pairs(params) do
    local at = path .. (rule.wire or text.capitalise(name))
    local isList = rule.type == "texts" or rule.type == "objects"
    found[at] = told(
      rule.type,
      rule,
      rule.type == "integer" and rule.min or nil,
      isList and rule.items or not isList and rule.max or nil,
      rule.words
    )
    if rule.fields then
      ofClient3(at .. ".", rule.fields, found)
    end
  end
  return found
end

local function ofEmulator3(path, rules, found)
  for name, rule in pairs(rules) do
    found[path .. name] = told(TYPES[rule.type], rule, rule.least, rule.most, rule.words)
    if rule.fields then
      ofEmulator3(path .. name .. ".", rule.fields, found)
    end
  end
  return found
end

local function ofClient2(params)
  local found = {}
  for name, rule in pairs(params) do
    local isNumber = rule.type == "integer" or rule.words
    local least, most = rule.min, rule.max
    for _, number in pairs(rule.words or {}) do
      least, most = math.min(least or number, number), math.max(most or number, number)
    end
    found[rule.wire or name] = told(
      isNumber and "number" or rule.type,
      rule.default and { required = true } or rule,
      isNumber and least or nil,
      isNumber and most or rule.items
    )
  end
  return found
end

local function ofEmulator2(rules)
  local found = {}
  for name, rule in pairs(rules) do
    found[name] = told(rule.number and "number" or rule.list and "texts" or "text", rule, rule.least, rule.most)
  end
  return found
end

-- Where the two differ on purpose: {the client's, the emulator's}.
local ON_PURPOSE = {
  -- API 2.0's parameters of their own, which become filters
  ["3.0 DescribeImages ImageType"] = { "text" },
  ["3.0 DescribeImages ImageState"] = { "text" },
  -- true and false, which travel as text in any case
  ["3.0 CreateImage ForcePoweroff"] = { "flag", "text" },
  ["3.0 CreateImage Sysprep"] = { "flag", "text" },
  -- the service's own to refuse: the documents speak of them elsewhere
  ["3.0 CreateImage TagSpecification.ResourceType"] = { "text, required", "text, required, image" },
  ["3.0 CreateImage TagSpecification.Tags.Key"] = { "text, required", "text, required, at most 127" },
  ["3.0 CreateImage TagSpecification.Tags.Value"] = { "text, required", "text, required, at most 255" },
  ["3.0 ImportImage TagSpecification.ResourceType"] = { "text, required", "text, required, image" },
  ["3.0 ImportImage TagSpecification.Tags.Key"] = { "text, required", "text, required, at most 127" },
  ["3.0 ImportImage TagSpecification.Tags.Value"] = { "text, required", "text, required, at most 255" },
  -- 0 asks for all states, as its absence does
  ["2.0 DescribeImages status"] = { "number, from 1, at most 5", "number, from 0, at most 5" },
  -- the emulator reads numbers of a form with a bound
  ["2.0 DescribeImages offset"] = { "number, from 0", "number, from 0, at most 999999999" },
  -- no document bounds these lists; the emulator does
  ["2.0 DeleteImages imageIds"] = { "texts, required", "texts, required, at most 100" },
  ["2.0 SyncCvmImage imgIdList"] = { "texts, required", "texts, required, at most 100" },
  ["2.0 SyncCvmImage dstRegion"] = { "texts, required", "texts, required, at most 100" },
  ["2.0 DescribeInstanceImageInfo uInstanceIds"] = { "texts, required", "texts, required, at most 100" },
}

for _, service in ipairs { "actions", "sts" } do
  for name, action in pairs(require("qcimage.emulator.api3." .. service)) do
    emulated["3.0"][name] = type(action) == "table" and action.run and action or nil
  end
end
-- for the clients of others: ours has no action for them
for name in pairs(require "qcimage.emulator.api3.instances") do
  emulated["3.0"][name] = nil
end

describe("the parameters of client and emulator", function()
  for version, own in pairs { ["2.0"] = ofClient2, ["3.0"] = ofClient3 } do
    it("are the same in API " .. version .. ", but where they differ on purpose", function()
      assert.same(text.keys(emulated[version]), text.keys(actions[version]))
      local onPurpose, differing = {}, {}
      for at, values in pairs(ON_PURPOSE) do
        onPurpose[at] = at:find("^" .. version) and values
      end
      for name, action in pairs(actions[version]) do
        local client, emulator
        if version == "3.0" then
          client, emulator = own("", action.params, {}), ofEmulator3("", emulated[version][name].params, {})
        else
          client, emulator = own(action.params), ofEmulator2(emulated[version][name].params)
        end
        for _, side in ipairs { client, emulator } do
          for param in pairs(side) do
            if client[param] ~= emulator[param] then
              differing[("%s %s %s"):format(version, name, param)] = { client[param], emulator[param] }
            end
          end
        end
      end
      assert.same(onPurpose, differing)
    end)
  end

  it("take the same texts in API 2.0", function()
    local found = 0
    for name, action in pairs(actions["2.0"]) do
      for param, rule in pairs(action.params) do
        local check = rule.pattern and emulated["2.0"][name].params[param].check
        local function accepts(value)
          return (pcall(check, value, param))
        end
        if check then
          found = found + 1
          for byte = 32, 126 do
            local letter = string.char(byte)
            assert.equal(letter:find(rule.pattern) ~= nil, accepts(letter), param .. " " .. letter)
          end
        end
      end
    end
    assert.equal(4, found) -- names and descriptions of two actions
  end)

  -- A value of a parameter of a size: that many characters or items, or that number.
  local function ofSize(rule, name, size)
    if rule.type == "integer" then
      return size
    elseif rule.type == "text" then
      return ("a"):rep(size)
    end
    local item = rule.fields and { name = "a", values = { "x" } } or name:find "[iI]mageIds" and "img-12345678" or "1"
    local list = {}
    for i = 1, size do
      list[i] = item
    end
    return list
  end

  local service = require("qcimage.emulator").new()

  -- Whether client and emulator take a value of a parameter, and their messages if not. Each checks it by its own rule; what
  -- the emulator receives is what the client sends without rules.
  local function taken(version, name, rule, emulatedRule, value)
    local function validated(skipRules)
      local context = { version = version, options = { skipRules = skipRules } }
      return validate.params({ name = "Any", params = { [name] = rule } }, { [name] = value }, context)
    end
    local values, err = validated(false)
    local wire, sent = next(validated(true))
    local params = { [wire] = sent }
    if version == "2.0" and type(sent) == "table" then
      params = {}
      for i, item in ipairs(sent) do
        params[("%s.%d"):format(wire, i - 1)] = item
      end
    elseif version == "2.0" then
      params[wire] = tostring(sent)
    end
    local action = {
      params = { [wire] = emulatedRule },
      run = function()
        return {}
      end,
    }
    local call = { action = action, params = params, region = "ap-guangzhou", account = { accountId = "1" } }
    local ok, answer = abort.catch((version == "2.0" and v2 or v3).perform, service, call)
    return values ~= nil, ok, { err and err.message, not ok and answer.message or nil }
  end

  -- Tries the limits of parameters. Returns how many there are.
  local function tryLimits(version, params, emulatedRules)
    local tried = 0
    for name, rule in pairs(params) do
      local emulatedRule = emulatedRules[rule.wire or version == "3.0" and text.capitalise(name) or name]
      local limit = rule.items or rule.max
      if limit then
        tried = tried + 1
        local ofClient, ofEmulator = taken(version, name, rule, emulatedRule, ofSize(rule, name, limit))
        assert.same({ true, true }, { ofClient, ofEmulator }, name)
        local messages
        ofClient, ofEmulator, messages = taken(version, name, rule, emulatedRule, ofSize(rule, name, limit + 1))
        assert.same({ false, false }, { ofClient, ofEmulator }, name)
        for i = 1, rule.type == "integer" and 1 or 2 do
          assert.matches(("%%f[%%d]%d%%f[%%D]"):format(limit), messages[i])
        end
      end
      if rule.fields then
        tried = tried + tryLimits(version, rule.fields, emulatedRule.fields)
      end
    end
    return tried
  end

  it("may be as long as their limit, and no longer", function()
    for version, list in pairs(emulated) do
      local tried = 0
      for name, action in pairs(list) do
        tried = tried + tryLimits(version, actions[version][name].params, action.params)
      end
      assert.is_true(tried > 8, tried)
    end
  end)
end)

describe("regions", function()
  it("have the same codes in client and emulator", function()
    assert.same(emulatedRegions.SHORT, endpoints.REGIONS)
  end)

  it("are the documented ones", function()
    local short, long = {}, {}
    for code, name in pairs(endpoints.REGIONS) do
      short[#short + 1] = code
      assert.is_nil(long[name], name)
      long[name] = code
      assert.matches("^%l%l%-%l+", name)
    end
    table.sort(short)
    assert.equal(
      "bj bjjr ca cd cq de gz gzopen hk in jp kr nj ru sg sh shjr szjr th tpe use usw",
      table.concat(short, " ")
    )
    for name, code in pairs {
      ["ap-guangzhou"] = "gz",
      ["ap-seoul"] = "kr",
      ["na-siliconvalley"] = "usw",
      ["na-ashburn"] = "use",
      ["na-toronto"] = "ca",
      ["eu-frankfurt"] = "de",
    } do
      assert.equal(code, long[name])
    end
  end)
end)

describe("states and types of images", function()
  it("come back from the emulator as they were asked for, in both versions", function()
    local states = { "CREATING", "NORMAL", "USING", "SYNCING", "COPYING" }
    local images = {}
    for i, state in ipairs(states) do
      images[i] = { imageId = "img-0000000" .. i, imageName = "n" .. i, imageState = state }
    end
    images[6] = { imageId = "img-00000006", imageName = "n6", imageType = "PUBLIC_IMAGE" }
    images[7] = { imageId = "img-00000007", imageName = "n7", imageType = "SHARED_IMAGE" }
    images[8] = { imageId = "img-00000008", imageName = "n8", imageType = "MARKET_IMAGE" }
    local transport = require("qcimage.emulator").transport { images = images, createSeconds = 1e6 }
    for _, version in ipairs { "2.0", "3.0" } do
      local client = stub.client { transport = transport, apiVersion = version }
      for i, state in ipairs(states) do
        local result = assert(client:describe { imageState = state, imageType = "PRIVATE_IMAGE" })
        assert.equal(1, result.totalCount, version .. " " .. state)
        assert.equal(images[i].imageId, result.imageSet[1].imageId)
        assert.equal(state, result.imageSet[1].imageState)
      end
      for i, kind in pairs { [6] = "PUBLIC_IMAGE", [7] = "SHARED_IMAGE", [8] = "MARKET_IMAGE" } do
        local result = assert(client:describe { imageType = kind })
        assert.equal(1, result.totalCount, version .. " " .. kind)
        assert.equal(images[i].imageId, result.imageSet[1].imageId)
        assert.equal(kind, result.imageSet[1].imageType)
      end
    end
  end)
end)

describe("the emulator's words", function()
  -- Those whose fate the service's documents leave open.
  local UNKNOWN = { InternalError = true }

  it("are refusals that the client knows for such", function()
    local sources = process.run "find lua -path '*emulator*' -name '*.lua' -exec cat {} +"
    local count = 0
    for word in sources:gmatch '"(%u%l+%u[%w.]+)"' do
      local family = word:match "^(%u%w+)%.%u%w+$" or word:match "^%u%w+$"
      local isCode = word:find("%.%u") or select(2, codes.meaning(word)) ~= "unknown"
      if family and isCode then
        count = count + 1
        local _, outcome = codes.meaning(word)
        assert.equal(UNKNOWN[family] and "unknown" or "rejected", outcome, word)
      end
    end
    assert.is_true(count > 50, count)
  end)
end)

describe("limits", function()
  -- Those of the C core, by name: a number, or a product.
  local function ofC(name)
    local value = stub.fixture("../../src/limits.h"):match("#define%s+" .. name .. "%s+([^\n]+)")
    local product = 1
    for factor in assert(value, name):gmatch "%d+" do
      product = product * tonumber(factor)
    end
    return product
  end

  it("of Lua are those of C where both have one", function()
    assert.equal(ofC "QC_HTTP_HEAD_MAX", limits.headerBytes)
    assert.equal(ofC "QC_HTTP_HEAD_LINES", limits.headerLines)
    assert.equal(ofC "QC_HTTP_BODY_MAX", limits.responseBytes)
    assert.equal(ofC "QC_HTTP_SECONDS_MAX", limits.longestTimeout)
    assert.equal(ofC "QC_SLEEP_MAX", limits.longestTimeout)
    assert.equal(ofC "QC_REQUEST_MAX", limits.requestBytes["3.0"].POST)
  end)

  it("of Lua are met before those of C, where an error says more", function()
    local public = 8 -- Action, Region, Timestamp, Nonce, SecretId, SignatureMethod, Token, Signature
    assert.is_true(limits.formParams + public <= ofC "QC_PARAMS_MAX")
    assert.is_true(limits.formBytes < ofC "QC_REQUEST_MAX")
    assert.is_true(limits.latestTime < ofC "QC_TIMESTAMP_MAX")
    assert.is_true(limits.requestBytes["2.0"].GET < ofC "QC_HTTP_REQUEST_HEAD_MAX")
  end)

  it("of a request are those that the emulator holds it to", function()
    assert.equal(limits.requestBytes["2.0"].GET, v2.MAX_QUERY)
    assert.equal(limits.requestBytes["2.0"].POST, v2.MAX_BODY)
    assert.equal(limits.requestBytes["3.0"].POST, v3.MAX_BODY)
    assert.equal(limits.formParams, form.MAX_PARAMS)
    assert.equal(limits.pageSize, emulated["3.0"].DescribeImages.params.Limit.most)
    assert.equal(limits.pageSize, emulated["2.0"].DescribeImages.params.limit.most)
  end)
end)

describe("the check against the published model", function()
  local function member(name, type, more)
    local made = { name = name, type = type, member = type, document = "" }
    for key, value in pairs(more or {}) do
      made[key] = value
    end
    return made
  end

  it("prints each difference of client and emulator, and nothing else", function()
    local rules = actions["3.0"].ModifyImageAttribute.params
    local members = {
      member("ImageId", "string", { required = true }),
      member("ImageName", "string", { document = ("不得超过%d个字符"):format(rules.imageName.max) }),
      member(
        "ImageDescription",
        "string",
        { document = ("不得超过 %d 个字符"):format(rules.imageDescription.max) }
      ),
      member("ImageFamily", "string"),
      member("ImageDeprecated", "bool"),
    }
    local model = {
      actions = { ModifyImageAttribute = { input = "Request", status = "online" } },
      objects = { Request = { members = members } },
    }
    local function differences()
      local found = {}
      for _, line in ipairs(require("spec.support.model").compare(model)) do
        found[#found + 1] = not line:find "the model has no such action" and line or nil
      end
      return found
    end
    assert.same({}, differences())
    members[2].document = "不得超过1000个字符"
    members[5].required = true
    model.actions.DescribeImageDreams = { input = "Request", status = "online" }
    local longest = "%s ModifyImageAttribute ImageName: the model has text, at most 1000 characters, the %s text, "
      .. ("at most %d characters"):format(rules.imageName.max)
    assert.same({
      "client DescribeImageDreams: the model has this action, the client has not",
      "client ModifyImageAttribute ImageDeprecated: the model has boolean, required, the client boolean",
      longest:format("client", "client"),
      "emulator ModifyImageAttribute ImageDeprecated: the model has boolean, required, the emulator boolean",
      longest:format("emulator", "emulator"),
    }, differences())
  end)
end)

describe("the actions", function()
  local REPEATABLE = {
    ["2.0"] = "CancelShareImage ModifyImageAttributes ShareImage",
    ["3.0"] = "ModifyImageAttribute ModifyImageSharePermission",
  }
  -- The service's own first words of actions that change nothing.
  local READING = { Describe = true, Get = true, Assume = true }

  it("that may be repeated, and that change nothing, are these", function()
    for version in pairs(REPEATABLE) do
      local repeatable = {}
      for _, name in ipairs(text.keys(actions[version])) do
        local action = actions[version][name]
        assert.equal(
          READING[name:match "^%u%l+"],
          action.reads,
          name .. " changes nothing by its name, or by its data only"
        )
        if action.reads then
          assert.is_true(action.repeatable, name)
        elseif action.repeatable then
          repeatable[#repeatable + 1] = name
        end
      end
      assert.equal(REPEATABLE[version], table.concat(repeatable, " "))
    end
  end)
end)

describe("UTF-8", function()
  it("is the same to the client and to the emulator, whose code is its own", function()
    local last = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF }
    local count = 0
    local function same(...)
      local value = string.char(...)
      count = count + 1
      if core.utf8len(value) ~= emulatorText.utf8len(value) then
        error(("%s: %s and %s"):format(
          value:gsub(".", function(byte)
            return ("%02X "):format(byte:byte())
          end),
          tostring(core.utf8len(value)),
          tostring(emulatorText.utf8len(value))
        ))
      end
    end
    for first = 0x7E, 0xFF do
      same(first)
      for _, second in ipairs(last) do
        same(first, second)
        for _, third in ipairs(last) do
          same(first, second, third)
          if first >= 0xE0 then
            for _, fourth in ipairs(last) do
              same(first, second, third, fourth)
              same(0x41, first, second, third, fourth, 0x41)
            end
          end
        end
      end
    end
    assert.is_true(count > 30000)
  end)
end)
