--- session_emulator_images_of_API_2.lua - what the lines of the session emulator_images_of_API_2 call; its globals
--- are the session's.

emulators = require "spec.support.emulator"
function start(options)
  emulator, v2 = emulators.new(options)
end
function call(action, params, options)
  local a = v2(action, params, options)
  if a.code ~= 0 and not a.detail then
    return ("%d%s: %s"):format(a.code, a.codeDesc and " " .. a.codeDesc or "", a.message)
  end
  return a
end
function ids(params)
  local a = call("DescribeImages", params)
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
function with(change)
  local r = emulators.v2({ Action = "DescribeImages", imageType = 1 })
  change(r)
  local a = require("cjson").decode(emulator:handle(r).body)
  return a.code, a.message
end
-- Posts a body of multipart/form-data whose boundary is b.
function posted(body)
  return with(function(r)
    r.headers["content-type"], r.body = "multipart/form-data; boundary=b", body
  end)
end
-- What the emulator finds to be wrong with a signature.
function differs(params, options)
  params.imageType = 1
  return v2("DescribeImages", params, options).message:match "what differs is (.-)%. The text to sign"
end
function signing(from, to)
  return {
    signed = function(text)
      local changed, count = text:gsub(from, to)
      assert(count == 1)
      return changed
    end,
  }
end
