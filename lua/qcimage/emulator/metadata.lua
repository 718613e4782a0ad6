--- emulator/metadata.lua - the metadata service of an instance: its role, temporary keys of that role, its region.
--- Part of qcimage, see LICENSE.
---
--- cloud.tencent.com/document/product/213/4934 and /598/85616.

local json = require "qcimage.emulator.json"
local text = require "qcimage.emulator.text"

local M = {}

M.PREFIX = "/latest/meta-data/"

--- The action of its requests, for faults and the journal.
M.ACTION = "metadata"

local ROLES = "cam/security-credentials/"

-- The part of their life that keys must have left to be given out again.
local FRESH = 1 / 4

-- The role's keys: the same until little of their life is left, or they were ended.
local function keysOf(emulator)
  local now, given = emulator:now(), emulator.instanceKeys
  if not given or given.expires - now <= emulator.keySeconds * FRESH then
    local arn = ("qcs::sts:%s:assumed-role/%s/%s"):format(emulator.starting.accountId, emulator.roleName, "instance")
    given = emulator.accounts:give(arn, now, emulator.keySeconds)
    emulator.instanceKeys = given
  end
  return json.encode {
    TmpSecretId = given.secretId,
    TmpSecretKey = given.secretKey,
    ExpiredTime = given.expires,
    Expiration = os.date("!%Y-%m-%dT%H:%M:%SZ", given.expires),
    Token = given.token,
    Code = "Success",
  }
end

local function unescape(path)
  return (path:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- Status and body for a path behind the prefix.
local function answer(emulator, path)
  if path == "placement/region" then
    return 200, emulator.instanceRegion
  elseif emulator.roleName == "" or path:sub(1, #ROLES) ~= ROLES then
    return 404, "not found\n"
  end
  local role = unescape(path:sub(#ROLES + 1))
  if role == "" then
    return 200, emulator.roleName
  elseif role == emulator.roleName then
    return 200, keysOf(emulator)
  end
  return 404, "not found\n"
end

-- Status and body that a fault makes of a request, or nil.
local function faulty(fault, response)
  local kind = fault and fault.kind
  if kind == "dropBefore" or kind == "dropAfter" then
    response.drop = true
    return 200, ""
  elseif kind == "throttle" then
    return 429, ""
  elseif kind == "errorBefore" or kind == "errorAfter" then
    return 500, ""
  elseif kind == "status" then
    return fault.status, fault.body or ""
  end
end

--- Answers a request below /latest/meta-data/. Faults whose action is "metadata" hit it.
---@param emulator table
---@param request table
---@param response table headers; gets status, body, and what a fault asks of its host
function M.handle(emulator, request, response)
  local entry = { time = emulator:now(), api = "metadata", action = M.ACTION, applied = false, path = request.path }
  local fault = emulator.faults:take(M.ACTION, emulator:now(), true)
  response.headers["content-type"] = "text/plain"
  response.status, response.body = faulty(fault, response)
  if fault then
    entry.fault = fault.kind
    response.delay = fault.delay
    response.pause = fault.pause
  end
  if not response.status then
    if request.method == "GET" then
      response.status, response.body = answer(emulator, request.path:sub(#M.PREFIX + 1))
    else
      response.status, response.body = 405, text.show(request.method) .. " is not served\n"
    end
  end
  entry.code = response.status == 200 and 0 or response.status
  emulator.requestLog:add(entry)
end

return M
