--- qcimage apply without a socket: what it shows, writes and refuses, and its exit codes.

local cjson = require "cjson"
local catalogue = require "spec.support.catalogue"
local cloud = require "spec.support.cloud"
local here = require "spec.support.command_here"
local process = require "spec.support.process"

describe("qcimage apply", function()
  local command = here.new()
  local server, serial = command.server, 0
  local folder, file, journal, list

  setup(function()
    folder, file = cloud.folder()
  end)

  teardown(function()
    cloud.remove(folder)
  end)

  local function write(name, text)
    file(name, text)
    return folder .. "/" .. name
  end

  before_each(function()
    command:reset()
    server:setImages(catalogue.images(5))
    serial = serial + 1
    journal = ("%s/%d.journal"):format(folder, serial)
    list = write("list.csv", "imageId,imageName\nimg-00000001,new-1\nimg-00000002,old-2\nimg-00000003,new-3\n")
  end)

  -- Runs the command. Gives stdout, stderr and the code, with this journal as JOURNAL and this folder as FOLDER.
  local function apply(line, columns, environment)
    local out, err, status = command:run("qcimage apply " .. line, { columns = columns, environment = environment })
    local function plain(text)
      for _, one in ipairs { { journal, "JOURNAL" }, { folder, "FOLDER" } } do -- one lies in the other
        text = text:gsub(one[1]:gsub("%p", "%%%0"), one[2])
      end
      return text
    end
    return plain(out), plain(err), status
  end

  local function gives(line, out, err, status)
    assert.same({ out, err, status }, { apply(line) }, line)
  end

  local function isUntouched()
    for _, entry in ipairs(server:journal()) do
      assert.equal("DescribeImages", entry.action)
    end
  end

  it("shows what it would do, and does not do it", function()
    gives(
      list .. " --dry-run",
      'img-00000001  imageName  "old-1" -> "new-1"\nimg-00000003  imageName  "old-3" -> "new-3"\n',
      "qcimage: 2 changes; 1 image is already in the desired state\n",
      0
    )
    gives(
      list .. " --dry-run --exit-code --output text",
      "img-00000001\timageName\told-1\tnew-1\nimg-00000003\timageName\told-3\tnew-3\n",
      "qcimage: 2 changes; 1 image is already in the desired state\n",
      9
    )
    apply "/nonexistent --yes" -- a command that failed before it in this process is forgotten
    local _, said, code = apply(list .. " --dry-run --exit-code --output json")
    assert.same({ "qcimage: 2 changes; 1 image is already in the desired state\n", 9 }, { said, code })
    local out, _, status = apply(list .. " --dry-run --yes --output json")
    local document = cjson.decode(out)
    assert.same({ 2, 1, 2, 0 }, { document.changes, document.unchanged, #document.plan, status })
    isUntouched()
    assert.equal("", process.run("ls " .. folder .. "/*.journal 2>/dev/null"))
  end)

  it("tells a terminal how many are done, in one line", function()
    for term, isShown in pairs { xterm = true, dumb = false } do
      local _, err = apply(list .. " --yes --journal " .. journal .. term, 80, { TERM = term })
      assert.equal(isShown, err:find("\r3 of 3 done", 1, true) ~= nil, term)
      server:setImages(catalogue.images(5))
    end
  end)

  it("shows changes below each other, and which cannot be restored", function()
    local images = catalogue.named("a b", "c d", "e f", "g h", "i j", "k l")
    images[2].region = "ap-beijing"
    server:setImages(images)
    local lines = { "imageId,imageName,region" }
    for i, one in ipairs(images) do
      lines[i + 1] = ("%s,new-%d,%s"):format(one.imageId, i, one.region or "")
    end
    local path = write("blanks.csv", table.concat(lines, "\n"))
    local out, err, status = apply(path .. " --dry-run --api-version 2.0")
    assert.equal(0, status, err)
    assert.equal(
      [[
img-00000001               imageName  "a b" -> "new-1"
img-00000002 (ap-beijing)  imageName  "c d" -> "new-2"
img-00000003               imageName  "e f" -> "new-3"
img-00000004               imageName  "g h" -> "new-4"
img-00000005               imageName  "i j" -> "new-5"
img-00000006               imageName  "k l" -> "new-6"
]],
      out
    )
    local few = {}
    for i = 1, 5 do
      few[i] = images[i].imageId .. " (imageName)"
    end
    assert.equal(
      ("qcimage: 6 changes\nqcimage: cannot be restored: %s and 1 more\n"):format(table.concat(few, ", ")),
      err
    )
    lines[7] = nil
    err = select(2, apply(write("blanks.csv", table.concat(lines, "\n")) .. " --dry-run --api-version 2.0"))
    assert.equal(("qcimage: 5 changes\nqcimage: cannot be restored: %s\n"):format(table.concat(few, ", ")), err)
  end)

  it("makes the changes, and takes them back", function()
    gives(
      list .. " --yes --journal " .. journal,
      "LINE  IMAGE ID      STATUS     NAME   MESSAGE\n"
        .. "2     img-00000001  ok         new-1  -\n"
        .. "3     img-00000002  unchanged  old-2  -\n"
        .. "4     img-00000003  ok         new-3  -\n",
      "qcimage: 2 ok, 1 already done of 3\nqcimage: journal: JOURNAL (--undo rolls it back)\n",
      0
    )
    assert.equal("new-1 old-2 new-3 old-4 old-5", catalogue.names(server))
    gives(
      ("--undo %s --yes --output text"):format(journal),
      "2\timg-00000001\tok\told-1\t\n4\timg-00000003\tok\told-3\t\n",
      "qcimage: 2 ok of 2\n",
      0
    )
    assert.equal("old-1 old-2 old-3 old-4 old-5", catalogue.names(server))
    local _, err, status = apply(list .. " --yes --journal " .. journal)
    assert.equal("qcimage: journal JOURNAL: already exists; --resume continues it, --undo rolls it back\n", err)
    assert.equal(3, status)
    local message = "JOURNAL: the list is the journal of a run: --resume continues it, --undo rolls it back"
    gives(journal .. " --dry-run", "", ("qcimage: %s\nqcimage: 1 fault; nothing was sent\n"):format(message), 3)
  end)

  it("ends early where the keys are refused, shows each image, and that failure alone", function()
    local path =
      write("early.csv", "imageId,imageName\nimg-00000001,new-1\nimg-00000003,a-long-name-for-a-web-server\n")
    local refusal = { kind = "error", code = "AuthFailure.SignatureFailure", message = "no", count = 99 }
    refusal.action = "ModifyImageAttribute"
    server:fault(refusal)
    local line, why = path .. " --yes --journal " .. journal, "ModifyImageAttribute: AuthFailure.SignatureFailure: no "
    why = why .. "(keys from the environment) [requestId REQUEST-ID]; nothing was changed\n"
    gives(
      line,
      "LINE  IMAGE ID      STATUS   NAME                          MESSAGE\n"
        .. ("2     img-00000001  failed   new-1                         %s"):format(why)
        .. "3     img-00000003  skipped  a-long-name-for-a-web-server  not sent\n",
      ("qcimage: FOLDER/early.csv line 2: img-00000001: failed: %sqcimage: ended early: %s"):format(why, why)
        .. "qcimage: 1 failed, 1 not sent of 2\n"
        .. "qcimage: journal: JOURNAL (--resume continues it, --undo rolls it back)\n",
      4
    )
    for columns, shown in pairs {
      [66] = [[
LINE  IMAGE ID      STATUS   NAME               MESSAGE
2     img-00000001  failed   new-1              ModifyImageAttrib…
3     img-00000003  skipped  a-long-name-for-…  not sent
]],
      [60] = [[
LINE  IMAGE ID      STATUS   NAME
2     img-00000001  failed   new-1
3     img-00000003  skipped  a-long-name-for-a-web-server
]],
    } do
      assert.equal(shown, (apply(line .. columns, columns)))
    end
  end)

  it("tells all faults of a list, and sends nothing", function()
    local path = write("bad.jsonl", '{"imageId":"img-00000001","imageName":1}\n7\n')
    gives(
      path .. " --yes",
      "",
      "qcimage: FOLDER/bad.jsonl: line 1: img-00000001: imageName must be text, not 1\n"
        .. "qcimage: FOLDER/bad.jsonl: line 2: is not a JSON object\nqcimage: 2 faults; nothing was sent\n",
      3
    )
    path = write("taken.csv", "imageId,imageName\nimg-00000001,old-5\n")
    gives(
      path .. " --dry-run",
      "",
      'qcimage: FOLDER/taken.csv: line 2: img-00000001: the name "old-5" is that of img-00000005\n'
        .. "qcimage: 1 fault; nothing was sent\n",
      1
    )
    path = write("swap.csv", "imageId,imageName\nimg-00000001,old-2\nimg-00000002,old-1\n")
    local _, err, status = apply(path .. " --dry-run")
    assert.matches("the names form a cycle %(img%-00000001, img%-00000002%): %-%-temporary%-names lets one image", err)
    assert.equal(1, status)
    gives(
      path .. " --dry-run --temporary-names",
      'img-00000001  imageName  "old-1" -> "tmp-00000001"  (temporary)\n'
        .. 'img-00000002  imageName  "old-2" -> "old-1"\n'
        .. 'img-00000001  imageName  "tmp-00000001" -> "old-2"\n',
      "qcimage: 3 changes\n",
      0
    )
    isUntouched()
  end)

  it("goes on without what is at fault when told to", function()
    local lines = {}
    for i = 1, 5 do
      lines[i] = ('{"imageId":"img-%08d","imageName":%s}\n'):format(
        i,
        i == 4 and '"bad\\u0007"' or ('"web-%d"'):format(i)
      )
    end
    local path = write("most.jsonl", table.concat(lines))
    local out, err, status = apply(path .. " --yes --continue --output json --journal " .. journal)
    local document = cjson.decode(out)
    assert.same({ 5, 4, 1, 1 }, { document.total, document.ok, document.failed, status })
    assert.same({ 4, "img-00000004", "failed" }, {
      document.results[4].line,
      document.results[4].imageId,
      document.results[4].status,
    })
    assert.matches("qcimage: FOLDER/most.jsonl line 4: img%-00000004: failed: imageName has a control character", err)
    assert.equal("web-1 web-2 web-3 old-4 web-5", catalogue.names(server))
  end)

  it("reads an empty cell as it is told", function()
    local path = write("cells.csv", "imageId,imageDescription\nimg-00000001,\n") .. " --dry-run --output text"
    local kept = "qcimage: 0 changes; 1 image is already in the desired state\n"
    gives(path, "", kept, 0)
    gives(path .. " --empty keep --format csv", "", kept, 0)
    local _, err = apply(path .. " --format json")
    assert.matches("^qcimage: FOLDER/cells.csv: ", err)
    gives(
      path .. " --empty clear",
      "img-00000001\timageDescription\ttext-1\t\n",
      "qcimage: 1 change\nqcimage: 1 description is emptied\n",
      0
    )
    gives(
      path .. " --empty none",
      "",
      "qcimage: --empty must be one of keep, clear, not none\nqcimage: see qcimage apply --help\n",
      2
    )
  end)

  it("has nothing to do for an empty list", function()
    local path = write("empty.jsonl", "\n\n")
    local out, err, status = apply(path .. " --yes --output json")
    assert.same({}, cjson.decode(out).results)
    assert.matches('"results": %[%]', out)
    assert.same({ "qcimage: nothing to do, 0 of 0\n", 0 }, { err, status })
    assert.equal(0, select(3, apply "- --yes"))
  end)

  it("refuses options that do not go together", function()
    for line, problem in pairs {
      [""] = "FILE is missing",
      ["x --undo y"] = "--undo takes no list: the list is in the journal",
      ["--resume x --undo y"] = "--resume and --undo exclude each other",
      ["--undo y --temporary-names"] = "--temporary-names cannot be combined with --undo",
      ["x --yes --exit-code"] = "--exit-code needs --dry-run",
      ["x"] = "--yes is needed where there is no terminal to ask on (or --dry-run)",
      ["x --dry-run=false"] = "--dry-run takes no value",
      ["--undo"] = "--undo needs a value",
    } do
      gives(line, "", ("qcimage: %s\nqcimage: see qcimage apply --help\n"):format(problem), 2)
    end
    assert.matches("unknown option %-%-dry, did you mean %-%-dry%-run%?", (select(2, apply "x --dry")))
    gives("FOLDER --yes", "", "qcimage: cannot read the list: FOLDER: No such file or directory\n", 2)
    local _, err, status = apply(folder .. " --yes")
    assert.same({ "qcimage: cannot read the list: FOLDER: Is a directory\n", 2 }, { err, status })
    assert.equal(0, #server:journal())
  end)

  it("keeps a plan, and refuses it where it does not hold any more", function()
    local plan = folder .. "/plan"
    gives(
      ("%s --save %s --output text"):format(list, plan),
      "img-00000001\timageName\told-1\tnew-1\nimg-00000003\timageName\told-3\tnew-3\n",
      "qcimage: 2 changes; 1 image is already in the desired state\nqcimage: plan: FOLDER/plan\n",
      0
    )
    isUntouched()
    assert.equal("600\n", process.run("stat -c %a " .. plan))
    local out, _, status = apply(("%s --yes --output text --journal %s"):format(plan, journal))
    assert.same({ "2\timg-00000001\tok\tnew-1\t\n4\timg-00000003\tok\tnew-3\t\n", 0 }, { out, status })
    local _, err
    _, err, status = apply(("%s --yes --journal %s.2"):format(plan, journal))
    assert.same({ "qcimage: 2 already done of 2\n", 0 }, { err, status })
    server:reset()
    local others = catalogue.images(5)
    others[3].imageName = "by-hand"
    server:setImages(others)
    _, err, status = apply(plan .. " --yes")
    assert.matches('line 4: img%-00000003: imageName is "by%-hand", and was "old%-3" when the plan was made', err)
    assert.equal(1, status)
    _, err, status = apply(("%s --save %s/none/plan"):format(list, folder))
    assert.matches("the plan cannot be saved: FOLDER/none/plan: No such file or directory", err)
    assert.equal(74, status)
  end)

  it("replaces nothing but a plan", function()
    local scratch = folder
    process.run(("mkfifo %s/pipe; ln -s %s %s/link; ln -s nowhere %s/dangling"):format(scratch, list, scratch, scratch))
    local before = process.run("cat " .. list)
    for name, problem in pairs {
      ["list.csv"] = "exists and is not a plan",
      pipe = "is not a regular file",
      link = "is a symbolic link",
      dangling = "is a symbolic link",
    } do
      local _, err, status = apply(("%s --save %s/%s --output text"):format(list, scratch, name))
      assert.same({ 74, "qcimage: the plan cannot be saved: FOLDER/" .. name .. ": " .. problem }, {
        status,
        err:match "\n?([^\n]*cannot be saved[^\n]*)",
      })
    end
    assert.equal(74, select(3, apply(list .. " --save /dev/null")))
    assert.equal(before, process.run("cat " .. list))
    write("old.new", "the user's own")
    for _ = 1, 2 do
      assert.equal(0, select(3, apply(("%s --save %s/old"):format(list, scratch))))
    end
    assert.equal("the user's own", process.run(("cat %s/old.new"):format(scratch)))
    assert.equal("old\nold.new\n", process.run(("cd %s && ls old*"):format(scratch)))
    process.run(("rm %s/pipe %s/link %s/dangling %s/old*"):format(scratch, scratch, scratch, scratch))
  end)

  it("shows in a dry run what cannot be done", function()
    local path = write("some.csv", "imageId,imageName\nimg-00000001,a\nimg-00000009,b\n")
    local out, err, status = apply(path .. " --dry-run --continue --output text")
    assert.equal("img-00000001\timageName\told-1\ta\n", out)
    assert.equal("qcimage: FOLDER/some.csv line 3: img-00000009: failed: not found\nqcimage: 1 change\n", err)
    assert.equal(1, status)
    assert.equal(0, select(3, apply(list .. " --yes --journal " .. journal)))
    local other = catalogue.images(5)
    other[1].imageName, other[3].imageName = "by-hand", "new-3"
    server:reset()
    server:setImages(other)
    out, err, status = apply(("--undo %s --dry-run --output text"):format(journal))
    assert.equal("img-00000003\timageName\tnew-3\told-3\n", out)
    assert.matches('JOURNAL line 2: img%-00000001: conflict: imageName is "by%-hand"', err)
    assert.equal(1, status)
    _, err, status = apply(("--undo %s --yes"):format(journal))
    assert.matches("\nqcimage: 1 ok, 1 modified concurrently of 2\n", err, 1, true)
    assert.equal(1, status)
  end)

  it("ends as a read does where nothing can be read", function()
    server:fault { kind = "dropAfter", action = "DescribeImages", count = 100 }
    for _, how in ipairs { "--dry-run", "--yes" } do
      assert.equal(5, select(3, apply(("%s %s --timeout 1"):format(list, how))))
    end
    isUntouched()
  end)

  it("ends as other calls do where the keys are refused on the way", function()
    local refusal = '{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"m"},"RequestId":"r"}}'
    server:fault { kind = "status", status = 200, body = refusal, action = "ModifyImageAttribute" }
    local _, err, status = apply(("%s --yes --journal %s"):format(list, journal))
    assert.matches("qcimage: ended early: .*AuthFailure.SecretIdNotFound", err)
    assert.equal(4, status)
  end)

  it("is told in one line of a misspelt heading, and of a selection of nothing", function()
    local lines = { "imageId,imageNmae\n" }
    for i = 1, 10000 do
      lines[i + 1] = ("img-%08d,web-%d\n"):format(i, i)
    end
    gives(
      write("long.csv", table.concat(lines)) .. " --yes",
      "",
      "qcimage: FOLDER/long.csv: line 1: unknown field imageNmae (imageName?)\nqcimage: 1 fault; nothing was sent\n",
      3
    )
    local path = write("none.json", '{"select":{"imageIds":["img-0000abcd"]},"imageName":"x"}')
    local _, err, status = apply(path .. " --yes")
    assert.matches("qcimage: line 1: the selection matches no image\n", err)
    assert.equal(0, status)
  end)
end)
