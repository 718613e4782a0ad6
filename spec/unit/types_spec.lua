--- The LuaCATS comments, by which editors complete and check, against the live tables.

local actions = require "qcimage.api.actions"
local errors = require "qcimage.util.errors"
local image = require "qcimage"
local options = require "qcimage.options"
local stub = require "spec.support.stub"
local text = require "qcimage.util.text"
local types = require "spec.support.types"

local classes, aliases, documented = types.classes, types.aliases, types.documented
local fieldsOf, wordsOf = types.fieldsOf, types.wordsOf

describe("the types", function()
  it("stand right above what they describe", function()
    assert.same({}, types.misplaced)
    assert.matches("^local image = ", classes["qcimage"].bound)
    assert.matches("^local Client = ", classes["qcimage.Client"].bound)
    assert.matches("^local Error = ", classes["qcimage.Error"].bound)
    for name, class in pairs(classes) do -- those of plain tables stand alone
      local isBound = class.bound:find "^local %w+ = " or class.bound == "" or class.bound:find "function"
      assert.is_truthy(isBound, name)
    end
  end)

  it("name each function of the module and each method of a client", function()
    local functions = {}
    for name in pairs(classes["qcimage"].fields) do
      assert.is_nil(documented[name], name)
      functions[name] = true
    end
    for name in pairs(documented) do
      functions[name] = true
    end
    assert.same(text.keys(image), text.keys(functions))
    local methods = {}
    for name, value in pairs(getmetatable(stub.client()).__index) do
      if type(value) == "function" and not name:find "^__" then
        methods[name] = value
      end
    end
    assert.same(text.keys(methods), fieldsOf "qcimage.Client")
    for name in pairs(methods) do
      local own = classes["qcimage"].fields[name]:gsub("^fun%(", "fun(self, "):gsub("self, %)", "self)")
      assert.equal(own, (classes["qcimage.Client"].fields[name]:gsub(" may be called again$", "")))
    end
  end)

  it("refer to classes that are there", function()
    for _, class in pairs(classes) do
      for field, kind in pairs(class.fields) do
        for name in kind:gmatch "qcimage%.%w+" do
          assert.is_truthy(classes[name] or aliases[name], ("%s: %s %s"):format(class.place, field, kind))
        end
      end
    end
  end)
end)

-- A value of each type, and what is none of it.
local VALUES = {
  string = "ap-guangzhou",
  number = 1.5,
  integer = 2,
  boolean = true,
  table = {},
  ["function"] = print,
}

-- Options whose text has a form.
local TEXTS = {
  metadata = "http://127.0.0.1:8099",
  stsEndpoint = "https://sts.test",
  roleArn = "qcs::cam::uin/100000000001:roleName/image-ops",
}

local function accepts(check, kind, value)
  for part in kind:gmatch "[^|]+" do
    if part == value or part == "number" and value == "integer" then
      return true
    end
  end
  return check(VALUES[value]) ~= true
end

describe("the types of options", function()
  for class, known in pairs { ["qcimage.Options"] = options.client, ["qcimage.CallOptions"] = options.call } do
    it("are what " .. class .. " takes", function()
      assert.same(text.keys(known), fieldsOf(class))
      for name, check in pairs(known) do
        local kind = classes[class].fields[name]
        assert.matches("|nil$", kind)
        for _, word in ipairs(wordsOf(kind)) do
          assert.is_true(check(word), name)
        end
        for part in kind:gmatch "[^|]+" do
          if VALUES[part] ~= nil then
            local value = part == "string" and TEXTS[name] or VALUES[part]
            assert.is_truthy(check(value), ("option %s does not take a %s"):format(name, part))
          end
        end
        for other in pairs(VALUES) do
          assert.is_true(accepts(check, kind, other), ("option %s takes a %s"):format(name, other))
        end
      end
    end)
  end
end)

describe("the types of parameters", function()
  local TYPES = { text = "string", texts = "string[]", integer = "integer", boolean = "boolean", objects = "table[]" }

  for class, names in pairs { ["qcimage.ModifyParams"] = actions.modify, ["qcimage.DescribeParams"] = actions.describe } do
    it("are those of " .. class .. " in either version", function()
      local params = {}
      for version, name in pairs(names) do
        for param, rule in pairs(actions[version][name].params) do
          params[param] = rule
        end
      end
      assert.same(text.keys(params), fieldsOf(class))
      for param, rule in pairs(params) do
        assert.equal(TYPES[rule.type] .. (rule.required and "" or "|nil"), classes[class].fields[param], param)
      end
    end)
  end
end)

describe("the words of an error", function()
  it("have a sentence for each way that a transport fails", function()
    local words = {}
    for _, word in ipairs(wordsOf(aliases["qcimage.NetworkReason"] .. aliases["qcimage.ResponseReason"])) do
      words[word] = word
    end
    words.status = nil -- a whole answer, which the reader judges
    assert.same(text.keys(words), text.keys(errors.TRANSPORT))
  end)
end)
