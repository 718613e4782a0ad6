/*
 * l_http.c - the Lua module qcimage.http: HTTP requests over libcurl, several
 * at once. Binds http.h. Part of qcimage, see LICENSE.
 *
 * Wrong arguments are raised. What goes wrong on the way is returned: nil, a
 * message of one line, and {sent, reason, reused}.
 */
#include "compat.h"
#include "http.h"
#include "limits.h"

#define HTTP "qcimage.http"
#define SLOT "qcimage.http.slot"
#define LOOP "qcimage.http.loop"

typedef struct {
  qc_client *client; /* NULL: closed */
} http_object;

typedef struct {
  qc_transfer *transfer; /* NULL: it was finished, or closed */
} slot_object;

typedef struct {
  qc_loop *loop; /* one for each Lua state; its clients hold it, too */
} loop_object;

/* The loop of this Lua state, which is made if it does not exist: also when
   the state is being closed, for a finalizer of the host's that comes later.
 */
static qc_loop *need_loop(lua_State *L)
{
  loop_object *object;
  lua_getfield(L, LUA_REGISTRYINDEX, LOOP ".only");
  object = lua_touserdata(L, -1);
  if (object == NULL) {
    object = qc_newobject(L, sizeof(*object), LOOP);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, LOOP ".only");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (object->loop == NULL)
    object->loop = qc_loop_new();
  if (object->loop == NULL)
    luaL_error(L, "not enough memory");
  return object->loop;
}

static int loop_gc(lua_State *L)
{
  loop_object *object = luaL_checkudata(L, 1, LOOP);
  qc_loop *loop = object->loop;
  object->loop = NULL;
  qc_loop_free(loop);
  return 0;
}

/* Pushes an option, a text without \0, and gives it; NULL: not given. */
static const char *push_option(lua_State *L, const char *name)
{
  size_t len = 0;
  const char *text = NULL;
  lua_getfield(L, 1, name);
  if (lua_isnil(L, -1))
    return NULL;
  if (lua_type(L, -1) == LUA_TSTRING)
    text = lua_tolstring(L, -1, &len);
  if (text == NULL || len > QC_HTTP_OPTION_MAX || strlen(text) != len)
    luaL_error(L, "option %s must be text, of at most %d bytes", name,
               QC_HTTP_OPTION_MAX);
  return text;
}

/* The same for a URL, which has no control characters. */
static const char *push_url(lua_State *L, const char *name)
{
  const char *text = push_option(L, name), *c;
  for (c = text; c != NULL && *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 127)
      luaL_error(L, "option %s holds a control character", name);
  return text;
}

/*
 * http.new{caFile, caFolder, proxy, maxResponseBytes, verify} -> connection
 * caFile: the only certificates to trust, or, with caFolder, these and those
 * that the folder has; caFolder alone: these and libcurl's default file.
 */
static int http_new(lua_State *L)
{
  qc_http_options options = {0};
  http_object *object;
  qc_loop *loop;
  lua_Number most = QC_HTTP_BODY_MAX;
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  options.ca_file = push_option(L, "caFile");
  options.ca_folder = push_option(L, "caFolder");
  options.proxy = push_url(L, "proxy");
  lua_getfield(L, 1, "maxResponseBytes");
  if (!lua_isnil(L, -1))
    most = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  if (!(most >= 1 && most <= QC_HTTP_BODY_LIMIT))
    return luaL_error(L, "option maxResponseBytes must be from 1 to %d",
                      QC_HTTP_BODY_LIMIT);
  options.max_response = (size_t)most;
  lua_getfield(L, 1, "verify"); /* all but false checks certificates */
  options.verify = lua_isnil(L, -1) || lua_toboolean(L, -1);
  loop = need_loop(L);
  object = qc_newobject(L, sizeof(*object), HTTP);
  object->client = qc_client_new(loop, &options);
  if (object->client == NULL)
    return luaL_error(L, "not enough memory");
  return 1;
}

/* Pushes a field of the table at 2, which must be text, and gives it. */
static const char *push_text(lua_State *L, const char *name, size_t *len)
{
  lua_getfield(L, 2, name);
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "the request's %s must be text", name);
  return lua_tolstring(L, -1, len);
}

