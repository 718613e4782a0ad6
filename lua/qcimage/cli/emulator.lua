--- emulator.lua - qcimage emulator: runs the emulator over HTTP.
--- Part of qcimage, see LICENSE.

local exits = require "qcimage.cli.exit_codes"
local optionList = require "qcimage.emulator.options"
local shared = require "qcimage.cli.options"
local stdio = require "qcimage.cli.stdio"

local M = {}

M.standsAlone = true -- it calls no service

M.OPTIONS = {}
for i, flag in ipairs(optionList.FLAGS) do
  local rule = flag[2]
  M.OPTIONS[i] = {
    flag[1],
    flag[3],
    flag[4],
    convert = rule.type == "number" and shared.number(rule.least, rule.most, rule.whole) or nil,
    files = flag.isFile,
    overwrite = flag.isRepeatable,
  }
end

M.ABOUT = ([[
A state document is a JSON object with any of images, instances, accounts and settings. Settings:

%s

Without accounts, the key is taken from TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY and
TENCENTCLOUD_TOKEN; without them it is the example, AKIDqcimageEXAMPLE000000000000000001 with
qcimageEXAMPLEsecret0000000000001.]]):format(table.concat(optionList.HELP, "\n"))

-- The text of a state document; it is checked here so that a mistake is reported before nginx starts.
local function readState(name)
  local content, problem = stdio.read(name)
  if not content then
    return nil, problem
  end
  local state, message = require("qcimage.emulator.json").decode(content)
  if state == nil then
    return nil, ("%s: not JSON: %s"):format(name, message)
  end
  local ok, fault = pcall(function()
    local zeros = ("\0"):rep(32)
    local digests = {
      sha256 = function()
        return zeros
      end,
    }
    require("qcimage.emulator").new({ digests = digests }):setState(state)
  end)
  if not ok then
    return nil, name .. ": " .. fault:gsub("^%S+:%d+: ", "")
  end
  return content
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local launcher = require "qcimage.emulator.nginx.launcher"
  local given = options.listen or "127.0.0.1"
  local address, isLoopback = launcher.address(given)
  local state, problem
  if not address then
    problem = ("--listen must be an IPv4 or IPv6 address, not %s"):format(given)
  elseif options.state then
    state, problem = readState(options.state)
  end
  if problem then
    return stdio.usage(problem, "emulator")
  elseif not isLoopback then
    stdio.note(given, " is not a loopback address: whoever reaches it can read and change everything here")
  end
  local ok, message = launcher.run {
    port = options.port,
    address = address,
    tls = options.tls,
    stopWith = options.stopWith,
    metadata = options.metadata,
    state = state,
  }
  if not ok then
    stdio.complain(message)
    return exits.FAILED
  end
  return exits.OK
end

return M
