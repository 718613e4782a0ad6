--- textfile.lua - reads a small file of keys whole, and says why when it cannot. Opens for reading only.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local warning = require "qcimage.warning"

local M = {}

local BOM = "\239\187\191"

-- Bytes: the files of credentials have under 1 KB, tccli's settings of all services about 30 KB.
M.LARGEST = 256 * 1024

-- Numbers of errno, the same on Linux, macOS and the BSDs.
local MISSING, NOT_ALLOWED, PART_IS_FILE, IS_FOLDER = 2, 13, 20, 21

local PROBLEMS = {
  [MISSING] = "does not exist",
  [NOT_ALLOWED] = "may not be read by this user",
  [PART_IS_FILE] = "does not exist",
  [IS_FOLDER] = "is a folder",
}

local function problemOf(message, code)
  return PROBLEMS[code] or "cannot be read: " .. (tostring(message):gsub("^.*: ", ""))
end

-- Rights that only the owner of keys should have: those of others, and writing for the group.
local OTHERS, GROUP_WRITES = 7, 16

--- Warns, once for a file, when others may read its keys or change them.
---@param path string
---@param shown string the path as messages show it
function M.warn(path, shown)
  local bits = core.permissions(path)
  if bits and (bits % (OTHERS + 1) > 0 or bits % (2 * GROUP_WRITES) >= GROUP_WRITES) then
    warning.once(("%s is open to others than its owner (mode %04o): chmod 600 %s"):format(shown, bits, shown))
  end
end

--- Reads a file. A byte order mark at its beginning is no part of it.
---@param path string
---@return string|nil text
---@return string|nil problem follows the file's name
---@return boolean|nil isMissing
function M.read(path)
  local file, message, code = io.open(path, "rb")
  if not file then
    return nil, problemOf(message, code), code == MISSING or code == PART_IS_FILE
  end
  local contents
  contents, message, code = file:read(M.LARGEST + 1)
  file:close()
  if not contents and message then
    return nil, problemOf(message, code)
  elseif contents and #contents > M.LARGEST then
    return nil, ("has more than %d bytes"):format(M.LARGEST)
  end
  contents = contents or "" -- read gives nil at the end of a file
  return contents:sub(1, 3) == BOM and contents:sub(4) or contents
end

--- A path as messages show it: the home folder as ~.
---@param path string
---@param home string|nil
---@return string
function M.shown(path, home)
  if home and path:sub(1, #home + 1) == home .. "/" then
    return "~" .. path:sub(#home + 1)
  end
  return path
end

return M
