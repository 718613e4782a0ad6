--- emulator/dispatch.lua - the way of a request: to the API of its path, through permissions, faults and the rate limit, and
--- into the request log.
--- Part of qcimage, see LICENSE.

local abort = require "qcimage.emulator.abort"
local accounts = require "qcimage.emulator.accounts"
local control = require "qcimage.emulator.control"
local faults = require "qcimage.emulator.faults"
local json = require "qcimage.emulator.json"
local metadata = require "qcimage.emulator.metadata"
local text = require "qcimage.emulator.text"
local v2 = require "qcimage.emulator.api2.api"
local v3 = require "qcimage.emulator.api3.api"

local M = {}

local APIS = { [v2.path] = v2, [v3.path] = v3 }

-- The answer of an API to a request; nil when a fault made the response.
local function serve(emulator, api, request, entry, response)
  local call = api.receive(emulator, request, entry)
  if call.account and not accounts.allows(call.account, call.actionName) then
    abort.raise(api.permission, "the account may not call %s", call.actionName)
  end
  local now, limit = emulator:now(), emulator.settings.rateLimit
  local fault = emulator.faults:take(call.actionName, api, now)
  if fault then
    entry.fault, response.delay, response.pause = fault.kind, fault.delay, fault.pause
  end
  if faults.obey(fault, "before", api, response) then
    return nil
  elseif not api.isUnlimited and not emulator.replayGuard:admit(api.version .. call.actionName, now, limit) then
    abort.raise(api.throttled, "over %d calls a second", limit)
  end
  local current, lag = emulator.store, emulator.faults:longestLag()
  current:endStates(now)
  if fault and fault.lag then
    emulator.store = current:asOf(now - fault.lag)
  elseif lag and not call.actionName:find "^Describe" then
    current:remember(now, lag)
  end
  local ok, answer = abort.catch(api.perform, emulator, call)
  emulator.store = current
  entry.applied, entry.imageId = call.applied or false, call.imageId
  if faults.obey(fault, "after", api, response) then
    return nil
  elseif not ok then
    abort.raise(answer.code, "%s", answer.message)
  end
  return answer
end

-- Writes the answer of an API into a response: as JSON, unless the API has a form of its own.
local function write(api, answer, response)
  if api.write then
    api.write(answer, response)
  else
    response.body = json.encode(answer)
  end
end

local function newResponse(emulator)
  return {
    status = 200,
    headers = {
      -- exactly this, as the service sends it: Tencent's Python client looks for an error in no other body
      ["content-type"] = "application/json",
      ["date"] = text.httpDate(emulator:now()),
    },
  }
end

--- Answers a request.
---@param emulator table
---@param request table as Emulator:handle takes it
---@return table response
function M.handle(emulator, request)
  local response, path = newResponse(emulator), request.path
  if path:sub(1, #control.PREFIX) == control.PREFIX then
    response.status, response.body = control.handle(emulator, request)
    return response
  end
  local api = APIS[path]
  if emulator.settings.metadata and path:sub(1, #metadata.PREFIX) == metadata.PREFIX then
    api = metadata
  elseif not api then
    response.status = 404
    response.body = json.encode {
      code = 6100,
      message = "the emulator answers at /v2/index.php (API 2.0) and at / (API 3.0)",
    }
    return response
  end
  local entry = { time = emulator:now(), api = api.version, applied = false }
  local ok, answer = abort.catch(serve, emulator, api, request, entry, response)
  if not ok then
    entry.code, entry.message = answer.code, answer.message
    answer = api.failure(emulator, answer.code, answer.message)
  elseif answer then
    entry.code = answer.code or 0 -- an answer of API 2.0 has a code, also of a part that failed
  end
  if answer then
    write(api, answer, response)
  end
  emulator.requestLog:add(entry)
  return response
end

-- What a host refuses by itself: the field of an API with the code, and the message.
local REFUSALS = {
  large = { "tooLarge", "the request is too large: its URI, a header or its body" },
  protocol = { "protocol", "this method, version of HTTP or scheme is not served" },
  malformed = { "malformed", "this is not a valid HTTP request" },
}

--- Answers what the host could not take as a request.
---@param emulator table
---@param path string as far as it is known
---@param why string "large", "protocol" or "malformed"
---@return table response
function M.refuse(emulator, path, why)
  local api = path:sub(1, #v2.path) == v2.path and v2 or v3
  local refusal, response = REFUSALS[why] or REFUSALS.malformed, newResponse(emulator)
  write(api, api.failure(emulator, api[refusal[1]], refusal[2]), response)
  return response
end

return M