/* Points at the headers of the table at the top, which must not change
   meanwhile. */
static size_t collect_headers(lua_State *L, qc_http_header *header)
{
  size_t count = 0;
  if (lua_type(L, -1) != LUA_TTABLE)
    luaL_error(L, "the request's headers must be a table");
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "the request's headers must be text by names");
    if (count++ == QC_HTTP_REQUEST_HEADERS)
      luaL_error(L, "the request has too many headers");
    header->name = lua_tolstring(L, -2, &header->name_len);
    header->value = lua_tolstring(L, -1, &header->value_len);
    header++;
    lua_pop(L, 1);
  }
  return count;
}

static double check_seconds(lua_State *L, int arg)
{
  lua_Number seconds = luaL_checknumber(L, arg);
  luaL_argcheck(L, seconds > 0, arg, "not a number of seconds above 0");
  return seconds;
}

/* Reads the request at 2. Its texts stay on the stack. */
static void read_request(lua_State *L, qc_http_request *request,
                         qc_http_header *headers)
{
  size_t len, faulty;
  const char *fault, *method;
  luaL_checktype(L, 2, LUA_TTABLE);
  method = push_text(L, "method", &len);
  request->is_post = strcmp(method, "POST") == 0;
  if (!request->is_post && strcmp(method, "GET") != 0)
    luaL_error(L, "the request's method must be GET or POST");
  request->url = push_text(L, "url", &request->url_len);
  request->body = NULL;
  request->body_len = 0;
  lua_getfield(L, 2, "body");
  if (!lua_isnil(L, -1))
    request->body = push_text(L, "body", &request->body_len);
  lua_getfield(L, 2, "headers");
  request->headers = headers;
  request->header_count = collect_headers(L, headers);
  fault = qc_http_validate(request, &faulty);
  if (fault != NULL && faulty < request->header_count)
    luaL_error(L, "the request's header %s %s", headers[faulty].name, fault);
  if (fault != NULL)
    luaL_error(L, "the request cannot be sent: %s", fault);
}

/* Pushes a table of the answer's headers; one that came more than once has
   its values in a row, as RFC 9110 allows. */
static void push_headers(lua_State *L, const char *text, size_t count)
{
  lua_createtable(L, 0, (int)count);
  while (count-- > 0) {
    const char *value = text + strlen(text) + 1;
    lua_getfield(L, -1, text);
    if (lua_isnil(L, -1)) {
      lua_pushstring(L, value);
    } else {
      lua_pushvalue(L, -1);
      lua_pushliteral(L, ", ");
      lua_pushstring(L, value);
      lua_concat(L, 3);
    }
    lua_setfield(L, -3, text);
    lua_pop(L, 1);
    text = value + strlen(value) + 1;
  }
}

static int push_answer(lua_State *L, const qc_http_result *result)
{
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)result->status);
  lua_setfield(L, -2, "status");
  push_headers(L, result->head, result->header_count);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, result->body_len > 0 ? result->body : "",
                  result->body_len);
  lua_setfield(L, -2, "body");
  return 1;
}

static int push_failure(lua_State *L, const qc_http_result *result)
{
  lua_pushnil(L);
  lua_pushstring(L, result->message);
  lua_createtable(L, 0, 3);
  lua_pushboolean(L, result->sent);
  lua_setfield(L, -2, "sent");
  lua_pushboolean(L, result->reused);
  lua_setfield(L, -2, "reused");
  if (result->reason != NULL) {
    lua_pushstring(L, result->reason);
    lua_setfield(L, -2, "reason");
  }
  return 3;
}

/* push_result(result) -> what send gives */
static int push_result(lua_State *L)
{
  const qc_http_result *result = lua_touserdata(L, 1);
  return result->message == NULL ? push_answer(L, result)
                                 : push_failure(L, result);
}

/* Gets ready to push a result, before there is one that an error of Lua's
   could lose. */
static void prepare_result(lua_State *L, qc_http_result *result)
{
  lua_pushcfunction(L, push_result);
  lua_pushlightuserdata(L, result);
}

/* Pushes it, and ends its transfer; gives the number of values. What it
   allocates may run a finalizer of the host's, which may close the connection,
   or use it. */
