/*
 * alloc_test.c - every allocation of every scenario of alloc_scenarios.lua
 * fails: Lua's, and those of the C core, libcurl and libcrypto. Nothing may
 * crash, leak or lie, and what was in use must be usable afterwards.
 * Part of qcimage, see LICENSE.
 *
 *   alloc_test [NAME]   NAME: only that scenario
 *
 * Of the scenarios that have thousands, only some fail, unless QCIMAGE_FULL
 * is set. The program is linked with --wrap=malloc and so on, so that the
 * core's allocations come here; the libraries are told so by their own
 * functions. What libc takes for itself (sockets, files) does not fail.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "check.h"
#include "embed.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#if LUA_VERSION_NUM >= 505 /* also takes a seed for its hashes */
#define new_lua(memory, user) lua_newstate((memory), (user), 0)
#else
#define new_lua(memory, user) lua_newstate((memory), (user))
#endif

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
CURLcode __real_curl_global_init(long flags);
CURLcode __wrap_curl_global_init(long flags);

/* Whose allocation fails, and which. */
enum { LUA, CORE };
static struct {
  int whose, is_on, goes_on; /* goes_on: so do all after it */
  long first, seen;
} fault;

/* Blocks that are held. */
static long lua_blocks, core_blocks, library_blocks;

static int fails(int whose)
{
  if (!fault.is_on || fault.whose != whose)
    return 0;
  fault.seen++;
  return fault.goes_on ? fault.seen >= fault.first : fault.seen == fault.first;
}

static void *lua_memory(void *user, void *old, size_t old_size, size_t size)
{
  void *memory;
  (void)user;
  if (size == 0) {
    lua_blocks -= old != NULL;
    __real_free(old);
    return NULL;
  }
  if ((old == NULL || size > old_size) && fails(LUA))
    return NULL; /* Lua takes it for granted that a block can shrink */
  memory = __real_realloc(old, size);
  lua_blocks += old == NULL && memory != NULL;
  return memory;
}

static void *take(void *old, size_t size, long *blocks)
{
  void *memory = fails(CORE) ? NULL : __real_realloc(old, size);
  *blocks += old == NULL && memory != NULL;
  return memory;
}

static void give_back(void *memory, long *blocks)
{
  *blocks -= memory != NULL;
  __real_free(memory);
}

void *__wrap_malloc(size_t size)
{
  return take(NULL, size, &core_blocks);
}

void *__wrap_calloc(size_t count, size_t size)
{
  void *memory = take(NULL, count * size, &core_blocks);
  if (memory != NULL)
    memset(memory, 0, count * size);
  return memory;
}

void *__wrap_realloc(void *old, size_t size)
{
  return take(old, size, &core_blocks);
}

void __wrap_free(void *memory)
{
  give_back(memory, &core_blocks);
}

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
/* Two functions that stand before libssl's, so that nothing fails in there
   (seen in 3.5.9 under libcurl 8.14.1). */

/* Since 3.2 it has no way to say that it failed: libcurl's next step,
   SSL_set0_rbio, then crashes. */
void SSL_set_connect_state(SSL *ssl)
{
  void (*libssl)(SSL *);
  int was_on = fault.is_on;
  *(void **)&libssl = dlsym(RTLD_NEXT, "SSL_set_connect_state");
  fault.is_on = 0;
  libssl(ssl);
  fault.is_on = was_on;
}

/* It loses four blocks where one allocation fails. */
int SSL_read(SSL *ssl, void *buffer, int size)
{
  int (*libssl)(SSL *, void *, int);
  int was_on = fault.is_on, read;
  *(void **)&libssl = dlsym(RTLD_NEXT, "SSL_read");
  fault.is_on = 0;
  read = libssl(ssl, buffer, size);
  fault.is_on = was_on;
  return read;
}
#endif

static int global_init_fails;

CURLcode __wrap_curl_global_init(long flags)
{
  return global_init_fails ? CURLE_OUT_OF_MEMORY
                           : __real_curl_global_init(flags);
}

static void *library_malloc(size_t size)
{
  return take(NULL, size, &library_blocks);
}

static void *library_calloc(size_t count, size_t size)
{
  void *memory = take(NULL, count * size, &library_blocks);
  if (memory != NULL)
    memset(memory, 0, count * size);
  return memory;
}

static void *library_realloc(void *old, size_t size)
{
  return take(old, size, &library_blocks);
}

static void library_free(void *memory)
{
  give_back(memory, &library_blocks);
}

static char *library_strdup(const char *text)
{
  size_t size = strlen(text) + 1;
  char *copy = library_malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
  (void)file, (void)line;
  return size == 0 ? NULL : library_malloc(size);
}

static void *crypto_realloc(void *old, size_t size, const char *file, int line)
{
  (void)file, (void)line;
  if (size > 0)
    return library_realloc(old, size);
  library_free(old);
  return NULL;
}

