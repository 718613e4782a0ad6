/*
 * http_transfer.c - one request and its response: begun, begun again where
 * nothing was sent, and judged at its end. See http.h and, for the parts,
 * http_client.h. Part of qcimage, see LICENSE.
 *
 * The system's certificates. libcurl would parse the whole bundle, over a
 * hundred, for each new connection, which takes longer than all else that a
 * first request does. OpenSSL looks a single one up in a folder. A client
 * therefore begins with the folder alone, libcurl's default or the named one,
 * which is among what is trusted anyway: never more. Where that does not vouch
 * for a server (the hashes are stale, or a certificate is in the bundle only),
 * the request, of which nothing has left, begins again in a generation that
 * has both, as do all after it.
 *
 * libcurl 7.83 to 8.0 keep, in an easy handle, a pointer to the last header of
 * the previous response, which they free. Where the next response has a first
 * header line that begins with a blank, they continue that header, and the
 * process ends (curl issue 11101). With these versions each request gets a new
 * easy handle.
 */
#include "http_client.h"
#include "http_global.h"
#include "limits.h"
#include "transfer_error.h"

#include <stdlib.h>
#include <string.h>

void qc_transfer_end_easy(qc_transfer *transfer)
{
  if (transfer->easy != NULL && !qc_generation_is_lost(transfer->generation))
    curl_easy_cleanup(transfer->easy);
  transfer->easy = NULL;
}

/* Has an easy handle of the client's generation with its options ready. */
static CURLcode make_ready(qc_transfer *transfer)
{
  CURLcode code;
  qc_generation *generation = qc_client_prepare(transfer->client, &code);
  if (transfer->generation != generation || qc_global_keeps_headers())
    qc_transfer_end_easy(transfer);
  transfer->generation = generation;
  if (generation == NULL)
    return code;
  generation->users++;
  transfer->is_attached = 1;
  if (transfer->easy != NULL)
    return CURLE_OK;
  transfer->easy = curl_easy_init();
  if (transfer->easy == NULL)
    return CURLE_OUT_OF_MEMORY;
  code = qc_easy_set_up(transfer);
  if (code != CURLE_OK)
    qc_transfer_end_easy(transfer);
  return code;
}

/* Makes libcurl's list of the header lines, of which there are some. */
static void link_lines(qc_transfer *transfer)
{
  char *line = transfer->lines.data, *end = line + transfer->lines.len;
  struct curl_slist *node = transfer->nodes;
  for (; line < end; line += strlen(line) + 1, node++) {
    node->data = line;
    node->next = node + 1;
  }
  node[-1].next = NULL;
}

/* Writes the header lines, in memory that is kept. 0: out of memory. */
static int write_lines(qc_transfer *transfer, const qc_http_request *request)
{
  /* Without a value: libcurl must not send these headers. One would make it
     wait for a 100, the other say that the body is a form. */
  static const char no_expect[] = "Expect:", no_type[] = "Content-Type:";
  static const qc_http_header coding = {"Accept-Encoding", "identity", 15, 8};
  qc_buffer *lines = &transfer->lines;
  size_t n;
  int ok;
  lines->len = 0;
  ok = qc_buffer_add(lines, no_expect, sizeof(no_expect));
  for (n = 0; ok && n < request->header_count; n++)
    ok = qc_add_header(lines, &request->headers[n]);
  if (ok && !qc_has_header(request, "accept-encoding"))
    ok = qc_add_header(lines, &coding);
  if (ok && !qc_has_header(request, "content-type"))
    ok = qc_buffer_add(lines, no_type, sizeof(no_type));
  if (ok)
    link_lines(transfer);
  return ok;
}

/* Copies a request. 0: out of memory. */
static int copy_request(qc_transfer *transfer, const qc_http_request *request)
{
  qc_buffer *texts = &transfer->texts;
  const char *to = request->connect_to;
  texts->len = 0;
  transfer->request = *request;
  transfer->request.headers = NULL;
  transfer->is_tls = strncmp(request->url, "https:", 6) == 0;
  if (!write_lines(transfer, request) ||
      !qc_buffer_add(texts, request->url, strlen(request->url) + 1) ||
      (to != NULL && !qc_buffer_add(texts, to, strlen(to) + 1)) ||
      !qc_buffer_add(texts, request->body, request->body_len))
    return 0;
  transfer->request.url = texts->data;
  to = to == NULL ? NULL : texts->data + strlen(texts->data) + 1;
  transfer->request.connect_to = to;
  transfer->request.body = texts->data + texts->len - request->body_len;
  return 1;
}

