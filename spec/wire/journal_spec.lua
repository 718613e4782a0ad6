--- Journals as files: what is no file, forks, disks that are full, and what is on disk: covers journal.c.

local core = require "qcimage.core"
local posix = require "testposix"
local process = require "spec.support.process"

describe("a journal", function()
  local folder

  local function shell(script)
    local output, status = process.run((script:gsub("FOLDER", folder)))
    assert(status == 0, output)
    return output
  end

  before_each(function()
    folder = process.run("mktemp -d"):gsub("\n", "")
  end)

  after_each(function()
    process.run("rm -rf " .. folder)
  end)

  local function refused(path, isNew)
    local journal, problem = core.journal(path, isNew)
    assert.is_nil(journal)
    return problem
  end

  it("is a regular file: for no other does it wait", function()
    shell "mkfifo FOLDER/fifo; mkdir FOLDER/folder; ln -s fifo FOLDER/link"
    assert.equal("Is a directory", refused(folder .. "/folder", false))
    for _, path in ipairs { folder .. "/fifo", folder .. "/link", "/dev/null", "/dev/zero" } do
      assert.equal("is not a regular file", refused(path, false), path)
      assert.equal("exists", select(3, core.journal(path, true)), path)
    end
    shell "sleep 5 >/dev/null 2>&1 <>FOLDER/fifo &" -- a reader
    assert.equal("is not a regular file", refused(folder .. "/fifo", false))
    shell "ln -s regular FOLDER/good; : >FOLDER/regular"
    assert(core.journal(folder .. "/good", false)):close()
  end)

  it("takes text alone", function()
    assert.is_false(pcall(core.journal, 5, true))
    assert.is_false(pcall(core.journal, folder .. "/a\0b", true))
    assert.is_false(pcall(core.syncFolder, 5))
    local journal = assert(core.journal(folder .. "/one", true))
    assert.is_false(pcall(journal.append, journal, 5))
    assert.is_true(journal:append "text\n")
    journal:close()
    journal:close()
    assert.is_false(pcall(journal.append, journal, "more"))
    assert.equal("text\n", shell "cat FOLDER/one")
  end)

  it("is locked by the process that opened it alone, whatever that forks", function()
    local path = folder .. "/one"
    local journal, second = assert(core.journal(path, true)), assert(core.journal(folder .. "/two", true))
    assert.equal("locked", select(3, core.journal(path, false)))
    local pid = posix.fork()
    if pid == 0 then
      local ok, message = pcall(journal.append, journal, "the child's\n")
      local isRefused = not ok and message:find "process which forked this one"
      journal:close()
      second = nil -- luacheck: ignore
      collectgarbage()
      local own = core.journal(folder .. "/three", true)
      isRefused = isRefused and own:append "text" and select(3, core.journal(path, false)) == "locked"
      posix.exit(isRefused and 7 or 1)
    end
    assert.equal(7, posix.wait(pid))
    assert.is_true(journal:append "the parent's\n")
    assert.equal("the parent's\n", shell "cat FOLDER/one")
    pid = posix.fork()
    if pid == 0 then
      process.run(": >" .. folder .. "/running; sleep 3")
      posix.exit(0)
    end
    shell "until [ -e FOLDER/running ]; do sleep 0.01; done"
    journal:close()
    second:close()
    assert(core.journal(path, false)):close() -- while the child lives
    assert(core.journal(folder .. "/two", false)):close()
    assert.equal(0, posix.wait(pid))
  end)

  it("is found in its folder after a power cut, as is a plan that was saved", function()
    if not process.canTrace() then
      pending "strace does not work on this machine"
    end
    local code = ([[
      local core = require "qcimage.core"
      local journal = core.journal("FOLDER/one", true)
      journal:append "text"
      journal:sync()
      core.journal("two", true)
      core.journal("FOLDER/one", false)
    ]]):gsub("FOLDER", folder)
    local trace = process.run(
      ("cd %s && strace -e trace=openat,open,fsync,fdatasync,write env LUA_CPATH=%s %s -e %s 2>&1 | sed -n '/one/,$p'"):format(
        folder,
        process.quote(package.cpath),
        process.interpreter,
        process.quote(code)
      )
    )
    local steps = {}
    for call in trace:gmatch "[^\n]+" do
      steps[#steps + 1] = call:find "O_DIRECTORY" and "folder" or call:match "^fd?a?t?async" or call:match "^fsync"
    end
    assert.equal("folder fsync fdatasync folder fsync", table.concat(steps, " "), trace)
    assert.matches(('"%s/", [%%w_|]*O_DIRECTORY'):format(folder:gsub("%p", "%%%0")), trace)
    assert.matches('"%.", [%w_|]*O_DIRECTORY', trace)
    assert.is_true(core.syncFolder(folder .. "/one"))
    assert.is_true(core.syncFolder "/one")
    assert.matches("No such file", select(2, core.syncFolder(folder .. "/none/one")))
  end)

  it("that cannot be locked leaves no file behind, and one that was there stays", function()
    if not process.canTrace() then
      pending "strace does not work on this machine"
    end
    shell "touch FOLDER/two"
    local code = ([[
      local core = require "qcimage.core"
      print(core.journal("FOLDER/one", true))
      print(io.open "FOLDER/one")
      print(core.journal("FOLDER/two", true))
      print(core.journal("FOLDER/two", false))
      print(io.open "FOLDER/two" ~= nil)
    ]]):gsub("FOLDER", folder)
    local output = process.run(
      ("strace -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK env LUA_CPATH=%s %s -e %s 2>&1"):format(
        process.quote(package.cpath),
        process.interpreter,
        process.quote(code)
      )
    )
    assert.matches(
      "^nil\tNo locks available\tnil\n"
        .. "nil\t%S+: No such file or directory\t%d+\n"
        .. "nil\tFile exists\texists\nnil\tNo locks available\tnil\ntrue\n$",
      output
    )
  end)

  it("in a folder that can only be written is made", function()
    if process.run "id -u" == "0\n" then
      pending "root may read all folders"
    end
    shell "mkdir -m 300 FOLDER/blind"
    assert(core.journal(folder .. "/blind/one", true)):close()
  end)

  it("that a full disk does not take leaves no file behind", function()
    local code = [[
      local journals = require "qcimage.apply.journal"
      local planfile = require "qcimage.apply.plan_format"
      local steps = {}
      for i = 1, 2000 do
        steps[i] = { imageId = ("img-%08d"):format(i), set = { imageName = ("n"):rep(16) }, from = {} }
      end
      planfile.write = function() return ("x"):rep(200000) end
      local journal, message = journals.create(arg[1], { steps = steps })
      print(journal, message, io.open(arg[1]))
    ]]
    local file = assert(io.open(folder .. "/code.lua", "w"))
    file:write(code)
    file:close()
    local output = process.run(
      ("%s sh -ec %s"):format(
        process.isolation(),
        process.quote(
          ("mkdir %s/disk; mount -t tmpfs -o size=64k full %s/disk; trap 'umount %s/disk' EXIT; env %s %s %s/code.lua %s/disk/one"):format(
            folder,
            folder,
            folder,
            process.paths,
            process.interpreter,
            folder,
            folder
          )
        )
      )
    )
    assert.matches("^nil\tjournal %S+: No space left on device\tnil\t%S+: No such file", output)
  end)
end)
