--- execute.lua - runs one call: attempts until a success, a permanent error or the deadline.
---
---     prepare       action, parameters, timeout -> Call (its fields: context.lua)
---       copy_params   copies the caller's tables
---       validate      checks them against the parameter schema
---     for each attempt:
---       rate_limit    waits for a slot of the limiter
---       resolve       credentials, signer, region, endpoint
---       clock         timestamp and nonce, with the learned clock offset
---       build         body, size limits
---       sign          Authorization or Signature, headers
---       transport     sends the request (client.transport)
---       parse         response -> result, or error with outcome
---       retry         stops, or backs off; takes from the retry budget
---     read_back     outcome unknown: describes the image and compares
---
--- Part of qcimage, see LICENSE.

local clock = require "qcimage.call.clock"
local codes = require "qcimage.api.error_codes"
local core = require "qcimage.core"
local errors = require "qcimage.util.errors"
local httpDate = require "qcimage.util.http_date"
local resolve = require "qcimage.call.resolve"
local readBack = require "qcimage.call.read_back"
local prepare = require "qcimage.call.prepare"
local callback = require "qcimage.util.callback"
local parse = require "qcimage.call.parse"
local redact = require "qcimage.util.redact"
local retry = require "qcimage.call.retry"
local callContext = require "qcimage.call.context"
local text = require "qcimage.util.text"
local rateLimit = require "qcimage.call.rate_limit"
local sign = require "qcimage.call.sign"

local M = {}

local GONE = '; the public cloud closed API 2.0 in 2023: set apiVersion = "3.0" '
  .. "(QCIMAGE_API_VERSION=3.0) there, or endpoint for a private cloud"

local function closed(call)
  return nil, errors.ofAction(call.action.name, "unsupported", "the client is closed")
end

-- Begins an attempt: resolves credentials, sets time and nonce, builds and signs the request. Returns it, with the signing
-- stages if they are wanted; or nil and an error.
local function buildRequest(call, withStages)
  if call.client.closed then
    return closed(call)
  end
  local attempt, err = resolve.newAttempt(call)
  local isStamped
  if attempt then
    call.attempt = attempt
    isStamped, err = clock.stamp(call, attempt)
  end
  if call.client.closed then -- by a callback
    return closed(call)
  elseif not isStamped then
    return nil, err
  end
  return sign.request(call, attempt, withStages)
end

-- Waits for a slot of the rate limiter, then begins the next attempt. Returns its request, or nil and an error.
local function nextRequest(call)
  if call.limiter and not call.hasSlot then
    local isAcquired, err = resolve.region(call) -- slots are per region
    if isAcquired then
      isAcquired, err = rateLimit.acquire(call)
    end
    if not isAcquired then
      return nil, err
    end
  end
  return buildRequest(call)
end

-- What a transport that failed says, as an error.
local function transportError(call, message, detail)
  local reason = detail.reason
  local kind = detail.kind or (reason == "tooLarge" or reason == "format") and "response" or "network"
  return errors.new {
    kind = kind,
    reason = reason,
    outcome = detail.sent == false and "notSent" or "unknown",
    lasting = detail.lasting,
    reused = detail.reused,
    subject = call.action.name,
    problem = text.oneLine(redact.forAttempt(message, call.attempt), 500),
  }
end

-- Sends one attempt. Returns the result, or nil and an error; and the response, if there was one.
local function try(call, request, now)
  local client = call.client
  local left = call.deadline - now
  if left <= 0 then
    return nil, transportError(call, "deadline exceeded", { sent = false, reason = "timeout" })
  end
  local seconds, half, most = left - call.readBackSeconds, left / 2, client.options.attemptTimeout
  seconds = seconds > half and seconds or half
  local response, message, detail = client.transport(request, seconds < most and seconds or most)
  if not response then
    return nil, transportError(call, message, detail)
  end
  local result, err = parse.response(call, response)
  return result, err, response
end

-- Notifies onAttempt. What it throws is noted, and does not change the call.
local function notifyHook(call, entry)
  local ok, thrown = callback.pcall(call.client.options.onAttempt, {
    method = call.client.options.method,
    host = call.endpoint.hostHeader,
    action = call.action.name,
    region = call.region,
    attempt = #call.attempts,
    duration = entry.duration,
    outcome = entry.outcome,
    code = entry.code,
    reason = entry.reason,
    requestId = entry.requestId,
  })
  if not ok then
    callContext.noteCallbackError(call, "onAttempt threw: " .. redact.said(thrown, call.attempt))
  end
end

