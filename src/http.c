/*
 * http.c - one HTTP request at a time over libcurl, see http.h.
 * Knows no Lua; its callbacks touch nothing but the connection. Part of
 * qcimage, see LICENSE.
 *
 * Rules that libcurl's documentation gives (curl.se/libcurl/c): one
 * curl_global_init, under a lock and never undone, because other code of the
 * process may use libcurl too; a handle must not be used, nor cleaned up, in
 * a process that was forked from the one that made it.
 */
#include "http.h"
#include "http_message.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define CURL_DISABLE_DEPRECATION /* the oldest spelling works with all */
#include <curl/curl.h>
#include <openssl/err.h>

#if LIBCURL_VERSION_NUM < 0x073600
#error "libcurl 7.54 or newer is needed"
#endif

struct qc_http {
  char *ca_file, *proxy;
  int verify;

  CURL *easy;     /* NULL until the first request */
  pid_t owner;    /* the process that made it */
  int is_guarded; /* 1: on_prerequest is called */
  int is_stale;   /* 1: the last transfer failed */
  curl_socket_t sockets[QC_HTTP_SOCKETS];
  char error[CURL_ERROR_SIZE];

  /* The call at hand */
  qc_buffer lines;
  struct curl_slist nodes[QC_HTTP_REQUEST_HEADERS + 3];
  int sockets_opened, requests_begun, was_reused;
  qc_reply reply;
};

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static int global_is_ready;

/* Not by pthread_once: it would keep a failure for want of memory for ever. */
static int global_init(void)
{
  int ready;
  if (pthread_mutex_lock(&global_lock) != 0)
    return 0;
  if (!global_is_ready)
    global_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  ready = global_is_ready;
  (void)pthread_mutex_unlock(&global_lock);
  return ready;
}

/* What libcurl would leave behind in this thread for the host to trip over:
   - SIGPIPE, which a write to a connection raises that the peer has closed.
     libcurl guards against it only where CURLOPT_NOSIGNAL is off. So it is
     blocked, and taken back if it came; the handlers and masks of the host are
     left alone.
   - errors of TLS in libcrypto's queue, which the host's own next use of
     libssl would take for its own. */
typedef struct {
  sigset_t mask;
  int is_blocked, was_pending;
} host_guard;

