--- signer_cache.lua - the signers of a client, by identity: a key is worked in once.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"

local M = {}

-- Identities whose signers are kept. A provider gives one, or some in turn; keys that are gone make room.
local MAX_SIGNERS = 8

--- Makes a store. Secrets stay in its closures.
---@return fun(given: table): userdata|nil, string|nil getSigner gives credentials their signer, or nil and a message
---@return fun() close
function M.new()
  local kept, place = {}, 1
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
      kept[place] = { id = id, key = key, signer = signer } -- the one before may still be at work: it is collected
      place = place % MAX_SIGNERS + 1
    end
    return signer, problem
  end
  local function close()
    for _, one in ipairs(kept) do
      one.signer:close()
    end
    kept, place = {}, 1
  end
  return getSigner, close
end

return M
