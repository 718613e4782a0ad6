--- waiter.lua - polls images by their ids until they have a state, through the function it is given.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local backoff = require "qcimage.util.backoff"
local validate = require "qcimage.call.validate"
local codes = require "qcimage.api.error_codes"
local core = require "qcimage.core"
local errors = require "qcimage.util.errors"
local limits = require "qcimage.util.limits"
local imageLookup = require "qcimage.call.images"
local copyParams = require "qcimage.call.copy_params"
local callback = require "qcimage.util.callback"
local redact = require "qcimage.util.redact"
local text = require "qcimage.util.text"

local M = {}

-- Seconds between polls: the first interval, its growth, and the longest.
local FIRST_PAUSE, FACTOR, LONGEST_PAUSE = 0.5, 1.5, 10

-- Seconds that each call may take, even at the end of the wait.
local SHORTEST_CALL = 0.5

-- Consecutive polls that must miss a seen image before it counts as deleted: a list may lag.
local ABSENCES = 2

-- Images that a message names.
local NAMED = 3

local Wait = {}
Wait.__index = Wait

-- Returns the seconds until the deadline. Pauses count by their length, since in tests a sleep takes no time.
function Wait:left()
  return math.min(self.deadline - core.monotonic(), self.seconds - self.slept)
end

function Wait:elapsed()
  return self.seconds - self:left()
end

-- Returns whether polling again is useless. After one success, a refusal has another cause than missing rights.
local function isPermanent(err, wasAnswered)
  if err.kind == "parameter" or err.kind == "unsupported" then
    return true
  elseif wasAnswered then
    return false
  elseif err.kind == "service" and err.code then
    local reason, outcome, retry = codes.meaning(err.code)
    local isOfKeys = retry == "renew" or retry == "reread" -- which the call did, where it could
    return outcome == "rejected" and (not retry or isOfKeys) and reason ~= "busy" and err.outcome == "rejected"
  end
  return err.kind == "credentials"
end

-- Polls all images. Returns true; false when the time ran out; or nil and an error.
function Wait:poll()
  local isFirst, isOver = true, false
  local images, err, refused = imageLookup.describeByIds(self.ids, self.batchSize, function(params)
    local left = self:left()
    if left <= 0 and not isFirst then
      isOver = true
      return nil, errors.ofAction("wait", "service", "deadline exceeded")
    end
    isFirst = false
    local page, problem, call = self.describe(params, math.max(left, SHORTEST_CALL))
    self.call = call or self.call
    self.hookError = self.hookError or (page or problem).hookError
    for _, image in ipairs(page and page.imageSet or {}) do
      if type(image) == "table" and image.imageId ~= nil then
        self.images[image.imageId] = image
      end
    end
    self.page = page or self.page
    return page, problem
  end, self.refused)
  if isOver then
    return false
  elseif not images then
    return nil, err
  end
  self.refused, self.polledAfter = refused, self:elapsed()
  for _, id in ipairs(self.ids) do
    self.wasSeen[id] = self.wasSeen[id] or images[id] ~= nil
    self.images[id] = images[id] -- nil: it no longer exists
    self.absences[id] = not images[id] and (self.absences[id] or 0) + 1 or nil
  end
  return true
end

-- "ready", "failed", "passing", or "missing".
function Wait:readiness(id)
  local image = self.images[id]
  if not image then
    return "missing"
  elseif image.imageState == self.state then
    return "ready"
  elseif image.imageState == nil then
    return "passing"
  end
  local readiness = codes.readiness(image.imageState)
  return readiness == "ready" and self.state ~= "NORMAL" and "passing" or readiness
end

