/*
 * l_core.c - the Lua module qcimage.core: signing, digests, nonces, clocks.
 * Binds sign.c and encode.c, which open no file or socket. What
 * l_cli_process.c, l_journal.c and l_redact.c bind is part of the module, too.
 * Part of qcimage, see LICENSE.
 *
 * Wrong arguments are raised. What libcrypto refuses is returned as nil and a
 * message, as is the use of a closed signer; libcrypto's error queue is left
 * as it was found, for the host's sake.
 */
#include "compat.h"
#include "encode.h"
#include "l_core.h"
#include "limits.h"
#include "sign.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#ifdef __has_include
#if __has_include(<sys/random.h>)
#include <sys/random.h>
#endif
#endif

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/opensslv.h>
#include <openssl/rand.h>

#define SIGNER "qcimage.signer"

typedef struct {
  qc_signer keys;
  size_t id_len;
  char id[QC_SECRET_MAX + 1];
  char open;
} signer_object;

#define CRYPTO_ERROR_MAX 256

/* Ends what ERR_set_mark began: forgets libcrypto's errors since then. Where
   it failed, it pushes nil and a message with the last of them, and gives 2.
 */
static int end_crypto(lua_State *L, int ok, const char *what)
{
  char text[CRYPTO_ERROR_MAX] = "out of memory";
  unsigned long code = ok ? 0 : ERR_peek_last_error();
  if (code != 0)
    ERR_error_string_n(code, text, sizeof(text));
  ERR_pop_to_mark();
  if (ok)
    return 0;
  lua_pushnil(L);
  lua_pushfstring(L, "%s failed in libcrypto: %s", what, text);
  return 2;
}

static qc_digest check_digest(lua_State *L, int arg)
{
  static const char *const names[] = {"sha1", "sha256", NULL};
  return luaL_checkoption(L, arg, NULL, names) == 0 ? QC_SHA1 : QC_SHA256;
}

/* The text of an argument, or a default. */
static const char *check_option(lua_State *L, int arg, size_t *len,
                                const char *otherwise)
{
  *len = otherwise != NULL ? strlen(otherwise) : 0;
  return lua_isnil(L, arg) ? otherwise : qc_checktext(L, arg, len);
}

static int64_t check_timestamp(lua_State *L, int arg)
{
  lua_Number time =
      lua_type(L, arg) == LUA_TNUMBER ? lua_tonumber(L, arg) : -1;
  luaL_argcheck(L, time >= 0 && time <= (lua_Number)QC_TIMESTAMP_MAX, arg,
                "must be a Unix time in seconds");
  return (int64_t)time;
}

/* The signer's keys, or NULL and nil and a message are pushed: it is closed.
   To be asked behind all allocations, since each may run a finalizer of the
   host's, which may close it. */
static qc_signer *open_keys(lua_State *L, signer_object *signer)
{
  if (signer->open)
    return &signer->keys;
  lua_pushnil(L);
  lua_pushliteral(L, "the signer is closed");
  return NULL;
}

static void set_stage(lua_State *L, const char *name, const char *text,
                      size_t len)
{
  lua_pushlstring(L, text, len);
  lua_setfield(L, -2, name);
}

/* core.signer(secretId, secretKey) -> signer */
static int core_signer(lua_State *L)
{
  size_t id_len, key_len, i;
  const char *id = qc_checktext(L, 1, &id_len);
  const char *key = qc_checktext(L, 2, &key_len);
  signer_object *signer;
  luaL_argcheck(L, id_len > 0 && id_len <= QC_SECRET_MAX, 1,
                "secretId is empty or too long");
  luaL_argcheck(L, key_len > 0 && key_len <= QC_SECRET_MAX, 2,
                "secretKey is empty or too long");
  for (i = 0; i < id_len; i++) /* it becomes part of a header */
    luaL_argcheck(L, id[i] > ' ' && id[i] < 127, 1,
                  "secretId has a blank or a control character");
  signer = qc_newobject(L, sizeof(*signer), SIGNER);
  memcpy(signer->id, id, id_len);
  signer->id_len = id_len;
  ERR_set_mark();
  signer->open = (char)qc_signer_init(&signer->keys, key, key_len);
  if (end_crypto(L, signer->open, "making a signer"))
    return 2;
  return 1;
}

