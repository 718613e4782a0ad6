--- qcimage sign without a socket: the request that it shows, its stages, and what of a client's options a curl command has.

local cjson = require "cjson"
local here = require "spec.support.command_here"
local stub = require "spec.support.stub"
local support = require "spec.support.emulator"

local TOKEN = { environment = { TENCENTCLOUD_TOKEN = "tok/en+MARKED" } }

local digests = support.digests()

describe("qcimage sign", function()
  local command = here.new()

  -- What varies with time, by words.
  local function settled(text)
    return (
      text
        :gsub("%f[%x]" .. ("%x"):rep(64), "HEX")
        :gsub("X%-TC%-Version: 2017%-03%-12", "X-TC-Version: VERSION")
        :gsub("%d%d%d%d%-%d%d%-%d%d", "DATE")
        :gsub("Nonce=%d+", "Nonce=NONCE")
        :gsub("%f[%d]" .. ("%d"):rep(10) .. "%f[%D]", "TIME")
        :gsub("Signature=[%w%%]+", "Signature=SIGNATURE")
        :gsub("127%.0%.0%.1:8080", "HOST")
    )
  end

  local function gives(line, out, err, status, more)
    local foundOut, foundErr, foundStatus = command:run("qcimage sign " .. line, more)
    assert.same({ out, err or "", status or 0 }, { settled(foundOut), foundErr, foundStatus }, line)
  end

  it("shows the request, and sends nothing", function()
    gives("ModifyImageAttribute --ImageId img-12345678", stub.fixture "cli/sign.txt", nil, 0, TOKEN)
    gives("--api-version 2.0 ModifyImageAttributes --imageId img-12345678", stub.fixture "cli/sign2.txt", nil, 0, TOKEN)
    gives(
      "--api-version 2.0 DescribeImages --limit 1 --imageType PRIVATE_IMAGE --method GET --signature-method HmacSHA1",
      stub.fixture "cli/sign2-get.txt"
    )
    assert.same({}, (command.server:journal()))
  end)

  it("explains each stage of API 3.0", function()
    gives("DescribeImageQuota --explain", stub.fixture "cli/sign-explain.txt")
    local out = command:run("qcimage sign DescribeImageQuota --explain --output json")
    local stages = cjson.decode(out)
    assert.equal(support.hex(digests.sha256(stages.body)), stages.canonicalRequest:match "[^\n]*$")
    assert.equal(support.hex(digests.sha256(stages.canonicalRequest)), stages.stringToSign:match "[^\n]*$")
    local key = "TC3" .. support.SECRET_KEY
    for _, part in ipairs { stages.stringToSign:match "%d+%-%d+%-%d+", "cvm", "tc3_request" } do
      key = digests.hmac("sha256", key, part)
    end
    assert.equal(support.hex(digests.hmac("sha256", key, stages.stringToSign)), stages.signature)
    assert.matches("Signature=" .. stages.signature .. "$", stages.headers.Authorization)
  end)

  it("explains each stage of API 2.0", function()
    local line = "qcimage sign --api-version 2.0 DescribeImageQuota --raw --zone 'a b' --explain "
    for method, digest in pairs { HmacSHA1 = "sha1", HmacSHA256 = "sha256" } do
      local out = command:run(line .. "--output json --signature-method " .. method)
      local stages = cjson.decode(out)
      local raw = digests.hmac(digest, support.SECRET_KEY, stages.stringToSign)
      assert.equal(require("mime").b64(raw), stages.signature)
      assert.truthy(stages.body:find("&zone=a%20b&Signature=", 1, true))
    end
    local out = settled((command:run(line, { environment = { TENCENTCLOUD_TOKEN = "tok&en+MARKED" } })))
    assert.truthy(out:find(
      [[
1. String to sign: method, host, path, and all parameters by their names, not encoded
   POSTHOST/v2/index.php?Action=DescribeImageQuota&Nonce=NONCE&Region=ap-guangzhou]],
      1,
      true
    ))
    assert.truthy(
      out:find("&Timestamp=TIME&Token=***&zone=a b\n\n2. Signature: HMAC-SHA256 of the string to sign", 1, true)
    )
    assert.not_matches("MARKED", out)
  end)

  it("refuses what a terminal or a line editor would obey", function()
    for _, value in ipairs { "\194\15531m", "\226\128\174gnp", "\226\128\168" } do
      local filter = cjson.encode { { Name = "image-name", Values = { value } } }
      local out, err, status = command:run("qcimage sign --curl DescribeImages --Filters '" .. filter .. "'")
      assert.same({ "", 2 }, { out, status })
      assert.matches("^qcimage: a control character is in the request", err)
      out = command:run("qcimage sign DescribeImages --Filters '" .. filter .. "'") -- which is no command: it is escaped
      assert.falsy(out:find(value, 1, true))
    end
  end)

  it("takes along by which way the bytes go", function()
    for given, told in pairs {
      ["10.0.0.1:8443"] = "::10.0.0.1:8443",
      ["::tunnel.test:8443"] = "::tunnel.test:8443", -- as curl itself has it
      ["'::[::1]:8443'"] = "::[::1]:8443",
      ["tunnel.test"] = "::tunnel.test:443",
    } do
      local line = "qcimage sign DescribeImageQuota --curl --endpoint https://cvm.test --connect-to "
      local out = command:run(line .. given)
      assert.truthy(out:find("curl 'https://cvm.test/' \\\n  --connect-to '" .. told .. "' \\\n", 1, true), out)
      assert.not_matches("User%-Agent", out)
    end
  end)

  it("takes along where certificates and the proxy are, but no password", function()
    local line = "qcimage sign DescribeImageQuota --curl --endpoint https://192.0.2.1 --ca-file '/etc/my ca.pem' "
    local out = command:run(line .. "--proxy http://192.0.2.2:3128")
    assert.truthy(out:find("--cacert '/etc/my ca.pem' \\\n  --proxy 'http://192.0.2.2:3128' \\\n", 1, true), out)
    local err
    out, err = command:run(line .. "--proxy http://user:MARKED@192.0.2.2:3128")
    assert.not_matches("MARKED", out .. err)
    assert.equal(
      "qcimage: the proxy is left out of the command, since it may hold a password; https_proxy names it to curl\n",
      err
    )
  end)

  it("says what cannot be had", function()
    local function fails(line, status, err, more)
      gives(line, "", err, status, more)
    end
    local function usage(line, problem, more)
      local foundOut, foundErr, foundStatus = command:run("qcimage sign " .. line, more)
      assert.same({ "", 2 }, { foundOut, foundStatus })
      assert.equal(
        ("qcimage: %s\n"):format(problem),
        (foundErr:gsub("qcimage: see qcimage sign [%w ]*%-%-help\n$", ""))
      )
    end
    usage("DescribeImages --explain --curl", "--explain cannot be combined with --curl")
    usage("DescribeImages --curl --output text --explain", "--explain cannot be combined with --curl")
    usage("DescribeImages --method GET", "--method cannot be used with API 3.0: API 3.0 is called by POST")
    usage("DescribeImages --method PUT", "--method must be one of POST, GET, not PUT")
    usage(
      "DescribeImages --api-version 2.0 --curl",
      "API 2.0 signs the token, so no command can leave it out; --api-version 3.0, or keys without a token",
      TOKEN
    )
    usage(
      "AssumeRoleWithWebIdentity --ProviderId x --WebIdentityToken t --RoleArn r --RoleSessionName session",
      "AssumeRoleWithWebIdentity is not signed"
    )
    usage("", "ACTION is missing")
    fails(
      "DescribeImages",
      4,
      "qcimage: DescribeImages: the environment: TENCENTCLOUD_SECRET_KEY is empty, "
        .. "though TENCENTCLOUD_SECRET_ID is set\n"
        .. "qcimage: qcimage doctor finds out what is wrong with credentials, region, endpoint or the network\n",
      { environment = { TENCENTCLOUD_SECRET_KEY = "" } }
    )
    fails("ModifyImageAttribute", 3, "qcimage: ModifyImageAttribute: --ImageId is required\n")
    local unknown, err, status = command:run "qcimage sign DescribeImage"
    assert.same({ "", 3 }, { unknown, status })
    assert.matches("unknown action DescribeImage in API 3.0, did you mean DescribeImages?", err, 1, true)
    for _, form in ipairs { "", " --explain", " --curl" } do
      fails("DescribeImages" .. form, 74, "qcimage: cannot write: no space\n", { failure = "no space" })
    end
  end)
end)
