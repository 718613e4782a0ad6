-- Covers credentials in files: ~/.tencentcloud/credentials and tccli's, in every state that people have them.
-- Covers file.lua, ini.lua, read_file.lua, reload.lua, tccli.lua, util/warning.lua.

local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local file = require "qcimage.credentials.file"
local process = require "spec.support.process"
local sources = require "qcimage.credentials"
local stub = require "spec.support.stub"
local tccli = require "qcimage.credentials.tccli"

local KEYS = ("secret_id = %s\nsecret_key = %s\n"):format(stub.SECRET_ID, stub.SECRET_KEY)
local BOM = "\239\187\191"

local home, write

local function setUp()
  home, write = cloud.folder()
end

local function tearDown()
  cloud.remove(home)
end

-- Asks a source; gives credentials, message, err.
local function ask(source, context)
  local credentials, err = source(context or cloud.context())
  if err then
    assert.equal("credentials", err.kind)
    assert.equal("notSent", err.outcome)
    assert.is_nil(err.message:find("EXAMPLE", 1, true))
  end
  return credentials, err and err.message, err
end

local function assertExample(credentials, message)
  assert.is_table(credentials, message)
  assert.equal(stub.SECRET_ID, credentials.secretId)
  assert.equal(stub.SECRET_KEY, credentials.secretKey)
end

