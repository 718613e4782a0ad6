/*
 * http_server.h - a server in a thread for the C tests, and how they ask it:
 * it answers each request with as many bytes as its path says ("/1000"), on
 * connections that stay open, or end after the answer: with '!' behind it, or
 * with '~' by a reset. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_SERVER_H
#define QCIMAGE_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/http.h"

/* How many connections were made. */
static int server_connections;

static void server_write(int fd, const char *bytes, size_t len)
{
  while (len > 0) {
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
    if (n <= 0)
      return;
    bytes += n;
    len -= (size_t)n;
  }
}

static void *server_serve(void *arg)
{
  int fd = *(int *)arg;
  static const struct linger reset = {1, 0};
  char request[4096], head[128], *answer, *path;
  size_t have = 0;
  int goes_on = 1;
  ssize_t n;
  free(arg);
  while (goes_on &&
         (n = recv(fd, request + have, sizeof(request) - 1 - have, 0)) > 0) {
    have += (size_t)n;
    request[have] = '\0';
    if (strstr(request, "\r\n\r\n") == NULL)
      continue;
    path = strchr(request, '/');
    have = path == NULL ? 0 : strtoul(path + 1, &path, 10);
    goes_on = path == NULL || (*path != '!' && *path != '~');
    if (path != NULL && *path == '~')
      (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\n"
                 "Content-Length: %lu\r\n\r\n",
                 (unsigned long)have);
    answer = malloc((size_t)n + have);
    memcpy(answer, head, (size_t)n);
    memset(answer + n, 'x', have);
    server_write(fd, answer, (size_t)n + have);
    free(answer);
    have = 0;
  }
  (void)close(fd);
  return NULL;
}

static void *server_accept(void *arg)
{
  int listener = *(int *)arg;
  for (;;) {
    int *fd = malloc(sizeof(*fd));
    pthread_t thread;
    if ((*fd = accept(listener, NULL, NULL)) < 0)
      abort();
    __atomic_add_fetch(&server_connections, 1, __ATOMIC_SEQ_CST);
    if (pthread_create(&thread, NULL, server_serve, fd) != 0 ||
        pthread_detach(thread) != 0)
      abort();
  }
  return NULL;
}

/* Starts it; gives its port on 127.0.0.1. It ends with the program. */
static int server_start(void)
{
  static int listener;
  struct sockaddr_in address;
  socklen_t len = sizeof(address);
  pthread_t thread;
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 ||
      bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
      listen(listener, 64) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
      pthread_create(&thread, NULL, server_accept, &listener) != 0)
    abort();
  return ntohs(address.sin_port);
}

static const qc_http_options options = {NULL, NULL, NULL, 1 << 20, 1};

/* A client with a loop of its own, which goes with it. */
static qc_client *client_new(const qc_http_options *given)
{
  qc_loop *loop = qc_loop_new();
  qc_client *client = loop == NULL ? NULL : qc_client_new(loop, given);
  qc_loop_free(loop);
  return client;
}

/* Sends a GET, directly or as the environment says. 1: there is an answer. */
static int get_url(qc_client *client, const char *url, int direct,
                   qc_http_result *result)
{
  qc_http_request request;
  qc_transfer *transfer;
  int ok;
  memset(&request, 0, sizeof(request));
  request.url = url;
  request.url_len = strlen(url);
  request.seconds = request.connect_seconds = 10;
  request.direct = direct;
  transfer = qc_http_send(client, &request, result);
  if (transfer == NULL)
    return 0;
  ok = qc_transfer_finish(transfer, result);
  qc_transfer_end(transfer); /* texts of the result stay with an idle slot */
  return ok;
}

/* The same, of the server. */
static int get(qc_client *client, int port, const char *path,
               qc_http_result *result)
{
  char url[64];
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
  return get_url(client, url, 1, result);
}

#endif
