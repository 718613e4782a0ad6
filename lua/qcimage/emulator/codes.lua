--- emulator/codes.lua - numbers of API 2.0 that the emulator answers with, and what it assumes where
--- the documents of either API are silent.
--- Pure data. Part of qcimage, see LICENSE.
---
--- Documented at cloud.tencent.com/document/api/213/6982, unless under `assumed`.

local M = {}

M.success = 0
M.parameter = 4000
M.signature = 4100
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

--- What no document of API 2.0 gives a number for. A client must not rely on these.
M.assumed = {
  nameTaken = 4000,
  shared = 4102, -- an image that another account shares
  notOwn = 4102, -- a public or market image
  state = 5100,
  inShared = 5100, -- deleting an image that others see
  quota = 5100, -- no room for one more image
  -- DescribeImages: `status` of an image whose state API 2.0 has no number for
  status = 0,
}

--- What the documents of API 3.0 leave open: words for faults that are described without one, and what
--- a blank does. A client must not rely on these.
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
  blankNameStays = true, -- ModifyImageAttribute: an empty name leaves the name
  blankDescriptionClears = true, -- and an empty description is set
}

--- The word beside a code, where a document shows one.
M.codeDesc = {
  [0] = "Success",
  [4000] = "InvalidParameter",
  [4100] = "AuthFailure",
}

return M
