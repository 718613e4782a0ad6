--- help.lua - the help of the command, from the tables of the commands and the data of the actions.
--- Part of qcimage, see LICENSE.

local action_args = require "qcimage.cli.action_args"
local action_help = require "qcimage.cli.action_help"
local actions = require "qcimage.api.actions"
local commands = require "qcimage.cli.commands"
local exits = require "qcimage.cli.exit_codes"
local format = require "qcimage.cli.format"
local options = require "qcimage.cli.options"
local parser = require "qcimage.cli.parser"
local text = require "qcimage.util.text"
local version = require "qcimage.util.version"

local M = {}

M.ABOUT = "qcimage - manage custom images of Tencent Cloud's CVM"

M.EXAMPLES = {
  "qcimage describe --output json",
  "qcimage modify img-12345678 --name web-01",
  "qcimage apply names.csv --dry-run",
}

--- Where more is.
M.MORE = "help COMMAND, help options, help exit-codes; qcimage doctor; man qcimage"

--- An operand or an option as a usage line has it.
---@param operand qcimage.cli.Operand
---@return string
function M.operand(operand)
  local name, args = operand[1], operand.args
  if args == "*" or args == "+" then
    name = name .. " ..."
  end
  return (args == "*" or args == "?") and "[" .. name .. "]" or name
end

--- An option with the names of its values.
---@param option qcimage.cli.Option
---@return string
function M.option(option)
  local values = type(option[2]) == "table" and table.concat(option[2], " ") or option[2]
  local name = option == options.HELP and "-h, --help" or option[1]
  if option.isBoolean then
    return name .. " [true|false]"
  end
  return values and ("%s %s"):format(name, values) or name
end

