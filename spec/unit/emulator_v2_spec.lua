--- The emulator's judgement of a request of API 2.0: covers emulator/api2/api.lua, form.lua, replay_guard.lua and signature/v1.lua.

local cjson = require "cjson"
local stub = require "spec.support.stub"
local support = require "spec.support.emulator"

local signature = require "qcimage.emulator.signature.v1"
local text = require "qcimage.emulator.text"

describe("emulator's signature of API 2.0", function()
  local seen = 0
  for _, vector in ipairs(cjson.decode(stub.fixture "vectors.json")) do
    if vector.api == "v2" and vector.kind == "signature-v1" then
      seen = seen + 1
      it("agrees with " .. vector.name, function()
        local inputs, params, unsigned = vector.inputs, {}, {}
        for _, name in ipairs(inputs.unsigned_params or {}) do
          unsigned[name] = true
        end
        for name, value in pairs(inputs.params) do
          if not unsigned[name] then
            params[#params + 1] = { name = name, value = value }
          end
        end
        local recipe = {
          method = inputs.method,
          scheme = "https",
          host = inputs.host,
          path = inputs.path,
          params = params,
          digest = inputs.hmac == "HmacSHA256" and "sha256" or "sha1",
          key = inputs.secret_key,
          given = vector.expected.signature,
        }
        assert.equal(vector.expected.string_to_sign, signature.stringToSign(recipe))
        local hmac = support.digests().hmac
        assert.is_true(signature.check(recipe, hmac))
        recipe.key = recipe.key .. "x"
        assert.is_false((signature.check(recipe, hmac)))
      end)
    end
  end

  it("was held against all vectors", function()
    assert.equal(37, seen)
  end)
end)

describe("emulator, API 2.0", function()
  local emulator, call

  before_each(function()
    emulator, call = support.new()
  end)

  local function modify(params, options)
    local all = { imageId = "img-12345678", imageName = "web-02" }
    for name, value in pairs(params or {}) do
      all[name] = value
    end
    return call("ModifyImageAttributes", all, options)
  end

  local function imageOf(id)
    for _, image in ipairs(emulator:images()) do
      if image.imageId == id then
        return image
      end
    end
  end

  local function refuses(code, words, answer)
    assert.equal(code, answer.code)
    assert.truthy(answer.message:find(words, 1, true), answer.message)
    assert.equal("web-01", imageOf("img-12345678").imageName)
  end

  it("sets a name and a description, by POST and GET, with both digests", function()
    assert.same({ code = 0, codeDesc = "Success", message = "" }, modify())
    assert.equal("web-02", imageOf("img-12345678").imageName)
    assert.equal("sample", imageOf("img-12345678").imageDescription)
    local full = { imageName = "", imageDescription = "nightly_build-7" }
    assert.equal(0, modify(full, { method = "GET" }).code)
    assert.equal("web-02", imageOf("img-12345678").imageName)
    assert.equal("nightly_build-7", imageOf("img-12345678").imageDescription)
    local sha256 = { SignatureMethod = "HmacSHA256", imageName = "web-03" }
    assert.equal(0, modify(sha256, { digest = "sha256" }).code)
    assert.equal("web-03", imageOf("img-12345678").imageName)
    assert.equal(0, modify { imageName = "web-03" }.code) -- its own name
  end)

  it("takes any other SignatureMethod as SHA-1", function()
    for _, method in ipairs { "HmacSHA1", "hmacsha256", "x" } do
      assert.equal(0, modify({ SignatureMethod = method }).code)
    end
  end)

  it("keeps to the rules of name and description", function()
    refuses(4000, "imageName must be 1 to", modify { imageName = ("x"):rep(999) })
    refuses(4000, "imageName must be", modify { imageName = "a b" })
    refuses(4000, "imageName must be", modify { imageName = "名" })
    refuses(4000, "imageName must be", modify { imageName = "a\0b" })
    refuses(4000, "imageDescription must be 1 to", modify { imageDescription = ("x"):rep(999) })
    refuses(4000, "imageDescription must be", modify { imageDescription = "a b" })
    refuses(4000, "imageId must be", modify { imageId = "img-1234" })
    refuses(4000, "imageId must be", modify { imageId = "IMG-12345678" })
    refuses(4000, "imageId is missing", modify { imageId = "absent" })
    refuses(4000, "imageId is missing", modify { imageId = "" })
    refuses(4000, "no parameter imagename", modify { imagename = "x" })
    assert.equal(0, modify({ imageName = "aA0-", imageDescription = "aA0-_" }).code)
  end)

  it("refuses what the image does not allow", function()
    refuses(4000, "another image has this name", modify { imageName = "db-01" })
    refuses(5000, "does not exist", modify { imageId = "img-00000000" })
    refuses(4102, "shared by another", modify { imageId = "img-foreign1" })
    refuses(4102, "not the account's own", modify { imageId = "img-public01" })
    refuses(5100, "state of the image", modify { imageId = "img-making01" })
  end)

  it("names the step at which a signature went wrong", function()
    local function slip(words, options, params)
      refuses(4100, words, modify(params, options))
    end
    slip("the method word: it was signed for the other", {
      signed = function(s)
        return (s:gsub("^POST", "GET"))
      end,
    })
    slip("the method word: it was signed in small", {
      signed = function(s)
        return (s:gsub("^POST", "post"))
      end,
    })
    slip("image.api.qcloud.com was signed", {
      signed = function(s)
        return (s:gsub("127.0.0.1:8080", "image.api.qcloud.com"))
      end,
    })
    slip("the path: / was signed", {
      signed = function(s)
        return (s:gsub("/v2/index.php", "/"))
      end,
    })
    slip("only SignatureMethod=HmacSHA256 selects", { digest = "sha256" })
    slip("although SignatureMethod is HmacSHA256", nil, { SignatureMethod = "HmacSHA256" })
    slip("percent-encoded before they were signed", {
      signed = function(s)
        return (s:gsub("a b", "a%%20b"))
      end,
    }, { imageDescription = "a b" })
    slip('those that begin with "@"', {
      signed = function(s)
        return (s:gsub("&imageName=@web", ""))
      end,
    }, { imageName = "@web" })
    slip("a line end behind the key", { key = support.SECRET_KEY .. "\n" })
    slip('"_" was signed as it is', {
      signed = function(s)
        return (s:gsub("x%.y", "x_y"))
      end,
    }, { x_y = "1" })
    slip("Token was left out", {
      signed = function(s)
        return (s:gsub("&Token=t", ""))
      end,
    }, { Token = "t" })
    slip("another key, or a text that differs in a way", { -- two mistakes are one too many
      signed = function(s)
        return (s:gsub("^POST", "GET"):gsub("127.0.0.1:8080", "cvm.api.qcloud.com"))
      end,
    })
    slip("sorted without regard to case", {
      signed = function(s)
        return (
          s:gsub("^(.-)&(Nonce=.-)&(imageId=.-&imageName=.*)$", function(head, tail, images)
            return head .. "&" .. images .. "&" .. tail
          end)
        )
      end,
    })
    for instead, words in pairs {
      ["cvm.api.qcloud.com"] = "cvm.api.qcloud.com was signed",
      ["cvm.tencentcloudapi.com"] = "cvm.tencentcloudapi.com was signed",
      ["http://127.0.0.1:8080"] = "signed with the scheme before it",
    } do
      slip(words, {
        signed = function(s)
          return (s:gsub("127.0.0.1:8080", instead))
        end,
      })
    end
    slip("the path: it was left out", {
      signed = function(s)
        return (s:gsub("/v2/index.php", ""))
      end,
    })
    slip('sorted after "_" had become "."', { -- "." comes before "0" and "_" behind it
      signed = function(s)
        return (s:gsub("&x0=1&x%.y=2", "&x.y=2&x0=1"))
      end,
    }, { x0 = "1", x_y = "2" })
    slip('"_" at the start of a name was signed as "."', nil, { _x = "1" }) -- as the signing here does
    slip("another key", { key = "wrong" })
    slip("percent-encoded twice", {
      encode = function(s)
        return (text.escape(text.escape(s)))
      end,
    }, { imageName = "x-1" })
  end)

  it("says that a bare plus sign in the signature arrived as a blank", function()
    for i = 1, 200 do -- until a signature holds one
      local plus
      local answer = modify({ imageName = "x-" .. i }, {
        encode = function(s)
          plus = s:find("+", 1, true)
          return (s:gsub("[/=]", { ["/"] = "%2F", ["="] = "%3D" }))
        end,
      })
      if plus then
        assert.equal(4100, answer.code)
        assert.truthy(answer.message:find('"+" arrived as a blank', 1, true))
        return
      end
    end
    error "no signature with a plus sign"
  end)

  it("tells the text to sign without id, token and key", function()
    local answer = modify({ Token = "tokentoken" }, { key = "wrong" })
    assert.truthy(answer.message:find("POST127.0.0.1:8080/v2/index.php?Action=Mod", 1, true))
    assert.truthy(answer.message:find("&SecretId=***&", 1, true))
    assert.truthy(answer.message:find("&Token=***&", 1, true))
    for _, secret in ipairs { "tokentoken", support.SECRET_KEY, support.SECRET_ID } do
      assert.falsy(answer.message:find(secret, 1, true))
    end
  end)

  it("wants every public parameter, in its form", function()
    for _, name in ipairs { "SecretId", "Timestamp", "Nonce", "Region", "Action" } do
      for _, value in ipairs { "absent", "" } do
        refuses(4000, name .. " is missing", modify { [name] = value })
      end
    end
    for _, name in ipairs { "Timestamp", "Nonce" } do
      for _, value in ipairs { "1.0", "-1", "1e9", "x", ("1"):rep(21) } do
        refuses(4000, name .. " must be a whole number", modify { [name] = value })
      end
    end
    refuses(4000, "no region xx", modify { Region = "xx" })
    assert.equal(0, modify({ Region = "ap-guangzhou", Nonce = "0" }).code)
  end)

  it("knows its keys and its token", function()
    refuses(4104, "the emulator knows the example identity AKID", modify { SecretId = "AKIDother" })
    refuses(4105, "Token is wrong", modify { Token = "x" })
    emulator, call = support.new { token = "temporary" }
    refuses(4105, "need a Token", modify())
    refuses(4105, "Token is wrong", modify { Token = "other" })
    assert.equal(0, modify({ Token = "temporary" }).code)
    emulator, call = support.new { secretId = "AKIDsomebodyelse1234" }
    refuses(4104, "the emulator knows AKID****1234", modify())
  end)

  it("keeps to a window of five minutes", function()
    for _, seconds in ipairs { -301, 301, 1700000000 * 999 } do
      refuses(4500, "Timestamp", modify { Timestamp = ("%.0f"):format(support.NOW + seconds) })
    end
    assert.equal(0, modify({ Timestamp = support.NOW - 300 }).code)
    assert.equal(0, modify({ Timestamp = support.NOW + 300 }).code)
  end)

  it("refuses a nonce again under the same timestamp, until its window is over", function()
    local now = support.NOW
    emulator, call = support.new {
      clock = function()
        return now
      end,
    }
    local request = support.v2 { Action = "DescribeImages", imageType = 1, Nonce = "77" }
    assert.equal(0, cjson.decode(emulator:handle(request).body).code)
    assert.equal(4500, cjson.decode(emulator:handle(request).body).code)
    refuses(4500, "Nonce 77", modify { Nonce = "77" })
    now = now + 300
    refuses(4500, "Nonce 77", modify { Nonce = "77" })
    now = now + 1
    refuses(4500, "more than 300 seconds", modify { Nonce = "77" })
    assert.equal(0, modify({ Nonce = "77", Timestamp = now }).code)
  end)

  it("refuses no nonce whose pair with its timestamp is new", function()
    local now, state, seen, again = support.NOW, 7, {}, 0
    emulator, call = support.new {
      clock = function()
        return now
      end,
    }
    for i = 1, 300 do
      state = (state * 16807) % 2147483647
      local nonce = state % 200 + 1
      now = support.NOW + math.floor(i / 10) -- ten calls a second
      local pair = nonce .. "/" .. now
      local params = { imageType = 1, limit = 1, Nonce = nonce, Timestamp = ("%d"):format(now) }
      assert.equal(seen[pair] and 4500 or 0, call("DescribeImages", params).code)
      again = again + (seen[nonce] and 1 or 0)
      seen[pair], seen[nonce] = true, true
    end
    assert.is_true(again > 20) -- by the nonce alone, these would have been refused
  end)

  it("does not take in the nonce of a request that it can't trust", function()
    modify({ Nonce = "5" }, { key = "wrong" })
    assert.equal(0, modify({ Nonce = "5" }).code)
  end)

  it("decodes forms strictly", function()
    local function wire(change)
      return modify(nil, { wire = change })
    end
    local function adding(part)
      return wire(function(form)
        return form .. part
      end)
    end
    refuses(4000, "occurs more than once", adding "&imageName=x")
    for _, part in ipairs { "&", "&x", "&=x", "&x=%4", "&x=%zz", "&x=\1", "&x=y=z", "&x=名", "&x= " } do
      refuses(4000, '"', adding(part))
    end
    refuses(4000, "not valid UTF-8", adding "&x=%ff")
    local many = {}
    for i = 1, 1001 do
      many[i] = ("&x%d=1"):format(i)
    end
    refuses(4000, "more than 1000", adding(table.concat(many)))
    assert.equal(
      0,
      wire(function(form)
        return (form:gsub("%-", "%%2d"))
      end).code
    )
  end)

  -- As Tencent's Java client 2.0.7 posts: a line end before the first boundary, too, and no types.
  local function multipart(request, change)
    local boundary, parts = "---------------------------0123456789abcde", {}
    for name, value in request.body:gmatch "([^=&]+)=([^&]*)" do
      value = value:gsub("%%(%x%x)", function(digits)
        return string.char(tonumber(digits, 16))
      end)
      parts[#parts + 1] = ('\r\n--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s'):format(
        boundary,
        name,
        value
      )
    end
    request.headers["content-type"] = "multipart/form-data; boundary=" .. boundary
    request.body = table.concat(parts) .. "\r\n--" .. boundary .. "--\r\n"
    if change then
      request.body = change(request.body)
    end
    return cjson.decode(emulator:handle(request).body)
  end

  it("takes a POST as multipart/form-data, as the Java client sends it", function()
    local params =
      { Action = "ModifyImageAttributes", imageId = "img-12345678", imageName = "web-02", imageDescription = "" }
    assert.equal(0, multipart(support.v2(params)).code)
    assert.equal("web-02", imageOf("img-12345678").imageName)
    emulator:reset()
    for words, change in pairs {
      ["does not match"] = { "web%-02", "web-03" },
      ["no part of a form"] = { 'name="imageName"', 'name="imageName"; filename="x"' },
      ["no part of a form."] = { "Content%-Disposition: form%-data;", "X: y;" },
      ["its last boundary"] = { "%-%-\r\n$", "\r\n" },
      ["more than once"] = { 'name="imageDescription"', 'name="imageName"' },
    } do
      refuses(
        words == "does not match" and 4100 or 4000,
        words:gsub("%.$", ""),
        multipart(support.v2(params), function(body)
          return (body:gsub(change[1], change[2]))
        end)
      )
    end
    local request = support.v2(params)
    request.headers["content-type"] = "multipart/form-data"
    refuses(4000, "names no boundary", cjson.decode(emulator:handle(request).body))
  end)

  it("knows actions and their hosts", function()
    refuses(6100, "no action Modify", call "Modify")
    refuses(6100, "does not have this", modify(nil, { host = "cdb.api.qcloud.com" }))
    refuses(6100, "does not have this", modify(nil, { host = "cvm.tencentcloudapi.com" }))
    for _, host in ipairs { "image.api.qcloud.com", "cvm.api.qcloud.com", "example.org" } do
      assert.equal(0, modify(nil, { host = host }).code)
    end
    local ids = { ["uInstanceIds.0"] = "ins-stopped1" }
    local action = "DescribeInstanceImageInfo"
    assert.equal(6100, call(action, ids, { host = "image.api.qcloud.com" }).code)
    assert.equal(0, call(action, ids, { host = "cvm.api.qcloud.com:443" }).code)
    emulator, call = support.new { hostName = "api.private" }
    refuses(6100, "this is api.private", modify())
    assert.equal(0, modify(nil, { host = "API.private:8080" }).code)
  end)

  it("refuses other schemes, methods and bodies", function()
    emulator, call = support.new { requireHttps = true }
    refuses(4600, "HTTPS", modify())
    assert.equal(0, modify(nil, { scheme = "https" }).code)
    emulator, call = support.new()
    refuses(4000, "method is PUT", modify(nil, { method = "PUT" }))
    local request = support.v2 { Action = "ModifyImageAttributes", imageId = "img-12345678" }
    request.headers["content-type"] = "application/json"
    local answer = cjson.decode(emulator:handle(request).body)
    refuses(4000, "application/json is not emulated", answer)
    refuses(4000, "not emulated", modify { Version = "2017-03-12" })
    request = support.v2({ Action = "DescribeImages", x = ("x"):rep(33000) }, { method = "GET" })
    refuses(4000, "longer than 32768", cjson.decode(emulator:handle(request).body))
  end)
end)