static int push_and_end(lua_State *L, qc_transfer *transfer)
{
  int base = lua_gettop(L) - 2;
  int failed = lua_pcall(L, 1, LUA_MULTRET, 0);
  if (transfer != NULL)
    qc_transfer_end(transfer);
  return failed ? lua_error(L) : lua_gettop(L) - base;
}

/* Returns an argument as "::HOST:PORT", or NULL where it is nil. */
static const char *check_connect_to(lua_State *L, int arg)
{
  const char *text = luaL_optstring(L, arg, NULL);
  if (text == NULL)
    return NULL;
  luaL_argcheck(L,
                strncmp(text, "::", 2) == 0 &&
                    strlen(text) <= QC_HTTP_OPTION_MAX &&
                    strpbrk(text, " \t\r\n") == NULL,
                arg, "not ::HOST:PORT");
  return text;
}

static int push_closed(lua_State *L)
{
  qc_http_result refusal = {0};
  refusal.message = "the connection is closed";
  return push_failure(L, &refusal);
}

/* Reads the arguments of send and begin; texts stay on the stack. */
static void read_arguments(lua_State *L, qc_http_request *request,
                           qc_http_header *headers)
{
  (void)luaL_checkudata(L, 1, HTTP);
  request->seconds = check_seconds(L, 3);
  request->connect_seconds =
      lua_isnoneornil(L, 4) ? request->seconds : check_seconds(L, 4);
  request->direct = lua_toboolean(L, 5);
  request->connect_to = check_connect_to(L, 6);
  lua_settop(L, 6); /* where its text stays until it is copied */
  read_request(L, request, headers);
}

/*
 * connection:send(request, seconds, connectSeconds, direct, connectTo)
 *   -> {status, headers, body} or nil, message, {sent, reused, reason}
 * request: method "GET" or "POST", url, headers {name = text}, body. seconds:
 * for all of it; connectSeconds: until the request can leave, by default the
 * same. direct: true for no proxy from the environment. connectTo:
 * "::HOST:PORT", where to connect instead of the url's host, which stays what
 * the certificate must name. headers of the response: by lower-case names.
 * Blocks until the response is complete; meanwhile other transfers proceed.
 */
static int connection_send(lua_State *L)
{
  qc_http_header headers[QC_HTTP_REQUEST_HEADERS];
  qc_http_request request;
  qc_http_result result;
  qc_transfer *transfer;
  qc_client *client;
  read_arguments(L, &request, headers);
  prepare_result(L, &result); /* may run a finalizer */
  client = ((http_object *)lua_touserdata(L, 1))->client;
  if (client == NULL)
    return push_closed(L);
  transfer = qc_http_send(client, &request, &result);
  return push_and_end(L, transfer);
}

/* connection:begin(...) -> slot, or nil, message and {sent}; as send, but does
   not wait. http.wait moves it on. */
static int connection_begin(lua_State *L)
{
  qc_http_header headers[QC_HTTP_REQUEST_HEADERS];
  qc_http_request request;
  slot_object *slot;
  qc_client *client;
  read_arguments(L, &request, headers);
  slot = qc_newobject(L, sizeof(*slot), SLOT); /* may run a finalizer */
  client = ((http_object *)lua_touserdata(L, 1))->client;
  if (client == NULL)
    return push_closed(L);
  slot->transfer = qc_transfer_begin(client, &request);
  if (slot->transfer == NULL) {
    qc_http_result refusal = {0};
    refusal.message = "out of memory";
    return push_failure(L, &refusal);
  }
  return 1;
}

static qc_transfer *check_transfer(lua_State *L)
{
  const slot_object *slot = luaL_checkudata(L, 1, SLOT);
  if (slot->transfer == NULL)
    luaL_error(L, "the request has been finished already");
  return slot->transfer;
}

/* slot:isDone() -> whether finish can be called */
static int slot_is_done(lua_State *L)
{
  lua_pushboolean(L, qc_transfer_is_done(check_transfer(L)));
  return 1;
}

/* slot:finish() -> what send gives; once, and when it is done */
static int slot_finish(lua_State *L)
{
  qc_transfer *transfer = check_transfer(L);
  qc_http_result result;
  if (!qc_transfer_is_done(transfer))
    return luaL_error(L, "the request is still under way");
  prepare_result(L, &result); /* may run a finalizer */
  transfer = check_transfer(L);
  ((slot_object *)lua_touserdata(L, 1))->transfer = NULL;
  (void)qc_transfer_finish(transfer, &result);
  return push_and_end(L, transfer);
}

