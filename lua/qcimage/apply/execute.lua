--- execute.lua - makes the steps of a plan, and of one that was begun before, and takes them back: each by what its image is
--- like. What it shall be: done; what it was: sent; anything else: somebody else's doing, left alone and told.
--- Reaches the service by the adapter that it is given. Part of qcimage, see LICENSE.

local backoff = require "qcimage.util.backoff"
local planFormat = require "qcimage.apply.plan_format"
local currentImages = require "qcimage.apply.current_images"
local callback = require "qcimage.util.callback"
local redact = require "qcimage.util.redact"
local text = require "qcimage.util.text"

local M = {}

-- Seconds that a step waits in all for what may pass: throttles, a service or a network that is out of order.
local RETRY_SECONDS = 60
-- Its waits: first, longest; and the longest part of one in which nothing is heard.
local FIRST_WAIT, LONGEST_WAIT, SLICE = 0.5, 8, 0.2
-- Seconds that a name may stay taken after the image that had it was renamed.
local NAME_RETRY_SECONDS = 5
-- Changes that fail one after the other for one reason, before any succeeds, after which the rest is not tried.
local MAX_SAME_FAILURES = 10

---@class qcimage.ApplyResult what came of one change
---@field line integer|nil of the list; of a table, its number
---@field imageId string|nil
---@field region string|nil
---@field status "ok"|"unchanged"|"failed"|"unknown"|"conflict"|"skipped"
---@field message string|nil why
---@field reason string|nil one word, as of an error
---@field requestId string|nil
---@field from table|nil
---@field to table|nil

local function keyOf(adapter, region, imageId)
  return adapter.regionKey(region) .. "\0" .. imageId
end

local function isDone(result)
  return result.status == "ok" or result.status == "unchanged"
end

local Run = {}
Run.__index = Run

-- Whether an image has what a step sets, or what one of the image's later steps sets.
function Run:isThere(step, image)
  local chain = self.chains[step.key]
  for i = step.sequence, #chain do
    if next(chain[i].to) ~= nil and planFormat.matches(image, chain[i].to) then
      return true
    end
  end
  return false
end

-- Steps as they are run, each with its key, its turn among the steps of its image, and the image whose name it takes over.
local function prepare(steps, adapter)
  local chains, ready, freed, total = {}, {}, {}, 0
  for i, step in ipairs(steps) do
    local key = keyOf(adapter, step.region, step.imageId)
    local chain = chains[key] or {}
    total = total + (chain[1] and 0 or 1)
    chains[key] = chain
    local one = {
      number = step.number or i,
      line = step.line,
      imageId = step.imageId,
      region = step.region,
      from = step.from,
      to = step.to,
      isTemporary = step.isTemporary,
      lost = step.lost,
      key = key,
      sequence = #chain + 1,
    }
    one.after = step.to.imageName and freed[keyOf(adapter, step.region, step.to.imageName)]
    if step.from.imageName and step.to.imageName then
      freed[keyOf(adapter, step.region, step.from.imageName)] = key
    end
    chain[one.sequence], ready[i] = one, one
  end
  return ready, chains, total
end

local TRANSIENT =
  { throttled = true, busy = true, internal = true, dns = true, connect = true, timeout = true, closed = true }

local function isTransient(err)
  return TRANSIENT[err.reason] or err.reason == "status" and (err.httpStatus or 0) >= 500
end

-- Waits, in slices between which it may be stopped. Returns whether it was not.
function Run:wait(seconds)
  while seconds > 0 and not self:isStopped() do
    local slept, problem = self.adapter.sleep(math.min(seconds, SLICE))
    if not slept then
      self.stopped = { message = redact.said(problem) }
      return false
    end
    seconds = seconds - SLICE
  end
  return not self.stopped
end

function Run:isStopped()
  if not self.stopped and self.options.stop then
    local ok, wanted = callback.pcall(self.options.stop)
    if not ok then
      self.stopped = { message = "option stop threw: " .. redact.said(wanted) }
    elseif wanted then
      self.stopped = { message = "stopped" }
    end
  end
  return self.stopped ~= nil
end

local function longestOf(step, err)
  if err.reason == "nameTaken" then
    return step.after and NAME_RETRY_SECONDS or 0
  end
  return (isTransient(err) or err.outcome == "unknown") and RETRY_SECONDS or 0
end

-- Sends a step until it is settled. Returns a result; or nil, an error, and whether the image still is as it was.
function Run:send(step)
  local waited, tries = 0, 0
  local params = { imageId = step.imageId }
  for name, value in pairs(step.to) do
    params[name] = value
  end
  while true do
    local result, err = self.adapter.modify(params, step.region)
    if result then
      return result
    elseif err.outcome == "unknown" then
      local seen = currentImages.describe(self.adapter, step.region, { step.imageId })
      if seen and seen[step.imageId] and planFormat.matches(seen[step.imageId], step.to) then
        return { readBack = true }
      end
    end
    local longest = longestOf(step, err)
    local wait = math.max(
      backoff.seconds(tries + 1, FIRST_WAIT, LONGEST_WAIT) * (0.5 + self.adapter.random() / 2),
      math.min(err.retryAfter or 0, RETRY_SECONDS)
    )
    if waited + wait > longest or not self:wait(wait) then
      return nil, err
    end
    waited, tries = waited + wait, tries + 1
  end
