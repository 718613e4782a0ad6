--- fuzz_answer.lua - the reading of the service's answers: whatever comes, it is a result or an error
--- of known form, and a result only of what says success. Run by fuzz_lua.c.
---
--- Input: a line with a letter for the action and a status, a line with a header's value, the body.

local cjson = require "cjson"
local actions = require "qcimage.api.actions"
local core = require "qcimage.core"
local read = require "qcimage.call.parse"

local ACTIONS = {
  actions["2.0"].ModifyImageAttributes,
  actions["2.0"].DescribeImages,
  actions["3.0"].ModifyImageAttribute,
  actions["3.0"].DescribeImages,
}

local KINDS = { response = true, service = true }
local OUTCOMES = { rejected = true, unknown = true }

-- Whether a body says success, by a decoder with other settings.
local function saysSuccess(body, version)
  local ok, answer = pcall(cjson.decode, (body:gsub("^\239\187\191", "")))
  if not ok or type(answer) ~= "table" then
    return false
  end
  local inner = answer.Response
  if type(inner) == "table" then
    local id = inner.RequestId or inner.RequestID
    local isDryRun = type(inner.Error) == "table" and inner.Error.Code == "DryRunOperation"
    return isDryRun or (type(id) == "string" and (inner.Error == nil or inner.Error == cjson.null))
  end
  local code = answer.code
  return version == "2.0" and code == 0 or (version == "2.0" and type(code) == "string" and code:find "^%-?0+$" ~= nil)
end

local function checkError(err, message, status)
  assert(KINDS[err.kind] and OUTCOMES[err.outcome], "an error of no known kind")
  assert(type(message) == "string" and message ~= "", "an error without a message")
  assert(not message:find "[%z\1-\31\127]", "a message of more than one line")
  assert(core.utf8len(message), "a message that is no text")
  assert(#message < 2000, "an endless message")
  assert(err.httpStatus == status)
  assert(err.kind == "service" or status == 429 or err.outcome == "unknown", "a page of a gateway refuses nothing")
  assert(status < 500 or err.outcome == "unknown", "a gateway that knows what the service did")
end

local function checkResult(result, body, status, version)
  assert(saysSuccess(body, version) and status == 200, "a success that was none")
  assert(result.code == 0 and math.type(result.code) == "integer")
  assert(type(result.message) == "string" and result.body == body and result.httpStatus == 200)
  assert(result.requestId == nil or type(result.requestId) == "string")
  for _, value in pairs(result) do
    assert(value ~= cjson.null and type(value) ~= "userdata", "a null that came through")
  end
end

return function(input)
  local letter, digits, coding, body = input:match "^(.)(%d*)\n([^\n]*)\n(.*)$"
  if not letter then
    return
  end
  local status = math.tointeger(tonumber(digits)) or 200
  local number = letter:byte()
  local call = {
    version = number % 4 < 2 and "2.0" or "3.0",
    action = ACTIONS[number % 4 + 1],
    values = { DryRun = number >= 128 or nil },
    attempt = { credentials = { secretKey = "" } },
  }
  local response = { status = status, headers = { ["content-encoding"] = coding ~= "" and coding or nil }, body = body }
  local result, err = read.response(call, response)
  assert((result == nil) ~= (err == nil), "neither a result nor an error")
  if result then
    checkResult(result, body, status, call.version)
  else
    checkError(err, tostring(err), status)
  end
end
