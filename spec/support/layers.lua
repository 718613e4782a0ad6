--- layers.lua - the layers that the Lua files lie in, which of the others each may require, and which it does. Run by
--- itself, from the root of the sources, it prints that as text, and fails where a layer reaches into one that it may not:
---
---     lua5.4 spec/support/layers.lua

local M = {}

-- Each layer: what it is, the modules that begin it (a module belongs to the longest beginning that fits, and a file
-- to the layer of its folder), and the layers that it may reach beside itself.
M.LAYERS = {
  public = {
    "the public functions",
    modules = { "qcimage" },
    reaches = { "client", "shared", "base", "core" },
  },
  client = {
    "puts a client together, of all that a call needs",
    modules = { "qcimage.client", "qcimage.parallel", "qcimage.signer_cache" },
    reaches = {
      "options",
      "call",
      "credentials",
      "transport",
      "apply",
      "apply.adapter",
      "limiter",
      "api",
      "shared",
      "base",
      "core",
    },
  },
  apply = {
    "many changes as one; reaches the service by the door that it is given, and the outside by files alone",
    modules = { "qcimage.apply" },
    reaches = { "api", "shared", "core" },
  },
  ["apply.adapter"] = {
    "the calls of a client as apply makes them, held within the service's rate",
    modules = { "qcimage.apply.adapter" },
    reaches = { "apply", "call", "limiter", "api", "shared", "core" },
  },
  options = {
    "options and where they lead; credentials and limiters take options of their own",
    modules = { "qcimage.options", "qcimage.option_types", "qcimage.target" },
    reaches = { "base", "api", "shared" },
  },
  call = {
    "the path of one call; reaches the outside only by what the client holds, so neither transports nor credentials",
    modules = { "qcimage.call" },
    reaches = { "api", "shared", "core" },
  },
  credentials = {
    "where keys come from; asks others by the context that the client gives, so neither calls nor transports",
    modules = { "qcimage.credentials" },
    reaches = { "base", "options", "api", "shared", "core" },
  },
  limiter = {
    "gives out places; knows no call, only what it is asked",
    modules = { "qcimage.limiter" },
    reaches = { "base", "options", "shared", "core" },
  },
  transport = {
    "carries requests; of the service it knows only which hosts are this one",
    modules = { "qcimage.transport" },
    reaches = { "api", "shared", "base", "core", "http" },
  },
  api = {
    "facts of the service, as data",
    modules = { "qcimage.api" },
    reaches = { "shared" },
  },
  shared = {
    "what any layer of the client may use, and knows none of them",
    modules = { "qcimage.util" },
    reaches = { "base", "core" },
  },
  base = {
    "what even the emulator may use: C modules of the version of the Lua files, misuse, hints for misspelt names",
    modules = { "qcimage.util.version", "qcimage.util.misuse", "qcimage.util.spelling" },
    reaches = {},
  },
  cli = {
    "the command: a program over clients, with defaults of its own, which reads the service's facts for its options, "
      .. "writes and shows the plans of apply, looks at images by their ids, and tells the version of each C module",
    modules = { "qcimage.cli" },
    reaches = { "client", "options", "credentials", "apply", "call", "api", "shared", "base", "core", "http" },
  },
  ["cli.doctor"] = {
    "the command that finds what is wrong: alone of the commands it watches the transport at work",
    modules = { "qcimage.cli.doctor", "qcimage.cli.checks" },
    reaches = { "cli", "client", "api", "shared", "core", "transport" },
  },
  ["cli.emulator"] = {
    "the command that runs the emulator, and alone of the commands knows it",
    modules = { "qcimage.cli.emulator" },
    reaches = { "cli", "emulator" },
  },
  emulator = {
    "the service's double: shares no rule with the client that it checks, but its digests; replaces the client behind the public functions",
    modules = { "qcimage.emulator" },
    reaches = { "public", "base", "core" },
  },
  core = { "signing, in C", modules = { "qcimage.core" }, reaches = {} },
  http = {
    "libcurl, in C: never in nginx, so called by the transport alone",
    modules = { "qcimage.http" },
    reaches = {},
  },
}

