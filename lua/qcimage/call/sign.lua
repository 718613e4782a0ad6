--- sign.lua - signs the request of one attempt: headers, Authorization (API 3.0) or the parameter Signature (API 2.0).
--- Pure: the time and the nonce are given. Part of qcimage, see LICENSE.

local build = require "qcimage.call.build"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.util.errors"

local M = {}

local FORM = "application/x-www-form-urlencoded"
local JSON = "application/json; charset=utf-8"
-- Names in the signature's scope, whatever the host is called, and versions.
local CVM, CVM_VERSION = "cvm", "2017-03-12"
local VERSIONS = { sts = "2018-08-13" }

-- Replaces the Authorization of unsigned actions, and their signing stages.
local UNSIGNED, NONE = "SKIP", {}

-- Encoded responses are refused, so none are asked for.
local IDENTITY = "identity"

local DIGESTS = { HmacSHA256 = "sha256", HmacSHA1 = "sha1" }

-- Nil and the error of a request that cannot be signed.
local function refuse(call, problem)
  return nil, errors.ofAction(call.action.name, "unsupported", problem)
end

-- Each returns the request and what was signed; or nil and an error.

local function sign2(call, attempt, withStages)
  local form, err = build.form(call)
  if not form then
    return nil, err
  end
  local options, endpoint, path = call.client.options, call.endpoint, endpoints.PATHS["2.0"]
  local wire, stages = attempt.signer:v2(
    DIGESTS[options.signatureMethod],
    options.method,
    endpoint.hostHeader,
    path,
    form,
    withStages,
    attempt.time, -- the public parameters begin here
    attempt.nonce,
    call.action.name,
    call.region,
    attempt.credentials.token
  )
  if not wire then
    return refuse(call, stages)
  end
  err = build.checkSize(call, #wire)
  if err then
    return nil, err
  end
  local isPost = options.method == "POST"
  local headers = {
    Host = endpoint.hostHeader,
    ["Content-Type"] = isPost and FORM or nil,
    ["Accept-Encoding"] = IDENTITY,
    ["User-Agent"] = options.userAgent,
  }
  if not isPost then
    return endpoints.request(endpoint, "GET", path .. "?" .. wire, headers), stages
  end
  return endpoints.request(endpoint, "POST", path, headers, wire), stages
end

local function sign3(call, attempt, withStages)
  local payload, err = build.json(call)
  if not payload then
    return nil, err
  end
  local options, endpoint, service = call.client.options, call.endpoint, call.action.service
  local authorization, stages = UNSIGNED, NONE
  if attempt.signer then
    authorization, stages =
      attempt.signer:tc3(attempt.time, service or CVM, endpoint.hostHeader, JSON, payload, withStages)
  end
  if not authorization then
    return refuse(call, stages)
  end
  local headers = {
    Host = endpoint.hostHeader,
    ["Content-Type"] = JSON,
    Authorization = authorization,
    ["X-TC-Action"] = call.action.name,
    ["X-TC-Version"] = service and VERSIONS[service] or CVM_VERSION,
    ["X-TC-Timestamp"] = tostring(attempt.time),
    ["X-TC-Region"] = call.region,
    ["X-TC-Token"] = attempt.credentials.token,
    ["X-TC-Language"] = options.language,
    ["Accept-Encoding"] = IDENTITY,
    ["User-Agent"] = options.userAgent,
  }
  return endpoints.request(endpoint, "POST", endpoints.PATHS["3.0"], headers, payload), stages
end

--- Signs the request of an attempt.
---@param call qcimage.Call
---@param attempt qcimage.Attempt with credentials, signer, time and nonce; gets its carrier
---@param withStages boolean|nil also return the signing stages
---@return qcimage.Request|nil
---@return qcimage.Error|nil err
function M.request(call, attempt, withStages)
  local sign = call.version == "3.0" and sign3 or sign2
  local request, stages = sign(call, attempt, withStages)
  if not request then
    return nil, stages
  end
  -- A copy, since a transport may change the request.
  attempt.carrier = request.headers.Authorization or request.body or request.path
  if withStages then
    for name, value in pairs(stages) do
      request[name] = value
    end
  end
  return request
end

return M
