--- version.lua - the version of the Lua files and of their C modules, which must be equal.
--- Part of qcimage, see LICENSE.

local M = {}

M.NUMBER = "0.9.0"

--- Loads a C module. Raises an error if its version differs: an older one earlier on package.cpath would otherwise fail
--- later, far from the cause.
---@param name string "qcimage.core" or "qcimage.http"
---@return table
function M.loadNative(name)
  local ok, module = pcall(require, name)
  if not ok then
    if name == "qcimage.http" and tostring(module):find("module 'qcimage.http' not found", 1, true) then
      module = "qcimage.http was not found on package.cpath; calls outside nginx need it, and a build with "
        .. "QCIMAGE_HTTP=OFF leaves it out"
    end
    error(module, 0)
  end
  local found = module._VERSION
  if found ~= M.NUMBER then
    local path = package.searchpath and package.searchpath(name, package.cpath)
    error(
      ("qcimage: the Lua files are of version %s, but %s is of %s%s: install them together"):format(
        M.NUMBER,
        name,
        found and "version " .. tostring(found) or "an older one",
        path and (" (%s)"):format(path) or ""
      ),
      0
    )
  end
  return module
end

return M
