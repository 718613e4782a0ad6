--- parallel.lua - `image.parallel`: a function over a list, several items at once. Part of qcimage, see LICENSE.

local limits = require "qcimage.util.limits"
local misuse = require "qcimage.util.misuse"
local optionsOf = require "qcimage.options"
local tasks = require "qcimage.util.tasks"
local types = require "qcimage.option_types"

local M = {}

---@class qcimage.ParallelOptions
---@field concurrency integer|nil items at once, 1 to 64; 8 by default

local OPTIONS = { concurrency = types.count(limits.mostConcurrency) }

local function isCallable(value)
  local meta = type(value) ~= "function" and getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and type(meta.__call) == "function"
end

-- The items of a list, copied, so that the loop may change it.
local function copied(list)
  local items, count, last = {}, 0, 0
  for key, value in pairs(list) do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      misuse.raise "the list must have numbers from 1 as keys"
    end
    items[key], count, last = value, count + 1, math.max(last, key)
  end
  if count ~= last then
    misuse.raise(("the list must not have holes: it has %d items, and the last is number %.0f"):format(count, last))
  end
  return items
end

-- What gives the items one after the other.
local function iteratorOf(list)
  if isCallable(list) then
    return function()
      return (list())
    end
  elseif type(list) ~= "table" then
    misuse.raise(("the list must be a table or an iterator, not a %s"):format(type(list)))
  end
  local items, index = copied(list), 0
  return function()
    index = index + 1
    local item = items[index]
    items[index] = nil
    return item
  end
end

--- Calls a function with each item of a list, several at once, and gives what it returns in the order in which they end.
---@param list table|fun(): any a list, or an iterator; where that ends, the loop does
---@param work fun(item: any): any, any, any
---@param options qcimage.ParallelOptions|nil
---@return fun(): any, any, any, any iterator item, result, message, err
---@return nil
---@return nil
---@return table closing for Lua 5.4: has what is under way end when the loop is left
function M.parallel(list, work, options)
  options = optionsOf.check(OPTIONS, options)
  if not isCallable(work) then
    misuse.raise(("the work must be a function, not a %s"):format(type(work)))
  end
  local loop = tasks.new(iteratorOf(list), work, options.concurrency or limits.concurrency)
  local function iterate()
    return loop:step()
  end
  local function close()
    loop:stop()
  end
  return iterate, nil, nil, setmetatable({}, { __close = close })
end

return M
