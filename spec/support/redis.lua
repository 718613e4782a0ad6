--- redis.lua - runs a Redis for a spec, on a port of its own, and gives the clients of Debian's lua-redis and
--- lua-nginx-redis, which scripts/bootstrap puts under build/debs.
---
---     local server = redis.start()
---     server.port; server:cli "get key"; server:stop()

local process = require "spec.support.process"
local socket = require "socket"

local M = {}

--- Where the Lua clients are, as package.path has it. Absolute, for nginx.
M.PATH = process.run("pwd"):gsub("\n", "") .. "/build/debs/usr/share/lua/5.1/?.lua"

package.path = package.path .. ";" .. M.PATH

local Server = {}
Server.__index = Server

local function freePort()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

--- Starts a server and waits until it answers. It keeps nothing, and ends with this process, too.
---@param options string|nil more options of redis-server
---@return table server port, pid
function M.start(options)
  local dir = process.run("mktemp -d"):gsub("\n", "")
  -- Debian's redis-tools has the server under another name, and no service that would start with it
  assert(process.run(("ln -s $(command -v redis-check-rdb) %s/redis-server"):format(dir)) == "")
  local self = setmetatable({ port = freePort(), dir = dir, options = options or "" }, Server)
  self.keeper =
    assert(io.popen(("cat >/dev/null; kill -KILL $(cat %s/pid) 2>/dev/null; rm -rf %s"):format(dir, dir), "w"))
  for _ = 1, 5 do -- another program may take the port first
    local isStarted, problem = pcall(self.restart, self)
    if isStarted then
      return self
    end
    assert(tostring(problem):find "the port was taken", problem)
    process.run(("rm -f %s/log"):format(dir))
    self.port = freePort()
  end
  error "redis-server found no free port"
end

--- Starts it again, on the same port, after kill.
function Server:restart()
  local command = ("%s/redis-server --port %d --bind 127.0.0.1 --save '' --appendonly no --daemonize yes"):format(
    self.dir,
    self.port
  ) .. (" --dir %s --logfile %s/log --pidfile %s/pid %s"):format(self.dir, self.dir, self.dir, self.options)
  local text, status = process.run(command)
  assert(status == 0, text)
  for _ = 1, 6000 do
    -- what else took the port meanwhile may never answer
    assert(process.run(("cat %s/log 2>/dev/null"):format(self.dir)):find "in use" == nil, "the port was taken")
    if select(2, process.run(("timeout 5 redis-cli -p %d ping 2>/dev/null | grep -q PONG"):format(self.port))) == 0 then
      self.pid = process.run(("cat %s/pid"):format(self.dir)):match "%d+"
      return
    end
    socket.sleep(0.01)
  end
  error("redis-server did not start: " .. process.run(("cat %s/log"):format(self.dir)))
end

--- Sends a signal.
---@param name string
function Server:signal(name)
  assert(select(2, process.run(("kill -%s %s"):format(name, self.pid))) == 0)
end

--- Ends it at once.
function Server:kill()
  self:signal "KILL"
  process.run(("while kill -0 %s 2>/dev/null; do sleep 0.01; done"):format(self.pid))
end

--- Runs redis-cli on it.
---@param command string
---@return string output without the last line feed
function Server:cli(command)
  return (process.run(("redis-cli -p %d %s"):format(self.port, command)):gsub("\n$", ""))
end

--- Ends it and what belongs to it.
function Server:stop()
  if self.keeper then
    self.keeper:close()
    self.keeper = nil
  end
end

return M
