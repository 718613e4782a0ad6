/*
 * http_test.c - tests of the HTTP client in src/ that need C: threads,
 * SIGPIPE, libcrypto's queue of errors, the life of a generation, several
 * transfers at once, and a libcurl at run time that is older than that of the
 * build. Part of qcimage, see LICENSE.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "../../src/http_global.h"
#include "check.h"
#include "http_server.h"
#include "http_stand_ins.h"

#include <sys/wait.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>

static int port;

static void *client(void *arg)
{
  int *good = arg, i, j;
  for (i = 0; i < 5; i++) {
    qc_client *http = client_new(&options);
    for (j = 0; j < 10; j++) {
      qc_http_result result;
      *good += get(http, port, "/5000", &result) && result.status == 200 &&
               result.body_len == 5000;
    }
    qc_client_free(http);
  }
  return NULL;
}

/* libcurl 7.80 and later can be kept from sending twice. */
static int keeps_connections(void)
{
  return curl_version_info(CURLVERSION_NOW)->version_num >= 0x075000;
}

static void test_threads(void)
{
  pthread_t threads[4];
  int good[4] = {0, 0, 0, 0}, i;
  for (i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, client, &good[i]) == 0);
  for (i = 0; i < 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(good[i] == 50);
  }
  CHECK(__atomic_load_n(&server_connections, __ATOMIC_SEQ_CST) ==
        (keeps_connections() ? 20 : 200));
}

/* Without the guard no connection is kept, so that nothing is sent twice. */
static void test_old(void)
{
  qc_client *http;
  qc_http_result result;
  int before = __atomic_load_n(&server_connections, __ATOMIC_SEQ_CST);
  is_old = 1;
  http = client_new(&options);
  CHECK(get(http, port, "/2", &result) && result.body_len == 2);
  CHECK(get(http, port, "/3", &result) && result.body_len == 3);
  CHECK(__atomic_load_n(&server_connections, __ATOMIC_SEQ_CST) - before == 2);
  CHECK(!get(http, port, "/2000000", &result));
  CHECK(result.sent && strcmp(result.reason, "tooLarge") == 0);
  /* 8.23 tells a time before the transfer of what never connected, too */
  if (curl_version_info(CURLVERSION_NOW)->version_num < 0x080f00) {
    CHECK(!get(http, 1, "/", &result));
    CHECK(!result.sent && strcmp(result.reason, "connect") == 0);
  }
  is_piping = 1; /* how much of a head has left is not told */
  CHECK(!get(http, port, "/2", &result));
  CHECK(result.sent && strcmp(result.reason, "closed") == 0);
  is_piping = 0;
  qc_client_free(http);
  is_old = 0;
}

static volatile sig_atomic_t pipes;

static void on_pipe(int number)
{
  (void)number;
  pipes++;
}

static int is_pending(void)
{
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

static int is_blocked(void)
{
  sigset_t set;
  return pthread_sigmask(SIG_BLOCK, NULL, &set) == 0 &&
         sigismember(&set, SIGPIPE) == 1;
}

/* SIGPIPE from the connection never reaches the host, one of the host's own
   always does. */
static void test_pipe(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  struct sigaction mine, found;
  sigset_t set;
  memset(&mine, 0, sizeof(mine));
  mine.sa_handler = on_pipe;
  CHECK(sigaction(SIGPIPE, &mine, NULL) == 0);
  CHECK(get(http, port, "/2", &result));
  is_piping = 1;
  CHECK(!get(http, port, "/2", &result));
  CHECK(result.sent && strcmp(result.reason, "closed") == 0);
  CHECK(!is_pending() && !is_blocked() && pipes == 0);
  is_piping = 0;
  CHECK(get(http, port, "/2", &result));
  is_piping = 1;
  qc_client_free(http);
  CHECK(!is_pending() && !is_blocked() && pipes == 0);

  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGPIPE) == 0);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
  http = client_new(&options);
  CHECK(!get(http, port, "/2", &result));
  CHECK(!is_pending() && is_blocked());
  is_piping = 0;
  CHECK(raise(SIGPIPE) == 0);
  CHECK(get(http, port, "/2", &result));
  qc_client_free(http);
  CHECK(is_pending() && is_blocked() && pipes == 0);
  CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(pipes == 1);
  CHECK(sigaction(SIGPIPE, NULL, &found) == 0);
  CHECK(found.sa_handler == on_pipe);
}

