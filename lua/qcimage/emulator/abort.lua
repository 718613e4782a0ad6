--- emulator/abort.lua - ends a request with an error code of the service: raised by checks at any depth, caught where
--- responses are written.
--- Pure. Part of qcimage, see LICENSE.

local Refusal = {}

local M = {}

--- Ends the request with a code of the service.
---@param code integer|string
---@param message string
---@param ... any for string.format
function M.raise(code, message, ...)
  if select("#", ...) > 0 then
    message = message:format(...)
  end
  error(setmetatable({ code = code, message = message }, Refusal), 0)
end

--- Calls a function. A refusal that it raises is returned, any other error is raised again.
---@param f function
---@return boolean ok
---@return any result of f, or the refusal
function M.catch(f, ...)
  local ok, result = pcall(f, ...)
  if not ok and getmetatable(result) ~= Refusal then
    error(result, 0)
  end
  return ok, result
end

return M
