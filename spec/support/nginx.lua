--- nginx.lua - runs nginx with its Lua module for a spec, in a folder of its own, with the modules of
--- the build for LuaJIT.
---
---     local server = nginx.start { conf = text }     -- see M.start
---     server:request("/ping")                        --> 200, "pong\n", headers
---     server:lua "return ngx.get_phase()"            --> what it returns, by way of JSON
---     server:stop()

local cjson = require "cjson"
local http = require "socket.http"
local ltn12 = require "ltn12"
local process = require "spec.support.process"
local socket = require "socket"

local M = {}

local tointeger = math.tointeger or tonumber
local unpack = table.unpack or unpack

--- A location for a server of whatever settings, which Server:lua needs: runs the Lua code of a request's body.
M.LUA = [[
    location = /lua {
      client_max_body_size 1m;
      client_body_buffer_size 1m;
      content_by_lua_block {
        ngx.req.read_body()
        local run = assert(loadstring(ngx.req.get_body_data(), "posted"))
        local results = { run() }
        for i = 1, table.maxn(results) do
          results[i] = results[i] == nil and require("cjson").null or results[i]
        end
        ngx.print(require("cjson").encode(results))
      }
    }
]]

local CONF = [[
worker_processes 1;
events { worker_connections 512; }
http {
  %s
  server {
    listen 127.0.0.1:$PORT;
    location = /ping { return 200 "pong\n"; }
%s
%s
  }
}
]]

--- A configuration with the locations /ping and /lua.
---@param main string directives for http
---@param more string|nil directives for the server
---@return string
function M.conf(main, more)
  return CONF:format(main, M.LUA, more or "")
end

--- A port that nobody listened at just now.
---@return integer
function M.freePort()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tointeger(tonumber(port))
end

local function output(command)
  local text, status = process.run(command)
  assert(status == 0, ("%s: %s"):format(command, text))
  return text
end

local function read(name)
  local file = io.open(name, "rb")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

-- Polls until test returns a true value. Raises an error after a minute, which is enough on a busy machine.
local function eventually(test, what)
  for _ = 1, 6000 do
    local result = test()
    if result then
      return result
    end
    socket.sleep(0.01)
  end
  error(what() .. " took too long", 3)
end

M.eventually = eventually

--- Waits until the client of a server of raw.lua has closed its first connection.
function M.awaitGone(service)
  eventually(function()
    return service:ends()[1] == "gone"
  end, function()
    return "closing the connection"
  end)
end

local Server = {}
Server.__index = Server

local modules -- lines that load the Lua module, where nginx has it not built in
local moduleFolder

local function findModules()
  local about = output "nginx -V"
  if about:find("lua-nginx-module", 1, true) or about:find("ngx_lua", 1, true) then
    return ""
  end
  moduleFolder = about:match "%-%-modules%-path=(%S+)"
  return "load_module modules/ndk_http_module.so;\nload_module modules/ngx_http_lua_module.so;\n"
end