end

-- What a step's image is like now, as far as that is known; otherwise it is looked at, together with those of the
-- steps behind. Returns nil and an error where it cannot be; false where it is not there.
function Run:imageOf(index)
  local step = self.steps[index]
  local known = self.known[step.key]
  if known ~= nil then
    return known
  end
  local ids, keys = {}, {}
  for i = index, math.min(index + self.adapter.describeBatch - 1, #self.steps) do
    local one = self.steps[i]
    if one.region == step.region and self.known[one.key] == nil and not keys[one.key] then
      ids[#ids + 1], keys[one.key] = one.imageId, true
    end
  end
  local waited, tries = 0, 0
  local images, err = currentImages.describe(self.adapter, step.region, ids)
  while not images and isTransient(err) and waited < RETRY_SECONDS do
    local wait = backoff.seconds(tries + 1, FIRST_WAIT, LONGEST_WAIT)
    if not self:wait(wait) then
      break
    end
    waited, tries = waited + wait, tries + 1
    images, err = currentImages.describe(self.adapter, step.region, ids)
  end
  if not images then
    return nil, err
  end
  for key in pairs(keys) do
    self.known[key] = false
  end
  for id, image in pairs(images) do
    self.known[keyOf(self.adapter, step.region, id)] = image
  end
  return self.known[step.key]
end

-- Whether one more failure says that the rest would fail, too.
function Run:learn(err, status)
  if status == "ok" then
    self.alike, self.hasSucceeded = 0, true
    return
  end
  if err.kind == "credentials" or err.kind == "unsupported" or err.reason == "signature" then
    self.stopped = { message = err.message, err = err }
  elseif isTransient(err) and err.reason ~= "internal" and err.reason ~= "busy" and not self.stopped then
    self.stopped =
      { message = ("the service was out of reach for %d s: %s"):format(RETRY_SECONDS, err.message), err = err }
  end
  local sameAs = tostring(err.reason or err.code) .. tostring(err.code)
  self.alike = self.sameAs == sameAs and (self.alike or 0) + 1 or 1
  self.sameAs = sameAs
  if not self.hasSucceeded and self.alike >= MAX_SAME_FAILURES then
    self.stopped =
      { message = ("the first %d changes failed alike: %s"):format(MAX_SAME_FAILURES, err.message), err = err }
  end
end

local function failure(err)
  local status = err.outcome == "unknown" and "unknown"
    or err.outcome == "notSent" and (err.kind == "credentials" or err.kind == "unsupported") and "skipped"
    or "failed"
  return { status = status, message = err.message, reason = err.reason or err.kind }
end

local function take(image, values)
  for name, value in pairs(values) do
    image[name] = value
  end
end

local function lostOf(step)
  return ("%s cannot be set back"):format(table.concat(step.lost, ", "))
end

-- What is to become of a step by what its image is like: what came of it already; or nil, and the image, to which it
-- is to be sent; or nil alone: the run stops.
function Run:judge(index)
  local step = self.steps[index]
  local before, blocked = self.results[step.key], step.after and self.results[step.after]
  if before and not isDone(before) then
    return { status = "skipped" }
  elseif blocked and not isDone(blocked) then
    return { status = "skipped", message = ("waits for the name that %s still has"):format(blocked.imageId) }
  end
  local image, err = self:imageOf(index)
  if image == nil then
    self.stopped = self.stopped or { message = err.message, err = err }
    return nil
  elseif not image then
    return { status = "failed", message = "is not there", reason = "notFound" }
  elseif next(step.to) == nil then
    return { status = "skipped", message = lostOf(step) }
  elseif self:isThere(step, image) then
    return { status = "unchanged" }
  elseif not planFormat.matches(image, step.from) then
    return { status = "conflict", message = M.describeConflict(step, image), reason = "conflict" }
  end
  return nil, not self:isStopped() and image or nil
end

-- Writes a step's record, where there is a journal. Returns whether the run may go on.
function Run:note(name, ...)
  local ok, problem = true, nil
  if self.journal then
    ok, problem = self.journal[name](self.journal, ...)
  end
  if not ok and not self.stopped then
    self.stopped = { message = problem }
  end
  return ok
end

-- Makes one step. Returns what came of it; or nil: it was not begun, and the run stops.
function Run:make(index)
  local step = self.steps[index]
  local known, image = self:judge(index)
  if not image then
    return known
  elseif self.options.dryRun then
    self.kept[#self.kept + 1] = step
    take(image, step.to)
    return { status = "ok" }
  elseif not self:note("begin", step.number) then
    return nil
  end
  local result, err = self:send(step)
  local told = result and { status = "ok", requestId = result.requestId } or failure(err)
  self:learn(err, told.status)
  if result then
    take(image, step.to)
    self.sent = self.sent + 1
    told.message = step.lost and lostOf(step)
  end
  self:note("finish", step.number, told)
  return told
end

--- What an image is like that is neither what it was nor what it shall be.
---@param step table from, to
---@param image qcimage.ApplyImage
---@return string
function M.describeConflict(step, image)
  local parts = {}
  for _, name in ipairs(planFormat.FIELDS) do
    local value, from = image[name], step.from[name]
    if step.to[name] ~= nil and value ~= step.to[name] and value ~= from then
      parts[#parts + 1] = ('%s is "%s", neither "%s" nor "%s": somebody else changed it'):format(
        name,
        tostring(value),
        tostring(from),
        tostring(step.to[name])
      )
    end
  end
  return #parts > 0 and text.oneLine(table.concat(parts, "; "), 500)
    or "only some of its fields are as they were: somebody else changed them"
end

-- Puts what came of a step to what is known of its image.
function Run:recordResult(step, told)
  local result = self.results[step.key]
  if not result then
    result = { line = step.line, imageId = step.imageId, region = step.region, from = {}, status = told.status }
    self.results[step.key], self.list[#self.list + 1] = result, result
    result.message, result.reason = told.message, told.reason
  elseif isDone(result) then
    local isHalf = not isDone(told) and (result.temporary or "")
    result.status = told.status == "unchanged" and result.status or told.status
    result.message, result.reason = told.message, told.reason
    if isHalf then
      result.message = ("%s; it has the temporary name %s"):format(told.message or told.status, isHalf)
    end
  end
  result.requestId = told.requestId or result.requestId
  result.temporary = step.isTemporary and step.to.imageName or result.temporary
  result.to = step.to
  for name, value in pairs(step.from) do
    if result.from[name] == nil then
      result.from[name] = value
    end
  end
end

-- Counts an image whose last step is settled, and tells of it.
function Run:count(step)
  local isGood = isDone(self.results[step.key])
  self.done, self.failed = self.done + (isGood and 1 or 0), self.failed + (isGood and 0 or 1)
  if not self.options.onProgress then
    return
  end
  local told = { total = self.total, done = self.done, failed = self.failed, sent = self.sent }
  local ok, thrown = callback.pcall(self.options.onProgress, told)
  if not ok then
    self.hookError = self.hookError or "onProgress threw: " .. redact.said(thrown)
  end
end

--- Runs steps.
---@param adapter qcimage.ApplyAdapter
---@param steps qcimage.ApplyStep[]
---@param options table stop, onProgress, dryRun
---@param journal qcimage.ApplyJournal|nil
---@return qcimage.ApplyResult[] results one for each image, in the order in which they were settled
---@return {message: string, err: qcimage.Error|nil}|nil stopped why the run ended early
---@return string|nil hookError
---@return qcimage.ApplyStep[] kept of a dry run: the steps that would be made
function M.run(adapter, steps, options, journal)
  local ready, chains, total = prepare(steps, adapter)
  local self = setmetatable({
    adapter = adapter,
    options = options,
    journal = journal,
    steps = ready,
    chains = chains,
    total = total, -- of images
    kept = {}, -- of a dry run: steps that would be made
    known = {}, -- images that are under way
    results = {},
    list = {},
    sent = 0,
    done = 0,
    failed = 0,
  }, Run)
  for index, step in ipairs(ready) do -- one after the other; whoever makes several at once minds `after`
    local told = not self:isStopped() and self:make(index)
    self:recordResult(step, told or { status = "skipped", message = "not sent" })
    if told and step.sequence == #chains[step.key] then
      self.known[step.key] = nil
      self:count(step)
    end
  end
  for _, result in ipairs(self.list) do
    result.temporary = nil
  end
  return self.list, self.stopped, self.hookError, self.kept
end

--- The steps that take back those of a journal which may have been made.
---@param plan qcimage.ApplyPlan
---@param begun table<integer, boolean> numbers of steps
---@return qcimage.ApplyStep[]
function M.rollbackSteps(plan, begun)
  local steps = {}
  for number = #plan.steps, 1, -1 do
    local step = plan.steps[number]
    if begun[number] then
      local to, lost = {}, {}
      for name, value in pairs(step.from) do
        to[name] = value
      end
      for _, name in ipairs(step.cannotUndo or {}) do
        to[name], lost[#lost + 1] = nil, name
      end
      steps[#steps + 1] = {
        number = number,
        line = step.line,
        imageId = step.imageId,
        region = step.region,
        from = step.to,
        to = to,
        lost = lost[1] and lost,
      }
    end
  end
  return steps
end

return M
