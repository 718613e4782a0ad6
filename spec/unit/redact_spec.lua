--- Secrets in foreign texts, in whatever spelling: covers redact.lua.

local cjson = require "cjson"
local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local keys = require "qcimage.credentials.provider"
local oidc = require "qcimage.credentials.oidc_role"
local redact = require "qcimage.util.redact"
local stub = require "spec.support.stub"

local KEY = "Key/with+signs=and&more"
local SIGNATURE = "NSI3UqqD99b/UJb4tbG+xZpRW64="
local TOKEN = "tok-en_~%41/+=="
local GIVEN = { secretId = "AKIDxxxxxxxx", secretKey = KEY, token = TOKEN }

local function each(text, digits)
  return (text:gsub("[^A-Za-z0-9]", function(sign)
    return digits:format(sign:byte())
  end))
end

local SPELLINGS = {
  plain = function(text)
    return text
  end,
  percent = function(text)
    return each(text, "%%%02X")
  end,
  smallPercent = function(text)
    return each(text, "%%%02x")
  end,
  wholePercent = function(text)
    return (text:gsub(".", function(sign)
      return ("%%%02X"):format(sign:byte())
    end))
  end,
  json = function(text)
    return each(text, "\\u%04X")
  end,
  jsonSlash = function(text)
    return (text:gsub("/", "\\/"))
  end,
  html = function(text)
    return each(text, "&#%d;")
  end,
  hexHtml = function(text)
    return each(text, "&#x%x;")
  end,
  ampersand = function(text)
    return (text:gsub("&", "&amp;"))
  end,
  jsonHex = function(text)
    return each(text, "\\x%02x")
  end,
  longHtml = function(text)
    return each(text, "&#00%d;")
  end,
}

