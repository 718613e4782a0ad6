--- parse.lua - parses a response into a result, or an error with the outcome of the request. Accepts both envelopes in both
--- API versions.
--- Pure. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local errors = require "qcimage.util.errors"
local json = require "qcimage.util.json"
local redact = require "qcimage.util.redact"
local text = require "qcimage.util.text"

local M = {}

local BOM = "\239\187\191"

---@class qcimage.Result
---@field code integer 0
---@field message string
---@field codeDesc string|nil
---@field requestId string|nil
---@field taskId integer|string|nil API 2.0: id of the asynchronous task that was started
---@field body string the response body as received
---@field httpStatus integer
---@field attempts table[] records of the attempts; readBack in the last: a read-back proved the success
---@field hookError string|nil what onAttempt threw first
---@field totalCount integer|nil of DescribeImages
---@field imageSet qcimage.Image[]|nil of DescribeImages

---@class qcimage.Image
---@field imageId string
---@field imageName string
---@field imageDescription string
---@field imageState string "NORMAL", "CREATING" and the like
---@field imageType string "PRIVATE_IMAGE" and the like
---@field imageCreator string
---@field createdTime string as the service writes it
---@field osName string

local function stringOr(value, otherwise)
  return type(value) == "string" and value or otherwise
end

-- Returns the error of a response that cannot be trusted; its outcome is unknown.
local function unreadable(call, response, reason, problem)
  return errors.new {
    kind = "response",
    reason = reason,
    outcome = "unknown",
    httpStatus = response.status,
    body = not call.action.givesKeys and redact.forAttempt(response.body, call.attempt) or nil,
    subject = call.action.name,
    problem = problem,
  }
end

local SHOWN_BODY = 120 -- bytes; enough to know a gateway's page by

local SHOWN_MESSAGE = 1000 -- bytes; a refused permission names action and resource last

local function quoted(call, body)
  if call.action.givesKeys then
    return "not shown because it may contain keys"
  end
  return ('"%s"'):format(text.oneLine(redact.forAttempt(body, call.attempt), SHOWN_BODY))
end

local function unexpected(call, response, what)
  local shown = response.body == "" and "" or ": " .. quoted(call, response.body)
  return unreadable(call, response, "format", ("unexpected response, %s%s"):format(what, shown))
end

local function serviceError(call, response, fields)
  for name, value in pairs(fields) do
    fields[name] = type(value) == "string" and redact.forAttempt(value, call.attempt) or value
  end
  local reason, outcome, retry = codes.meaning(fields.code)
  -- A gateway responds for a service that may have done its work.
  if response.status >= 500 or response.status == 408 then
    outcome, retry = "unknown", "again"
  elseif response.status == 429 then
    reason, outcome, retry = "throttled", "rejected", "later"
  end
  local shown = text.oneLine(fields.serviceMessage, SHOWN_MESSAGE)
  return errors.new {
    kind = "service",
    reason = reason,
    outcome = outcome,
    code = fields.code,
    codeDesc = fields.codeDesc,
    serviceMessage = fields.serviceMessage,
    requestId = fields.requestId,
    httpStatus = response.status,
    body = redact.forAttempt(response.body, call.attempt),
    retry = retry,
    subject = call.action.name,
    problem = ("%s%s%s"):format(
      text.oneLine(tostring(fields.code), 80),
      fields.codeDesc and (" (%s)"):format(text.oneLine(fields.codeDesc, 80)) or "",
      shown ~= "" and ": " .. shown or ""
    ),
  }
end

-- Preallocates the fields of every result.
local function newResult()
  return { code = nil, message = nil, requestId = nil, body = nil, httpStatus = nil, attempts = nil }
end

-- Renames the fields and words of an item of API 2.0 to those of API 3.0.
local function renamed(item, names)
  if type(item) ~= "table" then
    return item
  end
  local copy = {}
  for key, value in pairs(item) do
    local entry = names[key]
    if entry then
      copy[entry.name] = entry.words and (entry.words[value] or entry.words[tonumber(value)]) or value
    else
      copy[key] = value
    end
  end
  return copy
end

-- Renames the fields of lists, by the action's schema.
local function rename(result, lists)
  for name, fields in pairs(lists) do
    local list = result[name]
    if type(list) == "table" then
      for i, item in ipairs(list) do
        list[i] = renamed(item, fields)
      end
    end
  end
end

