--- cloud.lua - what a source of credentials sees of the world, made of tables: clocks that stand still, a metadata
--- service and an STS that answer from lists and keep what they were asked. And folders for the files of a test.

local process = require "spec.support.process"
local stub = require "spec.support.stub"
local warning = require "qcimage.util.warning"

local M = {}

--- What was warned of; the files of a test are open to others.
M.warnings = {}

function warning.once(message)
  M.warnings[#M.warnings + 1] = message
end

M.NOW = 1700000000
M.ARN = "qcs::cam::uin/100000000001:roleName/image-ops"

--- An answer of the metadata service for a role.
---@param fields table|nil what differs
function M.document(fields)
  local values = {
    TmpSecretId = '"' .. stub.SECRET_ID .. '"',
    TmpSecretKey = '"' .. stub.SECRET_KEY .. '"',
    Token = '"EXAMPLEtoken"',
    ExpiredTime = ("%d"):format(M.NOW + 7200),
    Expiration = '"2023-11-15T00:13:20Z"',
    Code = '"Success"',
  }
  for name, value in pairs(fields or {}) do
    values[name] = value or nil
  end
  local list = {}
  for name, value in pairs(values) do
    list[#list + 1] = ('"%s": %s'):format(name, value)
  end
  return "{" .. table.concat(list, ", ") .. "}"
end

-- Answers for requests by the end of their path; a list answers one after another, its last again and again.
local function answerFrom(answers, path, times)
  for ending, answer in pairs(answers) do
    if path:sub(-#ending) == ending then
      times[ending] = (times[ending] or 0) + 1
      if type(answer) == "table" and answer[1] then
        answer = answer[math.min(times[ending], #answer)]
      end
      return type(answer) == "string" and { body = answer } or answer
    end
  end
  return { status = 404, body = "" }
end

--- A context. Its fields `requests` (of the metadata service), `calls` (of STS), `slept` and `time` tell and steer.
---@param world {metadata: table|nil, sts: function|nil, time: number|nil}|nil metadata: answers by path's end; an answer
--- is a body, {status, body}, or {fail, sent}. sts(action, params, how, context): a result, or nil and an err
function M.context(world)
  world = world or {}
  local context = {
    time = world.time or M.NOW,
    requests = {},
    calls = {},
    slept = 0,
    secondsLeft = 30,
    canWait = world.canWait or false,
  }
  function context.now()
    return context.time
  end
  function context.monotonic()
    return context.time
  end
  function context.random()
    return 0.5
  end
  function context.sleep(seconds)
    context.slept = context.slept + seconds
    context.time = context.time + seconds
    if world.sleep then
      world.sleep(seconds)
    end
    return true
  end
  local times = {}
  function context.metadata(request, seconds)
    context.requests[#context.requests + 1] = { url = request.url, seconds = seconds, request = request }
    local answer = answerFrom(world.metadata or {}, request.url, times)
    context.time = context.time + (answer.takes or 0)
    if answer.fail then
      return nil, answer.fail, { sent = answer.sent }
    end
    return { status = answer.status or 200, headers = {}, body = answer.body }
  end
  function context.call(action, params, how)
    context.calls[#context.calls + 1] = { action = action, params = params, how = how }
    return world.sts(action, params, how, context)
  end
  return context
end

--- An STS that gives keys of its own at each question, for two hours.
function M.sts()
  local count = 0
  return function(_, _, how, context)
    local given, err
    if how.source then
      given, err = how.source(context)
      if not given then
        return nil, err
      end
    end
    count = count + 1
    return {
      credentials = {
        tmpSecretId = "AKIDassumed" .. count,
        tmpSecretKey = "assumedkey" .. count,
        token = "assumedtoken" .. count,
      },
      expiredTime = context.time + 7200,
    },
      nil,
      given
  end
end

--- A fresh folder; gives its path and a function that writes a file in it (making folders), from text.
function M.folder()
  local path = process.run("mktemp -d"):gsub("\n", "")
  local made = { [path] = true }
  return path,
    function(name, contents)
      local folder = (path .. "/" .. name):match "^(.*)/"
      if not made[folder] then
        made[folder] = true
        os.execute("mkdir -p " .. process.quote(folder))
      end
      local file = assert(io.open(path .. "/" .. name, "wb"))
      file:write(contents)
      file:close()
    end
end

--- Removes such a folder.
function M.remove(path)
  os.execute("rm -rf " .. process.quote(path))
end

return M
