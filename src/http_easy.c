/*
 * http_easy.c - the options and the callbacks of libcurl's easy handles: what
 * all requests share, and what differs from one to the next. The callbacks
 * touch nothing but their transfer. See http.h and, for the parts,
 * http_client.h. Part of qcimage, see LICENSE.
 */
#include "http_client.h"
#include "http_global.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#if LIBCURL_VERSION_NUM < 0x073600
#error "libcurl 7.54 or newer is needed"
#endif

/* Has the connection closed behind the response, or not. */
static CURLcode keep(qc_transfer *transfer, int may_keep)
{
  if (may_keep == transfer->may_keep)
    return CURLE_OK;
  transfer->may_keep = may_keep;
  return curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE,
                          may_keep ? 0L : 1L);
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
  qc_transfer *transfer = user;
  qc_response *response = &transfer->response;
  if (!qc_response_line(response, line, size * count))
    return 0;
  /* libcurl 8.14 overlooks it in a list of words */
  if (response->state == QC_HEAD_DONE && response->is_last &&
      keep(transfer, 0) != CURLE_OK)
    return 0;
  return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
  qc_transfer *transfer = user;
  return qc_response_body(&transfer->response, bytes, size * count)
             ? size * count
             : 0;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* CURLOPT_PREREQFUNCTION: called when the request is about to leave. On a
   kept connection that is found to be closed libcurl sends the same bytes
   again by itself, which the service sees as a replay: the second time is
   stopped here. The first on a kept connection that was disturbed is stopped,
   too, which closes it, and the request begins again over a new one. */
static int on_prerequest(void *user, char *peer_ip, char *local_ip,
                         int peer_port, int local_port)
{
  qc_transfer *transfer = user;
  int is_kept = transfer->sockets_asked == 0;
  (void)peer_ip, (void)local_ip, (void)peer_port;
  if (transfer->requests_begun == 0 && is_kept &&
      !qc_generation_is_fit(transfer->generation, transfer->easy, local_port,
                            transfer->is_tls)) {
    transfer->is_disturbed = 1;
    return CURL_PREREQFUNC_ABORT;
  }
  if (++transfer->requests_begun > 1)
    return CURL_PREREQFUNC_ABORT;
  transfer->was_reused = is_kept;
  return CURL_PREREQFUNC_OK;
}
#endif

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* CURLOPT_OPENSOCKETFUNCTION: a socket that programs which the host starts
   don't inherit, not even while it is being made. Notes the errno of a
   failure. */
static curl_socket_t on_open(void *user, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
  qc_transfer *transfer = user;
  int fd;
  (void)purpose;
  transfer->sockets_asked++;
  fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
              address->protocol);
  if (fd >= 0 && SOCK_CLOEXEC == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    int problem = errno;
    (void)close(fd);
    errno = problem;
    fd = -1;
  }
  if (fd >= 0 && !qc_generation_note(transfer->generation, fd)) {
    (void)close(fd);
    errno = ENOMEM;
    fd = -1;
  }
  if (fd < 0)
    transfer->socket_error = errno;
  transfer->sockets_made += fd >= 0;
  if (getnameinfo(&address->addr, address->addrlen, transfer->peer,
                  sizeof(transfer->peer), transfer->peer_port,
                  sizeof(transfer->peer_port),
                  NI_NUMERICHOST | NI_NUMERICSERV))
    transfer->peer[0] = '\0';
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
static CURLcode set_newer(qc_transfer *transfer)
{
  CURL *easy = transfer->easy;
  CURLcode code = CURLE_OK;
  transfer->is_guarded = 0;
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQDATA, transfer);
  SET(CURLOPT_PREREQFUNCTION, on_prerequest);
  transfer->is_guarded = code == CURLE_OK;
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
static CURLcode set_certificates(const qc_transfer *transfer)
{
  const qc_client *client = transfer->client;
  CURL *easy = transfer->easy;
  CURLcode code = CURLE_OK;
  char below[QC_HTTP_OPTION_MAX + sizeof("/.")];
  const char *folder = client->ca_folder;
  if (client->ca_file != NULL) {
    SET(CURLOPT_CAINFO, client->ca_file);
    SET(CURLOPT_PROXY_CAINFO, client->ca_file);
  }
  if (client->ca_file != NULL && folder == NULL &&
      qc_global_trusts_default_folder()) {
    int len = snprintf(below, sizeof(below), "%s/.", client->ca_file);
    if (len < 0 || (size_t)len >= sizeof(below))
      return CURLE_SSL_CACERT_BADFILE;
    folder = below;
  }
  if (client->ca_file != NULL || folder != NULL) {
    SET(CURLOPT_CAPATH, folder);
    SET(CURLOPT_PROXY_CAPATH, folder);
  }
  if (transfer->generation->by_folder)
    SET(CURLOPT_CAINFO, NULL);
  return code;
}

