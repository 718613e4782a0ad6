--- No response is taken for that of another request, in nginx: covers transport/cosocket.lua.

local certs = require "spec.support.certs"
local hostile = require "spec.support.hostile"
local json = require "cjson"
local nginx = require "spec.support.nginx"

describe("in nginx, a request behind", function()
  local server, proxy

  setup(function()
    server = hostile.start(certs.path "good.pem")
    proxy = nginx.start { conf = nginx.conf "lua_socket_log_errors off; lua_ssl_protocols TLSv1.2 TLSv1.3;" }
  end)

  teardown(function()
    proxy:stop()
    server:stop()
  end)

  -- The results of runs: {paths, whether more comes behind the response}, each with connections of its own.
  local ASK = [==[
    local cosocket = require("spec.support.transports").cosocket
    local control = ngx.socket.tcp()
    assert(control:connect("127.0.0.1", $port))
    local function sync()
      assert(control:send "GET /sync HTTP/1.1\r\n\r\n")
      assert(control:receiveuntil "}"())
    end
    local runs = {}
    for number, run in ipairs(require("cjson").decode [=[$runs]=]) do
      local send = cosocket { poolSize = $pools + number, verify = false }
      runs[number] = {}
      for i, path in ipairs(run.paths) do
        local response, message, detail =
          send({ method = "GET", url = "$origin" .. path, headers = { Host = "h" } }, 5)
        runs[number][i] = response and { status = response.status, body = response.body }
          or { reason = detail.reason, message = message }
        if run.isLong and path:find "hostile$" then
          sync() -- all of it is here
        end
      end
    end
    control:close()
    return runs
  ]==]

  for i, way in ipairs(hostile.WAYS) do
    for place = 1, hostile.PLACES do
      it(("a hostile response over %s, number %d of a connection, gets its own"):format(way, place), function()
        local wanted = {}
        for number, response in ipairs(hostile.responses) do
          local _, paths = hostile.paths(number, way, place)
          wanted[number] = { paths = paths, isLong = hostile.isLong(response) }
        end
        local runs = proxy:lua(ASK, {
          port = server.port,
          origin = server.origins[way],
          pools = (i * hostile.PLACES + place) * 1000,
          runs = json.encode(wanted):gsub("\\/", "/"),
        })
        assert.same({}, hostile.judge(server, way, place, runs, true, false))
      end)
    end
  end

  it("any of them has left nothing in the error log", function()
    assert.equal("", proxy:complaints())
  end)
end)
