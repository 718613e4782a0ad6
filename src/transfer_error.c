/*
 * transfer_error.c - what a transfer that failed over libcurl means, see
 * transfer_error.h. Part of qcimage, see LICENSE.
 *
 * It is judged by the numbers that libcurl gives. Its texts change from one
 * version to the next; where one is looked at, the versions stand there.
 */
#include "transfer_error.h"

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

static int mentions(const qc_transfer_error *error, const char *words)
{
  return strstr(error->text, words) != NULL;
}

/* Whether "Failed to connect to HOST port N" names another than the URL's, or
   than where the request is sent instead: the proxy that the environment
   names. For libcurl before 8.10, whose CURLINFO_USED_PROXY, if it has one, is
   of connections that were made. */
static int names_another(const qc_transfer_error *error)
{
  static const char words[] = "Failed to connect to ";
  const char *named = strstr(error->text, words);
  const char *host = strstr(error->url, "://"), *port;
  int is_https = strncmp(error->url, "https", 5) == 0;
  size_t host_len;
  if (named == NULL || host == NULL)
    return 0;
  named += sizeof(words) - 1;
  host = error->connect_to != NULL ? error->connect_to + 2 : host + 3;
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
   is always a proxy's, also for a request without a tunnel. */
static int has_refused(const qc_transfer_error *error)
{
  return error->proxy_status == 407 ||
         (!error->sent && error->proxy_status >= 300);
}

/* Whether it was a proxy that kept the request from being sent. */
static int is_proxys(const qc_transfer_error *error)
{
  if (error->proxy_error != 0 || error->proxy_status != 0)
    return 1;
  if (error->code == CURLE_COULDNT_CONNECT && !error->has_tried)
    return 1; /* nothing to connect to: its URL is of no use */
  return error->has_proxy >= 0 ? error->has_proxy : names_another(error);
}

const char *qc_transfer_error_reason(const qc_transfer_error *error)
{
  const char *reason = error->sent ? "format" : NULL;
  size_t i;
  for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
    if (reasons[i].code == error->code)
      reason = error->sent ? reasons[i].after : reasons[i].before;
  if (reason == NULL)
    return NULL;
  if (has_refused(error))
    return "proxy";
  if (strcmp(reason, "connect") == 0 && is_proxys(error))
    return "proxy";
  /* No code separates malformed chunks from a lost connection: 7.54 to 8.23.
   */
  if (strcmp(reason, "closed") == 0 && mentions(error, "chunk"))
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
    if (strlen(text) + 1 >= size) /* it may be in what was cut off */
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

void qc_transfer_error_describe(const qc_transfer_error *error,
                                const char *reason)
{
  char *text = error->text;
  size_t size = error->size, len;
  mask_login(text, size);
  if (error->code == CURLE_ABORTED_BY_CALLBACK)
    (void)snprintf(text, size,
                   "the kept connection was closed before an answer came");
  else if (error->code == CURLE_OUT_OF_MEMORY) /* 8.23: of either */
    (void)snprintf(text, size, "out of memory, or of free descriptors");
  else if (error->code == CURLE_COULDNT_CONNECT && error->socket_error != 0)
    (void)snprintf(text, size, "no socket could be opened: %s",
                   strerror(error->socket_error));
  else if (error->code == CURLE_BAD_FUNCTION_ARGUMENT && error->sent)
    (void)snprintf(text, size, "the response has a malformed header");
  else if (error->code == CURLE_OPERATION_TIMEDOUT && has_refused(error))
    (void)snprintf(text, size, "status %ld, in a response without end",
                   error->proxy_status);
  else if (text[0] == '\0')
    (void)snprintf(text, size, "%s",
                   curl_easy_strerror((CURLcode)error->code));
  len = strlen(text);
  if (reason != NULL && strcmp(reason, "proxy") == 0 && error->peer[0] != '\0')
    (void)snprintf(text + len, size - len, " (proxy %s, port %s)", error->peer,
                   error->peer_port);
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < ' ' || *text == 127)
      *text = ' ';
}
