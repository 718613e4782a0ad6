--- session_client_options.lua - what the lines of spec/fixtures/sessions/client_options.txt call; its globals are the session's.

getenv = os.getenv
image = require "qcimage"
options = require "qcimage.options"
function new(given)
  local ok, client = pcall(image.new, given)
  return ok and tostring(client) or (tostring(client):gsub("^.-:%d+: ", ""))
end
function target(given, environment)
  local t, err = require("qcimage.target").of(given, environment or {})
  if not t then
    return err.message, err.field
  end
  return t.version, t.endpoint and t.endpoint.origin, t.region.value, tostring(t.metadata), t.sts and t.sts.origin
end
function proxy(url, environment)
  local notes = select(3, require("qcimage.transport").new({}, environment))
  local fact = notes.facts(require("qcimage.api.endpoints").parse(url))
  return fact.value and ("%s (%s)"):format(fact.value, fact.source)
end
