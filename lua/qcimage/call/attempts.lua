--- attempts.lua - one call: attempts, each built and signed afresh, until one settles it.
--- Reaches the outside only through what the client holds: limiter, credentials, transport, clock, sleep, nonce.
--- Part of qcimage, see LICENSE.

local build = require "qcimage.call.build"
local clock = require "qcimage.call.clock"
local codes = require "qcimage.api.codes"
local core = require "qcimage.core"
local errors = require "qcimage.errors"
local httpdate = require "qcimage.call.httpdate"
local identity = require "qcimage.call.identity"
local limits = require "qcimage.limits"
local look = require "qcimage.call.imagestate"
local prepare = require "qcimage.call.prepare"
local protect = require "qcimage.protect"
local read = require "qcimage.call.read"
local redact = require "qcimage.redact"
local retry = require "qcimage.call.retry"
local text = require "qcimage.text"
local turn = require "qcimage.call.turn"

local M = {}

local GONE = "; the public cloud closed API 2.0 in 2023: set apiVersion = \"3.0\" "
  .. "(QCIMAGE_API_VERSION=3.0) there, or endpoint for a private cloud"

-- What a function of the caller's says, without the secrets that are known by then.
local function without(call, said)
  return call.credentials and redact.call(said, call.credentials) or said
end

-- The time and, in API 2.0, the nonce of the next attempt. Returns nil, or an error.
local function stamp(call)
  local client, name = call.client, call.action.name
  local now, problem = client.clock()
  if type(now) ~= "number" or not (now >= 0 and now <= limits.latestTime) then
    problem = now == nil and problem
      or ("the option clock gave %s; Unix time in seconds is due"):format(text.show(now))
    return errors.notSent("parameter", ("%s: %s"):format(name, without(call, problem)), "clock")
  end
  call.now = now
  call.offset = now + client.offset >= 0 and client.offset or 0 -- a clock that was set back since
  call.time = math.floor(now + call.offset)
  if call.version == "3.0" then -- which has no nonce
    return nil
  end
  local nonce, fault = client.nonce()
  if nonce == nil and not client.options.nonce then
    return errors.notSent("unsupported", ("%s: %s"):format(name, fault))
  end
  nonce = type(nonce) == "number" and ("%.0f"):format(nonce) or nonce
  if type(nonce) ~= "string" or not nonce:find("^%d+$") or #nonce > 19 then
    fault = nonce == nil and fault or "the option nonce must give decimal digits"
    return errors.notSent("parameter", ("%s: %s"):format(name, without(call, fault)), "nonce")
  end
  call.nonce = nonce
end

--- Builds and signs the request of the next attempt: credentials asked for again, new time, new nonce.
---@param call qcimage.Call
---@return table|nil request
---@return qcimage.Error|nil err
function M.build(call)
  local client = call.client
  local err = not client.closed and (identity.authenticate(call) or stamp(call))
  if client.closed then -- before, or by what was asked
    err = errors.notSent("unsupported", call.action.name .. ": the client is closed")
  end
  if err then
    return nil, err
  end
  local request, message, field, kind = build.request(call)
  if not request then
    return nil, errors.notSent(kind, message, field)
  end
  -- kept apart from the request, which a transport may change
  local carrier, given = request.headers.Authorization or request.body or request.url, call.credentials
  function call.redact(foreign)
    return redact.call(foreign, given, build.signature(carrier))
  end
  return request
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
    message = ("%s: %s"):format(call.action.name, text.clean(call.redact(message), 500)),
  }
end

-- One attempt: returns a result, or nil and an error; and the answer where there was one.
local function try(call, request)
  local client = call.client
  local left = call.deadline - core.monotonic()
  if left <= 0 then
    return nil, transportError(call, "no time was left", { sent = false, reason = "timeout" })
  end
  local response, message, detail =
    client.transport(request, math.min(left, client.options.attemptTimeout or limits.attemptTimeout))
  if not response then
    return nil, transportError(call, message, detail)
  end
  local result, err = read.response(call, response)
  return result, err, response
end