/* How many there are; none is left. */
static int take_errors(void)
{
  int count = 0;
  while (ERR_get_error() != 0)
    count++;
  return count;
}

/* Errors of TLS do not stay in libcrypto's queue, those of the host do where
   libcurl (which clears the queue for TLS) leaves them. */
static void test_errors(void)
{
  static const qc_http_options nowhere = {"/nowhere", NULL, NULL, 1000, 1};
  qc_client *http = client_new(&nowhere), *plain = client_new(&options);
  qc_http_result result;
  int own, left;
  char url[64];
  CHECK(snprintf(url, sizeof(url), "https://127.0.0.1:%d/2", port) > 0);
  CHECK(!get_url(http, url, 1, &result));
  CHECK(strcmp(result.reason, "tls") == 0);
  CHECK(ERR_peek_error() == 0);

  CHECK(BIO_new_file("/nowhere", "r") == NULL); /* the host's own failure */
  own = take_errors();
  CHECK(BIO_new_file("/nowhere", "r") == NULL);
  CHECK(ERR_peek_error() != 0);
  CHECK(get(plain, port, "/2", &result));
  CHECK(ERR_peek_error() != 0);
  CHECK(!get_url(http, url, 1, &result));
  left = take_errors();
  CHECK(left == 0 || left == own); /* 7.74 does not get as far as that */
  qc_client_free(http);
  qc_client_free(plain);
}

static void pause_for(long milliseconds)
{
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  (void)nanosleep(&time, NULL);
}

static int connections(void)
{
  pause_for(20); /* for the server to count the last */
  return __atomic_load_n(&server_connections, __ATOMIC_SEQ_CST);
}

/* The end of an idle connection costs that one alone, at once and later.
   libcurl may notice it, too, but not in all versions. */
static void test_ended(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  int before = connections(), made = generations, i;
  for (i = 0; i < 4; i++) {
    CHECK(get(http, port, i % 2 == 0 ? "/2!" : "/2~", &result));
    CHECK(!result.reused);
    pause_for(i < 2 ? 50 : 1100);
  }
  CHECK(connections() - before == 4);
  CHECK(get(http, port, "/2", &result) && !result.reused);
  CHECK(get(http, port, "/2", &result) && result.reused);
  pause_for(1100); /* libcurl looks through its connections once a second */
  CHECK(get(http, port, "/2", &result));
  CHECK(connections() - before == 5);
  CHECK(generations - made == 1);
  CHECK(!get(http, 1, "/2",
             &result)); /* it was not sent: all else may be of no use, too */
  CHECK(get(http, port, "/2", &result));
  CHECK(generations - made == 2);
  qc_client_free(http);
}

static void test_idle(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  int before = connections();
  CHECK(get(http, port, "/2", &result));
  CHECK(idle_max == 50);
  qc_client_free(http);
  idle_put = 1;
  http = client_new(&options);
  CHECK(get(http, port, "/2", &result));
  CHECK(get(http, port, "/2", &result));
  CHECK(connections() - before == 2);
  pause_for(2100);
  CHECK(get(http, port, "/2", &result));
  CHECK(connections() - before == 3);
  qc_client_free(http);
  idle_put = 0;
}

