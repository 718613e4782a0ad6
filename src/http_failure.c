/*
 * http_failure.c - what a transfer that failed over libcurl means, see
 * http_failure.h. Part of qcimage, see LICENSE.
 *
 * It is judged by the numbers that libcurl gives. Its texts change from one
 * version to the next; where one is looked at, the versions stand there.
 */
#include "http_failure.h"

#include <stdio.h>
#include <string.h>

#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>

/* Codes that the headers of the build may lack. */
enum { PROXY_REFUSED = 97 /* 7.73 */, TOO_LARGE = 100 /* 8.6 */ };

/* Reasons by code: when nothing was sent, and when something may have been.
   A code that is not here is a mistake of ours, or of this machine, before
   anything was sent; behind it, an answer that is no HTTP. */
static const struct {
  int code;
  const char *before, *after;
} reasons[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "dns", "dns"},
    {CURLE_COULDNT_RESOLVE_PROXY, "proxy", "proxy"},
    {PROXY_REFUSED, "proxy", "proxy"}, /* SOCKS */
    {CURLE_COULDNT_CONNECT, "connect", "closed"},
    {CURLE_OPERATION_TIMEDOUT, "timeout", "timeout"},

    {CURLE_SSL_CONNECT_ERROR, "tls", "tls"},
    {CURLE_PEER_FAILED_VERIFICATION, "tls", "tls"},
    {CURLE_SSL_CACERT_BADFILE, "tls", "tls"},
    {CURLE_SSL_CERTPROBLEM, "tls", "tls"},
    {CURLE_SSL_CIPHER, "tls", "tls"},
    {CURLE_SSL_ISSUER_ERROR, "tls", "tls"},
    {CURLE_SSL_ENGINE_INITFAILED, "tls", "tls"},

    /* The connection ended. Before the request that is the end of a tunnel,
       or of TLS. */
    {CURLE_GOT_NOTHING, "connect", "closed"},
    {CURLE_SEND_ERROR, "connect", "closed"},
    {CURLE_RECV_ERROR, "connect", "closed"},
    {CURLE_PARTIAL_FILE, "connect", "closed"},
    {CURLE_ABORTED_BY_CALLBACK, NULL, "closed"}, /* a second sending */

    {CURLE_FILESIZE_EXCEEDED, "tooLarge", "tooLarge"},
    {TOO_LARGE, "tooLarge", "tooLarge"},

    {CURLE_FAILED_INIT, NULL, NULL},
    {CURLE_OUT_OF_MEMORY, NULL, NULL},
    {CURLE_UNKNOWN_OPTION, NULL, NULL},
    {CURLE_NOT_BUILT_IN, NULL, NULL},
};

static int mentions(const qc_failure *failure, const char *words)
{
  return strstr(failure->text, words) != NULL;
}

/* Whether "Failed to connect to HOST port N" names another than the URL's, or
   than where the request is sent instead: the proxy that the environment
   names. For libcurl before 8.10, whose CURLINFO_USED_PROXY, if it has one, is
   of connections that were made. */
static int names_another(const qc_failure *failure)
{
  static const char words[] = "Failed to connect to ";
  const char *named = strstr(failure->text, words);
  const char *host = strstr(failure->url, "://"), *port;
  int is_https = strncmp(failure->url, "https", 5) == 0;
  size_t host_len;
  if (named == NULL || host == NULL)
    return 0;
  named += sizeof(words) - 1;
  host = failure->connect_to != NULL ? failure->connect_to + 2 : host + 3;
  if (*host == '[') { /* IPv6 is named without its brackets */
    host_len = strcspn(++host, "]");
    port = host + host_len + 1;
  } else {
    host_len = strcspn(host, ":/?#");
    port = host + host_len;
  }
  if (strncmp(named, host, host_len) != 0 ||
      strncmp(named + host_len, " port ", 6) != 0)
    return 1;
  named += host_len + 6;
  if (*port != ':')
    port = is_https ? ":443" : ":80";
  host_len = strspn(++port, "0123456789");
  return strspn(named, "0123456789") != host_len ||
         strncmp(named, port, host_len) != 0;
}

