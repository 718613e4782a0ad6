--- service.lua - the image service of a simulation: it keeps the truth as a log for each image, its list may lag, its answers
--- may be lost, and requests may arrive late.

local M = {}

-- Seconds after which an attempt is given up.
M.TIMEOUT = 10
-- A request that was given up arrives at most so much later.
M.LATEST = 4

local Service = {}
Service.__index = Service

---@param simulation table
---@param settings table rate, latency, lag, lagKind ("none", "constant", "random") and the shares of what goes wrong:
--- connect, lostBefore, late, throttle, refuse, internal, lostAfter, describeFails
function M.new(simulation, settings)
  return setmetatable({
    simulation = simulation,
    settings = settings,
    ids = {},
    log = {}, -- by image: what it was like from when on, and who did that
    looked = {}, -- by image: when the last response that showed it came
    ages = {}, -- of what was known when a change was sent
    sent = {}, -- times of modifications
    described = 0,
  }, Service)
end

function Service:add(id, name, description)
  self.ids[#self.ids + 1] = id
  self.log[id] = { { time = -1000, imageName = name, imageDescription = description } }
end

function Service:last(id)
  return self.log[id][#self.log[id]]
end

function Service:asOf(id, time)
  local log = self.log[id]
  for i = #log, 1, -1 do
    if log[i].time <= time then
      return log[i]
    end
  end
  return log[1]
end

--- Changes an image.
---@param by table|nil {operation, journal}; nil: another client
function Service:change(id, values, by, sentAt)
  if values.imageName then
    for _, other in ipairs(self.ids) do
      if other ~= id and self:last(other).imageName == values.imageName then
        return nil, "nameTaken"
      end
    end
  end
  local before = self:last(id)
  local entry = {
    before = before,
    time = self.simulation.now,
    by = by,
    sent = sentAt,
    set = values,
    imageName = values.imageName or before.imageName,
    imageDescription = values.imageDescription or before.imageDescription,
  }
  table.insert(self.log[id], entry)
  return entry
end

local function refused(reason)
  return nil, { kind = "service", outcome = "rejected", reason = reason, message = reason }
end

local function lost(reason)
  return nil, { kind = "network", outcome = "unknown", reason = reason, message = reason }
end

function Service:oneWay()
  return self.settings.latency * (0.5 + self.simulation.random()) / 2
end

-- One of the faults by their shares, or nil.
function Service:draw(...)
  local dice = self.simulation.random()
  for _, name in ipairs { ... } do
    dice = dice - self.settings[name]
    if dice < 0 then
      return name
    end
  end
end

function Service:modify(process, params, by)
  local simulation, id, now = self.simulation, params.imageId, self.simulation.now
  local values = { imageName = params.imageName, imageDescription = params.imageDescription }
  self.sent[#self.sent + 1] = now
  self.ages[#self.ages + 1] = now - (self.looked[id] or -math.huge)
  local function arrive()
    return self:change(id, values, by, now)
  end
  local fault = self:draw("connect", "lostBefore", "late", "throttle", "refuse", "internal", "lostAfter")
  if fault == "connect" then
    process.sleep(self:oneWay())
    return nil, { kind = "network", outcome = "notSent", reason = "connect", message = "connect" }
  elseif fault == "lostBefore" then
    process.sleep(self:oneWay())
    return lost "closed"
  elseif fault == "late" then
    local isTimeout = simulation.random() < 0.5
    local wait = isTimeout and M.TIMEOUT or 2 * self:oneWay()
    simulation:at(now + wait + simulation.random() * M.LATEST, arrive)
    process.sleep(wait)
    return lost(isTimeout and "timeout" or "closed")
  end
  local there, back, entry, problem = self:oneWay(), self:oneWay(), nil, nil
  simulation:at(now + there, function() -- also where the process is dead by then
    if fault == "throttle" or simulation.now < (self.stormUntil or 0) then
      problem = "throttled"
    elseif fault == "refuse" then
      problem = "permission"
    elseif fault == "internal" then
      problem = "internal"
      if simulation.random() < 0.5 then
        arrive()
      end
    else
      entry, problem = arrive()
    end
  end)
  process.sleep(there + back)
  if problem == "internal" then
    return nil, { kind = "service", outcome = "unknown", reason = "internal", message = "internal" }
  elseif fault == "lostAfter" then
    return lost "closed"
  elseif entry then
    return { requestId = "r" }
  end
  return refused(problem)
end

function Service:describe(process, ids)
  local simulation, settings = self.simulation, self.settings
  self.described = self.described + 1
  if simulation.random() < settings.describeFails then
    process.sleep(self:oneWay())
    return nil, { kind = "response", outcome = "unknown", reason = "status", httpStatus = 502, message = "502" }
  end
  local there, back, images = self:oneWay(), self:oneWay(), {}
  simulation:at(simulation.now + there, function()
    local lag = settings.lagKind == "random" and simulation.random() * settings.lag
      or settings.lagKind == "constant" and settings.lag
      or 0
    for _, id in ipairs(ids) do
      local entry = self:asOf(id, simulation.now - lag)
      images[id] = {
        imageId = id,
        imageName = entry.imageName,
        imageDescription = entry.imageDescription,
        imageState = "NORMAL",
        imageType = "PRIVATE_IMAGE",
      }
    end
  end)
  process.sleep(there + back)
  for id in pairs(images) do
    self.looked[id] = simulation.now
  end
  return images
end

--- The adapter of a process.
---@param process table of the simulation
---@param by table what its changes are logged with
function Service:adapter(process, by)
  local simulation, interval = self.simulation, 1 / self.settings.rate
  local function limiter()
    local free = 0
    return function()
      local slot = math.max(free, simulation.now)
      free = slot + interval
      if slot > simulation.now then
        process.sleep(slot - simulation.now)
      end
      return true
    end
  end
  local ofDescribe = limiter()
  return {
    driver = process,
    describeBatch = 100,
    random = simulation.random,
    now = function()
      return simulation.now
    end,
    regionKey = function()
      return ""
    end,
    keepsBlank = function()
      return false
    end,
    check = function() end,
    acquire = limiter(),
    modify = function(params)
      return self:modify(process, params, by)
    end,
    describeByIds = function(ids)
      ofDescribe()
      return self:describe(process, ids)
    end,
  }
end

return M
