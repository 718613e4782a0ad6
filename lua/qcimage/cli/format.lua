--- format.lua - results as a table for people, as text for pipes, as JSON for programs.
--- Pure. Part of qcimage, see LICENSE.

local json = require "qcimage.cli.json"
local terminal = require "qcimage.cli.terminal_text"

local M = {}

---@class qcimage.cli.Column
---@field key string field of a row
---@field title string
---@field cut boolean|nil may be cut where the terminal is narrow
---@field rank integer|nil may be left out then: the highest first

local GAP = 2 -- columns between two columns
local LEAST = 16 -- columns that remain of what is cut

-- The text of a value of a row; a row can be anything that an answer has in a list.
local function cell(row, column, missing)
  local value
  if type(row) == "table" then
    value = row[column.key]
  end
  if value == nil or value == "" then
    return missing
  elseif type(value) == "table" then
    return terminal.value(json.line(value))
  elseif type(value) == "number" then
    return json.line(value)
  end
  return terminal.value(tostring(value))
end

local function sum(columns, widths)
  local total = -GAP
  for _, column in ipairs(columns) do
    total = total + widths[column.key] + GAP
  end
  return total
end

-- Makes the widest of the columns that may be cut smaller until all fit. Returns whether they do.
local function shrink(columns, widths, limit)
  while sum(columns, widths) > limit do
    local widest
    for _, column in ipairs(columns) do
      if column.cut and widths[column.key] > LEAST and (not widest or widths[column.key] > widths[widest]) then
        widest = column.key
      end
    end
    if not widest then
      return false
    end
    widths[widest] = widths[widest] - 1
  end
  return true
end

-- Columns and widths that fit into so many; and the titles of those that were left out.
local function fit(columns, natural, limit)
  local omitted = {}
  local kept = columns
  while true do
    local widths = {}
    for _, column in ipairs(kept) do
      widths[column.key] = natural[column.key]
    end
    if shrink(kept, widths, limit) then
      return kept, widths, omitted
    end
    local last
    for i, column in ipairs(kept) do
      if column.rank and (not last or column.rank > kept[last].rank) then
        last = i
      end
    end
    if not last then
      return kept, widths, omitted
    end
    local rest = {}
    for i, column in ipairs(kept) do
      rest[#rest + 1] = i ~= last and column or nil
    end
    omitted[#omitted + 1] = kept[last].title
    kept = rest
  end
end

--- A table with a heading; where a limit is given, cut to it, but never in a column that may not be cut.
---@param columns qcimage.cli.Column[]
---@param rows table[]
---@param limit integer|nil columns of the terminal
---@param heading fun(text: string): string|nil paints it
---@return string
---@return string[] omitted titles of columns that were left out
function M.table(columns, rows, limit, heading)
  local cells, natural = {}, {}
  for _, column in ipairs(columns) do
    natural[column.key] = terminal.width(column.title)
  end
  for i, row in ipairs(rows) do
    cells[i] = {}
    for _, column in ipairs(columns) do
      local text = cell(row, column, "-")
      cells[i][column.key] = text
      natural[column.key] = math.max(natural[column.key], terminal.width(text))
    end
  end
  local kept, widths, omitted = fit(columns, natural, limit or math.huge)
  local lines = {}
  local function add(texts, paint)
    local parts = {}
    for i, column in ipairs(kept) do
      local text = column.cut and terminal.cut(texts[column.key], widths[column.key]) or texts[column.key]
      local padding = i < #kept and (" "):rep(widths[column.key] - terminal.width(text) + GAP) or ""
      parts[i] = (paint and paint(text) or text) .. padding
    end
    lines[#lines + 1] = table.concat(parts)
  end
  local titles = {}
  for _, column in ipairs(columns) do
    titles[column.key] = column.title
  end
  add(titles, heading)
  for _, texts in ipairs(cells) do
    add(texts)
  end
  return table.concat(lines, "\n") .. "\n", omitted
end

--- Lines of values with tabs between them, without a heading.
---@param columns qcimage.cli.Column[]
---@param rows table[]
---@return string
function M.text(columns, rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for j, column in ipairs(columns) do
      parts[j] = cell(row, column, "")
    end
    lines[i] = table.concat(parts, "\t") .. "\n"
  end
  return table.concat(lines)
end

--- A text in lines of so many columns, broken at blanks; a longer word stays whole, so that it can be copied.
---@param text string
---@param columns number
---@return string[]
function M.wrap(text, columns)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and terminal.width(line) + 1 + terminal.width(word) > columns then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

return M
