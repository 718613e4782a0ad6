--- errors.lua - the error value behind `nil, message, err`.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

---@alias qcimage.NetworkReason "dns"|"connect"|"tls"|"timeout"|"closed"|"proxy"
---@alias qcimage.ResponseReason "status"|"format"|"tooLarge"
---@alias qcimage.ServiceReason
---| "throttled"|"signature"|"clock"|"notFound"|"nameTaken"|"imageState"|"sharedImage"|"permission"|"busy"|"quota"
---| "internal"

---@class qcimage.Error
---@field kind "parameter"|"credentials"|"network"|"response"|"service"|"unsupported"|"thrown"
---@field message string one line, without secrets; also what tostring gives
---@field subject string|nil the action that failed; the message begins with "SUBJECT: PROBLEM"
---@field problem string|nil the message without the subject and what follows from the whole call
---@field outcome "notSent"|"rejected"|"unknown" whether the request may have taken effect
---@field reason qcimage.NetworkReason|qcimage.ResponseReason|qcimage.ServiceReason|nil one word
---@field code integer|string|nil the service's error code: a number in API 2.0, a word in API 3.0
---@field codeDesc string|nil
---@field serviceMessage string|nil the service's own text, as received
---@field requestId string|nil
---@field httpStatus integer|nil
---@field field string|nil name of the parameter, option or variable
---@field body string|nil the response body, without secrets
---@field imageIds string[]|nil of `wait`: images that do not have the state
---@field retryAfter number|nil seconds that the response asks to wait
---@field attempts table[] records of the attempts
---@field regions string[]|nil of `each`: those of several that could not be listed
---@field thrown any of `parallel`, kind "thrown": what the function threw
---@field traceback string|nil of `parallel`: where it threw
---@field hookError string|nil what onAttempt or onProgress threw first
---@field package source string|nil of credentials: what should have given them
local Error = {}
Error.__index = Error
Error.__name = "qcimage.Error"

function Error:__tostring()
  return self.message
end

function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

--- Transient network errors, by their reasons; of calls and of `apply`. Not among them: tls and proxy, which somebody must
--- fix.
M.TRANSIENT = { dns = true, connect = true, timeout = true, closed = true }

--- Messages of a transport's reasons, for an endpoint HOST:PORT.
M.TRANSPORT = {
  dns = "cannot find the address of %s",
  connect = "cannot connect to %s",
  tls = "cannot set up TLS with %s",
  timeout = "%s did not respond in time",
  closed = "the connection to %s was closed before the response was complete",
  proxy = "the proxy did not connect to %s",
  tooLarge = "the response of %s is too large",
  format = "the response of %s is not valid HTTP",
}

--- Makes an error; fields as in qcimage.Error. The message may be left out where subject and problem are given.
---@param fields table
---@return qcimage.Error
function M.new(fields)
  if fields.problem and not fields.message then
    fields.message = ("%s: %s"):format(fields.subject, fields.problem)
  end
  fields.attempts = fields.attempts or {}
  return setmetatable(fields, Error)
end

--- Returns whether a value is an error made here, and not a table that looks like one.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Error
end

--- Returns what a failing public function returns.
---@param err qcimage.Error
---@return nil, string, qcimage.Error
function M.asResults(err)
  return nil, err.message, err
end

--- Makes the error of something that failed before a request was sent.
---@param kind string
---@param message string
---@param field string|nil
---@return qcimage.Error
function M.notSent(kind, message, field)
  return M.new { kind = kind, message = message, field = field, outcome = "notSent" }
end

--- Makes the error of an action that failed before its request was sent.
---@param subject string the action
---@param kind string
---@param problem string
---@param field string|nil
---@return qcimage.Error
function M.ofAction(subject, kind, problem, field)
  return M.new { kind = kind, subject = subject, problem = problem, field = field, outcome = "notSent" }
end

return M