static int has_pending_pipe(void)
{
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

static void guard_host(host_guard *guard)
{
  sigset_t set;
  guard->was_pending = has_pending_pipe();
  guard->is_blocked = sigemptyset(&set) == 0 &&
                      sigaddset(&set, SIGPIPE) == 0 &&
                      pthread_sigmask(SIG_BLOCK, &set, &guard->mask) == 0;
  (void)ERR_set_mark(); /* 0: there is no error yet, nor will one stay */
}

static void unguard_host(const host_guard *guard)
{
  sigset_t set;
  int number;
  (void)ERR_pop_to_mark(); /* 0: no mark, all are gone */
  if (!guard->is_blocked)
    return;
  if (!guard->was_pending && has_pending_pipe() && sigemptyset(&set) == 0 &&
      sigaddset(&set, SIGPIPE) == 0)
    (void)sigwait(&set, &number); /* takes it at once */
  (void)pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
  qc_http *http = user;
  return qc_reply_line(&http->reply, line, size * count) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
  qc_http *http = user;
  return qc_reply_body(&http->reply, bytes, size * count) ? size * count : 0;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* CURLOPT_PREREQFUNCTION: called when the request is about to leave. On a
   kept connection that turns out to be closed libcurl sends the same bytes
   again by itself, which the service sees as a replay: the second time is
   stopped here. */
static int on_prerequest(void *user, char *peer_ip, char *local_ip,
                         int peer_port, int local_port)
{
  qc_http *http = user;
  (void)peer_ip, (void)local_ip, (void)peer_port, (void)local_port;
  if (++http->requests_begun > 1)
    return CURL_PREREQFUNC_ABORT;
  http->was_reused = http->sockets_opened == 0;
  return CURL_PREREQFUNC_OK;
}
#endif

/* CURLOPT_OPENSOCKETFUNCTION: keeps the descriptor, so that a forked process
   can close it without a word to the peer; programs that the host starts
   don't inherit it. */
static curl_socket_t on_open(void *user, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
  qc_http *http = user;
  int i, fd;
  (void)purpose;
  for (i = 0; i < QC_HTTP_SOCKETS; i++)
    if (http->sockets[i] == CURL_SOCKET_BAD)
      break;
  if (i == QC_HTTP_SOCKETS)
    return CURL_SOCKET_BAD;
  fd = socket(address->family, address->socktype, address->protocol);
  if (fd < 0)
    return CURL_SOCKET_BAD;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    (void)close(fd);
    return CURL_SOCKET_BAD;
  }
  http->sockets_opened++;
  return http->sockets[i] = fd;
}

static int on_close(void *user, curl_socket_t fd)
{
  qc_http *http = user;
  int i;
  for (i = 0; i < QC_HTTP_SOCKETS; i++)
    if (http->sockets[i] == fd)
      http->sockets[i] = CURL_SOCKET_BAD;
  return close(fd);
}

/* Sets an option unless one before was refused. */
#define SET(option, value)                                                    \
  do {                                                                        \
    if (code == CURLE_OK)                                                     \
      code = curl_easy_setopt(easy, option, value);                           \
  } while (0)

/* Options that a libcurl at run time, older than that of the build, may not
   know. */
static CURLcode set_newer(qc_http *http)
{
  CURL *easy = http->easy;
  CURLcode code = CURLE_OK;
  http->is_guarded = 0;
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQDATA, http);
  SET(CURLOPT_PREREQFUNCTION, on_prerequest);
  http->is_guarded = code == CURLE_OK;
  if (code == CURLE_UNKNOWN_OPTION)
    code = CURLE_OK;
#endif
  if (!http->is_guarded) /* no kept connection, no second sending */
    SET(CURLOPT_FORBID_REUSE, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* or a dead name server holds a call until its thread gives up */
  SET(CURLOPT_QUICK_EXIT, 1L);
  if (code == CURLE_UNKNOWN_OPTION)
    code = CURLE_OK;
#endif
  return code;
}

/* Sets what all requests share. */
static CURLcode set_up(qc_http *http)
{
  CURL *easy = http->easy;
  CURLcode code = set_newer(http);
  SET(CURLOPT_ERRORBUFFER, http->error);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_OPENSOCKETDATA, http);
  SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
  SET(CURLOPT_CLOSESOCKETDATA, http);
  SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
  SET(CURLOPT_MAXCONNECTS, (long)QC_HTTP_CONNECTIONS);

  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x074000 /* on_body refuses it in any version */
  SET(CURLOPT_HTTP09_ALLOWED, 0L);
#endif
  SET(CURLOPT_PATH_AS_IS, 1L); /* it is signed */

  SET(CURLOPT_SSL_VERIFYPEER, http->verify ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, http->verify ? 2L : 0L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (http->ca_file != NULL) {
    SET(CURLOPT_CAINFO, http->ca_file);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_PROXY_CAINFO, http->ca_file); /* of an https:// proxy */
    SET(CURLOPT_PROXY_CAPATH, NULL);
  }

  SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* none to a proxy */
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (http->proxy != NULL) /* told so: more than what the environment says */
    SET(CURLOPT_NOPROXY, "");

  SET(CURLOPT_HEADERDATA, http);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_WRITEDATA, http);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)http->reply.body.max);
  return code;
}

/* In a forked process: lets go of what belongs to the parent. To clean the
   handle up would end the parent's TLS connection, so its memory stays. */
static void abandon(qc_http *http)
{
  int i;
  for (i = 0; i < QC_HTTP_SOCKETS; i++)
    if (http->sockets[i] != CURL_SOCKET_BAD) {
      (void)close(http->sockets[i]);
      http->sockets[i] = CURL_SOCKET_BAD;
    }
  http->easy = NULL;
}

static void clean_up(qc_http *http)
{
  host_guard guard;
  guard_host(&guard); /* TLS says goodbye */
  curl_easy_cleanup(http->easy);
  http->easy = NULL;
  unguard_host(&guard);
}

/* Whether a kept connection was reset, or has bytes though no answer is due:
   TLS's goodbye, or the rest of an answer that was longer than it said.
   libcurl (7.88) would use it all the same. The plain end it sees itself. */
