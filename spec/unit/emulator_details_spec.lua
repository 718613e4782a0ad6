--- Details of the emulator that other specs touch in passing: the statuses of its own paths, ranges of faults, states,
--- what its journal says was applied, its texts.

local cjson = require "cjson"
local emulators = require "spec.support.emulator"
local faults = require "qcimage.emulator.faults"
local guard = require "qcimage.emulator.replay_guard"
local journals = require "qcimage.emulator.request_log"
local httpdate = require "qcimage.util.http_date"
local json = require "qcimage.emulator.json"
local regions = require "qcimage.emulator.regions"
local text = require "qcimage.emulator.text"

local function asked(emulator, method, path, body)
  local response = emulator:handle {
    method = method,
    scheme = "http",
    host = emulators.HOST,
    path = path,
    query = "",
    headers = {},
    body = body,
  }
  return response.status, response.body, response
end

describe("the path /_emulator/", function()
  local function control(method, path, body)
    local status, answer = asked(emulators.new(), method, "/_emulator/" .. path, body)
    return status, cjson.decode(answer)
  end

  it("answers 200 and ok for what was done", function()
    for _, case in ipairs {
      { "DELETE", "journal" },
      { "DELETE", "faults" },
      { "DELETE", "keys" },
      { "POST", "reset" },
      { "PUT", "state", '{"settings":{"clockOffset":5}}' },
      { "PUT", "state", '{"images":[{"imageId":"img-12345678"}]}' },
      { "PUT", "state", '{"images":[],"instances":[]}' },
      { "PUT", "state", "{}" },
      { "POST", "faults", '{"kind":"dropAfter"}' },
      { "POST", "faults", '[{"kind":"dropAfter"},{"kind":"throttle"}]' },
    } do
      local status, answer = control(case[1], case[2], case[3])
      assert.same({ 200, { ok = true } }, { status, answer }, case[2])
    end
  end)

  it("answers 200 and what was asked for", function()
    for path, field in pairs { [""] = "apiVersions", journal = "entries", state = "images", faults = "faults" } do
      local status, answer = control("GET", path)
      assert.equal(200, status, path)
      assert.is_table(answer[field], path)
    end
    assert.equal(0, select(2, control("GET", "journal")).forgotten)
  end)

  it("answers 400, 404 or 405 for what cannot be", function()
    for _, case in ipairs {
      { 400, "POST", "faults", '{"kind":"nonsense"}' },
      { 400, "POST", "faults", '[{"kind":"dropAfter"},{"kind":"nonsense"}]' },
      { 400, "POST", "faults", "" },
      { 400, "PUT", "state", '{"imageId":"img-12345678"}' },
      { 400, "PUT", "state", "7" },
      { 400, "PUT", "state", "{" },
      { 404, "GET", "images" },
      { 404, "POST", "settings", "{}" },
      { 405, "DELETE", "state" },
      { 405, "GET", "reset" },
    } do
      local status, answer = control(case[2], case[3], case[4])
      assert.equal(case[1], status, case[3])
      assert.is_string(answer.error)
    end
  end)
end)

describe("the path of the metadata service", function()
  local function metadata(path, fault, method)
    local emulator = emulators.new { metadata = true }
    if fault then
      fault.action = "metadata"
      emulator:fault(fault)
    end
    return asked(emulator, method or "GET", "/latest/meta-data/" .. path)
  end

  it("answers a status that fits", function()
    for path, expected in pairs {
      ["placement/region"] = 200,
      ["cam/security-credentials/"] = 200,
      ["cam/security-credentials"] = 404,
      ["cam/security-credentialsx"] = 404,
      ["cam/security-credentials/nobody"] = 404,
      ["instance-id"] = 404,
    } do
      assert.equal(expected, (metadata(path)), path)
    end
    local _, role = metadata "cam/security-credentials/"
    assert.equal(200, (metadata("cam/security-credentials/" .. role)))
    assert.equal(405, (metadata("placement/region", nil, "PUT")))
  end)

  it("is in the journal, with 0 for a success and the status otherwise", function()
    local emulator = emulators.new { metadata = true }
    for path, code in pairs { ["placement/region"] = 0, ["instance-id"] = 404 } do
      emulator:clearJournal()
      asked(emulator, "GET", "/latest/meta-data/" .. path)
      local entries = emulator:journal()
      assert.same({ "metadata", code, false }, { entries[1].action, entries[1].code, entries[1].applied })
    end
  end)

  it("can be made to misbehave", function()
    for kind, expected in pairs {
      dropBefore = { 200, true },
      dropAfter = { 200, true },
      throttle = { 429 },
      errorBefore = { 500 },
      errorAfter = { 500 },
    } do
      local status, _, response = metadata("placement/region", { kind = kind })
      assert.same({ kind, expected[1], expected[2] }, { kind, status, response.drop })
    end
    local status, body = metadata("placement/region", { kind = "status", status = 418, body = "tea" })
    assert.same({ 418, "tea" }, { status, body })
    local _, _, response = metadata("placement/region", { kind = "delay", delay = 2 })
    assert.same({ 200, 2 }, { response.status, response.delay })
  end)
end)

