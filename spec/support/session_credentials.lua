--- session_credentials.lua - what the lines of spec/fixtures/sessions/credentials.txt call; its globals are the session's.

cloud = require "spec.support.cloud"
cvm, oidc, sts =
  require "qcimage.credentials.cvm_role", require "qcimage.credentials.oidc_role", require "qcimage.credentials.sts"
assumerole, refresh, keys =
  require "qcimage.credentials.assume_role",
  require "qcimage.credentials.refresh",
  require "qcimage.credentials.provider"
roles = require "qcimage.api.roles"
environment, chain = require "qcimage.credentials.environment", require "qcimage.credentials.chain"
function told(given, err)
  if type(given) == "string" then
    return given
  end
  return given
      and tostring(given) .. (given.token and " " .. #given.token or "") .. (given.expires and (" ends in %.6g"):format(
        given.expires - world.time
      ) or "")
    or ("%s: %s (%s%s)"):format(err.kind, err.message, tostring(err.field), err.final and ", final" or "")
end
function ask(source, w)
  world = cloud.context(w)
  local said = told(source(world))
  local l = {}
  for i, r in ipairs(world.requests) do
    local again = i > 1 and r.url == world.requests[i - 1].url
    l[i] = (again and "again" or r.url:gsub("http://", ""):gsub("latest/meta%-data/", "…"))
      .. (" %g"):format(r.seconds)
  end
  return said, table.concat(l, ", "), world.slept > 0 and ("slept %.3g"):format(world.slept) or "no sleep"
end
function role(answer, list)
  return { metadata = { ["security-credentials/"] = list or "image-ops\n", ["/image-ops"] = answer } }
end
function source(life)
  return refresh.new(function(context)
    count = count + 1
    if type(life) == "function" then
      return life(context)
    end
    return keys.validate(
      { secretId = "AKIDnumber" .. count, secretKey = "key", token = "t" },
      nil,
      nil,
      { expires = context.time + life }
    )
  end, { name = "TEST", longest = 5 })
end
function later(seconds)
  world.time = world.time + seconds
  return told(kept(world))
end
KEYS = function()
  return keys.validate { secretId = "AKIDbase", secretKey = "key" }
end
function assume(fields, w)
  local all = { roleArn = cloud.ARN }
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  w = w or { sts = cloud.sts() }
  return ask(assumerole.new(KEYS, all), w),
    world.calls[1] and world.calls[1].action,
    world.calls[1] and world.calls[1].params,
    world.calls[1] and world.calls[1].how.region,
    world.calls[1] and world.calls[1].how.secondsLeft,
    world.calls[1] and world.calls[1].how.endpoint
end
function gives(result)
  return {
    sts = function()
      return result
    end,
  }
end
function arn(text)
  return roles.arnProblem(text) and "no" or "yes"
end
function session(name)
  return roles.sessionProblem(name) and "no" or "yes"
end
function write(contents)
  local file = io.open(path, "wb")
  file:write(contents)
  file:close()
end
function pod(changes, w)
  local all =
    { TKE_REGION = "ap-tokyo", TKE_PROVIDER_ID = "p", TKE_WEB_IDENTITY_TOKEN_FILE = path, TKE_ROLE_ARN = cloud.ARN }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  w = w or { sts = cloud.sts() }
  local said = ask(oidc.new(all), w):gsub(path:gsub("%W", "%%%0"), "FILE")
  return said,
    world.calls[1] and world.calls[1].action,
    world.calls[1] and world.calls[1].params,
    world.calls[1] and world.calls[1].how
end
function from(variables)
  return ask(environment.new(variables), { sts = cloud.sts() }), environment.isConfigured(variables)
end
function check(given)
  world = { time = 0 }
  return told(keys.validate(given))
end
function none(name, final)
  return function()
    return keys.noCredentials(name, final)
  end
end
function within(seconds)
  isNested = false
  kept = nested
  later(0)
  isNested, inner = true, nil
  local outer = later(seconds)
  return outer, inner, world.slept
end
credentials = require "qcimage.credentials"
function provider(options)
  local source, isFixed = credentials.provider(options, {}, { metadata = false })
  local given, err = source(cloud.context())
  return tostring(given and given or err.message), isFixed
end
emulator = require "qcimage.emulator"
function made(source)
  asked = {}
  transport, service = emulator.transport {
    clock = function()
      return cloud.NOW
    end,
  }
  return require("qcimage").new {
    apiVersion = "3.0",
    region = "gz",
    credentials = source,
    clock = function()
      return cloud.NOW
    end,
    transport = function(request, seconds)
      asked[#asked + 1] = request.headers["X-TC-Action"]
        .. " by "
        .. (request.headers.Authorization:match "Credential=([^/]+)" or request.headers.Authorization)
      return transport(request, seconds)
    end,
  }
end
