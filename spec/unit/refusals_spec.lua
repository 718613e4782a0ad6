--- Keys that the service refuses: each code, each source, one attempt a call and three; what is asked again, how often, and
--- what heals. Covers credentials/refusals.lua and the retries "renew" and "reread".

local cloud = require "spec.support.cloud"
local core = require "qcimage.core"
local image = require "qcimage"

-- The codes, and whether a source is asked for others; else only files are looked at again.
local CODES = {
  ["AuthFailure.SecretIdNotFound"] = "renew",
  ["AuthFailure.InvalidSecretId"] = "renew",
  ["InvalidParameter.SecretIdNotFound"] = "renew",
  ["AuthFailure.TokenFailure"] = "renew",
  ["InvalidRequest.TokenCheckFailed"] = "renew",
  ["UnauthorizedOperation.InvalidToken"] = "renew",
  ["AuthFailure.SignatureFailure"] = "reread",
  ["InvalidParameter.SignatureFailure"] = "reread",
}

local home, write

-- What the world holds: which ids are refused and by what code, how often each service was asked, what it gives next.
local world

local function restart(code)
  world = { code = code, revoked = {}, sts = 0, metadata = 0, given = 0, sent = {} }
end

local function number()
  world.given = world.given + 1
  return world.given
end

local REFUSAL = '{"Response": {"Error": {"Code": "%s", "Message": "no"}, "RequestId": "r"}}'

