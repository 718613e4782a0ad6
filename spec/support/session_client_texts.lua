--- session_client_texts.lua - what the lines of spec/fixtures/sessions/client_texts.txt call; its globals are the session's.

text = require "qcimage.util.text"
clean, show, nearest = text.oneLine, text.quote, text.closest
date = require "qcimage.util.http_date"
expiry = require "qcimage.credentials.expiration"
endpoints = require "qcimage.api.endpoints"
function at(url)
  local e, problem = endpoints.parse(url)
  if not e then
    return problem
  end
  return ("%s %s %d %s %s %s"):format(e.scheme, e.host, e.port, e.origin, e.hostHeader, tostring(e.version))
end
json = require "qcimage.util.json"
function decode(source)
  local value = json.decode(source)
  return value == nil and "none" or shown(value)
end
wire = require "qcimage.emulator.json"
t = require "qcimage.emulator.text"
redact = require "qcimage.util.redact"
function out(message, signature)
  return redact.secrets(message, keys, signature)
end
http = require "qcimage.transport.http1"
function read(most, ...)
  local r = http.reader(most)
  for _, piece in ipairs { ... } do
    local ok, problem, reason = r:feed(piece)
    if ok == nil then
      return problem, reason
    end
  end
  if not r.response then
    r:finish()
  end
  local a = r.response
  if not a then
    return "incomplete", r.started
  end
  return a.status, a.body, a.headers, r.keep
end
