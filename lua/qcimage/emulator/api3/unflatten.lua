--- emulator/api3/unflatten.lua - makes the object that JSON would have carried of the parameters of a query or a form,
--- Filters.0.Values.0=x; their types come from the rules of the action.
--- Pure. Part of qcimage, see LICENSE.
---
--- Rules: cloud.tencent.com/document/product/1278/46710, signature v1. Lists are numbered from 0 on. What
--- can't be read as its type stays text, and is refused by check.lua.

local abort = require "qcimage.emulator.abort"
local text = require "qcimage.emulator.text"

local M = {}

-- The names, cut at their dots, as a tree of text.
local function treeOf(params)
  local tree = {}
  for name, value in pairs(params) do
    local node, last = tree, nil
    for part in name:gmatch "[^.]+" do
      if last then
        node[last] = node[last] or {}
        node = node[last]
      end
      if type(node) ~= "table" then
        break
      end
      last = part
    end
    if type(node) ~= "table" or last == nil or node[last] ~= nil then
      abort.raise("InvalidParameter", "the parameter %s conflicts with another one", text.show(name))
    end
    node[last] = value
  end
  return tree
end

local typed

-- A list from a node with the names 0, 1, …; the node's name is a path with a dot at its end.
local function listOf(node, name, itemRule)
  local list, count = {}, 0
  for _ in pairs(node) do
    count = count + 1
  end
  for i = 0, count - 1 do
    local item = node[("%d"):format(i)]
    if item == nil then
      abort.raise("InvalidParameter", "the items of %s are not numbered from 0 on without gaps", name:sub(1, -2))
    end
    list[i + 1] = typed(itemRule, item, ("%s%d."):format(name, i))
  end
  return list
end

-- The page shows none; Tencent's clients write true (Go, Java, Node, Ruby), True (Python) and 1 (PHP).
local BOOLEANS = { ["true"] = true, ["false"] = false, ["1"] = true, ["0"] = false }

-- A node as the type of its rule has it; its name is a path with a dot at its end, or empty.
function typed(rule, node, name)
  local kind = rule and rule.type
  if type(node) == "table" then
    if kind == "strings" then
      return listOf(node, name)
    elseif kind == "objects" then
      return listOf(node, name, { fields = rule.fields })
    end
    local object = {}
    for key, value in pairs(node) do
      object[key] = typed(rule and rule.fields and rule.fields[key], value, name .. key .. ".")
    end
    return object
  elseif kind == "integer" and node:find "^%-?%d+$" and #node < 16 then
    return tonumber(node)
  elseif kind == "boolean" and BOOLEANS[text.lower(node)] ~= nil then
    return BOOLEANS[text.lower(node)]
  end
  return node
end

--- Makes the object of flat parameters.
---@param rules table<string, table> rules of an action, see check.lua
---@param params table<string, string> by name
---@return table object
function M.object(rules, params)
  return typed({ fields = rules }, treeOf(params), "")
end

return M
