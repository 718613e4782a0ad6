--- output.lua - writes what calls gave in the form that was asked for, and why they failed.
--- Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local exits = require "qcimage.cli.exit_codes"
local format = require "qcimage.cli.format"
local json = require "qcimage.cli.json"
local stdio = require "qcimage.cli.stdio"

local M = {}

--- The JSON text of an answer: what is inside the service's Response; of API 2.0 the whole.
---@param result qcimage.Result
---@return string
function M.answer(result)
  local last = result.attempts and result.attempts[#result.attempts]
  if last and last.readBack then -- the answer was lost, and the body is that of a look at the image
    return result.requestId and json.line { RequestId = result.requestId } or "{}"
  end
  local _, members = json.parts(result.body)
  return members.Response or (result.body:gsub("^\239\187\191", ""))
end

--- The JSON text of a list that several answers make.
---@param items string[] JSON texts
---@return string
function M.list(items)
  return ('{"TotalCount": %d, "ImageSet": [%s]}'):format(#items, table.concat(items, ", "))
end

--- Writes a result.
---@param options table the command's; output
---@param document string|table for JSON: a text, or a document of ours
---@param columns qcimage.cli.Column[] for the other forms
---@param rows table[]
---@param isChange boolean|nil
---@return integer code for os.exit
function M.write(options, document, columns, rows, isChange)
  local written
  if options.output == "json" then
    written = type(document) == "string" and json.indented(document) or json.document(document)
  elseif options.output == "text" then
    written = format.text(columns, rows)
  else
    local omitted
    written, omitted = format.table(columns, rows, stdio.columns(), function(text)
      return stdio.painted("bold", text)
    end)
    if #omitted > 0 then
      stdio.note("too narrow for ", table.concat(omitted, ", "), "; --output text or json has all")
    end
  end
  return stdio.write(written, isChange)
end

-- Reasons of a refusal that doctor finds the cause of.
local OF_SETTINGS = { signature = true, clock = true }

-- Whether credentials, region, endpoint or the way there are at fault.
local function isOfSettings(err)
  local isOfSetup = err.kind == "parameter" and (err.field == "region" or err.field == "endpoint")
  return isOfSetup
    or err.kind == "credentials"
    or err.kind == "network"
    or err.kind == "response"
    or OF_SETTINGS[err.reason] ~= nil
    or codes.isOfRegion(err.code)
end

--- Says why a call failed.
---@param err qcimage.Error
---@param reads boolean|nil the action changes nothing
---@param message string|nil err.message by default
---@return integer code for os.exit
function M.fail(err, reads, message)
  stdio.fail(err, message)
  if isOfSettings(err) then
    stdio.note "qcimage doctor finds out what is wrong with credentials, region, endpoint or the network"
  end
  return exits.of(err, reads)
end

return M
