--- cover.lua - notes which lines of lua/ a process runs, and leaves that in a file of the folder QCIMAGE_COVERAGE when it
--- ends. Each process of scripts/test --coverage begins with it, by LUA_INIT.

local folder = os.getenv "QCIMAGE_COVERAGE"
local getinfo = debug.getinfo
local seen = {} -- set of lines by source; false for sources that are not ours

local function hook(_, line)
  local source = getinfo(2, "S").source
  local lines = seen[source]
  if lines == nil then
    lines = source:find "/lua/qcimage[%w_/]*%.lua$" and {} or false
    seen[source] = lines
  end
  if lines then
    lines[line] = true
  end
end

local function save()
  local name = os.tmpname()
  local file = assert(io.open(folder .. "/" .. name:match "[^/]+$", "w"))
  for source, lines in pairs(seen) do
    for line in pairs(lines or {}) do
      file:write(source:match "/lua/(qcimage.*)$", " ", line, "\n")
    end
  end
  file:close()
  os.remove(name)
end

-- A hook is its thread's alone.
local create, exit = coroutine.create, os.exit
local function hooked(f)
  local thread = create(f)
  debug.sethook(thread, hook, "l")
  return thread
end
rawset(coroutine, "create", hooked)
rawset(coroutine, "wrap", function(f)
  local thread = hooked(f)
  return function(...)
    local function answer(ok, ...)
      if not ok then
        error((...), 0)
      end
      return ...
    end
    return answer(coroutine.resume(thread, ...))
  end
end)

rawset(os, "exit", function(...)
  save()
  exit(...)
end)
debug.getregistry()[hook] = setmetatable({}, { __gc = save })
debug.sethook(hook, "l")
