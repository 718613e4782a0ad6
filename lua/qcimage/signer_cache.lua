--- signer_cache.lua - caches the signers of a client by identity, so that key derivation is not repeated.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"

local M = {}

-- Signers that are kept: a provider returns one identity, or a few in turn; the oldest is replaced.
local MAX_SIGNERS = 8

--- Makes a cache. Secrets stay in its closures.
---@return fun(given: table): userdata|nil, string|nil getSigner returns the signer of credentials, or nil and a message
---@return fun() close
function M.new()
  local kept, oldest = {}, 1
  local function getSigner(given)
    local id, key = given.secretId, given.secretKey
    for i = 1, #kept do
      local one = kept[i]
      if one.id == id and one.key == key then
        return one.signer
      end
    end
    local signer, problem = core.signer(id, key)
    if signer then
      kept[oldest] = { id = id, key = key, signer = signer } -- the replaced one may be in use: it is collected later
      oldest = oldest % MAX_SIGNERS + 1
    end
    return signer, problem
  end
  local function close()
    for _, one in ipairs(kept) do
      one.signer:close()
    end
    kept, oldest = {}, 1
  end
  return getSigner, close
end

return M
