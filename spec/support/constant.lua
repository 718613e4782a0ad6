--- constant.lua - a server for the specs that make many calls: nginx, which answers each request with
--- the same success of its API version, for as long as wanted. Part of qcimage, see LICENSE.
---
---     local server = constant.start()
---     server.url, server.tlsUrl   --> over TLS with the certificate "good" of certs.lua
---     server:stop()
---
--- A connection that asked for /brief is ended when it was idle for 0.05 s. The answer has its number, and "r"
--- when it resumed a TLS session.

local certs = require "spec.support.certs"
local process = require "spec.support.process"
local socket = require "socket"

local M = {}

--- Body of each answer of API 2.0. Its header X-Twice comes twice, with 1 and with 2.
M.BODY = '{"code":0,"message":""}'

local CONF = [[
daemon off; master_process off; worker_processes 1; pid DIR/pid; error_log DIR/error.log; USER
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  keepalive_requests 1000000000;
  large_client_header_buffers 4 40k;
  map $http_x_tc_action $answer { "" 'BODY'; default '{"Response":{"RequestId":"r"}}'; }
  server {
    listen 127.0.0.1:PORT;
    listen 127.0.0.1:SECURE ssl;
    ssl_certificate CERT.pem; ssl_certificate_key CERT.key; ssl_session_cache shared:sessions:1m;
    default_type application/json;
    add_header X-Twice 1; add_header X-Twice 2;
    location = /brief {
      keepalive_timeout 50ms;
      add_header X-Connection $connection; add_header X-Resumed $ssl_session_reused;
      return 200 $answer;
    }
    location / { return 200 $answer; }
  }
}
]]

local Server = {}
Server.__index = Server

local function freePort()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return ("%d"):format(port)
end

--- Starts the server. It ends with stop, or with this process.
function M.start()
  local folder = process.run("mktemp -d"):gsub("\n", "")
  local self = setmetatable({}, Server)
  local values = {
    DIR = folder,
    USER = process.run("id -u"):match "^0\n" and "user root;" or "",
    PORT = freePort(),
    SECURE = freePort(),
    CERT = (certs.path "good.pem"):sub(1, -5),
    BODY = M.BODY,
  }
  local file = assert(io.open(folder .. "/nginx.conf", "wb"))
  file:write((CONF:gsub("%u%u%u+", values)))
  file:close()
  -- the shell ends it when its standard input does
  self.pipe = assert(
    io.popen(
      ("nginx -p %s/ -c %s/nginx.conf 2>>%s/error.log & cat >/dev/null; kill $!; wait; rm -rf %s"):gsub("%%s", folder),
      "w"
    )
  )
  self.url = "http://127.0.0.1:" .. values.PORT
  self.tlsUrl = "https://127.0.0.1:" .. values.SECURE
  for _ = 1, 6000 do
    local conn = socket.connect("127.0.0.1", tonumber(values.SECURE))
    if conn then
      conn:close()
      return self
    end
    socket.sleep(0.01)
  end
  self:stop()
  error "nginx did not start"
end

--- Ends the server; may be called again.
function Server:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
end

return M
