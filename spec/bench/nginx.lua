--- nginx.lua - what a call costs a worker of nginx, beside yardsticks: locations of the bench's nginx, by name.
---   bare   one exchange over a kept cosocket, its bytes written down beforehand
---   byhand what a gateway without a client does: a TC3 signature by hand, a request, its answer read as JSON
---   v2, v3 modify of this client
---   bareByName, v2ByName, v3ByName   the same at a host that a name server knows
--- Part of qcimage, see LICENSE.

local cjson = require "cjson"
local core = require "qcimage.core"
local image = require "qcimage"

local HOST, NAME, PORT = "127.0.0.1", "bench.test", tonumber(os.getenv "BENCH_PORT")
local ID, KEY = "AKIDqcimageEXAMPLE000000000000000001", "qcimageEXAMPLEsecret0000000000001"
local PARAMS = { imageId = "img-12345678", imageName = "testName", imageDescription = "descrip" }

local function exchange(host, request)
  local sock = ngx.socket.tcp()
  sock:settimeout(5000)
  assert(sock:connect(host, PORT))
  assert(sock:send(request))
  local status = assert(sock:receive "*l"):match "^HTTP/1%.1 (%d+)"
  local length
  repeat
    local line = assert(sock:receive "*l")
    local name, value = line:match "^([^:]+): *(.*)$"
    length = name and name:lower() == "content-length" and tonumber(value) or length
  until line == ""
  local body = assert(sock:receive(length))
  sock:setkeepalive(30000, 30)
  return status, body
end

local REQUEST =
  "POST / HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s"

local function headersOf(authorization, time)
  return ("Authorization: %s\r\nX-TC-Action: ModifyImageAttribute\r\nX-TC-Version: 2017-03-12\r\n"):format(
    authorization
  ) .. ("X-TC-Timestamp: %d\r\nX-TC-Region: ap-guangzhou\r\n"):format(time)
end

local BODY =
  cjson.encode { ImageId = PARAMS.imageId, ImageName = PARAMS.imageName, ImageDescription = PARAMS.imageDescription }
local BARE = REQUEST:format(HOST, PORT, #BODY, headersOf(("x"):rep(180), 1700000000), BODY)

-- The digests are libcrypto's, as those of lua-resty-string or lua-resty-hmac would be.
local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local function byHand()
  local time = ngx.time()
  local date = os.date("!%Y-%m-%d", time)
  local body = cjson.encode {
    ImageId = PARAMS.imageId,
    ImageName = PARAMS.imageName,
    ImageDescription = PARAMS.imageDescription,
  }
  local canonical = ("POST\n/\n\ncontent-type:application/json; charset=utf-8\nhost:%s:%d\n\ncontent-type;host\n%s"):format(
    HOST,
    PORT,
    hex(core.sha256(body))
  )
  local scope = date .. "/cvm/tc3_request"
  local text = ("TC3-HMAC-SHA256\n%d\n%s\n%s"):format(time, scope, hex(core.sha256(canonical)))
  local key = core.hmac("sha256", "TC3" .. KEY, date)
  key = core.hmac("sha256", key, "cvm")
  key = core.hmac("sha256", key, "tc3_request")
  local signature = hex(core.hmac("sha256", key, text))
  local authorization = ("TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-type;host, Signature=%s"):format(
    ID,
    scope,
    signature
  )
  local status, answer = exchange(HOST, REQUEST:format(HOST, PORT, #body, headersOf(authorization, time), body))
  assert(status == "200" and not cjson.decode(answer).Response.Error)
end

local function modify(version, host)
  local client = image.new {
    secretId = ID,
    secretKey = KEY,
    region = "ap-guangzhou",
    endpoint = ("http://%s:%d"):format(host, PORT),
    allowPlainHttp = true,
    apiVersion = version,
  }
  return function()
    assert(client:modify(PARAMS))
  end
end

local function bare(host)
  return function()
    assert(exchange(host, BARE) == "200")
  end
end

local M = {
  bare = bare(HOST),
  byhand = byHand,
  v2 = modify("2.0", HOST),
  v3 = modify("3.0", HOST),
  bareByName = bare(NAME),
  v2ByName = modify("2.0", NAME),
  v3ByName = modify("3.0", NAME),
}

return M
