--- emulator/metadata.lua - the metadata service of an instance: its role, temporary keys of that role, its region.
--- Part of qcimage, see LICENSE.
---
--- cloud.tencent.com/document/product/213/4934 and /598/85616.

local abort = require "qcimage.emulator.abort"
local json = require "qcimage.emulator.json"
local text = require "qcimage.emulator.text"

local M = {}

M.version = "metadata"
M.PREFIX = "/latest/meta-data/"
M.internal, M.throttled = 500, 429 -- its codes are HTTP statuses
M.faultsByName = true -- a fault for all actions does not hit it
M.isUnlimited = true

--- The action of its requests, for faults and the request log.
M.ACTION = "metadata"

local ROLES = "cam/security-credentials/"

-- The part of their lifetime that keys must have left to be issued again.
local FRESH = 1 / 4

-- The role's keys: the same until little of their lifetime is left, or they were expired.
local function keysOf(emulator)
  local now, settings, issued = emulator:now(), emulator.settings, emulator.instanceKeys
  if not issued or issued.expires - now <= settings.keySeconds * FRESH then
    local owner = settings.accountId
    local arn = ("qcs::sts:%s:assumed-role/%s/%s"):format(owner, settings.roleName, "instance")
    issued = emulator.accounts:issue({ arn = arn, accountId = owner }, now, settings.keySeconds)
    emulator.instanceKeys = issued
  end
  return json.encode {
    TmpSecretId = issued.secretId,
    TmpSecretKey = issued.secretKey,
    ExpiredTime = issued.expires,
    Expiration = text.isoTime(issued.expires),
    Token = issued.token,
    Code = "Success",
  }
end

local function unescape(path)
  return (path:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

--- Reads a request.
---@param _ table emulator
---@param request table
---@param entry table entry of the request log
---@return table call
function M.receive(_, request, entry)
  entry.action, entry.path = M.ACTION, request.path
  return { actionName = M.ACTION, method = request.method, path = request.path:sub(#M.PREFIX + 1) }
end

--- Returns what a path holds.
---@param emulator table
---@param call table
---@return table answer
function M.perform(emulator, call)
  local role = emulator.settings.roleName
  if call.method ~= "GET" then
    abort.raise(405, "%s is not served", text.show(call.method))
  elseif call.path == "placement/region" then
    return { body = emulator.settings.instanceRegion or emulator.region }
  elseif role ~= "" and call.path:sub(1, #ROLES) == ROLES then
    local asked = unescape(call.path:sub(#ROLES + 1))
    if asked == "" then
      return { body = role }
    elseif asked == role then
      return { body = keysOf(emulator) }
    end
  end
  return abort.raise(404, "not found")
end

--- The response that refuses a request.
---@param _ table emulator
---@param code integer HTTP status
---@param message string
---@return table answer
function M.failure(_, code, message)
  return { status = code, body = message .. "\n" }
end

--- Writes an answer into a response.
---@param answer table
---@param response table
function M.write(answer, response)
  response.headers["content-type"] = "text/plain"
  response.status, response.body = answer.status or 200, answer.body
end

return M
