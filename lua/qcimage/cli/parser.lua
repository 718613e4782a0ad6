--- parser.lua - reads a command line by the tables of the commands: the command, its options, its operands, and the
--- parameters of an action. Completion reads a line that is still being typed by the same function.
--- Part of qcimage, see LICENSE.

local commands = require "qcimage.cli.commands"
local options = require "qcimage.cli.options"
local spelling = require "qcimage.util.spelling"

local M = {}

-- "--secret-id" -> "secretId".
local function camelCase(name)
  return (name:gsub("^%-+", ""):gsub("%-(%l)", string.upper))
end

--- The key of an option's value.
---@param option qcimage.cli.Option
---@return string
function M.targetOf(option)
  return option.target or camelCase(option[1])
end

-- How many values an option takes.
local function takes(option)
  return type(option[2]) == "table" and #option[2] or option[2] and 1 or 0
end

-- A word in a message.
local function shown(word)
  return word == "" and '""' or #word > 60 and word:sub(1, 60) .. "..." or word
end

-- The command that a word most likely means, or nil.
local function nearestCommand(word)
  local names = {}
  for _, command in ipairs(commands.LIST) do
    names[command[1]] = true
    if (" " .. command[3] .. " "):find(" " .. word:lower() .. " ", 1, true) then
      return command[1]
    end
  end
  return commands.ELSEWHERE[word] or spelling.closest(word, names)
end

-- Loaded for commands that take an action alone: the emulator does without the C core.
local function actionArgs()
  return require "qcimage.cli.action_args"
end

local Reader = {}

-- The API version is looked up when it is needed: that loads the C core, which the emulator does without.
function Reader.__index(line, key)
  if key == "version" then
    line.version = require("qcimage.cli.client_options").version(line.settings)
    return line.version
  end
  return Reader[key]
end

-- The first problem is the one that is reported.
function Reader:fail(problem, ...)
  self.problem = self.problem or problem:format(...)
end

