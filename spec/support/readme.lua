--- readme.lua - the code blocks of README.md, of the pages in docs/ and of the examples, so that specs run what readers copy.
---
---     readme.block "credentials.assumeRole {"          the block of a page that contains this text
---     readme.block "README.md: image.modify"           the block of this page
---     readme.block("image.modify", nil, "README.md")   the same
---     readme.block "docs/examples/nginx.conf"          a whole example
---     readme.block("listen", { ["127.0.0.1:8080"] = "127.0.0.1:81" })
---
--- documents_spec.lua reports blocks that no spec asks for. A block that cannot be run has the reason in a comment above
--- it, which readers do not see:  <!-- not run: it needs … -->

local process = require "spec.support.process"
local stub = require "spec.support.stub"

local M = {}

--- The files, README.md first, without the translations.
---@return string[] pages Markdown
---@return string[] examples
function M.files()
  local pages, examples = { "README.md" }, {}
  for name in process.run("ls docs/*.md docs/examples/*"):gmatch "[^\n]+" do
    local list = name:find "%.md$" and pages or examples
    list[#list + 1] = name
  end
  return pages, examples
end

--- The text of a file, or of all pages.
---@param name string|nil
---@return string
function M.text(name)
  if name then
    return stub.fixture("../../" .. name)
  end
  local texts = {}
  for _, page in ipairs((M.files())) do
    texts[#texts + 1] = M.text(page)
  end
  return table.concat(texts, "\n")
end

-- The blocks of a page, in order.
local function blocksOf(page)
  local blocks, open, reason, number = {}, nil, nil, 0
  for line in M.text(page):gmatch "([^\n]*)\n" do
    number = number + 1
    local fence = line:match "^```(.*)$"
    if open and fence == "" then
      open.text = table.concat(open, "\n") .. "\n"
      blocks[#blocks + 1], open, reason = open, nil, nil
    elseif open then
      open[#open + 1] = line
    elseif fence then
      open = { file = page, language = fence, line = number, reason = reason }
    elseif line ~= "" then
      reason = line:match "^<!%-%- not run: (.+) %-%->$"
    end
  end
  assert(not open, ("a block of %s has no end"):format(page))
  return blocks
end

--- The blocks of a page, in order; or of all pages and examples, each of which is one.
---@param page string|nil
---@return table[] {file, line, language, text, reason (why it is not run)}
function M.blocks(page)
  if page then
    return blocksOf(page)
  end
  local all = {}
  local pages, examples = M.files()
  for _, name in ipairs(pages) do
    for _, block in ipairs(blocksOf(name)) do
      all[#all + 1] = block
    end
  end
  for _, name in ipairs(examples) do
    all[#all + 1] = { file = name, line = 1, language = name:match "[^.]*$", text = M.text(name) }
  end
  return all
end

--- Replaces texts by others. Each must exist.
---@param text string
---@param substitutions table<string, string>
---@return string
function M.with(text, substitutions)
  for old, new in pairs(substitutions) do
    local first, last = text:find(old, 1, true)
    assert(first, ("the block holds no %s"):format(old))
    while first do
      text = text:sub(1, first - 1) .. new .. text:sub(last + 1)
      first, last = text:find(old, first + #new, true)
    end
  end
  return text
end

--- The one block that a name means: "TEXT", which a block of a page in docs/ contains; "FILE: TEXT"; or an example's file.
---@param name string
---@return table
function M.find(name)
  local file, part = name:match "^(%S+%.md): (.+)$"
  local found
  for _, block in ipairs(M.blocks()) do
    local isMeant
    if file then
      isMeant = block.file == file and block.text:find(part, 1, true)
    elseif name:find "^docs/examples/" then
      isMeant = block.file == name
    else
      isMeant = block.file:find "^docs/[^/]*%.md$" and block.text:find(name, 1, true)
    end
    if isMeant then
      if found then
        error(("two blocks hold %s: %s and %s"):format(name, found.file, block.file))
      end
      found = block
    end
  end
  return assert(found, "no block holds " .. name)
end

--- The text of that block.
---@param name string
---@param substitutions table<string, string>|nil what replaces keys, ports and files
---@param page string|nil
---@return string
function M.block(name, substitutions, page)
  return M.with(M.find(page and page .. ": " .. name or name).text, substitutions or {})
end

--- The names by which specs and scripts ask for blocks; and the pages of which a spec runs all blocks: it names them PAGE,
--- or asks for `readme.blocks "PAGE"`.
---@return string[] names
---@return table<string, boolean> pages
function M.asked()
  local names, pages = {}, {}
  for line in process.run("cat spec/*/*_spec.lua scripts/*"):gmatch "[^\n]+" do
    local name = line:match 'readme%.block%(?%s*(%b"")' or line:match 'readme_block (%b"")'
    names[#names + 1] = name and name:sub(2, -2)
    pages[line:match '^local PAGE = "(.*)"$' or line:match 'readme%.blocks "([^"]*)"' or ""] = true
  end
  return names, pages
end

return M