/* A child has another connection, the parent's stays; whatever their ids. */
static void test_fork(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  int before, status = -1;
  pid_t child;
  CHECK(get(http, port, "/2", &result));
  before = connections();
  (void)fflush(stdout);
  child = fork();
  if (child == 0) {
    int ok = get(http, port, "/3", &result);
    qc_client_free(http);
    _exit(ok ? 7 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  CHECK(connections() - before == 1);
  CHECK(get(http, port, "/2", &result));
  CHECK(connections() - before == 1);
  qc_client_free(http);
}

/* Memory that is out before anything was sent is this machine's fault, not an
   answer that is too large. */
static void test_full(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  is_full = 1;
  CHECK(!get(http, port, "/2", &result));
  CHECK(!result.sent && result.reason == NULL);
  CHECK(strstr(result.message, "out of memory") != NULL);
  is_full = 0;
  CHECK(get(http, port, "/2", &result));
  qc_client_free(http);
}

/* Only OpenSSL looks certificates up in a folder, and only when they are
   looked at. */
static void test_folder(void)
{
  static const qc_http_options trusting = {NULL, NULL, NULL, 1000, 0};
  const qc_http_options *const given[] = {&options, &options, &trusting};
  qc_http_result result;
  int i;
  for (i = 0; i < 3; i++) {
    qc_client *http = client_new(given[i]);
    other_tls = i == 1 ? "GnuTLS/3.7.9" : NULL;
    CHECK(get(http, port, "/2", &result));
    CHECK(by_folder == (i == 0 && qc_global_has_ca_folder()));
    qc_client_free(http);
  }
  other_tls = NULL;
}

/* A file of certificates is all that is trusted: no folder beside it. */
static void test_file_alone(void)
{
  static const qc_http_options by_file = {"/a/b", NULL, "", 1000, 1};
  static const struct {
    unsigned int version;
    const char *folder;
  } cases[] = {{0x081400, ""},
               {0x081500, "/a/b/."},
               {0x081600, "/a/b/."},
               {0x081700, ""}};
  size_t i;
  for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    qc_client *http = client_new(&by_file);
    qc_http_result result;
    other_version = cases[i].version;
    CHECK(get(http, port, "/2", &result));
    CHECK(strcmp(folders[0], cases[i].folder) == 0);
    CHECK(strcmp(folders[1], cases[i].folder) == 0);
    qc_client_free(http);
  }
  other_version = 0;
}

/* Whether a connection to a URL may be used again, by this proxy. */
static int keeps(const char *url, const char *proxy)
{
  const qc_http_options through = {NULL, NULL, proxy, 1000, 1};
  qc_client *http = client_new(&through);
  qc_http_result result;
  forbids_reuse = 0;
  (void)get_url(http, url, 0, &result); /* nobody is there */
  qc_client_free(http);
  return !forbids_reuse;
}

/* A connection is kept only where all can be seen that comes behind a
   response: over TLS where that is the libssl which is linked here, and over
   one TLS alone. */
static void test_tls_kinds(void)
{
  static const char plain[] = "http://127.0.0.1:1/",
                    tls[] = "https://127.0.0.1:1/";
  static const char *const others[] = {"GnuTLS/3.7.9",
                                       "LibreSSL/3.8.2",
                                       "BoringSSL",
                                       "OpenSSL/1.0.2u",
                                       "OpenSSL/3.0.190",
                                       "OpenSSL/3",
                                       "(GnuTLS/3.7.9) OpenSSL/3.0.19",
                                       ""};
  size_t i;
  CHECK(keeps(plain, "") && keeps(tls, ""));
  CHECK(keeps(tls, "http://127.0.0.1:1") && keeps(tls, "127.0.0.1:1"));
  CHECK(!keeps(tls, "https://127.0.0.1:1"));
  CHECK(!keeps(plain, "HTTPS://127.0.0.1:1"));
  CHECK(setenv("https_proxy", "http://127.0.0.1:1", 1) == 0);
  CHECK(keeps(tls, NULL));
  CHECK(setenv("https_proxy", "https://127.0.0.1:1", 1) == 0);
  CHECK(!keeps(tls, NULL) && keeps(tls, ""));
  CHECK(unsetenv("https_proxy") == 0 && keeps(tls, NULL));
  for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    other_tls = others[i];
    CHECK(keeps(plain, "") && !keeps(tls, ""));
  }
  other_tls = NULL;
}

/* Where the folder of certificates does not do, the request begins again with
   the bundle, once, in the time that is left of its ten seconds. */
static void test_bundle(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  int made = generations;
  distrusts = 2.5;
  CHECK(get(http, port, "/2", &result));
  CHECK(generations - made == 2);
  CHECK(most_ms == 7501 && most_connect_ms == 7501);
  CHECK(get(http, port, "/2", &result));
  CHECK(generations - made == 2 && most_ms == 10001);
  qc_client_free(http);

  http = client_new(&options);
  distrusts = 10;
  CHECK(!get(http, port, "/2", &result));
  CHECK(!result.sent && strcmp(result.reason, "tls") == 0);
  CHECK(generations - made == 3);
  qc_client_free(http);
  distrusts = 0;
}

