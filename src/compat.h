/*
 * compat.h - one spelling of the Lua C API for 5.1 to 5.5 and LuaJIT.
 * Uses nothing that PUC Lua 5.1 does not export, because one binary serves
 * both 5.1 and LuaJIT. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_COMPAT_H
#define QCIMAGE_COMPAT_H

#include <lua.h>
#include <lauxlib.h>
#include <string.h>

/* The build says for which Lua it is; flags may bring other headers first. */
#if defined(QC_LUA) && QC_LUA != LUA_VERSION_NUM
#error "lua.h is not that of the Lua that is built for"
#endif

#if defined(__GNUC__)
#define QC_EXPORT __attribute__((visibility("default")))
#else
#define QC_EXPORT
#endif

#if LUA_VERSION_NUM >= 504
#define qc_newuserdata(L, size) lua_newuserdatauv((L), (size), 0)
#else
#define qc_newuserdata(L, size) lua_newuserdata((L), (size))
#endif

#if LUA_VERSION_NUM == 501
/* Never called: lua_getfenv is missing from later Luas, so that a module of
   the 5.1 ABI fails to load there with a message instead of a crash. */
#define qc_checkversion(L)                                                    \
  do {                                                                        \
    void (*volatile only_in_51)(lua_State *, int) = lua_getfenv;              \
    (void)only_in_51;                                                         \
    (void)(L);                                                                \
  } while (0)
#else
#define qc_checkversion(L) luaL_checkversion(L)
#endif

/* Adds functions to the table at the top of the stack. */
static inline void qc_setfuncs(lua_State *L, const luaL_Reg *funcs)
{
  for (; funcs->name != NULL; funcs++) {
    lua_pushcfunction(L, funcs->func);
    lua_setfield(L, -2, funcs->name);
  }
}

/* A string, not a number that would be turned into one. */
static inline const char *qc_checktext(lua_State *L, int arg, size_t *len)
{
  luaL_checktype(L, arg, LUA_TSTRING);
  return lua_tolstring(L, arg, len);
}

/* Pushes a zeroed object of a type made by qc_newtype. */
static inline void *qc_newobject(lua_State *L, size_t size, const char *type)
{
  void *object = qc_newuserdata(L, size);
  memset(object, 0, size);
  luaL_getmetatable(L, type);
  lua_setmetatable(L, -2);
  return object;
}

/* Makes the metatable of a type: methods, metamethods, and a lock on it. It is
   registered last: one that is half made, because memory ran out, must not be
   found the next time. */
static inline void qc_newtype(lua_State *L, const char *type,
                              const luaL_Reg *methods, const luaL_Reg *meta)
{
  luaL_getmetatable(L, type);
  if (lua_isnil(L, -1)) {
    lua_newtable(L);
    qc_setfuncs(L, meta);
    lua_newtable(L);
    qc_setfuncs(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setfield(L, LUA_REGISTRYINDEX, type);
  }
  lua_pop(L, 1);
}

#endif
