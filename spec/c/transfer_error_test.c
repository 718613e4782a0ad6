/*
 * transfer_error_test.c - tests of src/transfer_error.c: each CURLcode that
 * can come, and the texts. Part of qcimage, see LICENSE.
 */
#include "../../src/transfer_error.h"
#include "check.h"

#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>

/* A transfer that failed over a connection without a proxy. */
static qc_transfer_error failed(int code, int sent)
{
  static char text[CURL_ERROR_SIZE];
  qc_transfer_error failure = {0};
  failure.code = code;
  failure.sent = sent;
  failure.has_tried = 1;
  failure.peer = failure.peer_port = "";
  failure.url = "https://api.test/v2";
  failure.text = text;
  failure.size = sizeof(text);
  text[0] = '\0';
  return failure;
}

static int is_reason(const qc_transfer_error *failure, const char *expected)
{
  const char *reason = qc_transfer_error_reason(failure);
  if (expected == NULL || reason == NULL)
    return expected == reason;
  return strcmp(reason, expected) == 0;
}

/* Before anything was sent, without a proxy and over one; and behind that. */
static const struct {
  int code;
  const char *before, *over_proxy, *after;
} codes[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, NULL, NULL, "format"}, /* HTTP/0.9 */
    {CURLE_FAILED_INIT, NULL, NULL, NULL},
    {CURLE_URL_MALFORMAT, NULL, NULL, "format"},
    {CURLE_NOT_BUILT_IN, NULL, NULL, NULL},
    {CURLE_COULDNT_RESOLVE_PROXY, "proxy", "proxy", "proxy"},
    {CURLE_COULDNT_RESOLVE_HOST, "dns", "dns", "dns"},
    {CURLE_COULDNT_CONNECT, "connect", "proxy", "closed"},
    {8 /* CURLE_WEIRD_SERVER_REPLY */, NULL, NULL, "format"},
    {CURLE_PARTIAL_FILE, "connect", "proxy", "closed"},
    {CURLE_OUT_OF_MEMORY, NULL, NULL, NULL},
    {CURLE_OPERATION_TIMEDOUT, "timeout", "timeout", "timeout"},
    {CURLE_SSL_CONNECT_ERROR, "tls", "tls", "tls"},
    {CURLE_ABORTED_BY_CALLBACK, NULL, NULL, "closed"},
    {CURLE_UNKNOWN_OPTION, NULL, NULL, NULL},
    {CURLE_GOT_NOTHING, "connect", "proxy", "closed"},
    {CURLE_SEND_ERROR, "connect", "proxy", "closed"},
    {CURLE_RECV_ERROR, "connect", "proxy", "closed"},
    {CURLE_SSL_CERTPROBLEM, "tls", "tls", "tls"},
    {CURLE_SSL_CIPHER, "tls", "tls", "tls"},
    {60 /* CURLE_PEER_FAILED_VERIFICATION */, "tls", "tls", "tls"},
    {CURLE_BAD_CONTENT_ENCODING, NULL, NULL, "format"},
    {CURLE_FILESIZE_EXCEEDED, "tooLarge", "tooLarge", "tooLarge"},
    {CURLE_SSL_ENGINE_INITFAILED, "tls", "tls", "tls"},
    {CURLE_SSL_CACERT_BADFILE, "tls", "tls", "tls"},
    {CURLE_SSL_ISSUER_ERROR, "tls", "tls", "tls"},
    {97 /* CURLE_PROXY */, "proxy", "proxy", "proxy"},
    {100 /* CURLE_TOO_LARGE */, "tooLarge", "tooLarge", "tooLarge"},
    {500, NULL, NULL, "format"}, /* one that nobody knows yet */
};

static void test_codes(void)
{
  size_t i;
  for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
    qc_transfer_error failure = failed(codes[i].code, 0);
    CHECK(is_reason(&failure, codes[i].before));
    failure.has_proxy = 1;
    CHECK(is_reason(&failure, codes[i].over_proxy));
    failure = failed(codes[i].code, 1);
    CHECK(is_reason(&failure, codes[i].after));
  }
}

