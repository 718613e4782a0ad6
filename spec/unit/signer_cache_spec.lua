--- The cache of a client's signers.

local signerCache = require "qcimage.signer_cache"

describe("the cache of signers", function()
  it("keeps the last eight, by id and key", function()
    local getSigner, close = signerCache.new()
    local function signerOf(id, key)
      return assert(getSigner { secretId = id, secretKey = key })
    end
    local first = signerOf("AKID1", "key")
    for i = 2, 8 do
      assert.not_equal(first, signerOf("AKID" .. i, "key"))
    end
    assert.equal(first, signerOf("AKID1", "key"))
    local other = signerOf("AKID1", "another key") -- the ninth, which replaces the first
    assert.not_equal(first, other)
    assert.equal(other, signerOf("AKID1", "another key"))
    assert.not_equal(first, signerOf("AKID1", "key"))
    close()
    assert.not_equal(other, signerOf("AKID1", "another key"))
  end)
end)