describe("a credentials file", function()
  before_each(setUp)
  after_each(tearDown)

  local function read(contents, settings)
    write("credentials", contents)
    local all = { path = home .. "/credentials", home = home }
    for name, value in pairs(settings or {}) do
      all[name] = value
    end
    return ask(file.new(all))
  end

  it("gives its keys, however an editor wrote it", function()
    for _, contents in ipairs {
      "[default]\n" .. KEYS,
      "[default]\n" .. KEYS:gsub("\n$", ""),
      BOM .. "[default]\n" .. KEYS,
      ("[default]\n" .. KEYS):gsub("\n", "\r\n"),
      "; made for tests\r\n\r\n[default] # main account\r\n"
        .. KEYS:gsub("secret_", "  secret_"):gsub(" = ", "\t=  "):gsub("\n", " \t\r\n"),
      "[ default ]\n\n# a remark\n" .. KEYS,
      "stray line\n[other]\nsecret_id\n[default]\n" .. KEYS .. "[other]\n",
      ("[default]\nsecret_id=%q ; quoted\nsecret_key='%s'\n"):format(stub.SECRET_ID, stub.SECRET_KEY),
      ("[default]\nSecret_ID: %s\nsecret_key: %s # theirs"):format(stub.SECRET_ID, stub.SECRET_KEY),
      "[default]\n" .. KEYS .. "unknown = whatever this is\ntoken =\n",
    } do
      local credentials, message = read(contents)
      assertExample(credentials, message)
      assert.is_nil(credentials.token)
    end
  end)

  it("gives a token, a region, and # and ; inside of values", function()
    local credentials =
      read("[default]\nsecret_id=AK#ID;1\nsecret_key=k;e#y # remark\ntoken=a;b#c\nregion = ap-beijing\n")
    assert.equal("AK#ID;1", credentials.secretId)
    assert.equal("k;e#y", credentials.secretKey)
    assert.equal("a;b#c", credentials.token)
    assert.equal("ap-beijing", credentials.region)
  end)

  it("that is broken is told by its name, its line and never its values, and is final whoever named it", function()
    for _, case in ipairs {
      { "x" .. BOM .. "[default]\n" .. KEYS, "has an invalid line 2: outside of any [section]" }, -- a mark elsewhere is none
      { KEYS, "~/credentials has an invalid line 1: outside of any [section]" },
      { "\n# mine\n" .. KEYS .. "[default]\n" .. KEYS, "has an invalid line 3: outside of any [section]" },
      { "AKIDxxxxxxxx\nthekey\n", "has an invalid line 1: outside of any [section]" },
      { "[default\n" .. KEYS, "has an invalid line 1: an incomplete name of a [section]" },
      { "[other]\nx = 1\n[default] x\n" .. KEYS, "has an invalid line 3: an incomplete name of a [section]" },
      {
        "[default]\nsecret_id = AKIDxxxxxxxx\nsecret_key =\n",
        "~/credentials [default], line 3: secret_key is empty",
      },
      { "[default]\nsecret_key = k\nsecret_id =\n", "~/credentials [default], line 3: secret_id is empty" },
      { "\n[default]\nsecret_id = AKIDxxxxxxxx\n", "~/credentials [default], line 2: secret_key is not given" },
      { "[default]\nsecret_key = k\n", "~/credentials [default], line 1: secret_id is not given" },
      { "[default]\nrole_arn = " .. cloud.ARN .. "\n", "~/credentials [default], line 1: secret_id is not given" },
      { "[default]\nsecret_id = AKID xx\nsecret_key = k", "line 2: secret_id contains white space" },
      { '[default]\nsecret_id = " AKIDxx"\nsecret_key = k', "line 2: secret_id begins or ends with white space" },
      {
        "[default]\nsecret_id = AKIDxx\195\169\nsecret_key = k",
        "secret_id contains a character that is not allowed in a key",
      },
      {
        '[default]\nsecret_id = "AKIDxx\nsecret_key = k',
        "line 2: secret_id has unbalanced quotes",
      },
      { '[default]\nsecret_id = "AKID"xx\nsecret_key = k', "line 2: secret_id has unbalanced quotes" },
      { "[default]\n" .. KEYS .. "hello\n", "has an invalid line 4: neither [section] nor key = value" },
      { "[default]\n" .. KEYS .. "secret_id = AKIDother\n", "has secret_id of [default] twice, in lines 2 and 4" },
      { "[default]\n" .. KEYS .. "\n[default]\n" .. KEYS, "has the section [default] twice, in lines 1 and 5" },
      { ("[default]\n" .. KEYS):gsub(".", "%0\0"), "contains a NUL byte, so it is not text (UTF-16?)" },
      { "[default]\nsecret_id = " .. ("x"):rep(2000) .. "\nsecret_key = k", "secret_id is too long" },
      { ("#"):rep(10 * 1024 * 1024), "has more than 262144 bytes" },
    } do
      local credentials, message, err = read(case[1])
      assert.is_nil(credentials)
      assert.matches(case[2], message, 1, true)
      assert.is_true(err.final, message)
    end
  end)

  it("without keys is passed over, unless somebody named it", function()
    for _, case in ipairs {
      { "", "~/credentials has no section [default]" },
      { BOM, "has no section [default]" },
      { "# nothing yet\n\n; nor here\n", "has no section [default]" },
      { "[staging]\n" .. KEYS, "has no section [default]" },
      { "[Default]\n" .. KEYS, "has no section [default]" },
      { "stray\n[staging]\n" .. KEYS, "has no section [default]" },
      { "[default]\n", "~/credentials [default] has neither secret_id nor secret_key" },
      { "[default]\nsecret_id =\nsecret_key = ''\nregion = ap-x\n", "has neither secret_id nor secret_key" },
      { "[default]\nregion = ap-x\n", "has neither secret_id nor secret_key" },
    } do
      local credentials, message, err = read(case[1])
      assert.is_nil(credentials)
      assert.matches(case[2], message, 1, true)
      assert.is_nil(err.final, message)
      assert.is_true(select(3, read(case[1], { isNamed = true })).final)
    end
  end)

  it("that is not there, a folder, or not to be read, is told as what it is", function()
    local function at(path, settings)
      settings = settings or {}
      settings.path, settings.home = path, home
      return select(2, ask(file.new(settings)))
    end
    assert.equal("~/nowhere does not exist", at(home .. "/nowhere"))
    assert.equal("~/nowhere/credentials does not exist", at(home .. "/nowhere/credentials"))
    assert.equal("~ is a folder", (at(home):gsub("^/.*/[^ ]+", "~")))
    write("file", "x")
    assert.equal("~/file/credentials does not exist", at(home .. "/file/credentials"))
    local function final(path, settings)
      settings = settings or {}
      settings.path, settings.home = path, home
      return select(3, ask(file.new(settings))).final
    end
    assert.is_nil(final(home .. "/nowhere"))
    assert.is_nil(final(home .. "/file/credentials"))
    assert.is_true(final(home)) -- a folder in its place
    assert.equal("~/.tencentcloud/credentials: HOME is not set", select(2, ask(file.new {})))
    -- an empty HOME is none, and not the root
    local getenv = os.getenv
    finally(function()
      rawset(os, "getenv", getenv)
    end)
    rawset(os, "getenv", function(name)
      return name == "HOME" and "" or getenv(name)
    end)
    assert.equal("~/.tencentcloud/credentials: HOME is not set", select(2, ask(sources.file())))
    assert.equal("~/.tccli/default.credential: HOME is not set", select(2, ask(sources.tccli())))
  end)

  it("of another user is broken, but not the machine's, nor one in a folder that may not be searched", function()
    write("mine/file", "[default]\n" .. KEYS)
    os.execute(("chmod 755 %s && chmod 000 %s/mine/file"):format(home, home))
    local function asNobody(path, more)
      local code = ([[
        local file = require "qcimage.credentials.file"
        local _, err = file.new { path = %q, home = %q, isForAll = %s } {}
        print(err.message, err.final)
      ]]):format(path, home, more or "nil")
      return process.lua(code, process.run("id -u") == "0\n" and "setpriv --reuid=65534 --clear-groups env" or nil)
    end
    assert.equal("~/mine/file cannot be read by this user\ttrue\n", asNobody(home .. "/mine/file"))
    assert.equal("~/mine/file cannot be read by this user\tnil\n", asNobody(home .. "/mine/file", "true"))
    os.execute(("chmod 000 %s/mine"):format(home))
    assert.equal("~/mine/file cannot be read by this user\tnil\n", asNobody(home .. "/mine/file"))
    os.execute(("chmod 700 %s/mine"):format(home))
  end)

  it("that others may read or change is warned of, once", function()
    local expected = ""
    for _, mode in ipairs { "400", "600", "602", "620", "640", "644" } do
      write(mode, "[default]\n" .. KEYS)
      os.execute(("chmod %s %s/%s"):format(mode, home, mode))
      if mode ~= "400" and mode ~= "600" and mode ~= "640" then
        expected = expected
          .. ("qcimage: ~/M is open to others than its owner (mode 0M): chmod 600 ~/M\n"):gsub("M", mode)
      end
    end
    local output = process.lua(([[
      local file = require "qcimage.credentials.file"
      for _, mode in ipairs { "400", "600", "602", "620", "640", "644" } do
        for _ = 1, 2 do
          assert(file.new { path = %q .. "/" .. mode, home = %q } { now = os.time })
        end
      end
    ]]):format(home, home))
    assert.equal(expected, output)
  end)

  it("has permissions that can be asked for", function()
    write("credentials", "x")
    os.execute("chmod 751 " .. home .. "/credentials")
    assert.equal(tonumber("751", 8), core.permissions(home .. "/credentials"))
    assert.is_nil(core.permissions(home .. "/nowhere"))
    assert.is_nil(core.permissions(home .. "/credentials\0x"))
    for _, path in ipairs { 12, {}, false } do
      assert.is_false((pcall(core.permissions, path)))
    end
  end)

  it("has sections for profiles", function()
    local contents = "[default]\n"
      .. KEYS
      .. "[staging]\nsecret_id = AKIDstaging\nsecret_key = stagingkey\n[b]\nsecret_id=\n[c]\nsecret_id=x\n"
    assert.equal("AKIDstaging", read(contents, { section = "staging" }).secretId)
    local _, message, err = read(contents, { section = "nope" })
    assert.equal("~/credentials has no section [nope]", message)
    assert.is_nil(err.final)
    _, message, err = read(contents, { section = "b" })
    assert.equal("~/credentials [b] has neither secret_id nor secret_key", message)
    assert.is_nil(err.final)
    _, message, err = read(contents, { section = "c" })
    assert.equal("~/credentials [c], line 9: secret_key is not given", message)
    assert.is_true(err.final)
  end)

  it("may name a role that its keys assume", function()
    write(
      "credentials",
      "[default]\n" .. KEYS .. "role_arn = " .. cloud.ARN .. "\nregion = ap-tokyo\nrole_session_name = ci\n"
    )
    local context = cloud.context { sts = cloud.sts() }
    local credentials = ask(file.new { path = home .. "/credentials" }, context)
    assert.equal("AKIDassumed1", credentials.secretId)
    assert.equal("ap-tokyo", credentials.region)
    assert.same({ roleArn = cloud.ARN, roleSessionName = "ci" }, context.calls[1].params)
    local _, message = read("[default]\n" .. KEYS .. "role_arn = somebody\n")
    assert.matches("~/credentials [default], line 4: role_arn is not the ARN of a role", message, 1, true)
  end)

  it("is read once, and again when its keys were refused or it had none", function()
    write("credentials", "[default]\n" .. KEYS)
    local source = file.new { path = home .. "/credentials" }
    local context = cloud.context()
    local first = source(context)
    write("credentials", "[default]\nsecret_id = AKIDnew\nsecret_key = newkey\n")
    assert.equal(first, source(context))
    context.refused = first
    assert.equal("AKIDnew", source(context).secretId)
    context.refused = nil
    os.remove(home .. "/credentials")
    assert.equal("AKIDnew", source(context).secretId)
    source = file.new { path = home .. "/credentials" }
    assert.is_nil((source(context)))
    write("credentials", "[default]\n" .. KEYS)
    assertExample(source(context))
  end)

  it("is read when its source is made, where that is asked for", function()
    write("credentials", "[default]\n" .. KEYS)
    local source = file.new { path = home .. "/credentials", isEager = true }
    os.remove(home .. "/credentials")
    assertExample(source(cloud.context()))
    assertExample(source(cloud.context()))
  end)
end)

