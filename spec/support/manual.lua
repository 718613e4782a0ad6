--- manual.lua - the manual page of the command, from the same tables as its help. Run by itself, it prints the page:
--- see scripts/manual.

local commands = require "qcimage.cli.commands"
local exits = require "qcimage.cli.exit_codes"
local help = require "qcimage.cli.help"
local shared = require "qcimage.cli.options"
local version = require "qcimage.util.version"

local M = {}

-- Text for troff.
local function escaped(text)
  return (text:gsub("\\", "\\e"):gsub("-", "\\-"):gsub("^([.'])", "\\&%1"))
end

local function bold(text)
  return "\\fB" .. escaped(text) .. "\\fR"
end

local function items(lines, rows)
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ".TP"
    lines[#lines + 1] = bold(row[1])
    lines[#lines + 1] = escaped(row[2])
  end
end

-- Lines as they stand.
local function verbatim(lines, list)
  lines[#lines + 1] = ".PP"
  lines[#lines + 1] = ".nf"
  for _, line in ipairs(list) do
    lines[#lines + 1] = escaped(line:gsub("^%s+", ""))
  end
  lines[#lines + 1] = ".fi"
end

-- Paragraphs whose indented lines stay as they are.
local function paragraphs(lines, text)
  lines[#lines + 1] = ".PP"
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if line:find "^%s" then
      lines[#lines + 1] = ".br"
    end
    lines[#lines + 1] = escaped((line:gsub("^%s+", "")))
  end
end

local function options(list)
  local rows = {}
  for i, option in ipairs(list) do
    rows[i] = { help.option(option), option[3] }
  end
  return rows
end

local function command(lines, name, summary)
  local module = commands.module(name)
  lines[#lines + 1] = ".SS " .. name
  for usage in help.usage(name, module):gmatch "[^\n]+" do
    lines[#lines + 1] = bold("qcimage " .. usage:gsub("^%s*qcimage ", ""))
    lines[#lines + 1] = ".br"
  end
  lines[#lines + 1] = escaped(summary:sub(1, 1):upper() .. summary:sub(2)) .. "."
  local about = module.ABOUT
  if about then
    paragraphs(lines, about)
  end
  items(lines, module.ARGUMENTS or {})
  items(lines, options(module.OPTIONS))
  if module.EXAMPLES then
    verbatim(lines, module.EXAMPLES)
  end
end

local ENVIRONMENT = {
  { "TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, TENCENTCLOUD_TOKEN", "credentials" },
  { "TENCENTCLOUD_REGION", "region" },
  { "TENCENTCLOUD_ROLE_ARN, TENCENTCLOUD_ROLE_SESSION_NAME", "role to assume" },
  { "TCCLI_PROFILE", "profile of tccli" },
  { "QCIMAGE_API_VERSION, QCIMAGE_ENDPOINT, QCIMAGE_STS_ENDPOINT", "API version and endpoints" },
  { "QCIMAGE_METADATA", "URL of the instance metadata service; off: it is not asked" },
  { "https_proxy, http_proxy, no_proxy", "proxy" },
  { "CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR", "certificates to trust" },
  { "NO_COLOR", "no colours, if not empty" },
}

local FILES = {
  { "~/.tencentcloud/credentials, /etc/tencentcloud/credentials", "credentials of Tencent's SDKs" },
  { "~/.tccli/NAME.credential, ~/.tccli/NAME.configure", "profiles of tccli; they are never written" },
}

--- The page.
---@return string
function M.page()
  local lines = {
    [[.\" Made by scripts/manual from the tables of the command.]],
    ('.TH QCIMAGE 1 "" "qcimage %s" "User Commands"'):format(version.NUMBER),
    ".SH NAME",
    escaped((help.ABOUT:gsub(" %- ", "\1"))):gsub("\1", " \\- "),
    ".SH SYNOPSIS",
    bold "qcimage"
      .. [[ \fICOMMAND\fR [\fIOPTION\fR ...]
.br
]]
      .. bold "qcimage help"
      .. [[ [\fICOMMAND\fR | options | exit\-codes]
.SH DESCRIPTION
Lists, changes, copies, shares and deletes custom images of Tencent Cloud's CVM, one by one or by a list.
It uses API 3.0 by default. Results go to standard output, everything else to standard error.
.PP
With \fB\-\-output json\fR a result is the JSON document inside the service's Response, with the names, nulls and numbers
as the service sent them (in API 2.0 the whole document). Several answers make one document: lists are
{"TotalCount": N, "ImageSet": [...]}, commands that make a call for each image {"Results": [...]}. The last line of
standard error is then the failure, if there is one, as one JSON document: kind, reason, outcome, code, requestId,
message.
.SH COMMANDS]],
  }
  for _, one in ipairs(commands.LIST) do
    command(lines, one[1], one[2])
  end
  lines[#lines + 1] = ".SH COMMON OPTIONS"
  lines[#lines + 1] = "Options of all commands that call the service; in brackets the default."
  items(lines, options(shared.COMMON))
  items(lines, options { shared.HELP, shared.VERSION })
  lines[#lines + 1] = ".PP"
  lines[#lines + 1] = escaped 'A value that begins with "--" is written --name=VALUE. "--" ends the options.'
  for _, one in ipairs { "3.0", "2.0" } do
    lines[#lines + 1] = (".SH ACTIONS OF API %s"):format(one)
    items(lines, help.actions(one))
  end
  lines[#lines + 1] = ".SH EXIT STATUS"
  items(lines, exits.HELP)
  lines[#lines + 1] = ".SH ENVIRONMENT"
  items(lines, ENVIRONMENT)
  lines[#lines + 1] = ".SH FILES"
  items(lines, FILES)
  lines[#lines + 1] = ".SH EXAMPLES"
  verbatim(lines, help.EXAMPLES)
  lines[#lines + 1] = ".SH SEE ALSO"
  lines[#lines + 1] = escaped '"qcimage doctor" finds out why calls do not work.'
  return table.concat(lines, "\n") .. "\n"
end

if not ... then
  io.write(M.page())
end
return M
