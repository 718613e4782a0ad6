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
  local action = call.action
  if action.name ~= actions.modify[call.version] or not call.values then
    return nil
  end
  local left = call.deadline - core.monotonic()
  if left <= 0 then
    return nil
  end
  local seen = run(call.client, actions.describe[call.version], { imageIds = { call.params.imageId } }, {
    region = call.region,
    timeout = left,
  })
  local image = seen and type(seen.imageSet) == "table" and seen.imageSet[1]
  if type(image) ~= "table" or image.imageId ~= call.params.imageId then
    return nil
  end
  for name, wanted in pairs(call.params) do
    local blank = wanted == "" and (call.version == "2.0" or name == "imageName")
    if not blank and image[name] ~= wanted then
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

--- Waits until the image of a call is ready.
---@param client table
---@param name string the action
---@param params table
---@param options table with waitForState, seconds
---@param run function calls.run
---@return qcimage.Error|nil err when it is not ready in time
function M.awaitState(client, name, params, options, run)
  local id = params.imageId or type(params.imageIds) == "table" and params.imageIds[1]
  local limit = core.monotonic() + options.waitForState
  local pause = FIRST_LOOK
  while true do
    local seen, _, err = run(client, actions.describe[client.version], { imageIds = { id } }, {
      region = options.region,
      timeout = math.max(limit - core.monotonic(), FIRST_LOOK),
    })
    if not seen then
      return err
    end
    local image = type(seen.imageSet) == "table" and seen.imageSet[1]
    local state = type(image) == "table" and image.imageState
    if not state or state == "NORMAL" or state == "USING" then
      return nil -- ready, or a matter for the action itself to refuse
    end
    local now = core.monotonic()
    if now + pause > limit or tostring(state):find("FAILED") then
      err = errors.notSent(
        "service",
        ("%s: image %s is %s (waited for NORMAL; nothing was changed)"):format(
          name,
          text.clean(tostring(id), 40),
          text.clean(tostring(state), 40)
        )
      )
      err.reason = "imageState"
      return err
    end
    client.sleep(pause)
    pause = math.min(pause * 1.5, LONGEST_LOOK)
  end
end

return M
