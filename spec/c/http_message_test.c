/*
 * http_message_test.c - tests of src/http_message.c at its limits.
 * Part of qcimage, see LICENSE.
 */
#include "../../src/http_message.h"
#include "../../src/limits.h"
#include "check.h"

#include <stdlib.h>

static int line(qc_response *reply, const char *text)
{
  return qc_response_line(reply, text, strlen(text));
}

static int refused(const qc_response *reply, const char *reason)
{
  return reply->fault != NULL && reply->reason != NULL &&
         strcmp(reply->reason, reason) == 0;
}

static void test_buffer(void)
{
  qc_buffer buffer = {NULL, 0, 0, 10000};
  static const char bytes[10000];
  CHECK(qc_buffer_add(&buffer, "", 0));
  CHECK(qc_buffer_add(&buffer, "abc", 3));
  CHECK(qc_buffer_add(&buffer, bytes, 5000));
  CHECK(buffer.size >= 5003 && buffer.size <= 10000);
  CHECK(qc_buffer_add(&buffer, bytes, 4997));
  CHECK(buffer.len == 10000 && buffer.size == 10000);
  CHECK(memcmp(buffer.data, "abc", 4) == 0);
  CHECK(!qc_buffer_add(&buffer, bytes, 1));
  buffer.len = 3;
  CHECK(!qc_buffer_add(&buffer, bytes, 9998));
  CHECK(!qc_buffer_add(&buffer, bytes, (size_t)-1));
  CHECK(!qc_buffer_add(&buffer, bytes, (size_t)-2));
  CHECK(buffer.len == 3 && buffer.size == 10000);
  qc_buffer_free(&buffer);
  CHECK(buffer.data == NULL && buffer.size == 0);
}

static void test_head(void)
{
  qc_response reply;
  qc_response_init(&reply, 4);
  qc_response_start(&reply);
  CHECK(line(&reply, "HTTP/1.1 100 Continue\r\n"));
  CHECK(line(&reply, "X-Dropped: 1\r\n"));
  CHECK(line(&reply, "\r\n"));
  CHECK(!qc_response_end(&reply) && refused(&reply, "closed"));
  qc_response_start(&reply);
  CHECK(reply.fault == NULL);
  CHECK(line(&reply, "HTTP/1.0 404\n"));
  CHECK(line(&reply, "X-A:\t b \t\r\n"));
  CHECK(line(&reply, "x-B:\r\n"));
  CHECK(!qc_response_body(&reply, "a", 1)); /* the head goes on */
  qc_response_start(&reply);
  CHECK(line(&reply, "HTTP/1.0 404\n"));
  CHECK(line(&reply, "X-A:\t b \t\r\n"));
  CHECK(line(&reply, "x-B:\r\n"));
  CHECK(line(&reply, "\n"));
  CHECK(reply.status == 404 && reply.header_count == 2);
  CHECK(reply.head.len == 11);
  CHECK(memcmp(reply.head.data, "x-a\0b\0x-b\0", 11) == 0);
  CHECK(qc_response_body(&reply, "abc", 3));
  CHECK(qc_response_body(&reply, "d", 1));
  CHECK(qc_response_end(&reply));
  CHECK(!qc_response_body(&reply, "e", 1) && refused(&reply, "tooLarge"));
  CHECK(reply.body.len == 4 && memcmp(reply.body.data, "abcd", 4) == 0);
  CHECK(line(&reply, "X-Trailer: 1\r\n") && reply.header_count == 2);
  qc_response_free(&reply);
}

static void test_malformed(void)
{
  static const char *const status_lines[] = {"",
                                             "\r\n",
                                             "HTTP/1.1\r\n",
                                             "HTTP/1.1 \r\n",
                                             "HTTP/1.1 20 OK\r\n",
                                             "HTTP/1.1 2000 OK\r\n",
                                             "HTTP/2 200 OK\r\n",
                                             "HTTP/1.x 200 OK\r\n",
                                             "http/1.1 200 OK\r\n",
                                             "HTTP/1.1 099 OK\r\n",
                                             "HTTP/1.1 101 Switching\r\n",
                                             "HTTP/1.1  200 OK\r\n",
                                             "ICY 200 OK\r\n"};
  static const char *const fields[] = {
      "A\r\n",     ":b\r\n",      "A b: c\r\n",  " folded\r\n",
      "A : b\r\n", "A: b\rc\r\n", "A: \x7f\r\n", "\xc3\xa4: b\r\n"};
  qc_response reply;
  size_t i;
  qc_response_init(&reply, 4);
  for (i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++) {
    qc_response_start(&reply);
    CHECK(!line(&reply, status_lines[i]) && refused(&reply, "format"));
  }
  for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    qc_response_start(&reply);
    CHECK(line(&reply, "HTTP/1.1 200 OK\r\n"));
    CHECK(!line(&reply, fields[i]) && refused(&reply, "format"));
  }
  qc_response_start(&reply);
  CHECK(line(&reply, "HTTP/1.1 200 OK\r\n"));
  CHECK(!qc_response_line(&reply, "A: b\0c\r\n", 8) &&
        refused(&reply, "format"));
  qc_response_free(&reply);
}

