--- output.lua - writes what a call gave, in the form that was asked for.
--- Part of qcimage, see LICENSE.

local arguments = require "qcimage.cli.parser"
local exits = require "qcimage.cli.exit_codes"
local format = require "qcimage.cli.format"
local streams = require "qcimage.cli.stdio"

local M = {}

-- Fields of a result that tell of the call, not what the service says.
local ABOUT = { attempts = true, body = true, hookError = true, httpStatus = true }

--- What the service says, without what tells of the call.
---@param result qcimage.Result
---@return table
function M.document(result)
  local document = {}
  for name, value in pairs(result) do
    document[name] = not ABOUT[name] and value or nil
  end
  return document
end

--- Writes a result.
---@param options table the command's; output
---@param document table for JSON
---@param columns qcimage.cli.Column[] for the other forms
---@param rows table[]
---@param isChange boolean|nil
---@return integer code for os.exit
function M.write(options, document, columns, rows, isChange)
  local written
  if options.output == "json" then
    written = require("qcimage.cli.json").document(document)
  elseif options.output == "text" then
    written = format.text(columns, rows)
  else
    local omitted
    written, omitted = format.table(columns, rows, streams.columns(), function(text)
      return streams.painted("bold", text)
    end)
    if #omitted > 0 then
      streams.note("too narrow for ", table.concat(omitted, ", "), "; --output text or json has all")
    end
  end
  return streams.write(written, isChange)
end

-- Those of the library's options that a command has, and how it calls them.
local function optionsOf(more)
  local names = {}
  for _, list in ipairs { arguments.COMMON, more or {} } do
    for _, option in ipairs(list) do
      names[option[1]] = true
    end
  end
  return function(name)
    local option = "--" .. name:gsub("%u", function(letter)
      return "-" .. letter:lower()
    end)
    return names[option] and option
  end
end

--- A message of the library's with the options as the command has them.
---@param message string
---@param more qcimage.cli.Option[]|nil beside those that all have
---@return string
function M.reworded(message, more)
  return (
    message
      :gsub("; a client with skipRules = true sends it anyway", "")
      :gsub("raw = true sends", "--raw sends")
      :gsub("the option (%l%a+)", "option %1")
      :gsub("option (%l%a+)", optionsOf(more))
  )
end

--- Says why a call failed.
---@param message string
---@param err qcimage.Error
---@param reads boolean|nil the action changes nothing
---@return integer code for os.exit
function M.fail(message, err, reads)
  streams.complain(M.reworded(message))
  return exits.of(err, reads)
end

return M
