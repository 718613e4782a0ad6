--- Clients made by others against the emulator, so that emulator and signer are not only each other's
--- mirror: Tencent's Node clients for API 2.0 and 3.0, at the versions of spec/peers/package-lock.json.
-- packages: nodejs npm:spec/peers

local certs = require "spec.support.certs"
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local NODE = "NODE_NO_WARNINGS=1 NODE_PATH=build/peers/node_modules "

-- Runs a peer on a list of calls; gives its answers.
local function peer(script, input, environment)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(cjson.encode(input))
  file:close()
  local output, status = process.run(("env %s %s node spec/peers/%s <%s"):format(NODE, environment or "", script, name))
  os.remove(name)
  assert(status == 0, output)
  return cjson.decode(output)
end

describe("the old Node client, against the emulator", function()
  local server

  setup(function()
    server = emulator.start()
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:reset()
  end)

  local function calls(options, ...)
    local defaults = {
      SecretId = stub.SECRET_ID,
      SecretKey = stub.SECRET_KEY,
      Region = "gz",
      serviceType = "image",
      protocol = "http",
      host = server.host,
    }
    for name, value in pairs(options) do
      defaults[name] = value
    end
    local list = {}
    for i, data in ipairs { ... } do
      list[i] = { data = data, opts = {} }
    end
    local answers = peer("v2.js", { defaults = defaults, calls = list })
    for i, answer in ipairs(answers) do
      assert.is_nil(answer.error)
      answers[i] = answer.body
    end
    return answers
  end

  local function rename(name, id)
    return { Action = "ModifyImageAttributes", imageId = id or "img-12345678", imageName = name }
  end

  it("changes images by GET and POST, with SHA-1 and SHA-256", function()
    for _, method in ipairs { "GET", "POST" } do
      for _, digest in ipairs { "sha1", "sha256" } do
        local name = method .. "-" .. digest
        local answers = calls({ method = method, signatureMethod = digest }, rename(name))
        assert.equal(0, answers[1].code)
        local client = stub.client { endpoint = server.url }
        local image = assert(client:describe { imageIds = { "img-12345678" } }).imageSet[1]
        client:close()
        assert.equal(name, image.imageName)
      end
    end
    assert.equal(4, #server:journal() / 2) -- each of ours, too, is in the journal
  end)

  it("is refused as ours is", function()
    local answers = calls(
      { method = "POST", signatureMethod = "sha256" },
      rename "no_underscore",
      rename "db-01",
      rename("mine", "img-foreign1"),
      rename("mine", "img-00000000"),
      { Action = "NoSuchAction" },
      { Action = "DescribeImages", imageType = 1, imageIds = { "img-12345678" } }
    )
    local codes = {}
    for i, answer in ipairs(answers) do
      codes[i] = answer.code
    end
    assert.same({ 4000, 4000, 4102, 5000, 6100, 0 }, codes)
    assert.equal("web-01", answers[6].imageSet[1].imageName)

    local client = stub.client { endpoint = server.url, skipRules = true }
    local ours = {}
    for i, params in ipairs {
      { imageId = "img-12345678", imageName = "no_underscore" },
      { imageId = "img-12345678", imageName = "db-01" },
      { imageId = "img-foreign1", imageName = "mine" },
      { imageId = "img-00000000", imageName = "mine" },
    } do
      local _, _, err = client:modify(params)
      ours[i] = err.code
    end
    client:close()
    assert.same({ 4000, 4000, 4102, 5000 }, ours)
  end)

  it("with a wrong key or an unknown id is refused", function()
    local wrong = calls({ SecretKey = "qcimageEXAMPLEsecret0000000000002" }, rename "a")[1]
    assert.equal(4100, wrong.code)
    local unknown = calls({ SecretId = "AKIDqcimageEXAMPLE000000000000000002" }, rename "a")[1]
    assert.equal(4104, unknown.code)
    assert.equal("web-01", server:images()[1].imageName)
  end)
end)

describe("where the cloud's names lead to the emulator", function()
  local answers

  -- One program, run there; what it prints has all answers.
  setup(function()
    local output, status = process.run(
      ("env %s NODE_EXTRA_CA_CERTS=%s CURL_CA_BUNDLE=%s %s sh spec/peers/cloud.sh %s %s lua5.4 spec/peers/cloud.lua"):format(
        NODE,
        certs.path "ca.pem",
        certs.path "ca.pem",
        process.isolation(),
        certs.path "cloud.pem",
        certs.path "cloud.key"
      )
    )
    assert(status == 0, output)
    answers = cjson.decode(output)
  end)

  it("Tencent's client for API 3.0 changes an image, and ours sees it", function()
    assert.is_string(answers.node.modified.result.RequestId)
    assert.equal("by-node", answers.ours.seen.imageName)
  end)

  it("ours changes an image, and Tencent's client sees it", function()
    assert.equal(0, answers.ours.modified.code)
    assert.equal("by-qcimage", answers.node.seen.result.ImageSet[1].ImageName)
  end)

  it("Tencent's client lists by filters, page by page", function()
    assert.equal(1, answers.node.filtered.result.TotalCount)
    assert.equal("img-0abc12de", answers.node.filtered.result.ImageSet[1].ImageId)
    assert.equal(1, #answers.node.paged.result.ImageSet)
    assert.is_true(answers.node.paged.result.TotalCount > 1)
  end)

  it("Tencent's client uses GET and forms, with each signature", function()
    local list = answers.node.forms
    assert.equal(15, #list)
    for i = 1, #list, 3 do
      assert.is_string(list[i].result and list[i].result.RequestId, list[i].message)
      assert.equal(2, list[i + 1].result.TotalCount)
      assert.equal(1, #list[i + 1].result.ImageSet)
      assert.equal("InvalidImageName.Duplicate", list[i + 2].code)
      assert.is_string(list[i + 2].requestId)
    end
    local image = answers.node.byForms.result.ImageSet[1]
    assert.same({ "POST HmacSHA256", "a b+c 名" }, { image.ImageName, image.ImageDescription })
  end)

  it("both are refused with the same codes", function()
    for name, code in pairs {
      duplicate = "InvalidImageName.Duplicate",
      wrongKey = "AuthFailure.SignatureFailure",
      staleClock = "AuthFailure.SignatureExpire",
    } do
      assert.equal(code, answers.node[name].code, name)
      assert.equal(code, answers.ours[name].code, name)
    end
  end)

  it("the old client and ours speak API 2.0 to the image host", function()
    assert.equal(0, answers.node2.modified.body.code)
    assert.equal("by-old-node", answers.ours2.seen.imageName)
    assert.equal(0, answers.ours2.modified.code)
  end)

  it("a GET of ours is signed for the cvm host", function()
    assert.equal(0, answers.ours2.byGet.code)
  end)
end)
