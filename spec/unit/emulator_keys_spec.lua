-- Covers the emulator as STS and as an instance's metadata service: what temporary keys it gives, and what they open.

local cjson = require "cjson"
local support = require "spec.support.emulator"

local ARN = "qcs::cam::uin/100000000001:roleName/image-ops"
local STS = { ["x-tc-version"] = "2018-08-13" }

local now, emulator, call2, call

local function setUp(options)
  now = support.NOW
  local all = {
    metadata = true,
    clock = function()
      return now
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  emulator, call2, call = support.new(all)
end

local function sts(action, params, options)
  local all = { service = "sts", headers = STS, time = now }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return call(action, params or cjson.decode "{}", all)
end

-- Options of a call that is signed with temporary keys.
local function with(given, options)
  local all = {
    key = given.TmpSecretKey,
    time = now,
    headers = { ["x-tc-token"] = given.Token },
    authorization = function(header)
      return (header:gsub("Credential=[^/]*", "Credential=" .. given.TmpSecretId))
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return all
end

local function role(params, options)
  local all = { RoleArn = ARN, RoleSessionName = "ci" }
  for name, value in pairs(params or {}) do
    all[name] = value
  end
  return sts("AssumeRole", all, options)
end

local function get(path, method)
  return emulator:handle {
    method = method or "GET",
    scheme = "http",
    host = "metadata.tencentyun.com",
    path = "/latest/meta-data/" .. path,
    query = "",
    headers = {},
  }
end

describe("the emulator as STS", function()
  before_each(function()
    setUp()
  end)

  it("gives keys of a role that open both API versions, with their token, until their end", function()
    local answer = role()
    local given = answer.Credentials
    assert.equal(support.NOW + 7200, answer.ExpiredTime)
    assert.equal("2023-11-15T00:13:20Z", answer.Expiration)
    assert.matches("^AKID%w+$", given.TmpSecretId)
    assert.is_nil(call("DescribeImages", {}, with(given)).Error)
    assert.equal("AuthFailure.TokenFailure", call("DescribeImages", {}, with(given, { headers = {} })).Error.Code)
    local wrong = { ["x-tc-token"] = given.Token .. "x" }
    assert.equal("AuthFailure.TokenFailure", call("DescribeImages", {}, with(given, { headers = wrong })).Error.Code)
    assert.equal(
      "AuthFailure.SignatureFailure",
      call("DescribeImages", {}, with(given, { key = "another" })).Error.Code
    )
    local params = { SecretId = given.TmpSecretId, Token = given.Token, imageType = 1 }
    assert.equal(0, call2("DescribeImages", params, { key = given.TmpSecretKey }).code)
    params.Token = "absent"
    assert.equal(4105, call2("DescribeImages", params, { key = given.TmpSecretKey }).code)
    now = support.NOW + 7200
    assert.matches("has expired", call("DescribeImages", {}, with(given)).Error.Message)
  end)

  it("keeps to the rules of its parameters", function()
    for _, case in ipairs {
      { { RoleSessionName = "a" }, "InvalidParameter.ParamError" },
      { { RoleSessionName = "a b" }, "InvalidParameter.ParamError" },
      { { RoleSessionName = ("x"):rep(129) }, "InvalidParameter.ParamError" },
      { { RoleArn = "image-ops" }, "InvalidParameter.ParamError" },
      { { RoleArn = "qcs::cam::uin/1:roleName/image-ops" }, "ResourceNotFound.RoleNotFound" },
      { { DurationSeconds = 999999 }, "InvalidParameter.OverTimeError" },
      { { Unknown = 1 }, "UnknownParameter" },
    } do
      assert.equal(case[2], role(case[1]).Error.Code)
    end
    assert.equal(support.NOW + 900, role({ DurationSeconds = 900 }).ExpiredTime)
    assert.equal("MissingParameter", sts("AssumeRole", { RoleArn = ARN }).Error.Code)
    assert.is_table(role({ RoleArn = "qcs::cam::uin/100000000001:role/4611686018427397919" }).Credentials)
  end)

  it("is a service of its own: in the scope, the version and the host", function()
    assert.equal("AuthFailure.SignatureFailure", role({}, { service = "cvm" }).Error.Code)
    assert.equal("InvalidAction", call("AssumeRole", { RoleArn = ARN, RoleSessionName = "ci" }).Error.Code)
    assert.equal("NoSuchProduct", role({}, { host = "cvm.tencentcloudapi.com" }).Error.Code)
    assert.is_table(role({}, { host = "sts.internal.tencentcloudapi.com" }).Credentials)
  end)

  it("takes a web identity without a signature, and keeps its token out of the journal", function()
    local params =
      { ProviderId = "cls-example", WebIdentityToken = "the.web.identity", RoleArn = ARN, RoleSessionName = "ci" }
    local options = {
      authorization = function()
        return "SKIP"
      end,
    }
    local answer = sts("AssumeRoleWithWebIdentity", params, options)
    assert.is_nil(call("DescribeImages", {}, with(answer.Credentials)).Error)
    assert.is_nil(cjson.encode((emulator:journal())):find("the.web", 1, true))
    params.WebIdentityToken = nil
    assert.equal("MissingParameter", sts("AssumeRoleWithWebIdentity", params, options).Error.Code)
    assert.equal("AuthFailure.InvalidAuthorization", role({}, options).Error.Code)
    assert.equal("AuthFailure.InvalidAuthorization", call("DescribeImages", {}, options).Error.Code)
  end)

  it("says who one is", function()
    local answer = sts "GetCallerIdentity"
    assert.equal("qcs::cam::uin/100000000001:uin/100000000001", answer.Arn)
    assert.equal("CAMUser", answer.Type)
    answer = sts(
      "GetCallerIdentity",
      nil,
      with(role().Credentials, {
        headers = { ["x-tc-version"] = "2018-08-13", ["x-tc-token"] = role().Credentials.Token },
      })
    )
    assert.equal("AuthFailure.TokenFailure", answer.Error.Code) -- of other keys
    local given = role().Credentials
    answer = sts(
      "GetCallerIdentity",
      nil,
      with(given, {
        headers = { ["x-tc-version"] = "2018-08-13", ["x-tc-token"] = given.Token },
      })
    )
    assert.equal("qcs::sts:100000000001:assumed-role/image-ops/ci", answer.Arn)
    assert.equal("CAMRole", answer.Type)
  end)

  it("is steered: how long keys live, their early end, and faults", function()
    emulator:set { keySeconds = 60 }
    local answer = role()
    assert.equal(support.NOW + 60, answer.ExpiredTime)
    emulator:endKeys()
    assert.equal("AuthFailure.TokenFailure", call("DescribeImages", {}, with(answer.Credentials)).Error.Code)
    assert.is_nil(call("DescribeImages", {}, with(role().Credentials)).Error)
    emulator:fault { kind = "throttle", action = "AssumeRole" }
    assert.is_nil(call("DescribeImages", {}).Error)
    assert.equal("RequestLimitExceeded", role().Error.Code)
    answer = role()
    emulator:reset()
    assert.equal("AuthFailure.SecretIdNotFound", call("DescribeImages", {}, with(answer.Credentials)).Error.Code)
  end)
end)

describe("the emulator as a metadata service", function()
  local ROLES = "cam/security-credentials/"

  it("gives an instance's role, its keys and its region", function()
    setUp()
    assert.equal("image-ops", get(ROLES).body)
    assert.equal("ap-guangzhou", get("placement/region").body)
    local document = cjson.decode(get(ROLES .. "image-ops").body)
    assert.equal("Success", document.Code)
    assert.equal(support.NOW + 7200, document.ExpiredTime)
    assert.equal("2023-11-15T00:13:20Z", document.Expiration)
    assert.is_nil(call("DescribeImages", {}, with(document)).Error)
    for _, path in ipairs { "", "cam", ROLES .. "other", "instance-id" } do
      assert.equal(404, get(path).status)
    end
    assert.equal(405, get(ROLES, "POST").status)
  end)

  it("gives the same keys until little of their life is left, and others after they were ended", function()
    setUp { keySeconds = 100, roleName = "a b/c", instanceRegion = "ap-tokyo" }
    assert.equal("a b/c", get(ROLES).body)
    assert.equal("ap-tokyo", get("placement/region").body)
    local function id()
      return cjson.decode(get(ROLES .. "a%20b%2Fc").body).TmpSecretId
    end
    local first = id()
    now = now + 74
    assert.equal(first, id())
    now = now + 1
    local second = id()
    assert.not_equal(first, second)
    emulator:endKeys()
    assert.not_equal(second, id())
  end)

  it("is hit by the faults that name it, and by no other", function()
    setUp()
    emulator:fault { kind = "throttle" }
    assert.equal(200, get(ROLES).status)
    assert.equal("RequestLimitExceeded", call("DescribeImages", {}).Error.Code)
    emulator:fault { kind = "throttle", action = "metadata" }
    assert.equal(429, get(ROLES).status)
    emulator:fault { kind = "status", status = 503, action = "metadata" }
    assert.equal(503, get(ROLES).status)
    emulator:fault { kind = "delay", delay = 2, action = "metadata" }
    assert.equal(2, get(ROLES).delay)
    emulator:fault { kind = "dropBefore", action = "metadata" }
    assert.is_true(get(ROLES).drop)
    local list = emulator:journal()
    assert.equal("metadata", list[#list].action)
    assert.equal("/latest/meta-data/cam/security-credentials/", list[#list].path)
  end)

  it("is none unless it is asked to be, and has no role where none is bound", function()
    setUp { metadata = false }
    assert.matches("the emulator answers at", get(ROLES).body)
    setUp { roleName = "" }
    assert.equal(404, get(ROLES).status)
  end)
end)
