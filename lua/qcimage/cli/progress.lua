--- progress.lua - one line of progress on a terminal: how many are done, how fast this run goes, how long it will take.
--- Pure but for what it is given. Part of qcimage, see LICENSE.

local M = {}

-- Seconds between two lines.
local PACE = 0.1
-- What must be behind a run before a rate is told.
local LEAST_SENT, LEAST_SECONDS = 5, 2

local function span(seconds)
  seconds = math.ceil(seconds)
  if seconds < 60 then
    return ("%d s"):format(seconds)
  elseif seconds < 3600 then
    return ("%d min %d s"):format(math.floor(seconds / 60), seconds % 60)
  end
  return ("%d h %d min"):format(math.floor(seconds / 3600), math.floor(seconds % 3600 / 60))
end

--- What the line says.
---@param progress table total, done, failed, sent, as onProgress is told
---@param seconds number since this run began
---@return string
function M.line(progress, seconds)
  local line = ("%d of %d done"):format(progress.done, progress.total)
  if progress.failed > 0 then
    line = ("%s, %d failed"):format(line, progress.failed)
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

--- Makes what is told of progress and shows it, each line in the place of the last.
---@param write fun(text: string)
---@param clock fun(): number
---@param columns integer of the terminal
---@return fun(progress: table) tell
---@return fun() clear takes the line away
function M.new(write, clock, columns)
  local began = clock()
  local last, shown = -math.huge, 0
  local function show(line)
    line = line:sub(1, math.max(columns - 1, 0))
    write("\r" .. line .. (" "):rep(shown - #line))
    shown = #line
  end
  return function(progress)
    local now = clock()
    local isLast = progress.done + progress.failed == progress.total
    if isLast or now - last >= PACE then
      last = now
      show(M.line(progress, now - began))
    end
  end, function()
    if shown > 0 then
      show ""
      write "\r"
    end
  end
end

return M