static int is_spoiled(curl_socket_t fd)
{
  char byte;
  ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n > 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Has a handle of this process ready. */
static CURLcode make_ready(qc_http *http)
{
  CURLcode code;
  int i;
  if (http->easy != NULL && http->owner != getpid())
    abandon(http);
  if (http->easy != NULL && http->is_stale)
    clean_up(http);
  for (i = 0; i < QC_HTTP_SOCKETS && http->easy != NULL; i++)
    if (http->sockets[i] != CURL_SOCKET_BAD && is_spoiled(http->sockets[i]))
      clean_up(http);
  if (http->easy != NULL)
    return CURLE_OK;
  if (!global_init())
    return CURLE_FAILED_INIT;
  http->owner = getpid();
  http->is_stale = 0;
  http->easy = curl_easy_init();
  if (http->easy == NULL)
    return CURLE_OUT_OF_MEMORY;
  code = set_up(http);
  if (code != CURLE_OK)
    clean_up(http);
  return code;
}

/* Adds a header line to libcurl's list. */
static void add_line(qc_http *http, size_t n, char *line)
{
  http->nodes[n].data = line;
  http->nodes[n].next = NULL;
  if (n > 0)
    http->nodes[n - 1].next = &http->nodes[n];
}

/* Builds the header lines, in memory that is kept. */
static CURLcode set_headers(qc_http *http, const qc_http_request *request)
{
  static const qc_http_header coding = {"Accept-Encoding", "identity", 15, 8};
  /* Without a value: libcurl must not send its own. One would make it wait
     for a 100, the other say that the body is a form. */
  static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
  size_t n;
  http->lines.len = 0;
  if (!qc_buffer_reserve(&http->lines, qc_headers_length(request)))
    return CURLE_OUT_OF_MEMORY;
  for (n = 0; n < request->header_count; n++)
    add_line(http, n, qc_add_header(&http->lines, &request->headers[n]));
  if (!qc_has_header(request, "accept-encoding"))
    add_line(http, n++, qc_add_header(&http->lines, &coding));
  if (!qc_has_header(request, "content-type"))
    add_line(http, n++, no_type);
  add_line(http, n, no_expect);
  return curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, http->nodes);
}

/* Milliseconds, never 0: to libcurl that is no limit. */
static long milliseconds(double seconds)
{
  if (seconds > QC_HTTP_SECONDS_MAX)
    seconds = QC_HTTP_SECONDS_MAX;
  return (long)(seconds * 1000) + 1;
}

/* Sets all that differs from one request to the next. */
static CURLcode set_request(qc_http *http, const qc_http_request *request)
{
  CURL *easy = http->easy;
  CURLcode code = set_headers(http, request);
  const char *proxy = request->direct ? "" : NULL;
  SET(CURLOPT_URL, request->url);
  if (request->is_post) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    SET(CURLOPT_POSTFIELDS, request->body_len > 0 ? request->body : "");
  } else {
    SET(CURLOPT_HTTPGET, 1L);
  }
  SET(CURLOPT_TIMEOUT_MS, milliseconds(request->seconds));
  SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_seconds));
  SET(CURLOPT_PROXY, http->proxy != NULL ? http->proxy : proxy);
  return code;
}

static int mentions(const qc_http *http, const char *word)
{
  return strstr(http->error, word) != NULL;
}

/* The word for what failed. NULL: nothing of the network. */
static const char *reason_of(const qc_http *http, CURLcode code, int sent)
{
  switch (code) {
  case CURLE_COULDNT_RESOLVE_HOST:
    return "dns";
  case CURLE_COULDNT_RESOLVE_PROXY:
    return "proxy";
  case CURLE_COULDNT_CONNECT:
    return mentions(http, "proxy") ? "proxy" : "connect";
  case CURLE_OPERATION_TIMEDOUT:
    return "timeout";
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_ENGINE_INITFAILED:
    return "tls";
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_PARTIAL_FILE:
    if (mentions(http, "chunked-encoding")) /* it was malformed */
      return "format";
    return sent ? "closed" : "proxy"; /* only that one answers so early */
  case CURLE_ABORTED_BY_CALLBACK:     /* on_prerequest */
    return "closed";
  case CURLE_FILESIZE_EXCEEDED:
    return "tooLarge";
  case CURLE_FAILED_INIT:
  case CURLE_OUT_OF_MEMORY:
  case CURLE_UNKNOWN_OPTION:
  case CURLE_NOT_BUILT_IN:
    return NULL;
  default:
    return sent ? "format" : NULL;
  }
}

/* Whether a byte of the request may have left, given how a transfer ended. */
static int may_have_left(const qc_http *http, CURLcode code)
{
  if (http->is_guarded)
    return http->requests_begun > 0;
  return code != CURLE_COULDNT_RESOLVE_HOST &&
         code != CURLE_COULDNT_RESOLVE_PROXY &&
         code != CURLE_COULDNT_CONNECT && code != CURLE_SSL_CONNECT_ERROR &&
         code != CURLE_PEER_FAILED_VERIFICATION &&
         code != CURLE_SSL_CACERT_BADFILE;
}

