--- session_apply_lists.lua - what the lines of spec/fixtures/sessions/apply_lists.txt call; its globals are the session's.

csv, template, source, planfile =
  require "qcimage.apply.csv",
  require "qcimage.apply.template",
  require "qcimage.apply.parse_changes",
  require "qcimage.apply.plan_format"
emulator = require "qcimage.emulator"
image = require "qcimage"
function rows(text)
  local list, fault = csv.read(text)
  return list, fault
end
function fill(text, number)
  return template.fill(text, one, number or 7, "20231114")
end
function made(version)
  local transport
  transport, service = emulator.transport {
    images = images,
    clock = function()
      return 1700000000
    end,
  }
  return image.new {
    transport = transport,
    secretId = service.secretId,
    secretKey = service.secretKey,
    region = "gz",
    apiVersion = version or "3.0",
    clock = function()
      return 1700000000
    end,
    sleep = function() end,
  }
end
function plan(list, options, with)
  options = options or {}
  options.dryRun = true
  local report, message, err = (with or client):apply(list, options)
  if not report then
    return message, err.kind, err.reason
  end
  local l = {}
  for i, step in ipairs(report.plan.steps) do
    l[i] = ("%s %s%s: %s -> %s%s%s"):format(
      tostring(step.line),
      step.imageId,
      step.region and " in " .. step.region or "",
      shown(step.from),
      shown(step.to),
      step.isTemporary and ", for a while" or "",
      step.cannotUndo and ", cannot undo " .. table.concat(step.cannotUndo, " ") or ""
    )
  end
  local rest = {}
  for i, one in ipairs(report.results) do
    rest[i] = ("%s %s %s"):format(tostring(one.line), tostring(one.imageId), one.status)
      .. (one.reason and " " .. one.reason or "")
      .. (one.message and ": " .. one.message or "")
  end
  return report.changes, report.total, table.concat(l, "\n"), table.concat(rest, "\n")
end
