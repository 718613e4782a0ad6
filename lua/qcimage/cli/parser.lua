--- parser.lua - reads the command's arguments by lua-argparse: which command, its options, or what is wrong. The
--- options of a command that is not asked for are not even defined.
--- Part of qcimage, see LICENSE.

local argparse = require "argparse"
local exits = require "qcimage.cli.exit_codes"

local M = {}

--- The commands, each in a file of its own: name, and what the help says of it.
M.COMMANDS = {
  { "modify", "change an image's name, description and more" },
  { "describe", "list images" },
  { "apply", "rename and describe many images, by a list" },
  { "call", "any other image action, by the API's name" },
  { "sign", "the signed request of an action, not sent" },
  { "doctor", "whether calls can work from here, and what to do where not" },
  { "emulator", "a strict local double of the image service" },
  { "completion", "a script by which your shell completes this command" },
}

--- The module of a command.
---@param name string
---@return table
function M.module(name)
  return require("qcimage.cli." .. (name == "completion" and "completion_script" or name))
end

---@class qcimage.cli.Option
---@field [1] string "--name"
---@field [2] string|string[]|nil what the help calls its value, or its values; nil: it takes none
---@field [3] string what the help says of it
---@field target string|nil where the value goes; by default the name in camelCase, which is a second spelling of it
---@field convert nil|fun(argument: string): any, string|nil
---@field choices string[]|nil
---@field many boolean|nil may be given again, and all count
---@field overwrite boolean|nil may be given again, and the last counts
---@field words string[]|nil some of its values, for completion
---@field files boolean|nil its value names a file
---@field secret boolean|nil its value is never shown, whatever it looks like

--- Makes a converter to a number.
---@param least number
---@param most number
---@param whole boolean|nil
---@return fun(argument: string): number|nil, string|nil
function M.number(least, most, whole)
  return function(argument)
    local value = argument:find "^%-?%d+%.?%d*$" and tonumber(argument)
    if not value or value < least or value > most or whole and value ~= math.floor(value) then
      return nil, ("must be a number from %.14g to %.14g"):format(least, most)
    end
    return value
  end
end

local FORMATS, VERSIONS, LANGUAGES = { "table", "text", "json" }, { "3.0", "2.0" }, { "zh-CN", "en-US" }

--- Options of every command that speaks to the service.
---@type qcimage.cli.Option[]
M.COMMON = {
  { "--region", "REGION", "region, ap-guangzhou or gz [TENCENTCLOUD_REGION]" },
  {
    "--profile",
    "NAME",
    "profile of tccli's, or section of ~/.tencentcloud/credentials; before the environment "
      .. "(TCCLI_PROFILE chooses files alone)",
  },
  { "--secret-id", "ID", "SecretId [TENCENTCLOUD_SECRET_ID]", secret = true },
  { "--secret-key", "KEY", "SecretKey [TENCENTCLOUD_SECRET_KEY]; here others can see it", secret = true },
  { "--token", "TOKEN", "of temporary keys [TENCENTCLOUD_TOKEN]; here others can see it", secret = true },
  { "--role-arn", "ARN", "assume this role with those keys [TENCENTCLOUD_ROLE_ARN]" },
  { "--role-session-name", "NAME", "name of the role's session [TENCENTCLOUD_ROLE_SESSION_NAME]" },
  {
    "--api-version",
    "VERSION",
    "3.0 or 2.0 [QCIMAGE_API_VERSION, else what the endpoint's path says, else 3.0]",
    choices = VERSIONS,
  },
  { "--endpoint", "URL", "of a private cloud or an emulator [QCIMAGE_ENDPOINT]" },
  {
    "--connect-to",
    "HOST:PORT",
    "where to connect for the endpoint, which stays what is signed and certified",
    convert = function(argument)
      return argument:match "^::([^:]+:%d+)$" or argument:match "^::(%[.+%]:%d+)$" or argument -- as curl has it
    end,
  },
  { "--allow-plain-http", nil, "the endpoint may be http:// on another machine" },
  { "--proxy", "URL", '"" is none [https_proxy, no_proxy, ...]', secret = true },
  { "--ca-file", "FILE", "the only certificates to trust [CURL_CA_BUNDLE, SSL_CERT_FILE]", files = true },
  { "--timeout", "SECONDS", "of the whole call [30]", convert = M.number(0.001, 86400) },
  { "--language", "LANGUAGE", "of the service's messages: zh-CN or en-US (API 3.0)", choices = LANGUAGES },
  { "--output", "FORMAT", "table, text or json [table]", choices = FORMATS },
  { "--no-color", nil, "no colours [NO_COLOR]" },
}

