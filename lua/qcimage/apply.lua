--- apply.lua - many modifications as one: planned against the images as they are, made with a journal, resumed, rolled back.
--- Loaded when it is first called. Part of qcimage, see LICENSE.

local errors = require "qcimage.util.errors"
local execute = require "qcimage.apply.execute"
local journals = require "qcimage.apply.journal"
local planFormat = require "qcimage.apply.plan_format"
local planning = require "qcimage.apply.planning"
local results = require "qcimage.apply.results"
local tables = require "qcimage.util.tables"

local M = {}

---@class qcimage.ApplyReport
---@field total integer changes, each of which has one of these:
---@field ok integer made, and known to be
---@field unchanged integer the image was already done
---@field failed integer refused, or not possible
---@field unknown integer the change may have been made
---@field conflict integer somebody else has changed the image meanwhile: left alone
---@field skipped integer not sent
---@field results qcimage.ApplyResult[]
---@field plan qcimage.ApplyPlan|nil of a dry run
---@field changes integer|nil of a dry run: how many modifications it would make
---@field journal string|nil its path
---@field stopped string|nil why not all was tried
---@field stoppedBy qcimage.Error|nil the error that ended it
---@field hookError string|nil what onProgress threw first
---@field unconfirmed integer|nil changes that the list of images does not show yet, where the run was stopped
---@field otherKeys boolean|nil the journal or plan was made with another permanent key, perhaps of another account
---@field notes string[]|nil what else is to be known of the list

-- The steps of a plan, and behind them those that only verify what holds already.
local function stepsOf(plan)
  local steps = tables.copy(plan.steps)
  for _, change in ipairs(plan.unchanged or {}) do
    steps[#steps + 1] = {
      line = change.line,
      imageId = change.imageId,
      region = change.region,
      from = {},
      to = change.to,
      isVerifyOnly = true,
    }
  end
  return steps
end

local function isOtherKey(plan, adapter)
  local account = adapter.account()
  return plan.account and account and plan.account ~= account or nil
end

-- What a dry run reports: the steps that would be made, and the images that have none.
local function preview(adapter, plan, steps, rest)
  local report = results.report(rest)
  report.plan, report.changes = tables.copy(plan, { steps = steps }), #steps
  report.notes, report.otherKeys = plan.notes, isOtherKey(plan, adapter)
  return report
end

-- What a plan reports of the images that have no step.
local function restOf(plan)
  local rest = results.ofFaults(plan.faults)
  for _, change in ipairs(plan.unchanged) do
    rest[#rest + 1] =
      { line = change.line, imageId = change.imageId, region = change.region, to = change.to, status = "unchanged" }
  end
  return rest
end

-- Reports what came of steps, and of the faults of their plan.
local function report(adapter, plan, executed, journal)
  local all = results.ofFaults(plan.faults or {})
  for _, one in ipairs(executed.results) do
    all[#all + 1] = one
  end
  local made = results.report(all)
  made.journal = journal and journal.path
  made.hookError, made.notes, made.otherKeys = executed.hookError, plan.notes, isOtherKey(plan, adapter)
  made.unconfirmed = executed.unconfirmed > 0 and executed.unconfirmed or nil
  if executed.stopped then
    made.stopped, made.stoppedBy = executed.stopped.message, executed.stopped.err
  end
  return made
end

-- Opens the journal of a run, which fits the client. Returns nil and a message.
local function openJournal(adapter, options)
  local isUndo = options.undo ~= nil
  local journal, message = journals.open(options.undo or options.resume)
  if not journal then
    return nil, message
  end
  local problem = planFormat.incompatibility(journal.plan, adapter)
  if journal:isUndone() and not isUndo then
    problem = "was rolled back: there is nothing to continue"
  end
  message = problem and ("journal %s: %s"):format(journal.path, problem)
  if not message and not options.dryRun then
    message = select(2, journal:continue(isUndo))
  end
  if message then
    journal:close()
    return nil, message
  end
  return journal
end

-- Resumes the run of a journal, or rolls it back.
local function continue(adapter, options)
  local journal, message = openJournal(adapter, options)
  if not journal then
    return nil, errors.notSent("parameter", message, "journal")
  end
  local plan, states = journal.plan, journal.states
  local steps = options.undo and states:rollbackSteps(plan) or states:resumeSteps(plan)
  local executed = execute.run(adapter, steps, options, not options.dryRun and journal or nil)
  journal:close()
  if not options.dryRun then
    return report(adapter, plan, executed, journal)
  elseif executed.stopped then
    return nil, executed.stopped.err or errors.notSent("parameter", executed.stopped.message)
  end
  local rest = {}
  for _, one in ipairs(executed.results) do
    rest[#rest + 1] = one.status ~= "ok" and one or nil
  end
  return preview(adapter, plan, executed.kept, rest)
end

--- Plans changes and makes them.
---@param changes table|string|nil a list, a text of one, or a plan; nil with resume and undo
---@param options table checked
---@param adapter qcimage.ApplyAdapter
---@return qcimage.ApplyReport|nil
---@return qcimage.Error|nil err nothing was sent; it has `faults` where they are the list's
function M.run(changes, options, adapter)
  if options.resume or options.undo then
    return continue(adapter, options)
  end
  local plan, err = planning.make(changes, options, adapter)
  if not plan then
    return nil, err
  end
  local otherKeys = isOtherKey(plan, adapter) -- those of a saved plan
  if options.dryRun then
    plan.account = plan.account or adapter.account()
    return preview(adapter, plan, plan.steps, restOf(plan))
  end
  plan.account = adapter.account()
  local journal
  if options.journal and #plan.steps > 0 then
    local message
    journal, message = journals.create(options.journal, plan)
    if not journal then
      return nil, errors.notSent("parameter", message, "journal")
    end
  end
  local executed = execute.run(adapter, stepsOf(plan), options, journal)
  if journal then
    journal:close()
  end
  local made = report(adapter, plan, executed, journal)
  made.otherKeys = otherKeys
  return made
end

return M
