--- Which service a request of API 3.0 is for, by the host, the scope of its signature, its version and action: covers
--- emulator/host.lua and the way to it in emulator/api3/api.lua.

local cjson = require "cjson"
local hosts = require "qcimage.emulator.host"
local support = require "spec.support.emulator"

local function withoutPort(text)
  return (text:gsub("(127%.0%.0%.1):%d+", "%1"):gsub("(localhost):%d+", "%1"))
end

describe("on a host that is not the cloud's", function()
  local emulator, call, _

  before_each(function()
    emulator, _, call = support.new()
  end)

  -- The error code of a call, "" for success, and the message.
  local function code(action, options, body)
    local answer = call(action, body or "{}", options)
    return answer.Error and answer.Error.Code or "", answer.Error and answer.Error.Message
  end

  it("the scope may name the service, or the first label of the host, and the port may be left out", function()
    for host, services in pairs {
      ["127.0.0.1:8099"] = { "cvm", "127" },
      ["localhost:8099"] = { "cvm", "localhost", "localhost:8099", "LOCALHOST" },
      ["LocalHost:8099"] = { "localhost" },
      ["emulator.internal"] = { "cvm", "emulator" },
      ["[::1]:8099"] = { "cvm", "[::1]", "[::1]:8099" },
    } do
      for _, service in ipairs(services) do
        for _, signed in ipairs { tostring, withoutPort } do
          local options = { host = host, service = service, signed = signed }
          assert.equal("", (code("DescribeImages", options)), host .. " " .. service)
          options.headers = { ["x-tc-version"] = "2018-08-13" }
          options.service = service == "cvm" and "sts" or service
          assert.equal("", (code("GetCallerIdentity", options)), host .. " " .. service)
        end
      end
    end
  end)

  it("signatures by parameters may leave the port out, in both APIs", function()
    local params = {
      Action = "DescribeImages",
      Version = "2017-03-12",
      Region = "ap-guangzhou",
      Timestamp = ("%d"):format(support.NOW),
      Nonce = "7",
      SecretId = support.SECRET_ID,
    }
    local response = emulator:handle(support.v1(params, { path = "/", signed = withoutPort }))
    assert.is_nil(cjson.decode(response.body).Response.Error)
    response = emulator:handle(support.v2({ Action = "DescribeImages", imageType = 1 }, { signed = withoutPort }))
    assert.equal(0, cjson.decode(response.body).code)
  end)

  it("a product that is not served is named before the signature is checked", function()
    for service, version in pairs { vpc = "2017-03-12", cbs = "2017-03-12", tag = "2018-08-13", tke = "2018-05-25" } do
      local options = { service = service, key = "wrong", headers = { ["x-tc-version"] = version } }
      local found, message = code("DescribeOthers", options)
      assert.equal("NoSuchProduct", found)
      assert.equal("the emulator serves images and STS, not " .. service, message)
    end
    local found, message = code("DescribeVpcs", { service = "127" })
    assert.equal("InvalidAction", found)
    assert.matches("no action DescribeVpcs; the emulator serves images and STS$", message)
  end)

  it("a scope that contradicts the action is refused", function()
    for service, words in pairs { image = "is image, not cvm", sts = "is sts, not cvm", ["128"] = "is 128, not cvm" } do
      local found, message = code("DescribeImages", { service = service })
      assert.equal("AuthFailure.SignatureFailure", found)
      assert.matches(words, message)
    end
  end)

  it("a wrong key is still found", function()
    assert.equal("AuthFailure.SignatureFailure", (code("DescribeImages", { service = "127", key = "wrong" })))
  end)
end)

