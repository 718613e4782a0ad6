--- What users rely on, one name a line: a change of it is a change of spec/fixtures/interface.txt, and shows in review.
--- With QCIMAGE_ACCEPT=1 in the environment the file is written anew. A line that goes breaks somebody's program.

local commands = require "qcimage.cli.commands"
local environments = require "qcimage.util.environment"
local exitCodes = require "qcimage.cli.exit_codes"
local image = require "qcimage"
local options = require "qcimage.options"
local process = require "spec.support.process"
local stub = require "spec.support.stub"
local text = require "qcimage.util.text"
local types = require "spec.support.types"

local FILE = "spec/fixtures/interface.txt"

-- Variables that a snapshot reads, and those that other files of the client and of the command ask for.
local function variables()
  local names, getenv = {}, os.getenv
  os.getenv = function(name) -- luacheck: ignore
    names[name] = true
  end
  pcall(environments.snapshot)
  os.getenv = getenv -- luacheck: ignore
  for name in process.run("grep -rho 'getenv \"[A-Z_]*\"' lua --exclude-dir=emulator"):gmatch '"([%u_]+)"' do
    names[name] = true
  end
  return text.keys(names)
end

local function functionsOf(module)
  local names = {}
  for name, value in pairs(module) do
    names[name] = (type(value) == "function" and not name:find "^__") or nil
  end
  return text.keys(names)
end

-- The lists, by their headings.
local function lists()
  local all = {
    ["function of the module"] = text.keys(image),
    ["method of a client"] = functionsOf(getmetatable(stub.client()).__index),
    ["function of qcimage.credentials"] = functionsOf(require "qcimage.credentials"),
    ["function of qcimage.limiter"] = functionsOf(require "qcimage.limiter"),
    ["function of qcimage.emulator"] = functionsOf(require "qcimage.emulator"),
    ["command"] = text.keys(commands.byName),
    ["environment variable"] = variables(),
  }
  for name, list in pairs(options) do
    if type(list) == "table" and type(select(2, next(list))) == "function" then
      all["option of " .. (name == "client" and "image.new" or name)] = text.keys(list)
    end
  end
  for class, what in pairs {
    ["qcimage.ApplyReport"] = "a report",
    ["qcimage.ApplyResult"] = "a report's result",
    ["qcimage.Error"] = "an error",
    ["qcimage.Image"] = "an image",
    ["qcimage.Request"] = "a request",
    ["qcimage.Result"] = "a result",
  } do
    all["field of " .. what] = types.fieldsOf(class)
  end
  for _, field in ipairs { "kind", "outcome", "reason" } do
    all["err." .. field] = types.wordsOf(types.classes["qcimage.Error"].fields[field])
  end
  local codes = {}
  for name, code in pairs(exitCodes) do
    if type(code) == "number" then
      codes[#codes + 1] = ("%02d %s"):format(code, name)
    end
  end
  table.sort(codes)
  all["exit code"] = codes
  return all
end

describe("the interface", function()
  it("is what spec/fixtures/interface.txt says", function()
    local lines, all = {}, lists()
    for _, what in ipairs(text.keys(all)) do
      for _, name in ipairs(all[what]) do
        lines[#lines + 1] = ("%s: %s\n"):format(what, name)
      end
    end
    local now = table.concat(lines)
    if os.getenv "QCIMAGE_ACCEPT" then
      local file = assert(io.open(FILE, "wb"))
      file:write(now)
      file:close()
    end
    local known, missing, added = stub.fixture "interface.txt", {}, {}
    for _, pair in ipairs { { known, now, missing }, { now, known, added } } do
      for line in pair[1]:gmatch "[^\n]+" do
        if not ("\n" .. pair[2]):find("\n" .. line .. "\n", 1, true) then
          table.insert(pair[3], line)
        end
      end
    end
    assert.same({}, missing, "these are gone")
    assert.same({}, added, "these are new: describe them in docs/, then QCIMAGE_ACCEPT=1")
    assert.equal(known, now)
  end)
end)
