-- Covers which source of credentials counts: their order, what is named and what is passed over, what the error lists.
-- Covers chain.lua, provider.lua.

local chain = require "qcimage.credentials.chain"
local sources = require "qcimage.credentials"
local cloud = require "spec.support.cloud"
local cvm = require "qcimage.credentials.cvm_role"
local environments = require "qcimage.credentials.environment"
local provider = require "qcimage.credentials.provider"

local home, write

local function file(id)
  return ("[default]\nsecret_id = %s\nsecret_key = secretkey\nregion = ap-file\n"):format(id)
end

local function login(id)
  return ('{"secretId": "%s", "secretKey": "secretkey"}'):format(id)
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

-- Everything that can name keys, at once; a row of ORDER leaves the first ones out.
local PLACES = {
  environment = function(environment)
    environment.TENCENTCLOUD_SECRET_ID, environment.TENCENTCLOUD_SECRET_KEY = "AKIDenvironment", "secretkey"
  end,
  variable = function(environment)
    write("mine", file "AKIDmine")
    environment.TENCENTCLOUD_CREDENTIALS_FILE = home .. "/mine"
  end,
  file = function()
    write(".tencentcloud/credentials", file "AKIDfile" .. "[ops]\nsecret_id = AKIDsection\nsecret_key = secretkey\n")
  end,
  tke = function(environment)
    write("token", "the.web.identity")
    environment.TKE_REGION, environment.TKE_PROVIDER_ID = "ap-tke", "cls-example"
    environment.TKE_ROLE_ARN, environment.TKE_WEB_IDENTITY_TOKEN_FILE = cloud.ARN, home .. "/token"
  end,
  tccli = function()
    write(".tccli/default.credential", login "AKIDtccli")
    write(".tccli/ops.credential", login "AKIDops")
  end,
}

-- {places that have keys, whose count}, without a profile and with one of each kind.
local ORDER = {
  {
    "environment variable file tke tccli",
    plain = "AKIDenvironment",
    variable = "AKIDenvironment",
    pinned = "AKIDops",
  },
  { "environment variable", plain = "AKIDenvironment", variable = "AKIDenvironment", pinned = false },
  { "environment", plain = "AKIDenvironment", variable = "AKIDenvironment", pinned = false },
  { "environment file", plain = "AKIDenvironment", variable = "AKIDenvironment", pinned = "AKIDsection" },
  { "variable file tke tccli", plain = "AKIDmine", variable = "AKIDmine", pinned = "AKIDops" },
  { "file tke tccli", plain = "AKIDfile", variable = "AKIDfile", pinned = "AKIDops" },
  { "file tke", plain = "AKIDfile", variable = "AKIDfile", pinned = "AKIDsection" },
  { "tke tccli", plain = "AKIDassumed1", variable = "AKIDassumed1", pinned = "AKIDops" },
  { "tke", plain = "AKIDassumed1", variable = "AKIDassumed1", pinned = false },
  { "tccli", plain = "AKIDtccli", variable = "AKIDops", pinned = "AKIDops" },
  { "", plain = "AKIDrole", variable = false, pinned = false }, -- a profile that is named is never a node's role
}

