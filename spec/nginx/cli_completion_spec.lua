-- qcimage completion: what real shells make of its scripts, and what the command answers them.
-- packages: zsh fish
local process = require "spec.support.process"

local quote, run = process.quote, process.run

describe("qcimage completion", function()
  local folder

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end

  setup(function()
    folder = run("mktemp -d"):gsub("\n", "")
    run("mkdir " .. folder .. "/bin")
    local here = run("pwd"):gsub("\n", "")
    local command = ("%s %s/spec/support/qcimage.lua"):format(process.interpreter, here)
    write("bin/qcimage", ('#!/bin/sh\n%s exec %s "$@"\n'):format(process.paths, command))
    run(("chmod 755 %s/bin/qcimage; touch %s/certificates.pem"):format(folder, folder))
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      assert.same({ "", 0 }, { run(("%s/bin/qcimage completion %s >%s/%s"):format(folder, shell, folder, shell)) })
    end
  end)

  teardown(function()
    run("rm -rf " .. folder)
  end)

  -- In a shell where qcimage shows what it is called with: what each line gives that is typed, where ^ is the Tab key.
  local function typed(shell, prepare, lines)
    local keys = ("%s . %s/%s; %s\n"):format(
      prepare,
      folder,
      shell:match "%w+",
      'qcimage() { if [ "$1" = __complete ]; then command qcimage "$@"; else printf "<%s>" "$@"; echo =; fi; }'
    )
    keys = keys .. "cd " .. folder .. "\n" .. table.concat(lines, "\n"):gsub("%^", "\t") .. "\nexit\n"
    write("keys", keys)
    local out = run(
      ("env -u QCIMAGE_API_VERSION -u QCIMAGE_ENDPOINT HOME=%s PATH=%s/bin:$PATH SHELL=/bin/bash TERM=xterm"):format(
        folder,
        folder
      ) .. (" timeout 60 script -qec %s /dev/null <%s/keys"):format(quote(shell), folder)
    )
    local found = {}
    for line in out:gmatch "(<[%w-][^\n\r]*>)=" do
      found[#found + 1] = line
    end
    return found, out
  end

  local LINES = {
    "qcimage desc^x",
    "qcimage modify --na^x",
    "qcimage describe --output=js^x",
    "qcimage describe --output js^x",
    "qcimage describe --filters image-name=a:^x",
    "qcimage describe --filters image-name=^x",
    'qcimage modify --name "a b^c"',
    "qcimage modify ^x",
    "qcimage describe --ca-file cert^x",
    "qcimage call ModifyImageA^--ImageN^x",
    "qcimage --endpoint http://127.0.0.1:80 descr^--offs^x",
    "qcimage --role-arn=qcs::cam::uin/1:roleName/x describe --no-c^--region=ap-bang^x",
    "qcimage  describe --filters image-name=a:b --offs^x",
    "qcimage bogus ^x",
  }
  local EXPECTED = {
    "<describe><x>",
    "<modify><--name><x>",
    "<describe><--output=json><x>",
    "<describe><--output><json><x>",
    "<describe><--filters><image-name=a:x>",
    "<describe><--filters><image-name=x>",
    "<modify><--name><a bc>",
    "<modify><x>",
    "<describe><--ca-file><certificates.pem><x>",
    "<call><ModifyImageAttribute><--ImageName><x>",
    "<--endpoint><http://127.0.0.1:80><describe><--offset><x>",
    "<--role-arn=qcs::cam::uin/1:roleName/x><describe><--no-color><--region=ap-bangkok><x>",
    "<describe><--filters><image-name=a:b><--offset><x>",
    "<bogus><x>",
  }

  it("works in bash, whose way to divide words stays as it was", function()
    local lines = { (table.unpack or unpack)(LINES) }
    lines[#lines + 1] = '[ "$before" = "$COMP_WORDBREAKS" ] && qcimage same'
    local expected = { (table.unpack or unpack)(EXPECTED) }
    expected[#expected + 1] = "<same>"
    local found, out = typed("bash --norc -i", "before=$COMP_WORDBREAKS;", lines)
    assert.same(expected, found, out)
  end)

  it("works in zsh, with and without its completion set up", function()
    for _, prepare in ipairs { "PS1='%% '; autoload -Uz compinit; compinit -u;", "PS1='%% ';" } do
      local found, out = typed("zsh -f -i", prepare, LINES)
      assert.same(EXPECTED, found, out)
    end
  end)

  it("works in fish", function()
    local function complete(line)
      local out = run(
        ("cd %s; env -u QCIMAGE_API_VERSION -u QCIMAGE_ENDPOINT HOME=%s PATH=%s/bin:$PATH fish --no-config -c %s"):format(
          folder,
          folder,
          folder,
          quote(("source %s/fish; complete -C %s"):format(folder, quote(line):gsub("'\\''", "\\'")))
        )
      )
      return (out:gsub("\t[^\n]*", ""))
    end
    assert.equal("describe\n", complete "qcimage desc")
    assert.equal("--name\n", complete "qcimage modify --na")
    assert.equal("--output=json\n", complete "qcimage describe --output=js")
    assert.equal("json\n", complete "qcimage describe --output js")
    assert.equal("", complete "qcimage describe --filters image-name=a:")
    assert.equal("", complete 'qcimage modify --name "a b')
    assert.equal("certificates.pem\n", complete "qcimage describe --ca-file cert")
    assert.equal("ModifyImageAttribute\nModifyImageSharePermission\n", complete "qcimage call Modify")
    assert.equal("", complete "qcimage bogus ")
  end)

  it("says what is wrong", function()
    local function fails(line, status, err)
      assert.same({ err, status }, { run(("%s/bin/qcimage completion %s"):format(folder, line)) })
    end
    fails("", 2, "qcimage: SHELL is missing\nqcimage: see qcimage completion --help\n")
    fails("ksh", 2, "qcimage: SHELL must be one of bash, zsh, fish\nqcimage: see qcimage completion --help\n")
    fails("bash >/dev/full", 74, "qcimage: cannot write: No space left on device\n")
  end)
end)
