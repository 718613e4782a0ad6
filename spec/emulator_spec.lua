local cjson = require "cjson"
local support = require "spec.support.emulator"

local emulatorModule = require "qcimage.emulator"
local text = require "qcimage.emulator.text"

local MODIFY = { imageId = "img-12345678", imageName = "web-02" }

describe("emulator's options", function()
  it("are checked", function()
    assert.has_error(function()
      emulatorModule.new { imagez = {} }
    end, "the emulator has no option imagez")
    assert.has_error(function()
      emulatorModule.new { rateLimit = "10" }
    end, "the emulator's option rateLimit must be a number")
    for words, images in pairs {
      ["imageId must be"] = { { imageId = "img-1" } },
      ["imageId must"] = { {} },
      ["occurs twice"] = { { imageId = "img-00000001" }, { imageId = "img-00000001" } },
      ["has no field name"] = { { imageId = "img-00000001", name = "x" } },
      ["imageName of an image must be a string"] = { { imageId = "img-00000001", imageName = 1 } },
      ["unknown imageType"] = { { imageId = "img-00000001", imageType = "MY_IMAGE" } },
      ["must be a table"] = { "img-00000001" },
    } do
      local ok, message = pcall(emulatorModule.new, { images = images, digests = {} })
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
  end)

  it("give keys, regions and images", function()
    local emulator, call = support.new {
      secretId = "AKIDother",
      secretKey = "other",
      regions = { "gz" },
      images = { { imageId = "img-00000001", imageName = "a", region = "ap-guangzhou" } },
    }
    local options = { key = "other" }
    local public = { SecretId = "AKIDother", imageType = 1 }
    assert.equal(1, call("DescribeImages", public, options).totalCount)
    public.Region = "sh"
    assert.equal(4000, call("DescribeImages", public, options).code)
    assert.falsy(tostring(emulator):find("other", 1, true))
  end)

  it("leave the images that were given untouched", function()
    local images = { { imageId = "img-12345678", imageName = "web-01" } }
    local emulator, call = support.new { images = images }
    assert.equal(0, call("ModifyImageAttributes", MODIFY).code)
    assert.same({ { imageId = "img-12345678", imageName = "web-01" } }, images)
    emulator:images()[1].imageName = "x"
    assert.equal("web-02", emulator:images()[1].imageName)
    emulator:reset()
    assert.equal("web-01", emulator:images()[1].imageName)
  end)

  it("show images of a region only there", function()
    local _, call = support.new { images = { { imageId = "img-12345678", region = "ap-shanghai" } } }
    assert.equal(0, call("DescribeImages", { imageType = 1 }).totalCount)
    assert.equal(1, call("DescribeImages", { imageType = 1, Region = "sh" }).totalCount)
    assert.equal(5000, call("ModifyImageAttributes", MODIFY).code)
  end)

  it("end the state of an image in time", function()
    local now = support.NOW
    local _, call = support.new {
      images = { { imageId = "img-12345678", imageState = "CREATING", createSeconds = 5 } },
      clock = function()
        return now
      end,
    }
    assert.equal(5100, call("ModifyImageAttributes", MODIFY).code)
    now = now + 5
    assert.equal(0, call("ModifyImageAttributes", MODIFY).code)
  end)
end)

