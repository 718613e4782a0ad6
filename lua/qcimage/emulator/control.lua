--- emulator/control.lua - the path /_emulator/…: a test that talks to an emulator over HTTP makes it
--- misbehave, and looks at what it did. No request there is signed: the host is loopback.
--- Part of qcimage, see LICENSE.

local json = require "qcimage.emulator.json"
local text = require "qcimage.emulator.text"

local M = {}

M.PREFIX = "/_emulator/"

local function problem(status, message)
  return status, { error = message }
end

local OK = { ok = true }

-- Has the emulator do what it raises when it is wrong.
local function try(emulator, method, value)
  local ok, message = pcall(emulator[method], emulator, value)
  if not ok then
    return problem(400, message)
  end
  return 200, OK
end

-- Lists of an image stay lists when they are empty.
local function imageList(images)
  for _, image in ipairs(images) do
    for _, name in ipairs { "snapshotIds", "tags", "sharedWith" } do
      json.list(image[name])
    end
  end
  return json.list(images)
end

-- What the prefix itself answers.
local ROOT = {
  GET = function()
    return 200, { emulator = "qcimage", apiVersions = { "2.0", "3.0" } }
  end,
}

-- Paths, by method. A handler gets the emulator and the decoded body, and answers status and value.
local PATHS = {
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
  images = {
    GET = function(emulator)
      return 200, { images = imageList(emulator:images()) }
    end,
    POST = function(emulator, body)
      local list = type(body) == "table" and body.images or body
      if type(list) ~= "table" or not json.isList(list) then
        return problem(400, "the body must be a list of images")
      end
      return try(emulator, "setImages", list)
    end,
  },
  faults = {
    GET = function(emulator)
      return 200, { faults = json.list(emulator.faults:list()) }
    end,
    POST = function(emulator, body)
      local list = type(body) == "table" and body[1] and body or { body or json.null }
      for _, fault in ipairs(list) do
        local status, answer = try(emulator, "fault", fault)
        if status ~= 200 then
          return status, answer
        end
      end
      return 200, OK
    end,
    DELETE = function(emulator)
      emulator:clearFaults()
      return 200, OK
    end,
  },
  settings = {
    POST = function(emulator, body)
      return try(emulator, "set", body)
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

--- Answers a request below /_emulator/.
---@param emulator table
---@param request table
---@return integer status
---@return string body JSON
function M.handle(emulator, request)
  local name = request.path:sub(#M.PREFIX + 1)
  local methods = name == "" and ROOT or PATHS[name]
  local handler = methods and methods[request.method]
  local body, message
  if handler and request.method == "POST" and request.body and request.body ~= "" then
    body, message = json.decode(request.body)
    if body == nil then
      return 400, json.encode { error = "the body is not JSON: " .. message }
    end
  end
  local status, answer
  if handler then
    status, answer = handler(emulator, body)
  elseif methods then
    status, answer = problem(405, "no such method here: " .. text.show(request.method))
  else
    status, answer = problem(404, ("no path %s here%s"):format(text.show(request.path), text.suggestion(name, PATHS)))
  end
  return status, json.encode(answer)
end

return M
