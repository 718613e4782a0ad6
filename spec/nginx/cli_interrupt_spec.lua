-- Ctrl-C on a terminal while a call waits: the command ends at once, and by the signal, so that a shell's loop ends with it.
local commands = require "spec.support.command"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local socket = require "socket"

local quote, run = process.quote, process.run

local SLOW = 8 -- seconds that the answer takes
local AT_ONCE = 5 -- far more than it takes, on a busy machine, too

describe("Ctrl-C", function()
  local server, folder

  before_each(function()
    folder = run("mktemp -d"):gsub("\n", "")
    server = raw.start { { { "recv" }, { "sleep", SLOW } } }
  end)

  after_each(function()
    server:stop()
    run("rm -rf " .. folder)
  end)

  it("says what was done, and what may have been, as JSON, too", function()
    server:stop()
    local answer = '{"Response":{"RequestId":"r"}}'
    local head = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    local first = { { "recv" }, { "send", head:format(#answer) .. answer }, { "recv" }, { "sleep", SLOW } }
    server = raw.start { first }
    local command = ("%s %s QCIMAGE_METADATA=off QCIMAGE_ENDPOINT=%s timeout -s INT 3 %s share img-1 img-2 %s"):format(
      commands.CLEAN,
      commands.KEYS,
      server.url,
      commands.COMMAND,
      "--with 1 --output json"
    )
    local out = run(command)
    local message = "ended by a signal: 1 of 2 changes were made; the change may have been made; "
      .. "qcimage call DescribeImageSharePermission --ImageId img-2 shows whether it was made"
    assert.equal(("\nqcimage: %s\n"):format(message), out:match "^\n[^\n]*\n")
    local failure = require("cjson").decode(out:match "\n({[^\n]*})\n$")
    assert.same({ message, "unknown", "signal" }, { failure.message, failure.outcome, failure.reason })
  end)

  for _, line in ipairs { "describe", "modify img-12345678 --name x", "doctor" } do
    it("ends " .. line:match "%w+" .. " and the loop around it", function()
      local command = ("%s %s QCIMAGE_METADATA=off QCIMAGE_ENDPOINT=%s %s %s --timeout %d"):format(
        commands.CLEAN,
        commands.KEYS,
        server.url,
        commands.COMMAND,
        line,
        SLOW
      )
      local loop = ("for i in 1 2 3; do echo run; %s; done; echo over"):format(command)
      local terminal = assert(
        io.popen(
          ("SHELL=/bin/bash script -qec %s /dev/null >%s/out 2>&1"):format(quote("bash -c " .. quote(loop)), folder),
          "w"
        )
      )
      server:await(1, 1) -- the request is there
      local began = socket.gettime()
      terminal:write "\3"
      terminal:flush()
      terminal:close()
      assert.is_true(socket.gettime() - began < AT_ONCE)
      local out = commands.content(folder .. "/out"):gsub("\r", "")
      assert.matches("^run\n", out)
      assert.falsy(out:find("run", 4, true) or out:find("over", 1, true), out)
      assert.falsy(out:find("traceback", 1, true), out)
      local last =
        "ended by a signal: the change may have been made; qcimage describe img-12345678 shows whether it was made"
      assert.equal(line:find "^modify" and last or nil, out:match "qcimage: ([^\n]*)")
      assert.equal(1, #server:requests())
    end)
  end
end)
