/*
 * l_journal.c - journals in Lua, see l_journal.h.
 * Part of qcimage, see LICENSE.
 */
#include "l_core.h"
#include "compat.h"
#include "journal.h"

#include <errno.h>
#include <string.h>

#define JOURNAL "qcimage.journal"

static int push_errno(lua_State *L, int problem)
{
  lua_pushnil(L);
  lua_pushstring(L, problem == QC_JOURNAL_NO_FILE ? "is not a regular file"
                    : problem == ELOOP            ? "is a symbolic link"
                                                  : strerror(problem));
  return 2;
}

static const char *check_path(lua_State *L, int arg)
{
  size_t len;
  const char *path = qc_checktext(L, arg, &len);
  luaL_argcheck(L, strlen(path) == len, arg, "a path has no \\0");
  return path;
}

int qc_core_journal(lua_State *L)
{
  const char *path = check_path(L, 1);
  int is_new = lua_toboolean(L, 2), follows = !lua_toboolean(L, 3), problem;
  qc_journal *journal = qc_newobject(L, sizeof(*journal), JOURNAL);
  problem = qc_journal_open(journal, path, is_new, follows);
  if (problem != 0) {
    push_errno(L, problem);
    if (problem == EEXIST)
      lua_pushliteral(L, "exists");
    else if (problem == EWOULDBLOCK)
      lua_pushliteral(L, "locked");
    else if (problem == ENOENT)
      lua_pushliteral(L, "missing");
    else
      lua_pushnil(L);
    return 3;
  }
  return 1;
}

static const qc_journal *check_open(lua_State *L)
{
  const qc_journal *journal = luaL_checkudata(L, 1, JOURNAL);
  luaL_argcheck(L, journal->is_open, 1, "the journal is closed");
  luaL_argcheck(L, journal->fd >= 0, 1,
                "the journal is that of the process which forked this one");
  return journal;
}

static int push_outcome(lua_State *L, int problem)
{
  if (problem != 0)
    return push_errno(L, problem);
  lua_pushboolean(L, 1);
  return 1;
}

static int journal_append(lua_State *L)
{
  const qc_journal *journal = check_open(L);
  size_t len;
  const char *text = qc_checktext(L, 2, &len);
  return push_outcome(L, qc_journal_append(journal, text, len));
}

static int journal_sync(lua_State *L)
{
  return push_outcome(L, qc_journal_sync(check_open(L)));
}

static int journal_close(lua_State *L)
{
  qc_journal_close(luaL_checkudata(L, 1, JOURNAL));
  return 0;
}

int qc_core_sync_folder(lua_State *L)
{
  return push_outcome(L, qc_journal_sync_folder(check_path(L, 1)));
}

static const luaL_Reg methods[] = {{"append", journal_append},
                                   {"sync", journal_sync},
                                   {"close", journal_close},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__gc", journal_close}, {"__close", journal_close}, {NULL, NULL}};

void qc_journal_type(lua_State *L)
{
  qc_newtype(L, JOURNAL, methods, meta);
}