/* A number that libcurl knows of the transfer, 0 where it doesn't. */
static long number_of(const qc_transfer *transfer, CURLINFO info)
{
  long number = 0;
  if (transfer->easy == NULL ||
      curl_easy_getinfo(transfer->easy, info, &number) != CURLE_OK)
    return 0;
  return number;
}

static double seconds_of(const qc_transfer *transfer, CURLINFO info)
{
  double seconds = 0;
  if (transfer->easy == NULL ||
      curl_easy_getinfo(transfer->easy, info, &seconds) != CURLE_OK)
    return 0;
  return seconds;
}

/* Whether a byte of the request may have left. An older libcurl reports it
   when the request's head was sent; not when that failed. */
static int may_have_left(const qc_transfer *transfer, CURLcode code)
{
  double seconds = 0;
  if (transfer->is_guarded)
    return transfer->requests_begun > 0;
  return code == CURLE_SEND_ERROR ||
         curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME,
                           &seconds) != CURLE_OK ||
         seconds > 0;
}

double qc_transfer_deadline(const qc_transfer *transfer)
{
  if (transfer->deadline <= transfer->connect_deadline ||
      may_have_left(transfer, CURLE_OK))
    return transfer->deadline;
  return transfer->connect_deadline;
}

/* CURLINFO_USED_PROXY, which the headers of the build may lack. */
#define USED_PROXY ((CURLINFO)(CURLINFO_LONG + 66))

/* Whether the transfer went over a proxy, -1: unknown. */
static int has_proxy(const qc_transfer *transfer)
{
  const char *proxy = transfer->client->proxy;
  if (proxy != NULL || transfer->request.direct)
    return proxy != NULL && proxy[0] != '\0';
  return qc_global_reports_proxies() ? (int)number_of(transfer, USED_PROXY)
                                     : -1;
}

/* Fills in reason and message of a failed transfer. */
static void judge(qc_transfer *transfer, qc_http_result *result)
{
  const qc_response *response = &transfer->response;
  qc_transfer_error error = {0};
  error.code = (int)transfer->code;
  error.sent = result->sent;
  error.has_proxy = has_proxy(transfer);
  error.proxy_status = number_of(transfer, CURLINFO_HTTP_CONNECTCODE);
  if (error.has_proxy != 0 && !transfer->is_tls && response->status == 407)
    error.proxy_status = response->status;
#if LIBCURL_VERSION_NUM >= 0x074900
  error.proxy_error = number_of(transfer, CURLINFO_PROXY_ERROR);
#endif
  error.has_tried = transfer->sockets_asked > 0;
  if (transfer->sockets_made == 0) /* of several addresses */
    error.socket_error = transfer->socket_error;
  error.peer = transfer->peer;
  error.peer_port = transfer->peer_port;
  error.url = transfer->request.url;
  error.connect_to = transfer->request.connect_to;
  error.text = transfer->error;
  error.size = sizeof(transfer->error);
  if (response->fault != NULL) { /* http_message.c refused it */
    result->reason = response->reason;
    result->message = response->fault;
  } else {
    result->reason = qc_transfer_error_reason(&error);
    qc_transfer_error_describe(&error, result->reason);
    result->message = transfer->error;
  }
}

/* Lets go of the generation. */
static void detach(qc_transfer *transfer)
{
  if (transfer->is_attached)
    qc_generation_release(transfer->generation);
  transfer->is_attached = 0;
}

