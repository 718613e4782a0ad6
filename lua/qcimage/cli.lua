--- cli.lua - the command line: prepares the process, reads the arguments, runs a command, answers an exit code.
--- Part of qcimage, see LICENSE.

local version = require "qcimage.version"
local core = version.native "qcimage.core"

local exits = require "qcimage.cli.exits"
local streams = require "qcimage.cli.streams"

local M = {}

local MISSING = "the command needs lua-argparse (Debian: apt install lua-argparse; or: luarocks install argparse)"

-- What --version says.
local function versions()
  local lines = { "qcimage " .. version.NUMBER, package.loaded.jit and package.loaded.jit.version or _VERSION }
  lines[#lines + 1] = "libcrypto " .. core.version()
  local ok, http = pcall(version.native, "qcimage.http")
  lines[#lines + 1] = "libcurl " .. (ok and http.version() or "does not load: " .. tostring(http))
  lines[#lines + 1] = "lua-cjson " .. tostring(require("cjson")._VERSION)
  lines[#lines + 1] = "lua-argparse " .. tostring(require("argparse").version)
  return table.concat(lines, "\n") .. "\n"
end

local function run(args)
  local loaded = pcall(require, "argparse")
  if not loaded then
    streams.complain(MISSING)
    return exits.FAILED
  end
  local arguments = require "qcimage.cli.arguments"
  if args[1] == "help" then
    args = { "--help" }
  end
  local options, problem, help, command = arguments.read(args)
  if help then
    return streams.write(help)
  elseif not options then
    return streams.usage(problem, command)
  elseif options.version then
    return streams.write(versions())
  end
  if options.noColor then
    streams.noColour()
  end
  return require("qcimage.cli." .. options.command).run(options)
end

--- Runs a command.
---@param args string[] arguments, without the program's name
---@return integer code for os.exit
function M.main(args)
  core.command()
  local ok, code = pcall(run, args)
  if ok then
    return code
  end
  streams.complain("a fault of qcimage's own, please report it: ", tostring(code):match "^[^\n]*")
  return exits.FAULT
end

return M
