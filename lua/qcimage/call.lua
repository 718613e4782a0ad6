--- call.lua - one call: check, then attempts, each built and signed afresh, until one settles it.
--- Reaches the outside only through what the client holds: transport, clock, sleep, nonce.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.actions"
local build = require "qcimage.build"
local check = require "qcimage.check"
local codes = require "qcimage.codes"
local core = require "qcimage.core"
local credentials = require "qcimage.credentials"
local endpoints = require "qcimage.endpoint"
local errors = require "qcimage.errors"
local httpdate = require "qcimage.httpdate"
local limits = require "qcimage.limits"
local look = require "qcimage.look"
local read = require "qcimage.read"
local retry = require "qcimage.retry"
local text = require "qcimage.text"

local M = {}

local GONE = "; the public cloud closed API 2.0 in 2023: set apiVersion = \"3.0\" "
  .. "(QCIMAGE_API_VERSION=3.0) there, or endpoint for a private cloud"

--- Puts together what a call needs, up to the first attempt.
---@param client table
---@param name string the action
---@param params table
---@param options table checked
---@return table|nil call
---@return qcimage.Error|nil err
function M.prepare(client, name, params, options)
  if client.fault then
    return nil, errors.notSent("parameter", client.fault.message, client.fault.variable)
  end
  local version = client.version
  local action = actions[version][name]
  if options.raw and build.isActionName(name) then
    action = { name = name, host = action and action.host }
  elseif not action then
    local message = ("%s in API %s; raw = true sends it as it is"):format(
      text.unknown("action", name, actions[version]),
      version
    )
    return nil, errors.notSent("parameter", message, "action")
  end

  local method = client.options.method or "POST"
  local values = params
  if not options.raw then
    local message, field
    values, message, field = check.params(action, params, {
      version = version,
      skipRules = client.options.skipRules,
    })
    if not values then
      return nil, errors.notSent("parameter", message, field)
    end
  end

  local region = options.region or client.region
  if not region then
    return nil,
      errors.notSent(
        "parameter",
        name
          .. ": no region: looked at the option region (not given)"
          .. " and at the environment (TENCENTCLOUD_REGION is not set)",
        "region"
      )
  end
  local given, problem, where = client.provider()
  if not given then
    return nil, errors.notSent("credentials", ("%s: %s"):format(name, problem), where)
  end
  local signer, signerProblem = client.signerOf(given)
  if not signer then
    return nil, errors.notSent("unsupported", ("%s: %s"):format(name, signerProblem))
  end

  return {
    client = client,
    version = version,
    action = action,
    params = params,
    values = values,
    method = method,
    endpoint = client.endpoint or endpoints.default(version, action),
    region = endpoints.region(region, version),
    credentials = given,
    signer = signer,
    signatureMethod = client.options.signatureMethod or "HmacSHA256",
    language = client.options.language,
    userAgent = client.userAgent,
    deadline = core.monotonic() + (options.timeout or client.options.timeout or limits.timeout),
    maxAttempts = options.maxAttempts or client.options.maxAttempts or limits.maxAttempts,
    attempts = {},
  }
end

--- Builds and signs the request of the next attempt: new time, new nonce.
---@param call table
---@return table|nil request
---@return qcimage.Error|nil err
function M.build(call)
  local client = call.client
  local now = client.clock()
  if type(now) ~= "number" or not (now >= 0 and now <= limits.latestTime) then
    return nil,
      errors.notSent("parameter", ("%s: the option clock gave %s; Unix time in seconds is due"):format(
        call.action.name,
        text.show(now)
      ), "clock")
  end
  call.offset = client.offset
  call.time = math.floor(now + call.offset)
  local nonce, problem = client.nonce()
  nonce = type(nonce) == "number" and ("%.0f"):format(nonce) or nonce
  if type(nonce) ~= "string" or not nonce:find("^%d+$") or #nonce > 19 then
    local message = problem or "the option nonce must give decimal digits"
    return nil, errors.notSent("parameter", ("%s: %s"):format(call.action.name, message), "nonce")
  end
  call.nonce = nonce
  local request, message, field = build.request(call)
  if not request then
    return nil, errors.notSent(field and "parameter" or "unsupported", message, field)
  end
  return request
end

-- What a transport that failed says, as an error.
local function transportError(call, message, detail)
  detail = type(detail) == "table" and detail or {}
  local reason = detail.reason
  local kind = detail.kind or (reason == "tooLarge" or reason == "format") and "response" or "network"
  return errors.new {
    kind = kind,
    reason = reason,
    outcome = detail.sent == false and "notSent" or "unknown",
    lasting = detail.lasting,
    reused = detail.reused,
    message = ("%s: %s"):format(call.action.name, text.clean(tostring(message), 500)),
  }
end

-- One attempt: returns a result, or nil and an error; and the answer where there was one.
local function try(call, request)
  local client = call.client
  local left = call.deadline - core.monotonic()
  local response, message, detail =
    client.transport(request, math.min(left, client.options.attemptTimeout or limits.attemptTimeout))
  if type(response) ~= "table" then
    return nil, transportError(call, message, detail)
  end
  if type(response.status) ~= "number" or type(response.body) ~= "string" then
    return nil, transportError(call, "the transport gave no status or no body", { reason = "format" })
  end
  response.headers = type(response.headers) == "table" and response.headers or {}
  local result, err = read.response(call, response)
  return result, err, response
