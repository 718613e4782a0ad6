--- Who signs and where to: each setting from each place that can name it, as requests show it; and that what a client says
--- of itself is what it does. Covers call/resolve.lua, call/explain.lua, target.lua, credentials/profile.lua.

local clients = require "qcimage.client"
local cloud = require "spec.support.cloud"
local credentialKeys = require "qcimage.credentials.provider"
local endpoints = require "qcimage.api.endpoints"
local json = require "qcimage.util.json"
local stub = require "spec.support.stub"

local ROLE, OTHER = cloud.ARN, "qcs::cam::uin/100000000001:roleName/other"
local COMMAND = { apiVersion = "3.0", versionName = "the command's default", readsProfile = true }

local home, write

-- Writes a profile of tccli's.
local function profile(name, id, settings, role)
  if id then
    write(
      (".tccli/%s.credential"):format(name),
      ('{"secretId": "%s", "secretKey": "secretkey", "role-arn": "%s"}'):format(id, role or "")
    )
  end
  if settings then
    write(
      (".tccli/%s.configure"):format(name),
      ('{"_sys_param": {"region": "%s", "language": "%s"}, "cvm": {"endpoint": "%s"}, "sts": {"endpoint": "%s"}}'):format(
        settings.region or "",
        settings.language or "",
        settings.cvm or "cvm.tencentcloudapi.com",
        settings.sts or ""
      )
    )
  end
end

local function section(more)
  write(".tencentcloud/credentials", "[default]\nsecret_id = AKIDfile\nsecret_key = secretkey\n" .. (more or ""))
end