--- The layer of a module, nil where it has none.
---@param module string as require takes it
---@return string|nil
function M.of(module)
  local best, longest = nil, 0
  for name, layer in pairs(M.LAYERS) do
    for _, beginning in ipairs(layer.modules) do
      local fits = module == beginning or beginning ~= "qcimage" and module:sub(1, #beginning + 1) == beginning .. "."
      if fits and #beginning > longest then
        best, longest = name, #beginning
      end
    end
  end
  return best
end

--- The modules of ours that a source requires, itself or through version.loadNative.
---@param source string Lua
---@return table<string, boolean>
function M.required(source)
  local modules = {}
  for line in source:gmatch "[^\n]+" do
    local code = line:gsub("%-%-.*", "")
    if code:find "%f[%w]require%f[%W]" or code:find "%f[%w]loadNative%f[%W]" then
      for module in code:gmatch '"(qcimage[%w_.]*)"' do
        modules[module:gsub("%.$", "")] = true -- "qcimage.cli." .. name: the whole layer
      end
    end
  end
  return modules
end

---@class spec.Require
---@field file string as require takes it
---@field module string that it requires
---@field from string|nil layers
---@field to string|nil

--- What the Lua files require of each other, across layers, sorted; and what has no layer.
---@return spec.Require[]
function M.requires()
  local list = {}
  local pipe = assert(io.popen "find lua -name '*.lua' | LC_ALL=C sort")
  for path in pipe:lines() do
    local file = io.open(path, "rb")
    local name = path:match("^lua/(.*)%.lua$"):gsub("/", ".")
    local from, modules = M.of(name), {}
    for module in pairs(M.required(file:read "*a")) do
      modules[#modules + 1] = module
    end
    file:close()
    table.sort(modules)
    for _, module in ipairs(modules) do
      local to = M.of(module)
      if not from or from ~= to then
        list[#list + 1] = { file = name, module = module, from = from, to = to }
      end
    end
  end
  pipe:close()
  return list
end

--- What is wrong with a require across layers, or nil.
---@param one spec.Require
---@return string|nil
function M.problem(one)
  if not one.from or not one.to then
    return ("%s belongs to no layer of spec/support/layers.lua"):format(one.from and one.module or one.file)
  end
  for _, layer in ipairs(M.LAYERS[one.from].reaches) do
    if layer == one.to then
      return nil
    end
  end
  return ("%s requires %s, but %s may not reach %s: %s"):format(
    one.file,
    one.module,
    one.from,
    one.to,
    M.LAYERS[one.from][1]
  )
end

--- The graph as text: each layer, what it is, and the layers that it reaches, each with the files there. All files must
--- have a layer.
---@return string
function M.graph()
  local reached, names, lines = {}, {}, {}
  for name in pairs(M.LAYERS) do
    names[#names + 1], reached[name] = name, {}
  end
  table.sort(names)
  for _, one in ipairs(M.requires()) do
    local files = reached[one.from][one.to] or {}
    reached[one.from][one.to] = files
    local short = one.module:match "[^.]+$"
    if not files[short] then
      files[short], files[#files + 1] = true, short
    end
  end
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("%s - %s"):format(name, M.LAYERS[name][1])
    for _, layer in ipairs(names) do
      local files = reached[name][layer]
      if files then
        lines[#lines + 1] = ("    %-12s %s"):format(layer, table.concat(files, " "))
      end
    end
  end
  return table.concat(lines, "\n")
end

--- What is wrong with the requires of all files, sentence by sentence.
---@return string[]
function M.problems()
  local problems = {}
  for _, one in ipairs(M.requires()) do
    problems[#problems + 1] = M.problem(one)
  end
  return problems
end

if not ... then
  local problems = table.concat(M.problems(), "\n")
  print(problems == "" and M.graph() or problems)
  os.exit(problems == "" and 0 or 1)
end
return M
