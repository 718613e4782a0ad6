-- qcimage doctor over connections: what it finds on the way to the service, and what it says to do. Settings and refusals are
-- in spec/unit/command_doctor_spec.lua.
local cjson = require "cjson"
local commands = require "spec.support.command"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"
local support = require "spec.support.emulator"

describe("qcimage doctor", function()
  local command = commands.ofBlock()
  local server = command.server

  local UNSET = "env -u no_proxy -u NO_PROXY -u HTTPS_PROXY -u all_proxy -u ALL_PROXY "
    .. "-u CURL_CA_BUNDLE -u SSL_CERT_FILE -u SSL_CERT_DIR QCIMAGE_METADATA=off env "

  -- Runs it. Gives what it prints, without the versions and with times that stand still, and its exit code.
  local function doctor(line, more)
    local out, err, status = command:shell("qcimage doctor " .. (line or ""), UNSET .. (more or ""))
    assert.equal("", err)
    out = out:gsub("\nok +versions [^\n]*\n", "\n"):gsub("after %d+ ms", "after N ms"):gsub("ms port %d+ after", "")
    return out, status
  end

  local function finds(line, more, status, ...)
    local out, found = doctor(line, more)
    assert.equal(status, found, out)
    for _, text in ipairs { ... } do
      assert.truthy(out:find(text, 1, true), ("%s\n--\n%s"):format(text, out))
    end
    local json, _, code = command:shell("qcimage doctor --output json " .. line, UNSET .. (more or ""))
    assert.same({ status, status == 0 }, { code, cjson.decode(json).works })
    -- what a call ends with
    local _, _, described = command:shell("qcimage describe --limit 1 " .. line, UNSET .. (more or ""))
    assert.equal(described, status)
    return out
  end

  it("tells that all is right", function()
    local out, status = doctor()
    assert.same({
      [[
ok  keys          the environment: AKID...0001
ok  region        ap-guangzhou (TENCENTCLOUD_REGION)
ok  API version   3.0 (the command's default; a script's is 2.0, unless QCIMAGE_API_VERSION says more)
ok  endpoint      http://HOST (QCIMAGE_ENDPOINT)
-   proxy         none
-   certificates  not needed over http
-   DNS           no name to look up
ok  TCP           HOST, after N ms
-   TLS           not used over http
ok  clock         right by the service's Date
ok  signed read   DescribeImages at 127.0.0.1: 5 images in ap-guangzhou

Calls can work.
]],
      0,
    }, { out, status })
    assert.equal(1, #server:journal())
    finds("--region gz --api-version 2.0", "", 0, "2.0 (--api-version)", "gz (--region)", "3 images in gz")
    out = command:shell "qcimage doctor --output text | grep -c '\t'"
    assert.equal("12\n", out)
    out = command:shell "qcimage doctor"
    assert.matches("\nok +versions +qcimage %S+, [^\n]*\n\nCalls can work.\n$", out)
    for line in out:gmatch "[^\n]+" do
      assert.is_true(#line <= 130, line)
    end
  end)

  it("tells who one is, where STS is named", function()
    local sts = ("QCIMAGE_STS_ENDPOINT=%s"):format(server.url)
    finds("", sts, 0, "identity      CAMUser of the account ...0001 (GetCallerIdentity of STS)\n")
    local out = finds(
      "--role-arn qcs::cam::uin/100000000001:roleName/image-ops",
      sts,
      0,
      "ok  keys          the environment, by the role below: AKID...",
      ", temporary, until 2023-11-14T22:13:20Z\n",
      "ok  role          qcs::cam::uin/100000000001:roleName/image-ops (--role-arn)\n",
      "ok  STS           http://HOST (QCIMAGE_STS_ENDPOINT)\n",
      "TCP           HOST, a kept connection\n",
      "CAMRole of the account"
    )
    assert.truthy(out:find("signed read   DescribeImages at 127.0.0.1: 5 images in ap-guangzhou", 1, true))
    finds(
      "--role-arn qcs::cam::uin/100000000001:roleName/image-ops",
      "QCIMAGE_STS_ENDPOINT=http://127.0.0.1:1",
      4,
      "FAILED  keys          AssumeRole: cannot connect",
      "-> the credentials must be allowed"
    )
  end)

  it("reads at the public cloud's own endpoint, so that a region or a host that is not there shows", function()
    finds(
      "--timeout 3",
      ("-u QCIMAGE_ENDPOINT QCIMAGE_STS_ENDPOINT=%s"):format(server.url),
      5,
      "FAILED  DNS           cannot find the address of cvm.tencentcloudapi.com:443"
    )
    finds(
      "--region ap-shanghai-fsi --timeout 3",
      "-u QCIMAGE_ENDPOINT",
      5,
      "FAILED  DNS           cannot find the address of cvm.ap-shanghai-fsi.tencentcloudapi.com:443"
    )
    finds("--region guangzhou", "-u QCIMAGE_ENDPOINT", 3, "did you mean ap-guangzhou?")
    finds(
      "--region ap-nowhere",
      "",
      6,
      "(in ap-nowhere, from --region)",
      "-> this endpoint does not have that region: correct --region or TENCENTCLOUD_REGION"
    )
  end)

  it("tells by which way the bytes go", function()
    finds(
      "--connect-to 127.0.0.1:" .. server.url:match "%d+$",
      "QCIMAGE_ENDPOINT=http://cvm.localhost",
      0,
      "ok  endpoint      http://cvm.localhost (QCIMAGE_ENDPOINT)\n",
      "ok  connect to    HOST (--connect-to)\n",
      "-   DNS           no name to look up\n",
      "ok  TCP           HOST, after N ms\n"
    )
    finds(
      "--connect-to ::127.0.0.1:1",
      "QCIMAGE_ENDPOINT=https://cvm.test",
      5,
      "FAILED  TCP           cannot connect to cvm.test:443 by way of 127.0.0.1:1: "
    )
  end)

  it("says what to install where there are no certificates", function()
    if command:shell "id -u" ~= "0\n" then
      return
    end
    local isolated = process.isolation():gsub("%-%-net ", "")
    local covered = 'mount -t tmpfs none /etc/ssl/certs; trap "umount /etc/ssl/certs" EXIT; "$@"'
    local out, status = doctor("--endpoint https://" .. server.host, ("%s sh -c '%s' sh env"):format(isolated, covered))
    assert.equal(5, status)
    assert.truthy(out:find("-> install the system's certificates: apt-get install ca-certificates", 1, true), out)
  end)

  it("tells what a bare machine lacks", function()
    local bare = "-u TENCENTCLOUD_SECRET_ID -u TENCENTCLOUD_SECRET_KEY -u TENCENTCLOUD_REGION"
    local out, status = doctor("", bare)
    assert.same({ commands.content "spec/fixtures/cli/doctor-bare.txt", 4 }, { out, status })
    assert.equal("MissingParameter", server:journal()[1].code) -- looked at, without a call
  end)

  it("tells of a proxy that refuses, and hides its login", function()
    local refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    local proxy = raw.start { { { "recv" }, { "send", refusal }, { "close" } } }
    finally(function()
      proxy:stop()
    end)
    local url = ("http://user:pa55w0rd@127.0.0.1:%d"):format(proxy.port)
    local cure = "-> check host, port and login of the proxy, and whether it lets this host through"
    local endpoint = "QCIMAGE_ENDPOINT=https://192.0.2.1 "
    local out = finds(
      "",
      endpoint .. "https_proxy=" .. url,
      5,
      "FAILED  proxy         http://***@HOST (https_proxy): the proxy did not connect to 192.0.2.1:443: ",
      cure,
      "signed read   not sent, for what failed above\n"
    )
    assert.not_matches("pa55w0rd", out)
    out = finds("--proxy user:pa55w0rd@127.0.0.1:1", endpoint, 5, "***@127.0.0.1:1 (--proxy): ", cure)
    assert.not_matches("pa55w0rd", out)
  end)

  it("tells of an endpoint of another API version", function()
    finds(
      "--api-version 3.0",
      ("QCIMAGE_ENDPOINT=%s/v2/index.php"):format(server.url),
      3,
      "FAILED  settings  QCIMAGE_ENDPOINT has the path of API 2.0, but --api-version is 3.0\n"
        .. "                  -> --api-version 2.0 (QCIMAGE_API_VERSION), or an endpoint without the path\n"
    )
    local old = nginx.start {
      conf = nginx.conf(
        "",
        ("location = /v2/index.php { proxy_pass %s; proxy_set_header Host $http_host; }"):format(server.url)
      ),
    }
    finally(function()
      old:stop()
    end)
    finds(
      "",
      "QCIMAGE_ENDPOINT=" .. old.url,
      5,
      "FAILED  signed read   DescribeImages: HTTP status 404",
      "-> API 2.0 answers there: --api-version 2.0, or export QCIMAGE_API_VERSION=2.0\n"
    )
    finds("", ("QCIMAGE_ENDPOINT=%s QCIMAGE_API_VERSION=2.0"):format(old.url), 0, "2.0 (QCIMAGE_API_VERSION)")
    -- asked at the endpoint of a profile, too, which counts in API 3.0 alone: not at the public cloud; and noted once
    local home = command.scratch .. "/doctor-old"
    finally(function()
      old:stop()
      os.execute("rm -rf " .. home)
    end)
    os.execute(("mkdir -p %s/.tccli"):format(home))
    local file = assert(io.open(home .. "/.tccli/default.configure", "wb"))
    file:write(('{"cvm": {"endpoint": "%s"}}'):format(old.url))
    file:close()
    local line = "qcimage doctor --secret-id AKIDqcimageEXAMPLE000000000000000001 "
      .. "--secret-key qcimageEXAMPLEsecret0000000000001"
    local out, err = command:shell(line, UNSET .. "-u QCIMAGE_ENDPOINT HOME=" .. home)
    assert.truthy(out:find("-> API 2.0 answers there: --api-version 2.0, or", 1, true), out)
    assert.equal(1, select(2, err:gsub("others can see keys", "")))
  end)

  it("tells how far it comes", function()
    finds(
      "",
      "QCIMAGE_ENDPOINT=https://nowhere.invalid",
      5,
      "FAILED  DNS ",
      "getent hosts",
      "TCP           not reached"
    )
    finds("", "QCIMAGE_ENDPOINT=http://127.0.0.1:1", 5, "FAILED  TCP ", "-> check host and port of the endpoint")
    finds(
      "",
      ("QCIMAGE_ENDPOINT=https://%s"):format(server.host),
      5,
      "ok      TCP           HOST",
      "FAILED  TLS ",
      "-> name the certificates that signed this host's: --ca-file FILE or SSL_CERT_FILE"
    )
    finds(
      "",
      ("QCIMAGE_ENDPOINT=https://%s SSL_CERT_DIR=/nonexistent:/etc"):format(server.host),
      5,
      "warning  certificates  /nonexistent: No such file or directory (SSL_CERT_DIR)\n"
        .. "                       -> name a readable file (SSL_CERT_DIR: folders)",
      "ok       certificates  /etc (SSL_CERT_DIR)",
      "(libcurl's own)"
    )
    finds("--ca-file /nonexistent.pem", "QCIMAGE_ENDPOINT=https://127.0.0.1:1", 5, "/nonexistent.pem: No such file")
    local caOut = finds("--ca-file /nonexistent.pem", ("QCIMAGE_ENDPOINT=https://%s"):format(server.host), 5)
    assert.matches(
      "^FAILED +certificates +/nonexistent.pem: No such file or directory %(%-%-ca%-file%)\n +%-> name a readable file",
      caOut
    )
    caOut = finds("", ("QCIMAGE_ENDPOINT=https://%s CURL_CA_BUNDLE=/etc"):format(server.host), 5)
    assert.matches("^FAILED +certificates +/etc: Is a directory %(CURL_CA_BUNDLE%)\n", caOut)
    local hole = raw.start { { { "recv" }, { "sleep", 60 } } }
    finally(function()
      hole:stop()
    end)
    local out = finds(
      "--timeout 1",
      "QCIMAGE_ENDPOINT=" .. hole.url,
      5,
      "ok      TCP ",
      "FAILED  signed read   DescribeImages: HOST did not respond in time",
      "-> packets are dropped"
    )
    assert.truthy(out:find("no answer to compare with", 1, true))
  end)

  it("shows no secret", function()
    local out = command:shell(
      "for form in table text json; do qcimage doctor --output $form; done 2>&1",
      "TENCENTCLOUD_TOKEN=toMARKEDken https_proxy=http://u:MARKED@127.0.0.1:1"
    )
    assert.not_matches("MARKED", out)
    assert.not_matches(support.SECRET_KEY, out, 1, true)
    assert.not_matches(support.SECRET_ID, out, 1, true)
    assert.truthy(out:find("AKID...0001, temporary", 1, true))
  end)

  it("fits a terminal", function()
    for _, columns in ipairs { 40, 80 } do
      local out = command:terminal(columns, "qcimage doctor", "TENCENTCLOUD_SECRET_KEY= TERM=dumb")
      for line in out:gmatch "[^\n]+" do
        assert.is_true(#line <= columns, line)
      end
      assert.truthy(out:find("TENCENTCLOUD_SECRET_KEY", 1, true))
    end
    local out = command:terminal(200, "qcimage doctor", "TENCENTCLOUD_SECRET_KEY= TERM=xterm")
    assert.truthy(out:find("\27[31mFAILED\27[0m  keys", 1, true))
    assert.truthy(out:find("\27[32mok\27[0m      region", 1, true))
  end)

  it("tells when it cannot write", function()
    local _, err, status = command:shell "qcimage doctor >/dev/full"
    assert.same({ "qcimage: cannot write: No space left on device\n", 74 }, { err, status })
  end)
end)
