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

--- Decodes a form.
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
    if not text.utf8len(name) or not text.utf8len(value) then
      return nil, ('"%s" is not valid UTF-8'):format(text.show(pair))
    end
    if params[name] then
      return nil, ("the parameter %s occurs more than once"):format(text.show(name))
    end
    if #list == M.MAX_PARAMS then
      return nil, ("there are more than %d parameters"):format(M.MAX_PARAMS)
    end
    params[name] = value
    list[#list + 1] = { name = name, value = value }
  end
  return list, params
end

return M