--- What the commands have that take an action.
M.ACTION = { "ACTION", "the API's name of it, such as DescribeImageQuota", target = "action" }
M.RAW = { "--raw", nil, "any action, with parameters as they travel, which are not checked" }

local COMMON_TITLE = "Options of every command that calls the service:"

local USAGE = [[
usage: qcimage COMMAND [options]
       qcimage COMMAND --help]]

local ABOUT = [[
Custom images of Tencent Cloud's servers. Results go to stdout, everything else to stderr.
A value that begins with "--" is given as --name=VALUE.]]

--- "--secret-id" -> "secretId".
---@param name string
---@return string
function M.camelCase(name)
  return (name:gsub("^%-+", ""):gsub("%-(%l)", string.upper))
end

-- Options in argparse, and in a table by their names.
local function define(parser, options, known)
  local elements = {}
  for i, option in ipairs(options) do
    local name, values = option[1], option[2]
    local target = option.target or M.camelCase(name)
    local args = values == nil and 0 or type(values) == "table" and #values or 1
    local element = parser:option(name):description(option[3]):target(target):args(args)
    element:overwrite(option.overwrite or false)
    if values then
      element:argname(values)
    end
    if option.convert then
      element:convert(option.convert)
    end
    if option.choices then
      element:choices(option.choices)
    end
    if option.many then
      element:count "*"
    end
    known[name] = { args = args, secret = option.secret }
    if "--" .. target ~= name and not option.target then
      element:hidden_name("--" .. target)
      known["--" .. target] = known[name]
    end
    elements[i] = element
  end
  return elements
end

-- What a -h stops the reading with.
local function addHelp(parser, wanted, text, known)
  parser:add_help(false)
  parser:flag("-h --help"):description("this help"):action(function()
    wanted.help = text()
    error(wanted)
  end)
  known["-h"], known["--help"] = { args = 0 }, { args = 0 }
end

