--- cosocket.lua - the transport inside nginx, over cosockets: it never blocks the worker.
--- Keeps no state between calls but connections in nginx's own pool, so that light threads may share it. May use ngx, and no
--- other way to wait. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local endpoints = require "qcimage.api.endpoints"
local errors = require "qcimage.util.errors"
local http1 = require "qcimage.transport.http1"
local lightThread = require "qcimage.transport.light_thread"
local callback = require "qcimage.util.callback"
local text = require "qcimage.util.text"

local M = {}

local milliseconds = lightThread.milliseconds

-- Bytes of one read at most; nginx returns the contents of its socket buffer (4 or 8 KB).
local READ = 64 * 1024

-- The sizes of nginx's socket buffers (lua_socket_buffer_size) are multiples of this many bytes.
local BUFFER_UNIT = 1024

-- Bytes of a request that the system's buffers accept at once, whatever the peer does.
local AT_ONCE = 4096

-- What the system says at once where there is no IPv6.
local NO_ROUTE = {
  ["network is unreachable"] = true,
  ["no route to host"] = true,
  ["cannot assign requested address"] = true,
  ["address family not supported by protocol"] = true,
}

local REFUSED = "the certificate was refused (nginx's error log says why)"
local NO_RESOLVER = "no resolver defined"

-- What a name server says of a name that does not exist: in nginx's words, and in those of lua-resty-dns, which gateways
-- use that replace `connect`.
local NO_NAME = { "host not found", "3 name error" }

-- An invalid address: connect takes a kept connection before it parses the address, or fails at once.
local NOWHERE = "unix:"

local function isName(host)
  return not host:find "^%[" and not host:find "^[0-9.]+$"
end

local function phase()
  local ok, name = pcall(ngx.get_phase)
  return ok and tostring(name) or "unknown"
end

-- Where to make a call instead.
local function elsewhere()
  local name = phase()
  if name == "exit_worker" then -- where timers cannot start any more
    return "make the call before the worker exits"
  end
  return (name == "init" and "from init_worker_by_lua on, " or "")
    .. "make the call in a timer: ngx.timer.at(0, function() ... end)"
end

-- OpenSSL's words for a certificate with unknown signers, or too long a chain.
local UNTRUSTED = { "issuer", "self.signed", "first certificate", "chain too long", "not trusted" }

local function tlsHint(problem, host)
  local isOpen = problem == REFUSED
  if not isName(host) and (isOpen or problem:find("host mismatch", 1, true)) then
    return " (nginx compares names alone, not addresses: name the endpoint by one that the certificate has)"
  end
  for _, words in ipairs(UNTRUSTED) do
    if isOpen or problem:find(words) then
      return " (nginx trusts what the file of lua_ssl_trusted_certificate holds, through as many certificates"
        .. " as lua_ssl_verify_depth allows)"
    end
  end
  return ""
end

-- What the caller can do about a failure, in nginx's words.
local function hint(reason, problem, host)
  if reason == "dns" and problem:find(NO_RESOLVER, 1, true) then
    return " (nginx needs the directive resolver, such as: resolver 127.0.0.53;)"
  elseif reason == "dns" and problem:find("could not be resolved", 1, true) then
    return " (nginx asks the servers of its resolver directive, not /etc/hosts)"
  elseif reason == "tls" then
    return tlsHint(problem, host)
  elseif reason == "connect" and NO_ROUTE[problem] and isName(host) then
    return " (the name may have an IPv6 address, which this machine cannot reach:"
      .. " add ipv6=off to the resolver directive)"
  end
  return ""
end

-- Returns whether a failed name lookup is permanent; a name server that did not respond is retried.
local function isLasting(reason, problem)
  if reason ~= "dns" then
    return nil
  end
  local said = text.lower(problem)
  return (said:find(NO_RESOLVER, 1, true) or said:find(NO_NAME[1], 1, true) or said:find(NO_NAME[2], 1, true)) and true
    or nil
end

local function failure(request, reason, problem, sent)
  local target = request.connectTo
  local message = ("%s: %s%s"):format(
    errors.TRANSPORT[reason]:format(endpoints.shown(request)),
    text.oneLine(problem),
    hint(reason, problem, reason ~= "tls" and target and target.host or request.host)
  )
  return nil, message, { sent = sent, reason = reason, lasting = isLasting(reason, problem) }
end

local function unsupported(message)
  return nil, message, { sent = false, kind = "unsupported" }
end

