--- waiting.lua - waits until images are ready or gone, and shows on a terminal how far that is.
--- Part of qcimage, see LICENSE.

local backoff = require "qcimage.util.backoff"
local client_options = require "qcimage.cli.client_options"
local core = require "qcimage.core"
local describe = require "qcimage.cli.describe"
local exits = require "qcimage.cli.exit_codes"
local format = require "qcimage.cli.format"
local limits = require "qcimage.util.limits"
local lookup = require "qcimage.call.images"
local output = require "qcimage.cli.output"
local stdio = require "qcimage.cli.stdio"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"

local M = {}

-- Seconds between two looks whether images are gone: the first pause, its factor, the longest.
local FIRST, FACTOR, LONGEST = 0.5, 1.5, 10

-- Seconds for which lists may not show a new image. An id that was typed, and is not listed by then, is a mistake.
local LONGEST_LAG = 60

-- Shows a poll of client:wait on a terminal.
local function show(progress)
  local states, parts = {}, {}
  for _, state in pairs(progress.imageStates) do
    states[state] = (states[state] or 0) + 1
  end
  for state, count in pairs(states) do
    parts[#parts + 1] = ("%d %s"):format(count, state)
  end
  table.sort(parts)
  local line = "%d of %d done, %.0f s: %s"
  stdio.status(line:format(progress.done, progress.total, progress.elapsed, table.concat(parts, ", ")))
end

-- The monotonic time at which a command's wait is over.
local function deadlineOf(options)
  return core.monotonic() + (options.waitTimeout or limits.waitTimeout)
end

-- The exit code of a wait that failed, which is reported.
local function fail(err)
  local code = output.fail(err, true)
  return err.kind == "service" and err.reason == "timeout" and exits.FAILED or code
end

-- Waits for images of one region. Returns the result, or nil and an exit code.
local function ready(client, ids, region, seconds)
  local result, _, err = client:wait({ imageIds = ids }, { waitTimeout = seconds, onProgress = show, region = region })
  stdio.status(nil)
  if not result then
    return nil, fail(err)
  end
  return result
end

--- Waits until images are ready, in all regions at once, or one after the other where that cannot be (Lua 5.1).
---@param client qcimage.Client
---@param byRegion table<string, string[]> ids; those of the client's region at ""
---@param options table the command's; waitTimeout in seconds
---@return integer code for os.exit
function M.untilReady(client, byRegion, options)
  local deadline, worst = deadlineOf(options), exits.OK
  tasks.forEach(text.keys(byRegion), function(region)
    local left = math.max(limits.shortestTimeout, deadline - core.monotonic())
    local result, code = ready(client, byRegion[region], region ~= "" and region or nil, left)
    worst = math.max(worst, result and exits.OK or code) -- whatever ends first
    return true
  end, limits.concurrency)
  return worst
end

-- The images that exist, by id; or nil and an error.
local function existing(client, ids)
  return lookup.describeByIds(ids, lookup.batchSize(client.version), function(params)
    local result, _, err = client:describe(params)
    return result, err
  end)
end

--- Waits until images do not exist any more.
---@param client qcimage.Client
---@param ids string[]
---@param options table the command's; waitTimeout in seconds
---@return integer code for os.exit
function M.untilGone(client, ids, options)
  local deadline, polls = deadlineOf(options), 0
  while true do
    local images, err = existing(client, ids)
    local left, rest = deadline - core.monotonic(), text.keys(images or {})
    if not images or not rest[1] then
      stdio.status(nil)
      return images and exits.OK or fail(err)
    elseif left <= 0 then
      stdio.status(nil)
      local message = ("the time of the wait is over; not gone: %s"):format(table.concat(rest, ", "))
      return fail { kind = "service", reason = "timeout", outcome = "rejected", message = message }
    end
    stdio.status(("%d of %d gone"):format(#ids - #rest, #ids))
    polls = polls + 1
    client.sleep(math.min(left, backoff.seconds(polls, FIRST, LONGEST, FACTOR)))
  end
end

--- The table of images by their ids, for a question; where they cannot be listed, their ids.
---@param client qcimage.Client
---@param ids string[]
---@return string
function M.table(client, ids)
  local images, rows = existing(client, ids) or {}, {}
  for i, id in ipairs(ids) do
    rows[i] = images[id] or { imageId = id }
  end
  return (format.table(describe.COLUMNS, rows, stdio.columns()))
end

--- Runs qcimage wait.
---@param ids string[]
---@param options table
---@return integer code for os.exit
function M.run(ids, options)
  local client, problem = client_options.client(options)
  if not client then
    return stdio.usage(problem, "wait")
  end
  client.longestLag = LONGEST_LAG
  local document = options.output == "json" and describe.collect(client)
  local result, code = ready(client, ids, nil, options.waitTimeout)
  if not result then
    return code
  end
  return output.write(options, document and document(result.imageSet), describe.COLUMNS, result.imageSet)
end

return M
