--- stdio.lua - the command's two streams: results go to stdout, everything else to stderr. Each is asked by itself
--- whether it is a terminal.
--- Part of qcimage, see LICENSE.

local hasCore, core = pcall(require, "qcimage.core") -- without it, nothing is known of terminals
local exits = require "qcimage.cli.exit_codes"
local terminal = require "qcimage.cli.terminal_text"

local M = {}

local IN, OUT, ERR = 0, 1, 2
local EPIPE = 32

local plain = false
local failure -- what was complained of last: fields of an error
local hasStatus = false

--- Begins a command: forgets what was set and said for one before it in this process.
function M.begin()
  plain, failure, hasStatus = false, nil, false
end

--- No colour from now on.
function M.noColour()
  plain = true
end

--- Columns of the terminal that results go to.
---@return integer|nil nil where it is not a terminal, or the width is unknown
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
  local message = table.concat { ... }
  failure = { message = message }
  io.stderr:write(painted(ERR, "red", "qcimage:"), " ", terminal.message(message), "\n")
end

--- Says on stderr why a call failed.
---@param err qcimage.Error
---@param message string|nil err.message by default
function M.fail(err, message)
  M.complain(message or err.message)
  failure = err
end

--- Says on stderr what should be known, though nothing fails of it.
---@param ... string
function M.note(...)
  io.stderr:write(painted(ERR, "yellow", "qcimage:"), " ", terminal.message(table.concat { ... }), "\n")
end

--- Says how the command was used wrongly.
---@param problem string
---@param command string|nil
---@return integer code for os.exit
function M.usage(problem, command)
  M.complain(problem)
  M.note("see qcimage ", command and command .. " " or "", "--help")
  return exits.USAGE
end

-- Kinds of failures that are no error of the library's, by exit code.
local KINDS = {
  [exits.USAGE] = "usage",
  [exits.PARAMETER] = "parameter",
  [exits.CREDENTIALS] = "credentials",
  [exits.NOT_SENT] = "network",
  [exits.REJECTED] = "service",
  [exits.NOT_WRITTEN] = "output",
  [exits.FAULT] = "internal",
}

--- Fields of a failure, for JSON.
---@param err table
---@param code integer|nil exit code, where err may be no error of the library's
---@return table
function M.failureOf(err, code)
  local outcome = err.outcome or (code == exits.USAGE or code == exits.PARAMETER) and "notSent" or nil
  return {
    kind = err.kind or KINDS[code] or "failed",
    reason = err.reason,
    outcome = outcome,
    code = err.code,
    requestId = err.requestId,
    message = hasCore and core.utf8len(err.message) and err.message or terminal.message(err.message),
  }
end

--- Writes what was complained of last, as one line of JSON on stderr.
---@param code integer exit code
function M.writeFailure(code)
  if failure then
    io.stderr:write(require("qcimage.cli.json").line(M.failureOf(failure, code)), "\n")
  end
end

--- Shows a status line on a terminal; it replaces the previous one.
---@param text string|nil nil: no more
function M.status(text)
  local columns = core.columns(ERR)
  if columns and (text or hasStatus) then
    local width = math.max(1, (columns > 0 and columns or 80) - 1)
    io.stderr:write("\r\27[K", text and terminal.cut(terminal.message(text), width) or "")
    io.stderr:flush()
    hasStatus = text ~= nil
  end
end

--- From now on, a signal that ends the command says first that a change may have been made.
---@param options table the command's; output
---@param look string what shows whether it was
---@param before string|false|nil what happened before
function M.beginChange(options, look, before)
  core.outlivePipes() -- what comes of a change is reported, whoever has gone
  local message = ("ended by a signal: %sthe change may have been made; %s"):format(
    before or "",
    terminal.message(look)
  )
  local lines = { "", "qcimage: " .. message, "" }
  if options.output == "json" then
    local err = { kind = "failed", reason = "signal", outcome = "unknown", message = message }
    lines[3], lines[4] = require("qcimage.cli.json").line(M.failureOf(err)), ""
  end
  core.endSaying(table.concat(lines, "\n"))
end

--- The outcome of the change is known.
function M.endChange()
  core.endSaying(nil)
end

--- Reads a file.
---@param path string "-": standard input
---@param most integer|nil bytes
---@return string|nil
---@return string|nil problem with the path
function M.read(path, most)
  local file, problem = io.stdin, nil
  if path ~= "-" then
    file, problem = io.open(path, "rb")
  end
  if not file then
    return nil, problem
  end
  local text
  text, problem = file:read(most or "*a")
  if path ~= "-" then
    file:close()
  end
  if problem then
    return nil, ("%s: %s"):format(path, problem)
  end
  return text or ""
end

--- Whether there is a terminal to ask on.
---@return boolean
function M.canAsk()
  return core.columns(IN) ~= nil and core.columns(ERR) ~= nil
end

--- Asks on the terminal.
---@param question string
---@return boolean isYes
function M.ask(question)
  io.stderr:write(question, " [y/N] ")
  io.stderr:flush()
  local answer = (io.stdin:read "*l" or ""):lower():match "^%s*(.-)%s*$"
  local isYes = answer == "y" or answer == "yes"
  if not isYes then
    M.note "nothing was changed"
  end
  return isYes
end

--- Writes a result.
---@param text string
---@param isChange boolean|nil the result is of a change, which cannot be undone when this fails
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
