--- option_names.lua - how messages name an option: "option timeout". A program whose users know the options by other names,
--- as the command's do, sets these once.
--- Part of qcimage, see LICENSE.

local M = {}

local nameOf

--- Sets the names of the program.
---@param names nil|fun(option: string): string|nil the name of an option, such as "--timeout"; nil: the program has none
function M.use(names)
  nameOf = names
end

--- Returns an option as a message names it.
---@param option string its name in Lua
---@return string
function M.shown(option)
  return nameOf and nameOf(option) or "option " .. option
end

--- Returns what turns an option on, for advice; nil where the program has no such option.
---@param option string a boolean's name in Lua
---@return string|nil
function M.setting(option)
  if nameOf then
    return nameOf(option)
  end
  return option .. " = true"
end

local parameterNames

--- Sets how the program's users know the parameters of an action.
---@param names nil|table<string, string> by their names in Lua; those that are absent keep these
function M.useParameters(names)
  parameterNames = names
end

--- Returns a parameter as a message names it.
---@param parameter string its name in Lua
---@return string
function M.parameter(parameter)
  return parameterNames and parameterNames[parameter] or parameter
end

return M