describe("the chain of credentials", function()
  before_each(function()
    home, write = cloud.folder()
  end)

  after_each(function()
    cloud.remove(home)
  end)

  for _, row in ipairs(ORDER) do
    it("has one order, also where only these have keys: " .. row[1], function()
      local environment = {}
      for name in row[1]:gmatch "%S+" do
        PLACES[name](environment)
      end
      for kind, settings in pairs { plain = {}, variable = {}, pinned = { profile = "ops" } } do
        local variable = kind == "variable" and "ops" or nil
        local credentials, message, _, context = ask(with(environment, { TCCLI_PROFILE = variable }), settings, role())
        assert.equal(row[kind], credentials and credentials.secretId or false, message)
        if row[kind] ~= "AKIDrole" then
          assert.equal(0, #context.requests)
        end
      end
    end)
  end

  -- What exists and cannot be used, in each place. Behind it there are all others, and a CVM role.
  local BROKEN = {
    file = {
      { "line 2: secret_id contains white space", "[default]\nsecret_id = AKID x\nsecret_key = secretkey\n" },
      { "line 1: secret_key is not given", "[default]\nsecret_id = AKIDx\n" },
      { "line 3: secret_key is empty", "[default]\nsecret_id = AKIDx\nsecret_key =\n" },
      { "line 2: secret_id has unbalanced quotes", '[default]\nsecret_id = "AKIDx\nsecret_key = y\n' },
      { "line 1: outside of any [section]", "secret_id = AKIDx\nsecret_key = secretkey\n" },
      { "twice, in lines 1 and 2", "[default]\n[default]\nsecret_id = AKIDx\nsecret_key = secretkey\n" },
      { "twice, in lines 2 and 3", "[default]\nsecret_id = AKIDx\nsecret_id = AKIDy\n" },
      { "contains a NUL byte", "[\0d\0" },
      { "line 1: an incomplete name of a [section]", "[default\nsecret_id = AKIDx\nsecret_key = y\n" },
      { "is a folder", false },
    },
    tccli = {
      { "is empty, or is being written", "" },
      { "is not JSON, or is being written", '{"secretId": "AKIDx", "secretK' },
      { "contains no JSON object", "null" },
      { "line 1: secretId contains white space", '{"secretId": "AKID x", "secretKey": "secretkey"}' },
      { "secretKey is not given", '{"secretId": "AKIDx"}' },
      { "secretId is not given", '{"secretKey": "secretkey"}' },
      { "unknown login type", '{"secretId": "AKIDx", "secretKey": "secretkey", "type": "passkey"}' },
      { "has no expiration time", '{"secretId": "AKIDx", "secretKey": "secretkey", "type": "sso"}' },
      {
        "expired oauth login",
        '{"secretId": "AKIDx", "secretKey": "secretkey", "type": "oauth", "expiresAt": 1690000000}',
      },
      { "role-arn is not the ARN", '{"secretId": "AKIDx", "secretKey": "secretkey", "role-arn": "x"}' },
      { "secretId is not given", '{"role-arn": "' .. cloud.ARN .. '"}' },
      { "is a folder", false },
    },
  }

  local PATHS = {
    file = { plain = ".tencentcloud/credentials", variable = "named" },
    tccli = {
      plain = ".tccli/default.credential",
      variable = ".tccli/ops.credential",
      pinned = ".tccli/ops.credential",
    },
  }

  local function place(path, contents)
    if contents then
      write(path, contents)
    else
      write(path .. "/x", "")
    end
    return path == "named" and { TENCENTCLOUD_CREDENTIALS_FILE = home .. "/named" } or {}
  end

  for kind, cases in pairs(BROKEN) do
    it("stops at what is broken, and asks nobody behind it: " .. kind, function()
      for _, paths in ipairs { "plain", "variable", "pinned" } do
        local path = PATHS[kind][paths]
        for _, case in ipairs(path and cases or {}) do
          local environment = place(path, case[2])
          if kind ~= "tccli" then -- which stands behind these
            PLACES.tccli()
            PLACES.tke(environment)
          end
          environment.TCCLI_PROFILE = kind == "tccli" and paths == "variable" and "ops" or nil
          local settings = { profile = paths == "pinned" and "ops" or nil }
          assertFinal(case[1], environment, settings, role())
          local _, _, err = ask(environment, settings, role())
          assert.is_true(err.final)
          cloud.remove(home)
          home, write = cloud.folder()
        end
      end
    end)
  end

  it("passes over what does not exist, and lists every reason without a secret", function()
    write(".tencentcloud/credentials", "[default]\nsecret_id =\nsecret_key =\n")
    write(".tccli/default.credential", "{}")
    local _, message = ask({}, { metadata = { address = false } })
    assert.equal(
      "no credentials: the options secretId, secretKey and credentials are not given; "
        .. "the environment: TENCENTCLOUD_SECRET_ID is not set, TENCENTCLOUD_SECRET_KEY is not set; "
        .. "~/.tencentcloud/credentials [default] has neither secret_id nor secret_key; "
        .. "/etc/tencentcloud/credentials does not exist; "
        .. "TKE: not configured (TKE_ROLE_ARN, ... are not set); "
        .. "~/.tccli/default.credential has neither secretId nor secretKey; "
        .. "CVM role: the metadata service is disabled (option metadata = false, or QCIMAGE_METADATA=off)",
      message
    )
    assert.equal("AKIDrole", ask({}, nil, role()).secretId)
    _, message = ask({ HOME = "" }, nil, {})
    assert.matches("~/.tencentcloud/credentials: HOME is not set", message, 1, true)
    assert.matches("~/.tccli/default.credential: HOME is not set", message, 1, true)
    assert.matches("CVM role: this instance has no role", message, 1, true)
    -- variables that are empty, or only look alike
    write(".tencentcloud/credentials", file "AKIDfile")
    assert.equal("AKIDfile", ask({ TENCENTCLOUD_SECRET_ID = "", TENCENTCLOUD_SECRET_KEY = "" }).secretId)
    assert.equal("AKIDfile", ask({ TENCENTCLOUD_API_SECRET_ID = "AKIDx", TENCENTCLOUD_TOKEN = "thetoken" }).secretId)
  end)

  it("tells what was passed over, at each question", function()
    write(".tccli/default.credential", login "AKIDtccli")
    local source = chain.default({ HOME = home }, {})
    for _ = 1, 2 do
      local context = cloud.context()
      context.passed = {}
      assert.equal("AKIDtccli", source(context).secretId)
      local names = {}
      for i, one in ipairs(context.passed) do
        names[i] = one.source
      end
      assert.same({ "the environment", "~/.tencentcloud/credentials", "/etc/tencentcloud/credentials", "TKE" }, names)
    end
  end)

  it("stops at a file that a variable names", function()
    PLACES.tccli()
    local function named(path)
      return { TENCENTCLOUD_CREDENTIALS_FILE = path }
    end
    assertFinal("~/nowhere does not exist", named(home .. "/nowhere"), nil, role())
    assertFinal("is a folder", named(home), nil, role())
    assertFinal("TENCENTCLOUD_CREDENTIALS_FILE is empty", named "", nil, role())
    write("other", "[other]\nsecret_id = AKIDx\nsecret_key = secretkey\n")
    assertFinal("~/other has no section [default]", named(home .. "/other"), nil, role())
    write("other", "[default]\nregion = ap-x\n")
    assertFinal("~/other [default] has neither secret_id nor secret_key", named(home .. "/other"), nil, role())
    assert.equal("AKIDenvironment", ask(with(PAIR, named(home .. "/nowhere"))).secretId) -- asked before it
  end)

  it("takes a profile that the option names, and nothing else", function()
    PLACES.file()
    PLACES.tccli()
    assert.equal("AKIDtccli", ask(PAIR, { profile = "default" }).secretId)
    assert.equal("AKIDops", ask(with(PAIR, { TCCLI_PROFILE = "default" }), { profile = "ops" }).secretId)
    assertFinal('TCCLI_PROFILE "../b" is not a valid file name', { TCCLI_PROFILE = "../b", HOME = "/x" }, nil, role())
    local _, message = ask(PAIR, { profile = "nope" }, role())
    assert.equal(
      "no credentials for the profile nope (option profile): ~/.tccli/nope.credential does not exist; "
        .. "~/.tencentcloud/credentials has no section [nope]; /etc/tencentcloud/credentials does not exist",
      message
    )
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
    local _
    os.remove(home .. "/.tccli/default.credential")
    _, err = source(context)
    assert.equal("~/.tccli/default.credential does not exist", err.message)
    -- one that never had any looks at all of them again
    source = chain.default({ HOME = home }, {})
    context = cloud.context()
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
      provider.static { secretId = "AKIDx", secretKey = "secret key" },
      cvm.new(),
    }
    local _, err = source(context)
    assert.equal("secretKey contains white space", err.message)
    source = sources.chain {
      function()
        return { secretId = "AKIDplain", secretKey = "secretkey", token = "" }
      end,
    }
    local credentials = source(context)
    assert.equal("qcimage.Credentials (...)", tostring(provider.call(source, context)))
    assert.is_nil(credentials.token)
    local _, none = sources.chain { sources.environment() }(context) -- a chain without a function of the caller's
    assert.matches("TENCENTCLOUD_SECRET_ID", none.message)
  end)
end)

