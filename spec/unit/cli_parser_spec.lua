--- The reader of the command's line, whole or half typed, and of JSON texts.

local cjson = require "cjson"
local commands = require "qcimage.cli.commands"
local complete = require "qcimage.cli.complete"
local json = require "qcimage.cli.json"
local parser = require "qcimage.cli.parser"

describe("the reader of a command line", function()
  -- The words of an example, as a shell has them.
  local function problemOf(example)
    local words = {}
    local line = example:gsub('%b""', "text"):gsub("%b''", "{}"):match "^[^#|&>]*"
    for word in line:match("qcimage (.*)"):gmatch "[^%s)]+" do
      words[#words + 1] = word
    end
    return words[1] ~= "help" and parser.read(words).problem or nil
  end

  it("reads the examples of every command", function()
    for name in pairs(commands.byName) do
      for _, example in ipairs(commands.module(name).EXAMPLES or {}) do
        assert.is_nil(problemOf((example:gsub("^source <%(", ""))), example)
      end
    end
  end)

  it("reads those of docs/command.md, which has each exit code", function()
    local file = assert(io.open "docs/command.md")
    local page, count = file:read "*a", 0
    file:close()
    for block in page:gmatch "```sh\n(.-)```" do
      for line in block:gmatch "[^\n]+" do
        assert.is_nil(problemOf(line), line)
        count = count + 1
      end
    end
    assert.is_true(count > 15)
    for _, row in ipairs(require("qcimage.cli.exit_codes").HELP) do
      assert.truthy(page:find(("| %s |"):format(row[1]), 1, true) or row[1] == "130", row[1])
    end
  end)

  local WORDS = {
    "",
    "-",
    "--",
    "--x",
    "-h",
    "--version",
    "--raw",
    "--raw=1",
    "true",
    "FALSE",
    "img-1",
    "--ImageIds",
    "--ImageIds=[",
    "[",
    "{}",
    "null",
    '["a"]',
    "--Filters",
    "--DryRun",
    "--Limit",
    "-5",
    "--tls",
    "a=b",
    "%s",
    "--%d",
    "--secret-key",
    "--token%s",
    "\255",
    "--\27",
    "--api-version",
    "2.0",
    "9",
    "--endpoint",
    "ftp://",
    "--output",
    "--output=json",
    "DescribeImages",
    "ModifyImageAttributes",
    "Nope",
    "--cli-input-json",
    "--name",
    "--name=",
    "--with",
    "--all",
    "--state",
    "normal",
    "bash",
    "help",
    "call",
    "sign",
    "describe",
    "modify",
    "delete",
    "copy",
    "apply",
    "emulator",
    "completion",
    "wait",
    ("x"):rep(300),
  }

  it("gives a command or a problem, whatever the words, and so does completion", function()
    local seed = 7
    local function draw(count)
      seed = (seed * 16807) % 2147483647
      return seed % count + 1
    end
    for i = 1, 1000 do
      local words = {}
      for j = 1, draw(6) do
        words[j] = WORDS[draw(#WORDS)]
      end
      local line = parser.read(words)
      local isWhole = line.values.help or line.values.version or line.command
      assert.is_truthy(line.problem or isWhole, table.concat(words, " | "))
      if i % 10 == 0 then
        complete.lines(WORDS[draw(#WORDS)], words)
      end
    end
    assert.equal("--output needs a value", parser.read({ "--output" }).problem)
  end)

  it("takes as many values as an option has", function()
    assert.same({ "a", "b" }, parser.read({ "emulator", "--tls", "a", "b" }).values.tls)
    assert.equal("--tls needs 2 values", parser.read({ "emulator", "--tls", "a" }).problem)
    assert.equal("--tls takes 2 values: CERT KEY", parser.read({ "emulator", "--tls", "a", "--port", "1" }).problem)
    assert.equal("--tls takes 2 values: CERT KEY", parser.read({ "emulator", "--tls=a", "b" }).problem)
  end)
end)

describe("the text of a JSON document", function()
  it("is taken apart and indented as it is", function()
    local items, members = json.parts ' {"a" : [1, {"b":"]}\\""}, null],"c":1.50e1, "d":{} } '
    assert.same({ {}, { a = '[1, {"b":"]}\\""}, null]', c = "1.50e1", d = "{}" } }, { items, members })
    assert.same({ "1", '{"b":"]}\\""}', "null" }, (json.parts(members.a)))
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}\n', json.indented '{"a":[1,{}],"b":[ ]}')
    assert.equal('"\\u202e\\u007f"\n', json.indented '"\226\128\174\127"')
    assert.equal("[9007199254740991,1e+20,-1e+20,0.1]", json.line { 9007199254740991, 1e20, -1e20, 0.1 })
    local hidden = "web\226\128\139\243\160\129\129网页\255" -- U+200B, U+E0041, and a byte that is no character
    assert.equal('"web\\u200b\\udb40\\udc41网页\255"', json.line(hidden))
    assert.equal(hidden:sub(1, -2), cjson.decode("[" .. json.line(hidden:sub(1, -2)) .. "]")[1])
  end)

  it("ends, whatever it is", function()
    for _, text in ipairs {
      "",
      "{",
      '"',
      '{"a',
      '{"a\\',
      '["\\',
      "[[[",
      "]",
      ",",
      ":",
      '{"a":',
      '{"a":}',
      "[1 2",
      "<html>",
    } do
      json.parts(text)
    end
  end)
end)
