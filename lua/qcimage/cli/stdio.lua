--- stdio.lua - the command's two streams: results go to stdout, everything else to stderr. Each is asked by itself
--- whether it is a terminal.
--- Part of qcimage, see LICENSE.

local hasCore, core = pcall(require, "qcimage.core") -- without it, nothing is known of terminals
local exits = require "qcimage.cli.exit_codes"
local shown = require "qcimage.cli.terminal_text"

local M = {}

local OUT, ERR = 1, 2
local EPIPE = 32

local plain = false

--- No colour from now on.
function M.noColour()
  plain = true
end

--- Columns of the terminal that results go to.
---@return integer|nil nil where it is none, or does not know
function M.columns()
  local columns = hasCore and core.columns(OUT)
  return columns and columns > 0 and columns or nil
end

local CODES = { bold = "1", red = "31", green = "32", yellow = "33" }

local function painted(stream, colour, text)
  local term, no = os.getenv "TERM", os.getenv "NO_COLOR"
  local isPlain = plain or (no and no ~= "") or not term or term == "" or term == "dumb"
  if isPlain or not hasCore or not core.columns(stream) then
    return text
  end
  return ("\27[%sm%s\27[0m"):format(CODES[colour], text)
end

--- A text of a result in a colour, where stdout takes colours.
---@param colour "bold"|"red"|"green"|"yellow"
---@param text string
---@return string
function M.painted(colour, text)
  return painted(OUT, colour, text)
end

--- A text on stderr in a colour, where that takes colours.
---@param colour "bold"|"red"|"green"|"yellow"
---@param text string
---@return string
function M.paintedErr(colour, text)
  return painted(ERR, colour, text)
end

--- Says on stderr what is wrong.
---@param ... string
function M.complain(...)
  io.stderr:write(painted(ERR, "red", "qcimage:"), " ", shown.message(table.concat { ... }), "\n")
end

--- Says on stderr what should be known, though nothing fails of it.
---@param ... string
function M.note(...)
  io.stderr:write(painted(ERR, "yellow", "qcimage:"), " ", shown.message(table.concat { ... }), "\n")
end

--- Says how the command was used wrongly.
---@param problem string
---@param command string|nil
---@return integer code for os.exit
function M.usage(problem, command)
  M.complain(problem)
  M.complain("see qcimage ", command and command .. " " or "", "--help")
  return exits.USAGE
end

--- Writes a result.
---@param text string
---@param isChange boolean|nil the result is of a change, which cannot be taken back when this fails
---@return integer code for os.exit
function M.write(text, isChange)
  if isChange then
    core.outlivePipes() -- else the pipe's reader would end this in silence
  end
  local ok, problem, number = io.stdout:write(text)
  if ok then
    ok, problem, number = io.stdout:flush()
  end
  if ok then
    return exits.OK
  elseif isChange then
    M.complain("the change was made, but its result could not be written: ", tostring(problem))
  elseif number ~= EPIPE then -- whoever closed the pipe has what he wanted
    M.complain("cannot write: ", tostring(problem))
  end
  return exits.NOT_WRITTEN
end

return M
