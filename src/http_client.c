/*
 * http_client.c - what transfers share: a client's settings, and libcurl's
 * multi handles with the connections that are kept. See http.h and, for the
 * parts, http_client.h. Part of qcimage, see LICENSE.
 *
 * A rule that libcurl's documentation gives (curl.se/libcurl/c): a handle must
 * not be used, nor cleaned up, in a process that was forked from the one that
 * made it.
 *
 * The life of a generation. It is made with the first request and kept, and
 * with it its connections, TLS sessions and parsed certificates. A connection
 * that was disturbed while it was idle costs no more than itself, as does one
 * whose request failed. A generation in which a request failed before it could
 * be sent is retired, since libcurl may keep what is of no use any more:
 * addresses, or certificates (for a day) that were read while memory was short
 * or have been replaced since. The transfers under way come to their end in
 * it; the next begin with another. In a forked process a generation is lost:
 * to clean it up would end the parent's TLS connections, so their descriptors
 * are closed, and it is let go of with its memory and the one or two
 * descriptors that libcurl wakes itself by: each generation of forks that has
 * sent requests leaves those behind.
 */
#include "http_client.h"
#include "http_global.h"
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

/* Generations */

static int is_ours(const qc_socket *one)
{
  struct stat status;
  return fstat(one->fd, &status) == 0 && status.st_dev == one->device &&
         status.st_ino == one->inode;
}

int qc_generation_is_lost(const qc_generation *generation)
{
  return generation->is_lost || generation->birth != qc_global_forks();
}

/* Whether it is lost, or an idle connection's descriptor is another file's:
   libcurl would write to it. (Those in use belong to the loop.) */
static int is_foreign(const qc_generation *generation)
{
  size_t i;
  if (qc_generation_is_lost(generation))
    return 1;
  for (i = 0; i < generation->count; i++) {
    const qc_socket *one = &generation->sockets[i];
    if (one->is_kept && one->events == 0 && !is_ours(one))
      return 1;
  }
  return 0;
}

static void close_connections(qc_generation *generation)
{
  while (generation->count > 0) {
    const qc_socket *one = &generation->sockets[--generation->count];
    if (one->is_connection && is_ours(one))
      (void)close(one->fd);
  }
}

static void free_generation(qc_generation *generation)
{
  qc_transfer *slot;
  /* a share must not be freed while an easy handle has it */
  for (slot = generation->client->idle; slot != NULL; slot = slot->next)
    if (slot->generation == generation) {
      qc_transfer_end_easy(slot);
      slot->generation = NULL;
    }
  if (qc_generation_is_lost(generation)) {
    close_connections(generation);
  } else {
    if (generation->multi != NULL)
      (void)curl_multi_cleanup(generation->multi);
    if (generation->share != NULL)
      (void)curl_share_cleanup(generation->share);
  }
  free(generation->sockets);
  free(generation);
}

