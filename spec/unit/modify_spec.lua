--- A call of API 2.0, from parameters to what is sent; and misuse, which is raised: covers call/validate.lua, call/build.lua, call/sign.lua
--- and options.lua.

local core = require "qcimage.core"
local image = require "qcimage"
local stub = require "spec.support.stub"

local OK = '{"code":0,"message":""}'

describe("modify over API 2.0", function()
  it("sends a signed form and gives the answer as a table", function()
    local client, requests = stub.answering({
      clock = function()
        return 1700000000.9
      end,
      nonce = function()
        return "11886"
      end,
    }, OK)
    local result, message, err = client:modify {
      imageId = "img-12345678",
      imageName = "testName",
      imageDescription = "descrip",
    }
    assert.is_nil(message)
    assert.is_nil(err)
    assert.equal(0, result.code)
    assert.equal("0", tostring(result.code))
    assert.equal("", result.message)
    assert.equal(OK, result.body)
    assert.equal(200, result.httpStatus)
    assert.equal(1, #result.attempts)
    assert.equal("success", result.attempts[1].outcome)
    assert.is_true(result.attempts[1].duration >= 0)

    assert.equal(1, #requests)
    local request = requests[1]
    assert.equal("POST", request.method)
    assert.equal("https://image.api.qcloud.com/v2/index.php", request.url)
    assert.equal("image.api.qcloud.com", request.headers.Host)
    assert.equal("application/x-www-form-urlencoded", request.headers["Content-Type"])
    local params = stub.form(request.body)
    assert.equal(44, #params.Signature)
    params.Signature = nil
    assert.same({
      Action = "ModifyImageAttributes",
      Nonce = "11886",
      Region = "gz",
      SecretId = stub.SECRET_ID,
      SignatureMethod = "HmacSHA256",
      Timestamp = "1700000000",
      imageId = "img-12345678",
      imageName = "testName",
      imageDescription = "descrip",
    }, params)
  end)

  -- The example of the API's reference page, by the host of its URL; the value was computed by the
  -- service's old Node client and three others for the same text.
  it("signs for the host and the method that it sends to", function()
    local client, requests = stub.answering({
      secretId = "AKIDEXAMPLE0000000000000000000000000",
      secretKey = "EXAMPLEKEY00000000000000000000000",
      method = "GET",
      signatureMethod = "HmacSHA1",
      endpoint = "https://cvm.api.qcloud.com",
    }, OK)
    assert(client:modify { imageId = "img-12345678", imageName = "testName", imageDescription = "descrip" })
    local request = requests[1]
    assert.equal("GET", request.method)
    assert.is_nil(request.body)
    assert.is_nil(request.headers["Content-Type"])
    assert.equal("cvm.api.qcloud.com", request.headers.Host)
    assert.matches("^https://cvm%.api%.qcloud%.com/v2/index%.php%?", request.url)
    local signed = assert(client:sign("ModifyImageAttributes", { imageId = "img-12345678" }))
    assert.matches("^GETcvm%.api%.qcloud%.com/v2/index%.php%?Action=ModifyImageAttributes&", signed.stringToSign)
    assert.equal(28, #signed.signature)
    assert.equal(signed.signature, stub.form(signed.url:match "%?(.*)").Signature)
  end)

  it("draws a nonce for API 2.0 alone; without a source of chance the machine is named", function()
    local drawn = core.nonce
    finally(function()
      core.nonce = drawn
    end)
    core.nonce = function()
      return nil, "making a nonce failed in libcrypto: error:1200006C:no random source"
    end
    local client = stub.answering({}, { fail = "no" })
    local result, message, err = client:modify { imageId = "img-1", imageName = "a" }
    assert.is_nil(result)
    assert.equal("unsupported", err.kind)
    assert.equal("notSent", err.outcome)
    assert.is_nil(err.field)
    assert.matches("libcrypto", message)
    local answer = '{"Response":{"RequestId":"00000000-0000-4000-8000-000000000000"}}'
    client = stub.answering(
      { apiVersion = "3.0", maxAttempts = 2 },
      { fail = "no", sent = false, reason = "dns" },
      answer
    )
    assert.equal(2, #assert(client:modify { imageId = "img-1", imageName = "a" }).attempts)
  end)

  it("builds each request with a time and a nonce of its own", function()
    local client, requests = stub.answering({}, OK)
    for _ = 1, 3 do
      assert(client:modify { imageId = "img-1" })
    end
    local first, second = stub.form(requests[1].body), stub.form(requests[2].body)
    assert.not_equal(first.Nonce, second.Nonce)
    assert.is_true(math.abs(tonumber(first.Timestamp) - os.time()) <= 60)
  end)

  it("signs and sends the port of an endpoint that has one", function()
    local client, requests = stub.answering({ endpoint = "http://127.0.0.1:8099/v2/index.php" }, OK)
    assert(client:modify { imageId = "img-1" })
    assert.equal("127.0.0.1:8099", requests[1].headers.Host)
    assert.equal("http://127.0.0.1:8099/v2/index.php", requests[1].url)
    assert.matches("^POST127%.0%.0%.1:8099/v2/", client:sign("ModifyImageAttributes", { imageId = "x" }).stringToSign)
    client = stub.answering({ endpoint = "https://[::1]:443/" }, OK)
    assert.equal("[::1]", client:sign("ModifyImageAttributes", { imageId = "x" }).headers.Host)
  end)

  it("sends a blank as it is given and imageId alone", function()
    local client, requests = stub.answering({}, OK)
    assert(client:modify { imageId = "img-1", imageName = "", imageDescription = "" })
    local params = stub.form(requests[1].body)
    assert.equal("", params.imageName)
    assert.equal("", params.imageDescription)
    assert.matches("&imageName=&", requests[1].body)
    assert(client:modify { imageId = "img-1" })
    assert.is_nil(stub.form(requests[2].body).imageName)
  end)

  it("sends a token only where there is one, and signs it", function()
    for _, token in ipairs { false, "", "a+b/c==" } do
      local client = stub.client {
        token = token or nil,
        transport = function() end,
      }
      local request = assert(client:sign("ModifyImageAttributes", { imageId = "img-1" }))
      local expected = token ~= "" and token or nil
      assert.equal(expected, stub.form(request.body).Token)
      assert.equal(expected ~= nil, request.stringToSign:find("&Token=a+b/c==&", 1, true) ~= nil)
    end
    local client = stub.client {
      credentials = { secretId = "AKIDxxxx", secretKey = "thesecretkey", token = require("cjson").null },
    }
    assert.is_nil(assert(client:sign("ModifyImageAttributes", { imageId = "img-1" })).body:find "Token")
  end)

  it("takes a region of the call before that of the client", function()
    local client, requests = stub.answering({ region = "sh" }, OK)
    assert(client:modify({ imageId = "img-1" }, { region = "bj" }))
    assert(client:modify { imageId = "img-1" })
    assert.equal("bj", stub.form(requests[1].body).Region)
    assert.equal("sh", stub.form(requests[2].body).Region)
  end)
end)

describe("parameters", function()
  local requests, client

  before_each(function()
    client, requests = stub.answering({}, OK)
  end)

  local function refused(params, field, pattern)
    local result, message, err = client:modify(params)
    assert.is_nil(result)
    assert.equal("parameter", err.kind)
    assert.equal("notSent", err.outcome)
    assert.equal(field, err.field)
    assert.equal(message, err.message)
    assert.matches(pattern, message)
    assert.is_true(#message < 400)
    assert.equal(0, #requests)
  end

  it("are refused by name and rule, before anything is sent", function()
    refused({}, "imageId", "imageId is required")
    refused({ imageId = "" }, "imageId", "imageId is required and must not be empty")
    refused({ imageId = 12345678 }, "imageId", "imageId must be text, not 12345678")
    refused({ imageId = "img-1", imageName = true }, "imageName", "imageName must be text, not true")
    refused({ imageId = "img-1", imageName = {} }, "imageName", "must be text, not a table")
    refused(
      { imageId = "img-1", imageName = ("a"):rep(999) },
      "imageName",
      "must be 1 to %d+ characters of A%-Z.*has 999"
    )
    refused({ imageId = "img-1", imageName = "web 01" }, "imageName", "imageName must be 1 to %d+ characters of ")
    refused({ imageId = "img-1", imageName = "a.b" }, "imageName", "document/product/213/1275")
    refused({ imageId = "img-1", imageName = "@web" }, "imageName", "imageName must be")
    refused({ imageId = "img-1", imageDescription = ("a"):rep(999) }, "imageDescription", "at most %d+ .*has 999")
    refused(
      { imageId = "img-1", imageDescription = "每晚_构建-1" },
      "imageDescription",
      "must be at most %d+ characters of "
    )
    refused({ imageId = "img-1", imageDescription = "a b" }, "imageDescription", '"a b" is not')
    refused({ imageId = "img-1", imageName = "a\0b" }, "imageName", "control character")
    refused({ imageId = "img-1\r\nX-Evil: 1" }, "imageId", "control character")
    refused({ imageId = "img\255" }, "imageId", "not valid UTF%-8")
    refused({ imageId = "img-1", imageDescription = ("a"):rep(10 * 1024 * 1024) }, "imageDescription", "at most")
    refused({ imageId = "img-1", image_name = "x" }, "image_name", "unknown parameter image_name %(imageName%?%)")
    refused({ imageId = "img-1", ImageName = "x" }, "ImageName", "%(imageName%?%)")
    refused({ imageId = "img-1", whatever = "x" }, "whatever", "known: imageDescription, imageId, imageName")
    refused({ imageId = "img-1", "x" }, "1", "unknown parameter 1")
  end)

  it("keep an underscore in a value", function()
    local request = assert(client:sign("ModifyImageAttributes", { imageId = "i", imageDescription = "a_b" }))
    assert.matches("&imageDescription=a_b&", request.stringToSign)
    assert.matches("&imageDescription=a_b&", request.body)
  end)

  it("pass as they are with skipRules, and are escaped once", function()
    client, requests = stub.answering({ skipRules = true }, OK)
    assert(client:modify { imageId = "img-1", imageName = "web_01+&=%", imageDescription = "每晚_构建-1 a.b" })
    local params = stub.form(requests[1].body)
    assert.equal("web_01+&=%", params.imageName)
    assert.equal("每晚_构建-1 a.b", params.imageDescription)
    assert.is_nil(requests[1].body:find("%25E6", 1, true))
    -- but not what cannot travel
    local _, _, err = client:modify { imageId = "img-1", imageName = "\255" }
    assert.equal("parameter", err.kind)
    _, _, err = client:modify { imageId = 5 }
    assert.equal("imageId", err.field)
  end)

  it("that begin with @ are refused in a POST, where clients leave them unsigned", function()
    client, requests = stub.answering({ skipRules = true }, OK)
    local _, message, err = client:modify { imageId = "img-1", imageName = "@web" }
    assert.equal("parameter", err.kind)
    assert.equal("imageName", err.field)
    assert.matches('begins with "@"', message)
    assert.equal(0, #requests)
    client, requests = stub.answering({ skipRules = true, method = "GET" }, OK)
    assert(client:modify { imageId = "img-1", imageName = "@web" })
    assert.matches("imageName=%%40web", requests[1].url)
  end)

  it("that make a request too long are refused", function()
    client, requests = stub.answering({ skipRules = true, method = "GET" }, OK)
    local _, message, err = client:modify { imageId = "img-1", imageName = ("a"):rep(32 * 1024) }
    assert.equal("notSent", err.outcome)
    assert.matches("a GET may have 32768", message)
    client, requests = stub.answering({ skipRules = true }, OK)
    _, message = client:modify { imageId = "img-1", imageName = ("a"):rep(1024 * 1024) }
    assert.matches("a POST may have 1048576", message)
    assert.equal(0, #requests)
  end)
end)

describe("misuse", function()
  local here = "modify_spec%.lua:%d+: "

  local function raises(pattern, f)
    local ok, message = pcall(f)
    assert.is_false(ok)
    assert.matches(here .. pattern, message)
  end

  it("is raised at the caller's line", function()
    local client = stub.answering({}, OK)
    raises("parameters must be a table, not a nil", function()
      local _ = client:modify()
    end)
    raises("parameters must be a table, not a string", function()
      local _ = client:modify "img-1"
    end)
    raises("options must be a table, not a number", function()
      local _ = client:modify({ imageId = "img-1" }, 5)
    end)
    raises("unknown option timeOut %(timeout%?%)", function()
      local _ = client:modify({ imageId = "img-1" }, { timeOut = 1 })
    end)
    raises("option timeout must be a number of seconds above 0", function()
      local _ = client:modify({ imageId = "img-1" }, { timeout = 0 })
    end)
    raises("the action must be text", function()
      local _ = client:call({}, {})
    end)
    raises("call client:modify%(...%) with a colon", function()
      local _ = client.modify { imageId = "img-1" }
    end)
    raises("unknown option secretID %(secretId%?%)", function()
      local _ = image.new { secretID = "x" }
    end)
    raises("parameters must be a table", function()
      local _ = image.modify()
    end)
    for _, case in ipairs {
      { "secretKey must be text", { secretKey = 5 } },
      { 'apiVersion must be "2.0" or "3.0"', { apiVersion = 2 } },
      { 'method must be "POST" or "GET"', { method = "post" } },
      { 'signatureMethod must be "HmacSHA256" or "HmacSHA1"', { signatureMethod = "sha1" } },
      { "timeout must be a number of seconds", { timeout = "5" } },
      { "timeout must be a number of seconds", { timeout = 0 / 0 } },
      { "maxAttempts must be a whole number from 1", { maxAttempts = 0 } },
      { "verify must be a boolean", { verify = "no" } },
      { "transport must be a function", { transport = {} } },
      { "endpoint must be a URL", { endpoint = "ftp://x" } },
      { "endpoint must be a URL", { endpoint = "image.api.qcloud.com" } },
      { "endpoint must not contain a user name", { endpoint = "https://a:b@x" } },
      { "endpoint has the path /x; allowed are none", { endpoint = "https://x/x" } },
      { "endpoint has a port", { endpoint = "https://x:0" } },
      { "endpoint has no valid host", { endpoint = "https://a b" } },
      { "endpoint is plain http to another machine", { endpoint = "http://10.0.0.1" } },
      {
        "endpoint has the path of API 2.0, but option apiVersion is 3.0",
        { endpoint = "https://x/v2/index.php", apiVersion = "3.0" },
      },
      { "method cannot be used with API 3.0", { method = "GET", apiVersion = "3.0" } },
      { "language cannot be used with API 2.0", { language = "en-US" } },
    } do
      raises("option " .. case[1]:gsub("%p", "%%%0"), function()
        local _ = image.new(case[2])
      end)
    end
  end)

  it("is refused by a closed client", function()
    local client = stub.answering({}, OK)
    client:close()
    client:close()
    raises("the client is closed", function()
      local _ = client:modify { imageId = "img-1" }
    end)
  end)
end)
