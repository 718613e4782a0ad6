--- custom.lua - adapts a user's transport: what it throws or returns incompletely becomes a response or a failure.
--- Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local callback = require "qcimage.util.callback"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"

local M = {}

-- Returns the response with lower-case header names and text values (the first of a list); nil without status or body.
local function tidied(response)
  local status, body, given = response.status, response.body, response.headers
  if type(status) ~= "number" or status < 100 or status > 999 or status % 1 ~= 0 or type(body) ~= "string" then
    return nil
  end
  local headers = {}
  for name, value in pairs(type(given) == "table" and given or {}) do
    if type(value) == "table" then
      value = value[1]
    end
    if type(name) == "string" and (type(value) == "string" or type(value) == "number") then
      headers[text.lower(name)] = tostring(value)
    end
  end
  return { status = status, headers = headers, body = body }
end

-- Returns a failure's valid fields. Without a reason it counts as transient.
local function judged(detail)
  detail = type(detail) == "table" and detail or {}
  local sent, reason = detail.sent ~= false, detail.reason
  if detail.kind == "unsupported" then
    return { kind = "unsupported", sent = sent }
  end
  return {
    sent = sent,
    reason = errors.TRANSPORT[reason or ""] and reason or sent and "closed" or "connect",
    reused = detail.reused == true or nil,
    lasting = detail.lasting == true or nil,
  }
end

--- Wraps a transport. It may yield.
---@param transport function
---@return fun(request: table, secondsLeft: number): table|nil, string|nil, table|nil
function M.wrap(transport)
  local function exchange(request, seconds)
    local response, message, detail = transport(request, seconds)
    if type(response) == "table" then
      response = tidied(response)
      if not response then
        return nil, "the transport returned no status or body", { reason = "format" }
      end
      return response
    elseif response then
      return nil,
        ("the transport returned a %s; expected a table with status, headers and body"):format(type(response)),
        { reason = "format" }
    end
    return nil, message == nil and "the transport returned no message" or text.ofValue(message), judged(detail)
  end
  return function(request, seconds)
    local ok, response, message, detail = callback.pcall(exchange, request, seconds)
    if ok then
      return response, message, detail
    end
    local kind = response == tasks.FOREIGN and "unsupported" or nil -- it would again
    return nil, "the transport threw: " .. text.ofValue(response), { reason = "closed", kind = kind }
  end
end

return M
