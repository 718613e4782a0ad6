-- Covers which source of credentials counts: their order, what is named and what is passed over, what the error lists.

local chain = require "qcimage.credentials.chain"
local sources = require "qcimage.credentials"
local cloud = require "spec.support.cloud"
local cvm = require "qcimage.credentials.cvm"
local environments = require "qcimage.credentials.environment"
local explicit = require "qcimage.credentials.explicit"
local keys = require "qcimage.credentials.keys"
local stub = require "spec.support.stub"

local home, write

local function file(id)
  return ("[default]\nsecret_id = %s\nsecret_key = secretkey\nregion = ap-file\n"):format(id)
end

local function login(id)
  return ('{"secretId": "%s", "secretKey": "secretkey"}'):format(id)
end

local PAIR = { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey" }

local POD = {
  TKE_REGION = "ap-tke",
  TKE_PROVIDER_ID = "cls-example",
  TKE_ROLE_ARN = cloud.ARN,
}

local function with(...)
  local all = {}
  for _, set in ipairs { ... } do
    for name, value in pairs(set) do
      all[name] = value
    end
  end
  return all
end

local function role()
  return {
    sts = cloud.sts(),
    metadata = {
      ["security-credentials/"] = "image-ops",
      ["/image-ops"] = cloud.document { TmpSecretId = '"AKIDrole"' },
    },
  }
end

-- Asks the default chain: credentials, message, err, context.
local function ask(environment, settings, world)
  local context = cloud.context(world)
  local source = chain.default(with({ HOME = home }, environment), settings or {})
  local credentials, err = source(context)
  if err then
    assert.equal("credentials", err.kind)
    assert.equal("notSent", err.outcome)
    assert.is_nil(err.message:find("secretkey", 1, true))
  end
  return credentials, err and err.message, err, context
end

local function assertFinal(expected, environment, settings, world)
  local credentials, message, _, context = ask(environment, settings, world)
  assert.is_nil(credentials)
  assert.matches(expected, message, 1, true)
  assert.equal(0, #context.requests + #context.calls)
end

describe("the chain of credentials", function()
  before_each(function()
    home, write = cloud.folder()
  end)

  after_each(function()
    cloud.remove(home)
  end)

  it("asks environment, file, tccli, TKE and the CVM role, in this order", function()
    write("token", "the.web.identity")
    local pod = with(POD, { TKE_WEB_IDENTITY_TOKEN_FILE = home .. "/token" })
    assert.equal("AKIDrole", ask({}, nil, role()).secretId)
    local credentials, _, _, context = ask(pod, nil, role())
    assert.equal("AKIDassumed1", credentials.secretId)
    assert.equal("ap-tke", credentials.region)
    assert.equal(0, #context.requests)
    write(".tccli/default.credential", login "AKIDtccli")
    write(".tccli/default.configure", '{"_sys_param": {"region": "ap-tccli"}}')
    credentials = ask(pod, nil, role())
    assert.equal("AKIDtccli", credentials.secretId)
    assert.equal("ap-tccli", credentials.region)
    write(".tencentcloud/credentials", file "AKIDfile")
    credentials = ask(pod, nil, role())
    assert.equal("AKIDfile", credentials.secretId)
    assert.equal("ap-file", credentials.region)
    credentials = ask(with(pod, PAIR), nil, role())
    assert.equal("AKIDenvironment", credentials.secretId)
    assert.is_nil(credentials.region) -- that of another source is none of its own
  end)

  it("passes over what nobody named, and lists every reason without a secret", function()
    write(".tencentcloud/credentials", "[default]\nsecret_id = AKIDhalf\nsecret_key =\n")
    write(".tccli/default.credential", '{"type": "oauth", "expiresAt": 1690000000, "secretKey": "secretkey"}')
    local _, message = ask({}, { metadata = { address = false } })
    assert.equal(
      "no credentials: the options secretId, secretKey and credentials are not given; "
        .. "the environment: TENCENTCLOUD_SECRET_ID is not set, TENCENTCLOUD_SECRET_KEY is not set; "
        .. "~/.tencentcloud/credentials [default]: secret_key is empty; "
        .. "/etc/tencentcloud/credentials does not exist; "
        .. "expired oauth login in ~/.tccli/default.credential, log in again (tccli auth login); "
        .. "TKE: no variable of it is set (TKE_ROLE_ARN, ...); "
        .. "CVM role: the metadata service is switched off (option metadata = false, or QCIMAGE_METADATA=off)",
      message
    )
    assert.equal("AKIDrole", ask({}, nil, role()).secretId)
    _, message = ask({ HOME = "" }, nil, {})
    assert.matches("~/.tencentcloud/credentials: HOME is not set", message, 1, true)
    assert.matches("~/.tccli/default.credential: HOME is not set", message, 1, true)
    assert.matches("CVM role: no role is bound to this instance", message, 1, true)
  end)

  it("stops at half a pair in the environment", function()
    write(".tencentcloud/credentials", file "AKIDfile")
    local only = "the environment: TENCENTCLOUD_SECRET_KEY is not set, though TENCENTCLOUD_SECRET_ID is set"
    assertFinal(only, { TENCENTCLOUD_SECRET_ID = "AKIDx" }, nil, role())
    assertFinal("TENCENTCLOUD_SECRET_ID is not set", { TENCENTCLOUD_SECRET_KEY = "secretkey" }, nil, role())
    assertFinal(
      "the environment: TENCENTCLOUD_SECRET_KEY is empty",
      { TENCENTCLOUD_SECRET_ID = "AKIDx", TENCENTCLOUD_SECRET_KEY = "" },
      nil,
      role()
    )
    assertFinal(
      "TENCENTCLOUD_SECRET_KEY has white space",
      with(PAIR, { TENCENTCLOUD_SECRET_KEY = "secretkey\n" }),
      nil,
      role()
    )
    assertFinal("TENCENTCLOUD_TOKEN has white space", with(PAIR, { TENCENTCLOUD_TOKEN = "a b" }), nil, role())
    assertFinal("though TENCENTCLOUD_ROLE_ARN is set", { TENCENTCLOUD_ROLE_ARN = cloud.ARN }, nil, role())
    -- neither is set, or a name that looks alike
    assert.equal("AKIDfile", ask({ TENCENTCLOUD_SECRET_ID = "", TENCENTCLOUD_SECRET_KEY = "" }).secretId)
    assert.equal("AKIDfile", ask({ TENCENTCLOUD_API_SECRET_ID = "AKIDx", TENCENTCLOUD_TOKEN = "thetoken" }).secretId)
  end)

  it("stops at a file that a variable names", function()
    write(".tencentcloud/credentials", file "AKIDfile")
    write("mine", file "AKIDmine")
    write("broken", "[default]\nsecret_id = AKIDx\n")
    write(".tccli/default.credential", login "AKIDtccli")
    local function named(path)
      return { TENCENTCLOUD_CREDENTIALS_FILE = path }
    end
    assert.equal("AKIDmine", ask(named(home .. "/mine")).secretId)
    assertFinal("~/nowhere does not exist", named(home .. "/nowhere"), nil, role())
    assertFinal("~/broken [default]: secret_key is not given", named(home .. "/broken"), nil, role())
    assertFinal("is a folder", named(home), nil, role())
    assertFinal("TENCENTCLOUD_CREDENTIALS_FILE is empty", named "", nil, role())
    assert.equal("AKIDenvironment", ask(with(PAIR, named(home .. "/nowhere"))).secretId) -- asked before it
  end)

  it("stops at a variable of TKE's", function()
    assertFinal(
      "TKE: TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE, TKE_ROLE_ARN not set",
      { TKE_REGION = "gz" },
      nil,
      role()
    )
    assertFinal(
      "(TKE_WEB_IDENTITY_TOKEN_FILE) does not exist",
      with(POD, { TKE_WEB_IDENTITY_TOKEN_FILE = home .. "/x" }),
      nil,
      role()
    )
  end)

  it("takes a profile that is named, and nothing else", function()
    write(
      ".tencentcloud/credentials",
      file "AKIDfile" .. "[staging]\nsecret_id = AKIDstaging\nsecret_key = secretkey\n"
    )
    write(".tccli/b.credential", login "AKIDb")
    write(".tccli/b.configure", '{"_sys_param": {"region": "ap-b"}}')
    write(".tccli/cut.credential", login("AKIDcut"):sub(1, -10))
    local credentials = ask(PAIR, { profile = "b" })
    assert.equal("AKIDb", credentials.secretId)
    assert.equal("ap-b", credentials.region)
    assert.is_nil(credentials.token)
    assert.equal("AKIDb", ask(with(PAIR, { TCCLI_PROFILE = "b", TENCENTCLOUD_TOKEN = "thetoken" })).secretId)
    assert.equal("AKIDb", ask({ TCCLI_PROFILE = "missing" }, { profile = "b" }).secretId)
    assert.equal("AKIDstaging", ask(PAIR, { profile = "staging" }).secretId)
    assert.equal("AKIDfile", ask(PAIR, { profile = "default" }).secretId)
    assert.equal("AKIDenvironment", ask(with(PAIR, { TCCLI_PROFILE = "" })).secretId)
    assertFinal("~/.tccli/cut.credential is no JSON", PAIR, { profile = "cut" }, role())
    assertFinal(
      'TCCLI_PROFILE "../b" cannot be the name of a file',
      with(PAIR, { TCCLI_PROFILE = "../b" }),
      nil,
      role()
    )
    local _, message = ask(PAIR, { profile = "nope" }, role())
    assert.equal(
      "no credentials for the profile nope (option profile): ~/.tencentcloud/credentials has no section [nope]; "
        .. "/etc/tencentcloud/credentials does not exist; ~/.tccli/nope.credential does not exist",
      message
    )
    _, message = ask(with(PAIR, { TCCLI_PROFILE = "nope" }), nil, role())
    assert.matches("no credentials for the profile nope (TCCLI_PROFILE): ", message, 1, true)
    write("mine", file "AKIDmine")
    assertFinal(
      "~/mine has no section [b]",
      { TENCENTCLOUD_CREDENTIALS_FILE = home .. "/mine" },
      { profile = "b" },
      role()
    )
  end)

  it("keeps to the source that had keys: its failure becomes no other identity", function()
    write(
      ".tccli/default.credential",
      '{"type": "oauth", "expiresAt": 1700000600, "secretId": "AKIDlogin", "secretKey": "secretkey"}'
    )
    local context = cloud.context(role())
    local source = chain.default({ HOME = home }, {})
    assert.equal("AKIDlogin", source(context).secretId)
    context.time = cloud.NOW + 600
    local credentials, err = source(context)
    assert.is_nil(credentials)
    assert.matches("^expired oauth login", err.message)
    -- one that never had any looks at all of them again
    source = chain.default({ HOME = home }, {})
    context = cloud.context { time = cloud.NOW + 600 }
    assert.is_nil((source(context)))
    write(".tencentcloud/credentials", file "AKIDfile")
    assert.equal("AKIDfile", source(context).secretId)
  end)

  it("reads files when it is made, where that is asked for", function()
    write(".tccli/default.credential", login "AKIDtccli")
    local source = chain.default({ HOME = home }, { isEager = true })
    cloud.remove(home)
    assert.equal("AKIDtccli", source(cloud.context()).secretId)
  end)

  it("takes sources of the caller's, in the caller's order", function()
    local context = cloud.context(role())
    local source = sources.chain {
      environments.new {},
      function()
        return nil, "the vault is shut"
      end,
      cvm.new(),
    }
    assert.equal("AKIDrole", source(context).secretId)
    source = sources.chain {
      function()
        return nil, "the vault is shut"
      end,
      explicit.new { secretId = "AKIDx", secretKey = "secret key" },
      cvm.new(),
    }
    local _, err = source(context)
    assert.equal("secretKey has white space in it", err.message)
    source = sources.chain {
      function()
        return { secretId = "AKIDplain", secretKey = "secretkey", token = "" }
      end,
    }
    local credentials = source(context)
    assert.equal("qcimage.Credentials (...)", tostring(keys.ask(source, context)))
    assert.is_nil(credentials.token)
  end)
end)

describe("keys in the environment", function()
  it("assume a role that it names", function()
    local context = cloud.context { sts = cloud.sts() }
    local environment = with(PAIR, {
      TENCENTCLOUD_ROLE_ARN = cloud.ARN,
      TENCENTCLOUD_ROLE_SESSION_NAME = "ci",
    })
    assert.equal("AKIDassumed1", environments.new(environment)(context).secretId)
    assert.same({ roleArn = cloud.ARN, roleSessionName = "ci" }, context.calls[1].params)
    environment.TENCENTCLOUD_ROLE_SESSION_NAME = "c i"
    local _, err = environments.new(environment)(context)
    assert.matches("^TENCENTCLOUD_ROLE_SESSION_NAME must be 2 to 128", err.message)
    assert.equal("TENCENTCLOUD_ROLE_SESSION_NAME", err.field)
    environment.TENCENTCLOUD_ROLE_ARN = ""
    assert.equal("AKIDenvironment", environments.new(environment)(context).secretId)
  end)

  it("have a token under each of its names", function()
    for _, name in ipairs { "TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN" } do
      assert.equal("thetoken", environments.new(with(PAIR, { [name] = "thetoken" }))(cloud.context()).token)
      assert.is_nil(environments.new(with(PAIR, { [name] = "" }))(cloud.context()).token)
    end
    assert.equal(stub.SECRET_ID, explicit.new({ secretId = stub.SECRET_ID, secretKey = "k" })().secretId)
  end)
end)
