--- cli.lua - the command line: prepares the process, reads the arguments, runs a command, returns an exit code.
--- Part of qcimage, see LICENSE.

local version = require "qcimage.util.version"
local hasCore, core = pcall(version.loadNative, "qcimage.core") -- the emulator runs without it

local commands = require "qcimage.cli.commands"
local exits = require "qcimage.cli.exit_codes"
local parser = require "qcimage.cli.parser"
local stdio = require "qcimage.cli.stdio"

local M = {}

local unpack = table.unpack or unpack

local function run(words, options)
  if words[1] == "__complete" then -- the word at the cursor, and those before it
    return stdio.write(require("qcimage.cli.complete").lines(words[2] or "", { select(3, unpack(words)) }))
  elseif words[1] == "help" then
    local text, problem = require("qcimage.cli.help").topic({ select(2, unpack(words)) }, stdio.columns())
    return text and stdio.write(text) or stdio.usage(problem)
  end
  local line = parser.read(words)
  options.output = line.values.output
  if line.values.noColor then
    stdio.noColour()
  end
  local isSenseless = line.isLost or line.isOfParameter -- there is no help for what does not exist
  if line.values.help and not isSenseless then
    return stdio.write(require("qcimage.cli.help").of(line, stdio.columns()))
  elseif line.problem then
    local about = line.isKnown and line.command .. " " .. line.action or line.command
    local code = stdio.usage(line.problem, about)
    return line.isOfParameter and exits.PARAMETER or code
  elseif line.values.version then
    return stdio.write(table.concat(require("qcimage.cli.help").versions(), "\n") .. "\n")
  end
  return commands.module(line.command).run(line.values)
end

-- The name of one of the library's options, where the command has it.
local function nameOf(option)
  local name = "--" .. option:gsub("%u", function(letter)
    return "-" .. letter:lower()
  end)
  return require("qcimage.cli.options").NAMES[name] and name
end

--- Runs a command.
---@param words string[] arguments, without the program's name
---@return integer code for os.exit
function M.main(words)
  if hasCore then
    core.command()
  end
  require("qcimage.util.option_names").use(nameOf)
  stdio.begin()
  local options = {}
  local ok, code = pcall(run, words, options)
  if not ok and not hasCore and tostring(code):find("qcimage.core", 1, true) then
    local why = tostring(core):gsub("^%S+:%d+: ", ""):match "^[^\n]*"
    stdio.complain("only the emulator runs without the C modules: ", why)
    code = exits.FAILED
  elseif not ok then
    stdio.complain("internal error in qcimage (please report it): ", tostring(code):match "^[^\n]*")
    code = exits.FAULT
  end
  if code ~= exits.OK and options.output == "json" then
    stdio.writeFailure(code)
  end
  return code
end

return M
