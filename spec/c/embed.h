/*
 * embed.h - a Lua state with both C modules linked in, for tests that stand
 * around the interpreter. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_EMBED_H
#define QCIMAGE_EMBED_H

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>

int luaopen_qcimage_core(lua_State *L);
int luaopen_qcimage_http(lua_State *L);

/* In package.preload, so that require finds them. */
static inline void embed_modules(lua_State *L)
{
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_qcimage_core);
  lua_setfield(L, -2, "qcimage.core");
  lua_pushcfunction(L, luaopen_qcimage_http);
  lua_setfield(L, -2, "qcimage.http");
  lua_pop(L, 2);
}

/* Ends the test when a call of the Lua API before it failed. */
static inline void embed_must(lua_State *L, int failed)
{
  if (failed) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
}

/* Runs a file, which leaves one value on the stack. */
static inline void embed_file(lua_State *L, const char *path)
{
  embed_must(L, luaL_loadfile(L, path) != 0 || lua_pcall(L, 0, 1, 0) != 0);
}

#endif
