--- The promises of a call against a model: random sequences of calls over real sockets, to a service that breaks
--- exchanges by script and notes what it applied (spec/support/modelserver.lua). Held for each call: the verdict is true,
--- nothing that must not be repeated is made twice, no attempt is one too many, nothing is planned beyond the deadline, no
--- secret is told.
---
--- Runs some hundred sequences; as many as QCIMAGE_MODEL says, or 20,000 with QCIMAGE_FULL. A failure names the seed that
--- repeats it: QCIMAGE_SEED.

local core = require "qcimage.core"
local image = require "qcimage"
local transports = require "spec.support.transports"

local seed = tonumber(os.getenv "QCIMAGE_SEED") or math.floor(core.time()) % 1000000
local SEQUENCES = tonumber(os.getenv "QCIMAGE_MODEL") or os.getenv "QCIMAGE_FULL" and 20000 or 400

local SECRET_ID, SECRET_KEY = "AKIDmodel0000000000000000000000001", "modelSecretKey00000000000000000001"
local TOKEN = "model/Token+with=signs&more%41of_them-000001=="

-- Seconds beyond a deadline that a busy machine may take.
local SLACK = 2

local pipe, pid, url, control, closeControl

local monotonic, looked = core.monotonic, nil -- looked: when the clock was looked at first since the last wait

setup(function()
  function core.monotonic()
    local now = monotonic()
    looked = looked or now
    return now
  end
  pipe = assert(io.popen("echo $$; exec lua5.4 spec/support/modelserver.lua", "r"))
  pid = pipe:read "*l"
  url = "http://127.0.0.1:" .. pipe:read "*l"
  local address = "http://127.0.0.1:" .. pipe:read "*l"
  local transport
  transport, closeControl = transports.curl {}
  function control(faults)
    local answer = assert(transport({ method = "POST", url = address .. "/plan", headers = {}, body = faults }, 5))
    return answer.body
  end
end)

teardown(function()
  core.monotonic = monotonic
  closeControl()
  os.execute("kill " .. pid)
  pipe:close()
end)

local function chance(percent)
  return math.random(1, 100) <= percent
end

