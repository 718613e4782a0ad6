--- emulator.lua - a strict local double of the image service: both API versions over one small store
--- of images, for tests, demos and scripts that must not touch an account.
--- Pure Lua over lua-cjson; takes its digests from its host. Part of qcimage, see LICENSE.
---
--- Why is everything here a second time? Nothing is shared with the client: rules, regions, codes,
--- JSON and signatures are written out again from the documents. A fault in a part that both used would
--- agree with itself, and no test could show it. That the two say the same is held by specs, and that
--- both are right by the clients of others that run against this one. The one thing it is given is
--- HMAC and SHA-256, by its host.

local control = require "qcimage.emulator.control"
local faults = require "qcimage.emulator.faults"
local replay_guard = require "qcimage.emulator.replay_guard"
local accounts = require "qcimage.emulator.accounts"
local request_log = require "qcimage.emulator.request_log"
local json = require "qcimage.emulator.json"
local metadata = require "qcimage.emulator.metadata"
local abort = require "qcimage.emulator.abort"
local regions = require "qcimage.emulator.regions"
local store = require "qcimage.emulator.store"
local text = require "qcimage.emulator.text"
local v2 = require "qcimage.emulator.api2.api"
local v3 = require "qcimage.emulator.api3.api"

local M = {}

--- The identity that an emulator knows when it is given none.
M.SECRET_ID = "AKIDqcimageEXAMPLE000000000000000001"
M.SECRET_KEY = "qcimageEXAMPLEsecret0000000000001"

local APIS = { [v2.path] = v2, [v3.path] = v3 }

---@class qcimage.EmulatorOptions
---@field images table[]|nil starting images: imageId, and any of imageName, imageDescription, imageType
--- ("PRIVATE_IMAGE"), imageState ("NORMAL"), createSeconds (its state becomes NORMAL after that), region
--- (long code; absent: seen in every region), … as the fields of store.lua
---@field instances table[]|nil {instanceId, imageId, state "RUNNING" or "STOPPED"}
---@field secretId string|nil
---@field secretKey string|nil
---@field token string|nil what temporary keys must send
---@field accountId string|nil account that owns the private images
---@field regions string[]|nil codes of the regions there are; all documented ones by default
---@field hostName string|nil the only name accepted in the Host header; any by default
---@field requireHttps boolean|nil refuse plain http
---@field rateLimit number|nil calls of one action in each calendar second; no limit by default
---@field createSeconds number|nil [2] how long an image is made or copied
---@field keySeconds number|nil [7200] how long temporary keys live that STS and the metadata service give
---@field metadata boolean|nil also be the metadata service of an instance: /latest/meta-data/
---@field roleName string|nil ["image-ops"] the role of that instance; "": none
---@field instanceRegion string|nil ["ap-guangzhou"] its region
---@field clock nil|fun(): number wall time, seconds; os.time by default
---@field clockOffset number|nil seconds by which the emulator's clock is off
---@field digests table|nil {hmac(algorithm, key, text), sha256(text)}, raw; those of qcimage.core
---@field sleep nil|fun(seconds: number) how an in-process transport waits; it does not by default

---@class qcimage.EmulatorFault
---@field kind string "delay", "dropBefore", "dropAfter", "errorBefore", "errorAfter", "throttle", "status",
--- "lag", "trickle"; what they do stands in emulator/faults.lua
---@field count integer|nil [1] requests that it hits
---@field seconds number|nil how long it lasts, in place of count
---@field action string|nil hits this action only
---@field delay number|nil seconds before the answer, or its loss
---@field status integer|nil HTTP status, for "status"
---@field body string|nil body, for "status"
---@field lag number|nil seconds by which the images are old, for "lag"
---@field pause number|nil seconds between the bytes, for "trickle"

local OPTIONS = {
  images = "table",
  instances = "table",
  secretId = "string",
  secretKey = "string",
  token = "string",
  accountId = "string",
  regions = "table",
  hostName = "string",
  requireHttps = "boolean",
  rateLimit = "number",
  createSeconds = "number",
  keySeconds = "number",
  metadata = "boolean",
  roleName = "string",
  instanceRegion = "string",
  clock = "function",
  clockOffset = "number",
  digests = "table",
  sleep = "function",
}

---@class qcimage.Emulator
local Emulator = {}
Emulator.__index = Emulator

