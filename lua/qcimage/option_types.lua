--- option_types.lua - what an option may hold: each type is a function of a value that returns whether it fits, and what it
--- must be, to follow the option's name.
--- Pure. Part of qcimage, see LICENSE.

local endpoints = require "qcimage.api.endpoints"
local limits = require "qcimage.util.limits"
local roles = require "qcimage.api.roles"
local text = require "qcimage.util.text"

---@alias qcimage.OptionType fun(value: any): boolean, string

local M = {}

local function of(kind)
  return function(value)
    return type(value) == kind, ("must be a %s"):format(kind)
  end
end

M.boolean, M.func, M.string, M.number = of "boolean", of "function", of "string", of "number"

--- Makes the type of one of some words.
---@param ... string
---@return qcimage.OptionType
function M.oneOf(...)
  local words, isWord = { ... }, {}
  for i, word in ipairs(words) do
    words[i], isWord[word] = ('"%s"'):format(word), true
  end
  local problem = "must be " .. table.concat(words, " or ")
  return function(value)
    return isWord[value] ~= nil, problem
  end
end

--- Makes the type of a whole number from 1.
---@param most integer
---@return qcimage.OptionType
function M.count(most)
  return function(value)
    return type(value) == "number" and value >= 1 and value <= most and value % 1 == 0,
      ("must be a whole number from 1 to %.0f"):format(most)
  end
end

--- Makes the type of a number in a range.
---@param least number
---@param most number
---@return qcimage.OptionType
function M.numberFrom(least, most)
  return function(value)
    return type(value) == "number" and value >= least and value <= most,
      ("must be a number from %g to %.0f"):format(least, most)
  end
end

function M.plainText(value)
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return value ~= "" and not value:find(text.CONTROL), "must not be empty or contain control characters"
end

function M.region(value) -- calls check its form, and remove white space around it
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return M.plainText((value:gsub("\t", " ")))
end

function M.regions(value)
  if value == "all" then
    return true
  elseif type(value) ~= "table" or next(value) == nil then
    return false, 'must be "all" or a list of regions'
  end
  local count, keys = 0, 0
  for i, region in ipairs(value) do
    local isRegion, problem = M.region(region)
    if not isRegion then
      return false, ("%s (number %d)"):format(problem, i)
    end
    count = i
  end
  for _ in pairs(value) do
    keys = keys + 1
  end
  return keys == count, 'must be "all" or a list of regions, without holes'
end

function M.proxy(value) -- "": no proxy
  return type(value) == "string" and not value:find(text.CONTROL), "must be a URL without control characters"
end

function M.profileName(value)
  if type(value) ~= "string" then
    return false, "must be text"
  end
  return text.isFileName(value), "must be a name: not empty, no path, no control characters"
end

function M.url(value)
  local parsed, problem = endpoints.parse(type(value) == "string" and value or "")
  return parsed ~= nil and parsed.version == nil, problem or "must have no path"
end

function M.urlOrFalse(value)
  if value == false then
    return true
  end
  return M.url(value)
end

function M.secret(value) -- the credentials' own validation says more, without raising
  return type(value) == "string", "must be text"
end

function M.connectTo(value)
  if type(value) ~= "string" then
    return false, "must be text, HOST or HOST:PORT"
  end
  local parsed, problem = endpoints.parseTarget(value)
  return parsed ~= nil, problem
end

function M.roleArn(value)
  local problem = roles.arnProblem(value)
  return problem == nil, problem
end

function M.roleSessionName(value)
  local problem = roles.sessionProblem(value)
  return problem == nil, problem
end

function M.seconds(value)
  local most = limits.longestTimeout
  return type(value) == "number" and value > 0 and value <= most,
    ("must be a number of seconds above 0, at most %d"):format(most)
end

function M.idleSeconds(value)
  local most = limits.longestPoolIdle
  return type(value) == "number" and value > 0 and value < most,
    ("must be a number of seconds above 0 and below %d"):format(most)
end

local CREDENTIALS = { secretId = true, secretKey = true, token = true }

function M.credentials(value)
  if type(value) == "table" then
    for name in pairs(value) do
      if not CREDENTIALS[name] then -- shown only where it cannot be a secret in the wrong place
        local shown = type(name) == "string" and name:find "^[%a_]+$" and #name < 16 and " " .. name or ""
        return false, ("has an unknown field%s (known: secretId, secretKey, token)"):format(shown)
      end
    end
  end
  return type(value) == "function" or type(value) == "table",
    "must be a function or a table with secretId and secretKey"
end

function M.provider(value)
  return type(value) == "function" or type(value) == "table", "must be a function or a table"
end

function M.limiter(value)
  return type(value) == "function" or type(value) == "table" and type(value.acquire) == "function",
    "must be a limiter: a function, or a table with a function acquire"
end

return M
