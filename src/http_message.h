/*
 * http_message.h - the text of HTTP messages: what a request may hold, and
 * how an answer is read within limits. Knows neither Lua nor libcurl. Part of
 * qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_MESSAGE_H
#define QCIMAGE_HTTP_MESSAGE_H

#include "http.h"

/* Bytes that grow as needed, up to max. */
typedef struct {
  char *data;
  size_t len, size, max;
} qc_buffer;

/* Adds bytes. 0: out of memory, or beyond max; then nothing was added. */
int qc_buffer_add(qc_buffer *buffer, const char *bytes, size_t len);
void qc_buffer_free(qc_buffer *buffer);

/* An answer while it is read. */
typedef struct {
  enum { QC_STATUS_LINE, QC_FIELDS, QC_HEAD_DONE } state;
  long status;
  size_t head_bytes, head_lines, header_count;
  int is_old, is_chunked; /* HTTP/1.0; Transfer-Encoding: chunked came */
  int is_last;            /* HTTP/1.0, or Connection: close came */
  size_t length_at;       /* where in head the Content-Length is, or 0 */
  qc_buffer head; /* header_count times: lower-case name, \0, value, \0 */
  qc_buffer body;
  const char *fault;  /* why reading stopped, or NULL */
  const char *reason; /* the fault's, as in qc_http_result */
} qc_response;

void qc_response_init(qc_response *reply, size_t max_body);
/* Forgets the answer before. */
void qc_response_start(qc_response *reply);
/* Takes a line of the head or of the trailer, with its line end. 0: a fault,
   which is noted. */
int qc_response_line(qc_response *reply, const char *line, size_t len);
/* Takes a piece of the body. 0: a fault, which is noted. */
int qc_response_body(qc_response *reply, const char *bytes, size_t len);
/* Takes the end. 0: a fault, which is noted. */
int qc_response_end(qc_response *reply);
/* Notes that a line of the head could not be held. */
void qc_response_overflow(qc_response *reply);
void qc_response_free(qc_response *reply);

/* Adds "Name: value" and \0, in the form that libcurl wants. 0: no room. */
int qc_add_header(qc_buffer *lines, const qc_http_header *header);
/* Whether a request has a header, in whatever case; name in lower case. */
int qc_has_header(const qc_http_request *request, const char *name);

#endif
