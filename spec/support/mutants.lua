--- mutants.lua - small changes to a Lua source, each of which a spec should notice. See scripts/mutate.

local M = {}

-- Operators that stand for one another.
local SWAPS = {
  ["<"] = "<=",
  ["<="] = "<",
  [">"] = ">=",
  [">="] = ">",
  ["=="] = "~=",
  ["~="] = "==",
  ["*"] = "/",
  ["/"] = "*",
  ["and"] = "or",
  ["or"] = "and",
  ["true"] = "false",
  ["false"] = "true",
  ["math.min"] = "math.max",
  ["math.max"] = "math.min",
}

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

-- Patterns of tokens, in the order in which they are tried. False: passed over.
local TOKENS = {
  { "^%s+", false },
  { "^%-%-%[(=*)%[.-%]%1%]", false },
  { "^%-%-[^\n]*", false },
  { "^%[(=*)%[.-%]%1%]", "string" },
  { "^math%.min%f[%W]", "operator" },
  { "^math%.max%f[%W]", "operator" },
  { "^[%a_][%w_]*", "name" },
  { "^0[xX]%x+", "other" },
  { "^%d+%.?%d*[eE]%-?%d+", "other" },
  { "^%d+%.%d+", "other" },
  { "^%d+", "number" },
  { "^[<>=~]=", "operator" },
  { "^%.%.%.?", "other" },
  { "^.", "operator" },
}

-- The end of a quoted string that begins at a position.
local function closing(source, first)
  local quote, at = source:sub(first, first), first + 1
  while true do
    local byte = source:sub(at, at)
    if byte == quote then
      return at
    end
    at = at + (byte == "\\" and 2 or 1)
  end
end

local function tokens(source)
  local list, at = {}, 1
  while at <= #source do
    local kind, first, last
    if source:find("^[\"']", at) then
      kind, first, last = "string", at, closing(source, at)
    else
      for _, token in ipairs(TOKENS) do
        first, last = source:find(token[1], at)
        if first then
          kind = token[2]
          break
        end
      end
    end
    if kind then
      list[#list + 1] = { kind = kind, text = source:sub(first, last), first = first, last = last }
    end
    at = last + 1
  end
  return list
end

-- Notes for each token which function holds it, and which bracket.
local function nest(list)
  local blocks, functions, brackets = {}, {}, {}
  for i, token in ipairs(list) do
    local text = token.text
    token.within, token.inside = functions[#functions], brackets[#brackets]
    if token.kind == "string" then
      text = ""
    end
    if OPENS[text] then
      blocks[#blocks + 1] = text
      if text == "function" then -- its commas are not those of the constructor around it
        functions[#functions + 1] = token
        brackets[#brackets + 1] = token
      end
    elseif CLOSES[text] then
      if table.remove(blocks) == "function" then
        table.remove(functions)
        table.remove(brackets)
      end
    elseif text == "{" or text == "(" or text == "[" then
      token.behind = i > 1 and list[i - 1].text or ""
      brackets[#brackets + 1] = token
    elseif text == "}" or text == ")" or text == "]" then
      table.remove(brackets)
    end
  end
end

local function lineOf(source, at)
  local _, breaks = source:sub(1, at - 1):gsub("\n", "")
  return breaks + 1
end

-- Whether a token is part of data: of a table that no function holds.
local function isData(token)
  return not token.within and token.inside and token.inside.text == "{"
end

local KEYWORDS = { ["return"] = true, ["then"] = true, ["else"] = true, ["do"] = true, ["in"] = true, ["not"] = true }

-- Whether a token can end the left side of a sum.
local function isOperand(token)
  return token.text:find "[%w_)%]]$" ~= nil and not (KEYWORDS[token.text] or SWAPS[token.text] or CLOSES[token.text])
end

-- Whether a number one less means the same to Lua: a text begins at 1 for `sub` and `find`, be it asked for 0; and a
-- level of `error` below 1 adds no place.
local function isLeast(list, i)
  local text, inside, before, behind = list[i].text, list[i].inside, list[i - 1], list[i + 1]
  local of = inside and inside.text == "(" and inside.behind
  if text == "0" then
    return of == "error" and before.text == "," and behind.text == ")"
  elseif text == "1" and of == "sub" then
    return before == inside
  end
  return text == "1" and of == "find" and behind.text == "," and list[i + 2].text == "true"
end

--- All changes of a source, but those that mean the same to Lua.
---@param source string
---@return table[] mutants {first, last (bytes), instead, what (the operator's name), within (the line where the function
--- that holds it begins, 0 outside of all)}
function M.of(source)
  local list, mutants = tokens(source), {}
  nest(list)
  local current
  local function add(what, first, last, instead)
    local within = current.within and lineOf(source, current.within.first) or 0
    mutants[#mutants + 1] = { what = what, first = first, last = last, instead = instead, within = within }
  end
  local entry = {} -- first token of the entry that a constructor has reached
  for i, token in ipairs(list) do
    local before, text = list[i - 1], token.text
    current = token
    if token.kind == "number" then
      add("one more", token.first, token.last, ("%d"):format(text + 1))
      if not isLeast(list, i) then
        add("one less", token.first, token.last, ("%d"):format(text - 1))
      end
    elseif token.kind ~= "string" and SWAPS[text] then
      add(("%s for %s"):format(SWAPS[text], text), token.first, token.last, SWAPS[text])
    elseif text == "not" and token.kind == "name" then
      add("not dropped", token.first, token.last, "")
    elseif (text == "+" or text == "-") and before and isOperand(before) then
      add("sign", token.first, token.last, text == "+" and "-" or "+")
    elseif token.kind == "string" and isData(token) and text:find "^['\"][%w_.-]+['\"]$" then
      add("word", token.first, token.last, text:sub(1, -2) .. "x" .. text:sub(-1))
    end
    local inside = token.inside
    if token.kind == "operator" and (text == "," or text == ";" or text == "}") and inside and inside.text == "{" then
      local first = source:find("%S", entry[inside] or inside.last + 1)
      if not token.within and first < token.first then
        add("entry dropped", first, text == "}" and token.first - 1 or token.last, "")
      end
      entry[inside] = token.last + 1
    end
  end
  return mutants
end

--- The source with one change.
---@param source string
---@param mutant table
---@return string
function M.apply(source, mutant)
  return source:sub(1, mutant.first - 1) .. mutant.instead .. source:sub(mutant.last + 1)
end

--- What a change does to the lines that it stands in, without their indents.
---@param source string
---@param mutant table
---@return string old
---@return string new
---@return integer line its number
function M.lines(source, mutant)
  local from = source:sub(1, mutant.first - 1):match ".*()\n" or 0
  local to = (source:find("\n", mutant.last, true) or #source + 1) - 1
  local function flat(text)
    return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
  end
  return flat(source:sub(from + 1, to)),
    flat(source:sub(from + 1, mutant.first - 1) .. mutant.instead .. source:sub(mutant.last + 1, to)),
    lineOf(source, mutant.first)
end

--- Numbers that a seed gives, the same on every machine (the generator of Park and Miller).
---@param seed integer
---@return fun(most: integer): integer from 1 to most
function M.random(seed)
  local state = seed % 2147483646 + 1
  return function(most)
    state = state * 48271 % 2147483647
    return math.floor(state / 2147483647 * most) + 1
  end
end

return M
