--- emulator/codes.lua - numbers of API 2.0 that the emulator answers with, and what it assumes where the documents of
--- either API do not say.
--- Pure data. Part of qcimage, see LICENSE.
---
--- Documented at cloud.tencent.com/document/api/213/6982, unless under `assumed`.

local M = {}

M.success = 0
M.parameter = 4000
M.signature = 4100
M.permission = 4101
M.secretId = 4104
M.token = 4105
M.throttled = 4400
M.replay = 4500 -- a timestamp off the clock, too
M.protocol = 4600
M.notFound = 5000
M.failed = 5100 -- a batch: every item
M.partial = 5400
M.internal = 6000
M.action = 6100 -- no such action, or another host's

--- Numbers of API 2.0 for errors that the documents describe without one. A client must not rely on these.
M.assumed = {
  nameTaken = 4000,
  shared = 4102, -- an image that another account shares
  sharedOut = 4102, -- an image that is shared with other accounts
  notOwn = 4102, -- a public or market image
  state = 5100,
  inShared = 5100, -- deleting an image that others see
  quota = 5100, -- no room for one more image
  -- DescribeImages: `status` of an image whose state API 2.0 has no number for
  status = 0,
}

--- Codes of API 3.0 for errors that the documents describe without one. A client must not rely on these. As assumed:
--- ModifyImageAttribute leaves the name where an empty one is sent, and sets an empty description.
M.assumed3 = {
  body = "InvalidParameter", -- no JSON object
  contentType = "UnsupportedOperation", -- a body of a type that the action does not take
  replay = "InvalidRequest.ReplayAttack", -- signature v1; the word of the older path for the same fault
  null = "InvalidParameter", -- as for any value of a wrong type
  control = "InvalidParameterValue", -- a control character in a text
  blank = "InvalidParameterValue", -- a required text that is empty
  offset = "InvalidParameterValue.InvalidParameterValueLimit",
  filters = "InvalidParameterValue.LimitExceeded", -- too many filters
  notOwn = "InvalidImageId.NotFound", -- setting attributes of a public image
  -- setting attributes of an image that is shared with others: the page refuses it without naming a code, and lists
  -- this one for images that are shared by another account
  sharedOut = "UnsupportedOperation.SharedImageModifyUnsupported",
  permission = "UnauthorizedOperation",
  malformed = "InvalidRequest", -- bytes that are not an HTTP request
  unknownRegion = "InvalidParameterValue",
}

--- What prevents a change, by the store's names: the number of API 2.0, the code of API 3.0, the message.
M.PROBLEMS = {
  notFound = { M.notFound, "InvalidImageId.NotFound", "the image does not exist" },
  shared = {
    M.assumed.shared,
    "UnsupportedOperation.SharedImageModifyUnsupported",
    "the image is shared by another account",
  },
  sharedOut = {
    M.assumed.sharedOut,
    M.assumed3.sharedOut,
    "an image that is shared with other accounts can't be modified",
  },
  notOwn = { M.assumed.notOwn, M.assumed3.notOwn, "the image is not the account's own" },
  state = { M.assumed.state, "InvalidImageId.IncorrectState", "the state of the image does not allow this" },
  nameTaken = { M.assumed.nameTaken, "InvalidImageName.Duplicate", "another image has this name" },
  inShared = { M.assumed.inShared, "InvalidImageId.InShared", "the image is shared with other accounts" },
  quota = { M.assumed.quota, "ImageQuotaLimitExceeded", "the account has as many images as it can have" },
}

--- The word beside a code, where a document shows one.
M.codeDesc = {
  [0] = "Success",
  [4000] = "InvalidParameter",
  [4100] = "AuthFailure",
}

return M
