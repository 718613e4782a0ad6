--- verbs.lua - the commands that change images, and wait, as data: for each API version the action, the parameters that
--- operands and options become, and whether it is called once for all images or once for each.
--- Part of qcimage, see LICENSE.

local client_options = require "qcimage.cli.client_options"
local exits = require "qcimage.cli.exit_codes"
local json = require "qcimage.cli.json"
local lookup = require "qcimage.call.images"
local optionNames = require "qcimage.util.option_names"
local output = require "qcimage.cli.output"
local parser = require "qcimage.cli.parser"
local shared = require "qcimage.cli.options"
local stdio = require "qcimage.cli.stdio"
local waiting = require "qcimage.cli.waiting"

local M = {}

local IMAGES = { "IMAGE_ID", "ids of the images", target = "imageIds", args = "+" }

local WAIT_TIMEOUT =
  { "--wait-timeout", "SECONDS", "time limit of the wait [600]", convert = shared.number(0.001, 86400) }

local function waitUntil(what)
  return { "--wait", nil, "wait until " .. what }
end

local DESCRIPTION = { "--description", "TEXT", "description of the image", parameter = "imageDescription" }
local FAMILY = { "--family", "FAMILY", "family of the image (API 3.0)", parameter = { ["3.0"] = "imageFamily" } }
local ACCOUNTS = { "--with", "ACCOUNT", "id of an account; repeatable", many = true, required = true }
ACCOUNTS.parameter = { ["3.0"] = "accountIds", ["2.0"] = "uinList" }

---@class qcimage.cli.Verb a command as data; its options may have `parameter`: the parameter that they become, or these by
--- API version
---@field calls table<string, table> by API version: [1] action; id: parameter of the image or the images; each: called
--- once for each image; fixed: parameters with values
---@field needs string|nil the problem where no option becomes a parameter
---@field question string|nil asked before the calls
---@field columns table[]|nil beside the image and the request
---@field rows nil|fun(id: string|nil, result: qcimage.Result): table[] of a result
---@field made nil|fun(result: qcimage.Result): table<string, string[]> ids to wait for, by region; "": the call's
---@field look nil|fun(options: table, version: string, id: string|nil): string what shows what came of a lost answer

---@type table<string, qcimage.cli.Verb|qcimage.cli.Command>
local VERBS = {}

VERBS.modify = {
  ARGUMENTS = { { "IMAGE_ID", "id of the image", target = "imageIds" } },
  OPTIONS = {
    { "--name", "NAME", "new name", parameter = "imageName" },
    { "--description", "TEXT", 'new description; "" empties it (API 3.0)', parameter = "imageDescription" },
    FAMILY,
    {
      "--deprecated",
      "true|false",
      "whether the image is deprecated (API 3.0)",
      parameter = { ["3.0"] = "imageDeprecated" },
      choices = { "true", "false" },
      convert = function(word)
        return word == "true"
      end,
    },
  },
  EXAMPLES = { 'qcimage modify img-12345678 --name web-01 --description "nightly build"' },
  needs = "nothing to change: --name, --description, --family or --deprecated is needed",
  calls = {
    ["3.0"] = { "ModifyImageAttribute", id = "imageId" },
    ["2.0"] = { "ModifyImageAttributes", id = "imageId" },
  },
}

VERBS.create = {
  OPTIONS = {
    { "--instance", "ID", "id of the instance, such as ins-12345678", required = true, parameter = "instanceId" },
    { "--name", "NAME", "name of the image", required = true, parameter = "imageName" },
    DESCRIPTION,
    FAMILY,
    waitUntil "the image is ready (API 3.0)",
    WAIT_TIMEOUT,
  },
  ABOUT = 'An image of snapshots, and what else CreateImage takes: "qcimage call CreateImage --help".',
  EXAMPLES = { "qcimage create --instance ins-12345678 --name web-01 --wait" },
  calls = { ["3.0"] = { "CreateImage" }, ["2.0"] = { "CreateImage" } },
  rows = function(_, result)
    return { { imageId = result.imageId, requestId = result.requestId } }
  end,
  made = function(result)
    return type(result.imageId) == "string" and { [""] = { result.imageId } } or {}
  end,
  look = function(options, version)
    local name = options.name:find "^[%w._-]+$" and options.name or "'" .. options.name:gsub("'", "'\\''") .. "'"
    return version == "3.0" and "describe --filters image-name=" .. name or "describe --all"
  end,
}

