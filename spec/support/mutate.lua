--- mutate.lua - the work of scripts/mutate, in a copy of the sources that it may change:
--- mutate.lua SEED N [SPEC…]

local mutants = require "spec.support.mutants"
local process = require "spec.support.process"

local EQUIVALENT = "spec/fixtures/equivalent.txt"

-- A spec that starts a server, or plays one, names one of these.
local SOCKETS = {
  '"socket"',
  "%.start%f[%W]",
  "support%.raw",
  "support%.faultyserver",
  "support%.constant",
  "support%.dns",
  "support%.certs",
  "support%.canary",
}

-- Seconds that a spec has, at least; and as a multiple of what it took on the sources as they are.
local LEAST, MULTIPLE = 20, 10
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
local function run(spec, seconds, before)
  local output, status = process.run(
    ("ulimit -v %d; timeout -k 1 %d %s %s spec/support/run.lua --no-keep-going %s </dev/null"):format(
      MEMORY,
      seconds,
      process.interpreter,
      before or "",
      spec
    )
  )
  return status, output
end

-- The specs that need no socket, the quickest first: {name, seconds}. And the files that they load.
local function specsAndFiles(names)
  local specs, files = {}, {}
  local record = "loaded.txt"
  local searcher = ([[-e 'table.insert(package.searchers, 1, function(name)
    local path = package.searchpath(name, package.path)
    local file = path and name:find "^qcimage" and io.open("%s", "a")
    if file then file:write(path, "\n") file:close() end
  end)']]):format(record)
  for _, name in ipairs(names or lines(process.run "ls spec/*_spec.lua")) do
    local source, needsSocket = read(name), false
    for _, pattern in ipairs(SOCKETS) do
      needsSocket = needsSocket or source:find(pattern) ~= nil
    end
    if names or not needsSocket then
      local began = os.time()
      local status, output = run(name, 300, searcher)
      assert(status == 0, ("%s fails before any change:\n%s"):format(name, output))
      specs[#specs + 1] = { name = name, seconds = os.time() - began }
    end
  end
  for _, path in ipairs(lines(read(record))) do
    files[(path:match "/(lua/qcimage.*)$")] = true
  end
  table.sort(specs, function(a, b)
    return a.seconds < b.seconds or a.seconds == b.seconds and a.name < b.name
  end)
  return specs, files
end

-- All changes of all files, in an order that does not vary.
local function allMutants(files)
  local all, names = {}, {}
  for name in pairs(files) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local source = read(name)
    for _, mutant in ipairs(mutants.of(source)) do
      mutant.file, mutant.source = name, source
      mutant.old, mutant.new, mutant.line = mutants.lines(source, mutant)
      all[#all + 1] = mutant
    end
  end
  return all, #names
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

-- The spec that notices a change and how, or nil.
local function noticing(mutant, specs)
  write(mutant.file, mutants.apply(mutant.source, mutant))
  local by, how
  for _, spec in ipairs(specs) do
    local status = run(spec.name, math.max(LEAST, MULTIPLE * spec.seconds))
    if status ~= 0 then
      by, how = spec.name, status >= 124 and "over time" or "failed"
      break
    end
  end
  write(mutant.file, mutant.source)
  return by, how
end

local function shown(mutant)
  return ("  %s:%d: %s\n    %s\n    %s"):format(mutant.file, mutant.line, mutant.what, mutant.old, mutant.new)
end

local function main(seed, count, ...)
  assert(seed and count and count > 0, "usage: mutate.lua SEED N [SPEC…]")
  local specs, files = specsAndFiles(... and { ... } or nil)
  local all, fileCount = allMutants(files)
  local known, random = equivalents(), mutants.random(seed)
  print(("%d specs; %d changes can be made to the %d files that they load"):format(#specs, #all, fileCount))
  local noticed, overTime, equivalent, survivors = 0, 0, {}, {}
  for _ = 1, math.min(count, #all) do
    local mutant = table.remove(all, random(#all))
    if known[mutant.old .. "\n" .. mutant.new] then
      equivalent[#equivalent + 1] = shown(mutant)
    else
      local by, how = noticing(mutant, specs)
      if by then
        noticed, overTime = noticed + 1, overTime + (how == "over time" and 1 or 0)
      else
        survivors[#survivors + 1] = shown(mutant)
        print("survived:\n" .. survivors[#survivors])
      end
    end
  end
  local judged = noticed + #survivors
  if #equivalent > 0 then
    print("change nothing:\n" .. table.concat(equivalent, "\n"))
  end
  print(("seed %d: %d changes, %d equivalent, %d noticed of %d (%.0f %%; %d by running over time), %d survived"):format(
    seed,
    judged + #equivalent,
    #equivalent,
    noticed,
    judged,
    100 * noticed / math.max(judged, 1),
    overTime,
    #survivors
  ))
  return noticed >= WANTED * judged
end

os.exit(main(tonumber(arg[1]), tonumber(arg[2]), table.unpack(arg, 3)) and 0 or 1)
