--- versions.lua - qcimage and the libraries in use.
--- Part of qcimage, see LICENSE.

local version = require "qcimage.version"

local M = {}

--- Each by a line.
---@return string[]
function M.lines()
  local lines = { "qcimage " .. version.NUMBER, package.loaded.jit and package.loaded.jit.version or _VERSION }
  lines[#lines + 1] = "libcrypto " .. require("qcimage.core").version()
  local ok, http = pcall(version.native, "qcimage.http")
  lines[#lines + 1] = "libcurl " .. (ok and http.version() or "does not load: " .. tostring(http):match "^[^\n]*")
  lines[#lines + 1] = "lua-cjson " .. tostring(require("cjson")._VERSION)
  lines[#lines + 1] = "lua-argparse " .. tostring(require("argparse").version)
  return lines
end

return M
