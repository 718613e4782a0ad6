/*
 * fuzz_message.c - how an answer is read that libcurl hands over piece by
 * piece, and what a request may hold. Part of qcimage, see LICENSE.
 *
 * Input: a byte for the most that a body may have, then lines. One that
 * begins with '=' is a piece of the body, one with '!' a header of a request,
 * one with '*' a line of the head many times over; others are lines of the
 * head.
 */
#include "fuzz.h"
#include "../../src/http_message.h"
#include "../../src/limits.h"

static int is_small(const char *name)
{
  return name[strcspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ:\r\n\t ")] == '\0';
}

/* What may be said of an answer at any time. */
static void check_reply(const qc_response *reply, size_t body_max)
{
  const char *at = reply->head.data;
  size_t i;
  MUST(reply->head.len <= QC_HTTP_HEAD_MAX &&
       reply->head.len <= reply->head.size);
  MUST(reply->body.len <= body_max && reply->body.len <= reply->body.size);
  MUST(reply->body.size <= body_max && reply->head.size <= QC_HTTP_HEAD_MAX);
  MUST(reply->header_count <= QC_HTTP_HEAD_LINES);
  for (i = 0; i < reply->header_count; i++) {
    const char *name = at, *value = name + strlen(name) + 1;
    MUST(*name != '\0' && is_small(name));
    MUST(value[strcspn(value, "\r\n\x7f")] == '\0');
    at = value + strlen(value) + 1;
  }
  MUST(at == NULL || at == reply->head.data + reply->head.len);
  if (reply->state == QC_HEAD_DONE)
    MUST(reply->status >= 200 && reply->status <= 999);
}

typedef struct {
  qc_http_header headers[QC_HTTP_REQUEST_HEADERS];
  char *texts[QC_HTTP_REQUEST_HEADERS];
  size_t count;
} header_list;

/* "name value": a header whose bytes end where they end. */
static void add_header(header_list *list, char *text, size_t len)
{
  char *blank = memchr(text, ' ', len);
  qc_http_header *header;
  if (list->count == QC_HTTP_REQUEST_HEADERS) {
    free(text);
    return;
  }
  list->texts[list->count] = text;
  header = &list->headers[list->count++];
  header->name = text + 1;
  header->name_len = blank != NULL ? (size_t)(blank - text) - 1 : len - 1;
  header->value = blank != NULL ? blank + 1 : text + len;
  header->value_len = blank != NULL ? len - 2 - header->name_len : 0;
}

static void check_request(header_list *list, const char *url)
{
  qc_http_request request = {url, NULL, list->headers, strlen(url), 0, 0, 1, 1,
                             0,   0,    NULL};
  qc_buffer lines = {NULL, 0, 0, QC_HTTP_REQUEST_HEAD_MAX};
  size_t faulty, i;
  const char *fault;
  request.header_count = list->count;
  fault = qc_http_validate(&request, &faulty);
  MUST(faulty <= list->count && (fault != NULL || faulty == list->count));
  if (fault == NULL) {
    for (i = 0; i < list->count; i++) {
      const qc_http_header *header = &list->headers[i];
      size_t start = lines.len;
      const char *line;
      MUST(qc_add_header(&lines, header));
      line = lines.data + start;
      MUST(line[strcspn(line, "\r\n")] == '\0'); /* one line */
      MUST(strncmp(line, header->name, header->name_len) == 0);
      MUST(strchr(":;", line[header->name_len]) != NULL);
      if (strchr(line, ';') == NULL)
        MUST(strlen(line) == header->name_len + 2 + header->value_len);
    }
  }
  qc_buffer_free(&lines);
  for (i = 0; i < list->count; i++)
    free(list->texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  fuzz_input input = {(const char *)data, size};
  size_t body_max = 1 + 100 * (size_t)fuzz_byte(&input), fed = 0;
  header_list list = {.count = 0};
  qc_response reply;
  int goes_on = 1;
  qc_response_init(&reply, body_max);
  qc_response_start(&reply);
  while (input.left > 0) {
    size_t len, times = 1;
    char *line = fuzz_line(&input, &len);
    if (len > 0 && line[0] == '!') {
      add_header(&list, line, len);
      continue;
    }
    if (len > 0 && line[0] == '*')
      times = 300;
    for (; goes_on && times > 0; times--) {
      if (len > 0 && line[0] == '=') {
        goes_on = qc_response_body(&reply, line + 1, len - 1);
        if (goes_on) {
          fed += len - 1;
          MUST(reply.body.len == fed);
          MUST(memcmp(reply.body.data + fed - (len - 1), line + 1, len - 1) ==
               0);
        }
      } else {
        goes_on = qc_response_line(&reply, line, len);
      }
      check_reply(&reply, body_max);
      MUST(goes_on == (reply.fault == NULL));
    }
    free(line);
  }
  if (goes_on && qc_response_end(&reply))
    MUST(reply.state == QC_HEAD_DONE && reply.fault == NULL);
  else
    MUST(reply.fault != NULL);
  qc_response_start(&reply); /* the next one is another */
  MUST(reply.body.len == 0 && reply.header_count == 0 && reply.fault == NULL);
  qc_response_free(&reply);
  check_request(&list, "https://h.example/");
  return 0;
}
