--- roles.lua - rules of STS for role ARNs and session names.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- cloud.tencent.com/document/api/1312/48197 and tencentcloud.com/document/product/1150/49456; older copies have no "_".
local SESSION_NAME = "^[A-Za-z0-9_+=,.@-]+$"
local SESSION_SHORTEST, SESSION_LONGEST = 2, 128

--- Returns what is wrong with a role's ARN; nil: nothing.
---@param arn any
---@return string|nil problem follows the name
function M.arnProblem(arn)
  if type(arn) ~= "string" or not arn:find "^qcs::cam:[^ \t]*:[^ \t]*:role[^ \t]*/[^%z\1-\32\127]+$" then
    return "is not the ARN of a role, such as qcs::cam::uin/100000000001:roleName/NAME"
  end
end

---@param name any
---@return string|nil problem
function M.sessionProblem(name)
  local length = type(name) == "string" and #name or 0
  if length < SESSION_SHORTEST or length > SESSION_LONGEST or not name:find(SESSION_NAME) then
    return ("must be %d to %d of A-Z a-z 0-9 _ + = , . @ -"):format(SESSION_SHORTEST, SESSION_LONGEST)
  end
end

return M
