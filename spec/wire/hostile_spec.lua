--- No response is taken for that of another request, by libcurl: covers qcimage.http and transport/curl.lua.

local certs = require "spec.support.certs"
local hostile = require "spec.support.hostile"
local libcurl = require "spec.support.libcurl"
local transports = require "spec.support.transports"

describe("over libcurl, a request behind", function()
  local server

  setup(function()
    server = hostile.start(certs.path "good.pem")
  end)

  teardown(function()
    server:stop()
  end)

  local function ask(way, paths, isLong)
    local send, close = transports.curl { caFile = certs.path "ca.pem" }
    local results = {}
    for i, path in ipairs(paths) do
      local url = server.origins[way] .. path
      local response, message, detail = send({ method = "GET", url = url, headers = { Host = "h" } }, 5)
      results[i] = response or { reason = detail.reason, message = message }
      if isLong and path:find "hostile$" then
        server:sync() -- all of it is here
      end
    end
    close()
    return results
  end

  for _, way in ipairs(hostile.WAYS) do
    for place = 1, hostile.PLACES do
      it(("a hostile response over %s, number %d of a connection, gets its own"):format(way, place), function()
        local runs = {}
        for number, response in ipairs(hostile.responses) do
          local _, paths = hostile.paths(number, way, place)
          runs[number] = ask(way, paths, hostile.isLong(response))
        end
        local keeps = way == "plain" and libcurl.keeps or libcurl.keepsTls
        assert.same({}, hostile.judge(server, way, place, runs, keeps, true))
      end)
    end
  end
end)
