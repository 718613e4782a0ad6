--- emulator/nginx/launcher.lua - runs an emulator over HTTP in nginx with its Lua module: finds nginx, writes a folder with
--- all that it needs, and waits until it ends.
--- The shell replaces itself by a single nginx process, whose parent is this one. With the C module, a signal that ends
--- this process is forwarded and nginx waited for; without it, nginx receives SIGTERM from the kernel when its parent is
--- gone. Either way nginx removes the folder. Part of qcimage, see LICENSE.

local json = require "qcimage.emulator.json"
local text = require "qcimage.emulator.text"
local version = require "qcimage.util.version"

local hasCore, core = pcall(version.loadNative, "qcimage.core")

local M = {}

local CANDIDATES =
  { "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx", "openresty", "/usr/local/openresty/nginx/sbin/nginx" }

-- Below the ports that systems give to outgoing connections.
local FIRST_PORT, LAST_PORT = 20000, 32000
local PORT_TRIES = 8

local PACKAGES = "on Debian: apt install nginx libnginx-mod-http-lua lua-cjson"

local CONF = [[
daemon off;
master_process off;
pid $DIR/nginx.pid;
error_log $DIR/error.log warn;
$MODULES
env QCIMAGE_LAUNCHER;
env TENCENTCLOUD_SECRET_ID;
env TENCENTCLOUD_SECRET_KEY;
env TENCENTCLOUD_TOKEN;
events { worker_connections 512; }
http {
  access_log off;
  server_tokens off;
  client_body_temp_path $DIR/body;
  proxy_temp_path $DIR/proxy;
  fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi;
  scgi_temp_path $DIR/scgi;
  client_max_body_size 11m;
  client_body_buffer_size 11m;
  client_body_in_single_buffer on;
  large_client_header_buffers 4 40k;
  keepalive_requests 1000000;
  lua_package_path $LUAPATH;
  lua_package_cpath $LUACPATH;
  init_by_lua_block { require("qcimage.emulator.nginx.worker").start($LUADIR) }
  init_worker_by_lua_block { require("qcimage.emulator.nginx.worker").ready() }
  exit_worker_by_lua_block { require("qcimage.emulator.nginx.worker").stop() }
  server {
    listen $ADDRESS:$PORT$SSL;
    $CERTIFICATE
    error_page 413 414 494 = /_refused?large;
    error_page 405 497 501 505 = /_refused?protocol;
    error_page 400 404 = /_refused?malformed;
    location / {
      content_by_lua_block { require("qcimage.emulator.nginx.worker").answer() }
    }
    location = /_refused {
      internal;
      content_by_lua_block { require("qcimage.emulator.nginx.worker").refuse() }
    }
  }
}
]]

