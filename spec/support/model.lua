--- model.lua - holds the parameters of API 3.0's image actions, as the client and the emulator have them, against the model
--- that Tencent publishes with tccli. See scripts/model.
---
---     lua5.4 spec/support/model.lua tccli/services/cvm/v20170312/api.json

local cjson = require "cjson"

local M = {}

-- Types of the model, and those of both tables.
local TYPES = { string = "text", bool = "boolean", int = "integer", int64 = "integer", uint64 = "integer" }
local LISTS = { string = "texts", object = "objects" }
local CLIENT =
  { text = "text", flag = "text", integer = "integer", boolean = "boolean", texts = "texts", objects = "objects" }
local EMULATOR = { string = "text", strings = "texts", integer = "integer", boolean = "boolean", objects = "objects" }

local function typeOf(member)
  if member.type == "list" then
    return LISTS[TYPES[member.member] and "string" or "object"]
  end
  return TYPES[member.member] or "objects"
end

-- The largest number of characters that the model's words allow, or nil.
local function longest(member)
  return tonumber(member.document:match "不得超过 ?(%d+) ?个字符" or member.document:match "最大长度 ?(%d+)")
end

-- Rules of one action or data type, by the path of a parameter: {type, required, longest}.
local function ofModel(model, object, path, found)
  for _, member in ipairs(model.objects[object].members or {}) do
    if not member.disabled then
      local at = path .. member.name
      found[at] = { type = typeOf(member), required = member.required or nil, longest = longest(member) }
      local inner = found[at].type == "objects" and model.objects[member.member]
      if inner and path == "" or inner and #path < 60 then
        ofModel(model, member.member, at .. ".", found)
      end
    end
  end
  return found
end

local function ofClient(params, path, found)
  for name, rule in pairs(params) do
    local at = path .. (rule.wire or name:sub(1, 1):upper() .. name:sub(2))
    found[at] =
      { type = CLIENT[rule.type], required = rule.required, longest = rule.type == "text" and rule.max or nil }
    if rule.fields then
      ofClient(rule.fields, at .. ".", found)
    end
  end
  return found
end

local function ofEmulator(params, path, found)
  for name, rule in pairs(params) do
    local at = path .. name
    found[at] =
      { type = EMULATOR[rule.type], required = rule.required, longest = rule.type == "string" and rule.most or nil }
    if rule.fields then
      ofEmulator(rule.fields, at .. ".", found)
    end
  end
  return found
end

-- Differences that are known, with their reasons: "SIDE ACTION PARAMETER".
M.KNOWN = {
  ["client DescribeImages ImageType"] = "API 2.0's parameter, sent as a filter",
  ["client DescribeImages ImageState"] = "API 2.0's parameter, sent as a filter",
}

local function words(rule)
  return ("%s%s%s"):format(
    rule.type or "?",
    rule.required and ", required" or "",
    rule.longest and (", at most %d characters"):format(rule.longest) or ""
  )
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- Adds a line for each parameter of an action in which one side differs from the model.
local function compare(lines, side, action, model, ours)
  local both = {}
  for name in pairs(model) do
    both[name] = true
  end
  for name in pairs(ours) do
    both[name] = true
  end
  for _, name in ipairs(sorted(both)) do
    local theirs, mine = model[name], ours[name]
    local parent = name:match "^(.*)%.[^.]*$"
    local differs = not theirs
      or not mine
      or theirs.type ~= mine.type
      or (theirs.required or false) ~= (mine.required or false)
      or theirs.longest and theirs.longest ~= mine.longest
    if differs and not M.KNOWN[("%s %s %s"):format(side, action, name)] and not (parent and not ours[parent]) then
      lines[#lines + 1] = ("%s %s %s: the model has %s, the %s %s"):format(
        side,
        action,
        name,
        theirs and words(theirs) or "none",
        side,
        mine and words(mine) or "none"
      )
    end
  end
end

--- Compares a model with both tables.
---@param model table the decoded api.json
---@return string[] lines one per difference
function M.compare(model)
  local client, emulator = require("qcimage.api.actions")["3.0"], require "qcimage.emulator.api3.actions"
  local lines = {}
  for _, name in ipairs(sorted(model.actions)) do
    local isImage = name:find "Image" ~= nil and model.actions[name].status ~= "offline"
    if isImage and not client[name] then
      lines[#lines + 1] = ("client %s: the model has this action, the client has not"):format(name)
    elseif isImage then
      local theirs = ofModel(model, model.actions[name].input, "", {})
      compare(lines, "client", name, theirs, ofClient(client[name].params, "", {}))
      local own = type(emulator[name]) == "table" and emulator[name].params or {}
      compare(lines, "emulator", name, theirs, ofEmulator(own, "", {}))
    end
  end
  for _, name in ipairs(sorted(client)) do
    if not client[name].service and not model.actions[name] then
      lines[#lines + 1] = ("client %s: the model has no such action"):format(name)
    end
  end
  return lines
end

if not ... or arg and arg[0] and arg[0]:find "model%.lua$" then
  local file = assert(io.open(assert(arg[1], "usage: model.lua API.JSON"), "rb"))
  local model = assert(cjson.decode(file:read "*a"))
  file:close()
  local lines = M.compare(model)
  print(#lines > 0 and table.concat(lines, "\n") or "the same as the model")
  os.exit(#lines == 0 and 0 or 1)
end
return M