static void test_proxies(void)
{
  qc_transfer_error failure = failed(CURLE_COULDNT_CONNECT, 0);
  failure.proxy_status = 407; /* 8.23 */
  CHECK(is_reason(&failure, "proxy"));
  failure.code = CURLE_RECV_ERROR; /* before */
  CHECK(is_reason(&failure, "proxy"));
  failure = failed(CURLE_COULDNT_CONNECT, 0);
  failure.proxy_error = 3;
  CHECK(is_reason(&failure, "proxy"));
  failure = failed(CURLE_COULDNT_CONNECT, 0);
  failure.has_tried = 0; /* its scheme is unknown */
  CHECK(is_reason(&failure, "proxy"));
  failure = failed(CURLE_OPERATION_TIMEDOUT, 0);
  failure.proxy_status = 200;
  CHECK(is_reason(&failure, "timeout"));
  failure.proxy_status = 502; /* its body has no end */
  CHECK(is_reason(&failure, "proxy"));
  failure = failed(CURLE_OPERATION_TIMEDOUT, 1); /* without a tunnel */
  failure.proxy_status = 407;
  CHECK(is_reason(&failure, "proxy"));
  failure = failed(CURLE_RECV_ERROR, 1); /* the server's, behind a tunnel */
  failure.has_proxy = 1;
  failure.proxy_status = 200;
  CHECK(is_reason(&failure, "closed"));
}

/* Where no number tells of a proxy: libcurl before 8.10. */
static void test_names(void)
{
  static const struct {
    const char *url, *named, *reason, *connect_to;
  } cases[] = {
      {"https://api.test/v2", "api.test port 443", "connect", NULL},
      {"https://api.test", "api.test port 443", "connect", NULL},
      {"https://api.test/v2", "api.test port 80", "proxy", NULL},
      {"https://api.test/v2", "api.test port 4430", "proxy", NULL},
      {"https://api.test/v2", "api.test port 44", "proxy", NULL},
      {"https://api.test/v2", "api.tes port 443", "proxy", NULL},
      {"https://api.test/v2", "api.test.other port 443", "proxy", NULL},
      {"https://api.test:8443/v2", "api.test port 8443", "connect", NULL},
      {"https://api.test:8443/v2", "api.test port 443", "proxy", NULL},
      {"https://api.test:8443?a:1", "api.test port 8443", "connect", NULL},
      {"http://api.test/v2", "api.test port 80", "connect", NULL},
      {"http://api.test/v2", "10.0.0.1 port 80", "proxy", NULL},
      {"https://[::1]:8443/v2", "::1 port 8443", "connect", NULL},
      {"https://[::1]/v2", "::1 port 443", "connect", NULL},
      {"https://[::1]/v2", "::2 port 443", "proxy", NULL},
      {"https://api.test/v2", "10.0.0.1 port 8443", "connect",
       "::10.0.0.1:8443"},
      {"https://api.test/v2", "::1 port 8443", "connect", "::[::1]:8443"},
      {"https://api.test/v2", "api.test port 443", "proxy", "::10.0.0.1:443"},
      {"https://api.test/v2", "10.0.0.2 port 8080", "proxy", "::10.0.0.1:443"},
  };
  size_t i;
  for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    qc_transfer_error failure = failed(CURLE_COULDNT_CONNECT, 0);
    failure.has_proxy = -1;
    failure.url = cases[i].url;
    failure.connect_to = cases[i].connect_to;
    (void)snprintf(failure.text, failure.size,
                   "Failed to connect to %s after 0 ms: Couldn't connect",
                   cases[i].named);
    CHECK(is_reason(&failure, cases[i].reason));
    (void)snprintf(failure.text, failure.size, "Failed to connect to %s: no",
                   cases[i].named); /* 7.74 */
    CHECK(is_reason(&failure, cases[i].reason));
    failure.has_proxy = 0;
    CHECK(is_reason(&failure, "connect"));
    failure.has_proxy = -1;
    failure.text[0] = '\0';
    CHECK(is_reason(&failure, "connect"));
  }
}

