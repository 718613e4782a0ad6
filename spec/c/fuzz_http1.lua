--- fuzz_http1.lua - the reader of HTTP answers that the cosocket transport has: the same bytes give the
--- same answer however they are cut, within the limits. Run by fuzz_lua.c.
---
--- Input: a byte for the size of the pieces, a byte for the most that a body may have, the answer.

local http1 = require "qcimage.transport.http1"
local limits = require "qcimage.util.limits"

local REASONS = { format = true, tooLarge = true }

-- Gives what a reader made of the answer that came in such pieces.
local function readAll(bytes, size, most)
  local reader = http1.reader(most)
  for from = 1, #bytes, size do
    local isComplete, problem, reason = reader:feed(bytes:sub(from, from + size - 1))
    if isComplete == nil then
      assert(type(problem) == "string" and REASONS[reason], "a fault without a name")
      assert(not reader.response, "an answer in spite of a fault")
      return reason
    end
    assert(isComplete == (reader.response ~= nil))
    if isComplete and from + size <= #bytes then
      reader:feed(bytes:sub(from + size)) -- nobody asked for it
      assert(not reader.keep, "a connection is kept after more than an answer")
    end
    if isComplete then
      break
    end
  end
  return reader:finish() and reader.response or "cut", reader.keep
end

local function check(response, most)
  assert(math.type(response.status) == "integer" and response.status >= 200 and response.status <= 999)
  assert(#response.body <= most)
  local total = 0
  for name, value in pairs(response.headers) do
    assert(name:find "^[!#$%%&'*+.^_`|~0-9a-z-]+$", "a header's name")
    assert(not value:find "[%z\1-\8\10-\31\127]", "a value with a control character")
    assert(value:find ", " or not value:find "^[ \t]" and not value:find "[ \t]$", "a value with blanks around it")
    total = total + #name + #value
  end
  assert(total <= limits.headerBytes)
end

local function assertSame(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    assert(a == b, ("whole: %s, in pieces: %s"):format(tostring(a), tostring(b)))
    return
  end
  assert(a.status == b.status and a.body == b.body)
  for _, pair in ipairs { { a, b }, { b, a } } do
    for name, value in pairs(pair[1].headers) do
      assert(pair[2].headers[name] == value)
    end
  end
end

return function(input)
  if #input < 3 or #input > 100000 then
    return
  end
  local size, most, bytes = input:byte(1) % 40 + 1, 1 + 16 * input:byte(2), input:sub(3)
  local whole, keepsWhole = readAll(bytes, #bytes, most)
  local pieces, keepsPieces = readAll(bytes, size, most)
  assertSame(whole, pieces)
  if type(whole) == "table" then
    assert(keepsWhole == keepsPieces, "kept or not, by how it was cut")
    check(whole, most)
  end
end
