--- The command without a socket: its help, what is wrong with a line, how failures are told apart, and where its streams go.

local cjson = require "cjson"
local commands = require "qcimage.cli.commands"
local here = require "spec.support.command_here"
local stub = require "spec.support.stub"

local DOCTOR = "qcimage: qcimage doctor finds out what is wrong with credentials, region, endpoint or the network\n"
local MAKING = "img-making01\tmaking\tCREATING\tPRIVATE_IMAGE\t2023-11-14T22:13:20Z\t\n"

describe("The command", function()
  local command = here.new()
  local server = command.server

  before_each(function()
    command:reset()
  end)

  local function fails(line, status, err, how)
    command:gives(line, "", err, status, how)
  end

  local function usage(line, problem, name)
    fails(
      "qcimage " .. line,
      2,
      ("qcimage: %s\nqcimage: see qcimage %s--help\n"):format(problem, name and name .. " " or "")
    )
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
      local path = ("cli/%s.txt"):format(name)
      if os.getenv "QCIMAGE_ACCEPT" then
        stub.accept(path, (command:run("qcimage " .. line)))
      end
      command:gives("qcimage " .. line, stub.fixture(path), "", 0)
    end
  end)

  it("loses no word of the help where the terminal is narrow", function()
    for name in pairs(commands.byName) do
      local line = "qcimage help " .. name
      local function words(columns)
        return (command:run(line, { columns = columns }):gsub("%s+", " "))
      end
      assert.equal(words(100), words(30))
    end
    local rule = "name of the image; at most 16 characters, of A-Z a-z 0-9 -\n"
    local help = command:run("qcimage call CreateImage --api-version 2.0 --help", { columns = 100 })
    assert.truthy(help:find(rule, 1, true), help)
  end)

  it("tells the versions of what is in use", function()
    local out, err, status = command:run "qcimage --version"
    assert.matches(
      "^qcimage %d+%.%d+%.%d+\nLua[^\n]*\nlibcrypto [^\n]*OpenSSL[^\n]*\nlibcurl [^\n]*libcurl/[^\n]*\n",
      out
    )
    assert.matches("\nlua%-cjson [^\n]*\n$", out)
    assert.same({ "", 0 }, { err, status })
  end)

  it("gives a failure as one JSON line, the last of stderr, and nothing on stdout", function()
    local function failure(line, how)
      local out, err, status = command:run("qcimage " .. line .. " --output json", how)
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
      { kind = "credentials", outcome = "notSent", exit = 4 },
      failure("describe", { environment = { TENCENTCLOUD_SECRET_KEY = "" } })
    )
    local _, invalid = command:run "qcimage \255 --output json"
    assert.equal("unknown command \\xff", cjson.decode(invalid:match "([^\n]*)\n$").message)
    assert.same({ kind = "output", exit = 74 }, failure("describe", { failure = "No space left on device" }))
    command:gives("qcimage describe", "", "", 74, { failure = "Broken pipe", errno = 32 }) -- whoever left it knows
  end)

  it("takes a whole body as JSON, or says what is wrong with it", function()
    local function wrong(body, problem, more)
      local _, err, status =
        command:run("qcimage call DescribeImages --cli-input-json - " .. (more or ""), { input = body })
      assert.equal(2, status)
      assert.truthy(err:find(problem, 1, true), err)
    end
    wrong("", "is not the JSON of a body: it is empty")
    wrong("[]", "is not the JSON of a body: it must be an object")
    wrong("[]", "is not the JSON of a body: it must be an object", "--raw")
    wrong('{"Limit": 1', "is not the JSON of a body: Expected")
    wrong("{}", "--cli-input-json is the whole body: leave out the parameters beside it", "--Limit 1")
    wrong(('{"ImageIds": ["%s"]}'):format(("x"):rep(10 * 1024 * 1024)), "has more than 10 MB")
    usage(
      "call DescribeImages --cli-input-json /nonexistent",
      "/nonexistent: No such file or directory",
      "call DescribeImages"
    )
    local line = "qcimage call DescribeImages --cli-input-json -"
    local unknown = "qcimage: DescribeImages: unknown parameter limits (limit?)\n"
    command:gives(line, "", unknown, 3, { input = '{"Limits": 1}' })
  end)

  it("speaks API 3.0, unless something says otherwise", function()
    local function version(line, environment)
      command:run(line, { environment = environment })
      return server:journal()[#server:journal()].api
    end
    local spoken = version "qcimage describe"
    assert.equal("3.0", spoken)
    assert.equal("2.0", version "qcimage describe --api-version 2.0")
    assert.equal("2.0", version("qcimage describe", { QCIMAGE_API_VERSION = "2.0" }))
    assert.equal("2.0", version "qcimage describe --endpoint http://127.0.0.1:8080/v2/index.php")
    assert.equal("3.0", version("qcimage describe --api-version 3.0", { QCIMAGE_API_VERSION = "2.0" }))
  end)

  it("calls as its options say", function()
    local request, left
    local function transport(one, seconds)
      request, left = one, seconds
      return command.transport(one, seconds)
    end
    local options = "--timeout 3 --language zh-CN --region bj --token t --secretId AKIDx --secretKey x "
      .. "--endpoint http://cvm.example:81 --allow-plain-http --connect-to 10.0.0.1"
    command:run("qcimage describe " .. options, { transport = transport })
    assert.same({ 3, "zh-CN", "ap-beijing", "t", "cvm.example:81", "10.0.0.1" }, {
      left,
      request.headers["X-TC-Language"],
      request.headers["X-TC-Region"],
      request.headers["X-TC-Token"],
      request.headers.Host,
      request.connectTo.host,
    })
    assert.matches("Credential=AKIDx/", request.headers.Authorization)
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
    usage("''", 'unknown command ""')
    usage(("x"):rep(60), "unknown command " .. ("x"):rep(60))
    usage(("x"):rep(61), "unknown command " .. ("x"):rep(60) .. "...")
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
    for _, line in ipairs { "create --instance i --name x", "copy img-1 --to ap-shanghai", "delete img-1 --yes" } do
      usage(line .. " --wait-timeout 5", "--wait-timeout needs --wait", line:match "%w+")
    end
    usage("delete img-1 --dry-run --wait", "--wait cannot be combined with --dry-run", "delete")
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
    usage("describe --all-regions --region gz", "--region and --all-regions cannot be combined", "describe")
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
    usage("call DescribeImages --frobnicate x", "unknown option --frobnicate", "call DescribeImages")
    usage("call DescribeImages --regio x", "unknown option --regio, did you mean --region?", "call DescribeImages")
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
    local most = require("qcimage.api.actions")["3.0"].ModifyImageAttribute.params.imageName.max
    fails(
      "qcimage modify img-12345678 --name " .. ("x"):rep(999),
      3,
      ("qcimage: ModifyImageAttribute: --name must be at most %d characters; this has 999"):format(most)
        .. " (API 3.0, tencentcloud.com/document/product/213/33269)\n"
    )
    fails(
      "qcimage describe",
      4,
      "qcimage: DescribeImages: the environment: TENCENTCLOUD_SECRET_KEY is empty, "
        .. "though TENCENTCLOUD_SECRET_ID is set\n"
        .. DOCTOR,
      { environment = { TENCENTCLOUD_SECRET_KEY = "" } }
    )
    fails(
      "qcimage modify img-nope1234 --name x",
      6,
      "qcimage: ModifyImageAttribute: InvalidImageId.NotFound: the image does "
        .. "not exist (in ap-guangzhou) [requestId REQUEST-ID]; nothing was changed\n"
    )
    local _, refused, code = command:run("qcimage describe", { environment = { TENCENTCLOUD_SECRET_KEY = "x" } })
    assert.same({ DOCTOR, 6 }, { refused:match "\n(.*)$", code })
    local function faulty(kind, line)
      command:reset()
      server:fault { kind = kind, count = 9 }
      local _, err, status = command:run(line)
      return status, err:find("the change may have been made", 1, true) ~= nil
    end
    assert.same({ 7, false }, { faulty("throttle", "qcimage modify img-12345678 --name x") })
    local create = "qcimage call CreateImage --ImageName new --InstanceId ins-12345678"
    assert.same({ 8, true }, { faulty("dropAfter", create) })
    assert.same({ 5, false }, { faulty("dropAfter", "qcimage describe") })
  end)

  it("shows no secret, and warns of keys on the command line", function()
    local warning =
      "qcimage: others can see keys on the command line; TENCENTCLOUD_SECRET_KEY or a profile keeps them from that\n"
    local keys = ("--secretId %s --secretKey=%s"):format(stub.SECRET_ID, stub.SECRET_KEY)
    command:gives("qcimage describe img-making01 " .. keys .. " --output text", MAKING, warning, 0)
    for _, line in ipairs {
      "modify img-12345678 --name x --secret-id AKIDMARKED0000 --secret-key -oopsMARKED",
      "modify img-12345678 --name x --secret-id AKIDMARKED0000 --secret-key --oopsMARKED --token toMARKEDken",
      "modify img-12345678 --secret-key secretMARKED",
      "describe --secret-key secretMARKED --nonsense",
      "describe --secret-keysecretMARKED",
      "describe --secretKeysecretMARKED",
      "describe --secret-idsecretMARKED",
      "describe --secret-id --oopsMARKED --secret-key x",
      "describe --tokensecretMARKED",
      "describe --secret-key secretMARKED extra --output xml",
      "describe --proxy user:paMARKED --timeout nonsense",
    } do
      local out, err, status = command:run("qcimage " .. line)
      assert.not_matches("MARKED", (out .. err):gsub("AKIDMARKED", ""), 1, true, line)
      assert.is_true(status ~= 0, line)
    end
  end)
end)

