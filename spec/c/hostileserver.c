/*
 * hostileserver.c - the server of spec/support/hostile.lua: gives responses of
 * which each byte is known, over plain HTTP, TLS 1.2 and TLS 1.3, and records
 * what came. Part of qcimage, see LICENSE.
 *
 *   hostileserver CERTIFICATE KEY RESPONSES
 *
 * Prints its three ports. RESPONSES: for each response a line of numbers
 * (whether the connection ends behind it, the lengths of its pieces), and then
 * the pieces. A request for /N-.../hostile gets response N, piece by piece;
 * /record gets what came since the last time, a line each: number of the
 * connection, path; /stop ends the server; any other gets a response that
 * names its path, and one for .../last the end of the connection, too. One
 * request is served after another, since none takes time. Ends after two
 * minutes at the latest.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { WAYS = 3, PIECES = 4, RESPONSES = 1000, CONNECTIONS = 200 };

typedef struct {
  int ends, count;
  size_t lengths[PIECES];
  char *pieces[PIECES];
} response;

typedef struct {
  int fd, number;
  SSL *tls; /* NULL: plain */
  size_t have;
  char request[4096];
} connection;

static response responses[RESPONSES];
static int response_count;
static connection connections[CONNECTIONS];
static int connection_count, connections_made;
static char record[1 << 20];
static size_t record_len;

static void must(int ok, const char *what)
{
  if (ok)
    return;
  (void)fprintf(stderr, "hostileserver: %s\n", what);
  exit(1);
}

static void read_responses(const char *path)
{
  FILE *file = fopen(path, "rb");
  char line[256], *at;
  must(file != NULL, "no responses");
  while (fgets(line, sizeof(line), file) != NULL) {
    response *one = &responses[response_count++];
    int i;
    must(response_count < RESPONSES, "too many responses");
    one->ends = (int)strtol(line, &at, 10);
    while (*at != '\n') {
      must(one->count < PIECES, "too many pieces");
      one->lengths[one->count++] = strtoul(at, &at, 10);
    }
    for (i = 0; i < one->count; i++) {
      one->pieces[i] = malloc(one->lengths[i] + 1);
      must(one->pieces[i] != NULL && fread(one->pieces[i], 1, one->lengths[i],
                                           file) == one->lengths[i],
           "a response is cut");
    }
  }
  (void)fclose(file);
}

static int listen_at(int *port)
{
  struct sockaddr_in address;
  socklen_t len = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
           listen(fd, 64) == 0 &&
           getsockname(fd, (struct sockaddr *)&address, &len) == 0,
       "cannot listen");
  *port = ntohs(address.sin_port);
  return fd;
}

static SSL_CTX *make_context(char **argv, int version)
{
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  must(context != NULL &&
           SSL_CTX_use_certificate_chain_file(context, argv[1]) == 1 &&
           SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) ==
               1 &&
           SSL_CTX_set_min_proto_version(context, version) == 1 &&
           SSL_CTX_set_max_proto_version(context, version) == 1,
       "no TLS");
  return context;
}

static void finish(connection *one)
{
  if (one->tls != NULL) {
    (void)SSL_shutdown(one->tls);
    SSL_free(one->tls);
  }
  (void)close(one->fd);
  one->fd = -1;
}

static void accept_one(int listener, SSL_CTX *context)
{
  static const struct timeval patience = {5, 0};
  static const int yes = 1;
  connection *one = &connections[connection_count];
  memset(one, 0, sizeof(*one));
  must(connection_count < CONNECTIONS, "too many connections");
  one->fd = accept(listener, NULL, NULL);
  must(one->fd >= 0 &&
           setsockopt(one->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                      sizeof(patience)) == 0 &&
           setsockopt(one->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
                      sizeof(patience)) == 0 &&
           setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) ==
               0,
       "cannot accept");
  one->number = ++connections_made;
  connection_count++;
  if (context == NULL)
    return;
  one->tls = SSL_new(context);
  must(one->tls != NULL && SSL_set_fd(one->tls, one->fd) == 1, "no TLS");
  if (SSL_accept(one->tls) != 1)
    finish(one);
}