/* Begins a request with what is copied of it; a failure is its end. */
static void start(qc_transfer *transfer, int is_fresh)
{
  qc_client *client = transfer->client;
  qc_generation *before = transfer->generation;
  CURLcode code;
  if (before != NULL && !transfer->is_attached)
    before->users++; /* it stays as long as the handle is of it */
  transfer->error[0] = transfer->peer[0] = '\0';
  transfer->sockets_asked = transfer->sockets_made = 0;
  transfer->socket_error = 0;
  transfer->requests_begun = transfer->was_reused = transfer->is_disturbed = 0;
  transfer->is_attached = 0;
  transfer->connect_deadline = transfer->deadline =
      qc_loop_now() + QC_HTTP_LATE;
  transfer->deadline += transfer->request.seconds;
  transfer->connect_deadline += transfer->request.connect_seconds;
  qc_response_start(&transfer->response);
  code = make_ready(transfer);
  if (before != NULL)
    qc_generation_release(before);
  if (code == CURLE_OK)
    code = qc_easy_set_request(transfer, is_fresh);
  if (code == CURLE_OK)
    code = qc_loop_add(client->loop, transfer);
  if (client->is_closed && client->generation != NULL)
    qc_generation_retire(client->generation);
  if (code == CURLE_OK)
    return;
  transfer->code = code;
  transfer->sent = 0;
  if (client->generation != NULL)
    qc_generation_retire(client->generation);
}

/* Begins again what has not been sent, in the time that is left. 0: there is
   none. */
static int begin_again(qc_transfer *transfer, int is_fresh)
{
  double spent = seconds_of(transfer, CURLINFO_TOTAL_TIME);
  qc_http_request *request = &transfer->request;
  if (spent >= request->seconds || spent >= request->connect_seconds)
    return 0;
  request->seconds -= spent;
  request->connect_seconds -= spent;
  start(transfer, is_fresh);
  return 1;
}

/* Whether what libcurl keeps may be of no use any more after a failure. A
   connection that was made and is slow says nothing of the others. */
static int is_suspect(const qc_transfer *transfer, CURLcode code)
{
  if (transfer->sent)
    return code == CURLE_OK || code == CURLE_OUT_OF_MEMORY;
  return code != CURLE_OPERATION_TIMEDOUT ||
         seconds_of(transfer, CURLINFO_CONNECT_TIME) <= 0;
}

void qc_transfer_complete(qc_transfer *transfer, CURLcode code)
{
  qc_client *client = transfer->client;
  qc_generation *generation = transfer->generation;
  int sent = transfer->was_forked || may_have_left(transfer, code), ok;
  if (code == CURLE_OK)
    qc_generation_note_kept(generation, transfer->easy);
  qc_loop_remove(client->loop, transfer);
  if (!sent && transfer->is_disturbed) {
    if (begin_again(transfer, 1))
      return;
    code = CURLE_OPERATION_TIMEDOUT;
  }
  if (!sent && code == CURLE_PEER_FAILED_VERIFICATION &&
      generation->by_folder) {
    client->needs_bundle = 1;
    if (client->generation != NULL && client->generation->by_folder)
      qc_generation_retire(client->generation);
    if (begin_again(transfer, transfer->is_fresh))
      return;
  }
  /* libcurl (before 8.6) says so of a line without end, too */
  if (code == CURLE_OUT_OF_MEMORY && sent)
    qc_response_overflow(&transfer->response);
  ok = code == CURLE_OK && qc_response_end(&transfer->response);
  transfer->code = code;
  transfer->sent = sent;
  if (!ok && transfer->generation == client->generation &&
      is_suspect(transfer, code))
    qc_generation_retire(generation);
}

/* A slot for a request: an idle one, or a new one. NULL: out of memory. */
static qc_transfer *take_slot(qc_client *client)
{
  qc_transfer *transfer = client->idle;
  if (transfer != NULL) {
    client->idle = transfer->next;
    client->idle_count--;
  } else {
    transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
      return NULL;
    transfer->lines.max = QC_HTTP_REQUEST_HEAD_MAX;
    transfer->texts.max = QC_HTTP_BODY_LIMIT;
    qc_response_init(&transfer->response, client->max_response);
  }
  transfer->client = client;
  transfer->prev = transfer->next = NULL;
  transfer->was_forked = 0;
  client->refs++;
  return transfer;
}

/* qc_transfer_begin, where the state of the host has been saved. */
static qc_transfer *begin(qc_client *client, const qc_http_request *request)
{
  qc_transfer *transfer = take_slot(client);
  if (transfer == NULL)
    return NULL;
  if (copy_request(transfer, request)) {
    start(transfer, 0);
    qc_loop_collect(client->loop);
    return transfer;
  }
  qc_transfer_end(transfer);
  return NULL;
}

