--- session_emulator_requests_of_API_3.lua - what the lines of the session emulator_requests_of_API_3 call; its globals
--- are the session's.

emulators = require "spec.support.emulator"
json = require "cjson"
function start(options)
  emulator = emulators.new(options)
end
function answer(r)
  local a = json.decode(emulator:handle(r).body).Response
  if a.Error then
    return a.Error.Code .. ": " .. a.Error.Message
  end
  if a.Credentials then
    return ("keys until %s, %d"):format(a.Expiration, a.ExpiredTime)
  end
  a.RequestId = nil
  return a.TotalCount or a.ImageNumQuota or a
end
function v3(options, change, body, action)
  local r = emulators.v3(action or "DescribeImageQuota", body or "{}", options)
  if change then
    change(r)
  end
  return answer(r)
end
function set(name, value)
  return function(r)
    r.headers[name] = value
  end
end
function get(query, options)
  options = options or {}
  options.method, options.query = "GET", query
  options.headers = options.headers or { ["content-type"] = "application/x-www-form-urlencoded" }
  return answer(emulators.v3(options.action or "DescribeImages", "", options))
end
function v1(changes, options)
  serial = serial + 1
  local all = {
    Action = "DescribeImages",
    Version = "2017-03-12",
    Timestamp = "1700000000",
    Region = "ap-guangzhou",
    Nonce = tostring(serial),
    SecretId = emulators.SECRET_ID,
    Limit = "1",
  }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  options = options or {}
  options.path = "/"
  return answer(emulators.v1(all, options))
end
function sts(action, body, options)
  options = options or {}
  options.service, options.headers = "sts", { ["x-tc-version"] = "2018-08-13" }
  for name, value in pairs(options.more or {}) do
    options.headers[name] = value
  end
  return v3(options, options.change, body, action)
end
function role(changes, options)
  local all = { RoleArn = "qcs::cam::uin/100000000001:roleName/ops", RoleSessionName = "me" }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  return sts("AssumeRole", all, options)
end
function web(changes, options)
  local all = {
    ProviderId = "p",
    WebIdentityToken = "secret-web-token",
    RoleArn = "qcs::cam::uin/100000000001:roleName/ops",
    RoleSessionName = "me",
  }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  return sts("AssumeRoleWithWebIdentity", all, options)
end
-- Temporary keys of a role.
function issued(action)
  local body = { RoleArn = "qcs::cam::uin/100000000001:roleName/ops", RoleSessionName = "me" }
  if action == "AssumeRoleWithWebIdentity" then
    body.ProviderId, body.WebIdentityToken = "p", "secret-web-token"
  end
  local r = emulators.v3(action, body, { service = "sts", headers = { ["x-tc-version"] = "2018-08-13" }, time = now })
  return json.decode(emulator:handle(r).body).Response.Credentials
end
-- What a call of API 3.0 with temporary keys is answered; options: action, key, token.
function opened(keys, options)
  options = options or {}
  local isSts = options.action == "GetCallerIdentity"
  local token = options.token
  if token == nil then
    token = keys.Token
  end
  return v3({
    time = now,
    service = isSts and "sts" or nil,
    headers = { ["x-tc-token"] = token, ["x-tc-version"] = isSts and "2018-08-13" or nil },
    key = options.key or keys.TmpSecretKey,
    authorization = function(text)
      return (text:gsub("Credential=[^/]*", "Credential=" .. keys.TmpSecretId))
    end,
  }, nil, "{}", options.action)
end
-- The code that one of API 2.0 is answered.
function opened2(keys, changes)
  local all = { Action = "DescribeImages", imageType = 1, Timestamp = ("%.0f"):format(now) }
  all.SecretId, all.Token = keys.TmpSecretId, keys.Token
  for name, value in pairs(changes or {}) do
    all[name] = value
  end
  return json.decode(emulator:handle(emulators.v2(all, { key = keys.TmpSecretKey })).body).code
end
