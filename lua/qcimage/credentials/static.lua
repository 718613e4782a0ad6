--- static.lua - credentials that the program gives: fixed values.
--- Pure. Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"

local M = {}

--- A source of fixed values, which are copied now.
---@param given table {secretId, secretKey, token}
---@param names table<string, string>|nil how messages call the fields
---@return qcimage.CredentialsSource
function M.new(given, names)
  local credentials, err = provider.validate(given, names, true)
  return function()
    return credentials, err
  end
end

return M
