/*
 * testposix.c - a Lua module for the specs, with the little of POSIX that
 * they need and Debian's lua-posix does not have for each Lua: fork, signals
 * and descriptors. Part of qcimage, see LICENSE.
 */
#include "../../src/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork() -> pid, or 0 in the child */
static int posix_fork(lua_State *L)
{
  pid_t pid = fork();
  if (pid < 0)
    return luaL_error(L, "fork failed");
  lua_pushinteger(L, (lua_Integer)pid);
  return 1;
}

/* wait(pid) -> exit status, or minus the signal that ended it */
static int posix_wait(lua_State *L)
{
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int status;
  while (waitpid(pid, &status, 0) != pid)
    if (errno != EINTR)
      return luaL_error(L, "waitpid failed");
  lua_pushinteger(L,
                  WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  return 1;
}

/* exit(status): at once, without closing the state */
static int posix_exit(lua_State *L)
{
  _exit((int)luaL_checkinteger(L, 1));
}

/* signals() -> a text that differs when a handler or the mask does */
static int posix_signals(lua_State *L)
{
  luaL_Buffer buffer;
  sigset_t mask;
  int n;
  if (pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0)
    return luaL_error(L, "pthread_sigmask failed");
  luaL_buffinit(L, &buffer);
  for (n = 1; n < 32; n++) {
    struct sigaction action;
    char text[64];
    if (sigaction(n, NULL, &action) != 0)
      continue;
    snprintf(text, sizeof(text), "%d:%p:%x:%d ", n,
             (void *)(size_t)action.sa_handler, (unsigned)action.sa_flags,
             sigismember(&mask, n));
    luaL_addstring(&buffer, text);
  }
  luaL_pushresult(&buffer);
  return 1;
}

/* descriptors() -> how many are open */
static int posix_descriptors(lua_State *L)
{
  int fd, open = 0;
  for (fd = 0; fd < 1024; fd++)
    open += fcntl(fd, F_GETFD) >= 0;
  lua_pushinteger(L, open);
  return 1;
}

/* close(fd) */
static int posix_close(lua_State *L)
{
  lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
  return 1;
}

static const luaL_Reg functions[] = {{"fork", posix_fork},
                                     {"close", posix_close},
                                     {"wait", posix_wait},
                                     {"exit", posix_exit},
                                     {"signals", posix_signals},
                                     {"descriptors", posix_descriptors},
                                     {NULL, NULL}};

QC_EXPORT int luaopen_testposix(lua_State *L);

QC_EXPORT int luaopen_testposix(lua_State *L)
{
  lua_newtable(L);
  qc_setfuncs(L, functions);
  return 1;
}