static int signer_close(lua_State *L)
{
  signer_object *signer = luaL_checkudata(L, 1, SIGNER);
  qc_signer_clear(&signer->keys);
  signer->open = 0;
  return 0;
}

static int signer_tostring(lua_State *L)
{
  signer_object *signer = luaL_checkudata(L, 1, SIGNER);
  lua_pushfstring(L, "%s (%s)", SIGNER, signer->open ? "open" : "closed");
  return 1;
}

/* Points params at the names and values of the table at index, which holds
   them; counts all, points at no more than room. */
static size_t collect_params(lua_State *L, int index, qc_param *params,
                             size_t room)
{
  size_t count = 0;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_argerror(L, index, "names and values must be strings");
    if (count == QC_PARAMS_MAX)
      luaL_argerror(L, index, "too many parameters");
    if (count < room) {
      qc_param *param = &params[count];
      param->name = lua_tolstring(L, -2, &param->name_len);
      param->value = lua_tolstring(L, -1, &param->value_len);
    }
    count++;
    lua_pop(L, 1);
  }
  return count;
}

/* The most public parameters, Signature not counted. */
#define V2_PUBLIC_MAX 7

static qc_param *add_public(qc_param *at, const char *name, const char *value,
                            size_t value_len)
{
  at->name = name;
  at->name_len = strlen(name);
  at->value = value;
  at->value_len = value_len;
  return at + 1;
}

static qc_param *add_argument(lua_State *L, qc_param *at, const char *name,
                              int arg)
{
  size_t len;
  const char *value = check_option(L, arg, &len, NULL);
  return value != NULL ? add_public(at, name, value, len) : at;
}

/* Points params at the public parameters, in the order of their names: those
   that are given, and what the signer knows. Returns their number. */
static size_t public_params(lua_State *L, const signer_object *signer,
                            qc_digest digest, qc_param *params,
                            char time[QC_DECIMAL_MAX])
{
  const char *method = digest == QC_SHA1 ? "HmacSHA1" : "HmacSHA256";
  qc_param *end = params;
  uint64_t timestamp;
  if (lua_isnil(L, 8))
    return 0;
  timestamp = (uint64_t)check_timestamp(L, 8);
  end = add_argument(L, end, "Action", 10);
  end = add_argument(L, end, "Nonce", 9);
  end = add_argument(L, end, "Region", 11);
  end = add_public(end, "SecretId", signer->id, signer->id_len);
  end = add_public(end, "SignatureMethod", method, strlen(method));
  end = add_public(end, "Timestamp", time,
                   (size_t)(qc_decimal(time, timestamp) - time));
  end = add_argument(L, end, "Token", 12);
  return (size_t)(end - params);
}

/* Points params at those of the table behind the public ones, once more: an
   allocation may run a finalizer, which may have changed the table. */
static void collect_again(lua_State *L, qc_v2_request *request,
                          size_t public_count)
{
  size_t count = request->count - public_count;
  if (collect_params(L, 6, request->params + public_count, count) != count)
    luaL_argerror(L, 6, "changed meanwhile");
}

/* Memory for the text of a request and its wire form behind it: few, or more.
   text_len: bytes of the text. */
static char *v2_memory(lua_State *L, qc_v2_request *request,
                       size_t public_count, char few[QC_STACK_SCRATCH],
                       size_t *text_len)
{
  size_t size;
  char *more;
  *text_len = qc_v2_text_length(request);
  if (*text_len == 0)
    luaL_argerror(L, 6, "the request is too long");
  size = *text_len + qc_v2_wire_bound(*text_len);
  if (size <= QC_STACK_SCRATCH)
    return few;
  more = qc_newuserdata(L, size);
  collect_again(L, request, public_count);
  if (qc_v2_text_length(request) != *text_len)
    luaL_argerror(L, 6, "changed meanwhile");
  return more;
}

/*
 * signer:v2(digest, method, host, path, params, stages,
 *           timestamp, nonce, action, region, token)
 *   -> wire form, and with stages = true {stringToSign, signature}
 * params: {name = value}, both strings; with a timestamp (Unix seconds) the
 * public parameters are added: those given behind it, and SecretId and
 * SignatureMethod. Without it params holds all that is sent but Signature.
 */