-- Lists that came as null become empty lists, by the action's schema.
local function complete(result, lists)
  for name, inner in pairs(lists) do
    local list = result[name]
    if type(list) ~= "table" then
      list = {}
      result[name] = list
    end
    for _, item in ipairs(inner) do
      for _, one in ipairs(list) do
        if type(one) == "table" and one[item] == nil then
          one[item] = {}
        end
      end
    end
  end
end

local function finish(call, result, response)
  if call.action.lists then
    complete(result, call.action.lists)
  end
  result.code = 0
  result.body = response.body
  result.httpStatus = response.status
  return result
end

local function read3(call, response, answer)
  local inner = answer.Response
  local requestId = stringOr(inner.RequestId, stringOr(inner.RequestID))
  local failure = inner.Error
  local dryRun
  if failure ~= nil and failure ~= json.null then
    if type(failure) ~= "table" or type(failure.Code) ~= "string" or failure.Code == "" then
      return nil, unexpected(call, response, "an error without a code")
    end
    dryRun = codes.isDryRun(failure.Code) and call.values.DryRun == true
    if not dryRun then
      return nil,
        serviceError(call, response, {
          code = failure.Code,
          serviceMessage = stringOr(failure.Message, ""),
          requestId = requestId,
        })
    end
  elseif not requestId then
    return nil, unexpected(call, response, "no RequestId")
  end
  inner.Error, inner.RequestId, inner.RequestID = nil, nil, nil
  local result = json.merge(newResult(), inner, text.decapitalise)
  result.message = dryRun and stringOr(failure.Message, "") or ""
  result.codeDesc = dryRun and failure.Code or nil
  result.requestId = requestId
  return finish(call, result, response)
end

-- A code as a number where it is one, written as text or not.
local function codeOf(value)
  if type(value) == "string" and value:find("^%-?%d+$") and #value <= 15 then
    value = tonumber(value)
  end
  if type(value) == "number" and value % 1 == 0 then
    return value
  end
  return type(value) == "string" and value ~= "" and value or nil
end

local function read2(call, response, answer)
  local result = json.merge(newResult(), answer)
  local code = codeOf(result.code)
  if not code then
    return nil, unexpected(call, response, "its code is neither a number nor a word")
  end
  local message = result.message
  message = type(message) == "number" and tostring(message) or stringOr(message, "")
  local codeDesc = stringOr(result.codeDesc)
  local requestId, taskId = result.requestId, nil
  if type(requestId) ~= "string" then
    requestId, taskId = nil, requestId
  end
  if code == 0 and call.version == "3.0" then -- API 3.0 uses this envelope for errors only
    return nil, unexpected(call, response, "no Response")
  elseif code ~= 0 then
    return nil,
      serviceError(call, response, {
        code = code,
        codeDesc = codeDesc,
        serviceMessage = message,
        requestId = requestId,
      })
  end
  if call.action.answer then
    rename(result, call.action.answer)
  end
  result.message = message
  result.codeDesc = codeDesc
  result.requestId = requestId
  result.taskId = taskId
  return finish(call, result, response)
end

--- Parses a response.
---@param call qcimage.Call
---@param response {status: integer, headers: table<string, string>, body: string}
---@return qcimage.Result|nil result without attempts
---@return qcimage.Error|nil err
function M.response(call, response)
  local coding = response.headers["content-encoding"]
  if coding and coding ~= "" and coding ~= "identity" then
    return nil,
      unreadable(
        call,
        response,
        "format",
        ("unexpected content-encoding %s (identity was requested)"):format(
          text.oneLine(redact.forAttempt(coding, call.attempt), 40)
        )
      )
  end
  local body = response.body
  local answer, problem = json.parse(body)
  if problem and body:sub(1, 3) == BOM then
    body = body:sub(4)
    answer, problem = json.parse(body)
  end
  local result, err
  if type(answer) == "table" and type(answer.Response) == "table" then
    result, err = read3(call, response, answer)
  elseif type(answer) == "table" and answer.code ~= nil and answer.code ~= json.null then
    result, err = read2(call, response, answer)
  elseif body == "" then
    err = unexpected(call, response, "an empty body")
  else
    err = unexpected(call, response, problem and "not JSON" or "neither code nor Response")
  end
  if response.status ~= 200 and not (err and err.kind == "service") then
    -- A gateway's page, or a response that contradicts its own status.
    local shown = body == "" and "an empty body" or quoted(call, body)
    result, err = nil, unreadable(call, response, "status", ("HTTP status %d, %s"):format(response.status, shown))
    if response.status == 429 then
      err.outcome = "rejected"
    end
  end
  return result, err
end

return M
