/*
 * l_http.c - the Lua module qcimage.http: one HTTP request at a time over
 * libcurl. Binds http.c. Part of qcimage, see LICENSE.
 *
 * Wrong arguments are raised. What goes wrong on the way is returned: nil, a
 * message of one line, and {sent, reason, reused}.
 */
#include "compat.h"
#include "http.h"
#include "limits.h"

#define HTTP "qcimage.http"

typedef struct {
  qc_http *http;         /* NULL: closed */
  qc_http_result result; /* of the last request; belongs to http */
  char in_use;           /* 1: the result is being pushed */
  char to_close;         /* 1: closed meanwhile */
} http_object;

static void release(http_object *object)
{
  qc_http *http = object->http;
  object->http = NULL;
  qc_http_free(http);
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
 * that the folder has; caFolder alone: these and libcurl's own file.
 */
static int http_new(lua_State *L)
{
  qc_http_options options = {0};
  http_object *object;
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
  object = qc_newobject(L, sizeof(*object), HTTP);
  object->http = qc_http_new(&options);
  if (object->http == NULL)
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

/* push_result(connection) -> what send gives */
static int push_result(lua_State *L)
{
  const http_object *object = lua_touserdata(L, 1);
  return object->result.message == NULL ? push_answer(L, &object->result)
                                        : push_failure(L, &object->result);
}

/* Takes an argument as "::HOST:PORT", or NULL where it is none. */
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

/*
 * connection:send(request, seconds, connectSeconds, direct, connectTo)
 *   -> {status, headers, body} or nil, message, {sent, reused, reason}
 * request: method "GET" or "POST", url, headers {name = text}, body. seconds:
 * for all of it; connectSeconds: until the request can leave, by default the
 * same. direct: true for no proxy from the environment. connectTo:
 * "::HOST:PORT", where to connect instead of the url's host, which stays what
 * the certificate must name. headers of the answer: by lower-case names.
 */
static int connection_send(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  qc_http_header headers[QC_HTTP_REQUEST_HEADERS];
  qc_http_request request;
  int failed;
  request.seconds = check_seconds(L, 3);
  request.connect_seconds =
      lua_isnoneornil(L, 4) ? request.seconds : check_seconds(L, 4);
  request.direct = lua_toboolean(L, 5);
  request.connect_to = check_connect_to(L, 6);
  lua_settop(L, 6); /* where its text stays until it is sent */
  lua_pushcfunction(L, push_result);
  lua_pushvalue(L, 1);
  read_request(L, &request, headers);
  if (object->http == NULL || object->in_use) {
    qc_http_result refusal = {0};
    refusal.message = object->http == NULL ? "the connection is closed"
                                           : "the connection is in use";
    return push_failure(L, &refusal);
  }
  (void)qc_http_send(object->http, &request, &object->result);
  lua_settop(L, 8);
  /* What it allocates may run a finalizer of the host's, which may close the
     connection, or use it again. */
  object->in_use = 1;
  failed = lua_pcall(L, 1, LUA_MULTRET, 0);
  object->in_use = 0;
  qc_http_trim(object->http);
  if (object->to_close)
    release(object);
  return failed ? lua_error(L) : lua_gettop(L) - 6;
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
  if (object->http != NULL)
    qc_http_get_stages(object->http, &stages);
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

static int connection_close(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  if (object->in_use)
    object->to_close = 1;
  else
    release(object);
  return 0;
}

static int connection_tostring(lua_State *L)
{
  http_object *object = luaL_checkudata(L, 1, HTTP);
  lua_pushfstring(L, "%s (%s)", HTTP, object->http ? "open" : "closed");
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
                                              {"stages", connection_stages},
                                              {"close", connection_close},
                                              {NULL, NULL}};

static const luaL_Reg connection_meta[] = {{"__gc", connection_close},
                                           {"__close", connection_close},
                                           {"__tostring", connection_tostring},
                                           {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", http_new},
                                     {"version", http_version},
                                     {"caFile", http_ca_file},
                                     {NULL, NULL}};

QC_EXPORT int luaopen_qcimage_http(lua_State *L);

QC_EXPORT int luaopen_qcimage_http(lua_State *L)
{
  qc_checkversion(L);
  qc_newtype(L, HTTP, connection_methods, connection_meta);
  lua_newtable(L);
  qc_setfuncs(L, functions);
  lua_pushliteral(L, QC_VERSION);
  lua_setfield(L, -2, "_VERSION");
  return 1;
}
