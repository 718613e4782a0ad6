--- What is used wrongly is raised at the line that does so, in whichever function.
--- Covers util/misuse.lua.

local credentials = require "qcimage.credentials"
local emulators = require "qcimage.emulator"
local image = require "qcimage"
local limiter = require "qcimage.limiter"
local stub = require "spec.support.stub"

local MANY = { imageId = "img-12345678" }

-- Each function is one line, of which the message tells. What it gives is kept: a tail call would hide the line.
local function raiseHere(cases)
  for i, case in ipairs(cases) do
    local words, run = case[1], case[2]
    local line = debug.getinfo(run, "S").linedefined + 1
    local ok, message = pcall(run)
    assert.is_false(ok, words)
    local place = ("spec/unit/misuse_spec.lua:%d: "):format(line)
    assert.equal(place, tostring(message):sub(1, #place), ("case %d, %s: %s"):format(i, words, tostring(message)))
    assert.truthy(message:find(words, 1, true), message)
  end
end

describe("a mistake is raised at the line that makes it", function()
  local client

  before_each(function()
    client = stub.answering({}, '{"code":0}')
  end)

  it("in the functions of a client", function()
    local cases = {
      {
        "the action must be text, not a nil",
        function()
          local _ = client:call()
        end,
      },
      {
        "the action must be text, not a table",
        function()
          local _ = client:sign {}
        end,
      },
      {
        "parameters must be a table",
        function()
          local _ = client:call("DescribeImages", 5)
        end,
      },
      {
        "parameters must be a table",
        function()
          local _ = client:sign("DescribeImages", "x")
        end,
      },
      {
        "option timeout cannot be used with sign: nothing is sent",
        function()
          local _ = client:sign("DescribeImages", {}, { timeout = 1 })
        end,
      },
      {
        "changes must be a list or text, not a number",
        function()
          local _ = client:apply(5)
        end,
      },
      {
        "unknown option nonsense",
        function()
          local _ = client:apply({}, { nonsense = 1 })
        end,
      },
    }
    for _, name in ipairs { "modify", "describe", "each" } do
      cases[#cases + 1] = {
        "parameters must be a table, not a number",
        function()
          local _ = client[name](client, 5)
        end,
      }
      cases[#cases + 1] = {
        "options must be a table, not a string",
        function()
          local _ = client[name](client, MANY, "x")
        end,
      }
      cases[#cases + 1] = {
        "unknown option timeOut",
        function()
          local _ = client[name](client, MANY, { timeOut = 1 })
        end,
      }
      cases[#cases + 1] = {
        "option region must be text",
        function()
          local _ = client[name](client, MANY, { region = 5 })
        end,
      }
      cases[#cases + 1] = {
        "option raw cannot be used with " .. name,
        function()
          local _ = client[name](client, MANY, { raw = true })
        end,
      }
    end
    for _, name in ipairs { "modify", "describe", "each", "call", "sign", "close" } do
      cases[#cases + 1] = {
        ("call client:%s(...) with a colon"):format(name),
        function()
          local _ = client[name](MANY)
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in those of a closed client", function()
    client:close()
    local cases = {}
    for _, name in ipairs { "modify", "describe", "each" } do
      cases[#cases + 1] = {
        "the client is closed",
        function()
          local _ = client[name](client, MANY)
        end,
      }
    end
    for _, name in ipairs { "call", "sign" } do
      cases[#cases + 1] = {
        "the client is closed",
        function()
          local _ = client[name](client, "DescribeImages")
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in those of the module", function()
    local before = image.default(client)
    finally(function()
      image.default(before or false)
    end)
    local cases = {
      {
        "the action must be text",
        function()
          local _ = image.call(nil, {})
        end,
      },
      {
        "the default client must be one that image.new made",
        function()
          local _ = image.default { modify = print }
        end,
      },
      {
        "must be one that image.new made",
        function()
          local _ = image.default "client"
        end,
      },
    }
    for _, name in ipairs { "modify", "describe", "each" } do
      cases[#cases + 1] = {
        "parameters must be a table, not a number",
        function()
          local _ = image[name](5)
        end,
      }
    end
    for _, name in ipairs { "new", "modify", "describe", "each", "call", "sign", "parallel", "close" } do
      cases[#cases + 1] = {
        ("call image.%s(...) with a dot, not with a colon"):format(name),
        function()
          local _ = image[name](image)
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in what makes a client", function()
    local cases = {}
    for words, options in pairs {
      ["options must be a table, not a number"] = 5,
      ["unknown option Region (region?)"] = { Region = "gz" },
      ['option apiVersion must be "2.0" or "3.0"'] = { apiVersion = "3" },
      ["option proxy and option transport cannot be combined"] = { proxy = "", transport = print },
      ["option endpoint is plain http to another machine"] = { endpoint = "http://198.51.100.1" },
      ["option stsEndpoint is plain http to another machine"] = { stsEndpoint = "http://198.51.100.1" },
      ["option method cannot be used with API 3.0"] = { method = "GET", apiVersion = "3.0" },
    } do
      cases[#cases + 1] = {
        words,
        function()
          local _ = image.new(options)
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in what makes a source of credentials", function()
    local cases = {
      {
        "the providers must be a list of functions",
        function()
          local _ = credentials.chain()
        end,
      },
      {
        "the providers must be a list of functions",
        function()
          local _ = credentials.chain {}
        end,
      },
      {
        "provider 2 of the chain must be a function, not a table",
        function()
          local _ = credentials.chain { print, {} }
        end,
      },
      {
        "option address must be a URL without a path",
        function()
          local _ = credentials.cvm { address = "nowhere" }
        end,
      },
      {
        "option roleArn",
        function()
          local _ = credentials.assumeRole { roleArn = "me" }
        end,
      },
      {
        "option credentials must be a function or a table",
        function()
          local _ = credentials.assumeRole { credentials = "key" }
        end,
      },
      {
        "option endpoint",
        function()
          local _ = credentials.assumeRole { roleArn = "qcs::cam::uin/1:roleName/a", endpoint = "ftp://x" }
        end,
      },
    }
    for name, known in pairs { file = "path", tccli = "profile", cvm = "roleName", assumeRole = "roleArn" } do
      local source = credentials[name]
      cases[#cases + 1] = {
        "options must be a table, not a string",
        function()
          local _ = source "x"
        end,
      }
      cases[#cases + 1] = {
        ("unknown option %sx (%s?)"):format(known, known),
        function()
          local _ = source { [known .. "x"] = "x" }
        end,
      }
      cases[#cases + 1] = {
        ("option %s must be a string"):format(known),
        function()
          local _ = source { [known] = 5 }
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in what makes a limiter", function()
    local cases = {
      {
        "option dict must name a lua_shared_dict",
        function()
          local _ = limiter.shared { rate = 1 }
        end,
      },
      {
        "nginx has no dictionary limits",
        function()
          local _ = limiter.shared { rate = 1, dict = "limits" }
        end,
      },
      {
        "option eval must be a function that sends EVAL to Redis",
        function()
          local _ = limiter.redis { rate = 1 }
        end,
      },
    }
    for _, name in ipairs { "memory", "shared", "redis" } do
      cases[#cases + 1] = {
        "unknown option rates (rate?)",
        function()
          local _ = limiter[name] { rates = 5 }
        end,
      }
      cases[#cases + 1] = {
        "option rate must be",
        function()
          local _ = limiter[name] { rate = 0 }
        end,
      }
    end
    raiseHere(cases)
  end)

  it("in the emulator", function()
    local emulator = emulators.new()
    local cases = {
      {
        "settings must be an object",
        function()
          emulator:set "fast"
        end,
      },
      {
        "settings has no field rateLimits, did you mean rateLimit?",
        function()
          emulator:set { rateLimits = 1 }
        end,
      },
      {
        "settings.rateLimit must be a whole number",
        function()
          emulator:set { rateLimit = "1" }
        end,
      },
      {
        "images must be a list",
        function()
          emulator:setImages "none"
        end,
      },
      {
        "imageId must be img- and 8 letters or digits",
        function()
          emulator:setImages { { imageId = "img-1" } }
        end,
      },
      {
        "kind",
        function()
          emulator:fault { kind = "dropSometimes" }
        end,
      },
    }
    for _, name in ipairs { "new", "transport" } do
      local make = emulators[name]
      for words, options in pairs {
        ["the emulator's options must be a table"] = "x",
        ["the emulator has no option iamges"] = { iamges = {} },
        ["the emulator's option images must be a list"] = { images = "x" },
        ["option images[1] must be an object"] = { images = { 5 } },
        ["images[1].imageSize must be a number from 0"] = {
          images = { { imageId = "img-12345678", imageSize = 1e99 } },
        },
        ["option instances[1]."] = { instances = { {} } },
      } do
        cases[#cases + 1] = {
          words,
          function()
            local _ = make(options)
          end,
        }
      end
    end
    raiseHere(cases)
  end)
end)
