--- The emulator's judgement of a request of API 3.0: covers emulator/api3/ and signature/tc3.lua.

local cjson = require "cjson"
local stub = require "spec.support.stub"
local support = require "spec.support.emulator"

local signature = require "qcimage.emulator.signature.tc3"
local text = require "qcimage.emulator.text"

describe("emulator's TC3 signature", function()
  local seen = 0
  for _, vector in ipairs(cjson.decode(stub.fixture "vectors.json")) do
    if vector.kind == "tc3" then
      seen = seen + 1
      it("agrees with " .. vector.name, function()
        local inputs, expected = vector.inputs, vector.expected
        local names = {}
        for name in pairs(inputs.signed_headers) do
          names[#names + 1] = name
        end
        table.sort(names)
        local recipe = {
          method = inputs.method,
          path = inputs.path,
          query = inputs.query,
          headers = inputs.signed_headers,
          signedHeaders = table.concat(names, ";"),
          payload = inputs.unsigned_payload and "UNSIGNED-PAYLOAD" or inputs.method == "GET" and "" or inputs.payload,
          timestamp = ("%.0f"):format(inputs.timestamp),
          date = os.date("!%Y-%m-%d", inputs.timestamp),
          service = inputs.service,
          key = inputs.secret_key,
          given = expected.signature,
        }
        assert.is_true(signature.check(recipe, support.digests()))
        local parsed = signature.parse(expected.authorization)
        assert.same({
          secretId = inputs.secret_id,
          date = recipe.date,
          service = recipe.service,
          terminator = "tc3_request",
          signedHeaders = recipe.signedHeaders,
          signature = expected.signature,
        }, parsed)
        recipe.key = recipe.key .. "x"
        local ok, message = signature.check(recipe, support.digests())
        assert.is_false(ok)
        assert.truthy(message:find(text.show(expected.canonical_request, 1000), 1, true), message)
      end)
    end
  end

  it("was held against all vectors", function()
    assert.equal(22, seen)
  end)
end)

describe("emulator, API 3.0", function()
  local emulator, _, call

  before_each(function()
    emulator, _, call = support.new()
  end)

  local function modify(params, options)
    local all = { ImageId = "img-12345678", ImageName = "web-02" }
    for name, value in pairs(params or {}) do
      all[name] = value ~= "absent" and value or nil
    end
    return call("ModifyImageAttribute", all, options)
  end

  local function imageOf(id)
    for _, image in ipairs(emulator:images()) do
      if image.imageId == id then
        return image
      end
    end
  end

  local function refuses(code, words, answer)
    assert.truthy(answer.Error, "was not refused")
    assert.equal(code, answer.Error.Code, answer.Error.Message)
    assert.truthy(answer.Error.Message:find(words, 1, true), answer.Error.Message)
    assert.truthy(answer.RequestId:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    assert.equal("web-01", imageOf("img-12345678").imageName)
  end

  it("sets a name and a description", function()
    local answer = modify()
    assert.is_nil(answer.Error)
    assert.truthy(
      answer.RequestId:find("^" .. ("%x"):rep(8) .. "%-%x%x%x%x%-4%x%x%x%-8%x%x%x%-" .. ("%x"):rep(12) .. "$")
    )
    assert.equal("web-02", imageOf("img-12345678").imageName)
    assert.equal("sample", imageOf("img-12345678").imageDescription)
    assert.is_nil(modify({ ImageName = "", ImageDescription = "每晚 构建" }).Error)
    assert.equal("web-02", imageOf("img-12345678").imageName)
    assert.equal("每晚 构建", imageOf("img-12345678").imageDescription)
    assert.is_nil(modify({ ImageDescription = "", ImageFamily = "web", ImageDeprecated = true }).Error)
    local image = imageOf "img-12345678"
    assert.same({ "", "web", true }, { image.imageDescription, image.imageFamily, image.imageDeprecated })
    assert.is_nil(modify({ ImageName = "absent" }).Error)
  end)

  it("keeps to the rules of the parameters", function()
    refuses("MissingParameter", "ImageId", modify { ImageId = "absent" })
    refuses("InvalidImageId.Malformed", "ImageId", modify { ImageId = "img-1" })
    refuses("InvalidParameter", "ImageId must be a string", modify { ImageId = 12345678 })
    refuses("InvalidParameter", "ImageName must be a string", modify { ImageName = cjson.null })
    refuses("InvalidParameter", "ImageName must be a string", modify { ImageName = { "x" } })
    refuses("InvalidParameter", "must be a boolean", modify { ImageDeprecated = "true" })
    refuses("InvalidParameterValue.TooLarge", "ImageName is longer", modify { ImageName = ("名"):rep(999) })
    local tooLong = ("x"):rep(require("qcimage.emulator.api3.images").NAME.most + 1)
    refuses("InvalidParameterValue.TooLarge", "ImageName is longer", modify { ImageName = tooLong })
    refuses(
      "InvalidParameterValue.TooLarge",
      "ImageDescription is longer",
      modify { ImageDescription = ("x"):rep(9999) }
    )
    refuses("InvalidParameterValue", "control character", modify { ImageName = "a\7b" })
    for _, bytes in ipairs {
      "\255",
      "\128", -- no lead byte
      "\228\184", -- cut
      "\192\128", -- overlong
      "\224\128\128",
      "\240\128\128\128",
      "\237\160\128", -- a surrogate
      "\244\144\128\128", -- beyond U+10FFFF
    } do
      refuses("InvalidParameter", "not valid UTF-8", modify { ImageName = "a" .. bytes .. "b" })
    end
    refuses("InvalidParameterValue.InvalidImageFamily", "ImageFamily", modify { ImageFamily = "a b" })
    refuses("UnknownParameter", "imageName", modify { imageName = "x" })
    refuses("UnknownParameter", "Action", modify { Action = "x" })
    assert.is_nil(modify({ ImageName = "名 x_/.", ImageDescription = "名 x_/." }).Error)
  end)

  it("refuses what the image does not allow", function()
    refuses("InvalidImageName.Duplicate", "has this name", modify { ImageName = "db-01" })
    refuses("InvalidImageId.NotFound", "not exist", modify { ImageId = "img-00000000" })
    refuses("UnsupportedOperation.SharedImageModifyUnsupported", "shared", modify { ImageId = "img-foreign1" })
    refuses("InvalidImageId.NotFound", "own", modify { ImageId = "img-public01" })
    refuses("InvalidImageId.IncorrectState", "state", modify { ImageId = "img-making01" })
  end)

  it("takes a body that is a JSON object only", function()
    local function body(payload)
      return call("ModifyImageAttribute", payload)
    end
    local deep = ("["):rep(5000)
    for _, payload in ipairs { "", " ", "x", "[]", '["ImageId"]', '"x"', "{", "1", deep } do
      refuses("InvalidParameter", "not a JSON object", body(payload))
    end
    refuses("InvalidParameter", "must be", body '{"ImageId":1e999}')
    refuses("MissingParameter", "ImageId", body "{}")
    assert.is_nil(body(' { "ImageId" : "img-12345678" } ').Error)
    assert.is_nil(call("DescribeImages", "null").Error) -- Tencent's Ruby client
  end)

  it("names the stage at which a signature went wrong", function()
    local function slip(words, options)
      refuses("AuthFailure.SignatureFailure", words, modify(nil, options))
    end
    local function signing(from, to)
      return {
        signed = function(canonical)
          local changed, count = canonical:gsub(from, to)
          assert.equal(1, count)
          return changed
        end,
      }
    end
    slip("the date in Credential is 2023-11-15", { date = "2023-11-15" })
    slip("the service in Credential is image", { service = "image" })
    slip("Credential ends with tc4_request", {
      authorization = function(header)
        return (header:gsub("tc3_request", "tc4_request"))
      end,
    })
    slip("small letters", { names = "Content-Type;Host" })
    slip("must be sorted", { names = "host;content-type" })
    slip("must be sorted", { names = "content-type;host;host" })
    slip("must hold content-type and host", { names = "host" })
    slip("names x-tc-trace, which was not sent", { names = "content-type;host;x-tc-trace" })
    slip("host: cvm.tencentcloudapi.com was signed", signing("127.0.0.1:8080", "cvm.tencentcloudapi.com"))
    slip("it was signed for GET", signing("^POST", "GET"))
    slip("path: /v2/index.php was signed", signing("\n/\n", "\n/v2/index.php\n"))
    slip("content-type: application/json; charset=utf-8 was signed", signing("json\n", "json; charset=utf-8\n"))
    slip("the empty line", signing("8080\n\n", "8080\n"))
    slip("payload: an empty one", signing("%x+$", text.hex(support.digests().sha256 "")))
    slip("payload: {} was signed", signing("%x+$", text.hex(support.digests().sha256 "{}")))
    slip("payload: UNSIGNED-PAYLOAD was signed", signing("%x+$", text.hex(support.digests().sha256 "UNSIGNED-PAYLOAD")))
    slip("a line end was behind the secret key", { key = support.SECRET_KEY .. "\n" })
    slip("written in capitals", {
      authorization = function(header)
        return (
          header:gsub("Signature=(.*)", function(digits)
            return "Signature=" .. digits:upper()
          end)
        )
      end,
    })
    slip("another key", { key = "wrong" })
  end)

  it("shows the canonical request, but no token", function()
    local answer = modify(nil, {
      key = "wrong",
      names = "content-type;host;x-tc-token",
      headers = { ["x-tc-token"] = "tokentoken" },
    })
    local message = answer.Error.Message
    assert.truthy(
      message:find([[POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1:8080\nx-tc-token:***]], 1, true)
    )
    for _, secret in ipairs { "tokentoken", support.SECRET_KEY, support.SECRET_ID } do
      assert.falsy(message:find(secret, 1, true))
    end
  end)

  it("takes more signed headers, a charset, an unsigned payload", function()
    assert.is_nil(modify(nil, { names = "content-type;host;x-tc-action" }).Error)
    local charset = { ["content-type"] = "application/json; charset=utf-8" }
    assert.is_nil(modify(nil, { headers = charset }).Error)
    assert.is_nil(modify(nil, {
      headers = { ["x-tc-content-sha256"] = "UNSIGNED-PAYLOAD" },
      signed = function(canonical)
        return (canonical:gsub("%x+$", text.hex(support.digests().sha256 "UNSIGNED-PAYLOAD")))
      end,
    }).Error)
  end)

  it("wants the Authorization header in its form", function()
    local code = "AuthFailure.InvalidAuthorization"
    for _, header in ipairs {
      "SKIP",
      "TC3-HMAC-SHA256",
      "TC3-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00",
      "TC3-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=xyz",
      "TC3-HMAC-SHA256 Credential=a/b/c/d, Signature=00, SignedHeaders=host",
    } do
      refuses(
        code,
        "Authorization",
        modify(nil, {
          authorization = function()
            return header
          end,
        })
      )
    end
    refuses(
      code,
      "Authorization",
      modify(nil, {
        authorization = function() end,
      })
    )
    refuses(
      "AuthFailure.SecretIdNotFound",
      "the emulator knows the example identity",
      modify(nil, {
        authorization = function(header)
          return (header:gsub("AKIDqcimage", "AKIDother"))
        end,
      })
    )
  end)

  it("wants the public headers", function()
    for _, name in ipairs { "x-tc-action", "x-tc-version", "x-tc-timestamp", "x-tc-region" } do
      refuses("MissingParameter", name, modify(nil, { headers = { [name] = false } }))
    end
    refuses("NoSuchVersion", "2017-03-13", modify(nil, { headers = { ["x-tc-version"] = "2017-03-13" } }))
    refuses("InvalidAction", "Rename", call("Rename", {}))
    refuses("InvalidParameterValue", "gz", modify(nil, { region = "gz" }))
    refuses("InvalidParameter", "in digits", modify(nil, { headers = { ["x-tc-timestamp"] = "1700000000.0" } }))
    refuses("InvalidParameter", "more than once", modify(nil, { headers = { ["x-tc-action"] = { "a", "b" } } }))
  end)

  it("keeps to a window of five minutes", function()
    for _, seconds in ipairs { -301, 301 } do
      refuses("AuthFailure.SignatureExpire", "X-TC-Timestamp", modify(nil, { time = support.NOW + seconds }))
    end
    assert.is_nil(modify(nil, { time = support.NOW - 300 }).Error)
    assert.is_nil(modify(nil, { time = support.NOW + 300 }).Error)
  end)

  it("takes the date of the scope from the timestamp, in UTC", function()
    local now = 1709251199 -- 2024-02-29 23:59:59
    emulator, _, call = support.new {
      clock = function()
        return now
      end,
    }
    assert.is_nil(modify(nil, { time = now, date = "2024-02-29" }).Error)
    assert.is_nil(modify(nil, { time = now + 1, date = "2024-03-01" }).Error)
    assert.truthy(modify(nil, { time = now + 1, date = "2024-02-29" }).Error)
  end)

  it("knows its token", function()
    local code = "AuthFailure.TokenFailure"
    refuses(code, "wrong", modify(nil, { headers = { ["x-tc-token"] = "x" } }))
    emulator, _, call = support.new { token = "temporary" }
    refuses(code, "need", modify())
    refuses(code, "wrong", modify(nil, { headers = { ["x-tc-token"] = "x" } }))
    assert.is_nil(modify(nil, { headers = { ["x-tc-token"] = "temporary" } }).Error)
  end)

  it("knows its hosts", function()
    for _, host in ipairs {
      "cvm.tencentcloudapi.com",
      "cvm.ap-shanghai-fsi.tencentcloudapi.com",
      "cvm.tencentcloudapi.com.cn",
      "example.org:80",
    } do
      assert.is_nil(modify(nil, { host = host }).Error)
      emulator:reset()
    end
    refuses("NoSuchProduct", "serves images and STS, not cbs", modify(nil, { host = "cbs.tencentcloudapi.com" }))
    refuses("NoSuchProduct", "image.api.qcloud.com", modify(nil, { host = "image.api.qcloud.com" }))
    emulator, _, call = support.new { hostName = "api.private" }
    refuses("NoSuchProduct", "this is api.private", modify())
    assert.is_nil(modify(nil, { host = "api.private:8080" }).Error)
  end)

  it("refuses other schemes, methods and bodies", function()
    refuses("UnsupportedProtocol", "the method is PUT", modify(nil, { method = "PUT" }))
    refuses("UnsupportedOperation", "the Content-Type of a GET", modify(nil, { method = "GET" }))
    for words, kind in pairs {
      ["a form is signed with HmacSHA1 or HmacSHA256"] = "application/x-www-form-urlencoded",
      ["no image action takes that"] = "multipart/form-data; boundary=x",
      ["not application/json"] = "text/plain",
      ["is , not application/json"] = false,
    } do
      refuses("UnsupportedOperation", words, modify(nil, { headers = { ["content-type"] = kind } }))
    end
    refuses("InvalidParameter", "no query", modify(nil, { query = "Action=x" }))
    refuses("RequestSizeLimitExceeded", "longer", call("ModifyImageAttribute", (" "):rep(10485761)))
    emulator, _, call = support.new { requireHttps = true }
    refuses("UnsupportedProtocol", "HTTPS", modify())
    assert.is_nil(modify(nil, { scheme = "https" }).Error)
  end)
end)

describe("emulator, API 3.0 by GET and by forms", function()
  local emulator, serial = nil, 0

  before_each(function()
    emulator = support.new()
  end)

  -- A request signed by parameters: v1, in a query or a form.
  local function v1(method, action, params, options)
    options = options or {}
    serial = serial + 1
    local all = {
      Action = action,
      Version = "2017-03-12",
      Region = "ap-guangzhou",
      Timestamp = ("%d"):format(support.NOW),
      Nonce = ("%d"):format(serial),
      SecretId = support.SECRET_ID,
      Language = "en-US",
      RequestClient = "SDK_TEST_1",
    }
    for name, value in pairs(params) do
      all[name] = value ~= "absent" and value or nil
    end
    options.method, options.path = method, "/"
    local request = support.v1(all, options)
    if method == "GET" then
      request.headers = {} -- as Go's and PHP's clients send it
    end
    return request
  end

  local function answerTo(request)
    local answer = cjson.decode(emulator:handle(request).body).Response
    return answer, answer.Error and answer.Error.Code, answer.Error and answer.Error.Message
  end

  local function refuses(code, words, request)
    local _, given, message = answerTo(request)
    assert.equal(code, given, message)
    assert.truthy(message:find(words, 1, true), message)
  end

  local RENAME = { ImageId = "img-12345678", ImageName = "a b+c&名" }

  it("reads parameters signed with HmacSHA1 and HmacSHA256", function()
    for _, method in ipairs { "GET", "POST" } do
      for digest, word in pairs { sha1 = "HmacSHA1", sha256 = "HmacSHA256" } do
        emulator:reset()
        local request = v1(method, "ModifyImageAttribute", {
          SignatureMethod = word,
          Nonce = "1",
          ImageId = RENAME.ImageId,
          ImageName = RENAME.ImageName,
        }, { digest = digest })
        assert.is_nil(answerTo(request).Error)
        assert.equal("a b+c&名", emulator:images()[1].imageName)
        local entry = emulator:journal()[1]
        assert.same({ "3.0", "ModifyImageAttribute", "1", "ap-guangzhou", RENAME }, {
          entry.api,
          entry.action,
          entry.nonce,
          entry.region,
          entry.params,
        })
      end
    end
  end)

  it("makes lists, numbers and booleans of text", function()
    local answer = answerTo(v1("GET", "DescribeImages", {
      ["Filters.0.Name"] = "image-name",
      ["Filters.0.Values.0"] = "web",
      ["Filters.0.Values.1"] = "db",
      ["Filters.1.Name"] = "image-type",
      ["Filters.1.Values.0"] = "PRIVATE_IMAGE",
      Limit = "1",
    }))
    assert.same({ 2, 1 }, { answer.TotalCount, #answer.ImageSet })
    for _, word in ipairs { "true", "True", "1" } do
      local _, code = answerTo(v1("POST", "CreateImage", {
        InstanceId = "ins-running1",
        ImageName = "dry",
        DryRun = word,
        ["TagSpecification.0.ResourceType"] = "image",
        ["TagSpecification.0.Tags.0.Key"] = "env",
        ["TagSpecification.0.Tags.0.Value"] = "",
      }))
      assert.equal("DryRunOperation", code)
    end
  end)

  it("refuses parameters that are no object of the action", function()
    for words, params in pairs {
      ["ImageIds must be a list"] = { ImageIds = "img-12345678" },
      ["without gaps"] = { ["ImageIds.1"] = "img-12345678" },
      ["ImageIds are not numbered"] = { ["ImageIds.00"] = "img-12345678" },
      ["conflicts with another one"] = { ImageIds = "x", ["ImageIds.0"] = "img-12345678" },
      ["Limit must be an integer"] = { Limit = "1.0" },
      ["Limit must be an integer."] = { ["Limit.0"] = "1" },
      ["Filters.0 must be an object"] = { ["Filters.0"] = "x" },
    } do
      refuses("InvalidParameter", words:gsub("%.$", ""), v1("GET", "DescribeImages", params))
    end
    refuses("UnknownParameter", "Value", v1("GET", "DescribeImages", { ["Filters.0.Value"] = "x" }))
    refuses("UnknownParameter", "imageName", v1("GET", "DescribeImages", { imageName = "x" }))
    refuses(
      "InvalidParameter",
      "DryRun must be a boolean",
      v1("GET", "DeleteImages", { DryRun = "yes", ["ImageIds.0"] = "img-12345678" })
    )
    refuses("InvalidParameter", "conflicts with", v1("GET", "DescribeImages", { ["."] = "x" }))
    for _, method in ipairs { "GET", "POST" } do
      local request = v1(method, "ModifyImageAttribute", RENAME)
      local place = method == "GET" and "query" or "body"
      request[place] = request[place] .. "&x=%zz"
      refuses("InvalidParameter", "percent-encoded", request)
      request[place] = ("x"):rep(method == "GET" and 32769 or 1048577)
      refuses("RequestSizeLimitExceeded", "longer", request)
    end
  end)

  it("checks a signature by parameters stage by stage", function()
    local function signing(from, to)
      return {
        signed = function(s)
          local changed, count = s:gsub(from, to)
          assert.equal(1, count)
          return changed
        end,
      }
    end
    for words, options in pairs {
      ["another key"] = { key = "wrong" },
      ["path: /v2/index.php was signed"] = signing("8080/%?", "8080/v2/index.php?"),
      ["cvm.tencentcloudapi.com was signed"] = signing("127.0.0.1:8080", "cvm.tencentcloudapi.com"),
      ["signed for the other method"] = signing("^GET", "POST"),
    } do
      refuses("AuthFailure.SignatureFailure", words, v1("GET", "ModifyImageAttribute", RENAME, options))
    end
    refuses(
      "AuthFailure.SignatureFailure",
      '"_" was signed as "."',
      v1("GET", "DescribeImages", { x_y = "1" }, signing("x_y", "x.y"))
    )
    for _, name in ipairs { "Action", "Version", "Timestamp", "Region", "Nonce", "SecretId" } do
      refuses("MissingParameter", name .. " is missing", v1("GET", "ModifyImageAttribute", { [name] = "absent" }))
    end
    refuses(
      "AuthFailure.SecretIdNotFound",
      "emulator knows",
      v1("GET", "ModifyImageAttribute", { SecretId = "AKIDother" })
    )
    refuses("AuthFailure.TokenFailure", "Token is wrong", v1("GET", "ModifyImageAttribute", { Token = "x" }))
    refuses("InvalidParameter", "Nonce must be", v1("GET", "ModifyImageAttribute", { Nonce = "-1" }))
    refuses("InvalidParameter", "Timestamp must be", v1("GET", "ModifyImageAttribute", { Timestamp = "1e9" }))
    local late = ("%d"):format(support.NOW - 301)
    refuses("AuthFailure.SignatureExpire", "more than 300", v1("GET", "ModifyImageAttribute", { Timestamp = late }))
    refuses("NoSuchVersion", "2016", v1("GET", "ModifyImageAttribute", { Version = "2016-01-01" }))
    refuses("InvalidAction", "Rename", v1("GET", "Rename", {}))
    refuses("InvalidParameterValue", "gz", v1("GET", "DescribeImages", { Region = "gz" }))
    local request = v1("GET", "DescribeImages", {})
    assert.is_nil(answerTo(request).Error)
    refuses("InvalidRequest.ReplayAttack", "was used with this Timestamp", request)
  end)

  it("reads a query signed in headers", function()
    local form = { ["content-type"] = "application/x-www-form-urlencoded" }
    local function get(query, options)
      options = options or {}
      options.method, options.query, options.headers = "GET", query, form
      return support.v3("ModifyImageAttribute", "", options)
    end
    local query = "ImageId=img-12345678&ImageName=a+b%2Bc"
    assert.is_nil(answerTo(get(query)).Error)
    assert.equal("a b+c", emulator:images()[1].imageName)
    local function signing(from, to)
      return {
        signed = function(s)
          return (s:gsub(from, to))
        end,
      }
    end
    for words, options in pairs {
      ["it was signed for POST"] = signing("^GET", "POST"),
      ["query: it was signed as empty"] = signing("\n/\n[^\n]+\n", "\n/\n\n"),
      ['"%20" was signed where "+" was sent'] = signing("%+", "%%20"),
    } do
      refuses("AuthFailure.SignatureFailure", words, get(query, options))
    end
    refuses("UnknownParameter", "Action", get(query .. "&Action=ModifyImageAttribute"))
  end)
end)
