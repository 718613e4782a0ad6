--- Facts and judgements that stand once in the sources, written down here a second time: so that no slip in a table goes
--- unseen. What client and emulator both have is held against each other by rules_spec.lua.

local actions = require "qcimage.api.actions"
local codes = require "qcimage.api.error_codes"
local core = require "qcimage.core"
local emulatorText = require "qcimage.emulator.text"
local emulators = require "spec.support.emulator"
local options = require "qcimage.options"
local text = require "qcimage.util.text"

describe("a code", function()
  -- By what it means: reason (- where none is told), outcome, and what another try needs.
  local MEANINGS = {
    ["- rejected"] = [[4000 4600 5200 5300 6100 ActionOffline DryRunOperation FailedOperation.AccountAlreadyExists
      FailedOperation.AccountIsYourSelf FailedOperation.BYOLImageShareFailed FailedOperation.IllegalTagKey
      FailedOperation.NotMasterAccount InvalidAction.NotFound InvalidFilterValue.LimitExceeded MissingParameter
      NoSuchProduct NoSuchVersion OperationDenied RegionAbilityLimit RequestSizeLimitExceeded ResourceInsufficient
      ResourcesSoldOut UnknownParameter UnsupportedOperation UnsupportedProtocol UnsupportedRegion InvalidParameterValue]],
    ["- rejected later"] = "6200 InvalidAction.ActionUnavailable",
    ["signature rejected"] = "AuthFailure AuthFailure.Other",
    ["signature rejected reread"] = "4100 AuthFailure.SignatureFailure InvalidParameter.SignatureFailure",
    ["signature rejected renew"] = [[4104 4105 AuthFailure.TokenFailure InvalidRequest.TokenCheckFailed
      UnauthorizedOperation.InvalidToken AuthFailure.SecretIdNotFound InvalidParameter.SecretIdNotFound
      AuthFailure.InvalidSecretId]],
    ["clock rejected clock"] = "4200 4500 AuthFailure.SignatureExpire InvalidRequest.ReplayAttack",
    ["throttled rejected later"] = [[4400 InvalidRequest.LimitExceeded InvalidRequest.RequestConcurrencyExceeded
      RequestLimitExceeded LimitExceeded.RequestLimit LimitExceeded.RateLimit LimitExceeded.FreqLimit
      LimitExceeded.TooManyRequests FailedOperation.RequestLimitExceeded]],
    ["permission rejected"] = "4101 4102 4103 4106 4110 4300 5500 AuthFailure.MFAFailure AuthFailure.UnauthorizedOperation",
    ["notFound rejected"] = "5000 ResourceNotFound InvalidImageId.NotFound InvalidInstanceId.NotFound",
    ["imageState rejected"] = [[FailedOperation.InvalidImageState InvalidImageId.IncorrectState
      InvalidParameterValue.InvalidImageState]],
    ["sharedImage rejected"] = [[InvalidImageId.InShared InvalidParameterValue.InvalidImageIdIsShared
      UnsupportedOperation.SharedImageExportUnsupported UnsupportedOperation.SharedImageModifyUnsupported]],
    ["nameTaken rejected"] = "InvalidImageName.Duplicate",
    ["quota rejected"] = [[ImageQuotaLimitExceeded LimitExceeded OverQuota LimitExceeded.OverQuota
      LimitExceeded.QuotaLimitExceeded LimitExceeded.OutOfQuota]],
    ["busy rejected"] = [[MutexOperation ResourceInUse ResourceUnavailable OperationDenied.InstanceOperationInProgress
      UnsupportedOperation.MutexOperation LimitExceeded.ExportImageTaskLimitExceeded
      UnsupportedOperation.ResourceUnavailableNow
      UnsupportedOperation.InstanceStateRunning]],
    ["internal unknown"] = "5100 5400 FailedOperation InternalError.ResourceOpFailed",
    ["internal unknown again"] = "6000 InternalError InternalServerError ServiceUnavailable",
    ["- unknown"] = "4700 7000 Unheard Unheard.NotFound",
  }

  it("has the one meaning that is written here", function()
    for meaning, list in pairs(MEANINGS) do
      for word in list:gmatch "%S+" do
        local reason, outcome, again = codes.meaning(tonumber(word) or word)
        local told = (reason or "-") .. " " .. outcome .. (again and " " .. again or "")
        assert.equal(word .. ": " .. meaning, word .. ": " .. told)
      end
    end
  end)

  it("says that a version or an action is gone, or that a nonce was seen, or nothing of the kind", function()
    local expected = { [6100] = "gone", [4500] = "replay", ["InvalidRequest.ReplayAttack"] = "replay" }
    for _, word in ipairs { "NoSuchVersion", "ActionOffline", "InvalidAction", "InvalidAction.NotFound" } do
      expected[word] = "gone"
    end
    for _, list in pairs(MEANINGS) do
      for word in list:gmatch "%S+" do
        local code = tonumber(word) or word
        assert.equal(expected[code] == "gone", codes.isGone(code), word)
        assert.equal(expected[code] == "replay", codes.isReplay(code), word)
        assert.equal(word == "DryRunOperation", codes.isDryRun(code), word)
      end
    end
  end)
end)

