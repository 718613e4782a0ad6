--- call.lua - qcimage call: any action of the API.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local client_options = require "qcimage.cli.client_options"
local output = require "qcimage.cli.output"
local shared = require "qcimage.cli.options"
local stdio = require "qcimage.cli.stdio"

local M = {}

M.takesParameters = true

M.ARGUMENTS = { shared.ACTION }

M.OPTIONS = { shared.INPUT, shared.RAW }

M.ABOUT = [[
Parameters are options, named as in the API: "qcimage call ACTION --help" lists them. A list is made by repeating its
option, or is JSON: '["img-1", "img-2"]'. A raw action takes text and lists so; numbers and booleans only by
--cli-input-json.]]

M.EXAMPLES = {
  "qcimage call DescribeImageQuota",
  "qcimage call DescribeImages --ImageIds img-12345678 --ImageIds img-0abc12de",
  "qcimage call ModifyImageAttribute --cli-input-json body.json",
}

-- Fields of a result that describe the call; the others are from the service.
local ABOUT_CALL = { attempts = true, body = true, code = true, hookError = true, httpStatus = true }

-- Columns of a list of tables: those that may not be cut first.
local function columnsOf(rows)
  local columns, seen = {}, {}
  for _, row in ipairs(rows) do
    for key in pairs(type(row) == "table" and row or {}) do
      if not seen[key] then
        seen[key] = true
        columns[#columns + 1] = { key = key, title = key, cut = not key:find "Id$" }
      end
    end
  end
  table.sort(columns, function(a, b)
    if a.cut ~= b.cut then
      return not a.cut
    end
    return a.key < b.key
  end)
  for i = 2, #columns do
    columns[i].rank = i
  end
  return columns
end

-- Rows and columns of what an action gave: those of its list, or one for each field.
local function tabulated(result)
  local list, name, others
  local rows = {}
  for key, value in pairs(result) do
    if type(value) == "table" and not ABOUT_CALL[key] then
      others = list ~= nil
      list, name = value, key
    end
    if not ABOUT_CALL[key] and not (key == "message" and value == "") then
      rows[#rows + 1] = { field = key, value = value }
    end
  end
  if list and not others and #list == 0 and next(list) == nil then
    return { { key = name, title = name } }, list
  elseif list and not others and type(list[1]) == "table" then
    return columnsOf(list), list
  end
  table.sort(rows, function(a, b)
    return a.field < b.field
  end)
  return { { key = "field", title = "FIELD" }, { key = "value", title = "VALUE", cut = true } }, rows
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local client, params = client_options.action(options)
  if not client then
    return stdio.usage(params, "call " .. options.action)
  end
  local known = actions[client.version][options.action]
  local reads = known and known.reads
  local blank = client_options.unchanged(client, options.action, params)
  if blank then
    return output.fail(blank)
  elseif not reads then
    stdio.beginChange(options, "qcimage describe shows whether it was made")
  end
  local result, _, err = client:call(options.action, params, { raw = options.raw })
  stdio.endChange()
  if not result then
    return output.fail(err, reads)
  end
  local columns, rows = tabulated(result)
  return output.write(options, output.answer(result), columns, rows, not reads)
end

return M
