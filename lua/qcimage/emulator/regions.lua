--- emulator/regions.lua - region codes of both generations.
--- Pure data. Part of qcimage, see LICENSE.

local M = {}

--- Short codes and the long codes of the same places: cloud.tencent.com/document/api/213/6976; bjjr, nj, ru and tpe as
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

--- Long codes without a short one: tencentcloud.com/document/product/213/33269.
M.LONG = { "ap-jakarta", "sa-saopaulo" }

--- The long code of a region in either spelling.
---@param code string
---@return string
function M.long(code)
  return M.SHORT[code] or code
end

--- Long codes of the regions that an emulator knows, as a set.
---@param list string[]|nil codes in either spelling; all documented ones by default
---@return table<string, boolean>
function M.set(list)
  local known = {}
  if list then
    for _, code in ipairs(list) do
      known[M.long(code)] = true
    end
    return known
  end
  for _, long in pairs(M.SHORT) do
    known[long] = true
  end
  for _, long in ipairs(M.LONG) do
    known[long] = true
  end
  return known
end

return M