describe("the actions", function()
  local REPEATABLE = {
    ["2.0"] = "CancelShareImage ModifyImageAttributes ShareImage",
    ["3.0"] = "ModifyImageAttribute ModifyImageSharePermission",
  }
  local READING = {
    ["2.0"] = "DescribeImages DescribeInstanceImageInfo GetImageShareUinInfo",
    ["3.0"] = "AssumeRole AssumeRoleWithWebIdentity DescribeImageFromFamily DescribeImageQuota "
      .. "DescribeImageSharePermission DescribeImages DescribeImportImageOs GetCallerIdentity",
  }

  it("that may be repeated, and that change nothing, are these", function()
    for version in pairs(REPEATABLE) do
      local repeatable, reading = {}, {}
      for _, name in ipairs(text.keys(actions[version])) do
        local action = actions[version][name]
        if action.reads then
          assert.is_true(action.repeatable, name)
          reading[#reading + 1] = name
        elseif action.repeatable then
          repeatable[#repeatable + 1] = name
        end
      end
      assert.equal(REPEATABLE[version], table.concat(repeatable, " "))
      assert.equal(READING[version], table.concat(reading, " "))
    end
  end)
end)

describe("UTF-8", function()
  it("is the same to the client and to the emulator, whose code is its own", function()
    local last = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF }
    local count = 0
    local function same(...)
      local value = string.char(...)
      count = count + 1
      if core.utf8len(value) ~= emulatorText.utf8len(value) then
        error(("%s: %s and %s"):format(
          value:gsub(".", function(byte)
            return ("%02X "):format(byte:byte())
          end),
          tostring(core.utf8len(value)),
          tostring(emulatorText.utf8len(value))
        ))
      end
    end
    for first = 0x7E, 0xFF do
      same(first)
      for _, second in ipairs(last) do
        same(first, second)
        for _, third in ipairs(last) do
          same(first, second, third)
          if first >= 0xE0 then
            for _, fourth in ipairs(last) do
              same(first, second, third, fourth)
              same(0x41, first, second, third, fourth, 0x41)
            end
          end
        end
      end
    end
    assert.is_true(count > 30000)
  end)
end)

describe("the systems that can be imported", function()
  local SYSTEMS = {
    "Windows Server 2008: 9",
    "Windows Server 2012: 9",
    "Windows Server 2016: 9",
    "Windows Server 2019: 9",
    "CentOS: 5 6 7 8",
    "CoreOS: 7",
    "Debian: 6 7 8 9 10 11",
    "FreeBSD: 10",
    "Redhat: 5 6 7",
    "OpenSUSE: 11 12",
    "SUSE: 10 11 12 13",
    "Ubuntu: 10 12 14 16 18 20 22",
    "Other Linux: 8",
  }

  it("are these", function()
    local _, _, call = emulators.new()
    local answer, listed = call("DescribeImportImageOs", "{}"), {}
    for i, system in ipairs(answer.ImportImageOsVersionSet) do
      listed[i] = system.OsName .. ": " .. table.concat(system.OsVersions, " ")
      assert.same({ "x86_64", "i386", "arm_64" }, system.Architecture)
    end
    assert.same(SYSTEMS, listed)
    assert.equal(4, #answer.ImportImageOsListSupported.Windows)
    assert.equal(9, #answer.ImportImageOsListSupported.Linux)
  end)
end)

describe("options", function()
  local VALUES = { -- one of each that another may leave without effect
    credentials = { secretId = "id", secretKey = "key" },
    secretId = "id",
    secretKey = "key",
    token = "token",
    profile = "p",
    transport = print,
    caFile = "/ca",
    connectTo = "127.0.0.1",
    connectTimeout = 1,
    maxResponseBytes = 1,
    poolIdle = 1,
    poolSize = 1,
    proxy = "http://127.0.0.1:1",
    verify = false,
  }

  it("that leave each other without effect are these pairs, and no others", function()
    local alone = {
      credentials = { secretId = true, secretKey = true, token = true, profile = true },
      transport = {
        caFile = true,
        connectTo = true,
        connectTimeout = true,
        maxResponseBytes = true,
        poolIdle = true,
        poolSize = true,
        proxy = true,
        verify = true,
      },
    }
    for one, value in pairs(VALUES) do
      for other, second in pairs(VALUES) do
        local excluded = (alone[one] or {})[other] or (alone[other] or {})[one] or false
        local problem = options.conflict { [one] = value, [other] = second }
        assert.equal(excluded, problem ~= nil, one .. " beside " .. other)
      end
    end
  end)

  it("of a call that have no effect in a function are these", function()
    for name, without in pairs {
      modify = "raw",
      describe = "raw readBack",
      each = "raw readBack",
      sign = "maxAttempts readBack timeout",
      call = "",
    } do
      for option in pairs(options.call) do
        local isWithout = (" " .. without .. " "):find(" " .. option .. " ", 1, true) ~= nil
        assert.equal(
          isWithout,
          options.misplaced(name, { [option] = option ~= "readBack" }) ~= nil,
          name .. ": " .. option
        )
      end
    end
  end)
end)