-- Where nginx writes to; the defaults belong to the system's nginx.
local TEMPORARY = [[http {
  access_log off;
  client_body_temp_path $DIR/body; proxy_temp_path $DIR/proxy; fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi; scgi_temp_path $DIR/scgi;]]

local function write(self, conf)
  conf = (self.loads .. conf):gsub("http {", (TEMPORARY:gsub("%%", "%%%%")), 1)
  conf = conf:gsub("%$(%u+)", { PORT = self.port, DIR = self.dir })
  local file = assert(io.open(self.dir .. "/nginx.conf", "wb"))
  assert(file:write(conf))
  file:close()
end

--- Starts nginx and waits until it answers.
---@param options table conf (text, in which $PORT and $DIR stand for values), environment (text before
--- the command, "NAME=value …"), wrap (text of a command that runs the rest), root (it makes it root),
--- quiet (the port is not waited for), loads (false: conf loads the Lua module itself)
---@return table server port, url, dir, pid (of the master)
function M.start(options)
  modules = modules or findModules()
  local dir = output("mktemp -d"):gsub("\n", "")
  local self = setmetatable({ dir = dir }, Server)
  self.loads = options.loads == false and "" or modules
  if moduleFolder then -- paths of modules are seen from nginx's folder
    output(("ln -s %s %s/modules"):format(moduleFolder, dir))
  end
  local build = assert(os.getenv "QCIMAGE_BUILD", "QCIMAGE_BUILD names the folder of the build")
  local root = output("pwd"):gsub("\n", "")
  local main = ("pid %s/nginx.pid; error_log %s/error.log notice;"):format(dir, dir)
  if options.root or output("id -u"):match "^0\n" then
    main = main .. " user root;"
  end
  local command = (
    ("%s env -u LUA_INIT LUA_PATH='%s/lua/?.lua;%s/?.lua;;' LUA_CPATH='%s/lib/5.1/?.so;;' %s "):format(
      options.wrap or "",
      root,
      root,
      build,
      options.environment or ""
    ) .. ("nginx -p %s/ -c %s/nginx.conf -e %s/error.log -g '%s'"):format(dir, dir, dir, main)
  )
  local text, status
  for _ = 1, 3 do -- somebody may take the port meanwhile
    self.port = M.freePort()
    write(self, options.conf)
    text, status = process.run(command)
    if not text:find("bind()", 1, true) then
      break
    end
  end
  assert(status == 0, text .. self:log())
  self.url = "http://127.0.0.1:" .. self.port
  self.pid = eventually(function()
    return tonumber((read(dir .. "/nginx.pid")))
  end, function()
    return "starting nginx"
  end)
  self.pid = tointeger(self.pid)
  -- a process of its own ends it, when this one has ended in whatever way
  self.keeper = assert(
    io.popen(("trap '' HUP INT TERM; cat >/dev/null; kill %d 2>/dev/null; rm -rf %s"):format(self.pid, dir), "w")
  )
  if not options.quiet then
    eventually(function()
      local conn = socket.connect("127.0.0.1", self.port)
      return conn and conn:close()
    end, function()
      return "starting nginx: " .. self:log()
    end)
  end
  return self
end

--- The error log so far.
---@return string
function Server:log()
  return read(self.dir .. "/error.log")
end

--- Lines of the error log at level warn or above.
---@return string
function Server:complaints()
  local lines = {}
  for line in self:log():gmatch "[^\n]+" do
    if not line:find "^%S+ %S+ %[notice%]" and not line:find "^%S+ %S+ %[info%]" then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

--- Sends a request.
---@param path string
---@param body string|nil by POST
---@param headers table|nil
---@return integer status
---@return string body
---@return table headers
function Server:request(path, body, headers)
  local parts = {}
  headers = headers or {}
  headers["content-length"] = body and #body or 0
  local ok, status, received = http.request {
    url = self.url .. path,
    method = body and "POST" or "GET",
    headers = headers,
    source = body and ltn12.source.string(body),
    sink = ltn12.sink.table(parts),
  }
  assert(ok, status)
  return status, table.concat(parts), received
end

--- Runs Lua code in a request (with M.conf) and gives what it returns. nil where it returned null.
---@param code string
---@param values table|nil what $NAME stands for in code
function Server:lua(code, values)
  code = code:gsub("%$(%a+)", values or {})
  local status, body = self:request("/lua", code)
  assert(status == 200, ("status %d: %s%s"):format(status, body, self:log()))
  local results = cjson.decode(body)
  for i = 1, #results do
    if results[i] == cjson.null then
      results[i] = nil
    end
  end
  return unpack(results, 1, 8)
end

--- Processes of the workers, without those that are leaving.
---@return integer[]
function Server:workers()
  local pids = {}
  for pid in read(("/proc/%d/task/%d/children"):format(self.pid, self.pid)):gmatch "%d+" do
    if read(("/proc/%s/cmdline"):format(pid)):find "^nginx: worker process%s*%z*$" then
      pids[#pids + 1] = tointeger(tonumber(pid))
    end
  end
  return pids
end

--- Reads the configuration again, and waits until new workers serve.
function Server:reload()
  local before = self:workers()[1]
  output("kill -HUP " .. self.pid)
  eventually(function()
    local now = self:workers()
    return #now == 1 and now[1] ~= before
  end, function()
    return "reloading nginx: " .. self:log()
  end)
end

--- Ends nginx.
function Server:stop()
  if self.keeper then
    process.run("kill " .. self.pid)
    eventually(function()
      return read(("/proc/%d/cmdline"):format(self.pid)) == ""
    end, function()
      return "stopping nginx"
    end)
    self.keeper:close()
    self.keeper = nil
  end
end

return M