/* Of several addresses it is the last that tells what is wrong. */
static void test_addresses(void)
{
  qc_client *http = client_new(&options);
  qc_http_result result;
  has_no_six = 1;
  CHECK(!get_url(http, "http://localhost:1/", 1, &result));
  CHECK(!result.sent && strcmp(result.reason, "connect") == 0);
  CHECK(strstr(result.message, "no socket") == NULL);
  has_no_six = 0;
  qc_client_free(http);
}

static qc_transfer *begin_at(qc_client *http, int at, const char *path)
{
  char url[64];
  qc_http_request request;
  memset(&request, 0, sizeof(request));
  request.url_len =
      (size_t)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", at, path);
  request.url = url;
  request.seconds = request.connect_seconds = 10;
  request.direct = 1;
  return qc_transfer_begin(http, &request);
}

static qc_transfer *begin(qc_client *http, const char *path)
{
  return begin_at(http, port, path);
}

/* A port that takes connections and never answers. */
static int mute_port(void)
{
  struct sockaddr_in address;
  socklen_t len = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(listener, 8) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &len) == 0);
  return ntohs(address.sin_port);
}

/* Several at once, of two clients and one loop: each gets its own response,
   whoever waits; one is cut off, one outlives its client. */
static void test_several(void)
{
  qc_loop *loop = qc_loop_new();
  qc_client *one = qc_client_new(loop, &options);
  qc_client *other = qc_client_new(loop, &options);
  qc_transfer *transfers[24], *cut;
  qc_http_result result;
  char path[16];
  size_t i;
  for (i = 0; i < 24; i++) {
    (void)snprintf(path, sizeof(path), "/%d", (int)(100 + i));
    transfers[i] = begin(i % 2 == 0 ? one : other, path);
    CHECK(transfers[i] != NULL);
  }
  cut = begin(one, "/5");
  qc_transfer_end(cut);
  CHECK(get(other, port, "/7", &result) && result.body_len == 7);
  qc_client_free(one);
  while (qc_loop_wait(loop, 10) > 0)
    ;
  for (i = 0; i < 24; i++) {
    CHECK(qc_transfer_is_done(transfers[i]));
    CHECK(qc_transfer_finish(transfers[i], &result));
    CHECK(result.body_len == 100 + i);
    qc_transfer_end(transfers[i]);
  }
  qc_client_free(other);
  CHECK(qc_loop_wait(loop, 0) == 0);
  qc_loop_free(loop);
}

/* A forked child learns of the parent's transfers that nothing is known. */
static void test_fork_under_way(void)
{
  qc_loop *loop = qc_loop_new();
  qc_client *http = qc_client_new(loop, &options);
  qc_transfer *transfer = begin_at(http, mute_port(), "/9");
  qc_http_result result;
  int status = -1;
  pid_t child;
  (void)fflush(stdout);
  child = fork();
  if (child == 0) {
    int ok = qc_loop_wait(loop, 10) == 0 && qc_transfer_is_done(transfer) &&
             !qc_transfer_finish(transfer, &result) && result.sent &&
             strstr(result.message, "forked") != NULL &&
             get(http, port, "/3", &result);
    qc_transfer_end(transfer);
    qc_client_free(http);
    qc_loop_free(loop);
    _exit(ok ? 7 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  CHECK(qc_loop_wait(loop, 0) == 1); /* the parent's goes on */
  qc_transfer_end(transfer);
  CHECK(get(http, port, "/3", &result));
  qc_client_free(http);
  qc_loop_free(loop);
}

static void test_nothing_open(void)
{
  qc_client *http = client_new(&options);
  CHECK(http != NULL);
  qc_client_free(http);
  qc_client_free(NULL);
}

int main(void)
{
  *(void **)&original = dlsym(RTLD_NEXT, "curl_easy_setopt");
  CHECK(original != NULL);
  test_nothing_open();
  CHECK(inits == 0);
  port = server_start();
  inherited = 0; /* the server's is no matter */
  test_threads();
  test_old();
  test_errors();
  test_full();
  test_folder();
  test_file_alone();
  test_addresses();
  test_several();
  test_fork_under_way();
  if (qc_global_has_ca_folder())
    test_bundle();
  if (keeps_connections()) {
    test_tls_kinds();
    test_ended();
    test_idle();
    test_fork();
  }
  test_pipe(); /* last: QEMU's i386 mixes threads' own up after a handler */
  CHECK(inherited == 0);
  CHECK(inits == 1 && cleanups == 0);
  return CHECK_RESULT();
}