-- The copies that an answer names, as far as each has an id and a region.
local function copiesIn(result)
  local copies = {}
  for _, copy in ipairs(type(result.imageSet) == "table" and result.imageSet or {}) do
    local isWhole = type(copy) == "table" and type(copy.imageId) == "string" and type(copy.region) == "string"
    copies[#copies + 1] = isWhole and copy or nil
  end
  return copies
end

VERBS.copy = {
  ARGUMENTS = { IMAGES },
  OPTIONS = {
    {
      "--to",
      "REGION",
      "region to copy to; repeatable",
      many = true,
      required = true,
      parameter = "destinationRegions",
    },
    { "--name", "NAME", "name of the copies [that of the image]", parameter = "imageName" },
    waitUntil "the copies are ready",
    WAIT_TIMEOUT,
  },
  EXAMPLES = { "qcimage copy img-12345678 --to ap-shanghai --to ap-beijing --wait" },
  calls = { ["3.0"] = { "SyncImages", id = "imageIds", each = true, fixed = { imageSetRequired = true } } },
  columns = { { key = "region", title = "REGION" }, { key = "newId", title = "COPY" } },
  rows = function(id, result)
    local rows = {}
    for i, copy in ipairs(copiesIn(result)) do
      rows[i] = { imageId = id, region = copy.region, newId = copy.imageId, requestId = result.requestId }
    end
    return rows[1] and rows or { { imageId = id, requestId = result.requestId } }
  end,
  made = function(result)
    local ids = {}
    for _, copy in ipairs(copiesIn(result)) do
      ids[copy.region] = ids[copy.region] or {}
      table.insert(ids[copy.region], copy.imageId)
    end
    return ids
  end,
  look = function(options)
    return "describe --region " .. options.to[1]
  end,
}

-- Sharing, and no longer sharing.
local function sharing(name, permission, action)
  return {
    ARGUMENTS = { IMAGES },
    OPTIONS = { ACCOUNTS },
    EXAMPLES = { ("qcimage %s img-12345678 --with 100000000002"):format(name) },
    calls = {
      ["3.0"] = { "ModifyImageSharePermission", id = "imageId", each = true, fixed = { permission = permission } },
      ["2.0"] = { action, id = "imageId", each = true },
    },
    look = function(_, version, id)
      local isOld = version == "2.0"
      return isOld and "call GetImageShareUinInfo --imageIds " .. id
        or "call DescribeImageSharePermission --ImageId " .. id
    end,
  }
end

VERBS.share = sharing("share", "SHARE", "ShareImage")
VERBS.unshare = sharing("unshare", "CANCEL", "CancelShareImage")

VERBS.delete = {
  ARGUMENTS = { IMAGES },
  OPTIONS = {
    {
      "--with-snapshots",
      nil,
      "delete the snapshots of the images, too (API 3.0)",
      parameter = { ["3.0"] = "deleteBindedSnap" },
    },
    {
      "--dry-run",
      nil,
      "have the service check the request, and delete nothing (API 3.0)",
      parameter = { ["3.0"] = "dryRun" },
    },
    { "--yes", nil, "do not ask; needed where there is no terminal" },
    waitUntil "the images are gone",
    WAIT_TIMEOUT,
  },
  EXAMPLES = { "qcimage delete img-12345678 img-0abc12de --dry-run" },
  calls = { ["3.0"] = { "DeleteImages", id = "imageIds" }, ["2.0"] = { "DeleteImages", id = "imageIds" } },
  question = "Delete these images?",
}

VERBS.wait = {
  ARGUMENTS = { IMAGES },
  OPTIONS = { WAIT_TIMEOUT },
  ABOUT = "It ends with 1 when the time is over, and with 6 when an image failed, is gone, or was not found for a "
    .. "minute.",
  EXAMPLES = { "qcimage wait img-12345678 --wait-timeout 1800 && echo ready" },
}

-- The ids of a command, each once.
local function idsOf(options)
  local given = options.imageIds or {}
  return lookup.distinct(type(given) == "table" and given or { given })
end

-- The parameters that the options of a command become; or nil and a problem. Messages call them as they are typed.
local function paramsOf(verb, options, version)
  local call = verb.calls[version]
  if not call then
    return nil, ("%s has no action in API %s"):format(options.command, version)
  end
  local params, typed, isAny = {}, { [call.id or ""] = "IMAGE_ID" }, false
  for name, value in pairs(call.fixed or {}) do
    params[name] = value
  end
  for _, option in ipairs(verb.OPTIONS) do
    local value, parameter = options[parser.targetOf(option)], option.parameter
    local name = type(parameter) == "table" and parameter[version] or type(parameter) == "string" and parameter or nil
    if value ~= nil and name then
      params[name], typed[name], isAny = value, option[1], true
    elseif value ~= nil and parameter then
      return nil, ("%s needs API 3.0"):format(option[1])
    end
  end
  optionNames.useParameters(typed)
  if verb.needs and not isAny then
    return nil, verb.needs
  elseif options.wait and verb.made and version ~= "3.0" then
    return nil, "--wait needs API 3.0: API 2.0 does not return the id of the image"
  elseif options.wait and options.dryRun then
    return nil, "--wait cannot be combined with --dry-run"
  elseif options.waitTimeout and not options.wait then
    return nil, "--wait-timeout needs --wait"
  end
  return params
end

-- The calls of a command: {id, params} each.
local function callsOf(call, ids, params)
  local list = {}
  for _, id in ipairs(call.each and ids or { false }) do
    local copy = {}
    for name, value in pairs(params) do
      copy[name] = value
    end
    if call.id == "imageId" then
      copy.imageId = id or ids[1]
    elseif call.id then
      copy[call.id] = id and { id } or ids
    end
    list[#list + 1] = { id = id or nil, params = copy }
  end
  return list
end

-- Makes the calls, one after the other, and reports failures. Returns the exit code.
local function make(client, verb, options, calls)
  local action, made, unknown, first = verb.calls[client.version][1], 0, false, nil
  for _, call in ipairs(calls) do
    local ids = call.id and { call.id } or idsOf(options)
    local look = verb.look and verb.look(options, client.version, call.id)
      or "describe " .. table.concat(ids, " ", 1, math.min(#ids, 5))
    look = ("qcimage %s shows whether it was made"):format(look)
    stdio.beginChange(options, look, made > 0 and ("%d of %d changes were made; "):format(made, #calls))
    local result, _, err = client:call(action, call.params)
    call.result, call.err = result, err
    if err then
      local code = output.fail(err, nil, call.id and #calls > 1 and call.id .. ": " .. err.message or nil)
      first, unknown = first or code, unknown or code == exits.UNKNOWN
      if code == exits.UNKNOWN then
        stdio.note(look)
      elseif err.kind == "credentials" or err.kind == "network" and err.outcome == "notSent" then
        break -- the others would fail alike
      end
    else
      made = made + 1
    end
  end
  stdio.endChange()
  if unknown then
    return exits.UNKNOWN
  end
  return made == #calls and exits.OK or made > 0 and exits.FAILED or first
end

-- The JSON of what several calls gave.
local function resultsOf(calls)
  local items = {}
  for i, call in ipairs(calls) do
    local what = call.result and '"Response": ' .. output.answer(call.result)
      or '"Error": ' .. json.line(stdio.failureOf(call.err or { message = "not sent", outcome = "notSent" }))
    items[i] = ('{"ImageId": %s, %s}'):format(json.line(call.id), what)
  end
  return ('{"Results": [%s]}'):format(table.concat(items, ", "))
end

-- Writes what the calls gave. Returns the exit code, 0 where it was written; and whether any call succeeded.
local function write(verb, options, calls, ids)
  local rows, columns, isAny = {}, { { key = "imageId", title = "IMAGE ID" } }, false
  for _, column in ipairs(verb.columns or {}) do
    columns[#columns + 1] = column
  end
  columns[#columns + 1] = { key = "requestId", title = "REQUEST ID", rank = 1 }
  for _, call in ipairs(calls) do
    isAny = isAny or call.result ~= nil
    if call.result and verb.rows then
      for _, row in ipairs(verb.rows(call.id, call.result)) do
        rows[#rows + 1] = row
      end
    elseif call.result then
      for _, id in ipairs(call.id and { call.id } or ids) do
        rows[#rows + 1] = { imageId = id, requestId = call.result.requestId }
      end
    end
  end
  if not isAny then
    return exits.OK, false
  end
  local document = options.output == "json" and (calls[1].id and resultsOf(calls) or output.answer(calls[1].result))
  return output.write(options, document, columns, rows, not options.dryRun), true
end

-- Waits for what the calls made. Returns the exit code.
local function await(client, verb, options, calls, ids)
  if not verb.made then
    return waiting.untilGone(client, ids, options)
  end
  local byRegion, isWhole = {}, true
  for _, call in ipairs(calls) do
    local made = call.result and verb.made(call.result) or {}
    isWhole = isWhole and (not call.result or next(made) ~= nil)
    for region, list in pairs(made) do
      byRegion[region] = byRegion[region] or {}
      for _, id in ipairs(list) do
        table.insert(byRegion[region], id)
      end
    end
  end
  local code = waiting.untilReady(client, byRegion, options)
  if not isWhole then
    stdio.complain("the answer does not name the new image, which cannot be waited for")
    return exits.FAILED
  end
  return code
end

local function run(verb, options)
  local client, problem = client_options.client(options)
  if not client then
    return stdio.usage(problem, options.command)
  end
  local ids, call = idsOf(options), verb.calls[client.version]
  local params
  params, problem = paramsOf(verb, options, client.version)
  if not params then
    return stdio.usage(problem, options.command)
  end
  local err = client_options.unchanged(client, call[1], params)
  if err then
    return output.fail(err)
  end
  if verb.question and not options.yes and not options.dryRun then
    if not stdio.canAsk() then
      return stdio.usage("--yes is needed where there is no terminal to ask on", options.command)
    end
    io.stderr:write(waiting.table(client, ids))
    if not stdio.ask(verb.question) then
      return exits.FAILED
    end
  end
  local calls = callsOf(call, ids, params)
  local code = make(client, verb, options, calls)
  local written, isAny = write(verb, options, calls, ids)
  if written ~= exits.OK then
    return written
  elseif options.wait and isAny then
    local waited = await(client, verb, options, calls, ids)
    code = code ~= exits.OK and code or waited
  end
  return code
end

for name, verb in pairs(VERBS) do
  function verb.run(options)
    if name == "wait" then
      return waiting.run(idsOf(options), options)
    end
    return run(verb, options)
  end
  M[name] = verb
end

return M
