--- provider_context.lua - the context that a client passes to its credentials providers: clocks, sleep, the metadata service,
--- calls of STS. These run like the client's own calls, with other keys and another host.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local refusals = require "qcimage.credentials.refusals"
local endpoints = require "qcimage.api.endpoints"
local limits = require "qcimage.util.limits"

local M = {}

-- Options of the client's that its calls of STS have, too.
local SHARED = { "attemptTimeout", "limiter", "maxAttempts", "onAttempt", "userAgent" }

-- The `call` of a context.
local function caller(client, run, retryBudget)
  local options = { method = "POST" }
  for _, name in ipairs(SHARED) do
    options[name] = client.options[name]
  end
  local refused = setmetatable({}, { __mode = "k" }) -- by provider
  return function(action, params, how)
    local source, given, providerError = how.source, nil, nil
    if source then
      refused[source] = refused[source] or refusals.new()
    end
    local other = setmetatable({
      version = "3.0",
      provider = source and function(context) -- never the client's own provider, which may be the one that calls
        local found, err = source(context)
        given, providerError = found or given, err
        return found, err
      end,
      hasDynamicCredentials = true,
      refusals = refused[source or 0],
      serviceRegion = how.region,
      serviceRegionName = how.regionName or "the default",
      stsEndpoint = how.endpoint and endpoints.parse(how.endpoint),
      stsName = how.endpoint and "the role's endpoint",
      options = options,
      retryBudget = retryBudget, -- STS has a separate budget
    }, { __index = client })
    local result, err = run(other, action, params, { timeout = math.max(limits.shortestTimeout, how.secondsLeft) })
    client.offset = other.offset -- both services have the same clock
    return result, err, given, providerError
  end
end

--- Makes what the contexts of a client's calls have in common, as their metatable; see qcimage.CredentialsContext.
---@param client table
---@param parts {metadata: function, background: function|nil, canWait: boolean, run: function, retryBudget: number} run: that
--- of execute.lua; retryBudget: the store of retries of a call of STS
---@return table
function M.new(client, parts)
  local context = {
    monotonic = core.monotonic,
    sleep = client.sleep,
    random = client.random,
    background = parts.background,
    canWait = parts.canWait,
    metadata = parts.metadata,
    call = caller(client, parts.run, parts.retryBudget),
  }
  function context.now()
    local now = client.clock()
    return (type(now) == "number" and now or core.time()) + client.offset -- a failing clock is reported by the call
  end
  context.__index = context
  return context
end

return M
