--- call.lua - qcimage call: any action of the API.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local arguments = require "qcimage.cli.parser"
local connect = require "qcimage.cli.client_options"
local core = require "qcimage.core"
local result = require "qcimage.cli.output"
local streams = require "qcimage.cli.stdio"

local M = {}

M.takesParameters = true

M.USAGE = "call ACTION [--Key VALUE ...] [--raw]"

M.ARGUMENTS = { arguments.ACTION }

M.OPTIONS = { arguments.RAW }

M.EPILOG = [[
Parameters are named as in the API: --ImageId img-12345678. A list is made by giving its parameter
again; JSON ("[...]" or "{...}") is taken where no text is due.]]

-- Rows and columns of what an action gave: those of its list, or one for each field.
local function tabulated(document)
  local list, name, others
  for key, value in pairs(document) do
    if type(value) == "table" then
      others = list ~= nil
      list, name = value, key
    end
  end
  local columns, rows, seen = {}, {}, {}
  if list and not others and (type(list[1]) == "table" or next(list) == nil) then
    rows = list
    columns[1] = #rows == 0 and { key = name, title = name } or nil
    for _, row in ipairs(rows) do
      for key in pairs(row) do
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
    return columns, rows
  end
  for key, value in pairs(document) do
    if not (key == "code" or key == "message" and value == "") then
      rows[#rows + 1] = { field = key, value = value }
    end
  end
  table.sort(rows, function(a, b)
    return a.field < b.field
  end)
  return { { key = "field", title = "FIELD" }, { key = "value", title = "VALUE" } }, rows
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local client, params = connect.action(options)
  if not client then
    return streams.usage(params, "call")
  end
  local known = actions[client.version][options.action]
  local reads = known and known.reads
  if not reads then
    core.outlivePipes() -- what comes of a change is told, whoever has gone
  end
  local given, message, err = client:call(options.action, params, { raw = options.raw })
  if not given then
    return result.fail(message, err, reads)
  end
  local document = result.document(given)
  local columns, rows = tabulated(document)
  return result.write(options, document, columns, rows, not reads)
end

return M