-- Returns a socket, or nil and why there is none in this phase. Tried, since the allowed phases change with nginx's version.
-- The phase is checked before the socket: gateways return another kind of socket where nginx has none.
local function newSocket()
  local ok, sock = pcall(ngx.socket.tcp)
  if not ok or type(sock) ~= "table" then
    return nil, ("nginx has no sockets in the phase %s (%s): %s"):format(phase(), callback.errorText(sock), elsewhere())
  elseif core.isyieldable() == false then
    local thread, isMain = coroutine.running()
    if not thread or isMain then
      return nil, ("nginx cannot wait in the phase %s: %s"):format(phase(), elsewhere())
    end
    return nil,
      (
        "nginx cannot wait here (phase %s): inside a C function such as require, table.sort or"
        .. " string.gsub it would be an attempt to yield across C-call boundary; call outside of it, or %s"
      ):format(phase(), elsewhere())
  elseif not sock.receiveany then -- waits for whole pieces cannot be limited in time
    return nil, "the sockets of this nginx have no receiveany: its Lua module must be 0.10.14 or later"
  end
  return sock
end

-- Returns whether a request has the same endpoint and connects to the same host as the last one.
local function isSame(origin, request)
  local target = request.connectTo or request
  return request.host == origin.host
    and request.port == origin.port
    and request.scheme == origin.scheme
    and target.host == origin.connectHost
    and target.port == origin.connectPort
end

-- Returns what all requests to one endpoint share.
local function originOf(request, settings)
  local target = request.connectTo or request
  return {
    scheme = request.scheme,
    host = request.host, -- that the certificate must name
    port = request.port,
    connectHost = target.host,
    connectPort = target.port,
    isName = isName(target.host),
    pool = { -- its name distinguishes all kinds of connections
      pool = ("qcimage %s://%s:%d over %s:%d verify=%s size=%d"):format(
        request.scheme,
        request.host,
        request.port,
        target.host,
        target.port,
        tostring(settings.verify),
        settings.poolSize
      ),
      pool_size = settings.poolSize,
    },
    session = nil, -- of TLS, of the connection made last
  }
end

local function connect(sock, origin)
  return sock:connect(origin.connectHost, origin.connectPort, origin.pool)
end

-- Opens a connection, or takes a kept one. Returns a true value, or nil and the problem.
local function open(sock, origin, connectBy)
  if not origin.isName then
    return connect(sock, origin)
  end
  -- A name lookup ignores the socket's timeout, so it runs in a light thread, which can be killed. A kept connection needs
  -- neither.
  if sock:connect(NOWHERE, origin.port, origin.pool) and (sock:getreusedtimes() or 0) > 0 then
    return true
  end
  return lightThread.within(connectBy, connect, sock, origin)
end

local function send(sock, bytes)
  return sock:send(bytes)
end

-- Has the waits of a socket end by a time. Returns whether there is any left.
local function limit(sock, finish)
  local left = finish - core.monotonic()
  sock:settimeout(milliseconds(left))
  return left > 0
end

