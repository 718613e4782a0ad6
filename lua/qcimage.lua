--- qcimage.lua - Tencent Cloud's image API for Lua: the public face.
--- Part of qcimage, see LICENSE.
---
---     local image = require "qcimage"
---     local result = assert(image.modify { imageId = "img-12345678", imageName = "web-01" })
---
--- As in Lua's io library, the functions act on a default client, which is made from the environment
--- at first use, and a client made by `new` has the same functions as methods. A failure is
--- `nil, message, err`.

local client = require "qcimage.client"

---@class qcimage
---@field _VERSION string
---@field new fun(options: table|nil): qcimage.Client makes a client; the README lists the options
---@field modify fun(params: table, options: table|nil): qcimage.Result|nil, string|nil, qcimage.Error|nil
--- changes an image's name or description (imageId, imageName, imageDescription):
--- ModifyImageAttributes in API 2.0, ModifyImageAttribute in API 3.0
---@field describe fun(params: table|nil, options: table|nil): qcimage.Result|nil, string|nil, qcimage.Error|nil
--- one page of DescribeImages (imageIds, imageType, imageState, filters, offset, limit); the result
--- has totalCount and imageSet
---@field each fun(params: table|nil, options: table|nil): fun(): table|nil
--- all images, page by page (limit: images of a page); raises the error at the loop, it never ends
--- early in silence
---@field call fun(action: string, params: table|nil, options: table|nil): qcimage.Result|nil, string|nil, qcimage.Error|nil
--- any other image action by the API's name; with the option raw = true, parameters as they travel
---@field sign fun(action: string, params: table|nil, options: table|nil): table|nil, string|nil, qcimage.Error|nil
--- the signed request of a call, not sent: method, url, headers, body, stringToSign, signature
---@field close fun() closes the default client that was made at first use; may be called again

local image = { _VERSION = client.VERSION }

function image.new(options)
  local made = client.new(options, 3)
  return made
end

local default -- made at first use, or set
local isSet = false

--- Sets the default client, so that a program, or a test of it, chooses what the functions act on.
---@param wanted qcimage.Client|false|nil false: none, the next call makes one from the environment; nil:
--- changes nothing
---@return qcimage.Client|nil before the default client until now; nil when none was made or set
function image.default(wanted)
  local before, meta = default, getmetatable(wanted)
  if wanted and (type(meta) ~= "table" or meta.__name ~= "qcimage.Client") then
    error("the default client must be one that image.new made", 2)
  end
  if wanted ~= nil then
    default, isSet = wanted or nil, wanted ~= false
  end
  return before
end

for name, call in pairs(client.functions) do
  image[name] = function(...)
    if name == "close" and isSet then
      return -- who set it closes it, and the next call must not go elsewhere
    end
    default = default or client.new(nil, 3)
    local result, message, err = call(default, 3, ...)
    if name == "close" then
      default = nil
    end
    if message == nil then
      return result
    end
    return result, message, err
  end
end

return image
