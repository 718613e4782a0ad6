/*
 * threads_test.c - many threads at once, each with a signer, a connection and
 * a Lua state of its own, for ThreadSanitizer to watch. Part of qcimage, see
 * LICENSE.
 */
#include "check.h"
#include "embed.h"
#include "../../src/http.h"
#include "../../src/limits.h"
#include "../../src/sign.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS  25

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi";

/* The server: answers each head that comes, until the peer hangs up. */

static void *serve(void *argument)
{
  int fd = *(int *)argument;
  char bytes[4096];
  size_t len = 0;
  ssize_t n;
  free(argument);
  while ((n = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0)) > 0) {
    char *end;
    len += (size_t)n;
    bytes[len] = '\0';
    end = strstr(bytes, "\r\n\r\n");
    if (end == NULL)
      continue;
    len = 0;
    if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
      break;
  }
  (void)close(fd);
  return NULL;
}

static void *accept_all(void *argument)
{
  int listener = *(int *)argument;
  for (;;) {
    pthread_t thread;
    int *fd = malloc(sizeof(*fd));
    if (fd == NULL || (*fd = accept(listener, NULL, NULL)) < 0 ||
        pthread_create(&thread, NULL, serve, fd) != 0 ||
        pthread_detach(thread) != 0)
      exit(1);
  }
}

/* A port of this machine; listened at, or refused. */
static int make_port(int *listener)
{
  struct sockaddr_in address;
  socklen_t size = sizeof(address);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *listener = socket(AF_INET, SOCK_STREAM, 0);
  if (*listener < 0 ||
      bind(*listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
      getsockname(*listener, (struct sockaddr *)&address, &size) != 0)
    exit(1);
  return ntohs(address.sin_port);
}

static char url[64], refused_url[64];

/* What each thread does. Gives the number of its faults. */

static int sign(int round)
{
  static const char key[] = "Jefe", text[] = "what do ya want for nothing?";
  qc_tc3_request request = {"POST", 4,    "", 0,    "t", 1,     "h",
                            1,      NULL, 0,  "{}", 2,   "cvm", 1700000000};
  qc_signer signer = {0};
  qc_tc3_result result, again;
  char canonical[512], signature[QC_SIGNATURE_MAX];
  size_t len = qc_tc3_canonical_length(&request);
  int ok;
  request.timestamp += round % 3 * 86400;
  ok = qc_signer_init(&signer, key, sizeof(key) - 1) &&
       qc_v2_sign(&signer, round % 2 == 0 ? QC_SHA1 : QC_SHA256, text,
                  sizeof(text) - 1, signature) &&
       strcmp(signature,
              round % 2 == 0
                  ? "7/zfauXrL6LSdBbV8YTfnCWafHk="
                  : "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=") == 0 &&
       qc_tc3_canonical(&signer, canonical, &request) &&
       qc_tc3_sign(&signer, &request, canonical, len, &result) &&
       qc_tc3_sign(&signer, &request, canonical, len, &again) &&
       strcmp(result.signature, again.signature) == 0;
  qc_signer_clear(&signer);
  return !ok;
}

static int is_answered(qc_client *http, const char *to, int expected)
{
  qc_http_header header = {"X-B", "c", 3, 1};
  qc_http_request request = {to, NULL, &header, strlen(to), 0,   1,
                             60, 60,   0,       1,          NULL};
  qc_http_result result;
  qc_transfer *done = qc_http_send(http, &request, &result);
  int ok;
  if (done == NULL)
    return 0;
  if (expected)
    ok = result.status == 200 && result.body_len == 2 &&
         memcmp(result.body, "hi", 2) == 0;
  else
    ok = result.message != NULL && strcmp(result.reason, "connect") == 0 &&
         !result.sent;
  qc_transfer_end(done);
  return ok;
}

static qc_client *client_new(const qc_http_options *options)
{
  qc_loop *loop = qc_loop_new();
  qc_client *client = loop == NULL ? NULL : qc_client_new(loop, options);
  qc_loop_free(loop);
  return client;
}

static int transfer(qc_client *http, int round)
{
  qc_http_options options = {NULL, NULL, NULL, QC_HTTP_BODY_MAX, 1};
  qc_client *fresh = client_new(&options);
  int ok =
      fresh != NULL && is_answered(http, url, 1) &&
      is_answered(fresh, round % 2 == 0 ? url : refused_url, round % 2 == 0);
  qc_client_free(fresh);
  return !ok;
}

static const char script[] =
    "local core, http = require 'qcimage.core', require 'qcimage.http'\n"
    "local connection = http.new { proxy = '' }\n"
    "local signer = core.signer('AKIDexample', 'thesecretkey')\n"
    "assert(signer:v2('sha1', 'GET', 'h', '/', { a = 'b' }))\n"
    "local request = { method = 'GET', url = URL, headers = {} }\n"
    "assert(connection:send(request, 60).body == 'hi')\n"
    "assert(core.nonce() ~= core.nonce())\n"
    "assert(#core.hmac('sha256', 'k', 't') == 32)\n"
    "assert(core.version() and http.version())\n"
    "connection:close()\n";

static int run_script(void)
{
  lua_State *L = luaL_newstate();
  int failed = L == NULL;
  if (L != NULL) {
    luaL_openlibs(L);
    embed_modules(L);
    lua_pushstring(L, url);
    lua_setglobal(L, "URL");
    failed = luaL_dostring(L, script) != 0;
    if (failed)
      printf("%s\n", lua_tostring(L, -1));
    lua_close(L);
  }
  return failed;
}

static pthread_barrier_t barrier;

static void *work(void *argument)
{
  qc_http_options options = {NULL, NULL, NULL, QC_HTTP_BODY_MAX, 1};
  qc_client *http = client_new(&options);
  int *faults = argument;
  int round;
  (void)pthread_barrier_wait(&barrier); /* first uses come together */
  for (round = 0; round < ROUNDS; round++)
    *faults += sign(round) + transfer(http, round) + run_script();
  qc_client_free(http);
  return NULL;
}

int main(void)
{
  pthread_t server, threads[THREADS];
  int faults[THREADS] = {0};
  int listener, refused, i;
  snprintf(url, sizeof(url), "http://127.0.0.1:%d/", make_port(&listener));
  snprintf(refused_url, sizeof(refused_url), "http://127.0.0.1:%d/",
           make_port(&refused)); /* bound, but not listened at */
  CHECK(listen(listener, 64) == 0);
  CHECK(pthread_create(&server, NULL, accept_all, &listener) == 0);
  CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
  for (i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, work, &faults[i]) == 0);
  for (i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(faults[i] == 0);
  }
  return CHECK_RESULT();
}
