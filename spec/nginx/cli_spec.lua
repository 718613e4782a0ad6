-- The command as a process, over an emulator in nginx: its streams, terminals, files and connections. What it prints of a
-- call is in spec/unit/command_*_spec.lua.
local commands = require "spec.support.command"
local process = require "spec.support.process"
local support = require "spec.support.emulator"

local run = process.run

local DOCTOR = "qcimage: qcimage doctor finds out what is wrong with credentials, region, endpoint or the network\n"

describe("The command", function()
  local command = commands.ofBlock()
  local server = command.server

  local function fails(line, status, err, more)
    command:gives(line, "", err, status, more)
  end

  -- A line that writes into a pipe whose reader has already exited.
  local function unread(line)
    local gone = command.scratch .. "/gone"
    local script = "rm -f %s; mkfifo %s; { read -r _ <%s; %s; } | { exec <&-; echo >%s; }; exit ${PIPESTATUS[0]}"
    return script:format(gone, gone, gone, line, gone)
  end

  it("takes on a role with the keys that it would have without", function()
    local scratch = command.scratch
    run(("mkdir -p %s/.tencentcloud"):format(scratch))
    local file = assert(io.open(scratch .. "/.tencentcloud/credentials", "wb"))
    file:write(("[ops]\nsecret_id = %s\nsecret_key = %s\n"):format(support.SECRET_ID, support.SECRET_KEY))
    file:close()
    run(("chmod 600 %s/.tencentcloud/credentials"):format(scratch))
    local here = ("HOME=%s QCIMAGE_METADATA=off QCIMAGE_STS_ENDPOINT=%s"):format(scratch, server.url)
    local others = here .. " TENCENTCLOUD_SECRET_ID=AKIDother TENCENTCLOUD_SECRET_KEY=other"
    local line = "qcimage describe img-12345678 --output text --role-arn qcs::cam::uin/100000000001:roleName/image-ops"
    local web = "img-12345678\tweb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tsample\n"
    command:gives(line, web, "", 0, here)
    command:gives(line .. " --profile ops", web, "", 0, others)
    local out, err, status = command:shell(line, others .. " TCCLI_PROFILE=ops")
    assert.same({ "", 4 }, { out, status })
    assert.equal(
      "qcimage: TCCLI_PROFILE=ops: the keys are those of the environment, which go before ~/.tencentcloud/credentials "
        .. "[ops]; --profile ops takes the profile's\n",
      err:match "^[^\n]*\n"
    )
    out, err, status = command:shell(line, here .. " TENCENTCLOUD_SECRET_ID= TENCENTCLOUD_SECRET_KEY=")
    assert.same({ "", 4 }, { out, status })
    assert.matches("/etc/tencentcloud/credentials", err, 1, true)
    assert.matches("the metadata service is disabled (QCIMAGE_METADATA=off)", err, 1, true)
  end)

  it("waits for copies in several regions", function()
    local out, err, status =
      command:shell "qcimage copy img-12345678 --to ap-shanghai --to ap-beijing --wait --output text"
    assert.same({ "", 0 }, { err, status })
    for region, id in out:gmatch "\t(ap%-%w+)\t(img%-%x+)\t" do
      assert.matches(
        "\tNORMAL\t",
        (command:shell(("qcimage describe %s --region %s --output text"):format(id, region)))
      )
    end
    assert.equal(2, select(2, out:gsub("\n", "")))
  end)

  it("leaves standard input alone", function()
    local out =
      command:shell "printf '%s\\n' img-12345678 img-0abc12de | while read id; do qcimage modify $id --name x-$id --output text; done"
    assert.equal("img-12345678\tREQUEST-ID\nimg-0abc12de\tREQUEST-ID\n", out)
    command:gives("qcimage describe img-12345678 --output text <&- | cut -f 1", "img-12345678\n", "", 0)
  end)

  it("takes a body from a file, or says why it cannot be read", function()
    local path = command.scratch .. "/body.json"
    local line = "qcimage call DescribeImages --output text --cli-input-json "
    command:shell(('echo \'{"Limit": 1, "ImageIds": ["img-12345678"]}\' >%s'):format(path))
    for _, file in ipairs { path, "file://" .. path } do
      local out, err, status = command:shell(line .. file)
      assert.same({ "", 0 }, { err, status })
      assert.matches("img%-12345678", out)
    end
    local _, err, status = command:shell(line .. "- <&-")
    assert.equal(2, status)
    assert.matches("^qcimage: %-: Bad file descriptor\n", err)
  end)

  it("says where it cannot connect, and hides the login of a proxy", function()
    fails(
      "qcimage modify img-12345678 --name x --endpoint http://127.0.0.1:1"
        .. " 2>&1 >/dev/null | cut -d: -f 1-3 >&2; exit ${PIPESTATUS[0]}",
      5,
      "qcimage: ModifyImageAttribute: cannot connect to 127.0.0.1\n" .. DOCTOR
    )
    local line = "qcimage describe --proxy http://user:paMARKED@127.0.0.1:1 --endpoint https://192.0.2.1 --timeout 2"
    local out, err, status = command:shell(line)
    assert.same({ "", 5 }, { out, status })
    assert.not_matches("MARKED", err)
  end)

  describe("on a terminal", function()
    local function terminal(columns, line, more)
      return command:terminal(columns, line, more)
    end

    it("fits its width, and that alone", function()
      local note = "qcimage: too narrow for TYPE, CREATED, DESCRIPTION; --output text or json has all\n"
      local whole = command:shell "qcimage describe img-12345678"
      assert.equal(
        note .. "IMAGE ID      NAME    STATE\nimg-12345678  web-01  NORMAL\n",
        terminal(40, "qcimage describe img-12345678", "TERM=dumb")
      )
      assert.equal(whole, terminal(0, "qcimage describe img-12345678", "TERM=dumb"))
      assert.equal(whole, terminal(40, "qcimage describe img-12345678 | cat", "COLUMNS=40"))
    end)

    it("has colours, on each stream by itself", function()
      local plain, bold = "IMAGE ID      NAME", "\27[1mIMAGE ID\27[0m      \27[1mNAME\27[0m"
      for more, expected in pairs {
        ["TERM=xterm"] = bold,
        ["TERM=xterm NO_COLOR="] = bold,
        ["TERM=xterm NO_COLOR=0"] = plain,
        ["TERM=dumb"] = plain,
        ["env -u TERM"] = plain,
      } do
        assert.truthy(terminal(200, "qcimage describe", more):find(expected, 1, true), more)
      end
      assert.truthy(terminal(200, "qcimage describe --no-color", "TERM=xterm"):find(plain, 1, true))
      assert.falsy(terminal(200, "qcimage describe | cat", "TERM=xterm"):find("\27", 1, true))
      local failing = "qcimage modify img-12345678"
      assert.truthy(terminal(200, failing .. " | cat", "TERM=xterm"):find("\27[31mqcimage:\27[0m nothing", 1, true))
      assert.falsy(terminal(200, failing .. " 2>&1 | cat", "TERM=xterm"):find("\27", 1, true))
    end)

    it("asks there before it deletes", function()
      local line = "(sleep 1; echo n) | script -qec 'qcimage delete img-12345678' /dev/null"
      local asked = terminal(80, line, "TERM=dumb")
      assert.truthy(asked:find("Delete these images? [y/N]", 1, true), asked)
      assert.truthy(asked:find("nothing was changed", 1, true), asked)
      assert.matches("--yes is needed", terminal(80, "qcimage delete img-12345678 <<<n 2>&1", "TERM=dumb"), 1, true)
    end)
  end)

  it("tells that a result could not be written", function()
    local full = "No space left on device\n"
    for _, line in ipairs { "--help", "--version", "describe", "call DescribeImageQuota" } do
      fails(("qcimage %s >/dev/full"):format(line), 74, "qcimage: cannot write: " .. full)
      fails(("qcimage %s >&-"):format(line), 74, "qcimage: cannot write: Bad file descriptor\n")
    end
    local made = "qcimage: the change was made, but its result could not be written: "
    fails("qcimage modify img-12345678 --name n1 >/dev/full", 74, made .. full)
    fails("qcimage modify img-12345678 --name n2 >&-", 74, made .. "Bad file descriptor\n")
    fails("qcimage modify img-12345678 --name n3 2>&1 >/dev/full | cat >/dev/null; exit ${PIPESTATUS[0]}", 74, "")
    fails("qcimage modify img-12345678 --name n4 >/dev/full 2>/dev/full", 74, "")
    fails(unread "qcimage modify img-12345678 --name n5", 74, made .. "Broken pipe\n")
    assert.equal("n5", server:images()[1].imageName)
  end)

  it("ends quietly where nobody reads on", function()
    command:gives("qcimage describe | head -c1", "I", "", 0)
    local out, err, status = command:shell(unread "qcimage describe")
    assert.same({ "", "" }, { out, err })
    assert.is_true(status == 141 or status == 74) -- by the signal, unless who called had it ignored
    fails(("(trap '' PIPE; %s)"):format(unread "qcimage describe"), 74, "")
  end)
end)
