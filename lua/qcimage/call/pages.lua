--- pages.lua - all images of a list, page by page, each once.
--- Makes calls by the function it is given. Part of qcimage, see LICENSE.

local actions = require "qcimage.api.actions"
local errors = require "qcimage.errors"
local limits = require "qcimage.limits"
local parameters = require "qcimage.call.parameters"
local warning = require "qcimage.warning"

local M = {}

-- How often a list that moves while it is read is read anew.
local READINGS = 5

-- Reads the pages of a list once and adds the images that are new. Returns whether nothing moved meanwhile,
-- or nil and an error.
local function readOnce(images, page, ask)
  local name, first = actions.describe["3.0"], page.offset
  local inReading, isSteady, total = {}, true, nil
  local offset = first
  repeat
    page.offset = offset
    local result, err = ask(page)
    if not result then
      return nil, err
    end
    local list = result.imageSet
    -- without a count, a page that is not full is the last
    local count = tonumber(result.totalCount) or #list < page.limit and 0 or math.huge
    isSteady = isSteady and (total or count) == count
    total = count
    if #list == 0 and offset < total and isSteady then
      local message = ("%s: %.0f images are there, and none came from number %d on"):format(name, total, offset)
      return nil, errors.new { kind = "response", reason = "format", outcome = "unknown", message = message }
    end
    for _, image in ipairs(list) do
      local id = type(image) == "table" and image.imageId or image
      isSteady = isSteady and not inReading[id]
      inReading[id] = true
      if not images.seen[id] then
        images.seen[id] = true
        images[#images + 1], images.from[#images + 1] = image, result
      end
    end
    if #images > limits.images then
      local message = ("%s: more than %d images"):format(name, limits.images)
      return nil, errors.new { kind = "response", reason = "tooLarge", outcome = "unknown", message = message }
    end
    offset = offset + #list
  until offset >= total or #list == 0
  return isSteady
end

-- Reads a list until it stands still. Returns the images that came; and an error when some may be missing.
local function readAll(page, ask)
  local images = { seen = {}, from = {} }
  local first = page.offset
  for _ = 1, READINGS do
    page.offset = first
    local isSteady, err = readOnce(images, page, ask)
    if isSteady or isSteady == nil then
      return images, err
    end
  end
  local message = ("%s: the list of images kept changing while it was read"):format(actions.describe["3.0"])
  return images, errors.new { kind = "response", reason = "format", outcome = "unknown", message = message }
end

--- An iterator over all images: each once, and the result of the page that it came from. The list is read whole
--- at the first step, so that what the loop does to it moves nothing. What came before an error is given, then
--- the error is raised, as a table.
---@param client table
---@param params table
---@param options table checked
---@param run function run of attempts.lua
---@return fun(): table|nil, qcimage.Result|nil
function M.each(client, params, options, run)
  local name = actions.describe[client.version]
  local page, problem = parameters.own(params, actions[client.version][name].params)
  local images, err, index = nil, nil, 0
  if not page then
    images, err = { from = {} }, errors.notSent("parameter", ("%s: the table of parameters %s"):format(name, problem))
  else
    page.limit = page.limit or limits.pageSize
    page.offset = page.offset or 0
  end
  local function ask(asked)
    return run(client, name, asked, options)
  end
  return function()
    if not images then
      images, err = readAll(page, ask)
    end
    index = index + 1
    local image = images[index]
    if image == nil and err then
      warning.raise(err)
    end
    return image, images.from[index]
  end
end

return M
