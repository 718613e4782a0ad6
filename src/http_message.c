/*
 * http_message.c - the text of HTTP messages, see http_message.h.
 * Opens and sends nothing. Part of qcimage, see LICENSE.
 *
 * The rules are those of RFC 9110 and RFC 9112, read strictly: what libcurl
 * lets pass and a service would never send is refused.
 */
#include "http_message.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

/* Smallest piece of memory that a buffer takes. */
#define FIRST_SIZE 4096

/* Makes room for len more bytes. 0: out of memory, or beyond max. */
static int reserve(qc_buffer *buffer, size_t len)
{
  size_t size = buffer->size == 0 ? FIRST_SIZE : buffer->size;
  char *data;
  if (len > buffer->max - buffer->len)
    return 0;
  while (size - buffer->len < len)
    size *= 2;
  if (size > buffer->max)
    size = buffer->max;
  if (size <= buffer->size)
    return 1;
  data = realloc(buffer->data, size);
  if (data == NULL)
    return 0;
  buffer->data = data;
  buffer->size = size;
  return 1;
}

int qc_buffer_add(qc_buffer *buffer, const char *bytes, size_t len)
{
  if (!reserve(buffer, len))
    return 0;
  if (len > 0)
    memcpy(buffer->data + buffer->len, bytes, len);
  buffer->len += len;
  return 1;
}

void qc_buffer_free(qc_buffer *buffer)
{
  free(buffer->data);
  buffer->data = NULL;
  buffer->len = buffer->size = 0;
}

static int is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static int is_blank(char c)
{
  return c == ' ' || c == '\t';
}

