--- look.lua - what a call learns by looking at the image itself: whether a change is there after its
--- answer was lost, and whether an image is ready.
--- Makes calls by the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.actions"
local core = require "qcimage.core"
local errors = require "qcimage.errors"
local text = require "qcimage.text"

local M = {}

--- Whether the image already carries what a change wanted, though an attempt's answer was lost.
--- Gives the result of that change, or nil.
---@param call table
---@param run function calls.run
---@return qcimage.Result|nil without attempts
function M.readBack(call, run)
  local wanted = call.wanted
  if call.action.name ~= actions.modify[call.version] or not wanted then
    return nil
  end
  local changes = {}
  for name, value in pairs(wanted) do
    local isBlank = value == "" and (call.version == "2.0" or name == "imageName")
    if name ~= "imageId" and not isBlank then
      changes[name] = value
    end
  end
  local left = call.deadline - core.monotonic()
  if left <= 0 or next(changes) == nil then -- no time, or nothing to know it by
    return nil
  end
  local seen = run(call.client, actions.describe[call.version], { imageIds = { wanted.imageId } }, {
    region = call.region,
    timeout = left,
    maxAttempts = 1, -- the call had its attempts
  })
  local image = seen and type(seen.imageSet) == "table" and seen.imageSet[1]
  if type(image) ~= "table" or image.imageId ~= wanted.imageId then
    return nil
  end
  for name, value in pairs(changes) do
    if image[name] ~= value then
      return nil
    end
  end
  return {
    code = 0,
    message = "",
    requestId = seen.requestId,
    body = seen.body,
    httpStatus = seen.httpStatus,
  }
end

-- Seconds between two looks at an image that is not ready yet; each is half longer than the last.
local FIRST_LOOK, LONGEST_LOOK = 0.5, 10

-- What is against each of some images, or nil when all are ready: "image img-1 is CREATING", and whether
-- that will not pass.
local function unready(images)
  for _, image in ipairs(images) do
    local state = type(image) == "table" and image.imageState
    if state and state ~= "NORMAL" and state ~= "USING" then
      state = text.clean(tostring(state), 40)
      return ("image %s is %s"):format(text.clean(tostring(image.imageId), 40), state), state:find("FAILED")
    end
  end
  return nil -- ready, or a matter for the action itself to refuse
end

--- Waits until the images of a call are ready.
---@param call table prepared
---@param options table with waitForState, seconds
---@param run function calls.run
---@return qcimage.Error|nil err when they are not ready in time; nothing was sent of the call itself
function M.awaitState(call, options, run)
  local client, name = call.client, call.action.name
  local wanted = call.wanted or {}
  local ids = wanted.imageIds or wanted.imageId and { wanted.imageId }
  if not ids or call.action.reads then
    local message = name .. ": waitForState goes with actions that change images named by imageId or imageIds"
    return errors.notSent("parameter", message, "waitForState")
  end
  local limit = core.monotonic() + options.waitForState
  local pause = FIRST_LOOK
  while true do
    local seen, _, err = run(client, actions.describe[client.version], { imageIds = ids }, {
      region = options.region,
      timeout = math.max(limit - core.monotonic(), FIRST_LOOK),
    })
    if not seen then
      err.outcome = "notSent" -- of the call that waits
      return err
    end
    local problem, isFinal = unready(type(seen.imageSet) == "table" and seen.imageSet or {})
    if not problem then
      return nil
    end
    local left = limit - core.monotonic()
    if left <= 0 or isFinal then
      err = errors.notSent("service", ("%s: %s (waited for NORMAL; nothing was changed)"):format(name, problem))
      err.reason = "imageState"
      return err
    end
    client.sleep(math.min(pause, left))
    pause = math.min(pause * 1.5, LONGEST_LOOK)
  end
end

return M
