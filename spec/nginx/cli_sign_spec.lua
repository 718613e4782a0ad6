-- qcimage sign: the request that it shows, its stages, and a curl command that a shell runs as it stands.
-- packages: zsh
local cjson = require "cjson"
local commands = require "spec.support.command"
local process = require "spec.support.process"

describe("qcimage sign", function()
  local command = commands.ofBlock()
  local server = command.server

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

    it("gives one for a body that is longer than an argument may be", function()
      local names = {}
      for i = 1, 12 do
        names[i] = ("--Note%d=$long"):format(i)
      end
      local line = "DescribeImageQuota --raw " .. table.concat(names, " ")
      local entry = arrives("sh", (line:gsub("%$long", '"$(head -c 20000 /dev/zero | tr "\\0" x)"')))
      assert.equal("DescribeImageQuota", entry.action)
    end)
  end)
end)