/* Where no number tells of malformed chunks. */
static void test_chunks(void)
{
  static const char *const texts[] = {
      "Illegal or missing hexadecimal sequence in chunked-encoding", /* 7.88 */
      "chunk hex-length char not a hex digit: 0x7a",                 /* 8.14 */
      "Malformed encoding found in chunked-encoding"};
  size_t i;
  for (i = 0; i < 3; i++) {
    qc_transfer_error failure = failed(CURLE_RECV_ERROR, 1);
    strcpy(failure.text, texts[i]);
    CHECK(is_reason(&failure, "format"));
  }
}

static const char *described(qc_transfer_error *failure, const char *text)
{
  (void)snprintf(failure->text, failure->size, "%s", text);
  qc_transfer_error_describe(failure, qc_transfer_error_reason(failure));
  return failure->text;
}

static void test_texts(void)
{
  qc_transfer_error failure = failed(CURLE_COULDNT_RESOLVE_HOST, 0);
  char long_login[2 * CURL_ERROR_SIZE];
  CHECK(strcmp(described(&failure, ""),
               curl_easy_strerror(CURLE_COULDNT_RESOLVE_HOST)) == 0);
  CHECK(strcmp(described(&failure, "a\r\nb\x7f\x1b"), "a  b  ") == 0);

  failure.code = CURLE_COULDNT_RESOLVE_PROXY; /* 5: its URL is malformed */
  CHECK(strcmp(described(&failure, "syntax in 'http://us:secret\n@h:1'"),
               "syntax in 'http://***@h:1'") == 0);
  CHECK(strcmp(described(&failure, "syntax in 'us:sec@ret@h:1'"),
               "syntax in '***@h:1'") == 0);
  CHECK(strcmp(described(&failure, "syntax in 'us:se://cr@et@h:x'"),
               "syntax in '***@h:x'") == 0);
  CHECK(strcmp(described(&failure, "syntax in 'socks5h://us:se@h:x'"),
               "syntax in 'socks5h://***@h:x'") == 0);
  CHECK(strcmp(described(&failure, "syntax in 'http://u@h'"),
               "syntax in 'http://*@h'") == 0);
  CHECK(strcmp(described(&failure, "syntax in 'http://@h'"),
               "syntax in 'http://@h'") == 0);
  CHECK(strcmp(described(&failure, "no login in 'h:x'"),
               "no login in 'h:x'") == 0);
  memset(long_login, 's', sizeof(long_login));
  memcpy(long_login, "syntax in 'http://us:", 21);
  long_login[sizeof(long_login) - 1] = '\0';
  CHECK(strstr(described(&failure, long_login), "us:") == NULL);

  failure.peer = "10.0.0.1";
  failure.peer_port = "3128";
  CHECK(strcmp(described(&failure, "no"), "no (proxy 10.0.0.1, port 3128)") ==
        0);
  memset(long_login, 'x', sizeof(long_login) - 1);
  CHECK(strlen(described(&failure, long_login)) == CURL_ERROR_SIZE - 1);
  failure.code = CURLE_COULDNT_RESOLVE_HOST;
  CHECK(strcmp(described(&failure, "no"), "no") == 0);

  failure = failed(CURLE_COULDNT_CONNECT, 0);
  failure.socket_error = 24; /* EMFILE */
  CHECK(strstr(described(&failure, "Couldn't connect"), strerror(24)) != NULL);
  failure = failed(CURLE_ABORTED_BY_CALLBACK, 1);
  CHECK(strstr(described(&failure, "aborted"), "kept connection") != NULL);
  failure = failed(CURLE_OUT_OF_MEMORY, 0);
  CHECK(strstr(described(&failure, ""), "out of memory") != NULL);
}

int main(void)
{
  test_codes();
  test_proxies();
  test_names();
  test_chunks();
  test_texts();
  return CHECK_RESULT();
}
