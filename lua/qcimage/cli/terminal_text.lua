--- terminal_text.lua - sanitizes foreign texts for a terminal, measures their columns and cuts them.
--- Pure. Part of qcimage, see LICENSE.

local M = {}

-- Characters that a terminal does not show but obeys, beside the control bytes: marks and overrides of the writing's
-- direction, separators of lines, and what is invisible.
local OBEYED = {
  { 0x80, 0x9F },
  { 0x61C, 0x61C },
  { 0x180E, 0x180E },
  { 0x200B, 0x200B },
  { 0x200E, 0x200F },
  { 0x2028, 0x202E },
  { 0x2060, 0x206F },
  { 0xFEFF, 0xFEFF },
  { 0xFFF9, 0xFFFB },
  { 0xE0000, 0xE007F },
}

local function isIn(ranges, point)
  local low, high = 1, #ranges
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local range = ranges[middle]
    if point < range[1] then
      high = middle - 1
    elseif point > range[2] then
      low = middle + 1
    else
      return true
    end
  end
  return false
end

-- Least code point of a character of so many bytes: a lower one is an overlong form.
local LEAST = { 0, 0x80, 0x800, 0x10000 }

-- The character at a byte: its bytes and its code point; or one byte and nil where none begins.
local function characterAt(text, at)
  local first = text:byte(at)
  if first < 0x80 then
    return 1, first
  end
  local size = first >= 0xF0 and 4 or first >= 0xE0 and 3 or first >= 0xC0 and 2
  if not size or first >= 0xF8 or at + size - 1 > #text then
    return 1, nil
  end
  local point = first % 2 ^ (7 - size)
  for i = at + 1, at + size - 1 do
    local byte = text:byte(i)
    if byte < 0x80 or byte > 0xBF then
      return 1, nil
    end
    point = point * 64 + byte % 64
  end
  if point < LEAST[size] or point > 0x10FFFF or point >= 0xD800 and point <= 0xDFFF then
    return 1, nil
  end
  return size, point
end

-- How a character is shown that must not reach a terminal; or nil where it may.
local function escaped(point, byte)
  if not point then
    return ("\\x%02x"):format(byte)
  elseif point < 0x20 or point >= 0x7F and point < 0xA0 then
    return ("\\x%02x"):format(point)
  elseif isIn(OBEYED, point) then
    return (point < 0x10000 and "\\u%04x" or "\\U%08x"):format(point)
  end
end

