--- session_emulator_images_of_API_3.lua - what the lines of the session emulator_images_of_API_3 call; its globals
--- are the session's.

emulators = require "spec.support.emulator"
function start(options)
  emulator, _, v3 = emulators.new(options)
end
function call(action, body, region)
  local a = v3(action, body or "{}", { region = region })
  if a.Error then
    return a.Error.Code .. ": " .. a.Error.Message
  end
  a.RequestId = nil
  return a
end
-- As it travels: an empty list of JSON is [].
function body(action, params)
  return select(2, v3(action, params)).body
end
function ids(body, region)
  local a = call("DescribeImages", body, region)
  if type(a) == "string" then
    return a
  end
  return emulators.idsOf(a)
end
function images()
  return emulators.imageLines(emulator)
end
function last()
  return emulators.lastEntry(emulator)
end
-- Some fields of an image.
function fields(id, ...)
  local image, found = call("DescribeImages", { ImageIds = { id } }).ImageSet[1], {}
  for _, name in ipairs { ... } do
    found[name] = image[name]
  end
  return found
end
function import(changes)
  local all = {
    Architecture = "x86_64",
    OsType = "CentOS",
    OsVersion = "7",
    ImageUrl = "https://a.example/b.raw",
    ImageName = "new",
  }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  return call("ImportImage", all)
end
function export(changes)
  local all = { BucketName = "b", ImageIds = { "img-00000001" } }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= "none" and value or nil
  end
  return call("ExportImages", all)
end
