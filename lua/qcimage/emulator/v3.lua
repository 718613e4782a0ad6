local json=require "qcimage.emulator.json"
local refusal=require "qcimage.emulator.refusal"
local M = {path="/", version="3.0", internal="InternalError", throttled="RequestLimitExceeded", tooLarge="RequestSizeLimitExceeded"}
function M.receive() refusal.raise("UnsupportedOperation", "not yet") end
function M.failure(e, c,m) return {Response={Error={Code=c,Message=m},RequestId=e:requestId()}} end
function M.codeOf(a) return a.Response.Error and a.Response.Error.Code or 0 end
function M.encode(a) return json.encode(a) end
return M