static int signer_v2(lua_State *L)
{
  signer_object *signer = luaL_checkudata(L, 1, SIGNER);
  qc_digest digest = check_digest(L, 2);
  qc_v2_request request;
  qc_param few_params[V2_PUBLIC_MAX + QC_STACK_PARAMS];
  char few_bytes[QC_STACK_SCRATCH];
  char time[QC_DECIMAL_MAX];
  char signature[QC_SIGNATURE_MAX];
  qc_signer *keys;
  char *text, *wire, *wire_end;
  size_t text_len, public_count, count;
  int ok;
  lua_settop(L, 12); /* memory goes above */
  request.method = qc_checktext(L, 3, &request.method_len);
  request.host = qc_checktext(L, 4, &request.host_len);
  request.path = qc_checktext(L, 5, &request.path_len);
  public_count = public_params(L, signer, digest, few_params, time);
  count = collect_params(L, 6, few_params + public_count, QC_STACK_PARAMS);
  request.params = few_params;
  request.count = public_count + count;
  if (count > QC_STACK_PARAMS) {
    request.params = qc_newuserdata(L, request.count * sizeof(qc_param));
    memcpy(request.params, few_params, public_count * sizeof(qc_param));
    collect_again(L, &request, public_count);
  }
  text = v2_memory(L, &request, public_count, few_bytes, &text_len);
  keys = open_keys(L, signer);
  if (keys == NULL)
    return 2;
  qc_v2_sort(request.params, request.count);
  wire = qc_v2_text(text, &request);
  ERR_set_mark();
  ok = qc_v2_sign(keys, digest, text, text_len, signature);
  if (end_crypto(L, ok,
                 digest == QC_SHA1 ? "signing with HMAC-SHA1" : "signing"))
    return 2;
  wire_end = qc_v2_wire(wire, &request, signature);
  lua_pushlstring(L, wire, (size_t)(wire_end - wire));
  if (!lua_toboolean(L, 7))
    return 1;
  lua_createtable(L, 0, 2);
  set_stage(L, "stringToSign", text, text_len);
  set_stage(L, "signature", signature, strlen(signature));
  return 2;
}

/* Reads the arguments of signer:tc3, in their order. */
static void read_tc3(lua_State *L, qc_tc3_request *request)
{
  size_t service_len;
  request->timestamp = check_timestamp(L, 2);
  request->service = qc_checktext(L, 3, &service_len);
  luaL_argcheck(L,
                service_len < QC_SERVICE_SIZE &&
                    service_len == strlen(request->service),
                3, "must be the name of a service");
  request->host = qc_checktext(L, 4, &request->host_len);
  request->content_type = qc_checktext(L, 5, &request->content_type_len);
  request->payload = qc_checktext(L, 6, &request->payload_len);
  request->method = check_option(L, 8, &request->method_len, "POST");
  request->query = check_option(L, 9, &request->query_len, "");
  request->action = check_option(L, 10, &request->action_len, NULL);
}

/*
 * signer:tc3(timestamp, service, host, contentType, payload, stages,
 *            method, query, action)
 *   -> value of the Authorization header, and with stages = true
 *      {canonicalRequest, stringToSign, signature}
 * timestamp: Unix seconds; service: "cvm"; host and contentType as they are
 * sent. What may be left out: method, POST by default; query; and action,
 * where X-TC-Action is to be signed, too.
 */
static int signer_tc3(lua_State *L)
{
  signer_object *signer = luaL_checkudata(L, 1, SIGNER);
  size_t canonical_len;
  qc_tc3_request request;
  qc_tc3_result result;
  char few_bytes[QC_STACK_SCRATCH];
  char text[QC_SECRET_MAX + QC_TC3_AUTHORIZATION_MAX];
  char *canonical = few_bytes;
  qc_signer *keys;
  int ok;
  lua_settop(L, 10); /* memory goes above */
  read_tc3(L, &request);
  canonical_len = qc_tc3_canonical_length(&request);
  if (canonical_len == 0)
    return luaL_error(L, "the request is too long");
  if (canonical_len > sizeof(few_bytes))
    canonical = qc_newuserdata(L, canonical_len);
  keys = open_keys(L, signer);
  if (keys == NULL)
    return 2;
  ERR_set_mark();
  ok = qc_tc3_canonical(keys, canonical, &request) &&
       qc_tc3_sign(keys, &request, canonical, canonical_len, &result);
  if (end_crypto(L, ok, "signing"))
    return 2;
  lua_pushlstring(L, text,
                  qc_tc3_authorization(text, signer->id, signer->id_len,
                                       &request, &result));
  if (!lua_toboolean(L, 7))
    return 1;
  lua_createtable(L, 0, 3);
  set_stage(L, "canonicalRequest", canonical, canonical_len);
  set_stage(L, "stringToSign", text, qc_tc3_text(text, &request, &result));
  set_stage(L, "signature", result.signature, strlen(result.signature));
  return 2;
}