describe("redaction", function()
  it("finds a secret in each spelling, and in one over another", function()
    for first, spell in pairs(SPELLINGS) do
      for second, again in pairs(SPELLINGS) do
        for _, secret in ipairs { KEY, SIGNATURE, TOKEN } do
          local text = "a%20b " .. again(spell(secret)) .. " &c; " .. again(spell(secret)) .. " d"
          assert.equal("a%20b *** &c; *** d", redact.secrets(text, GIVEN, SIGNATURE), first .. " " .. second)
        end
      end
    end
  end)

  it("finds each of many, next to each other and at the ends", function()
    local quoted = SPELLINGS.json(KEY)
    assert.equal("******", redact.secrets(quoted .. SPELLINGS.percent(SIGNATURE), GIVEN, SIGNATURE))
    assert.equal(("***,"):rep(100), redact.secrets((KEY .. ","):rep(100), GIVEN))
  end)

  it("leaves what is no secret as it is, escapes and all", function()
    for _, text in ipairs { "", "100%", "a%2Fb", "\\u002B", "&#43;", "%zz\\x&amp", "Key/with", "C:\\temp\\u12" } do
      assert.equal(text, redact.secrets(text, GIVEN, SIGNATURE))
    end
  end)

  it("knows a signature without its padding", function()
    local bare = SIGNATURE:gsub("=", "")
    assert.equal("sent *** once", redact.secrets("sent " .. bare .. " once", GIVEN, SIGNATURE))
    assert.equal("sent ***= once", redact.secrets("sent " .. bare .. "= once", { secretKey = "k" }, bare))
  end)

  it("is quick with a text full of escapes or of secrets, and keeps no more than it looked through", function()
    local started = os.clock()
    for _, text in ipairs { ("%25"):rep(1e6), (KEY .. " "):rep(2e5), ("\\u002B"):rep(5e5), ("x"):rep(4e6) } do
      local shown = redact.secrets(text, GIVEN, SIGNATURE)
      assert.is_true(#shown < 70000)
      assert.is_nil(shown:find("with+signs", 1, true))
    end
    assert.is_true(os.clock() - started < 10) -- a hang, not a matter of speed
  end)

  it("reaches the message, the text and the body of an error", function()
    local signature
    local client = stub.client {
      transport = function(request)
        signature = stub.form(request.body).Signature
        local said =
          { SPELLINGS.html(signature), SPELLINGS.json(SPELLINGS.json(signature)), SPELLINGS.percent(signature) }
        return {
          status = 200,
          headers = {},
          body = cjson.encode { code = 4100, message = "sent " .. table.concat(said, " ") },
        }
      end,
    }
    local _, message, err = client:modify { imageId = "img-1" }
    for _, shown in ipairs { message, err.serviceMessage, err.body } do
      -- of one that is all letters, the padding may be left
      assert.matches("sent %*%*%*%S* %*%*%*%S* %*%*%*%S*", shown)
      assert.is_nil(shown:find(signature:match "%w%w%w%w%w%w", 1, true))
    end
  end)
end)

describe("a proxy's login", function()
  local PASSWORD = "pa/ss&wo%rd"
  local PROXY = "http://user:pa%2Fss%26wo%25rd@127.0.0.1:1"

  it("is taken out of the answers that a call tells of, whatever their status and spelling", function()
    for _, version in ipairs { "2.0", "3.0" } do
      for _, spell in pairs(SPELLINGS) do
        for _, status in ipairs { 200, 403, 502 } do
          local page = ("<p>%s %s</p>"):format(spell("user:" .. PASSWORD), spell(core.base64("user:" .. PASSWORD)))
          local client = stub.client { apiVersion = version, proxy = PROXY }
          function client.transport()
            return { status = status, headers = {}, body = page }
          end
          local _, message, err = client:describe()
          for _, text in ipairs { message, err.body } do
            assert.matches("<p>%*%*%* %*%*%*", text)
          end
        end
      end
    end
  end)

  it("is taken out of a refusal of the call that asks for a pod's keys, which is not signed", function()
    local home, write = cloud.folder()
    write("token", "the.web.identity")
    local client = stub.client {
      proxy = PROXY,
      credentials = keys.markBuiltIn(oidc.new {
        TKE_REGION = "gz",
        TKE_PROVIDER_ID = "cls-example",
        TKE_ROLE_ARN = cloud.ARN,
        TKE_WEB_IDENTITY_TOKEN_FILE = home .. "/token",
      }),
    }
    function client.transport()
      local said = cjson.encode("the proxy has user:" .. PASSWORD .. " of the.web.identity")
      local body = '{"Response":{"Error":{"Code":"FailedOperation","Message":%s},"RequestId":"r"}}'
      return { status = 200, headers = {}, body = body:format(said) }
    end
    local _, message = client:describe()
    cloud.remove(home)
    assert.matches("FailedOperation: the proxy has %*%*%* of %*%*%*", message)
  end)

  it("is not taken out of a result", function()
    local client = stub.client { proxy = "http://user:web-01@127.0.0.1:1" }
    local body = '{"code":0,"imageSet":[{"unImgId":"img-1","imageName":"web-01"}]}'
    function client.transport()
      return { status = 200, headers = {}, body = body }
    end
    local result = assert(client:describe())
    assert.equal("web-01", result.imageSet[1].imageName)
    assert.equal(body, result.body)
  end)
end)

describe("Base64 by the core", function()
  it("is that of RFC 4648", function()
    local pairsOf = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", ["\0\255\16"] = "AP8Q" }
    for text, encoded in pairs(pairsOf) do
      assert.equal(encoded, core.base64(text))
    end
    assert.equal(4 * math.ceil(1e6 / 3), #core.base64(("x"):rep(1e6)))
    assert.has_error(function()
      core.base64(5)
    end)
  end)
end)

describe("core.redact", function()
  it("takes texts and lists of texts alone", function()
    assert.equal("a *** b", core.redact("a secret b", { "secret" }))
    assert.equal("abc", core.redact("abc", { "abc", "" })) -- too short to be a secret
    assert.equal("", core.redact("", { "secret" }))
    for _, arguments in ipairs {
      { 5, {} },
      { "a", "secret" },
      { "a", { 12345 } },
      { ("x"):rep(2 ^ 20), {} },
    } do
      assert.has_error(function()
        core.redact(arguments[1], arguments[2])
      end)
    end
    local many = {}
    for i = 1, 65 do
      many[i] = "secret" .. i
    end
    assert.has_error(function()
      core.redact("a", many)
    end)
  end)

  it("masks what overlaps, as a whole", function()
    assert.equal("x***y", core.redact("xabcdefy", { "abcd", "cdef" }))
    assert.equal("x***y", core.redact("xabcdefy", { "abcdef", "cdef", "abcd" }))
  end)
end)

describe("several secrets in one text", function()
  local function percent(text)
    return SPELLINGS.wholePercent(text)
  end

  it("are all masked, in whatever order, and nothing else is lost", function()
    for _, case in ipairs {
      { percent(KEY) .. " x " .. percent(TOKEN), "*** x ***" },
      { percent(TOKEN) .. " x " .. percent(KEY), "*** x ***" },
      { "a%20" .. percent(SIGNATURE) .. "b" .. percent(TOKEN) .. "c" .. percent(KEY) .. "%20d", "a%20***b***c***%20d" },
      { percent(KEY) .. percent(KEY), "******" },
      { "%41" .. percent(KEY) .. " and a plain end", "%41*** and a plain end" },
      { "a plain start %42%43 " .. KEY, "a plain start %42%43 ***" },
      { "%41 nothing to hide %42, and an end", "%41 nothing to hide %42, and an end" },
      { percent(percent(KEY)) .. "%2541" .. percent(TOKEN) .. "z", "***%2541***z" },
    } do
      assert.equal(case[2], redact.secrets(case[1], GIVEN, SIGNATURE))
    end
  end)

  it("are found when their spellings are mixed within one", function()
    local half = math.floor(#KEY / 2)
    assert.equal("x***y", redact.secrets("x" .. percent(KEY:sub(1, half)) .. KEY:sub(half + 1) .. "y", GIVEN))
    assert.equal("x***y", redact.secrets("x" .. KEY:sub(1, half) .. percent(KEY:sub(half + 1)) .. "y", GIVEN))
  end)
end)