describe("a fault", function()
  local function problemOf(fault)
    return faults.new():add({ fault }, 0)
  end

  it("needs the field of its kind, in its range", function()
    for kind, case in pairs {
      delay = { "delay", 0, 1e9 },
      status = { "status", 200, 599 },
      lag = { "lag", 0, 1e9 },
      trickle = { "pause", 0, 1e9 },
    } do
      local function problem(value)
        return problemOf { kind = kind, [case[1]] = value }
      end
      assert.is_nil(problem(case[2]))
      assert.is_nil(problem(case[3]))
      assert.equal(("fault.%s is missing: the kind %s needs it"):format(case[1], kind), problem(nil))
      assert.is_string(problem(case[2] - 1))
      assert.is_string(problem(case[3] + 1))
    end
    for kind, about in pairs(faults.KINDS) do
      local given = { kind = kind, delay = 1 }
      if about.needs then
        given[about.needs] = ({ code = "X.Y", status = 200 })[about.needs] or 1
      end
      assert.is_nil(problemOf(given), kind)
      given.count, given.seconds = 1, 1
      assert.matches("cannot be combined", problemOf(given))
      for _, name in ipairs { "count", "every", "seconds", "delay", "status", "lag", "pause" } do
        assert.matches("fault." .. name .. " must be a %l*%s?number", problemOf { kind = kind, [name] = "1" })
        assert.matches("fault." .. name .. " must be a %l*%s?number", problemOf { kind = kind, [name] = 1e9 + 1 })
      end
      for _, name in ipairs { "action", "body", "message" } do
        assert.matches("fault." .. name .. " must be a string", problemOf { kind = kind, [name] = 1 })
      end
    end
    assert.matches("must be DescribeImages", problemOf { kind = "lag", lag = 1, action = "CreateImage" })
    assert.is_nil(problemOf { kind = "lag", lag = 1, action = "DescribeImages" })
  end)

  it("that is wrong keeps out those that come with it", function()
    local list = faults.new()
    assert.equal("faults[2].kind is missing", list:add({ { kind = "throttle" }, {} }, 0))
    assert.same({}, list:list(0))
  end)

  it("hits as many requests, or as long, as it says, and 100 wait at most", function()
    local list = faults.new()
    list:add({ { kind = "throttle", count = 2, action = "A" }, { kind = "dropAfter", seconds = 10 } }, 0)
    assert.equal("throttle", list:take("A", {}, 1).kind)
    assert.equal("dropAfter", list:take("B", {}, 1).kind)
    assert.is_nil(list:take("B", { faultsByName = true }, 1)) -- it names no action
    assert.equal("throttle", list:take("A", {}, 1).kind)
    assert.equal("dropAfter", list:take("A", {}, 9.9).kind)
    assert.is_nil(list:take("A", {}, 10))
    assert.same({}, list:list(10))
    assert.is_nil(list:longestLag())
    for i = 1, 100 do
      assert.is_nil(list:add({ { kind = "lag", lag = i % 7 } }, 0))
    end
    assert.equal("at most 100 faults can wait", list:add({ { kind = "throttle" } }, 0))
    assert.equal(6, list:longestLag())
    assert.is_nil(list:take("A", {}, 0)) -- they hit DescribeImages alone
    assert.equal("lag", list:take("DescribeImages", {}, 0).kind)
  end)
end)

