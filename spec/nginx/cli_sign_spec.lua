-- qcimage sign: the request that it shows, its stages, and a curl command that a shell runs as it stands.
-- packages: zsh
local cjson = require "cjson"
local commands = require "spec.support.command"
local process = require "spec.support.process"
local support = require "spec.support.emulator"

local digests = support.digests()

describe("qcimage sign", function()
  local command = commands.ofBlock()
  local server = command.server

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
    )
  end

  local function gives(line, out, err, status, more)
    local foundOut, foundErr, foundStatus = command:shell("qcimage sign " .. line, more)
    assert.same({ out, err or "", status or 0 }, { settled(foundOut), foundErr, foundStatus }, line)
  end

  it("shows the request, and sends nothing", function()
    gives(
      "ModifyImageAttribute --ImageId img-12345678",
      commands.content "spec/fixtures/cli/sign.txt",
      nil,
      0,
      "TENCENTCLOUD_TOKEN=tok/en+MARKED"
    )
    gives(
      "--api-version 2.0 ModifyImageAttributes --imageId img-12345678",
      commands.content "spec/fixtures/cli/sign2.txt",
      nil,
      0,
      "TENCENTCLOUD_TOKEN=tok/en+MARKED"
    )
    gives(
      "--api-version 2.0 DescribeImages --limit 1 --imageType PRIVATE_IMAGE --method GET --signature-method HmacSHA1",
      commands.content "spec/fixtures/cli/sign2-get.txt"
    )
    assert.same({}, server:journal())
  end)

  it("explains each stage of API 3.0", function()
    gives("DescribeImageQuota --explain", commands.content "spec/fixtures/cli/sign-explain.txt")
    local out = command:shell("qcimage sign DescribeImageQuota --explain --output json", nil, true)
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
      local out = command:shell(line .. "--output json --signature-method " .. method, nil, true)
      local stages = cjson.decode(out)
      local raw = digests.hmac(digest, support.SECRET_KEY, stages.stringToSign)
      assert.equal(require("mime").b64(raw), stages.signature)
      assert.truthy(stages.body:find("&zone=a%20b&Signature=", 1, true))
    end
    local out = settled((command:shell(line, "TENCENTCLOUD_TOKEN='tok&en+MARKED'")))
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

  describe("--curl", function()
    local VALUES = {
      "it's \"quoted\" `id` $(id) ${HOME} !! !x ~ * ? [a-z] {b,c} | & ; < > # %41 \\ \\\\ \\' \\n",
      "网页服务器 \240\159\154\128 e\204\129",
      "line one\nline two\ttab\r\27[31m\127",
      "@file",
      "\\",
      "'",
      "-n",
    }

    -- A value as the journal shows it.
    local function shown(value)
      return (value:gsub("\n", "\\n"):gsub("[\1-\31\127]", "?"))
    end

    -- Runs the command that sign gave in a shell, and gives what arrived.
    local function arrives(shell, line, more)
      server:reset()
      local out, err, status = command:shell("qcimage sign --curl " .. line, more, true)
      assert.same({ "", 0 }, { err, status }, line)
      local script = command.scratch .. "/pasted"
      local file = assert(io.open(script, "wb"))
      file:write(out)
      file:close()
      local home = "HOME=" .. command.scratch
      local answer, code = process.run(("%s %s %s %s %s"):format(command.environment, more or "", home, shell, script))
      assert.equal(0, code, answer)
      assert.falsy(answer:find("AuthFailure.Sign", 1, true) or answer:find('"code":41', 1, true), answer) -- byte for byte
      local entry = server:journal()[1]
      assert.truthy(entry, answer)
      return entry, out
    end

    for _, shell in ipairs { "sh", "bash", "zsh -f" } do
      it("gives what is pasted into " .. shell:match "%w+", function()
        local filter = cjson.encode { { Name = "image-name", Values = VALUES } }
        local entry, out = arrives(shell, "--raw DescribeImages --Filters " .. process.quote(filter))
        assert.not_matches("[%z\1-\9\11-\31\127]", out)
        for i, value in ipairs(VALUES) do
          assert.equal(shown(value), entry.params.Filters[1].Values[i])
        end
        for _, method in ipairs { "POST", "GET" } do
          local line = ("--api-version 2.0 --raw --method %s DescribeImages --imageType 2"):format(method)
          for i, value in ipairs(VALUES) do
            local isRefused = method == "POST" and value:sub(1, 1) == "@"
            line = ("%s --note%d=%s"):format(line, i, process.quote(isRefused and "" or value))
          end
          entry = arrives(shell, line)
          assert.equal(shown(VALUES[1]), entry.params.note1)
        end
        entry, out = arrives(shell, "DescribeImageQuota", "TENCENTCLOUD_TOKEN=tok/en+MARKED")
        assert.equal("DescribeImageQuota", entry.action)
        assert.not_matches("MARKED", out)
        assert.truthy(out:find('--header "X-TC-Token: $TENCENTCLOUD_TOKEN"', 1, true))
      end)
    end

    it("refuses what a terminal or a line editor would obey", function()
      for _, value in ipairs { "\194\15531m", "\226\128\174gnp", "\226\128\168" } do
        local filter = cjson.encode { { Name = "image-name", Values = { value } } }
        local out, err, status = command:shell("qcimage sign --curl DescribeImages --Filters " .. process.quote(filter))
        assert.same({ "", 2 }, { out, status })
        assert.matches("^qcimage: a control character is in the request", err)
      end
    end)

    it("gives one for a body that is longer than an argument may be", function()
      local names = {}
      for i = 1, 12 do
        names[i] = ("--Note%d=$long"):format(i)
      end
      local line = "DescribeImageQuota --raw " .. table.concat(names, " ")
      local entry = arrives("sh", (line:gsub("%$long", '"$(head -c 20000 /dev/zero | tr "\\0" x)"')))
      assert.equal("DescribeImageQuota", entry.action)
    end)

    it("takes along by which way the bytes go", function()
      for given, told in pairs {
        ["10.0.0.1:8443"] = "::10.0.0.1:8443",
        ["::tunnel.test:8443"] = "::tunnel.test:8443", -- as curl itself has it
        ["'::[::1]:8443'"] = "::[::1]:8443",
        ["tunnel.test"] = "::tunnel.test:443",
      } do
        local line = "qcimage sign DescribeImageQuota --curl --endpoint https://cvm.test --connect-to "
        local out = command:shell(line .. given)
        assert.truthy(out:find("curl 'https://cvm.test/' \\\n  --connect-to '" .. told .. "' \\\n", 1, true), out)
      end
    end)

    it("takes along where certificates and the proxy are, but no password", function()
      local line = "qcimage sign DescribeImageQuota --curl --endpoint https://192.0.2.1 --ca-file '/etc/my ca.pem' "
      local out = command:shell(line .. "--proxy http://192.0.2.2:3128")
      assert.truthy(out:find("--cacert '/etc/my ca.pem' \\\n  --proxy 'http://192.0.2.2:3128' \\\n", 1, true), out)
      local err
      out, err = command:shell(line .. "--proxy http://user:MARKED@192.0.2.2:3128")
      assert.not_matches("MARKED", out .. err)
      assert.equal(
        "qcimage: the proxy is left out of the command, since it may hold a password; https_proxy names it to curl\n",
        err
      )
    end)
  end)

  it("says what cannot be had", function()
    local function fails(line, status, err, more)
      gives(line, "", err, status, more)
    end
    local function usage(line, problem, more)
      local foundOut, foundErr, foundStatus = command:shell("qcimage sign " .. line, more)
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
      "TENCENTCLOUD_TOKEN=tok/en+MARKED"
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
      "TENCENTCLOUD_SECRET_KEY="
    )
    fails("ModifyImageAttribute", 3, "qcimage: ModifyImageAttribute: --ImageId is required\n")
    local unknown, err, status = command:shell "qcimage sign DescribeImage"
    assert.same({ "", 3 }, { unknown, status })
    assert.matches("unknown action DescribeImage in API 3.0, did you mean DescribeImages?", err, 1, true)
    for _, form in ipairs { "", " --explain", " --curl" } do
      fails("DescribeImages >/dev/full" .. form, 74, "qcimage: cannot write: No space left on device\n")
    end
  end)
end)
