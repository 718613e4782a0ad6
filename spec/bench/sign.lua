--- sign.lua - what signing takes through the Lua module, time and nonce given. Prints nanoseconds of CPU time.

local core = require "qcimage.core"

local ROUNDS = 20000
local signer = core.signer("AKIDqcimageEXAMPLE000000000000000001", "qcimageEXAMPLEsecret0000000000001")

local function measure(name, f)
  f(ROUNDS / 10)
  local start = os.clock()
  f(ROUNDS)
  print(("%s %.0f"):format(name, (os.clock() - start) / ROUNDS * 1e9))
end

local params = {
  imageId = "img-12345678",
  imageName = "testName",
  imageDescription = "nightly_build-7",
}
measure("v2", function(rounds)
  for _ = 1, rounds do
    signer:v2(
      "sha256",
      "POST",
      "image.api.qcloud.com",
      "/v2/index.php",
      params,
      false,
      1700000000,
      "8233125559952060",
      "ModifyImageAttributes",
      "gz"
    )
  end
end)

local payload = '{"ImageId":"img-12345678","ImageName":"testName","ImageDescription":"descrip"}'
measure("tc3", function(rounds)
  for _ = 1, rounds do
    signer:tc3(1700000000, "cvm", "cvm.tencentcloudapi.com", "application/json", payload)
  end
end)
