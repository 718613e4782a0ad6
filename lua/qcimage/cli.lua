--- cli.lua - the command line: prepares the process, reads the arguments, runs a command, answers an exit code.
--- Part of qcimage, see LICENSE.

local version = require "qcimage.util.version"
local hasCore, core = pcall(version.loadNative, "qcimage.core") -- the emulator runs without it

local exits = require "qcimage.cli.exit_codes"
local streams = require "qcimage.cli.stdio"

local M = {}

local MISSING = (
  "the command needs argparse for %s (luarocks --lua-version %s install argparse; Debian's Lua: "
  .. "apt install lua-argparse)"
):format(_VERSION, _VERSION:match "%d.%d")

-- What a shell's completion asks: the word at the cursor, and those before it.
local function complete(_, current, ...)
  return streams.write(require("qcimage.cli.complete").lines(current or "", { ... }))
end

local function run(args)
  local loaded = pcall(require, "argparse")
  if not loaded then
    streams.complain(MISSING)
    return exits.FAILED
  end
  if args[1] == "__complete" then
    return complete((table.unpack or unpack)(args))
  end
  local arguments = require "qcimage.cli.parser"
  if args[1] == "help" then
    args = { "--help" }
  end
  local options, problem, help, command = arguments.read(args)
  if help then
    return streams.write(help)
  elseif not options then
    return streams.usage(problem, command)
  elseif options.version then
    return streams.write(table.concat(require("qcimage.cli.versions").lines(), "\n") .. "\n")
  end
  if options.noColor then
    streams.noColour()
  end
  return arguments.module(options.command).run(options)
end

--- Runs a command.
---@param args string[] arguments, without the program's name
---@return integer code for os.exit
function M.main(args)
  if hasCore then
    core.command()
  end
  local ok, code = pcall(run, args)
  if ok then
    return code
  elseif not hasCore and tostring(code):find("qcimage.core", 1, true) then
    local why = tostring(core):gsub("^%S+:%d+: ", ""):match "^[^\n]*"
    streams.complain("only the emulator runs without the C modules: ", why)
    return exits.FAILED
  end
  streams.complain("a fault of qcimage's own, please report it: ", tostring(code):match "^[^\n]*")
  return exits.FAULT
end

return M
