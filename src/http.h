/*
 * http.h - HTTP requests over libcurl: several at once, on connections that
 * are kept. Knows no Lua. Part of qcimage, see LICENSE.
 *
 * A loop does the I/O of all transfers of one Lua state; a client has options
 * and connections; a transfer is one request and its response. Each is used by
 * one thread at a time, and all that belong to a loop by the same.
 */
#ifndef QCIMAGE_HTTP_H
#define QCIMAGE_HTTP_H

#include "limits.h"

#include <stddef.h>

typedef struct qc_loop qc_loop;
typedef struct qc_client qc_client;
typedef struct qc_transfer qc_transfer;

typedef struct {
  const char *ca_file;   /* the only certificates to trust, but for those in
                            ca_folder; NULL: libcurl's default file, folder */
  const char *ca_folder; /* NULL: none, or with no ca_file the default one */
  const char *proxy;     /* URL; "": none; NULL: as the environment says */
  size_t max_response;   /* bytes of a response's body */
  int verify;            /* 0: takes any certificate */
} qc_http_options;

typedef struct {
  const char *name, *value;
  size_t name_len, value_len;
} qc_http_header;

typedef struct {
  const char *url; /* http:// or https:// */
  const char *body;
  const qc_http_header *headers; /* as many as limits.h allows */
  size_t url_len, body_len, header_count;
  double seconds;         /* for the whole attempt, above 0 */
  double connect_seconds; /* until the request can be sent, above 0 */
  int is_post;            /* otherwise a GET, without a body */
  int direct;             /* 1: no proxy from the environment */
  const char *connect_to; /* "::HOST:PORT", where to connect instead of the
                             URL's host; NULL: there */
} qc_http_request;

/* Belongs to the transfer, stays until that is ended. */
typedef struct {
  /* The response */
  long status;
  const char *body;
  size_t body_len;
  const char *head; /* header_count times: name, \0, value, \0 */
  size_t header_count;
  /* or what went wrong */
  const char *message; /* one line */
  const char *reason;  /* dns, connect, tls, timeout, closed, proxy, tooLarge,
                          format; NULL: this machine's fault */
  int sent;            /* 0: no byte of the request can have left */
  int reused;          /* 1: it went over a connection kept from before */
} qc_http_result;

/* Makes a loop. NULL: out of memory. */
qc_loop *qc_loop_new(void);

/* Lets go of a loop; its clients hold it until they are freed. NULL is
   allowed. */
void qc_loop_free(qc_loop *loop);

/* Waits until something can be done for a transfer under way, a signal comes
   or the seconds are over (0: does not wait), and does it. Gives the number of
   transfers that are still under way. */
size_t qc_loop_wait(qc_loop *loop, double seconds);

/* Makes a client; copies the options. Nothing is set up or opened before the
   first request. NULL: out of memory. */
qc_client *qc_client_new(qc_loop *loop, const qc_http_options *options);

/* Closes the idle connections. Transfers under way come to their end; the
   memory is freed with the last of them. NULL is allowed. */
void qc_client_free(qc_client *client);

/* What is wrong with a request, or NULL. *header: which one is at fault, or
   header_count. */
const char *qc_http_validate(const qc_http_request *request, size_t *header);

/* Begins a request that was found valid; copies it. A failure shows at the
   end. NULL: out of memory, nothing was sent. */
qc_transfer *qc_transfer_begin(qc_client *client,
                               const qc_http_request *request);

/* Whether a transfer has its result; qc_loop_wait brings it about. */
int qc_transfer_is_done(const qc_transfer *transfer);

/* The result of a transfer that is done. 1: there is a response, with whatever
   status; 0: none. */
int qc_transfer_finish(qc_transfer *transfer, qc_http_result *result);

/* Ends a transfer; one under way is cut off, with its connection. */
void qc_transfer_end(qc_transfer *transfer);

/* The three at once: begins a request, waits until it is done, and does the
   I/O of all others meanwhile. The transfer has to be ended; NULL as above,
   with the result that says so. */
qc_transfer *qc_http_send(qc_client *client, const qc_http_request *request,
                          qc_http_result *result);

/* How far the last request came: seconds from its start until each stage was
   done, 0: it was not reached or not needed. */
typedef struct {
  double resolved;                    /* the address was known */
  double connected;                   /* to it, or to the proxy */
  double secured;                     /* TLS was set up */
  double answered;                    /* the first byte of a response came */
  char address[QC_HTTP_ADDRESS_SIZE]; /* connected to, in digits; "": none */
} qc_http_stages;

/* Of the transfer that was finished last. */
void qc_http_get_stages(const qc_client *client, qc_http_stages *stages);

/* The file of certificates that libcurl trusts by itself, or NULL. */
const char *qc_http_ca_file(void);

/* The libcurl in use, with its libraries, cut to size; and the number of the
   build's. */
void qc_http_version(char *text, size_t size);
const char *qc_http_build_version(void);

#endif
