--- imagestate.lua - what a call learns by looking at the image itself: whether a change is there after its
--- answer was lost, and whether an image is ready.
--- Makes calls by the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local check = require "qcimage.call.check"
local codes = require "qcimage.api.codes"
local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.errors"
local limits = require "qcimage.limits"
local state = require "qcimage.call.state"
local text = require "qcimage.text"

local M = {}

-- Seconds that a look is given at least, so that it has a time that an option may be.
local SHORTEST_LOOK = 0.001

-- A call's parameters by their own names; nil where they are raw.
local function wantedOf(call)
  return not call.isRaw and check.named(call.action, call.values, call.version) or nil
end

--- What a look at the image could know a change by: the values that it sets.
---@param call qcimage.Call
---@return table<string, any>|nil changes nil where there is none, or no time to look
function M.changesOf(call)
  local wanted = wantedOf(call)
  if call.action.name ~= actions.modify[call.version] or not wanted or state.left(call) <= 0 then
    return nil
  end
  local changes = {}
  for name, value in pairs(wanted) do
    local isKept = value == "" and call.action.params[name].blank == "keep"
    if name ~= "imageId" and not isKept then
      changes[name] = value
    end
  end
  return next(changes) ~= nil and changes or nil
end

--- Whether the image already carries what a change wanted, though an attempt's answer was lost.
--- Gives the result of that change, or nil. The last attempt's record says that it was settled so.
---@param call qcimage.Call
---@param changes table from changesOf
---@param run function run of attempts.lua
---@return qcimage.Result|nil without attempts
function M.readBack(call, changes, run)
  local id = wantedOf(call).imageId
  local seen, err = run(call.client, actions.describe[call.version], { imageIds = { id } }, {
    region = call.region,
    timeout = math.max(state.left(call), SHORTEST_LOOK),
    maxAttempts = 1, -- the call had its attempts
  })
  state.noteHook(call, (seen or err).hookError)
  local image = seen and type(seen.imageSet) == "table" and seen.imageSet[1]
  if type(image) ~= "table" or image.imageId ~= id then
    return nil
  end
  for name, value in pairs(changes) do
    if image[name] ~= value then
      return nil
    end
  end
  local requestId -- of the change, not of the look
  for _, attempt in ipairs(call.attempts) do
    requestId = attempt.requestId or requestId
  end
  call.attempts[#call.attempts].readBack = true
  return {
    code = 0,
    message = "",
    requestId = requestId,
    body = seen.body,
    httpStatus = seen.httpStatus,
  }
end

-- Seconds between two looks at an image that is not ready yet; each is half longer than the last.
local FIRST_LOOK, LONGEST_LOOK = 0.5, 10

-- Looks at so many images at once. Returns a map of what was seen by id, or nil and an error.
local function states(call, ids, region, limit, run)
  local describe = actions[call.version][actions.describe[call.version]]
  local most = describe.params.imageIds.items or limits.pageSize
  local seen = {}
  for first = 1, #ids, most do
    local some = {}
    for i = first, math.min(first + most - 1, #ids) do
      some[#some + 1] = ids[i]
    end
    local page, err = run(call.client, describe.name, { imageIds = some, limit = #some }, {
      region = region,
      timeout = math.max(limit - core.monotonic(), FIRST_LOOK),
    })
    state.noteHook(call, (page or err).hookError)
    if page then
      for _, image in ipairs(page.imageSet) do
        if type(image) == "table" and image.imageId then
          seen[image.imageId] = image
        end
      end
    elseif err.reason ~= "notFound" then
      return nil, err
    end
  end
  return seen
end

-- What is against each of some images, or nil when all are ready: "image img-1 is CREATING", the reason, and
-- whether that will not pass.
local function unready(ids, seen)
  local missing
  for _, id in ipairs(ids) do
    local image = seen[id]
    local readiness = image and codes.readiness(image.imageState)
    if not image then
      missing = missing or id
    elseif readiness ~= "ready" then
      local shown = text.clean(tostring(image.imageState), 40)
      local problem = ("image %s is %s (waited for NORMAL)"):format(text.clean(id, 40), shown)
      return problem, "imageState", readiness == "failed"
    end
  end
  -- just made, it may not be in the list yet
  return missing and ("image %s is not there"):format(text.clean(missing, 40)), missing and "notFound"
end

-- The ids of the images that a call changes, and where they are; or nil.
local function imagesOf(call)
  local wanted, names = wantedOf(call), call.action.changes
  local ids = wanted and names and wanted[names.images]
  if type(ids) == "string" then
    ids = { ids }
  end
  local region = ids and names.region and wanted[names.region]
  return ids, region and endpoints.regionValue(region, call.version) or call.region
end

--- Waits until the images of a call are ready.
---@param call qcimage.Call
---@param options table with waitForState, seconds
---@param run function run of attempts.lua
---@return boolean|nil areReady
---@return qcimage.Error|nil err when they are not in time; nothing was sent of the call itself
function M.awaitState(call, options, run)
  local client, name = call.client, call.action.name
  local ids, region = imagesOf(call)
  if not ids then
    local message = name .. ": waitForState goes with actions that change images which they name, and not with raw"
    return nil, errors.notSent("parameter", message, "waitForState")
  end
  local limit = core.monotonic() + options.waitForState
  local pause = FIRST_LOOK
  while true do
    local seen, err = states(call, ids, region, limit, run)
    if not seen then
      err.outcome = "notSent" -- of the call that waits
      return nil, err
    end
    local problem, reason, isFinal = unready(ids, seen)
    if not problem then
      return true
    end
    local left = limit - core.monotonic()
    local slept, fault = left > 0 and not isFinal, nil
    if slept then
      slept, fault = client.sleep(math.min(pause, left))
    end
    if not slept then
      local where = reason == "notFound" and (" (in %s)"):format(text.clean(region, 80)) or ""
      local why = fault and ("; not looked at again, since " .. fault) or ""
      err = errors.notSent("service", ("%s: %s%s%s; nothing was changed"):format(name, problem, where, why))
      err.reason, err.hookError = reason, call.hookError
      return nil, err
    end
    pause = math.min(pause * 1.5, LONGEST_LOOK)
  end
end

return M