/* What failed, as one line in http->error. */
static const char *describe(qc_http *http, CURLcode code)
{
  const char *text = NULL;
  char *c;
  if (http->reply.fault != NULL)
    text = http->reply.fault;
  else if (code == CURLE_ABORTED_BY_CALLBACK)
    text = "the kept connection was closed before an answer came";
  else if (code == CURLE_OUT_OF_MEMORY)
    text = "out of memory";
  else if (http->error[0] == '\0')
    text = curl_easy_strerror(code);
  if (text != NULL) {
    strncpy(http->error, text, sizeof(http->error) - 1);
    http->error[sizeof(http->error) - 1] = '\0';
  }
  for (c = http->error; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 127)
      *c = ' ';
  return http->error;
}

int qc_http_send(qc_http *http, const qc_http_request *request,
                 qc_http_result *result)
{
  qc_reply *reply = &http->reply;
  host_guard guard;
  CURLcode code;
  memset(result, 0, sizeof(*result));
  http->error[0] = '\0';
  http->sockets_opened = http->requests_begun = http->was_reused = 0;
  qc_reply_start(reply);
  guard_host(&guard);
  code = make_ready(http);
  if (code == CURLE_OK)
    code = set_request(http, request);
  if (code == CURLE_OK) {
    code = curl_easy_perform(http->easy);
    result->sent = may_have_left(http, code);
  }
  unguard_host(&guard);
  /* libcurl says so of a line without end, too */
  if (code == CURLE_OUT_OF_MEMORY && result->sent)
    qc_reply_overflow(reply);
  if (code == CURLE_OK && qc_reply_end(reply)) {
    result->status = reply->status;
    result->body = reply->body.data;
    result->body_len = reply->body.len;
    result->head = reply->head.data;
    result->header_count = reply->header_count;
    return 1;
  }
  result->reason =
      reply->fault ? reply->reason : reason_of(http, code, result->sent);
  result->reused = http->was_reused;
  result->message = describe(http, code);
  /* libcurl may keep what is of no use any more: certificates (for a day)
     that were read while memory was short or have been replaced since, a
     connection whose TLS has failed */
  http->is_stale = 1;
  return 0;
}

/* A copy, or NULL for NULL; *ok becomes 0 when memory is out. */
static char *copy(const char *text, int *ok)
{
  size_t size = text == NULL ? 0 : strlen(text) + 1;
  char *own = text == NULL ? NULL : malloc(size);
  if (own != NULL)
    memcpy(own, text, size);
  else if (text != NULL)
    *ok = 0;
  return own;
}

qc_http *qc_http_new(const qc_http_options *options)
{
  qc_http *http = calloc(1, sizeof(*http));
  int ok = 1, i;
  if (http == NULL)
    return NULL;
  for (i = 0; i < QC_HTTP_SOCKETS; i++)
    http->sockets[i] = CURL_SOCKET_BAD;
  http->lines.max = QC_HTTP_REQUEST_HEAD_MAX;
  qc_reply_init(&http->reply, options->max_response);
  http->verify = options->verify;
  http->ca_file = copy(options->ca_file, &ok);
  http->proxy = copy(options->proxy, &ok);
  if (!ok) {
    qc_http_free(http);
    return NULL;
  }
  return http;
}

void qc_http_trim(qc_http *http)
{
  if (http->reply.body.size > QC_HTTP_BODY_KEPT)
    qc_buffer_free(&http->reply.body);
}

void qc_http_free(qc_http *http)
{
  if (http == NULL)
    return;
  if (http->easy != NULL && http->owner != getpid())
    abandon(http);
  if (http->easy != NULL)
    clean_up(http);
  qc_buffer_free(&http->lines);
  qc_reply_free(&http->reply);
  free(http->ca_file);
  free(http->proxy);
  free(http);
}

const char *qc_http_ca_file(void)
{
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  if (info->age >= CURLVERSION_SEVENTH)
    return info->cainfo;
#endif
  return NULL;
}

void qc_http_version(char *text, size_t size)
{
  text[0] = '\0';
  if (pthread_mutex_lock(&global_lock) != 0)
    return;
  (void)snprintf(text, size, "%s",
                 curl_version()); /* a buffer of all threads */
  (void)pthread_mutex_unlock(&global_lock);
}

const char *qc_http_build_version(void)
{
  return LIBCURL_VERSION;
}
