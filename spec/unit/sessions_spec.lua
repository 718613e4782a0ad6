--- Sessions: files of spec/fixtures/sessions, where behind "> " stands Lua that is run, line by line, and below it what
--- that gave. Each file is a session of its own, in which names that are set stay set. With QCIMAGE_ACCEPT=1 in the
--- environment the files are written anew, so that a change of behaviour shows as a change of these lines.

local process = require "spec.support.process"

local FOLDER = "spec/fixtures/sessions/"

local CONTROLS = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

-- A value on one line, the same on each Lua.
local function shown(value, isWithin)
  if type(value) == "string" then
    return '"'
      .. value:gsub('[%z\1-\31\127"\\]', function(byte)
        return CONTROLS[byte] or ("\\%03d"):format(byte:byte())
      end)
      .. '"'
  elseif type(value) == "number" then
    return (value % 1 == 0 and math.abs(value) < 1e18 and "%.0f" or "%.14g"):format(value)
  elseif type(value) ~= "table" then
    return type(value) == "function" and "a function" or type(value) == "userdata" and "null" or tostring(value)
  elseif isWithin == 12 then
    return "…"
  end
  local parts, names = {}, {}
  for i, item in ipairs(value) do
    parts[i] = shown(item, (isWithin or 0) + 1)
  end
  for name in pairs(value) do
    if type(name) ~= "number" or name < 1 or name > #parts or name % 1 ~= 0 then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for _, name in ipairs(names) do
    local label = type(name) == "string" and name:find "^[%a_][%w_]*$" and name or "[" .. shown(name) .. "]"
    parts[#parts + 1] = label .. " = " .. shown(value[name], (isWithin or 0) + 1)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- What a line gives, as lines of text.
local function evaluated(line, environment)
  local loads = loadstring or load -- luacheck: ignore
  local chunk = loads("return " .. line, "=session") or assert(loads(line, "=session"))
  if setfenv then -- luacheck: ignore
    setfenv(chunk, environment) -- luacheck: ignore
  else
    debug.setupvalue(chunk, 1, environment)
  end
  local function listed(ok, ...)
    if not ok then
      return { "raises " .. shown((...)):gsub("session:1: ", "") }
    end
    local lines = {}
    for i = 1, select("#", ...) do
      lines[i] = shown((select(i, ...)))
    end
    return lines
  end
  return listed(pcall(chunk))
end

-- Runs a session. Returns it with what each line gives now.
local function rerun(session)
  local lines = {}
  local environment = setmetatable({ shown = shown }, { __index = _G })
  for line in session:gmatch "([^\n]*)\n" do
    if line:find "^> " then
      lines[#lines + 1] = line
      for _, given in ipairs(evaluated(line:sub(3), environment)) do
        lines[#lines + 1] = given
      end
    elseif line == "" or line:find "^#" then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

describe("a session of", function()
  for name in process.run("ls " .. FOLDER):gmatch "([^\n]+)%.txt\n" do
    it(name:gsub("_", " "), function()
      local file = assert(io.open(FOLDER .. name .. ".txt", "rb"))
      local session = file:read "*a"
      file:close()
      local now = rerun(session)
      if now ~= session and os.getenv "QCIMAGE_ACCEPT" then
        file = assert(io.open(FOLDER .. name .. ".txt", "wb"))
        assert(file:write(now))
        file:close()
        return
      end
      local command
      local expected, found = session:gmatch "[^\n]*", now:gmatch "[^\n]*"
      while now ~= session do
        local one, other = expected(), found()
        command = other and other:find "^> " and other or command
        assert.equal(one, other, command)
      end
    end)
  end
end)