-- Opens a connection, or takes a kept one, and sends. Returns true, or nil and the problem.
local function begin(exchange, sock, settings)
  local origin, bytes = exchange.origin, exchange.bytes
  limit(sock, exchange.connectBy)
  local ok, problem = open(sock, origin, exchange.connectBy)
  if not ok then
    return nil, problem
  end
  local times = sock:getreusedtimes()
  if type(times) ~= "number" then
    return nil, "connect returned no connection"
  end
  exchange.isKept = times > 0
  if origin.scheme == "https" and not exchange.isKept then
    exchange.stage = "tls"
    limit(sock, exchange.connectBy)
    ok, problem = sock:sslhandshake(origin.session or false, origin.host, settings.verify)
    if not ok then
      return nil, problem
    elseif not sock:getreusedtimes() then
      -- When the handshake needs no wait, nginx says "true" of a certificate that it has refused, and
      -- closes the connection (openresty/lua-nginx-module#2506).
      return nil, REFUSED
    end
  end
  if not limit(sock, exchange.deadline) then
    return nil, "timeout"
  end
  exchange.stage = "send"
  if #bytes <= AT_ONCE then
    return send(sock, bytes)
  end
  -- The socket's timeout starts again with each part of a long request that is accepted.
  return lightThread.within(exchange.deadline, send, sock, bytes)
end

-- Returns whether connect failed because of the name: nginx's words, and those of gateways that resolve names themselves.
local function isOfName(problem)
  local said = text.lower(problem)
  return said:find("resol", 1, true) or said:find("dns ", 1, true)
end

-- Returns the reason and the problem of a failed `begin`.
local function stopped(exchange, problem)
  problem = callback.errorText(problem)
  if exchange.stage == "send" then
    return problem == "timeout" and problem or "closed", "the request could not be sent: " .. problem
  elseif problem == "timeout" then
    return problem, exchange.origin.isName and "no address (by nginx's resolver) or no connection" or "no connection"
  elseif exchange.stage == "connect" and isOfName(problem) then
    return "dns", problem
  end
  return exchange.stage, problem
end

-- Reads one response. Returns true, or nil, the reason, the problem.
local function receive(sock, reader, exchange)
  while true do
    if not limit(sock, exchange.deadline) then -- each time, or a server that sends a byte a second would hold the call
      return nil, "timeout", reader.started and "only part of the response arrived" or "no response"
    end
    local bytes, problem = sock:receiveany(READ)
    if bytes then
      local done, fault, reason = reader:feed(bytes)
      if done ~= false then
        -- If the last piece filled the buffer, OpenSSL may have more data, which nginx does not notice on an idle socket: it would
        -- be taken for the next response.
        if exchange.origin.scheme == "https" and #bytes % BUFFER_UNIT == 0 then
          reader.keep = false
        end
        return done, reason, fault
      end
    elseif problem == "closed" and reader:finish() then
      return true
    elseif problem ~= "timeout" then
      return nil, "closed", tostring(problem)
    end
  end
end

-- Returns the TLS session of a connection after its first response, or nil: in TLS 1.3 the resumable session arrives after
-- the handshake. A second call of sslhandshake returns it without another handshake.
local function sessionAfter(sock, request, settings)
  local ok, session = pcall(sock.sslhandshake, sock, nil, request.host, settings.verify)
  return ok and session ~= nil and session or nil -- a null pointer is true, and equals nil
end

-- Sends, reads, and keeps the connection where it can carry another request. Returns true; or nil, the reason and the
-- problem.
local function carry(exchange, sock, settings)
  local reader, request = exchange.reader, exchange.request
  local ok, problem = begin(exchange, sock, settings)
  if not ok then
    return nil, stopped(exchange, problem)
  end
  local reason
  ok, reason, problem = receive(sock, reader, exchange)
  if not ok then
    return nil, reason, problem
  end
  if request.scheme == "https" and not exchange.isKept then
    exchange.origin.session = sessionAfter(sock, request, settings)
  end
  if not (reader.keep and sock:setkeepalive(exchange.idle)) then
    sock:close()
  end
  return true
end

-- What became of an exchange in which a socket's method raised an error, as nginx's do of a certificate that it refuses
-- (lua-resty-core asserts), and those of gateways that replace them.
local function raised(exchange, thrown)
  local problem = "nginx's socket raised an error: " .. callback.errorText(thrown)
  if exchange.stage == "send" then
    return "closed", problem
  end
  exchange.origin.session = nil
  return exchange.stage, problem .. (exchange.stage == "tls" and " (nginx's error log may say why)" or "")
end

local function close(sock)
  sock:close()
end

-- Makes an exchange. Returns the response, or nil and a failure as a transport returns it.
local function run(exchange, sock, settings)
  local ran, isWhole, reason, problem = callback.pcall(carry, exchange, sock, settings)
  if not (ran and isWhole) then
    pcall(close, sock)
  end
  local reader = exchange.reader
  if reader.response then -- whatever happened to the connection afterwards
    return reader.response
  elseif not ran then
    reason, problem = raised(exchange, isWhole)
  elseif exchange.stage == "tls" then
    exchange.origin.session = nil
  end
  local _, message, detail = failure(exchange.request, reason, problem, exchange.stage == "send")
  -- The server had closed a kept connection.
  detail.reused = ran and exchange.isKept and reason == "closed" and not reader.started or nil
  return nil, message, detail
end

-- Why nothing is sent with these settings, or nil.
local function refusalOf(settings)
  if settings.caFile then
    return "option caFile cannot be used in nginx: set the directives lua_ssl_trusted_certificate"
      .. " and lua_ssl_verify_depth"
  elseif settings.proxy and settings.proxy ~= "" then
    return "option proxy cannot be used in nginx: its sockets cannot go through a proxy;"
      .. " set option transport to one that can, such as lua-resty-http"
  end
end

--- Makes a transport. Opens nothing, in whatever phase.
---@param settings qcimage.TransportSettings
---@return qcimage.Transport
function M.new(settings)
  local refusal = refusalOf(settings)
  local idle = milliseconds(settings.poolIdle)
  local origin = {} -- of the last request: a client's calls go to one host, or to few

  return function(request, secondsLeft)
    if refusal then
      return unsupported(refusal)
    elseif secondsLeft <= 0 then
      return failure(request, "timeout", "deadline exceeded", false)
    elseif not isSame(origin, request) then
      origin = originOf(request, settings)
    end
    local sock, barred = newSocket()
    if not sock then
      return unsupported(barred)
    end
    local bytes, wrong = http1.write(request)
    if not bytes then
      return unsupported(wrong)
    end
    local now = core.monotonic()
    return run({
      request = request,
      bytes = bytes,
      origin = origin,
      deadline = now + secondsLeft,
      connectBy = now + math.min(secondsLeft, settings.connectTimeout), -- a time, too
      idle = idle, -- milliseconds
      reader = http1.reader(settings.maxResponseBytes),
      stage = "connect", -- then "tls", "send"
      isKept = false,
    }, sock, settings)
  end
end

--- Waits without holding up the worker. A wait below a millisecond would be one of 0 to nginx, which
--- warns of those.
---@param seconds number
function M.sleep(seconds)
  if core.isyieldable() == false then
    error(("nginx cannot wait here (phase %s)"):format(phase()), 0)
  end
  ngx.sleep(milliseconds(seconds) / 1000)
end

return M
