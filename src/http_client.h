/*
 * http_client.h - what the loop, the clients and their transfers know of each
 * other. Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_CLIENT_H
#define QCIMAGE_HTTP_CLIENT_H

#include "http.h"
#include "http_message.h"

#define CURL_DISABLE_DEPRECATION /* the oldest spelling works with all */
#include <curl/curl.h>
#include <sys/types.h>

/* A descriptor that libcurl has open for a generation. */
typedef struct {
  curl_socket_t fd;
  short events;      /* of poll, that libcurl waits for; 0: it is idle */
  int port;          /* of a connection, on this side; 0: not known yet */
  int is_connection; /* 0: of its resolver, say; the rest is not known */
  int is_kept;       /* 1: a request over it was answered */
  dev_t device;      /* what fstat said of it: its number may be another */
  ino_t inode;       /* file's once the host has closed descriptors */
} qc_socket;

/* A multi handle with all that it keeps: connections, TLS sessions, parsed
   certificates. */
typedef struct qc_generation {
  qc_client *client;
  struct qc_generation *prev, *next; /* in the loop: those under way */
  CURLM *multi;
  CURLSH *share;
  unsigned long birth; /* forks when it was made */
  qc_socket *sockets;
  size_t count, size;
  size_t users;     /* transfers that have not been ended */
  size_t under_way; /* of these */
  double due;       /* when libcurl wants to be called; below 0: never */
  int by_folder;    /* 1: made without the bundle */
  int sees_tls;     /* 1: its TLS is the libssl that is linked here */
  int is_retired;   /* 1: no transfer begins with it any more */
  int is_broken;    /* 1: libcurl cannot go on with it */
  int is_lost;      /* 1: must be neither used nor cleaned up */
} qc_generation;

struct qc_loop {
  size_t refs;
  qc_generation *generations; /* with transfers under way */
  qc_transfer *transfers;     /* under way */
  size_t under_way;
  struct pollfd *polled;
  size_t size;
};

struct qc_client {
  char *ca_file, *ca_folder, *proxy;
  size_t max_response;
  int verify;

  qc_loop *loop;
  size_t refs; /* its owner, and the transfers that have not been ended */
  int is_closed;
  int needs_bundle;          /* 1: the folder did not do */
  qc_generation *generation; /* that new transfers begin with, or NULL */
  qc_transfer *idle;         /* kept for the next requests */
  size_t idle_count;
  qc_http_stages stages; /* of the transfer that was finished last */
};

struct qc_transfer {
  qc_client *client;
  qc_generation *generation; /* of easy, or NULL */
  qc_transfer *prev, *next;  /* in the loop, or among the idle */
  CURL *easy;
  int is_under_way;
  int was_forked;  /* 1: its generation was lost meanwhile, by that or else */
  int is_attached; /* 1: counts among the generation's users */
  CURLcode code;   /* when it is done */
  int sent;        /* the same */
  double deadline; /* after which the loop ends it */
  double connect_deadline; /* the same while nothing can have been sent */
  int is_guarded;          /* 1: on_prerequest is called */
  int may_keep;            /* 0: the connection is closed behind a response */
  int is_fresh;            /* 1: over no kept connection */
  char error[CURL_ERROR_SIZE];

  qc_buffer lines; /* the request's headers */
  qc_buffer texts; /* its other texts */
  qc_http_request request;
  struct curl_slist nodes[QC_HTTP_REQUEST_HEADERS + 3];
  struct curl_slist connect_to;    /* libcurl keeps a pointer */
  char peer[QC_HTTP_ADDRESS_SIZE]; /* connected to last, in digits; or "" */
  char peer_port[8];
  int sockets_asked, sockets_made, socket_error;
  int requests_begun, was_reused;
  int is_disturbed; /* 1: the kept connection was of no use */
  int is_tls;       /* 1: https:// */
  qc_response response;
};

/* http_client.c */

/* The generation that a new transfer begins with, which is made if there is
   none; NULL, and *code says why. */
qc_generation *qc_client_prepare(qc_client *client, CURLcode *code);
/* Lets no more transfers begin with a generation. */
void qc_generation_retire(qc_generation *generation);
/* Counts a user less; the last of one that is retired frees it. */
void qc_generation_release(qc_generation *generation);
/* Whether its handles belong to another process, or its descriptors were
   closed and opened again by others. */
int qc_generation_is_lost(const qc_generation *generation);
/* Gives up one that is lost: the transfers under way are done. */
void qc_generation_abandon(qc_generation *generation);
/* Has room for the descriptors of one more transfer. 0: out of memory. */
int qc_generation_reserve(qc_generation *generation);
/* Notes a new connection's socket. 0: it cannot be noted. */
int qc_generation_note(qc_generation *generation, curl_socket_t fd);
/* Notes that the connection of a transfer that has ended is kept, if it is. */
void qc_generation_note_kept(qc_generation *generation, CURL *easy);
/* CURLOPT_CLOSESOCKETFUNCTION; its data is the generation. */
int qc_generation_close_socket(void *generation, curl_socket_t fd);
/* Whether the kept connection that a transfer is about to use may be: neither
   ended nor reset, and nothing came on it since the last response. port: of
   it, on this side. */
int qc_generation_is_fit(const qc_generation *generation, CURL *easy, int port,
                         int is_tls);
/* Frees a client that has no owner and no transfers any more. */
void qc_client_release(qc_client *client);

/* http_loop.c */

double qc_loop_now(void); /* monotonic seconds */
/* Takes a transfer that was set up. Then sends what can be sent. */
CURLcode qc_loop_add(qc_loop *loop, qc_transfer *transfer);
/* Takes one out, with its result or without. */
void qc_loop_remove(qc_loop *loop, qc_transfer *transfer);
/* Takes the ends of transfers that libcurl has noted. */
void qc_loop_collect(qc_loop *loop);
/* qc_loop_wait, where the state of the host has been saved. */
void qc_loop_turn(qc_loop *loop, double seconds);

/* http_easy.c */

/* Sets what all requests share. */
CURLcode qc_easy_set_up(qc_transfer *transfer);
/* Sets all that differs from one request to the next. is_fresh: it goes over
   no kept connection. */
CURLcode qc_easy_set_request(qc_transfer *transfer, int is_fresh);

/* http_transfer.c */

/* Takes the end of a transfer, which may begin again. */
void qc_transfer_complete(qc_transfer *transfer, CURLcode code);
/* The time after which the loop ends one that is under way. */
double qc_transfer_deadline(const qc_transfer *transfer);
/* Frees the easy handle; not one that is lost. */
void qc_transfer_end_easy(qc_transfer *transfer);
void qc_transfer_free(qc_transfer *transfer);

#endif