end

-- How far the service's clock is ahead of this machine's, by an answer's Date.
local function measuredOffset(call, response)
  local date = response and httpdate.parse(response.headers.date)
  return date and date - call.client.clock(), date
end

-- After a refusal of the clock: learns the offset. Returns whether the next attempt differs.
local function correctClock(call, err, response)
  local offset = measuredOffset(call, response)
  if offset then
    local off = math.floor(call.offset - offset + 0.5)
    err.message = ("%s; the clock that signed is %d s %s the service's"):format(
      err.message,
      math.abs(off),
      off < 0 and "behind" or "ahead of"
    )
  end
  if call.clockCorrected then
    return false
  end
  call.clockCorrected = true
  if offset and math.abs(offset - call.offset) >= 1 then
    call.client.offset = offset
    return true
  end
  -- API 2.0 answers the same code to a nonce that it has seen, and the next one is new.
  return call.version == "2.0"
end

local function record(call, request, started, result, err)
  local entry = {
    duration = core.monotonic() - started,
    outcome = result and "success" or err.outcome,
    code = result and result.code or err and err.code,
    reason = err and err.reason,
  }
  call.attempts[#call.attempts + 1] = entry
  local hook = call.client.options.onAttempt
  if hook then
    hook {
      method = request.method,
      host = call.endpoint.hostHeader,
      action = call.action.name,
      region = call.region,
      attempt = #call.attempts,
      duration = entry.duration,
      outcome = entry.outcome,
      code = entry.code,
      reason = entry.reason,
      requestId = (result or err).requestId,
    }
  end
end

local FATES = {
  notSent = "nothing was sent",
  rejected = "nothing was changed",
  unknown = "the change may have been made",
}

-- The error that the caller gets: fate of the whole call, hints, no secrets.
local function finish(call, err, request)
  local where = err.requestId and (" [requestId %s]"):format(text.clean(err.requestId, 80)) or ""
  local fate = ""
  if err.kind ~= "parameter" and not call.action.reads then
    fate = "; " .. FATES[err.outcome]
  end
  local hint = ""
  if
    call.version == "2.0"
    and call.endpoint.isDefault
    and (codes.isGone(err.code) or err.kind == "network" and err.outcome == "notSent")
  then
    hint = GONE
  end
  local tries = #call.attempts > 1 and (" (%d attempts)"):format(#call.attempts) or ""
  local signature = request and build.signature(request)
  local message = err.message .. where .. fate .. tries .. hint
  err.message = credentials.redact(message, call.credentials, signature)
  err.serviceMessage = err.serviceMessage and credentials.redact(err.serviceMessage, call.credentials, signature)
  err.attempts = call.attempts
  err.retry, err.reused, err.lasting = nil, nil, nil
  return nil, err.message, err
end

--- Makes the attempts of a prepared call.
---@param call table from M.prepare
---@return qcimage.Result|nil
---@return string|nil message
---@return qcimage.Error|nil err
function M.attempt(call)
  local client = call.client
  local mayHaveHappened, cost = false, nil
  while true do
    local request, buildError = M.build(call)
    if not request then
      buildError.outcome = mayHaveHappened and "unknown" or buildError.outcome
      return finish(call, buildError)
    end
    local started = core.monotonic()
    local result, err, response = try(call, request)
    record(call, request, started, result, err)
    if result then
      client.tokens = retry.refill(client.tokens, cost)
      result.attempts = call.attempts
      return result
    end

    if mayHaveHappened and err.outcome ~= "unknown" then
      result = look.readBack(call, M.run)
      if result then
        result.attempts = call.attempts
        return result
      end
    end
    mayHaveHappened = mayHaveHappened or err.outcome == "unknown"

    local clockCorrected = err.retry == "clock" and correctClock(call, err, response)
    local wait, taken = retry.decide(err, {
      attempt = #call.attempts,
      maxAttempts = call.maxAttempts,
      left = call.deadline - core.monotonic(),
      repeatable = call.action.repeatable,
      tokens = client.tokens,
      random = client.random(),
      retryAfter = response and httpdate.retryAfter(
        response.headers["retry-after"],
        httpdate.parse(response.headers.date)
      ),
      clockCorrected = clockCorrected,
    })
    if not wait then
      if mayHaveHappened and not call.action.reads then
        err.outcome = "unknown"
      end
      return finish(call, err, request)
    end
    cost = taken
    client.tokens = client.tokens - taken
    client.sleep(wait)
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
  local call, err = M.prepare(client, name, params, options)
  if call and options.waitForState then
    err = look.awaitState(client, name, params, options, M.run)
    call.deadline = core.monotonic() + (options.timeout or client.options.timeout or limits.timeout)
  end
  if err then
    return errors.fail(err)
  end
  return M.attempt(call)
end

return M
