--- loop.lua - a function over items: which items it takes, and what comes of them; and the plainest way, one after the
--- other. See tasks.lua and light_tasks.lua for those that run several at once. Part of qcimage, see LICENSE.

local callers = require "qcimage.util.caller"
local errors = require "qcimage.util.errors"
local text = require "qcimage.util.text"

local M = {}

-- Bytes of what work threw that a message shows.
local SHOWN = 500

---@class qcimage.Loop
---@field next fun(): any gives the items; nil: the end
---@field work fun(item: any): any, any, any
---@field concurrency integer
---@field results qcimage.LoopEntry[] from first to last, in the order in which they came
---@field state {active: integer} items under way
---@field isEnded boolean|nil no item begins any more
---@field isStopped boolean|nil
---@field parent qcimage.Loop|nil in whose work this one was made
---@field scope qcimage.Scope|nil of the caller that made it
---@field step fun(self): any, any, any, any the next item that has ended, and what work returned; nil: all are done. Begins
--- new items before: none between a result and what is done with it
---@field stop fun(self) begins nothing more, and waits for what is under way. What comes of it is dropped

---@class qcimage.LoopEntry an item, and at 1 to 3 what came of it
---@field item any

--- Makes a loop, without methods.
---@param next fun(): any
---@param work fun(item: any): any, any, any
---@param concurrency integer
---@return qcimage.Loop
function M.new(next, work, concurrency)
  return {
    next = next,
    work = work,
    concurrency = concurrency,
    results = {},
    first = 1,
    last = 0,
    state = { active = 0 },
    scope = callers.scope(),
  }
end

--- Whether a loop, or one in whose work it was made, was stopped.
---@param loop qcimage.Loop|nil
---@return boolean
function M.isStopped(loop)
  while loop and not loop.isStopped do
    loop = loop.parent
  end
  return loop and true or false
end

--- Notes that an item has ended.
---@param loop qcimage.Loop
---@param entry qcimage.LoopEntry
function M.put(loop, entry)
  loop.last = loop.last + 1
  loop.results[loop.last] = entry
end

--- Takes the oldest result: what step returns.
---@param loop qcimage.Loop
---@return any ...
function M.take(loop)
  local entry = loop.results[loop.first]
  if not entry then
    return nil
  end
  loop.results[loop.first] = nil
  loop.first = loop.first + 1
  return entry.item, entry[1], entry[2], entry[3]
end

--- Whether step has something to return.
---@param loop qcimage.Loop
---@return boolean
function M.hasResult(loop)
  return loop.results[loop.first] ~= nil or loop.state.active == 0
end

--- Drops all results, and begins no more items.
---@param loop qcimage.Loop
function M.drop(loop)
  loop.results, loop.first, loop.last = {}, 1, 0
end

--- Puts what was thrown where a work that fails has its results.
---@param entry qcimage.LoopEntry
---@param value any
---@param traceback string|nil
function M.thrown(entry, value, traceback)
  entry[1], entry[2] = nil, "the work threw: " .. text.oneLine(text.ofValue(value), SHOWN)
  entry[3] = errors.new {
    kind = "thrown",
    outcome = "unknown",
    message = entry[2],
    thrown = value,
    traceback = traceback,
  }
end

--- Does the work of an item, under protection.
---@param loop qcimage.Loop
---@param entry qcimage.LoopEntry
function M.run(loop, entry)
  local traceback
  local ok, thrown = xpcall(function()
    entry[1], entry[2], entry[3] = loop.work(entry.item)
  end, function(value)
    traceback = debug and debug.traceback("", 2):sub(2)
    return value
  end)
  if not ok then
    M.thrown(entry, thrown, traceback)
  end
end

--- Begins as many items as may be under way, or have a result that nobody has seen yet. Raises what `next` raises.
---@param loop qcimage.Loop
---@param begin fun(loop: qcimage.Loop, entry: qcimage.LoopEntry)
function M.begin(loop, begin)
  while not loop.isEnded and loop.state.active + loop.last - loop.first + 1 < loop.concurrency do
    local ok, item = pcall(loop.next)
    if not ok or item == nil then
      loop.isEnded = true
    end
    if not ok then
      error(item, 0)
    elseif item ~= nil then
      begin(loop, { item = item })
    end
  end
end

local Serial = {}
Serial.__index = Serial

function Serial:step()
  M.begin(self, function(loop, entry)
    M.run(loop, entry)
    M.put(loop, entry)
  end)
  return M.take(self)
end

function Serial:stop()
  self.isEnded, self.isStopped = true, true
end

--- Makes a loop that does one item after the other.
---@param next fun(): any
---@param work fun(item: any): any, any, any
---@return qcimage.Loop
function M.serial(next, work)
  return setmetatable(M.new(next, work, 1), Serial)
end

return M
