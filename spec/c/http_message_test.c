/*
 * http_message_test.c - tests of src/http_message.c at its limits.
 * Part of qcimage, see LICENSE.
 */
#include "../../src/http_message.h"
#include "../../src/limits.h"
#include "check.h"

#include <stdlib.h>

static int line(qc_reply *reply, const char *text)
{
  return qc_reply_line(reply, text, strlen(text));
}

static int refused(const qc_reply *reply, const char *reason)
{
  return reply->fault != NULL && reply->reason != NULL &&
         strcmp(reply->reason, reason) == 0;
}

static void test_buffer(void)
{
  qc_buffer buffer = {NULL, 0, 0, 10000};
  CHECK(qc_buffer_reserve(&buffer, 0));
  CHECK(qc_buffer_reserve(&buffer, 5000));
  CHECK(buffer.size >= 5000 && buffer.size <= 10000);
  qc_buffer_add(&buffer, "abc", 3);
  CHECK(qc_buffer_reserve(&buffer, 9997));
  CHECK(buffer.size == 10000);
  CHECK(memcmp(buffer.data, "abc", 3) == 0);
  CHECK(!qc_buffer_reserve(&buffer, 9998));
  CHECK(!qc_buffer_reserve(&buffer, (size_t)-1));
  CHECK(buffer.len == 3 && buffer.size == 10000);
  qc_buffer_free(&buffer);
  CHECK(buffer.data == NULL && buffer.size == 0);
}

static void test_head(void)
{
  qc_reply reply;
  qc_reply_init(&reply, 4);
  qc_reply_start(&reply);
  CHECK(line(&reply, "HTTP/1.1 100 Continue\r\n"));
  CHECK(line(&reply, "X-Dropped: 1\r\n"));
  CHECK(line(&reply, "\r\n"));
  CHECK(!qc_reply_end(&reply) && refused(&reply, "closed"));
  qc_reply_start(&reply);
  CHECK(reply.fault == NULL);
  CHECK(line(&reply, "HTTP/1.0 404\n"));
  CHECK(line(&reply, "X-A:\t b \t\r\n"));
  CHECK(line(&reply, "x-B:\r\n"));
  CHECK(!qc_reply_body(&reply, "a", 1)); /* the head goes on */
  qc_reply_start(&reply);
  CHECK(line(&reply, "HTTP/1.0 404\n"));
  CHECK(line(&reply, "X-A:\t b \t\r\n"));
  CHECK(line(&reply, "x-B:\r\n"));
  CHECK(line(&reply, "\n"));
  CHECK(reply.status == 404 && reply.header_count == 2);
  CHECK(reply.head.len == 11);
  CHECK(memcmp(reply.head.data, "x-a\0b\0x-b\0", 11) == 0);
  CHECK(qc_reply_body(&reply, "abc", 3));
  CHECK(qc_reply_body(&reply, "d", 1));
  CHECK(qc_reply_end(&reply));
  CHECK(!qc_reply_body(&reply, "e", 1) && refused(&reply, "tooLarge"));
  CHECK(reply.body.len == 4 && memcmp(reply.body.data, "abcd", 4) == 0);
  CHECK(line(&reply, "X-Trailer: 1\r\n") && reply.header_count == 2);
  qc_reply_free(&reply);
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
  qc_reply reply;
  size_t i;
  qc_reply_init(&reply, 4);
  for (i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++) {
    qc_reply_start(&reply);
    CHECK(!line(&reply, status_lines[i]) && refused(&reply, "format"));
  }
  for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    qc_reply_start(&reply);
    CHECK(line(&reply, "HTTP/1.1 200 OK\r\n"));
    CHECK(!line(&reply, fields[i]) && refused(&reply, "format"));
  }
  qc_reply_start(&reply);
  CHECK(line(&reply, "HTTP/1.1 200 OK\r\n"));
  CHECK(!qc_reply_line(&reply, "A: b\0c\r\n", 8) && refused(&reply, "format"));
  qc_reply_free(&reply);
}

/* The largest head that is taken, and one byte or line more. */
static void test_limits(void)
{
  static const char start[] = "HTTP/1.1 200 OK\r\n";
  size_t room = QC_HTTP_HEAD_MAX - strlen(start), i;
  char *longest = malloc(room + 1);
  qc_reply reply;
  qc_reply_init(&reply, 4);
  memset(longest, 'x', room + 1);
  longest[1] = ':';
  longest[room - 1] = '\n';
  qc_reply_start(&reply);
  CHECK(line(&reply, start));
  CHECK(qc_reply_line(&reply, longest, room));
  CHECK(!line(&reply, "\n") && refused(&reply, "tooLarge"));
  longest[room - 1] = 'x';
  longest[room] = '\n';
  qc_reply_start(&reply);
  CHECK(line(&reply, start));
  CHECK(!qc_reply_line(&reply, longest, room + 1));
  CHECK(refused(&reply, "tooLarge"));
  free(longest);

  qc_reply_start(&reply);
  CHECK(line(&reply, start));
  for (i = 0; i < QC_HTTP_HEAD_LINES - 2; i++)
    CHECK(line(&reply, "A:b\n"));
  CHECK(line(&reply, "\n"));
  CHECK(!line(&reply, "A:b\n") && refused(&reply, "tooLarge"));

  qc_reply_start(&reply);
  qc_reply_overflow(&reply);
  CHECK(refused(&reply, "tooLarge"));
  qc_reply_free(&reply);
}

static void test_request(void)
{
  const qc_http_header headers[] = {{"Host", "a.test", 4, 6},
                                    {"X-Blank", " \t", 7, 2},
                                    {"X-None", "", 6, 0},
                                    {"X-Tab", "a\tb", 5, 3}};
  qc_http_request request = {
      "https://a.test/", "", headers, 15, 0, 4, 1, 1, 0, 0};
  qc_buffer lines = {NULL, 0, 0, QC_HTTP_REQUEST_HEAD_MAX};
  size_t faulty;
  CHECK(qc_http_fault(&request, &faulty) == NULL);
  CHECK(qc_has_header(&request, "host") && !qc_has_header(&request, "hos"));
  CHECK(qc_buffer_reserve(&lines, qc_headers_length(&request)));
  CHECK(strcmp(qc_add_header(&lines, &headers[0]), "Host: a.test") == 0);
  CHECK(strcmp(qc_add_header(&lines, &headers[1]), "X-Blank;") == 0);
  CHECK(strcmp(qc_add_header(&lines, &headers[2]), "X-None;") == 0);
  CHECK(strcmp(qc_add_header(&lines, &headers[3]), "X-Tab: a\tb") == 0);
  CHECK(lines.len <= qc_headers_length(&request));
  qc_buffer_free(&lines);
}

int main(void)
{
  test_buffer();
  test_head();
  test_malformed();
  test_limits();
  test_request();
  return CHECK_RESULT();
}