-- A word of the shell, and a word of nginx's configuration.
local function shellWord(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function confWord(word)
  return '"' .. word:gsub('[\\"]', "\\%0") .. '"'
end

local function output(command)
  local pipe = assert(io.popen(command, "r"))
  local lines = pipe:read "*a"
  pipe:close()
  return lines
end

-- nginx takes relative names from the folder of its configuration.
local function absolute(name)
  if name:sub(1, 1) == "/" then
    return name
  end
  return output("pwd"):gsub("\n$", "") .. "/" .. name
end

local function readFile(name)
  local file = io.open(name, "rb")
  local content = file and file:read "*a"
  if file then
    file:close()
  end
  return content
end

local function writeFile(name, content)
  local file = assert(io.open(name, "wb"))
  assert(file:write(content))
  assert(file:close())
end

-- Finds nginx. Returns it and the lines that load its Lua module, or nil and what is missing.
local function findNginx()
  for _, program in ipairs(CANDIDATES) do
    local about = output(shellWord(program) .. " -V 2>&1")
    if about:find("configure arguments:", 1, true) then
      if about:find("ngx_lua", 1, true) or about:find("lua-nginx-module", 1, true) then
        return program, ""
      end
      local folder = about:match "%-%-modules%-path=(%S+)" or "/usr/lib/nginx/modules"
      local lines = {}
      for _, name in ipairs { "ndk_http_module.so", "ngx_http_lua_module.so" } do
        local file = folder .. "/" .. name
        if readFile(file) then
          lines[#lines + 1] = ("load_module %s;"):format(confWord(file))
        end
      end
      if #lines == 0 or not lines[#lines]:find("http_lua", 1, true) then
        return nil, ("nginx has no Lua module (%s); %s"):format(folder, PACKAGES)
      end
      return program, table.concat(lines, "\n")
    end
  end
  return nil, "nginx was not found; " .. PACKAGES
end

-- Folder that holds qcimage/emulator, so that nginx loads the same files as this process.
local function luaFolder()
  local source = debug.getinfo(1, "S").source
  local folder = source:match "^@(.*)qcimage[/\\]emulator[/\\]nginx[/\\]launcher%.lua$"
  if not folder then
    return nil, "the emulator's Lua files are not plain files: " .. text.show(source)
  end
  return absolute(folder)
end

-- Where nginx's LuaJIT may find cjson: where this Lua does, in the branch for Lua 5.1.
local function luaCPath()
  return (package.cpath:gsub("lua/5%.%d", "lua/5.1"):gsub("[^;]*loadall%.so;?", "")) .. ";;"
end

local LISTENING = "0A"

-- Local TCP ports in use and their states, as far as the system shows them.
local function usedPorts()
  local used = {}
  local sockets = (readFile "/proc/net/tcp" or "") .. (readFile "/proc/net/tcp6" or "")
  for hex, state in sockets:gmatch "%d+: %x+:(%x+) %x+:%x+ (%x+)" do
    local port = tonumber(hex, 16)
    used[port] = used[port] ~= LISTENING and state or LISTENING
  end
  return used
end

local function freePort()
  local file = io.open("/dev/urandom", "rb")
  local a, b = (file and file:read(2) or tostring {}:sub(-2)):byte(1, 2)
  if file then
    file:close()
  end
  local used, span = usedPorts(), LAST_PORT - FIRST_PORT
  for i = 0, span - 1 do
    local port = FIRST_PORT + (a * 256 + b + i) % span
    if not used[port] then
      return port
    end
  end
  return FIRST_PORT
end

-- Whether a port is in use, and stays so for the time that an emulator needs to end.
local function isUsed(port)
  for _ = 1, 10 do
    if usedPorts()[port] ~= LISTENING then
      return false
    end
    os.execute "sleep 0.1"
  end
  return true
end

local ANY = { ["0.0.0.0"] = "127.0.0.1", ["[::]"] = "[::1]" }

--- The address to listen on, as nginx and a URL have it.
---@param address string IPv4 or IPv6
---@return string|nil address nil: it is neither
---@return boolean|nil isLoopback
function M.address(address)
  local parts = { address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then
      return nil
    end
  end
  if #parts == 4 then
    return address, parts[1] == "127"
  end
  local inner = address:match "^%[(.*)%]$" or address
  if #inner <= 45 and inner:find "^[%x:.]+$" and inner:find ":.*:" and not inner:find ":::" then
    return "[" .. inner .. "]", inner == "::1"
  end
  return nil
end

local function configure(dir, options, folder, modules, port)
  local tls, certificate = options.tls, ""
  if tls then
    certificate = ("ssl_certificate %s; ssl_certificate_key %s;"):format(
      confWord(absolute(tls[1])),
      confWord(absolute(tls[2]))
    )
  end
  local values = {
    LUAPATH = confWord(folder .. "?.lua;;"),
    LUACPATH = confWord(luaCPath()),
    LUADIR = ("%q"):format(dir),
    MODULES = modules,
    ADDRESS = options.address,
    PORT = ("%d"):format(port),
    SSL = tls and " ssl" or "",
    CERTIFICATE = certificate,
  }
  local conf = CONF:gsub("%$(%u+)(/?[%l.]*)", function(name, file)
    return name == "DIR" and confWord(dir .. file) or values[name] .. file
  end)
  writeFile(dir .. "/nginx.conf", conf)
  writeFile(
    dir .. "/settings.json",
    json.encode {
      state = options.state,
      metadata = options.metadata,
      stopWith = options.stopWith,
      quotedDir = shellWord(dir),
      url = ("%s://%s:%d"):format(tls and "https" or "http", ANY[options.address] or options.address, port),
    }
  )
end

-- Variables that are meant for this Lua must not reach nginx's.
local UNSET = "unset LUA_PATH LUA_CPATH LUA_PATH_5_1 LUA_CPATH_5_1 LUA_INIT; "

-- Runs a command of the shell to its end without the C module. What it prints is passed on, since a signal interrupts
-- only a read.
local function runPlain(command)
  local pipe = io.popen("echo $$; " .. command, "r")
  local pid = pipe:read "*l"
  local ok = pcall(function()
    local line = pipe:read "*l"
    while line do
      io.stdout:write(line, "\n")
      io.stdout:flush()
      line = pipe:read "*l"
    end
  end)
  if not ok and pid then
    os.execute("kill " .. pid) -- interrupted
  end
  pipe:close()
end

local function caughtSignal()
  return hasCore and core.notedSignal() or nil
end

-- Runs nginx to its end. Returns true, or false and why it failed.
local function runNginx(dir, program)
  local command = (UNSET .. "QCIMAGE_LAUNCHER=$PPID exec %s -p %s -c %s 2>%s"):format(
    shellWord(program),
    shellWord(dir .. "/"),
    shellWord(dir .. "/nginx.conf"),
    shellWord(dir .. "/stderr")
  )
  local status, problem
  if hasCore then
    status, problem = core.run(command)
    if not status then
      return false, problem
    end
  else
    runPlain(command)
  end
  local log = (readFile(dir .. "/error.log") or "") .. (readFile(dir .. "/stderr") or "")
  local failure = readFile(dir .. "/failure") or log:match "%[emerg%] [^:]*: ([^\n]*)"
  if status == 0 or caughtSignal() or not hasCore and not failure then
    return true
  end
  log = log:sub(-500):gsub("%s+$", "")
  return false, failure or log ~= "" and log or "it was killed"
end

--- Runs an emulator until SIGINT or SIGTERM ends it or this process.
---@param options table port (nil or 0: a free one), address (from M.address), state (nil or text of a state document),
--- metadata (whether to be a metadata service), tls ({certificate file, key file}), stopWith (end with this process, too)
---@return boolean|nil ok
---@return string|nil message
function M.run(options)
  local program, modules = findNginx()
  if not program then
    return nil, modules
  end
  local folder, problem = luaFolder()
  if not folder then
    return nil, problem
  end
  local wanted = options.port ~= 0 and options.port or nil
  if wanted and isUsed(wanted) then
    return nil, ("port %d is in use"):format(wanted) -- nginx would take seconds to find that out
  end
  local dir = output('mktemp -d "${TMPDIR:-/tmp}/qcimage-emulator.XXXXXX"'):gsub("\n$", "")
  if dir == "" then
    return nil, "no temporary folder could be made"
  end
  local ok, message
  for _ = 1, wanted and 1 or PORT_TRIES do
    configure(dir, options, folder, modules, wanted or freePort())
    ok, message = runNginx(dir, program)
    if ok or not message:find("bind()", 1, true) then
      break
    end
    writeFile(dir .. "/error.log", "")
  end
  os.execute("rm -rf " .. shellWord(dir))
  if caughtSignal() then
    core.endBySignal(caughtSignal())
  elseif not ok then
    return nil, "nginx failed: " .. text.show(message, 500)
  end
  return true
end

return M