/* By bytes, whatever the locale. */
static char lower(char c)
{
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* What a header's name is made of. */
static int is_token(const char *text, size_t len)
{
  size_t i;
  for (i = 0; i < len; i++) {
    char c = lower(text[i]);
    if (!is_digit(c) && !(c >= 'a' && c <= 'z') &&
        (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
      return 0;
  }
  return len > 0;
}

static int has_control(const char *text, size_t len)
{
  size_t i;
  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < ' ' ? c != '\t' : c == 127)
      return 1;
  }
  return 0;
}

static int same_name(const char *a, size_t a_len, const char *b, size_t b_len)
{
  size_t i = 0;
  if (a_len != b_len)
    return 0;
  while (i < a_len && lower(a[i]) == lower(b[i]))
    i++;
  return i == a_len;
}

/* The request */

int qc_has_header(const qc_http_request *request, const char *name)
{
  size_t i;
  for (i = 0; i < request->header_count; i++)
    if (same_name(request->headers[i].name, request->headers[i].name_len, name,
                  strlen(name)))
      return 1;
  return 0;
}

int qc_add_header(qc_buffer *lines, const qc_http_header *header)
{
  size_t i = 0;
  while (i < header->value_len && is_blank(header->value[i]))
    i++;
  if (!qc_buffer_add(lines, header->name, header->name_len))
    return 0;
  if (i == header->value_len) /* "Name:" would leave the header out */
    return qc_buffer_add(lines, ";", 2);
  return qc_buffer_add(lines, ": ", 2) &&
         qc_buffer_add(lines, header->value, header->value_len) &&
         qc_buffer_add(lines, "", 1);
}

/* Takes len bytes off the room that is left, if it has them: a sum of what one
   large text gives many times would wrap on 32 bit. */
static int take_room(size_t *room, size_t len)
{
  if (len > *room)
    return 0;
  *room -= len;
  return 1;
}

/* Whether URL and header lines are as short as they must be. */
static int fits(const qc_http_request *request)
{
  /* what is sent beside those of the caller are two short lines */
  size_t room = QC_HTTP_REQUEST_HEAD_MAX - 2 * 32, i;
  if (!take_room(&room, request->url_len))
    return 0;
  for (i = 0; i < request->header_count; i++)
    if (!take_room(&room, request->headers[i].name_len) ||
        !take_room(&room, request->headers[i].value_len) ||
        !take_room(&room, sizeof(": ")))
      return 0;
  return 1;
}

/* What is wrong with header n of a request. */
static const char *header_fault(const qc_http_request *request, size_t n)
{
  static const char *const reserved[] = {"content-length", "transfer-encoding",
                                         "expect"};
  const qc_http_header *header = &request->headers[n];
  size_t i;
  if (has_control(header->value, header->value_len))
    return "holds a control character";
  for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
    if (same_name(header->name, header->name_len, reserved[i],
                  strlen(reserved[i])))
      return "is not the caller's to set";
  for (i = 0; i < n; i++)
    if (same_name(header->name, header->name_len, request->headers[i].name,
                  request->headers[i].name_len))
      return "occurs twice";
  return NULL;
}

const char *qc_http_validate(const qc_http_request *request, size_t *header)
{
  const char *url = request->url, *fault = NULL;
  size_t i;
  *header = request->header_count;
  if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
    return "the URL does not begin with https:// or http://";
  if (!fits(request)) /* first, so that what follows is quick */
    return "URL and headers are too long";
  for (i = 0; i < request->url_len; i++)
    if ((unsigned char)url[i] <= ' ' || url[i] == 127)
      return "the URL holds a blank or a control character";
  if (!request->is_post && request->body_len > 0)
    return "a GET has no body";
  for (i = 0; i < request->header_count; i++)
    if (!is_token(request->headers[i].name, request->headers[i].name_len))
      return "a header's name is malformed";
  for (i = 0; i < request->header_count && fault == NULL; i++) {
    fault = header_fault(request, i);
    if (fault != NULL)
      *header = i;
  }
  return fault;
}

/* The answer */

/* Notes a fault. */
static int refuse(qc_response *reply, const char *reason, const char *fault)
{
  reply->reason = reason;
  reply->fault = fault;
  return 0;
}

void qc_response_init(qc_response *reply, size_t max_body)
{
  memset(reply, 0, sizeof(*reply));
  reply->head.max = QC_HTTP_HEAD_MAX;
  reply->body.max = max_body;
}

void qc_response_start(qc_response *reply)
{
  reply->state = QC_STATUS_LINE;
  reply->status = 0;
  reply->head_bytes = reply->head_lines = reply->header_count = 0;
  reply->is_old = reply->is_chunked = reply->is_last = 0;
  reply->length_at = 0;
  reply->head.len = reply->body.len = 0;
  reply->fault = reply->reason = NULL;
}

/* "HTTP/1.1 200 OK", the words after the number optional. */
static int take_status(qc_response *reply, const char *line, size_t len)
{
  if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
      line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) ||
      !is_digit(line[11]) || (len > 12 && line[12] != ' '))
    return refuse(reply, "format", "the answer does not begin as HTTP/1 does");
  reply->status =
      (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (reply->status < 100 || reply->status == 101) /* nobody asked for 101 */
    return refuse(reply, "format", "the answer has a status that is not due");
  reply->is_old = line[7] == '0';
  reply->is_last = reply->is_old; /* what an interim response said goes */
  reply->is_chunked = 0;
  reply->head.len = reply->header_count = reply->length_at = 0;
  reply->state = QC_FIELDS;
  return 1;
}

/* Whether a list of words, with commas between them, has one; in whatever
   case. */
static int has_item(const char *list, const char *word)
{
  while (*list != '\0') {
    size_t len;
    list += strspn(list, ", \t");
    len = strcspn(list, ", \t");
    if (same_name(list, len, word, strlen(word)))
      return 1;
    list += len;
  }
  return 0;
}

/* Holds the last field against the rules of framing (RFC 9112, 6.3), of which
   libcurl is less strict. Name and value are where in head. */