/* core.hmac("sha1" | "sha256", key, text) -> raw digest */
static int core_hmac(lua_State *L)
{
  qc_digest digest = check_digest(L, 1);
  size_t key_len, len;
  const char *key = qc_checktext(L, 2, &key_len);
  const char *text = qc_checktext(L, 3, &len);
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  int ok;
  luaL_argcheck(L, key_len <= QC_REQUEST_MAX, 2, "the key is too long");
  ERR_set_mark();
  ok = HMAC(digest == QC_SHA1 ? EVP_sha1() : EVP_sha256(), key, (int)key_len,
            (const unsigned char *)text, len, raw, &size) != NULL;
  if (end_crypto(L, ok, "HMAC"))
    return 2;
  lua_pushlstring(L, (const char *)raw, size);
  return 1;
}

/* core.sha256(text) -> raw digest */
static int core_sha256(lua_State *L)
{
  size_t len;
  const char *text = qc_checktext(L, 1, &len);
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  int ok;
  ERR_set_mark();
  ok = EVP_Digest(text, len, raw, &size, EVP_sha256(), NULL);
  if (end_crypto(L, ok, "SHA-256"))
    return 2;
  lua_pushlstring(L, (const char *)raw, size);
  return 1;
}

/* Random bytes, by the system's call where it has one. Returns 0 on failure;
   libcrypto says why. Never from a buffer, which forked processes would share.
 */
static int random_bytes(void *bytes, size_t size)
{
#ifdef GRND_NONBLOCK
  if (getrandom(bytes, size, 0) == (ssize_t)size)
    return 1;
#endif
  return RAND_bytes(bytes, (int)size) == 1;
}

/*
 * core.nonce() -> decimal text, 1 to 2^53 - 1
 * The range is that of whole numbers in a double, so no peer that reads JSON
 * or Lua rounds it.
 */
static int core_nonce(lua_State *L)
{
  uint64_t value = 0;
  char text[QC_DECIMAL_MAX];
  int ok;
  ERR_set_mark();
  do {
    ok = random_bytes(&value, sizeof(value));
    value &= (UINT64_C(1) << 53) - 1;
  } while (ok && value == 0);
  if (end_crypto(L, ok, "making a nonce"))
    return 2;
  lua_pushlstring(L, text, (size_t)(qc_decimal(text, value) - text));
  return 1;
}

static int push_clock(lua_State *L, clockid_t clock)
{
  struct timespec now;
  if (clock_gettime(clock, &now) != 0)
    return luaL_error(L, "the clock cannot be read: %s", strerror(errno));
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

/* core.time() -> Unix time in seconds, with a fraction */
static int core_time(lua_State *L)
{
  return push_clock(L, CLOCK_REALTIME);
}

/* core.monotonic() -> seconds since some moment; never set back */
static int core_monotonic(lua_State *L)
{
  return push_clock(L, CLOCK_MONOTONIC);
}

/* core.sleep(seconds): waits so long, or until a signal comes, so that the
   host's handler (Ctrl-C in the lua program) can run */
static int core_sleep(lua_State *L)
{
  lua_Number seconds = luaL_checknumber(L, 1);
  struct timespec left;
  luaL_argcheck(L, seconds >= 0 && seconds <= QC_SLEEP_MAX, 1,
                "not a wait in seconds");
  left.tv_sec = (time_t)seconds;
  left.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
  if (nanosleep(&left, NULL) != 0 && errno != EINTR)
    return luaL_error(L, "the wait failed: %s", strerror(errno));
  return 0;
}

/* core.utf8len(text) -> code points, or nil when it is not UTF-8; whether it
   has a control byte, that is ASCII's */
static int core_utf8len(lua_State *L)
{
  size_t len, i;
  const char *text = qc_checktext(L, 1, &len);
  ptrdiff_t points = qc_utf8_length(text, len);
  int has_control = 0;
  for (i = 0; i < len && !has_control; i++)
    has_control = (unsigned char)text[i] < ' ' || text[i] == 127;
  if (points < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)points);
  lua_pushboolean(L, has_control);
  return 2;
}

