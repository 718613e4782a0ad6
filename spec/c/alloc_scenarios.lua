--- alloc_scenarios.lua - what alloc_test.c runs again and again while memory runs out: a list of
--- {name, setup, run, sends, softens, address}. setup() makes what run(it) gets. run gives true, or
--- nil and a message; anything wrong is raised. sends: libcurl is in use. softens: a failure of Lua's
--- memory may come back as nil, message, too. address: of a server that answers, "plain" or "tls".

local function equal(expected, value, message)
  if value == nil then
    assert(type(message) == "string" and message ~= "", "a failure without a message")
    return nil, message
  end
  assert(value == expected, "a wrong value")
  return true
end

local function forget()
  for name in pairs(package.loaded) do
    if name:find "^qcimage" then
      package.loaded[name] = nil
    end
  end
end

-- Names and values of a form, as many and as long as wanted.
local function params(count, length)
  local all = {}
  for i = 1, count do
    all["name." .. i] = ("v"):rep(length)
  end
  return all
end

local function signs(name, method, ...)
  local arguments, unpack = { ... }, table.unpack or unpack
  return {
    name = name,
    setup = function()
      local core = require "qcimage.core"
      local other = core.signer("AKIDexample", "thesecretkey")
      return { core = core, expected = assert(other[method](other, unpack(arguments))) }
    end,
    run = function(it)
      if not it.signer then
        local signer, message = it.core.signer("AKIDexample", "thesecretkey")
        if not signer then
          return nil, message
        end
        it.signer = signer
      end
      return equal(it.expected, it.signer[method](it.signer, unpack(arguments)))
    end,
  }
end

local TYPE = "application/json; charset=utf-8"

local function digests(name, call)
  return {
    name = name,
    setup = function()
      local core = require "qcimage.core"
      return { core = core, expected = assert(call(core)) }
    end,
    run = function(it)
      return equal(it.expected, call(it.core))
    end,
  }
end

-- One connection that is used twice, made anew where it could not be made.
local function sends(name, options, fields, judge)
  return {
    name = name,
    sends = true,
    address = options.address,
    setup = function(address, caFile)
      local request = { method = "POST", headers = { ["Content-Type"] = "text/plain", ["X-A"] = "b" } }
      for field, value in pairs(fields) do
        request[field] = value
      end
      request.url = request.url or address .. "/path?query"
      return {
        http = require "qcimage.http",
        request = request,
        options = { caFile = caFile, maxResponseBytes = 100000, proxy = "" },
      }
    end,
    run = function(it)
      it.connection = it.connection or it.http.new(it.options)
      for _ = 1, 2 do
        local ok, message = judge(it.connection:send(it.request, 5))
        if not ok then
          return nil, message
        end
      end
      return true
    end,
  }
end

local function isAnswer(answer, message, detail)
  if not answer then
    assert(type(message) == "string" and message ~= "", "a failure without a message")
    assert(type(detail.sent) == "boolean", "a failure that does not say what was sent")
    return nil, message
  end
  assert(answer.status == 200 and answer.body == '{"code":0,"message":""}' and answer.headers["x-twice"] == "1, 2")
  return true
end

local function isRefused(answer, message, detail)
  assert(not answer and not detail.sent, "an answer of nobody")
  if detail.reason == "connect" then
    return true
  end
  return nil, message
end

local function calls(name, options, refuses)
  return {
    name = name,
    sends = true,
    address = options.address,
    softens = true,
    setup = function(address, caFile)
      if _VERSION == "Lua 5.1" then -- it would not load later what was cut short
        require "qcimage.transport.curl"
      end
      return {
        client = require("qcimage").new {
          secretId = "AKIDexample",
          secretKey = "thesecretkey",
          token = "thetoken",
          region = "gz",
          endpoint = refuses and "http://127.0.0.1:1" or address,
          caFile = caFile,
          apiVersion = options.apiVersion,
          method = options.method,
          maxAttempts = 1,
        },
        params = { imageId = "img-1", imageName = "a" },
      }
    end,
    run = function(it)
      local result, message, err = it.client:modify(it.params)
      if refuses then
        assert(not result and err.outcome == "notSent")
        if err.reason == "connect" then
          return true
        end
      elseif result then
        assert(result.code == 0)
        return true
      end
      assert(message == err.message and err.outcome)
      return nil, message
    end,
  }
end

