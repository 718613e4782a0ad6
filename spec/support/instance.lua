--- instance.lua - an instance of the cloud, as far as its network goes: run in a network of its own, it gives that the
--- metadata service's documented address, with the emulator behind it, and then runs a script.
---
---     unshare --net lua5.4 spec/support/instance.lua SCRIPT
---
--- The script is Lua; it gets a table with `emulator` (see spec/support/emulator.lua), `environment` (assignments for
--- env(1) that an instance has: none but those that lead to the emulator) and `relay` (stop it, and nobody answers at the
--- address).

local emulators = require "spec.support.emulator"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

local ADDRESS = "169.254.0.23"

local said, status = process.run(("ip link set lo up && ip addr add %s/32 dev lo"):format(ADDRESS))
assert(status == 0, said)

local instance = {
  emulator = emulators.start { args = { "--metadata" }, state = { settings = { keySeconds = 4 } } },
}
instance.environment = ("QCIMAGE_API_VERSION=3.0 QCIMAGE_ENDPOINT=%s QCIMAGE_METADATA= HOME=/nonexistent"):format(
  instance.emulator.url
)
instance.relay = nginx.start {
  conf = ([[
    events {}
    http {
      server {
        listen %s:80;
        listen 127.0.0.1:$PORT;
        location / { proxy_pass %s; }
      }
    }
  ]]):format(ADDRESS, instance.emulator.url),
}

local ok, problem = xpcall(function()
  return assert(loadfile(arg[1]))(instance)
end, debug.traceback)
instance.relay:stop()
instance.emulator:stop()
if not ok then
  io.stderr:write(problem, "\n")
  os.exit(1)
end