-- Replaces the characters for which a function gives another text.
local function replaced(text, escape)
  local parts, at = {}, 1
  while at <= #text do
    local size, point = characterAt(text, at)
    parts[#parts + 1] = escape(point, text:byte(at)) or text:sub(at, at + size - 1)
    at = at + size
  end
  return table.concat(parts)
end

--- Replaces the characters beyond ASCII that a terminal does not show but obeys.
---@param text string
---@param escape fun(point: integer): string
---@return string
function M.replaceObeyed(text, escape)
  if not text:find "[\194\216\225\226\239\243]" then -- the first bytes of those
    return text
  end
  return replaced(text, function(point)
    return point and isIn(OBEYED, point) and escape(point)
  end)
end

local NEEDS_CARE = "[%z\1-\31\127-\255]"

--- A value of the service's as a terminal may show it: control characters and the like are written as \x1b or \u202e, a
--- backslash as two. One line.
---@param text string
---@return string
function M.value(text)
  return M.message((text:gsub("\\", "\\\\")))
end

--- A message of ours as a terminal may show it: as a value, but a backslash stays.
---@param text string
---@return string
function M.message(text)
  return text:find(NEEDS_CARE) and replaced(text, escaped) or text
end

-- Which characters take no column of a terminal, and which take two, as wcwidth has it: from
-- Unicode 14.0, general categories Mn and Me (with the joiners, and the vowels and finals of Hangul), and East Asian
-- Width W and F. Ranges of code points in hex; what is not assigned between two of a kind is taken as theirs.
local ZERO = [[
300-36F 483-489 591-5BD 5BF 5C1-5C2 5C4-5C5 5C7 610-61A 64B-65F 670 6D6-6DC 6DF-6E4 6E7-6E8 6EA-6ED 711 730-74A
7A6-7B0 7EB-7F3 7FD 816-819 81B-823 825-827 829-82D 859-85B 898-89F 8CA-8E1 8E3-902 93A 93C 941-948 94D 951-957
962-963 981 9BC 9C1-9C4 9CD 9E2-9E3 9FE-A02 A3C A41-A51 A70-A71 A75 A81-A82 ABC AC1-AC8 ACD AE2-AE3 AFA-B01 B3C B3F
B41-B44 B4D-B56 B62-B63 B82 BC0 BCD C00 C04 C3C C3E-C40 C46-C56 C62-C63 C81 CBC CBF CC6 CCC-CCD CE2-CE3 D00-D01
D3B-D3C D41-D44 D4D D62-D63 D81 DCA DD2-DD6 E31 E34-E3A E47-E4E EB1 EB4-EBC EC8-ECD F18-F19 F35 F37 F39 F71-F7E
F80-F84 F86-F87 F8D-FBC FC6 102D-1030 1032-1037 1039-103A 103D-103E 1058-1059 105E-1060 1071-1074 1082 1085-1086
108D 109D 1160-11FF 135D-135F 1712-1714 1732-1733 1752-1753 1772-1773 17B4-17B5 17B7-17BD 17C6 17C9-17D3 17DD
180B-180D 180F 1885-1886 18A9 1920-1922 1927-1928 1932 1939-193B 1A17-1A18 1A1B 1A56 1A58-1A60 1A62 1A65-1A6C
1A73-1A7F 1AB0-1B03 1B34 1B36-1B3A 1B3C 1B42 1B6B-1B73 1B80-1B81 1BA2-1BA5 1BA8-1BA9 1BAB-1BAD 1BE6 1BE8-1BE9 1BED
1BEF-1BF1 1C2C-1C33 1C36-1C37 1CD0-1CD2 1CD4-1CE0 1CE2-1CE8 1CED 1CF4 1CF8-1CF9 1DC0-1DFF 200C-200D 20D0-20F0
2CEF-2CF1 2D7F 2DE0-2DFF 302A-302D 3099-309A A66F-A672 A674-A67D A69E-A69F A6F0-A6F1 A802 A806 A80B A825-A826 A82C
A8C4-A8C5 A8E0-A8F1 A8FF A926-A92D A947-A951 A980-A982 A9B3 A9B6-A9B9 A9BC-A9BD A9E5 AA29-AA2E AA31-AA32 AA35-AA36
AA43 AA4C AA7C AAB0 AAB2-AAB4 AAB7-AAB8 AABE-AABF AAC1 AAEC-AAED AAF6 ABE5 ABE8 ABED FB1E FE00-FE0F FE20-FE2F 101FD
102E0 10376-1037A 10A01-10A0F 10A38-10A3F 10AE5-10AE6 10D24-10D27 10EAB-10EAC 10F46-10F50 10F82-10F85 11001
11038-11046 11070 11073-11074 1107F-11081 110B3-110B6 110B9-110BA 110C2 11100-11102 11127-1112B 1112D-11134 11173
11180-11181 111B6-111BE 111C9-111CC 111CF 1122F-11231 11234 11236-11237 1123E 112DF 112E3-112EA 11300-11301
1133B-1133C 11340 11366-11374 11438-1143F 11442-11444 11446 1145E 114B3-114B8 114BA 114BF-114C0 114C2-114C3
115B2-115B5 115BC-115BD 115BF-115C0 115DC-115DD 11633-1163A 1163D 1163F-11640 116AB 116AD 116B0-116B5 116B7
1171D-1171F 11722-11725 11727-1172B 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119DB 119E0 11A01-11A0A
11A33-11A38 11A3B-11A3E 11A47 11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A99 11C30-11C3D 11C3F 11C92-11CA7
11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D45 11D47 11D90-11D91 11D95 11D97 11EF3-11EF4 16AF0-16AF4 16B30-16B36
16F4F 16F8F-16F92 16FE4 1BC9D-1BC9E 1CF00-1CF46 1D167-1D169 1D17B-1D182 1D185-1D18B 1D1AA-1D1AD 1D242-1D244
1DA00-1DA36 1DA3B-1DA6C 1DA75 1DA84 1DA9B-1DAAF 1E000-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E8D0-1E8D6 1E944-1E94A
E0100-E01EF
]]

local WIDE = [[
1100-115F 231A-231B 2329-232A 23E9-23EC 23F0 23F3 25FD-25FE 2614-2615 2648-2653 267F 2693 26A1 26AA-26AB 26BD-26BE
26C4-26C5 26CE 26D4 26EA 26F2-26F3 26F5 26FA 26FD 2705 270A-270B 2728 274C 274E 2753-2755 2757 2795-2797 27B0 27BF
2B1B-2B1C 2B50 2B55 2E80-3029 302E-303E 3041-3096 309B-3247 3250-4DBF 4E00-A4C6 A960-A97C AC00-D7A3 F900-FAD9
FE10-FE19 FE30-FE6B FF01-FF60 FFE0-FFE6 16FE0-16FE3 16FF0-1B2FB 1F004 1F0CF 1F18E 1F191-1F19A 1F200-1F320
1F32D-1F335 1F337-1F37C 1F37E-1F393 1F3A0-1F3CA 1F3CF-1F3D3 1F3E0-1F3F0 1F3F4 1F3F8-1F43E 1F440 1F442-1F4FC
1F4FF-1F53D 1F54B-1F54E 1F550-1F567 1F57A 1F595-1F596 1F5A4 1F5FB-1F64F 1F680-1F6C5 1F6CC 1F6D0-1F6D2 1F6D5-1F6DF
1F6EB-1F6EC 1F6F4-1F6FC 1F7E0-1F7F0 1F90C-1F93A 1F93C-1F945 1F947-1F9FF 1FA70-1FAF6 20000-3FFFD
]]

local widths -- made of these when a text needs it

local function read(list)
  local ranges = {}
  for word in list:gmatch "%S+" do
    local first, last = word:match "^(%x+)%-?(%x*)$"
    ranges[#ranges + 1] = { tonumber(first, 16), tonumber(last ~= "" and last or first, 16) }
  end
  return ranges
end

local function widthOf(point)
  if point < 0x300 then
    return 1
  end
  if not widths then
    widths = { zero = read(ZERO), wide = read(WIDE) }
  end
  return isIn(widths.zero, point) and 0 or isIn(widths.wide, point) and 2 or 1
end

--- Columns that a text occupies on a terminal.
---@param text string valid UTF-8, as M.value gives it
---@return integer
function M.width(text)
  if not text:find "[\128-\255]" then
    return #text
  end
  local width, at = 0, 1
  while at <= #text do
    local size, point = characterAt(text, at)
    width, at = width + widthOf(point), at + size
  end
  return width
end

--- Cuts a text to a number of columns; one that was cut ends with "…".
---@param text string as M.value gives it
---@param columns integer at least 1
---@return string
function M.cut(text, columns)
  if M.width(text) <= columns then
    return text
  end
  local width, at, kept = 0, 1, 0
  while at <= #text do
    local size, point = characterAt(text, at)
    width = width + widthOf(point)
    if width > columns - 1 then
      break
    end
    at, kept = at + size, at + size - 1
  end
  return text:sub(1, kept) .. "…"
end

return M