describe("a chain behind the instance's role", function()
  local function both(metadata)
    local source = sources.chain { cvm.new(), provider.static { secretId = "AKIDother", secretKey = "secretkey" } }
    local credentials, err = source(cloud.context { metadata = metadata })
    return credentials and credentials.secretId or err.message, err and err.final
  end

  it("goes on where there is no role or no service, and not where the service answers and cannot tell", function()
    for _, absent in ipairs {
      {}, -- no role is bound
      { ["security-credentials/"] = "" },
      { [".com/latest/meta-data/cam/security-credentials/"] = { fail = "no answer", sent = true } },
    } do
      assert.equal("AKIDother", (both(absent)))
    end
    local list = "security-credentials/"
    for expected, metadata in pairs {
      ["metadata status 500"] = { [list] = { status = 500, body = "" } },
      ["metadata status 429"] = { [list] = "image-ops", ["/image-ops"] = { status = 429, body = "" } },
      ["metadata status 403"] = { [list] = { status = 403, body = "" } },
      ["is not JSON"] = { [list] = "image-ops", ["/image-ops"] = "{" },
      ["is empty"] = { [list] = "image-ops", ["/image-ops"] = "" },
      ['the metadata service returned "Failed"'] = { [list] = "image-ops", ["/image-ops"] = '{"Code": "Failed"}' },
      ["has no Token"] = { [list] = "image-ops", ["/image-ops"] = cloud.document { Token = false } },
      ["TmpSecretKey is empty"] = { [list] = "image-ops", ["/image-ops"] = cloud.document { TmpSecretKey = '""' } },
    } do
      local message, final = both(metadata)
      assert.matches(expected, message, 1, true)
      assert.is_true(final)
    end
  end)
end)
