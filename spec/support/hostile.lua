--- hostile.lua - responses that tell whether one is ever taken for another: those of answers.lua, and those that have
--- more behind them. Each is given as the first, second or third one of a connection, plain and over TLS, and is
--- followed by a request that must get its own response. The server, spec/c/hostileserver.c, records what came.
---
--- M.responses: name, pieces (each is sent for itself: a record of TLS); status and body, or reason; ends (the server
--- closes the connection behind it); keep (whether the connection may be used again); strict (libcurl may take it in
--- another way); drops (libcurl drops what it has read behind it, and may keep the connection). Part of qcimage, see LICENSE.

local answers = require "spec.support.answers"
local socket = require "socket"

local M = {}

--- The ways to the server, in the order of its ports, and the place of the response on its connection.
M.WAYS = { "plain", "TLS 1.2", "TLS 1.3" }
M.PLACES = 3

--- The body of an ordinary response: that of a request, and no other's.
function M.own(path)
  return ('{"code":0,"of":"%s"}'):format(path)
end

--- An ordinary response.
function M.ordinary(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local POISON = M.ordinary(M.own "nobody")

local responses = {}

local function add(name, pieces, fields)
  local one = { name = name, pieces = pieces, status = not fields.reason and 200 or nil }
  for key, value in pairs(fields) do
    one[key] = value
  end
  responses[#responses + 1] = one
end

-- Whether only the end of the connection ends a response.
local function needsEnd(bytes)
  bytes = bytes:lower()
  return not bytes:find "content%-length" and not bytes:find "transfer%-encoding" and not bytes:find "^http/1.1 204"
end

for _, answer in ipairs(answers.both) do
  add(answer.name, { answer.bytes }, {
    status = answer.status,
    body = answer.body,
    reason = answer.reason,
    keep = answer.keep or false,
    ends = answer.reason == "closed" or (not answer.reason and needsEnd(answer.bytes)),
    drops = not answer.reason and answer.bytes:find "chunked" ~= nil,
  })
end
for _, answer in ipairs(answers.strict) do
  add(answer.name, { answer.bytes }, { reason = answer.reason, keep = false, strict = true, ends = true })
end

for _, blank in ipairs { " ", "\t" } do
  add(
    ("a first header line that begins with %q"):format(blank),
    { "HTTP/1.1 200 OK\r\n" .. blank .. "X-A: b\r\nContent-Length: 2\r\n\r\n{}" },
    { reason = "format", keep = false }
  )
end

-- More behind a response: with its last bytes, in a record of its own, or part with, part behind.
local function addExcess(name, head, body, fields)
  for _, excess in ipairs { { "a response", POISON }, { "rubbish", "\0\255" }, { "an empty line", "\r\n" } } do
    local what, bytes = excess[1], excess[2]
    local half = math.ceil(#bytes / 2)
    add(("%s, %s with it"):format(name, what), { head .. body .. bytes }, fields)
    add(("%s, %s behind it"):format(name, what), { head .. body, bytes }, fields)
    add(("%s, %s in two parts"):format(name, what), { head .. body .. bytes:sub(1, half), bytes:sub(half + 1) }, fields)
    if body ~= "" then
      add(("%s, %s with its body"):format(name, what), { head, body .. bytes }, fields)
      add(("%s, %s behind its body"):format(name, what), { head, body, bytes }, fields)
    end
  end
end

addExcess("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "{}", { body = "{}", keep = false })
addExcess("no length", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", { body = "", keep = false, drops = true })
addExcess("no body", "HTTP/1.1 204 No Content\r\n\r\n", "", { status = 204, body = "", keep = false, drops = true })
addExcess(
  "chunks",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  "2\r\n{}\r\n0\r\n\r\n",
  { body = "{}", keep = false, drops = true }
)

-- Lengths around those of buffers, of the body and of all: 1,024 and 4,096 are nginx's, 16,384 a record of TLS.
for _, length in ipairs { 1024, 4096, 8192, 16384 } do
  for around = -1, 1 do
    local body = ("x"):rep(length + around)
    local head = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(#body)
    local all = ("x"):rep(length + around - #head)
    local allHead = ("HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n"):format(#all)
    all = all:sub(1, length + around - #allHead)
    allHead = ("HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n"):format(#all)
    add(("%d bytes behind a head"):format(#body), { head, body }, { body = body, keep = true })
    add(("%d bytes with the head"):format(length + around), { allHead .. all }, { body = all, keep = true })
    add(
      ("%d bytes behind a head, more with them"):format(#body),
      { head, body .. POISON },
      { body = body, keep = false }
    )
    add(
      ("%d bytes with the head, more with them"):format(length + around),
      { allHead .. all .. POISON },
      { body = all, keep = false }
    )
    add(
      ("%d bytes with the head, more behind them"):format(length + around),
      { allHead .. all, POISON },
      { body = all, keep = false }
    )
  end
end

M.responses = responses

local Server = {}
Server.__index = Server

--- Starts the server.
---@param certificate string path of a certificate and, with .key for .pem, of its key
---@return table server origins (by the names of M.WAYS), port (of plain HTTP)
function M.start(certificate)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  for _, response in ipairs(responses) do
    local lengths = {}
    for i, piece in ipairs(response.pieces) do
      lengths[i] = #piece
    end
    file:write(response.ends and "1 " or "0 ", table.concat(lengths, " "), "\n", table.concat(response.pieces))
  end
  file:close()
  local program = assert(os.getenv "QCIMAGE_BUILD", "QCIMAGE_BUILD names the folder of the build") .. "/hostileserver"
  local self = setmetatable({ origins = {} }, Server)
  self.pipe = assert(
    io.popen(("exec '%s' '%s' '%s' %s"):format(program, certificate, certificate:gsub("pem$", "key"), path), "r")
  )
  for i, way in ipairs(M.WAYS) do
    local port = assert(self.pipe:read "*l", "the hostile server did not start")
    self.port = self.port or port
    self.origins[way] = ("%s://127.0.0.1:%s"):format(i == 1 and "http" or "https", port)
  end
  os.remove(path)
  return self
end

-- Sends it a request of the spec's own, over plain HTTP.
local function ask(self, path)
  if not self.control then
    self.control = assert(socket.connect("127.0.0.1", self.port))
    self.control:settimeout(20)
  end
  assert(self.control:send(("GET %s HTTP/1.1\r\n\r\n"):format(path)))
  local length
  repeat
    local line = assert(self.control:receive "*l")
    length = line:match "^Content%-Length: (%d+)" or length
  until line == ""
  return assert(self.control:receive(tonumber(length)))
end

--- Waits until it has sent all that is due.
function Server:sync()
  ask(self, "/sync")
end

-- What came by runs of requests since the last time, by the beginning of their paths: {connection, path} in their order.
local function recordOf(self)
  local record = {}
  for connection, prefix, rest in ask(self, "/record"):gmatch "(%d+) (/[^/]*/)([^\n]*)\n" do
    record[prefix] = record[prefix] or {}
    table.insert(record[prefix], { connection, prefix .. rest })
  end
  return record
end

function Server:stop()
  pcall(ask, self, "/stop")
  self.pipe:close()
end

--- Whether the server goes on when the first piece of a response, or the first record of that, is sent.
function M.isLong(response)
  return response.ends or #response.pieces > 1 or #response.pieces[1] > 16384
end

--- The paths of the requests of one run: ordinary ones, the hostile response, and two more.
---@param number integer of the response
---@param way string
---@param place integer
---@return string prefix
---@return string[] paths
function M.paths(number, way, place)
  local prefix = ("/%d %s %d/"):format(number, way, place):gsub(" ", "-")
  local paths = {}
  for i = 1, place + 2 do
    paths[i] = prefix .. (i == place and "hostile" or i == place + 2 and "last" or i)
  end
  return prefix, paths
end

-- Whether nginx cannot know that nothing is behind a response: what it read last may have filled a buffer.
local function isDoubtful(response)
  local all = table.concat(response.pieces)
  return #all % 1024 == 0 or #response.pieces[#response.pieces] % 1024 == 0
end

-- What is wrong with a run, or nil: results of its requests ({status, body} or {reason, message}), and what came of them
-- ({connection, path}).
local function fault(number, way, place, results, came, keeps, isLibcurl)
  local response = M.responses[number]
  local _, paths = M.paths(number, way, place)
  if #came ~= #paths then
    return ("%d requests were sent, the server saw %d"):format(#paths, #came)
  end
  for i, path in ipairs(paths) do
    local result = results[i]
    if came[i][2] ~= path then
      return ("request %d is %s at the server"):format(i, came[i][2])
    elseif i ~= place and (result.status ~= 200 or result.body ~= M.own(path)) then
      return ("request %d got %s"):format(i, tostring(result.body or result.message))
    elseif i < place and keeps and came[i][1] ~= came[1][1] then
      return "an ordinary connection was not kept"
    end
  end
  local result = results[place]
  if result.status ~= response.status or result.body ~= response.body or result.reason ~= response.reason then
    if not (response.strict and isLibcurl) then
      return ("status %s, reason %s (%s), body %.100s"):format(
        tostring(result.status),
        tostring(result.reason),
        tostring(result.message),
        tostring(result.body)
      )
    end
  end
  local isKept = came[place][1] == came[place + 1][1]
  if isKept and not response.keep and not (response.drops and isLibcurl) then
    return "its connection was used again"
  elseif response.keep and keeps and not isKept and not (isDoubtful(response) and way ~= "plain" and not isLibcurl) then
    return "its connection was not kept"
  end
end

--- Judges the runs of all responses, one way and at one place.
---@param server table
---@param way string
---@param place integer
---@param runs table[] results of the requests of each: {status, body} or {reason, message}
---@param keeps boolean connections are kept at all
---@param isLibcurl boolean see strict and drops
---@return string[] problems
function M.judge(server, way, place, runs, keeps, isLibcurl)
  local record, problems = recordOf(server), {}
  for number, response in ipairs(M.responses) do
    local came = record[M.paths(number, way, place)] or {}
    local problem = fault(number, way, place, runs[number], came, keeps, isLibcurl)
    if problem then
      problems[#problems + 1] = ("%s: %s"):format(response.name, problem)
    end
  end
  return problems
end

return M