/* The largest head that is taken, and one byte or line more. */
static void test_limits(void)
{
  static const char start[] = "HTTP/1.1 200 OK\r\n";
  size_t room = QC_HTTP_HEAD_MAX - strlen(start), i;
  char *longest = malloc(room + 1);
  qc_response reply;
  qc_response_init(&reply, 4);
  memset(longest, 'x', room + 1);
  longest[1] = ':';
  longest[room - 1] = '\n';
  qc_response_start(&reply);
  CHECK(line(&reply, start));
  CHECK(qc_response_line(&reply, longest, room));
  CHECK(!line(&reply, "\n") && refused(&reply, "tooLarge"));
  longest[room - 1] = 'x';
  longest[room] = '\n';
  qc_response_start(&reply);
  CHECK(line(&reply, start));
  CHECK(!qc_response_line(&reply, longest, room + 1));
  CHECK(refused(&reply, "tooLarge"));
  free(longest);

  qc_response_start(&reply);
  CHECK(line(&reply, start));
  for (i = 0; i < QC_HTTP_HEAD_LINES - 2; i++)
    CHECK(line(&reply, "A:b\n"));
  CHECK(line(&reply, "\n"));
  CHECK(!line(&reply, "A:b\n") && refused(&reply, "tooLarge"));

  qc_response_start(&reply);
  qc_response_overflow(&reply);
  CHECK(refused(&reply, "tooLarge"));
  qc_response_free(&reply);
}

static void test_request(void)
{
  const qc_http_header headers[] = {{"Host", "a.test", 4, 6},
                                    {"X-Blank", " \t", 7, 2},
                                    {"X-None", "", 6, 0},
                                    {"X-Tab", "a\tb", 5, 3}};
  qc_http_request request = {
      "https://a.test/", "", headers, 15, 0, 4, 1, 1, 0, 0, NULL};
  qc_buffer lines = {NULL, 0, 0, QC_HTTP_REQUEST_HEAD_MAX};
  static const char written[] = "Host: a.test\0X-Blank;\0X-None;\0X-Tab: a\tb";
  size_t faulty, i;
  CHECK(qc_http_validate(&request, &faulty) == NULL);
  CHECK(qc_has_header(&request, "host") && !qc_has_header(&request, "hos"));
  for (i = 0; i < 4; i++)
    CHECK(qc_add_header(&lines, &headers[i]));
  CHECK(lines.len == sizeof(written) &&
        memcmp(lines.data, written, sizeof(written)) == 0);
  lines.max = lines.len + 8;
  for (i = 0; i < 4; i++) /* the room is short at another place each time */
    CHECK(!qc_add_header(&lines, &headers[0]));
  qc_buffer_free(&lines);
}

/* Texts that are long, or together as long as a size_t can tell. */
static void test_lengths(void)
{
  static char text[QC_HTTP_REQUEST_HEAD_MAX];
  static const size_t huge[] = {(size_t)-1, (size_t)-4, (size_t)1 << 26};
  qc_http_header headers[QC_HTTP_REQUEST_HEADERS];
  qc_http_request request = {"https://a.test/",
                             "",
                             headers,
                             15,
                             0,
                             QC_HTTP_REQUEST_HEADERS,
                             1,
                             1,
                             0,
                             0,
                             NULL};
  size_t faulty, i, n;
  memset(text, 'a', sizeof(text));
  for (n = 0; n < 3; n++) {
    for (i = 0; i < QC_HTTP_REQUEST_HEADERS; i++) {
      headers[i].name = headers[i].value = text;
      headers[i].name_len = i + 1;
      headers[i].value_len = huge[n];
    }
    CHECK(strcmp(qc_http_validate(&request, &faulty),
                 "URL and headers are too long") == 0);
    for (i = 0; i < QC_HTTP_REQUEST_HEADERS; i++) {
      headers[i].name_len = huge[n];
      headers[i].value_len = 1;
    }
    CHECK(strcmp(qc_http_validate(&request, &faulty),
                 "URL and headers are too long") == 0);
  }
  request.header_count = 1;
  headers[0].name_len = 1;
  for (i = 0; i < 2; i++) { /* just as long as it may be, and one more */
    headers[0].value_len = QC_HTTP_REQUEST_HEAD_MAX - 64 - 15 - 1 - 3 + i;
    CHECK((qc_http_validate(&request, &faulty) == NULL) == (i == 0));
  }
  request.header_count = 0;
  request.url_len = (size_t)-1;
  CHECK(qc_http_validate(&request, &faulty) != NULL);
}

/* A server that ends the connection says so as one word of a list. */
static void test_last(void)
{
  static const struct {
    const char *line;
    int is_last;
  } cases[] = {{"Connection: close\r\n", 1},
               {"connection: keep-alive, CLOSE\r\n", 1},
               {"Connection: x,close\t,y\r\n", 1},
               {"Connection: close,\r\n", 1},
               {"Connection: closed\r\n", 0},
               {"Connection: keep-alive\r\n", 0},
               {"Connection:\r\n", 0},
               {"Connection: ,\r\n", 0},
               {"X-Connection: close\r\n", 0}};
  qc_response reply;
  size_t i;
  qc_response_init(&reply, 100);
  for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    qc_response_start(&reply);
    CHECK(line(&reply, "HTTP/1.1 200 OK\r\n"));
    CHECK(line(&reply, cases[i].line));
    CHECK(line(&reply, "\r\n") && reply.is_last == cases[i].is_last);
  }
  qc_response_free(&reply);
}

int main(void)
{
  test_buffer();
  test_head();
  test_malformed();
  test_limits();
  test_request();
  test_lengths();
  test_last();
  return CHECK_RESULT();
}