local scenarios = {
  {
    name = "require core",
    setup = forget,
    run = function()
      forget() -- Lua 5.1 refuses a module whose loading was cut short
      local signer, message = require("qcimage.core").signer("AKIDexample", "thesecretkey")
      if not signer then
        return nil, message
      end
      signer:close()
      return true
    end,
  },
  {
    name = "require http",
    setup = forget,
    run = function()
      forget()
      require("qcimage.http").new():close()
      return true
    end,
  },
  {
    name = "redact",
    setup = function()
      return require "qcimage.core"
    end,
    run = function(core)
      assert(core.redact(("a secret %73ecret "):rep(50), { "secret", "other" }) == ("a *** *** "):rep(50))
      assert(core.base64 "foob" == "Zm9vYg==")
      return true
    end,
  },
  signs("sign, 2.0, SHA-256", "v2", "sha256", "POST", "h.example", "/v2/index.php", params(3, 5)),
  signs(
    "sign, 2.0, public",
    "v2",
    "sha256",
    "POST",
    "h.example",
    "/",
    params(50, 5),
    false,
    1700000000,
    "1",
    "A",
    "gz",
    "t"
  ),
  signs("sign, 2.0, SHA-1", "v2", "sha1", "GET", "h.example", "/v2/index.php", params(3, 5)),
  signs("sign, 2.0, large", "v2", "sha256", "POST", "h.example", "/v2/index.php", params(100, 100)),
  signs("sign, TC3", "tc3", 1700000000, "cvm", "h.example", TYPE, "{}"),
  signs("sign, TC3, large", "tc3", 1700000000, "cvm", ("h"):rep(5000), TYPE, ("x"):rep(9000)),
  {
    name = "sign with stages",
    setup = function()
      return { signer = require("qcimage.core").signer("AKIDexample", "thesecretkey") }
    end,
    run = function(it)
      local wire, two = it.signer:v2("sha256", "POST", "h", "/", { a = "b" }, true)
      if not wire then
        return nil, two
      end
      local header, three = it.signer:tc3(1700000000, "cvm", "h", TYPE, "{}", true, "GET", "a=b", "A")
      if not header then
        return nil, three
      end
      return two.stringToSign == "POSTh/?a=b" and #two.signature == 44 and #three.signature == 64
    end,
  },
  {
    name = "a signer, made, shown and closed",
    setup = function()
      return require "qcimage.core"
    end,
    run = function(core)
      local signer, message = core.signer(("i"):rep(500), ("k"):rep(500))
      if not signer then
        return nil, message
      end
      assert(tostring(signer) == "qcimage.signer (open)")
      signer:close()
      signer:close()
      return tostring(signer) == "qcimage.signer (closed)" and not pcall(signer.v2, signer)
    end,
  },
  digests("hmac, sha1", function(core)
    return core.hmac("sha1", "key", "text")
  end),
  digests("hmac, sha256", function(core)
    return core.hmac("sha256", ("key"):rep(100), ("text"):rep(1000))
  end),
  digests("sha256", function(core)
    return core.sha256 "text"
  end),
  digests("version", function(core)
    return core.version()
  end),
  {
    name = "nonce, clocks, utf8len",
    setup = function()
      return require "qcimage.core"
    end,
    run = function(core)
      local nonce, message = core.nonce()
      if not nonce then
        return nil, message
      end
      return nonce:find "^%d+$" ~= nil and core.time() > 0 and core.monotonic() > 0 and core.utf8len "abc" == 3
    end,
  },
  {
    name = "a connection, made, shown and closed",
    setup = function()
      return require "qcimage.http"
    end,
    run = function(http)
      local connection = http.new { caFile = "/a", proxy = "http://u:p@h", verify = false }
      assert(tostring(connection) == "qcimage.http (open)")
      connection:close()
      connection:close()
      return http.version():find "libcurl" ~= nil and #tostring(http.caFile()) > 0
    end,
  },
  {
    name = "a journal",
    setup = function()
      return { core = require "qcimage.core", path = os.tmpname() }
    end,
    run = function(it)
      os.remove(it.path)
      local journal, message = it.core.journal(it.path, true)
      if not journal then
        return nil, message
      end
      local ok = journal:append "text" and journal:sync() and select(3, it.core.journal(it.path, true)) == "exists"
      journal:close()
      assert(os.remove(it.path))
      return ok and not pcall(journal.append, journal, "more")
    end,
  },
  {
    name = "permissions, an end by no signal",
    setup = function()
      return require "qcimage.core"
    end,
    run = function(core)
      local missing = core.permissions "/none"
      return core.permissions "/dev/null" ~= nil and missing == nil and not pcall(core.endBySignal, 0)
    end,
  },
  sends("send to nobody", {}, { url = "http://127.0.0.1:1/", body = "x" }, isRefused),
  {
    name = "stages",
    sends = true,
    address = "plain",
    setup = function(address)
      local connection = require("qcimage.http").new { proxy = "" }
      connection:send({ method = "GET", url = address .. "/", headers = {} }, 5)
      return connection
    end,
    run = function(connection)
      local stages = connection:stages()
      return stages.address == "127.0.0.1" and stages.answered > 0
    end,
  },
  sends("send", { address = "plain" }, { body = ("x"):rep(10000) }, isAnswer),
  sends("send over TLS", { address = "tls" }, { method = "GET" }, isAnswer),
  calls("a whole call to nobody", {}, true),
  calls("a whole call, 2.0", { address = "plain", method = "GET" }),
  calls("a whole call, 3.0", { address = "plain", apiVersion = "3.0" }),
}

return scenarios
