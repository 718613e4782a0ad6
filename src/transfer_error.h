/*
 * transfer_error.h - what a transfer that failed over libcurl means: one word
 * for the reason, and one line of text. Knows no Lua and sends nothing. Part
 * of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_TRANSFER_ERROR_H
#define QCIMAGE_TRANSFER_ERROR_H

#include <stddef.h>

/* What libcurl reports of a failed transfer: numbers, and its message. */
typedef struct {
  int code;          /* CURLcode */
  int sent;          /* 1: a byte of the request may have left */
  int has_proxy;     /* 1: over a proxy, 0: none, -1: unknown */
  long proxy_status; /* of the proxy's response; 0: none came */
  long proxy_error;  /* CURLproxycode; 0: none */
  int has_tried;     /* 1: a socket was asked for */
  int socket_error;  /* errno where none could be made, or 0 */
  const char *peer;  /* address that was connected to last; "": none */
  const char *peer_port;
  const char *url;        /* of the request */
  const char *connect_to; /* "::HOST:PORT" of the request; or NULL */
  char *text;             /* libcurl's, with a terminator; "": none */
  size_t size;            /* of the memory of text */
} qc_transfer_error;

/* dns, connect, tls, timeout, closed, proxy, tooLarge, format; NULL: nothing
   of the network, this machine's fault. */
const char *qc_transfer_error_reason(const qc_transfer_error *error);

/* Makes error->text one line that holds no password and says what failed.
   reason: as qc_transfer_error_reason gives it. */
void qc_transfer_error_describe(const qc_transfer_error *error,
                                const char *reason);

#endif