-- Ids by readiness.
function Wait:sorted()
  local lists = { ready = {}, failed = {}, passing = {}, missing = {}, deleted = {}, unlisted = {} }
  for _, id in ipairs(self.ids) do
    local list = lists[self:readiness(id)]
    list[#list + 1] = id
    if (self.absences[id] or 0) >= ABSENCES then
      if self.wasSeen[id] then
        lists.deleted[#lists.deleted + 1] = id
      elseif self.polledAfter >= self.longestLag then
        lists.unlisted[#lists.unlisted + 1] = id
      end
    end
  end
  return lists
end

function Wait:report(lists)
  if not self.onProgress then
    return
  end
  local states = {}
  for _, id in ipairs(self.ids) do
    states[id] = self.images[id] and self.images[id].imageState
  end
  local ok, thrown = callback.pcall(self.onProgress, {
    total = #self.ids,
    done = #lists.ready,
    elapsed = self:elapsed(),
    imageStates = states,
  })
  if not ok then
    self.hookError = self.hookError or "onProgress threw: " .. redact.said(thrown, self.call and self.call.attempt)
  end
end

-- Returns the error of images that did not get the state. what: said of each image, by default its state.
function Wait:fail(reason, ids, what, note)
  local parts = {}
  for i = 1, math.min(#ids, NAMED) do
    local image = self.images[ids[i]]
    local found = image and image.imageState
    local state = image and (found == nil and "has no state" or "is " .. text.oneLine(tostring(found), 40))
      or self.absences[ids[i]] and "was not found"
      or "was not polled"
    parts[i] = ("image %s %s"):format(text.oneLine(ids[i], 40), what or state)
  end
  if #ids > NAMED then
    parts[#parts + 1] = ("%d more of %d"):format(#ids - NAMED, #self.ids)
  end
  local message = ("wait: %s%s (waited for %s%s)"):format(
    table.concat(parts, ", "),
    note or "",
    self.state,
    self.call and self.call.region and " in " .. text.oneLine(self.call.region, 80) or ""
  )
  return nil,
    errors.new {
      kind = "service",
      reason = reason,
      outcome = "rejected", -- nothing was changed
      message = message,
      imageIds = ids,
      attempts = self.call and self.call.attempts,
      hookError = self.hookError,
    }
end

-- The error of a wait whose time is over, or that cannot go on.
function Wait:giveUp(lists, failure, why)
  if failure and not self.page then -- nothing is known but this
    failure.message = ("%s; waited for %s%s"):format(failure.message, self.state, why)
    failure.hookError = self.hookError
    return nil, failure
  end
  local ids = {}
  for _, list in ipairs { lists.missing, lists.passing } do
    for _, id in ipairs(list) do
      ids[#ids + 1] = id
    end
  end
  if not ids[1] then -- each was seen ready, though not all in one poll
    return self:succeed()
  end
  local note = why .. (failure and "; the last poll failed: " .. failure.message or "")
  return self:fail(lists.missing[1] and self.polledAfter and "notFound" or "timeout", ids, nil, note)
end

function Wait:succeed()
  local result, images = self.page, {}
  for i, id in ipairs(self.ids) do
    images[i] = self.images[id]
  end
  result.imageSet, result.totalCount, result.hookError = images, #images, self.hookError
  return result
end

function Wait:run()
  local polls = 0
  while true do
    polls = polls + 1
    local isWhole, failure = self:poll()
    if failure and isPermanent(failure, self.page ~= nil) then
      failure.hookError = failure.hookError or self.hookError
      return nil, failure
    end
    local lists = self:sorted()
    self:report(lists)
    if lists.failed[1] then
      return self:fail("imageState", lists.failed)
    elseif lists.deleted[1] then
      return self:fail("notFound", lists.deleted, "no longer exists")
    elseif lists.unlisted[1] then
      return self:fail("notFound", lists.unlisted, nil, (" after %.3g s"):format(self.polledAfter))
    elseif isWhole and #lists.ready == #self.ids then
      return self:succeed()
    end
    local left = self:left()
    if left <= 0 then
      return self:giveUp(lists, failure, (" after %.3g s"):format(self.seconds))
    end
    local pause = math.min(left, backoff.seconds(polls, FIRST_PAUSE, LONGEST_PAUSE, FACTOR))
    local slept, problem = self.sleep(pause)
    if not slept then
      local said = redact.said(problem, self.call and self.call.attempt)
      return self:giveUp(lists, failure, "; stopped polling: " .. said)
    end
    self.slept = self.slept + pause
  end
end

-- Ids, each once, and the state; or nil and an error.
local function wantedOf(client, params)
  local action = actions.wait[client.version]
  local copy, problem = copyParams.copy(params, action.params)
  if not copy then
    return nil, errors.ofAction("wait", "parameter", "the parameter table " .. problem)
  end
  local values, err = validate.params(action, copy, client)
  if not values then
    return nil, err
  end
  local wanted = validate.publicNames(action, values, client.version)
  return imageLookup.distinct(wanted.imageIds), wanted.imageState
end

--- Waits until images have a state.
---@param client table longestLag: seconds after which an image that no poll has shown does not exist; nil: all of the wait
---@param params table imageIds; imageState, "NORMAL" by default
---@param options table checked: waitTimeout in seconds, onProgress; region, timeout, maxAttempts of each call
---@param run function run of execute.lua
---@return qcimage.Result|nil result with the images in the order of the ids
---@return qcimage.Error|nil err reason "imageState": a state that ends in FAILED; "notFound": an image that was deleted,
--- or not found in time; "timeout": another state when the time was over; or the error of a call
function M.wait(client, params, options, run)
  local ids, wanted = wantedOf(client, params)
  if not ids then
    return nil, wanted
  end
  local seconds = options.waitTimeout or limits.waitTimeout
  return setmetatable({
    ids = ids,
    state = wanted,
    seconds = seconds,
    deadline = core.monotonic() + seconds,
    slept = 0,
    batchSize = imageLookup.batchSize(client.version),
    longestLag = client.longestLag or math.huge,
    sleep = client.sleep,
    onProgress = options.onProgress,
    images = {}, -- by id, as they were seen last
    wasSeen = {},
    absences = {}, -- polls in a row that did not find an image, by id
    refused = nil, -- ids that the last whole poll was refused for
    polledAfter = nil, -- seconds until that ended
    describe = function(page, left)
      return run(client, actions.describe[client.version], page, {
        region = options.region,
        timeout = math.min(left, options.timeout or client.options.timeout),
        maxAttempts = options.maxAttempts,
      })
    end,
  }, Wait):run()
end

return M
