rockspec_format = "3.0"
package = "qcimage"
version = "0.9.0-1"
-- The checkout around this file, for luarocks make and luarocks build: url names a folder that exists in it, and file
-- makes LuaRocks unpack nothing. luarocks pack would need a complete URL; scripts/rock packs the sources.
source = {
  url = "file://lua",
  file = "qcimage.lua",
  dir = ".",
}
description = {
  summary = "Tencent Cloud's image API for Lua: rename and describe images, see them listed",
  detailed = [[
A C core signs (API 2.0 and API 3.0) and sends over libcurl; a thin Lua layer gives one call,
image.modify{...}, that returns the result as a table, and errors that say whether the change
happened. Runs on Lua 5.1 to 5.5, LuaJIT and inside OpenResty. A strict local emulator of the
service comes with it.]],
  license = "MIT",
  labels = { "tencent-cloud", "cvm", "image", "openresty" },
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.1, < 5.6",
  "lua-cjson >= 2.1.0",
}
-- The libraries alone are named: CMake finds the headers, also in Debian's multiarch folders.
external_dependencies = {
  CURL = { library = "curl" },
  OPENSSL = { library = "crypto" },
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    LUA = "$(LUA)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
    CMAKE_INSTALL_DOCDIR = "doc", -- where `luarocks doc` looks
    CURL_DIR = "$(CURL_DIR)",
    CURL_INCDIR = "$(CURL_INCDIR)",
    CURL_LIBDIR = "$(CURL_LIBDIR)",
    OPENSSL_DIR = "$(OPENSSL_DIR)",
    OPENSSL_INCDIR = "$(OPENSSL_INCDIR)",
    OPENSSL_LIBDIR = "$(OPENSSL_LIBDIR)",
  },
}
-- Its own: LuaRocks' would leave LUA_INIT set, which may print into results.
deploy = {
  wrap_bin_scripts = false,
}
test_dependencies = {
  "busted",
}
test = {
  type = "busted",
}
