--- certs.lua - certificates for the specs, made once per process with the openssl program.
--- Part of qcimage, see LICENSE.
---
---     local certs = require "spec.support.certs"
---     certs.path "ca.pem"     --> the file of the authority that the specs trust
---     certs.path "good.pem"   --> certificate; its key is good.key
---
--- Kinds: good (localhost, api.test, 127.0.0.1, ::1, and 0x7f000001 for a libcurl that takes it for a name),
--- cloud (the service's own names), wrongHost, expired, unknown (by another authority).

local M = {}

local KINDS = {
  good = { ca = "ca", names = "DNS:localhost,DNS:api.test,DNS:0x7f000001,IP:127.0.0.1,IP:::1", days = 2 },
  cloud = { ca = "ca", names = "DNS:cvm.tencentcloudapi.com,DNS:image.api.qcloud.com,DNS:cvm.api.qcloud.com", days = 2 },
  wrongHost = { ca = "ca", names = "DNS:elsewhere.example", days = 2 },
  expired = { ca = "ca", names = "DNS:localhost,IP:127.0.0.1,IP:::1" },
  unknown = { ca = "other", names = "DNS:localhost,IP:127.0.0.1,IP:::1", days = 2 },
}

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

local folder

local function run(command, ...)
  command = command:format(...)
  local status = os.execute(("cd '%s' && { %s; } >>log 2>&1"):format(folder, command))
  if status ~= true and status ~= 0 then
    local log = io.open(folder .. "/log")
    error(("%s failed:\n%s"):format(command, log and log:read "*a" or ""))
  end
end

local function make()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -m 700 '%s'"):format(folder)))
  -- a process of its own removes it, when this one has ended in whatever way
  M.keeper = assert(io.popen(("trap '' HUP INT TERM; cat >/dev/null; rm -rf '%s'"):format(folder), "w"))
  for _, ca in ipairs { "ca", "other" } do
    run("openssl req -x509 %s -keyout %s.key -out %s.pem -subj '/CN=qcimage specs %s' -days 2", KEY, ca, ca, ca)
  end
  for kind, is in pairs(KINDS) do
    run("openssl req %s -keyout %s.key -out %s.csr -subj /CN=%s", KEY, kind, kind, kind)
    run("echo 'subjectAltName=%s' >%s.ext", is.names, kind)
    if is.days then
      run(
        "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days %d -extfile %s.ext -out %s.pem",
        kind,
        is.ca,
        is.ca,
        is.days,
        kind,
        kind
      )
    else -- only this command takes dates with every OpenSSL
      run("printf '[ca]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\n' >ca.conf")
      run("printf 'policy=any\\n[any]\\ncommonName=optional\\n' >>ca.conf; : >index")
      run(
        "openssl ca -batch -config ca.conf -name ca -rand_serial -notext -startdate 20200101000000Z -enddate 20200102000000Z"
          .. " -cert %s.pem -keyfile %s.key -in %s.csr -extfile %s.ext -out %s.pem",
        is.ca,
        is.ca,
        kind,
        kind,
        kind
      )
    end
  end
end

--- Path of a file: ca.pem, other.pem, or KIND.pem and KIND.key. Makes all of them at first use.
---@param name string
---@return string
function M.path(name)
  if not folder then
    make()
  end
  return folder .. "/" .. name
end

return M
