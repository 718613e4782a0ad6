--- read_back.lua - reads a modification back whose response was lost: describes the image and compares its values.
--- Makes calls by the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local validate = require "qcimage.call.validate"
local callContext = require "qcimage.call.context"
local images = require "qcimage.call.images"

local M = {}

--- The values that a modification sets, by which it can be read back.
---@param call qcimage.Call
---@return table<string, any>|nil changes nil where there are none, where the call is not to be read back, or in no time
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

-- Seconds of a timeout at least, so that it is one that an option may have.
local SHORTEST_TIMEOUT = 0.001

--- Reads a modification back whose outcome is unknown. The last attempt's record says that the image showed the success.
---@param call qcimage.Call
---@param changes table from changesOf
---@param run function run of execute.lua
---@return qcimage.Result|nil result of the modification, without attempts; nil: the image does not have the values
---@return boolean wasAnswered whether the service told how the image is
function M.readBack(call, changes, run)
  local id = validate.publicNames(call.action, call.values, call.version).imageId
  local page
  local found, err = images.describeByIds({ id }, 1, function(params)
    local problem
    page, problem = run(call.client, actions.describe[call.version], params, {
      region = call.region,
      timeout = math.max(callContext.secondsLeft(call), SHORTEST_TIMEOUT),
      maxAttempts = 1, -- the call had its attempts
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
  local requestId -- of the change, not of the look
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
