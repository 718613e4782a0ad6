--- answers.lua - answers of a server, byte for byte, and what they are: one table for both transports
--- and for the reader of the cosocket one. The server closes the connection behind each.
---
--- Fields: name, bytes; of a good one status and body, keep (the connection may be used again); of a
--- bad one reason.

local stub = require "spec.support.stub"

local OK = "HTTP/1.1 200 OK\r\n"
local JSON3 = '{"Response":{"RequestId":"00000000-0000-4000-8000-000000000001"}}'

local function fixture(name, status, body, keep)
  return { name = name, bytes = stub.fixture("answers/" .. name .. ".http"), status = status, body = body, keep = keep }
end

local function good(name, bytes, body, keep, status)
  return { name = name, bytes = bytes, status = status or 200, body = body, keep = keep }
end

local function bad(name, reason, bytes)
  return { name = name, bytes = bytes, reason = reason }
end

local function ofFile(name)
  return (stub.fixture("answers/" .. name .. ".http"):match "\r\n\r\n(.*)$")
end

local answers = {
  fixture("100-then-200", 200, JSON3, true),
  fixture("200-bom", 200, "\239\187\191" .. JSON3, true),
  fixture("200-empty", 200, "", true),
  fixture("200-html", 200, ofFile "200-html", true),
  fixture("200-object", 200, "{}", true),
  fixture("502-html", 502, ofFile "502-html", false),
  fixture("clock-skew", 200, ofFile "clock-skew", true),
  fixture("gzip", 200, ofFile "gzip", true),
  fixture("http10", 200, JSON3, false),
  fixture("no-length-partial", 200, '{"Response":{"Reques', false),
  fixture("short-length", 200, '{"code":0,"message":""}', false),
  fixture("too-short-length", 200, JSON3:sub(1, 56), false),

  good("no words in the status line", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", "{}", true),
  good("names in any case", OK .. "CONTENT-LENGTH: 2\r\ncOnNeCtIoN: Keep-Alive\r\n\r\n{}", "{}", true),
  good("blanks around a value", OK .. "Content-Length:\t 2 \t\r\n\r\n{}", "{}", true),
  good("bare line feeds in the head", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", "{}", true),
  good("Connection: Close", OK .. "Connection: Close\r\nContent-Length: 2\r\n\r\n{}", "{}", false),
  good("close among others", OK .. "Connection: keep-alive, CLOSE ,x\r\nContent-Length: 2\r\n\r\n{}", "{}", false),
  good(
    "close in a second line",
    OK .. "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    "{}",
    false
  ),
  good(
    "HTTP/1.0 that would be kept",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "{}",
    false
  ),
  good(
    "chunks, an extension, a trailer",
    OK
      .. 'Transfer-Encoding: Chunked\r\n\r\n1\r\n{\r\n00A;x="y"\r\n"code":0, \r\n'
      .. 'c \r\n"message":""\r\n1\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n',
    '{"code":0, "message":""}',
    true
  ),
  good("chunks that are none", OK .. "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", true),
  good(
    "chunks and something behind",
    OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1",
    "{}",
    false
  ),
  good("a body to the end", OK .. "\r\n{}", "{}", false),
  good("no body", "HTTP/1.1 204 No Content\r\n\r\n", "", true, 204),
  good(
    "several interim answers",
    "HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" .. OK .. "Content-Length: 2\r\n\r\n{}",
    "{}",
    true
  ),
  good(
    "another place",
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "",
    true,
    302
  ),

  bad("nothing", "closed", ""),
  bad("half a status line", "closed", "HTTP/1.1 2"),
  bad("half a head", "closed", OK .. "Content-Length: 2\r\n"),
  bad("half a body", "closed", OK .. "Content-Length: 3\r\n\r\n{}"),
  bad("half a chunk", "closed", OK .. "Transfer-Encoding: chunked\r\n\r\n3\r\n{}"),
  bad("no last chunk", "closed", OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
  bad("half a trailer", "closed", OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\n"),
  bad("an interim answer alone", "closed", "HTTP/1.1 100 Continue\r\n\r\n"),

  bad("a page without a head", "format", "<html>hello</html>\r\n\r\n"),
  bad("another protocol", "format", "SSH-2.0-OpenSSH_9.2\r\n"),
  bad("a status of four digits", "format", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
  bad("a status of two digits", "format", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
  bad("a switch of protocols", "format", "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"),
  bad("a header without a colon", "format", OK .. "nonsense\r\nContent-Length: 2\r\n\r\n{}"),
  bad("a blank before the colon", "format", OK .. "Content-Length : 2\r\n\r\n{}"),
  bad("a header without a name", "format", OK .. ": 2\r\n\r\n{}"),
  bad("a control byte in a header", "format", OK .. "X-A: b\27[2Jc\r\nContent-Length: 2\r\n\r\n{}"),
  bad("a zero byte in a header", "format", OK .. "X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}"),
  bad("a length that is a word", "format", OK .. "Content-Length: x\r\n\r\n{}"),
  bad("a length below nothing", "format", OK .. "Content-Length: -2\r\n\r\n{}"),
  bad("lengths that differ", "format", OK .. "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
  bad("a length that is told twice alike", "format", OK .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
  bad("a list of lengths", "format", OK .. "Content-Length: 2, 2\r\n\r\n{}"),
  bad("a length with a sign", "format", OK .. "Content-Length: +2\r\n\r\n{}"),
  bad("a length with more behind", "format", OK .. "Content-Length: 2x\r\n\r\n{}"),
  bad(
    "a length and chunks",
    "format",
    OK .. "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
  ),
  bad("a coding before the chunks", "format", OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
  bad("an unknown coding", "format", OK .. "Transfer-Encoding: x\r\n\r\n{}"),
  bad("chunks in HTTP/1.0", "format", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
  bad("a chunk's size that is a word", "format", OK .. "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),

  bad("a length beyond the limit", "tooLarge", OK .. "Content-Length: 1000000000\r\n\r\n"),
}

-- What the cosocket transport refuses at once, and libcurl takes or finds out later.
local strict = {
  bad("a folded header", "format", OK .. "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}"),
  bad("a chunk beyond the limit", "tooLarge", OK .. "Transfer-Encoding: chunked\r\n\r\n3B9ACA00\r\n"),
  bad("a chunk that is longer than told", "format", OK .. "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"),
  bad("bare line feeds in chunks", "format", OK .. "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n"),
  bad("a chunk's size with a sign", "format", OK .. "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n"),
  bad("a chunk's size with a prefix", "format", OK .. "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"),
}

return { both = answers, strict = strict }
