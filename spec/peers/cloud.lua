--- cloud.lua - run by peers_spec.lua where the cloud's host names lead to the emulator: calls by
--- Tencent's Node clients and by ours, in turns. Prints one JSON object of their answers.

local cjson = require "cjson"
local identity = require "spec.support.identity"
local image = require "qcimage"

local ID, KEY = identity.SECRET_ID, identity.SECRET_KEY
local WRONG_KEY = "qcimageEXAMPLEsecret0000000000002"

local function peer(script, input)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(cjson.encode(input))
  file:close()
  local pipe = assert(io.popen(("node spec/peers/%s <%s"):format(script, name)))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return cjson.decode(output)
end

-- Answers of Tencent's client for API 3.0 to a list of calls.
local function nodes(calls, options)
  local input = { secretId = ID, secretKey = KEY, region = "ap-guangzhou", endpoint = "cvm.tencentcloudapi.com" }
  for key, value in pairs(options or {}) do
    input[key] = value
  end
  input.calls = calls
  return peer("v3.js", input)
end

local function node(action, params, options)
  return nodes({ { action = action, params = params } }, options)[1]
end

local function oldNode(data)
  return peer("v2.js", {
    defaults = { SecretId = ID, SecretKey = KEY, Region = "gz", serviceType = "image", signatureMethod = "sha256" },
    calls = { { data = data } },
  })[1]
end

local function ours(options)
  local all = { secretId = ID, secretKey = KEY, region = "gz" }
  for key, value in pairs(options) do
    all[key] = value
  end
  return image.new(all)
end

-- What of an outcome can be written as JSON.
local function plain(result, message, err)
  if result then
    return { code = result.code }
  end
  return { code = err.code, message = message, outcome = err.outcome }
end

local function look(client)
  return assert(client:describe { imageIds = { "img-12345678" } }).imageSet[1]
end

local answers = { node = {}, ours = {}, node2 = {}, ours2 = {} }
local target = "img-12345678"
local cloud = ours { apiVersion = "3.0" }

answers.node.modified = node("ModifyImageAttribute", { ImageId = target, ImageName = "by-node" })
answers.ours.seen = look(cloud)
answers.ours.modified = plain(cloud:modify { imageId = target, imageName = "by-qcimage" })
answers.node.seen = node("DescribeImages", { ImageIds = { target } })
answers.node.filtered = node("DescribeImages", {
  Filters = { { Name = "image-type", Values = { "PRIVATE_IMAGE" } }, { Name = "image-name", Values = { "db-01" } } },
})
answers.node.paged = node("DescribeImages", { Offset = 1, Limit = 1 })

-- The forms that API 3.0 has beside JSON, each with a change, a list by filters and a refusal.
local forms = {}
for _, form in ipairs {
  { "GET", "TC3-HMAC-SHA256" },
  { "GET", "HmacSHA1" },
  { "GET", "HmacSHA256" },
  { "POST", "HmacSHA1" },
  { "POST", "HmacSHA256" },
} do
  for _, call in ipairs {
    {
      action = "ModifyImageAttribute",
      params = { ImageId = target, ImageName = table.concat(form, " "), ImageDescription = "a b+c 名" },
    },
    {
      action = "DescribeImages",
      params = { Filters = { { Name = "image-id", Values = { "img-0abc12de", target } } }, Limit = 1, Offset = 0 },
    },
    { action = "ModifyImageAttribute", params = { ImageId = target, ImageName = "db-01" } },
  } do
    call.reqMethod, call.signMethod = form[1], form[2]
    forms[#forms + 1] = call
  end
end
answers.node.forms = nodes(forms)
answers.node.byForms = node("DescribeImages", { ImageIds = { target } })

local taken = { ImageId = target, ImageName = "db-01" }
answers.node.duplicate = node("ModifyImageAttribute", taken)
answers.ours.duplicate = plain(cloud:modify { imageId = target, imageName = "db-01" })
answers.node.wrongKey = node("ModifyImageAttribute", taken, { secretKey = WRONG_KEY })
answers.ours.wrongKey =
  plain(ours({ apiVersion = "3.0", secretKey = WRONG_KEY }):modify { imageId = target, imageName = "db-01" })
answers.node.staleClock = node("ModifyImageAttribute", taken, { clockOffset = -900 })
answers.ours.staleClock = plain(ours({
  apiVersion = "3.0",
  maxAttempts = 1, -- or the clock would be corrected
  clock = function()
    return os.time() - 900
  end,
}):modify { imageId = target, imageName = "db-01" })

local old = ours { apiVersion = "2.0" }
answers.node2.modified = oldNode { Action = "ModifyImageAttributes", imageId = target, imageName = "by-old-node" }
answers.ours2.seen = look(old)
answers.ours2.modified = plain(old:modify { imageId = target, imageName = "by-qcimage-2" })
answers.ours2.byGet =
  plain(ours({ method = "GET", signatureMethod = "HmacSHA1", endpoint = "https://cvm.api.qcloud.com" }):modify {
    imageId = target,
    imageName = "testName",
    imageDescription = "descrip",
  })

print(cjson.encode(answers))
