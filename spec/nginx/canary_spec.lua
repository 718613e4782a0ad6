--- Marked secrets through every path: nothing that a call returns, throws, logs or shows holds one.

local canary = require "spec.support.canary"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

-- A service that answers with the secrets of the request, as it got them and decoded.
local ECHO = [[
  location / {
    client_body_buffer_size 1m;
    content_by_lua_block {
      ngx.req.read_body()
      local headers = ngx.req.get_headers()
      local got = (ngx.var.args or "") .. " " .. (ngx.req.get_body_data() or "")
      local all = table.concat({
        "kkMARK7kkMARK7kkMARK7kkMARK7kkMARK7", -- the service has it, too
        headers["x-tc-token"] or "",
        headers.authorization or "",
        got,
        ngx.unescape_uri(got),
      }, " ")
      local kind = all:match "echo%-(%l+)" or "message"
      local cjson = require "cjson"
      local function answer(fields, status)
        ngx.status = status or 200
        if headers["x-tc-action"] then
          ngx.say(cjson.encode {
            Response = { RequestId = fields.requestId, Error = { Code = fields.code, Message = fields.message } },
          })
        else
          ngx.say(cjson.encode(fields))
        end
      end
      local word = headers["x-tc-action"] and "AuthFailure.SignatureFailure" or 4100
      if kind == "message" then
        answer { code = word, message = all, requestId = "r" }
      elseif kind == "description" then
        answer { code = word, message = "m", codeDesc = all, requestId = "r" }
      elseif kind == "word" then
        answer { code = all, message = "m", requestId = "r" }
      elseif kind == "request" then
        answer { code = word, message = "m", requestId = all }
      elseif kind == "page" then
        ngx.status = 502
        ngx.say("<html>" .. all)
      elseif kind == "odd" then
        ngx.say(all)
      elseif kind == "coded" then
        ngx.header["Content-Encoding"] = all:gsub("%s", " ")
        ngx.say("{}")
      elseif kind == "moved" then
        ngx.status = 302
        ngx.header.Location = "https://api.test/?" .. all:gsub("%s", "+")
        ngx.say(all)
      elseif kind == "cut" then
        ngx.say(cjson.encode({ code = 0, message = all }):sub(1, -4))
      elseif kind == "long" then
        for _ = 1, 100 do
          ngx.say(all)
        end
      elseif kind == "throttled" then
        ngx.header["Retry-After"] = all:gsub("%s", " ")
        answer({ code = word, message = all, requestId = "r" }, 429)
      elseif kind == "internal" then
        answer({ code = word, message = all, requestId = "r" }, 500)
      end
    }
  }
]]

local SHAPES = {
  { apiVersion = "2.0", method = "POST" },
  { apiVersion = "2.0", method = "GET", signatureMethod = "HmacSHA1" },
  { apiVersion = "3.0" },
}