--- The usage of a command, without "qcimage".
---@param name string
---@param module qcimage.cli.Command
---@param action string|nil
---@return string
function M.usage(name, module, action)
  if module.USAGE then
    return module.USAGE
  end
  local words = { name }
  for _, operand in ipairs(module.ARGUMENTS or {}) do
    words[#words + 1] = operand == options.ACTION and action or M.operand(operand)
  end
  if module.takesParameters then
    words[#words + 1] = "[--PARAMETER VALUE ...]"
  end
  for _, option in ipairs(module.OPTIONS) do
    words[#words + 1] = option.required and M.option(option) or nil
  end
  words[#words + 1] = "[OPTION ...]"
  return table.concat(words, " ")
end

local function pairsOf(list)
  local rows = {}
  for i, option in ipairs(list) do
    rows[i] = { M.option(option), option[3] }
  end
  return rows
end

local INDENT, MARGIN, NARROW = 2, 28, 24 -- columns: of the first column at most, of the second at least

-- Adds rows of two columns, the second wrapped; below the first where there is little room.
local function addRows(lines, rows, columns)
  local widest = 0
  for _, row in ipairs(rows) do
    widest = math.max(widest, #row[1])
  end
  local margin = math.min(widest + INDENT + 2, MARGIN)
  margin = columns - margin < NARROW and INDENT + 4 or margin
  for _, row in ipairs(rows) do
    local head = (" "):rep(INDENT) .. row[1]
    local texts = format.wrap(row[2], columns - margin)
    if #head + 2 > margin then
      lines[#lines + 1] = head
      head = ""
    end
    for _, line in ipairs(texts) do
      lines[#lines + 1] = head .. (" "):rep(margin - #head) .. line
      head = ""
    end
  end
end

local function addWrapped(lines, paragraph, columns)
  for _, line in ipairs(format.wrap(paragraph, columns)) do
    lines[#lines + 1] = line
  end
end

-- Adds text whose indented lines stay as they are.
local function addText(lines, paragraphs, columns)
  local paragraph = {}
  local function flush()
    if paragraph[1] then
      addWrapped(lines, table.concat(paragraph, " "), columns)
      paragraph = {}
    end
  end
  for line in (paragraphs .. "\n"):gmatch "([^\n]*)\n" do
    local head, rest = line:match "^(  %w+  +)(.*)$"
    if head and #line > columns then -- a row of two columns
      flush()
      for i, part in ipairs(format.wrap(rest, columns - #head)) do
        lines[#lines + 1] = (i == 1 and head or (" "):rep(#head)) .. part
      end
    elseif line:find "^%s" or line == "" then
      flush()
      lines[#lines + 1] = line
    else
      paragraph[#paragraph + 1] = line
    end
  end
  flush()
end

local function addSection(lines, title, rows, columns)
  if rows[1] then
    lines[#lines + 1] = ""
    lines[#lines + 1] = title
    addRows(lines, rows, columns)
  end
end

--- The actions of an API version, with what each does.
---@param apiVersion "2.0"|"3.0"
---@return string[][]
function M.actions(apiVersion)
  local rows = {}
  for i, name in ipairs(text.keys(actions[apiVersion])) do
    rows[i] = { name, action_help.ACTIONS[name] }
  end
  return rows
end

local function first(columns)
  local lines, rows = {}, {}
  addWrapped(lines, M.ABOUT, columns)
  lines[#lines + 1] = "usage: qcimage COMMAND [OPTION ...]"
  lines[#lines + 1] = ""
  for i, command in ipairs(commands.LIST) do
    rows[i] = { command[1], command[2] }
  end
  addRows(lines, rows, columns)
  lines[#lines + 1] = ""
  addText(lines, "  " .. table.concat(M.EXAMPLES, "\n  "), columns)
  lines[#lines + 1] = ""
  addWrapped(lines, "More: " .. M.MORE, columns)
  return lines
end

local function ofCommand(name, action, apiVersion, isRaw, columns)
  local module, lines = commands.module(name), {}
  local about = commands.byName[name][2]
  if action then
    about = action_help.ACTIONS[action] or "an action that is sent as given"
  end
  addText(lines, "usage: qcimage " .. M.usage(name, module, action), columns)
  lines[#lines + 1] = ""
  addWrapped(lines, about:sub(1, 1):upper() .. about:sub(2) .. ".", columns)
  if module.ABOUT and not action then
    lines[#lines + 1] = ""
    addText(lines, module.ABOUT, columns)
  end
  if action then
    addSection(lines, "Parameters:", pairsOf((action_args.options(apiVersion, action, isRaw))), columns)
  else
    addSection(lines, "Operands:", module.ARGUMENTS or {}, columns)
  end
  addSection(lines, "Options:", pairsOf(module.OPTIONS), columns)
  if module.takesParameters and not action then
    addSection(lines, ("Actions of API %s:"):format(apiVersion), M.actions(apiVersion), columns)
  end
  if module.EXAMPLES and not action then
    lines[#lines + 1] = ""
    addText(lines, "Examples:\n  " .. table.concat(module.EXAMPLES, "\n  "), columns)
  end
  if not module.standsAlone then
    lines[#lines + 1] = ""
    addWrapped(lines, 'Options of all commands that call the service: "qcimage help options".', columns)
  end
  return lines
end

local TOPICS = {
  options = function(columns)
    local lines = {}
    addWrapped(lines, "Options of all commands that call the service [default]:", columns)
    addRows(lines, pairsOf(options.COMMON), columns)
    lines[#lines + 1] = ""
    addRows(lines, pairsOf { options.HELP, options.VERSION }, columns)
    lines[#lines + 1] = ""
    addWrapped(lines, 'A value that begins with "--" is written --name=VALUE. "--" ends the options.', columns)
    return lines
  end,
  ["exit-codes"] = function(columns)
    local lines = { "Exit codes:" }
    addRows(lines, exits.HELP, columns)
    return lines
  end,
}

-- The columns of a text on a terminal.
local function within(columns)
  return math.max(20, math.min(columns or 80, 100))
end

--- The help of a line that asks for it: of its command and action, or the first screen.
---@param line qcimage.cli.Line
---@param columns integer|nil of the terminal
---@return string
function M.of(line, columns)
  columns = within(columns)
  local apiVersion = line.command and not line.module.standsAlone and line.version or nil -- that loads the C core
  local lines = line.command and ofCommand(line.command, line.action, apiVersion, line.isRaw, columns) or first(columns)
  return table.concat(lines, "\n") .. "\n"
end

--- The help of "qcimage help WORD ...".
---@param words string[]
---@param columns integer|nil
---@return string|nil
---@return string|nil problem
function M.topic(words, columns)
  local topic = TOPICS[words[1] or ""]
  if topic and not words[2] then
    return table.concat(topic(within(columns)), "\n") .. "\n"
  end
  local line = parser.read(words[1] == "help" and {} or words, true)
  if line.problem then
    return nil, line.problem
  end
  return M.of(line, columns)
end

--- The versions of qcimage and the libraries in use, one a line.
---@return string[]
function M.versions()
  local lines = { "qcimage " .. version.NUMBER, package.loaded.jit and package.loaded.jit.version or _VERSION }
  lines[#lines + 1] = "libcrypto " .. require("qcimage.core").version()
  local ok, http = pcall(version.loadNative, "qcimage.http")
  lines[#lines + 1] = "libcurl " .. (ok and http.version() or "does not load: " .. tostring(http):match "^[^\n]*")
  lines[#lines + 1] = "lua-cjson " .. tostring(require("cjson")._VERSION)
  return lines
end

return M
