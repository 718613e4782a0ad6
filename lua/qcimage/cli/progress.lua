--- progress.lua - the progress of a run: on a terminal one line that is overwritten; elsewhere a line a minute. How many
--- are done, how fast this run goes, how long it will take, and what delays it.
--- Pure but for what it is given. Part of qcimage, see LICENSE.

local M = {}

-- Seconds between two lines on a terminal, and elsewhere.
local PACE, SLOW_PACE = 0.1, 60
-- Changes sent and seconds passed before a rate is shown.
local LEAST_SENT, LEAST_SECONDS = 5, 2

local HELD = {
  throttled = "throttled, retrying",
  unreachable = "no answer, retrying",
  rate = "waiting for the rate, which others share",
}

local function span(seconds)
  seconds = math.ceil(seconds)
  if seconds < 60 then
    return ("%d s"):format(seconds)
  elseif seconds < 3600 then
    return ("%d min %d s"):format(math.floor(seconds / 60), seconds % 60)
  end
  return ("%d h %d min"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
end

--- Returns the text of the line.
---@param progress table total, done, failed, sent, held, phase, as onProgress gets them
---@param seconds number since this run began
---@return string
function M.line(progress, seconds)
  local line = ("%d of %d done"):format(progress.done, progress.total)
  if progress.failed > 0 then
    line = ("%s, %d failed"):format(line, progress.failed)
  end
  if progress.held then
    return ("%s, %s"):format(line, HELD[progress.held])
  elseif progress.phase then
    return ("%s, %s"):format(line, progress.phase)
  end
  local left = progress.total - progress.done - progress.failed
  if progress.sent >= LEAST_SENT and seconds >= LEAST_SECONDS then
    local rate = progress.sent / seconds -- what an earlier run did counts for nothing
    line = ("%s, %.1f a second"):format(line, rate)
    if left > 0 then
      line = ("%s, %s left"):format(line, span(left / rate))
    end
  end
  return line
end

--- Makes the function that shows progress, and the one that clears it.
---@param write fun(text: string)
---@param clock fun(): number
---@param columnsOf fun(): integer|nil of the terminal as it is now, 0 where it is unknown; nil: not a terminal
---@return fun(progress: table) update
---@return fun() clear takes the line away
function M.new(write, clock, columnsOf)
  local began = clock()
  local last, shown, state = columnsOf() and -math.huge or began, 0, nil
  local function show(line)
    local columns = columnsOf() or 0
    line = line:sub(1, math.max((columns > 0 and columns or 80) - 1, 0))
    -- a terminal that was made narrower has broken the last line into several: what is beyond its width stays
    local rest = math.max(0, math.min(shown, (columns > 0 and columns or 80) - 1) - #line)
    write("\r" .. line .. (" "):rep(rest))
    shown = #line
  end
  return function(progress)
    local now, isTerminal = clock(), columnsOf() ~= nil
    local isLast = progress.done + progress.failed == progress.total
    local isNew = (progress.held or progress.phase) ~= state
    state = progress.held or progress.phase
    if isTerminal and (isLast or isNew or now - last >= PACE) then
      last = now
      show(M.line(progress, now - began))
    elseif not isTerminal and now - last >= SLOW_PACE then
      last = now
      write(("qcimage: %s\n"):format(M.line(progress, now - began)))
    end
  end, function()
    if shown > 0 then
      show ""
      write "\r"
    end
  end
end

return M
