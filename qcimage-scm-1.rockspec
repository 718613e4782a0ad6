rockspec_format = "3.0"
package = "qcimage"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "Tencent Cloud's image API for Lua: rename and describe images, see them listed",
  detailed = [[
A C core signs (API 2.0 and API 3.0) and sends over libcurl; a thin Lua layer gives one call,
image.modify{...}, that returns the result as a table, and errors that say whether the change
happened. Runs on Lua 5.1 to 5.4, LuaJIT and inside OpenResty. A strict local emulator of the
service comes with it.]],
  license = "MIT",
}
dependencies = {
  "lua >= 5.1, < 5.5",
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
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
    CURL_DIR = "$(CURL_DIR)",
    OPENSSL_DIR = "$(OPENSSL_DIR)",
  },
}
test_dependencies = {
  "busted",
}
test = {
  type = "busted",
}
