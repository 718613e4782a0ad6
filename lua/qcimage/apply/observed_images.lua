--- observed_images.lua - the images of a run as the service last described them, and when that was asked. One request
--- describes many images: those that workers want, and the next ones.
--- Part of qcimage, see LICENSE.

local currentImages = require "qcimage.apply.current_images"

local M = {}

-- Images of a request: before a change, few, since what is described is soon too old to be acted on; for steps that are only
-- verified, many.
local BATCH, LARGE_BATCH = 20, 100

-- Seconds of a request's duration that do not count as age. One that took longer says too little: the service was slow, or
-- this process was stopped meanwhile.
local LONG = 1

---@class qcimage.ObservedImage
---@field at number when the request began
---@field took number seconds until its response
---@field image qcimage.ApplyImage|nil nil: it does not exist

---@class qcimage.ObservedImages
---@field seen table<string, qcimage.ObservedImage> what may be acted on, by image key
---@field latest table<string, qcimage.ObservedImage> the same, also of images to which a change was sent since
local Observed = {}
Observed.__index = Observed

---@param adapter qcimage.ApplyAdapter
---@param driver qcimage.ApplyDriver
---@param queue qcimage.ApplyQueue
---@return qcimage.ObservedImages
function M.new(adapter, driver, queue)
  return setmetatable({
    adapter = adapter,
    driver = driver,
    queue = queue,
    seen = {}, -- by image key
    latest = {}, -- the same, also after a change was sent
    wanted = {}, -- steps that wait for a batch
    current = nil, -- the request that is under way
  }, Observed)
end

-- Describes the images of some steps of one region. Returns true, or nil and an error.
function Observed:describe(steps, region)
  local ids = {}
  for i, step in ipairs(steps) do
    ids[i] = step.imageId
  end
  local at = self.adapter.now()
  local images, err = currentImages.describe(self.adapter, region, ids, 1) -- who asks tries again
  if not images then
    return nil, err
  end
  local took = self.adapter.now() - at
  for _, step in ipairs(steps) do
    local before = self.seen[step.key]
    if not before or before.at <= at then
      self.seen[step.key] = { at = at, took = took, image = images[step.imageId] }
      self.latest[step.key] = self.seen[step.key]
    end
  end
  return true
end

-- The steps whose images are described together with that of a step.
function Observed:batchOf(step)
  local size = math.min(step.isVerifyOnly and LARGE_BATCH or BATCH, self.adapter.describeBatch)
  local steps, has = {}, {}
  local function add(one)
    if #steps < size and not has[one.key] and one.regionKey == step.regionKey then
      steps[#steps + 1], has[one.key] = one, true
    end
  end
  add(step)
  for _, one in ipairs(self.wanted) do
    add(one)
  end
  for _, one in ipairs(self.queue:upcoming(2 * size, self.adapter.now())) do
    add(one)
  end
  return steps, has
end

-- Describes a batch, while others wait for it.
function Observed:describeBatch(step)
  local request = {}
  local steps
  steps, request.has = self:batchOf(step)
  self.current = request
  local _, err = self:describe(steps, step.region)
  request.err, self.current = err, nil
  self.driver.wake()
  return err
end

function Observed:unwant(step)
  for i, one in ipairs(self.wanted) do
    if one == step then
      table.remove(self.wanted, i)
      return
    end
  end
end

--- An image as a request describes it that began at `since` or later; together with others.
---@param step qcimage.ApplyQueuedStep
---@param since number
---@return qcimage.ObservedImage|nil
---@return qcimage.Error|nil err
function Observed:await(step, since)
  local err
  self.wanted[#self.wanted + 1] = step
  while not err and not (self.seen[step.key] and self.seen[step.key].at >= since) do
    local request = self.current
    if not request then
      err = self:describeBatch(step)
    else
      repeat
        self.driver.park(1)
      until self.current ~= request
      err = request.has[step.key] and request.err or nil
    end
  end
  self:unwant(step)
  return not err and self.seen[step.key] or nil, err
end

--- An image as it is now, described by itself; where that took long, twice.
---@param step qcimage.ApplyQueuedStep
---@return qcimage.ObservedImage|nil
---@return qcimage.Error|nil err
function Observed:alone(step)
  local ok, err = self:describe({ step }, step.region)
  if ok and self.seen[step.key].took > LONG then
    ok, err = self:describe({ step }, step.region)
  end
  return ok and self.seen[step.key] or nil, err
end

--- Describes the images of many steps, in large batches. Those that cannot be described stay as they are known.
---@param steps qcimage.ApplyQueuedStep[] of different images
function Observed:describeAll(steps)
  local batches, open = {}, {}
  for _, step in ipairs(steps) do
    local batch = open[step.regionKey]
    if not batch or #batch == self.adapter.describeBatch then
      batch = {}
      open[step.regionKey], batches[#batches + 1] = batch, batch
    end
    batch[#batch + 1] = step
  end
  for _, batch in ipairs(batches) do
    self:describe(batch, batch[1].region)
  end
end

--- The time at which a request must have begun so that it is not older than so many seconds behind its response.
---@param step qcimage.ApplyQueuedStep
---@param age number seconds
---@return number since
function Observed:since(step, age)
  local seen = self.seen[step.key]
  return self.adapter.now() - age - (seen and math.min(seen.took, LONG) or 0)
end

--- Forgets an image that a change is sent to.
---@param step qcimage.ApplyQueuedStep
function Observed:forget(step)
  self.seen[step.key] = nil
end

return M
