--- emulator/options.lua - every option of the emulator, once: the options of Lua, the flags of the command with their
--- help, and the members of a state document are read from this list.
--- Pure data. Part of qcimage, see LICENSE.

local accounts = require "qcimage.emulator.accounts"
local fields = require "qcimage.emulator.fields"

local M = {}

local function number(least, most, isWhole)
  return { type = "number", least = least, most = most, whole = isWhole }
end

local function string(least, most, is, form)
  return { type = "string", least = least, most = most, is = is, form = form }
end

local BOOLEAN = { type = "boolean" }

local function isHostName(value)
  return value:find "^[%w._-]*$" ~= nil
end

local REGIONS = { type = "list", least = 1, most = 100, is = "a list of 1 to 100 region codes", items = string(1, 40) }

--- Flags of the command, in the order of its help: [1] flag, [2] rule, [3] name of its value (nil: none), [4] help.
M.FLAGS = {
  { "--port", number(0, 65535, true), "N", "port to listen on [0: a free one, see the line on stdout]" },
  { "--listen", string(), "ADDRESS", "IPv4 or IPv6 address to listen on [127.0.0.1]" },
  {
    "--state",
    string(),
    "FILE",
    "JSON document to start with: images, instances, accounts, settings",
    isFile = true,
  },
  { "--tls", string(), { "CERT", "KEY" }, "HTTPS with this certificate and key (PEM files)", isFile = true },
  { "--metadata", BOOLEAN, nil, "be an instance's metadata service, too: QCIMAGE_METADATA=http://127.0.0.1:PORT" },
  -- repeatable, so that a script can be given another one
  { "--stop-with", number(1, 2147483647, true), "PID", "end when this process ends, too", isRepeatable = true },
}

-- Settings, in the order of the help: [1] name, [2] rule, [3] default, [4] help.
local SETTINGS = {
  { "accountId", fields.ACCOUNT_ID, "100000000001", "owner of the images and accounts that name no other" },
  { "regions", REGIONS, nil, "codes of the regions that exist [the documented ones]" },
  {
    "hostName",
    string(0, 253, 'a host name, or ""', isHostName),
    "",
    "the only name accepted in the Host header [any]",
  },
  { "requireHttps", BOOLEAN, false, "refuse plain HTTP" },
  { "rateLimit", number(0, 1000000, true), 0, "calls of one action in each calendar second; 0: no limit" },
  { "createSeconds", number(0, 1000000), 2, "how long an image is created or copied" },
  { "keySeconds", number(1, 1000000), 7200, "lifetime of temporary keys from STS and the metadata service" },
  { "clockOffset", number(-1000000000, 1000000000), 0, "seconds by which the emulator's clock is ahead" },
  { "modifyShared", BOOLEAN, false, "an image that is shared with other accounts can be modified" },
  { "metadata", BOOLEAN, false, "as --metadata" },
  { "roleName", string(0, 128), "image-ops", 'role of the instance of the metadata service; "": none' },
  { "instanceRegion", string(1, 40), nil, "region of that instance [the first of regions]" },
}

--- Rules of the settings by name, their default values, and their help, line by line.
M.SETTINGS, M.DEFAULTS, M.HELP = {}, {}, {}
for i, setting in ipairs(SETTINGS) do
  local name, rule, default, help = setting[1], setting[2], setting[3], setting[4]
  M.SETTINGS[name], M.DEFAULTS[name] = rule, default
  local shown = default and default ~= "" and (" [%s]"):format(tostring(default)) or ""
  M.HELP[i] = ("  %-15s %s%s"):format(name, help, shown)
end

--- Rules of a state document.
M.STATE = {
  images = { type = "list", most = 10000, items = { type = "object", fields = fields.IMAGE } },
  instances = { type = "list", most = 10000, items = { type = "object", fields = fields.INSTANCE } },
  accounts = { type = "object", items = { type = "object", fields = accounts.FIELDS } },
  settings = { type = "object", fields = M.SETTINGS },
}

--- Rules of the options of Lua: those of a document, its settings directly, and more.
M.OPTIONS = {
  images = M.STATE.images,
  instances = M.STATE.instances,
  accounts = M.STATE.accounts,
  secretId = string(1, 128),
  secretKey = accounts.FIELDS.secretKey,
  token = accounts.FIELDS.token,
  clock = { type = "function" },
  digests = { type = "table" },
  sleep = { type = "function" },
}
for name, rule in pairs(M.SETTINGS) do
  M.OPTIONS[name] = rule
end

return M