-- Tells the caller's hook of an attempt. What it throws is kept, and changes nothing.
local function tell(call, entry)
  local ok, thrown = protect.call(call.client.options.onAttempt, {
    method = call.method,
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
    call.hookError = call.hookError or ("onAttempt threw: %s"):format(call.redact(protect.message(thrown)))
  end
end

local function record(call, elapsed, result, err)
  local entry = {
    duration = elapsed,
    outcome = result and "success" or err.outcome,
    code = (result or err).code,
    reason = err and err.reason,
    requestId = (result or err).requestId,
  }
  call.attempts[#call.attempts + 1] = entry
  if call.client.options.onAttempt then
    tell(call, entry)
  end
end

-- What the caller gets of a success.
local function succeed(call, result)
  result.attempts = call.attempts
  result.hookError = call.hookError
  return result
end

local FATES = {
  notSent = "nothing was sent",
  rejected = "nothing was changed",
  unknown = "the change may have been made",
}

-- The fate of the whole call, of which an error knows the last attempt's.
local function fate(call, outcome)
  if call.mayHaveHappened and (outcome == "notSent" or not call.action.reads) then
    return "unknown"
  elseif call.wasRefused and outcome == "notSent" then
    return "rejected"
  end
  return outcome
end

-- The error that the caller gets: fate of the whole call, hints, no secrets.
local function finish(call, err)
  err.outcome = fate(call, err.outcome)
  local message = err.message
  if err.reason == "notFound" then -- most often it is in another one
    message = ("%s (in %s)"):format(message, text.clean(call.region, 80))
  end
  if err.requestId then
    message = ("%s [requestId %s]"):format(message, text.clean(err.requestId, 80))
  end
  local isCallers = (err.kind == "parameter" or err.kind == "credentials") and #call.attempts == 0
  if not isCallers and not call.action.reads then
    message = ("%s; %s"):format(message, FATES[err.outcome])
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
  return nil, message, err
end

-- Seconds to wait before another attempt; or nil, and what to add to the message.
local function decide(call, err, clockCorrected)
  local client = call.client
  local wait, cost = retry.decide(err, {
    attempt = #call.attempts,
    maxAttempts = call.maxAttempts,
    left = call.deadline - core.monotonic(),
    repeatable = call.action.repeatable,
    tokens = client.tokens,
    random = client.random(),
    retryAfter = err.retryAfter,
    clockCorrected = clockCorrected,
    renewed = err.retry == "renew" and #call.attempts < call.maxAttempts and identity.renew(call),
  })
  if wait then
    client.tokens, call.cost = client.tokens - cost, cost
    return wait
  end
  return nil,
    cost and "; not tried again, since the client's store of retries is used up"
      or call.renewalProblem and ("; there are no other credentials: %s"):format(call.renewalProblem)
end

-- Seconds that an answer asks to wait; without a Date the own clock is what there is.
local function retryAfter(call, response, elapsed)
  local asked = response and response.headers["retry-after"]
  return asked
    and httpdate.retryAfter(
      asked,
      httpdate.parse(response.headers.date, call.now) or call.now + call.offset + elapsed
    )
end

-- What the image itself tells when the answers do not: the result of a change that is there, or nil.
local function settle(call, err)
  local isRefused = err.kind == "service" and (err.outcome == "rejected" or err.retry == "clock")
  local isUnknown = call.mayHaveHappened or err.outcome == "unknown"
  local changes = isUnknown and look.changesOf(call)
  if not changes then
    return nil
  elseif isRefused then
    return look.readBack(call, changes, M.run)
  elseif err.outcome == "unknown" and #call.attempts > 1 and call.client.tokens >= retry.LOOK_COST then
    call.client.tokens = call.client.tokens - retry.LOOK_COST -- an outage is not to be met by more requests
    return look.readBack(call, changes, M.run)
  end
  return nil
end

--- Makes the attempts of a prepared call.
---@param call qcimage.Call
---@return qcimage.Result|nil
---@return string|nil message
---@return qcimage.Error|nil err
function M.attempt(call)
  local client = call.client
  while true do
    local request
    local err = client.options.limiter and identity.locate(call) or turn.await(call) -- places are a region's
    if not err then
      request, err = M.build(call)
    end
    if err then
      return finish(call, err)
    end
    local started = core.monotonic()
    local result, response
    result, err, response = try(call, request)
    if result then
      client.tokens = retry.refill(client.tokens, call.cost)
      record(call, core.monotonic() - started, result)
      return succeed(call, result)
    end
    local elapsed = core.monotonic() - started
    local clockCorrected = err.retry == "clock" and clock.correct(call, err, response, elapsed)
    err.retryAfter = retryAfter(call, response, elapsed)
    record(call, elapsed, nil, err)
    turn.report(call, err)
    local wait, note = decide(call, err, clockCorrected)
    if not wait then
      result = settle(call, err)
      if result then
        return succeed(call, result)
      end
    end
    call.mayHaveHappened = call.mayHaveHappened or err.outcome == "unknown"
    call.wasRefused = call.wasRefused or err.outcome == "rejected"
    if wait then
      local slept, problem = client.sleep(wait)
      note = not slept and ("; not tried again, since " .. without(call, problem)) or nil
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
---@return string|nil message
---@return qcimage.Error|nil err
function M.run(client, name, params, options)
  local call, err = prepare.call(client, name, params, options)
  if not call then
    return errors.fail(err)
  elseif options.waitForState then
    err = identity.locate(call) or look.awaitState(call, options, M.run)
    if err then
      return errors.fail(err)
    end
    call.deadline = core.monotonic() + call.timeout
  end
  return M.attempt(call)
end

M.prepare = prepare.call

return M