function Reader:declare(list)
  for _, option in ipairs(list) do
    self.options[#self.options + 1] = option
    self.byName[option[1]] = option
    if option.key then
      self.byName[require("qcimage.util.text").lower(option[1])] = option
    elseif not option.target then
      self.byName["--" .. camelCase(option[1])] = option
    end
  end
end

-- The option of a name; with --raw any parameter. Nil: no such option.
function Reader:optionOf(name)
  local option = self.byName[name]
  local takesParameters = self.module and self.module.takesParameters
  if option or not takesParameters then
    return option
  end
  option = self.action and self.byName[require("qcimage.util.text").lower(name)]
  local isParameter = name:find "^%-%-%a[%w.]*$" ~= nil
  if option and option.key then
    return option
  elseif isParameter and self.action and (self.isRaw or not self.isKnown) then
    return actionArgs().raw(name)
  end
end

-- The option that a word most likely means: one that it begins, or the nearest.
local function nearestOption(name, list)
  local names, begun = {}, {}
  for _, option in ipairs(list) do
    names[option[1]] = true
    begun[#begun + 1] = #name > 3 and option[1]:sub(1, #name) == name and option[1] or nil
  end
  return #begun == 1 and begun[1] or spelling.closest(name, names)
end

local function folded(name)
  return (name:lower():gsub("[-_]", ""))
end

function Reader:unknownOption(name)
  for _, option in ipairs(options.COMMON) do
    local beginning = folded(option[1])
    if option.secret and folded(name):sub(1, #beginning) == beginning then -- its value may follow without a blank
      return self:fail("unknown option %s...: write %s=%s", option[1], option[1], option[2])
    end
  end
  local near = nearestOption(name, self.options)
  local subject = "unknown option " .. shown(name)
  if self.module and self.module.takesParameters and name:find "^%-%-%a[%w.]*$" then
    if not self.action then
      return self:fail("%s before ACTION: parameters follow the action", subject)
    elseif name:find "%u" or near and self.byName[near].key then
      subject = ("%s has no parameter %s"):format(self.action, shown(name))
    end
  end
  self:fail(near and "%s, did you mean %s?" or "%s", subject, near)
end

-- Notes a value of an option.
function Reader:put(option, value)
  local name, target = option[1], M.targetOf(option)
  local isRepeated = self.given[name]
  self.given[name] = true
  if isRepeated and not option.many and not option.overwrite then
    return self:fail("%s is given twice", name)
  end
  local choices = option.choices and (option.choices[1] and option.choices or option.choices[self.version])
  if choices and not options.isOneOf(choices, value) then
    return self:fail("%s must be one of %s, not %s", name, table.concat(choices, ", "), shown(value))
  end
  local problem
  if option.convert then
    value, problem = option.convert(value)
  elseif option.key then
    value, problem = actionArgs().value(option, value)
  end
  if value == nil then
    return self:fail("%s %s", name, problem)
  elseif option.key then
    actionArgs().add(self.values.parameters, option, value)
  elseif option.many then
    self.values[target] = self.values[target] or {}
    table.insert(self.values[target], value)
  else
    self.values[target] = value
  end
end

-- Whether a word can be the value of an option that stands before it: not one that looks like an option.
function Reader:isValue(option, word)
  return option.secret or not word:find "^%-%-" and not (word:find "^%-" and self.byName[word])
end

-- Reads an option, and its values from the words behind it. Returns the index of its last word.
function Reader:option(words, i)
  local name, value = words[i]:match "^(%-%-[^=]+)=(.*)$"
  name = name or words[i]
  local option = self:optionOf(name)
  if not option then
    self:unknownOption(name)
    return i
  end
  self.last = option
  local count = takes(option)
  if count == 0 and not option.isBoolean then
    if value then
      self:fail("%s takes no value", name)
    end
    if self.given[option[1]] then
      self:fail("%s is given twice", name)
    end
    self.given[option[1]], self.values[M.targetOf(option)] = true, true
  elseif option.isBoolean and not value then
    local following = words[i + 1] and words[i + 1]:lower()
    self.due = self.isTyped and not following and option or nil
    local isSaid = following == "true" or following == "false"
    self:put(option, isSaid and words[i + 1] or "true")
    return isSaid and i + 1 or i
  elseif count > 1 then
    local values = {}
    while #values < count and words[i + #values + 1] and self:isValue(option, words[i + #values + 1]) do
      values[#values + 1] = words[i + #values + 1]
    end
    if not value and #values < count and not words[i + #values + 1] then
      self.due = option
    elseif value or #values < count then
      self:fail("%s takes %d values: %s", name, count, table.concat(option[2], " "))
    end
    self.given[option[1]], self.values[M.targetOf(option)] = true, values
    return i + #values
  elseif value then
    self:put(option, value)
  elseif not words[i + 1] then
    self.due = option
  elseif not self:isValue(option, words[i + 1]) then
    local hint = self.byName[words[i + 1]:match "^[^=]*"] and "" or (": write %s=%s"):format(name, words[i + 1])
    self:fail("%s needs a value%s", name, hint)
  else
    self:put(option, words[i + 1])
    return i + 1
  end
  return i
end

-- The command, by the first operand.
function Reader:setCommand(name)
  if not commands.byName[name] then
    self.isLost = true
    local near = nearestCommand(name)
    self:fail("unknown command %s%s", shown(name), near and (", did you mean %s?"):format(near) or "")
    return
  end
  self.command, self.module = name, commands.module(name)
  self.values.command = name
  if self.module.standsAlone then
    for given in pairs(self.given) do
      self:fail("%s has no option %s", name, given)
    end
    self.options, self.byName = {}, { ["-h"] = options.HELP }
    self:declare { options.HELP }
  end
  self:declare(self.module.OPTIONS)
end

-- The action, whose parameters are options from here on.
function Reader:setAction(name)
  local list
  list, self.isKnown = actionArgs().options(self.version, name, self.isRaw)
  self.action = name
  self.values.parameters = {}
  self:declare(list)
  if not self.isKnown and not self.isRaw then
    local near = spelling.closest(name, require("qcimage.api.actions")[self.version])
    local hint = near and (", did you mean %s?"):format(near) or ": qcimage help call lists them; --raw sends any"
    self.isOfParameter = self.problem == nil
    self:fail("unknown action %s in API %s%s", shown(name), self.version, hint)
  end
end

-- Which operand of the command's is the next.
function Reader:operandOf(index)
  local list = self.module.ARGUMENTS or {}
  local last = list[#list]
  return list[index] or last and (last.args == "*" or last.args == "+") and last or nil
end

function Reader:operand(word, previous)
  if not self.command then
    return not self.isLost and self:setCommand(word)
  end
  local index = #self.operands + 1
  local operand = self:operandOf(index)
  if not operand then
    local why = self.isOver and word:find "^%-" and ': "--" ends the options'
      or previous and previous.many and ": repeat " .. previous[1]
      or ""
    return self:fail("%s is one too many%s", shown(word), why)
  end
  self.operands[index] = word
  if operand == options.ACTION then
    return self:setAction(word)
  end
  if word == "" then
    self:fail("%s is empty", operand[1])
  elseif operand.choices and not options.isOneOf(operand.choices, word) then
    self:fail("%s must be one of %s", operand[1], table.concat(operand.choices, ", "))
  end
  if operand.args == "*" or operand.args == "+" then
    self.values[operand.target] = self.values[operand.target] or {}
    table.insert(self.values[operand.target], word)
  else
    self.values[operand.target] = word
  end
end

-- What is missing at the end of a line.
function Reader:finish()
  if self.due then
    self:fail(takes(self.due) > 1 and "%s needs %d values" or "%s needs a value", self.due[1], takes(self.due))
  end
  if not self.command then
    return self:fail "no command given"
  end
  for i, operand in ipairs(self.module.ARGUMENTS or {}) do
    local isOptional = operand.args == "?" or operand.args == "*"
    if not self.operands[i] and not isOptional then
      self:fail("%s is missing", operand[1])
    elseif operand.args == "*" then
      self.values[operand.target] = self.values[operand.target] or {}
    end
  end
  for _, option in ipairs(self.module.OPTIONS) do
    if option.required and not self.given[option[1]] then
      self:fail("%s is missing", option[1])
    end
  end
  self.values.action = self.action
end

-- What says which API version it is, wherever it stands: the parameters that follow an action depend on it.
local function settingsOf(words)
  local settings = {}
  for i, word in ipairs(words) do
    for _, name in ipairs { "--api-version", "--apiVersion", "--endpoint" } do
      local value = word == name and words[i + 1] or word:sub(1, #name + 1) == name .. "=" and word:sub(#name + 2)
      settings[camelCase(name)] = value or settings[camelCase(name)]
    end
    settings.isRaw = settings.isRaw or word == "--raw"
    if word == "--" then
      break
    end
  end
  return settings
end

---@class qcimage.cli.Line a line that was read
---@field values table options by target, command, action, parameters
---@field problem string|nil the first
---@field isOfParameter boolean|nil the problem is an action that does not exist
---@field command string|nil
---@field module table|nil
---@field action string|nil
---@field isKnown boolean|nil the API version has that action
---@field version "2.0"|"3.0"
---@field options table[] those that can follow
---@field given table<string, boolean> options by name
---@field operands string[]
---@field due table|nil the option whose value is missing at the end
---@field isOver boolean|nil "--" was read

--- Reads the words of a command line.
---@param words string[] without the program's name
---@param isTyped boolean|nil more words are to come: nothing is missing
---@return qcimage.cli.Line
function M.read(words, isTyped)
  local settings = settingsOf(words)
  local line = setmetatable({
    values = {},
    options = {},
    byName = { ["-h"] = options.HELP },
    given = {},
    operands = {},
    isRaw = settings.isRaw,
    isTyped = isTyped,
    settings = settings,
  }, Reader)
  line:declare(options.COMMON)
  line:declare { options.HELP, options.VERSION }
  local i = 1
  while i <= #words do
    local word, previous = words[i], line.last
    line.last = nil
    if word == "--" and not line.isOver then
      line.isOver = true
    elseif line.isOver or not word:find "^%-." then
      line:operand(word, previous)
    else
      i = line:option(words, i)
    end
    i = i + 1
  end
  if not isTyped and not line.values.help and not line.values.version then
    line:finish()
  end
  return line
end

return M
