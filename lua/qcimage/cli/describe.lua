--- describe.lua - qcimage describe: lists images.
--- Part of qcimage, see LICENSE.

local arguments = require "qcimage.cli.parser"
local connect = require "qcimage.cli.client_options"
local result = require "qcimage.cli.output"
local streams = require "qcimage.cli.stdio"

local M = {}

M.USAGE = "describe [IMAGE_ID ...] [--type TYPE] [--state STATE] [--filters NAME=VALUE ...] [--all]"

M.ARGUMENTS = { { "IMAGE_ID", "images to list; all by default", target = "imageIds", args = "*" } }

M.OPTIONS = {
  {
    "--type",
    "TYPE",
    "PRIVATE_IMAGE, PUBLIC_IMAGE or SHARED_IMAGE; API 2.0 [PRIVATE_IMAGE]: also MARKET_IMAGE",
    target = "imageType",
    words = { "PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE" },
  },
  {
    "--state",
    "STATE",
    "NORMAL, CREATING and the like",
    target = "imageState",
    words = { "NORMAL", "CREATING", "CREATEFAILED", "USING", "SYNCING", "IMPORTING", "IMPORTFAILED" },
  },
  {
    "--filters",
    "NAME=VALUE",
    "a filter of the API's, such as image-name=web-01 (API 3.0); may be given again",
    many = true,
  },
  { "--offset", "N", "leave out the first N", convert = arguments.number(0, 2147483647, true) },
  { "--limit", "N", "N images at most, up to 100 [20]", convert = arguments.number(1, 100, true) },
  { "--all", nil, "all pages" },
}

local COLUMNS = {
  { key = "imageId", title = "IMAGE ID" },
  { key = "imageName", title = "NAME", cut = true, rank = 1 },
  { key = "imageState", title = "STATE", rank = 2 },
  { key = "imageType", title = "TYPE", rank = 5 },
  { key = "createdTime", title = "CREATED", rank = 4 },
  { key = "imageDescription", title = "DESCRIPTION", cut = true, rank = 3 },
}

-- Filters of the API's, one for each name; or nil and what is wrong.
local function filtersOf(words)
  local filters, byName = {}, {}
  for _, word in ipairs(words) do
    local name, value = word:match "^([^=]+)=(.*)$"
    if not name then
      return nil, "--filters must be NAME=VALUE"
    end
    if not byName[name] then
      byName[name] = { name = name, values = {} }
      filters[#filters + 1] = byName[name]
    end
    byName[name].values[#byName[name].values + 1] = value
  end
  return filters
end

-- All pages, as one result.
local function all(client, params)
  local images, last = {}, nil
  local ok, err = pcall(function()
    for one, page in client:each(params) do
      images[#images + 1], last = one, page
    end
  end)
  if not ok then
    if type(err) ~= "table" then
      error(err, 0)
    end
    return nil, err.message, err
  end
  return { code = 0, message = "", imageSet = images, requestId = last and last.requestId, totalCount = #images }
end

--- Runs it.
---@param options table
---@return integer code for os.exit
function M.run(options)
  local params = { imageType = options.imageType, imageState = options.imageState }
  params.offset, params.limit = options.offset, options.limit
  if #options.imageIds > 0 then
    params.imageIds = options.imageIds
  end
  local problem, client
  if options.filters and #options.filters > 0 then
    params.filters, problem = filtersOf(options.filters)
    if not params.filters then
      return streams.usage(problem, "describe")
    end
  end
  client, problem = connect.client(options)
  if not client then
    return streams.usage(problem, "describe")
  end
  local found, message, err
  if options.all then
    found, message, err = all(client, params)
  else
    found, message, err = client:describe(params)
  end
  if not found then
    return result.fail(message, err, true)
  end
  local images, total = found.imageSet, tonumber(found.totalCount)
  local code = result.write(options, result.document(found), COLUMNS, images)
  if code == 0 and total and (options.offset or 0) + #images < total then
    streams.note(("%d of %.0f images; --all lists all"):format(#images, total))
  end
  return code
end

return M
