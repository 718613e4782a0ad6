/*
 * http_handle.h - libcurl's handles of one client: made, used for transfers
 * one after another, and ended. Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_HANDLE_H
#define QCIMAGE_HTTP_HANDLE_H

#define CURL_DISABLE_DEPRECATION /* the oldest spelling works with all */
#include <curl/curl.h>

#include <openssl/ssl.h>
#include <sys/types.h>

/* Zeroed: none. What is kept from one transfer to the next (a connection, TLS
   sessions, parsed certificates) lies in the easy handle; where each transfer
   needs an easy handle of its own, in the other two. */
typedef struct {
  CURL *easy;
  CURLM *multi;
  CURLSH *share;
  unsigned long birth; /* forks when it was made */
  /* The socket of the connection that is kept, and what fstat said of it: its
     number may be another file's once the host has closed descriptors. */
  int is_kept;
  curl_socket_t fd;
  dev_t device;
  ino_t inode;
  int sees_tls;   /* 1: its TLS is the libssl that is linked here */
  const SSL *tls; /* of the transfer at hand, or NULL */
} qc_handle;

/* Has an easy handle ready for a transfer, by the kept connection only where
   that was not disturbed. is_new: it has no other options yet. On failure
   there is no handle. */
CURLcode qc_handle_prepare(qc_handle *handle, int *is_new);

/* Makes the transfer. */
CURLcode qc_handle_perform(qc_handle *handle);

/* Notes the TLS of a transfer; while it is under way. */
void qc_handle_note_tls(qc_handle *handle);

/* Notes the connection that libcurl keeps after a transfer, if it does; one
   that was not noted is not used again. is_tls: it is one over TLS. 0: it must
   not be used again, so the handles have to be ended. */
int qc_handle_note(qc_handle *handle, int is_tls);

/* CURLOPT_CLOSESOCKETFUNCTION; its data is the handle. */
int qc_handle_close_socket(void *handle, curl_socket_t fd);

/* Ends the handles, if there are any, and closes the connection. Those of
   another process, or whose descriptors the host has closed, are let go of
   with their memory. */
void qc_handle_end(qc_handle *handle);

#endif
