--- apply.lua - qcimage apply: many modifications, by a list.
--- Part of qcimage, see LICENSE.

local connect = require "qcimage.cli.client_options"
local core = require "qcimage.core"
local exits = require "qcimage.cli.exit_codes"
local optionsOf = require "qcimage.options"
local outages = require "qcimage.apply.outage"
local plans = require "qcimage.cli.plan"
local progress = require "qcimage.cli.progress"
local result = require "qcimage.cli.output"
local savePlan = require "qcimage.cli.save_plan"
local shared = require "qcimage.cli.options"
local streams = require "qcimage.cli.stdio"

local M = {}

M.USAGE = "apply FILE [--dry-run | --save PLAN] [--yes]\n       qcimage apply --resume JOURNAL | --undo JOURNAL [--yes]"

M.ARGUMENTS = {
  {
    "FILE",
    'the list: CSV, JSON or JSON Lines; or a saved plan; "-" is stdin',
    target = "file",
    args = "?",
    files = true,
  },
}

M.OPTIONS = {
  { "--dry-run", nil, "show what would be changed, and change nothing" },
  { "--exit-code", nil, "with --dry-run: exit code 9 where something would be changed" },
  { "--save", "PLAN", "write the plan to this file, and change nothing", files = true },
  { "--yes", nil, "do not ask; needed where there is no terminal" },
  { "--journal", "FILE", "new file for the journal of the run [qcimage-apply-DATE-N.journal]", files = true },
  { "--resume", "JOURNAL", "continue the run of this journal", files = true },
  { "--undo", "JOURNAL", "roll back the changes of this journal's run", files = true },
  { "--continue", nil, "make the changes that can be made, and skip the others" },
  { "--temporary-names", nil, "let images swap names, by way of temporary ones" },
  { "--format", "FORMAT", "csv, json or jsonl [what the list looks like]", choices = { "csv", "json", "jsonl" } },
  { "--empty", "MEANING", "an empty cell of CSV: keep or clear the description [keep]", choices = { "keep", "clear" } },
  { "--concurrency", "N", "concurrent changes, 1 to 16 [8]", convert = shared.number(1, 16, true) },
  { "--rate", "N", "changes a second, which leaves room for others [9.7]", convert = shared.number(0.01, 1000) },
}

M.ABOUT = [[
A list has a heading (imageId,imageName,imageDescription,...), or an object for each change:
  {"imageId": "img-12345678", "imageName": "web-01"}
  {"select": {"imageState": "NORMAL"}, "imageName": "web-%{date}-%{n:3}"}
Ctrl-C lets the changes in progress finish. In a script: qcimage apply FILE --yes]]

-- Returns what is wrong with options that cannot be combined, or nil.
local function misuse(options)
  local old = options.resume and "--resume" or options.undo and "--undo"
  if options.resume and options.undo then
    return "--resume and --undo exclude each other"
  elseif old and options.file then
    return old .. " takes no list: the list is in the journal"
  elseif not old and not options.file then
    return "FILE is missing"
  elseif options.exitCode and not options.dryRun and not options.save then
    return "--exit-code needs --dry-run"
  end
  if old and options.save then
    return "--save cannot be combined with " .. old
  end
  for _, name in ipairs(optionsOf.OF_LISTS) do
    if old and options[name] and name ~= "region" then -- that is the client's here
      return ("--%s cannot be combined with %s"):format(name == "temporaryNames" and "temporary-names" or name, old)
    end
  end
  local isAsked = not (options.yes or options.dryRun or options.save)
  if isAsked and options.file == "-" then
    return "--yes is needed where the list comes from stdin"
  elseif isAsked and not streams.canAsk() then
    return "--yes is needed where there is no terminal to ask on (or --dry-run)"
  end
end

-- Lines of a fault or a failure that are shown on stderr at most.
local MOST_LINES = 100

