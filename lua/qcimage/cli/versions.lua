--- versions.lua - qcimage and the libraries in use.
--- Part of qcimage, see LICENSE.

local version = require "qcimage.util.version"

local M = {}

--- Each by a line.
---@return string[]
function M.lines()
  local lines = { "qcimage " .. version.NUMBER, package.loaded.jit and package.loaded.jit.version or _VERSION }
  lines[#lines + 1] = "libcrypto " .. require("qcimage.core").version()
  local ok, http = pcall(version.loadNative, "qcimage.http")
  lines[#lines + 1] = "libcurl " .. (ok and http.version() or "does not load: " .. tostring(http):match "^[^\n]*")
  lines[#lines + 1] = "lua-cjson " .. tostring(require("cjson")._VERSION)
  lines[#lines + 1] = "lua-argparse " .. tostring(require("argparse").version)
  return lines
end

--- The same in few words.
---@return string
function M.short()
  local words = {}
  for i, line in ipairs(M.lines()) do
    words[i] = line:match "running with libcurl/(%S+)" and "libcurl " .. line:match "running with libcurl/(%S+)"
      or line:match "running with (OpenSSL [%d.%w]+)"
      or line:find "^libcurl does not load" and "no libcurl"
      or line:match "^%S+ %S+"
  end
  return table.concat(words, ", ")
end

return M