describe("emulator's faults", function()
  local emulator, call, call3

  before_each(function()
    emulator, call, call3 = support.new()
  end)

  local function modify()
    return call("ModifyImageAttributes", MODIFY)
  end

  local function nameIs(name)
    assert.equal(name, emulator:images()[1].imageName)
  end

  it("are refused when they make no sense", function()
    for words, fault in pairs {
      ["no fault of the kind x"] = { kind = "x" },
      ["kind"] = {},
      ["no field foo"] = { kind = "delay", foo = 1 },
      ["must be a number"] = { kind = "delay", delay = "1" },
      ["needs the field delay"] = { kind = "delay" },
      ["needs the field status"] = { kind = "status" },
      ["not both"] = { kind = "throttle", count = 1, seconds = 1 },
      ["out of range"] = { kind = "throttle", count = -1 },
    } do
      local ok, message = emulator:fault(fault)
      assert.is_nil(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
  end)

  it("come before or after the change", function()
    for _, case in ipairs {
      { "errorBefore", 6000, "web-01" },
      { "throttle", 4400, "web-01" },
      { "errorAfter", 6000, "web-02" },
    } do
      emulator:reset()
      emulator:fault { kind = case[1] }
      assert.equal(case[2], modify().code)
      nameIs(case[3])
      assert.equal(0, modify().code) -- one request only
      local entry = emulator:journal()[1]
      assert.same({ case[1], case[2], case[3] == "web-02" }, { entry.fault, entry.code, entry.applied })
    end
    for kind, name in pairs { dropBefore = "web-01", dropAfter = "web-02" } do
      emulator:reset()
      emulator:fault { kind = kind }
      local answer, response = modify()
      assert.is_nil(answer)
      assert.is_true(response.drop)
      nameIs(name)
    end
  end)

  it("have words of their own in API 3.0", function()
    emulator:fault { kind = "throttle" }
    emulator:fault { kind = "errorBefore" }
    assert.equal("RequestLimitExceeded", call3("DescribeImages", "{}").Error.Code)
    assert.equal("InternalError", call3("DescribeImages", "{}").Error.Code)
    assert.is_nil(call3("DescribeImages", "{}").Error)
  end)

  it("hit as many requests as they were told, or for so long, or one action", function()
    local now = support.NOW
    emulator, call = support.new {
      clock = function()
        return now
      end,
    }
    emulator:fault { kind = "throttle", count = 2 }
    emulator:fault { kind = "errorBefore", action = "DescribeImages" }
    assert.same({ 4400, 4400, 0 }, { modify().code, modify().code, modify().code })
    assert.equal(6000, call("DescribeImages", { imageType = 1 }).code)
    emulator:fault { kind = "throttle", seconds = 8 }
    for _ = 1, 3 do
      assert.equal(4400, modify().code)
    end
    now = now + 8
    assert.equal(0, modify().code)
    assert.same({}, emulator.faults:list())
  end)

  it("use up the nonce, and pass by a request that is not authentic", function()
    emulator:fault { kind = "dropBefore" }
    assert.equal(4100, call("ModifyImageAttributes", MODIFY, { key = "wrong" }).code)
    local request = support.v2 { Action = "ModifyImageAttributes", imageId = "img-12345678" }
    assert.is_true(emulator:handle(request).drop)
    assert.equal(4500, cjson.decode(emulator:handle(request).body).code)
  end)

  it("answer like a gateway", function()
    emulator:fault { kind = "status", status = 502, body = "<h1>bad gateway</h1>" }
    local response = emulator:handle(support.v2 { Action = "DescribeImages", imageType = 1 })
    assert.same({ 502, "<h1>bad gateway</h1>", "text/html" }, {
      response.status,
      response.body,
      response.headers["content-type"],
    })
  end)

  it("keep to a rate for each action", function()
    local now = support.NOW
    emulator, call = support.new {
      rateLimit = 2,
      clock = function()
        return now
      end,
    }
    assert.same({ 0, 0, 4400 }, { modify().code, modify().code, modify().code })
    assert.equal(0, call("DescribeImages", { imageType = 1 }).code)
    now = now + 1
    assert.equal(0, modify().code)
    emulator:set { rateLimit = 0 }
    assert.same({ 0, 0, 0 }, { modify().code, modify().code, modify().code })
  end)

  it("set the clock wrong, and say so in the Date header", function()
    assert.is_true(emulator:set { clockOffset = 900 })
    local answer, response = modify()
    assert.equal(4500, answer.code)
    assert.equal("Tue, 14 Nov 2023 22:28:20 GMT", response.headers.date)
    assert.equal("AuthFailure.SignatureExpire", call3("DescribeImages", "{}").Error.Code)
    assert.is_nil(emulator:set { clockOffset = "900" })
    assert.is_nil(emulator:set { clock = 900 })
  end)
end)

describe("emulator's journal", function()
  it("tells what was asked and what was done", function()
    local emulator, call = support.new()
    call("ModifyImageAttributes", { imageId = "img-12345678", imageName = "web-02", Nonce = "42" })
    call("ModifyImageAttributes", { imageId = "img-12345678", imageName = "db-01", Nonce = "43" })
    local entries = emulator:journal()
    assert.equal(2, #entries)
    assert.same({
      time = support.NOW,
      api = "2.0",
      action = "ModifyImageAttributes",
      region = "gz",
      secretId = support.SECRET_ID,
      nonce = "42",
      params = { imageId = "img-12345678", imageName = "web-02" },
      applied = true,
      code = 0,
    }, entries[1])
    assert.same({ false, 4000 }, { entries[2].applied, entries[2].code })
    emulator:clearJournal()
    assert.same({}, emulator:journal())
  end)

  it("is bounded", function()
    local emulator = support.new()
    local request = { method = "GET", scheme = "http", host = "x", path = "/v2/index.php", headers = {} }
    request.query = "Action=" .. ("x"):rep(5000)
    for _ = 1, 2005 do
      emulator:handle(request)
    end
    local entries, forgotten = emulator:journal()
    assert.same({ 2000, 5 }, { #entries, forgotten })
    assert.is_true(#entries[1].action < 1200)
  end)

  it("holds no key, token or signature", function()
    local emulator, call, call3 = support.new { token = "tokentoken" }
    call("ModifyImageAttributes", { imageId = support.SECRET_KEY, Token = "tokentoken" })
    call("ModifyImageAttributes", { ["x" .. support.SECRET_KEY] = "x", Token = "tokentoken" })
    call3("ModifyImageAttribute", { ImageName = "tokentoken" }, { headers = { ["x-tc-token"] = "tokentoken" } })
    local journal = cjson.encode { emulator:journal() }
    for _, secret in ipairs { support.SECRET_KEY, "tokentoken", "Signature", "uthorization" } do
      assert.falsy(journal:find(secret, 1, true), secret)
    end
  end)
end)

describe("emulator's control path", function()
  local emulator, call

  before_each(function()
    emulator, call = support.new()
  end)

  local function control(method, path, body)
    local response = emulator:handle {
      method = method,
      scheme = "http",
      host = "127.0.0.1",
      path = "/_emulator/" .. path,
      query = "",
      headers = {},
      body = body,
    }
    return response.status, cjson.decode(response.body)
  end

  it("does what the methods do", function()
    assert.equal(200, (control("GET", "")))
    assert.equal(200, (control("POST", "faults", '{"kind":"throttle"}')))
    assert.equal(200, (control("POST", "faults", '[{"kind":"errorBefore"},{"kind":"dropAfter"}]')))
    local _, faults = control("GET", "faults")
    assert.equal(3, #faults.faults)
    assert.equal(4400, call("ModifyImageAttributes", MODIFY).code)
    control("DELETE", "faults")
    assert.equal(0, call("ModifyImageAttributes", MODIFY).code)
    local _, journal = control("GET", "journal")
    assert.equal(2, #journal.entries)
    local _, images = control("GET", "images")
    assert.equal("web-02", images.images[1].imageName)
    assert.equal(200, (control("POST", "images", '[{"imageId":"img-00000009"}]')))
    assert.equal("img-00000009", emulator:images()[1].imageId)
    assert.equal(200, (control("POST", "settings", '{"rateLimit":1}')))
    assert.equal(1, emulator.rateLimit)
    assert.equal(200, (control("POST", "reset")))
    assert.equal(5, #emulator:images())
    control("DELETE", "journal")
    assert.same({}, emulator:journal())
  end)

  it("says what is wrong", function()
    for _, case in ipairs {
      { 404, "GET", "nothing" },
      { 405, "PUT", "journal" },
      { 400, "POST", "faults", "{" },
      { 400, "POST", "faults" },
      { 400, "POST", "faults", '{"kind":"x"}' },
      { 400, "POST", "faults", '["x"]' },
      { 400, "POST", "faults", '[{"kind":"throttle","count":null}]' },
      { 400, "POST", "settings", '{"x":1}' },
      { 400, "POST", "settings", "1" },
      { 400, "POST", "images", '{"images":{"a":1}}' },
      { 400, "POST", "images", '[{"imageId":"x"}]' },
      { 400, "POST", "images", '[{"imageId":"img-00000001","tags":[1]}]' },
      { 400, "POST", "images", '[{"imageId":"img-00000001","sharedWith":[null]}]' },
    } do
      local status, answer = control(case[2], case[3], case[4])
      assert.equal(case[1], status, case[3] .. " " .. tostring(case[4]))
      assert.equal("string", type(answer.error))
      assert.equal(5, #emulator:images())
    end
  end)
end)

describe("emulator as a transport", function()
  local function url(path)
    return "http://" .. support.HOST .. path
  end

  it("takes and answers requests as the transport contract has them", function()
    local transport, emulator = emulatorModule.transport {
      digests = support.digests(),
      clock = function()
        return support.NOW
      end,
    }
    local function send(method, seconds)
      local request = support.v2({ Action = "DescribeImages", imageType = 1 }, { method = method })
      return transport({
        method = method,
        url = url("/v2/index.php" .. (method == "GET" and "?" .. request.query or "")),
        headers = { Host = support.HOST, ["Content-Type"] = request.headers["content-type"] },
        body = request.body,
      }, seconds or 10)
    end
    for _, method in ipairs { "GET", "POST" } do
      local response = send(method)
      assert.equal(200, response.status)
      assert.equal("Tue, 14 Nov 2023 22:13:20 GMT", response.headers.date)
      assert.equal(0, cjson.decode(response.body).code)
    end
    emulator:fault { kind = "dropAfter" }
    local response, message, detail = send "POST"
    assert.is_nil(response)
    assert.equal("string", type(message))
    assert.same({ sent = true, reason = "closed" }, detail)
    emulator:fault { kind = "delay", delay = 5 }
    assert.same({ sent = true, reason = "timeout" }, select(3, send("POST", 5)))
    emulator:fault { kind = "delay", delay = 5 }
    assert.equal(200, send("POST", 6).status)
  end)

  it("waits by the function that it was given", function()
    local waited = {}
    local transport, emulator = emulatorModule.transport {
      digests = support.digests(),
      clock = function()
        return support.NOW
      end,
      sleep = function(seconds)
        waited[#waited + 1] = seconds
      end,
    }
    emulator:fault { kind = "delay", delay = 5, count = 2 }
    for _, left in ipairs { 9, 3 } do
      local request = support.v2 { Action = "DescribeImages", imageType = 1 }
      transport({ method = "POST", url = url "/v2/index.php", headers = { host = support.HOST }, body = request.body }, left)
    end
    assert.same({ 5, 3 }, waited)
  end)

  it("tells of a header that is sent twice", function()
    local transport = emulatorModule.transport { digests = support.digests() }
    local response = transport({
      method = "POST",
      url = url "/",
      headers = { Host = support.HOST, host = support.HOST, ["Content-Type"] = "application/json" },
      body = "{}",
    }, 1)
    assert.truthy(response.body:find("no Host header, or more than one", 1, true))
  end)
end)

describe("emulator under hostile requests", function()
  -- A generator of its own: the same bytes on every Lua.
  local state = 1
  local function random(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end

  local PIECES = {
    "\0", "\255\254", "%", "%00", "&", "=", "a", "Action", "Action=ModifyImageAttributes", "imageId",
    "{", "}", "[", "]", '"', ":", ",", "null", "1e999", "-0", ("["):rep(100), "\\ud800", "\\u0000",
    "ImageIds", "Filters", "名", "\r\n", "Signature", "Timestamp=1", ("9"):rep(400), "imageIds.0", "%s%d%n",
  }

  local function piece()
    local parts = {}
    for i = 1, random(12) do
      parts[i] = PIECES[random(#PIECES)]
    end
    return table.concat(parts)
  end

  it("answers each in JSON and goes on", function()
    local emulator, call, call3 = support.new()
    for _ = 1, 3000 do
      local headers = {}
      for _ = 1, random(4) do
        local names = { "authorization", "content-type", "x-tc-action", "x-tc-timestamp", piece() }
        headers[names[random(#names)]] = random(5) == 1 and { piece(), piece() } or piece()
      end
      local response = emulator:handle {
        method = ({ "GET", "POST", "PUT", piece() })[random(4)],
        scheme = "http",
        host = random(5) > 1 and piece() or nil,
        path = ({ "/", "/v2/index.php", "/_emulator/faults", "/_emulator/images", piece() })[random(5)],
        query = random(2) == 1 and piece() or nil,
        headers = headers,
        body = random(4) > 1 and piece() or nil,
      }
      assert.equal("table", type(cjson.decode(response.body)))
      assert.truthy(text.utf8len(response.body))
    end
    emulator:reset()
    assert.equal(0, call("DescribeImages", { imageType = 1 }).code)
    assert.is_nil(call3("DescribeImages", "{}").Error)
  end)

  it("takes no odd value of a signed request for granted", function()
    local _, call, call3 = support.new()
    for action in pairs(require "qcimage.emulator.api2.actions") do
      for _ = 1, 30 do
        local params = {}
        for _ = 1, random(4) do
          local names = { "imageId", "imageName", "imageIds.0", "uinList.0", "dstRegion.0", "limit", piece() }
          params[names[random(#names)]] = piece()
        end
        local answer = call(action, params)
        assert.equal("number", type(answer.code))
        assert.not_equal(6000, answer.code)
      end
    end
    local values = { "null", "[]", "{}", '""', "0", "-1", "1.5", "1e308", "true", '[""]', "[null]", "[[]]", "[{}]", '{"a":{}}' }
    for action, definition in pairs(require "qcimage.emulator.api3.actions") do
      local names = {}
      for name in pairs(definition.params) do
        names[#names + 1] = name
      end
      for _, name in ipairs(names) do
        for _, value in ipairs(values) do
          local answer = call3(action, ('{"%s":%s}'):format(name, value))
          assert.equal("string", type(answer.RequestId))
        end
      end
    end
  end)
end)
