--- emulator/form.lua - parameters of a query or a form body, decoded strictly.
--- Pure. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

--- Parameters of a request at most.
M.MAX_PARAMS = 1000

-- Bytes that an encoder may leave bare, and the escapes.
local BARE = "[A-Za-z0-9_.~!*'();:@,/?$%[%]|-]"

local function decode(part)
  local rest = part:gsub("%%%x%x", ""):gsub("+", ""):gsub(BARE, "")
  if rest ~= "" then
    return nil
  end
  return (part:gsub("+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- Adds a pair. Returns what is wrong with it, or nil.
local function add(list, params, name, value)
  if not text.utf8len(name) or not text.utf8len(value) then
    return ('the value of "%s" is not valid UTF-8'):format(text.show(name))
  elseif params[name] then
    return ("the parameter %s occurs more than once"):format(text.show(name))
  elseif #list == M.MAX_PARAMS then
    return ("there are more than %d parameters"):format(M.MAX_PARAMS)
  end
  params[name] = value
  list[#list + 1] = { name = name, value = value }
  return nil
end

--- Decodes a form of the type application/x-www-form-urlencoded.
---@param source string bytes as received
---@return table[]|nil list {name, value}, in the order received
---@return table|string params values by name; or what is wrong with the form
function M.parse(source)
  local list, params = {}, {}
  if source == "" then
    return list, params
  end
  for pair in (source .. "&"):gmatch "([^&]*)&" do
    local rawName, rawValue = pair:match "^([^=]+)=([^=]*)$"
    if not rawName then
      return nil, ('"%s" is not a pair NAME=VALUE with an encoded value'):format(text.show(pair))
    end
    local name, value = decode(rawName), decode(rawValue)
    if not name or not value then
      return nil, ('"%s" is not percent-encoded well'):format(text.show(pair))
    end
    local problem = add(list, params, name, value)
    if problem then
      return nil, problem
    end
  end
  return list, params
end

local PART = '^\r\nContent%-Disposition: form%-data; name="([^"\r\n]+)"\r\n\r\n(.*)$'

--- Decodes a form of the type multipart/form-data (RFC 7578), without files.
---@param source string bytes as received
---@param contentType string the header that names the boundary
---@return table[]|nil list
---@return table|string params
function M.multipart(source, contentType)
  local boundary = contentType:match '[Bb]oundary="?([^";%s]+)'
  if not boundary then
    return nil, "the Content-Type names no boundary"
  end
  local list, params = {}, {}
  local rest = "\r\n" .. source:gsub("^\r\n", "", 1)
  local delimiter = "\r\n--" .. boundary
  if rest:sub(1, #delimiter) ~= delimiter then
    return nil, "the body does not begin with its boundary"
  end
  local position = #delimiter + 1
  while rest:sub(position, position + 1) == "\r\n" do
    local finish, last = rest:find(delimiter, position, true)
    local name, value = rest:sub(position, (finish or 0) - 1):match(PART)
    local problem = not finish and "the body ends before its last boundary"
      or not name and "there is no part of a form behind a boundary, or a file"
      or add(list, params, name, value)
    if problem then
      return nil, problem
    end
    position = last + 1
  end
  if rest:sub(position, position + 1) ~= "--" then
    return nil, "the body ends before its last boundary"
  end
  return list, params
end

return M
