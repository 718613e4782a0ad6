--- save_plan.lua - writes a plan to a file. Only a plan is replaced, and by a whole one.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local exits = require "qcimage.cli.exit_codes"
local planFormat = require "qcimage.apply.plan_format"
local streams = require "qcimage.cli.stdio"

local M = {}

-- What keeps a path from getting a plan, or nil.
local function obstacle(path)
  local file, problem, reason = core.journal(path, false, true)
  if not file then
    return reason ~= "missing" and problem or nil
  end
  file:close()
  file, problem = io.open(path, "rb")
  if not file then
    return problem
  end
  local kind = planFormat.kindOf(file:read(64) or "")
  file:close()
  return kind ~= "plan" and "exists and is not a plan" or nil
end

-- Writes it beside its file, and then puts it there.
local function write(path, plan)
  local beside = ("%s.%s"):format(path, core.nonce() or "new")
  local file, problem = core.journal(beside, true)
  if not file then
    return nil, problem
  end
  local ok
  ok, problem = file:append(planFormat.write(plan, "plan"))
  if ok then
    ok, problem = file:sync()
  end
  file:close()
  if ok then
    ok, problem = os.rename(beside, path)
  end
  if not ok then
    os.remove(beside)
    return nil, problem
  end
  return core.syncFolder(path)
end

--- Saves a plan.
---@param path string
---@param plan qcimage.ApplyPlan
---@return integer code for os.exit
function M.save(path, plan)
  local problem = obstacle(path)
  local ok = not problem
  if ok then
    ok, problem = write(path, plan)
  end
  if not ok then
    streams.complain("the plan cannot be saved: ", path, ": ", (tostring(problem):gsub("^.*: ", "")))
    return exits.NOT_WRITTEN
  end
  streams.note("plan: ", path)
  return exits.OK
end

return M
