--- libcurl.lua - what the libcurl in use can do, for specs that run with old ones, too.

local major, minor = require("qcimage.http").version():match "running with libcurl/(%d+)%.(%d+)"
local number = tonumber(major) * 1000 + tonumber(minor)

local M = {}

--- Whether connections are kept: before 7.80 nothing would keep libcurl from sending a request twice.
M.keeps = number >= 7080

--- Whether connections over TLS are kept, too, since it can be seen what comes behind a response.
M.keepsTls = M.keeps and require("qcimage.http").version():find " OpenSSL/" ~= nil

--- Whether it keeps the certificates of a file that it has read.
M.keepsCertificates = number >= 7087

--- How it names a host that was given as 0x7f000001, to no_proxy and to certificates: 7.77 makes it an address.
M.hexHost = number >= 7077 and "127.0.0.1" or "0x7f000001"

local function itSince(version, reason)
  return function(it, pending)
    return function(name, test)
      if number >= version then
        it(name, test)
      else
        pending(("%s (%s)"):format(name, reason), test)
      end
    end
  end
end

--- Gives, for the `it` and `pending` of a spec, an `it` for what needs kept connections.
M.itKept = itSince(7080, "libcurl before 7.80: no connection is kept")

--- The same, for what needs CURLOPT_QUICK_EXIT.
M.itQuick = itSince(7087, "libcurl before 7.87 waits for its resolver's thread, as long as a name server lets it")

return M
