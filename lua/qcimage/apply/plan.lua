--- plan.lua - makes a plan of changes and of the current images: no-ops drop out, each step comes after the one that frees
--- its name, and what cannot be changed is reported before anything is sent.
--- Pure. Part of qcimage, see LICENSE.

local codes = require "qcimage.api.error_codes"
local optionNames = require "qcimage.util.option_names"
local planFormat = require "qcimage.apply.plan_format"
local tables = require "qcimage.util.tables"

local M = {}

local function faultOf(change, message, reason)
  return { line = change.line, imageId = change.imageId, message = message, reason = reason }
end

local function hasOne(image, states)
  for _, state in ipairs(states) do
    if planFormat.matches(image, state) then
      return true
    end
  end
  return false
end

-- What keeps an image from being changed, and a word for it; or nil.
local function obstacle(change, image, where)
  if not image then
    return ("not found%s"):format(where), "notFound"
  elseif image.isUnseen then
    return ("is not among the images of this account%s"):format(where), "notFound"
  elseif image.imageType == "SHARED_IMAGE" then
    return "belongs to another account, which shares it: it cannot be changed", "sharedImage"
  elseif image.imageType and image.imageType ~= "PRIVATE_IMAGE" then
    return ("is a %s: it cannot be changed"):format(image.imageType), "permission"
  elseif codes.readiness(image.imageState) ~= "ready" then
    return ("is %s: it cannot be changed now"):format(image.imageState), "imageState"
  elseif change.states and not planFormat.matches(image, change.to) and not hasOne(image, change.states) then
    local expected, found = change.states[1], {}
    for _, name in ipairs(planFormat.FIELDS) do
      if expected[name] ~= nil and image[name] ~= expected[name] then
        found[#found + 1] = ('%s is "%s", and was "%s" when the plan was made'):format(
          name,
          tostring(image[name]),
          tostring(expected[name])
        )
      end
    end
    return table.concat(found, "; "), "conflict"
  end
end