static CURLcode make_handles(qc_generation *generation)
{
  generation->multi = curl_multi_init();
  generation->share = curl_share_init();
  if (generation->multi == NULL || generation->share == NULL ||
      curl_share_setopt(generation->share, CURLSHOPT_SHARE,
                        CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
    return CURLE_OUT_OF_MEMORY;
  return CURLE_OK;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *of_socket);

static qc_generation *new_generation(qc_client *client, CURLcode *code)
{
  qc_generation *generation;
  *code = CURLE_FAILED_INIT;
  if (!qc_global_ready())
    return NULL;
  *code = CURLE_OUT_OF_MEMORY;
  generation = calloc(1, sizeof(*generation));
  if (generation == NULL)
    return NULL;
  generation->client = client;
  generation->birth = qc_global_forks();
  generation->sees_tls = qc_global_shares_libssl();
  generation->by_folder = client->verify && client->ca_file == NULL &&
                          !client->needs_bundle && qc_global_has_ca_folder();
  *code = make_handles(generation);
  if (*code == CURLE_OK &&
      (curl_multi_setopt(generation->multi, CURLMOPT_SOCKETDATA, generation) !=
           CURLM_OK ||
       curl_multi_setopt(generation->multi, CURLMOPT_SOCKETFUNCTION,
                         on_socket) != CURLM_OK))
    *code = CURLE_FAILED_INIT;
  if (*code == CURLE_OK)
    return generation;
  free_generation(generation);
  return NULL;
}

qc_generation *qc_client_prepare(qc_client *client, CURLcode *code)
{
  *code = CURLE_OK;
  if (client->generation != NULL && is_foreign(client->generation))
    qc_generation_abandon(client->generation);
  if (client->generation == NULL)
    client->generation = new_generation(client, code);
  return client->generation;
}

void qc_generation_retire(qc_generation *generation)
{
  if (generation->is_retired)
    return;
  generation->is_retired = 1;
  generation->client->generation = NULL;
  if (generation->users == 0)
    free_generation(generation);
}

void qc_generation_release(qc_generation *generation)
{
  if (--generation->users == 0 && generation->is_retired)
    free_generation(generation);
}

void qc_generation_abandon(qc_generation *generation)
{
  qc_loop *loop = generation->client->loop;
  qc_transfer *transfer, *next;
  generation->is_lost = 1;
  generation->users++;
  for (transfer = loop->transfers; transfer != NULL; transfer = next) {
    next = transfer->next;
    if (transfer->generation == generation) {
      transfer->was_forked = 1;
      qc_transfer_complete(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
  }
  close_connections(generation);
  generation->is_retired = 1;
  if (generation->client->generation == generation)
    generation->client->generation = NULL;
  qc_generation_release(generation);
}

/* Their descriptors */

int qc_generation_reserve(qc_generation *generation)
{
  /* of those under way and the new one, and the connections kept */
  size_t most =
      (QC_HTTP_DESCRIPTORS + 1) * (generation->under_way + 1) + QC_HTTP_KEPT;
  size_t size = generation->count + QC_HTTP_DESCRIPTORS;
  qc_socket *sockets;
  if (size < most)
    size = most;
  if (size <= generation->size)
    return 1;
  size *= 2;
  sockets = realloc(generation->sockets, size * sizeof(*sockets));
  if (sockets == NULL)
    return 0;
  generation->sockets = sockets;
  generation->size = size;
  return 1;
}

static qc_socket *find(const qc_generation *generation, curl_socket_t fd)
{
  size_t i;
  for (i = 0; i < generation->count; i++)
    if (generation->sockets[i].fd == fd)
      return &generation->sockets[i];
  return NULL;
}

/* Adds a descriptor. NULL: there is no room for it. */
static qc_socket *add(qc_generation *generation, curl_socket_t fd)
{
  qc_socket *one;
  if (generation->count == generation->size &&
      !qc_generation_reserve(generation))
    return NULL;
  one = &generation->sockets[generation->count++];
  memset(one, 0, sizeof(*one));
  one->fd = fd;
  return one;
}

static void forget(qc_generation *generation, qc_socket *one)
{
  if (one != NULL)
    *one = generation->sockets[--generation->count];
}

int qc_generation_note(qc_generation *generation, curl_socket_t fd)
{
  struct stat status;
  qc_socket *one;
  /* libcurl (7.88 on) closes one that is still connecting without a word */
  one = find(generation, fd);
  if (fstat(fd, &status) != 0 ||
      (one == NULL && (one = add(generation, fd)) == NULL))
    return 0;
  one->is_connection = 1;
  one->is_kept = one->port = 0;
  one->device = status.st_dev;
  one->inode = status.st_ino;
  return 1;
}

void qc_generation_note_kept(qc_generation *generation, CURL *easy)
{
  curl_socket_t fd = CURL_SOCKET_BAD;
  qc_socket *one;
  if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
      fd == CURL_SOCKET_BAD || (one = find(generation, fd)) == NULL)
    return;
  one->is_kept = one->is_connection;
}

int qc_generation_close_socket(void *user, curl_socket_t fd)
{
  qc_generation *generation = user;
  forget(generation, find(generation, fd));
  return close(fd);
}

/* CURLMOPT_SOCKETFUNCTION: what libcurl waits for. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *of_socket)
{
  qc_generation *generation = user;
  qc_socket *one = find(generation, fd);
  (void)easy, (void)of_socket;
  if (what == CURL_POLL_REMOVE) {
    if (one != NULL)
      one->events = 0;
    if (one != NULL && !one->is_connection)
      forget(generation, one);
    return 0;
  }
  if (one == NULL && (one = add(generation, fd)) == NULL)
    return -1;
  one->events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
                        (what & CURL_POLL_OUT ? POLLOUT : 0));
  return 0;
}

/* The port of a connection on this side. */
static int port_of(qc_socket *one)
{
  union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
  } address;
  socklen_t len = sizeof(address);
  if (one->port != 0 || getsockname(one->fd, &address.any, &len) != 0)
    return one->port;
  if (address.any.sa_family == AF_INET)
    one->port = ntohs(address.four.sin_port);
  else if (address.any.sa_family == AF_INET6)
    one->port = ntohs(address.six.sin6_port);
  return one->port;
}

/* libcurl itself would use one that has bytes though no response is due (TLS's
   goodbye, or the rest of a response that was longer than it said): 7.88; or
   one that ended less than a second after the response: 8.23. Before the end
   of a transfer it gives the port, but not the descriptor. */
static int is_quiet(const qc_generation *generation, int port)
{
  int is_known = 0;
  size_t i;
  for (i = 0; i < generation->count; i++) {
    qc_socket *one = &generation->sockets[i];
    char byte;
    if (!one->is_kept || one->events != 0 || port_of(one) != port)
      continue;
    is_known = 1; /* the few of one port have several addresses */
    if (recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
        (errno != EAGAIN && errno != EWOULDBLOCK))
      return 0;
  }
  return is_known;
}

int qc_generation_is_fit(const qc_generation *generation, CURL *easy, int port,
                         int is_tls)
{
  const struct curl_tlssessioninfo *tls = NULL;
  if (!is_quiet(generation, port))
    return 0;
  if (!is_tls)
    return 1;
  /* what came behind the response may have been read from the socket */
  return generation->sees_tls &&
         curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK &&
         tls != NULL && tls->backend == CURLSSLBACKEND_OPENSSL &&
         tls->internals != NULL && !SSL_has_pending(tls->internals);
}

/* Clients */

/* A copy, or NULL for NULL; *ok becomes 0 when memory is out. */
static char *copy(const char *text, int *ok)
{
  size_t size = text == NULL ? 0 : strlen(text) + 1;
  char *new = text == NULL ? NULL : malloc(size);
  if (new != NULL)
    memcpy(new, text, size);
  else if (text != NULL)
    *ok = 0;
  return new;
}

qc_client *qc_client_new(qc_loop *loop, const qc_http_options *options)
{
  qc_client *client = calloc(1, sizeof(*client));
  int ok = 1;
  if (client == NULL)
    return NULL;
  client->loop = loop;
  client->refs = 1;
  loop->refs++;
  client->verify = options->verify;
  client->max_response = options->max_response;
  client->ca_file = copy(options->ca_file, &ok);
  client->ca_folder = copy(options->ca_folder, &ok);
  client->proxy = copy(options->proxy, &ok);
  if (ok)
    return client;
  qc_client_free(client);
  return NULL;
}

void qc_client_release(qc_client *client)
{
  if (--client->refs > 0)
    return;
  while (client->idle != NULL) {
    qc_transfer *slot = client->idle;
    client->idle = slot->next;
    qc_transfer_free(slot);
  }
  qc_loop_free(client->loop);
  free(client->ca_file);
  free(client->ca_folder);
  free(client->proxy);
  free(client);
}

void qc_client_free(qc_client *client)
{
  qc_host_state state;
  if (client == NULL)
    return;
  qc_host_state_save(&state); /* TLS says goodbye */
  client->is_closed = 1;
  if (client->generation != NULL && is_foreign(client->generation))
    qc_generation_abandon(client->generation);
  if (client->generation != NULL)
    qc_generation_retire(client->generation);
  qc_client_release(client);
  qc_host_state_restore(&state);
}

void qc_http_get_stages(const qc_client *client, qc_http_stages *stages)
{
  *stages = client->stages;
}