/* core.base64(text) -> its Base64, on one line (RFC 4648) */
static int core_base64(lua_State *L)
{
  size_t len;
  const char *text = qc_checktext(L, 1, &len);
  unsigned char *out;
  luaL_argcheck(L, len <= QC_REQUEST_MAX, 1, "text is too long");
  out = qc_newuserdata(L, 4 * (len / 3 + 1) + 1);
  lua_pushlstring(
      L, (char *)out,
      (size_t)EVP_EncodeBlock(out, (const unsigned char *)text, (int)len));
  return 1;
}

/* core.permissions(path) -> permission bits of a file (octal 644 is 420), or
   nil when they cannot be had. Lua has no other way to ask for them, and a
   file of keys that others may read deserves a word. */
static int core_permissions(lua_State *L)
{
  size_t len;
  const char *path = qc_checktext(L, 1, &len);
  struct stat status;
  if (len != strlen(path) || stat(path, &status) != 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)(status.st_mode & 0777));
  return 1;
}

#if LUA_VERSION_NUM == 501
/* LuaJIT has it, PUC 5.1 has not. */
extern int lua_isyieldable(lua_State *L) __attribute__((weak));
#endif

/* core.isyieldable() -> whether the caller may yield, or nil where this Lua
   cannot say. nginx takes coroutine.isyieldable away, and a socket there that
   waits where it may not is left in disorder. */
static int core_isyieldable(lua_State *L)
{
#if LUA_VERSION_NUM == 501
  if (lua_isyieldable == NULL)
    lua_pushnil(L);
  else
    lua_pushboolean(L, lua_isyieldable(L));
#elif LUA_VERSION_NUM >= 503
  lua_pushboolean(L, lua_isyieldable(L));
#else
  lua_pushnil(L);
#endif
  return 1;
}

/* core.version() -> text: libcrypto of the build, libcrypto in use */
static int core_version(lua_State *L)
{
  lua_pushfstring(L, "built with %s, running with %s", OPENSSL_VERSION_TEXT,
                  OpenSSL_version(OPENSSL_VERSION));
  return 1;
}

static const luaL_Reg signer_methods[] = {{"v2", signer_v2},
                                          {"tc3", signer_tc3},
                                          {"close", signer_close},
                                          {NULL, NULL}};

static const luaL_Reg signer_meta[] = {{"__gc", signer_close},
                                       {"__close", signer_close},
                                       {"__tostring", signer_tostring},
                                       {NULL, NULL}};

static const luaL_Reg functions[] = {{"signer", core_signer},
                                     {"hmac", core_hmac},
                                     {"sha256", core_sha256},
                                     {"nonce", core_nonce},
                                     {"time", core_time},
                                     {"monotonic", core_monotonic},
                                     {"sleep", core_sleep},
                                     {"utf8len", core_utf8len},
                                     {"permissions", core_permissions},
                                     {"version", core_version},
                                     {"isyieldable", core_isyieldable},
                                     {"base64", core_base64},
                                     {"redact", qc_core_redact},
                                     {"journal", qc_core_journal},
                                     {"syncFolder", qc_core_sync_folder},
                                     {NULL, NULL}};

QC_EXPORT int luaopen_qcimage_core(lua_State *L);

QC_EXPORT int luaopen_qcimage_core(lua_State *L)
{
  qc_checkversion(L);
  qc_newtype(L, SIGNER, signer_methods, signer_meta);
  qc_journal_type(L);
  lua_newtable(L);
  qc_setfuncs(L, functions);
  qc_setfuncs(L, qc_cli_process_functions);
  lua_pushliteral(L, QC_VERSION);
  lua_setfield(L, -2, "_VERSION");
  return 1;
}