-- Shows no key, wherever it is printed.
function Emulator:__tostring()
  return ("qcimage emulator: %d images"):format(#self.store.images)
end

local function start(self)
  self.replayGuard, self.faults = replay_guard.new(), faults.new()
  self.requestLog = request_log.new { self.secretKey, self.token }
  self.store = store.new(self.starting, self:now())
  self.accounts, self.instanceKeys = accounts.new(self.own, self.digests.sha256), nil
end

-- An emulator; what is wrong with the options is raised at a level.
local function make(options, level)
  if type(options) ~= "table" then
    error("the emulator's options must be a table", level)
  end
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      error(("the emulator has no option %s%s"):format(tostring(name), text.suggestion(name, OPTIONS)), level)
    elseif type(value) ~= OPTIONS[name] then
      error(("the emulator's option %s must be a %s"):format(name, OPTIONS[name]), level)
    end
  end
  local self = setmetatable({
    secretId = options.secretId or M.SECRET_ID,
    secretKey = options.secretKey or M.SECRET_KEY,
    token = options.token,
    regions = regions.set(options.regions),
    hostName = options.hostName and text.lower(options.hostName),
    requireHttps = options.requireHttps,
    rateLimit = options.rateLimit,
    keySeconds = options.keySeconds or 7200,
    metadata = options.metadata,
    roleName = options.roleName or "image-ops",
    instanceRegion = options.instanceRegion or "ap-guangzhou",
    clock = options.clock or os.time,
    clockOffset = options.clockOffset or 0,
    digests = options.digests or require("qcimage.util.version").loadNative "qcimage.core",
    serial = 0,
  }, Emulator)
  self.starting = {
    images = options.images or store.IMAGES,
    instances = options.instances or store.INSTANCES,
    accountId = options.accountId or "100000000001",
    createSeconds = options.createSeconds or 2,
    newId = function()
      return text.hex(self.digests.sha256("image" .. self:taskId())):sub(1, 8)
    end,
  }
  local account = self.starting.accountId
  self.own = {
    secretId = self.secretId,
    secretKey = self.secretKey,
    token = self.token,
    arn = ("qcs::cam::uin/%s:uin/%s"):format(account, account),
    kind = "CAMUser",
  }
  local ok, message = pcall(start, self)
  if not ok then
    error(message, level)
  end
  return self
end

--- Makes an emulator. Raises what is wrong with the options.
---@param options qcimage.EmulatorOptions|nil
---@return qcimage.Emulator
function M.new(options)
  local self = make(options or {}, 3) -- no tail call: it counts as a level
  return self
end

--- The time here, seconds.
---@return number
function Emulator:now()
  return self.clock() + self.clockOffset
end

--- Number of an asynchronous task.
---@return integer
function Emulator:taskId()
  self.serial = self.serial + 1
  return self.serial
end

--- Id of a request, in the form of a UUID.
---@return string
function Emulator:requestId()
  local serial = self:taskId()
  local second = math.floor(self:now()) % 4294967296
  return ("%04x%04x-0000-4000-8000-%012d"):format(math.floor(second / 65536), second % 65536, serial)
end

--- The SecretId that is known here, masked, for whoever sent another one.
---@return string
function Emulator:knownId()
  return self.secretId == M.SECRET_ID and "the example identity " .. M.SECRET_ID or text.mask(self.secretId)
end

--- Makes one of the next requests go wrong. Raises what is wrong with the fault.
---@param fault qcimage.EmulatorFault
function Emulator:fault(fault)
  local problem = faults.problem(fault) or self.faults:add(fault, self:now())
  if problem then
    error(problem, 2)
  end
end

--- Takes back the faults that have not hit yet.
function Emulator:clearFaults()
  self.faults = faults.new()
end

local SETTINGS = { rateLimit = true, clockOffset = true, createSeconds = true, keySeconds = true }

--- Changes how the emulator behaves from now on. Raises what is wrong with the settings.
---@param settings table rateLimit (0: no limit), clockOffset, createSeconds, keySeconds
function Emulator:set(settings)
  if type(settings) ~= "table" then
    error("the settings must be an object", 2)
  end
  for name, value in pairs(settings) do
    if not SETTINGS[name] then
      error(("there is no setting %s%s"):format(text.show(tostring(name)), text.suggestion(name, SETTINGS)), 2)
    elseif type(value) ~= "number" or value ~= value or math.abs(value) >= 1e9 then
      error(("the setting %s must be a number"):format(name), 2)
    end
  end
  if settings.rateLimit then
    self.rateLimit = settings.rateLimit > 0 and settings.rateLimit or nil
  end
  self.clockOffset = settings.clockOffset or self.clockOffset
  self.keySeconds = settings.keySeconds or self.keySeconds
  self.starting.createSeconds = settings.createSeconds or self.starting.createSeconds
  self.store.createSeconds = self.starting.createSeconds
end

--- Ends all temporary keys now, though they were told to live longer. New ones are given to whoever asks.
function Emulator:endKeys()
  self.accounts:endAll(self:now())
end

--- What was asked and done, oldest first: time, api, action, region, secretId, nonce, params, applied
--- (whether images were changed), imageId of a new one, code (0: success), message, fault.
---@return table[] entries
---@return integer forgotten entries that went to keep the journal bounded
function Emulator:journal()
  return self.requestLog:list(), self.requestLog.forgotten
end

function Emulator:clearJournal()
  self.requestLog = request_log.new(self.requestLog.secrets)
end

--- The images as they are now.
---@return table[]
function Emulator:images()
  self.store:settle(self:now())
  return self.store:snapshot(self:now())
end

--- Replaces the images, as if the emulator had been started with these. Raises what is wrong. What
--- `images` gave is taken back.
---@param images table[]
function Emulator:setImages(images)
  if type(images) ~= "table" then
    error("the images must be a list", 2)
  end
  local starting = {}
  for name, value in pairs(self.starting) do
    starting[name] = value
  end
  starting.images = images
  local ok, result = pcall(store.new, starting, self:now())
  if not ok then
    error(result, 2)
  end
  self.store = result
end

--- Back to the start: images, nonces, temporary keys, faults, journal. Settings stay.
function Emulator:reset()
  start(self)
end

local function headersOf(self)
  return {
    -- exactly this, as the service sends it: Tencent's Python client looks for an error in no other body
    ["content-type"] = "application/json",
    ["date"] = text.httpDate(self:now()),
  }
end

-- The answer of an API to a request, as a table; what the fault made of it goes into `response`.
local function serve(self, api, request, entry, response)
  local call = api.receive(self, request, entry)
  local fault = self.faults:take(call.actionName, self:now())
  local kind = fault and fault.kind
  if fault then
    entry.fault, response.delay, response.pause = kind, fault.delay, fault.pause
  end
  if kind == "dropBefore" then
    response.drop = true
    return nil
  elseif kind == "status" then
    response.status, response.body = fault.status, fault.body or "<html>gateway</html>\n"
    response.headers["content-type"] = "text/html"
    return nil
  elseif kind == "errorBefore" then
    abort.raise(api.internal, "internal error")
  elseif kind == "throttle" then
    abort.raise(api.throttled, "too many calls")
  elseif not self.replayGuard:admit(api.version .. call.actionName, self:now(), self.rateLimit) then
    abort.raise(api.throttled, "over %d calls a second", self.rateLimit)
  end
  local current, lag = self.store, self.faults:longestLag()
  current:settle(self:now())
  if kind == "lag" then
    self.store = current:asOf(self:now() - fault.lag)
  elseif lag and not call.actionName:find "^Describe" then
    current:remember(self:now(), lag)
  end
  local ok, answer = abort.catch(api.perform, self, call)
  self.store = current
  entry.applied, entry.imageId = call.applied, call.imageId
  if kind == "dropAfter" then
    response.drop = true
    return nil
  elseif kind == "errorAfter" then
    abort.raise(api.internal, "internal error")
  elseif not ok then
    abort.raise(answer.code, "%s", answer.message)
  end
  return answer
end

--- Answers a request.
---@param request table method, scheme, host (the Host header as received, nil where it is missing or
--- repeated), path, query (nil or text without "?"), headers (small letters; a list where one is
--- repeated), body
---@return table response status, headers, body; delay (seconds to wait first), pause (seconds between
--- the bytes of the body) and drop (close the connection instead) are for the host to obey
function Emulator:handle(request)
  local response = { status = 200, headers = headersOf(self) }
  if request.path:sub(1, #control.PREFIX) == control.PREFIX then
    response.status, response.body = control.handle(self, request)
    return response
  end
  if self.metadata and request.path:sub(1, #metadata.PREFIX) == metadata.PREFIX then
    metadata.handle(self, request, response)
    return response
  end
  local api = APIS[request.path]
  if not api then
    response.status = 404
    response.body = json.encode {
      code = 6100,
      message = "the emulator answers at /v2/index.php (API 2.0) and at / (API 3.0)",
    }
    return response
  end
  local entry = { time = self:now(), api = api.version, applied = false }
  local ok, answer = abort.catch(serve, self, api, request, entry, response)
  if not ok then
    entry.message = answer.message
    answer = api.failure(self, answer.code, answer.message)
  end
  if answer then
    entry.code, response.body = api.codeOf(answer), api.encode(answer)
  end
  entry.applied = entry.applied or false
  self.requestLog:add(entry)
  return response
end

--- Answers what its host could not take in as a request: too long, or no HTTP.
---@param path string as far as it is known
---@return table response
function Emulator:refuse(path)
  local api = path:sub(1, #v2.path) == v2.path and v2 or v3
  return {
    status = 200,
    headers = headersOf(self),
    body = api.encode(api.failure(self, api.tooLarge, "the request is too large, or no HTTP")),
  }
end

-- A request as handle takes it.
local function received(request)
  local scheme, path, query = request.url:match "^([a-z]+)://[^/?#]*([^?#]*)%??([^#]*)"
  local headers = {}
  for given, value in pairs(request.headers) do
    local name = text.lower(given)
    headers[name] = headers[name] and { headers[name], value } or value
  end
  local host = headers.host
  return {
    method = request.method,
    scheme = scheme,
    host = type(host) == "string" and host or nil,
    path = path == "" and "/" or path,
    query = query,
    headers = headers,
    body = request.body,
  }
end

-- A transport to an emulator, and that emulator; see `make`.
local function transportTo(options, level)
  local emulator = make(options, level + 1)
  local sleep = options.sleep or function() end
  return function(request, secondsLeft)
    local response = emulator:handle(received(request))
    local delay = (response.delay or 0) + (response.pause or 0) * #(response.body or "")
    if delay > 0 and secondsLeft and delay >= secondsLeft then
      sleep(secondsLeft)
      return nil, "no answer in time", { sent = true, reason = "timeout" }
    elseif delay > 0 then
      sleep(delay)
    end
    if response.drop then
      return nil, "the connection was closed without an answer", { sent = true, reason = "closed" }
    end
    return { status = response.status, headers = response.headers, body = response.body }
  end,
    emulator
end

--- An emulator as a client's transport, in the same process.
---@param options qcimage.EmulatorOptions|nil
---@return fun(request: table, secondsLeft: number): table|nil, string|nil, table|nil transport
---@return qcimage.Emulator emulator
function M.transport(options)
  local transport, emulator = transportTo(options or {}, 3)
  return transport, emulator
end

local before -- what `install` put aside: the default client, or false where there was none

--- Puts an emulator behind the default client, so that a script that calls qcimage's functions can be
--- tested in its own process. Clients that `new` made are not touched.
---@param options qcimage.EmulatorOptions|nil and `client`: options of the default client (apiVersion, …)
---@return qcimage.Emulator emulator
function M.install(options)
  if before ~= nil then
    error("the emulator is installed already; call uninstall first", 2)
  elseif options ~= nil and type(options) ~= "table" or options and type(options.client or {}) ~= "table" then
    error("the emulator's options must be a table, and client in them", 2)
  end
  local own = {}
  for name, value in pairs(options or {}) do
    own[name] = value
  end
  local wanted = own.client or {}
  own.client = nil
  local transport, emulator = transportTo(own, 3)
  local all = {
    transport = transport,
    secretId = emulator.secretId,
    secretKey = emulator.secretKey,
    token = emulator.token,
    region = own.regions and own.regions[1] or "ap-guangzhou",
    clock = own.clock,
    sleep = own.sleep,
  }
  for name, value in pairs(wanted) do
    all[name] = value
  end
  local image = require "qcimage"
  local ok, client = pcall(image.new, all)
  if not ok then
    error(client, 2)
  end
  before = image.default(client) or false
  return emulator
end

--- Gives the default client back as it was before `install`; without one, does nothing.
function M.uninstall()
  if before ~= nil then
    require("qcimage").default(before)
    before = nil
  end
end

return M
