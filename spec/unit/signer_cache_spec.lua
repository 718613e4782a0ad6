--- Identities in turn: each call is signed by its own, and a key is worked in once.

local core = require "qcimage.core"
local image = require "qcimage"

local function identity(number)
  return {
    secretId = ("AKIDqcimageEXAMPLE%018d"):format(number),
    secretKey = ("qcimageEXAMPLEsecret%013d"):format(number),
  }
end

local function client(credentials)
  return image.new {
    credentials = credentials,
    region = "gz",
    clock = function()
      return 1700000000
    end,
    nonce = function()
      return "42"
    end,
  }
end

local function signed(by)
  return assert(by:sign("ModifyImageAttributes", { imageId = "img-12345678" })).body
end

-- Signs count times with identities in turn. Returns how many signers were made.
local function inTurn(identities, count)
  local expected, turn, made = {}, 0, 0
  for i = 1, identities do
    expected[i] = signed(client(identity(i)))
  end
  local shared = client(function()
    turn = turn + 1
    return identity((turn - 1) % identities + 1)
  end)
  local signer = core.signer
  core.signer = function(...)
    made = made + 1
    return signer(...)
  end
  for i = 1, count do
    local ok, body = pcall(signed, shared)
    if not ok or body ~= expected[(i - 1) % identities + 1] then
      core.signer = signer
      error("call " .. i .. ": " .. tostring(body))
    end
  end
  core.signer = signer
  shared:close()
  return made
end

describe("identities in turn", function()
  it("have their keys worked in once", function()
    assert.equal(1, inTurn(1, 10))
    assert.equal(2, inTurn(2, 20))
    assert.equal(8, inTurn(8, 80))
  end)

  it("sign by themselves when they are more than are kept", function()
    assert.equal(90, inTurn(9, 90))
    assert.equal(500, inTurn(500, 500))
  end)

  it("may have one id, and keys that change", function()
    local keys, turn = { "thekeythatwas", "thekeythatcame" }, 0
    local shared = client(function()
      turn = turn % 2 + 1
      return { secretId = "AKIDxxxx", secretKey = keys[turn] }
    end)
    local first, second = signed(shared), signed(shared)
    assert.not_equal(first, second)
    assert.equal(first, signed(shared))
    assert.equal(second, signed(shared))
  end)
end)
