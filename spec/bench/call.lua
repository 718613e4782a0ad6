--- call.lua - what a whole call takes: check, sign, send, read. usage: call.lua URL VERSION [ROUNDS]
--- Prints microseconds of wall and of CPU time.

local core = require "qcimage.core"
local image = require "qcimage"

local ROUNDS = tonumber(arg[3]) or 400
local client = image.new {
  secretId = "AKIDqcimageEXAMPLE000000000000000001",
  secretKey = "qcimageEXAMPLEsecret0000000000001",
  region = "gz",
  endpoint = arg[1],
  apiVersion = arg[2],
}

local params = { imageId = "img-12345678", imageName = "testName", imageDescription = "descrip" }
local wall, cpu
for i = -ROUNDS / 10, ROUNDS - 1 do
  if i == 0 then
    wall, cpu = core.monotonic(), os.clock()
  end
  assert(client:modify(params))
end
print(("wall %.1f"):format((core.monotonic() - wall) / ROUNDS * 1e6))
print(("cpu %.1f"):format((os.clock() - cpu) / ROUNDS * 1e6))
