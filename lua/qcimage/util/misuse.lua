--- misuse.lua - raises a programming error at the line of the program that made it, whatever lies between.
--- Part of qcimage, see LICENSE.

local M = {}

-- The chunk names of this library's files begin with this: "@/usr/share/lua/5.4/qcimage". Nil if they have none (stripped
-- bytecode, for example): then the caller cannot be distinguished from them.
local OURS = debug and debug.getinfo(1, "S").source:match "^(@.*qcimage)[/\\]util[/\\]misuse%.lua$"

local function isOurs(source)
  local rest = source:sub(1, #OURS) == OURS and source:sub(#OURS + 1)
  return rest and (rest == ".lua" or rest:find "^[/\\]") ~= nil
end

--- Raises a message with the position of the innermost caller that is not a file of ours. A tail call leaves no frame: then
--- it is the function that called the one that made it.
---@param message string
function M.raise(message)
  local level = 2
  local frame = OURS and debug.getinfo(level, "Sl")
  while frame do
    if frame.currentline > 0 and not isOurs(frame.source) then
      message = ("%s:%d: %s"):format(frame.short_src, frame.currentline, message)
      break
    end
    level = level + 1
    frame = debug.getinfo(level, "Sl")
  end
  error(message, 0)
end

return M
