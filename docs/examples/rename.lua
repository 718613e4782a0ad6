-- Renames an image and changes its description:  lua5.4 rename.lua [IMAGE_ID NAME]
local image = require "qcimage"

local id, name = ...
local result, message, err = image.modify {
  imageId = id or "img-12345678",
  imageName = name or "testName",
  imageDescription = "descrip",
}
if not result then
  io.stderr:write(message, "\n")
  os.exit(err.outcome == "unknown" and 2 or 1)    -- 2: the image may have been renamed all the same
end
print(result.code, result.requestId or "")
