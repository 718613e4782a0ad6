--- reload.lua - when a source that stands in a file is read again.
--- Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"

local M = {}

--- Makes a source of one that is loaded from files: at the first question; again when it had no keys, or when the keys
--- that it holds itself were refused (somebody may have replaced them).
---@param load fun(): qcimage.CredentialsSource, boolean the second: it holds the keys itself
---@param isEager boolean|nil load it now, and not again
---@return qcimage.CredentialsSource
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