local function transport(request)
  local function answer(body)
    return { status = 200, headers = {}, body = body }
  end
  if request.url:find "security%-credentials/$" then
    return answer "image-ops"
  elseif request.url:find "/meta%-data/" then
    world.metadata = world.metadata + 1
    local n = world.isStuck and world.given or number()
    return answer(cloud.document { TmpSecretId = ('"AKIDnode%d"'):format(n), ExpiredTime = "4102444800" })
  end
  local id = request.headers.Authorization:match "Credential=([^/]*)/" or "unsigned"
  if request.headers["X-TC-Action"]:find "^AssumeRole" then
    world.sts = world.sts + 1
    if world.revoked[id] then
      return answer(REFUSAL:format(world.code))
    end
    return answer(
      ('{"Response": {"Credentials": {"TmpSecretId": "AKIDrole%d", "TmpSecretKey": "assumedkey", "Token": "t"}, '):format(
        number()
      ) .. '"ExpiredTime": 4102444800, "RequestId": "r"}}'
    )
  end
  world.sent[#world.sent + 1] = id
  if world.revoked[id] or world.revoked.all then
    return answer(REFUSAL:format(world.code))
  end
  return answer '{"Response": {"RequestId": "r"}}'
end

local function file(id)
  write(".tencentcloud/credentials", ("[default]\nsecret_id = %s\nsecret_key = secretkey\n"):format(id))
end

local function login(id, more)
  write(".tccli/default.credential", ('{"secretId": "%s", "secretKey": "secretkey"%s}'):format(id, more or ""))
end

local ROLE = ', "role-arn": "' .. cloud.ARN .. '"'

-- Each source: what it needs; what somebody does who replaces its keys; whether that helps by a code that asks for
-- others, and by one that only looks at files.
local SOURCES = {
  ["a file"] = {
    make = function()
      file "AKIDfile1"
    end,
    replace = function()
      file "AKIDfile2"
    end,
    heals = { renew = true, reread = true },
  },
  ["a profile of tccli's"] = {
    make = function()
      login "AKIDlogin1"
    end,
    replace = function()
      login "AKIDlogin2"
    end,
    heals = { renew = true, reread = true },
  },
  ["a role"] = {
    make = function()
      login("AKIDlogin1", ROLE)
    end,
    heals = { renew = true },
  },
  ["the instance's role"] = { heals = { renew = true } },
  TKE = {
    make = function()
      write("token", "the.web.identity")
      return {
        TKE_REGION = "ap-x",
        TKE_PROVIDER_ID = "p",
        TKE_ROLE_ARN = cloud.ARN,
        TKE_WEB_IDENTITY_TOKEN_FILE = home .. "/token",
      }
    end,
    heals = { renew = true },
  },
  ["a function"] = {
    options = function()
      return {
        credentials = function()
          return { secretId = world.id, secretKey = "secretkey" }
        end,
      }
    end,
    make = function()
      world.id = "AKIDfunction1"
    end,
    replace = function()
      world.id = "AKIDfunction2"
    end,
    heals = { renew = true, reread = true },
  },
  ["the environment"] = {
    make = function()
      return { TENCENTCLOUD_SECRET_ID = "AKIDenvironment", TENCENTCLOUD_SECRET_KEY = "secretkey" }
    end,
    heals = {},
  },
}

local function client(source, maxAttempts)
  local environment = source.make and source.make() or {}
  local options = source.options and source.options() or {}
  environment.HOME = home
  options.region, options.apiVersion, options.transport = "ap-x", "3.0", transport
  options.maxAttempts = maxAttempts
  function options.sleep() end
  local getenv = os.getenv
  rawset(os, "getenv", function(name)
    return environment[name]
  end)
  local ok, made = pcall(image.new, options)
  rawset(os, "getenv", getenv)
  assert(ok, made)
  return made
end

local function modify(one)
  return one:modify { imageId = "img-12345678", imageName = "a" }
end

describe("refused keys", function()
  local monotonic, pass

  before_each(function()
    home, write = cloud.folder()
    monotonic = core.monotonic
    local late = 0
    rawset(core, "monotonic", function()
      return monotonic() + late
    end)
    function pass(seconds)
      late = late + seconds
    end
  end)

  after_each(function()
    rawset(core, "monotonic", monotonic)
    cloud.remove(home)
  end)

  for name, source in pairs(SOURCES) do
    it(
      "of " .. name .. " are replaced as soon as it has others, by each code, with one attempt a call and three",
      function()
        for code, how in pairs(CODES) do
          for _, maxAttempts in ipairs { 1, 3 } do
            restart(code)
            local one = client(source, maxAttempts)
            assert(modify(one))
            local first = world.sent[1]
            local asked = world.sts + world.metadata
            world.revoked[first] = true
            if source.replace then
              assert.is_nil((modify(one))) -- not replaced yet
              assert.is_nil((modify(one)))
              source.replace()
            end
            local label = ("%s, %s, %d attempts: "):format(name, code, maxAttempts)
            local result, message, err = modify(one)
            if source.heals[how] and not source.replace and maxAttempts == 1 then
              assert.is_nil(result, label)
              result = modify(one)
            end
            if source.heals[how] then
              assert.is_table(result, label .. tostring(message))
              assert.not_equal(first, world.sent[#world.sent])
              assert(modify(one))
            else
              assert.is_nil(result, label)
              assert.same({ "signature", "rejected", 1 }, { err.reason, err.outcome, #err.attempts }, label)
              assert.equal(first, world.sent[#world.sent])
            end
            local more = source.heals[how] and not source.replace and 1 or 0
            assert.equal(asked + more, world.sts + world.metadata, label)
          end
        end
      end
    )
  end

  it("that are replaced by others which are refused, too, are not replaced again at once", function()
    for name, source in pairs(SOURCES) do
      if not source.replace and source.heals.renew then
        restart "AuthFailure.TokenFailure"
        local one = client(source, 3)
        assert(modify(one))
        world.revoked.all = true
        local asked = world.sts + world.metadata
        for _ = 1, 20 do
          assert.is_nil((modify(one)))
        end
        assert.equal(asked + 1, world.sts + world.metadata, name)
        pass(31)
        for _ = 1, 20 do
          assert.is_nil((modify(one)))
        end
        assert.equal(asked + 2, world.sts + world.metadata, name)
        world.revoked.all = nil
        assert(modify(one))
      end
    end
  end)

  it("that the metadata service goes on giving do not have it asked at each call", function()
    restart "AuthFailure.TokenFailure"
    local one = client(SOURCES["the instance's role"], 3)
    assert(modify(one))
    world.isStuck, world.revoked[world.sent[1]] = true, true
    for _ = 1, 20 do
      assert.is_nil((modify(one)))
    end
    assert.equal(2, world.metadata)
  end)

  it("of a file that is then broken or gone are an error with its name, and are not used again", function()
    for expected, replace in pairs {
      ["~/.tencentcloud/credentials [default], line 2: secret_id is empty"] = function()
        write(".tencentcloud/credentials", "[default]\nsecret_id =\nsecret_key = secretkey\n")
      end,
      ["~/.tencentcloud/credentials does not exist"] = function()
        os.remove(home .. "/.tencentcloud/credentials")
      end,
    } do
      for _, maxAttempts in ipairs { 1, 3 } do
        restart "AuthFailure.SecretIdNotFound"
        login "AKIDlogin1" -- of somebody else
        local one = client(SOURCES["a file"], maxAttempts)
        assert(modify(one))
        world.revoked.AKIDfile1 = true
        replace()
        local _, message = modify(one)
        if maxAttempts == 3 then
          assert.matches("; no fresh credentials: " .. expected, message, 1, true)
        end
        local sent = #world.sent
        _, message = modify(one)
        assert.matches(expected, message, 1, true)
        assert.equal(sent, #world.sent)
        file "AKIDfile2"
        assert(modify(one))
        assert.equal("AKIDfile2", world.sent[#world.sent])
      end
    end
  end)

  it("that were read half-written heal", function()
    restart "AuthFailure.SignatureFailure"
    local one = client(SOURCES["a file"], 1)
    file "AKIDfil"
    world.revoked.AKIDfil = true
    local _, message = modify(one)
    assert.equal(
      "ModifyImageAttribute: AuthFailure.SignatureFailure: no (keys from ~/.tencentcloud/credentials [default])"
        .. " [requestId r]; nothing was changed",
      message
    )
    file "AKIDfile1"
    assert(modify(one))
  end)

  it("that assume a role are looked at again, when STS refuses them", function()
    restart "AuthFailure.SecretIdNotFound"
    local one = client(SOURCES["a role"], 1)
    world.revoked.AKIDlogin1 = true
    assert.is_nil((modify(one)))
    login("AKIDlogin2", ROLE)
    assert(modify(one))
    -- also where the role is named elsewhere
    restart "AuthFailure.SecretIdNotFound"
    file "AKIDfile1"
    one = client({
      options = function()
        return { roleArn = cloud.ARN }
      end,
    }, 1)
    world.revoked.AKIDfile1 = true
    assert.is_nil((modify(one)))
    assert.is_nil((modify(one)))
    file "AKIDfile2"
    assert(modify(one))
  end)

  it("are told to a function at each question until it gives others", function()
    restart "AuthFailure.SecretIdNotFound"
    local told = {}
    world.id = "AKIDfunction1"
    local one = client({
      options = function()
        return {
          credentials = function(context)
            told[#told + 1] = context.refused and context.refused.secretId or "none"
            return { secretId = world.id, secretKey = "secretkey" }
          end,
        }
      end,
    }, 1)
    assert(modify(one))
    world.revoked.AKIDfunction1 = true
    modify(one)
    modify(one)
    world.id = "AKIDfunction2"
    assert(modify(one))
    assert(modify(one))
    assert.same({ "none", "none", "AKIDfunction1", "AKIDfunction1", "none" }, told)
  end)
end)
