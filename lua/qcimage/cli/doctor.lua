--- doctor.lua - qcimage doctor: says whether calls can work from here, and what to do where not.
--- Part of qcimage, see LICENSE.

local checks = require "qcimage.cli.checks"
local exits = require "qcimage.cli.exit_codes"
local format = require "qcimage.cli.format"
local terminal = require "qcimage.cli.terminal_text"
local stdio = require "qcimage.cli.stdio"

local M = {}

M.OPTIONS = {}

M.ABOUT = ([[
It shows what a call goes by and where each of it comes from: keys, region, endpoint, proxy,
certificates; the way there and the clock; and makes one call that changes nothing, DescribeImages.
It ends within %d s (--timeout), with 0 when that works, else with the code that describe ends with.
The cause comes first. It shows no secret: paste it into a report.]]):format(checks.LONGEST)

local COLUMNS = {
  { key = "verdict" },
  { key = "check" },
  { key = "finding" },
  { key = "cure" },
}

local COLOURS = { ok = "green", warning = "yellow", FAILED = "red" }

local NARROW = 30 -- columns beside verdict and check: with fewer, what is found stands below them

-- Lines for people, within the terminal's width where there is one.
local function report(found)
  local widths, lines = { 0, 0 }, {}
  for _, check in ipairs(found) do
    widths[1], widths[2] = math.max(widths[1], #check.verdict), math.max(widths[2], #check.check)
  end
  local columns, margin = stdio.columns() or math.huge, widths[1] + widths[2] + 4
  local isNarrow = columns - margin < NARROW
  margin = isNarrow and 4 or margin
  local indent = (" "):rep(margin)
  for _, check in ipairs(found) do
    local colour = COLOURS[check.verdict]
    local head = (colour and stdio.painted(colour, check.verdict) or check.verdict)
      .. (" "):rep(widths[1] - #check.verdict + 2)
      .. check.check
    local texts = format.wrap(terminal.message(check.finding), columns - margin)
    for i, line in ipairs(check.cure and format.wrap("-> " .. check.cure, columns - margin - 3) or {}) do
      texts[#texts + 1] = (i == 1 and "" or "   ") .. line
    end
    if isNarrow then
      lines[#lines + 1] = head
    end
    for i, line in ipairs(texts) do
      local first = i == 1 and not isNarrow
      lines[#lines + 1] = (first and head .. (" "):rep(widths[2] - #check.check + 2) or indent) .. line
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local found, code = checks.run(options)
  local written
  if options.output == "json" then
    written = require("qcimage.cli.json").document { checks = found, works = code == exits.OK }
    if code ~= exits.OK then
      stdio.complain(("%s: %s"):format(found[1].check, found[1].finding)) -- the cause is the first
    end
  elseif options.output == "text" then
    written = format.text(COLUMNS, found)
  else
    written = report(found)
      .. "\n"
      .. (code == exits.OK and "Calls can work." or "Calls cannot work as configured.")
      .. "\n"
  end
  local failure = stdio.write(written)
  return failure ~= exits.OK and failure or code
end

return M
