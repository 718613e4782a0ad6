--- emulator.lua - a strict local emulator of the image service: both API versions over one small store of images, for
--- tests, demos and scripts that must not touch an account.
--- Pure Lua over lua-cjson; takes its digests from its host. Part of qcimage, see LICENSE.
---
--- Nothing is shared with the client: rules, regions, codes, JSON and signatures are written again from the documents. A
--- fault in a part that both used would agree with itself, and no test could show it. Specs check that the two agree,
--- and clients made by others check that both are right. Only HMAC and SHA-256 come from the host.

local accounts = require "qcimage.emulator.accounts"
local dispatch = require "qcimage.emulator.dispatch"
local faults = require "qcimage.emulator.faults"
local fields = require "qcimage.emulator.fields"
local inProcess = require "qcimage.emulator.transport"
local optionList = require "qcimage.emulator.options"
local regions = require "qcimage.emulator.regions"
local replay_guard = require "qcimage.emulator.replay_guard"
local request_log = require "qcimage.emulator.request_log"
local schema = require "qcimage.emulator.schema"
local store = require "qcimage.emulator.store"
local tables = require "qcimage.emulator.tables"
local text = require "qcimage.emulator.text"

local M = {}

--- The key of an emulator that was given none.
M.SECRET_ID = "AKIDqcimageEXAMPLE000000000000000001"
M.SECRET_KEY = "qcimageEXAMPLEsecret0000000000001"

---@class qcimage.EmulatorOptions what a state document holds, its settings directly, and what only Lua can give; types
--- and limits are in emulator/options.lua
---@field images table[]|nil starting images: imageId, and any of the fields of fields.IMAGE
---@field instances table[]|nil {instanceId, imageId, state "RUNNING" or "STOPPED"}, and more of fields.INSTANCE
---@field accounts table<string, table>|nil by SecretId: secretKey, token, accountId, allow (actions that it may call)
---@field secretId string|nil the only account, where `accounts` is absent
---@field secretKey string|nil
---@field token string|nil what temporary keys must send
---@field accountId string|nil owner of the private images
---@field regions string[]|nil codes of the regions that exist; all documented ones by default
---@field hostName string|nil the only name accepted in the Host header; any by default
---@field requireHttps boolean|nil refuse plain HTTP
---@field rateLimit integer|nil calls of one action in each calendar second; 0, the default: no limit
---@field createSeconds number|nil [2] how long an image is created or copied
---@field keySeconds number|nil [7200] lifetime of temporary keys from STS and the metadata service
---@field modifyShared boolean|nil an image that is shared with other accounts can be modified
---@field metadata boolean|nil also be the metadata service of an instance: /latest/meta-data/
---@field roleName string|nil ["image-ops"] the role of that instance; "": none
---@field instanceRegion string|nil its region; by default the first of `regions`, or ap-guangzhou
---@field clock nil|fun(): number wall time, seconds; os.time by default
---@field clockOffset number|nil seconds by which the emulator's clock is ahead
---@field digests table|nil {hmac(algorithm, key, text), sha256(text)}, raw; those of qcimage.core
---@field sleep nil|fun(seconds: number) how an in-process transport waits; it does not by default

---@class qcimage.EmulatorFault
---@field kind string "delay", "dropBefore", "dropAfter", "error", "errorBefore", "errorAfter", "throttle", "status",
--- "lag", "trickle"; emulator/faults.lua says what they do
---@field count integer|nil [1] requests that it hits
---@field every integer|nil hits each n-th request only, without end unless there is a count or seconds
---@field seconds number|nil how long it lasts, instead of count
---@field action string|nil hits this action only
---@field delay number|nil seconds before the response, or its loss
---@field code integer|string|nil error code of API 2.0 or 3.0, for "error"
---@field message string|nil for "error"
---@field status integer|nil HTTP status, for "status"
---@field body string|nil body, for "status"
---@field contentType string|nil ["text/html"] for "status"
---@field lag number|nil seconds by which the images are old, for "lag"
---@field pause number|nil seconds between the bytes, for "trickle"

---@class qcimage.Emulator
local Emulator = {}
Emulator.__index = Emulator

