-- The command over an emulator in nginx: what it prints where, byte for byte, and its exit codes.
local cjson = require "cjson"
local commands = require "spec.support.command"
local process = require "spec.support.process"
local support = require "spec.support.emulator"

local run = process.run

local DOCTOR = "qcimage: qcimage doctor finds out what is wrong with credentials, region, endpoint or the network\n"

local IMAGES = {
  { imageId = "img-00000001", imageName = "web\27[2K\rimg-FAKE", imageDescription = "line1\nline2" },
  { imageId = "img-00000002", imageName = "\194\15531m", imageDescription = "abc\226\128\174gnp.exe" },
  { imageId = "img-00000003", imageName = "back\\slash \\x1b", imageDescription = "tab\there\127" },
  {
    imageId = "img-00000004",
    imageName = "网页服务器",
    imageDescription = "e\204\129 combining, \240\159\154\128 emoji",
  },
  { imageId = "img-00000005", imageName = "a-long-name-for-a-web-server-2026", imageDescription = "nightly build" },
}

describe("The command", function()
  local command, server, scratch

  setup(function()
    command = commands.start()
    server, scratch = command.server, command.scratch
  end)

  teardown(function()
    command:stop()
  end)

  before_each(function()
    server:reset()
  end)

  local function shell(line, more)
    return command:shell(line, more)
  end

  local function gives(line, out, err, status, more)
    local foundOut, foundErr, foundStatus = shell(line, more)
    assert.same({ out, err, status }, { foundOut, foundErr, foundStatus }, line)
  end

  local function fails(line, status, err, more)
    gives(line, "", err, status, more)
  end

  local function usage(line, problem, name)
    fails(
      "qcimage " .. line,
      2,
      ("qcimage: %s\nqcimage: see qcimage %s--help\n"):format(problem, name and name .. " " or "")
    )
  end

  -- A line that writes into a pipe whose reader has already exited.
  local function unread(line)
    local gone = scratch .. "/gone"
    local script = "rm -f %s; mkfifo %s; { read -r _ <%s; %s; } | { exec <&-; echo >%s; }; exit ${PIPESTATUS[0]}"
    return script:format(gone, gone, gone, line, gone)
  end

  it("shows the help that stands in a file", function()
    for line, name in pairs {
      ["--help"] = "help",
      ["-h"] = "help",
      ["help"] = "help",
      ["help options"] = "help-options",
      ["delete --help"] = "help-delete",
      ["help delete"] = "help-delete",
      ["delete img-1 -h"] = "help-delete",
      ["help apply"] = "help-apply",
      ["help call"] = "help-call",
      ["call SyncImages --help"] = "help-call-SyncImages",
      ["help call SyncImages"] = "help-call-SyncImages",
    } do
      gives("qcimage " .. line, commands.content(("spec/fixtures/cli/%s.txt"):format(name)), "", 0)
    end
  end)

  it("tells the versions of what is in use", function()
    local out, err, status = shell "qcimage --version"
    assert.matches(
      "^qcimage %d+%.%d+%.%d+\nLua[^\n]*\nlibcrypto [^\n]*OpenSSL[^\n]*\nlibcurl [^\n]*libcurl/[^\n]*\n",
      out
    )
    assert.matches("\nlua%-cjson [^\n]*\n$", out)
    assert.same({ "", 0 }, { err, status })
  end)

  it("takes on a role with the keys that it would have without", function()
    run(("mkdir -p %s/.tencentcloud"):format(scratch))
    local file = assert(io.open(scratch .. "/.tencentcloud/credentials", "wb"))
    file:write(("[ops]\nsecret_id = %s\nsecret_key = %s\n"):format(support.SECRET_ID, support.SECRET_KEY))
    file:close()
    run(("chmod 600 %s/.tencentcloud/credentials"):format(scratch))
    local here = ("HOME=%s QCIMAGE_METADATA=off QCIMAGE_STS_ENDPOINT=%s"):format(scratch, server.url)
    local others = here .. " TENCENTCLOUD_SECRET_ID=AKIDother TENCENTCLOUD_SECRET_KEY=other"
    local line = "qcimage describe img-12345678 --output text --role-arn qcs::cam::uin/100000000001:roleName/image-ops"
    local web = "img-12345678\tweb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tsample\n"
    gives(line, web, "", 0, here)
    gives(line .. " --profile ops", web, "", 0, others)
    local out, err, status = shell(line, others .. " TCCLI_PROFILE=ops")
    assert.same({ "", 4 }, { out, status })
    assert.equal(
      "qcimage: TCCLI_PROFILE=ops: the keys are those of the environment, which go before ~/.tencentcloud/credentials "
        .. "[ops]; --profile ops takes the profile's\n",
      err:match "^[^\n]*\n"
    )
    out, err, status = shell(line, here .. " TENCENTCLOUD_SECRET_ID= TENCENTCLOUD_SECRET_KEY=")
    assert.same({ "", 4 }, { out, status })
    assert.matches("/etc/tencentcloud/credentials", err, 1, true)
    assert.matches("the metadata service is disabled (QCIMAGE_METADATA=off)", err, 1, true)
  end)

  it("lists images as a table", function()
    gives(
      "qcimage describe --type ALL",
      [[
IMAGE ID      NAME        STATE     TYPE           CREATED               DESCRIPTION
img-12345678  web-01      NORMAL    PRIVATE_IMAGE  2023-11-14T22:13:20Z  sample
img-0abc12de  db-01       NORMAL    PRIVATE_IMAGE  2023-11-14T22:13:20Z  -
img-making01  making      CREATING  PRIVATE_IMAGE  2023-11-14T22:13:20Z  -
img-foreign1  theirs      NORMAL    SHARED_IMAGE   2023-11-14T22:13:20Z  -
img-public01  CentOS 7.6  NORMAL    PUBLIC_IMAGE   2023-11-14T22:13:20Z  -
]],
      "",
      0
    )
  end)

  it("lists those that were asked for, and as text for pipes", function()
    local web = "img-12345678\tweb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\tsample\n"
    local db = "img-0abc12de\tdb-01\tNORMAL\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\t\n"
    gives("qcimage describe img-12345678 --output text", web, "", 0)
    gives("qcimage --output=text describe --filters image-name=web-01 --filters image-name=db-01", web .. db, "", 0)
    gives("qcimage describe --state NORMAL --type PRIVATE_IMAGE --output text", web .. db, "", 0)
    gives("qcimage describe --filters image-name=none --output text", "", "", 0)
    gives("qcimage describe --limit 1 --output text", web, "qcimage: 1 of 3 images; --all lists all\n", 0)
    gives("qcimage describe --offset 1 --limit 1 --output text", db, "qcimage: 1 of 3 images; --all lists all\n", 0)
    local out, err, status = shell "qcimage describe --type ALL --all --limit 2 --output text | wc -l"
    assert.same({ "5\n", "", 0 }, { out, err, status })
  end)

  it("gives one JSON document: what is inside the service's Response", function()
    local out, err, status = shell "qcimage call DescribeImageQuota --output json"
    assert.equal('{\n  "ImageNumQuota": 500,\n  "RequestId": "REQUEST-ID"\n}\n', out)
    assert.same({ "", 0 }, { err, status })
    out = shell "qcimage describe --output json"
    assert.truthy(out:find('"SyncPercent": null,\n', 1, true))
    assert.truthy(out:find('"Tags": []\n', 1, true))
    local document = cjson.decode(out)
    assert.same({ 3, 3, "REQUEST-ID" }, { #document.ImageSet, document.TotalCount, document.RequestId })
    out = shell "qcimage describe --all --limit 2 --output json"
    local all = cjson.decode(out)
    assert.same(document.ImageSet, all.ImageSet)
    assert.same({ 3, nil }, { all.TotalCount, all.RequestId })
    out = shell "qcimage call DescribeImages --api-version 2.0 --limit 1 --output json"
    assert.same({ 0, 3 }, { cjson.decode(out).code, cjson.decode(out).totalCount })
    out = shell "qcimage describe --filters image-name=none --output json"
    assert.equal('{\n  "ImageSet": [],\n  "RequestId": "REQUEST-ID",\n  "TotalCount": 0\n}\n', out)
    server:fault { kind = "dropAfter" }
    out = shell "qcimage modify img-12345678 --name web-07 --output json"
    assert.equal('{\n  "RequestId": "REQUEST-ID"\n}\n', (out:gsub("{}", '{\n  "RequestId": "REQUEST-ID"\n}')))
  end)

  it("gives a failure as one JSON line, the last of stderr, and nothing on stdout", function()
    local function failure(line, more)
      local out, err, status = shell("qcimage " .. line .. " --output json", more)
      assert.equal("", out, line)
      local found = cjson.decode(err:match "([^\n]*)\n$")
      found.exit, found.message = status, nil
      return found
    end
    assert.same({ kind = "usage", outcome = "notSent", exit = 2 }, failure "describe --nonsense")
    assert.same({ kind = "usage", outcome = "notSent", exit = 2 }, failure "nonsense")
    assert.same({ kind = "parameter", outcome = "notSent", exit = 3 }, failure "call Nonsense")
    assert.same({ kind = "parameter", outcome = "notSent", exit = 3 }, failure "modify img-12345678 --name ''")
    assert.same({
      kind = "service",
      reason = "nameTaken",
      outcome = "rejected",
      code = "InvalidImageName.Duplicate",
      requestId = "REQUEST-ID",
      exit = 6,
    }, failure "modify img-12345678 --name db-01")
    assert.same(
      { kind = "network", reason = "connect", outcome = "notSent", exit = 5 },
      failure "describe --endpoint http://127.0.0.1:1 --timeout 1"
    )
    assert.same(
      { kind = "credentials", outcome = "notSent", exit = 4 },
      failure("describe", "TENCENTCLOUD_SECRET_KEY=")
    )
    local _, invalid = shell "qcimage $'\\xff' --output json"
    assert.equal("unknown command \\xff", cjson.decode(invalid:match "([^\n]*)\n$").message)
    local out, err = shell "qcimage describe --output json >/dev/full"
    assert.equal("", out)
    assert.equal("output", cjson.decode(err:match "([^\n]*)\n$").kind)
  end)

  it("changes an image", function()
    gives(
      "qcimage modify img-12345678 --name 'web 02' --description=--",
      "IMAGE ID      REQUEST ID\nimg-12345678  REQUEST-ID\n",
      "",
      0
    )
    assert.equal("web 02", server:images()[1].imageName)
    assert.equal("--", server:images()[1].imageDescription)
    gives("qcimage modify img-12345678 --name -x --output text", "img-12345678\tREQUEST-ID\n", "", 0)
    assert.equal("-x", server:images()[1].imageName)
    gives("qcimage modify --description '' -- img-12345678 >/dev/null", "", "", 0)
    assert.equal("", server:images()[1].imageDescription)
  end)

  it("leaves standard input alone", function()
    local out =
      shell "printf '%s\\n' img-12345678 img-0abc12de | while read id; do qcimage modify $id --name x-$id --output text; done"
    assert.equal("img-12345678\tREQUEST-ID\nimg-0abc12de\tREQUEST-ID\n", out)
    gives("qcimage describe img-12345678 --output text <&- | cut -f 1", "img-12345678\n", "", 0)
  end)

  it("calls any action, with the types of its data", function()
    gives(
      "qcimage call DescribeImageQuota",
      "FIELD          VALUE\nimageNumQuota  500\nrequestId      REQUEST-ID\n",
      "",
      0
    )
    local one = "qcimage call DescribeImages --output json "
    for line, ids in pairs {
      ["--ImageIds img-12345678"] = "img-12345678",
      ["--imageIds=img-12345678 --ImageIds img-0abc12de"] = "img-12345678 img-0abc12de",
      ["--ImageIds '[\"img-12345678\"]'"] = "img-12345678",
      ["--Limit 1 --Offset 1"] = "img-0abc12de",
      ['--Filters \'{"Name": "image-name", "Values": ["db-01"]}\''] = "img-0abc12de",
      ['--Filters \'[{"Name": "image-name", "Values": ["db-01"]}]\''] = "img-0abc12de",
      ["--raw --ImageIds img-0abc12de"] = "img-0abc12de",
      ["--raw --ImageIds img-12345678 --ImageIds img-0abc12de"] = "img-12345678 img-0abc12de",
      ['--cli-input-json - <<<\'{"ImageIds": ["img-0abc12de"], "Limit": 1, "Offset": null}\''] = "img-0abc12de",
      ['--raw --cli-input-json - <<<\'{"Limit": 1, "Offset": 1}\''] = "img-0abc12de",
      ['--raw --Filters \'{"Name": "image-name", "Values": ["db-01"]}\''] = "img-0abc12de",
    } do
      local found = {}
      local out, err = shell(one .. line)
      assert.equal("", err, line)
      for i, image in ipairs(cjson.decode(out).ImageSet) do
        found[i] = image.ImageId
      end
      assert.equal(ids, table.concat(found, " "), line)
    end
    for _, dry in ipairs { "--DryRun", "--DryRun true", "--dryRun=True" } do
      gives(
        ("qcimage call DeleteImages %s --ImageIds img-12345678 --output text"):format(dry),
        "requestId\tREQUEST-ID\n",
        "",
        0
      )
      assert.equal("img-12345678", server:images()[1].imageId)
      assert.is_true(server:journal()[#server:journal()].params.DryRun)
    end
    local out =
      shell [[qcimage sign Any --raw --Number 1 --Names '["a"]' --Names b --Text ' {' --Word=--y --output json]]
    assert.same({ Number = "1", Names = { "a", "b" }, Text = " {", Word = "--y" }, cjson.decode(cjson.decode(out).body))
    out =
      shell 'qcimage sign Any --raw --cli-input-json - --output json <<<\'{"Flag": true, "Count": 3, "None": null}\''
    assert.same({ Flag = true, Count = 3, None = cjson.null }, cjson.decode(cjson.decode(out).body))
  end)

  it("takes a whole body as JSON, or says what is wrong with it", function()
    local function wrong(body, problem, more)
      local file = assert(io.open(scratch .. "/body.json", "wb"))
      file:write(body)
      file:close()
      local line = ("call DescribeImages --cli-input-json %s/body.json %s"):format(scratch, more or "")
      local _, err, status = shell("qcimage " .. line)
      assert.equal(2, status, line)
      assert.truthy(err:find(problem, 1, true), err)
    end
    wrong("", "is not the JSON of a body: it is empty")
    wrong("[]", "is not the JSON of a body: it must be an object")
    wrong("[]", "is not the JSON of a body: it must be an object", "--raw")
    wrong('{"Limit": 1', "is not the JSON of a body: Expected")
    wrong("{}", "--cli-input-json is the whole body: leave out the parameters beside it", "--Limit 1")
    wrong(('{"ImageIds": ["%s"]}'):format(("x"):rep(10 * 1024 * 1024)), "has more than 10 MB")
    local _, err, status = shell "qcimage call DescribeImages --cli-input-json /nonexistent"
    assert.same({ 2, "qcimage: /nonexistent: No such file or directory" }, { status, err:match "[^\n]*" })
    _, err, status = shell "qcimage call DescribeImages --cli-input-json - <<<'{\"Limits\": 1}'"
    assert.same({ 3, "qcimage: DescribeImages: unknown parameter limits (limit?)\n" }, { status, err })
    _, err, status = shell "qcimage call DescribeImages --cli-input-json - <&-"
    assert.equal(2, status)
    assert.matches("^qcimage: %-: Bad file descriptor\n", err)
  end)

  it("speaks API 3.0, unless something says otherwise", function()
    local function version(line, more)
      shell(line, more)
      return server:journal()[#server:journal()].api
    end
    local spoken = version "qcimage describe"
    assert.equal("3.0", spoken)
    assert.equal("2.0", version "qcimage describe --api-version 2.0")
    assert.equal("2.0", version("qcimage describe", "QCIMAGE_API_VERSION=2.0"))
    assert.equal("2.0", version(("qcimage describe --endpoint %s/v2/index.php"):format(server.url)))
    assert.equal("3.0", version("qcimage describe --api-version 3.0", "QCIMAGE_API_VERSION=2.0"))
  end)

  it("says what is wrong with its usage", function()
    usage("", "no command given")
    for word, meant in pairs {
      descibe = "describe",
      list = "describe",
      rename = "modify",
      rm = "delete",
      version = "--version",
    } do
      usage(word, ("unknown command %s, did you mean %s?"):format(word, meant))
    end
    usage("frobnicate", "unknown command frobnicate")
    usage("describe --frobnicate", "unknown option --frobnicate", "describe")
    usage("modify img-12345678 --na x", "unknown option --na, did you mean --name?", "modify")
    usage("modify img-12345678 --nam=x", "unknown option --nam, did you mean --name?", "modify")
    usage("modify img-12345678 --name", "--name needs a value", "modify")
    usage("modify img-12345678 --name --x", "--name needs a value: write --name=--x", "modify")
    usage("modify img-12345678 --name --description x", "--name needs a value", "modify")
    usage("modify img-12345678 --name a --name b", "--name is given twice", "modify")
    usage("--region x modify img-12345678 --name a --region y", "--region is given twice", "modify")
    usage("modify img-12345678 img-2 --name a", "img-2 is one too many", "modify")
    usage(
      "call DescribeImages --ImageIds img-1 img-2",
      "img-2 is one too many: repeat --ImageIds",
      "call DescribeImages"
    )
    usage(
      "call DeleteImages --ImageIds img-12345678 -- --DryRun",
      '--DryRun is one too many: "--" ends the options',
      "call DeleteImages"
    )
    usage("call --Limit 1 DescribeImages", "unknown option --Limit before ACTION: parameters follow the action", "call")
    usage("delete", "IMAGE_ID is missing", "delete")
    usage("delete ''", "IMAGE_ID is empty", "delete")
    usage("create --name x", "--instance is missing", "create")
    usage(
      "create --instance i --name x --wait --api-version 2.0",
      "--wait needs API 3.0: API 2.0 does not return the id of the image",
      "create"
    )
    usage("copy img-1 --to ap-shanghai --api-version 2.0", "copy has no action in API 2.0", "copy")
    usage("modify --name a", "IMAGE_ID is missing", "modify")
    usage(
      "modify img-12345678",
      "nothing to change: --name, --description, --family or --deprecated is needed",
      "modify"
    )
    usage("modify img-12345678 --deprecated yes", "--deprecated must be one of true, false, not yes", "modify")
    usage("describe --all=1", "--all takes no value", "describe")
    usage("describe --limit 101", "--limit must be a number from 1 to 100", "describe")
    usage("describe --timeout 0", "--timeout must be a number from 0.001 to 86400", "describe")
    usage("describe --filters web", "--filters must be NAME=VALUE", "describe")
    usage("describe --output xml", "--output must be one of table, text, json, not xml", "describe")
    usage(
      "describe --state normal",
      "--state must be one of CREATEFAILED, CREATING, IMPORTFAILED, IMPORTING, NORMAL, SYNCING, USING, not normal",
      "describe"
    )
    usage(
      "describe --filters image-type=private",
      "--filters image-type must be one of PRIVATE_IMAGE, PUBLIC_IMAGE, SHARED_IMAGE, not private",
      "describe"
    )
    usage(
      "describe img-12345678 --all",
      "--all, --all-regions, --offset and --limit have no effect beside ids",
      "describe"
    )
    usage(
      "describe --endpoint ftp://x",
      "--endpoint must be a URL such as https://HOST or http://127.0.0.1:PORT, without query",
      "describe"
    )
    usage(
      "describe --endpoint http://192.0.2.1",
      "--endpoint is plain http to another machine; use https, or set --allow-plain-http",
      "describe"
    )
    usage("describe --profile ''", "--profile must be a name: not empty, no path, no control characters", "describe")
    usage("describe --role-session-name ci", "--role-session-name needs --role-arn", "describe")
    usage("describe --connect-to https://x", "--connect-to must be HOST or HOST:PORT, not a URL", "describe")
    usage(
      "call DescribeImages --Filter x",
      "DescribeImages has no parameter --Filter, did you mean --Filters?",
      "call DescribeImages"
    )
    usage(
      "call DescribeImages --Filters '{'",
      "--Filters is not JSON: Expected object key string but found T_END at character 2",
      "call DescribeImages"
    )
    usage("call DescribeImages --Limit 1 --Limit 2", "--Limit is given twice", "call DescribeImages")
    usage("call DescribeImages --Limit", "--Limit needs a value", "call DescribeImages")
    usage("emulator --porty 1", "unknown option --porty, did you mean --port?", "emulator")
  end)

  it("tells failures apart by its exit code", function()
    fails(
      "qcimage modify img-12345678 --name 'a\nb'",
      3,
      "qcimage: ModifyImageAttribute: --name has a control character (a line break or a NUL, for example)\n"
    )
    local long = ("x"):rep(61)
    fails(
      "qcimage modify img-12345678 --name " .. long,
      3,
      "qcimage: ModifyImageAttribute: --name must be at most 60 "
        .. "characters; this has 61 (API 3.0, tencentcloud.com/document/product/213/33269)\n"
    )
    fails(
      "qcimage describe >/dev/null",
      4,
      "qcimage: DescribeImages: the environment: TENCENTCLOUD_SECRET_KEY is empty, "
        .. "though TENCENTCLOUD_SECRET_ID is set\n"
        .. DOCTOR,
      "TENCENTCLOUD_SECRET_KEY="
    )
    fails(
      "qcimage modify img-12345678 --name x --endpoint http://127.0.0.1:1"
        .. " 2>&1 >/dev/null | cut -d: -f 1-3 >&2; exit ${PIPESTATUS[0]}",
      5,
      "qcimage: ModifyImageAttribute: cannot connect to 127.0.0.1\n" .. DOCTOR
    )
    fails(
      "qcimage modify img-nope1234 --name x",
      6,
      "qcimage: ModifyImageAttribute: InvalidImageId.NotFound: the image does "
        .. "not exist (in ap-guangzhou) [requestId REQUEST-ID]; nothing was changed\n"
    )
    server:fault { kind = "throttle", count = 3 }
    local _, err, status = shell "qcimage modify img-12345678 --name x"
    assert.same(7, status, err)
    server:reset()
    server:fault { kind = "dropAfter", count = 9 }
    _, err, status = shell "qcimage call CreateImage --ImageName new --InstanceId ins-12345678"
    assert.equal(8, status)
    assert.matches("the change may have been made", err, 1, true)
    server:reset()
    server:fault { kind = "dropAfter", count = 9 }
    _, err, status = shell "qcimage describe"
    assert.equal(5, status, err)
    assert.not_matches("may have been made", err, 1, true)
  end)

  it("shows no secret, and warns of keys on the command line", function()
    local warning =
      "qcimage: others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that\n"
    gives(
      ("qcimage describe img-12345678 --secretId %s --secretKey=%s --output text | cut -f 1"):format(
        support.SECRET_ID,
        support.SECRET_KEY
      ),
      "img-12345678\n",
      warning,
      0
    )
    for _, line in ipairs {
      "modify img-12345678 --name x --secret-id AKIDMARKED0000 --secret-key -oopsMARKED",
      "modify img-12345678 --name x --secret-id AKIDMARKED0000 --secret-key --oopsMARKED --token toMARKEDken",
      "modify img-12345678 --secret-key secretMARKED",
      "describe --secret-key secretMARKED --nonsense",
      "describe --secret-keysecretMARKED",
      "describe --secretKeysecretMARKED",
      "describe --tokensecretMARKED",
      "describe --secret-key secretMARKED extra --output xml",
      "describe --proxy http://user:paMARKED@127.0.0.1:1 --endpoint https://192.0.2.1 --timeout 2",
      "describe --proxy user:paMARKED --timeout nonsense",
    } do
      local out, err, status = shell("qcimage " .. line)
      assert.not_matches("MARKED", (out .. err):gsub("AKIDMARKED", ""), 1, true, line)
      assert.is_true(status ~= 0, line)
    end
  end)

  it("sends no control character to a terminal", function()
    server:setImages(IMAGES)
    local shown = [[
IMAGE ID      NAME                               STATE   TYPE           CREATED               DESCRIPTION
img-00000001  web\x1b[2K\x0dimg-FAKE             NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  line1\x0aline2
img-00000002  \x9b31m                            NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  abc\u202egnp.exe
img-00000003  back\\slash \\x1b                  NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  tab\x09here\x7f
img-00000004  网页服务器                         NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  e$ACUTE combining, $ROCKET emoji
img-00000005  a-long-name-for-a-web-server-2026  NORMAL  PRIVATE_IMAGE  2023-11-14T22:13:20Z  nightly build
]]
    local characters = { ACUTE = "\204\129", ROCKET = "\240\159\154\128" }
    gives("qcimage describe", (shown:gsub("$(%u+)", characters)), "", 0)
    gives(
      "qcimage describe img-00000002 img-00000003 --output text | cut -f 2,6",
      "\\x9b31m\tabc\\u202egnp.exe\nback\\\\slash \\\\x1b\ttab\\x09here\\x7f\n",
      "",
      0
    )
    local out = shell "qcimage describe --output json"
    assert.not_matches("[%z\1-\9\11-\31\127]", out)
    assert.falsy(out:find("\194\155", 1, true) or out:find("\226\128\174", 1, true))
    for i, image in ipairs(cjson.decode(out).ImageSet) do
      assert.same({ IMAGES[i].imageName, IMAGES[i].imageDescription }, { image.ImageName, image.ImageDescription })
    end
  end)

  describe("on a terminal", function()
    local function terminal(columns, line, more)
      return command:terminal(columns, line, more)
    end

    before_each(function()
      server:setImages(IMAGES)
    end)

    it("fits the width, and shows that something was cut", function()
      assert.equal(
        [[
qcimage: too narrow for TYPE, CREATED, DESCRIPTION; --output text or json has all
IMAGE ID      NAME                STATE
img-00000001  web\x1b[2K\x0dimg…  NORMAL
img-00000002  \x9b31m             NORMAL
img-00000003  back\\slash \\x1b   NORMAL
img-00000004  网页服务器          NORMAL
img-00000005  a-long-name-for-a…  NORMAL
]],
        terminal(40, "qcimage describe", "TERM=dumb")
      )
      local both =
        terminal(79, "qcimage describe img-00000001 img-00000005 | cat; qcimage describe img-00000001", "TERM=dumb")
      assert.equal(
        [[
qcimage: too narrow for TYPE; --output text or json has all
IMAGE ID      NAME                 STATE   CREATED               DESCRIPTION
img-00000001  web\x1b[2K\x0dimg-…  NORMAL  2023-11-14T22:13:20Z  line1\x0aline2
]],
        both:match "\n(qcimage: too.*)$"
      )
      assert.equal((shell "qcimage describe"), terminal(200, "qcimage describe", "TERM=dumb"))
      assert.equal((shell "qcimage describe"), terminal(0, "qcimage describe", "TERM=dumb"))
      assert.equal("IMAGE ID\nimg-00000005\n", terminal(10, "qcimage describe img-00000005 2>/dev/null", "TERM=dumb"))
      assert.equal((shell "qcimage describe"), terminal(40, "qcimage describe | cat", "COLUMNS=40"))
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
    gives("qcimage describe | head -c1", "I", "", 0)
    local out, err, status = shell(unread "qcimage describe")
    assert.same({ "", "" }, { out, err })
    assert.is_true(status == 141 or status == 74) -- by the signal, unless who called had it ignored
    fails(("(trap '' PIPE; %s)"):format(unread "qcimage describe"), 74, "")
  end)
end)
