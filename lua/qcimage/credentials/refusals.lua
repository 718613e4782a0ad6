--- refusals.lua - remembers the credentials that the service refused last, until their provider returns others. They stay in
--- closures: a dump shows no secret. Pure. Part of qcimage, see LICENSE.

local provider = require "qcimage.credentials.provider"

local M = {}

---@class qcimage.Refusals
---@field note fun(credentials: qcimage.Credentials, how: "renew"|"reread")
---@field current fun(): qcimage.Credentials|nil, "renew"|"reread"|nil
---@field answered fun(credentials: qcimage.Credentials) a provider returned these: if they differ, none counts as refused

---@return qcimage.Refusals
function M.new()
  local refused, refusedHow
  return {
    note = function(credentials, how)
      refused, refusedHow = credentials, how
    end,
    current = function()
      return refused, refusedHow
    end,
    answered = function(credentials)
      if refused and not provider.equal(credentials, refused) then
        refused, refusedHow = nil, nil
      end
    end,
  }
end

return M
