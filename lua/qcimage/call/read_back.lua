--- read_back.lua - after a lost response: describes the modified image, and compares it with the wanted values.
--- Makes calls through the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local validate = require "qcimage.call.validate"
local callContext = require "qcimage.call.context"
local images = require "qcimage.call.images"
local limits = require "qcimage.util.limits"

local M = {}

--- Returns the values that a modification sets.
---@param call qcimage.Call
---@return table<string, any>|nil wanted nil: none, read-back is off, or the deadline has passed
function M.wantedFields(call)
  if call.readBackSeconds == 0 or callContext.secondsLeft(call) <= 0 then
    return nil
  end
  local changes = {}
  for name, value in pairs(validate.publicNames(call.action, call.values, call.version)) do
    local isKept = value == "" and call.action.params[name].blank == "keep"
    if name ~= "imageId" and not isKept then
      changes[name] = value
    end
  end
  return next(changes) ~= nil and changes or nil
end

--- Reads back a modification of unknown outcome. On success the last attempt's record gets readBack.
---@param call qcimage.Call
---@param changes table from wantedFields
---@param run function run of execute.lua
---@return qcimage.Result|nil result of the modification, without attempts; nil: the image has other values
---@return boolean wasAnswered whether the service returned the image
function M.readBack(call, changes, run)
  local id = validate.publicNames(call.action, call.values, call.version).imageId
  local page
  local found, err = images.describeByIds({ id }, 1, function(params)
    local problem
    page, problem = run(call.client, actions.describe[call.version], params, {
      region = call.region,
      timeout = math.max(callContext.secondsLeft(call), limits.shortestTimeout),
      maxAttempts = 1, -- no retries
    })
    callContext.noteCallbackError(call, (page or problem).hookError)
    return page, problem
  end)
  local image = found and found[id]
  if not image then
    return nil, err == nil
  end
  for name, value in pairs(changes) do
    if image[name] ~= value then
      return nil, true
    end
  end
  local requestId -- of the modification, not of the read-back
  for _, attempt in ipairs(call.attempts) do
    requestId = attempt.requestId or requestId
  end
  call.attempts[#call.attempts].readBack = true
  return {
    code = 0,
    message = "",
    requestId = requestId,
    body = page.body,
    httpStatus = page.httpStatus,
  },
    true
end

return M