static void crypto_free(void *memory, const char *file, int line)
{
  (void)file, (void)line;
  library_free(memory);
}

/* Addresses of servers that answer, and the file that vouches for one. */
static char plain_server[64], tls_server[64], ca_file[256];

/* Holds the servers, the compiled Lua modules and the other C modules, so that
   a leak checker can name their functions at the end. Never closed. */
static lua_State *volatile servers;

static void start_servers(void)
{
  static const char code[] =
      "require 'cjson'\n"
      "local known = {}\n"
      "function compiled(name)\n"
      "  local path = package.searchpath(name, package.path)\n"
      "  known[name] = known[name] or path and string.dump(loadfile(path))\n"
      "  return known[name]\n"
      "end\n"
      "server = require 'spec.support.constant'.start()\n"
      "return server.url, server.tlsUrl,\n"
      "  require 'spec.support.certs'.path 'ca.pem'";
  lua_State *L = servers = luaL_newstate();
  if (L == NULL)
    exit(1);
  luaL_openlibs(L);
  lua_newtable(L); /* of spec/support/process.lua */
  lua_setglobal(L, "arg");
  embed_must(L, luaL_dostring(L, code));
  snprintf(plain_server, sizeof(plain_server), "%s", lua_tostring(L, 1));
  snprintf(tls_server, sizeof(tls_server), "%s", lua_tostring(L, 2));
  snprintf(ca_file, sizeof(ca_file), "%s", lua_tostring(L, 3));
}

/* A searcher for require that loads modules compiled by an earlier state:
   compiling takes most of the time of a new state. */
static int find_compiled(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1), *code;
  size_t size;
  lua_getglobal(servers, "compiled");
  lua_pushstring(servers, name);
  embed_must(servers, lua_pcall(servers, 1, 1, 0));
  code = lua_tolstring(servers, -1, &size);
  if (code != NULL)
    embed_must(L, luaL_loadbuffer(L, code, size, name));
  else
    lua_pushnil(L);
  lua_pop(servers, 1);
  return 1;
}

/* Adds that searcher to require, or removes it. */
static void use_compiled(lua_State *L, int is_used)
{
  static const char code[] =
      "local find, is_used = ...\n"
      "if is_used then table.insert(package.searchers, 2, find)\n"
      "else table.remove(package.searchers, 2) end";
  embed_must(L, luaL_loadstring(L, code));
  lua_pushcfunction(L, find_compiled);
  lua_pushboolean(L, is_used);
  embed_must(L, lua_pcall(L, 2, 0, 0));
}

/* A state whose stack has: run, what setup gave. */
static lua_State *new_state(int scenario)
{
  lua_State *L = new_lua(lua_memory, NULL);
  const char *address;
  if (L == NULL)
    exit(1);
  luaL_openlibs(L);
  embed_modules(L);
  use_compiled(L, 1);
  embed_file(L, "spec/c/alloc_scenarios.lua");
  lua_rawgeti(L, 1, scenario);
  lua_getfield(L, 2, "run");
  lua_getfield(L, 2, "setup");
  lua_getfield(L, 2, "address");
  address = lua_tostring(L, -1);
  lua_pop(L, 1);
  if (address != NULL)
    lua_pushstring(L, address[0] == 'p' ? plain_server : tls_server);
  else
    lua_pushnil(L);
  lua_pushstring(L, ca_file);
  embed_must(L, lua_pcall(L, 2, 1, 0));
  use_compiled(L, 0); /* the scenario itself loads modules as programs do */
  return L;
}

/* What the last run said that did not do what it should, and how many runs
   failed as they may. */
static char said[256];
static long failures;

/* An error of the host's own in libcrypto's queue: it has to be left there,
   alone. libcurl may clear the queue; and it holds 16, which OpenSSL 3.5 needs
   for its own when memory is out at the first use of random numbers, so that
   the host's is overwritten. But nothing of theirs may stay. */
static void queue_error(void)
{
  ERR_clear_error();
  ERR_put_error(ERR_LIB_USER, 0, 1, __FILE__, __LINE__);
}

static void check_queue(lua_State *L)
{
  unsigned long first = ERR_get_error(), second = ERR_get_error();
  int may_go;
  lua_getfield(L, 2, "sends");
  may_go = lua_toboolean(L, -1) || (fault.whose == CORE && fault.goes_on);
  CHECK(second == 0 &&
        (ERR_GET_LIB(first) == ERR_LIB_USER || (first == 0 && may_go)));
  lua_pop(L, 1);
}

/* Runs the scenario of a state. 1: it did what it should, 0: it failed as it
   may, -1: otherwise. */
