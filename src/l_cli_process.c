/*
 * l_cli_process.c - a command's process in Lua, see cli_process.h.
 * Part of qcimage, see LICENSE.
 */
#include "l_core.h"
#include "limits.h"
#include "cli_process.h"

#include <string.h>

/*
 * core.command(): prepares the process of the command; see cli_process.h. Only
 * for the programs of this project: it changes state of the whole process.
 */
static int core_command(lua_State *L)
{
  int problem = qc_reserve_stdio();
  if (problem == 0)
    problem = qc_default_sigint();
  if (problem != 0)
    return luaL_error(L, "the process cannot be prepared: %s",
                      strerror(problem));
  return 0;
}

/* core.outlivePipes(): writes to closed pipes fail; for the command alone */
static int core_outlive_pipes(lua_State *L)
{
  int problem = qc_ignore_sigpipe();
  if (problem != 0)
    return luaL_error(L, "SIGPIPE cannot be ignored: %s", strerror(problem));
  return 0;
}

/* core.noteSignals(): SIGINT, SIGTERM and SIGHUP are only noted, see
   cli_process.h; for the command alone */
static int core_note_signals(lua_State *L)
{
  int problem = qc_catch_signals();
  if (problem != 0)
    return luaL_error(L, "signals cannot be noted: %s", strerror(problem));
  return 0;
}

/* core.notedSignal() -> number of the signal that was noted, or nil */
static int core_noted_signal(lua_State *L)
{
  if (qc_caught_signal() == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, qc_caught_signal());
  return 1;
}

/* core.endBySignal(number): does not return */
static int core_end_by_signal(lua_State *L)
{
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number >= 1 && number <= QC_SIGNAL_MAX, 1,
                "not a signal's number");
  qc_reraise_signal((int)number);
  return 0;
}

/* core.endSaying(text or nil): a signal that ends the command writes the text
   first, see cli_process.h; for the command alone */
static int core_end_saying(lua_State *L)
{
  int problem = qc_end_saying(luaL_optstring(L, 1, NULL));
  if (problem != 0)
    return luaL_error(L, "signals cannot be handled: %s", strerror(problem));
  return 0;
}

/* core.run(command) -> exit status, or nil and a message; see cli_process.h.
   For the command alone */
static int core_run(lua_State *L)
{
  int status = 0, problem = qc_run(luaL_checkstring(L, 1), &status);
  if (problem != 0) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(problem));
    return 2;
  }
  lua_pushinteger(L, status);
  return 1;
}

/* core.columns(descriptor) -> columns of its terminal, 0 where they are not
   known, or nil where it is not a terminal */
static int core_columns(lua_State *L)
{
  lua_Integer descriptor = luaL_checkinteger(L, 1);
  int columns;
  luaL_argcheck(L, descriptor >= 0 && descriptor <= 2, 1,
                "not a standard stream");
  columns = qc_terminal_columns((int)descriptor);
  if (columns < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, columns);
  return 1;
}

const luaL_Reg qc_cli_process_functions[] = {
    {"command", core_command},
    {"outlivePipes", core_outlive_pipes},
    {"noteSignals", core_note_signals},
    {"notedSignal", core_noted_signal},
    {"endBySignal", core_end_by_signal},
    {"run", core_run},
    {"columns", core_columns},
    {"endSaying", core_end_saying},
    {NULL, NULL}};