local function one(list)
  return list[math.random(1, #list)]
end

local BEFORE = {
  "before-close",
  "before-reset",
  "before-502",
  "before-504",
  "before-429",
  "before-404",
  "before-html",
  "before-empty",
  "before-throttle",
  "before-internal",
  "before-denied",
  "before-clock",
}
local AFTER = {
  "after-close",
  "after-reset",
  "after-cut",
  "after-lost",
  "after-502",
  "after-504",
  "after-html",
  "after-empty",
  "after-garbage",
  "after-internal",
  "after-failed",
}
local SLOW = { "before-stall", "after-stall", "late" }

-- A fault for each of the next requests, and whether one of them stalls.
local function script(trouble)
  local faults, isSlow = {}, false
  for i = 1, 12 do
    faults[i] = "ok"
    if chance(trouble) then
      local isStalling = chance(4)
      isSlow = isSlow or isStalling
      faults[i] = one(isStalling and SLOW or chance(50) and BEFORE or AFTER)
    end
  end
  return table.concat(faults, " "), isSlow
end

local function boom()
  error("boom with " .. SECRET_KEY, 0)
end

-- A function that throws now and then.
local function unreliable(run, percent)
  return function(...)
    if chance(percent) then
      boom()
    end
    return run(...)
  end
end

local function options(isSlow)
  local version, percent = one { "2.0", "3.0" }, one { 0, 0, 5 }
  local made = {
    endpoint = url,
    region = "gz",
    apiVersion = version,
    method = version == "2.0" and one { "GET", "POST" } or nil,
    maxAttempts = math.random(1, 4),
    timeout = one { 0.6, 2, 5 },
    attemptTimeout = isSlow and 0.06 or one { 1, 5 },
    secretId = SECRET_ID,
    secretKey = SECRET_KEY,
    token = chance(30) and TOKEN or nil,
    nonce = unreliable(core.nonce, percent),
    clock = unreliable(core.time, percent),
    onAttempt = chance(20) and unreliable(function() end, 50) or nil,
    proxy = "",
  }
  if percent > 0 then
    local given = { secretId = SECRET_ID, secretKey = SECRET_KEY, token = made.token }
    made.secretId, made.secretKey, made.token = nil, nil, nil
    made.credentials = unreliable(function()
      if chance(percent) then
        return nil, "no key but " .. SECRET_KEY
      end
      return given
    end, percent)
  end
  return made
end

-- Watches what a client does: the requests that it sends, and what it plans beyond a deadline.
local function watch(client, seen)
  local transport, sleep = client.transport, client.sleep
  -- Notes when a wait would end: counted from that look, however long others then hold up this process.
  local function note(seconds)
    seen.last = math.max(seen.last, (looked or monotonic()) + seconds)
  end
  local function ended(...)
    looked = nil
    return ...
  end
  function client.transport(request, seconds)
    local signature = (request.headers.Authorization or request.body or request.path):match "Signature=([^&]+)"
    seen.signatures[#seen.signatures + 1] = signature
    seen.signatures[#seen.signatures + 1] = signature:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    note(seconds)
    return ended(transport(request, seconds))
  end
  function client.sleep(seconds)
    note(seconds)
    return ended(sleep(seconds))
  end
end

local ACTIONS = {}

function ACTIONS.modify(client, name, callOptions)
  return client:modify({ imageId = "img-1", imageName = name, imageDescription = name }, callOptions)
end

function ACTIONS.create(client, name)
  return client:call("CreateImage", { instanceId = "ins-1", imageName = name })
end

function ACTIONS.describe(client)
  return client:describe { imageIds = { "img-1" } }
end

-- What the service noted of a call: how often its action came and was applied, and how many looks came.
local function noted(journal, action, name)
  local came, applied, looks = 0, 0, 0
  for line in journal:gmatch "[^\n]+" do
    local isLook = line:find "^DescribeImages"
    if isLook and action ~= "describe" then
      looks = looks + 1
    elseif isLook or line:find(" " .. name .. " ", 1, true) then
      came = came + 1
      applied = applied + (line:find "applied$" and 1 or 0)
    end
  end
  return came, applied, looks
end

-- Whether a text holds a secret, or a part of one.
local function tells(value, signatures, depth)
  if type(value) == "string" then
    for _, secret in ipairs { SECRET_KEY, TOKEN, TOKEN:sub(1, 20) } do
      if value:find(secret, 1, true) then
        return secret
      end
    end
    for _, signature in pairs(signatures) do
      if value:find(signature, 1, true) then
        return signature
      end
    end
  elseif type(value) == "table" and depth < 4 then
    for key, item in pairs(value) do
      local found = key ~= "body" and tells(item, signatures, depth + 1)
      if found then
        return found
      end
    end
  end
end

describe("a call to a service that breaks exchanges", function()
  it("keeps its promises, whatever comes together", function()
    math.randomseed(seed)
    local outcomes = { success = 0, notSent = 0, rejected = 0, unknown = 0, readBack = 0 }
    local client, clientOptions, isSlow
    for number = 1, SEQUENCES do
      local trouble = one { 0, 10, 30, 70 }
      local faults
      faults, isSlow = script(trouble)
      control(faults)
      if client then
        client:close()
      end
      clientOptions = options(isSlow)
      client = image.new(clientOptions)
      client.random = function()
        return chance(80) and 0 or 0.2
      end
      local seen = { signatures = {}, last = 0 }
      watch(client, seen)
      for turn = 1, math.random(1, 2) do
        local action, name = one { "modify", "modify", "create", "describe" }, ("n%d-%d"):format(number, turn)
        local callOptions = action == "modify" and chance(15) and { readBack = false } or nil
        seen.last, looked = 0, nil
        local began = monotonic()
        local ok, result, message, err = pcall(ACTIONS[action], client, name, callOptions)
        local took = monotonic() - began
        local about = ("QCIMAGE_SEED=%d sequence %d, %s by API %s, %d attempts, faults %s: %s"):format(
          seed,
          number,
          action,
          client.version,
          clientOptions.maxAttempts,
          faults,
          tostring(message or result)
        )
        assert(ok, about)
        local told = result or err
        local came, applied, looks = noted(control(faults), action, name)
        local outcome = result and "success" or err.outcome
        local isReadBack = result and #told.attempts > 0 and told.attempts[#told.attempts].readBack
        outcomes[outcome] = outcomes[outcome] + 1
        outcomes.readBack = outcomes.readBack + (isReadBack and 1 or 0)
        if action ~= "describe" then
          assert(not result or applied > 0, "false success: " .. about)
          assert(result or outcome == "unknown" or applied == 0, "false refusal: " .. about)
          assert(outcome ~= "notSent" or came == 0, "it was sent: " .. about)
        end
        assert(action ~= "create" or applied <= 1, "made twice: " .. about)
        assert(came <= clientOptions.maxAttempts, "too many requests: " .. about)
        assert(#told.attempts <= clientOptions.maxAttempts, "too many attempts: " .. about)
        assert(looks <= (action == "modify" and not callOptions and 1 or 0), "too many looks: " .. about)
        assert(seen.last - began <= clientOptions.timeout + 0.001, "beyond the deadline: " .. about)
        assert(took <= clientOptions.timeout + SLACK, "too late: " .. about)
        if not result then
          assert(message == err.message and not message:find "%c", about)
          assert(not tells(err, seen.signatures, 0) and not tells(err.body, seen.signatures, 0), "a secret: " .. about)
        end
        assert(not tells(told.hookError, seen.signatures, 0) and not tells(tostring(client), seen.signatures, 0), about)
      end
    end
    client:close()
    for outcome, count in pairs(outcomes) do
      assert(count > 0 or SEQUENCES < 300, outcome)
    end
    if os.getenv "QCIMAGE_MODEL" then
      print(
        ("%d sequences, seed %d: %d success (%d read back), %d notSent, %d rejected, %d unknown"):format(
          SEQUENCES,
          seed,
          outcomes.success,
          outcomes.readBack,
          outcomes.notSent,
          outcomes.rejected,
          outcomes.unknown
        )
      )
    end
  end)
end)