/* Whether the proxy refused, whatever became of the body of its refusal. 407
   is a proxy's own, of a request without a tunnel, too. */
static int has_refused(const qc_failure *failure)
{
  return failure->proxy_status == 407 ||
         (!failure->sent && failure->proxy_status >= 300);
}

/* Whether it was a proxy that kept the request from being sent. */
static int is_proxys(const qc_failure *failure)
{
  if (failure->proxy_error != 0 || failure->proxy_status != 0)
    return 1;
  if (failure->code == CURLE_COULDNT_CONNECT && !failure->has_tried)
    return 1; /* nothing to connect to: its URL is of no use */
  return failure->has_proxy >= 0 ? failure->has_proxy : names_another(failure);
}

const char *qc_failure_reason(const qc_failure *failure)
{
  const char *reason = failure->sent ? "format" : NULL;
  size_t i;
  for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
    if (reasons[i].code == failure->code)
      reason = failure->sent ? reasons[i].after : reasons[i].before;
  if (reason == NULL)
    return NULL;
  if (has_refused(failure))
    return "proxy";
  if (strcmp(reason, "connect") == 0 && is_proxys(failure))
    return "proxy";
  /* No number tells malformed chunks from a lost connection: 7.54 to 8.23. */
  if (strcmp(reason, "closed") == 0 && mentions(failure, "chunk"))
    return "format";
  return reason;
}

/* Masks the login in the URL of a proxy, which libcurl quotes when it can't
   use it: 'http://user:password@host'. The text may have been cut within. */
static void mask_login(char *text, size_t size)
{
  char *quote = strchr(text, '\''), *at, *login;
  if (quote == NULL)
    return;
  at = strrchr(quote, '@');
  if (at == NULL) {
    if (strlen(text) + 1 >= size) /* it may stand in what was cut off */
      quote[1] = '\0';
    return;
  }
  login = quote + 1;
  login += strspn(login, "abcdefghijklmnopqrstuvwxyz0123456789");
  login = strncmp(login, "://", 3) == 0 && login < at ? login + 3 : quote + 1;
  if (at - login < 3) { /* too short for a mask */
    memset(login, '*', (size_t)(at - login));
  } else {
    memcpy(login, "***", 3);
    memmove(login + 3, at, strlen(at) + 1);
  }
}

void qc_failure_describe(const qc_failure *failure, const char *reason)
{
  char *text = failure->text;
  size_t size = failure->size, len;
  mask_login(text, size);
  if (failure->code == CURLE_ABORTED_BY_CALLBACK)
    (void)snprintf(text, size,
                   "the kept connection was closed before an answer came");
  else if (failure->code == CURLE_OUT_OF_MEMORY) /* 8.23: of either */
    (void)snprintf(text, size, "out of memory, or of free descriptors");
  else if (failure->code == CURLE_COULDNT_CONNECT &&
           failure->socket_error != 0)
    (void)snprintf(text, size, "no socket could be opened: %s",
                   strerror(failure->socket_error));
  else if (failure->code == CURLE_BAD_FUNCTION_ARGUMENT && failure->sent)
    (void)snprintf(text, size, "the response has a malformed header");
  else if (failure->code == CURLE_OPERATION_TIMEDOUT && has_refused(failure))
    (void)snprintf(text, size, "status %ld, in a response without end",
                   failure->proxy_status);
  else if (text[0] == '\0')
    (void)snprintf(text, size, "%s",
                   curl_easy_strerror((CURLcode)failure->code));
  len = strlen(text);
  if (reason != NULL && strcmp(reason, "proxy") == 0 &&
      failure->peer[0] != '\0')
    (void)snprintf(text + len, size - len, " (proxy %s, port %s)",
                   failure->peer, failure->peer_port);
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < ' ' || *text == 127)
      *text = ' ';
}
