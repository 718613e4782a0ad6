--- Covers the locale of the host program: signatures, requests and answers are the same under each. Its locales are compiled
--- here, and specs of spec/unit run again under them.
-- packages: locales

local process = require "spec.support.process"

describe("a locale of the host program", function()
  local folder

  -- Locales made here, since a bare system has none of these.
  setup(function()
    folder = process.run("mktemp -d"):gsub("\n", "")
    for name, charset in pairs { de_DE = "UTF-8", tr_TR = "ISO-8859-9" } do
      local made, status = process.run(("localedef -i %s -f %s %s/%s"):format(name, charset, folder, name))
      assert(status <= 1, made)
    end
  end)

  teardown(function()
    process.run("rm -rf " .. folder)
  end)

  it("with a decimal comma, turned on later, changes neither answers nor requests", function()
    local output = process.lua(
      [[
        local stub = require "spec.support.stub"
        local client, requests = stub.answering({}, '{"code":0,"message":"","totalCount":10}')
        assert(os.setlocale "de_DE", "no locale")
        local result = assert(client:call("X", { A = 0.5, B = 20 }, { raw = true }))
        print(result.code, result.totalCount, stub.form(requests[1].body).A, stub.form(requests[1].body).B)
        client, requests = stub.answering({ apiVersion = "3.0" }, '{"Response":{"RequestId":"r"}}')
        assert(client:call("X", { A = 0.5 }, { raw = true }))
        print(requests[1].body)
      ]],
      "LOCPATH=" .. folder
    )
    assert.equal('0\t10\t0.5\t20\n{"A":0.5}\n', output)
  end)

  for _, name in ipairs { "de_DE", "tr_TR" } do
    it("changes nothing that is signed or read: " .. name, function()
      local specs = {}
      for i, spec in ipairs { "sign", "http1", "error_codes", "paginator" } do
        specs[i] = ("spec/unit/%s_spec.lua"):format(spec)
      end
      local output, status = process.run(
        ('env %s LOCPATH=%s LC_ALL=%s %s -e \'assert(os.setlocale("") == "%s")\' spec/support/run.lua %s'):format(
          process.paths,
          folder,
          name,
          process.interpreter,
          name,
          table.concat(specs, " ")
        )
      )
      assert.equal(0, status, output)
      local successes = output:match "(%d+) successes / 0 failures / 0 errors"
      assert.is_true(successes and tonumber(successes) > 100, output)
    end)
  end
end)
