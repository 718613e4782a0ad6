--- emulator.lua - qcimage emulator: runs the emulator over HTTP.
--- Part of qcimage, see LICENSE.

local number = require("qcimage.cli.parser").number
local exits = require "qcimage.cli.exit_codes"
local streams = require "qcimage.cli.stdio"

local M = {}

M.standsAlone = true -- it calls no service

M.USAGE = "emulator [options]"

M.OPTIONS = {
  { "--port", "N", "port to listen on [0: a free one, see the line on stdout]", convert = number(0, 65535, true) },
  { "--images", "FILE", "JSON list of the images to start with", files = true },
  { "--tls", { "CERT", "KEY" }, "HTTPS with this certificate and key (PEM files)", files = true },
  { "--host-name", "NAME", "accept this name in the Host header only" },
  { "--require-https", nil, "refuse plain HTTP" },
  { "--rate", "N", "calls of one action in each calendar second [no limit]", convert = number(1, 1000000, true) },
  { "--clock-offset", "S", "seconds by which its clock is off [0]", convert = number(-1000000000, 1000000000) },
  { "--create-seconds", "S", "how long an image is made or copied [2]", convert = number(0, 1000000) },
  {
    "--key-seconds",
    "S",
    "how long temporary keys live that STS and the metadata service give [7200]",
    convert = number(1, 1000000),
  },
  { "--metadata", nil, "be an instance's metadata service, too: QCIMAGE_METADATA=http://127.0.0.1:PORT" },
  { "--role-name", "NAME", "the role of that instance [image-ops]" },
  {
    "--stop-with",
    "PID",
    "end when this process ends, too",
    convert = number(1, 2147483647, true),
    overwrite = true, -- so that a script can be given another one
  },
}

M.EPILOG = [[
Keys are taken from TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY and TENCENTCLOUD_TOKEN; without
them the emulator knows the example identity AKIDqcimageEXAMPLE000000000000000001 with the key
qcimageEXAMPLEsecret0000000000001.]]

-- Options of the emulator itself, and what they are called there.
local OWN = {
  clockOffset = "clockOffset",
  createSeconds = "createSeconds",
  hostName = "hostName",
  keySeconds = "keySeconds",
  metadata = "metadata",
  rate = "rateLimit",
  requireHttps = "requireHttps",
  roleName = "roleName",
}

-- The images of a file, checked here so that a fault in it is told before nginx starts.
local function readImages(name)
  local file, problem = io.open(name, "rb")
  if not file then
    return nil, problem
  end
  local content = file:read "*a"
  file:close()
  if not content then
    return nil, name .. ": can't be read"
  end
  local json = require "qcimage.emulator.json"
  local images, message = json.decode(content)
  if type(images) ~= "table" or not json.isList(images) then
    return nil, ("%s: not a JSON list of images%s"):format(name, message and ": " .. message or "")
  end
  local ok, fault = pcall(require("qcimage.emulator").new, { images = images, digests = {} })
  if not ok then
    return nil, name .. ": " .. fault
  end
  return json.list(images)
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local settings = { port = options.port, tls = options.tls, stopWith = options.stopWith, emulator = {} }
  for name, own in pairs(OWN) do
    settings.emulator[own] = options[name]
  end
  if options.images then
    local problem
    settings.emulator.images, problem = readImages(options.images)
    if problem then
      return streams.usage(problem, "emulator")
    end
  end
  local ok, message = require("qcimage.emulator.nginx.launcher").run(settings)
  if not ok then
    streams.complain(message)
    return exits.FAILED
  end
  return exits.OK
end

return M