local PAIR = { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey" }

local function with(...)
  local all = {}
  for _, set in ipairs { ... } do
    for name, value in pairs(set) do
      all[name] = value
    end
  end
  return all
end

local METADATA = {
  ["security%-credentials/$"] = "image-ops",
  ["security%-credentials/image%-ops$"] = cloud.document { TmpSecretId = '"AKIDnode"', ExpiredTime = "4102444800" },
  ["placement/region$"] = "ap-metadata",
}

-- Makes a client over a transport that notes what is sent: action, SecretId, region, host, language.
local function make(options, environment, preset)
  local sent = {}
  local all = { transport = false, apiVersion = preset == nil and "3.0" or nil }
  for name, value in pairs(options) do
    all[name] = value ~= "none" and value or nil
  end
  all.transport = function(request)
    for path, answer in pairs(METADATA) do
      if request.url:find(path) then
        return { status = 200, headers = {}, body = answer }
      end
    end
    local headers = request.headers
    local form = request.body:match "^Action=" and request.body
    sent[#sent + 1] = ("%s %s %s %s%s"):format(
      headers["X-TC-Action"] or form:match "Action=(%w+)",
      (headers.Authorization or ""):match "Credential=([^/]*)/" or form and form:match "SecretId=(%w+)" or "unsigned",
      headers["X-TC-Region"] or form:match "Region=([%w-]+)",
      headers.Host,
      headers["X-TC-Language"] and " " .. headers["X-TC-Language"] or ""
    )
    if sent[#sent]:find(" AKIDrevoked ", 1, true) then
      local refusal = '{"Code": "AuthFailure.SecretIdNotFound", "Message": "m"}'
      return { status = 200, headers = {}, body = ('{"Response": {"Error": %s, "RequestId": "r"}}'):format(refusal) }
    end
    if (headers["X-TC-Action"] or ""):find "^AssumeRole" then
      return {
        status = 200,
        headers = {},
        body = '{"Response": {"Credentials": {"TmpSecretId": "AKIDassumed", "TmpSecretKey": "assumedkey", "Token": "t"},'
          .. ' "ExpiredTime": 4102444800, "RequestId": "r"}}',
      }
    end
    return { status = 200, headers = {}, body = form and '{"code": 0}' or '{"Response": {"RequestId": "r"}}' }
  end
  local variables, getenv = { HOME = home }, os.getenv
  for name, value in pairs(environment) do
    variables[name] = value
  end
  rawset(os, "getenv", function(name)
    return variables[name]
  end)
  local client, err = clients.make(all, preset)
  rawset(os, "getenv", getenv)
  assert(client, err)
  return client, sent
end

local function factsOf(client)
  local found = {}
  for _, fact in ipairs((assert(clients.explain(client, 10)))) do
    found[fact.field] = fact
  end
  return found
end

-- {what, options, variables, what is sent; files = function, preset, call = options of the call, from = sources of facts}
local ROWS = {
  -- region
  {
    "the region of a call goes before all",
    { region = "ap-option", profile = "ops" },
    { TENCENTCLOUD_REGION = "ap-variable" },
    "DescribeImages AKIDops ap-call cvm.tencentcloudapi.com",
    call = { region = "ap-call" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops" })
    end,
  },
  {
    "the region of the client, before that of its profile",
    { region = "ap-option", profile = "ops" },
    { TENCENTCLOUD_REGION = "ap-variable" },
    "DescribeImages AKIDops ap-option cvm.tencentcloudapi.com",
    from = { region = "option region", keys = "~/.tccli/ops.credential" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops" })
    end,
  },
  {
    "the region of a profile that the option names, before the variable",
    { profile = "ops" },
    { TENCENTCLOUD_REGION = "ap-variable" },
    "DescribeImages AKIDops ap-ops cvm.tencentcloudapi.com",
    from = { region = "~/.tccli/ops.configure" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops" })
    end,
  },
  {
    "the variable, where such a profile has no region",
    { profile = "ops" },
    { TENCENTCLOUD_REGION = "ap-variable" },
    "DescribeImages AKIDops ap-variable cvm.tencentcloudapi.com",
    from = { region = "TENCENTCLOUD_REGION" },
    files = function()
      profile("ops", "AKIDops", {})
    end,
  },
  {
    "the variable, before what comes with the keys and before other profiles",
    {},
    { TENCENTCLOUD_REGION = "ap-variable" },
    "DescribeImages AKIDfile ap-variable cvm.tencentcloudapi.com",
    from = { region = "TENCENTCLOUD_REGION", keys = "~/.tencentcloud/credentials [default]" },
    files = function()
      section "region = ap-section\n"
      profile("default", "AKIDdefault", { region = "ap-default" })
    end,
  },
  {
    "the region of the section, before that of the default profile",
    {},
    {},
    "DescribeImages AKIDfile ap-section cvm.tencentcloudapi.com",
    from = { region = "~/.tencentcloud/credentials [default]" },
    files = function()
      section "region = ap-section\n"
      profile("default", "AKIDdefault", { region = "ap-default" })
    end,
  },
  {
    "the region of the default profile, beside keys of the environment",
    {},
    PAIR,
    "DescribeImages AKIDenvironment ap-default cvm.default.test",
    from = { region = "~/.tccli/default.configure", endpoint = "~/.tccli/default.configure", keys = "the environment" },
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test" })
    end,
  },
  {
    "the region of the profile of TCCLI_PROFILE, beside keys of the environment",
    {},
    { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey", TCCLI_PROFILE = "ops" },
    "DescribeImages AKIDenvironment ap-ops cvm.ops.test",
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops", cvm = "cvm.ops.test" })
      profile("default", "AKIDdefault", { region = "ap-default" })
    end,
  },
  {
    "the region of the default profile, beside the instance's role",
    {},
    {},
    "DescribeImages AKIDnode ap-default cvm.tencentcloudapi.com",
    from = { keys = "CVM role image-ops" },
    files = function()
      profile("default", nil, { region = "ap-default" })
    end,
  },
  {
    "the region of the metadata service last",
    {},
    PAIR,
    "DescribeImages AKIDenvironment ap-metadata cvm.tencentcloudapi.com",
    from = { region = "the metadata service" },
  },
  {
    "the region of TKE, before that of the default profile",
    {},
    {
      TKE_REGION = "ap-tke",
      TKE_PROVIDER_ID = "p",
      TKE_ROLE_ARN = ROLE,
      TKE_WEB_IDENTITY_TOKEN_FILE = "/proc/sys/kernel/ostype",
    },
    "AssumeRoleWithWebIdentity unsigned ap-tke sts.tencentcloudapi.com; "
      .. "DescribeImages AKIDassumed ap-tke cvm.tencentcloudapi.com",
    from = { region = "TKE", keys = "TKE" },
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", sts = "sts.default.test" })
    end,
  },
  -- keys in the options of a program
  {
    "no profile beside keys in a program's options",
    { secretId = "AKIDoption", secretKey = "secretkey" },
    {},
    "DescribeImages AKIDoption ap-metadata cvm.tencentcloudapi.com",
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test" })
    end,
  },
  {
    "its profile, where the program names one",
    { secretId = "AKIDoption", secretKey = "secretkey", profile = "ops" },
    PAIR,
    "DescribeImages AKIDoption ap-ops cvm.ops.test",
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops", cvm = "cvm.ops.test" })
    end,
  },
  {
    "the default profile beside keys in the command's options",
    { secretId = "AKIDoption", secretKey = "secretkey" },
    {},
    "DescribeImages AKIDoption ap-default cvm.default.test en-US",
    preset = COMMAND,
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test", language = "en-US" })
    end,
  },
  -- endpoint
  {
    "the endpoint of the client, before the variable",
    { endpoint = "https://option.test" },
    { QCIMAGE_ENDPOINT = "https://variable.test" },
    "DescribeImages AKIDdefault ap-default option.test",
    from = { endpoint = "option endpoint" },
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test" })
    end,
  },
  {
    "the variable, even before a profile that the option names",
    { profile = "ops" },
    { QCIMAGE_ENDPOINT = "https://variable.test" },
    "DescribeImages AKIDops ap-ops variable.test",
    from = { endpoint = "QCIMAGE_ENDPOINT" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops", cvm = "cvm.ops.test" })
    end,
  },
  {
    "the profile's endpoint, of API 3.0 alone",
    { apiVersion = "2.0" },
    {},
    "DescribeImages AKIDdefault ap-default image.api.qcloud.com",
    from = { endpoint = false },
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test" })
    end,
  },
  -- a role
  {
    "a role of the environment, over its keys, by the STS of the default profile",
    {},
    { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey", TENCENTCLOUD_ROLE_ARN = ROLE },
    "AssumeRole AKIDenvironment ap-guangzhou sts.default.test; DescribeImages AKIDassumed ap-default cvm.default.test",
    from = { role = "TENCENTCLOUD_ROLE_ARN", stsEndpoint = "~/.tccli/default.configure", keys = "the environment" },
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", cvm = "cvm.default.test", sts = "sts.default.test" })
    end,
  },
  {
    "a role of the environment, over a profile's keys and in the place of its role",
    {},
    { TENCENTCLOUD_ROLE_ARN = OTHER },
    "AssumeRole AKIDdefault ap-guangzhou sts.default.test; DescribeImages AKIDassumed ap-default cvm.default.test",
    from = { role = "TENCENTCLOUD_ROLE_ARN", keys = "~/.tccli/default.credential" },
    files = function()
      profile(
        "default",
        "AKIDdefault",
        { region = "ap-default", cvm = "cvm.default.test", sts = "sts.default.test" },
        ROLE
      )
    end,
  },
  {
    "a role of the environment, over the keys of a section and in the place of its role",
    {},
    { TENCENTCLOUD_ROLE_ARN = OTHER },
    "AssumeRole AKIDfile ap-guangzhou sts.tencentcloudapi.com; "
      .. "DescribeImages AKIDassumed ap-section cvm.tencentcloudapi.com",
    files = function()
      section("region = ap-section\nrole_arn = " .. ROLE .. "\n")
    end,
  },
  {
    "a role of the environment, over the instance's role",
    { region = "ap-x" },
    { TENCENTCLOUD_ROLE_ARN = ROLE },
    "AssumeRole AKIDnode ap-guangzhou sts.tencentcloudapi.com; DescribeImages AKIDassumed ap-x cvm.tencentcloudapi.com",
  },
  {
    "no role of the environment over keys of the options",
    { region = "ap-x", secretId = "AKIDoption", secretKey = "secretkey" },
    { TENCENTCLOUD_ROLE_ARN = ROLE },
    "DescribeImages AKIDoption ap-x cvm.tencentcloudapi.com",
    from = { role = false, stsEndpoint = false },
  },
  {
    "no role of the environment over a profile that the option names",
    { profile = "ops" },
    { TENCENTCLOUD_ROLE_ARN = ROLE },
    "DescribeImages AKIDops ap-ops cvm.tencentcloudapi.com",
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops" })
    end,
  },
  {
    "a role of the options, over a profile's, with its region and endpoints",
    { profile = "ops", roleArn = OTHER, roleSessionName = "ci" },
    PAIR,
    "AssumeRole AKIDops ap-guangzhou sts.ops.test; DescribeImages AKIDassumed ap-ops cvm.ops.test",
    from = { role = "option roleArn", keys = "~/.tccli/ops.credential" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops", cvm = "cvm.ops.test", sts = "sts.ops.test" }, ROLE)
    end,
  },
  {
    "a role of the options, over keys of the options",
    { roleArn = ROLE, secretId = "AKIDoption", secretKey = "secretkey", region = "ap-x" },
    { QCIMAGE_STS_ENDPOINT = "https://sts.variable.test" },
    "AssumeRole AKIDoption ap-guangzhou sts.variable.test; DescribeImages AKIDassumed ap-x cvm.tencentcloudapi.com",
    from = { role = "option roleArn", stsEndpoint = "QCIMAGE_STS_ENDPOINT" },
  },
  {
    "a role of the options, over a function",
    {
      roleArn = ROLE,
      region = "ap-x",
      stsEndpoint = "https://sts.option.test",
      credentials = function()
        return { secretId = "AKIDfunction", secretKey = "secretkey" }
      end,
    },
    { QCIMAGE_STS_ENDPOINT = "https://sts.variable.test" },
    "AssumeRole AKIDfunction ap-guangzhou sts.option.test; DescribeImages AKIDassumed ap-x cvm.tencentcloudapi.com",
    from = { keys = "option credentials", stsEndpoint = "option stsEndpoint" },
  },
  {
    "a role of a profile, in whose stead no other is taken",
    { profile = "ops" },
    {},
    "AssumeRole AKIDops ap-guangzhou sts.tencentcloudapi.com; DescribeImages AKIDassumed ap-ops cvm.tencentcloudapi.com",
    from = { role = "~/.tccli/ops.credential" },
    files = function()
      profile("ops", "AKIDops", { region = "ap-ops" }, ROLE)
    end,
  },
  {
    "no role of a profile with keys of the environment",
    {},
    PAIR,
    "DescribeImages AKIDenvironment ap-default cvm.tencentcloudapi.com",
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default" }, ROLE)
    end,
  },
  -- API version
  {
    "the API version of the options, before the variable",
    { apiVersion = "3.0", region = "ap-x" },
    { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey", QCIMAGE_API_VERSION = "2.0" },
    "DescribeImages AKIDenvironment ap-x cvm.tencentcloudapi.com",
    from = { apiVersion = "option apiVersion" },
  },
  {
    "the API version of the variable, before the command's default",
    { region = "ap-x" },
    { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey", QCIMAGE_API_VERSION = "2.0" },
    "DescribeImages AKIDenvironment ap-x image.api.qcloud.com",
    preset = COMMAND,
    from = { apiVersion = "QCIMAGE_API_VERSION" },
  },
  {
    "the API version of the endpoint's path, before the command's default",
    { region = "ap-x", endpoint = "https://old.test/v2/index.php" },
    PAIR,
    "DescribeImages AKIDenvironment ap-x old.test",
    preset = COMMAND,
    from = { apiVersion = "the endpoint's path" },
  },
  {
    "the command's default",
    { region = "ap-x" },
    PAIR,
    "DescribeImages AKIDenvironment ap-x cvm.tencentcloudapi.com",
    preset = COMMAND,
    from = { apiVersion = "the command's default" },
  },
  {
    "a library's default, whatever a profile says",
    { region = "ap-x", apiVersion = "none" },
    PAIR,
    "DescribeImages AKIDenvironment ap-x image.api.qcloud.com",
    from = { apiVersion = "the default" },
  },
  -- language
  {
    "the language of the profile, in the command and API 3.0 alone; not for STS",
    {},
    { TENCENTCLOUD_ROLE_ARN = ROLE },
    "AssumeRole AKIDdefault ap-guangzhou sts.tencentcloudapi.com; "
      .. "DescribeImages AKIDassumed ap-default cvm.tencentcloudapi.com zh-CN",
    preset = COMMAND,
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", language = "zh-CN" })
    end,
  },
  {
    "the language of the options, before the profile's",
    { language = "en-US" },
    {},
    "DescribeImages AKIDdefault ap-default cvm.tencentcloudapi.com en-US",
    preset = COMMAND,
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", language = "zh-CN" })
    end,
  },
  {
    "no language of the profile in a program",
    {},
    {},
    "DescribeImages AKIDdefault ap-default cvm.tencentcloudapi.com",
    files = function()
      profile("default", "AKIDdefault", { region = "ap-default", language = "zh-CN" })
    end,
  },
}

describe("a call", function()
  before_each(function()
    home, write = cloud.folder()
  end)

  after_each(function()
    cloud.remove(home)
  end)

  for _, row in ipairs(ROWS) do
    it("takes " .. row[1] .. "; and says so", function()
      if row.files then
        row.files()
      end
      local client, sent = make(row[2], row[3], row.preset)
      assert(client:describe({ limit = 1 }, row.call))
      assert.equal(row[4], table.concat(sent, "; "))

      -- What the client says is what was sent, after use and before.
      local last = sent[#sent]
      for _, one in ipairs { client, (make(row[2], row[3], row.preset)) } do
        local facts = factsOf(one)
        local _, _, region, host = last:find "^%S+ %S+ (%S+) (%S+)"
        if not row.call then
          assert.equal(region, facts.region.value)
        end
        assert.equal(host, facts.endpoint.value:match "//(.*)$")
        for field, source in pairs(row.from or {}) do
          assert.equal(source or nil, facts[field] and facts[field].source, field)
        end
        local request = assert(one:sign("DescribeImages", {}))
        assert.equal(facts.endpoint.value, request.url:match "^%w+://[^/]*")
      end
      assert.equal(sent[1], (table.concat(sent, "; "):match "^[^;]*")) -- it made no call of its own
    end)
  end

  it("opens no file of settings where region and endpoint are named", function()
    write(".tccli/default.configure", "{broken")
    write(".tccli/ops.configure", "{broken")
    local client = make({ region = "ap-x", endpoint = "https://x.test" }, PAIR)
    assert(client:describe {})
    client = make({ region = "ap-x" }, PAIR)
    local _, message, err = client:describe {}
    assert.matches("DescribeImages: ~/.tccli/default.configure is not JSON", message, 1, true)
    assert.same({ "parameter", "notSent" }, { err.kind, err.outcome })
    write(".tccli/default.configure", "{}") -- once mended it is read again
    assert(client:describe {})
    client = make({ region = "ap-x", endpoint = "https://x.test" }, PAIR, COMMAND) -- for its language
    assert(client:describe {})
    client = make({ region = "ap-x", secretId = "AKIDx", secretKey = "secretkey" }, {})
    assert(client:describe {})
  end)

  it("names the file of a wrong setting, and sends nothing", function()
    for _, case in ipairs {
      { { cvm = "http://10.0.0.1" }, "~/.tccli/default.configure: cvm.endpoint is plain http to another machine" },
      { { cvm = "a b" }, "~/.tccli/default.configure: cvm.endpoint has no valid host and port" },
      { { region = "ap x" }, 'the region of ~/.tccli/default.configure is not a region: "ap x"' },
      {
        { region = "guangzhou" },
        'the region of ~/.tccli/default.configure is not a region of the public cloud: "guangzhou"',
      },
    } do
      profile("default", "AKIDdefault", { region = case[1].region or "ap-x", cvm = case[1].cvm })
      local client, sent = make({}, {})
      local _, message, err = client:describe {}
      assert.matches(case[2], message, 1, true)
      assert.equal("parameter", err.kind)
      assert.same({}, sent)
      local facts = factsOf(client)
      assert.equal(message, (facts.region.err or facts.endpoint.err).message)
    end
    profile("default", "AKIDdefault", { region = "ap-x", cvm = "http://10.0.0.1" })
    assert(make({ allowPlainHttp = true }, {}):describe {})
    profile("default", "AKIDdefault", { region = "ap-x", sts = "http://10.0.0.1" })
    local _, message = make({ roleArn = ROLE }, {}):describe {}
    assert.matches("~/.tccli/default.configure: sts.endpoint is plain http to another machine", message, 1, true)
  end)

  it("has what its profile says now, where keys and settings were both written anew", function()
    profile("default", "AKIDrevoked", { region = "ap-x" })
    local client, sent = make({}, {})
    assert.is_nil((client:describe {}))
    profile("default", "AKIDother", { region = "ap-y" })
    assert(client:describe {})
    assert.matches("AKIDother ap-y", sent[#sent], 1, true)
  end)

  it("has a profile that exists, where an option names it beside keys", function()
    local client, sent = make({ profile = "typo", secretId = "AKIDx", secretKey = "secretkey", region = "ap-x" }, {})
    local _, message = client:describe {}
    assert.matches("~/.tccli/typo.configure does not exist (named by option profile)", message, 1, true)
    assert.same({}, sent)
    write(".tccli/ops.configure", '{"region": 5}')
    client, sent = make({ profile = "ops", secretId = "AKIDx", secretKey = "secretkey" }, {})
    _, message = client:call("GetCallerIdentity", {}) -- which may be sent to any region
    assert.matches("~/.tccli/ops.configure: region is not text", message, 1, true)
    assert.same({}, sent)
  end)

  it("names what says a garbled role", function()
    assert.has_error(function()
      make({ roleArn = "image-ops" }, {})
    end)
    assert.has_error(function()
      make({ roleSessionName = "ci" }, {})
    end)
    local _, message, err = make({ region = "ap-x" }, { TENCENTCLOUD_ROLE_ARN = "image-ops" }):describe {}
    assert.matches("TENCENTCLOUD_ROLE_ARN is not the ARN of a role", message, 1, true)
    assert.equal("credentials", err.kind)
    profile("default", "AKIDdefault", { region = "ap-x" }, "image-ops")
    _, message = make({}, {}):describe {}
    assert.matches("~/.tccli/default.credential, line 1: role-arn is not the ARN of a role", message, 1, true)
    section "role_arn = image-ops\n"
    _, message = make({}, {}):describe {}
    assert.matches("~/.tencentcloud/credentials [default], line 4: role_arn is not the ARN", message, 1, true)
  end)

  it("of STS goes to no finance region", function()
    for _, region in ipairs { "ap-shanghai-fsi", "szjr" } do
      local client, sent = make({ region = region, secretId = "AKIDx", secretKey = "secretkey" }, {})
      client:call "GetCallerIdentity"
      assert.equal("GetCallerIdentity AKIDx ap-guangzhou sts.tencentcloudapi.com", sent[1])
    end
  end)
end)

describe("what a client says of itself", function()
  it("has the endpoint and the way to it where the region is at fault", function()
    home, write = cloud.folder()
    finally(function()
      cloud.remove(home)
    end)
    profile("ops", "AKIDops", { cvm = "cvm.ops.test" })
    local found = factsOf(make({ profile = "ops", region = "ap x" }, {}))
    assert.truthy(found.region.err)
    assert.same({ "https://cvm.ops.test", "~/.tccli/ops.configure" }, { found.endpoint.value, found.endpoint.source })
    local client = make({ region = "zz" }, PAIR)
    client.target.connectTo = { host = "127.0.0.1", port = 8443 }
    local _, _, endpoint = clients.explain(client, 10)
    assert.same({ "cvm.tencentcloudapi.com", "127.0.0.1" }, { endpoint.host, endpoint.connectTo.host })
  end)
end)

describe("a function of the caller's", function()
  it("says keys and their end, and nothing of where they go", function()
    for _, beside in ipairs {
      { region = "ap-evil", endpoint = "http://10.0.0.1", stsEndpoint = "http://10.0.0.1", profile = {} },
      { region = 42, endpoint = 42, profile = 42, role = 42, source = 42, expires = "soon" },
      { region = {}, endpoint = {}, expires = {} },
    } do
      local client, sent = make({
        region = "ap-x",
        credentials = function()
          local given = { secretId = "AKIDfunction", secretKey = "secretkey", token = "" }
          for name, value in pairs(beside) do
            given[name] = value
          end
          return given
        end,
      }, {})
      assert(client:describe {})
      assert.equal("DescribeImages AKIDfunction ap-x cvm.tencentcloudapi.com", sent[1])
      assert.is_nil(factsOf(client).keys.expires)
    end
    local client = make({
      region = "ap-x",
      credentials = function()
        return { secretId = "AKIDfunction", secretKey = "secretkey", token = "t", expires = 4102444800 }
      end,
    }, {})
    local keys = factsOf(client).keys
    assert.same({ 4102444800, true, "..." }, { keys.expires, keys.temporary, keys.value })
  end)
end)

describe("a region", function()
  -- As written, and as it travels in API 3.0 and 2.0; false: refused, with this in the message.
  local WRITTEN = {
    { "Ap-Guangzhou", "ap-guangzhou", "ap-guangzhou" },
    { "AP-GUANGZHOU", "ap-guangzhou", "ap-guangzhou" },
    { "GZ", "ap-guangzhou", "gz" },
    { " ap-guangzhou", "ap-guangzhou", "ap-guangzhou" },
    { "ap-guangzhou ", "ap-guangzhou", "ap-guangzhou" },
    { '"ap-guangzhou"', false, '"ap-guangzhou"", with its quotes: leave them out' },
    { "ap_guangzhou", false, '"ap_guangzhou", did you mean ap-guangzhou?' },
    { "ap-guangzhou-3", false, 'is a zone, not a region: "ap-guangzhou-3"; its region is ap-guangzhou' },
    { "nj", "ap-nanjing", "nj" },
    { "guangzhou", false, '"guangzhou", did you mean ap-guangzhou?' },
    { "\t sh \t", "ap-shanghai", "sh" },
    { "na-ashburn", "na-ashburn", "na-ashburn" },
    { "me-saudi-arabia", "me-saudi-arabia", "me-saudi-arabia" },
    { "xx-new-fsi", "xx-new-fsi", "xx-new-fsi" },
    { "zz", false, 'is not a region of the public cloud: "zz"' },
    { "ap-guangzhou-open-2", false, "its region is ap-guangzhou-open" },
    { "'gz'", false, "with its quotes: leave them out" },
    { "ap guangzhou", false, "is not a region" },
    { "ap-guangzhou\194\160", false, "a region consists of letters, digits and -" },
    { "ap-guangzhou/x", false, "is not a region" },
    { "-ap", false, "is not a region" },
    { " ", false, "is not a region" },
    { ("ap-x"):rep(2500), false, "is not a region" },
    { (" "):rep(10000) .. "x" .. (" "):rep(10000) .. "x", false, "is not a region" },
  }

  it("has one spelling, or is refused before anything is sent, from each place that names it", function()
    home, write = cloud.folder()
    for _, case in ipairs(WRITTEN) do
      for version, wanted in pairs { ["3.0"] = case[2], ["2.0"] = case[2] and case[3] } do
        write(".tccli/r.configure", (json.encode { _sys_param = { region = case[1] } }))
        write(".tccli/r.credential", '{"secretId": "AKIDr", "secretKey": "secretkey"}')
        for place, made in pairs {
          ["option region"] = { { region = case[1] }, PAIR },
          ["option region of a call"] = { {}, PAIR, { region = case[1] } },
          TENCENTCLOUD_REGION = { {}, PAIR, nil, case[1] },
          ["the region of ~/.tccli/r.configure"] = { { profile = "r" }, {} },
        } do
          local environment = {}
          for name, value in pairs(made[2]) do
            environment[name] = value
          end
          environment.TENCENTCLOUD_REGION = made[4]
          made[1].apiVersion = version
          local client, sent = make(made[1], environment)
          local _, message, err = client:describe({}, made[3])
          if wanted then
            assert.is_nil(message)
            assert.matches("^%S+ %S+ " .. wanted:gsub("%-", "%%-") .. " ", sent[1])
          else
            assert.same({ "parameter", "notSent" }, { err.kind, err.outcome })
            assert.equal(
              1,
              (
                message:find("DescribeImages: " .. place:gsub(" of a call", "") .. " is not", 1, true)
                or message:find("DescribeImages: " .. place:gsub(" of a call", "") .. " is a zone", 1, true)
              )
            )
            assert.matches(case[3], message, 1, true)
            assert.is_true(#message < 300)
            assert.same({}, sent)
            assert.equal(place == "TENCENTCLOUD_REGION" and place or "region", err.field)
          end
        end
      end
    end
    cloud.remove(home)
  end)

  it("with a line break is refused, wherever it stands", function()
    for _, name in ipairs { "gz\r", "ap-guangzhou\r\nX-Evil: 1", "\ngz", "g\0z" } do
      local client, sent = make({}, with(PAIR, { TENCENTCLOUD_REGION = name }))
      local _, message, err = client:describe {}
      assert.equal("DescribeImages: TENCENTCLOUD_REGION contains control characters (a line break?)", message)
      assert.equal("TENCENTCLOUD_REGION", err.field)
      assert.same({}, sent)
      assert.has_error(function()
        make({ region = name }, PAIR)
      end, nil)
    end
  end)

  it("of a private cloud has the name that it has there", function()
    for _, name in ipairs { "chongqing", "zone_1", "ap-guangzhou-3", " Chongqing" } do
      local client, sent = make({ region = name, endpoint = "https://cvm.tce.test" }, PAIR)
      assert(client:describe {})
      assert.matches(" " .. name:lower():gsub("[ ]", ""):gsub("%-", "%%-") .. " cvm.tce.test$", sent[1])
    end
    for _, name in ipairs { '"chongqing"', "a b", "3a" } do
      local _, _, err = make({ region = name, endpoint = "https://cvm.tce.test" }, PAIR):describe {}
      assert.equal("parameter", err.kind)
    end
  end)

  it("of finance has a host of its own, unless an endpoint is named", function()
    for written, region in pairs {
      shjr = "ap-shanghai-fsi",
      SZJR = "ap-shenzhen-fsi",
      bjjr = "ap-beijing-fsi",
      ["ap-shanghai-fsi"] = "ap-shanghai-fsi",
      [" ap-new-fsi"] = "ap-new-fsi",
    } do
      local client, sent = make({ region = "gz" }, PAIR)
      assert(client:describe({}, { region = written }))
      assert(client:describe {})
      assert.same({
        ("DescribeImages AKIDenvironment %s cvm.%s.tencentcloudapi.com"):format(region, region),
        "DescribeImages AKIDenvironment ap-guangzhou cvm.tencentcloudapi.com",
      }, sent)
      client, sent = make({ region = written, endpoint = "https://x.test" }, PAIR)
      assert(client:describe {})
      assert.matches(" x.test$", sent[1])
      client, sent = make({ region = written, apiVersion = "2.0" }, PAIR)
      assert(client:describe {})
      assert.matches(" image.api.qcloud.com$", sent[1])
    end
  end)

  it("of a list may be of finance or not, with one client", function()
    local transport = require("qcimage.emulator").transport {
      images = {
        { imageId = "img-00000001", imageName = "one", region = "ap-guangzhou" },
        { imageId = "img-00000002", imageName = "two", region = "ap-shenzhen-fsi" },
      },
    }
    local hosts = {}
    local client = require("qcimage").new {
      transport = transport,
      apiVersion = "3.0",
      region = "gz",
      secretId = stub.SECRET_ID,
      secretKey = stub.SECRET_KEY,
      onAttempt = function(record)
        hosts[record.host] = record.region
      end,
    }
    local report = assert(client:apply {
      { imageId = "img-00000001", imageName = "first", region = " AP-Guangzhou " },
      { imageId = "img-00000002", imageName = "second", region = "szjr" },
    })
    assert.equal(2, report.ok)
    assert.same({
      ["cvm.tencentcloudapi.com"] = "ap-guangzhou",
      ["cvm.ap-shenzhen-fsi.tencentcloudapi.com"] = "ap-shenzhen-fsi",
    }, hosts)
    local _, message = client:apply {
      { imageId = "img-00000001", imageName = "a", region = "ap-guangzhou-3" },
      { imageId = "img-00000001", imageName = "a", region = "guangzhou" },
    }
    assert.matches("change 1: img-00000001: region is a zone, not a region", message, 1, true)
    assert.matches("change 2: img-00000001: region is not a region of the public cloud", message, 1, true)
  end)

  it("of a list may be a private cloud's that comes with the credentials", function()
    home, write = cloud.folder()
    finally(function()
      cloud.remove(home)
    end)
    profile("tce", "AKIDtce", { region = "chongqing", cvm = "cvm.tce.test" })
    local source = require("qcimage.credentials.tccli").new { home = home, profile = "tce" }
    local client, sent = make({ credentials = credentialKeys.markBuiltIn(source) }, {})
    client:apply({ { imageId = "img-00000001", imageName = "a", region = "chongqing" } }, { dryRun = true })
    assert.equal("DescribeImages AKIDtce chongqing cvm.tce.test", sent[1])
  end)

  it("is an option of a call; an endpoint is a client's, and clients can share credentials", function()
    local client = make({}, PAIR)
    local ok, message = pcall(client.describe, client, {}, { endpoint = "https://x.test" })
    assert.is_false(ok)
    assert.matches(
      "option endpoint belongs to a client, not to a call: make a client for each endpoint (clients can share credentials)",
      message,
      1,
      true
    )
  end)

  it("that the service refuses is named, with where it came from", function()
    local function refused(body, options, environment)
      options.transport = nil
      local client = make(options, environment)
      client.transport = function()
        return { status = 200, headers = {}, body = body }
      end
      return select(2, client:call("ModifyImageAttribute", { imageId = "img-12345678", imageName = "a" }))
    end
    local answer = '{"Response":{"Error":{"Code":"%s","Message":"%s"},"RequestId":"r"}}'
    local unsupported = answer:format("UnsupportedRegion", "A value is not supported.")
    assert.equal(
      "ModifyImageAttribute: UnsupportedRegion: A value is not supported. (in ap-nowhere, from TENCENTCLOUD_REGION)"
        .. " [requestId r]; nothing was changed",
      refused(unsupported, {}, {
        TENCENTCLOUD_SECRET_ID = "AKIDx",
        TENCENTCLOUD_SECRET_KEY = "secretkey",
        TENCENTCLOUD_REGION = "ap-nowhere",
      })
    )
    assert.matches("(in ap-x, from option region)", refused(unsupported, { region = "ap-x" }, PAIR), 1, true)
    local invalid = answer:format("InvalidParameterValue", "Region is not valid")
    assert.matches("(in ap-x, from option region)", refused(invalid, { region = "ap-x" }, PAIR), 1, true)
    local other = answer:format("InvalidParameterValue", "The name is not valid")
    assert.is_nil((refused(other, { region = "ap-x" }, PAIR):find("(in ", 1, true)))
  end)

  it("keeps its names in one table: no two codes of one, and values both ways", function()
    for code, name in pairs(endpoints.REGIONS) do
      assert.equal(name, endpoints.regionName(code))
      assert.equal(code, endpoints.regionValue(name, "2.0"))
      assert.equal(name, endpoints.regionValue(code, "3.0"))
    end
  end)
end)
