--- README.md and the pages in docs/: blocks that nothing runs, links that lead nowhere, tables that differ from what the code
--- knows, translations that differ from their originals. Code and tables are compared, never prose.

local actions = require "qcimage.api.actions"
local apiTables = require "spec.support.api_tables"
local errors = require "qcimage.util.errors"
local limits = require "qcimage.util.limits"
local options = require "qcimage.options"
local process = require "spec.support.process"
local readme = require "spec.support.readme"
local text = require "qcimage.util.text"
local types = require "spec.support.types"

local PAGES = readme.files()
local CHINESE = { "docs/zh-CN/README.md", "docs/zh-CN/guide.md" }

local function exists(path)
  local file = io.open(path:gsub("/$", "") .. (path:find "/$" and "/." or ""), "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

describe("the blocks of code", function()
  it("are all run by a spec or a script, or say why not", function()
    local isRun = {}
    local names, pages = readme.asked()
    for _, name in ipairs(names) do
      local ok, block = pcall(readme.find, name)
      if ok then
        isRun[block.file .. ":" .. block.line] = true
      end
    end
    local unasked = {}
    for _, block in ipairs(readme.blocks()) do
      local place = block.file .. ":" .. block.line
      if not (isRun[place] or pages[block.file]) and not block.reason and block.language ~= "mermaid" then
        unasked[#unasked + 1] = place
      end
    end
    assert.same({}, unasked)
  end)

  it("lose their substitutions only with an error", function()
    assert.has_error(function()
      readme.block("credentials.assumeRole {", { ["no such text"] = "x" })
    end, "the block holds no no such text")
    assert.has_error(function()
      readme.block "no such text"
    end, "no block holds no such text")
  end)
end)

-- The text of a page without its blocks of code.
local function prose(page)
  return (("\n" .. readme.text(page)):gsub("\n```.-\n```\n", "\n\n"))
end

-- The anchor of a heading, as code hosts make it.
local function anchorOf(heading)
  return (heading:lower():gsub("`", ""):gsub("[^%w%s_\128-\255-]", ""):gsub("%s", "-"))
end

describe("the links", function()
  for _, list in ipairs { PAGES, CHINESE } do
    for _, page in ipairs(list) do
      it("of " .. page .. " lead to what exists", function()
        local folder = page:match "^(.*/)" or ""
        for target in prose(page):gmatch "%]%(([^)%s]+)%)" do
          if not target:find "^%a+://" then
            local path, anchor = target:match "^([^#]*)#?(.*)$"
            path = path == "" and page or folder .. path
            while path:find "[^/]+/%.%./" do
              path = path:gsub("[^/]+/%.%./", "", 1)
            end
            assert.is_true(exists(path), ("%s: %s does not exist"):format(page, target))
            if anchor ~= "" then
              local anchors = {}
              for heading in prose(path):gmatch "\n#+ ([^\n]+)" do
                anchors[anchorOf(heading)] = true
              end
              assert.is_true(anchors[anchor], ("%s: %s has no heading of that anchor"):format(page, target))
            end
          end
        end
      end)
    end
  end
end)

describe("the paths that the pages for developers name", function()
  it("exist", function()
    for _, page in ipairs { "docs/CONTRIBUTING.md", "docs/design.md", "docs/SECURITY.md" } do
      for named in prose(page):gmatch "`([%w_.]+/[%w_./*]+)`" do
        local path = named:gsub("^%./", "")
        if not path:find "^build/" then
          local _, status =
            process.run(("ls -d %s || ls -d lua/qcimage/%s || ls -d lua/qcimage/emulator/%s"):format(path, path, path))
          assert.equal(0, status, ("%s names %s, which does not exist"):format(page, path))
        end
      end
    end
  end)

  it("are scripts that the workflow runs", function()
    local count = 0
    for path in readme.text(".github/workflows/ci.yml"):gmatch "run: %./(%S+)" do
      assert.is_true(exists(path), path)
      count = count + 1
    end
    assert.equal(2, count)
  end)

  it("name specs that exist", function()
    for name in prose("docs/CONTRIBUTING.md"):gmatch "`([%w_]+_spec)`" do
      local _, status = process.run(("ls spec/*/%s.lua"):format(name))
      assert.equal(0, status, name .. " does not exist")
    end
  end)
end)

-- Rows of the table under a heading row: {cells}.
local function rows(page, heading)
  local _, from = readme.text(page):find("\n| " .. heading .. "[^\n]*\n|[-|]+\n")
  assert(from, ("%s has no table %s"):format(page, heading))
  local list = {}
  for line in readme.text(page):sub(from + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "|" then
      break
    end
    local row = {}
    for cell in line:gmatch "|%s*([^|]*)" do
      row[#row + 1] = (cell:gsub("%s+$", ""))
    end
    list[#list + 1] = row
  end
  return list
end

-- The words in code style of the first cells.
local function named(page, heading)
  local names = {}
  for _, row in ipairs(rows(page, heading)) do
    for name in row[1]:gmatch '`"?([%w_]+)' do
      names[name] = true
    end
  end
  return names
end

describe("the tables of docs/api.md", function()
  it("name each option, and none that does not exist", function()
    assert.same(text.keys(options.client), text.keys(named("docs/api.md", "option of `image.new`")))
    assert.same(text.keys(options.call), text.keys(named("docs/api.md", "option of a call")))
    assert.same(text.keys(options.wait), text.keys(named("docs/api.md", "option of `wait`")))
    assert.same(text.keys(options.apply), text.keys(named("docs/bulk.md", "option of `apply`")))
    for name in pairs(options.each) do
      local isOfEach = named("docs/api.md", "option of `each`")[name]
      assert.is_truthy(isOfEach or options.call[name], name .. " is not in docs/api.md")
    end
  end)

  it("tell the defaults that hold", function()
    local defaults = {}
    for _, row in ipairs(rows("docs/api.md", "option of `image.new`")) do
      local names, values = {}, {}
      for name in row[1]:gmatch "`(%w+)`" do
        names[#names + 1] = name
      end
      for value in row[2]:gmatch "[^,]+" do
        values[#values + 1] = value
      end
      for i, name in ipairs(names) do
        defaults[name] = #values == #names and values[i] or row[2]
      end
    end
    for _, name in ipairs { "timeout", "attemptTimeout", "connectTimeout", "maxAttempts", "poolSize", "poolIdle" } do
      assert.equal(limits[name], tonumber(defaults[name]), name)
    end
    local most, inNginx = defaults.maxResponseBytes:match "(%d+) MiB, in nginx (%d+) MiB"
    assert.equal(limits.responseBytes, tonumber(most) * 1024 * 1024)
    assert.equal(limits.nginxResponseBytes, tonumber(inNginx) * 1024 * 1024)
    for _, row in ipairs(rows("docs/api.md", "option of `wait`")) do
      assert.is_true(row[1] ~= "`waitTimeout`" or tonumber(row[2]) == limits.waitTimeout)
    end
  end)

  it("name each function, each field of a result and each variable", function()
    local functions = named("docs/api.md", "function | returns")
    for line in readme.text("spec/fixtures/interface.txt"):gmatch "[^\n]+" do
      local what, name = line:match "^(.-): (.*)$"
      if what == "function of the module" then
        local isNamed = functions[name] or readme.text("docs/api.md"):find("| `image." .. name, 1, true)
        assert.is_truthy(isNamed, name .. " is not in docs/api.md")
      elseif what == "environment variable" or what == "field of a result" or what == "field of an image" then
        assert.is_truthy(readme.text("docs/api.md"):find("`" .. name .. "`", 1, true), name .. " is not in docs/api.md")
      end
    end
  end)

  -- A row of the table of versions.
  local function row(words, name, form)
    local three = actions["3.0"].ModifyImageAttribute.params[name]
    local two = actions["2.0"].ModifyImageAttributes.params[name]
    form = ("| %%s | at most %%d characters | %s of `%%s` |\n"):format(form)
    return form:format(words, three.max, two.max, two.chars)
  end

  it("of the versions and of the actions are made from the data", function()
    local page = readme.text "docs/api.md"
    local first = page:find(apiTables.BEGIN, 1, true)
    local _, last = page:find(apiTables.END, 1, true)
    assert(first and last, "docs/api.md has no marks for the tables of the actions")
    local made, count = (page:sub(1, first - 1) .. apiTables.text() .. page:sub(last + 1)):gsub(
      "| image names |[^\n]*\n| descriptions |[^\n]*\n",
      row("image names", "imageName", "1 to %d") .. row("descriptions", "imageDescription", "at most %d")
    )
    assert.equal(1, count)
    if os.getenv "QCIMAGE_ACCEPT" then
      local file = assert(io.open("docs/api.md", "wb"))
      file:write(made)
      file:close()
    else
      assert.is_true(made == page, "docs/api.md is out of date: QCIMAGE_ACCEPT=1 writes its tables anew")
    end
  end)
end)

describe("docs/errors.md", function()
  local page = "\n" .. readme.text "docs/errors.md"
  local fields = types.classes["qcimage.Error"].fields

  local function same(expected, pattern)
    local found = {}
    for word in page:gmatch(pattern) do
      found[word] = true
    end
    assert.same(expected, text.keys(found))
  end

  it("has each outcome, kind and reason, and no other", function()
    same(types.wordsOf(fields.outcome), '\n| `"(%w+)"` |')
    same(types.wordsOf(fields.kind), '\n### `"(%w+)"`')
    local reasons = types.wordsOf(fields.reason)
    local parts = {}
    for kind in pairs { network = true, response = true, service = true } do
      parts[#parts + 1] = assert(page:match('\n### `"' .. kind .. '"`(.-)\n##'))
    end
    local found = {}
    for reason in table.concat(parts):gmatch "\n| `(%w+)` |" do
      found[reason] = reason ~= "reason" or nil -- a heading
    end
    assert.same(reasons, text.keys(found))
  end)

  it("has the network's errors that are tried again, and no other", function()
    local row = assert(page:match "\n| what failed | tried again |\n[^\n]*\n| ([^|]*)")
    local found = {}
    for reason in row:gmatch "`(%w+)`" do
      found[reason] = true
    end
    assert.same(errors.TRANSIENT, found)
  end)

  it("has each field", function()
    local listed = named("docs/errors.md", "field |")
    for name in pairs(fields) do
      assert.is_true(listed[name], name .. " is not in the table of docs/errors.md")
    end
  end)
end)

describe("README.md", function()
  it("has at most 160 lines", function()
    local _, lines = readme.text("README.md"):gsub("\n", "")
    assert.is_true(lines <= 160, lines .. " lines")
  end)

  it("leads to every page", function()
    for _, page in ipairs(PAGES) do
      assert.is_true(page == "README.md" or readme.text("README.md"):find("](" .. page .. ")", 1, true) ~= nil, page)
    end
  end)
end)

-- The Chinese pages: their code is that of the English ones, and so are the names in their text.
describe("the Chinese pages", function()
  local english = {}
  for _, page in ipairs(PAGES) do
    for _, block in ipairs(readme.blocks(page)) do
      english[block.text] = true
    end
  end

  it("have the blocks of the English README, in its order, and no others than the pages have", function()
    local blocks, translated = readme.blocks(PAGES[1]), readme.blocks(CHINESE[1])
    for i, block in ipairs(blocks) do
      assert.equal(block.text, translated[i] and translated[i].text)
    end
    assert.equal(#blocks, #translated)
    for _, block in ipairs(readme.blocks(CHINESE[2])) do
      assert.is_true(
        english[block.text],
        ("the block at line %d of docs/zh-CN/guide.md is in no English page"):format(block.line)
      )
    end
  end)

  it("use names of options, fields, variables and files that the English pages use", function()
    local known = {}
    for _, page in ipairs(PAGES) do
      for name in prose(page):gmatch "`([^`\n]+)`" do
        known[name] = true
      end
    end
    for _, page in ipairs(CHINESE) do
      for name in prose(page):gmatch "`([^`\n]+)`" do
        assert.is_true(known[name], ("%s: `%s` is in no English page"):format(page, name))
      end
    end
  end)

  it("have every kind, reason, outcome and exit code that the English pages have", function()
    local guide = readme.text "docs/zh-CN/guide.md"
    local fields = types.classes["qcimage.Error"].fields
    for _, field in ipairs { "kind", "reason", "outcome" } do
      for _, word in ipairs(types.wordsOf(fields[field])) do
        assert.is_truthy(guide:find('`"?' .. word .. '"?`'), word .. " is not in docs/zh-CN/guide.md")
      end
    end
    for code in readme.text("spec/fixtures/interface.txt"):gmatch "exit code: (%d+)" do
      assert.is_truthy(guide:find("\n| " .. tonumber(code) .. " |", 1, true), "exit code " .. code)
    end
  end)

  it("have as many headings and rows of tables as the English README", function()
    local function count(page, pattern)
      return select(2, prose(page):gsub(pattern, ""))
    end
    for _, pattern in ipairs { "\n#+ ", "\n|", "\n%- " } do
      assert.equal(count("README.md", pattern), count("docs/zh-CN/README.md", pattern), pattern)
    end
  end)
end)