qc_transfer *qc_transfer_begin(qc_client *client,
                               const qc_http_request *request)
{
  qc_host_state state;
  qc_transfer *transfer;
  qc_host_state_save(&state);
  transfer = begin(client, request);
  qc_host_state_restore(&state);
  return transfer;
}

int qc_transfer_is_done(const qc_transfer *transfer)
{
  return !transfer->is_under_way;
}

/* Notes how far it came; the handle may be freed with its generation. */
static void note_stages(qc_transfer *transfer)
{
  qc_http_stages *stages = &transfer->client->stages;
  stages->resolved = seconds_of(transfer, CURLINFO_NAMELOOKUP_TIME);
  stages->connected = seconds_of(transfer, CURLINFO_CONNECT_TIME);
  stages->secured = seconds_of(transfer, CURLINFO_APPCONNECT_TIME);
  stages->answered = seconds_of(transfer, CURLINFO_STARTTRANSFER_TIME);
  memcpy(stages->address, transfer->peer, sizeof(transfer->peer));
}

int qc_transfer_finish(qc_transfer *transfer, qc_http_result *result)
{
  const qc_response *response = &transfer->response;
  memset(result, 0, sizeof(*result));
  note_stages(transfer);
  result->sent = transfer->sent;
  result->reused = transfer->was_reused;
  if (transfer->was_forked) {
    /* The parent's goes on, so this is not a failure to retry. */
    int is_child = transfer->generation->birth != qc_global_forks();
    result->message =
        is_child ? "the process was forked while the request was under way"
                 : "the program closed the connection's descriptor";
    result->reason = is_child ? NULL : "closed";
    return 0;
  }
  if (transfer->code != CURLE_OK || response->fault != NULL) {
    judge(transfer, result);
    return 0;
  }
  result->status = response->status;
  result->body = response->body.data;
  result->body_len = response->body.len;
  result->head = response->head.data;
  result->header_count = response->header_count;
  return 1;
}

/* Cuts off one that is under way, and lets go of what its handle is of. */
static void end_transfer(qc_transfer *transfer)
{
  qc_host_state state;
  qc_host_state_save(&state); /* TLS says goodbye */
  if (transfer->is_under_way)
    qc_loop_remove(transfer->client->loop, transfer);
  if (transfer->generation->is_retired) { /* which may go, too */
    qc_transfer_end_easy(transfer);
    detach(transfer);
    transfer->generation = NULL;
  }
  detach(transfer);
  qc_host_state_restore(&state);
}

void qc_transfer_end(qc_transfer *transfer)
{
  qc_client *client = transfer->client;
  if (transfer->is_under_way ||
      (transfer->is_attached && transfer->generation->is_retired))
    end_transfer(transfer);
  else
    detach(transfer);
  if (transfer->response.body.size > QC_HTTP_BODY_KEPT)
    qc_buffer_free(&transfer->response.body);
  if (transfer->texts.size > QC_HTTP_BODY_KEPT)
    qc_buffer_free(&transfer->texts);
  if (client->idle_count < QC_HTTP_KEPT) {
    transfer->next = client->idle;
    client->idle = transfer;
    client->idle_count++;
  } else {
    qc_transfer_free(transfer);
  }
  qc_client_release(client);
}

void qc_transfer_free(qc_transfer *transfer)
{
  qc_transfer_end_easy(transfer);
  qc_buffer_free(&transfer->lines);
  qc_buffer_free(&transfer->texts);
  qc_response_free(&transfer->response);
  free(transfer);
}

qc_transfer *qc_http_send(qc_client *client, const qc_http_request *request,
                          qc_http_result *result)
{
  qc_host_state state;
  qc_transfer *transfer;
  memset(result, 0, sizeof(*result));
  result->message = "out of memory";
  qc_host_state_save(&state);
  transfer = begin(client, request);
  while (transfer != NULL && transfer->is_under_way)
    qc_loop_turn(client->loop, QC_HTTP_SECONDS_MAX);
  qc_host_state_restore(&state);
  if (transfer != NULL)
    (void)qc_transfer_finish(transfer, result);
  return transfer;
}
