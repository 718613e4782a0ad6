--- warning.lua - what a person should know, though no call fails of it: on stderr, inside nginx in its error log.
--- Part of qcimage, see LICENSE.

local environments = require "qcimage.util.environment"
local callback = require "qcimage.util.callback"

local M = {}

local said = {}

--- Says something.
---@param message string one line, without secrets
function M.write(message)
  if environments.isNginx then
    ngx.log(ngx.WARN, "qcimage: ", message)
  else
    io.stderr:write("qcimage: ", message, "\n")
  end
end

--- Says something once in the life of a process.
---@param message string one line, without secrets
function M.once(message)
  if not said[message] then
    said[message] = true
    M.write(message)
  end
end

-- Whether a function on this coroutine's stack takes what is raised.
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

--- Raises an error; its message is in nginx's error log, or on stderr, where nobody else would show it.
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