-- Fields that could not be set back to what they are.
local function irreversible(change, from, adapter)
  local names = {}
  for _, name in ipairs(planFormat.FIELDS) do
    local value = from[name]
    if change.to[name] ~= nil then
      local cannot = value == nil
        or value == "" and adapter.keepsBlank(name)
        or adapter.check { imageId = change.imageId, [name] = value } ~= nil
      names[#names + 1] = cannot and name or nil
    end
  end
  return names[1] and names
end

-- Sorts changes: those that hold already, those at fault, and those to make, with `from` and what is new alone in `to`.
local function sortOut(changes, present, adapter, faults)
  local wanted, unchanged = {}, {}
  for _, change in ipairs(changes) do
    local image = present[change.regionKey][change.imageId]
    local message, reason = obstacle(change, image, change.region and " in " .. change.region or "")
    if message then
      faults[#faults + 1] = faultOf(change, message, reason)
    else
      local from, to = {}, {}
      for name, value in pairs(change.to) do
        if image[name] ~= value then
          from[name], to[name] = image[name], value
        end
      end
      if next(to) == nil then
        unchanged[#unchanged + 1] = change
      else
        local one =
          { line = change.line, imageId = change.imageId, region = change.region, regionKey = change.regionKey }
        one.from, one.to = from, to
        one.cannotUndo = irreversible(one, from, adapter)
        wanted[#wanted + 1] = one
      end
    end
  end
  return wanted, unchanged
end

-- The images that have each name, by region key.
local function holdersOf(present)
  local holders = {}
  for regionKey, images in pairs(present) do
    local names = {}
    for id, image in pairs(images) do
      if image.imageName and image.imageName ~= "" and image.imageType ~= "SHARED_IMAGE" then
        names[image.imageName] = names[image.imageName] or {}
        table.insert(names[image.imageName], id)
      end
    end
    holders[regionKey] = names
  end
  return holders
end

-- The changes that must come before each, because they free its name. Changes whose name stays taken are faults: their
-- images keep their names, which can block further changes.
local function blockersOf(wanted, present, faults)
  local holders = holdersOf(present)
  repeat
    local byId, kept = {}, {}
    for _, change in ipairs(wanted) do
      byId[change.regionKey .. "\0" .. change.imageId] = change
    end
    for _, change in ipairs(wanted) do
      local name, problem = change.to.imageName, nil
      change.blockers = {}
      for _, id in ipairs(name and holders[change.regionKey][name] or {}) do
        local other = byId[change.regionKey .. "\0" .. id]
        if other and other.to.imageName then
          change.blockers[#change.blockers + 1] = other
        else
          local state = present[change.regionKey][id].imageState
          problem = ('the name "%s" is that of %s%s'):format(
            name,
            id,
            codes.readiness(state) == "ready" and "" or (", which is %s"):format(state)
          )
        end
      end
      if problem then
        faults[#faults + 1] = faultOf(change, problem, "nameTaken")
      else
        kept[#kept + 1] = change
      end
    end
    local isStable = #kept == #wanted
    wanted = kept
  until isStable
  return wanted
end

-- Walks from a change to those that must come before it, and calls `leave` with each when all those have been left.
-- `circle` is called where one leads back to one that is not left yet, with the changes in between.
local function walk(first, marks, leave, circle)
  local path = { { change = first, next = 1 } }
  marks[first] = "open"
  while #path > 0 do
    local top = path[#path]
    local blocker = top.change.blockers[top.next]
    top.next = top.next + 1
    if not blocker then
      marks[top.change] = "left"
      leave(top.change)
      path[#path] = nil
    elseif not marks[blocker] then
      marks[blocker] = "open"
      path[#path + 1] = { change = blocker, next = 1 }
    elseif marks[blocker] == "open" then
      local members = {}
      for i = #path, 1, -1 do
        members[#members + 1] = path[i].change
        if path[i].change == blocker then
          break
        end
      end
      circle(members)
    end
  end
end

-- A name that no image has and none wants.
local function temporaryName(change, taken)
  local stem = "tmp-" .. change.imageId:gsub("%W", ""):sub(-8)
  local name, number = stem, 0
  while taken[change.regionKey .. "\0" .. name] do
    number = number + 1
    name = ("%s-%d"):format(stem, number)
  end
  taken[change.regionKey .. "\0" .. name] = true
  return name
end

-- Steps in order, or the circles of names that prevent any order.
local function order(wanted, present, isCircleAllowed)
  local steps, marks, circles, taken = {}, {}, {}, {}
  for regionKey, images in pairs(present) do
    for _, image in pairs(images) do
      taken[regionKey .. "\0" .. tostring(image.imageName)] = true
    end
  end
  for _, change in ipairs(wanted) do
    taken[change.regionKey .. "\0" .. tostring(change.to.imageName)] = true
  end
  local function add(change, from, to, isTemporary)
    steps[#steps + 1] = {
      line = change.line,
      imageId = change.imageId,
      region = change.region,
      from = from,
      to = to,
      cannotUndo = change.cannotUndo,
      isTemporary = isTemporary,
    }
  end
  local function leave(change)
    add(change, tables.copy(change.from, { imageName = change.temporary }), change.to)
  end
  local function circle(members)
    circles[#circles + 1] = members
    local first = members[#members]
    if isCircleAllowed and not first.temporary then
      first.temporary = temporaryName(first, taken)
      add(first, { imageName = first.from.imageName }, { imageName = first.temporary }, true)
    end
  end
  for _, change in ipairs(wanted) do
    if not marks[change] then
      walk(change, marks, leave, circle)
    end
  end
  return steps, not isCircleAllowed and circles or {}
end

local function reportCircles(circles, faults)
  local isMember = {}
  for _, members in ipairs(circles) do
    local ids = {}
    for i, change in ipairs(members) do
      ids[#members + 1 - i], isMember[change] = change.imageId, true
    end
    table.sort(ids)
    for _, change in ipairs(members) do
      faults[#faults + 1] = faultOf(
        change,
        ("the names form a cycle (%s): %s lets one image have another name for a moment"):format(
          table.concat(ids, ", "),
          optionNames.shown "temporaryNames"
        ),
        "circle"
      )
    end
  end
  return isMember
end

--- Makes a plan.
---@param changes qcimage.ApplyChange[] distinct
---@param present table<string, table<string, qcimage.ApplyImage>> images by region key and id
---@param adapter qcimage.ApplyAdapter
---@param settings {temporaryNames: boolean|nil}
---@param faults qcimage.ApplyFault[] gets what is found
---@return qcimage.ApplyPlan
---@return qcimage.ApplyChange[] unchanged those that hold already
function M.new(changes, present, adapter, settings, faults)
  local wanted, unchanged = sortOut(changes, present, adapter, faults)
  local steps, circles
  repeat
    wanted = blockersOf(wanted, present, faults)
    steps, circles = order(wanted, present, settings.temporaryNames)
    if #circles > 0 then
      local isMember, kept = reportCircles(circles, faults), {}
      for _, change in ipairs(wanted) do
        kept[#kept + 1] = not isMember[change] and change or nil
      end
      wanted = kept
    end
  until #circles == 0
  return {
    apiVersion = adapter.apiVersion,
    region = adapter.region,
    endpoint = adapter.endpoint,
    steps = steps,
  },
    unchanged
end

return M
