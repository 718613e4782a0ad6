/*
 * http.c - one HTTP request at a time over libcurl, see http.h.
 * Knows no Lua; its callbacks touch nothing but the connection. Part of
 * qcimage, see LICENSE.
 *
 * A rule that libcurl's documentation gives (curl.se/libcurl/c): a handle must
 * not be used, nor cleaned up, in a process that was forked from the one that
 * made it.
 *
 * The life of a handle. It is made with the first request (fresh) and kept,
 * and with it libcurl's connection, TLS sessions and parsed certificates. A
 * connection that was disturbed while it was idle costs no more than itself:
 * the next request goes over a new one. A handle whose transfer failed is
 * spoiled as a whole and cleaned up, since libcurl may keep what is of no use
 * any more: certificates (for a day) that were read while memory was short or
 * have been replaced since, a connection whose TLS has failed. In a forked
 * process a handle is foreign: to clean it up would end the parent's TLS
 * connection, so the descriptor of that is closed, and it is let go of with
 * its memory and the one or two descriptors that libcurl wakes itself by: each
 * generation of forks that has sent requests leaves those behind.
 *
 * The system's certificates. libcurl would parse the whole bundle, over a
 * hundred, for each new connection, which takes longer than all else that a
 * first request does. OpenSSL looks a single one up in a folder. So a handle
 * begins with the folder alone, libcurl's own or the one that was named, which
 * is among what is trusted anyway: never more. Where that does not vouch for a
 * server (the hashes are stale, or a certificate is in the bundle only), the
 * request, of which nothing has left, begins again with a handle that has
 * both, as have all after it.
 */
#include "http.h"
#include "transfer_error.h"
#include "http_handle.h"
#include "http_message.h"
#include "http_global.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#if LIBCURL_VERSION_NUM < 0x073600
#error "libcurl 7.54 or newer is needed"
#endif

struct qc_http {
  char *ca_file, *ca_folder, *proxy;
  int verify;

  qc_handle handle; /* see above */
  int is_guarded;   /* 1: on_prerequest is called */
  int is_spoiled;   /* 1: the last transfer failed */
  int may_keep;     /* 0: the connection is closed behind a response */
  int by_folder;    /* 1: made without the bundle */
  int needs_bundle; /* 1: the folder did not do */
  char error[CURL_ERROR_SIZE];

  /* The call at hand */
  qc_buffer lines;
  struct curl_slist nodes[QC_HTTP_REQUEST_HEADERS + 3];
  struct curl_slist connect_to; /* of the request; libcurl keeps a pointer */
  char peer[QC_HTTP_ADDRESS_SIZE]; /* connected to last, in digits; or "" */
  char peer_port[8];
  int sockets_asked, sockets_made, socket_error;
  int requests_begun, was_reused;
  int is_tls; /* 1: https:// */
  qc_response reply;
};

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
  qc_http *http = user;
  if (http->is_tls && http->reply.state == QC_STATUS_LINE)
    qc_handle_note_tls(&http->handle);
  return qc_response_line(&http->reply, line, size * count) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
  qc_http *http = user;
  return qc_response_body(&http->reply, bytes, size * count) ? size * count
                                                             : 0;
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
  http->was_reused = http->sockets_asked == 0;
  return CURL_PREREQFUNC_OK;
}
#endif

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* CURLOPT_OPENSOCKETFUNCTION: a socket that programs which the host starts
   don't inherit, not even while it is being made. Notes why there is none. */
static curl_socket_t on_open(void *user, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
  qc_http *http = user;
  int fd;
  (void)purpose;
  http->sockets_asked++;
  fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
              address->protocol);
  if (fd >= 0 && SOCK_CLOEXEC == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    int problem = errno;
    (void)close(fd);
    errno = problem;
    fd = -1;
  }
  if (fd < 0)
    http->socket_error = errno;
  http->sockets_made += fd >= 0;
  if (getnameinfo(&address->addr, address->addrlen, http->peer,
                  sizeof(http->peer), http->peer_port, sizeof(http->peer_port),
                  NI_NUMERICHOST | NI_NUMERICSERV))
    http->peer[0] = '\0';
  return fd < 0 ? CURL_SOCKET_BAD : fd;
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
  CURL *easy = http->handle.easy;
  CURLcode code = CURLE_OK;
  http->is_guarded = 0;
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQDATA, http);
  SET(CURLOPT_PREREQFUNCTION, on_prerequest);
  http->is_guarded = code == CURLE_OK;
  if (code == CURLE_UNKNOWN_OPTION)
    code = CURLE_OK;
