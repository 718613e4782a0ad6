--- once.lua - one call and no more, as a script makes it; prints what the system knows of the process then.
--- usage: once.lua URL

local client = require("qcimage").new { secretId = "AKIDxxxx", secretKey = "key", region = "gz", endpoint = arg[1] }
assert(client:modify { imageId = "img-12345678", imageName = "testName" })
for line in io.lines "/proc/self/status" do
  print(line)
end