static int run(lua_State *L)
{
  int raised, verdict = -1;
  const char *text = "neither true nor nil and a message";
  lua_settop(L, 4);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  raised = lua_pcall(L, 1, 2, 0) != 0;
  if (!raised && lua_toboolean(L, 5))
    return 1;
  if (raised) {
    text = lua_tostring(L, 5);
    if (text != NULL && strstr(text, "not enough memory") != NULL)
      verdict = 0;
  } else if (lua_isnil(L, 5) && lua_isstring(L, 6)) {
    text = lua_tostring(L, 6);
    lua_getfield(L, 2, "softens");
    verdict = fault.whose == CORE || lua_toboolean(L, -1) ? 0 : -1;
  }
  snprintf(said, sizeof(said), "%s", text != NULL ? text : "no text");
  return verdict;
}

/* One run in which an allocation fails, and one after it. 0: there were
   fewer allocations. recovers: 0 when the second may fail, too. */
static int run_with(int scenario, long first, int recovers)
{
  lua_State *L = new_state(scenario);
  int verdict, reached;
  queue_error();
  fault.first = first;
  fault.seen = 0;
  fault.is_on = 1;
  verdict = run(L);
  fault.is_on = 0;
  check_queue(L);
  reached = fault.seen >= first;
  failures += verdict == 0;
  CHECK(verdict == 1 || (verdict == 0 && reached));
  if (verdict < 0 || (verdict == 0 && !reached))
    printf("allocation %ld: %s\n", first, said);
  queue_error();
  verdict = run(L);
  check_queue(L);
  CHECK(verdict == 1 || (verdict == 0 && !recovers));
  if (verdict < 0 || (verdict == 0 && recovers))
    printf("after allocation %ld: %s\n", first, said);
  lua_close(L);
  CHECK(lua_blocks == 0);
  CHECK(core_blocks == 0);
  return reached;
}

/* fork() for a test, whose checks the child counts anew. */
static pid_t fork_test(void)
{
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0)
    checks_failed = 0;
  return child;
}

/* The same, in a process in which nothing was used before. libcrypto 3.0
   makes much at its first use, and never again when that has failed: its
   random numbers and ciphers are then missing for good. So the second run may
   fail, but not crash. */
static int run_first_with(int scenario, long first)
{
  int status = -1;
  pid_t child = fork_test();
  if (child == 0) {
    int reached = run_with(scenario, first, 0);
    fflush(stdout);
    _exit(checks_failed > 0 ? 2 : !reached);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child &&
        WIFEXITED(status) && WEXITSTATUS(status) < 2);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
    printf("allocation %ld, at first: status %d\n", first, status);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void sweep(int scenario, const char *name, int step)
{
  static const char *const labels[] = {"Lua, one", "Lua, all", "C, one",
                                       "C, all"};
  int mode;
  long before, first;
  for (mode = 2; mode < 4; mode++) {
    fault.whose = CORE;
    fault.goes_on = mode % 2;
    for (first = 1; run_first_with(scenario, first);)
      first += first > 50 ? 4 * step : 1;
  }
  fault.whose = LUA;
  (void)run_with(scenario, 1, 1); /* has the libraries make what stays */
  OPENSSL_thread_stop();
  before = library_blocks;
  printf("%s", name);
  for (mode = 0; mode < 4; mode++) {
    fault.whose = mode < 2 ? LUA : CORE;
    fault.goes_on = mode % 2;
    failures = 0;
    for (first = 1; run_with(scenario, first, 1);)
      first += first > 150 ? step : 1;
    OPENSSL_thread_stop();
    CHECK(library_blocks == before);
    printf(" | %s: %ld, %ld failures", labels[mode], fault.seen, failures);
    fflush(stdout);
  }
  printf("\n");
}

/* That libcurl could not be set up once must not be remembered. */
static void test_global_init(int scenario)
{
  int status = -1;
  pid_t child = fork_test();
  if (child == 0) {
    lua_State *L = new_state(scenario);
    fault.whose = CORE;
    global_init_fails = 1;
    CHECK(run(L) == 0);
    global_init_fails = 0;
    CHECK(run(L) == 1);
    lua_close(L);
    fflush(stdout);
    _exit(checks_failed);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
  int step = getenv("QCIMAGE_FULL") != NULL ? 1 : 40;
  lua_State *L;
  int count, i;
  if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) ||
      curl_global_init_mem(CURL_GLOBAL_DEFAULT, library_malloc, library_free,
                           library_realloc, library_strdup,
                           library_calloc) != CURLE_OK)
    return 1;
  start_servers();
  L = luaL_newstate();
  luaL_openlibs(L);
  embed_file(L, "spec/c/alloc_scenarios.lua");
  for (count = 0;; count++) {
    lua_rawgeti(L, 1, count + 1);
    if (lua_isnil(L, -1))
      break;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  for (i = 1; i <= count; i++) {
    const char *name;
    lua_rawgeti(L, 1, i);
    lua_getfield(L, 2, "name");
    name = lua_tostring(L, 3);
    if (strcmp(name, "send to nobody") == 0)
      test_global_init(i);
    if (argc < 2 || strcmp(argv[1], name) == 0)
      sweep(i, name, step);
    lua_settop(L, 1);
  }
  lua_close(L);
  return CHECK_RESULT();
}
