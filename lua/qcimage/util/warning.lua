--- warning.lua - writes warnings to stderr, inside nginx to its error log.
--- Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local callback = require "qcimage.util.callback"

local M = {}

local said = {}

--- Writes a warning.
---@param message string one line, without secrets
function M.write(message)
  if environments.isNginx then
    ngx.log(ngx.WARN, "qcimage: ", message)
  else
    io.stderr:write("qcimage: ", message, "\n")
  end
end

--- Writes a warning once in the life of a process.
---@param message string one line, without secrets
function M.once(message)
  if not said[message] then
    said[message] = true
    M.write(message)
  end
end

-- Returns whether a function on this coroutine's stack catches errors.
local function isCaught()
  local level = 2
  local info = debug and debug.getinfo(level, "f") -- debug may be missing in a host
  while info and info.func ~= pcall and info.func ~= xpcall do
    level = level + 1
    info = debug.getinfo(level, "f")
  end
  return info ~= nil or callback.isGuarded()
end

-- nginx and the interpreter of PUC Lua 5.1 show an uncaught error only if it is text, not a table.
local showsText = environments.isNginx or _VERSION == "Lua 5.1" and not rawget(_G, "jit")

--- Raises an error. Where the host would not show its message, it is also written to nginx's error log or to stderr.
---@param err qcimage.Error
function M.raise(err)
  if showsText and not isCaught() then
    if environments.isNginx then
      ngx.log(ngx.ERR, "qcimage: ", err.message)
    else
      M.write(err.message)
    end
  end
  error(err, 0)
end

return M
