--- libcurl.lua - what the libcurl in use can do, for specs that run with old ones, too.

local major, minor = require("qcimage.http").version():match "running with libcurl/(%d+)%.(%d+)"
local number = tonumber(major) * 1000 + tonumber(minor)

local M = {}

--- Whether connections are kept: before 7.80 nothing would keep libcurl from sending a request twice.
M.keeps = number >= 7080

--- Whether it keeps the certificates of a file that it has read.
M.keepsCertificates = number >= 7087

return M