describe("a nonce", function()
  it("is remembered while its timestamp is good, however many come in that second", function()
    local seen = guard.new()
    for _, nonce in ipairs { "1", "2", "3", "4" } do
      assert.is_true(seen:takeNonce("id", nonce, 1000, 1000))
    end
    for _, nonce in ipairs { "1", "2", "3", "4" } do
      assert.is_false(seen:takeNonce("id", nonce, 1000, 1000))
      assert.is_false(seen:takeNonce("id", nonce, 1000, 1300))
      assert.is_true(seen:takeNonce("id", nonce, 1001, 1000))
      assert.is_true(seen:takeNonce("other", nonce, 1000, 1000))
    end
  end)

  it("is remembered as long as its timestamp is in time, also one ahead of the clock", function()
    local seen = guard.new()
    for now = 1000, 4000, 50 do
      assert.is_true(seen:takeNonce("id", "1", now + guard.WINDOW, now))
      for then_ = math.max(1000, now - 2 * guard.WINDOW), now, 50 do
        assert.is_false(seen:takeNonce("id", "1", then_ + guard.WINDOW, now))
      end
    end
  end)

  it("is forgotten at last, and is one of 250,000 at most", function()
    local seen = guard.new()
    for now = 1000, 3000, 500 do
      assert.is_true(seen:takeNonce("id", "1", now, now))
    end
    assert.is_true(seen:takeNonce("id", "1", 1000, 3000))
    assert.equal(250000, guard.MAX_NONCES)
    finally(function()
      guard.MAX_NONCES = 250000
    end)
    guard.MAX_NONCES, seen = 3, guard.new()
    for nonce = 1, 9 do
      assert.is_true(seen:takeNonce("id", ("n%d"):format(nonce), 3000, 3000))
    end
    assert.is_false(seen:takeNonce("id", "n4", 3000, 3000))
    assert.is_true(seen:takeNonce("id", "n3", 3000, 3000))
  end)

  it("comes in time up to 300 s off", function()
    for _, off in ipairs { -300, 0, 300 } do
      assert.is_true(guard.inTime(1000 + off, 1000))
    end
    assert.is_false(guard.inTime(1301, 1000))
    assert.is_false(guard.inTime(699, 1000))
  end)
end)