describe("no secret is shown", function()
  local echo, secure, plain, proxy

  setup(function()
    echo = nginx.start { conf = nginx.conf("", ECHO) }
    secure = raw.start { tls = "unknown", { { "recv" }, { "send", "HTTP/1.1 200 OK\r\n\r\n" }, { "close" } } }
    plain = raw.start { { { "recv" }, { "send", "nonsense\r\n\r\n" }, { "close" } } }
    proxy = raw.start {
      {
        { "recv" },
        {
          "send",
          "HTTP/1.1 407 No\r\n\r\nProxy-Authorization: Basic "
            .. canary.PROXY_BASIC
            .. ", that is "
            .. canary.PROXY_LOGIN,
        },
        { "close" },
      },
    }
  end)

  teardown(function()
    for _, server in ipairs { echo, secure, plain, proxy } do
      server:stop()
    end
  end)

  local function settings(shape)
    return ([[{
      options = { apiVersion = %q, method = %s, signatureMethod = %s },
      echo = %q, tls = %q, plain = %q, free = "%d", proxy = "%d",
    }]]):format(
      shape.apiVersion,
      shape.method and ("%q"):format(shape.method) or "nil",
      shape.signatureMethod and ("%q"):format(shape.signatureMethod) or "nil",
      echo.url,
      secure.url,
      plain.url,
      nginx.freePort(),
      proxy.port
    )
  end

  -- The texts of a run, with its signatures behind them backwards, so that they can be told from a leak.
  local CODE = [[
    local lines, signatures, kinds = dofile("%s/spec/support/canary.lua").run(%s)
    for i, signature in ipairs(signatures) do
      signatures[i] = signature:reverse()
    end
    local counts = {}
    for kind, count in pairs(kinds) do
      counts[#counts + 1] = kind .. "=" .. count
    end
    local text = table.concat(lines, "\n") .. "\nSIGNATURES " .. table.concat(signatures, " ")
      .. "\nKINDS " .. table.concat(counts, " ") .. " "
  ]]

  local function escaped(secret)
    return (secret:gsub("[^%w]", function(byte)
      return ("%%%02X"):format(byte:byte())
    end))
  end

  local function assertClean(output, log)
    local text, backwards, kinds = output:match "^(.*)\nSIGNATURES ([^\n]*)\nKINDS ([^\n]*)"
    assert.is_string(text, output)
    local signatures = {}
    for signature in backwards:gmatch "%S+" do
      signatures[#signatures + 1] = signature:reverse()
    end
    assert.is_true(#signatures > 100, #signatures)
    assert.is_true(#text > 20000, #text)
    for _, shown in ipairs { text, log } do
      for _, mark in ipairs { canary.MARKS[1], canary.MARKS[2], canary.MARKS[3], canary.PROXY_BASIC:sub(-12) } do
        local at = shown:find(mark, 1, true)
        assert.is_nil(at, at and mark .. " in: " .. shown:sub(math.max(1, at - 300), at + 100))
      end
      for _, signature in ipairs(signatures) do
        for _, form in ipairs { signature:sub(1, 12), escaped(signature:sub(1, 12)) } do
          local at = shown:find(form, 1, true)
          assert.is_nil(at, at and "a signature in: " .. shown:sub(math.max(1, at - 300), at + 100))
        end
      end
    end
    return text, kinds
  end

  local root = process.run("pwd"):gsub("\n", "")

  for _, shape in ipairs(SHAPES) do
    local name = ("API %s %s"):format(shape.apiVersion, shape.method or "POST")

    it("by libcurl, " .. name, function()
      local output, status = process.lua(
        (CODE:format(root, settings(shape)) .. " print(text)"),
        ("http_proxy=http://%s@127.0.0.1:9 no_proxy=127.0.0.1,nobody.invalid"):format(canary.PROXY_LOGIN)
      )
      assert.equal(0, status, output)
      local text, kinds = assertClean(output, "")
      assert.truthy(text:find("qcimage: verify = false", 1, true))
      for _, kind in ipairs { "connect", "dns", "tls", "timeout", "proxy", "tooLarge", "format", "status" } do
        assert.truthy(kinds:find(kind .. "=", 1, true), kind .. " is not among " .. kinds)
      end
      for _, kind in ipairs { "signature", "credentials", "raised", "throttled" } do
        assert.truthy(kinds:find(kind .. "=", 1, true), kind .. " is not among " .. kinds)
      end
    end)

    if _VERSION == "Lua 5.4" then -- once
      it("in nginx, " .. name, function()
        local worker = nginx.start { conf = nginx.conf "" }
        local text = worker:lua((CODE:format(root, settings(shape)) .. " return text"):gsub("%$", "%%%$"))
        local log = worker:log()
        worker:stop()
        local _, kinds = assertClean(text, log)
        assert.truthy(log:find("qcimage: verify = false", 1, true), log)
        for _, kind in ipairs { "connect", "dns", "tls", "timeout", "tooLarge", "format", "status", "unsupported" } do
          assert.truthy(kinds:find(kind .. "=", 1, true), kind .. " is not among " .. kinds)
        end
      end)
    end
  end
end)
