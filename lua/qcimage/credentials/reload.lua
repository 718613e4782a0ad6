--- reload.lua - decides when a provider that comes from files is loaded again.
--- Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"

local M = {}

--- Makes a provider that is loaded from files at its first call; and again if it had no keys, or if keys that its file
--- contains were refused (somebody may have replaced them).
---@param load fun(): qcimage.CredentialsProvider, boolean the second: the file contains the keys itself
---@param isEager boolean|nil load it now, and never again
---@return qcimage.CredentialsProvider
function M.new(load, isEager)
  if isEager then
    return (load())
  end
  local source, isFixed
  return function(context)
    local isOld = source ~= nil
    if not isOld then
      source, isFixed = load()
    end
    local credentials, err = source(context)
    local isStale = not credentials or context.refused and provider.equal(credentials, context.refused)
    if isOld and isFixed and isStale then
      source, isFixed = load()
      credentials, err = source(context)
    end
    if not credentials then
      source = nil
    end
    return credentials, err
  end
end

return M
