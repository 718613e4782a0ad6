--- session_client_parameters.lua - what the lines of spec/fixtures/sessions/client_parameters.txt call; its globals are the session's.

stub = require "spec.support.stub"
json = require "cjson"
null = json.null
function ask(version, action, params, options, more)
  local o = {
    apiVersion = version,
    transport = function(r)
      sent = r
      return { status = 200, headers = {}, body = version == "3.0" and '{"Response":{"RequestId":"r"}}' or '{"code":0}' }
    end,
  }
  for k, v in pairs(more or {}) do
    o[k] = v
  end
  sent = nil
  local ok, message, err = stub.client(o):call(action, params, options)
  if not ok then
    return message, err.kind, err.field, sent and "sent"
  end
  return wire(sent)
end
skipped = { Action = 1, Nonce = 1, Timestamp = 1, SecretId = 1, Signature = 1, SignatureMethod = 1 }
function wire(r)
  if r.headers["X-TC-Action"] then
    return r.headers["X-TC-Region"], json.decode(r.body)
  end
  local l = {}
  for k, v in pairs(stub.form(r.body)) do
    if not skipped[k] then
      l[#l + 1] = k .. "=" .. v
    end
  end
  table.sort(l)
  return table.concat(l, " & ")
end
function two(action, params, options, more)
  return ask("2.0", action, params, options, more)
end
function three(action, params, options, more)
  return ask("3.0", action, params, options, more)
end
function modify(params, options, more)
  return two("ModifyImageAttributes", params, options, more)
end
function modify3(params, options, more)
  return three("ModifyImageAttribute", params, options, more)
end
function place(version, action, params)
  ask(version, action, params)
  return sent and sent.url,
    sent and sent.headers["X-TC-Version"],
    sent and (sent.headers.Authorization or ""):match "/(%w+)/tc3_request"
end
function answer(r)
  told[#told + 1] = "sent to " .. r.host
  return {
    status = 200,
    headers = {},
    body = r.host:find "^sts"
        and '{"Response":{"Credentials":{"Token":"t","TmpSecretId":"AKIDx","TmpSecretKey":"k"},"ExpiredTime":99999999999,"RequestId":"s"}}'
      or '{"Response":{"RequestId":"r"}}',
  }
end
parameters = require "qcimage.call.copy_params"
function nest(depth)
  local list = {}
  for _ = 2, depth do
    list = { list }
  end
  return list
end
function shared(own, given)
  local depth = 1
  while own ~= given do
    own, given, depth = own[1], given[1], depth + 1
  end
  return depth
end
function accepted(...)
  local own, problem = parameters.copy(...)
  return problem or own ~= nil
end
