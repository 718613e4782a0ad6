--- warning.lua - what a person should know, though no call fails of it: on stderr, inside nginx in its error log.
--- Part of qcimage, see LICENSE.

local environments = require "qcimage.environment"

local M = {}

local said = {}

--- Says something.
---@param message string one line, without secrets
function M.say(message)
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
    M.say(message)
  end
end

return M