describe("a profile of tccli's", function()
  before_each(setUp)
  after_each(tearDown)

  local function login(fields)
    local list = {}
    for name, value in pairs(fields) do
      list[#list + 1] = ('"%s": %s'):format(name, value)
    end
    return "{" .. table.concat(list, ",\n  ") .. "}"
  end

  local EXAMPLE = {
    secretId = '"' .. stub.SECRET_ID .. '"',
    secretKey = '"' .. stub.SECRET_KEY .. '"',
    token = '""',
    ["role-arn"] = '""',
    ["role-session-name"] = '""',
    type = '"default"',
  }

  local function with(fields)
    local all = {}
    for _, set in ipairs { EXAMPLE, fields } do
      for name, value in pairs(set) do
        all[name] = value or nil
      end
    end
    return login(all)
  end

  local function profile(settings)
    local all = { home = home }
    for name, value in pairs(settings or {}) do
      all[name] = value
    end
    return tccli.new(all)
  end

  local function read(credential, configure, settings, context)
    write(".tccli/default.credential", credential)
    if configure then
      write(".tccli/default.configure", configure)
    end
    return ask(profile(settings), context)
  end

  it("gives its keys, as tccli and editors write it", function()
    for _, contents in ipairs {
      with {},
      BOM .. with {},
      with({}):gsub("\n", "\r\n") .. "\r\n",
      with { token = "null" },
      with { token = false, type = false, ["role-arn"] = false },
      with { type = "null" },
    } do
      local credentials, message = read(contents)
      assertExample(credentials, message)
      assert.is_nil(credentials.token)
    end
    assert.equal("thetoken", read(with { token = '"thetoken"' }).token)
  end)

  it("has settings: region, endpoints, language; those that tccli writes for everybody are none", function()
    local function settings(configure)
      local credentials, message = read(with {}, configure)
      return assert(credentials, message).profile
    end
    local found = settings(
      '{"_sys_param": {"region": "ap-shanghai", "language": "en-US"}, '
        .. '"cvm": {"endpoint": "cvm.tencentcloudapi.com", "version": "2017-03-12"}, "sts": {"endpoint": ""}}'
    )
    assert.equal("ap-shanghai", found.get "region")
    assert.equal("en-US", found.get "language")
    assert.same({}, { found.get "endpoint" })
    assert.same({}, { found.get "stsEndpoint" })
    found = settings(
      '{"_sys_param": {"region": ""}, "cvm": {"endpoint": "cvm.internal.tencentcloudapi.com"}, '
        .. '"sts": {"endpoint": "http://127.0.0.1:8"}}'
    )
    assert.is_nil(found.get "region")
    assert.equal("https://cvm.internal.tencentcloudapi.com", found.get("endpoint").origin)
    assert.equal("http://127.0.0.1:8", found.get("stsEndpoint").origin)
    assert.equal("ap-tokyo", settings('{"region": "ap-tokyo"}').get "region") -- as old versions wrote it
    os.remove(home .. "/.tccli/default.configure")
    assert.is_nil((read(with {}).profile.get "region"))
  end)

  it("has settings that are told by the file's name when they are wrong, and only then", function()
    local function problem(configure, field)
      local found = read(with {}, configure).profile
      local value, said = found.get(field or "region")
      assert.is_nil(value)
      return said
    end
    for _, case in ipairs {
      { "", "~/.tccli/default.configure is empty, or is being written" },
      { '{\n  "_sys_param": {\n    "region": "ap-gu', "~/.tccli/default.configure is not JSON, or is being written: " },
      { '{\n  "_sys_param": {\n    "region": "ap-gu', "(line 3)" },
      { "null", "~/.tccli/default.configure contains no JSON object" },
      { "[]", "~/.tccli/default.configure contains no JSON object" },
      { '{"_sys_param": {"region": 7}}', "~/.tccli/default.configure: region is not text" },
      { '{"_sys_param": {"language": "fr"}}', "language must be zh-CN or en-US", "language" },
      { '{"cvm": {"endpoint": "a b"}}', "~/.tccli/default.configure: cvm.endpoint has no valid host", "endpoint" },
      { '{"cvm": {"endpoint": {}}}', "cvm.endpoint is not text", "endpoint" },
      { '{"cvm": {"endpoint": "x/v2/index.php"}}', "cvm.endpoint must have no path", "endpoint" },
      { '{"sts": {"endpoint": "ftp://x"}}', "sts.endpoint must be a URL", "stsEndpoint" },
    } do
      assert.matches(case[2], problem(case[1], case[3]), 1, true)
    end
    assert.is_nil(problem('{"sts": {"endpoint": "ftp://x"}}', "region"))
  end)

  it("with a role assumes it, by the STS of its settings", function()
    local context = cloud.context { sts = cloud.sts() }
    local credentials = read(
      with { ["role-arn"] = '"' .. cloud.ARN .. '"', ["role-session-name"] = '"ci"' },
      '{"_sys_param": {"region": "gz"}, "sts": {"endpoint": "sts.internal.tencentcloudapi.com"}}',
      nil,
      context
    )
    assert.equal("AKIDassumed1", credentials.secretId)
    assert.equal("assumedtoken1", credentials.token)
    assert.equal("gz", credentials.profile.get "region")
    assert.equal("https://sts.internal.tencentcloudapi.com", credentials.profile.get("stsEndpoint").origin)
    assert.same({ roleArn = cloud.ARN, roleSessionName = "ci" }, context.calls[1].params)
    assert.same({ arn = cloud.ARN, source = "~/.tccli/default.credential" }, credentials.role)
    local _, message = read(with { ["role-arn"] = '"' .. cloud.ARN .. '"', ["role-session-name"] = '"c i"' })
    assert.matches("role-session-name must be 2 to 128 of A-Z a-z 0-9", message, 1, true)
  end)

  it("of the instance's role takes it from the metadata service", function()
    local context = cloud.context {
      metadata = { ["security-credentials/"] = "image-ops", ["/image-ops"] = cloud.document() },
    }
    local credentials = read('{"type": "cvm-role"}', '{"_sys_param": {"region": "ap-tokyo"}}', nil, context)
    assertExample(credentials)
    assert.equal("EXAMPLEtoken", credentials.token)
    assert.equal("ap-tokyo", credentials.profile.get "region")
    local _, message, err = read('{"type": "cvm-role"}', nil, nil, cloud.context())
    assert.equal("~/.tccli/default.credential names the instance's role: CVM role: this instance has no role", message)
    assert.is_true(err.final)
    _, message = read('{"type": "cvm-role"}', nil, { metadata = { address = false } })
    assert.matches("is disabled", message, 1, true)
  end)

  it("of a browser's login is used until its end, and then says so", function()
    local contents = with { type = '"oauth"', expiresAt = "1700000600", oauth = '{"accessToken": "EXAMPLEaccess"}' }
    local context = cloud.context()
    write(".tccli/default.credential", contents)
    local source = profile()
    assertExample(source(context))
    context.time = 1700000600
    local credentials, message = ask(source, context)
    assert.is_nil(credentials)
    assert.equal("expired oauth login in ~/.tccli/default.credential, log in again (tccli auth login)", message)
    write(".tccli/default.credential", (contents:gsub("1700000600", "1700007200"))) -- tccli renewed it
    assertExample(source(context))
    context.time = 1700007200
    assert.matches("^expired oauth login", select(2, ask(source, context)))
    local _, said = read(with { type = '"sso"', sso = '{"expiresAt": 1690000000}' })
    assert.equal("expired sso login in ~/.tccli/default.credential, log in again (tccli sso login)", said)
    _, said = read(with { type = '"oauth"' })
    assert.equal("~/.tccli/default.credential: the oauth login has no expiration time", said)
  end)

  it("is warned of when others may read its keys, and not when it has none", function()
    local warnings = cloud.warnings
    local before = #warnings
    read '{"type": "cvm-role"}'
    assert.equal(before, #warnings)
    read(with {})
    assert.equal(before + 1, #warnings)
    assert.matches("~/.tccli/default.credential is open to others than its owner", warnings[#warnings], 1, true)
  end)

  it("of an unknown kind is said, not used", function()
    local _, message, err = read(with { type = '"passkey"' })
    assert.matches('^~/.tccli/default.credential, line %d: type: unknown login type "passkey"$', message)
    assert.is_true(err.final)
    assert.matches("unknown login type a table", select(2, read(with { type = "{}" })), 1, true)
    assert.matches("role-arn is not the ARN of a role", select(2, read(with { ["role-arn"] = "[]" })), 1, true)
    local role = { ["role-arn"] = '"' .. cloud.ARN .. '"', ["role-session-name"] = "12" }
    assert.matches("role-session-name must be 2 to 128", select(2, read(with(role))), 1, true)
  end)

  it("that is broken gives no half key, and is final whoever named it", function()
    local cut = with({}):sub(1, -20)
    for _, case in ipairs {
      { "", "is empty, or is being written" },
      { " \n", "is empty, or is being written" },
      { cut, "is not JSON, or is being written" },
      { with {} .. '\n"}', "is not JSON, or is being written: Expected the end but found" },
      { with {} .. '\n"}', "(line 7)" },
      { "null", "contains no JSON object" },
      { '"text"', "contains no JSON object" },
      { "[]", "contains no JSON object" },
      { '{"secretId": "AKIDx"}', "secretKey is not given" },
      { '{\n"secretKey": "k"}', "secretId is not given" },
      { with { secretKey = "12345" }, "secretKey is not text" },
      { with { secretKey = '""' }, "secretKey is empty" },
      { '{\n"secretId": "AKIDx",\n"secretKey": "a b"}', "default.credential, line 3: secretKey contains white space" },
      { '{"role-arn": "' .. cloud.ARN .. '"}', "secretId is not given" },
      { ("["):rep(100000), "is not JSON" },
    } do
      local credentials, message, err = read(case[1])
      assert.is_nil(credentials)
      assert.matches("^~/.tccli/default.credential", message)
      assert.matches(case[2], message, 1, true)
      assert.is_true(err.final, message)
    end
  end)

  it("without keys is passed over", function()
    for _, contents in ipairs {
      "{}",
      '{"type": "default"}',
      '{"type": "oauth"}',
      '{"secretId": "", "secretKey": "", "role-arn": ""}',
      '{"secretId": null, "token": "t"}',
    } do
      local credentials, message, err = read(contents)
      assert.is_nil(credentials)
      assert.equal("~/.tccli/default.credential has neither secretId nor secretKey", message)
      assert.is_nil(err.final)
    end
  end)

  it("that is being written is read again for a moment", function()
    write(".tccli/default.credential", "")
    write(".tccli/default.configure", '{"_sys_')
    local pauses, seconds = 0, 0
    local source = profile {
      pause = function(wait)
        pauses, seconds = pauses + 1, seconds + wait
        if pauses == 2 then
          write(".tccli/default.credential", with {})
        elseif pauses == 4 then
          write(".tccli/default.configure", '{"_sys_param": {"region": "gz"}}')
        end
      end,
    }
    local credentials, message = ask(source)
    assertExample(credentials, message)
    assert.equal("gz", credentials.profile.get "region")
    write(".tccli/default.credential", "")
    pauses, seconds = 10, 0
    assert.is_nil((ask(profile {
      pause = function(wait)
        pauses, seconds = pauses + 1, seconds + wait
      end,
    })))
    assert.equal(30, pauses)
    assert.is_true(seconds <= 0.2 + 1e-9)
  end)

  it("has a name that must be that of a file", function()
    write(".tccli/\231\148\178 b.credential", with {})
    assertExample((ask(profile { profile = "\231\148\178 b" })))
    for _, name in ipairs { "../default", "a/b", "", ".", "..", "a\nb", "a\\b", ("x"):rep(300) } do
      local _, message, err = ask(profile { profile = name, nameOf = "TCCLI_PROFILE" })
      assert.matches("^TCCLI_PROFILE .* is not a valid file name$", message)
      assert.is_true(err.final)
    end
    assert.equal("~/.tccli/b.credential does not exist", select(2, ask(profile { profile = "b" })))
    assert.equal("~/.tccli/default.credential: HOME is not set", select(2, ask(tccli.new {})))
  end)

  it("is not written to", function()
    write(".tccli/default.credential", with { type = '"oauth"', expiresAt = "1" })
    local before = process.run("ls -la --time-style=full-iso " .. home .. "/.tccli; cat " .. home .. "/.tccli/*")
    ask(profile())
    assert.equal(before, process.run("ls -la --time-style=full-iso " .. home .. "/.tccli; cat " .. home .. "/.tccli/*"))
  end)
end)
