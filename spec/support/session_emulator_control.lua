--- session_emulator_control.lua - what the lines of spec/fixtures/sessions/emulator_control.txt call; its globals are the session's.

emulators = require "spec.support.emulator"
json = require "cjson"
function start(options)
  local all = {
    clock = function()
      return now
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  emulator, v2, v3 = emulators.new(all)
end
function ask(method, path, body)
  local r =
    emulator:handle { method = method, scheme = "http", host = "h", path = path, query = "", headers = {}, body = body }
  return r.status, r.body, r.delay, r.pause, r.drop
end
function told(action, body)
  local r = emulator:handle(emulators.v3(action, body, { time = math.floor(now) }))
  local code = r.body and r.body:match '"Code":"([^"]*)"'
  return r.drop and "dropped" or code and code .. ": " .. r.body:match '"Message":"([^"]*)"' or (r.body:gsub(
    '{"Response":{(.-),?"RequestId.*',
    "done %1"
  )),
    r.status,
    r.delay,
    r.pause
end
function quota()
  return told("DescribeImageQuota", "{}")
end
function rename(name)
  local words, status, delay = told("ModifyImageAttribute", { ImageId = "img-12345678", ImageName = name })
  return ("%s, HTTP %d, delay %s: %s"):format(words, status, delay or "none", emulator:images()[1].imageName)
end
function fault(given)
  local ok, message = pcall(emulator.fault, emulator, given)
  return ok or message
end
function name()
  return v3("DescribeImages", { ImageIds = { "img-12345678" } }, { time = now }).ImageSet[1].ImageName
end
function nonce(given, timestamp)
  return v2("DescribeImages", { imageType = 1, Nonce = given, Timestamp = ("%.0f"):format(timestamp) }).code
end
function keys()
  local _, body = ask("GET", "/latest/meta-data/cam/security-credentials/image-ops")
  local k = json.decode(body)
  return k.TmpSecretId:sub(1, 8), k.ExpiredTime - now, k.Expiration, k.Code, #k.Token, #k.TmpSecretKey
end
-- The emulator as a transport, with 5 seconds for an attempt: what becomes of a change, and how long is slept.
function within5(given)
  local slept = {}
  local transport, service = require("qcimage.emulator").transport {
    sleep = function(seconds)
      slept[#slept + 1] = ("%.4g"):format(seconds)
    end,
  }
  service:fault(given)
  local client = require("spec.support.stub").client { transport = transport, attemptTimeout = 5 }
  local _, _, err = client:modify({ imageId = "img-12345678", imageDescription = "d" }, { readBack = false })
  return err and err.reason or "success", table.concat(slept, " ")
end
