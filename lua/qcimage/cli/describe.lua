--- describe.lua - qcimage describe: lists images.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local client_options = require "qcimage.cli.client_options"
local endpoints = require "qcimage.api.endpoints"
local exits = require "qcimage.cli.exit_codes"
local json = require "qcimage.cli.json"
local lookup = require "qcimage.call.images"
local optionNames = require "qcimage.util.option_names"
local output = require "qcimage.cli.output"
local shared = require "qcimage.cli.options"
local stdio = require "qcimage.cli.stdio"
local text = require "qcimage.util.text"

local M = {}

M.ARGUMENTS = { { "IMAGE_ID", "ids of the images to list", target = "imageIds", args = "*" } }

-- Types and states by API version.
local TYPES = {
  ["2.0"] = text.keys(actions["2.0"].DescribeImages.params.imageType.words),
  ["3.0"] = { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE", "ALL" },
}
local STATES = {}
for version, action in pairs(actions.wait) do
  STATES[version] = text.keys(action.params.imageState.words)
end

M.OPTIONS = {
  {
    "--type",
    "TYPE",
    "PRIVATE_IMAGE, PUBLIC_IMAGE, SHARED_IMAGE, MARKET_IMAGE (API 2.0) or ALL (API 3.0) "
      .. "[PRIVATE_IMAGE, unless ids or filters are given]",
    target = "imageType",
    choices = TYPES,
  },
  { "--state", "STATE", "state, such as NORMAL or CREATING", target = "imageState", choices = STATES },
  { "--filters", "NAME=VALUE", "filter of the API, such as image-name=web-01 (API 3.0); repeatable", many = true },
  { "--offset", "N", "skip the first N", convert = shared.number(0, 2147483647, true) },
  { "--limit", "N", "at most N images, up to 100 [20]", convert = shared.number(1, 100, true) },
  { "--all", nil, "all pages" },
  { "--all-regions", nil, "all pages of all regions of the public cloud, several at once", target = "allRegions" },
}

M.EXAMPLES = {
  "qcimage describe img-12345678",
  "qcimage describe --filters image-name=web-01 --output text | cut -f 1",
  "qcimage describe --type PUBLIC_IMAGE --all --output json",
}

M.COLUMNS = {
  { key = "imageId", title = "IMAGE ID" },
  { key = "imageName", title = "NAME", cut = true, rank = 1 },
  { key = "imageState", title = "STATE", rank = 2 },
  { key = "imageType", title = "TYPE", rank = 5 },
  { key = "createdTime", title = "CREATED", rank = 4 },
  { key = "imageDescription", title = "DESCRIPTION", cut = true, rank = 3 },
}

local WITH_REGION = { { key = "region", title = "REGION" } }
for _, column in ipairs(M.COLUMNS) do
  WITH_REGION[#WITH_REGION + 1] = column
end

local FILTER_CHOICES = {
  ["image-type"] = { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE" },
  ["image-state"] = STATES["3.0"],
}

-- Filters of the API, one for each name; or nil and a problem.
local function filtersOf(words)
  local filters, byName = {}, {}
  for _, word in ipairs(words) do
    local name, value = word:match "^([^=]+)=(.*)$"
    if not name then
      return nil, "--filters must be NAME=VALUE"
    end
    local choices = FILTER_CHOICES[name]
    if choices and not shared.isOneOf(choices, value) then
      return nil, ("--filters %s must be one of %s, not %s"):format(name, table.concat(choices, ", "), value)
    end
    if not byName[name] then
      byName[name] = { name = name, values = {} }
      filters[#filters + 1] = byName[name]
    end
    byName[name].values[#byName[name].values + 1] = value
  end
  return filters
end

--- Collects the JSON texts of images as a client's calls receive them.
---@param client qcimage.Client
---@return fun(images: table[]): string document of a list of these images, with their Region if they have one
function M.collect(client)
  local texts, send = {}, client.transport
  function client.transport(request, ...)
    local region = request.headers["X-TC-Region"] or ("&" .. request.body):match "&Region=([^&]*)" or "" -- API 2.0
    local response, message, detail = send(request, ...)
    if response and response.status == 200 and response.body:find '[iI]mageSet"' then
      local _, members = json.parts(response.body)
      local _, inner = json.parts(members.Response or "{}")
      for _, item in ipairs((json.parts(inner.ImageSet or members.imageSet or "[]"))) do
        local _, image = json.parts(item)
        local id = image.ImageId or image.imageId or image.unImgId or ""
        texts[id:sub(2, -2)], texts[region .. "/" .. id:sub(2, -2)] = item, item
      end
    end
    return response, message, detail
  end
  return function(images)
    local items = {}
    for i, image in ipairs(images) do
      local region, id = type(image) == "table" and image.region, type(image) == "table" and image.imageId
      items[i] = type(id) == "string" and (texts[(region or "") .. "/" .. id] or texts[id]) or json.line(image)
      if region then
        items[i] = items[i]:gsub("^{", '{"Region":' .. json.line(region) .. ",", 1)
      end
    end
    return output.list(items)
  end
end

-- Each of the three ways to list returns a table, or nil and an error. Its fields: images; answer: the result, where there was
-- only one call; absent: ids that were not found; err: of the regions that could not be listed.

-- Images by ids, in their order.
local function byIds(client, params)
  local ids, size = lookup.distinct(params.imageIds), lookup.batchSize(client.version)
  if client.version == "3.0" and (params.filters or params.imageState or params.imageType) then
    size = actions["3.0"].DescribeImages.params.filters.fields.values.items
  end
  local last, calls = nil, 0
  local found, err = lookup.describeByIds(ids, size, function(batch)
    for name, value in pairs(params) do
      batch[name] = batch[name] or value
    end
    local result, _, problem = client:describe(batch)
    last, calls = result or last, calls + 1
    if problem and tostring(problem.code):find "^InvalidImageId%." then -- one is not even the id of an image
      problem.reason = "notFound"
    end
    return result, problem
  end)
  if not found then
    return nil, err
  end
  local images, absent = {}, {}
  for _, id in ipairs(ids) do
    local list = found[id] and images or absent
    list[#list + 1] = found[id] or id
  end
  return { images = images, answer = calls == 1 and last or nil, absent = absent }
end

-- All pages.
local function all(client, params, regions)
  local images = {}
  local ok, err = pcall(function()
    for image in client:each(params, { regions = regions }) do
      images[#images + 1] = image
    end
  end)
  if not ok and type(err) ~= "table" then
    error(err, 0)
  elseif not ok and not (regions and (#images > 0 or #(err.regions or {}) < #endpoints.ALL_REGIONS)) then
    return nil, err
  end
  return { images = images, err = err }
end

local function page(client, params)
  local result, _, err = client:describe(params)
  return result and { images = result.imageSet, answer = result }, err
end

-- Reports ids that were not found. Returns the exit code.
local function missing(absent, found)
  local shown = {}
  for i = 1, math.min(#absent, 10) do
    shown[i] = text.oneLine(absent[i], 40)
  end
  local more = #absent > #shown and (" and %d more"):format(#absent - #shown) or ""
  local message = ("%s%s not found"):format(table.concat(shown, ", "), more)
  local err = { kind = "service", reason = "notFound", outcome = "rejected", message = message }
  stdio.fail(err)
  return #found > 0 and exits.FAILED or exits.REJECTED
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local hasIds = #options.imageIds > 0
  local params = { imageType = options.imageType, imageState = options.imageState }
  params.offset, params.limit = options.offset, options.limit
  params.imageIds = hasIds and options.imageIds or nil
  local problem, client
  if options.filters then
    params.filters, problem = filtersOf(options.filters)
    if not params.filters then
      return stdio.usage(problem, "describe")
    end
  end
  if hasIds and (options.all or options.allRegions or options.offset or options.limit) then
    return stdio.usage("--all, --all-regions, --offset and --limit have no effect beside ids", "describe")
  elseif options.allRegions and options.region then
    return stdio.usage("--region and --all-regions cannot be combined", "describe")
  elseif params.imageType == "ALL" then
    params.imageType = nil
  elseif not hasIds and not params.filters then
    params.imageType = params.imageType or "PRIVATE_IMAGE"
  end
  client, problem = client_options.client(options)
  if not client then
    return stdio.usage(problem, "describe")
  end
  optionNames.useParameters { imageIds = "IMAGE_ID", filters = "--filters" }
  local document = options.output == "json" and M.collect(client)
  local list = hasIds and byIds or (options.all or options.allRegions) and all or page
  local found, err = list(client, params, options.allRegions and "all" or nil)
  if not found then
    return output.fail(err, true)
  end
  local images, absent, code = found.images, found.absent, exits.OK
  if document or #images > 0 or not absent then
    local written = document and (found.answer and output.answer(found.answer) or document(images))
    code = output.write(options, written, options.allRegions and WITH_REGION or M.COLUMNS, images)
  end
  local total = found.answer and tonumber(found.answer.totalCount)
  if code ~= exits.OK then
    return code
  elseif absent and absent[1] then
    return missing(absent, images)
  elseif found.err then
    output.fail(found.err, true)
    return exits.FAILED
  elseif not hasIds and total and (options.offset or 0) + #images < total then
    stdio.note(("%d of %.0f images; --all lists all"):format(#images, total))
  end
  return exits.OK
end

return M
