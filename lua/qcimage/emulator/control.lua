--- emulator/control.lua - the paths below /_emulator/, by which a test that talks to an emulator over HTTP makes it fail
--- and reads what it did. Requests there are not signed: whoever reaches the address may use them.
--- Part of qcimage, see LICENSE.

local json = require "qcimage.emulator.json"
local text = require "qcimage.emulator.text"
local version = require "qcimage.util.version"

local M = {}

M.PREFIX = "/_emulator/"

local OK = { ok = true }

local function refuse(status, message)
  return status, { error = message }
end

local EMPTY = json.list {}

-- Marks what must stay a list when it is empty. One empty list is used for all: LuaJIT may lose marks that a loop sets.
local function listed(state)
  for _, kind in ipairs { "images", "instances" } do
    for _, object in ipairs(json.list(state[kind])) do
      for _, name in ipairs { "snapshotIds", "tags", "sharedWith" } do
        if object[name] and #object[name] == 0 then
          object[name] = EMPTY
        end
      end
    end
  end
  for _, account in pairs(state.accounts) do
    if account.allow and #account.allow == 0 then
      account.allow = EMPTY
    end
  end
  return state
end

local function addFaults(emulator, body)
  local list = type(body) == "table" and body[1] ~= nil and body or { body or {} }
  local problem = emulator.faults:add(list, emulator:now())
  if problem then
    return refuse(400, problem)
  end
  return 200, OK
end

-- Methods of each path. A handler gets the emulator and the decoded body, and returns status and value.
local PATHS = {
  state = {
    GET = function(emulator)
      return 200, listed(emulator:state())
    end,
    PUT = function(emulator, body)
      local ok, message = pcall(emulator.setState, emulator, body)
      if not ok then
        return refuse(400, message)
      end
      return 200, OK
    end,
  },
  faults = {
    GET = function(emulator)
      return 200, { faults = json.list(emulator.faults:list(emulator:now())) }
    end,
    POST = addFaults,
    DELETE = function(emulator)
      emulator:clearFaults()
      return 200, OK
    end,
  },
  journal = {
    GET = function(emulator)
      local entries, forgotten = emulator:journal()
      return 200, { entries = json.list(entries), forgotten = forgotten }
    end,
    DELETE = function(emulator)
      emulator:clearJournal()
      return 200, OK
    end,
  },
  keys = {
    DELETE = function(emulator)
      emulator:endKeys()
      return 200, OK
    end,
  },
  reset = {
    POST = function(emulator)
      emulator:reset()
      return 200, OK
    end,
  },
}

-- What the prefix itself answers.
local HEALTH = {
  GET = function()
    return 200, { emulator = "qcimage", version = version.NUMBER, apiVersions = json.list { "2.0", "3.0" } }
  end,
}

local HAS_BODY = { POST = true, PUT = true }

local function answer(emulator, request)
  local name = request.path:sub(#M.PREFIX + 1)
  local methods = name == "" and HEALTH or PATHS[name]
  local handler = methods and methods[request.method]
  if not methods then
    return refuse(404, ("no path %s here%s"):format(text.show(request.path), text.suggestion(name, PATHS)))
  elseif not handler then
    return refuse(405, "no such method here: " .. text.show(request.method))
  end
  local body, message
  if HAS_BODY[request.method] and (request.body or "") ~= "" then
    body, message = json.decode(request.body)
    if body == nil then
      return refuse(400, "the body is not JSON: " .. message)
    end
  end
  return handler(emulator, body)
end

--- Answers a request below /_emulator/.
---@param emulator table
---@param request table
---@return integer status
---@return string body JSON
function M.handle(emulator, request)
  local status, value = answer(emulator, request)
  return status, json.encode(value)
end

return M
