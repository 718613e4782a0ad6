-- qcimage apply as a process: standard input, signals, terminals. What it shows, refuses and makes is in
-- spec/unit/command_apply_spec.lua.
local catalogue = require "spec.support.catalogue"
local commands = require "spec.support.command"
local process = require "spec.support.process"

describe("qcimage apply", function()
  local command = commands.ofBlock()
  local server, serial = command.server, 0
  local journal, list

  local function write(name, text)
    local path = command.scratch .. "/" .. name
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
  end

  before_each(function()
    server:setImages(catalogue.images(5))
    serial = serial + 1
    journal = ("%s/%d.journal"):format(command.scratch, serial)
    list = write("list.csv", "imageId,imageName\nimg-00000001,new-1\nimg-00000002,old-2\nimg-00000003,new-3\n")
  end)

  local function isUntouched()
    for _, entry in ipairs(server:journal()) do
      assert.equal("DescribeImages", entry.action)
    end
  end

  it("reads stdin for a dash alone", function()
    local out = command:shell(("qcimage apply - --dry-run --output text <%s"):format(list))
    assert.matches("^img%-00000001\timageName", out)
    local _, err, status = command:shell(("qcimage apply - <%s"):format(list))
    assert.matches("%-%-yes is needed where the list comes from stdin", err)
    assert.equal(2, status)
    local fifo = command.scratch .. "/fifo"
    out, _, status = command:shell(
      ("mkfifo %s; sleep 60 >%s & qcimage apply %s --dry-run --output text <%s; kill $!"):format(fifo, fifo, list, fifo)
    )
    assert.equal(0, status)
    assert.matches("^img%-00000001", out)
  end)

  -- Runs a list until so many changes have begun, and a moment longer; then sends a signal.
  local function interrupted(path, begins, moment)
    local script = ([[
      (exec %s %s apply %s --yes --output text --journal %s) & pid=$!
      until [ "$(grep -c begin %s 2>/dev/null)" -ge %d ] 2>/dev/null; do sleep 0.05; done
      sleep %g
      kill -TERM $pid
      wait $pid
      echo "status $?"]]):format(command.environment, commands.COMMAND, path, journal, journal, begins, moment)
    return command:shell(script)
  end

  local function countApplied()
    local applied = 0
    for _, entry in ipairs(server:journal()) do
      applied = applied + (entry.applied and 1 or 0)
    end
    return applied
  end

  it("ends when a signal comes while nothing is known", function()
    server:fault { kind = "errorBefore", action = "ModifyImageAttribute", count = 100 }
    local path = write("one.csv", "imageId,imageName\nimg-00000001,new-1\n")
    local out, err = interrupted(path, 1, 0.5)
    assert.matches("^2\timg%-00000001\tunknown\tnew%-1\tModifyImageAttribute: InternalError: ", out)
    assert.matches("1 unknown of 1\n", err)
    assert.matches("status 143\n$", out)
    server:reset()
    server:setImages(catalogue.images(5))
    assert.equal(0, select(3, command:shell(("qcimage apply --resume %s --yes"):format(journal))))
    assert.equal("new-1 old-2 old-3 old-4 old-5", catalogue.names(server))
  end)

  it("lets the change that is under way come to its end when a signal comes", function()
    server:setImages(catalogue.images(25))
    local lines = {}
    for i = 1, 25 do
      lines[i] = ('{"imageId":"img-%08d","imageName":"new-%d"}\n'):format(i, i)
    end
    local out, err = interrupted(write("many.jsonl", table.concat(lines)), 3, 0)
    assert.matches("status 143\n$", out)
    assert.matches("qcimage: ended early: by a signal\n", err)
    local made, left = err:match "qcimage: (%d+) ok, (%d+) not sent of 25\n"
    assert.same({ 25, made }, { made + left, ("%d"):format(countApplied()) })
    assert.equal(0, select(3, command:shell(("qcimage apply --resume %s --yes --output text"):format(journal))))
    assert.equal(25, countApplied())
  end)

  it("says that changes were made when its report cannot be written", function()
    local _, err, status = command:shell(("qcimage apply %s --yes --journal %s >/dev/full"):format(list, journal))
    assert.matches("the change was made, but its result could not be written: No space left on device", err)
    assert.matches("2 ok, 1 already done of 3", err)
    assert.equal(74, status)
    assert.equal("new-1 old-2 new-3 old-4 old-5", catalogue.names(server))
  end)

  it("asks on a terminal, and shows how far it is there alone", function()
    local function terminal(answer)
      local line = ("stty cols 100 -onlcr -echo; qcimage apply %s --journal %s"):format(list, journal)
      local inBash = process.quote("bash -c " .. process.quote(line))
      local out, err = command:shell(
        ("export -f qcimage; echo %s | SHELL=/bin/bash script -qec %s /dev/null"):format(answer, inBash),
        "TERM=xterm NO_COLOR=1"
      )
      return out .. err
    end
    local plan = 'img-00000001  imageName  "old-1" -> "new-1"\nimg-00000003  imageName  "old-3" -> "new-3"\n'
      .. "qcimage: 2 changes; 1 image is already in the desired state\nMake these changes? [y/N] "
    local output = terminal "n"
    assert.truthy(output:find(plan .. "qcimage: nothing was changed\n", 1, true), output)
    isUntouched()
    output = terminal "y"
    assert.truthy(output:find(plan, 1, true), output)
    assert.truthy(output:find("\r3 of 3 done", 1, true), output)
    assert.matches("\nqcimage: 2 ok, 1 already done of 3\n", output)
    assert.equal("new-1 old-2 new-3 old-4 old-5", catalogue.names(server))
  end)
end)
