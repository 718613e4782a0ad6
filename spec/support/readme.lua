--- readme.lua - the README's blocks of code, so that specs run what readers copy.
---
---     readme.block "imageId ="              --> the block that holds this text
---     readme.block("listen", { ["127.0.0.1:8080"] = "127.0.0.1:81" })
---
--- readme_spec.lua finds a block that no spec asks for. One that none can run has the reason in a comment above it, which
--- readers are not shown:  <!-- not run: it needs … -->

local process = require "spec.support.process"
local stub = require "spec.support.stub"

local M = {}

--- What the README says, without its comments.
---@param page string|nil another page: "docs/testing.md"
---@return string
function M.text(page)
  return stub.fixture("../../" .. (page or "README.md"))
end

--- The blocks, in their order.
---@param page string|nil as for `text`
---@return table[] {language, text, line, reason (why it is not run)}
function M.blocks(page)
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
      open = { language = fence, line = number, reason = reason }
    elseif line ~= "" then
      reason = line:match "^<!%-%- not run: (.+) %-%->$"
    end
  end
  assert(not open, "a block of the README has no end")
  return blocks
end

--- Puts values in the place of others. Each must be there.
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

--- The one block that holds a text.
---@param part string
---@param substitutions table<string, string>|nil what stands in the place of keys, ports and files
---@param page string|nil as for `text`
---@return string
function M.block(part, substitutions, page)
  local found
  for _, block in ipairs(M.blocks(page)) do
    if block.text:find(part, 1, true) then
      assert(not found, "two blocks of the README hold " .. part)
      found = block.text
    end
  end
  return M.with(assert(found, "no block of the README holds " .. part), substitutions or {})
end

--- Texts by which specs and scripts ask for blocks.
---@return string[]
function M.asked()
  local parts = {}
  for line in process.run("cat spec/*/*_spec.lua scripts/*"):gmatch "[^\n]+" do
    parts[#parts + 1] = line:match 'readme%.block%(?%s*(%b"")' or line:match 'readme_block (%b"")'
  end
  for i, part in ipairs(parts) do
    parts[i] = part:sub(2, -2)
  end
  return parts
end

return M
