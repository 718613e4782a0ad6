--- emulator.lua - starts the emulator in nginx for a spec, talks to it and ends it; digests for the
--- emulator in-process that are not the signer's.

local cjson = require "cjson"
local http = require "socket.http"
local ltn12 = require "ltn12"

local M = {}

--- hmac and sha256 from luaossl, so that a fault in the signer's digests can't hide.
---@return table
function M.digests()
  local hmac, digest = require "openssl.hmac", require "openssl.digest"
  return {
    hmac = function(algorithm, key, text)
      return hmac.new(key, algorithm):final(text)
    end,
    sha256 = function(text)
      return digest.new("sha256"):final(text)
    end,
  }
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

--- Changes rateLimit, clockOffset or createSeconds.
function Server:set(settings)
  self:control("POST", "settings", settings)
end

--- Journal entries, oldest first.
function Server:journal()
  return self:control("GET", "journal").entries
end

--- The images as they are.
function Server:images()
  return self:control("GET", "images").images
end

--- Back to the start: images, nonces, faults, journal.
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
---@param options table|nil args (list of arguments for `qcimage emulator`), lua (interpreter, lua5.4
--- by default), env (text before the command, "NAME=value …")
---@return table server url, host ("127.0.0.1:PORT"), port, pid
function M.start(options)
  options = options or {}
  local words = {}
  for i, word in ipairs(options.args or {}) do
    words[i] = quote(word)
  end
  -- the shell's process becomes the command's
  local pipe = assert(io.popen(
    ("echo $$; %s exec %s spec/support/qcimage.lua emulator --stop-with $PPID %s 2>&1"):format(
      options.env and "export " .. options.env .. ";" or "",
      options.lua or "lua5.4",
      table.concat(words, " ")
    ),
    "r"
  ))
  local pid, ready = pipe:read "*l", pipe:read "*l"
  local url = ready and ready:match "^qcimage emulator ready on (%S+)$"
  if not url then
    local rest = pipe:read "*a"
    pipe:close()
    error(("the emulator did not start: %s%s"):format(ready or "", rest), 2)
  end
  local host = url:match "//(.*)$"
  return setmetatable(
    { url = url, host = host, port = tonumber(host:match "%d+$"), pid = pid, pipe = pipe },
    Server
  )
end

return M