local function record(call, elapsed, result, err)
  local source = result or err
  local entry = {
    duration = elapsed,
    outcome = result and "success" or err.outcome,
    code = source.code,
    reason = err and err.reason,
    requestId = source.requestId,
  }
  call.attempts[#call.attempts + 1] = entry
  if call.client.options.onAttempt then
    notifyHook(call, entry)
  end
end

-- Completes the result of a successful call.
local function succeed(call, result)
  result.attempts = call.attempts
  result.hookError = call.hookError
  return result
end

local OUTCOME_TEXT = {
  notSent = "nothing was sent",
  rejected = "nothing was changed",
  unknown = "the change may have been made",
}

-- Returns the outcome of the whole call; an error has that of the last attempt.
local function callOutcome(call, outcome)
  if call.anyUnknown and (outcome == "notSent" or not call.action.reads) then
    return "unknown"
  elseif call.anyRejected and outcome == "notSent" then
    return "rejected"
  end
  return outcome
end

-- Reads back a modification of unknown outcome. Returns its result if the image has the wanted values, otherwise nil.
local function verifyLost(call, err)
  local isReached = err.kind ~= "network" or err.outcome ~= "notSent" -- otherwise the read-back would not reach the service either
  local changes = isReached and readBack.wantedFields(call)
  if not changes then
    return nil
  end
  local client = call.client
  local isFree = err.kind == "service" and (err.outcome == "rejected" or err.retry == "clock") -- the service responds
  local cost = isFree and 0 or retry.READ_BACK_COST -- requests must not multiply in an outage
  if client.retryBudget < cost then
    return nil
  end
  client.retryBudget = client.retryBudget - cost
  local result, wasAnswered = readBack.readBack(call, changes, M.run)
  if wasAnswered then
    client.retryBudget = retry.refill(client.retryBudget, cost)
  end
  return result
end

-- Ends a call that failed. Returns the result of the read-back if the image has the wanted values; otherwise nil and the
-- error with the outcome of the whole call and hints, without secrets.
local function finish(call, err)
  local outcome = callOutcome(call, err.outcome)
  local result = outcome == "unknown" and verifyLost(call, err)
  if result then
    return succeed(call, result)
  end
  err.outcome = outcome
  local message = err.message
  local hint = resolve.hint(call, err)
  if hint then
    message = ("%s (%s)"):format(message, hint)
  end
  if err.requestId then
    message = ("%s [requestId %s]"):format(message, text.oneLine(err.requestId, 80))
  end
  local isCallers = (err.kind == "parameter" or err.kind == "credentials") and #call.attempts == 0
  if not isCallers and not call.action.reads then
    message = ("%s; %s"):format(message, OUTCOME_TEXT[err.outcome])
  end
  if #call.attempts > 1 then
    message = ("%s (%d attempts)"):format(message, #call.attempts)
  end
  if
    call.version == "2.0"
    and call.endpoint.isDefault
    and (codes.isGone(err.code) or err.kind == "network" and err.outcome == "notSent")
  then
    message = message .. GONE
  end
  err.message = message
  err.attempts = call.attempts
  err.hookError = call.hookError
  err.retry, err.reused, err.lasting = nil, nil, nil
  return nil, err
end

-- Returns the seconds to wait before a retry; or nil, and a note for the message.
local function decide(call, err, skewCorrected)
  local client = call.client
  local left = callContext.secondsLeft(call)
  local wait, cost = retry.decide(err, {
    attempt = #call.attempts,
    maxAttempts = call.maxAttempts,
    left = left,
    repeatable = call.action.repeatable,
    retryBudget = client.retryBudget,
    random = client.random(),
    retryAfter = err.retryAfter,
    skewCorrected = skewCorrected,
    renewed = resolve.refreshCredentials(call, err),
  })
  if wait then
    client.retryBudget, call.cost = client.retryBudget - cost, cost
    return wait
  end
  if cost then
    return nil, "; not retried: the client's retry budget is exhausted"
  elseif call.renewalProblem then
    return nil, ("; no fresh credentials: %s"):format(call.renewalProblem)
  elseif err.retryAfter and err.retryAfter >= left then
    return nil, ("; the service asks to wait %.0f s, but only %.3g s remain"):format(err.retryAfter, math.max(0, left))
  end
end

-- Returns the seconds of Retry-After; without a Date header, by our own clock.
local function retryAfter(call, response, elapsed)
  local attempt, asked = call.attempt, response and response.headers["retry-after"]
  return asked
    and httpDate.retryAfter(
      asked,
      httpDate.parse(response.headers.date, attempt.now) or attempt.now + attempt.offset + elapsed
    )
end

-- Learns from a failed attempt. Returns the seconds to wait before a retry; or nil, and a note for the message.
local function handleFailure(call, err, response, elapsed)
  local skewCorrected = err.retry == "clock" and clock.correctSkew(call, err, response, elapsed)
  err.retryAfter = retryAfter(call, response, elapsed)
  record(call, elapsed, nil, err)
  rateLimit.reportThrottled(call, err)
  return decide(call, err, skewCorrected)
end

-- Makes the attempts of a prepared call.
local function attempt(call)
  local client = call.client
  while true do
    local request, err = nextRequest(call)
    if not request then
      return finish(call, err)
    end
    local started = core.monotonic()
    local result, response
    result, err, response = try(call, request, started)
    local elapsed = core.monotonic() - started
    if result then
      client.retryBudget = retry.refill(client.retryBudget, call.cost)
      record(call, elapsed, result)
      return succeed(call, result)
    end
    local wait, note = handleFailure(call, err, response, elapsed)
    call.anyUnknown = call.anyUnknown or err.outcome == "unknown"
    call.anyRejected = call.anyRejected or err.outcome == "rejected"
    if wait then
      local slept, problem = client.sleep(wait)
      note = not slept and "; not retried: " .. redact.said(problem, call.attempt) or nil
    end
    if not wait or note then
      err.message = err.message .. (note or "")
      return finish(call, err)
    end
  end
end

--- Runs a call from parameters to result.
---@param client table
---@param name string the action
---@param params table
---@param options table checked
---@return qcimage.Result|nil
---@return qcimage.Error|nil err
---@return qcimage.Call|nil call nil: its parameters are invalid, or it cannot be made
function M.run(client, name, params, options)
  local call, err = prepare.call(client, name, params, options)
  if not call then
    return nil, err
  end
  local result
  result, err = attempt(call)
  return result, err, call
end

--- Signs the request of a call without sending it.
---@param client table
---@param name string the action
---@param params table
---@param options table checked
---@return qcimage.Request|nil with what was signed
---@return qcimage.Error|nil err
function M.sign(client, name, params, options)
  local call, err = prepare.call(client, name, params, options)
  if not call then
    return nil, err
  end
  return buildRequest(call, true)
end

return M
