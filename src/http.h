/*
 * http.h - one HTTP request at a time over libcurl, with a connection that is
 * kept. Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_H
#define QCIMAGE_HTTP_H

#include "limits.h"

#include <stddef.h>

/* A client's connection. Used by one thread at a time. */
typedef struct qc_http qc_http;

typedef struct {
  const char *ca_file;   /* the only certificates to trust, but for those in
                            ca_folder; NULL: libcurl's own file, and folder */
  const char *ca_folder; /* NULL: none, or with no ca_file libcurl's own */
  const char *proxy;     /* URL; "": none; NULL: as the environment says */
  size_t max_response;   /* bytes of an answer's body */
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

/* Belongs to the connection, stays until it is used again, trimmed or
   closed. */
typedef struct {
  /* The answer */
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

/* Makes a connection; copies the options. Nothing is set up or opened before
   the first request. NULL: out of memory. */
qc_http *qc_http_new(const qc_http_options *options);

/* What is wrong with a request, or NULL. *header: which one is at fault, or
   header_count. */
const char *qc_http_validate(const qc_http_request *request, size_t *header);

/* Sends a request without fault and reads the answer. 1: there is one, with
   whatever status; 0: none. */
int qc_http_send(qc_http *http, const qc_http_request *request,
                 qc_http_result *result);

/* How far the last request came: seconds from its start until each stage was
   done, 0: it was not reached or not needed. */
typedef struct {
  double resolved;                    /* the address was known */
  double connected;                   /* to it, or to the proxy */
  double secured;                     /* TLS was set up */
  double answered;                    /* the first byte of an answer came */
  char address[QC_HTTP_ADDRESS_SIZE]; /* connected to, in digits; "": none */
} qc_http_stages;

void qc_http_get_stages(const qc_http *http, qc_http_stages *stages);

/* Gives back the memory of an answer that was larger than usual. */
void qc_http_trim(qc_http *http);

/* Closes the connection and frees it; NULL is allowed. */
void qc_http_free(qc_http *http);

/* The file of certificates that libcurl trusts by itself, or NULL. */
const char *qc_http_ca_file(void);

/* The libcurl in use, with its libraries, cut to size; and the number of the
   build's. */
void qc_http_version(char *text, size_t size);
const char *qc_http_build_version(void);

#endif
