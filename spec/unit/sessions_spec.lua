--- Sessions: dialogues in spec/fixtures/sessions. Covers among others api/actions.lua, api/endpoints.lua, api/roles.lua,
--- assume_role.lua, call/build.lua, call/sign.lua, call/validate.lua, credentials/expiration.lua, cvm_role.lua,
--- oidc_role.lua, provider_context.lua, sts.lua, transport/custom.lua, util/http_date.lua, util/spelling.lua,
--- util/text.lua.
--- A line that begins with "> " is Lua, and below it stands what it returns; one that begins with ">> " continues it. Names
--- that are set stay set to the end of the session. What the lines call stands in spec/support/session_NAME.lua.
--- With QCIMAGE_ACCEPT=1 in the environment the answers are written anew, so that a change of behaviour shows as a change of
--- these lines. But no refusal becomes an acceptance by that, and nothing begins to raise: such lines are listed, and written with
--- QCIMAGE_ACCEPT=all.

local process = require "spec.support.process"

local FOLDER = "spec/fixtures/sessions/"

-- Bytes of a line, beyond which a table or a text of several lines is written over lines.
local WIDTH = 120

local CONTROLS = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

-- A run of one byte that long is shown by its length.
local LONG_RUN = 60

local function shortened(value)
  local parts, from = {}, 1
  while from <= #value do
    local byte = value:sub(from, from)
    local to = from
    while value:sub(to + 1, to + 1) == byte do
      to = to + 1
    end
    local length = to - from + 1
    parts[#parts + 1] = length >= LONG_RUN and ("<%d x %s>"):format(length, byte) or value:sub(from, to)
    from = to + 1
  end
  return table.concat(parts)
end

-- A text in quotes: single ones around JSON, so that it need not be escaped.
local function quoted(value)
  local quote = value:find '"' and not value:find "'" and "'" or '"'
  return quote
    .. shortened(value):gsub('[%z\1-\31\127"\\]', function(byte)
      return byte == '"' and quote == "'" and byte or CONTROLS[byte] or ("\\%03d"):format(byte:byte())
    end)
    .. quote
end

local shown

-- The members of a table in order, each with its label: those of the list, then the others by name.
local function membersOf(value)
  local members, names = {}, {}
  for i, item in ipairs(value) do
    members[i] = { label = "", value = item }
  end
  local count = #members
  for name in pairs(value) do
    if type(name) ~= "number" or name < 1 or name > count or name % 1 ~= 0 then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for _, name in ipairs(names) do
    local label = type(name) == "string" and name:find "^[%a_][%w_]*$" and name or "[" .. shown(name) .. "]"
    members[#members + 1] = { label = label .. " = ", value = value[name] }
  end
  return members
end

-- A value on one line, the same on each Lua.
function shown(value, depth)
  if type(value) == "string" then
    return quoted(value)
  elseif type(value) == "number" then
    return (value % 1 == 0 and math.abs(value) < 1e18 and "%.0f" or "%.14g"):format(value)
  elseif type(value) ~= "table" then
    return type(value) == "function" and "a function" or type(value) == "userdata" and "null" or tostring(value)
  elseif depth == 12 then
    return "…"
  end
  local parts = {}
  for i, member in ipairs(membersOf(value)) do
    parts[i] = member.label .. shown(member.value, (depth or 0) + 1)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- Adds a value to lines: over several where it is long.
local function spread(lines, value, indent, label, last)
  local line = indent .. label .. shown(value) .. last
  if #line > WIDTH and type(value) == "table" and #indent < 24 then
    lines[#lines + 1] = indent .. label .. "{"
    for _, member in ipairs(membersOf(value)) do
      spread(lines, member.value, indent .. "  ", member.label, ",")
    end
    lines[#lines + 1] = indent .. "}" .. last
  elseif #line > WIDTH and type(value) == "string" and value:find "\n." then
    local first, rest = value:match "^([^\n]*\n)(.*)$"
    lines[#lines + 1] = indent .. label .. quoted(first) .. " .."
    spread(lines, rest, indent, "", last)
  else
    lines[#lines + 1] = line
  end
end

-- A chunk whose globals are those of a table.
local function chunkIn(environment, source, name)
  local loads = loadstring or load -- luacheck: ignore
  local chunk = loads("return " .. source, name) or assert(loads(source, name))
  if setfenv then -- luacheck: ignore
    setfenv(chunk, environment) -- luacheck: ignore
  else
    debug.setupvalue(chunk, 1, environment)
  end
  return chunk
end

-- What a line returns, as lines of text.
local function evaluated(line, environment)
  local function listed(ok, ...)
    if not ok then
      return { "raises " .. shown((...)):gsub("session:%d+: ", "") }
    end
    local lines = {}
    for i = 1, select("#", ...) do
      spread(lines, (select(i, ...)), "", "", "")
    end
    return lines
  end
  return listed(pcall(chunkIn(environment, line, "=session")))
end

local function content(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

---@class spec.SessionLine
---@field text string
---@field source string|nil nil: a remark or a blank line
---@field answer string[]|nil lines of what it returns now
---@field expected string[]|nil

-- Runs a session. Returns its lines, with what each returns now.
local function rerun(name, session)
  local lines = {}
  local environment = setmetatable({ shown = shown }, { __index = _G })
  local helpers = content(("spec/support/session_%s.lua"):format(name))
  if helpers then
    chunkIn(environment, "do end " .. helpers, "@session_" .. name)()
  end
  for line in session:gmatch "([^\n]*)\n" do
    local source = line:match "^> (.*)"
    if source then
      lines[#lines + 1] = { text = line, source = source, expected = {} }
    elseif line:find "^>> " then
      local begun = lines[#lines]
      begun.text, begun.source = begun.text .. "\n" .. line, begun.source .. "\n" .. line:sub(4)
    elseif line == "" or line:find "^#" then
      lines[#lines + 1] = { text = line }
    else
      table.insert(lines[#lines].expected, line)
    end
  end
  for _, line in ipairs(lines) do
    line.answer = line.source and evaluated(line.source, environment)
  end
  return lines
end

local function written(lines)
  local text = {}
  for _, line in ipairs(lines) do
    text[#text + 1] = line.text
    for _, value in ipairs(line.answer or {}) do
      text[#text + 1] = value
    end
  end
  return table.concat(text, "\n") .. "\n"
end

-- Whether an answer refuses: an error is raised, nothing is returned, or a message of the form SUBJECT: PROBLEM.
local function isRefusal(answer)
  local first = answer[1]
  return first ~= nil
    and (first == "nil" or first == "false" or first:find "^raises " or first:find "^[\"'][%w ._-]+: ")
    and true
end

local function raises(answer)
  return answer[1] ~= nil and answer[1]:find "^raises " ~= nil
end

-- The lines whose change is more than one of words: a refusal that becomes an acceptance, and what begins to raise.
local function doubtful(lines)
  local found = {}
  for _, line in ipairs(lines) do
    local isSoftened = line.answer and isRefusal(line.expected) and not isRefusal(line.answer)
    if isSoftened or line.answer and raises(line.answer) and not raises(line.expected) then
      found[#found + 1] = line.text
    end
  end
  return found
end

describe("a session of", function()
  for name in process.run("ls " .. FOLDER):gmatch "([^\n]+)%.txt\n" do
    it(name:gsub("_", " "), function()
      local path, accept = FOLDER .. name .. ".txt", os.getenv "QCIMAGE_ACCEPT"
      local session = content(path)
      local lines = rerun(name, session)
      local now = written(lines)
      if now ~= session and accept then
        if accept ~= "all" then
          assert.same({}, doubtful(lines), "these would no longer be refused, or would raise")
        end
        local file = assert(io.open(path, "wb"))
        assert(file:write(now))
        file:close()
        return
      end
      for _, line in ipairs(lines) do
        assert.same(line.expected, line.answer, line.text)
      end
      assert.equal(session, now)
    end)
  end

  it("tells refusals from acceptances", function()
    local refused = { text = "> a", expected = { '"InvalidParameterValue.TooLarge: imageName is too long"' } }
    for _, case in ipairs {
      { { '"Region=gz"' }, true },
      { { "{imageName = 1}" }, true },
      { {}, true },
      { { '"ModifyImageAttribute: another message"' }, false },
      { { 'raises "no"' }, true },
      { { "nil" }, false },
    } do
      refused.answer = case[1]
      assert.equal(case[2], #doubtful { refused } == 1, case[1][1])
    end
  end)
end)
