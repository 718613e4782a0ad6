--- command.lua - the command qcimage against an emulator in nginx, for specs: what it prints where, and its exit code.

local assert = require "luassert"
local busted = require "busted"
local process = require "spec.support.process"
local support = require "spec.support.emulator"

local quote, run = process.quote, process.run

local M = {}

M.KEYS = ("TENCENTCLOUD_SECRET_ID=%s TENCENTCLOUD_SECRET_KEY=%s TENCENTCLOUD_REGION=ap-guangzhou"):format(
  support.SECRET_ID,
  support.SECRET_KEY
)
M.CLEAN = "env -u NO_COLOR -u COLUMNS -u QCIMAGE_API_VERSION -u https_proxy -u http_proxy HOME=/nonexistent"
M.COMMAND = process.interpreter .. " spec/support/qcimage.lua"

--- What a file holds.
---@param name string
---@return string
function M.content(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- Times and ids, which vary, by others as long.
local function settled(text)
  return (
    text
      :gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ", "2023-11-14T22:13:20Z")
      :gsub("%x%x%x%x%x%x%x%x%-0000%-4000%-8000%-%d+", "REQUEST-ID")
      :gsub("127%.0%.0%.1:%d%d%d+", "HOST")
  )
end

local Command = {}
Command.__index = Command

--- The command for the specs of the block that calls this. Its emulator starts before them, is reset before each, and ends
--- after them.
---@return table command server; in specs also environment (text for env), scratch (a folder)
function M.ofBlock()
  local command = setmetatable({ server = {} }, Command)
  busted.setup(function()
    command.scratch = run("mktemp -d"):gsub("\n", "")
    local started = support.start { env = "TMPDIR=" .. command.scratch, lua = process.interpreter }
    for name, value in pairs(started) do
      command.server[name] = value
    end
    setmetatable(command.server, getmetatable(started))
    command.environment = ("%s %s QCIMAGE_ENDPOINT=%s"):format(M.CLEAN, M.KEYS, started.url)
  end)
  busted.before_each(function()
    command.server:reset()
  end)
  busted.teardown(function()
    command.server:stop()
    run("rm -rf " .. command.scratch)
  end)
  return command
end

--- Runs a line as `shell` does, and holds it to what it must write and end with.
function Command:gives(line, out, err, status, more)
  assert.same({ out, err, status }, { self:shell(line, more) }, line)
end

--- Runs a line of bash where qcimage is the command.
---@param line string
---@param more string|nil assignments and options for env
---@param isRaw boolean|nil times and ids stay as they are
---@return string out
---@return string err
---@return integer status
function Command:shell(line, more, isRaw)
  local out, err = self.scratch .. "/out", self.scratch .. "/err"
  local script = ('qcimage() { %s %s %s "$@"; }; %s'):format(self.environment, more or "", M.COMMAND, line)
  local _, status = run(("bash -c %s >%s 2>%s </dev/null"):format(quote(script), out, err))
  out, err = M.content(out), M.content(err)
  if isRaw then
    return out, err, status
  end
  return settled(out), settled(err), status
end

--- Runs a line as `shell` does, on a terminal.
---@param columns integer of the terminal
---@param line string
---@param more string|nil
---@return string output of both streams
function Command:terminal(columns, line, more)
  local script = ("stty cols %d -onlcr; %s"):format(columns, line)
  -- script runs $SHELL, and another shell than bash drops bash's functions
  local inBash = quote(("bash -c %s"):format(quote(script)))
  local out, err = self:shell(("export -f qcimage; SHELL=/bin/bash script -qec %s /dev/null"):format(inBash), more)
  return out .. err
end

return M
