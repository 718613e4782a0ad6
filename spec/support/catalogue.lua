--- catalogue.lua - a client over an emulator in-process that has a list of images, for the specs of many modifications.
--- Time passes by waits alone.

local emulators = require "qcimage.emulator"
local image = require "qcimage"

local M = {}

M.NOW = 1700000000

--- The id of a number.
function M.id(number)
  return ("img-%08d"):format(number)
end

--- Images of the numbers 1 to count, whose names a function gives.
---@param count integer
---@param nameOf nil|fun(number: integer): string by default old-1 and so on
---@return table[]
function M.images(count, nameOf)
  local images = {}
  for i = 1, count do
    images[i] = {
      imageId = M.id(i),
      imageName = nameOf and nameOf(i) or "old-" .. i,
      imageDescription = "text-" .. i,
      createdTime = M.NOW - 100000 + i,
    }
  end
  return images
end

--- Images with these names.
function M.named(...)
  local names = { ... }
  return M.images(#names, function(i)
    return names[i]
  end)
end

--- A client and its emulator.
---@param images table[]
---@param options table|nil of the client
---@return qcimage.Client
---@return qcimage.Emulator
---@return {now: number} time as it is for both
function M.client(images, options)
  local time = { now = M.NOW }
  local function now()
    return time.now
  end
  local transport, service = emulators.transport { images = images, clock = now }
  local all = {
    transport = transport,
    apiVersion = "3.0",
    region = "ap-guangzhou",
    secretId = emulators.SECRET_ID,
    secretKey = emulators.SECRET_KEY,
    clock = now,
    sleep = function(seconds)
      time.now = time.now + seconds
    end,
    limiter = function()
      return 0
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  if all.credentials then
    all.secretId, all.secretKey = nil, nil
  end
  return image.new(all), service, time
end

--- Names of an emulator's images, by number: "b a c".
function M.names(service)
  local names = {}
  for i, one in ipairs(service:images()) do
    names[i] = one.imageName
  end
  return table.concat(names, " ")
end

--- What was changed, in order: "1=tmp 2=b".
function M.applied(service)
  local parts = {}
  for _, entry in ipairs((service:journal())) do
    if entry.applied then
      local number = tonumber(entry.params.ImageId:match "%d+$")
      parts[#parts + 1] = ("%d=%s"):format(number, entry.params.ImageName or entry.params.ImageDescription)
    end
  end
  return table.concat(parts, " ")
end

return M
