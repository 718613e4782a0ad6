--- stub.lua - clients over a transport that answers from a list and keeps what was sent.

local identity = require "spec.support.identity"

local M = {}

M.SECRET_ID, M.SECRET_KEY = identity.SECRET_ID, identity.SECRET_KEY

--- A client with the example identity.
---@param options table|nil more options, or other ones
function M.client(options)
  local all = { secretId = M.SECRET_ID, secretKey = M.SECRET_KEY, region = "gz", maxAttempts = 1 }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  if all.credentials then
    all.secretId, all.secretKey = nil, nil
  end
  return require("qcimage").new(all) -- here, so that specs of the core alone need no lua-cjson
end

--- A transport that answers one after another, the last one again and again. An answer is a body, a
--- table {status, headers, body}, or {fail = message, sent = …, reason = …}.
---@return function transport
---@return table[] requests what was sent
function M.transport(...)
  local answers, requests = { ... }, {}
  return function(request, seconds)
    requests[#requests + 1] = request
    request.seconds = seconds
    local answer = answers[math.min(#requests, #answers)]
    if type(answer) == "string" then
      answer = { body = answer }
    end
    if answer.fail then
      return nil, answer.fail, answer
    end
    return { status = answer.status or 200, headers = answer.headers or {}, body = answer.body }
  end,
    requests
end

--- A client over such a transport.
function M.answering(options, ...)
  local transport, requests = M.transport(...)
  local all = { transport = transport }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return M.client(all), requests
end

--- Parameters of a form or a query, decoded.
function M.form(text)
  local params = {}
  for name, value in (text or ""):gmatch("([^&=]+)=([^&]*)") do
    params[name] = value:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
  end
  return params
end

--- Contents of a file of spec/fixtures.
function M.fixture(name)
  local file = assert(io.open("spec/fixtures/" .. name, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- Writes a golden file anew.
---@param name string
---@param text string
function M.accept(name, text)
  local file = assert(io.open("spec/fixtures/" .. name, "wb"))
  assert(file:write(text))
  file:close()
end

--- Replaces the monotonic clock, so that a busy machine changes nothing: time passes only by `sleep`.
---@return table clock now (seconds), sleep(seconds), restore()
function M.clock()
  local core = require "qcimage.core"
  local monotonic = core.monotonic
  local clock = { now = 1000 }
  function core.monotonic()
    return clock.now
  end
  function clock.sleep(seconds)
    clock.now = clock.now + seconds
  end
  function clock.restore()
    core.monotonic = monotonic
  end
  return clock
end

return M
