--- cli.lua - the command line: reads the arguments, runs a subcommand, answers an exit code.
--- Results go to stdout, everything else to stderr. Part of qcimage, see LICENSE.

local M = {}

local EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2

local HELP = [[
usage: qcimage emulator [options]
       qcimage --help | --version

emulator   a strict local double of the image service, in nginx, on 127.0.0.1
  --port N            port to listen on [0: a free one, see the line on stdout]
  --images FILE       JSON list of the images to start with
  --tls CERT KEY      HTTPS with this certificate and key (PEM files)
  --host-name NAME    accept this name in the Host header only
  --require-https     refuse plain HTTP
  --rate N            calls of one action in each calendar second [no limit]
  --clock-offset S    seconds by which its clock is off [0]
  --create-seconds S  how long an image is made or copied [2]
  --key-seconds S     how long temporary keys live that STS and the metadata service give [7200]
  --metadata          be an instance's metadata service, too: QCIMAGE_METADATA=http://127.0.0.1:PORT
  --role-name NAME    the role of that instance [image-ops]
  --stop-with PID     end when this process ends, too

Keys are taken from TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY and TENCENTCLOUD_TOKEN; without
them the emulator knows the example identity AKIDqcimageEXAMPLE000000000000000001 with the key
qcimageEXAMPLEsecret0000000000001.
]]

local function complain(...)
  io.stderr:write("qcimage: ", ...)
  io.stderr:write "\n"
end

local function usage(...)
  complain(...)
  complain "see qcimage --help"
  return EXIT_USAGE
end

local function number(least, most, whole)
  return function(argument)
    local value = argument:find "^%-?%d+%.?%d*$" and tonumber(argument)
    if not value or value < least or value > most or whole and value ~= math.floor(value) then
      return nil, ("must be a number from %d to %d"):format(least, most)
    end
    return value
  end
end

local function word(argument)
  return argument
end

-- Options of the emulator: values that follow, how they are read, where they go.
local EMULATOR = {
  ["--port"] = { 1, number(0, 65535, true), "port" },
  ["--images"] = { 1, word, "images" },
  ["--tls"] = { 2, word, "tls" },
  ["--host-name"] = { 1, word, "hostName", true },
  ["--require-https"] = { 0, nil, "requireHttps", true },
  ["--rate"] = { 1, number(1, 1000000, true), "rateLimit", true },
  ["--clock-offset"] = { 1, number(-1000000000, 1000000000), "clockOffset", true },
  ["--create-seconds"] = { 1, number(0, 1000000), "createSeconds", true },
  ["--key-seconds"] = { 1, number(1, 1000000), "keySeconds", true },
  ["--metadata"] = { 0, nil, "metadata", true },
  ["--role-name"] = { 1, word, "roleName", true },
  ["--stop-with"] = { 1, number(1, 2147483647, true), "stopWith" },
}

-- Options of the arguments from the second on; or nil and what is wrong.
local function parse(args, known)
  local options = { emulator = {} }
  local i = 2
  while i <= #args do
    local name, joined = args[i]:match "^(%-%-[^=]+)=(.*)$"
    name = name or args[i]
    local option = known[name]
    if not option then
      return nil, "unknown option " .. name .. require("qcimage.emulator.text").suggestion(name, known)
    end
    local values = { joined }
    while #values < option[1] do
      i = i + 1
      if not args[i] then
        return nil, name .. " needs a value"
      end
      values[#values + 1] = args[i]
    end
    if #values > option[1] then
      return nil, name .. " takes no value"
    end
    for j, value in ipairs(values) do
      local problem
      values[j], problem = option[2](value)
      if values[j] == nil then
        return nil, name .. " " .. problem
      end
    end
    local target = option[4] and options.emulator or options
    target[option[3]] = option[1] == 0 or option[1] == 1 and values[1] or values
    i = i + 1
  end
  return options
end

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

local function emulator(args)
  local options, problem = parse(args, EMULATOR)
  if not options then
    return usage(problem)
  end
  if options.images then
    options.emulator.images, problem = readImages(options.images)
    if problem then
      return usage(problem)
    end
  end
  local ok, message = require("qcimage.emulator.nginx.launcher").run(options)
  if not ok then
    complain(message)
    return EXIT_FAILED
  end
  return EXIT_OK
end

-- Prints a result; a full disk is a failure.
local function say(...)
  local ok, problem = io.stdout:write(...)
  if ok then
    ok, problem = io.stdout:flush()
  end
  if not ok then
    complain("cannot write: " .. tostring(problem))
    return EXIT_FAILED
  end
  return EXIT_OK
end

--- Runs a command.
---@param args string[] arguments, without the program's name
---@return integer code for os.exit
function M.main(args)
  local command = args[1]
  if command == "emulator" then
    for _, argument in ipairs(args) do
      if argument == "--help" or argument == "-h" then
        return say(HELP)
      end
    end
    return emulator(args)
  elseif command == "--help" or command == "-h" or command == "help" then
    return say(HELP)
  elseif command == "--version" then
    return say("qcimage ", require("qcimage")._VERSION, "\n")
  elseif not command then
    return usage "no command given"
  end
  return usage("unknown command ", command)
end

return M
