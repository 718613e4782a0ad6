/*
 * http_handle.c - libcurl's handles of one client, see http_handle.h.
 * Part of qcimage, see LICENSE.
 *
 * libcurl 7.83 to 8.0 keep, in an easy handle, a pointer to the last header of
 * the previous response, which they free. Where the next response has a first
 * header line that begins with a blank, they continue that header, and the
 * process ends (curl issue 11101). There, each transfer gets an easy handle of
 * its own, and a multi handle keeps what lasts, but for TLS sessions, which
 * are shared.
 */
#include "http_handle.h"
#include "http_global.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the kept connection's descriptor is still that connection's. */
static int is_ours(const qc_handle *handle)
{
  struct stat status;
  return fstat(handle->fd, &status) == 0 && status.st_dev == handle->device &&
         status.st_ino == handle->inode;
}

/* Whether the handles must not be used, nor cleaned up: libcurl would write to
   a connection of the parent's, or to a file of the host's. */
static int is_foreign(const qc_handle *handle)
{
  return handle->birth != qc_global_forks() ||
         (handle->is_kept && !is_ours(handle));
}

/* Whether the kept connection was ended or reset, or has bytes though no
   response is due: TLS's goodbye, or the rest of a response that was longer
   than it said. libcurl would use it all the same: bytes, 7.88; an end that
   came less than a second after the response, 8.23. */
static int is_disturbed(const qc_handle *handle)
{
  char byte;
  ssize_t n = recv(handle->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

int qc_handle_close_socket(void *user, curl_socket_t fd)
{
  qc_handle *handle = user;
  if (handle->is_kept && handle->fd == fd)
    handle->is_kept = 0;
  return close(fd);
}

/* Makes what lasts beyond an easy handle. */
static CURLcode make_lasting(qc_handle *handle)
{
  handle->multi = curl_multi_init();
  handle->share = curl_share_init();
  if (handle->multi == NULL || handle->share == NULL ||
      curl_share_setopt(handle->share, CURLSHOPT_SHARE,
                        CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK ||
      curl_multi_setopt(handle->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK)
    return CURLE_OUT_OF_MEMORY;
  return CURLE_OK;
}

static void end_easy(qc_handle *handle)
{
  if (handle->multi != NULL && handle->easy != NULL)
    (void)curl_multi_remove_handle(handle->multi, handle->easy);
  curl_easy_cleanup(handle->easy); /* NULL is allowed */
  handle->easy = NULL;
}

/* Makes a new easy handle, and what lasts beyond it with the first. */
static CURLcode renew(qc_handle *handle)
{
  CURLcode code = CURLE_OK;
  if (!qc_global_ready())
    return CURLE_FAILED_INIT;
  if (handle->easy == NULL) {
    handle->birth = qc_global_forks();
    handle->sees_tls = qc_global_shares_libssl();
    if (qc_global_keeps_headers())
      code = make_lasting(handle);
  }
  end_easy(handle);
  if (code == CURLE_OK && (handle->easy = curl_easy_init()) == NULL)
    code = CURLE_OUT_OF_MEMORY;
  if (code == CURLE_OK && handle->share != NULL)
    code = curl_easy_setopt(handle->easy, CURLOPT_SHARE, handle->share);
  if (code == CURLE_OK)
    code = curl_easy_setopt(handle->easy, CURLOPT_MAXCONNECTS, 1L);
  return code;
}

CURLcode qc_handle_prepare(qc_handle *handle, int *is_new)
{
  CURLcode code = CURLE_OK;
  int is_fit;
  if (handle->easy != NULL && is_foreign(handle))
    qc_handle_end(handle);
  is_fit = handle->is_kept && !is_disturbed(handle);
  *is_new = handle->easy == NULL || handle->multi != NULL;
  if (*is_new)
    code = renew(handle);
  if (code == CURLE_OK) /* a new connection becomes the only one */
    code = curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT,
                            is_fit ? 0L : 1L);
  if (code != CURLE_OK)
    qc_handle_end(handle);
  return code;
}

/* As curl_easy_perform does it. */
static CURLMcode perform_within(qc_handle *handle)
{
  CURLMcode code = curl_multi_add_handle(handle->multi, handle->easy);
  int running = 1;
  while (code == CURLM_OK) {
    code = curl_multi_perform(handle->multi, &running);
    if (code != CURLM_OK || running == 0)
      break;
#if LIBCURL_VERSION_NUM >= 0x074200
    code = curl_multi_poll(handle->multi, NULL, 0, 1000, NULL);
#else
    code = curl_multi_wait(handle->multi, NULL, 0, 1000, NULL);
#endif
  }
  return code;
}

CURLcode qc_handle_perform(qc_handle *handle)
{
  CURLMcode code;
  CURLMsg *message = NULL;
  int left;
  if (handle->multi == NULL)
    return curl_easy_perform(handle->easy);
  code = perform_within(handle);
  if (code == CURLM_OUT_OF_MEMORY)
    return CURLE_OUT_OF_MEMORY;
  if (code == CURLM_OK)
    message = curl_multi_info_read(handle->multi, &left);
  return message != NULL ? message->data.result : CURLE_FAILED_INIT;
}

void qc_handle_note_tls(qc_handle *handle)
{
  const struct curl_tlssessioninfo *tls = NULL;
  handle->tls = NULL;
  if (handle->sees_tls &&
      curl_easy_getinfo(handle->easy, CURLINFO_TLS_SSL_PTR, &tls) ==
          CURLE_OK &&
      tls != NULL && tls->backend == CURLSSLBACKEND_OPENSSL)
    handle->tls = tls->internals;
}

int qc_handle_note(qc_handle *handle, int is_tls)
{
  curl_socket_t fd = CURL_SOCKET_BAD;
  struct stat status;
  if (curl_easy_getinfo(handle->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK)
    return 0;
  if (fd == CURL_SOCKET_BAD) {
    handle->is_kept = 0;
    return 1;
  }
  /* What came behind the response may have been read from the socket already,
     and would be taken for the next one. (tls is of this connection.) */
  if (is_tls && (handle->tls == NULL || SSL_has_pending(handle->tls)))
    return 0;
  if (handle->is_kept && handle->fd == fd)
    return 1;
  if (fstat(fd, &status) != 0)
    return 0;
  handle->fd = fd;
  handle->device = status.st_dev;
  handle->inode = status.st_ino;
  handle->is_kept = 1;
  return 1;
}

void qc_handle_end(qc_handle *handle)
{
  qc_host_state guard;
  if (handle->easy != NULL && is_foreign(handle)) {
    if (handle->is_kept && is_ours(handle))
      (void)close(handle->fd);
    memset(handle, 0, sizeof(*handle));
    return;
  }
  qc_host_state_save(&guard); /* TLS says goodbye */
  end_easy(handle);
  if (handle->multi != NULL)
    (void)curl_multi_cleanup(handle->multi);
  if (handle->share != NULL)
    (void)curl_share_cleanup(handle->share);
  memset(handle, 0, sizeof(*handle));
  qc_host_state_restore(&guard);
}
