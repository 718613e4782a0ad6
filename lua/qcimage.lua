--- qcimage.lua - Tencent Cloud's image API for Lua: the public face.
--- Part of qcimage, see LICENSE.
---
---     local image = require "qcimage"
---     local result = assert(image.modify { imageId = "img-12345678", imageName = "web-01" })
---
--- As in Lua's io library, the functions act on a default client, which is made from the environment
--- at first use, and a client made by `new` has the same functions as methods. A failure is
--- `nil, message, err`.

local version = require "qcimage.util.version"
version.loadNative "qcimage.core" -- now, so that require reports mixed versions
local environments = require "qcimage.util.environment"
local errors = require "qcimage.util.errors"
local misuse = require "qcimage.util.misuse"

local LATE = "qcimage: cannot load all modules (chroot, or package.path changed? create the client earlier): "

-- The other modules are loaded together with the first client, so that no call reads files; a script without a client
-- starts at once. In nginx they are loaded now, since reading files blocks the worker.
local client = environments.isNginx and require "qcimage.client"

-- The module of clients, or nil and an error.
local function load()
  local ok, loaded = pcall(require, "qcimage.client")
  if not ok then
    return nil, errors.notSent("unsupported", LATE .. tostring(loaded):gsub("%s+", " "))
  end
  client = loaded
  return loaded
end

---@class qcimage.ModifyParams
---@field imageId string
---@field imageName string|nil which letters and how many: docs/api.md, by API version
---@field imageDescription string|nil the same
---@field imageFamily string|nil API 3.0
---@field imageDeprecated boolean|nil API 3.0

---@class qcimage.DescribeParams
---@field imageIds string[]|nil
---@field imageType string|nil "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE"; API 2.0 also "MARKET_IMAGE"
---@field imageState string|nil "NORMAL" for example
---@field filters table[]|nil API 3.0: tables of name and values
---@field offset integer|nil from 0
---@field limit integer|nil images of a page, 1 to 100; the service's own is 20
---@field instanceType string|nil API 3.0

---@class qcimage.WaitParams
---@field imageIds string[]
---@field imageState string|nil "NORMAL" by default, which USING is, too

---@class qcimage
---@field _VERSION string
--- Changes an image's name or description:
--- ModifyImageAttributes in API 2.0, ModifyImageAttribute in API 3.0.
---@field modify fun(params: qcimage.ModifyParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
--- One page of DescribeImages; the result has totalCount and imageSet.
---@field describe fun(params?: qcimage.DescribeParams, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
--- Iterates over all images, each once, with the result of its page. Raises an error, as a table, at the loop; it never
--- ends early without one. In Lua 5.1 its transport cannot yield.
---@field each fun(params?: qcimage.DescribeParams, options?: qcimage.EachOptions): fun(): qcimage.Image?, qcimage.Result?
--- Waits until images have a state. Ends at a state that ends in FAILED, or when an image was deleted. The result has the
--- images in the order of their ids.
---@field wait fun(params: qcimage.WaitParams, options?: qcimage.WaitOptions): qcimage.Result?, string?, qcimage.Error?
--- Calls any other image action by the API's name; with raw = true, parameters by their wire names.
---@field call fun(action: string, params?: table, options?: qcimage.CallOptions): qcimage.Result?, string?, qcimage.Error?
--- Returns the signed request of a call without sending it.
---@field sign fun(action: string, params?: table, options?: qcimage.CallOptions): qcimage.Request?, string?, qcimage.Error?
--- Plans and makes many modifications; without changes if an option names a journal.
---@field apply fun(changes?: qcimage.Changes, options?: qcimage.ApplyOptions): qcimage.ApplyReport?, string?, qcimage.Error?
--- Closes the default client that was made at first use. May be called again.
---@field close fun(): true
local image = { _VERSION = version.NUMBER }

-- The rest of the library, or an error.
local function library()
  local found, err = client, nil
  if not found then
    found, err = load()
  end
  if not found then
    error(err.message, 0)
  end
  return found
end

--- Makes a client. Sends nothing; inside nginx it reads files of keys. Invalid options raise an error.
---@param options qcimage.Options|nil
---@return qcimage.Client
function image.new(options)
  if options == image then
    misuse.raise "call image.new(...) with a dot, not with a colon"
  end
  return library().new(options)
end

--- Calls a function with each item of a list, several at once; a loop over it gets what the function returns, in the order
--- in which the calls end. Any client's calls and their waits let the others go on. What the function throws is an error
--- of the kind "thrown". PUC Lua 5.1 works the items one after the other.
---@param list table|fun(): any a list, or an iterator that ends
---@param work fun(item: any): any, any, any
---@param options qcimage.ParallelOptions|nil
---@return fun(): any, any, any, any iterator item, result, message, err
function image.parallel(list, work, options)
  if list == image then
    misuse.raise "call image.parallel(...) with a dot, not with a colon"
  end
  return library().parallel(list, work, options)
end

local default -- made at first use, or set
local isSet = false

--- Sets the default client, so that a program, or a test of it, chooses the client of these functions.
---@param wanted qcimage.Client|false|nil false: none, the next call makes one from the environment; nil: no change
---@return qcimage.Client|nil before the previous default client; nil: none was made or set
function image.default(wanted)
  local before, meta = default, getmetatable(wanted)
  if wanted and (type(meta) ~= "table" or meta.__name ~= "qcimage.Client") then
    misuse.raise "the default client must be one that image.new made"
  end
  if wanted ~= nil then
    default, isSet = wanted or nil, wanted ~= false
  end
  return before
end

for _, name in ipairs { "modify", "describe", "each", "wait", "call", "sign", "apply", "close" } do
  image[name] = function(first, second, third)
    if first == image then
      misuse.raise(("call image.%s(...) with a dot, not with a colon"):format(name))
    elseif name == "close" and (isSet or not default) then
      return true -- whoever set it closes it, and the next call must not use another client
    end
    local loaded, result, err = client, nil, nil
    if not loaded then
      loaded, err = load()
    end
    if loaded then
      default = default or loaded.new(nil, true)
      result, err = loaded.functions[name](default, first, second, third)
    elseif name == "each" then
      error(err, 0) -- as its iterator does
    end
    if name == "close" then
      default = nil
    end
    if err then
      return errors.asResults(err)
    end
    return result
  end
end

return image
