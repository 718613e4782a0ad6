/*
 * fuzz_lua.c - gives inputs to a Lua script: FUZZ_SCRIPT, which returns a
 * function of a text. What it raises is a finding. Lines of Lua that are run
 * count as coverage, so that the search sees into the scripts. Part of
 * qcimage, see LICENSE.
 */
#include "embed.h"
#include "fuzz.h"

#define COUNTERS 16384

/* libFuzzer looks here for more than what the compiler counts. */
static uint8_t counters[COUNTERS]
    __attribute__((used, section("__libfuzzer_extra_counters")));

static lua_State *fuzzed;

static void on_line(lua_State *L, lua_Debug *activation)
{
  size_t hash = (size_t)activation->currentline;
  const char *c;
  if (lua_getinfo(L, "S", activation) == 0)
    return;
  for (c = activation->short_src; *c != '\0'; c++)
    hash = hash * 31 + (unsigned char)*c;
  counters[hash % COUNTERS]++;
}

static void begin(void)
{
  fuzzed = luaL_newstate();
  MUST(fuzzed != NULL);
  luaL_openlibs(fuzzed);
  embed_modules(fuzzed);
  embed_file(fuzzed, FUZZ_SCRIPT);
  lua_sethook(fuzzed, on_line, LUA_MASKLINE, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (fuzzed == NULL)
    begin();
  lua_pushvalue(fuzzed, 1);
  lua_pushlstring(fuzzed, (const char *)data, size);
  if (lua_pcall(fuzzed, 1, 0, 0) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(fuzzed, -1));
    abort();
  }
  return 0;
}
