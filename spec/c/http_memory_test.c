/*
 * http_memory_test.c - runs Lua code that uses qcimage.http while each of its
 * allocations in turn fails: Lua's, the module's and libcurl's. Part of
 * qcimage, see LICENSE.
 *
 * Built with glibc and without a sanitizer, since it stands in for malloc.
 */
#include "../../src/limits.h"
#include "check.h"
#include "http_server.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>

int luaopen_qcimage_http(lua_State *L);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

/* Of this thread alone. */
static __thread long allocations, failing_at;
static __thread long live_blocks, live_bytes;

static void *count(void *block)
{
  if (block != NULL) {
    live_blocks++;
    live_bytes += (long)malloc_usable_size(block);
  }
  return block;
}

static void forget(void *block)
{
  if (block != NULL) {
    live_blocks--;
    live_bytes -= (long)malloc_usable_size(block);
  }
}

static int fails(void)
{
  return ++allocations == failing_at ? (errno = ENOMEM, 1) : 0;
}

void *malloc(size_t size)
{
  return fails() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
  return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
  if (fails())
    return NULL;
  forget(old);
  return count(__libc_realloc(old, size));
}

void free(void *old)
{
  forget(old);
  __libc_free(old);
}

static const char code[] =
    "local http, url = ...\n"
    "local connection = http.new { proxy = '' }\n"
    "local function send(method, path, body)\n"
    "  local answer, message, detail = connection:send({\n"
    "    method = method, url = url .. path, body = body,\n"
    "    headers = { Host = 'a.test', ['Content-Type'] = 'text/plain' },\n"
    "  }, 1)\n"
    "  if not answer then error(message, 0) end\n"
    "  assert(answer.status == 200 and answer.headers['x-a'] == '1, 2')\n"
    "  assert(#answer.body == tonumber(path:sub(2)))\n"
    "end\n"
    "send('POST', '/5000', 'body')\n"
    "send('GET', '/100000')\n"
    "send('GET', '/10')\n"
    "connection:close()\n";

static char url[64];

static int run(lua_State *L)
{
  luaL_openlibs(L);
  if (luaL_loadstring(L, code) != LUA_OK)
    return lua_error(L);
  (void)luaopen_qcimage_http(L);
  lua_pushstring(L, url);
  lua_call(L, 2, 0);
  return 0;
}

/* Runs the code in a state of its own. 1: it did all it should. */
static int run_failing(long at)
{
  lua_State *L;
  int ok;
  allocations = 0;
  failing_at = at;
  L = luaL_newstate();
  if (L == NULL) {
    failing_at = 0;
    return 0;
  }
  lua_pushcfunction(L, run);
  ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
  failing_at = 0;
  if (!ok) /* an error has its text, or is Lua's own */
    CHECK(lua_type(L, -1) == LUA_TSTRING);
  lua_close(L);
  return ok;
}

/* An answer that was large leaves little behind. */
static void test_trim(int port)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  long before;
  CHECK(get(http, port, "/10", &result));
  before = live_bytes;
  CHECK(get(http, port, "/1000000", &result));
  CHECK(result.body_len == 1000000);
  CHECK(live_bytes - before <= QC_HTTP_BODY_KEPT);
  qc_client_free(http);
}

int main(void)
{
  long before, n, total, failed = 0;
  int port = server_start();
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
  test_trim(port);
  CHECK(run_failing(0)); /* what libcurl and libc keep for good */
  CHECK(run_failing(0));
  before = live_blocks;
  CHECK(run_failing(0));
  CHECK(live_blocks == before);
  total = allocations;
  CHECK(total > 100);
  for (n = 1; n <= total; n++) {
    failed += !run_failing(n);
    CHECK(live_blocks == before);
    if (live_blocks != before) {
      printf("allocation %ld of %ld leaks\n", n, total);
      before = live_blocks;
    }
  }
  CHECK(failed > 50);
  CHECK(run_failing(0));
  printf("%ld allocations, %ld failures were seen\n", total, failed);
  return CHECK_RESULT();
}
