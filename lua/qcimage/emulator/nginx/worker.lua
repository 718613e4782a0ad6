--- emulator/nginx/worker.lua - the emulator inside nginx: digests from the libcrypto that nginx links, requests and
--- responses, the ready line, the end.
--- Runs on nginx's LuaJIT only, and loads no C module but cjson. Part of qcimage, see LICENSE.

local ffi = require "ffi"

local M = {}

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha1(void);
const EVP_MD *EVP_sha256(void);
int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
               const EVP_MD *type, void *engine);
unsigned char *HMAC(const EVP_MD *type, const void *key, int key_len, const unsigned char *data,
                    size_t count, unsigned char *md, unsigned int *size);
int getppid(void);
int getpid(void);
int kill(int pid, int signal);
int prctl(int option, unsigned long value, ...);
void (*signal(int signal, void (*handler)(int)))(int);
]]

local SIGHUP, SIGTERM = 1, 15
local ESRCH = 3
local SIG_IGN = ffi.cast("void (*)(int)", 1)
local PR_SET_PDEATHSIG = 1
local WATCH_SECONDS = 0.2

local function digests()
  local crypto = ffi.C
  if not pcall(function()
    return crypto.EVP_Digest
  end) then
    crypto = ffi.load "crypto" -- nginx has it linked in without its names
  end
  local types = { sha1 = crypto.EVP_sha1(), sha256 = crypto.EVP_sha256() }
  local out, size = ffi.new "unsigned char[64]", ffi.new "unsigned int[1]"
  return {
    hmac = function(algorithm, key, text)
      if crypto.HMAC(types[algorithm], key, #key, text, #text, out, size) == nil then
        error "HMAC failed"
      end
      return ffi.string(out, size[0])
    end,
    sha256 = function(text)
      if crypto.EVP_Digest(text, #text, out, size, types.sha256, nil) ~= 1 then
        error "SHA-256 failed"
      end
      return ffi.string(out, size[0])
    end,
  }
end

local emulator, settings

local function readFile(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

local function secret(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function make(dir)
  local found, cjson = pcall(require, "cjson")
  if not found then
    error("LuaJIT finds no cjson: install the Debian package lua-cjson, or lua-cjson for Lua 5.1", 0)
  end
  settings = cjson.new().decode(readFile(dir .. "/settings.json"))
  os.remove(dir .. "/settings.json") -- the state may hold keys
  local state = settings.state and require("qcimage.emulator.json").decode(settings.state) or {}
  local options = state.settings or {}
  options.images, options.instances, options.accounts = state.images, state.instances, state.accounts
  options.metadata = settings.metadata or options.metadata
  if not options.accounts then
    options.secretId = secret "TENCENTCLOUD_SECRET_ID"
    options.secretKey = secret "TENCENTCLOUD_SECRET_KEY"
    options.token = secret "TENCENTCLOUD_TOKEN"
  end
  options.digests = digests()
  options.clock = function()
    ngx.update_time()
    return ngx.now()
  end
  emulator = require("qcimage.emulator").new(options)
end

--- Makes the emulator from the folder that the launcher wrote; for init_by_lua. What is wrong is left in the file
--- `failure` of that folder, for the launcher to print.
---@param dir string
function M.start(dir)
  local ok, message = pcall(make, dir)
  if not ok then
    local file = assert(io.open(dir .. "/failure", "wb"))
    file:write(tostring(message))
    file:close()
    error(message, 0)
  end
end

-- Ends with the launcher, however that ended: at once where the kernel sends a signal, as Linux does.
local function watch()
  local launcher, other = tonumber(os.getenv "QCIMAGE_LAUNCHER"), settings.stopWith
  pcall(function()
    ffi.C.prctl(PR_SET_PDEATHSIG, SIGTERM)
  end)
  ngx.timer.every(WATCH_SECONDS, function()
    local gone = other and ffi.C.kill(other, 0) ~= 0 and ffi.errno() == ESRCH
    if gone or ffi.C.getppid() ~= launcher then
      ffi.C.kill(ffi.C.getpid(), SIGTERM)
    end
  end)
end

-- The line that scripts wait for, and what its reader has to set. Keys are shown only when they are the published
-- example.
local function greeting()
  local example = require "qcimage.emulator"
  local scheme, host, port = settings.url:match "^(%l+)://(.*)(:%d+)$"
  local name = emulator.settings.hostName
  local address = (name ~= "" and name or host) .. port
  local lines = {
    "qcimage emulator ready on " .. settings.url,
    ("  export QCIMAGE_ENDPOINT=%s://%s TENCENTCLOUD_REGION=%s"):format(scheme, address, emulator.region),
  }
  local account = emulator.accounts:find(example.SECRET_ID)
  if account and account.secretKey == example.SECRET_KEY then
    local keys = "  export TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s"
    lines[3] = keys:format(example.SECRET_ID, example.SECRET_KEY)
  end
  lines[#lines + 1] = ("  other clients: %s, endpoint %s\n"):format(scheme, address)
  return table.concat(lines, "\n")
end

--- Says that requests will be answered; for init_worker_by_lua, where the socket listens already.
function M.ready()
  -- nginx would reload with its old state around; when the terminal is closed, the launcher ends
  ffi.C.signal(SIGHUP, SIG_IGN)
  watch()
  io.stdout:write(greeting())
  io.stdout:flush()
end

--- Removes the folder, for exit_worker_by_lua: the launcher may have been killed.
function M.stop()
  os.execute("rm -rf " .. settings.quotedDir)
end

local function send(response)
  ngx.status = response.status
  for name, value in pairs(response.headers) do
    ngx.header[name] = value
  end
  ngx.header["content-length"] = #response.body
  if not response.pause then
    ngx.print(response.body)
    return
  end
  for i = 1, #response.body do
    ngx.print(response.body:sub(i, i))
    if not ngx.flush(true) then -- the client is gone
      return
    end
    ngx.sleep(response.pause)
  end
end

--- Answers the current request; for content_by_lua.
function M.answer()
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local file = not body and ngx.req.get_body_file()
  if file then
    body = readFile(file)
  end
  local path, query = ngx.var.request_uri:match "^([^?]*)%??(.*)$"
  local response = emulator:handle {
    method = ngx.req.get_method(),
    scheme = ngx.var.scheme,
    host = ngx.var.http_host,
    path = path,
    query = query,
    headers = ngx.req.get_headers(200),
    body = body,
  }
  if response.delay and response.delay > 0 then
    ngx.sleep(response.delay)
  end
  if response.drop then
    return ngx.exit(444)
  end
  send(response)
end

--- Answers what nginx refuses by itself; for error_page, whose query says why.
function M.refuse()
  local path = ngx.var.request_uri or (ngx.var.request or ""):match "^%S+ (%S+)"
  send(emulator:refuse(path or "/", ngx.var.args))
end

return M
