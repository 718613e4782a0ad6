--- canary.lua - makes calls that go wrong in every way with marked secrets, and gives all that a program
--- could print of them. Runs in plain Lua and in a worker of nginx; used by canary_spec.lua.
--- Part of qcimage, see LICENSE.

local sign = require "qcimage.call.sign"
local identity = require "spec.support.identity"
local image = require "qcimage"
local redact = require "qcimage.util.redact"

local M = {}

--- Words that stand in each secret again and again, so that a part of one is known, too.
M.MARKS = { "kkMARK7", "ttMARK8", "ppMARK9" }

M.SECRET_KEY = ("kkMARK7"):rep(5)
M.TOKEN = ("ttMARK8+/"):rep(6) .. "=="
M.PROXY_LOGIN = "somebody:" .. ("ppMARK9"):rep(3)
M.PROXY_BASIC = "c29tZWJvZHk6cHBNQVJLOXBwTUFSSzlwcE1BUks5"

--- Kinds of answer of the server that echoes (canary_spec.lua has it), each with a call's secrets.
-- stylua: ignore
M.ECHOES = {
  "message", "description", "word", "request", "page", "odd", "coded", "moved", "cut", "long", "throttled", "internal",
}

local lines, signatures, seen

local function note(value)
  if type(value) == "string" then
    lines[#lines + 1] = value
    return
  end
  local ok, shown = pcall(tostring, value)
  lines[#lines + 1] = ok and shown or nil
  if type(value) == "table" and not seen[value] then
    seen[value] = true
    for key, item in pairs(value) do
      note(key)
      note(item)
    end
    note(getmetatable(value))
  end
end

-- A signed request is made to hold the signature and the token; the key it may not.
local function noteSigned(request)
  assert(type(request) == "table", request)
  for _, text in ipairs { request.url, request.body or "", request.stringToSign or "" } do
    assert(not text:find(M.MARKS[1], 1, true))
  end
end

--- Makes the calls.
---@param settings table options (of every client), echo, tls, plain (endpoints), free (a port where nobody
--- listens), proxy (a port of one that refuses)
---@return string[] lines all texts that could be reached
---@return string[] signatures what the calls were signed with
---@return table<string, integer> kinds how many errors of each kind and reason there were
function M.run(settings)
  lines, signatures, seen = {}, {}, {}
  local kinds = {}
  local request = sign.request
  sign.request = function(...)
    local made, message, field, kind = request(...)
    if made then
      signatures[#signatures + 1] = redact.signature(made.headers.Authorization or made.body or made.url)
    end
    return made, message, field, kind
  end

  local function new(more)
    local options = {
      secretId = identity.SECRET_ID,
      secretKey = M.SECRET_KEY,
      token = M.TOKEN,
      region = "gz",
      endpoint = settings.echo,
      maxAttempts = 2,
      attemptTimeout = 2,
      sleep = function() end,
      onAttempt = note,
    }
    for _, set in ipairs { settings.options, more or {} } do
      for name, value in pairs(set) do
        options[name] = value
      end
    end
    if options.credentials then
      options.secretId, options.secretKey, options.token = nil, nil, nil
    end
    return image.new(options)
  end

  local function count(result, message, err)
    note(result)
    note(message)
    note(err)
    local kind = result and "success" or err and (err.reason or err.kind) or "raised"
    kinds[kind] = (kinds[kind] or 0) + 1
  end

  -- Every kind of call, on a client with these options.
  local function call(more, name)
    local client = new(more)
    note(client)
    local params = { imageId = "img-12345678", imageName = name }
    count(client:modify(params))
    count(client:modify(params, { readBack = false }))
    count(client:wait({ imageIds = { "img-12345678" } }, { waitTimeout = 0.01 }))
    count(client:describe { imageIds = { "img-12345678" } })
    count(client:call("SyncImages", { ImageId = name, imageId = name }, { raw = true }))
    count(
      nil,
      select(
        2,
        xpcall(function()
          for each in client:each() do
            note(each)
          end
          return assert(client:modify(params))
        end, debug.traceback)
      )
    )
    local signed = client:sign("ModifyImageAttribute" .. (client.version == "2.0" and "s" or ""), params)
    if signed then
      noteSigned(signed)
    end
    note(client)
    client:close()
    note(client)
    count(nil, select(2, pcall(client.modify, client, params)))
  end

  for _, name in ipairs(M.ECHOES) do
    call({}, "echo-" .. name)
    call({ maxAttempts = 1, skipRules = true }, "echo-" .. name)
  end

  -- the network
  call { endpoint = "http://127.0.0.1:" .. settings.free }
  call { endpoint = "https://nobody.invalid" }
  call { endpoint = settings.tls }
  call { endpoint = settings.tls, verify = false }
  call { endpoint = settings.plain:gsub("http:", "https:"), attemptTimeout = 0.1, maxAttempts = 1 }
  call { endpoint = settings.plain }
  call { maxResponseBytes = 10 }
  call { attemptTimeout = 0.000001 }
  call { timeout = 0.000001 }
  call { caFile = "/nowhere/ca.pem", endpoint = settings.tls }
  -- proxies
  local function behind(scheme, port)
    return ("%s://%s@127.0.0.1:%s"):format(scheme, M.PROXY_LOGIN, port)
  end
  for _, scheme in ipairs { "http", "https", "socks4", "socks5", "socks5h", "gopher", "no scheme" } do
    for _, port in ipairs { settings.free, settings.proxy, "99999", "port" } do
      for _, endpoint in ipairs { "https://api.test", "http://api.test" } do
        local proxy = behind(scheme, port)
        local client = new {
          proxy = proxy,
          endpoint = endpoint,
          allowPlainHttp = true,
          attemptTimeout = 0.1,
          maxAttempts = 1,
        }
        note(client)
        count(client:modify { imageId = "img-12345678", imageName = "a" })
      end
    end
  end
  -- transports of one's own that say what they sent
  for _, answer in ipairs {
    function(said)
      return nil, said, { sent = false }
    end,
    function(said)
      return nil, { said }, said
    end,
    function(said)
      return { status = said, headers = {}, body = said }
    end,
    function(said)
      return { status = 200, headers = { date = said, ["content-encoding"] = said }, body = "{}" }
    end,
    function(said)
      return { status = 200, headers = { date = said, ["retry-after"] = said }, body = said }
    end,
  } do
    call {
      transport = function(sent)
        local said = { sent.url, sent.body or "" }
        for name, value in pairs(sent.headers) do
          said[#said + 1] = name .. ": " .. value
        end
        return answer(table.concat(said, " "))
      end,
    }
  end
  -- credentials
  local function given(provider)
    local client = new { credentials = provider }
    note(client)
    count(client:modify { imageId = "img-1" })
  end
  for _, key in ipairs { M.SECRET_KEY .. "\n", M.SECRET_KEY .. " x", M.SECRET_KEY .. "\195", M.SECRET_KEY:rep(100) } do
    given { secretId = "AKIDxxxxxxxx", secretKey = key }
    given { secretId = key, secretKey = key }
    given { secretId = "AKIDxxxxxxxx", secretKey = M.SECRET_KEY, token = key }
    given(function()
      return { secretId = "AKIDxxxxxxxx", secretKey = key, token = key }
    end)
  end
  given { secretId = { M.SECRET_KEY }, secretKey = { M.SECRET_KEY } }
  -- mistakes of the program
  for _, options in ipairs {
    { secretKey = { M.SECRET_KEY } },
    { secretkey = M.SECRET_KEY },
    { token = { M.TOKEN } },
    { proxy = { M.PROXY_LOGIN } },
    { credentials = M.SECRET_KEY },
    { credentials = { M.SECRET_KEY } },
    { credentials = { [M.SECRET_KEY] = "AKIDxxxxxxxx" } },
    { endpoint = "https://" .. M.PROXY_LOGIN .. "@api.test" },
  } do
    count(nil, select(2, pcall(new, options)))
  end
  local client = new()
  for _, name in ipairs { "modify", "describe", "each", "call", "sign" } do
    count(nil, select(2, pcall(client[name], client, M.SECRET_KEY, M.SECRET_KEY)))
    count(nil, select(2, pcall(client[name], M.SECRET_KEY)))
  end
  -- an error in a hook
  client = new {
    onAttempt = function()
      error "in the hook"
    end,
  }
  local result, message, err = client:modify { imageId = "img-1", imageName = "echo-message" }
  count(result, message, err)
  note((result or err).hookError)

  sign.request = request
  return lines, signatures, kinds
end

return M