#endif
#if LIBCURL_VERSION_NUM >= 0x074100
  SET(CURLOPT_MAXAGE_CONN, (long)QC_HTTP_IDLE_MAX);
  if (code == CURLE_UNKNOWN_OPTION) /* nor is one kept then */
    code = CURLE_OK;
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
  /* or a dead name server holds a call until its thread gives up */
  SET(CURLOPT_QUICK_EXIT, 1L);
  if (code == CURLE_UNKNOWN_OPTION)
    code = CURLE_OK;
#endif
  return code;
}

/* Says which certificates are trusted, of a server and of an https:// proxy.
   With a file and no folder that file alone is; but that there is no folder
   means the build's to libcurl 8.21 and 8.22: there it is one below the file,
   where none can be. */
static CURLcode set_certificates(qc_http *http)
{
  CURL *easy = http->handle.easy;
  CURLcode code = CURLE_OK;
  char below[QC_HTTP_OPTION_MAX + sizeof("/.")];
  const char *folder = http->ca_folder;
  if (http->ca_file != NULL) {
    SET(CURLOPT_CAINFO, http->ca_file);
    SET(CURLOPT_PROXY_CAINFO, http->ca_file);
  }
  if (http->ca_file != NULL && folder == NULL &&
      qc_global_trusts_own_folder()) {
    int len = snprintf(below, sizeof(below), "%s/.", http->ca_file);
    if (len < 0 || (size_t)len >= sizeof(below))
      return CURLE_SSL_CACERT_BADFILE;
    folder = below;
  }
  if (http->ca_file != NULL || folder != NULL) {
    SET(CURLOPT_CAPATH, folder);
    SET(CURLOPT_PROXY_CAPATH, folder);
  }
  http->by_folder = http->verify && http->ca_file == NULL &&
                    !http->needs_bundle && qc_global_has_ca_folder();
  if (http->by_folder)
    SET(CURLOPT_CAINFO, NULL);
  return code;
}

/* Sets what all requests share. */
static CURLcode set_up(qc_http *http)
{
  CURL *easy = http->handle.easy;
  CURLcode code = set_newer(http);
  http->may_keep = 1; /* libcurl's default */
  SET(CURLOPT_ERRORBUFFER, http->error);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_OPENSOCKETDATA, http);
  SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
  SET(CURLOPT_CLOSESOCKETDATA, &http->handle);
  SET(CURLOPT_CLOSESOCKETFUNCTION, qc_handle_close_socket);

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
  if (code == CURLE_OK)
    code = set_certificates(http);

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

/* Has a handle with its options ready. */
static CURLcode make_ready(qc_http *http)
{
  CURLcode code;
  int is_new;
  if (http->is_spoiled)
    qc_handle_end(&http->handle);
  http->is_spoiled = 0;
  code = qc_handle_prepare(&http->handle, &is_new);
  if (code == CURLE_OK && is_new) {
    code = set_up(http);
    if (code != CURLE_OK)
      qc_handle_end(&http->handle);
  }
  return code;
}

/* Makes libcurl's list of the header lines, of which there are some. */
static void link_lines(qc_http *http)
{
  char *line = http->lines.data, *end = line + http->lines.len;
  struct curl_slist *node = http->nodes;
  for (; line < end; line += strlen(line) + 1, node++) {
    node->data = line;
    node->next = node + 1;
  }
  node[-1].next = NULL;
}

/* Writes the header lines, in memory that is kept. */
static CURLcode set_headers(qc_http *http, const qc_http_request *request)
{
  /* Without a value: libcurl must not send its own. One would make it wait
     for a 100, the other say that the body is a form. */
  static const char no_expect[] = "Expect:", no_type[] = "Content-Type:";
  static const qc_http_header coding = {"Accept-Encoding", "identity", 15, 8};
  qc_buffer *lines = &http->lines;
  size_t n;
  int ok;
  lines->len = 0;
  ok = qc_buffer_add(lines, no_expect, sizeof(no_expect));
  for (n = 0; ok && n < request->header_count; n++)
    ok = qc_add_header(lines, &request->headers[n]);
  if (ok && !qc_has_header(request, "accept-encoding"))
    ok = qc_add_header(lines, &coding);
  if (ok && !qc_has_header(request, "content-type"))
    ok = qc_buffer_add(lines, no_type, sizeof(no_type));
  if (!ok)
    return CURLE_OUT_OF_MEMORY;
  link_lines(http);
  return curl_easy_setopt(http->handle.easy, CURLOPT_HTTPHEADER, http->nodes);
}

