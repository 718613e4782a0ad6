--- HTTP/1.1 from bytes and to bytes, without a socket: covers transport/http1.lua.

local answers = require "spec.support.answers"
local http1 = require "qcimage.transport.http1"
local limits = require "qcimage.util.limits"

local MOST = 1024 * 1024
local OK = "HTTP/1.1 200 OK\r\n"

-- Reads pieces, then the end of the connection. Returns the reader, and problem and reason.
local function read(pieces, most)
  local reader = http1.reader(most or MOST)
  for _, piece in ipairs(pieces) do
    local done, problem, reason = reader:feed(piece)
    if done == nil then
      return reader, problem, reason
    end
    assert.equal(done, reader.response ~= nil)
  end
  if not reader.response and not reader:finish() then
    return reader, "the end", "closed"
  end
  return reader
end

local function check(answer, pieces, how)
  local reader, problem, reason = read(pieces)
  assert.equal(answer.reason, reason, how)
  if answer.reason then
    assert.equal("string", type(problem))
    assert.is_nil(reader.response)
    return nil
  end
  assert.equal(answer.status, reader.response.status, how)
  assert.equal(answer.body, reader.response.body, how)
  return reader.keep
end

local function split(bytes, at)
  return { bytes:sub(1, at), bytes:sub(at + 1) }
end

