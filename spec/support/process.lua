--- process.lua - runs programs from a spec: shell commands, and Lua in the interpreter of the spec.

local M = {}

local first = 0
while arg[first - 1] do
  first = first - 1
end

--- Command of the interpreter that runs this spec.
M.interpreter = arg[first]

--- Quotes a word for the shell.
function M.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Assignments for env(1) by which a program finds the modules that this spec has.
M.paths = ("LUA_PATH=%s LUA_CPATH=%s"):format(M.quote(package.path), M.quote(package.cpath))

--- Runs a shell command.
---@param command string
---@return string output stdout and stderr
---@return integer status
function M.run(command)
  local pipe = assert(io.popen("{ " .. command .. '\n} 2>&1; echo "status $?"', "r"))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.*)status (%d+)\n$"
  return text, tonumber(status)
end

--- Makes a folder for PATH, with the command qcimage of these sources.
---@param parent string folder in which it is made
---@return string folder
function M.commandFolder(parent)
  local folder, root = parent .. "/bin", M.run("pwd"):gsub("\n", "")
  M.run("mkdir -p " .. folder)
  local file = assert(io.open(folder .. "/qcimage", "wb"))
  file:write(
    ('#!/bin/sh\nexec env %s QCIMAGE_METADATA=off %s %s/spec/support/qcimage.lua "$@"\n'):format(
      M.paths,
      M.interpreter,
      root
    )
  )
  file:close()
  M.run("chmod +x " .. folder .. "/qcimage")
  return folder
end

--- Runs Lua code in a process of its own.
---@param code string
---@param environment string|nil options and assignments for env(1)
---@return string output stdout and stderr
---@return integer status
function M.lua(code, environment)
  local program = ("env %s %s %s - <<'END_OF_LUA'\n%s\nEND_OF_LUA"):format(
    environment or "",
    M.paths,
    M.interpreter,
    code
  )
  return M.run(program)
end

--- The command that runs another on a network and with mounts of its own: as root, or else as root of
--- a user namespace. In a chroot the mounts cannot be cut off from those outside, so what runs there
--- undoes its own.
---@return string
function M.isolation()
  if M.run "id -u" ~= "0\n" then
    return "unshare --map-root-user --net --mount"
  elseif select(2, M.run "unshare --mount true") == 0 then
    return "unshare --net --mount"
  end
  return "unshare --net --mount --propagation unchanged"
end

--- Whether strace works: QEMU has no ptrace for the programs that it emulates.
---@return boolean
function M.canTrace()
  return select(2, M.run "strace -o /dev/null true") == 0
end

return M