static void send_bytes(connection *one, const char *bytes, size_t len)
{
  if (one->tls != NULL)
    (void)SSL_write(one->tls, bytes, (int)len);
  else
    (void)send(one->fd, bytes, len, 0);
}

static void send_ordinary(connection *one, const char *body, size_t len)
{
  char head[64];
  int head_len = snprintf(head, sizeof(head),
                          "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n",
                          (unsigned long)len);
  send_bytes(one, head, (size_t)head_len);
  send_bytes(one, body, len);
}

static int ends_with(const char *text, const char *end)
{
  size_t len = strlen(text), end_len = strlen(end);
  return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void answer(connection *one, const char *path)
{
  /* between two pieces, so that a peer reads one before the other */
  static const struct timespec moment = {0, 1000000};
  char body[4096];
  int i, number;
  if (strcmp(path, "/stop") == 0)
    exit(0);
  if (strcmp(path, "/record") == 0) {
    send_ordinary(one, record, record_len);
    record_len = 0;
    return;
  }
  if (strcmp(path, "/sync") != 0)
    record_len +=
        (size_t)snprintf(record + record_len, sizeof(record) - record_len,
                         "%d %s\n", one->number, path);
  must(record_len < sizeof(record), "too much to record");
  if (!ends_with(path, "/hostile")) {
    number = snprintf(body, sizeof(body), "{\"code\":0,\"of\":\"%s\"}", path);
    send_ordinary(one, body, (size_t)number);
    if (ends_with(path, "/last"))
      finish(one);
    return;
  }
  number = atoi(path + 1);
  must(number >= 1 && number <= response_count, "there is no such response");
  for (i = 0; i < responses[number - 1].count; i++) {
    if (i > 0)
      (void)nanosleep(&moment, NULL);
    send_bytes(one, responses[number - 1].pieces[i],
               responses[number - 1].lengths[i]);
  }
  if (responses[number - 1].ends)
    finish(one);
}

static void serve(connection *one)
{
  char *at = one->request + one->have, *end;
  size_t room = sizeof(one->request) - one->have - 1;
  ssize_t n = one->tls != NULL ? SSL_read(one->tls, at, (int)room)
                               : recv(one->fd, at, room, 0);
  if (n <= 0) {
    finish(one);
    return;
  }
  one->have += (size_t)n;
  one->request[one->have] = '\0';
  if (strstr(one->request, "\r\n\r\n") == NULL)
    return;
  must(strncmp(one->request, "GET ", 4) == 0, "not a GET");
  end = strchr(one->request + 4, ' ');
  must(end != NULL, "not a request");
  *end = '\0';
  one->have = 0;
  answer(one, one->request + 4);
}

int main(int argc, char **argv)
{
  static const int versions[WAYS] = {0, TLS1_2_VERSION, TLS1_3_VERSION};
  SSL_CTX *contexts[WAYS] = {NULL};
  struct pollfd fds[WAYS + CONNECTIONS];
  int i, n, port;
  must(argc == 4, "usage: hostileserver CERTIFICATE KEY RESPONSES");
  must(signal(SIGPIPE, SIG_IGN) != SIG_ERR, "SIGPIPE");
  (void)alarm(120);
  read_responses(argv[3]);
  for (i = 0; i < WAYS; i++) {
    if (versions[i] != 0)
      contexts[i] = make_context(argv, versions[i]);
    fds[i].fd = listen_at(&port);
    fds[i].events = POLLIN;
    (void)printf("%d\n", port);
  }
  (void)fflush(stdout);
  for (;;) {
    for (n = i = 0; i < connection_count; i++)
      if (connections[i].fd >= 0)
        connections[n++] = connections[i];
    connection_count = n;
    for (i = 0; i < n; i++) {
      fds[WAYS + i].fd = connections[i].fd;
      fds[WAYS + i].events = POLLIN;
    }
    must(poll(fds, (nfds_t)(WAYS + n), -1) > 0, "poll");
    for (i = 0; i < n; i++)
      if (fds[WAYS + i].revents != 0)
        serve(&connections[i]);
    for (i = 0; i < WAYS; i++)
      if (fds[i].revents != 0)
        accept_one(fds[i].fd, contexts[i]);
  }
}