describe("an answer", function()
  for _, list in ipairs { answers.both, answers.strict } do
    for _, answer in ipairs(list) do
      it("with " .. answer.name .. " is read alike whole, in two parts and byte by byte", function()
        local bytes = answer.bytes
        assert.equal(answer.keep, check(answer, { bytes }, "whole"))
        for at = 1, #bytes - 1 do
          check(answer, split(bytes, at), "at " .. at)
        end
        local single = {}
        for at = 1, #bytes do
          single[at] = bytes:sub(at, at)
        end
        assert.equal(answer.keep, check(answer, single, "byte by byte"))
      end)
    end
  end

  it("that is cut short is none, and its connection is not kept", function()
    for _, answer in ipairs(answers.both) do
      if answer.keep then
        for length = 0, #answer.bytes - 1 do
          local reader, _, reason = read { answer.bytes:sub(1, length) }
          assert.equal("closed", reason, answer.name .. " " .. length)
          assert.is_nil(reader.response)
          assert.is_falsy(reader.keep)
        end
      end
    end
  end)

  it("followed by more does not keep its connection, however the more comes", function()
    local bytes = OK .. "Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n"
    for at = 0, #bytes - 1 do
      local reader = read(split(bytes, at))
      assert.equal("{}", reader.response.body)
      assert.is_false(reader.keep)
    end
  end)

  it("has its headers by small names, joined where there are several", function()
    local reader = read { OK .. "X-One:  a b \r\nx-two: 1\r\nX-TWO:2\r\nX-None:\r\nContent-Length: 0\r\n\r\n" }
    assert.same({
      ["x-one"] = "a b",
      ["x-two"] = "1, 2",
      ["x-none"] = "",
      ["content-length"] = "0",
    }, reader.response.headers)
  end)

  it("has headers of every name and value that HTTP allows, and of no other", function()
    for byte = 0, 255 do
      local char = string.char(byte)
      local isToken = char:find "^[!#$%%&'*+.^_`|~0-9A-Za-z-]$" ~= nil
      local reader, _, reason = read { OK .. "a" .. char .. "b: c\r\nContent-Length: 0\r\n\r\n" }
      if isToken then
        local isCapital = byte >= 65 and byte <= 90
        assert.equal("c", reader.response.headers["a" .. (isCapital and string.char(byte + 32) or char) .. "b"], byte)
      elseif char == ":" then
        assert.equal("b: c", reader.response.headers.a)
      else
        assert.equal("format", reason, byte)
      end
      reader, _, reason = read { OK .. "X-A: b" .. char .. "c\r\nContent-Length: 0\r\n\r\n" }
      if byte == 9 or byte >= 32 and byte ~= 127 then
        assert.equal("b" .. char .. "c", reader.response.headers["x-a"], byte)
      else
        assert.equal("format", reason, byte)
      end
    end
  end)

  it("has its headers by small names, however many names a server thinks up", function()
    for round = 1, 2 do -- the first of them are remembered
      for i = 1, 1100, 100 do
        local lines, expected = {}, { ["content-length"] = "0" }
        for j = i, i + 99 do
          local name = ("X-Round-%d%s"):format(j, ("Y"):rep(j % 2 * 60))
          lines[#lines + 1] = ("%s: %d\r\n"):format(name, round)
          expected[name:lower()] = tostring(round)
        end
        local reader = read { OK .. table.concat(lines) .. "Content-Length: 0\r\n\r\n" }
        assert.same(expected, reader.response.headers)
      end
    end
  end)

  it("has no headers of interim answers or trailers", function()
    local reader = read {
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        .. OK
        .. "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nnonsense\r\n\r\n",
    }
    assert.same({ ["transfer-encoding"] = "chunked" }, reader.response.headers)
  end)

  it("is held to the limit of its body, however that is framed", function()
    for _, framed in ipairs {
      { "Content-Length: %d\r\n\r\n%s", true },
      { "\r\n%s" },
      { "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n%x\r\n%s\r\n0\r\n\r\n", true, 3 },
    } do
      local function bytes(length)
        local rest = ("x"):rep(length - (framed[3] or 0))
        return OK .. (framed[2] and framed[1]:format(#rest, rest) or framed[1]:format(rest))
      end
      assert.equal(100, #read({ bytes(100) }, 100).response.body)
      local reader, _, reason = read({ bytes(101) }, 100)
      assert.equal("tooLarge", reason)
      assert.is_nil(reader.response)
    end
  end)

  it("is held to the limits of its head, with interim answers and trailers", function()
    local line = "X-A: " .. ("x"):rep(1000) .. "\r\n"
    local enough = math.floor(limits.headerBytes / #line) + 1
    local chunked = OK .. "Transfer-Encoding: chunked\r\n\r\n0\r\n"
    for what, bytes in pairs {
      ["long lines"] = OK .. line:rep(enough),
      ["a line without end"] = OK .. "X-A: " .. ("x"):rep(limits.headerBytes),
      ["many lines"] = OK .. ("A: b\r\n"):rep(limits.headerLines),
      ["many interim answers"] = ("HTTP/1.1 100 Continue\r\n\r\n"):rep(limits.headerLines),
      ["a long trailer"] = chunked .. line:rep(enough),
      ["a trailer of many lines"] = chunked .. ("A: b\r\n"):rep(limits.headerLines),
    } do
      local _, _, reason = read { bytes }
      assert.equal("tooLarge", reason, what)
    end
    assert.is_table(read({ OK .. ("A: b\r\n"):rep(limits.headerLines - 3) .. "Content-Length: 0\r\n\r\n" }).response)
  end)

  it("may not have more of chunk lines than of body", function()
    local tiny = "1;" .. ("x"):rep(100) .. "\r\na\r\n"
    local _, _, reason =
      read { OK .. "Transfer-Encoding: chunked\r\n\r\n" .. tiny:rep(math.floor(limits.headerBytes / 100)) }
    assert.equal("tooLarge", reason)
    local large = "c8;" .. ("x"):rep(100) .. "\r\n" .. ("a"):rep(200) .. "\r\n"
    local reader = read {
      OK .. "Transfer-Encoding: chunked\r\n\r\n" .. large:rep(math.floor(limits.headerBytes / 100)) .. "0\r\n\r\n",
    }
    assert.equal(200, reader.response.status)
  end)

  it("costs no more than its length, whatever blanks it has", function()
    local blanks = (" "):rep(30000)
    local before = os.clock()
    for _ = 1, 20 do
      read { OK .. "X-A: " .. blanks .. "x" .. blanks .. "\r\nConnection: " .. blanks .. "\r\n\r\n" }
      read { OK .. "Content-Length:" .. blanks .. "1" .. blanks .. "2\r\n\r\n" }
      read { OK .. "Connection: x" .. blanks .. "x" .. blanks .. ",y\r\n\r\n" }
      read { OK .. "X-A: " .. blanks .. ("x"):rep(30000) .. "\0\r\n\r\n" }
    end
    -- a time that grows with the square would be minutes
    assert.is_true(os.clock() - before < 10)
  end)
end)

describe("a request", function()
  local function write(request, path)
    request.path = path
    return http1.write(request)
  end

  it("begins with its line and Host, and tells its body's length", function()
    local bytes = write({ method = "POST", headers = { ["X-A"] = "b", Host = "h:1" }, body = "abc" }, "/p")
    assert.equal("POST /p HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc", bytes)
    bytes = write({ method = "GET", headers = { Host = "h" } }, "/p?q")
    assert.equal("GET /p?q HTTP/1.1\r\nHost: h\r\n\r\n", bytes)
    assert.matches("\r\nContent%-Length: 0\r\n\r\n$", write({ method = "POST", headers = { Host = "h" } }, "/"))
  end)

  it("has headers of every name and value that HTTP allows, and of no other", function()
    for byte = 0, 255 do
      local char = string.char(byte)
      for _ = 1, 2 do -- the first time is remembered
        local bytes = write({ method = "GET", headers = { Host = "h", ["a" .. char .. "B"] = "c" } }, "/")
        local isToken = char:find "^[!#$%%&'*+.^_`|~0-9A-Za-z-]$" ~= nil
        assert.equal(isToken and "GET / HTTP/1.1\r\nHost: h\r\na" .. char .. "B: c\r\n\r\n" or nil, bytes, byte)
      end
      local isValue = byte == 9 or byte >= 32 and byte ~= 127
      for _, value in ipairs { char, "b" .. char .. "c" } do
        local bytes = write({ method = "GET", headers = { Host = "h", A = value } }, "/")
        assert.equal(isValue and "GET / HTTP/1.1\r\nHost: h\r\nA: " .. value .. "\r\n\r\n" or nil, bytes, byte)
      end
    end
  end)

  it("that a header would split is not written", function()
    for name, value in pairs {
      ["X-A"] = "b\r\nX-B: c",
      ["X-B"] = "a\nb",
      ["X-C"] = "a\0b",
      ["X-D: e\r\nX-F"] = "g",
      [""] = "h",
    } do
      local bytes, problem = write({ method = "GET", headers = { Host = "h", [name] = value } }, "/")
      assert.is_nil(bytes)
      assert.is_nil(problem:find "[\r\n]")
    end
  end)
end)