/* Milliseconds, never 0: to libcurl that is no limit. */
static long milliseconds(double seconds)
{
  if (seconds > QC_HTTP_SECONDS_MAX)
    seconds = QC_HTTP_SECONDS_MAX;
  return (long)(seconds * 1000) + 1;
}

/* Whether the connection of a request may be kept: where nothing is sent
   twice, and where all can be seen that comes behind the response. That is not
   so of TLS which is not ours to ask, nor of that of a proxy, in which the
   server's lies. */
static int may_be_kept(const qc_http *http, const qc_http_request *request)
{
  if (!http->is_guarded || (http->is_tls && !http->handle.sees_tls))
    return 0;
  if (http->proxy != NULL)
    return strncasecmp(http->proxy, "https:", 6) != 0;
  return request->direct || !qc_global_has_tls_proxy();
}

/* Sets all that differs from one request to the next. */
static CURLcode set_request(qc_http *http, const qc_http_request *request)
{
  CURL *easy = http->handle.easy;
  CURLcode code = set_headers(http, request);
  const char *proxy = request->direct ? "" : NULL;
  http->is_tls = strncmp(request->url, "https:", 6) == 0;
  if (may_be_kept(http, request) != http->may_keep) {
    http->may_keep = !http->may_keep;
    SET(CURLOPT_FORBID_REUSE, http->may_keep ? 0L : 1L);
  }
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
  http->connect_to.data = (char *)request->connect_to;
  SET(CURLOPT_CONNECT_TO, request->connect_to ? &http->connect_to : NULL);
  return code;
}

/* A number that libcurl knows of the transfer, 0 where it doesn't. */
static long number_of(const qc_http *http, CURLINFO info)
{
  long number = 0;
  if (http->handle.easy == NULL ||
      curl_easy_getinfo(http->handle.easy, info, &number) != CURLE_OK)
    return 0;
  return number;
}

static double seconds_of(const qc_http *http, CURLINFO info)
{
  double seconds = 0;
  if (http->handle.easy == NULL ||
      curl_easy_getinfo(http->handle.easy, info, &seconds) != CURLE_OK)
    return 0;
  return seconds;
}

/* Whether a byte of the request may have left. An older libcurl tells so when
   the request's head was sent; not when that failed. */
static int may_have_left(const qc_http *http, CURLcode code)
{
  double seconds = 0;
  if (http->is_guarded)
    return http->requests_begun > 0;
  return code == CURLE_SEND_ERROR ||
         curl_easy_getinfo(http->handle.easy, CURLINFO_PRETRANSFER_TIME,
                           &seconds) != CURLE_OK ||
         seconds > 0;
}

/* CURLINFO_USED_PROXY, which the headers of the build may lack. */
#define USED_PROXY ((CURLINFO)(CURLINFO_LONG + 66))

/* Whether the transfer went over a proxy, -1: nobody tells. */
static int has_proxy(const qc_http *http, const qc_http_request *request)
{
  if (http->proxy != NULL || request->direct)
    return http->proxy != NULL && http->proxy[0] != '\0';
  return qc_global_tells_of_proxies() ? (int)number_of(http, USED_PROXY) : -1;
}

/* Tells what went wrong. */
static void judge(qc_http *http, const qc_http_request *request, CURLcode code,
                  qc_http_result *result)
{
  qc_response *reply = &http->reply;
  qc_transfer_error error = {0};
  error.code = (int)code;
  error.sent = result->sent;
  error.has_proxy = has_proxy(http, request);
  error.proxy_status = number_of(http, CURLINFO_HTTP_CONNECTCODE);
  if (error.has_proxy != 0 && !http->is_tls && reply->status == 407)
    error.proxy_status = reply->status;
#if LIBCURL_VERSION_NUM >= 0x074900
  error.proxy_error = number_of(http, CURLINFO_PROXY_ERROR);
#endif
  error.has_tried = http->sockets_asked > 0;
  if (http->sockets_made == 0) /* of several addresses */
    error.socket_error = http->socket_error;
  error.peer = http->peer;
  error.peer_port = http->peer_port;
  error.url = request->url;
  error.connect_to = request->connect_to;
  error.text = http->error;
  error.size = sizeof(http->error);
  result->reused = http->was_reused;
  if (reply->fault != NULL) { /* our own reading stopped it */
    result->reason = reply->reason;
    result->message = reply->fault;
  } else {
    result->reason = qc_transfer_error_reason(&error);
    qc_transfer_error_describe(&error, result->reason);
    result->message = http->error;
  }
}

