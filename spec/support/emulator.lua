--- emulator.lua - starts the emulator in nginx for a spec, talks to it and ends it; requests to the emulator
--- in-process, signed by code of its own.

local cjson = require "cjson"
local core = require "qcimage.core"
local http = require "socket.http"
local identity = require "spec.support.identity"
local ltn12 = require "ltn12"
local process = require "spec.support.process"

local M = {}

--- hmac and sha256, raw. They are the core's, which the vectors of sign_spec.lua and of sign_test.c hold to what
--- others have published; the emulator in nginx has libcrypto's own.
---@return table
function M.digests()
  return { hmac = core.hmac, sha256 = core.sha256 }
end

M.SECRET_ID, M.SECRET_KEY = identity.SECRET_ID, identity.SECRET_KEY
M.NOW = 1700000000
M.HOST = "127.0.0.1:8080"

local function asIs(text)
  return text
end

local function escape(text)
  return (tostring(text):gsub("[^A-Za-z0-9_.~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

--- A digest in hexadecimal.
function M.hex(raw)
  return (raw:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local hex = M.hex

local serial = 0

--- A request of API 2.0, signed by code of its own.
---@param params table parameters of the action, and public ones that differ from the usual
---@param options table|nil method, host, scheme, digest, key, and to go wrong: `signed` changes the text
--- to sign, `encode` writes a signature on the wire, `wire` changes the form
---@return table request for emulator:handle
function M.v2(params, options)
  serial = serial + 1
  local all = {
    Region = "gz",
    Timestamp = ("%d"):format(M.NOW),
    Nonce = ("%d"):format(serial),
    SecretId = M.SECRET_ID,
  }
  for name, value in pairs(params) do
    all[name] = value ~= "absent" and tostring(value) or nil
  end
  return M.v1(all, options)
end

--- A request signed by its parameters, which are all given.
---@param all table<string, string>
---@param options table|nil as for v2, and path ("/v2/index.php"; "/": names are signed as they are)
---@return table request
function M.v1(all, options)
  options = options or {}
  local path = options.path or "/v2/index.php"
  local names = {}
  for name in pairs(all) do
    names[#names + 1] = name
  end
  table.sort(names)
  local signed, form = {}, {}
  for i, name in ipairs(names) do
    signed[i] = (path == "/" and name or name:gsub("_", ".")) .. "=" .. all[name]
    form[i] = escape(name) .. "=" .. escape(all[name])
  end
  local method, host = options.method or "POST", options.host or M.HOST
  local text = method .. host .. path .. "?" .. table.concat(signed, "&")
  local raw = M.digests().hmac(options.digest or "sha1", options.key or M.SECRET_KEY, (options.signed or asIs)(text))
  local signature = require("mime").b64(raw)
  form[#form + 1] = "Signature=" .. (options.encode or escape)(signature)
  local wire = (options.wire or asIs)(table.concat(form, "&"))
  return {
    method = method,
    scheme = options.scheme or "http",
    host = host,
    path = path,
    query = method == "GET" and wire or "",
    headers = { ["content-type"] = "application/x-www-form-urlencoded" },
    body = method == "POST" and wire or nil,
  }
end

--- A request of API 3.0, signed by code of its own.
---@param action string
---@param body string|table JSON, or a table that is encoded
---@param options table|nil host, scheme, method, key, time, region, headers (more, or other ones;
--- false: none), query (signed in a GET), and to go wrong: date, service, names (SignedHeaders), `signed` changes the canonical
--- request, authorization changes the header
---@return table request for emulator:handle
function M.v3(action, body, options)
  options = options or {}
  local digests = M.digests()
  local payload = type(body) == "table" and cjson.encode(body) or body
  local host, time = options.host or M.HOST, options.time or M.NOW
  local headers = {
    ["content-type"] = "application/json",
    ["x-tc-action"] = action,
    ["x-tc-version"] = "2017-03-12",
    ["x-tc-timestamp"] = ("%d"):format(time),
    ["x-tc-region"] = options.region or "ap-guangzhou",
  }
  for name, value in pairs(options.headers or {}) do
    headers[name] = value or nil
  end
  local names = options.names or "content-type;host"
  local lines = {}
  for name in names:gmatch "[^;]+" do
    local value = name == "host" and host or headers[name] or ""
    lines[#lines + 1] = name .. ":" .. value:lower() .. "\n"
  end
  local canonical = (options.method or "POST")
    .. "\n/\n"
    .. (options.method == "GET" and options.query or "")
    .. "\n"
    .. table.concat(lines)
    .. "\n"
    .. names
    .. "\n"
    .. hex(digests.sha256(payload))
  canonical = (options.signed or asIs)(canonical)
  local date, service = options.date or os.date("!%Y-%m-%d", time), options.service or "cvm"
  local scope = date .. "/" .. service .. "/tc3_request"
  local key = "TC3" .. (options.key or M.SECRET_KEY)
  for _, part in ipairs { date, service, "tc3_request" } do
    key = digests.hmac("sha256", key, part)
  end
  local toSign = ("TC3-HMAC-SHA256\n%d\n%s\n%s"):format(time, scope, hex(digests.sha256(canonical)))
  local authorization = ("TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"):format(
    M.SECRET_ID,
    scope,
    names,
    hex(digests.hmac("sha256", key, toSign))
  )
  headers.authorization = (options.authorization or asIs)(authorization)
  return {
    method = options.method or "POST",
    scheme = options.scheme or "http",
    host = host,
    path = "/",
    query = options.query or "",
    headers = headers,
    body = payload,
  }
end

--- An emulator in-process whose clock stands still, and what calls it.
---@param options table|nil of qcimage.emulator
---@return table emulator
---@return fun(action: string, params: table|nil, options: table|nil): table, table v2 decoded answer,
--- response
---@return fun(action: string, body: any, options: table|nil): table, table v3
function M.new(options)
  local all = {
    digests = M.digests(),
    clock = function()
      return M.NOW
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  local emulator = require("qcimage.emulator").new(all)
  local function answerTo(request)
    local response = emulator:handle(request)
    return response.body and cjson.decode(response.body), response
  end
  return emulator,
    function(action, params, callOptions)
      local named = { Action = action }
      for name, value in pairs(params or {}) do
        named[name] = value
      end
      return answerTo(M.v2(named, callOptions))
    end,
    function(action, body, callOptions)
      local answer, response = answerTo(M.v3(action, body, callOptions))
      return answer and answer.Response, response
    end
end

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local Server = {}
Server.__index = Server

--- Sends a request to the control path.
---@param method string
---@param path string behind /_emulator/
---@param value table|nil sent as JSON
---@return table answer decoded; raises when it was refused
function Server:control(method, path, value)
  local body, parts = value and cjson.encode(value), {}
  local ok, status = http.request {
    method = method,
    url = self.url .. "/_emulator/" .. path,
    source = body and ltn12.source.string(body),
    headers = { ["content-length"] = body and #body or 0 },
    sink = ltn12.sink.table(parts),
  }
  local answer = table.concat(parts)
  assert(ok and status == 200, ("%s %s: %s %s"):format(method, path, tostring(status), answer))
  return cjson.decode(answer)
end

--- Makes one of the next requests go wrong, {kind = …}.
function Server:fault(fault)
  self:control("POST", "faults", fault)
end

--- Changes settings.
function Server:set(settings)
  self:control("PUT", "state", { settings = settings })
end

--- Entries of the request log, oldest first.
function Server:journal()
  return self:control("GET", "journal").entries
end

--- The images as they are.
function Server:images()
  return self:control("GET", "state").images
end

--- Replaces the images.
function Server:setImages(images)
  self:control("PUT", "state", { images = images })
end

--- Restores the state at the start.
function Server:reset()
  self:control("POST", "reset")
end

--- Ends the server.
function Server:stop()
  if self.pipe then
    os.execute("kill " .. self.pid)
    self.pipe:close()
    self.pipe = nil
  end
end

--- Starts an emulator on a free port. It ends with this process, too.
---@param options table|nil args (list of arguments for `qcimage emulator`), state (document for --state), lua
--- (interpreter, by default the spec's own), env (text before the command, "NAME=value …")
---@return table server url, host ("127.0.0.1:PORT"), port, pid, greeting (what it printed)
function M.start(options)
  options = options or {}
  local words = {}
  for i, word in ipairs(options.args or {}) do
    words[i] = quote(word)
  end
  local stateFile
  if options.state then
    stateFile = os.tmpname()
    local file = assert(io.open(stateFile, "wb"))
    file:write(cjson.encode(options.state))
    file:close()
    words[#words + 1] = "--state " .. quote(stateFile)
  end
  -- the shell's process becomes the command's
  local pipe = assert(
    io.popen(
      ("echo $$; %s exec %s spec/support/qcimage.lua emulator --stop-with $PPID %s 2>&1"):format(
        options.env and "export " .. options.env .. ";" or "",
        options.lua or process.interpreter,
        table.concat(words, " ")
      ),
      "r"
    )
  )
  local pid, ready = pipe:read "*l", pipe:read "*l"
  local url = ready and ready:match "^qcimage emulator ready on (%S+)$"
  if stateFile then
    os.remove(stateFile)
  end
  if not url then
    local rest = pipe:read "*a"
    pipe:close()
    error(("the emulator did not start: %s%s"):format(ready or "", rest), 2)
  end
  local host, lines = url:match "//(.*)$", { ready }
  repeat
    lines[#lines + 1] = pipe:read "*l"
  until lines[#lines]:find "^  other clients"
  return setmetatable({
    url = url,
    host = host,
    port = tonumber(host:match "%d+$"),
    pid = pid,
    pipe = pipe,
    greeting = table.concat(lines, "\n"),
  }, Server)
end

-- What sessions show of an emulator.

local unpack = table.unpack or unpack -- luacheck: ignore

--- The images, a line for each.
---@return string ...
function M.imageLines(emulator)
  local lines = {}
  for i, image in ipairs(emulator:images()) do
    lines[i] = ("%s %s %s %s"):format(image.imageId, image.imageName, image.imageState, image.region or "everywhere")
  end
  return unpack(lines)
end

--- The ids in an answer of DescribeImages of either API.
---@return integer total
---@return string ids
function M.idsOf(answer)
  local ids = {}
  for i, image in ipairs(answer.imageSet or answer.ImageSet) do
    ids[i] = image.unImgId or image.ImageId
  end
  return answer.totalCount or answer.TotalCount, table.concat(ids, " ")
end

--- The last entry of the request log: action, code, applied, imageId.
function M.lastEntry(emulator)
  local entries = emulator:journal()
  local entry = entries[#entries]
  return entry.action, entry.code, entry.applied, entry.imageId
end

return M
