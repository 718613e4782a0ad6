--- paginator.lua - paginates DescribeImages: all images, each once, through the function it is given.
--- Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local errors = require "qcimage.util.errors"
local limits = require "qcimage.util.limits"
local copyParams = require "qcimage.call.copy_params"
local endpoints = require "qcimage.api.endpoints"
local tasks = require "qcimage.util.tasks"
local text = require "qcimage.util.text"
local warning = require "qcimage.util.warning"

local M = {}

-- Images by which a page overlaps the one before, to prove that none is missing between them. At most half a page, or
-- the pages would hardly advance.
local OVERLAP = 5

-- Limit of the requests for one list: per page of the images read, plus a constant.
local MOST_PER_PAGE, MOST_MORE = 3, 50

local function failure(reason, problem, ...)
  return errors.new {
    kind = "response",
    reason = reason,
    outcome = "unknown",
    subject = actions.describe["3.0"],
    problem = problem:format(...),
  }
end

-- Returns the id of an image; malformed items identify themselves.
local function idOf(image)
  return type(image) == "table" and image.imageId or image
end

-- Returns whether a page continues this run: it begins with images of the run, and at most a few new images are between
-- these. Otherwise images may be missing, or the order has changed.
local function follows(images, list, few)
  local others, between = 0, few + 1
  for i, image in ipairs(list) do
    if images.seen[idOf(image)] ~= images.run then
      others = others + 1
    elseif i == 1 or between <= few then
      between = others
    end
  end
  return between <= few
end

-- Adds a page to the run, and its new images to the result. Returns how many are new to the run.
local function add(images, result, list)
  local added = 0
  result.imageSet, result.body = nil, nil -- a long list would fill the memory
  for _, image in ipairs(list) do
    local id = idOf(image)
    if images.seen[id] == nil then
      images[#images + 1], images.from[#images + 1] = image, result
    end
    if images.seen[id] ~= images.run then
      images.seen[id] = images.run
      added = added + 1
    end
  end
  return added
end

-- Reads a list to its end. Returns an error if images may be missing.
local function readAll(images, page, ask)
  local first, limit, requests, farthest = page.offset, page.limit, 0, 0
  local known -- images of the list at first
  local overlap, half, back -- back: images to go back after a page that does not continue the run
  local common = 0 -- expected overlap with the previous page; 0 for pages of one image
  while true do
    local result, err = ask(page)
    if not result then
      return err
    end
    if requests == 0 then -- the call has validated the limit
      half = math.max(1, math.floor(limit / 2))
      overlap, back = limit > 1 and math.min(OVERLAP, half) or 0, half
    end
    requests = requests + 1
    local offset, list = page.offset, result.imageSet
    local behind = offset + #list
    local total = tonumber(result.totalCount)
    if total and not (total >= 0 and total < math.huge) then -- some Luas convert "nan" and "inf"
      total = nil
    end
    if #list == 0 and total and total > offset then
      return failure("format", "totalCount is %.0f, but the page at offset %.0f is empty", total, offset)
    elseif total and total < behind and #list > 0 then
      total = nil -- it is wrong
    end
    known = known or total or math.huge
    if offset == first then
      images.run = images.run + 1 -- a new run: whatever changed before does not matter
    end
    local isNext = offset == first or common == 0 or follows(images, list, overlap)
    local added = isNext and add(images, result, list) or 0
    if #images > limits.images then
      return failure("tooLarge", "more than %d images", limits.images)
    end
    -- Without a count, a page that is not full is the last one. A full page without a new image may be outdated.
    local isEnd = total and total <= behind or not total and #list < limit
    if isEnd and added == 0 and #list == limit and #images < (total or 0) then
      isNext = false
    end
    if isNext and isEnd then
      return nil
    elseif isNext then
      common, back = math.min(overlap, math.floor(#list / 2)), half
      page.offset = behind - common
    else
      page.offset = math.max(first, offset - back)
      back = back * 2
    end
    farthest = isNext and math.max(farthest, behind - first) or farthest
    -- The least of three counts, since a hostile or changing list can inflate each of them.
    local count = math.min(#images, farthest, known)
    local pages = math.ceil((count + limit) / math.max(1, limit - overlap))
    if requests >= MOST_PER_PAGE * pages + MOST_MORE then
      return failure("format", "the image list kept changing while it was being read; try again")
    end
  end
end

-- Reads the list of a region. Returns its images, with the result that each came with in from, and an error.
local function readRegion(client, params, options, run)
  local name = actions.describe[client.version]
  local page, problem = copyParams.copy(params, actions[client.version][name].params)
  -- seen: by id, the last run that had the image; a run begins at the first page
  local images = { seen = {}, run = 0, from = {} }
  if not page then
    return images, errors.ofAction(name, "parameter", "the parameter table " .. problem)
  end
  page.limit = page.limit or limits.pageSize
  page.offset = page.offset or 0
  local err = readAll(images, page, function(asked)
    local result, fault, call = run(client, name, asked, options)
    images.region = call and call.region
    return result, fault
  end)
  images.seen = nil
  return images, err
end

-- Regions, each once.
local function distinct(regions)
  local list, isKnown = {}, {}
  for _, region in ipairs(regions == "all" and endpoints.ALL_REGIONS or regions) do
    local name = endpoints.region(region, "3.0") or region -- it may have a short one
    list[#list + 1] = not isKnown[name] and region or nil
    isKnown[name] = true
  end
  return list
end

-- The error of several regions: that of the first, which names the others.
local function ofRegions(failed, faults)
  local err, others = faults[failed[1]], table.concat(failed, ", ", 2)
  if err then
    local more = others ~= "" and ("; %d more of the regions failed: %s"):format(#failed - 1, others) or ""
    err.message = ("%s (region %s%s)"):format(err.message, text.oneLine(failed[1], 80), text.oneLine(more, 800))
    err.regions = failed
  end
  return err
end

-- Reads the lists of several regions. Returns their images in the order of the regions, and an error.
local function readRegions(client, regions, params, options, run)
  local lists, faults, failed = {}, {}, {}
  local images = { from = {} }
  tasks.forEach(regions, function(region)
    local one = setmetatable({ region = region }, { __index = options })
    lists[region], faults[region] = readRegion(client, params, one, run)
    return true
  end, options.concurrency or limits.concurrency)
  for _, region in ipairs(regions) do
    local list = lists[region]
    for i, image in ipairs(list) do
      if type(image) == "table" then
        image.region = list.region
      end
      images[#images + 1], images.from[#images + 1] = image, list.from[i]
    end
    failed[#failed + 1] = faults[region] and region or nil
  end
  return images, ofRegions(failed, faults)
end

--- Returns an iterator over all images: each once, with the result of its page (without imageSet and body). The first step
--- reads the whole lists, so that the loop may change them. After the images that were read, an error is raised as a table.
---@param client table
---@param params table
---@param options table validated
---@param run function run of execute.lua
---@return fun(): table|nil, qcimage.Result|nil
function M.each(client, params, options, run)
  local copy = copyParams.copy(params, actions[client.version][actions.describe[client.version]].params) or params
  local regions = options.regions and distinct(options.regions)
  local images, err, index = nil, nil, 0
  return function()
    if not images and regions then
      images, err = readRegions(client, regions, copy, options, run)
    elseif not images then
      images, err = readRegion(client, copy, options, run)
    end
    index = index + 1
    local image, result = images[index], images.from[index]
    if image == nil and err then
      warning.raise(err)
    end
    images[index], images.from[index] = nil, nil -- the loop has them now
    return image, result
  end
end

return M
