/*
 * http_loop.c - waits for the transfers of a Lua state, and moves them on. See
 * http.h and, for the parts, http_client.h. Part of qcimage, see LICENSE.
 *
 * libcurl reports by a callback which descriptors it waits for, and is asked
 * when it must be called anyway: curl_multi_socket_action and
 * curl_multi_timeout (curl.se/libcurl/c/libcurl-multi.html).
 */
#include "http_client.h"
#include "http_global.h"
#include "limits.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

double qc_loop_now(void)
{
  struct timespec now = {0, 0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

qc_loop *qc_loop_new(void)
{
  qc_loop *loop = calloc(1, sizeof(*loop));
  if (loop != NULL)
    loop->refs = 1;
  return loop;
}

void qc_loop_free(qc_loop *loop)
{
  if (loop == NULL || --loop->refs > 0)
    return;
  free(loop->polled);
  free(loop);
}

/* Has room to poll all descriptors of all generations. 0: out of memory. */
static int reserve(qc_loop *loop)
{
  const qc_generation *generation;
  struct pollfd *polled;
  size_t size = 0;
  for (generation = loop->generations; generation != NULL;
       generation = generation->next)
    size += generation->size;
  if (size <= loop->size)
    return 1;
  polled = realloc(loop->polled, size * sizeof(*polled));
  if (polled == NULL)
    return 0;
  loop->polled = polled;
  loop->size = size;
  return 1;
}

/* As many connections are kept as there are transfers under way, and some. */
static CURLMcode keep_connections(const qc_generation *generation)
{
  return curl_multi_setopt(generation->multi, CURLMOPT_MAXCONNECTS,
                           (long)(QC_HTTP_KEPT + generation->under_way));
}

static void link_transfer(qc_loop *loop, qc_transfer *transfer)
{
  qc_generation *generation = transfer->generation;
  transfer->prev = NULL;
  transfer->next = loop->transfers;
  if (loop->transfers != NULL)
    loop->transfers->prev = transfer;
  loop->transfers = transfer;
  loop->under_way++;
  if (generation->under_way++ > 0)
    return;
  generation->due = -1;
  generation->prev = NULL;
  generation->next = loop->generations;
  if (loop->generations != NULL)
    loop->generations->prev = generation;
  loop->generations = generation;
}

static void unlink_transfer(qc_loop *loop, qc_transfer *transfer)
{
  qc_generation *generation = transfer->generation;
  if (transfer->prev != NULL)
    transfer->prev->next = transfer->next;
  else
    loop->transfers = transfer->next;
  if (transfer->next != NULL)
    transfer->next->prev = transfer->prev;
  transfer->prev = transfer->next = NULL;
  loop->under_way--;
  if (--generation->under_way > 0)
    return;
  if (generation->prev != NULL)
    generation->prev->next = generation->next;
  else
    loop->generations = generation->next;
  if (generation->next != NULL)
    generation->next->prev = generation->prev;
  generation->prev = generation->next = NULL;
}

/* Has libcurl move on what a descriptor, or a timer, is ready for. Where that
   fails, for want of memory, the multi handle must not be called so again:
   libcurl 7.88 has half made an entry for a descriptor then. */
static void act(qc_generation *generation, curl_socket_t fd, int events)
{
  int running;
  if (!generation->is_broken &&
      curl_multi_socket_action(generation->multi, fd, events, &running) !=
          CURLM_OK)
    generation->is_broken = 1;
}

CURLcode qc_loop_add(qc_loop *loop, qc_transfer *transfer)
{
  qc_generation *generation = transfer->generation;
  if (!qc_generation_reserve(generation))
    return CURLE_OUT_OF_MEMORY;
  link_transfer(loop, transfer);
  transfer->is_under_way = 1;
  if (reserve(loop) && keep_connections(generation) == CURLM_OK &&
      curl_multi_add_handle(generation->multi, transfer->easy) == CURLM_OK) {
    act(generation, CURL_SOCKET_TIMEOUT, 0);
    return CURLE_OK;
  }
  transfer->is_under_way = 0;
  unlink_transfer(loop, transfer);
  return CURLE_OUT_OF_MEMORY;
}

void qc_loop_remove(qc_loop *loop, qc_transfer *transfer)
{
  qc_generation *generation = transfer->generation;
  transfer->is_under_way = 0;
  unlink_transfer(loop, transfer);
  if (qc_generation_is_lost(generation))
    return;
  (void)curl_multi_remove_handle(generation->multi, transfer->easy);
  (void)keep_connections(generation);
}

/* Ends all transfers of a generation. */
static void end_all(qc_loop *loop, qc_generation *generation)
{
  qc_transfer *transfer = loop->transfers;
  qc_generation_retire(generation);
  while (transfer != NULL) {
    qc_transfer *next = transfer->next;
    if (transfer->generation == generation)
      qc_transfer_complete(transfer, CURLE_OUT_OF_MEMORY);
    transfer = next;
  }
}

/* Takes the ends that one generation has noted. 1: there were some. */
static int collect(qc_loop *loop, qc_generation *generation)
{
  CURLMsg *message;
  int left, had_some = 0;
  generation->users++; /* it stays meanwhile */
  while ((message = curl_multi_info_read(generation->multi, &left)) != NULL) {
    CURLcode code = message->data.result;
    qc_transfer *transfer = NULL;
    if (message->msg != CURLMSG_DONE ||
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) !=
            CURLE_OK ||
        transfer == NULL || !transfer->is_under_way)
      continue;
    had_some = 1;
    qc_transfer_complete(transfer, code);
  }
  if (generation->is_broken) {
    had_some = 1;
    end_all(loop, generation);
  }
  qc_generation_release(generation);
  return had_some;
}

void qc_loop_collect(qc_loop *loop)
{
  qc_generation *generation = loop->generations;
  while (generation != NULL) /* an end may begin another, or free some */
    if (!qc_generation_is_lost(generation) && collect(loop, generation))
      generation = loop->generations;
    else
      generation = generation->next;
}

static void abandon_lost(qc_loop *loop)
{
  qc_generation *generation = loop->generations;
  while (generation != NULL) {
    if (qc_generation_is_lost(generation)) {
      qc_generation_abandon(generation);
      generation = loop->generations; /* this one is not in it any more */
    } else {
      generation = generation->next;
    }
  }
}

/* Seconds to wait at most: until libcurl wants to be called, or a transfer is
   past its time. */
static double until_due(const qc_loop *loop, double seconds, double now)
{
  qc_generation *generation;
  const qc_transfer *transfer;
  for (generation = loop->generations; generation != NULL;
       generation = generation->next) {
    long ms = -1;
    if (curl_multi_timeout(generation->multi, &ms) != CURLM_OK)
      ms = 1;
    generation->due = ms < 0 ? -1 : now + (double)ms / 1000;
    if (ms >= 0 && (double)ms / 1000 < seconds)
      seconds = (double)ms / 1000;
  }
  for (transfer = loop->transfers; transfer != NULL;
       transfer = transfer->next) {
    double left = qc_transfer_deadline(transfer) - now;
    if (left < seconds)
      seconds = left;
  }
  return seconds > 0 ? seconds : 0;
}

/* Fills in what is polled. Gives the number. */
static size_t fill(const qc_loop *loop)
{
  const qc_generation *generation;
  size_t count = 0, i;
  for (generation = loop->generations; generation != NULL;
       generation = generation->next)
    for (i = 0; i < generation->count && count < loop->size; i++)
      if (generation->sockets[i].events != 0) {
        struct pollfd *one = &loop->polled[count++];
        one->fd = generation->sockets[i].fd;
        one->events = generation->sockets[i].events;
        one->revents = 0;
      }
  return count;
}

/* The generation that waits for a descriptor, or NULL. */
static qc_generation *owner_of(const qc_loop *loop, int fd)
{
  qc_generation *generation;
  size_t i;
  for (generation = loop->generations; generation != NULL;
       generation = generation->next)
    for (i = 0; i < generation->count; i++)
      if (generation->sockets[i].fd == fd &&
          generation->sockets[i].events != 0)
        return generation;
  return NULL;
}

/* Moves on what is ready. The callbacks of one may end another's. */
static void act_on_ready(const qc_loop *loop, size_t count)
{
  size_t i;
  for (i = 0; i < count; i++) {
    short events = loop->polled[i].revents;
    qc_generation *owner =
        events != 0 ? owner_of(loop, loop->polled[i].fd) : NULL;
    if (owner == NULL)
      continue;
    if ((events & POLLNVAL) != 0) /* the host has closed it */
      owner->is_lost = 1;
    if (!owner->is_lost)
      act(owner, loop->polled[i].fd,
          (events & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
              (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
              (events & POLLERR ? CURL_CSELECT_ERR : 0));
  }
}

static void act_on_due(const qc_loop *loop)
{
  double now = qc_loop_now();
  qc_generation *generation;
  for (generation = loop->generations; generation != NULL;
       generation = generation->next)
    if (!generation->is_lost && generation->due >= 0 && generation->due <= now)
      act(generation, CURL_SOCKET_TIMEOUT, 0);
}

/* Ends those that libcurl should have ended: it drops timers that are within a
   millisecond of another: 7.74, and 7.88 that of a connection which may take
   the 200 ms after which another address is tried. */
static void end_late(qc_loop *loop)
{
  double now = qc_loop_now();
  qc_transfer *transfer = loop->transfers, *next;
  for (; transfer != NULL; transfer = next) {
    next = transfer->next;
    if (qc_transfer_deadline(transfer) <= now)
      qc_transfer_complete(transfer, CURLE_OPERATION_TIMEDOUT);
  }
}

void qc_loop_turn(qc_loop *loop, double seconds)
{
  size_t count, before = loop->under_way;
  int ready;
  abandon_lost(loop);
  if (loop->under_way != before) /* a result is ready */
    seconds = 0;
  seconds = until_due(loop, seconds, qc_loop_now());
  count = fill(loop);
  ready = poll(loop->polled, (nfds_t)count, (int)ceil(seconds * 1000));
  if (ready > 0)
    act_on_ready(loop, count);
  act_on_due(loop);
  abandon_lost(loop);
  qc_loop_collect(loop);
  end_late(loop);
}

size_t qc_loop_wait(qc_loop *loop, double seconds)
{
  qc_host_state state;
  if (!(seconds <= QC_SLEEP_MAX))
    seconds = QC_SLEEP_MAX;
  qc_host_state_save(&state);
  qc_loop_turn(loop, seconds);
  qc_host_state_restore(&state);
  return loop->under_way;
}
