--- modelserver.lua - a small image service behind a socket, with faults by script and a journal of what it applied. A
--- program for lua5.4, run by model_spec.lua. Part of qcimage, see LICENSE.
---
--- usage: lua5.4 spec/support/modelserver.lua
--- Prints two ports, of the service and of its control. POST to the control: a list of faults, one for each request of
--- the service, separated by blanks; the answer is what happened since the last one, a line for each request: ACTION ID
--- NAME DESCRIPTION applied|not. What was to be applied late is applied by then.
---
--- A fault is "ok", or WHEN-HOW. WHEN: "before" (the request is not applied), "after", "late" (applied after the client
--- has given up). HOW: "close", "reset", "stall", "cut" (half of the answer), "lost" (the connection ends behind a whole
--- answer without a word of it), a status of a gateway ("502", "504", "429", "404"), or what an answer of the service says:
--- "html", "empty", "garbage", "throttle", "internal", "failed", "denied", "clock".
--- Answers quote the request's signature, as a server may.

local cjson = require "cjson"
local socket = require "socket"

local STALL = 2 -- seconds, in case the peer never goes

local service, control = assert(socket.bind("127.0.0.1", 0, 128)), assert(socket.bind("127.0.0.1", 0, 128))
for _, listener in ipairs { service, control } do
  local _, port = listener:getsockname()
  print(port)
end
io.stdout:flush()

local images, created = {}, 0
local faults, journal, late = {}, {}, {}
local stalled = {} -- connections that are not answered, and when they end

