--- command_here.lua - the command qcimage in the process of a spec, over an emulator that opens no socket: streams, terminal,
--- environment and time are the spec's.

local assert = require "luassert"
local clients = require "qcimage.client"
local core = require "qcimage.core"
local custom = require "qcimage.transport.custom"
local emulators = require "qcimage.emulator"
local optionNames = require "qcimage.util.option_names"

local M = {}

M.NOW = 1700000000

-- The words of a line, as a shell has them: blanks divide, and '...' and "..." quote.
local function wordsOf(line)
  local words, at = {}, line:find "%S"
  while at do
    local word = ""
    repeat
      local _, part, behind = line:match("^(['\"])(.-)%1()", at)
      if not part then
        part, behind = line:match("^([^%s'\"]+)()", at)
      end
      word, at = word .. part, behind
    until at > #line or line:find("^%s", at)
    words[#words + 1], at = word, line:find("%S", at)
  end
  return words
end

local function nothing() end

-- A stream that is written to; failure, errno: what each write gives instead.
local function sink(failure, errno)
  local stream = { text = "", flush = nothing }
  function stream:write(...)
    if failure then
      return nil, failure, errno
    end
    self.text = self.text .. table.concat { ... }
    return self
  end
  function stream.flush()
    return true
  end
  return stream
end

-- A stream that is read whole, by bytes, or by its first line.
local function source(text)
  return {
    read = function(_, format)
      if format == "*l" then
        return text:match "^([^\n]*)\n" or text:match "^.+$"
      elseif type(format) == "number" then
        return text ~= "" and text:sub(1, format) or nil
      end
      return text
    end,
  }
end

-- Runs a function while fields of tables have other values: {table, fields} each.
local function with(changes, run)
  local before = {}
  for i, change in ipairs(changes) do
    before[i] = {}
    for name, value in pairs(change[2]) do
      before[i][name] = change[1][name]
      rawset(change[1], name, value)
    end
  end
  local ok, result = pcall(run)
  for i, change in ipairs(changes) do
    for name in pairs(change[2]) do
      rawset(change[1], name, before[i][name])
    end
  end
  return ok and result or error(result, 0)
end

local Command = {}
Command.__index = Command

--- Makes an emulator, and the command that calls it.
---@return table command server (the emulator), environment (variables that each run has)
function M.new()
  local command = setmetatable({ now = M.NOW }, Command)
  command.transport, command.server = emulators.transport {
    clock = function()
      return command.now
    end,
  }
  command.environment = {
    TENCENTCLOUD_SECRET_ID = emulators.SECRET_ID,
    TENCENTCLOUD_SECRET_KEY = emulators.SECRET_KEY,
    TENCENTCLOUD_REGION = "ap-guangzhou",
    QCIMAGE_ENDPOINT = "http://127.0.0.1:8080",
    QCIMAGE_METADATA = "off",
    HOME = "/nonexistent",
  }
  return command
end

--- Restores the images, the log and the time.
function Command:reset()
  self.now = M.NOW
  self.server:reset()
end

--- Runs a line.
---@param line string "qcimage ...", without what a shell does beside dividing and quoting
---@param how table|nil environment (variables, instead of the command's), columns (of a terminal that all streams are), input
--- (text on standard input), failure and errno (of writing to standard output), transport (instead of the emulator's)
---@return string out
---@return string err
---@return integer status
function Command:run(line, how)
  how = how or {}
  local out, err, environment = sink(how.failure, how.errno), sink(), how.environment or {}
  local make = clients.make
  local function clock()
    return self.now
  end
  local function sleep(seconds)
    self.now = self.now + seconds
  end
  local changes = {
    { io, { stdout = out, stderr = err, stdin = source(how.input or "") } },
    {
      os,
      {
        getenv = function(name)
          return environment[name] or self.environment[name]
        end,
      },
    },
    {
      core,
      {
        command = nothing,
        outlivePipes = nothing,
        noteSignals = nothing,
        endSaying = nothing,
        time = clock,
        monotonic = clock,
        sleep = sleep,
        columns = function()
          return how.columns
        end,
      },
    },
    {
      clients,
      {
        make = function(given, ...)
          given.clock, given.sleep = clock, sleep
          local client, problem = make(given, ...)
          if client then -- the option transport would rule out those of libcurl
            client.transport = custom.wrap(how.transport or self.transport)
          end
          return client, problem
        end,
      },
    },
  }
  local code = with(changes, function()
    local words = wordsOf(line)
    assert.equal("qcimage", table.remove(words, 1))
    return require("qcimage.cli").main(words)
  end)
  optionNames.use(nil)
  optionNames.useParameters(nil)
  local function settled(text)
    return (text:gsub("%x%x%x%x%x%x%x%x%-0000%-4000%-8000%-%d+", "REQUEST-ID"))
  end
  return settled(out.text), settled(err.text), code
end

--- Runs a line, and holds it to what it must write and end with.
function Command:gives(line, out, err, status, how)
  assert.same({ out, err, status }, { self:run(line, how) }, line)
end

return M
