--- Marked secrets through every source of credentials, whatever goes wrong: none of them in an error, a hook's record, a
--- warning or a dump of the client.

local clients = require "qcimage.client"
local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local credentials = require "qcimage.credentials"
local image = require "qcimage"

-- Words that stand in each secret again and again, so that a part of one is known, too.
local MARKS = { "kkMARK7", "ttMARK8", "wwMARK9" }
local KEY, TOKEN, IDENTITY = ("kkMARK7"):rep(5), ("ttMARK8"):rep(6), ("wwMARK9"):rep(6)
local METADATA = "http://metadata.test"

local texts, seen

local function note(value)
  if type(value) == "string" then
    texts[#texts + 1] = value
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    texts[#texts + 1] = tostring(value)
    for key, item in pairs(value) do
      note(key)
      note(item)
    end
    note(getmetatable(value))
  end
end

-- All that was sent, as one text: what a service might say of it.
local function sentBy(request)
  local parts = { request.url, request.body or "" }
  for name, value in pairs(request.headers) do
    parts[#parts + 1] = name .. ": " .. tostring(value)
  end
  return table.concat(parts, " ")
end

local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("[%z\1-\31]", "?") .. '"'
end

local function refusal(code, request)
  return ('{"Response": {"Error": {"Code": %s, "Message": %s}, "RequestId": "r"}}'):format(
    quoted(code),
    quoted(sentBy(request))
  )
end

local KEYS = ('"TmpSecretId": "AKIDtemporary", "TmpSecretKey": "%s", "Token": "%s"'):format(KEY, TOKEN)
local DOCUMENT = "{" .. KEYS .. ', "ExpiredTime": %d, "Code": "%s"}'

-- What STS, the metadata service and CVM answer, by the case.
local CASES = {
  well = {
    sts = '{"Response": {"Credentials": {' .. KEYS .. '}, "ExpiredTime": 1700007200, "RequestId": "r"}}',
    document = DOCUMENT:format(1700007200, "Success"),
    cvm = '{"Response": {"RequestId": "r"}}',
  },
  refused = {
    sts = "AuthFailure.TokenFailure",
    document = DOCUMENT:format(1700007200, "Success"),
    cvm = "AuthFailure.TokenFailure",
  },
  failing = { sts = "InternalError", document = { status = 500, body = KEY .. TOKEN }, cvm = "InternalError" },
  ended = {
    sts = '{"Response": {"Credentials": {' .. KEYS .. '}, "ExpiredTime": 1600000000, "RequestId": "r"}}',
    document = DOCUMENT:format(1600000000, "Success"),
  },
  endless = {
    sts = '{"Response": {"Credentials": {' .. KEYS .. '}, "RequestId": "r"}}',
    document = "{" .. KEYS .. ', "Code": "Success"}',
  },
  broken = { sts = '{"Response": {"Credentials": {' .. KEYS, document = "{" .. KEYS },
  odd = {
    sts = '{"Response": {"Credentials": {"TmpSecretId": "AK ID", "TmpSecretKey": "'
      .. KEY
      .. ' x"}, "ExpiredTime": 1700007200}}',
    document = '{"TmpSecretId": "AKID", "TmpSecretKey": "'
      .. KEY
      .. ' x", "Token": "t", "ExpiredTime": 1700007200, "Code": "Success"}',
  },
  cut = { sts = false, document = false, cvm = false },
}

local function transportOf(case)
  local function answer(what, request)
    if what == false or what == nil then
      return nil, "the connection broke after " .. sentBy(request), { reason = "closed" }
    elseif type(what) == "table" then
      return { status = what.status, headers = {}, body = what.body }
    elseif not what:find "^{" then
      return { status = 200, headers = {}, body = refusal(what, request) }
    end
    return { status = 200, headers = {}, body = what }
  end
  return function(request)
    if request.url:find "security%-credentials/$" then
      return { status = 200, headers = {}, body = "image-ops" }
    elseif request.url:find "/meta%-data/" then
      return answer(case.document, request)
    end
    return answer(request.url:find "//sts" and case.sts or not request.url:find "//sts" and case.cvm, request)
  end
end

describe("no secret of", function()
  local home, write, getenv, monotonic, pause

  -- The environment of the test, which the sources read.
  local environment

  -- Pauses take no time, but count.
  local slept = 0
  local function sleep(seconds)
    slept = slept + seconds
  end

  setup(function()
    monotonic, pause = core.monotonic, core.sleep
    core.sleep = sleep
    core.monotonic = function()
      return monotonic() + slept
    end
    getenv = os.getenv
    rawset(os, "getenv", function(name)
      return environment[name]
    end)
  end)

  teardown(function()
    rawset(os, "getenv", getenv)
    core.monotonic, core.sleep = monotonic, pause
  end)

  before_each(function()
    home, write = cloud.folder()
    environment = { HOME = home }
  end)

  after_each(function()
    cloud.remove(home)
  end)

  -- Calls in every case with options; the sources are made by a function, so that each case has fresh ones.
  local function call(make, some)
    local succeeded, failed = 0, 0
    texts, seen = {}, {}
    for _, case in pairs(some or CASES) do
      local options = make and make() or {}
      local all = {
        apiVersion = "3.0",
        region = "gz",
        metadata = METADATA,
        maxAttempts = 2,
        transport = transportOf(case),
        sleep = sleep,
        onAttempt = note,
        clock = function()
          return 1700000000
        end,
      }
      for name, value in pairs(options) do
        all[name] = value
      end
      local client = image.new(all)
      for _ = 1, 2 do
        local result, message, err = client:modify { imageId = "img-12345678", imageName = "a" }
        succeeded, failed = succeeded + (result and 1 or 0), failed + (result and 0 or 1)
        note(message)
        note(err)
      end
      note(client)
      note((clients.explain(client, 5)))
      local ok, problem = pcall(client.modify, client, KEY, { [TOKEN] = 1 })
      assert.is_false(ok)
      note(problem)
      client:close()
      note(client)
      local facts, err = clients.explain(client, 5)
      assert.is_nil(facts)
      assert.matches("the client is closed", err.message, 1, true)
    end
    note(cloud.warnings)
    assert.is_true(#texts > 50)
    for _, text in ipairs(texts) do
      for _, mark in ipairs(MARKS) do
        if text:find(mark, 1, true) then
          error(("%s in: %s"):format(mark, text))
        end
      end
    end
    return succeeded, failed
  end

  local SOME = { CASES.refused, CASES.broken }
  local OWN = { secretId = "AKIDown", secretKey = KEY, token = TOKEN }

  it("the CVM role shows", function()
    assert.same({ 2, 14 }, { call() })
  end)

  it("a role to assume shows", function()
    assert.same({ 2, 14 }, {
      call(function()
        return { credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = OWN } }
      end),
    })
    call(function()
      return {
        credentials = credentials.assumeRole {
          roleArn = cloud.ARN,
          credentials = credentials.cvm { address = METADATA },
        },
      }
    end)
  end)

  it("a web identity shows", function()
    write("token", IDENTITY)
    environment.TKE_REGION, environment.TKE_PROVIDER_ID, environment.TKE_ROLE_ARN = "gz", "cls-example", cloud.ARN
    environment.TKE_WEB_IDENTITY_TOKEN_FILE = home .. "/token"
    assert.same({ 2, 14 }, { call() })
    write("token", IDENTITY .. "\n" .. IDENTITY)
    call()
  end)

  it("the environment shows", function()
    environment.TENCENTCLOUD_SECRET_ID, environment.TENCENTCLOUD_SECRET_KEY = "AKIDown", KEY
    environment.TENCENTCLOUD_TOKEN = TOKEN
    call()
    environment.TENCENTCLOUD_ROLE_ARN = cloud.ARN
    call()
    environment.TENCENTCLOUD_SECRET_KEY = KEY .. "\n"
    call()
    environment.TENCENTCLOUD_SECRET_ID, environment.TENCENTCLOUD_SECRET_KEY = nil, KEY
    call()
  end)

  it("what a client says of its proxy shows", function()
    environment.https_proxy = "http://user:" .. KEY .. "@proxy.test:3128"
    for _, proxy in ipairs { false, "http://" .. KEY .. ":" .. TOKEN .. "@proxy.test", TOKEN .. "@proxy.test" } do
      local client = image.new { secretId = "AKIDown", secretKey = KEY, region = "gz", proxy = proxy or nil }
      local shown
      for _, fact in ipairs((clients.explain(client, 5))) do
        shown = fact.field == "proxy" and fact or shown
        for _, value in pairs(fact) do
          for _, mark in ipairs(MARKS) do
            assert.is_nil((tostring(value):find(mark, 1, true)))
          end
        end
      end
      assert.matches("***@proxy.test", shown.value, 1, true)
      assert.equal(proxy and "option proxy" or "https_proxy", shown.source)
    end
  end)

  it("a file shows", function()
    for _, contents in ipairs {
      "[default]\nsecret_id = AKIDown\nsecret_key = $K\ntoken = $T\n",
      "[default]\nsecret_id = $K\nsecret_key = $K $K\n",
      "[default]\nsecret_key = $K\n",
      '[default]\nsecret_id = AKIDown\nsecret_key = "$K\n',
      "[default]\nsecret_id = AKIDown\n$K\n",
      "[default]\nsecret_key = $K\nsecret_key = $T\n",
      "[default]\nsecret_id = AKIDown\nsecret_key = $K\nrole_arn = " .. cloud.ARN,
    } do
      write(".tencentcloud/credentials", (contents:gsub("%$(%u)", { K = KEY, T = TOKEN })))
      call(nil, SOME)
      call(function()
        return { profile = "default" }
      end, SOME)
    end
  end)

  it("a profile of tccli's shows", function()
    for _, contents in ipairs {
      '{"secretId": "AKIDown", "secretKey": "$K", "token": "$T"}',
      '{"secretId": "AKIDown", "secretKey": "$K", "token": "$T"',
      '{"secretId": "AKIDown", "secretKey": "$K"} $T',
      '{"secretId": "AKIDown" "secretKey": "$K"}',
      '{"secretId": "$K", "secretKey": ["$K"], "token": {"$T": "$T"}}',
      '{"secretId": "AKIDown", "secretKey": "$K $K"}',
      '{"type": "oauth", "secretId": "AKIDown", "secretKey": "$K", "token": "$T", "expiresAt": 1600000000, "oauth": {"accessToken": "$T"}}',
      '{"type": "cvm-role", "secretKey": "$K"}',
      '{"secretId": "AKIDown", "secretKey": "$K", "role-arn": "' .. cloud.ARN .. '"}',
      '"$K"',
    } do
      write(".tccli/default.credential", (contents:gsub("%$(%u)", { K = KEY, T = TOKEN })))
      call(function()
        return { profile = "default" }
      end, SOME)
    end
  end)

  it("a function of the caller's shows, inside of other sources, too", function()
    for _, provider in ipairs {
      function()
        return OWN
      end,
      function()
        return nil, "the vault is shut"
      end,
      function()
        return { secretId = KEY .. " ", secretKey = KEY }
      end,
    } do
      call(function()
        return { credentials = credentials.assumeRole { roleArn = cloud.ARN, credentials = provider } }
      end, SOME)
      call(function()
        return { credentials = credentials.chain { provider, credentials.cvm { address = METADATA } } }
      end, SOME)
    end
  end)
end)
