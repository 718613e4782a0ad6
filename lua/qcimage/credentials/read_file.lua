--- read_file.lua - reads a small file of keys whole, and says why when it cannot. Opens for reading only.
--- Part of qcimage, see LICENSE.

local core = require "qcimage.core"
local json = require "qcimage.util.json"
local text = require "qcimage.util.text"
local warning = require "qcimage.util.warning"

local M = {}

local BOM = "\239\187\191"

-- Bytes: the files of credentials have under 1 KB, tccli's settings of all services about 30 KB.
local MAX_BYTES = 256 * 1024

-- Numbers of errno, the same on Linux, macOS and the BSDs.
local MISSING, NOT_ALLOWED, PART_IS_FILE, IS_FOLDER = 2, 13, 20, 21

local PROBLEMS = {
  [MISSING] = "does not exist",
  [NOT_ALLOWED] = "cannot be read by this user",
  [PART_IS_FILE] = "does not exist",
  [IS_FOLDER] = "is a folder",
}

local function problemOf(message, code)
  return PROBLEMS[code] or "cannot be read: " .. (tostring(message):gsub("^.*: ", ""))
end

-- Permission bits that only the owner of keys should have: others' rights, and the group's right to write.
local OTHERS, GROUP_WRITES = 7, 16

--- Warns, once per file, if others can read or change its keys.
---@param path string
---@param shown string the path in messages
function M.warnIfExposed(path, shown)
  local bits = core.permissions(path)
  if bits and (bits % (OTHERS + 1) > 0 or bits % (2 * GROUP_WRITES) >= GROUP_WRITES) then
    warning.once(("%s is open to others than its owner (mode %04o): chmod 600 %s"):format(shown, bits, shown))
  end
end

-- Returns whether a file does not exist for this user. In a folder that this user may not search, no file does (a daemon
-- may run with HOME=/root).
local function isMissing(path, code)
  return code == MISSING or code == PART_IS_FILE or code == NOT_ALLOWED and not core.permissions(path)
end

--- Reads a file, without a byte order mark at its beginning.
---@param path string
---@return string|nil text
---@return string|nil problem to follow the file's name
---@return "missing"|"barred"|nil why missing: the file does not exist; barred: this user cannot read it
function M.read(path)
  local file, message, code = io.open(path, "rb")
  if not file then
    return nil, problemOf(message, code), isMissing(path, code) and "missing" or code == NOT_ALLOWED and "barred" or nil
  end
  local contents
  contents, message, code = file:read(MAX_BYTES + 1)
  file:close()
  if not contents and message then
    return nil, problemOf(message, code)
  elseif contents and #contents > MAX_BYTES then
    return nil, ("has more than %d bytes"):format(MAX_BYTES)
  end
  contents = contents or "" -- read returns nil at the end of a file
  return contents:sub(1, 3) == BOM and contents:sub(4) or contents
end

-- tccli rewrites its files without a lock (TencentCloud/tencentcloud-cli#109), so a partial file can be seen: number of
-- attempts, and seconds between them.
local ATTEMPTS, PAUSE = 21, 0.01

-- What JSON says that is not an object.
local function jsonProblem(contents, malformed)
  if not contents:find "%S" then
    return "is empty, or is being written"
  end
  local position = tonumber(malformed:match "at character (%d+)")
  local line = position and (" (line %d)"):format(text.lineOf(contents, math.min(position, #contents))) or ""
  return ("is not JSON, or is being written: %s%s"):format(text.oneLine(malformed), line)
end

--- Reads a file of tccli: one JSON object. Reads again for a moment while the file is being written.
---@param path string
---@param pause fun(seconds: number)|nil nil: reads once
---@return table|nil object
---@return string contents or else the problem, which follows the file's name
---@return "missing"|"barred"|nil why as read
function M.readObject(path, pause)
  local problem
  for attempt = 1, pause and ATTEMPTS or 1 do
    if attempt > 1 then
      pause(PAUSE)
    end
    local contents, unread, why = M.read(path)
    if not contents then
      return nil, unread, why
    end
    local value, malformed = json.decode(contents)
    if type(value) == "table" and contents:find "^%s*{" then
      return value, contents
    elseif contents:find "%S" and not malformed then
      return nil, "contains no JSON object"
    end
    problem = jsonProblem(contents, malformed)
  end
  return nil, problem
end

--- A path as messages show it: the home folder as ~.
---@param path string
---@param home string|nil
---@return string
function M.displayPath(path, home)
  if home and path:sub(1, #home + 1) == home .. "/" then
    return "~" .. path:sub(#home + 1)
  end
  return path
end

return M
