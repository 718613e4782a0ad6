--- commands.lua - the commands: what each does in one line, the words that people type for it elsewhere, and its module.
--- Part of qcimage, see LICENSE.

local M = {}

--- In the order of the help: name, summary, other words for it, whether it is in verbs.lua.
M.LIST = {
  { "describe", "list images", "list ls show get search images" },
  { "modify", "change the name, description and more of an image", "rename update edit set mv", isVerb = true },
  { "create", "make an image of an instance", "make new snapshot add", isVerb = true },
  { "copy", "copy images to other regions", "cp sync", isVerb = true },
  { "share", "share images with other accounts", "grant", isVerb = true },
  { "unshare", "no longer share images with other accounts", "revoke", isVerb = true },
  { "delete", "delete images", "remove rm del", isVerb = true },
  { "wait", "wait until images are ready", "poll watch", isVerb = true },
  { "apply", "rename and describe many images, by a list", "bulk batch import plan resume undo" },
  { "call", "call any image action by its name in the API", "invoke request action actions" },
  { "sign", "print the signed request of an action", "curl signature" },
  { "doctor", "check whether calls can work from here", "check diagnose debug test status" },
  { "emulator", "run a local emulator of the image service", "emulate mock server serve" },
  { "completion", "print a script that lets a shell complete qcimage", "complete" },
}

--- Words that are no command, and what is meant by them.
M.ELSEWHERE = {
  version = "--version",
  login = "doctor, which says where credentials come from",
  configure = "doctor, which says where credentials come from",
}

M.byName = {}
for _, command in ipairs(M.LIST) do
  M.byName[command[1]] = command
end

---@class qcimage.cli.Command a module of a command, or an entry of verbs.lua
---@field ARGUMENTS table[]|nil operands
---@field OPTIONS table[] options
---@field ABOUT string|nil paragraphs of its help
---@field EXAMPLES string[]|nil
---@field standsAlone boolean|nil it calls no service
---@field takesParameters boolean|nil its first operand is an action, whose parameters are options
---@field run fun(options: table): integer

--- The module of a command.
---@param name string one of LIST
---@return qcimage.cli.Command
function M.module(name)
  if M.byName[name].isVerb then
    return require("qcimage.cli.verbs")[name]
  end
  return require("qcimage.cli." .. (name == "completion" and "completion_script" or name))
end

return M
