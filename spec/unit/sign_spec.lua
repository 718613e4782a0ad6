--- Signatures against published and recorded values; nonces, clocks and texts: covers qcimage.core.

local core = require "qcimage.core"
local json = require "dkjson" -- busted's: lua-cjson is not there for each Lua
local process = require "spec.support.process"
local stub = require "spec.support.stub"

local vectors = json.decode(stub.fixture "vectors.json")
local PYTHON_RULE = "v3-v1-python-underscore-sha256"

local function hex(raw)
  return (raw:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

-- The pairs of a wire form, sorted: their order on the wire is free.
local function pairsOf(wire)
  local list = {}
  for pair in wire:gmatch "[^&]+" do
    list[#list + 1] = pair
  end
  table.sort(list)
  return list
end

describe("signature of API 2.0, and v1 of API 3.0", function()
  local seen = { v2 = 0, v3 = 0 }

  for _, vector in ipairs(vectors) do
    if vector.kind == "signature-v1" then
      seen[vector.api] = seen[vector.api] + 1
      it("follows " .. vector.name, function()
        local inputs, expected = vector.inputs, vector.expected
        local params, unsigned = {}, {}
        for name, value in pairs(inputs.params) do
          -- one client of API 3.0 signs a dot where it sends an underscore; ours signs what it sends
          params[vector.name == PYTHON_RULE and name:gsub("_", ".") or name] = value
        end
        for _, name in ipairs(inputs.unsigned_params or {}) do
          unsigned[#unsigned + 1] = name .. "=" .. params[name]:gsub("@", "%%40")
          params[name] = nil
        end
        local signer = core.signer(inputs.secret_id, inputs.secret_key)
        local digest = inputs.hmac == "HmacSHA256" and "sha256" or "sha1"
        local wire, stages = signer:v2(digest, inputs.method, inputs.host, inputs.path, params, true)
        assert.equal(expected.string_to_sign, stages.stringToSign)
        assert.equal(expected.signature, stages.signature)
        wire = table.concat({ wire, (table.unpack or unpack)(unsigned) }, "&")
        local wanted = expected.encoded_params
        if vector.name == PYTHON_RULE then
          wanted = wanted:gsub("Extra_Key", "Extra.Key")
        end
        assert.same(pairsOf(wanted), pairsOf(wire))
        -- without stages: the same wire form alone
        assert.equal(1, select("#", signer:v2(digest, inputs.method, inputs.host, inputs.path, params)))
      end)
    end
  end

  it("was held against all published and recorded values", function()
    assert.same({ v2 = 37, v3 = 11 }, seen)
  end)
end)

describe("TC3-HMAC-SHA256", function()
  local seen = 0

  for _, vector in ipairs(vectors) do
    if vector.kind == "tc3" then
      seen = seen + 1
      it("follows " .. vector.name, function()
        local inputs, expected = vector.inputs, vector.expected
        local payload = inputs.unsigned_payload and "UNSIGNED-PAYLOAD" or inputs.payload
        local signer = core.signer(inputs.secret_id, inputs.secret_key)
        local authorization, stages = signer:tc3(
          inputs.timestamp,
          inputs.service,
          inputs.host,
          inputs.content_type,
          payload,
          true,
          inputs.method,
          inputs.query,
          inputs.signed_headers["x-tc-action"]
        )
        assert.equal(expected.hashed_payload, hex(core.sha256(payload)))
        assert.equal(expected.canonical_request, stages.canonicalRequest)
        assert.equal(expected.hashed_canonical_request, hex(core.sha256(stages.canonicalRequest)))
        assert.equal(expected.string_to_sign, stages.stringToSign)
        local day = core.hmac("sha256", "TC3" .. inputs.secret_key, expected.credential_scope:sub(1, 10))
        local service = core.hmac("sha256", day, inputs.service)
        local key = core.hmac("sha256", service, "tc3_request")
        assert.equal(expected.secret_date_hex, hex(day))
        assert.equal(expected.secret_service_hex, hex(service))
        assert.equal(expected.secret_signing_hex, hex(key))
        assert.equal(expected.signature, hex(core.hmac("sha256", key, stages.stringToSign)))
        assert.equal(expected.signature, stages.signature)
        assert.equal(expected.authorization, authorization)
      end)
    end
  end

  it("was held against all published and recorded values", function()
    assert.equal(22, seen)
  end)

  -- Recorded values, at half past midnight in Shanghai and in the last second of a day in UTC, also after the next day's key.
  it("takes the date from UTC in any time zone, and a new key at midnight", function()
    local output = process.lua(
      ([[
        local signer = require("qcimage.core").signer(%q, %q)
        for _, time in ipairs { 1709224200, 1709251199, 1709251200, 1709251199 } do
          local value = signer:tc3(time, "cvm", "cvm.tencentcloudapi.com", "application/json; charset=utf-8",
            '{"ImageId":"img-0abc12de","ImageName":"web-01"}')
          print((value:gsub("^.-/([%%d-]+)/.*=", "%%1 ")))
        end
      ]]):format(stub.SECRET_ID, stub.SECRET_KEY),
      "TZ=Asia/Shanghai"
    )
    local last = "2024-02-29 519f620b1bfd0959d235977a31101d8feca889fd2064fbd64a0fda655daaa043\n"
    local first, before, after, again = output:match "^([^\n]*\n)([^\n]*\n)([^\n]*\n)([^\n]*\n)$"
    assert.equal("2024-02-29 e70f4a8babd97c64fdb3d0ca3e0dbc411f46692e08b5ed79ca2a454cd740da69\n", first)
    assert.same({ last, last }, { before, again })
    assert.matches("^2024%-03%-01 ", after)
  end)
end)

describe("a signer", function()
  local function v2(signer, params)
    return signer:v2("sha1", "GET", "h", "/v2/index.php", params)
  end

  local ARGUMENTS = { "timestamp", "service", "host", "contentType", "payload", "stages", "method", "query", "action" }

  -- Signs a request by tc3, some of its arguments others: nil where they are json.null.
  local function tc3(signer, others)
    local all = { 0, "cvm", "h", "t", "" }
    for i, name in ipairs(ARGUMENTS) do
      if others and others[name] ~= nil then
        all[i] = others[name]
      end
      if all[i] == json.null then
        all[i] = nil
      end
    end
    return signer:tc3((table.unpack or unpack)(all, 1, #ARGUMENTS))
  end

  it("never shows its key and is of no use when closed", function()
    local signer = core.signer("AKIDxxxx", "thesecretkey")
    assert.equal("qcimage.signer (open)", tostring(signer))
    assert.is_false(getmetatable(signer))
    signer:close()
    signer:close()
    assert.equal("qcimage.signer (closed)", tostring(signer))
    local wire, message = v2(signer, {})
    assert.is_nil(wire)
    assert.equal("the signer is closed", message)
    wire, message = tc3(signer)
    assert.is_nil(wire)
    assert.equal("the signer is closed", message)
  end)

  it("takes strings alone as id and key", function()
    for _, case in ipairs {
      { 1, "key" },
      { "id", 1 },
      { "", "key" },
      { "id", "" },
      { "a b", "key" },
      { "a\nb", "key" },
      { ("i"):rep(1025), "key" },
      { "id", ("k"):rep(1025) },
      {},
    } do
      assert.is_false((pcall(core.signer, case[1], case[2])))
    end
  end)

  it("takes strings alone as names and values", function()
    local signer = core.signer("id", "key")
    assert.has_error(function()
      v2(signer, { imageId = 1 })
    end)
    assert.has_error(function()
      v2(signer, { "imageId" })
    end)
    assert.has_error(function()
      v2(signer, { imageId = true })
    end)
    assert.has_error(function()
      v2(signer, "imageId")
    end)
    assert.equal("Signature=", v2(signer, {}):sub(1, 10))
  end)

  it("signs many and long parameters, and refuses more", function()
    local signer = core.signer("id", "key")
    local params = {}
    for i = 1, 1024 do
      params["p" .. i] = ("v"):rep(100)
    end
    local wire = v2(signer, params)
    local _, count = wire:gsub("&", "")
    assert.equal(1024, count)
    params.p1025 = "v"
    assert.has_error(function()
      v2(signer, params)
    end)
    assert.has_error(function()
      v2(signer, { p = ("v"):rep(10 * 1024 * 1024) })
    end)
  end)

  it("refuses texts that are too long together, however often they come", function()
    local signer = core.signer("id", "key")
    local params, long = {}, ("v"):rep(4 * 1024 * 1024) -- 1,024 of them are 2^32 bytes
    for i = 1, 1024 do
      params["p" .. i] = long
    end
    local ok, message = pcall(v2, signer, params)
    assert.is_false(ok)
    assert.matches("the request is too long", message)
    for _, field in ipairs { "method", "host", "query", "contentType", "action" } do
      assert.has_error(function()
        tc3(signer, { [field] = long .. long .. long })
      end, "the request is too long")
      assert(tc3(signer, { [field] = long }))
    end
    assert.has_error(function()
      tc3(signer, { method = long, host = long, query = long, contentType = long, action = long })
    end, "the request is too long")
    assert(tc3(signer, { payload = long .. long .. long })) -- only its hash is signed
  end)

  it("takes ids and keys as long as temporary ones may be", function()
    local id = ("i"):rep(1024)
    local signer = core.signer(id, ("k"):rep(1024))
    assert.truthy(tc3(signer):find("Credential=" .. id .. "/", 1, true))
    assert.truthy(v2(signer, { SecretId = id }))
  end)

  it("says what is wrong with a request for TC3", function()
    local signer = core.signer("id", "key")
    local function refused(name, wrong, expected)
      local ok, message = pcall(tc3, signer, { [name] = wrong })
      assert.is_false(ok, name)
      local number, problem = message:match "bad argument #(%d+) to [^(]*%((.*)%)$"
      -- LuaJIT counts the signer, too, where it does not know the method's name
      assert.truthy(ARGUMENTS[tonumber(number)] == name or ARGUMENTS[number - 1] == name, message)
      assert.matches(expected, problem)
    end
    for _, name in ipairs { "service", "host", "contentType", "payload" } do
      refused(name, json.null, "string expected")
    end
    for _, name in ipairs { "service", "host", "contentType", "payload", "method", "query", "action" } do
      for _, wrong in ipairs { 12, false, {} } do
        refused(name, wrong, "string expected")
      end
    end
    -- a date has ten characters
    for _, time in ipairs { -1, 253402300800, 0 / 0, math.huge, "0", false, json.null } do
      refused("timestamp", time, "must be a Unix time in seconds")
    end
    for _, service in ipairs { ("s"):rep(16), "cvm\0" } do
      refused("service", service, "must be the name of a service")
    end
    assert.is_false((pcall(signer.tc3, signer)))
    assert.truthy(tc3(signer, { service = ("s"):rep(15), timestamp = 253402300799 }))
    assert.equal(tc3(signer), tc3(signer, { method = "POST" }))
  end)

  it("adds the public parameters of API 2.0, if it is given a time", function()
    local params = { imageId = "img-1", Zone = "z", ["_"] = "" }
    local function all(more)
      for name, value in pairs(params) do
        more[name] = value
      end
      return more
    end
    for digest, method in pairs { sha1 = "HmacSHA1", sha256 = "HmacSHA256" } do
      local signer = core.signer("id", "key")
      local function added(...)
        return signer:v2(digest, "POST", "h", "/v2/index.php", params, false, ...)
      end
      local function given(public)
        public.SecretId, public.SignatureMethod = "id", method
        return signer:v2(digest, "POST", "h", "/v2/index.php", all(public))
      end
      assert.equal(given { Timestamp = "0" }, (added(0)))
      assert.equal(
        given { Timestamp = "253402300799", Nonce = "1", Action = "A", Region = "r", Token = "t=" },
        (added(253402300799, "1", "A", "r", "t="))
      )
      assert.equal(
        given { Timestamp = "1700000000", Nonce = "1", Action = "A" },
        (added(1700000000.5, "1", "A", nil, nil))
      )
      for _, wrong in ipairs { { -1 }, { 253402300800 }, { "0" }, { 0, 1 }, { 0, "1", {} }, { 0, "1", "A", "r", 5 } } do
        assert.is_false((pcall(added, (table.unpack or unpack)(wrong))))
      end
    end
    for i = 1, 40 do
      params["p" .. i] = ("v"):rep(300)
    end
    local signer = core.signer("id", "key")
    local _, stages = signer:v2(
      "sha256",
      "GET",
      "h",
      "/",
      all { Nonce = "1", SecretId = "id", Timestamp = "7", SignatureMethod = "HmacSHA256" },
      true
    )
    assert.same(stages, select(2, signer:v2("sha256", "GET", "h", "/", params, true, 7, "1")))
  end)

  it("signs an empty query as none", function()
    local signer = core.signer("id", "key")
    assert.equal(tc3(signer), tc3(signer, { query = "" }))
    assert.not_equal(tc3(signer), tc3(signer, { query = "a=b" }))
  end)
end)

describe("the core", function()
  it("counts code points, and knows what is not UTF-8", function()
    assert.equal(0, core.utf8len "")
    assert.equal(7, core.utf8len "每晚_构建-1")
    assert.equal(3, core.utf8len "a\0b")
    assert.is_nil(core.utf8len "\237\160\128")
    assert.is_nil(core.utf8len "nightly\223\254")
  end)

  it("sees control bytes", function()
    for byte = 0, 255 do
      local _, hasControl = core.utf8len("a" .. string.char(byte))
      assert.equal(byte < 32 or byte == 127, hasControl, byte)
    end
    assert.is_false(select(2, core.utf8len ""))
  end)

  it("gives nonces in decimal digits that a double holds", function()
    local seen = {}
    for _ = 1, 1000 do
      local nonce = core.nonce()
      assert.matches("^[1-9]%d*$", nonce)
      assert.is_true(tonumber(nonce) < 2 ^ 53)
      assert.is_nil(seen[nonce])
      seen[nonce] = true
    end
  end)

  it("has clocks that go on", function()
    local wall, steady = core.time(), core.monotonic()
    assert.is_true(math.abs(wall - os.time()) <= 2)
    core.sleep(0.01)
    assert.is_true(core.monotonic() - steady >= 0.01)
    for _, seconds in ipairs { -1, 0 / 0, 1e9 } do
      assert.is_false((pcall(core.sleep, seconds)))
    end
  end)
end)