CURLcode qc_easy_set_up(qc_transfer *transfer)
{
  const qc_client *client = transfer->client;
  CURL *easy = transfer->easy;
  CURLcode code = set_newer(transfer);
  transfer->may_keep = 1; /* libcurl's defaults */
  transfer->is_fresh = 0;
  SET(CURLOPT_PRIVATE, transfer);
  SET(CURLOPT_SHARE, transfer->generation->share);
  SET(CURLOPT_ERRORBUFFER, transfer->error);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_OPENSOCKETDATA, transfer);
  SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
  SET(CURLOPT_CLOSESOCKETDATA, transfer->generation);
  SET(CURLOPT_CLOSESOCKETFUNCTION, qc_generation_close_socket);

  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x074000 /* on_body refuses it in any version */
  SET(CURLOPT_HTTP09_ALLOWED, 0L);
#endif
  SET(CURLOPT_PATH_AS_IS, 1L); /* it is signed */

  SET(CURLOPT_SSL_VERIFYPEER, client->verify ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, client->verify ? 2L : 0L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (code == CURLE_OK)
    code = set_certificates(transfer);

  SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* none to a proxy */
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (client->proxy != NULL) /* overrides what the environment says */
    SET(CURLOPT_NOPROXY, "");

  SET(CURLOPT_HEADERDATA, transfer);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_WRITEDATA, transfer);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->response.body.max);
  return code;
}

/* Milliseconds, never 0, which libcurl takes for no limit. */
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
static int may_be_kept(const qc_transfer *transfer)
{
  const char *proxy = transfer->client->proxy;
  if (!transfer->is_guarded ||
      (transfer->is_tls && !transfer->generation->sees_tls))
    return 0;
  if (proxy != NULL)
    return strncasecmp(proxy, "https:", 6) != 0;
  return transfer->request.direct || !qc_global_has_tls_proxy();
}

CURLcode qc_easy_set_request(qc_transfer *transfer, int is_fresh)
{
  const qc_http_request *request = &transfer->request;
  const char *proxy = transfer->client->proxy;
  CURL *easy = transfer->easy;
  CURLcode code = keep(transfer, may_be_kept(transfer));
  if (proxy == NULL && request->direct)
    proxy = "";
  if (is_fresh != transfer->is_fresh)
    SET(CURLOPT_FRESH_CONNECT, is_fresh ? 1L : 0L);
  transfer->is_fresh = is_fresh;
  SET(CURLOPT_HTTPHEADER, transfer->nodes);
  SET(CURLOPT_URL, request->url);
  if (request->is_post) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    SET(CURLOPT_POSTFIELDS, request->body);
  } else {
    SET(CURLOPT_HTTPGET, 1L);
  }
  SET(CURLOPT_TIMEOUT_MS, milliseconds(request->seconds));
  SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_seconds));
  SET(CURLOPT_PROXY, proxy);
  transfer->connect_to.data = (char *)request->connect_to;
  SET(CURLOPT_CONNECT_TO,
      request->connect_to != NULL ? &transfer->connect_to : NULL);
  return code;
}
