--- http1.lua - HTTP/1.1 for the cosocket transport: writes a request, parses a response incrementally, strictly and within
--- limits (RFC 9112).
--- Pure: opens nothing, waits for nothing. Part of qcimage, see LICENSE.

local limits = require "qcimage.util.limits"
local text = require "qcimage.util.text"

local M = {}

-- Character sets are written out, since classes such as %a depend on the host's locale. Frequent characters come first,
-- since a set is searched from its start.
local NAME = "[a-zA-Z0-9!#$%%&'*+.^_`|~-]+"
local VALUE = "[ -~\t\128-\255]*" -- no control characters but the tab
local WHOLE_NAME, WHOLE_VALUE = "^" .. NAME .. "$", "^" .. VALUE .. "$"
local FIELD = "^(" .. NAME .. "):[ \t]*(" .. VALUE .. ")()"
local DIGITS_MOST = 15 -- a number that is exact on every Lua

local isName = text.memoize(function(name)
  return name:find(WHOLE_NAME) ~= nil
end)
local lower = text.memoize(text.lower)

local BLANK = { [9] = true, [32] = true }

--- Writes a request.
---@param request qcimage.Request
---@return string|nil bytes
---@return string|nil problem
function M.write(request)
  local lines = { request.method .. " " .. request.path .. " HTTP/1.1", "Host: " .. request.headers.Host }
  for name, value in pairs(request.headers) do
    if not isName(name) or not value:find(WHOLE_VALUE) then
      return nil, ("the header %s cannot be sent as it is"):format(text.quote(name))
    elseif name ~= "Host" then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  local body = request.body or ""
  if request.method == "POST" then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  lines[#lines + 1] = "\r\n" .. body
  return table.concat(lines, "\r\n")
end

---@class qcimage.Http1Reader
---@field response {status: integer, headers: table<string, string>, body: string}|nil once complete
---@field keep boolean|nil the connection may carry another request
---@field started boolean whether a byte came
local Reader = {}
Reader.__index = Reader

--- Makes the reader of one response.
---@param maxBody integer bytes of its body at most
---@return qcimage.Http1Reader
function M.reader(maxBody)
  return setmetatable({
    started = false,
    maxBody = maxBody,
    state = "status",
    pieces = {}, -- of the line
    headBytes = 0, -- including interim responses and trailers
    headLines = 0,
    bodyBytes = 0,
    chunkLineBytes = 0,
  }, Reader)
end

local function malformed(what)
  return nil, what, "format"
end

local function tooLarge(what)
  return nil, what, "tooLarge"
end

local function complete(self, pooled)
  self.response = {
    status = self.status,
    headers = self.headers,
    body = table.concat(self.body or {}),
  }
  self.keep = pooled
  self.state = "done"
  return true
end

-- Lines of the head, without their end. Each returns true, or nil, problem, reason.

local onLine = {}

function onLine:status(line)
  local minor, status, rest = line:match "^HTTP/1%.([0-9]) ([0-9][0-9][0-9])(.*)$"
  status = tonumber(status)
  if not status or (rest ~= "" and rest:byte() ~= 32) or not rest:find(WHOLE_VALUE) then
    return malformed "the response is not HTTP/1.x"
  elseif status < 100 or status == 101 then -- no protocol switch was requested
    return malformed "unexpected status"
  end
  self.status = status
  self.isOld = minor == "0"
  self.headers = {}
  self.state = "field"
  return true
end

-- Takes "Name: value". A continuation line (obs-fold) has no name and is refused.
local function takeField(line, headers)
  local name, value, behind = line:match(FIELD)
  if behind ~= #line + 1 then
    return malformed "the response has a malformed header"
  end
  name, value = lower(name), BLANK[value:byte(-1)] and text.trim(value) or value
  local before = headers[name]
  headers[name] = before and before .. ", " .. value or value
  return true
end

-- Returns the Content-Length; false: none. A list, as repeated headers become, is refused (RFC 9112, 6.3 allows that).
local function contentLength(headers)
  local given = headers["content-length"]
  if not given then
    return false
  elseif #given > DIGITS_MOST or not given:find "^[0-9]+$" then
    return malformed "the response has a malformed Content-Length"
  end
  return tonumber(given)
end

local function wantsClose(headers)
  local connection = headers.connection
  return connection
    and connection ~= "keep-alive"
    and ("," .. text.lower(connection) .. ","):find ",[ \t]*close[ \t]*," ~= nil
end

-- How the body is framed (RFC 9112, 6.3).
local function beginBody(self)
  local headers = self.headers
  local coding = headers["transfer-encoding"]
  local length, problem, reason = contentLength(headers)
  if length == nil then
    return nil, problem, reason
  elseif coding and (length or self.isOld or text.lower(coding) ~= "chunked") then
    return malformed "the response has an ambiguous Transfer-Encoding"
  end
  self.mayKeep = not self.isOld and not wantsClose(headers)
  self.body = {}
  if self.status == 204 or self.status == 304 then
    return complete(self, self.mayKeep)
  elseif coding then
    self.state = "chunkSize"
    return true
  elseif not length then
    self.mayKeep = false
    self.state = "rest"
    return true
  elseif length > self.maxBody then
    return tooLarge "the response body is too large"
  elseif length == 0 then
    return complete(self, self.mayKeep)
  end
  self.left = length
  self.state = "counted"
  return true
end

function onLine:field(line)
  if line ~= "" then
    return takeField(line, self.headers)
  elseif self.status < 200 then -- an interim response
    self.state = "status"
    return true
  end
  return beginBody(self)
end

function onLine:chunkSize(line)
  local digits, mark = line:match "^([0-9A-Fa-f]+)[ \t]*(.?)"
  if not digits or #digits > DIGITS_MOST or (mark ~= "" and mark ~= ";") then
    return malformed "the response has a malformed chunk"
  end
  local size = tonumber(digits, 16)
  if size > self.maxBody - self.bodyBytes then
    return tooLarge "the response body is too large"
  end
  self.left = size
  self.state = size > 0 and "chunk" or "trailer"
  return true
end

function onLine:chunkEnd(line)
  if line ~= "" then
    return malformed "the response has a malformed chunk"
  end
  self.state = "chunkSize"
  return true
end

function onLine:trailer(line) -- those are of no use
  return line ~= "" or complete(self, self.mayKeep)
end

-- Pieces of the body.

local AFTER = { counted = "done", chunk = "chunkEnd" }

local function takeBody(self, bytes, from)
  local to = #bytes
  if self.left then
    to = math.min(to, from + self.left - 1)
    self.left = self.left - (to - from + 1)
  end
  self.bodyBytes = self.bodyBytes + (to - from + 1)
  if self.bodyBytes > self.maxBody then
    return tooLarge "the response body is too large"
  end
  self.body[#self.body + 1] = bytes:sub(from, to)
  if self.left == 0 then
    self.left = nil
    self.state = AFTER[self.state]
    if self.state == "done" then
      complete(self, self.mayKeep)
    end
  end
  return to + 1
end

-- States whose lines end with both, whereas in a head a bare line feed is a line's end, too, as RFC 9112 (2.2) allows.
local STRICT = { chunkSize = true, chunkEnd = true }

-- Takes a line, or part of one. Chunk lines may have as many bytes as the body, in addition to the limit of a header.
local function takeLine(self, bytes, from)
  local last = bytes:find("\n", from, true)
  local length = (last or #bytes) - from + 1
  if STRICT[self.state] then
    self.chunkLineBytes = self.chunkLineBytes + length
    if self.chunkLineBytes > limits.headerBytes + self.bodyBytes then
      return tooLarge "the chunk lines of the response are too large"
    end
  else
    self.headBytes = self.headBytes + length
    self.headLines = self.headLines + (last and 1 or 0)
    if self.headBytes > limits.headerBytes or self.headLines > limits.headerLines then
      return tooLarge "the response header is too large"
    end
  end
  local line = bytes:sub(from, last and last - 1)
  if not last or self.pieces[1] then
    self.pieces[#self.pieces + 1] = line
  end
  if last then
    if self.pieces[1] then
      line, self.pieces = table.concat(self.pieces), {}
    end
    if line:byte(-1) == 13 then
      line = line:sub(1, -2)
    elseif STRICT[self.state] then
      return malformed "the response has a malformed chunk"
    end
    local ok, problem, reason = onLine[self.state](self, line)
    if not ok then
      return nil, problem, reason
    end
  end
  return from + length
end

--- Feeds bytes of the response to the reader.
---@param bytes string
---@return boolean|nil isComplete nil: invalid
---@return string|nil problem
---@return string|nil reason "format" or "tooLarge"
function Reader:feed(bytes)
  local from = 1
  self.started = self.started or bytes ~= ""
  while from <= #bytes do
    if self.state == "done" then
      self.keep = false -- unexpected bytes: the connection's state is unknown
      return true
    end
    local take = onLine[self.state] and takeLine or takeBody
    local problem, reason
    from, problem, reason = take(self, bytes, from)
    if not from then
      return nil, problem, reason
    end
  end
  return self.state == "done"
end

--- Takes the end of the connection.
---@return boolean isComplete
function Reader:finish()
  if self.state == "rest" then
    complete(self, false)
  end
  return self.state == "done"
end

return M
