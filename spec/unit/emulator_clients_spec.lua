--- The wire forms of Tencent's clients, replayed against the emulator with fresh signatures. The clients
--- that Node has run for themselves, in peers_spec.lua.

local cjson = require "cjson"
local stub = require "spec.support.stub"
local support = require "spec.support.emulator"

local clients = dofile "spec/fixtures/clients.lua"
local digests = support.digests()

local function escape(text)
  return (text:gsub("[^A-Za-z0-9_.~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The name-value pairs of a form or of a multipart body.
local function pairsOf(wire)
  local list = {}
  for name, value in wire:gmatch 'name="([^"]+)"\r\n\r\n(.-)\r\n%-%-' do
    list[#list + 1] = { name, value }
  end
  for name, value in (#list == 0 and wire or ""):gmatch "([^&=]+)=([^&]*)" do
    list[#list + 1] = { unescape(name), unescape(value) }
  end
  return list
end

local function signatureV1(method, host, path, wire, digest, key)
  local list = {}
  for _, pair in ipairs(pairsOf(wire)) do
    if pair[1] ~= "Signature" then
      list[#list + 1] = pair[1] .. "=" .. pair[2]
    end
  end
  table.sort(list)
  return require("mime").b64(digests.hmac(digest, key, method .. host .. path .. "?" .. table.concat(list, "&"))), list
end

local function signatureTc3(request, host, contentType, now, key)
  local canonical = table.concat({
    request.method,
    "/",
    request.query or "",
    "content-type:" .. contentType:lower(),
    "host:" .. host,
    "",
    "content-type;host",
    support.hex(digests.sha256(request.body or "")),
  }, "\n")
  local date = os.date("!%Y-%m-%d", now)
  local scope = date .. "/cvm/tc3_request"
  local toSign = ("TC3-HMAC-SHA256\n%d\n%s\n%s"):format(now, scope, support.hex(digests.sha256(canonical)))
  key = "TC3" .. key
  for _, part in ipairs { date, "cvm", "tc3_request" } do
    key = digests.hmac("sha256", key, part)
  end
  return ("TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-type;host, Signature=%s"):format(
    support.SECRET_ID,
    scope,
    support.hex(digests.hmac("sha256", key, toSign))
  )
end

local nonce = 0

-- A request of a client as the emulator takes it.
local function replay(client, sent, name, key)
  nonce = nonce + 1
  local host = client.host or support.HOST
  local path = client.api == "2.0" and "/v2/index.php" or "/"
  local isMultipart = sent.body and sent.body:find("form-data", 1, true)
  local filled = { NAME = name, NONCE = ("%d"):format(nonce), TIMESTAMP = ("%d"):format(support.NOW), HOST = host }
  local function fill(text)
    return text and (text:gsub("%$(%u+)", filled))
  end
  local request = { method = sent.method, scheme = "http", host = host, path = path }
  request.query, request.body = fill(sent.query), fill(sent.body)
  if sent.sign == "tc3" then
    filled.AUTHORIZATION = signatureTc3(request, host, sent.headers["Content-Type"], support.NOW, key)
  else
    local given = signatureV1(sent.method, host, path, request.query or request.body, sent.sign, key)
    filled.SIGNATURE = isMultipart and given or escape(given)
    request.query, request.body = fill(sent.query), fill(sent.body)
  end
  request.query = request.query or ""
  request.headers = {}
  for header, value in pairs(sent.headers) do
    request.headers[header:lower()] = fill(value)
  end
  return request
end

-- The code and the request id that the client finds in an answer; nil for a success.
local function refusalRead(client, response)
  assert.equal(200, response.status)
  local answer = cjson.decode(response.body)
  if client.api == "2.0" then
    return answer.code ~= 0 and answer.code or nil, answer.message
  elseif client.readsOnly and response.headers["content-type"] ~= client.readsOnly then
    return nil
  end
  local failure = answer.Response.Error
  assert.equal("string", type(answer.Response.RequestId))
  return failure and failure.Code, failure and failure.Message
end

describe("emulator, as it is seen by", function()
  for title, client in pairs(clients) do
    for i, sent in ipairs(client.sends) do
      local emulator

      before_each(function()
        emulator = support.new()
      end)

      local function try(name, key)
        return refusalRead(client, emulator:handle(replay(client, sent, name, key or support.SECRET_KEY)))
      end

      local how = ("%s: %s %s"):format(title, sent.method, sent.sign)
      if sent.refused then
        it(how .. " is refused, and told why", function()
          local code, message = try "by-client"
          assert.equal("AuthFailure.SignatureFailure", code)
          assert.truthy(message:find(sent.refused, 1, true), message)
        end)
      else
        it(how .. " changes an image, and sees a refusal", function()
          assert.is_nil((try "by-client"))
          local image = emulator:images()[1]
          assert.same({ "by-client", sent.description }, { image.imageName, image.imageDescription }, i)
          assert.equal(client.api == "2.0" and 4100 or "AuthFailure.SignatureFailure", (try("x", "wrong")))
        end)
      end
    end
  end
end)

-- Signatures that are over something else than what is sent.
local OTHERS = { "v2-doc-sha256-params-under-sha1", "v2-node-at-post", "v3-v1-python-underscore-sha256" }

it("emulator takes the requests whose signatures sign_spec holds the client to, by their keys alone", function()
  local refused = {}
  for _, vector in ipairs(cjson.decode(stub.fixture "vectors.json")) do
    local inputs, expected = vector.inputs, vector.expected
    local sent, now = expected.encoded_params or inputs.payload, inputs.timestamp or tonumber(inputs.params.Timestamp)
    local request = support.v3("DescribeImages", sent, { time = now, headers = inputs.other_headers })
    request.method, request.host, request.path = inputs.method, inputs.host, inputs.path
    request.query = inputs.method == "GET" and (inputs.query or sent) or ""
    request.headers["content-type"] = inputs.content_type or "application/x-www-form-urlencoded"
    request.headers.authorization = expected.authorization
    local function isTaken(key)
      local options = { secretId = inputs.secret_id, secretKey = key }
      options.clock = function()
        return now
      end
      local emulator = support.new(options)
      return not emulator:handle(request).body:find("the signature does not match", 1, true)
    end
    if not inputs.secret_id:find("*", 1, true) then -- that of an account has none
      assert.is_false(isTaken "other", vector.name)
      refused[#refused + 1] = not isTaken(inputs.secret_key) and vector.name or nil
    end
  end
  assert.same(OTHERS, refused)
end)
