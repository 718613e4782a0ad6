--- provider_context.lua - what a client lets its sources of credentials see of the world: clocks, waiting, the metadata service,
--- calls of STS. Those are made as any call of the client's is: signed, sent and tried again by the same means, with other
--- keys and to another host.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local refusals = require "qcimage.credentials.refusals"
local endpoints = require "qcimage.api.endpoints"

local M = {}

-- Options of the client's that its calls of STS have, too.
local SHARED = { "attemptTimeout", "limiter", "maxAttempts", "onAttempt", "userAgent" }

-- A time that an option may be.
local SHORTEST = 0.001

-- The `call` of a context.
local function caller(client, run, retryBudget)
  local options = { method = "POST" }
  for _, name in ipairs(SHARED) do
    options[name] = client.options[name]
  end
  local refused = setmetatable({}, { __mode = "k" }) -- by source
  return function(action, params, how)
    local source, given, fault = how.source, nil, nil
    if source then
      refused[source] = refused[source] or refusals.new()
    end
    local other = setmetatable({
      version = "3.0",
      provider = source and function(context) -- never the client's own, which may be what asks
        local found, err = source(context)
        given, fault = found or given, err
        return found, err
      end,
      hasDynamicCredentials = true,
      refusals = refused[source or 0],
      serviceRegion = how.region,
      serviceRegionName = how.regionName or "the default",
      stsEndpoint = how.endpoint and endpoints.parse(how.endpoint),
      stsName = how.endpoint and "the role's endpoint",
      options = options,
      retryBudget = retryBudget, -- what the service lacks, STS may have
    }, { __index = client })
    local result, err = run(other, action, params, { timeout = math.max(SHORTEST, how.secondsLeft) })
    client.offset = other.offset -- both services have the same clock
    return result, err, given, fault
  end
end

--- Makes what the contexts of a client's calls have in common, as their metatable; see qcimage.CredentialsContext.
---@param client table
---@param parts {metadata: function, background: function|nil, canWait: boolean, run: function, retryBudget: number} run: that
--- of execute.lua; retryBudget: the store of retries of a call of STS
---@return table
function M.new(client, parts)
  local world = {
    monotonic = core.monotonic,
    sleep = client.sleep,
    random = client.random,
    background = parts.background,
    canWait = parts.canWait,
    metadata = parts.metadata,
    call = caller(client, parts.run, parts.retryBudget),
  }
  function world.now()
    local now = client.clock()
    return (type(now) == "number" and now or core.time()) + client.offset -- a clock that fails is told by the call
  end
  world.__index = world
  return world
end

return M
