--- exit_codes.lua - the exit codes of the command, and which of them a failed call has.
--- Pure. Part of qcimage, see LICENSE.

local M = {
  OK = 0,
  FAILED = 1, -- part of it; a wait in time; the emulator at its start
  USAGE = 2,
  PARAMETER = 3,
  CREDENTIALS = 4,
  NOT_SENT = 5,
  REJECTED = 6,
  THROTTLED = 7,
  UNKNOWN = 8,
  CHANGES = 9,
  FAULT = 70, -- EX_SOFTWARE of sysexits.h
  NOT_WRITTEN = 74, -- EX_IOERR
}

--- What the help says of them.
M.HELP = {
  { "0", "success" },
  { "1", "part of it failed, or the time of a wait is over; the emulator could not start" },
  { "2", "wrong usage; nothing was sent" },
  { "3", "a parameter is wrong; nothing was sent" },
  { "4", "no usable credentials; nothing was sent" },
  { "5", "nothing was sent; of commands that change nothing also: no usable answer" },
  { "6", "rejected by the service, or not found" },
  { "7", "throttled: too many calls" },
  { "8", "the answer is lost or unreadable: the change may have been made" },
  { "9", "apply --dry-run --exit-code: there are changes" },
  { "70", "an internal error in qcimage (please report it)" },
  { "74", "the result could not be written; a line says so if a change was made" },
  { "130", "Ctrl-C: ended by the signal" },
}

--- The exit code of a failed call.
---@param err qcimage.Error
---@param reads boolean|nil the action changes nothing
---@return integer
function M.of(err, reads)
  if err.outcome == "unknown" and not reads then
    return M.UNKNOWN
  elseif err.reason == "throttled" then
    return M.THROTTLED
  elseif err.kind == "parameter" then
    return M.PARAMETER
  elseif err.kind == "credentials" then
    return M.CREDENTIALS
  elseif err.kind == "service" or err.outcome == "rejected" then
    return M.REJECTED
  end
  return M.NOT_SENT
end

return M
