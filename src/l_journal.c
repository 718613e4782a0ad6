/*
 * l_journal.c - journals in Lua, see l_journal.h.
 * Part of qcimage, see LICENSE.
 */
#include "l_journal.h"
#include "compat.h"
#include "journal.h"

#include <errno.h>
#include <string.h>

#define JOURNAL "qcimage.journal"

typedef struct {
  int fd;
  char open;
} journal_object;

static int push_errno(lua_State *L, int problem)
{
  lua_pushnil(L);
  lua_pushstring(L, strerror(problem));
  return 2;
}

int qc_core_journal(lua_State *L)
{
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  int is_new = lua_toboolean(L, 2), problem;
  journal_object *journal = qc_newobject(L, sizeof(*journal), JOURNAL);
  luaL_argcheck(L, strlen(path) == len, 1, "a path has no \\0");
  problem = qc_journal_open(path, is_new, &journal->fd);
  if (problem != 0) {
    push_errno(L, problem);
    if (problem == EEXIST)
      lua_pushliteral(L, "exists");
    else if (problem == EWOULDBLOCK)
      lua_pushliteral(L, "locked");
    else
      lua_pushnil(L);
    return 3;
  }
  journal->open = 1;
  return 1;
}

static journal_object *check_open(lua_State *L)
{
  journal_object *journal = luaL_checkudata(L, 1, JOURNAL);
  luaL_argcheck(L, journal->open, 1, "the journal is closed");
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
  journal_object *journal = check_open(L);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  return push_outcome(L, qc_journal_append(journal->fd, text, len));
}

static int journal_sync(lua_State *L)
{
  return push_outcome(L, qc_journal_sync(check_open(L)->fd));
}

static int journal_close(lua_State *L)
{
  journal_object *journal = luaL_checkudata(L, 1, JOURNAL);
  if (journal->open) {
    journal->open = 0;
    qc_journal_close(journal->fd);
  }
  return 0;
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
