--- session_apply_runs.lua - what the lines of spec/fixtures/sessions/apply_runs.txt call; its globals are the session's.

catalogue, planfile, process =
  require "spec.support.catalogue", require "qcimage.apply.plan_format", require "spec.support.process"
unpack = table.unpack or unpack
id = catalogue.id
folder = process.run("mktemp -d"):gsub("\n", "")
serial = 0
function newPath()
  serial = serial + 1
  path = folder .. "/" .. serial
  return path
end
function readFile(name)
  local file = assert(io.open(name or path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end
function writeFile(text)
  newPath()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end
function start(images, options)
  client, service, time = catalogue.client(images, options)
  client.random = function()
    return 1
  end
  carry, before = client.transport, nil
  client.transport = function(request, seconds)
    local image = (request.headers["X-TC-Action"] or request.body):find "Modify"
      and (request.body or ""):match "img%-0*(%d+)"
    if before then
      local one, two, three = before(tonumber(image), request)
      if one or two then
        return one, two, three
      end
    end
    return carry(request, seconds)
  end
end
function answer(code)
  return {
    status = 200,
    headers = {},
    body = ('{"Response":{"Error":{"Code":"%s","Message":"no"},"RequestId":"r"}}'):format(code),
  }
end
function short(text)
  return text
    and (
      text
        :gsub(folder:gsub("%p", "%%%0"), "FOLDER")
        :gsub("FOLDER/%d+", "FOLDER/N")
        :gsub("img%-0+(%d)", "img-%1")
        :gsub("requestId %x+%-[%x-]+", "requestId ID")
    )
end
function one(result)
  return ("%s %s%s %s%s%s %s -> %s"):format(
    tostring(result.line),
    short(tostring(result.imageId)),
    result.region and " in " .. result.region or "",
    result.status,
    result.reason and " (" .. result.reason .. ")" or "",
    result.message and ": " .. short(result.message) or "",
    shown(result.from),
    shown(result.to)
  )
end
function sums(report)
  local l = {}
  for _, name in ipairs { "ok", "unchanged", "failed", "unknown", "conflict", "skipped" } do
    if report[name] ~= 0 then
      l[#l + 1] = report[name] .. " " .. name
    end
  end
  return ("of %d: %s"):format(report.total, table.concat(l, ", "))
end
function told(report, message, err)
  if not report then
    return short(message), err.kind, err.outcome, err.reason
  end
  local l = { sums(report) }
  for _, result in ipairs(report.results) do
    l[#l + 1] = one(result)
  end
  l[#l + 1] = report.stopped and "stopped: " .. short(report.stopped) or nil
  l[#l + 1] = report.hookError and "hook: " .. report.hookError or nil
  return unpack(l)
end
function apply(list, options)
  began = time.now
  service:clearJournal()
  return told(client:apply(list, options))
end
function seen()
  return catalogue.names(service), catalogue.applied(service), ("%.1f s"):format(time.now - began)
end
function steps(report)
  local l = {}
  for i, step in ipairs(report.plan.steps) do
    l[i] = ("%s %s: %s -> %s%s%s"):format(
      tostring(step.line),
      short(step.imageId),
      shown(step.from),
      shown(step.to),
      step.isTemporary and ", for a while" or "",
      step.cannotUndo and ", cannot undo " .. table.concat(step.cannotUndo, " ") or ""
    )
  end
  return unpack(l)
end
function records(isWhole)
  local l = {}
  for line in readFile():gmatch "[^\n]+" do
    if not line:find '^{"qcimage"' and (isWhole or not line:find '^{"step"') then
      local words =
        line:gsub('^{"begin":(%d+)}', "begin %1"):gsub('^{"end":(%d+),"status":"(%a+)"(.*)}$', "end %1 %2%3")
      l[#l + 1] = short(words:gsub(',"requestId":"[^"]+"', " ID"))
    end
  end
  return table.concat(l, " | ")
end
function renames(count)
  local list = {}
  for i = 1, count do
    list[i] = { imageId = id(i), imageName = "new-" .. i }
  end
  return list
end
l = {} -- lines of progress, which the session empties
function progress(at)
  l[#l + 1] = ("%d of %d, %d failed, %d sent"):format(at.done, at.total, at.failed, at.sent)
end
function step(number, name, line)
  return { imageId = id(number), from = { imageName = name }, to = { imageName = name .. "2" }, line = line }
end
function begin()
  hasBegun = true
end
function vanish()
  if not gone then
    gone = true
    local left = catalogue.images(3)
    table.remove(left, 2)
    service:setImages(left)
  end
end
function meddle()
  count = count + 1
  if count == 1 then
    client:modify { imageId = id(2), imageName = "by-hand" }
    client:modify { imageId = id(3), imageName = "new-3" }
  end
end
function storm()
  if isFirst then
    isFirst = false
    service:fault { kind = "throttle", seconds = 20, action = "DescribeImages" }
  end
end
