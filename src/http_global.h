/*
 * http_global.h - libcurl in a process that has others in it: it is set up
 * once, forks are counted, and the host finds its signals and libcrypto's
 * errors as they were. Knows no Lua. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_HTTP_GLOBAL_H
#define QCIMAGE_HTTP_GLOBAL_H

#include <signal.h>

/* Sets libcurl up, and begins to count forks; what stands is left alone. 0:
   it failed, and may be tried again. */
int qc_global_ready(void);

/* How many forks lie between the process that was ready first and this one:
   what was made at another number is another process's. */
unsigned long qc_global_forks(void);

/* Whether this libcurl keeps a pointer to a header that it frees, see
   http_transfer.c. */
int qc_global_keeps_headers(void);

/* Whether this libcurl's TLS is of the libssl that is linked here, so that its
   objects may be asked: not GnuTLS, LibreSSL, or another version. */
int qc_global_shares_libssl(void);

/* Whether this libcurl reports the use of a proxy also for a failed
   transfer. */
int qc_global_reports_proxies(void);

/* Whether the environment may name a proxy that is reached over TLS. */
int qc_global_has_tls_proxy(void);

/* Whether this libcurl trusts its default folder of certificates if none is
   set. */
int qc_global_trusts_default_folder(void);

/* Whether this libcurl has, beside its file of certificates, a folder in which
   one is looked up by itself. */
int qc_global_has_ca_folder(void);

/* What libcurl would leave behind in this thread for the host to trip over:
   - SIGPIPE, which a write to a connection raises that the peer has closed.
     libcurl guards against it only where CURLOPT_NOSIGNAL is off. It is
     blocked here, and consumed if it came; the handlers and masks of the host
     are not changed.
   - errors of TLS in libcrypto's queue, which the host's next use of libssl
     would mistake for new ones. */
typedef struct {
  sigset_t mask;
  int is_blocked, was_pending;
} qc_host_state;

void qc_host_state_save(qc_host_state *guard);
void qc_host_state_restore(const qc_host_state *guard);

#endif