-- Shows no key, wherever it is printed.
function Emulator:__tostring()
  return ("qcimage emulator: %d images"):format(#self.store.images)
end

-- Whether a document changes the images, the instances, or where they can be.
local function changesStore(document)
  local settings = document.settings or {}
  return document.images or document.instances or settings.regions or settings.accountId
end

-- The parts of an emulator that a state document makes; nothing is changed. Raises what is wrong with the document.
local function build(self, document)
  local settings = tables.with(tables.with(optionList.DEFAULTS, self.settings), document.settings)
  local known, order = regions.set(settings.regions)
  if settings.instanceRegion and not known[settings.instanceRegion] then
    error("settings.instanceRegion is not one of the emulator's regions: " .. text.show(settings.instanceRegion), 0)
  end
  local made, problem =
    accounts.new(document.accounts or self.accounts:describe(), settings.accountId, self.digests.sha256, self.accounts)
  if not made then
    error(problem, 0)
  end
  local first = made:first()
  local built = {
    settings = settings,
    regions = known,
    regionOrder = order,
    region = order[1],
    accounts = made,
    secretId = first.secretId,
    secretKey = first.secretKey,
    token = first.token,
  }
  if changesStore(document) then
    local images, instances
    if self.store then
      images, instances = self.store:snapshot(self:now())
    end
    built.store = store.new(
      { images = document.images or images, instances = document.instances or instances },
      { region = built.region, regions = known, accountId = settings.accountId, newId = self.newId },
      self.clock() + settings.clockOffset
    )
  end
  return built
end

local function replace(self, parts)
  self.token = nil
  for name, part in pairs(parts) do
    self[name] = part
  end
end

local function start(self)
  self.settings, self.accounts, self.store, self.instanceKeys, self.serial = nil, nil, nil, nil, 0
  replace(self, build(self, self.starting))
  self.replayGuard, self.faults = replay_guard.new(), faults.new()
  self:clearJournal()
end

-- An emulator; what is wrong with the options is raised at a level.
local function make(options, level)
  if type(options) ~= "table" then
    error("the emulator's options must be a table", level)
  end
  local problem
  for name, value in pairs(options) do
    local rule = optionList.OPTIONS[name]
    problem = problem
      or rule and schema.problem(rule, value, "the emulator's option " .. name)
      or not rule and ("the emulator has no option %s%s"):format(
        tostring(name),
        text.suggestion(name, optionList.OPTIONS)
      )
      or nil
  end
  if not problem and options.accounts and (options.secretId or options.secretKey or options.token) then
    problem = "the emulator's options accounts and secretId cannot be combined"
  end
  if problem then
    error(problem, level)
  end
  local settings = {}
  for name in pairs(optionList.SETTINGS) do
    settings[name] = options[name]
  end
  local secretId = options.secretId or M.SECRET_ID
  local self = setmetatable({
    clock = options.clock or os.time,
    digests = options.digests or require("qcimage.util.version").loadNative "qcimage.core",
    starting = {
      settings = settings,
      images = options.images or fields.IMAGES,
      instances = options.instances or fields.INSTANCES,
      accounts = options.accounts
        or { [secretId] = { secretKey = options.secretKey or M.SECRET_KEY, token = options.token } },
    },
  }, Emulator)
  self.newId = function()
    return text.hex(self.digests.sha256("image" .. self:taskId())):sub(1, 8)
  end
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

--- The time of the emulator, seconds.
---@return number
function Emulator:now()
  return self.clock() + (self.settings and self.settings.clockOffset or 0)
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

--- A SecretId that exists, masked unless it is the example, for the message that refuses another one.
---@return string
function Emulator:knownId()
  if self.accounts:find(M.SECRET_ID) then
    return "the example identity " .. M.SECRET_ID
  end
  return text.mask(self.secretId)
end

--- Makes some of the next requests fail. Raises what is wrong with the fault.
---@param fault qcimage.EmulatorFault
function Emulator:fault(fault)
  local problem = self.faults:add({ fault or false }, self:now()) -- {nil} would be no fault at all
  if problem then
    error(problem, 2)
  end
end

--- Removes the faults that have not hit yet.
function Emulator:clearFaults()
  self.faults = faults.new()
end

--- The state as a document: images, instances, accounts (without keys and tokens) and settings.
---@return table
function Emulator:state()
  local now = self:now()
  self.store:endStates(now)
  local images, instances = self.store:snapshot(now)
  return {
    images = images,
    instances = instances,
    accounts = self.accounts:describe(),
    settings = tables.with(self.settings),
  }
end

-- Changes the state, all or nothing; what is wrong with the document is raised at a level.
local function change(self, document, level)
  local problem = schema.problem({ type = "object", fields = optionList.STATE }, document, "")
  if problem then
    error(problem, level + 1)
  end
  local ok, built = pcall(build, self, document)
  if not ok then
    error(built, level + 1)
  end
  replace(self, built)
end

--- Changes the state. A member of the document replaces that of the state, and so does each of the settings; what is
--- absent stays. An account without a key keeps the one that it has. Raises what is wrong; then nothing is changed.
---@param document table images, instances, accounts, settings
function Emulator:setState(document)
  change(self, document, 2)
end

--- Changes settings. Raises what is wrong with them.
---@param settings table
function Emulator:set(settings)
  change(self, { settings = settings }, 2)
end

--- Replaces the images. Raises what is wrong with them.
---@param images table[]
function Emulator:setImages(images)
  change(self, { images = images or false }, 2)
end

--- Expires all temporary keys now, before the time that they were issued for.
function Emulator:endKeys()
  self.accounts:expireAll(self:now())
end

--- The request log, oldest first: time, api, action, region, secretId, nonce, params, applied (whether images were
--- changed), imageId of a new one, code (0: success), message, fault.
---@return table[] entries
---@return integer forgotten entries that were dropped to keep the log bounded
function Emulator:journal()
  return self.requestLog:list(), self.requestLog.forgotten
end

--- Empties the request log.
function Emulator:clearJournal()
  self.requestLog = request_log.new(function(value)
    return self.accounts:holdsSecret(value)
  end)
end

--- The images as they are now.
---@return table[]
function Emulator:images()
  return self:state().images
end

--- Restores the state at the start: images, settings, accounts, ids; forgets nonces, temporary keys, faults, the log.
function Emulator:reset()
  start(self)
end

--- Answers a request.
---@param request table method, scheme, host (the Host header as received, nil where it is missing or repeated), path,
--- query (nil or text without "?"), headers (lowercase names; a list where one is repeated), body
---@return table response status, headers, body; delay (seconds to wait first), pause (seconds between the bytes of the
--- body) and drop (close the connection instead), which the host must obey
function Emulator:handle(request)
  return dispatch.handle(self, request)
end

--- Answers what its host could not take as a request.
---@param path string as far as it is known
---@param why string "large", "protocol" or "malformed"
---@return table response
function Emulator:refuse(path, why)
  return dispatch.refuse(self, path, why)
end

--- An emulator as a client's transport, in the same process.
---@param options qcimage.EmulatorOptions|nil
---@return fun(request: table, secondsLeft: number): table|nil, string|nil, table|nil transport
---@return qcimage.Emulator emulator
function M.transport(options)
  local emulator = make(options or {}, 3)
  return inProcess.new(emulator, options and options.sleep), emulator
end

local before -- the default client before `install`, or false where there was none

--- Installs an emulator as the transport of the default client, so that a script that calls qcimage's functions can be
--- tested in its process. Clients that `new` made are not changed.
---@param options qcimage.EmulatorOptions|nil and `client`: options of the default client (apiVersion, …)
---@return qcimage.Emulator emulator
function M.install(options)
  if before ~= nil then
    error("the emulator is installed already; call uninstall first", 2)
  elseif options ~= nil and type(options) ~= "table" or options and type(options.client or {}) ~= "table" then
    error("the emulator's options must be a table, and client in them", 2)
  end
  local settings = tables.with(options or {})
  settings.client = nil
  local emulator = make(settings, 3)
  local usual = {
    transport = inProcess.new(emulator, settings.sleep),
    secretId = emulator.secretId,
    secretKey = emulator.secretKey,
    token = emulator.token,
    region = emulator.region,
    clock = settings.clock,
    sleep = settings.sleep,
  }
  local image = require "qcimage"
  local ok, client = pcall(image.new, tables.with(usual, options and options.client))
  if not ok then
    error(client, 2)
  end
  before = image.default(client) or false
  return emulator
end

--- Restores the default client of before `install`; without one, does nothing.
function M.uninstall()
  if before ~= nil then
    require("qcimage").default(before)
    before = nil
  end
end

return M