local function decoded(text)
  return (text:gsub("%+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The action, its parameters by one spelling, the API's version, and the signature.
local function read(head, body)
  local action = head:match "\r\n[Xx]%-[Tt][Cc]%-[Aa]ction: (%w+)"
  if action then
    local given = cjson.decode(body)
    local params = { id = given.ImageId, name = given.ImageName, text = given.ImageDescription, ids = given.ImageIds }
    return action, params, 3, head:match "Signature=(%x+)" or ""
  end
  local form = {}
  for name, value in (head:match "^GET [^?]*%?(%S+)" or body):gmatch "([^&=]+)=([^&]*)" do
    form[decoded(name)] = decoded(value)
  end
  local params = { id = form.imageId, name = form.imageName, text = form.imageDescription }
  params.ids = form["imageIds.0"] and { form["imageIds.0"] }
  return form.Action, params, 2, form.Signature or ""
end

local function apply(action, params)
  if action:find "^Modify" then
    local image = images[params.id] or { name = "first", text = "" }
    images[params.id] = { name = params.name or image.name, text = params.text or image.text }
  elseif action == "CreateImage" then
    created = created + 1
  end
end

local function describe(params, version)
  local list = {}
  for _, id in ipairs(params.ids or {}) do
    local image = images[id] or { name = "first", text = "" }
    list[#list + 1] = version == 3
        and { ImageId = id, ImageName = image.name, ImageDescription = image.text, ImageState = "NORMAL" }
      or { unImgId = id, imageName = image.name, imageDescription = image.text, status = 2 }
  end
  return #list > 0 and cjson.encode(list) or "[]", #list
end

local CODES = {
  throttle = { "RequestLimitExceeded", 4400 },
  internal = { "InternalError", 6000 },
  failed = { "FailedOperation", 5100 },
  denied = { "UnauthorizedOperation", 4101 },
  clock = { "AuthFailure.SignatureExpire", 4500 },
}

-- Status and body of an answer.
local function answer(how, action, params, version, signature)
  local code = CODES[how]
  if tonumber(how) then
    return tonumber(how), "<html>gateway, signature " .. signature
  elseif how == "html" then
    return 200, "<html>hello " .. signature
  elseif how == "empty" then
    return 200, ""
  elseif how == "garbage" then
    return 200, '{"Response":{"Req' .. signature
  elseif code and version == 3 then
    return 200,
      ('{"Response":{"Error":{"Code":"%s","Message":"refused %s"},"RequestId":"r"}}'):format(code[1], signature)
  elseif code then
    return 200, ('{"code":%d,"message":"refused %s"}'):format(code[2], signature)
  end
  local more = ""
  if action == "DescribeImages" then
    local list, count = describe(params, version)
    more = (version == 3 and '"TotalCount":%d,"ImageSet":%s,' or ',"totalCount":%d,"imageSet":%s'):format(count, list)
  end
  return 200,
    version == 3 and ('{"Response":{%s"RequestId":"r"}}'):format(more) or ('{"code":0,"message":""%s}'):format(more)
end

local function note(action, params, isApplied)
  journal[#journal + 1] = ("%s %s %s %s %s"):format(
    action,
    params.id or "-",
    params.name or "-",
    params.text or "-",
    isApplied and "applied" or "not"
  )
end

-- Serves one request. Returns whether the connection is kept.
local function serve(peer, head, body)
  local action, params, version, signature = read(head, body)
  local when, how = (table.remove(faults, 1) or "ok"):match "^(%l+)%-?(%w*)$"
  note(action, params, when == "ok" or when == "after")
  if when == "late" then
    late[#late + 1] = { #journal, action, params }
  elseif when ~= "before" then
    apply(action, params)
  end
  if when == "late" or how == "stall" then
    stalled[peer] = socket.gettime() + STALL
    return true
  elseif how == "close" then
    return false
  elseif how == "reset" then
    peer:setoption("linger", { on = true, timeout = 0 })
    return false
  end
  local status, text = answer(how, action, params, version, signature)
  local date = how == "clock" and os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 900) or ""
  local bytes = ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s%s\r\n%s"):format(
    status,
    #text,
    date ~= "" and "Date: " .. date .. "\r\n" or "",
    status == 429 and "Retry-After: 0\r\n" or "",
    text
  )
  peer:send(how == "cut" and bytes:sub(1, #bytes - math.ceil(#text / 2) - 1) or bytes)
  return how ~= "cut" and how ~= "lost"
end

local function steer(peer, _, body)
  for _, one in ipairs(late) do
    apply(one[2], one[3])
    journal[one[1]] = journal[one[1]]:gsub("not$", "applied")
  end
  local told = table.concat(journal, "\n")
  journal, late, faults = {}, {}, {}
  for fault in body:gmatch "%S+" do
    faults[#faults + 1] = fault
  end
  peer:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#told, told))
  return true
end

local buffers, serves = {}, {} -- by connection

local function close(peer)
  buffers[peer], serves[peer], stalled[peer] = nil, nil, nil
  peer:close()
end

local function receive(peer)
  local bytes, problem, partial = peer:receive(65536)
  bytes = bytes or partial
  if #bytes == 0 and problem ~= "timeout" then
    return close(peer)
  end
  buffers[peer] = buffers[peer] .. bytes
  local head, behind = buffers[peer]:match "^(.-\r\n\r\n)()"
  local length = head and tonumber(head:lower():match "\ncontent%-length: *(%d+)" or 0)
  if head and #buffers[peer] >= behind + length - 1 then
    local body = buffers[peer]:sub(behind, behind + length - 1)
    buffers[peer] = buffers[peer]:sub(behind + length)
    if not serves[peer](peer, head, body) then
      close(peer)
    end
  end
end

while true do
  local readers = { service, control }
  for peer in pairs(buffers) do
    readers[#readers + 1] = peer
  end
  for _, ready in ipairs((socket.select(readers, nil, next(stalled) and 0.1 or nil))) do
    if ready == service or ready == control then
      local peer = ready:accept()
      if peer then
        peer:settimeout(0)
        peer:setoption("tcp-nodelay", true)
        buffers[peer], serves[peer] = "", ready == control and steer or serve
      end
    elseif buffers[ready] then
      receive(ready)
    end
  end
  for peer, deadline in pairs(stalled) do
    if socket.gettime() > deadline then
      close(peer)
      break
    end
  end
end
