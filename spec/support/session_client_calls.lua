--- session_client_calls.lua - what the lines of spec/fixtures/sessions/client_calls.txt call; its globals are the session's.

stub = require "spec.support.stub"
OK = '{"code":0,"message":""}'
function told(result, message, err)
  local l = {}
  for i, one in ipairs((result or err).attempts or {}) do
    l[i] = one.outcome
      .. (one.code and " " .. one.code or "")
      .. (one.reason and " " .. one.reason or "")
      .. (one.readBack and " readBack" or "")
  end
  local what = result and "success" .. (result.requestId and " " .. result.requestId or "")
    or ("%s/%s/%s/%s"):format(err.kind, tostring(err.reason), err.outcome, tostring(err.field))
  return what,
    message,
    table.concat(l, ", "),
    #requests .. " sent" .. (#waits > 0 and ", waited " .. table.concat(waits, " ") or "")
end
function call(options, answers, action, params)
  waits = {}
  local o = {
    maxAttempts = 3,
    clock = function()
      return 1700000000
    end,
    nonce = function()
      return "1"
    end,
    sleep = function(s)
      waits[#waits + 1] = ("%.3g"):format(s)
      return true
    end,
  }
  for k, v in pairs(options or {}) do
    o[k] = v
  end
  local client
  client, requests = stub.answering(o, (table.unpack or unpack)(answers))
  client.random = function()
    return 0.5
  end
  last = client
  if action then
    return told(client:call(action, params))
  end
  return told(client:modify { imageId = "img-12345678", imageName = "web-01" })
end
function three(options, answers, action, params)
  options.apiVersion = "3.0"
  return call(options, answers, action, params)
end
function state(name)
  return ('{"code":0,"totalCount":1,"imageSet":[{"unImgId":"img-12345678","imageName":"a","status":%d}]}'):format(name)
end
function wait(answers, options)
  waits = {}
  local o = {
    sleep = function(s)
      waits[#waits + 1] = ("%.10g"):format(s)
      return true
    end,
  }
  for k, v in pairs(options or {}) do
    o[k] = v
  end
  local client
  client, requests = stub.answering(o, (table.unpack or unpack)(answers))
  return told(client:wait({ imageIds = { "img-12345678" } }, { waitTimeout = 1000 }))
end
function refused(code, date)
  return { body = ('{"code":%s,"message":"m"}'):format(code), headers = { date = date } }
end
function each(answers, params)
  waits = {}
  local client
  client, requests = stub.answering({}, (table.unpack or unpack)(answers))
  local l = {}
  local ok, err = pcall(function()
    for image in client:each(params) do
      l[#l + 1] = image.imageId
    end
  end)
  return table.concat(l, " "), #requests, ok or tostring(err)
end
function page(total, ...)
  local l = {}
  for i, id in ipairs { ... } do
    l[i] = ('{"unImgId":"%s"}'):format(id)
  end
  return ('{"code":0,%s"imageSet":[%s]}'):format(
    total and ('"totalCount":%d,'):format(total) or "",
    table.concat(l, ",")
  )
end
