--- once.lua - one call and no more, as a script makes it. usage: once.lua URL

local client = require("qcimage").new { secretId = "AKIDxxxx", secretKey = "key", region = "gz", endpoint = arg[1] }
assert(client:modify { imageId = "img-12345678", imageName = "testName" })