static CURLcode transfer(qc_http *http, const qc_http_request *request,
                         qc_http_result *result)
{
  CURLcode code;
  http->error[0] = http->peer[0] = '\0';
  http->sockets_asked = http->sockets_made = http->socket_error = 0;
  http->requests_begun = http->was_reused = 0;
  qc_response_start(&http->reply);
  code = make_ready(http);
  if (code == CURLE_OK)
    code = set_request(http, request);
  if (code == CURLE_OK) {
    code = qc_handle_perform(&http->handle);
    result->sent = may_have_left(http, code);
  }
  return code;
}

/* Begins a request again, with the bundle, in the time that is left. Gives
   the first failure when none is. */
static CURLcode with_bundle(qc_http *http, const qc_http_request *request,
                            qc_http_result *result)
{
  qc_http_request rest = *request;
  double spent = seconds_of(http, CURLINFO_TOTAL_TIME);
  rest.seconds -= spent;
  rest.connect_seconds -= spent;
  if (rest.seconds <= 0 || rest.connect_seconds <= 0)
    return CURLE_PEER_FAILED_VERIFICATION;
  http->needs_bundle = 1;
  http->is_spoiled = 1;
  return transfer(http, &rest, result);
}

int qc_http_send(qc_http *http, const qc_http_request *request,
                 qc_http_result *result)
{
  qc_response *reply = &http->reply;
  qc_host_state guard;
  CURLcode code;
  memset(result, 0, sizeof(*result));
  qc_host_state_save(&guard);
  code = transfer(http, request, result);
  if (code == CURLE_PEER_FAILED_VERIFICATION && http->by_folder &&
      !result->sent)
    code = with_bundle(http, request, result);
  qc_host_state_restore(&guard);
  /* libcurl (before 8.6) says so of a line without end, too */
  if (code == CURLE_OUT_OF_MEMORY && result->sent)
    qc_response_overflow(reply);
  if (code != CURLE_OK || !qc_response_end(reply)) {
    judge(http, request, code, result);
    http->is_spoiled = 1;
    return 0;
  }
  /* the last is for libcurl 8.14, which overlooks it in a list of words */
  http->is_spoiled = !qc_handle_note(&http->handle, http->is_tls) ||
                     (http->handle.is_kept && reply->is_last);
  result->status = reply->status;
  result->body = reply->body.data;
  result->body_len = reply->body.len;
  result->head = reply->head.data;
  result->header_count = reply->header_count;
  return 1;
}

void qc_http_get_stages(const qc_http *http, qc_http_stages *stages)
{
  stages->resolved = seconds_of(http, CURLINFO_NAMELOOKUP_TIME);
  stages->connected = seconds_of(http, CURLINFO_CONNECT_TIME);
  stages->secured = seconds_of(http, CURLINFO_APPCONNECT_TIME);
  stages->answered = seconds_of(http, CURLINFO_STARTTRANSFER_TIME);
  memcpy(stages->address, http->peer, sizeof(http->peer));
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
  int ok = 1;
  if (http == NULL)
    return NULL;
  http->lines.max = QC_HTTP_REQUEST_HEAD_MAX;
  qc_response_init(&http->reply, options->max_response);
  http->verify = options->verify;
  http->ca_file = copy(options->ca_file, &ok);
  http->ca_folder = copy(options->ca_folder, &ok);
  http->proxy = copy(options->proxy, &ok);
  if (ok)
    return http;
  qc_http_free(http);
  return NULL;
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
  qc_handle_end(&http->handle);
  qc_buffer_free(&http->lines);
  qc_response_free(&http->reply);
  free(http->ca_file);
  free(http->ca_folder);
  free(http->proxy);
  free(http);
}