-- Says why nothing was sent.
local function fail(options, err)
  if not err.lines then
    return result.fail(err, true) -- whatever failed has changed nothing
  end
  for i = 1, math.min(#err.lines, MOST_LINES) do
    streams.complain(options.file, ": ", err.lines[i])
  end
  if #err.lines > MOST_LINES then
    streams.complain(("and %d more"):format(#err.lines - MOST_LINES))
  end
  streams.complain(#err.lines == 1 and "1 fault" or #err.lines .. " faults", "; nothing was sent")
  return err.kind == "parameter" and exits.PARAMETER or exits.FAILED
end

-- Failed changes that are shown on stderr at most.
local MOST_SHOWN = 20

-- What a run that was stopped did not come to; the summary counts it.
local LEFT = { ["not sent"] = true, ["not looked at again"] = true }

local function showFailures(report, source)
  local shown = 0
  for _, one in ipairs(report.results) do
    if one.status ~= "ok" and one.status ~= "unchanged" and one.message and not LEFT[one.message] then
      shown = shown + 1
      if shown <= MOST_SHOWN then
        local line = one.line and (" line %d"):format(one.line) or ""
        streams.complain(source, line, ": ", one.imageId or "", ": ", one.status, ": ", one.message)
      end
    end
  end
  if shown > MOST_SHOWN then
    streams.complain(("and %d more"):format(shown - MOST_SHOWN))
  end
end

-- What is to be known of a plan beside its steps: what cannot be changed, too.
local function tellNotes(options, report)
  showFailures(report, options.file or options.resume or options.undo)
  for _, note in ipairs(plans.notes(report)) do
    streams.note(note)
  end
end

-- Shows a plan on stdout, and saves it where that is asked for.
local function show(options, report)
  local code
  if options.output == "json" then
    local document = { changes = report.changes, unchanged = report.unchanged, failed = report.failed }
    document.plan, document.results = report.plan.steps, report.results
    code = streams.write(require("qcimage.cli.json").document(document))
  elseif options.output == "text" then
    code = streams.write(plans.text(report.plan))
  else
    code = streams.write(plans.diff(report.plan, streams.painted))
  end
  tellNotes(options, report)
  if code == exits.OK and options.save then
    code = savePlan.save(options.save, report.plan)
  end
  if code ~= exits.OK then
    return code
  elseif report.failed + report.conflict + report.skipped > 0 then
    return exits.FAILED
  end
  return options.exitCode and report.changes > 0 and exits.CHANGES or exits.OK
end

-- Shows a plan on the terminal and asks. Returns whether the answer is yes.
local function ask(options, report)
  io.stderr:write(plans.diff(report.plan, streams.paintedErr))
  tellNotes(options, report)
  return streams.ask "Make these changes?"
end

local function newJournal()
  return ("qcimage-apply-%s-%s.journal"):format(os.date "!%Y%m%dT%H%M%SZ", (core.nonce() or "0"):sub(-6))
end

local COLUMNS = {
  { key = "line", title = "LINE" },
  { key = "imageId", title = "IMAGE ID" },
  { key = "status", title = "STATUS" },
  { key = "imageName", title = "NAME", cut = true, rank = 1 },
  { key = "message", title = "MESSAGE", cut = true, rank = 2 },
}

local COUNTED = { "ok", "unchanged", "failed", "unknown", "conflict", "skipped" }
local CALLED = { unchanged = "already done", conflict = "modified concurrently", skipped = "not sent" }

local function codeOf(report)
  if report.unknown > 0 then
    return exits.UNKNOWN
  elseif report.stoppedBy and outages.isOfKeys(report.stoppedBy) then
    return exits.CREDENTIALS
  elseif report.ok + report.unchanged < report.total then
    return exits.FAILED
  end
  return exits.OK
end

-- Writes the results of a run. Returns the exit code.
local function writeReport(options, report)
  local rows = {}
  for i, one in ipairs(report.results) do
    rows[i] = {
      line = one.line,
      imageId = one.imageId,
      status = one.status,
      message = one.message,
      imageName = one.to and one.to.imageName,
    }
  end
  local document = {}
  for name, value in pairs(report) do
    document[name] = name ~= "stoppedBy" and value or nil -- the text is in `stopped`
  end
  local written = result.write(options, document, COLUMNS, rows, true)
  showFailures(report, options.file or options.resume or options.undo)
  local parts = {}
  for _, status in ipairs(COUNTED) do
    if report[status] > 0 then
      parts[#parts + 1] = ("%d %s"):format(report[status], CALLED[status] or status)
    end
  end
  if report.stopped then
    streams.complain("ended early: ", core.notedSignal() and "by a signal" or report.stopped)
  end
  local code = codeOf(report)
  local say = code == exits.OK and streams.note or streams.complain
  say(("%s of %d"):format(#parts > 0 and table.concat(parts, ", ") or "nothing to do, 0", report.total))
  if report.unconfirmed then
    local text = "the list of images does not show %d of the changes yet: wait a moment before the next run"
    streams.note(text:format(report.unconfirmed))
  end
  for _, note in ipairs(plans.listNotes(report)) do
    streams.note(note)
  end
  if report.journal and not (options.undo and code == exits.OK) then
    local advice = code == exits.OK and "--undo rolls it back" or "--resume continues it, --undo rolls it back"
    streams.note(("journal: %s (%s)"):format(report.journal, options.undo and "--undo continues" or advice))
  end
  return written == exits.OK and code or written
end

-- The library's options.
local function settingsOf(options, changes)
  local settings = {
    resume = options.resume,
    undo = options.undo,
    concurrency = options.concurrency,
    rate = options.rate,
  }
  for _, name in ipairs(optionsOf.OF_LISTS) do
    if changes and name ~= "region" and name ~= "journal" then
      settings[name] = options[name]
    end
  end
  return settings
end

-- Runs changes: signals let what is under way come to its end.
local function run(client, changes, options)
  core.outlivePipes()
  core.noteSignals()
  local settings = settingsOf(options, changes)
  settings.journal = changes and (options.journal or newJournal())
  function settings.stop()
    return core.notedSignal() ~= nil
  end
  local clear
  settings.onProgress, clear = progress.new(
    function(text)
      io.stderr:write(text)
      io.stderr:flush()
    end,
    core.monotonic,
    function()
      return os.getenv "TERM" ~= "dumb" and core.columns(2) or nil
    end
  )
  local report, _, err = client:apply(changes, settings)
  clear()
  return report, err
end

-- Plans, shows and asks. Gives what to run, or nil and an exit code.
local function confirm(client, changes, options)
  local settings = settingsOf(options, changes)
  settings.dryRun = true
  local report, _, err = client:apply(changes, settings)
  if not report then
    return nil, fail(options, err)
  elseif options.dryRun or options.save then
    return nil, show(options, report)
  elseif report.changes == 0 and report.unchanged == 0 then
    return nil, writeReport(options, report)
  elseif report.changes > 0 and not ask(options, report) then
    return nil, exits.FAILED
  end
  return changes and report.plan
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local problem = misuse(options)
  if problem then
    return streams.usage(problem, "apply")
  end
  local changes
  if options.file then
    if options.file == "-" and core.columns(0) then
      streams.note "reading the list from the terminal; Ctrl-D ends it"
    end
    changes, problem = streams.read(options.file)
    if not changes then
      streams.complain("cannot read the list: ", problem)
      return exits.USAGE
    end
  end
  local client
  client, problem = connect.client(options)
  if not client then
    return streams.usage(problem, "apply")
  end
  if not options.yes or options.dryRun or options.save then
    local code
    changes, code = confirm(client, changes, options)
    if code then
      return code
    end
  end
  local report, err = run(client, changes, options)
  local code = report and writeReport(options, report) or fail(options, err)
  local signal = core.notedSignal()
  if signal then
    io.stderr:flush()
    core.endBySignal(signal)
  end
  return code
end

return M