static int take_framing(qc_response *reply, size_t name, size_t value)
{
  const char *text = reply->head.data + value;
  size_t len = strlen(text);
  if (strcmp(reply->head.data + name, "content-length") == 0) {
    if (len == 0 || strspn(text, "0123456789") != len || reply->length_at != 0)
      return refuse(reply, "format",
                    "the answer has a malformed Content-Length");
    reply->length_at = value;
  } else if (strcmp(reply->head.data + name, "transfer-encoding") == 0) {
    if (reply->is_old || reply->is_chunked ||
        !same_name(text, len, "chunked", strlen("chunked")))
      return refuse(reply, "format",
                    "the answer has a Transfer-Encoding that cannot be "
                    "trusted");
    reply->is_chunked = 1;
  }
  if (strcmp(reply->head.data + name, "connection") == 0 &&
      has_item(text, "close"))
    reply->is_last = 1;
  if (reply->is_chunked && reply->length_at != 0)
    return refuse(reply, "format",
                  "the answer has both a Content-Length and chunks");
  return 1;
}

static int take_field(qc_response *reply, const char *line, size_t len)
{
  const char *colon = memchr(line, ':', len), *value;
  size_t name_len, value_len, start = reply->head.len, i;
  if (colon == NULL)
    return refuse(reply, "format", "the answer has a malformed header");
  name_len = (size_t)(colon - line);
  value = colon + 1;
  value_len = len - name_len - 1;
  while (value_len > 0 && is_blank(value[0]))
    value++, value_len--;
  while (value_len > 0 && is_blank(value[value_len - 1]))
    value_len--;
  if (!is_token(line, name_len) || has_control(value, value_len))
    return refuse(reply, "format", "the answer has a malformed header");
  if (!qc_buffer_add(&reply->head, line, name_len) ||
      !qc_buffer_add(&reply->head, "", 1) ||
      !qc_buffer_add(&reply->head, value, value_len) ||
      !qc_buffer_add(&reply->head, "", 1))
    return refuse(reply, NULL, "out of memory");
  for (i = start; i < start + name_len; i++)
    reply->head.data[i] = lower(reply->head.data[i]);
  reply->header_count++;
  return take_framing(reply, start, start + name_len + 1);
}

int qc_response_line(qc_response *reply, const char *line, size_t len)
{
  reply->head_bytes += len;
  reply->head_lines++;
  if (reply->head_bytes > QC_HTTP_HEAD_MAX ||
      reply->head_lines > QC_HTTP_HEAD_LINES)
    return refuse(reply, "tooLarge", "the answer's head is too large");
  if (len > 0 && line[len - 1] == '\n')
    len--;
  if (len > 0 && line[len - 1] == '\r')
    len--;
  if (reply->state == QC_STATUS_LINE)
    return take_status(reply, line, len);
  if (reply->state == QC_FIELDS && len > 0)
    return take_field(reply, line, len);
  if (reply->state == QC_FIELDS) /* after an interim answer comes another */
    reply->state = reply->status < 200 ? QC_STATUS_LINE : QC_HEAD_DONE;
  return 1; /* a trailer is of no use */
}

int qc_response_body(qc_response *reply, const char *bytes, size_t len)
{
  if (reply->state != QC_HEAD_DONE)
    return refuse(reply, "format", "the answer has no head");
  if (len > reply->body.max - reply->body.len)
    return refuse(reply, "tooLarge", "the answer's body is too large");
  if (!qc_buffer_add(&reply->body, bytes, len))
    return refuse(reply, NULL, "out of memory");
  return 1;
}

int qc_response_end(qc_response *reply)
{
  if (reply->state != QC_HEAD_DONE)
    return refuse(reply, "closed", "the answer ends in its head");
  return 1;
}

void qc_response_overflow(qc_response *reply)
{
  if (reply->state != QC_HEAD_DONE && reply->fault == NULL)
    (void)refuse(reply, "tooLarge",
                 "the answer's head is too large, or memory ran out");
}

void qc_response_free(qc_response *reply)
{
  qc_buffer_free(&reply->head);
  qc_buffer_free(&reply->body);
}
