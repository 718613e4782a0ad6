--- session_limiters.lua - what the lines of spec/fixtures/sessions/limiters.txt call; its globals are the session's.

limiter = require "qcimage.limiter"
function clock()
  return now
end
function told(wait, message)
  return wait and ("%.6f"):format(wait) or message
end
function ask(l, longest, action, region, version)
  return told(l:acquire(action or "A", region or "gz", longest, version))
end
function dictionary()
  local values, ends = {}, {}
  local d = { values = values, seconds = {} }
  function d.get(_, key)
    if d.broken then
      return nil, d.broken
    end
    return ends[key] and ends[key] > now and values[key] or nil
  end
  function d.safe_add(_, key, value, seconds)
    if d.full then
      return false, d.full
    end
    if d:get(key) ~= nil then
      return false, "exists"
    end
    values[key], ends[key] = value, now + seconds
    d.seconds[#d.seconds + 1] = ("%.3f"):format(seconds)
    return true
  end
  return d
end
function shared(dict, options)
  local outside = rawget(_G, "ngx")
  rawset(_G, "ngx", { shared = { places = dict } })
  options.dict, options.clock = "places", clock
  local made = limiter.shared(options)
  rawset(_G, "ngx", outside)
  return made
end
function loudly(...)
  local lines = {}
  local warning = require "qcimage.util.warning"
  local say = warning.write
  warning.write = function(line)
    lines[#lines + 1] = line
  end
  local list = { ... }
  for i, f in ipairs(list) do
    list[i] = f()
  end
  warning.write = say
  return list, lines
end
function asking(l)
  return function()
    return ask(l)
  end
end
function redis(answer, options)
  asked = nil
  options = options or {}
  options.rate, options.clock = 10, clock
  options.eval = function(_, count, key, ...)
    asked = { count, key, ... }
    token = asked[#asked]
    asked[#asked] = "token"
    return answer(...)
  end
  return limiter.redis(options)
end
core, environments = require "qcimage.core", require "qcimage.util.environment"
function inNginx(isYieldable, phase)
  local saved, savedCore, savedNginx, savedEngine =
    ngx, core.isyieldable, environments.isNginx, package.loaded["qcimage.limiter.redis"]
  rawset(_G, "ngx", {
    get_phase = function()
      return phase
    end,
  })
  environments.isNginx, core.isyieldable = true, function()
    return isYieldable
  end
  package.loaded["qcimage.limiter.redis"] = nil
  local engine = require("qcimage.limiter.redis").new(function(...)
    return "7 " .. select(11, ...)
  end, "k")
  local list =
    { engine:take({ key = "A", interval = 1, burst = 1, longest = 9 }, { floor = 0, frontier = 0, queue = 0 }) }
  rawset(_G, "ngx", saved)
  environments.isNginx, core.isyieldable, package.loaded["qcimage.limiter.redis"] = savedNginx, savedCore, savedEngine
  return list[1], list[2], list[3]
end
function opt(make, options)
  local ok, message = pcall(limiter[make], options)
  return ok or (message:gsub("^.-:%d+: ", ""))
end
