--- coverage.lua - tells what of lua/ and src/ was run: coverage.lua BUILD, where BUILD/lua holds what cover.lua left, and
--- the objects of BUILD what gcov did. Of a line of C or Lua that several processes ran, one is enough.

local build = arg[1]

local function lines(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do
    list[#list + 1] = line
  end
  pipe:close()
  return list
end

local total, run = 0, 0
local function row(name, ran, all, missing)
  print(("%5.1f %%  %4d of %4d  %s%s"):format(all == 0 and 100 or 100 * ran / all, ran, all, name, missing or ""))
  total, run = total + all, run + ran
end

local function summary(title)
  row(title, run, total)
  total, run = 0, 0
end

local ran = {}
for _, line in ipairs(lines(("sort -u %s/lua/*"):format(build))) do
  ran[line] = true
end

-- The lines that hold code, as luac lists it, but for those that only end something.
local function withCode(path)
  local texts, numbers, known = {}, {}, {}
  for line in io.lines(path) do
    texts[#texts + 1] = line
  end
  for _, code in ipairs(lines("luac5.4 -l -p " .. path)) do
    local number, operation = code:match "^%s+%d+%s+%[(%d+)%]%s+(%u+)"
    number = operation ~= "VARARGPREP" and tonumber(number)
    local words = number and texts[number]:gsub("%f[%w]end%f[%W]", ""):gsub("%f[%w]else%f[%W]", "")
    if words and words:find "%w" and not known[number] then
      known[number], numbers[#numbers + 1] = true, number
    end
  end
  table.sort(numbers)
  return numbers
end

for _, path in ipairs(lines "find lua -name '*.lua' | LC_ALL=C sort") do
  local name, numbers = path:match "^lua/(.*)$", withCode(path)
  local hit, missing = 0, {}
  for _, number in ipairs(numbers) do
    if ran[name .. " " .. number] then
      hit = hit + 1
    else
      missing[#missing + 1] = number
    end
  end
  local shown = #missing > 0 and #missing <= 12 and ": not " .. table.concat(missing, " ")
  row(name, hit, #numbers, shown or nil)
end
summary "of Lua; what runs inside nginx is not counted"

-- A source is compiled into several objects: the one that ran most of it counts.
local best, name = {}, ""
for _, line in ipairs(lines(("find %s -name '*.gcda' -path '*/src/*' -exec gcov -n {} + 2>/dev/null"):format(build))) do
  name = line:match "^File '.-([^/]+%.c)'" or name
  local percent, all = line:match "^Lines executed:([%d.]+)%% of (%d+)"
  if percent then
    local hit = math.floor(percent * all / 100 + 0.5)
    if not best[name] or hit > best[name].hit then
      best[name] = { hit = hit, all = tonumber(all) }
    end
    name = "" -- what follows is of all together, or of a header
  end
end
for _, path in ipairs(lines "ls src/*.c") do
  local found = best[path:match "[^/]+$"] or { hit = 0, all = 0 }
  row(path, found.hit, found.all)
end
summary "of C"
