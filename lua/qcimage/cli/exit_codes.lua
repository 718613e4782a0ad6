--- exit_codes.lua - the exit codes of the command, and which of them a failed call has.
--- Pure. Part of qcimage, see LICENSE.

local M = {
  OK = 0,
  FAILED = 1, -- some of a list; or what is no call: the emulator did not start
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
M.HELP = [[
Exit codes:
  0   it worked
  1   some changes of a list failed or cannot be made; the emulator could not start
  2   wrong usage
  3   a parameter is wrong; nothing was sent
  4   no usable credentials; nothing was sent
  5   nothing was sent; or, where nothing is changed, no usable answer came
  6   the service refused
  7   throttled: too many calls
  8   the answer is lost or unreadable: the change may have been made
  9   apply --dry-run --exit-code: there is something to change
  70  a fault of qcimage's
  74  the result could not be written; of a change that was made, a line says so
  Ctrl-C ends it by the signal, which a shell shows as 130.]]

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
