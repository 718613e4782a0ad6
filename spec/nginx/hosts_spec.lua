--- Programs that hold a Lua of their own: HAProxy, which goes into a chroot after its Lua files were loaded, and
--- Neovim, which has LuaJIT.
-- packages: haproxy lua5.3 liblua5.3-dev neovim

local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local testbed = require "spec.support.emulator"

local BUILD = process.run("cd " .. os.getenv "QCIMAGE_BUILD" .. " && pwd"):gsub("\n", "")
local SOURCES = process.run("pwd"):gsub("\n", "")

describe("a host program", function()
  local service, folder

  setup(function()
    service = testbed.start()
    folder = process.run("mktemp -d"):gsub("\n", "")
  end)

  teardown(function()
    service:stop()
    process.run("rm -rf " .. folder)
  end)

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end

  -- A client made when the program loads its files, and a function that calls it.
  local function client(name)
    return ([[
      local image = require "qcimage"
      local client = image.new {
        secretId = %q, secretKey = %q, region = "ap-guangzhou", apiVersion = "3.0", endpoint = %q,
      }
      local function rename()
        local result, message = client:modify { imageId = "img-12345678", imageName = %q }
        return result and "renamed" or message
      end
    ]]):format(testbed.SECRET_ID, testbed.SECRET_KEY, service.url, name)
  end

  local function nameNow()
    for _, one in ipairs(service:images()) do
      if one.imageId == "img-12345678" then
        return one.imageName
      end
    end
  end

  for _, isJailed in ipairs { false, true } do
    it("such as HAProxy " .. (isJailed and "in a chroot " or "") .. "calls it", function()
      local name = isJailed and "jailed" or "free"
      local port = nginx.freePort()
      local version = process.run("haproxy -vv"):match "Built with Lua version : Lua (%d%.%d)"
      write("rename.lua", client(name) .. [[
        core.register_service("rename", "http", function(applet)
          local said = rename()
          applet:set_status(200)
          applet:add_header("content-length", #said)
          applet:start_response()
          applet:send(said)
        end)
      ]])
      process.run(("mkdir -p %s/jail"):format(folder))
      write(
        "haproxy.cfg",
        ([[
global
  %s
  lua-prepend-path %s/lua/?.lua
  lua-prepend-path %s/lib/%s/?.so cpath
  lua-load %s/rename.lua
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend front
  bind 127.0.0.1:%d
  http-request use-service lua.rename
]]):format(isJailed and "chroot " .. folder .. "/jail" or "", SOURCES, BUILD, version, folder, port)
      )
      local asRoot = process.run "id -u" == "0\n" and "" or "unshare --map-root-user "
      local output = process.run(([[
        %shaproxy -db -f %s/haproxy.cfg >%s/log 2>&1 &
        pid=$!
        curl -sS --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:%d/ || cat %s/log
        kill $pid
        wait $pid 2>/dev/null
      ]]):format(asRoot, folder, folder, port, folder))
      assert.matches("renamed", output)
      assert.equal(name, nameNow())
    end)
  end

  it("such as Neovim calls it", function()
    write("rename.lua", ([[
      package.path = %q .. "/lua/?.lua;" .. package.path
      package.cpath = %q .. "/lib/5.1/?.so;" .. package.cpath
    ]]):format(SOURCES, BUILD) .. client "edited" .. "io.stdout:write(rename())")
    local output = process.run(("nvim --headless -u NONE +'luafile %s/rename.lua' +q"):format(folder))
    assert.matches("^renamed", output)
    assert.equal("edited", nameNow())
  end)
end)