describe("temporary keys", function()
  it("are forgotten when 1,000 newer ones were issued, those of a later state document, too", function()
    local emulator = emulators.new()
    local issued = {}
    local function issue(count)
      for _ = 1, count do
        issued[#issued + 1] = emulator.accounts:issue({ accountId = "1", arn = "a" }, 0, 60).secretId
      end
    end
    issue(1000)
    emulator:setState { accounts = emulator:state().accounts }
    assert.truthy(emulator.accounts:find(issued[1]))
    issue(2)
    for i, secretId in ipairs(issued) do
      assert.equal(i > 2, emulator.accounts:find(secretId) ~= nil, i)
    end
  end)
end)

describe("a rate", function()
  it("counts each action's calls of a second", function()
    local seen = guard.new()
    for _ = 1, 3 do
      assert.is_true(seen:admit("A", 5.2, 3))
    end
    assert.is_false(seen:admit("A", 5.9, 3))
    assert.is_true(seen:admit("B", 5.9, 3))
    assert.is_true(seen:admit("A", 6, 3))
    assert.is_true(seen:admit("A", 6, 0))
  end)
end)

describe("a request of API 2.0", function()
  local emulator

  before_each(function()
    emulator = emulators.new()
  end)

  -- The message that refuses a request, or nil.
  local function refused(request)
    local answer = cjson.decode(emulator:handle(request).body)
    return answer.code ~= 0 and answer.message or nil
  end

  it("has a nonce and a timestamp of up to 20 digits", function()
    local params = { Action = "DescribeImages", imageType = 1, Nonce = ("1"):rep(20) }
    assert.is_nil(refused(emulators.v2(params)))
    for _, nonce in ipairs { ("1"):rep(21), "-1", "1.5", "x" } do
      params.Nonce = nonce
      assert.matches("the parameter Nonce must be a whole number", refused(emulators.v2(params)))
    end
    params.Nonce, params.Timestamp = 5, "+1700000000"
    assert.matches("the parameter Timestamp must be a whole number", refused(emulators.v2(params)))
  end)

  it("may have 32 KiB in its query and 1 MiB in its body, and not one more", function()
    for method, most in pairs { GET = 32768, POST = 1048576 } do
      local what = method == "GET" and "query" or "body"
      for _, size in ipairs { most, most + 1 } do
        -- what comes first is its length: what is in it need not be right
        local request = emulators.v2({ Action = "DescribeImages" }, { method = method })
        local source = ("a"):rep(size - 2) .. "=b"
        request.query, request.body = method == "GET" and source or "", method == "POST" and source or nil
        local message = refused(request)
        if size == most then
          assert.equal("the parameter Action is missing", message)
        else
          assert.equal(("the %s is longer than %d bytes"):format(what, most), message)
        end
      end
    end
  end)

  it("has numbers of up to nine digits, and indices of up to four", function()
    local function asking(name, value)
      return refused(emulators.v2 { Action = "DescribeImages", imageType = 1, [name] = value })
    end
    assert.is_nil(asking("offset", "999999999"))
    assert.matches("offset must be a number from 0 to 999999999", asking("offset", "1000000000"))
    assert.matches("offset must be a number", asking("offset", "1x"))
    assert.is_nil(asking("imageIds.0", "img-12345678"))
    assert.is_nil(asking("imageIds.1", "img-12345678")) -- as some examples have it
    assert.matches("numbered from 0 on without gaps", asking("imageIds.2", "img-12345678"))
    assert.matches("without gaps", asking("imageIds.9999", "img-12345678"))
    assert.matches("has an odd index", asking("imageIds.10000", "img-12345678"))
    assert.matches("has an odd index", asking("imageIds.00", "img-12345678"))
  end)
end)

describe("a host", function()
  it("of the public cloud must be that of the service", function()
    local _, v2, v3 = emulators.new()
    for host, expected in pairs {
      ["cvm.tencentcloudapi.com"] = true,
      ["cvm.ap-guangzhou.tencentcloudapi.com"] = true,
      ["CVM.tencentcloudapi.com:443"] = true,
      ["cvm.tencentcloudapi.cn"] = true,
      ["cvm.tencentcloudapi.com.cn"] = true,
      ["image.api.example"] = true,
      ["cbs.tencentcloudapi.com"] = false,
      ["cbs.tencentcloudapi.cn"] = false,
      ["cbs.ap-guangzhou.tencentcloudapi.com.cn"] = false,
      ["image.api.qcloud.com"] = false,
    } do
      local answer = v3("DescribeImageQuota", "{}", { host = host })
      assert.equal(not expected and "NoSuchProduct" or nil, answer.Error and answer.Error.Code, host)
    end
    for host, expected in pairs {
      ["image.api.qcloud.com"] = 0,
      ["image.api.qcloud.com:443"] = 0,
      ["IMAGE.api.qcloud.com"] = 0,
      ["cvm.api.qcloud.com"] = 0,
      ["image.api.example"] = 0,
      ["cbs.api.qcloud.com"] = 6100,
      ["cvm.tencentcloudapi.com"] = 6100,
    } do
      assert.equal(expected, v2("DescribeImages", { imageType = 1 }, { host = host }).code, host)
    end
  end)
end)

describe("an action of STS", function()
  it("has these parameters", function()
    local sts = require "qcimage.emulator.api3.sts"
    local ROLE = "RoleArn RoleSessionName DurationSeconds "
    for action, names in pairs {
      AssumeRole = ROLE .. "Policy ExternalId Tags SourceIdentity SerialNumber TokenCode",
      AssumeRoleWithWebIdentity = ROLE .. "ProviderId WebIdentityToken",
      GetCallerIdentity = "",
    } do
      local count = 0
      for name in names:gmatch "%S+" do
        count = count + 1
        local rule = sts[action].params[name]
        local kind = name == "DurationSeconds" and "integer" or name == "Tags" and "objects" or "string"
        assert.equal(kind, rule.type, name)
        local isRequired = name:find "^Role" or name == "ProviderId" or name == "WebIdentityToken"
        assert.equal(isRequired and true or nil, rule.required, name)
      end
      for _ in pairs(sts[action].params) do
        count = count - 1
      end
      assert.equal(0, count, action)
    end
    assert.same({ Key = { type = "string" }, Value = { type = "string" } }, sts.AssumeRole.params.Tags.fields)
    assert.equal(0, sts.AssumeRole.params.DurationSeconds.least)
    assert.equal(sts.LONGEST, sts.AssumeRole.params.DurationSeconds.most)
  end)
end)

describe("an image's state", function()
  local CODE = "InvalidImageId.IncorrectState"

  it("decides whether it can be changed and deleted", function()
    for state, expected in pairs {
      NORMAL = {},
      USING = { nil, CODE },
      CREATING = { CODE, CODE },
      SYNCING = { CODE, CODE },
      COPYING = { CODE, CODE },
      IMPORTING = { CODE, CODE },
      CREATEFAILED = { CODE, nil },
    } do
      local _, _, v3 = emulators.new { images = { { imageId = "img-12345678", imageState = state } } }
      local changed = v3("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = "new" })
      assert.equal(expected[1], changed.Error and changed.Error.Code, state)
      local deleted = v3("DeleteImages", { ImageIds = { "img-12345678" } })
      assert.equal(expected[2], deleted.Error and deleted.Error.Code, state)
    end
  end)
end)

describe("the journal", function()
  local IMAGE = "img-12345678"
  local ACCOUNTS = { "100000000002" }

  it("says of each action whether it was applied", function()
    for _, case in ipairs {
      { 3, true, "ModifyImageAttribute", { ImageId = IMAGE, ImageName = "new" } },
      { 3, true, "CreateImage", { ImageName = "made", InstanceId = "ins-stopped1" } },
      { 3, true, "DeleteImages", { ImageIds = { IMAGE } } },
      { 3, true, "SyncImages", { ImageIds = { IMAGE }, DestinationRegions = { "ap-beijing" } } },
      { 3, true, "ModifyImageSharePermission", { ImageId = IMAGE, AccountIds = ACCOUNTS, Permission = "SHARE" } },
      { 3, false, "DescribeImages", { ImageIds = { IMAGE } } },
      { 3, false, "DescribeImageQuota", "{}" },
      { 3, false, "DeleteImages", { ImageIds = { IMAGE }, DryRun = true } },
      { 3, false, "ModifyImageAttribute", { ImageId = "img-nothere1", ImageName = "new" } },
      { 2, true, "ModifyImageAttributes", { imageId = IMAGE, imageName = "new" } },
      { 2, true, "CreateImage", { imageName = "made", instanceId = "ins-stopped1" } },
      { 2, true, "DeleteImages", { ["imageIds.0"] = IMAGE } },
      { 2, true, "SyncCvmImage", { srcRegion = "gz", ["imgIdList.0"] = IMAGE, ["dstRegion.0"] = "bj" } },
      { 2, true, "ShareImage", { imageId = IMAGE, ["uinList.0"] = ACCOUNTS[1] } },
      { 2, false, "DescribeImages", { imageType = 1 } },
      { 2, false, "DeleteImages", { ["imageIds.0"] = "img-nothere1" } },
    } do
      local emulator, v2, v3 = emulators.new()
      local call = case[1] == 3 and v3 or v2
      call(case[3], case[4])
      local entries = emulator:journal()
      assert.equal(1, #entries)
      assert.equal(case[2], entries[1].applied, ("%s of API %d.0"):format(case[3], case[1]))
    end
  end)
end)

local function holdsSecret(value)
  return value:find("s3cret", 1, true) ~= nil
end

describe("a journal", function()
  it("keeps the last 2,000 entries, and counts those it forgot", function()
    local journal = journals.new(holdsSecret)
    for i = 1, 2003 do
      journal:add { action = "a" .. i }
    end
    local list = journal:list()
    assert.equal(2000, #list)
    assert.equal(3, journal.forgotten)
    assert.same({ "a4", "a2003" }, { list[1].action, list[2000].action })
  end)

  it("keeps of an entry what is bounded and no secret", function()
    local journal = journals.new(holdsSecret)
    local params = {}
    for i = 1, 50 do
      params["p" .. i] = "v"
    end
    journal:add {
      params = params,
      short = ("x"):rep(1100),
      long = ("x"):rep(1101),
      hidden = "a s3cret b",
      deep = { { { { { { "too deep" } } } } } },
      flag = true,
    }
    local entry, count = journal:list()[1], 0
    for _ in pairs(entry.params) do
      count = count + 1
    end
    assert.equal(40, count)
    assert.equal(1100, #entry.short)
    assert.equal(("x"):rep(1100) .. "...", entry.long)
    assert.equal("***", entry.hidden)
    assert.same({ { { { { "..." } } } } }, entry.deep)
    assert.is_true(entry.flag)
  end)
end)

describe("regions without a short code", function()
  it("are known, too", function()
    local known = regions.set()
    for _, long in ipairs { "ap-jakarta", "sa-saopaulo" } do
      assert.is_true(known[long])
      assert.equal(long, regions.long(long))
    end
    local count = 0
    for _ in pairs(known) do
      count = count + 1
    end
    assert.equal(24, count)
    assert.same({ ["ap-guangzhou"] = true, ["ap-x"] = true }, regions.set { "gz", "ap-x" })
  end)
end)

describe("a text of the emulator", function()
  it("has its escapes in JSON", function()
    assert.equal([["\"\\\n\r\t\u0000\u001f\u007f/"]], json.encode '"\\\n\r\t\0\31\127/')
    assert.equal("[]", json.encode(json.list {}))
    assert.equal(
      '{"a":[1,2.500],"b":{},"c":true,"d":null}',
      json.encode {
        a = { 1, 2.5 },
        b = {},
        c = true,
        d = json.null,
      }
    )
  end)

  it("is mended byte by byte where it is not UTF-8", function()
    assert.equal("a中b", text.repair "a中b")
    assert.equal("a\239\191\189中\239\191\189\239\191\189b", text.repair "a\255中\228\184b")
    assert.equal(5, text.utf8len "a中b𐍈c")
    assert.is_nil(text.utf8len "\228\184")
  end)

  it("is cut where it is too long for a line", function()
    assert.equal(("a"):rep(60), text.show(("a"):rep(60)))
    assert.equal(("a"):rep(60) .. "...", text.show(("a"):rep(61)))
    assert.equal("ab...", text.show("abc", 2))
    assert.equal("a\\nb?", text.show "a\nb\27")
    assert.equal("a number", text.show(5))
  end)

  it("hides the middle of an id", function()
    assert.equal("AKID****6789", text.mask "AKID0123456789xx6789")
    assert.equal("AKID****CDEF", text.mask "AKID456789ABCDEF")
    assert.equal("A****", text.mask "AKID456789ABCDE")
  end)

  it("suggests the nearest of the known names, or names all", function()
    local known = { imageName = 1, imageState = 1, region = 1 }
    for name, nearest in pairs {
      imageNam = "imageName",
      imagName = "imageName",
      iimageName = "imageName",
      imageNome = "imageName",
      imageStat = "imageState",
      regoin = "region",
      REGION = "region",
    } do
      assert.equal((", did you mean %s?"):format(nearest), text.suggestion(name, known), name)
    end
    for _, name in ipairs { "xyz", "regi", "r", ("region"):rep(7) } do
      local expected = name == "regi" and ", did you mean region?" or ": there are imageName, imageState, region"
      assert.equal(expected, text.suggestion(name, known))
    end
    assert.equal(": there are imageName, imageState, region", text.suggestion("reg", known))
  end)
end)

describe("dates", function()
  -- Each day of some years, among them those around leap days, at a different second.
  local function each(body)
    for day = 0, 365 * 60, 11 do
      body(day * 86400 + day * 7919 % 86400)
    end
    for _, time in ipairs { 951782399, 951782400, 951868800, 4107542399, 4107542400, 253402300799 } do
      body(time)
    end
  end

  it("of the emulator are those of the C library, and the client reads them", function()
    each(function(time)
      local date = text.httpDate(time)
      assert.equal(os.date("!%a, %d %b %Y %H:%M:%S GMT", time), date)
      assert.equal(time, httpdate.parse(date, time))
    end)
  end)

  it("are read by the client in all three forms", function()
    each(function(time)
      if time < 2e9 then
        assert.equal(time, httpdate.parse(os.date("!%A, %d-%b-%y %H:%M:%S GMT", time), time))
        assert.equal(time, httpdate.parse(os.date("!%a %b %d %H:%M:%S %Y", time), time))
      end
    end)
    local now = 1700000000 -- in 2023: a year of two digits is at most 50 years ahead
    assert.equal("2073", os.date("!%Y", httpdate.parse("Tuesday, 14-Nov-73 22:13:20 GMT", now)))
    assert.equal("1974", os.date("!%Y", httpdate.parse("Tuesday, 14-Nov-74 22:13:20 GMT", now)))
  end)
end)