static int slot_close(lua_State *L)
{
  slot_object *slot = luaL_checkudata(L, 1, SLOT);
  qc_transfer *transfer = slot->transfer;
  slot->transfer = NULL;
  if (transfer != NULL)
    qc_transfer_end(transfer);
  return 0;
}

/* http.wait(seconds) -> number of requests that are still under way. Moves on
   all that are, of all connections; returns as soon as something happened, at
   a signal, and after the seconds at the latest. */
static int http_wait(lua_State *L)
{
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0, 1, "not a number of seconds");
  lua_pushinteger(L, (lua_Integer)qc_loop_wait(need_loop(L), seconds));
  return 1;
}

static void push_seconds(lua_State *L, const char *name, double seconds)
{
  if (seconds <= 0)
    return;
  lua_pushnumber(L, seconds);
  lua_setfield(L, -2, name);
}

/* connection:stages() -> {resolved, connected, secured, answered, address}
   How far the last request came, in seconds from its start; a stage that it
   did not reach or need is missing. */
static int connection_stages(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  qc_http_stages stages = {0};
  /* Copied before anything is allocated: a finalizer may close it. */
  if (object->client != NULL)
    qc_http_get_stages(object->client, &stages);
  lua_createtable(L, 0, 5);
  if (stages.address[0] != '\0') {
    lua_pushstring(L, stages.address);
    lua_setfield(L, -2, "address");
  }
  push_seconds(L, "resolved", stages.resolved);
  push_seconds(L, "connected", stages.connected);
  push_seconds(L, "secured", stages.secured);
  push_seconds(L, "answered", stages.answered);
  return 1;
}

/* What is under way comes to its end. */
static int connection_close(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  qc_client *client = object->client;
  object->client = NULL;
  qc_client_free(client);
  return 0;
}

static int connection_tostring(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  lua_pushfstring(L, "%s (%s)", HTTP, object->client ? "open" : "closed");
  return 1;
}

/* http.version() -> text */
static int http_version(lua_State *L)
{
  char text[QC_HTTP_VERSION_MAX];
  qc_http_version(text, sizeof(text));
  lua_pushfstring(L, "built with libcurl/%s, running with %s",
                  qc_http_build_version(), text);
  return 1;
}

/* http.caFile() -> the file of certificates that libcurl trusts by itself,
   or nil */
static int http_ca_file(lua_State *L)
{
  lua_pushstring(L, qc_http_ca_file());
  return 1;
}

static const luaL_Reg connection_methods[] = {{"send", connection_send},
                                              {"begin", connection_begin},
                                              {"stages", connection_stages},
                                              {"close", connection_close},
                                              {NULL, NULL}};

static const luaL_Reg connection_meta[] = {{"__gc", connection_close},
                                           {"__close", connection_close},
                                           {"__tostring", connection_tostring},
                                           {NULL, NULL}};

static const luaL_Reg slot_methods[] = {{"isDone", slot_is_done},
                                        {"finish", slot_finish},
                                        {"close", slot_close},
                                        {NULL, NULL}};

static const luaL_Reg slot_meta[] = {
    {"__gc", slot_close}, {"__close", slot_close}, {NULL, NULL}};

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg loop_meta[] = {{"__gc", loop_gc}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", http_new},
                                     {"wait", http_wait},
                                     {"version", http_version},
                                     {"caFile", http_ca_file},
                                     {NULL, NULL}};

QC_EXPORT int luaopen_qcimage_http(lua_State *L);

QC_EXPORT int luaopen_qcimage_http(lua_State *L)
{
  qc_checkversion(L);
  qc_newtype(L, HTTP, connection_methods, connection_meta);
  qc_newtype(L, SLOT, slot_methods, slot_meta);
  qc_newtype(L, LOOP, no_methods, loop_meta);
  lua_newtable(L);
  qc_setfuncs(L, functions);
  lua_pushliteral(L, QC_VERSION);
  lua_setfield(L, -2, "_VERSION");
  return 1;
}
