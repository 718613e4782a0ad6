--- api_tables.lua - the tables of docs/api.md that are made from lua/qcimage/api/actions.lua: every action of both API
--- versions, with its parameters and their rules. documents_spec.lua fails where the page is stale; this writes it:
---
---     QCIMAGE_ACCEPT=1 busted spec/unit/documents_spec.lua

local actions = require "qcimage.api.actions"
local help = require "qcimage.cli.action_help" -- what each action and parameter is, in words
local text = require "qcimage.util.text"

local M = {}

M.BEGIN = "<!-- begin: made from lua/qcimage/api/actions.lua by spec/support/api_tables.lua -->"
M.END = "<!-- end -->"

local TYPES = {
  text = "string",
  integer = "integer",
  boolean = "boolean",
  flag = "boolean",
  texts = "list of strings",
  objects = "list of tables",
}

local function quoted(words)
  local list = {}
  for i, word in ipairs(text.keys(words)) do
    list[i] = ("`%s`"):format(word)
  end
  return table.concat(list, " ")
end

local function fieldsOf(fields)
  local list = {}
  for i, name in ipairs(text.keys(fields)) do
    local field = fields[name]
    list[i] = ("`%s`%s%s"):format(
      name,
      field.required and "" or " (optional)",
      field.fields and " with " .. fieldsOf(field.fields) or ""
    )
  end
  return table.concat(list, ", ")
end

-- The rules of a parameter in words.
local function rulesOf(param)
  local rules = {}
  local function add(condition, rule, ...)
    if condition then
      rules[#rules + 1] = rule:format(...)
    end
  end
  local isCounted = param.type == "text"
  add(param.required, "required")
  add(isCounted and param.max and param.min, "%d to %d characters", param.min, param.max)
  add(isCounted and param.max and not param.min, "at most %d characters", param.max)
  add(param.chars, "of `%s`", param.chars)
  add(param.type == "integer" and param.max, "%d to %d", param.min or 0, param.max)
  add(param.type == "integer" and not param.max, "from %d", param.min or 0)
  add(param.items, "at most %d items", param.items)
  add(param.words, "one of %s", quoted(param.words or {}))
  add(param.default, "default `%s`", param.default)
  add(param.region, "region: `ap-guangzhou` or `gz`")
  add(param.fields, "each with %s", param.fields and fieldsOf(param.fields))
  add(param.blank == true and isCounted, "may be empty")
  add(param.blank == "keep", "empty: unchanged")
  add(param.blank == "omit", "empty: left out")
  return table.concat(rules, "; ")
end

local function repetition(action)
  if action.reads then
    return "Changes nothing."
  end
  return action.repeatable and "May be repeated." or "Not repeated after an unknown outcome."
end

local function section(version)
  local lines = { ("### Actions of API %s"):format(version), "" }
  local function add(line, ...)
    lines[#lines + 1] = line:format(...)
  end
  for _, name in ipairs(text.keys(actions[version])) do
    local action = actions[version][name]
    add("#### %s", name)
    add ""
    local about = text.capitalise(help.ACTIONS[name]) .. ". "
    add(
      "%s%s%s%s",
      about,
      repetition(action),
      action.oneOf and (" Exactly one of `%s` and `%s` is required."):format(action.oneOf[1], action.oneOf[2]) or "",
      action.service and (" Service: %s."):format(action.service) or ""
    )
    add ""
    local params = text.keys(action.params)
    table.sort(params, function(a, b)
      local first, second = action.params[a].required or false, action.params[b].required or false
      if first ~= second then
        return first
      end
      return a < b
    end)
    if #params > 0 then
      add "| parameter | type | meaning | rule |"
      add "|---|---|---|---|"
      for _, param in ipairs(params) do
        local data = action.params[param]
        add("| `%s` | %s | %s | %s |", param, TYPES[data.type], help.PARAMETERS[param], rulesOf(data))
      end
    else
      add "No parameters."
    end
    add ""
  end
  return table.concat(lines, "\n")
end

--- The part of the page between the marks, with them.
---@return string
function M.text()
  return table.concat({ M.BEGIN, "", section "3.0", section "2.0" .. M.END }, "\n")
end

return M
