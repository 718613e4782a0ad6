--- What a test can set, ask and make go wrong: covers emulator.lua, and emulator/faults.lua, journal.lua and control.lua.

local cjson = require "cjson"
local support = require "spec.support.emulator"

local emulatorModule = require "qcimage.emulator"
local text = require "qcimage.emulator.text"

local MODIFY = { imageId = "img-12345678", imageName = "web-02" }

-- Holds that a function raises words at the line of the function itself.
local function raisesHere(words, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(words, 1, true), message)
  local line = tonumber(message:match "emulator_spec%.lua:(%d+): ")
  local about = debug.getinfo(f, "S")
  assert.is_true(line ~= nil and line >= about.linedefined and line <= about.lastlinedefined, message)
end

describe("emulator's options", function()
  it("are checked", function()
    assert.has_error(function()
      emulatorModule.new { imagez = {} }
    end, "the emulator has no option imagez, did you mean images?")
    assert.has_error(function()
      emulatorModule.new { rateLimit = "10" }
    end, 'the emulator\'s option rateLimit must be a whole number from 0 to 1000000, not "10"')
    for words, images in pairs {
      ["imageId must be"] = { { imageId = "img-1" } },
      ["imageId is missing"] = { {} },
      ["occurs twice"] = { { imageId = "img-00000001" }, { imageId = "img-00000001" } },
      ["has no field name"] = { { imageId = "img-00000001", name = "x" } },
      ["did you mean imageName?"] = { { imageId = "img-00000001", imagename = "x" } },
      ["images[1].imageName must be a string"] = { { imageId = "img-00000001", imageName = 1 } },
      ["images[1].imageType must be one of PRIVATE_IMAGE"] = { { imageId = "img-00000001", imageType = "MY_IMAGE" } },
      ["images[1] must be an object"] = { "img-00000001" },
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
      ["fault.kind must be one of delay, dropAfter"] = { kind = "x" },
      ['not "dropafter"'] = { kind = "dropafter" },
      ["fault.kind is missing"] = {},
      ["must be an object"] = "throttle",
      ["no field dealy, did you mean delay?"] = { kind = "delay", dealy = 1 },
      ["fault.delay must be a number"] = { kind = "delay", delay = "1" },
      ["fault.delay is missing"] = { kind = "delay" },
      ["fault.status is missing"] = { kind = "status" },
      ["cannot be combined"] = { kind = "throttle", count = 1, seconds = 1 },
      ["fault.count must be a whole number from 1"] = { kind = "throttle", count = -1 },
      ["fault.lag is missing"] = { kind = "lag" },
      ["fault.pause is missing"] = { kind = "trickle" },
      ["must be DescribeImages"] = { kind = "lag", lag = 1, action = "CreateImage" },
    } do
      raisesHere(words, function()
        emulator:fault(fault)
      end)
    end
    raisesHere("fault must be an object", function()
      emulator:fault(nil)
    end)
    assert.same({}, emulator.faults:list(0))
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
    assert.same({}, emulator.faults:list(0))
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
    emulator:set { clockOffset = 900 }
    local answer, response = modify()
    assert.equal(4500, answer.code)
    assert.equal("Tue, 14 Nov 2023 22:28:20 GMT", response.headers.date)
    assert.equal("AuthFailure.SignatureExpire", call3("DescribeImages", "{}").Error.Code)
    raisesHere("settings.clockOffset must be a number", function()
      emulator:set { clockOffset = "900" }
    end)
    raisesHere("settings has no field clockOfset, did you mean clockOffset?", function()
      emulator:set { clockOfset = 900 }
    end)
  end)

  it("let DescribeImages lag behind changes", function()
    local now = support.NOW
    emulator, call, call3 = support.new {
      clock = function()
        return now
      end,
    }
    local function seen()
      return call("DescribeImages", { imageType = 1, ["imageIds.0"] = "img-12345678" }).imageSet[1].imageName
    end
    emulator:fault { kind = "lag", lag = 5, seconds = 60 }
    assert.equal(0, modify().code)
    now = now + 3
    assert.equal(0, call("ModifyImageAttributes", { imageId = "img-12345678", imageName = "web-03" }).code)
    assert.equal("web-01", seen())
    now = now + 2 -- the first change is five seconds old
    assert.equal("web-02", seen())
    local ids = { ImageIds = { "img-12345678" } }
    assert.equal("web-02", call3("DescribeImages", ids, { time = now }).ImageSet[1].ImageName)
    nameIs "web-03"
    now = now + 3
    assert.equal("web-03", seen())
  end)

  it("let DescribeImages miss a new image, and show one that is gone", function()
    emulator:fault { kind = "lag", lag = 1, count = 2 }
    local new = call("CreateImage", { instanceId = "ins-stopped1", imageName = "new-1" })
    assert.equal(0, new.code)
    assert.equal(0, call("DeleteImages", { ["imageIds.0"] = "img-0abc12de" }).code)
    local function names()
      local list = {}
      for i, image in ipairs(call("DescribeImages", { imageType = 1 }).imageSet) do
        list[i] = image.imageName
      end
      return list
    end
    assert.same({ "web-01", "db-01", "making" }, names())
    assert.same({ "web-01", "db-01", "making" }, names())
    assert.same({ "web-01", "making", "new-1" }, names())
  end)

  it("keep the images of 100 changes at most, and of none that is too long ago", function()
    local now = support.NOW
    emulator, call = support.new {
      clock = function()
        return now
      end,
    }
    emulator:fault { kind = "lag", lag = 5, seconds = 60 }
    for i = 1, 101 do
      assert.equal(0, call("ModifyImageAttributes", { imageId = "img-12345678", imageName = "n" .. i }).code)
    end
    assert.equal(100, #emulator.store.past)
    now = now + 5
    assert.equal(0, call("ModifyImageAttributes", { imageId = "img-12345678", imageName = "last" }).code)
    assert.equal(1, #emulator.store.past)
  end)

  it("let an answer come byte by byte", function()
    emulator:fault { kind = "trickle", pause = 0.5 }
    local _, response = modify()
    assert.equal(0.5, response.pause)
    nameIs "web-02"
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
    for i = 1, 2005 do
      request.query = "Action=" .. ("x"):rep(i == 2005 and 5000 or 5)
      emulator:handle(request)
    end
    local entries, forgotten = emulator:journal()
    assert.same({ 2000, 5 }, { #entries, forgotten })
    assert.is_true(#entries[2000].action > 1000 and #entries[2000].action < 1200)
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
    local _, state = control("GET", "state")
    assert.equal("web-02", state.images[1].imageName)
    assert.equal(200, (control("PUT", "state", '{"images":[{"imageId":"img-00000009"}]}')))
    assert.equal("img-00000009", emulator:images()[1].imageId)
    assert.equal(400, (control("PUT", "state", '{"settings":{"ratelimit":1}}')))
    assert.equal(200, (control("PUT", "state", '{"settings":{"rateLimit":1}}')))
    assert.equal(1, emulator:state().settings.rateLimit)
    assert.equal(200, (control("POST", "reset")))
    assert.equal(5, #emulator:images())
    control("DELETE", "journal")
    assert.same({}, emulator:journal())
  end)

  it("takes back the state that it gives", function()
    emulator:setImages {
      { imageId = "img-00000001", tags = { { key = "env", value = "test" } }, sharedWith = { "200" } },
      { imageId = "img-00000002", imageState = "CREATING", createSeconds = 7, imageFamily = "web" },
      { imageId = "img-00000003", snapshotIds = {}, imageDeprecated = true },
    }
    local function shown()
      return emulator:handle({ method = "GET", scheme = "http", host = "x", path = "/_emulator/state", headers = {} }).body
    end
    local given = shown()
    for _, empty in ipairs { '"tags":[]', '"sharedWith":[]', '"snapshotIds":[]' } do
      assert.truthy(given:find(empty, 1, true), given)
    end
    emulator:setImages {}
    assert.equal(200, (control("PUT", "state", given)))
    assert.equal(given, shown())
    emulator:setImages(emulator:images())
    assert.equal(given, shown())
  end)

  it("says what is wrong", function()
    local _, answer = control("POST", "faults", '{"kind":"dropafter"}')
    assert.truthy(answer.error:find("^fault.kind must be one of delay, "), answer.error)
    _, answer = control("GET", "journl")
    assert.equal("no path /_emulator/journl here, did you mean journal?", answer.error)
    for _, case in ipairs {
      { 404, "GET", "nothing" },
      { 405, "PUT", "journal" },
      { 400, "POST", "faults", "{" },
      { 400, "POST", "faults" },
      { 400, "POST", "faults", '{"kind":"x"}' },
      { 400, "POST", "faults", '["x"]' },
      { 400, "POST", "faults", '[{"kind":"throttle","count":null}]' },
      { 405, "POST", "state", "{}" },
      { 400, "PUT", "state", '{"settings":{"x":1}}' },
      { 400, "PUT", "state", "1" },
      { 400, "PUT", "state" },
      { 400, "PUT", "state", '{"images":{"a":1}}' },
      { 400, "PUT", "state", '{"images":[{"imageId":"x"}]}' },
      { 400, "PUT", "state", '{"images":[{"imageId":"img-00000001","tags":[1]}]}' },
      { 400, "PUT", "state", '{"images":[{"imageId":"img-00000001","sharedWith":[null]}]}' },
    } do
      local status
      status, answer = control(case[2], case[3], case[4])
      assert.equal(case[1], status, case[3] .. " " .. tostring(case[4]))
      assert.equal("string", type(answer.error))
      assert.equal(5, #emulator:images())
    end
  end)
end)

describe("emulator as a transport", function()
  it("raises a wrong option at the caller's line", function()
    raisesHere("the emulator has no option iamges, did you mean images?", function()
      local _ = emulatorModule.transport { iamges = {} }
    end)
    raisesHere("the emulator has no option rateLimits, did you mean rateLimit?", function()
      local _ = emulatorModule.new { rateLimits = 1 }
    end)
    raisesHere("imageId must be img-", function()
      local _ = emulatorModule.transport { images = { { imageId = "x" } } }
    end)
    raisesHere("imageId must be img-", function()
      emulatorModule.new({ digests = support.digests() }):setImages { { imageId = "x" } }
    end)
    raisesHere("images must be a list", function()
      emulatorModule.new({ digests = support.digests() }):setImages()
    end)
  end)

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
      transport(
        { method = "POST", url = url "/v2/index.php", headers = { host = support.HOST }, body = request.body },
        left
      )
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

  -- stylua: ignore
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
        path = ({ "/", "/v2/index.php", "/_emulator/faults", "/_emulator/state", piece() })[random(5)],
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
    local values =
      { "null", "[]", "{}", '""', "0", "-1", "1.5", "1e308", "true", '[""]', "[null]", "[[]]", "[{}]", '{"a":{}}' }
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
