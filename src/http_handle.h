/*
 * http_handle.h - libcurl's handles of one client: made, used for transfers
 * one after another, and ended. Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_HANDLE_H
#define QCIMAGE_HTTP_HANDLE_H

#define CURL_DISABLE_DEPRECATION /* the oldest spelling works with all */
#include <curl/curl.h>

/* Zeroed: none. What is kept from one transfer to the next (connections, TLS
   sessions, parsed certificates) lies in the easy handle; where each transfer
   needs an easy handle of its own, in the other two. */
typedef struct {
  CURL *easy;
  CURLM *multi;
  CURLSH *share;
  unsigned long birth; /* forks when it was made */
} qc_handle;

/* Has an easy handle ready for a transfer. is_new: it has no options yet. On
   failure there is no handle. */
CURLcode qc_handle_prepare(qc_handle *handle, int *is_new);

/* Makes the transfer. */
CURLcode qc_handle_perform(qc_handle *handle);

/* Ends the handles, if there are any: closes the connections. Not for those of
   another process. */
void qc_handle_end(qc_handle *handle);

#endif
