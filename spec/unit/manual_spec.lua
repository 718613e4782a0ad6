--- The help and the manual page: covers what they must say of each command, action and parameter, and their widths.
-- packages: groff-base

local actionHelp = require "qcimage.cli.action_help"
local actions = require "qcimage.api.actions"
local commands = require "qcimage.cli.commands"
local help = require "qcimage.cli.help"
local manual = require "spec.support.manual"

local function linesOf(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

describe("the help", function()
  it("has a first screen of 80 columns and 24 lines with the prompt", function()
    assert.is_true(#linesOf(help.topic({}, 80)) <= 23)
  end)

  it("is as wide as the terminal, and has each option", function()
    local topics = { {}, { "options" }, { "exit-codes" }, { "call", "SyncImages" } }
    for name in pairs(commands.byName) do
      topics[#topics + 1] = { name }
    end
    for _, words in ipairs(topics) do
      for _, columns in ipairs { 40, 80, 100 } do
        local text = assert(help.topic(words, columns))
        for _, line in ipairs(linesOf(text)) do
          local isVerbatim = line:find "^ +qcimage" or line:find "^ +source" or line:find "^  {"
          assert.is_truthy(#line <= columns or isVerbatim or #line:match "%S+$" > columns - 8, line)
        end
        for _, option in ipairs(words[1] and commands.byName[words[1]] and commands.module(words[1]).OPTIONS or {}) do
          assert.truthy(text:find(help.option(option), 1, true), option[1])
        end
      end
    end
  end)

  it("says what each action and parameter is", function()
    local used = {}
    for _, version in pairs { "2.0", "3.0" } do
      for name, action in pairs(actions[version]) do
        assert.truthy(actionHelp.ACTIONS[name], name)
        used[name] = true
        for key in pairs(action.params) do
          assert.truthy(actionHelp.PARAMETERS[key], key)
          used[key] = true
        end
      end
    end
    for _, list in ipairs { actionHelp.ACTIONS, actionHelp.PARAMETERS } do
      for name in pairs(list) do
        assert.truthy(used[name], name .. " is not used")
      end
    end
  end)

  it("is refused for what does not exist, with the nearest", function()
    local function problem(...)
      return select(2, help.topic({ ... }, 80))
    end
    assert.equal("unknown command modfy, did you mean modify?", problem "modfy")
    assert.equal("unknown action SyncImage in API 3.0, did you mean SyncImages?", problem("call", "SyncImage"))
    assert.equal(
      "unknown action Frobnicate in API 3.0: qcimage help call lists them; --raw sends any",
      problem("sign", "Frobnicate")
    )
  end)
end)

describe("the manual page", function()
  it("is that of the tables: else run scripts/manual", function()
    local file = assert(io.open "docs/qcimage.1")
    local page = file:read "*a"
    file:close()
    assert.is_true(manual.page() == page, "docs/qcimage.1 is out of date: run scripts/manual")
  end)

  it("is clean troff", function()
    local pipe = assert(io.popen "groff -man -ww -z -Tutf8 docs/qcimage.1 2>&1")
    assert.equal("", pipe:read "*a")
    pipe:close()
  end)
end)