describe("on a host of the cloud", function()
  it("the product, its service and its whole name are what counts", function()
    local _, _, call = support.new()
    local function code(options)
      local answer = call("DescribeImages", "{}", options)
      return answer.Error and answer.Error.Code or ""
    end
    assert.equal("", code { host = "cvm.tencentcloudapi.com" })
    assert.equal("AuthFailure.SignatureFailure", code { host = "cvm.tencentcloudapi.com", service = "tencentcloudapi" })
    assert.equal("NoSuchProduct", code { host = "vpc.tencentcloudapi.com", service = "vpc" })
    assert.equal("NoSuchProduct", code { host = "sts.tencentcloudapi.com" })
    local signed = function(text)
      return (text:gsub(":443", ""))
    end
    local answer = call("DescribeImages", "{}", { host = "cvm.tencentcloudapi.com:443", signed = signed })
    assert.matches("signed without the port", answer.Error.Message)
  end)

  it("is told by its domain", function()
    for host, product in pairs {
      ["cvm.tencentcloudapi.com"] = "cvm",
      ["CVM.ap-guangzhou.TencentCloudAPI.com:443"] = "cvm",
      ["vpc.internal.tencentcloudapi.com"] = "vpc",
      ["cvm.tencentcloudapi.cn"] = "cvm",
      ["cvm.tencentcloudapi.com.cn"] = "cvm",
      ["image.api.qcloud.com"] = "",
    } do
      assert.equal(product, hosts.product(host), host)
    end
    for _, host in ipairs { "tencentcloudapi.com", "cvm.nottencentcloudapi.com", "cvm.tencentcloudapi.com.example.org" } do
      assert.is_nil(hosts.product(host), host)
    end
    assert.equal("image", hosts.module "image.api.qcloud.com:80")
    assert.equal("", hosts.module "cvm.tencentcloudapi.com")
    assert.is_nil(hosts.module "localhost")
  end)
end)

describe("clients of images also ask for", function()
  it("the regions, without naming one", function()
    local _, _, call = support.new()
    local answer = call("DescribeRegions", "{}", { headers = { ["x-tc-region"] = false } })
    assert.equal(24, answer.TotalCount)
    assert.same({ "ap-guangzhou", "AVAILABLE" }, { answer.RegionSet[1].Region, answer.RegionSet[1].RegionState })
    _, _, call = support.new { regions = { "sh", "ap-x" } }
    answer = call("DescribeRegions", "{}", { region = "anything" })
    assert.same({ "ap-shanghai", "ap-x" }, { answer.RegionSet[1].Region, answer.RegionSet[2].Region })
    assert.equal("East China (Shanghai)", answer.RegionSet[1].RegionName)
  end)

  it("the instances, by id and by filters", function()
    local _, _, call = support.new {
      images = { { imageId = "img-12345678", imageSize = 20 }, { imageId = "img-0abc12de" } },
      instances = {
        {
          instanceId = "ins-aaaaaaa1",
          imageId = "img-12345678",
          instanceName = "web",
          tags = { { key = "k", value = "v" } },
        },
        { instanceId = "ins-aaaaaaa2", imageId = "img-0abc12de", state = "STOPPED" },
        { instanceId = "ins-aaaaaaa3", imageId = "img-0abc12de", state = "STOPPING", region = "sh" },
      },
    }
    local function ids(body, options)
      local answer = call("DescribeInstances", body, options)
      if answer.Error then
        return answer.Error.Code
      end
      local list = {}
      for i, instance in ipairs(answer.InstanceSet) do
        list[i] = instance.InstanceId:sub(-1)
      end
      return ("%d: "):format(answer.TotalCount) .. table.concat(list, " ")
    end
    local function by(name, value)
      return ids { Filters = { { Name = name, Values = { value } } } }
    end
    assert.equal("2: 1 2", ids "{}")
    assert.equal("2: 2", ids { Offset = 1, Limit = 1 })
    assert.equal("1: 3", ids("{}", { region = "ap-shanghai" }))
    assert.equal("1: 2", ids { InstanceIds = { "ins-aaaaaaa2", "ins-aaaaaaa3" } })
    assert.equal("1: 2", by("instance-state", "STOPPED"))
    assert.equal("1: 1", by("image-id", "img-12345678"))
    assert.equal("1: 1", by("instance-name", "web"))
    assert.equal("1: 1", by("tag:k", "v"))
    assert.equal("2: 1 2", by("zone", "ap-guangzhou-3"))
    assert.equal("InvalidFilter", by("vpc", "x"))
    assert.equal("InvalidInstanceId.Malformed", ids { InstanceIds = { "x" } })
    assert.equal("InvalidParameterValue.InvalidParameterValueLimit", ids { Limit = 101 })
    local filter = { { Name = "zone", Values = { "x" } } }
    assert.equal("InvalidParameterCombination", ids { InstanceIds = { "ins-aaaaaaa1" }, Filters = filter })
    local instance = call("DescribeInstances", { InstanceIds = { "ins-aaaaaaa1" } }).InstanceSet[1]
    assert.same(
      { "img-12345678", "RUNNING", "CentOS 7.6 64bit", { { Key = "k", Value = "v" } }, 20 },
      { instance.ImageId, instance.InstanceState, instance.OsName, instance.Tags, instance.SystemDisk.DiskSize }
    )
  end)
end)
