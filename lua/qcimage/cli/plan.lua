--- plan.lua - a plan as people read it: the current and the desired values of each image.
--- Pure. Part of qcimage, see LICENSE.

local planFormat = require "qcimage.apply.plan_format"
local shown = require "qcimage.cli.terminal_text"

local M = {}

local function quoted(one)
  return type(one) == "string" and '"' .. shown.value(one) .. '"' or one == nil and "?" or tostring(one)
end

-- The lines of a plan: what is changed, from what, to what.
local function rows(plan)
  local list = {}
  for _, step in ipairs(plan.steps) do
    for _, name in ipairs(planFormat.FIELDS) do
      if step.to[name] ~= nil then
        list[#list + 1] = {
          imageId = step.imageId,
          region = step.region,
          field = name,
          from = step.from[name],
          to = step.to[name],
          isTemporary = step.isTemporary,
        }
      end
    end
  end
  return list
end

local function plural(count, one, many)
  return ("%d %s"):format(count, count == 1 and one or many)
end

--- What is to be known of a list beside its changes.
---@param report qcimage.ApplyReport
---@return string[] notes
function M.listNotes(report)
  local notes = {}
  for i, note in ipairs(report.notes or {}) do
    notes[i] = note
  end
  if report.otherKeys then
    notes[#notes + 1] = "the journal or plan was made with another key, perhaps of another account"
  end
  return notes
end

--- What is to be known of a plan beside its lines.
---@param report qcimage.ApplyReport of a dry run
---@return string[] notes
function M.notes(report)
  local cleared, lost = 0, {}
  for _, step in ipairs(report.plan.steps) do
    cleared = cleared + (step.to.imageDescription == "" and 1 or 0)
    local names = step.lost or not step.isTemporary and step.cannotUndo
    if names then
      lost[#lost + 1] = ("%s (%s)"):format(shown.value(step.imageId), table.concat(names, ", "))
    end
  end
  local notes = M.listNotes(report)
  table.insert(notes, 1, plural(report.changes, "change", "changes"))
  if report.unchanged > 0 then
    notes[1] = ("%s; %s already in the desired state"):format(
      notes[1],
      plural(report.unchanged, "image is", "images are")
    )
  end
  if cleared > 0 then
    notes[#notes + 1] = ("%s emptied"):format(plural(cleared, "description is", "descriptions are"))
  end
  if #lost > 0 then
    local few = table.concat(lost, ", ", 1, math.min(#lost, 5))
    notes[#notes + 1] = ("cannot be restored: %s%s"):format(few, #lost > 5 and (" and %d more"):format(#lost - 5) or "")
  end
  return notes
end

--- A plan's lines for a terminal.
---@param plan qcimage.ApplyPlan
---@param painted fun(colour: string, text: string): string
---@return string
function M.diff(plan, painted)
  local lines, width, fieldWidth = {}, 0, 0
  local list = rows(plan)
  for _, row in ipairs(list) do
    row.image = shown.value(row.imageId) .. (row.region and " (" .. shown.value(row.region) .. ")" or "")
    width, fieldWidth = math.max(width, shown.width(row.image)), math.max(fieldWidth, #row.field)
  end
  for i, row in ipairs(list) do
    lines[i] = ("%s%s  %s%s  %s -> %s%s\n"):format(
      row.image,
      (" "):rep(width - shown.width(row.image)),
      row.field,
      (" "):rep(fieldWidth - #row.field),
      painted("red", quoted(row.from)),
      painted("green", quoted(row.to)),
      row.isTemporary and "  (temporary)" or ""
    )
  end
  return table.concat(lines)
end

--- A plan's lines with tabs between the values.
---@param plan qcimage.ApplyPlan
---@return string
function M.text(plan)
  local lines = {}
  for i, row in ipairs(rows(plan)) do
    local from = row.from == nil and "" or tostring(row.from)
    lines[i] = ("%s\t%s\t%s\t%s\n"):format(
      shown.value(row.imageId),
      row.field,
      shown.value(from),
      shown.value(tostring(row.to))
    )
  end
  return table.concat(lines)
end

return M
