--- json_scan.lua - what a decoder does not report of a JSON text: where the items of a list begin, and duplicate keys, of
--- which decoders silently take the last.
--- Pure. Part of qcimage, see LICENSE.

local json = require "qcimage.util.json"

local M = {}

-- Where the string ends that begins at a quote.
local function closing(text, at)
  repeat
    at = text:find('["\\]', at + 1)
    local isEscape = text:sub(at, at) == "\\"
    at = isEscape and at + 1 or at -- and over what it escapes
  until not isEscape
  return at
end

local function nameOf(quoted)
  if quoted:find("\\", 1, true) then
    return (json.decode("[" .. quoted .. "]") or { quoted })[1]
  end
  return quoted:sub(2, -2)
end

--- Looks through a text that is JSON.
---@param text string valid: a decoder has taken it
---@return integer[] starts where each item of the outermost list begins; empty where it is not a list
---@return string|nil repeated a key that an object has twice
function M.scan(text)
  local starts, keys, depth, repeated = {}, {}, 0, nil
  local isList = text:find "^%s*%["
  local at = text:find '[{}%[%],":]'
  while at do
    local character = text:sub(at, at)
    if character == "{" or character == "[" then
      depth = depth + 1
      keys[depth] = character == "{" and {} or nil
    elseif character == "}" or character == "]" then
      keys[depth] = nil
      depth = depth - 1
    elseif character == '"' then
      local last = closing(text, at)
      if keys[depth] and text:find("^%s*:", last + 1) then
        local name = nameOf(text:sub(at, last))
        repeated = repeated or keys[depth][name] and name
        keys[depth][name] = true
      end
      at = last
    end
    if isList and depth == 1 and (character == "[" or character == ",") then
      local start = text:find("[^%s]", at + 1)
      starts[#starts + 1] = text:sub(start, start) ~= "]" and start or nil
    end
    at = text:find('[{}%[%],":]', at + 1)
  end
  return starts, repeated
end

return M
