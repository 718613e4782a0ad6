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

-- Parameters that come unchecked, as they are now: the caller's table may change while the call waits.
-- What nests deeper is refused when the request is built.
local COPIED_DEPTH = 64

local function copied(value, depth)
  if type(value) ~= "table" or depth > COPIED_DEPTH then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = copied(item, depth + 1)
  end
  return copy
end

--- Puts together what a call needs, up to the first attempt.
---@param client table
---@param name string the action
---@param params table
---@param options table checked
---@return table|nil call
---@return qcimage.Error|nil err
function M.prepare(client, name, params, options)
  local deadline = core.monotonic() + (options.timeout or client.options.timeout or limits.timeout)
  if client.closed then
    return nil, errors.notSent("unsupported", name .. ": the client is closed")
  elseif client.fault then
    return nil, errors.notSent("parameter", client.fault.message, client.fault.variable)
  end
  local version = client.version
  local action = actions[version][name]
  if options.raw and build.isActionName(name) then
    action = { name = name, host = action and action.host }
  elseif not action then
    local message = ("%s in API %s%s"):format(
      text.unknown("action", name, actions[version]),
      version,
      options.raw and "" or "; raw = true sends it as it is"
    )
    return nil, errors.notSent("parameter", message, "action")
  end

  local method = client.options.method or "POST"
  local values, wanted
  if options.raw then
    values = copied(params, 0)
  else
    local message, field
    values, message, field = check.params(action, params, {
      version = version,
      skipRules = client.options.skipRules,
    })
    if not values then
      return nil, errors.notSent("parameter", message, field)
    end
    wanted = {}
    for each in pairs(action.params) do
      wanted[each] = params[each]
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
    wanted = wanted,
    values = values,
    method = method,
    endpoint = client.endpoint or endpoints.default(version, action),
    region = endpoints.region(region, version),
    credentials = given,
    signer = signer,
    signatureMethod = client.options.signatureMethod or "HmacSHA256",
    language = client.options.language,
    userAgent = client.userAgent,
    deadline = deadline,
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
  if client.closed then
    return nil, errors.notSent("unsupported", call.action.name .. ": the client is closed")
  end
  local now = client.clock()
  if type(now) ~= "number" or not (now >= 0 and now <= limits.latestTime) then
    return nil,
      errors.notSent("parameter", ("%s: the option clock gave %s; Unix time in seconds is due"):format(
        call.action.name,
        text.show(now)
      ), "clock")
  end
  call.now = now
  call.offset = now + client.offset >= 0 and client.offset or 0 -- a clock that was set back since
  call.time = math.floor(now + call.offset)
  local nonce, problem = client.nonce()
  nonce = type(nonce) == "number" and ("%.0f"):format(nonce) or nonce
  if type(nonce) ~= "string" or not nonce:find("^%d+$") or #nonce > 19 then
    local message = problem or "the option nonce must give decimal digits"
    return nil, errors.notSent("parameter", ("%s: %s"):format(call.action.name, message), "nonce")
  end
  call.nonce = nonce
  local request, message, field, kind = build.request(call)
  if not request then
    return nil, errors.notSent(kind, message, field)
  end
  -- kept apart from the request, which a transport may change
  local carrier = request.headers.Authorization or request.body or request.url
  function call.redact(foreign)
    return credentials.redact(foreign, call.credentials, build.signature(carrier))
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
    message = ("%s: %s"):format(
      call.action.name,
      text.clean(call.redact(tostring(message or "the transport gave no message")), 500)
    ),
  }
end

-- The answer of a transport of the caller's in the form that ours give: headers are text by name, the first
-- of those that came as a list. Nil without a status or a body.
local function tidied(response)
  local status = response.status
  if type(status) ~= "number" or status < 100 or status > 999 or status % 1 ~= 0 then
    return nil
  elseif type(response.body) ~= "string" then
    return nil
  end
  local headers = {}
  for name, value in pairs(type(response.headers) == "table" and response.headers or {}) do
    if type(value) == "table" then
      value = value[1]
    end
    if type(value) == "string" or type(value) == "number" then
      headers[name] = tostring(value)
    end
  end
  return { status = status, headers = headers, body = response.body }
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
  if type(response) ~= "table" then
    return nil, transportError(call, message, detail)
  end
  if client.options.transport then
    response = tidied(response)
    if not response then
      return nil, transportError(call, "the transport gave no status or no body", { reason = "format" })
    end
  end
  local result, err = read.response(call, response)
  return result, err, response
end

-- Seconds that a clock may be off before the service minds (300), less some for the way.
local TOLERATED = 240

-- After a refusal of the clock: learns the offset from the answer's Date. Returns whether the next attempt
-- differs.
local function correctClock(call, err, response, elapsed)
  local date = response and httpdate.parse(response.headers.date)
  local offset = date and math.floor(date - (call.now + elapsed) + 0.5) -- a Date has whole seconds
  if date and not (date >= 0 and date <= limits.latestTime) then
    offset = nil
  end
  local off = offset and call.offset - offset or 0 -- of the clock that signed, from the service's
  if math.abs(off) >= 1 then
    err.message = ("%s; the clock that signed is %d s %s the service's"):format(
      err.message,
      math.abs(off),
      off < 0 and "behind" or "ahead of"
    )
  end
  local first = not call.clockCorrected
  call.clockCorrected = true
  if err.code == 4500 or err.code == "InvalidRequest.ReplayAttack" then
    if math.abs(off) < TOLERATED then
      -- The clock is right, so the nonce had been seen: this request has arrived before, by whatever way.
      err.outcome = "unknown"
      err.message = err.message .. "; its nonce had been seen, so it may have arrived twice"
      return first
    end
  end
  if first and math.abs(off) >= 1 then
    call.client.offset = offset
    return true
  end
  return false
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
local function finish(call, err)
  local where = err.requestId and (" [requestId %s]"):format(text.clean(err.requestId, 80)) or ""
  local fate = ""
  if (err.kind ~= "parameter" or #call.attempts > 0) and not call.action.reads then
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
  err.message = err.message .. where .. fate .. tries .. hint
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
    local elapsed = core.monotonic() - started
    local clockCorrected = err and err.retry == "clock" and correctClock(call, err, response, elapsed)
    record(call, request, started, result, err)
    if result then
      client.tokens = retry.refill(client.tokens, cost)
      result.attempts = call.attempts
      return result
    end

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
    local isRefused = err.kind == "service" and (err.outcome == "rejected" or err.retry == "clock")
    if not wait and isRefused and (mayHaveHappened or err.outcome == "unknown") then
      result = look.readBack(call, M.run)
      if result then
        result.attempts = call.attempts
        return result
      end
    end
    mayHaveHappened = mayHaveHappened or err.outcome == "unknown"
    if not wait then
      if mayHaveHappened and not call.action.reads then
        err.outcome = "unknown"
      end
      return finish(call, err)
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
    err = look.awaitState(call, options, M.run)
    if not err then -- afresh: temporary keys may have changed meanwhile
      call, err = M.prepare(client, name, params, options)
    end
  end
  if err then
    return errors.fail(err)
  end
  return M.attempt(call)
end

return M
