--- emulator/host.lua - what the Host header of a request says: the product, on a host of the public cloud; which names may
--- be signed for it.
--- Pure. Part of qcimage, see LICENSE.

local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local M = {}

--- The name of a host: lowercase, without the port.
---@param host string Host header
---@return string
function M.name(host)
  return (text.lower(host):gsub(":%d+$", ""))
end

--- Refuses a request for another host than the only one that is accepted.
---@param wanted string setting hostName; "": any is accepted
---@param host string Host header
---@param code integer|string of the refusal
function M.check(wanted, host, code)
  local name = M.name(host)
  if wanted ~= "" and name ~= text.lower(wanted) then
    abort.raise(code, "this is %s, not %s", wanted, text.show(name))
  end
end

local function isIn(name, domain)
  return name:sub(-#domain - 1) == "." .. domain
end

--- The module of API 2.0 that a host of the public cloud serves: "image" of image.api.qcloud.com.
---@param host string Host header
---@return string|nil module "" for a host of the cloud that does not serve API 2.0; nil: not a host of the cloud
function M.module(host)
  local name = M.name(host)
  return name:match "^(.+)%.api%.qcloud%.com$" or M.product(host) and "" or nil
end

--- The product of API 3.0 that a host of the public cloud serves: "cvm" of cvm.ap-guangzhou.tencentcloudapi.com.
---@param host string Host header
---@return string|nil product "" for a host of the cloud that does not serve API 3.0; nil: not a host of the cloud
function M.product(host)
  local name = M.name(host)
  for _, domain in ipairs { "tencentcloudapi.com", "tencentcloudapi.cn", "tencentcloudapi.com.cn" } do
    if isIn(name, domain) then
      return name:match "^[^.]*"
    end
  end
  return isIn(name, "api.qcloud.com") and "" or nil
end

--- Whether a client may have taken a word for the service since it is the first label of the host. Several of Tencent's
--- do, with the port or without.
---@param host string Host header
---@param word string
---@return boolean
function M.isFirstLabel(host, word)
  local lower = text.lower(word)
  return lower == text.lower(host):match "^[^.]*" or lower == M.name(host):match "^[^.]*"
end

--- The other spelling of a host that may be signed. Several of Tencent's clients leave the port out, which the cloud's
--- hosts do not have.
---@param host string Host header
---@return string|nil
function M.alsoSigned(host)
  local bare = host:gsub(":%d+$", "")
  return bare ~= host and not M.module(host) and bare or nil
end

return M
