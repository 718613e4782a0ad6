--- qcimage doctor without a socket: what it finds of settings and refusals, and what it says to do.

local cjson = require "cjson"
local cloud = require "spec.support.cloud"
local here = require "spec.support.command_here"
local process = require "spec.support.process"

describe("qcimage doctor", function()
  local command = here.new()
  local server = command.server

  before_each(function()
    command:reset()
  end)

  -- Runs a line, which finds these texts and ends as a call does.
  local function finds(line, environment, status, ...)
    local out, _, found = command:run("qcimage doctor " .. line, { environment = environment })
    out = out:gsub("127%.0%.0%.1:8080", "HOST")
    assert.equal(status, found, out)
    for _, text in ipairs { ... } do
      assert.truthy(out:find(text, 1, true), ("%s\n--\n%s"):format(text, out))
    end
    local json, _, code = command:run("qcimage doctor --output json " .. line, { environment = environment })
    assert.same({ status, status == 0 }, { code, cjson.decode(json).works })
    local _, _, described = command:run("qcimage describe --limit 1 " .. line, { environment = environment })
    assert.equal(described, status)
    return out
  end

  it("fails with the name of a broken file, where a call does", function()
    local home, file = cloud.folder()
    finally(function()
      cloud.remove(home)
    end)
    local function write(name, contents)
      file(name, contents)
      process.run(("chmod 600 %s/.t*/*"):format(home))
    end
    local function with(more)
      more.HOME = home
      return more
    end
    local bare = with { TENCENTCLOUD_SECRET_ID = "", TENCENTCLOUD_SECRET_KEY = "" }
    write(".tencentcloud/credentials", "[default]\nsecret_id = AKIDx\n")
    finds(
      "",
      bare,
      4,
      "FAILED  keys          ~/.tencentcloud/credentials [default], line 1: secret_key is not given\n",
      "-> correct or remove it"
    )
    write(".tencentcloud/credentials", "")
    write(".tccli/default.credential", "{")
    finds("", bare, 4, "FAILED  keys          ~/.tccli/default.credential is not JSON")
    write(
      ".tccli/default.credential",
      '{"type": "oauth", "secretId": "AKIDx", "secretKey": "k", "expiresAt": 1690000000}'
    )
    finds("", bare, 4, "FAILED  keys          expired oauth login in ~/.tccli/default.credential", "-> log in again")
    write(".tccli/default.credential", "{}")
    write(".tccli/default.configure", "{")
    finds("", with {}, 3, "FAILED  endpoint      ~/.tccli/default.configure is not JSON", "correct the file")
    write(".tccli/default.configure", '{"_sys_param": {"region": "ap x"}}')
    finds(
      "",
      with { TENCENTCLOUD_REGION = "" },
      3,
      'FAILED  region        the region of ~/.tccli/default.configure is not a region: "ap x"'
    )
    -- the endpoint is known, and looked at, and no other host
    write(".tccli/default.configure", '{"cvm": {"endpoint": "http://127.0.0.1:8080"}}')
    finds(
      "",
      with { TENCENTCLOUD_REGION = "", QCIMAGE_ENDPOINT = "" },
      3,
      "FAILED  region        no region",
      "ok      endpoint      http://HOST (~/.tccli/default.configure)\n",
      "ok      TCP           HOST\n"
    )
    write(".tccli/default.configure", "{")
    local out = finds("", with { QCIMAGE_ENDPOINT = "" }, 3, "FAILED  endpoint      ~/.tccli/default.configure")
    assert.is_nil((out:find("TCP", 1, true)), out)
  end)

  it("has a cure of its own for each refusal of keys", function()
    for code, cure in pairs {
      ["AuthFailure.SecretIdNotFound"] = "-> no such SecretId",
      ["AuthFailure.InvalidSecretId"] = "-> the SecretId is not one of the cloud's API",
      ["AuthFailure.SignatureFailure"] = "-> SecretId and SecretKey do not belong together",
      ["AuthFailure.TokenFailure"] = "-> the token has expired, or belongs to other keys",
    } do
      local refusal = '{"Response":{"Error":{"Code":"%s","Message":"no"},"RequestId":"r"}}'
      server:fault { kind = "status", status = 200, body = refusal:format(code), count = 9 }
      local out = finds("", {}, 6, "FAILED  signed read   DescribeImages: " .. code, cure)
      assert.matches("^FAILED  signed read ", out) -- the cause comes first
      command:reset()
    end
  end)

  it("has the cure of what a role's keys lack, not of the role", function()
    local none = { TENCENTCLOUD_SECRET_ID = "", TENCENTCLOUD_SECRET_KEY = "" }
    local profile = { TENCENTCLOUD_SECRET_ID = "", TENCENTCLOUD_SECRET_KEY = "", TCCLI_PROFILE = "/x" }
    for _, case in ipairs {
      { none, "AssumeRole: no credentials: ", "-> export TENCENTCLOUD_SECRET_ID and" },
      { profile, 'AssumeRole: TCCLI_PROFILE "/x" is not a valid file name', "-> correct or remove it" },
      {
        { TENCENTCLOUD_SECRET_KEY = "" },
        "AssumeRole: the environment: ",
        "-> export TENCENTCLOUD_SECRET_KEY too",
      },
      {
        { TENCENTCLOUD_SECRET_KEY = "x" },
        "AssumeRole: AuthFailure.SignatureFailure",
        "-> SecretId and SecretKey do",
      },
    } do
      case[1].QCIMAGE_STS_ENDPOINT = "http://127.0.0.1:8080"
      case[1].TENCENTCLOUD_ROLE_ARN = "qcs::cam::uin/1:roleName/x"
      finds("", case[1], 4, "FAILED  keys          " .. case[2], case[3])
    end
  end)

  it("tells what half of the environment's keys lack", function()
    finds(
      "",
      { TENCENTCLOUD_SECRET_KEY = "" },
      4,
      "FAILED  keys          the environment: TENCENTCLOUD_SECRET_KEY is empty, though TENCENTCLOUD_SECRET_ID is set\n"
        .. "                      -> export TENCENTCLOUD_SECRET_KEY too, or unset TENCENTCLOUD_SECRET_ID\n",
      "ok      TCP ",
      "-       signed read   not made, for lack of keys, a region or an endpoint\n"
    )
    finds(
      "",
      { TENCENTCLOUD_SECRET_ID = "" },
      4,
      "-> export TENCENTCLOUD_SECRET_ID too, or unset TENCENTCLOUD_SECRET_KEY"
    )
    finds("", { TENCENTCLOUD_REGION = "" }, 3, "-> export TENCENTCLOUD_REGION=ap-guangzhou, or give --region")
    finds(
      "--secret-id AKIDqcimageEXAMPLE000000000000000001 --secret-key x",
      {},
      6,
      "-       keys          the environment: --secret-id takes precedence\n",
      "-> SecretId and SecretKey do not belong together"
    )
    finds("--role-arn image-ops", {}, 2, "FAILED  settings  --role-arn is not the ARN of a role, such as qcs::cam::")
    finds(
      "--profile nobody",
      {},
      4,
      "the environment: --profile takes precedence",
      "~/.tccli/nobody.credential does not exist",
      "none of these sources has any"
    )
  end)

  it("tells by how much the clock is wrong", function()
    local function clock(offset)
      server:set { clockOffset = offset }
    end
    clock(600)
    local out = finds("", {}, 0, "-> set this machine's clock: timedatectl set-ntp true\n", "ok       signed read ")
    local seconds = out:match "warning  clock         (%d+) s behind the service's: each run is refused once"
    assert.is_true(math.abs(tonumber(seconds) - 600) <= 5, out)
    clock(-60)
    out = finds("", {}, 0, "-> set this machine's clock: timedatectl set-ntp true\n")
    assert.matches("warning  clock         [56]%d s ahead of the service's; it takes up to 300 s\n", out)
    clock(0)
  end)

  it("tells which stage of the way failed, and what helps there", function()
    for reason, found in pairs {
      dns = "FAILED  DNS           no way\n                      -> check the name in the endpoint",
      connect = "FAILED  TCP           no way\n                      -> check host and port of the endpoint",
      tls = "FAILED  TLS           no way\n                      -> name the certificates",
      timeout = "FAILED  DNS           no way\n                      -> packets are dropped",
      closed = "FAILED  signed read   DescribeImages: no way (3 attempts)\n                      -> something on the way closes",
      proxy = "FAILED  proxy         proxy.test:3128 (--proxy): no way\n                      -> check host, port and login",
    } do
      local line = "qcimage doctor --endpoint https://cvm.test --ca-file LICENSE"
        .. (reason == "proxy" and " --proxy proxy.test:3128" or "")
      local out, _, status = command:run(line, {
        transport = function()
          return nil, "no way", { reason = reason }
        end,
      })
      assert.same({ found, 5 }, { out:sub(1, #found), status })
    end
  end)

  it("says which file to name where the certificates cannot be read", function()
    local found = "FAILED  certificates  /nonexistent: No such file or directory (--ca-file)\n"
      .. "                      -> name a readable file"
    local out = command:run("qcimage doctor --endpoint https://cvm.test --ca-file /nonexistent", {
      transport = function()
        return nil, "no way", { reason = "tls" }
      end,
    })
    assert.equal(found, out:sub(1, #found))
  end)

  it("tells of a refusal, and whether it matters", function()
    finds(
      "",
      { TENCENTCLOUD_SECRET_KEY = "wrong" },
      6,
      "FAILED  signed read   DescribeImages: AuthFailure.SignatureFailure",
      "(keys from the environment)"
    )
    for code, cure in pairs {
      UnauthorizedOperation = "-> the credentials are valid, but lack this permission",
      ["RequestLimitExceeded"] = "-> the credentials are valid; too many calls at this moment",
      InternalError = "-> the service has a problem; try again later",
      ResourceInUse = "-> the credentials are valid; try again later",
    } do
      command:reset()
      server:fault { kind = "error", code = code, message = "no", count = 9 }
      finds("", {}, code == "RequestLimitExceeded" and 7 or 6, "FAILED  signed read   DescribeImages: " .. code, cure)
    end
  end)
end)
