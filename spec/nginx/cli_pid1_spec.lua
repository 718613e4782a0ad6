--- The command as the first process of a container, to which the kernel gives no default action for signals.

local commands = require "spec.support.command"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local UNSHARE = process.run "id -u" == "0\n" and "unshare --pid --fork" or "unshare --map-root-user --pid --fork"
local CODES = { TERM = 143, INT = 130, HUP = 129 }

describe("qcimage as PID 1", function()
  local command, hole = commands.ofBlock(), nil

  setup(function()
    hole = raw.start { { { "recv" } } } -- and never answers
  end)

  teardown(function()
    hole:stop()
  end)

  -- Runs a subcommand, waits until `ready` (a command of the shell) succeeds, sends a signal. Gives all output, and the
  -- exit code; 137 where the signal did not end it within some seconds.
  local function signalled(signal, arguments, ready, environment)
    local script = ([[
      %s %s %s %s %s >FOLDER/out 2>&1 & outside=$!
      until %s; do sleep 0.05; done
      inside=$(ps -o pid= --ppid $outside | tr -d ' ')
      kill -%s $inside
      (sleep 8 && kill -KILL $inside) >/dev/null 2>&1 & timer=$!
      wait $outside; code=$?
      pkill -P $timer
      cat FOLDER/out
      exit $code]]):format(
      command.environment,
      environment or "",
      UNSHARE,
      commands.COMMAND,
      arguments,
      ready,
      signal
    )
    local output, status = process.run(("bash -c %s"):format(process.quote((script:gsub("FOLDER", command.scratch)))))
    return output, status
  end

  for signal, code in pairs(CODES) do
    it("lets a change come to its end when SIG" .. signal .. " comes, and ends as outside", function()
      local images, lines = {}, { "imageId,imageDescription" }
      for i = 1, 40 do
        images[i] = { imageId = ("img-%08d"):format(i), imageName = "n" .. i, imageDescription = "" }
        lines[i + 1] = ("img-%08d,text"):format(i)
      end
      command.server:setImages(images)
      local list = assert(io.open(command.scratch .. "/list.csv", "w"))
      list:write(table.concat(lines, "\n"))
      list:close()
      local journal = ("%s/%s.journal"):format(command.scratch, signal)
      local output, status = signalled(
        signal,
        ("apply %s/list.csv --yes --journal %s"):format(command.scratch, journal),
        ('[ "$(grep -c begin %s 2>/dev/null)" -ge 2 ] 2>/dev/null'):format(journal)
      )
      assert.equal(code, status, output)
      assert.matches("ended early: by a signal", output)
      assert.is_nil(output:find "a fault", output)
    end)

    it("ends a call when SIG" .. signal .. " comes", function()
      local output, status = signalled(
        signal,
        "describe",
        ("grep -q ':%04X 01' /proc/net/tcp"):format(hole.port),
        "QCIMAGE_ENDPOINT=" .. hole.url
      )
      assert.equal(code, status, output)
    end)

    it("ends the emulator when SIG" .. signal .. " comes, and leaves nothing", function()
      local folder = process.run("mktemp -d"):gsub("\n", "")
      local output, status = signalled(signal, "emulator", "grep -q ready FOLDER/out", ("TMPDIR=%s"):format(folder))
      assert.equal(code, status, output)
      assert.equal("", (process.run("ls " .. folder)))
      process.run("rm -r " .. folder)
    end)
  end
end)
