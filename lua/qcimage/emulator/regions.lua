--- emulator/regions.lua - region codes of both generations.
--- Pure data. Part of qcimage, see LICENSE.

local text = require "qcimage.emulator.text"

local M = {}

--- Short codes and the long codes of the same regions: cloud.tencent.com/document/api/213/6976; bjjr, nj, ru and tpe as
--- the API of waf has them.
M.SHORT = {
  bj = "ap-beijing",
  gz = "ap-guangzhou",
  sh = "ap-shanghai",
  hk = "ap-hongkong",
  ca = "na-toronto",
  usw = "na-siliconvalley",
  sg = "ap-singapore",
  cd = "ap-chengdu",
  de = "eu-frankfurt",
  kr = "ap-seoul",
  shjr = "ap-shanghai-fsi",
  szjr = "ap-shenzhen-fsi",
  gzopen = "ap-guangzhou-open",
  cq = "ap-chongqing",
  th = "ap-bangkok",
  jp = "ap-tokyo",
  ["in"] = "ap-mumbai",
  use = "na-ashburn",
  bjjr = "ap-beijing-fsi",
  nj = "ap-nanjing",
  ru = "eu-moscow",
  tpe = "ap-taipei",
}

--- Names of the documented regions by their long codes, as DescribeRegions returns them.
M.NAMES = {
  ["ap-beijing"] = "North China (Beijing)",
  ["ap-guangzhou"] = "South China (Guangzhou)",
  ["ap-shanghai"] = "East China (Shanghai)",
  ["ap-hongkong"] = "Hong Kong, Macao and Taiwan (Hong Kong, China)",
  ["na-toronto"] = "North America (Toronto)",
  ["na-siliconvalley"] = "US West (Silicon Valley)",
  ["ap-singapore"] = "Southeast Asia (Singapore)",
  ["ap-chengdu"] = "Southwest China (Chengdu)",
  ["eu-frankfurt"] = "Europe (Frankfurt)",
  ["ap-seoul"] = "Northeast Asia (Seoul)",
  ["ap-shanghai-fsi"] = "East China (Shanghai Finance)",
  ["ap-shenzhen-fsi"] = "South China (Shenzhen Finance)",
  ["ap-guangzhou-open"] = "South China (Guangzhou Open)",
  ["ap-chongqing"] = "Southwest China (Chongqing)",
  ["ap-bangkok"] = "Southeast Asia (Bangkok)",
  ["ap-tokyo"] = "Northeast Asia (Tokyo)",
  ["ap-mumbai"] = "South Asia (Mumbai)",
  ["na-ashburn"] = "US East (Virginia)",
  ["ap-beijing-fsi"] = "North China (Beijing Finance)",
  ["ap-nanjing"] = "East China (Nanjing)",
  ["eu-moscow"] = "Europe (Moscow)",
  ["ap-taipei"] = "Hong Kong, Macao and Taiwan (Taipei, China)",
  ["ap-jakarta"] = "Southeast Asia (Jakarta)",
  ["sa-saopaulo"] = "South America (Sao Paulo)",
}

--- The long code of a region in either spelling.
---@param code string
---@return string
function M.long(code)
  return M.SHORT[code] or code
end

--- Long codes of the regions that an emulator has.
---@param list string[]|nil codes in either spelling; all documented ones by default
---@return table<string, boolean> known
---@return string[] order the default region first, then as given or by name
function M.set(list)
  local known, order = {}, {}
  for _, code in ipairs(list or M.ALL) do
    local long = M.long(code)
    if not known[long] then
      known[long], order[#order + 1] = true, long
    end
  end
  return known, order
end

--- Long codes of all documented regions, ap-guangzhou first.
M.ALL = {}
for long in pairs(M.NAMES) do
  M.ALL[#M.ALL + 1] = long
end
local DEFAULT = "ap-guangzhou"
table.sort(M.ALL, function(a, b)
  if a == DEFAULT or b == DEFAULT then
    return a == DEFAULT and b ~= DEFAULT
  end
  return text.before(a, b)
end)

return M