-- argparse takes a word that begins with "-" for an option, and a value for one only behind "=".
local function joined(args, known)
  local words, i = {}, 1
  while i <= #args do
    local word, following = args[i], args[i + 1]
    local option = known[word]
    if word == "--" then
      for j = i, #args do
        words[#words + 1] = args[j]
      end
      break
    elseif
      option
      and option.args == 1
      and following
      and (option.secret or following:find "^%-[^%-]" and not known[following])
    then
      words[#words + 1] = word .. "=" .. following
      i = i + 1
    else
      words[#words + 1] = word
    end
    i = i + 1
  end
  return words
end

-- Options that are not known are parameters of an action: takes them out.
local function parameters(args, known)
  local rest, found, i = {}, {}, 1
  while i <= #args do
    local word, following = args[i], args[i + 1]
    local name, value = word:match "^(%-%-%a[%w.]*)=(.*)$"
    name = name or word:match "^%-%-%a[%w.]*$"
    if word == "--" then
      break
    elseif name and not known[name] then
      if not value and following and not following:find "^%-%-" and not known[following] then
        value = following
        i = i + 1
      end
      found[#found + 1] = { name = name:sub(3), value = value }
    else
      rest[#rest + 1] = word
      if known[word] and known[word].args == 1 and following and not following:find "^%-" then
        rest[#rest + 1] = following
        i = i + 1
      end
    end
    i = i + 1
  end
  return rest, found
end

local function suggestion(name, known)
  return require("qcimage.util.spelling").didYouMean(name, known) -- which loads no C core: help does without
end

-- argparse's messages as ours.
local function reworded(problem, known)
  problem = problem:match "^[^\n]*"
  local unknown = problem:match "^unknown option '(.*)'$"
  if unknown then
    local names = {}
    for name, option in pairs(known) do
      names[name] = name:find "^%-%-[%l%-]+$" and option or nil
    end
    return ("unknown option %s%s"):format(unknown, suggestion(unknown, names))
  end
  unknown = problem:match "^unknown command '(.*)'$"
  if unknown then
    local names = {}
    for _, command in ipairs(M.COMMANDS) do
      names[command[1]] = true
    end
    return ("unknown command %s%s"):format(unknown, suggestion(unknown, names))
  end
  local option = problem:match "^option '(.-)' requires an? argument" or problem:match "^option '(.-)' requires %d"
  if option then
    return option .. " needs a value"
  end
  option = problem:match "^option '(.-)' does not take arguments$"
  if option then
    return option .. " takes no value"
  end
  option = problem:match "^option '(.-)' must be used at most 1 time$"
  if option then
    return option .. " is given twice"
  end
  if problem == "a command is required" then
    return "no command given"
  end
  return (
    problem
      :gsub("^argument '(.-)' must", "%1 must")
      :gsub("^argument for option '(.-)' must", "%1 must")
      :gsub("^missing argument '(.-)'$", "%1 is missing")
      :gsub("'(%S-)'", "%1")
  )
end

-- The options' names stand in the messages of their converters.
local function named(options)
  local copy = {}
  for i, option in ipairs(options) do
    local one = {}
    for key, value in pairs(option) do
      one[key] = value
    end
    if option.convert then
      function one.convert(argument)
        local value, problem = option.convert(argument)
        if value == nil then
          return nil, option[1] .. " " .. problem
        end
        return value
      end
    end
    copy[i] = one
  end
  return copy
end

-- Defines one command whole.
local function addCommand(parser, name, summary, wanted, known)
  local module = M.module(name)
  parser:description(summary)
  define(parser, named(module.OPTIONS), known)
  for _, argument in ipairs(module.ARGUMENTS or {}) do
    local element = parser:argument(argument[1]):description(argument[2]):target(argument.target)
    element:args(argument.args or 1)
    if argument.choices then
      element:choices(argument.choices)
    end
  end
  parser:usage("usage: qcimage " .. module.USAGE)
  if module.EPILOG then
    parser:epilog(module.EPILOG)
  end
  addHelp(parser, wanted, function()
    local common = not module.standsAlone and "\n\n" .. wanted.common() or ""
    return parser:get_help() .. common
  end, known)
end

local function newParser(settings)
  local parser = argparse("qcimage", ABOUT, exits.HELP)
  parser:usage(settings.usage or USAGE)
  parser:help_max_width(100):help_usage_margin(2):help_description_margin(28)
  return parser
end

--- Makes the parser.
---@param isAsked fun(name: string): boolean whether a command is to be defined whole
---@param withCommon boolean
---@param wanted table gets help, where that is asked for
---@return table parser argparse's
---@return table known options by their names
function M.parser(isAsked, withCommon, wanted)
  local known = {}
  local parser = newParser {}
  addHelp(parser, wanted, function()
    return parser:get_help()
  end, known)
  define(parser, { { "--version", nil, "the versions of qcimage and of the libraries in use" } }, known)
  if withCommon then
    parser:group(COMMON_TITLE:sub(1, -2), (table.unpack or unpack)(define(parser, named(M.COMMON), known)))
  end
  function wanted.common()
    local _, last = parser:get_help():find(COMMON_TITLE, 1, true)
    return COMMON_TITLE .. parser:get_help():sub(last + 1):match "^(.-)\n\n"
  end
  for _, command in ipairs(M.COMMANDS) do
    local name, summary = command[1], command[2]
    local subparser = parser:command(name, summary)
    if isAsked(name) then
      addCommand(subparser, name, summary, wanted, known)
    end
  end
  parser:command_target "command"
  parser:require_command(false)
  return parser, known
end

--- Reads arguments.
---@param args string[] without the program's name
---@return table|nil options command, and values by target; parameters where the command takes any
---@return string|nil problem where they are wrong
---@return string|nil help where it was asked for
---@return string|nil command
function M.read(args)
  local words, last = {}, nil
  for _, word in ipairs(args) do
    words[word] = true
  end
  for _, command in ipairs(M.COMMANDS) do
    last = words[command[1]] and (not last or args[1] == command[1]) and command[1] or last
  end
  local wanted = {}
  local standsAlone = last == args[1] and last and M.module(last).standsAlone
  local parser, known = M.parser(function(name)
    return words[name] == true
  end, not standsAlone, wanted)
  local found
  if last and M.module(last).takesParameters then
    args, found = parameters(joined(args, known), known)
  else
    args = joined(args, known)
  end
  local ok, read, options = pcall(parser.pparse, parser, args)
  if wanted.help then
    return nil, nil, wanted.help .. "\n"
  elseif not ok then
    error(read, 0)
  elseif not read then
    return nil, reworded(options, known), nil, last
  elseif not options.command and not options.version then
    return nil, "no command given"
  end
  options.parameters = found
  return options
end

return M