describe("Completion by the command", function()
  local command = here.new()

  -- The words of its answer, without what it says of each.
  local function answer(current, ...)
    local line = ("qcimage __complete '%s' %s"):format(current, table.concat({ ... }, " "))
    local out, err, status = command:run(line, { environment = { QCIMAGE_ENDPOINT = "" } })
    assert.same({ "", 0 }, { err, status })
    return (out:gsub("\t[^\n]*", ""):gsub("\n", " "):gsub(" $", ""))
  end

  it("knows the commands, their options and their values", function()
    assert.equal(
      "apply call completion copy create delete describe doctor emulator help modify share sign unshare wait",
      answer ""
    )
    assert.equal("delete describe doctor", answer "d")
    assert.equal("--version", answer "--v")
    assert.equal("", answer("", "bogus"))
    assert.equal("--name", answer("--na", "modify"))
    assert.equal("--name", answer("--na", "--region", "modify", "modify"))
    assert.equal("", answer("--na", "modify", "--name", "x"))
    assert.equal("--filters", answer("--fi", "describe", "--filters", "a=b"))
    assert.equal("table text", answer("t", "describe", "--output"))
    assert.equal("--output=table --output=text", answer("--output=t", "describe"))
    assert.equal("2.0 3.0", answer("", "describe", "--apiVersion"))
    assert.equal("false true", answer("", "modify", "img-1", "--deprecated"))
    assert.equal("ALL PRIVATE_IMAGE PUBLIC_IMAGE SHARED_IMAGE", answer("", "describe", "--type"))
    assert.equal("ap-shanghai ap-shanghai-fsi", answer("ap-sha", "describe", "--region"))
    assert.equal(":files", answer("", "describe", "--ca-file"))
    assert.equal(":files", answer("", "apply"))
    assert.equal(":files", answer("", "apply", "--resume"))
    assert.equal(":files", answer("", "emulator", "--tls", "cert.pem"))
    assert.equal("", answer("", "modify", "--name"))
    assert.equal("", answer("", "modify"))
    assert.equal("bash", answer("b", "completion"))
    assert.equal("copy", answer("cop", "help"))
    assert.equal("--ImageIds", answer("--Im", "help", "call", "DeleteImages"))
    assert.equal("ap-chengdu", answer("ap-che", "copy", "img-1", "--to"))
    assert.equal("NORMAL", answer("N", "describe", "--state"))
    assert.equal("MARKET_IMAGE", answer("M", "describe", "--api-version", "2.0", "--type"))
    assert.equal("", answer("--reg", "emulator"))
    assert.equal("", answer("--tl", "emulator", "--tls", "a", "b"))
    for name in pairs(commands.byName) do
      for _, option in ipairs(commands.module(name).OPTIONS) do
        local isFile = option[2] == "FILE" or option[2] == "JOURNAL" or option[2] == "PLAN"
        assert.equal(isFile or option[1] == "--tls" or nil, option.files, option[1])
      end
    end
  end)

  it("says what each word is", function()
    command:gives("qcimage __complete del", "delete\tdelete images\n", "", 0)
    command:gives("qcimage __complete sha describe --region ap-x --type", "", "", 0)
    command:gives("qcimage __complete NOR describe --state", "NORMAL\n", "", 0)
  end)

  it("knows the actions, their parameters and their values", function()
    assert.equal("ModifyImageAttribute ModifyImageSharePermission", answer("Modi", "call"))
    assert.equal("false true", answer("", "call", "DeleteImages", "--DryRun"))
    assert.equal("--ImageIds", answer("--Im", "call", "DeleteImages", "--DryRun"))
    assert.equal("ModifyImageAttributes", answer("Modi", "sign", "--api-version", "2.0"))
    assert.equal("ModifyImageAttributes", answer("Modi", "sign", "--api-version=2.0"))
    assert.equal("--ImageIds --ImageState --ImageType", answer("--Im", "call", "DescribeImages"))
    assert.equal(
      "--ImageIds --ImageState",
      answer("--Im", "call", "DescribeImages", "--ImageIds", "a", "--ImageType", "b")
    )
    assert.equal("CANCEL SHARE", answer("", "call", "ModifyImageSharePermission", "--Permission"))
    assert.equal("false true", answer("", "sign", "DeleteImages", "--DryRun"))
    assert.equal("ap-chengdu", answer("ap-che", "call", "SyncImages", "--DestinationRegions"))
  end)
end)
