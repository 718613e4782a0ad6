/*
 * l_redact.c - redaction in Lua, see redact.h.
 * Part of qcimage, see LICENSE.
 */
#include "l_core.h"
#include "compat.h"
#include "limits.h"
#include "redact.h"

int qc_core_redact(lua_State *L)
{
  qc_secret secrets[QC_REDACT_SECRETS];
  size_t len, count = 0;
  const char *text;
  qc_redaction work;
  char *out;
  text = qc_checktext(L, 1, &len);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, len <= QC_REDACT_MAX, 1, "text is too long");
  lua_settop(L, 2);
  for (;;) { /* the list keeps the texts while they are used */
    lua_rawgeti(L, 2, (int)count + 1);
    if (lua_isnil(L, -1))
      break;
    luaL_argcheck(L, count < QC_REDACT_SECRETS, 2, "too many secrets");
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2,
                  "a secret is not a string");
    secrets[count].text = lua_tolstring(L, -1, &secrets[count].len);
    count++;
    lua_pop(L, 1);
  }
  /* the numbers first, which are aligned then */
  work.starts = qc_newuserdata(L, (2 * len + 1) * sizeof(uint32_t) + 2 * len);
  work.reaches = work.starts + len + 1;
  work.text = (char *)(work.reaches + len);
  out = work.text + len;
  lua_pushlstring(L, out, qc_redact(out, &work, text, len, secrets, count));
  return 1;
}
