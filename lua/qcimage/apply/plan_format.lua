--- plan_format.lua - a plan as a file of JSON Lines: a head, then its steps in order. A journal begins with the same lines.
--- Pure. Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local json = require "qcimage.util.json"
local text = require "qcimage.util.text"

local M = {}

-- Of this form; a file of another is refused.
local FORMAT = 1

--- What can be changed of an image, in the order in which it is written and shown.
M.FIELDS = { "imageName", "imageDescription", "imageFamily", "imageDeprecated" }

--- What an entry of a list may have.
M.ENTRY_FIELDS = { imageId = true, region = true, select = true }
local IS_FIELD = {}
for _, name in ipairs(M.FIELDS) do
  M.ENTRY_FIELDS[name], IS_FIELD[name] = true, true
end

--- Whether an image has these values, as far as the service returns them.
---@param image qcimage.ApplyImage
---@param values table<string, any>
---@return boolean
function M.matches(image, values)
  for name, value in pairs(values) do
    if image[name] ~= value then
      return false
    end
  end
  return true
end

---@class qcimage.ApplyStep one modification
---@field line integer|nil of the list, or the number of a change in a table
---@field imageId string
---@field region string|nil nil: the client's
---@field from table<string, any> what the image has before it: the fields that it sets, as far as the service returns them
---@field to table<string, any>
---@field cannotUndo string[]|nil fields that cannot be restored
---@field isTemporary boolean|nil it sets a name that another step replaces

---@class qcimage.ApplyPlan
---@field apiVersion "2.0"|"3.0"
---@field region string|nil
---@field endpoint string|nil HOST:PORT of another cloud
---@field account string|nil distinguishes two permanent keys
---@field steps qcimage.ApplyStep[]
---@field unchanged qcimage.ApplyChange[]|nil changes that hold already; not of one from a file, as the next two
---@field faults qcimage.ApplyFault[]|nil what cannot be changed
---@field notes string[]|nil

local function object(names, values)
  local parts = {}
  for _, name in ipairs(names) do
    local value = values[name]
    if value ~= nil then
      parts[#parts + 1] = ("%s:%s"):format(
        json.encode(name),
        type(value) == "table" and value.json or json.encode(value)
      )
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function list(values)
  local parts = {}
  for i, value in ipairs(values) do
    parts[i] = json.encode(value)
  end
  return { json = "[" .. table.concat(parts, ",") .. "]" }
end

local STEP = { "step", "line", "imageId", "region", "from", "to", "cannotUndo", "isTemporary" }

local function lineOf(number, step)
  return object(STEP, {
    step = number,
    line = step.line,
    imageId = step.imageId,
    region = step.region,
    from = { json = object(M.FIELDS, step.from) },
    to = { json = object(M.FIELDS, step.to) },
    cannotUndo = step.cannotUndo and list(step.cannotUndo),
    isTemporary = step.isTemporary,
  })
end

local HEAD = { "qcimage", "format", "apiVersion", "region", "endpoint", "account", "steps", "sha256" }

--- A plan as text.
---@param plan qcimage.ApplyPlan
---@param kind "plan"|"journal"
---@return string
function M.write(plan, kind)
  local lines = {}
  for i, step in ipairs(plan.steps) do
    lines[i] = lineOf(i, step) .. "\n"
  end
  local steps = table.concat(lines)
  local head = object(HEAD, {
    qcimage = kind,
    format = FORMAT,
    apiVersion = plan.apiVersion,
    region = plan.region,
    endpoint = plan.endpoint,
    account = plan.account,
    steps = #plan.steps,
    sha256 = text.hex(core.sha256(steps)),
  })
  return head .. "\n" .. steps
end

--- Whether a text is a plan or a journal, whole or not.
---@param source string
---@return string|nil kind
function M.kindOf(source)
  return source:match '^{"qcimage":"(%a+)"'
end

-- The head of a text, or nil and what is wrong.
local function headOf(source)
  local line = source:match "^([^\n]*)\n"
  local head = line and json.decode(line)
  if type(head) ~= "table" or type(head.steps) ~= "number" or head.steps < 0 or head.steps % 1 ~= 0 then
    return nil, "has an incomplete first line"
  elseif head.format ~= FORMAT then
    local message = "has the format %s, and this version of qcimage knows format %d"
    return nil, message:format(tostring(head.format), FORMAT), #line + 2
  end
  return head, #line + 2
end

-- What the fields of an image may be in a plan.
local VALUE = { string = true, boolean = true, number = true }

local function isText(value)
  return type(value) == "string" and value ~= ""
end

local function isValue(value, name)
  return IS_FIELD[name] and VALUE[type(value)]
end

local function isLine(value)
  return type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0
end

-- Whether something is a table whose values all fit.
local function isTableOf(values, fits)
  if type(values) ~= "table" then
    return false
  end
  for name, value in pairs(values) do
    if not fits(value, name) then
      return false
    end
  end
  return true
end

local function isStep(step)
  return type(step) == "table"
    and isText(step.imageId)
    and isTableOf(step.from, isValue)
    and isTableOf(step.to, isValue)
    and next(step.to) ~= nil
    and (step.line == nil or isLine(step.line))
    and (step.region == nil or isText(step.region))
    and (step.cannotUndo == nil or isTableOf(step.cannotUndo, isText))
end

--- What is wrong with a plan, which may come from anywhere, or nil.
---@param plan table
---@return string|nil problem
function M.problem(plan)
  for _, name in ipairs { "apiVersion", "region", "endpoint", "account" } do
    if plan[name] ~= nil and not isText(plan[name]) then
      return ("has an invalid %s"):format(name)
    end
  end
  for i, step in ipairs(type(plan.steps) == "table" and plan.steps or { false }) do
    if not isStep(step) then
      return ("has an invalid step %d"):format(i)
    end
  end
end

--- Reads a plan, or that of a journal.
---@param source string
---@return qcimage.ApplyPlan|nil
---@return string|nil problem
---@return integer|nil behind where the plan ends; nil: it is cut
function M.read(source)
  local head, first, behind = headOf(source)
  if not head then
    return nil, first, behind
  end
  local steps, at = {}, first
  for i = 1, head.steps do
    local last = source:find("\n", at, true)
    if not last then
      return nil, ("ends before its step %d of %d"):format(i, head.steps)
    end
    steps[i] = json.decode(source:sub(at, last - 1))
    at = last + 1
  end
  if text.hex(core.sha256(source:sub(first, at - 1))) ~= head.sha256 then
    return nil, "has been modified: checksum mismatch (sha256 of the steps)", at
  end
  local plan = { apiVersion = head.apiVersion, region = head.region, endpoint = head.endpoint }
  plan.account, plan.steps = head.account, steps
  local problem = M.problem(plan)
  return not problem and plan or nil, problem, at
end

--- What keeps a client from running a plan.
---@param plan qcimage.ApplyPlan
---@param adapter qcimage.ApplyAdapter
---@return string|nil problem
function M.incompatibility(plan, adapter)
  for _, name in ipairs { "apiVersion", "region", "endpoint" } do
    if plan[name] ~= adapter[name] then
      local of = plan[name] and name .. " " .. plan[name] or "another " .. name
      return ("was made for %s, but the client uses %s"):format(of, adapter[name] or "another")
    end
  end
end

return M
