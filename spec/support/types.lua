--- types.lua - the LuaCATS comments of lua/, by which editors complete and check: classes with their fields, aliases, and
--- which public functions have comments of their own.

local process = require "spec.support.process"

---@class spec.Types
---@field classes table<string, {name: string, fields: table<string, string>, place: string, bound: string}>
---@field aliases table<string, string> words
---@field misplaced string[] comments of functions that are not right above one
---@field documented table<string, boolean> functions of qcimage.lua with comments of their own
local M = { classes = {}, aliases = {}, misplaced = {}, documented = {} }

-- What a comment's line adds to the block that it stands in.
local function readLine(line, block, place)
  local class = line:match "^%-%-%-@class ([%w.]+)"
  local field, optional, kind = line:match "^%-%-%-@field ([%w_]+)(%??) (.+)$"
  local alias, words = line:match "^%-%-%-@alias ([%w.]+)%s*(.*)$"
  if class then
    block.class = { name = class, fields = {}, place = place }
    M.classes[class] = block.class
  elseif field == "package" then
    return -- LuaCATS: not for users
  elseif field then
    -- the type ends at the first blank, but for what stands in fun(…): … and after ", "
    block.class.fields[field] = (kind:find "^fun%(" and kind or kind:match "^(%S+)")
      .. (optional == "?" and "|nil" or "")
  elseif alias then
    block.alias = alias
    M.aliases[alias] = words
  elseif line:find "^%-%-%-|" then
    M.aliases[block.alias] = M.aliases[block.alias] .. line:sub(5)
  elseif line:find "^%-%-%-@param" or line:find "^%-%-%-@return" then
    block.isFunction = true
  end
end

-- Reads the comments of all files. A block belongs to the line right below it.
local function readAll()
  local files = process.run "find lua -name '*.lua'"
  for name in files:gmatch "[^\n]+" do
    local block, number = {}, 0
    for line in io.lines(name) do
      number = number + 1
      if line:find "^%s*%-%-%-" then
        readLine(line:gsub("^%s+", ""), block, name .. ":" .. number)
      else
        if block.class then
          block.class.bound = line
        elseif block.isFunction and not line:find "function" and not line:find "^%s*[%w_.]+ = " then
          M.misplaced[#M.misplaced + 1] = name .. ":" .. number
        end
        local ownName = block.isFunction and line:match "^function image%.(%w+)"
        if ownName then
          M.documented[ownName] = true
        end
        block = {}
      end
    end
  end
end

readAll()

--- Names of the fields of a class, sorted.
---@param name string
---@return string[]
function M.fieldsOf(name)
  local names = {}
  for field in pairs(assert(M.classes[name], "there is no class " .. name).fields) do
    names[#names + 1] = field
  end
  table.sort(names)
  return names
end

--- The words of "a"|"b", with those of aliases, sorted.
---@param kind string
---@return string[]
function M.wordsOf(kind)
  local found, words = {}, {}
  for word in kind:gsub("qcimage%.%w+", M.aliases):gmatch '"([^"]+)"' do
    if not found[word] then
      found[word], words[#words + 1] = true, word
    end
  end
  table.sort(words)
  return words
end

return M
