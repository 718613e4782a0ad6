--- build.lua - the body of a request: the form of API 2.0, the JSON of API 3.0, within their size limits.
--- Pure. Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local json = require "qcimage.util.json"
local limits = require "qcimage.util.limits"

local M = {}

local DEEPEST = 16 -- raw parameters are not validated, and a table may contain itself

local AT = 64 -- the byte "@"

local PUBLIC = {
  Action = true,
  Region = true,
  Timestamp = true,
  Nonce = true,
  SecretId = true,
  SignatureMethod = true,
  Token = true,
  Signature = true,
}

-- Returns nil and the error of a request that cannot be built.
local function refuse(call, problem, field)
  return nil, errors.ofAction(call.action.name, "parameter", field and field .. " " .. problem or problem, field)
end

-- Returns a number as decimal text, or nil.
local function decimal(value)
  if value ~= value or value == math.huge or value == -math.huge then
    return nil
  elseif math.type and math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value % 1 == 0 then
    return ("%.0f"):format(value)
  end
  return (("%.14g"):format(value):gsub("[^%d.e+-]", ".")) -- in any locale
end

-- Adds a value to a form, and its size. Lists become name.0, name.1; tables name.field.
-- (cloud.tencent.com/document/api/213/6976, "array parameters")
-- Returns the name and problem of an invalid value, or nothing.
local function flatten(form, size, method, name, value, depth)
  local kind = type(value)
  if type(name) ~= "string" then
    return tostring(name), "is not a valid parameter name"
  elseif kind == "table" then
    if depth == DEEPEST then
      return name, "is nested too deeply"
    end
    local isList = value[1] ~= nil
    for key, item in pairs(value) do
      local index = isList and type(key) == "number" and ("%.0f"):format(key - 1) or tostring(key)
      local at, problem = flatten(form, size, method, name .. "." .. index, item, depth + 1)
      if at then
        return at, problem
      end
    end
    return
  elseif kind == "number" then
    value = decimal(value)
    if not value then
      return name, "is not a finite number"
    end
  elseif kind == "boolean" then
    value = tostring(value)
  elseif kind ~= "string" then
    return name, value == json.null and "cannot be JSON null" or ("cannot be a %s"):format(kind)
  end
  if PUBLIC[name] then
    return name, "is a public parameter, which the client sets"
  elseif method == "POST" and value:byte() == AT then
    -- Tencent's clients do not sign such a value in a POST, since it marks files. The service's behaviour is not documented.
    return name, 'begins with "@", which cannot be signed reliably in a POST; use method = "GET"'
  end
  form[name] = value
  size.bytes, size.count = size.bytes + #name + #value, size.count + 1
end

-- Bytes of values that need no exact count: far below every limit.
local FEW = 16 * 1024

-- Returns whether a call's values are a form already: few validated texts, which `flatten` would not change.
local function isForm(call)
  local bytes = 0
  for _, value in pairs(call.values) do
    if type(value) ~= "string" or value:byte() == AT then
      return false
    end
    bytes = bytes + #value
  end
  return bytes <= FEW and not call.isRaw
end

-- Returns a call's values as a form, or nil and an error.
local function flattened(call)
  local form, size = {}, { bytes = 0, count = 0 }
  for name, value in pairs(call.values) do
    local at, problem = flatten(form, size, call.client.options.method, name, value, 0)
    if at then
      return refuse(call, problem, at)
    end
  end
  -- Before libcrypto handles them.
  if size.bytes > limits.formBytes then
    return refuse(call, ("the request has %d bytes of parameters; it may have %d"):format(size.bytes, limits.formBytes))
  elseif size.count > limits.formParams then
    return refuse(call, ("the request has %d parameters; it may have %d"):format(size.count, limits.formParams))
  end
  return form
end

--- Returns the form of a call of API 2.0: its parameters without the public ones, which `sign` adds. Built once per call.
---@param call qcimage.Call
---@return table<string, string>|nil form
---@return qcimage.Error|nil err
function M.form(call)
  local form, err = call.form, nil -- of the previous attempt
  if not form and isForm(call) then
    form = call.values
  elseif not form then
    form, err = flattened(call)
  end
  call.form = form
  return form, err
end

--- Returns an error when a request is larger than its API version allows, otherwise nil.
---@param call qcimage.Call
---@param size integer bytes of the body, or of the query string of a GET
---@return qcimage.Error|nil err
function M.checkSize(call, size)
  local method = call.client.options.method
  local most = limits.requestBytes[call.version][method]
  if size <= most then
    return nil
  end
  local problem = "the request has %d bytes; a %s may have %d (API %s)"
  local _, err = refuse(call, problem:format(size, method, most, call.version))
  return err
end

--- Returns the JSON body of a call of API 3.0.
---@param call qcimage.Call
---@return string|nil payload
---@return qcimage.Error|nil err
function M.json(call)
  local isExact = not call.isRaw and not call.client.options.skipRules -- by the rules of whole numbers
  local payload, problem = json.encode(call.values, isExact)
  if not payload then
    return refuse(call, "the parameters cannot be written as JSON: " .. problem)
  end
  local err = M.checkSize(call, #payload)
  if err then
    return nil, err
  end
  return payload
end

--- Whether a name can be an action's: it becomes part of a header.
---@param name string
---@return boolean
function M.isActionName(name)
  return #name <= 64 and name:find("^[A-Za-z][A-Za-z0-9]*$") ~= nil
end

return M
