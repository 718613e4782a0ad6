--- mutate.lua - the work of scripts/mutate, in a copy of the sources that it may change:
--- mutate.lua [--matrix] [--in PATTERN] SEED N [SPEC…]

local mutants = require "spec.support.mutants"
local process = require "spec.support.process"

local EQUIVALENT = "spec/fixtures/equivalent.txt"

-- A spec that runs others again notices nothing that they don't.
local RUNS_OTHERS = "support/run%.lua"

-- Seconds that a spec has, at least; and as a multiple of what it took on the sources as they are.
local LEAST, MULTIPLE = 20, 10
-- Specs that may run over time with a change before the others are passed over: it would hold them, too.
local ENOUGH = 2
-- KiB of memory: a changed loop may fill it.
local MEMORY = 4000000
-- The part that must be noticed.
local WANTED = 0.9

local function read(name)
  local file = assert(io.open(name, "rb"))
  local source = file:read "*a"
  file:close()
  return source
end

local function write(name, source)
  local file = assert(io.open(name, "wb"))
  assert(file:write(source))
  assert(file:close())
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    list[#list + 1] = line
  end
  return list
end

-- Runs a spec. Returns its status: 0 when it passes, 124 when its time was over.
local function run(spec, seconds, before, options)
  local output, status = process.run(
    ("ulimit -v %d; timeout -k 1 %d %s %s spec/support/run.lua %s %s </dev/null"):format(
      MEMORY,
      seconds,
      process.interpreter,
      before or "",
      options or "--no-keep-going",
      spec
    )
  )
  return status, output
end

-- Notes each function of ours that a spec calls, in a file: its source and line, 0 for a file as a whole.
local RECORD = [[-e 'local seen, file = {}, io.open("called.txt", "w")
  local known = setmetatable({}, { __mode = "k" })
  local function note()
    local called = debug.getinfo(2, "f").func
    if known[called] then
      return
    end
    known[called] = true
    called = debug.getinfo(2, "S")
    local key = called.source:match "/(lua/qcimage.*)$"
    key = key and key .. ":" .. called.linedefined
    if key and not seen[key] then
      seen[key] = true
      file:write(key, "\n")
      file:flush()
    end
  end
  debug.sethook(note, "c")
  local create = coroutine.create -- each coroutine has a hook of its own
  function coroutine.create(run)
    local thread = create(run)
    debug.sethook(thread, note, "c")
    return thread
  end
  local wrap = coroutine.wrap
  function coroutine.wrap(run)
    return wrap(function(...)
      debug.sethook(note, "c")
      return run(...)
    end)
  end']]

-- The specs that need no socket, the quickest first: {name, seconds, called}.
local function allSpecs(names)
  local specs = {}
  for _, name in ipairs(names or lines(process.run "ls spec/unit/*_spec.lua")) do
    if names or not read(name):find(RUNS_OTHERS) then
      local began = os.time()
      local status, output = run(name, 900, RECORD)
      assert(status == 0, ("%s fails before any change:\n%s"):format(name, output))
      local spec = { name = name, seconds = os.time() - began, called = {} }
      for _, key in ipairs(lines(read "called.txt")) do
        spec.called[key] = true
      end
      specs[#specs + 1] = spec
    end
  end
  table.sort(specs, function(a, b)
    return a.seconds < b.seconds or a.seconds == b.seconds and a.name < b.name
  end)
  return specs
end

-- All changes in what the specs call, in an order that does not vary; and how many there are in what none of them calls.
local function allMutants(specs, within)
  local all, called, others = {}, {}, 0
  for _, spec in ipairs(specs) do
    for key in pairs(spec.called) do
      called[key] = true
    end
  end
  for _, name in ipairs(lines(process.run "find lua -name '*.lua' | LC_ALL=C sort")) do
    local source = read(name)
    for _, mutant in ipairs(name:find(within or "") and mutants.of(source) or {}) do
      mutant.file, mutant.source = name, source
      mutant.key = name .. ":" .. mutant.within
      if called[mutant.key] then
        mutant.old, mutant.new, mutant.line = mutants.lines(source, mutant)
        all[#all + 1] = mutant
      else
        others = others + 1
      end
    end
  end
  return all, others
end

local function equivalents()
  local known = {}
  for _, line in ipairs(lines(read(EQUIVALENT))) do
    local old, new = line:match "^(.-)  =>  (.-)  #"
    if old then
      known[old .. "\n" .. new] = true
    end
  end
  return known
end

-- How a spec notices a change, or nil. The spec comes to the front: the next change may be its, too.
local function noticed(mutant, specs)
  write(mutant.file, mutants.apply(mutant.source, mutant))
  local how
  for i, spec in ipairs(specs) do
    local isAffected = spec.called[mutant.key]
    local status = isAffected and run(spec.name, math.max(LEAST, MULTIPLE * spec.seconds)) or 0
    if status ~= 0 then
      how = status >= 124 and "over time" or "failed"
      table.insert(specs, 1, table.remove(specs, i))
      break
    end
  end
  write(mutant.file, mutant.source)
  return how
end

local function has(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then
      return true
    end
  end
  return false
end

-- The names of all tests that notice a change: "spec/unit/…_spec.lua: …". One that ran over time has no name.
local function noticedBy(mutant, specs)
  write(mutant.file, mutants.apply(mutant.source, mutant))
  local names, overTime = {}, 0
  for _, spec in ipairs(specs) do
    if spec.called[mutant.key] and overTime < ENOUGH then
      local status, output = run(spec.name, math.max(LEAST, MULTIPLE * spec.seconds), nil, "-o TAP")
      for name in output:gmatch "%f[^\n%z]not ok %d+ %- ([^\n]*)" do
        names[#names + 1] = spec.name .. ": " .. name
      end
      if status >= 124 then
        overTime = overTime + 1
        names[#names + 1] = spec.name .. ": over time"
      end
    end
  end
  write(mutant.file, mutant.source)
  return names
end

local function shown(mutant)
  return ("  %s:%d: %s\n    %s\n    %s"):format(mutant.file, mutant.line, mutant.what, mutant.old, mutant.new)
end

-- Draws changes at random: calls a function with each that is not known to change nothing. Returns those that are.
local function draw(seed, wanted, all, judge)
  local known, random, equivalent = equivalents(), mutants.random(seed), {}
  for _ = 1, math.min(wanted, #all) do
    local mutant = table.remove(all, random(#all))
    if known[mutant.old .. "\n" .. mutant.new] then
      equivalent[#equivalent + 1] = shown(mutant)
    else
      judge(mutant)
    end
  end
  return equivalent
end

-- The tests needed so that no change becomes unnoticed: of a list of lists of names, a set.
local function needed(rows)
  local set, left = {}, {}
  for _, names in ipairs(rows) do
    left[#left + 1] = names[1] and names or nil
  end
  while left[1] do
    local count, best = {}, left[1][1]
    for _, names in ipairs(left) do
      for _, name in ipairs(names) do
        count[name] = (count[name] or 0) + 1
        local more = count[name] - count[best]
        best = (more > 0 or more == 0 and name < best) and name or best
      end
    end
    set[best] = true
    for i = #left, 1, -1 do
      if has(left[i], best) then
        table.remove(left, i)
      end
    end
  end
  return set
end

-- Prints which tests notice each change; then the tests that must stay so that no change becomes unnoticed.
local function matrix(seed, wanted, specs, all)
  local rows, survived = {}, 0
  draw(seed, wanted, all, function(mutant)
    local names = noticedBy(mutant, specs)
    survived = survived + (names[1] and 0 or 1)
    rows[#rows + 1] = names
    print(("%s\n      %s"):format(shown(mutant), table.concat(names, "\n      ")))
  end)
  local stay = {}
  for name in pairs(needed(rows)) do
    stay[#stay + 1] = name
  end
  table.sort(stay)
  print(("needed:\n      %s"):format(table.concat(stay, "\n      ")))
  print(("seed %d: %d changes, %d survived, %d tests needed"):format(seed, #rows, survived, #stay))
  return true
end

local function main(options, seed, wanted, ...)
  assert(seed and wanted and wanted > 0, "usage: mutate.lua [--matrix] [--in PATTERN] SEED N [SPEC…]")
  io.stdout:setvbuf "line"
  local specs = allSpecs(... and { ... } or nil)
  local all, others = allMutants(specs, options.within)
  print(
    ("%d specs; %d changes can be made to what they call, %d more to what is left to those with sockets"):format(
      #specs,
      #all,
      others
    )
  )
  if options.matrix then
    return matrix(seed, wanted, specs, all)
  end
  local count, survivors = { failed = 0, ["over time"] = 0 }, {}
  local equivalent = draw(seed, wanted, all, function(mutant)
    local how = noticed(mutant, specs)
    if how then
      count[how] = count[how] + 1
    else
      survivors[#survivors + 1] = shown(mutant)
      print("survived:\n" .. survivors[#survivors])
    end
  end)
  local seen = count.failed + count["over time"]
  local judged = seen + #survivors
  if #equivalent > 0 then
    print("change nothing:\n" .. table.concat(equivalent, "\n"))
  end
  print(
    ("seed %d: %d changes, %d equivalent, %d noticed of %d (%.0f %%; %d by running over time), %d survived"):format(
      seed,
      judged + #equivalent,
      #equivalent,
      seen,
      judged,
      100 * seen / math.max(judged, 1),
      count["over time"],
      #survivors
    )
  )
  return seen >= WANTED * judged
end

local options, first = {}, 1
while arg[first] and arg[first]:find "^%-%-" do
  if arg[first] == "--matrix" then
    options.matrix, first = true, first + 1
  else
    options.within, first = arg[first + 1], first + 2
  end
end
os.exit(main(options, tonumber(arg[first]), tonumber(arg[first + 1]), table.unpack(arg, first + 2)) and 0 or 1)
